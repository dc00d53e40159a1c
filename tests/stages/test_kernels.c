// Kernels: every level that this processor has against double precision, and the same bits however
// rows are cut.
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "runtime/random.h"
#include "stages/nn/kernel/blas.h"
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

static double exact_activation(ft_activation f, double x)
{
    switch (f) {
    case FT_ACTIVATION_NONE:
        return x;
    case FT_ACTIVATION_RELU:
        return x > 0 ? x : 0;
    case FT_ACTIVATION_GELU:
        return 0.5 * x * erfc(-x / sqrt(2));
    case FT_ACTIVATION_TANH:
        return tanh(x);
    case FT_ACTIVATION_SIGMOID:
        return 1 / (1 + exp(-x));
    case FT_ACTIVATION_GELU_TANH:
        return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
    case FT_ACTIVATION_QUICK_GELU:
        return x / (1 + exp(-1.702 * x));
    case FT_ACTIVATION_SILU:
        return x / (1 + exp(-x));
    }
    return x;
}

enum { POINTS = 16 * 4096 };

static void check_activation(const ft_kernels *kernels, ft_activation f)
{
    static float x[POINTS], y[POINTS], by[POINTS];

    for (size_t i = 0; i < POINTS; i++)
        x[i] = y[i] = -12.0F + 24.0F * (float)i / POINTS;
    x[0] = y[0] = -1e30F;
    x[1] = y[1] = 1e30F;
    x[2] = y[2] = NAN;
    x[3] = y[3] = INFINITY;
    kernels->activate(f, y, POINTS, 1, POINTS);
    check_true(isnan(y[2]));
    const bool is_bounded = f == FT_ACTIVATION_TANH || f == FT_ACTIVATION_SIGMOID;
    check_float_near((double)y[0], exact_activation(f, (double)x[0]), 1e-20);
    check_true(is_bounded ? y[1] == 1 && y[3] == 1 : y[1] == 1e30F && isinf(y[3]));
    for (size_t i = 4; i < POINTS; i++) {
        const double want = exact_activation(f, (double)x[i]);
        check_float_near((double)y[i], want, 1.5e-7 + 3e-7 * fabs(want));
    }
    // Two rows, of which 32 columns each are told to change.
    fill(by, POINTS, 3, 5);
    memcpy(x, y, sizeof(x));
    for (size_t i = 4; i < POINTS; i++)
        x[i] = y[i] = -12.0F + 24.0F * (float)i / POINTS;
    kernels->gate(f, y + 4, by + 4, 80, 2, 32);
    for (size_t i = 4; i < 200; i++)
        if ((i - 4) % 80 < 32 && (i - 4) / 80 < 2)
            check_float_near((double)y[i], exact_activation(f, (double)x[i]) * (double)by[i],
                             1e-6 + 1e-6 * fabs((double)y[i]));
        else
            check_true(y[i] == x[i]);
}

TEST(kernels_activate)
{
    for (int isa = 0; isa < FT_ISA_COUNT; isa++)
        for (int f = FT_ACTIVATION_NONE; ft_kernels_find((ft_isa)isa) && f <= FT_ACTIVATION_SILU;
             f++)
            check_activation(ft_kernels_find((ft_isa)isa), (ft_activation)f);
}

// `way`: 1 without gain, 2 without bias, 4 by the mean square.
static void check_norm(const ft_kernels *kernels, size_t size, unsigned way)
{
    enum { STEP = 80, COUNT = 5 };
    static float x[COUNT * STEP], y[COUNT * STEP], in_place[COUNT * STEP];
    static float gain[STEP], shift[STEP];
    const ft_layer_norm norm = {.gain = way & 1 ? NULL : gain,
                                .bias = way & 2 ? NULL : shift,
                                .epsilon = 1e-5F,
                                .size = size,
                                .is_rms = way & 4};

    fill(gain, STEP, 2, 11);
    fill(shift, STEP, 1, 12);
    fill(x, COUNT * STEP, 3, size);
    memcpy(y, x, sizeof(x));
    memcpy(in_place, x, sizeof(x));
    kernels->norm(x, y, STEP, COUNT, &norm);
    kernels->norm(in_place, in_place, STEP, COUNT, &norm);
    check_true(memcmp(in_place, y, sizeof(y)) == 0);
    for (size_t row = 0; row < COUNT; row++) {
        double mean = 0, variance = 0;
        for (size_t i = 0; i < size && !norm.is_rms; i++)
            mean += (double)x[row * STEP + i] / (double)size;
        for (size_t i = 0; i < size; i++)
            variance += pow((double)x[row * STEP + i] - mean, 2) / (double)size;
        for (size_t i = 0; i < size; i++) {
            const double want = ((double)x[row * STEP + i] - mean) / sqrt(variance + 1e-5) *
                                    (norm.gain ? (double)gain[i] : 1) +
                                (norm.bias ? (double)shift[i] : 0);
            // One number alone is its own mean: what remains of it is rounding, and 1 / sqrt(1e-5)
            // is 316.
            check_float_near((double)y[row * STEP + i], want,
                             size < 3 ? 2e-4 : 2e-6 * (3 + fabs(want)));
        }
        check_true(memcmp(y + row * STEP + size, x + row * STEP + size, (STEP - size) * 4) == 0);
    }
}

