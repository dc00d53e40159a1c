// Types: one table of names, parsing and printing, and when one type can stand for another.
#include "runtime/data/type.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    uint8_t size_bytes;
} dtypes[] = {
    [FT_DTYPE_U8] = {"u8", 1},   [FT_DTYPE_I8] = {"i8", 1},   [FT_DTYPE_I32] = {"i32", 4},
    [FT_DTYPE_I64] = {"i64", 8}, [FT_DTYPE_F16] = {"f16", 2}, [FT_DTYPE_BF16] = {"bf16", 2},
    [FT_DTYPE_F32] = {"f32", 4}, [FT_DTYPE_F64] = {"f64", 8},
};

static const char *const kinds[] = {
    [FT_KIND_ANY] = "any",     [FT_KIND_BOOL] = "bool",     [FT_KIND_INT] = "int",
    [FT_KIND_FLOAT] = "float", [FT_KIND_STRING] = "string", [FT_KIND_BYTES] = "bytes",
    [FT_KIND_JSON] = "json",
};

enum { RANK_IN_FIELD_MAX = FT_RANK_MAX - 1 };  // A column adds one axis: the items.

size_t ft_dtype_size_bytes(ft_dtype dtype)
{
    return dtypes[dtype].size_bytes;
}

const char *ft_dtype_name(ft_dtype dtype)
{
    return dtypes[dtype].name;
}

static bool parse_name(ft_slice name, ft_type *out)
{
    for (size_t i = 0; i < FT_COUNT_OF(kinds); i++) {
        if (ft_slice_is(name, kinds[i])) {
            *out = (ft_type){.kind = (ft_kind)i};
            return true;
        }
    }
    for (size_t i = 0; i < FT_COUNT_OF(dtypes); i++) {
        if (ft_slice_is(name, dtypes[i].name)) {
            *out = (ft_type){.kind = FT_KIND_TENSOR, .dtype = (ft_dtype)i};
            return true;
        }
    }
    return false;
}

static bool bad_type(ft_slice text, ft_error *err)
{
    static const char *const names[] = {"any", "bool", "int", "float", "string", "bytes", "json",
                                        "f32", "f64",  "i32", "i64",   "u8",     NULL};
    int shown = text.size < 60 ? (int)text.size : 60;
    ft_slice name = text;
    const char *open = text.size ? memchr(text.data, '[', text.size) : NULL;

    ft_fail(err, FT_ERROR_USAGE, "`%.*s` is not a type", shown, text.data ? text.data : "");
    if (open)
        name.size = (size_t)(open - text.data);
    const char *nearest = ft_nearest(name, names);
    if (nearest && !ft_slice_is(name, nearest))
        ft_hint(err, "Did you mean `%s`?", nearest);
    ft_hint(err, "Types are any, bool, int, float, string, bytes, json, tensors like f32[384], "
                 "lists like i32[*].");
    return false;
}

// One size of "[*, 384]": a list's star only as the first.
static bool parse_size(ft_slice part, bool is_first, ft_type *type)
{
    int64_t size;

    if (is_first && ft_slice_is(part, "*")) {
        type->list = true;
        return true;
    }
    if (type->kind != FT_KIND_TENSOR || type->rank == RANK_IN_FIELD_MAX)
        return false;
    if (!ft_parse_int(part, &size) || size < 1 || size > INT32_MAX)
        return false;
    type->shape[type->rank++] = size;
    return ft_type_elements(*type) <= INT32_MAX;
}

bool ft_type_parse(ft_slice text, ft_type *out, ft_error *err)
{
    ft_slice rest = ft_slice_trim(text), part;
    const char *open = rest.size ? memchr(rest.data, '[', rest.size) : NULL;
    ft_slice name = rest;

    if (open)
        name.size = (size_t)(open - rest.data);
    ft_type type;
    if (!parse_name(ft_slice_trim(name), &type))
        return bad_type(text, err);
    if (open) {
        if (rest.data[rest.size - 1] != ']')
            return bad_type(text, err);
        rest = (ft_slice){open + 1, rest.size - name.size - 2};
        for (bool is_first = true; ft_slice_cut(&rest, ',', &part); is_first = false)
            if (!parse_size(ft_slice_trim(part), is_first, &type))
                return bad_type(text, err);
    }
    if (type.list && type.kind == FT_KIND_ANY)
        return bad_type(text, err);
    *out = type;
    return true;
}

