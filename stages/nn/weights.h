// A model's tensors by name, whatever files they come in.
//
// A folder holds model.safetensors, or model.safetensors.index.json and the shards that it names; a
// file is safetensors, or GGUF (told by its first bytes). Everything is mapped, nothing is read but
// heads.
#pragma once

#include "stages/nn/gguf.h"
#include "stages/nn/safetensors.h"

typedef struct ft_weights {
    const char *path;          // The file, or the index: for messages.
    const char *const *files;  // [file_count]: all that it is in, `path` first.
    size_t file_count;
    const ft_gguf *gguf;  // NULL: safetensors.
    size_t count;
    const ft_weight *tensors;  // [count], sorted by name; shapes outermost first.
} ft_weights;

enum { FT_WEIGHTS_SHARDS_MAX = 1024 };

// For the life of the arena. Of an index every name and every file is checked: files lie in the
// folder itself, and each holds the tensors that the index says. Of GGUF, tensors of F32, F16,
// BF16, F64, Q8_0, Q4_0 and whole numbers; one of another type is refused by name.
bool ft_weights_open(const char *path, ft_arena *arena, ft_weights **out,
                     ft_error *err) FT_MUST_CHECK;
// The same for a GGUF file that has been parsed from mapped bytes.
bool ft_weights_of_gguf(const ft_gguf *gguf, ft_arena *arena, ft_weights **out,
                        ft_error *err) FT_MUST_CHECK;
const ft_weight *ft_weights_find(const ft_weights *weights,
                                 const char *name);  // NULL: not there.
