// Writes weights as a safetensors file: small models for tests and examples, made from a seed.
#pragma once

#include "stages/nn/safetensors.h"

typedef struct ft_weight_source {
    const char *name;
    ft_weight_kind kind;  // F32, F16, BF16, F64 or another of whole bytes; `data` is that already.
    size_t rank;
    const uint64_t *shape;  // [rank]
    const void *data;
} ft_weight_source;

// Replaces `path` as a whole, or leaves it as it was. Names must be valid UTF-8 and all different.
bool ft_safetensors_write(const char *path, const ft_weight_source *weights, size_t count,
                          ft_error *err) FT_MUST_CHECK;
