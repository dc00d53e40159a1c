// Weights as the safetensors format stores them: a length, a JSON header, the bytes of the tensors
// end to end.
//
// Every file is hostile: the header must describe exactly the bytes that are there, without gaps
// and overlaps, else opening fails. What the reference library accepts is accepted and what it
// refuses is refused.
#pragma once

#include "runtime/memory/arena.h"
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
    FT_WEIGHT_KIND_COUNT,
} ft_weight_kind;

typedef struct ft_safetensor {
    ft_slice name;  // Unescaped.
    ft_weight_kind kind;
    size_t rank;
    const uint64_t *shape;  // [rank]
    size_t elements;
    size_t begin, end;  // Bytes in the data part.
    const char *data;   // [end - begin], at any alignment.
} ft_safetensor;

typedef struct ft_safetensors {
    size_t count;
    ft_safetensor *tensors;  // Sorted by name.
    ft_slice bytes;          // The whole file.
    bool is_mapped;          // By _open: its pages can be forgotten.
} ft_safetensors;

enum { FT_SAFETENSORS_HEADER_MAX = 100000000 };

// Maps the file for the life of the arena. Messages name `path`.
bool ft_safetensors_open(const char *path, ft_arena *arena, ft_safetensors **out,
                         ft_error *err) FT_MUST_CHECK;
// The same for bytes that outlive the arena.
bool ft_safetensors_parse(ft_slice bytes, ft_arena *arena, ft_safetensors **out,
                          ft_error *err) FT_MUST_CHECK;
const ft_safetensor *ft_safetensors_find(const ft_safetensors *file,
                                         const char *name);  // NULL: not there.

const char *ft_weight_kind_name(ft_weight_kind kind);  // "F32"
bool ft_weight_kind_is_float(
    ft_weight_kind kind);  // F16, BF16, F32 or F64: what ft_safetensor_read takes.
// Elements [from, from + count) as floats; the range must be inside.
void ft_safetensor_read(const ft_safetensor *tensor, size_t from, size_t count, float *out);
// "[384, 1536]" for messages. Returns `out`.
const char *ft_safetensor_print_shape(const ft_safetensor *tensor, char *out, size_t out_bytes);
// The pages of the file may leave memory; what is read again comes back from the file.
void ft_safetensors_forget(const ft_safetensors *file, const ft_safetensor *tensor);
