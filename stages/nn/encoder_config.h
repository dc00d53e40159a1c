// What a BERT-like sentence encoder says of itself: config.json, and beside it how its vectors are
// pooled.
//
// Reads only the small JSON files of a model's folder, as published for transformers and
// sentence-transformers.
#pragma once

#include "runtime/memory/arena.h"

typedef enum ft_pooling {
    FT_POOLING_UNKNOWN,  // The model does not say.
    FT_POOLING_MEAN,
    FT_POOLING_CLS,
    FT_POOLING_MAX,
    FT_POOLING_MEAN_SQRT,  // Sum over the root of the number of tokens.
} ft_pooling;

typedef struct ft_encoder_config {
    size_t hidden, layers, heads, intermediate;
    size_t vocabulary, positions, types;
    size_t max_tokens;  // Of one sequence: `positions`, or less where the model was made for less.
    float epsilon;
    ft_pooling pooling;
    bool normalize;
} ft_encoder_config;

// `folder` holds config.json and model.safetensors. What is not supported is refused by name.
bool ft_encoder_config_read(const char *folder, ft_arena *arena, ft_encoder_config *out,
                            ft_error *err) FT_MUST_CHECK;
