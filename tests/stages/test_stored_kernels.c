// Stored weights: every level gives the bits of floats in panels, near double precision, whatever
// rows stand beside; weights of every type that a file may have, and softmax of rows.
#include <math.h>
#include <string.h>

#include "runtime/random.h"
#include "stages/nn/linear.h"
#include "tests/check.h"

enum {
    ROWS = 31,
    DEPTH_MAX = 160,
    OUTPUTS = 90,
    X_ROW = DEPTH_MAX + 48,
    Y_ROW = 96 + 16,
    Q8_0_BYTES = 34,
    Q4_0_BYTES = 18,
};

static float x[(ROWS + FT_LINEAR_ROWS_BEHIND) * X_ROW];
static float want[ROWS * Y_ROW], got[ROWS * Y_ROW];
static char data[OUTPUTS * DEPTH_MAX * 2];
static float values[OUTPUTS * DEPTH_MAX];

static void fill(float *out, size_t count, double scale, uint64_t seed)
{
    ft_random random;

    ft_random_init(&random, seed, 0);
    for (size_t i = 0; i < count; i++)
        out[i] = (float)(scale * (2 * ft_random_float(&random) - 1));
}

// A weight of random bits of that kind: all finite, of every exponent that a half has.
static ft_weight random_weight(ft_weight_kind kind, const uint64_t shape[2])
{
    const size_t elements = (size_t)(shape[0] * shape[1]);
    ft_random random;

    ft_random_init(&random, kind, 1);
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)ft_random_next(&random);
    if (kind == FT_WEIGHT_F16 || kind == FT_WEIGHT_BF16)
        for (size_t i = 1; i < sizeof(data); i += 2)
            data[i] = (char)(kind == FT_WEIGHT_F16 ? data[i] & 0xBB : 0x3E | (data[i] & 0x81));
    const size_t block = kind == FT_WEIGHT_Q8_0 ? Q8_0_BYTES : Q4_0_BYTES;
    for (size_t i = 1; kind >= FT_WEIGHT_PLAIN_COUNT && i < sizeof(data); i += block)
        data[i] &= (char)0xBB;
    return (ft_weight){.kind = kind, .rank = 2, .shape = shape, .elements = elements, .data = data};
}

static ft_linear lay_out(ft_arena *arena, const ft_weight *weight, ft_stored stored,
                         ft_groups inputs, size_t depth)
{
    ft_error err = FT_ERROR_INIT;
    ft_linear linear;
    size_t total = 0;

    if (stored)
        check_ok(ft_linear_init_stored(&linear, OUTPUTS, depth, stored, &total, &err), &err);
    else
        check_ok(ft_linear_init(&linear, OUTPUTS, depth, FT_PRECISION_F32, false, &total, &err),
                 &err);
    char *block = ft_linear_block(arena, total), *end = block;
    check_true(block != NULL);
    ft_linear_place(&linear, &end);
    check_int_eq(end - block, total);
    ft_linear_put(&linear, weight, 0, (ft_groups){0}, inputs);
    fill(linear.bias, OUTPUTS, 1, 3);
    return linear;
}

static void check_values(const ft_weight *weight, ft_groups inputs, const float *bias, size_t rows,
                         bool add)
{
    const size_t depth = (size_t)weight->shape[1];

    ft_weight_read(weight, 0, weight->elements, values);
    for (size_t row = 0; row < rows; row++)
        for (size_t output = 0; output < OUTPUTS; output++) {
            double sum = (double)bias[output] + (add ? 0.5 : 0), most = 2;
            for (size_t k = 0; k < depth; k++) {
                const double one = (double)values[output * depth + k] *
                                   (double)x[row * X_ROW + ft_spread(k, inputs)];
                sum += one;
                most += fabs(one);
            }
            check_float_near((double)got[row * Y_ROW + output], sum, 2e-6 * most);
        }
}

static void check_rows(const ft_kernels *kernels, const ft_linear *stored, const ft_linear *floats,
                       size_t rows)
{
    ft_linear_use use = {
        .x = x, .x_row = X_ROW, .y = want, .y_row = Y_ROW, .rows = rows, .add = rows % 2};

    for (size_t i = 0; i < FT_COUNT_OF(want); i++)
        want[i] = got[i] = 0.5F;
    ft_linear_run(floats, kernels, &use);
    use.y = got;
    ft_linear_run(stored, kernels, &use);
    check_true(memcmp(want, got, sizeof(want)) == 0);
    // A panel at a time, and a row at a time.
    for (size_t i = 0; i < FT_COUNT_OF(got); i++)
        got[i] = 0.5F;
    for (size_t row = 0; row < rows; row++)
        for (size_t panel = 0; panel < 3; panel++) {
            const ft_linear_use one = {.x = x + row * X_ROW,
                                       .x_row = X_ROW,
                                       .y = got + row * Y_ROW + panel * FT_PANEL_COLUMNS,
                                       .y_row = Y_ROW,
                                       .rows = 1,
                                       .add = rows % 2};
            ft_linear_run_panels(stored, kernels, &one, panel, 1);
        }
    check_true(memcmp(want, got, sizeof(want)) == 0);
}

