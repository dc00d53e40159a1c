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

static double square(float x)
{
    return (double)x * (double)x;
}

void ft_pool_normalize(float *vector, size_t size)
{
    double sums[4] = {0};  // So many do not wait for each other.
    size_t at = 0;

    for (; at + 4 <= size; at += 4) {
        sums[0] += square(vector[at]);
        sums[1] += square(vector[at + 1]);
        sums[2] += square(vector[at + 2]);
        sums[3] += square(vector[at + 3]);
    }
    for (; at < size; at++)
        sums[0] += square(vector[at]);
    const double norm = sqrt((sums[0] + sums[1]) + (sums[2] + sums[3]));
    const float by = 1.0F / fmaxf((float)norm, 1e-12F);
    for (size_t k = 0; k < size; k++)
        vector[k] *= by;
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
