// Narrow kernels: int8 exact and equal in every level, bf16 near double precision, the same bits
// however rows are cut, and layers that are quantised within their bounds.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/random.h"
#include "stages/nn/linear.h"
#include "tests/check.h"

enum { ROWS = 70, DEPTH = 203, A_ROW = 448, C_ROW = 40, BYTES = DEPTH * 2 + 2 };

static char a[ROWS * A_ROW], b[BYTES * 32];
enum { GROUPS = 4 };
static float c[ROWS * C_ROW], again[ROWS * C_ROW], bias[32], b_scales[GROUPS * 32];
static float b_sums[GROUPS * 32];
static ft_byte_group a_groups[ROWS * GROUPS];

static void fill(float *x, size_t count, double scale, uint64_t seed)
{
    ft_random random;

    ft_random_init(&random, seed, 0);
    for (size_t i = 0; i < count; i++)
        x[i] = (float)(scale * (2 * ft_random_float(&random) - 1));
}

static double bf16_at(const char *at)
{
    uint16_t half;
    float value;

    memcpy(&half, at, sizeof(half));
    const uint32_t bits = (uint32_t)half << 16;
    memcpy(&value, &bits, sizeof(value));
    return (double)value;
}

static void fill_operands(bool is_bytes)
{
    static const int8_t edges[] = {-127, 127, -1, 0};
    ft_random random;

    ft_random_init(&random, 7, 0);
    fill(bias, 32, 1, 4);
    fill(b_scales, GROUPS * 32, 1, 5);
    for (size_t i = 0; i < sizeof(a); i++)
        a[i] = (char)(ft_random_next(&random) % 3 ? ft_random_next(&random) : 255);
    for (size_t i = 0; i < sizeof(b); i++)
        b[i] = (char)(ft_random_next(&random) % 3 ? (int8_t)(ft_random_next(&random) % 255) - 127
                                                  : edges[ft_random_next(&random) % 4]);
    for (size_t i = 0; i < ROWS * GROUPS; i++)
        a_groups[i] = (ft_byte_group){0.25F + (float)i / 128, (float)(i * 37 % 256)};
    // As bfloat16: between 1 and 2, of either sign.
    for (size_t i = 1; !is_bytes && i < sizeof(a); i += 2)
        a[i] = (char)(0x3F | (a[i] & 0x80));
    for (size_t i = 1; !is_bytes && i < sizeof(b); i += 2)
        b[i] = (char)(0x3F | (b[i] & 0x80));
}

static double exact(bool is_bytes, const ft_narrow_multiply *m, size_t row, size_t column)
{
    double sum = 0;

    for (size_t unit = 0; unit < m->units; unit++) {
        const char *x = m->a + row * m->a_row + unit * 4, *y = m->b + (unit * 32 + column) * 4;
        const size_t group = unit / 32;
        const ft_byte_group of = m->a_groups[row * m->a_groups_row + group];
        const double scale = (double)of.scale * (double)m->b_scales[group * 32 + column];
        for (size_t i = 0; i < 4 && is_bytes; i++)
            sum += scale * ((uint8_t)x[i] - of.zero) * (int8_t)y[i];
        for (size_t i = 0; i < 4 && !is_bytes; i += 2)
            sum += bf16_at(x + i) * bf16_at(y + i);
    }
    return sum + (double)m->bias[column];
}

static void sum_groups(size_t units)
{
    memset(b_sums, 0, sizeof(b_sums));
    for (size_t unit = 0; unit < units; unit++)
        for (size_t i = 0; i < 32 * 4; i++)
            b_sums[unit / 32 * 32 + i / 4] += (float)(int8_t)b[unit * 128 + i];
}

static void check_product(const ft_kernels *kernels, bool is_bytes, ft_narrow_multiply m)
{
    void (*multiply)(const ft_narrow_multiply *) =
        is_bytes ? kernels->multiply_int8 : kernels->multiply_bf16;

    sum_groups(m.units);
    fill(c, ROWS * C_ROW, 1, 3);
    memcpy(again, c, sizeof(c));
    m.c = c;
    multiply(&m);
    for (size_t row = 0; row < ROWS; row++)
        for (size_t column = 0; column < C_ROW; column++) {
            const float before = again[row * C_ROW + column], now = c[row * C_ROW + column];
            if (row < m.rows && column < 32) {
                const double want = exact(is_bytes, &m, row, column) + (m.add ? (double)before : 0);
                // In parts of the largest sum there could be.
                const double most = (is_bytes ? 255.0 * 127 * 2.5 * 4 : 8) * (double)m.units;
                check_float_near((double)now, want, 2e-6 + 1e-7 * most);
            } else {
                check_true(memcmp(&now, &before, sizeof(now)) == 0);
            }
        }
    // One row at a time gives the same bits.
    for (size_t row = 0; row < m.rows; row++) {
        ft_narrow_multiply one = m;
        one.a += row * m.a_row;
        one.a_groups += row * m.a_groups_row;
        one.c = again + row * C_ROW;
        one.rows = 1;
        multiply(&one);
    }
    check_true(memcmp(c, again, sizeof(c)) == 0);
}

