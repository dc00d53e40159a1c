// A tensor of a model's file: its name, type, shape and bytes, whatever the format of the file.
#pragma once

#include "runtime/slice.h"

typedef enum ft_weight_kind {
    FT_WEIGHT_BOOL,
    FT_WEIGHT_F4,
    FT_WEIGHT_F6_E2M3,
    FT_WEIGHT_F6_E3M2,
    FT_WEIGHT_U8,
    FT_WEIGHT_I8,
    FT_WEIGHT_F8_E5M2,
    FT_WEIGHT_F8_E4M3,
    FT_WEIGHT_F8_E8M0,
    FT_WEIGHT_F8_E4M3FNUZ,
    FT_WEIGHT_F8_E5M2FNUZ,
    FT_WEIGHT_I16,
    FT_WEIGHT_U16,
    FT_WEIGHT_F16,
    FT_WEIGHT_BF16,
    FT_WEIGHT_I32,
    FT_WEIGHT_U32,
    FT_WEIGHT_F32,
    FT_WEIGHT_C64,
    FT_WEIGHT_F64,
    FT_WEIGHT_I64,
    FT_WEIGHT_U64,
    // ggml's blocks of 32 elements of a row with one scale, which safetensors has not.
    FT_WEIGHT_Q8_0,
    FT_WEIGHT_Q4_0,
    FT_WEIGHT_KIND_COUNT,
    FT_WEIGHT_PLAIN_COUNT = FT_WEIGHT_Q8_0,
} ft_weight_kind;

typedef struct ft_weight {
    ft_slice name;  // Unescaped.
    ft_weight_kind kind;
    size_t rank;
    const uint64_t *shape;  // [rank]
    size_t elements;
    size_t begin, end;  // Bytes in the data part.
    const char *data;   // [end - begin], at any alignment.
    bool is_mapped;     // From a file: its pages can be forgotten.
} ft_weight;

const char *ft_weight_kind_name(ft_weight_kind kind);  // "F32"
unsigned ft_weight_kind_bits(ft_weight_kind kind);     // Of an element; 0: in blocks.
// F16, BF16, F32, F64, Q8_0 or Q4_0: what ft_weight_read takes.
bool ft_weight_kind_is_float(ft_weight_kind kind);
// Elements [from, from + count) as floats; the range must be inside, and may begin and end within
// blocks.
void ft_weight_read(const ft_weight *weight, size_t from, size_t count, float *out);
// Rows [first, first + count) of a matrix, as a matrix of its own; `shape` is the caller's.
ft_weight ft_weight_rows(const ft_weight *weight, size_t first, size_t count, uint64_t shape[2]);
// "[384, 1536]" for messages. Returns `out`.
const char *ft_weight_print_shape(const ft_weight *weight, char *out, size_t out_bytes);
// The pages of the file may leave memory; what is read again comes back from the file.
void ft_weight_forget(const ft_weight *weight);