static void check_kind(ft_weight_kind kind, size_t inputs, ft_groups spread)
{
    const uint64_t shape[2] = {OUTPUTS, inputs};
    const ft_weight weight = random_weight(kind, shape);
    const size_t depth = ft_spread(inputs - 1, spread) + 1;
    const ft_stored stored = ft_linear_stored(&weight, spread);
    ft_arena *arena = ft_arena_create();

    check_true(arena && stored != FT_STORED_NONE);
    fill(x, FT_COUNT_OF(x), 1, inputs);
    const ft_linear narrow = lay_out(arena, &weight, stored, spread, depth);
    const ft_linear floats = lay_out(arena, &weight, FT_STORED_NONE, spread, depth);
    for (int isa = 0; isa < FT_ISA_COUNT; isa++) {
        const ft_kernels *kernels = ft_kernels_find((ft_isa)isa);
        for (size_t rows = 1; kernels && rows <= ROWS; rows++) {
            check_rows(kernels, &narrow, &floats, rows);
            check_values(&weight, spread, narrow.bias, rows, rows % 2);
        }
    }
    ft_arena_destroy(arena);
}

TEST(stored_halves)
{
    for (size_t inputs = 1; inputs <= 79; inputs += 13) {
        check_kind(FT_WEIGHT_F16, inputs, (ft_groups){0});
        check_kind(FT_WEIGHT_BF16, inputs, (ft_groups){0});
    }
    check_kind(FT_WEIGHT_F16, 72, (ft_groups){24, 32});
    check_kind(FT_WEIGHT_BF16, 72, (ft_groups){24, 32});
}

TEST(stored_blocks)
{
    for (size_t inputs = 32; inputs <= DEPTH_MAX; inputs += 32) {
        check_kind(FT_WEIGHT_Q8_0, inputs, (ft_groups){0});
        check_kind(FT_WEIGHT_Q4_0, inputs, (ft_groups){0});
    }
    check_kind(FT_WEIGHT_Q8_0, 96, (ft_groups){48, 48});
}

// What would lose something, or has nothing to gain, becomes floats.
TEST(stored_not)
{
    static const uint64_t whole[2] = {OUTPUTS, 64}, odd[2] = {OUTPUTS, 48};
    const ft_groups plain = {0}, spread = {24, 32};
    const ft_weight floats = {.kind = FT_WEIGHT_F32, .rank = 2, .shape = whole};
    const ft_weight blocks = {.kind = FT_WEIGHT_Q8_0, .rank = 2, .shape = whole};
    const ft_weight ragged = {.kind = FT_WEIGHT_Q8_0, .rank = 2, .shape = odd};

    check_int_eq(ft_linear_stored(&floats, plain), FT_STORED_NONE);
    check_int_eq(ft_linear_stored(&blocks, plain), FT_STORED_Q8_0);
    check_int_eq(ft_linear_stored(&blocks, spread), FT_STORED_NONE);
    check_int_eq(ft_linear_stored(&ragged, plain), FT_STORED_NONE);
}

static void check_softmax(const ft_kernels *kernels, size_t from, size_t to)
{
    enum { ROOM = 128 };
    float scores[ROOM], before[ROOM], sum;
    double most = -INFINITY, total = 0;

    fill(scores, ROOM, 40, from * ROOM + to);
    memcpy(before, scores, sizeof(before));
    for (size_t i = from; i < to; i++)
        most = fmax(most, (double)scores[i]);
    kernels->weigh(scores, from, to, &sum);
    for (size_t i = 0; i < ROOM; i++) {
        const bool is_seen = i >= from && i < to,
                   is_near = i >= from / 16 * 16 && i < ft_pad(to, 16);
        const double one = is_seen ? exp((double)before[i] - most) : 0;
        total += one;
        check_float_near((double)scores[i], is_near ? one : (double)before[i], 1e-6);
    }
    check_float_near((double)sum, total, 1e-5 * total);
}

TEST(softmax_of_a_row)
{
    for (int isa = 0; isa < FT_ISA_COUNT; isa++)
        for (size_t from = 0; ft_kernels_find((ft_isa)isa) && from < 40; from++)
            for (size_t to = from + 1; to <= 70; to++)
                check_softmax(ft_kernels_find((ft_isa)isa), from, to);
}

// The sum's bits depend on the places, not on what stands around them; NaN shows.
TEST(softmax_in_any_company)
{
    for (int isa = 0; isa < FT_ISA_COUNT; isa++) {
        const ft_kernels *kernels = ft_kernels_find((ft_isa)isa);
        float one[96], other[96], sum, again;
        if (!kernels)
            continue;
        fill(one, 96, 9, 1);
        memcpy(other, one, sizeof(one));
        for (size_t i = 0; i < 96; i++)
            if (i < 21 || i >= 75)
                other[i] = i % 2 ? NAN : 1e30F;
        kernels->weigh(one, 21, 75, &sum);
        kernels->weigh(other, 21, 75, &again);
        check_true(memcmp(one + 16, other + 16, 64 * sizeof(float)) == 0 && sum == again);
        one[30] = NAN;
        kernels->weigh(one, 21, 75, &sum);
        check_true(isnan(sum));
    }
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
