// The types of fields, spelt the same in YAML, messages, graphs and Lua:
//   any bool int float string bytes json     f32[384] (a tensor)     i32[*] string[*] (lists of
//   varying length)
#pragma once

#include "runtime/slice.h"

typedef enum ft_kind {
    FT_KIND_ANY,     // Not known before the item comes. Stored as JSON text.
    FT_KIND_BOOL,    // u8, 0 or 1.
    FT_KIND_INT,     // i64.
    FT_KIND_FLOAT,   // f64.
    FT_KIND_STRING,  // Valid UTF-8.
    FT_KIND_BYTES,
    FT_KIND_JSON,    // JSON text, one value.
    FT_KIND_TENSOR,  // `dtype` and `shape`; rank 0 is a single number: f32.
} ft_kind;

typedef enum ft_dtype {
    FT_DTYPE_U8,
    FT_DTYPE_I8,
    FT_DTYPE_I32,
    FT_DTYPE_I64,
    FT_DTYPE_F16,
    FT_DTYPE_BF16,
    FT_DTYPE_F32,
    FT_DTYPE_F64,
} ft_dtype;

enum { FT_RANK_MAX = 4, FT_TYPE_TEXT_BYTES = 96 };

typedef struct ft_type {
    ft_kind kind;
    ft_dtype dtype;              // FT_KIND_TENSOR only.
    bool list;                   // A list, of varying length, of what the rest says.
    uint8_t rank;                // FT_KIND_TENSOR only; of one element when `list`.
    int64_t shape[FT_RANK_MAX];  // -1: any size (only in what a stage asks for: f32[d]).
} ft_type;

#define FT_TYPE(KIND) ((ft_type){.kind = FT_KIND_##KIND})
#define FT_TYPE_LIST(KIND) ((ft_type){.kind = FT_KIND_##KIND, .list = true})
#define FT_TYPE_IDS \
    ((ft_type){.kind = FT_KIND_TENSOR, .dtype = FT_DTYPE_I32, .list = true})  // i32[*]
#define FT_TYPE_VECTOR(DTYPE, dim) \
    ((ft_type){.kind = FT_KIND_TENSOR, .dtype = FT_DTYPE_##DTYPE, .rank = 1, .shape = {dim}})

FT_API size_t ft_dtype_size_bytes(ft_dtype dtype);
FT_API const char *ft_dtype_name(ft_dtype dtype);  // "f32"
FT_API bool ft_type_parse(ft_slice text, ft_type *out, ft_error *err) FT_MUST_CHECK;
FT_API const char *ft_type_print(ft_type type, char out[FT_TYPE_TEXT_BYTES]);  // Returns `out`.
FT_API bool ft_type_equal(ft_type a, ft_type b);
// Whether a value of type `have` can be taken where `want` is asked for, without a look at it:
// equal, or `want` is any, or `want` has -1 where `have` has a size. (`have` any must be checked
// when the item comes.)
FT_API bool ft_type_accepts(ft_type want, ft_type have);
FT_API int64_t ft_type_elements(
    ft_type type);  // Of one item (of one element, for a list): 384 for f32[384]; 1 for scalars.
FT_API size_t ft_type_element_size_bytes(
    ft_type type);  // Of one number of `values`: 8 for int, 4 for f32[384], 1 for text.
// How a column of that type is laid out (column.h).
typedef enum ft_layout {
    FT_LAYOUT_FIXED,    // values
    FT_LAYOUT_TEXT,     // offsets, values
    FT_LAYOUT_NUMBERS,  // offsets, values: lists of numbers
    FT_LAYOUT_TEXTS,    // offsets, inner, values: lists of text
} ft_layout;
FT_API ft_layout ft_type_layout(ft_type type);
FT_API ft_dtype ft_type_dtype(ft_type type);  // Of `values`.
FT_API bool
ft_type_is_text(ft_type type);  // string, bytes, json or any, not a list: offsets and bytes.
