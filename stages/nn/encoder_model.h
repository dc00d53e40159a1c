// The weights of an encoder, laid out for the kernels, shared by all threads.
//
// Of the file only the table of words stays mapped: a token's row is read where it lies, so that
// what is resident is what the texts use. Everything else is copied once and its pages are given
// back.
#pragma once

#include "stages/nn/encoder_config.h"
#include "stages/nn/linear.h"
#include "stages/nn/weights.h"

enum {
    // Where norms stand: see ft_layer_part.
    FT_NORM_MIX_BEFORE,
    FT_NORM_MIX_BEHIND,
    FT_NORM_MIX_SUM,
    FT_NORM_MLP_BEFORE,
    FT_NORM_MLP_BEHIND,
    FT_NORM_MLP_SUM,
    FT_NORM_QUERY,
    FT_NORM_KEY,
    FT_NORM_COUNT,
};

typedef struct ft_encoder_layer {
    // Queries of all heads, then keys and values of the key heads; each head padded to
    // `head_padded`.
    ft_linear heads;
    ft_linear mix;  // What attention gives, back to `hidden`.
    // `up`: of a gated network the gate's numbers, padded to whole panels, and then those that it
    // lets through.
    ft_linear up, down;
    ft_layer_norm norms[FT_NORM_COUNT];  // `size` 0: none.
    bool is_local;
} ft_encoder_layer;

typedef struct ft_encoder {
    ft_encoder_config config;
    const ft_kernels *kernels;
    const ft_weights *weights;      // The model's, for heads behind the encoder,
    const char *prefix;             // and what its own names begin with: "bert.".
    const ft_weight *words;         // [vocabulary, hidden]
    const float *positions;         // [max_tokens + position_offset, hidden], or NULL.
    const float *types;             // [types, hidden], or NULL.
    const float *rope_factors;      // [pairs], or NULL.
    const float *distances;         // [heads][2 * max_tokens - 1]: key less query from the most
                                    // negative on; or NULL.
    ft_layer_norm norm, last_norm;  // `size` 0: none.
    ft_encoder_layer *layers;       // [config.layers]
    size_t head_size, head_padded;
    size_t gate_width;  // Of the gate's numbers in `up`; 0: not gated.
    bool uses_blas;
} ft_encoder;

// `path` is what the config was read from. Finds fault with a model's weights without reading them:
// all there, of the right shape and a readable type.
bool ft_encoder_check(const char *path, const ft_encoder_config *config, ft_arena *arena,
                      ft_error *err) FT_MUST_CHECK;
// As what the layer of these weights, of which some may be NULL, keeps them: what `keeps_stored`
// allows.
ft_stored ft_encoder_stored(const ft_encoder_config *config, const ft_weight *const *weights,
                            size_t count, ft_groups inputs);
// Loads the model for the life of the arena.
bool ft_encoder_load(const char *path, const ft_encoder_config *config, ft_arena *arena,
                     ft_encoder **out, ft_error *err) FT_MUST_CHECK;
