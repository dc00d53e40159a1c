// A model's tensors, found by its architecture's names and checked.
#pragma once

#include "stages/nn/encoder_model.h"

typedef struct ft_part {
    const ft_weight *weight, *bias;  // NULL: none.
} ft_part;

typedef struct ft_layer_parts {
    ft_part parts[FT_LAYER_COUNT];
} ft_layer_parts;

typedef struct ft_encoder_parts {
    const ft_encoder_config *config;
    ft_weights *weights;
    const char *prefix;
    ft_part front[FT_FRONT_COUNT];
    ft_layer_parts *layers;  // [config->layers]
} ft_encoder_parts;

// All that the architecture has must be there, of the right shape and a readable type; a bias that
// it has not must not.
bool ft_encoder_parts_find(const char *path, const ft_encoder_config *config, ft_arena *arena,
                           ft_encoder_parts *out, ft_error *err) FT_MUST_CHECK;
