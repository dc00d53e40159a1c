// One vector of a text's rows. Sums run in the order of the rows, so the bits do not depend on
// where the rows lie.
#include "stages/nn/pooling.h"

#include <math.h>
#include <string.h>

// The sum of rows, row i times i + 1.
static void pool_weighted(ft_rows rows, size_t first, size_t count, size_t size, float *out)
{
    float weights = 0;

    memset(out, 0, size * sizeof(*out));
    for (size_t row = first; row < count; row++) {
        const float *from = rows.at + row * rows.stride, weight = (float)(row + 1);
        weights += weight;
        for (size_t k = 0; k < size; k++)
            out[k] += from[k] * weight;
    }
    for (size_t k = 0; k < size; k++)
        out[k] /= weights;
}

void ft_pool(ft_pooling pooling, ft_rows rows, size_t first, size_t count, size_t size, float *out)
{
    const bool is_one = pooling == FT_POOLING_CLS || pooling == FT_POOLING_LAST;
    const size_t from_row = pooling == FT_POOLING_LAST ? count - 1 : first;

    if (pooling == FT_POOLING_WEIGHTED_MEAN) {
        pool_weighted(rows, first, count, size, out);
        return;
    }
    memcpy(out, rows.at + from_row * rows.stride, size * sizeof(*out));
    for (size_t row = first + 1; row < count && !is_one; row++) {
        const float *from = rows.at + row * rows.stride;
        for (size_t k = 0; k < size; k++)
            out[k] = pooling == FT_POOLING_MAX ? fmaxf(out[k], from[k]) : out[k] + from[k];
    }
    if (pooling == FT_POOLING_MEAN || pooling == FT_POOLING_MEAN_SQRT) {
        const float rest = (float)(count - first);
        const float by = pooling == FT_POOLING_MEAN ? rest : sqrtf(rest);
        for (size_t k = 0; k < size; k++)
            out[k] /= by;
    }
}

void ft_pool_normalize(float *vector, size_t size)
{
    double squares = 0;

    for (size_t k = 0; k < size; k++)
        squares += (double)vector[k] * (double)vector[k];
    const float norm = fmaxf((float)sqrt(squares), 1e-12F);
    for (size_t k = 0; k < size; k++)
        vector[k] /= norm;
}

size_t ft_pool_some(ft_encoder_run *run, ft_pooling pooling, bool normalize,
                    const ft_token_span *spans, size_t count, float *out)
{
    const ft_encoder *encoder = ft_encoder_run_encoder(run);
    const size_t size = encoder->config.hidden;
    ft_rows rows;
    const size_t taken = ft_encoder_run_some(run, spans, count, &rows);

    for (size_t i = 0; i < taken; i++, out += size) {
        const size_t tokens = ft_encoder_rows(encoder, &spans[i]);
        ft_pool(pooling, rows, 0, tokens, size, out);
        if (normalize)
            ft_pool_normalize(out, size);
        rows.at += tokens * rows.stride;
    }
    return taken;
}