static void check_level(const ft_kernels *kernels, bool is_bytes)
{
    static const size_t units[] = {1, 2, 7, 101};

    fill_operands(is_bytes);
    for (size_t rows = 1; rows <= ROWS; rows++)
        for (size_t i = 0; i < FT_COUNT_OF(units); i++)
            check_product(kernels, is_bytes,
                          (ft_narrow_multiply){.a = a,
                                               .a_row = A_ROW,
                                               .b = b,
                                               .c_row = C_ROW,
                                               .bias = bias,
                                               .a_groups = a_groups,
                                               .a_groups_row = GROUPS,
                                               .b_scales = b_scales,
                                               .b_sums = b_sums,
                                               .add = rows % 2,
                                               .rows = rows,
                                               .units = units[i]});
}

TEST(narrow_kernels_multiply)
{
    for (int isa = 0; isa < FT_ISA_COUNT; isa++)
        for (int is_bytes = 0; ft_kernels_find((ft_isa)isa) && is_bytes < 2; is_bytes++)
            check_level(ft_kernels_find((ft_isa)isa), is_bytes);
}

// With scales of 1 and no bias an element is its integer sum: every level gives the very same.
TEST(narrow_kernels_integers_are_those_of_plain_c)
{
    static float want[32 * 32], got[32 * 32];
    float ones[GROUPS * 32];
    const float none[32] = {0};
    ft_byte_group groups[32 * GROUPS];

    for (size_t i = 0; i < 32 * GROUPS; i++) {
        ones[i] = 1;
        groups[i] = (ft_byte_group){1, 13};
    }
    fill_operands(true);
    sum_groups(101);
    ft_narrow_multiply m = {.a = a,
                            .a_row = A_ROW,
                            .b = b,
                            .c = want,
                            .c_row = 32,
                            .bias = none,
                            .a_groups = groups,
                            .a_groups_row = GROUPS,
                            .b_scales = ones,
                            .b_sums = b_sums,
                            .rows = 32,
                            .units = 101};
    ft_kernels_find(FT_ISA_GENERIC)->multiply_int8(&m);
    for (int isa = 1; isa < FT_ISA_COUNT; isa++)
        if (ft_kernels_find((ft_isa)isa)) {
            m.c = got;
            ft_kernels_find((ft_isa)isa)->multiply_int8(&m);
            check_true(memcmp(want, got, sizeof(got)) == 0);
        }
}

static void check_narrowing(const ft_kernels *kernels, size_t size, float scale)
{
    static float x[3 * 80];
    static char bytes[3 * 192], halves[3 * 192];
    ft_byte_group groups[3];
    const ft_narrowing n = {.x = x,
                            .x_row = 80,
                            .rows = 3,
                            .size = size,
                            .out = bytes,
                            .out_row = 192,
                            .out_groups = groups,
                            .out_groups_row = 1};
    ft_narrowing half = n;

    half.out = halves;
    fill(x, 240, (double)scale, size);
    memset(bytes, 0x55, sizeof(bytes));
    memset(halves, 0x55, sizeof(halves));
    kernels->to_bytes(&n);
    kernels->to_bf16(&half);
    for (size_t row = 0; row < 3; row++) {
        for (size_t i = 0; i < size; i++) {
            const double value = (double)x[row * 80 + i], step = (double)groups[row].scale;
            const double back = step * ((uint8_t)bytes[row * 192 + i] - groups[row].zero);
            // Half a step, and half of the zero point's; what is below the least scale is 0.
            check_float_near(back, value, 1.01 * step + 1e-33);
            check_float_near(bf16_at(halves + row * 192 + 2 * i), value, fabs(value) / 256 + 1e-38);
        }
        for (size_t i = size; i < (size + 3) / 4 * 4; i++)
            check_int_eq(bytes[row * 192 + i], 0);
        check_int_eq(bytes[row * 192 + (size + 3) / 4 * 4], 0x55);
        if (size % 2)
            check_float_near(bf16_at(halves + row * 192 + 2 * size), 0, 0);
        check_int_eq(halves[row * 192 + (size + 1) / 2 * 4], 0x55);
    }
}

TEST(narrow_kernels_narrowing)
{
    for (int isa = 0; isa < FT_ISA_COUNT; isa++)
        for (size_t size = 1; ft_kernels_find((ft_isa)isa) && size <= 77; size++) {
            check_narrowing(ft_kernels_find((ft_isa)isa), size, 3);
            check_narrowing(ft_kernels_find((ft_isa)isa), size, 0);
            check_narrowing(ft_kernels_find((ft_isa)isa), size, 1e-38F);
        }
}

