// Kernels: every level that this processor has against double precision, and the same bits however
// rows are cut.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/random.h"
#include "stages/nn/kernel/kernels.h"
#include "tests/check.h"

static void fill(float *x, size_t count, double scale, uint64_t seed)
{
    ft_random random;

    ft_random_init(&random, seed, 0);
    for (size_t i = 0; i < count; i++)
        x[i] = (float)(scale * (2 * ft_random_float(&random) - 1));
}

enum { ROWS = 45, DEPTH = 203, STRIDE = 220 };

static float a[STRIDE * STRIDE], b[DEPTH * 32], c[ROWS * 40], again[ROWS * 40], bias[32],
    scale[ROWS];

static double exact(const ft_multiply *m, size_t row, size_t column)
{
    double sum = 0;

    for (size_t k = 0; k < m->depth; k++)
        sum += (double)m->a[row * m->a_row + k * m->a_step] * (double)m->b[k * m->b_step + column];
    if (m->scale)
        sum *= (double)m->scale[row];
    return sum + (m->bias ? (double)m->bias[column] : 0);
}

static void check_product(const ft_kernels *kernels, ft_multiply m)
{
    fill(c, ROWS * 40, 1, 3);
    memcpy(again, c, sizeof(c));
    m.c = c;
    m.c_row = 40;
    kernels->multiply(&m);
    for (size_t row = 0; row < ROWS; row++)
        for (size_t column = 0; column < 40; column++) {
            const float before = again[row * 40 + column], now = c[row * 40 + column];
            if (row < m.rows && column < m.columns)
                check_float_near((double)now, exact(&m, row, column) + (m.add ? (double)before : 0),
                                 2e-5);
            else
                check_true(memcmp(&now, &before, sizeof(now)) == 0);  // Nothing else is written.
        }
    // One row at a time gives the same bits.
    for (size_t row = 0; row < m.rows; row++) {
        ft_multiply one = m;
        one.a += row * m.a_row;
        one.c = again + row * 40;
        one.scale = m.scale ? m.scale + row : NULL;
        one.rows = 1;
        kernels->multiply(&one);
    }
    check_true(memcmp(c, again, sizeof(c)) == 0);
}

static void check_level(const ft_kernels *kernels)
{
    static const size_t depths[] = {1, 2, 7, 32, DEPTH};

    fill(a, STRIDE * STRIDE, 1, 1);
    fill(b, DEPTH * 32, 1, 2);
    fill(bias, 32, 1, 4);
    fill(scale, ROWS, 1, 5);
    for (size_t rows = 1; rows <= ROWS; rows++)
        for (size_t d = 0; d < FT_COUNT_OF(depths); d++)
            for (int columns = 16; columns <= 32; columns += 16) {
                ft_multiply m = {.a = a,
                                 .a_row = STRIDE,
                                 .a_step = 1,
                                 .b = b,
                                 .b_step = 32,
                                 .rows = rows,
                                 .columns = (size_t)columns,
                                 .depth = depths[d]};
                check_product(kernels, m);
                m.bias = bias;
                m.add = true;
                check_product(kernels, m);
                m.a_row = 1;
                m.a_step = STRIDE;
                m.bias = NULL;
                m.add = false;
                m.scale = scale;
                check_product(kernels, m);
            }
}

TEST(kernels_multiply)
{
    for (int isa = 0; isa < FT_ISA_COUNT; isa++)
        if (ft_kernels_find((ft_isa)isa))
            check_level(ft_kernels_find((ft_isa)isa));
}

TEST(kernels_gelu)
{
    enum { COUNT = 16 * 4096 };
    static float x[COUNT], y[COUNT];

    for (int isa = 0; isa < FT_ISA_COUNT; isa++) {
        const ft_kernels *kernels = ft_kernels_find((ft_isa)isa);
        if (!kernels)
            continue;
        for (size_t i = 0; i < COUNT; i++)
            x[i] = y[i] = -12.0F + 24.0F * (float)i / COUNT;
        x[0] = y[0] = -1e30F;
        x[1] = y[1] = 1e30F;
        x[2] = y[2] = NAN;
        x[3] = y[3] = -INFINITY;
        x[4] = y[4] = INFINITY;
        kernels->gelu(y, COUNT, 1, COUNT);
        check_true(isnan(y[2]));
        check_true(isinf(y[4]) && y[4] > 0);
        check_true(fabsf(y[0]) < 1e-20F && y[1] == 1e30F);
        for (size_t i = 5; i < COUNT; i++) {
            const double want = 0.5 * (double)x[i] * erfc(-(double)x[i] / sqrt(2));
            check_float_near((double)y[i], want, 1e-7 + 2e-7 * fabs(want));
        }
    }
}

