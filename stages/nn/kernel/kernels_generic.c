// The kernels in plain C: what runs where there is nothing better, and what the others are tested
// against.
#include "stages/nn/kernel/stored.h"

#include <math.h>
#include <string.h>

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

static float widened(uint16_t x)
{
    const uint32_t bits = (uint32_t)x << 16;
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

static float dot_bf16(const ft_narrow_multiply *m, const char *a, size_t column)
{
    float sum = 0;

    for (size_t unit = 0; unit < m->units; unit++) {
        uint16_t x[2], y[2];
        memcpy(x, a + unit * 4, sizeof(x));
        memcpy(y, m->b + (unit * FT_PANEL_COLUMNS + column) * 4, sizeof(y));
        sum += widened(x[0]) * widened(y[0]);
        sum += widened(x[1]) * widened(y[1]);
    }
    return sum;
}

static void generic_multiply_bf16(const ft_narrow_multiply *m)
{
    for (size_t row = 0; row < m->rows; row++)
        for (size_t column = 0; column < FT_PANEL_COLUMNS; column++) {
            float *c = m->c + row * m->c_row + column;
            const float sum = dot_bf16(m, m->a + row * m->a_row, column) + m->bias[column];
            *c = m->add ? sum + *c : sum;
        }
}

// The exact sum of a group's products, less the zero point's.
static int32_t dot_bytes(const ft_narrow_multiply *m, size_t row, size_t column, size_t group)
{
    const size_t first = group * FT_BYTE_GROUP / 4, all = m->units;
    const size_t end = all - first < FT_BYTE_GROUP / 4 ? all : first + FT_BYTE_GROUP / 4;
    const int32_t zero = (int32_t)m->a_groups[row * m->a_groups_row + group].zero;
    int32_t sum = 0;

    for (size_t unit = first; unit < end; unit++) {
        const uint8_t *a = (const uint8_t *)m->a + row * m->a_row + unit * 4;
        const int8_t *b = (const int8_t *)m->b + (unit * FT_PANEL_COLUMNS + column) * 4;
        for (size_t i = 0; i < 4; i++)
            sum += (a[i] - zero) * b[i];
    }
    return sum;
}

static void generic_multiply_int8(const ft_narrow_multiply *m)
{
    const size_t groups = ft_byte_groups(m->units * 4);

    for (size_t row = 0; row < m->rows; row++)
        for (size_t column = 0; column < FT_PANEL_COLUMNS; column++) {
            float *c = m->c + row * m->c_row + column;
            float sum = 0;
            for (size_t group = 0; group < groups; group++) {
                const float scale = m->a_groups[row * m->a_groups_row + group].scale *
                                    m->b_scales[group * FT_PANEL_COLUMNS + column];
                sum += (float)dot_bytes(m, row, column, group) * scale;
            }
            sum += m->bias[column];
            *c = m->add ? sum + *c : sum;
        }
}

static void generic_to_bf16(const ft_narrowing *n)
{
    for (size_t row = 0; row < n->rows; row++) {
        const float *x = n->x + row * n->x_row;
        uint16_t *out = (uint16_t *)(void *)(n->out + row * n->out_row);
        for (size_t i = 0; i < n->size; i++) {
            uint32_t bits;
            memcpy(&bits, &x[i], sizeof(bits));
            out[i] = isnan(x[i]) ? 0x7FC0 : (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
        }
        if (n->size % 2)
            out[n->size] = 0;
    }
}

static ft_byte_group generic_group(const float *x, size_t size, uint8_t *out)
{
    float least = 0, most = 0;

    for (size_t i = 0; i < size; i++) {
        least = x[i] < least ? x[i] : least;
        most = x[i] > most ? x[i] : most;
    }
    const ft_byte_group group = ft_byte_group_of(least, most);
    const float inverse = ft_byte_group_inverse(group);
    for (size_t i = 0; i < size; i++)
        out[i] = ft_byte_of(x[i], inverse, group.zero);
    return group;
}

static void generic_to_bytes(const ft_narrowing *n)
{
    for (size_t row = 0; row < n->rows; row++) {
        const float *x = n->x + row * n->x_row;
        uint8_t *out = (uint8_t *)n->out + row * n->out_row;
        for (size_t at = 0, group = 0; at < n->size; at += FT_BYTE_GROUP, group++) {
            const size_t some = n->size - at < FT_BYTE_GROUP ? n->size - at : FT_BYTE_GROUP;
            n->out_groups[row * n->out_groups_row + group] = generic_group(x + at, some, out + at);
        }
        memset(out + n->size, 0, ft_narrow_units(FT_PRECISION_INT8, n->size) * 4 - n->size);
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

static void generic_norm(const float *x, float *y, size_t stride, size_t rows,
                         const ft_layer_norm *norm)
{
    for (size_t row = 0; row < rows; row++, x += stride, y += stride) {
        float mean = 0, variance = 0;

        for (size_t i = 0; i < norm->size && !norm->is_rms; i++)
            mean += x[i];
        mean /= (float)norm->size;
        for (size_t i = 0; i < norm->size; i++)
            variance += (x[i] - mean) * (x[i] - mean);
        const float scale = 1.0F / sqrtf(variance / (float)norm->size + norm->epsilon);
        for (size_t i = 0; i < norm->size; i++)
            y[i] = (x[i] - mean) * scale * (norm->gain ? norm->gain[i] : 1.0F) +
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

static void generic_turn(const float *x, size_t stride, size_t rows, size_t size, float scale,
                         float *out, size_t columns)
{
    for (size_t k = 0; k < size; k++)
        for (size_t column = 0; column < columns; column++)
            out[k * columns + column] = column < rows ? x[column * stride + k] * scale : 0;
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

static void generic_weigh(float *x, size_t from, size_t to, float *out_sum)
{
    float most = x[from], sum = 0;

    for (size_t i = from + 1; i < to; i++)
        most = x[i] > most ? x[i] : most;
    for (size_t i = from; i < to; i++) {
        x[i] = expf(x[i] - most);
        sum += x[i];
    }
    for (size_t i = from / 16 * 16; i < from; i++)
        x[i] = 0;
    for (size_t i = to; i < (to + 15) / 16 * 16; i++)
        x[i] = 0;
    *out_sum = sum;
}

extern const ft_kernels ft_kernels_generic;
const ft_kernels ft_kernels_generic = {
    .isa = FT_ISA_GENERIC,
    .multiply = generic_multiply,
    .multiply_bf16 = generic_multiply_bf16,
    .multiply_int8 = generic_multiply_int8,
    .multiply_stored = ft_stored_multiply_generic,
    .to_bf16 = generic_to_bf16,
    .to_bytes = generic_to_bytes,
    .activate = generic_activate,
    .gate = generic_gate,
    .norm = generic_norm,
    .turn = generic_turn,
    .softmax = generic_softmax,
    .weigh = generic_weigh,
    .rotate = generic_rotate,
};
