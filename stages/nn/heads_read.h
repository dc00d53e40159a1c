// A head as its model's files have it, for those who lay it out.
#pragma once

#include "stages/nn/heads.h"

// NULL where the head has none. All but the last layer and its bias belong to the layer before it.
typedef struct ft_head_tensors {
    const ft_weight *dense, *dense_bias, *norm, *norm_bias;
    const ft_weight *out, *out_bias;
} ft_head_tensors;

// What ft_head_describe finds, and the tensors, mapped for the life of the arena: there, floats,
// and of the shapes that config.json says.
bool ft_head_find(const char *folder, const ft_encoder_config *encoder, ft_arena *arena,
                  ft_head_config *out, ft_head_tensors *out_tensors, ft_error *err) FT_MUST_CHECK;