const char *ft_type_print(ft_type type, char out[FT_TYPE_TEXT_BYTES])
{
    const char *name = type.kind == FT_KIND_TENSOR ? dtypes[type.dtype].name : kinds[type.kind];
    size_t size = (size_t)snprintf(out, FT_TYPE_TEXT_BYTES, "%s", name);
    size_t rank = type.kind == FT_KIND_TENSOR ? type.rank : 0;
    const char *separator = "[";

    if (type.list) {
        size += (size_t)snprintf(out + size, FT_TYPE_TEXT_BYTES - size, "%s*", separator);
        separator = ",";
    }
    for (size_t i = 0; i < rank; i++) {
        if (type.shape[i] < 0)
            size += (size_t)snprintf(out + size, FT_TYPE_TEXT_BYTES - size, "%sd", separator);
        else
            size += (size_t)snprintf(out + size, FT_TYPE_TEXT_BYTES - size, "%s%lld", separator,
                                     (long long)type.shape[i]);
        separator = ",";
    }
    if (type.list || rank > 0)
        snprintf(out + size, FT_TYPE_TEXT_BYTES - size, "]");
    return out;
}

static bool matches(ft_type want, ft_type have, bool open_shapes)
{
    if (want.kind != have.kind || want.list != have.list)
        return false;
    if (want.kind != FT_KIND_TENSOR)
        return true;
    if (want.dtype != have.dtype || want.rank != have.rank)
        return false;
    for (size_t i = 0; i < want.rank; i++)
        if (want.shape[i] != have.shape[i] && !(open_shapes && want.shape[i] < 0))
            return false;
    return true;
}

bool ft_type_equal(ft_type a, ft_type b)
{
    return matches(a, b, false);
}

bool ft_type_accepts(ft_type want, ft_type have)
{
    return want.kind == FT_KIND_ANY || matches(want, have, true);
}

int64_t ft_type_elements(ft_type type)
{
    int64_t elements = 1;

    if (type.kind != FT_KIND_TENSOR)
        return 1;
    for (size_t i = 0; i < type.rank; i++)
        if (FT_MUL_OVERFLOWS(elements, type.shape[i] < 0 ? 1 : type.shape[i], &elements))
            return INT64_MAX;
    return elements;
}

size_t ft_type_element_size_bytes(ft_type type)
{
    return dtypes[ft_type_dtype(type)].size_bytes;
}

bool ft_type_is_text(ft_type type)
{
    return ft_type_layout(type) == FT_LAYOUT_TEXT;
}

ft_layout ft_type_layout(ft_type type)
{
    bool is_text = type.kind == FT_KIND_STRING || type.kind == FT_KIND_BYTES ||
                   type.kind == FT_KIND_JSON || type.kind == FT_KIND_ANY;

    if (is_text)
        return type.list ? FT_LAYOUT_TEXTS : FT_LAYOUT_TEXT;
    return type.list ? FT_LAYOUT_NUMBERS : FT_LAYOUT_FIXED;
}

ft_dtype ft_type_dtype(ft_type type)
{
    switch (type.kind) {
    case FT_KIND_INT:
        return FT_DTYPE_I64;
    case FT_KIND_FLOAT:
        return FT_DTYPE_F64;
    case FT_KIND_TENSOR:
        return type.dtype;
    case FT_KIND_ANY:
    case FT_KIND_BOOL:
    case FT_KIND_STRING:
    case FT_KIND_BYTES:
    case FT_KIND_JSON:
        break;
    }
    return FT_DTYPE_U8;
}