TEST(kernels_norm)
{
    enum { WIDEST = 77, STEP = 80, COUNT = 5 };
    static float x[COUNT * STEP], y[COUNT * STEP], gain[WIDEST], shift[WIDEST];

    fill(gain, WIDEST, 2, 11);
    fill(shift, WIDEST, 1, 12);
    for (int isa = 0; isa < FT_ISA_COUNT; isa++) {
        const ft_kernels *kernels = ft_kernels_find((ft_isa)isa);
        for (size_t size = 1; kernels && size <= WIDEST; size++) {
            const ft_layer_norm norm = {
                .gain = gain, .bias = shift, .epsilon = 1e-5F, .size = size};
            fill(x, COUNT * STEP, 3, size);
            memcpy(y, x, sizeof(x));
            kernels->norm(y, STEP, COUNT, &norm);
            for (size_t row = 0; row < COUNT; row++) {
                double mean = 0, variance = 0;
                for (size_t i = 0; i < size; i++)
                    mean += (double)x[row * STEP + i] / (double)size;
                for (size_t i = 0; i < size; i++)
                    variance += pow((double)x[row * STEP + i] - mean, 2) / (double)size;
                for (size_t i = 0; i < size; i++) {
                    const double want = ((double)x[row * STEP + i] - mean) / sqrt(variance + 1e-5) *
                                            (double)gain[i] +
                                        (double)shift[i];
                    // One number alone is its own mean: what remains of it is rounding, and 1 /
                    // sqrt(1e-5) is 316.
                    check_float_near((double)y[row * STEP + i], want,
                                     size < 3 ? 2e-4 : 2e-6 * (3 + fabs(want)));
                }
                check_true(
                    memcmp(y + row * STEP + size, x + row * STEP + size, (STEP - size) * 4) == 0);
            }
        }
    }
}

TEST(kernels_softmax)
{
    enum { KEYS = 61 };
    static float s[KEYS * 32], e[KEYS * 32], inverse[32];

    for (int isa = 0; isa < FT_ISA_COUNT; isa++) {
        const ft_kernels *kernels = ft_kernels_find((ft_isa)isa);
        for (size_t keys = 1; kernels && keys <= KEYS; keys += 12)
            for (size_t columns = 16; columns <= 32; columns += 16) {
                fill(s, keys * columns, keys > 30 ? 200 : 5, keys);
                memcpy(e, s, sizeof(s));
                kernels->softmax(e, keys, columns, inverse);
                for (size_t column = 0; column < columns; column++) {
                    double most = -INFINITY, sum = 0;
                    for (size_t key = 0; key < keys; key++)
                        most = fmax(most, (double)s[key * columns + column]);
                    for (size_t key = 0; key < keys; key++)
                        sum += exp((double)s[key * columns + column] - most);
                    for (size_t key = 0; key < keys; key++) {
                        const double got =
                            (double)e[key * columns + column] * (double)inverse[column];
                        const double want = exp((double)s[key * columns + column] - most) / sum;
                        check_float_near(got, want, 1e-30 + 2e-6 * want);
                    }
                }
            }
    }
}

TEST(kernels_forced_level)
{
    ft_error err = FT_ERROR_INIT;

    check_ok(ft_isa_force("generic", &err), &err);
    check_int_eq(ft_kernels_get()->isa, FT_ISA_GENERIC);
    check_ok(ft_isa_force("auto", &err), &err);
    check_fails(ft_isa_force("sse9", &err), &err, FT_ERROR_USAGE);
    check_contains(err.message, "`sse9`");
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
