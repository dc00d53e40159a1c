// .npy: see npy.h. The shape is printed into a dictionary of fixed size, so that the number of rows
// can be written when it is known.
#include "stages/io/npy.h"

#include <stdio.h>
#include <string.h>

// NumPy's name of a dtype, or NULL when it has none.
static const char *descr_of(ft_type type)
{
    switch (type.kind) {
    case FT_KIND_BOOL:
        return "|b1";
    case FT_KIND_INT:
        return "<i8";
    case FT_KIND_FLOAT:
        return "<f8";
    case FT_KIND_TENSOR:
        break;
    case FT_KIND_ANY:
    case FT_KIND_STRING:
    case FT_KIND_BYTES:
    case FT_KIND_JSON:
        return NULL;
    }
    static const char *const names[] = {
        [FT_DTYPE_U8] = "|u1",  [FT_DTYPE_I8] = "|i1",  [FT_DTYPE_I32] = "<i4",
        [FT_DTYPE_I64] = "<i8", [FT_DTYPE_F16] = "<f2", [FT_DTYPE_F32] = "<f4",
        [FT_DTYPE_F64] = "<f8",
    };
    return type.dtype < FT_COUNT_OF(names) ? names[type.dtype] : NULL;
}

bool ft_npy_can_hold(ft_type type, size_t *out_row_bytes, ft_error *err)
{
    char text[FT_TYPE_TEXT_BYTES];
    if (!descr_of(type)) {
        ft_fail(err, FT_ERROR_USAGE, "rows of type %s cannot stand in an .npy file",
                ft_type_print(type, text));
        if (type.kind == FT_KIND_TENSOR && type.dtype == FT_DTYPE_BF16)
            ft_hint(err, "NumPy has no bf16: make it f32 first.");
        return false;
    }
    size_t bytes = ft_type_element_size_bytes(type);
    const int rank = type.kind == FT_KIND_TENSOR ? type.rank : 0;
    for (int i = 0; i < rank; i++)
        if (type.shape[i] < 0 || FT_MUL_OVERFLOWS(bytes, (size_t)type.shape[i], &bytes))
            return ft_fail(err, FT_ERROR_USAGE, "rows of type %s have no fixed size",
                           ft_type_print(type, text));
    *out_row_bytes = bytes;
    return true;
}

void ft_npy_print_header(ft_type type, uint64_t rows, char out[FT_NPY_HEADER_BYTES])
{
    char shape[FT_RANK_MAX * 24 + 32];
    const int rank = type.kind == FT_KIND_TENSOR ? type.rank : 0;
    int size = snprintf(shape, sizeof(shape), "%llu,", (unsigned long long)rows);
    for (int i = 0; i < rank; i++)
        size += snprintf(shape + size, sizeof(shape) - (size_t)size, i ? ", %lld" : " %lld",
                         (long long)type.shape[i]);
    // Magic, version 1.0, and the length of the rest, little-endian.
    const size_t rest = FT_NPY_HEADER_BYTES - 10;
    memset(out, ' ', FT_NPY_HEADER_BYTES);
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = (char)(rest & 0xff);
    out[9] = (char)(rest >> 8);
    char text[FT_NPY_HEADER_BYTES];
    size = snprintf(text, sizeof(text), "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }",
                    descr_of(type), shape);
    FT_ASSERT(size > 0 && (size_t)size < rest);
    memcpy(out + 10, text, (size_t)size);
    out[FT_NPY_HEADER_BYTES - 1] = '\n';
}