// Inputs narrowed in pieces, the last ones first, and outputs of one panel at a time.
static void check_pieces(const ft_linear *linear, ft_linear_use use, const float *want, size_t size)
{
    const size_t last = (linear->depth - 1) / FT_BYTE_GROUP * FT_BYTE_GROUP;
    float pieces[20 * 112] = {0};
    ft_linear_use piece = use;

    memset(use.scratch, 0x55, ft_linear_scratch(linear, use.rows));
    piece.x = use.x + last;
    ft_linear_narrow_some(linear, ft_kernels_get(), &piece, last, linear->depth - last);
    piece.x = use.x;
    ft_linear_narrow_some(linear, ft_kernels_get(), &piece, 0, last);
    for (size_t panel = 0; panel < linear->width / FT_PANEL_COLUMNS; panel++) {
        use.y = pieces + panel * FT_PANEL_COLUMNS;
        use.then = panel % 2;
        ft_linear_run_panels(linear, ft_kernels_get(), &use, panel, 1);
    }
    check_true(memcmp(pieces, want, size) == 0);
}

// What a layer gives differs from exact products by no more than half a step of each number.
static void check_layer(ft_precision precision, size_t outputs, size_t inputs)
{
    enum { X_ROW = 300 };
    static float weights[70 * 290], x[20 * X_ROW];
    float y[20 * 112] = {0};
    const uint64_t shape[2] = {outputs, inputs};
    const ft_weight weight = {.kind = FT_WEIGHT_F32,
                              .rank = 2,
                              .shape = shape,
                              .elements = outputs * inputs,
                              .data = (const char *)weights};
    ft_arena *arena = ft_arena_create();
    ft_error err = FT_ERROR_INIT;
    ft_linear linear;
    size_t total = 0;

    fill(weights, outputs * inputs, 0.5, 8);
    fill(x, 20 * X_ROW, 2, 9);
    check_ok(ft_linear_init(&linear, outputs, inputs, precision, false, &total, &err), &err);
    char *block = ft_linear_block(arena, total), *end = block;
    ft_linear_place(&linear, &end);
    check_int_eq(end - block, total);
    ft_linear_put(&linear, &weight, 0, (ft_groups){0}, (ft_groups){0});
    char *scratch = ft_arena_aligned(arena, ft_linear_scratch(&linear, 20) + 1, 64);
    const ft_linear_use use = {
        .x = x, .x_row = X_ROW, .y = y, .y_row = 112, .rows = 20, .scratch = scratch};
    ft_linear_run(&linear, ft_kernels_get(), &use);
    check_pieces(&linear, use, y, sizeof(y));
    for (size_t row = 0; row < 20; row++)
        for (size_t column = 0; column < outputs; column++) {
            double want = 0, bound = 3e-5;
            for (size_t k = 0; k < inputs; k++) {
                const double value = (double)x[row * X_ROW + k],
                             w = (double)weights[column * inputs + k];
                want += value * w;
                bound += precision == FT_PRECISION_INT8
                             ? 4 / 255.0 * fabs(w) + 0.25 / 127 * (fabs(value) + 4 / 255.0)
                         : precision == FT_PRECISION_BF16 ? fabs(value * w) / 127
                                                          : 0;
            }
            check_float_near((double)y[row * 112 + column], want, bound);
        }
    ft_arena_destroy(arena);
}

TEST(narrow_kernels_layers)
{
    for (int precision = 0; precision < FT_PRECISION_COUNT; precision++)
        for (size_t inputs = 1; inputs <= 290; inputs += 17) {
            check_layer((ft_precision)precision, 1, inputs);
            check_layer((ft_precision)precision, 33, inputs);
            check_layer((ft_precision)precision, 70, inputs);
        }
}

// A weight that is no number shows in its output, and in no other, wherever it stands in its group.
TEST(narrow_kernels_broken_weights)
{
    enum { INPUTS = 140 };
    static const float broken[] = {NAN, INFINITY};
    static float weights[2 * INPUTS], x[INPUTS], y[64];
    static const uint64_t shape[2] = {2, INPUTS};
    const ft_weight weight = {.kind = FT_WEIGHT_F32,
                              .rank = 2,
                              .shape = shape,
                              .elements = FT_COUNT_OF(weights),
                              .data = (const char *)weights};
    ft_error err = FT_ERROR_INIT;

    fill(x, INPUTS, 2, 9);
    for (size_t i = 0; i < INPUTS; i++)
        for (size_t k = 0; k < FT_COUNT_OF(broken); k++) {
            ft_arena *arena = ft_arena_create();
            ft_linear linear;
            size_t total = 0;
            fill(weights, FT_COUNT_OF(weights), 0.5, 8);
            weights[i] = broken[k];
            check_ok(ft_linear_init(&linear, 2, INPUTS, FT_PRECISION_INT8, false, &total, &err),
                     &err);
            char *block = ft_linear_block(arena, total);
            check_true(block != NULL);
            ft_linear_place(&linear, &block);
            ft_linear_put(&linear, &weight, 0, (ft_groups){0}, (ft_groups){0});
            char *scratch = ft_arena_aligned(arena, ft_linear_scratch(&linear, 1) + 1, 64);
            ft_linear_run(
                &linear, ft_kernels_get(),
                &(ft_linear_use){
                    .x = x, .x_row = INPUTS, .y = y, .y_row = 64, .rows = 1, .scratch = scratch});
            check_true(isnan(y[0]) && isfinite(y[1]));
            ft_arena_destroy(arena);
        }
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
