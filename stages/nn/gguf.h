// What a GGUF file says before its weights: keys with values, and which tensors are where.
//
// Every file is hostile: whatever it counts is checked against the bytes that are there before
// anything is allocated for it. What ggml's own loader accepts is accepted and what it refuses is
// refused. Source: the specification of the format, versions 2 and 3 (little-endian).
#pragma once

#include "runtime/memory/arena.h"
#include "runtime/slice.h"

typedef enum ft_gguf_type {
    FT_GGUF_U8,
    FT_GGUF_I8,
    FT_GGUF_U16,
    FT_GGUF_I16,
    FT_GGUF_U32,
    FT_GGUF_I32,
    FT_GGUF_F32,
    FT_GGUF_BOOL,
    FT_GGUF_TEXT,
    FT_GGUF_ARRAY,
    FT_GGUF_U64,
    FT_GGUF_I64,
    FT_GGUF_F64,
    FT_GGUF_TYPE_COUNT,
} ft_gguf_type;

// Points into the file.
typedef struct ft_gguf_value {
    ft_slice key;
    ft_gguf_type type;  // Of an array's elements: arrays hold no arrays.
    bool is_array;
    size_t count;    // Of an array; else 1.
    ft_slice bytes;  // The elements end to end; of a text that is no array, the text itself.
} ft_gguf_value;

enum { FT_GGUF_RANK_MAX = 4 };

typedef struct ft_gguf_tensor {
    ft_slice name;
    uint32_t type;  // ggml's number of it.
    size_t rank;
    uint64_t shape[FT_GGUF_RANK_MAX];  // The fastest first; 1 behind the rank.
    ft_slice bytes;                    // At the file's alignment.
} ft_gguf_tensor;

typedef struct ft_gguf {
    const char *path;
    uint32_t version;
    const ft_gguf_value *values;  // [value_count], sorted by key.
    size_t value_count;
    const ft_gguf_tensor *tensors;  // [tensor_count], as they stand in the file.
    size_t tensor_count;
    uint32_t alignment;
} ft_gguf;

// `bytes` outlive the arena. Messages name `path` and the key or the tensor.
bool ft_gguf_parse(ft_slice bytes, const char *path, ft_arena *arena, ft_gguf **out,
                   ft_error *err) FT_MUST_CHECK;

const char *ft_gguf_type_name(uint32_t type);  // Of a tensor: ggml's name, as "Q4_K".

const ft_gguf_value *ft_gguf_find(const ft_gguf *file, const char *key);  // NULL: not there.
// A value of the type asked for: whole numbers of any width, that is no array. `*out` stays when
// the key is not there; a value of another type fails.
bool ft_gguf_get_text(const ft_gguf *file, const char *key, ft_slice *out,
                      ft_error *err) FT_MUST_CHECK;
bool ft_gguf_get_int(const ft_gguf *file, const char *key, int64_t *out,
                     ft_error *err) FT_MUST_CHECK;
bool ft_gguf_get_float(const ft_gguf *file, const char *key, double *out,
                       ft_error *err) FT_MUST_CHECK;  // F32 or F64.
bool ft_gguf_get_bool(const ft_gguf *file, const char *key, bool *out, ft_error *err) FT_MUST_CHECK;
// The array of that type; `*out` NULL when the key is not there.
bool ft_gguf_get_array(const ft_gguf *file, const char *key, ft_gguf_type type,
                       const ft_gguf_value **out, ft_error *err) FT_MUST_CHECK;
// The next text of an array of texts; `rest` begins as the value's bytes. Only `count` times.
ft_slice ft_gguf_next_text(ft_slice *rest);
// Element `at` of an array of I32 or U32, or F32.
int32_t ft_gguf_int_at(const ft_gguf_value *array, size_t at);
float ft_gguf_float_at(const ft_gguf_value *array, size_t at);