TEST(kernels_norm)
{
    for (int isa = 0; isa < FT_ISA_COUNT; isa++)
        for (size_t size = 1; ft_kernels_find((ft_isa)isa) && size <= 77; size++)
            for (unsigned way = 0; way < 8; way++)
                check_norm(ft_kernels_find((ft_isa)isa), size, way);
}

static void check_rotation(const ft_kernels *kernels, size_t pairs, bool is_interleaved)
{
    enum { HEADS = 3, STEP = 100 };
    static float x[HEADS * STEP], y[HEADS * STEP], cosines[STEP], sines[STEP];
    const ft_rotation rotation = {cosines, sines, pairs, is_interleaved};

    for (size_t i = 0; i < pairs; i++) {
        cosines[i] = cosf((float)i);
        sines[i] = sinf((float)i);
    }
    fill(x, HEADS * STEP, 2, pairs);
    memcpy(y, x, sizeof(x));
    kernels->rotate(y, HEADS, STEP, &rotation);
    for (size_t head = 0; head < HEADS; head++) {
        const float *from = x + head * STEP, *to = y + head * STEP;
        for (size_t i = 0; i < pairs; i++) {
            const size_t left = is_interleaved ? 2 * i : i,
                         right = left + (is_interleaved ? 1 : pairs);
            const double u = (double)from[left], v = (double)from[right];
            check_float_near((double)to[left], u * cos((double)i) - v * sin((double)i), 1e-6);
            check_float_near((double)to[right], u * sin((double)i) + v * cos((double)i), 1e-6);
        }
        check_true(memcmp(to + 2 * pairs, from + 2 * pairs, (STEP - 2 * pairs) * 4) == 0);
    }
}

TEST(kernels_rotate)
{
    for (int isa = 0; isa < FT_ISA_COUNT; isa++)
        for (size_t pairs = 1; ft_kernels_find((ft_isa)isa) && pairs <= 50; pairs++) {
            check_rotation(ft_kernels_find((ft_isa)isa), pairs, false);
            check_rotation(ft_kernels_find((ft_isa)isa), pairs, true);
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

static void check_turn(const ft_kernels *kernels, size_t rows, size_t size, size_t columns)
{
    enum { ROW = 80, BEHIND = 8 };
    static float x[32 * ROW], y[77 * 32 + BEHIND];

    fill(x, 32 * ROW, 3, size);
    fill(y, FT_COUNT_OF(y), 1, rows);
    const float behind = y[size * columns];
    kernels->turn(x, ROW, rows, size, 0.3F, y, columns);
    for (size_t k = 0; k < size; k++)
        for (size_t i = 0; i < columns; i++) {
            const float want = i < rows ? x[i * ROW + k] * 0.3F : 0;
            check_true(y[k * columns + i] == want);
        }
    check_true(y[size * columns] == behind);
}

TEST(kernels_turn)
{
    for (int isa = 0; isa < FT_ISA_COUNT; isa++)
        for (size_t size = 1; ft_kernels_find((ft_isa)isa) && size <= 77; size++)
            for (size_t rows = 1; rows <= 32; rows++)
                check_turn(ft_kernels_find((ft_isa)isa), rows, size, rows > 16 ? 32 : 16);
}

static void *load_blas(void *size)
{
    // Whoever is told that it is there can use it.
    *(size_t *)size = ft_blas_load() && ft_blas_describe() ? ft_blas_rows() : 0;
    return NULL;
}

TEST(blas_is_loaded_by_several_at_once)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    size_t rows[THREADS];

    for (int i = 0; i < THREADS; i++)
        check_int_eq(pthread_create(&threads[i], NULL, load_blas, &rows[i]), 0);
    for (int i = 0; i < THREADS; i++)
        check_int_eq(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < THREADS; i++) {
        check_int_eq(rows[i], rows[0]);
        check_int_eq(rows[i] > 0, ft_blas_load());
    }
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
