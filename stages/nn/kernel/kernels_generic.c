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

static void generic_gelu(float *x, size_t stride, size_t rows, size_t columns)
{
    for (size_t row = 0; row < rows; row++, x += stride)
        for (size_t column = 0; column < columns; column++)
            x[column] *= 0.5F * (1.0F + erff(x[column] * 0.707106781F));
}

static void generic_norm(float *x, size_t stride, size_t rows, const ft_layer_norm *norm)
{
    for (size_t row = 0; row < rows; row++, x += stride) {
        float mean = 0, variance = 0;

        for (size_t i = 0; i < norm->size; i++)
            mean += x[i];
        mean /= (float)norm->size;
        for (size_t i = 0; i < norm->size; i++)
            variance += (x[i] - mean) * (x[i] - mean);
        const float scale = 1.0F / sqrtf(variance / (float)norm->size + norm->epsilon);
        for (size_t i = 0; i < norm->size; i++)
            x[i] = (x[i] - mean) * scale * norm->gain[i] + norm->bias[i];
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
    .gelu = generic_gelu,
    .norm = generic_norm,
    .softmax = generic_softmax,
};
