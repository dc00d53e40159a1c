// The kernels in plain C: what runs where there is nothing better, and what the others are tested
// against.
#include "stages/nn/kernel/kernels.h"

#include <math.h>

static void generic_multiply(const ft_multiply *m)
{
    for (size_t row = 0; row < m->rows; row++) {
        const float *a = m->a + row * m->a_row;
        float *c = m->c + row * m->c_row;
        float sums[FT_PANEL_COLUMNS] = {0};

        for (size_t k = 0; k < m->depth; k++) {
            const float x = a[k * m->a_step];
            const float *b = m->b + k * m->b_step;
            for (size_t column = 0; column < m->columns; column++)
                sums[column] += x * b[column];
        }
        for (size_t column = 0; column < m->columns; column++) {
            float sum = sums[column] * (m->scale ? m->scale[row] : 1.0F);
            sum += m->bias ? m->bias[column] : 0.0F;
            c[column] = m->add ? sum + c[column] : sum;
        }
    }
}

static float activated(ft_activation f, float x)
{
    switch (f) {
    case FT_ACTIVATION_NONE:
        break;
    case FT_ACTIVATION_RELU:
        return x < 0 ? 0 : x;  // NaN stays.
    case FT_ACTIVATION_GELU:
        return x * 0.5F * (1.0F + erff(x * 0.707106781F));
    case FT_ACTIVATION_TANH:
        return tanhf(x);
    case FT_ACTIVATION_SIGMOID:
        return 1.0F / (1.0F + expf(-x));
    case FT_ACTIVATION_GELU_TANH:
        return x * 0.5F * (1.0F + tanhf(0.797884561F * (x + 0.044715F * x * x * x)));
    case FT_ACTIVATION_QUICK_GELU:
        return x / (1.0F + expf(-1.702F * x));
    case FT_ACTIVATION_SILU:
        return x / (1.0F + expf(-x));
    }
    return x;
}

static void generic_activate(ft_activation f, float *x, size_t stride, size_t rows, size_t columns)
{
    for (size_t row = 0; row < rows; row++, x += stride)
        for (size_t column = 0; column < columns; column++)
            x[column] = activated(f, x[column]);
}

static void generic_gate(ft_activation f, float *x, const float *by, size_t stride, size_t rows,
                         size_t columns)
{
    for (size_t row = 0; row < rows; row++, x += stride, by += stride)
        for (size_t column = 0; column < columns; column++)
            x[column] = activated(f, x[column]) * by[column];
}

static void generic_norm(float *x, size_t stride, size_t rows, const ft_layer_norm *norm)
{
    for (size_t row = 0; row < rows; row++, x += stride) {
        float mean = 0, variance = 0;

        for (size_t i = 0; i < norm->size && !norm->is_rms; i++)
            mean += x[i];
        mean /= (float)norm->size;
        for (size_t i = 0; i < norm->size; i++)
            variance += (x[i] - mean) * (x[i] - mean);
        const float scale = 1.0F / sqrtf(variance / (float)norm->size + norm->epsilon);
        for (size_t i = 0; i < norm->size; i++)
            x[i] = (x[i] - mean) * scale * (norm->gain ? norm->gain[i] : 1.0F) +
                   (norm->bias ? norm->bias[i] : 0.0F);
    }
}

static void generic_rotate(float *x, size_t heads, size_t head_step, const ft_rotation *r)
{
    const size_t step = r->is_interleaved ? 2 : 1, apart = r->is_interleaved ? 1 : r->pairs;

    for (size_t head = 0; head < heads; head++, x += head_step)
        for (size_t i = 0; i < r->pairs; i++) {
            float *pair = x + i * step;
            const float first = pair[0], second = pair[apart];
            pair[0] = first * r->cosines[i] - second * r->sines[i];
            pair[apart] = second * r->cosines[i] + first * r->sines[i];
        }
}

static void generic_softmax(float *scores, size_t keys, size_t columns, float *out_inverse_sums)
{
    for (size_t column = 0; column < columns; column++) {
        float most = scores[column], sum = 0;

        for (size_t key = 1; key < keys; key++)
            most = fmaxf(most, scores[key * columns + column]);
        for (size_t key = 0; key < keys; key++) {
            float *score = &scores[key * columns + column];
            *score = *score - most < -87.0F ? 0 : expf(*score - most);
            sum += *score;
        }
        out_inverse_sums[column] = 1.0F / sum;
    }
}

extern const ft_kernels ft_kernels_generic;
const ft_kernels ft_kernels_generic = {
    .isa = FT_ISA_GENERIC,
    .multiply = generic_multiply,
    .activate = generic_activate,
    .gate = generic_gate,
    .norm = generic_norm,
    .softmax = generic_softmax,
    .rotate = generic_rotate,
};
