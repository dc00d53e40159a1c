// One vector of a text's rows.
#pragma once

#include "stages/nn/encoder.h"

// As sentence-transformers names them.
typedef enum ft_pooling {
    FT_POOLING_UNKNOWN,  // The model does not say.
    FT_POOLING_MEAN,
    FT_POOLING_CLS,
    FT_POOLING_MAX,
    FT_POOLING_MEAN_SQRT,      // mean_sqrt_len_tokens: the sum over the root of their number.
    FT_POOLING_WEIGHTED_MEAN,  // weightedmean: row i of the text counts i + 1 times.
    FT_POOLING_LAST,           // lasttoken
    FT_POOLING_COUNT,
} ft_pooling;

// Of rows [first, count) of a text, at least one, of `size` numbers each. `pooling` must not be
// FT_POOLING_UNKNOWN.
void ft_pool(ft_pooling pooling, ft_rows rows, size_t first, size_t count, size_t size, float *out);
// Brings a vector to length 1; one shorter than 1e-12 is divided by that, as PyTorch does.
void ft_pool_normalize(float *vector, size_t size);
// Runs the first texts of `spans` that fit one go (encoder.h) and pools each of them into `out`
// ([hidden] each). Returns how many they were.
size_t ft_pool_some(ft_encoder_run *run, ft_pooling pooling, bool normalize,
                    const ft_token_span *spans, size_t count, float *out);
