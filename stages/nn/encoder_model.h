// The weights of a sentence encoder, laid out for the kernels, shared by all threads.
//
// Of the file only the table of words stays mapped: a token's row is read where it lies, so that
// what is resident is what the texts use. Everything else is copied once and its pages are given
// back.
#pragma once

#include "stages/nn/encoder_config.h"
#include "stages/nn/linear.h"

typedef struct ft_encoder_layer {
    ft_linear heads;  // Queries, keys and values of all heads; each head padded to `head_padded`.
    ft_linear mix;    // What attention gives, back to `hidden`.
    ft_linear up, down;
    ft_layer_norm mix_norm, down_norm;
} ft_encoder_layer;

typedef struct ft_encoder {
    ft_encoder_config config;
    const ft_kernels *kernels;
    const ft_weight *words;  // [vocabulary, hidden]
    const float *positions;  // [max_tokens, hidden]
    const float *types;      // [types, hidden]
    ft_layer_norm norm;
    ft_encoder_layer *layers;  // [config.layers]
    size_t head_size, head_padded;
    bool uses_blas;
} ft_encoder;

// Finds fault with a model's weights without reading them: all there, of the right shape and a
// readable type.
bool ft_encoder_check(const char *folder, const ft_encoder_config *config, ft_arena *arena,
                      ft_error *err) FT_MUST_CHECK;
// Loads the model for the life of the arena.
bool ft_encoder_load(const char *folder, const ft_encoder_config *config, ft_arena *arena,
                     ft_encoder **out, ft_error *err) FT_MUST_CHECK;
