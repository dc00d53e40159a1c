// Weights as the safetensors format stores them: a length, a JSON header, the bytes of the tensors
// end to end.
//
// Every file is hostile: the header must describe exactly the bytes that are there, without gaps
// and overlaps, else opening fails. What the reference library accepts is accepted and what it
// refuses is refused.
#pragma once

#include "runtime/memory/arena.h"
#include "stages/nn/weight.h"

typedef struct ft_safetensors {
    size_t count;
    ft_weight *tensors;  // Sorted by name.
    ft_slice bytes;      // The whole file.
} ft_safetensors;

enum { FT_SAFETENSORS_HEADER_MAX = 100000000 };

// Maps the file for the life of the arena. Messages name `path`.
bool ft_safetensors_open(const char *path, ft_arena *arena, ft_safetensors **out,
                         ft_error *err) FT_MUST_CHECK;
// The same for bytes that outlive the arena.
bool ft_safetensors_parse(ft_slice bytes, ft_arena *arena, ft_safetensors **out,
                          ft_error *err) FT_MUST_CHECK;
const ft_weight *ft_safetensors_find(const ft_safetensors *file,
                                     const char *name);  // NULL: not there.
