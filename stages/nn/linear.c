// Lays weights out in panels, and multiplies with them.
//
// Weights come row by row as [out, in] and go to panels in which 32 outputs lie side by side: 16
// rows of 128 inputs are read at a time and written turned. Products go panel by panel over all
// rows of x, so that a panel is read from memory once and from the near cache for the further rows.
#define _DEFAULT_SOURCE  // madvise
#include "stages/nn/linear.h"

#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stages/nn/kernel/blas.h"

enum {
    TURN_ROWS = 16,
    TURN_DEPTH = 128,
    HUGE_PAGE = 2 << 20,
    ALIGNMENT = 64,
    UNIT = 4,           // Bytes.
    SHARED_PANELS = 2,  // That one of a team takes at least.
};

const char *const ft_precision_choices[] = {"auto", "f32", "bf16", "int8", NULL};

ft_precision ft_precision_of(int choice)
{
    return choice > 0 ? (ft_precision)(choice - 1) : FT_PRECISION_F32;
}

// `units` of 4 bytes and `vectors` of floats for each column.
static bool lay_out(ft_linear *linear, size_t units, size_t vectors, size_t *total_bytes,
                    ft_error *err)
{
    size_t width, bytes, elements;

    if (FT_ADD_OVERFLOWS(linear->outputs, (size_t)FT_PANEL_COLUMNS - 1, &width) ||
        FT_ADD_OVERFLOWS(units, vectors, &elements) ||
        FT_MUL_OVERFLOWS(width / FT_PANEL_COLUMNS * FT_PANEL_COLUMNS, elements, &elements) ||
        FT_MUL_OVERFLOWS(elements, (size_t)UNIT, &bytes) ||
        FT_ADD_OVERFLOWS(*total_bytes, bytes, total_bytes))
        return ft_fail(err, FT_ERROR_DATA, "a layer of %zu by %zu weights is too large",
                       linear->outputs, linear->depth);
    linear->units = units;
    linear->width = width / FT_PANEL_COLUMNS * FT_PANEL_COLUMNS;
    return true;
}

bool ft_linear_init(ft_linear *linear, size_t outputs, size_t inputs, ft_precision precision,
                    bool uses_blas, size_t *total_bytes, ft_error *err)
{
    const size_t vectors = precision == FT_PRECISION_INT8 ? 1 + 2 * ft_byte_groups(inputs) : 1;

    *linear = (ft_linear){
        .precision = precision,
        .depth = inputs,
        .outputs = outputs,
        .uses_blas = uses_blas && precision == FT_PRECISION_F32,
    };
    return lay_out(linear, ft_narrow_units(precision, inputs), vectors, total_bytes, err);
}

bool ft_linear_init_stored(ft_linear *linear, size_t outputs, size_t inputs, ft_stored stored,
                           size_t *total_bytes, ft_error *err)
{
    *linear = (ft_linear){.stored = stored, .depth = inputs, .outputs = outputs};
    return lay_out(linear, ft_stored_units(stored, inputs), 1, total_bytes, err);
}

char *ft_linear_block(ft_arena *arena, size_t total_bytes)
{
    char *block = ft_arena_aligned(arena, total_bytes, ALIGNMENT);

    if (!block)
        return NULL;
    const uintptr_t from = ((uintptr_t)block + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    const uintptr_t to = ((uintptr_t)block + total_bytes) / HUGE_PAGE * HUGE_PAGE;
    // A hint: where it is refused the block is in small pages, and a little slower.
    if (from < to)
        ft_ignore(madvise((void *)from, to - from, MADV_HUGEPAGE) == 0);
    memset(block, 0, total_bytes);
    return block;
}

void ft_linear_block_forget(char *block, size_t total_bytes)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t from = ((uintptr_t)block + page - 1) / page * page;
    const uintptr_t to = ((uintptr_t)block + total_bytes) / page * page;

    // A hint: where it is refused the pages stay.
    if (from < to)
        ft_ignore(madvise((void *)from, to - from, MADV_DONTNEED) == 0);
}

void ft_linear_place(ft_linear *linear, char **block)
{
    const size_t groups =
        linear->precision == FT_PRECISION_INT8 ? ft_byte_groups(linear->depth) : 0;

    linear->panels = *block;
    linear->bias = (float *)(void *)(linear->panels + linear->width * linear->units * UNIT);
    linear->scales = linear->bias + linear->width;
    linear->sums = linear->scales + linear->width * groups;
    *block = (char *)(linear->sums + linear->width * groups);
}

void ft_linear_follow(ft_linear *linear, const ft_linear *next)
{
    const size_t panel = linear->units * FT_PANEL_COLUMNS;

    linear->ahead = next->units * next->width >= panel ? next->panels : NULL;
}

// A block of rows[output][input] to its panels.
typedef struct turn_block {
    float rows[TURN_ROWS][TURN_DEPTH];
    size_t row_count, depth_count;
    size_t outputs[TURN_ROWS];  // Each row's place.
    size_t first_depth;
} turn_block;

// Where the number of `output` for input `depth` lies, of `size` bytes.
static char *panel_place(const ft_linear *linear, size_t output, size_t depth, size_t size)
{
    const size_t each = UNIT / size;
    const size_t panel = output / FT_PANEL_COLUMNS, column = output % FT_PANEL_COLUMNS;
    return linear->panels +
           ((panel * linear->units + depth / each) * FT_PANEL_COLUMNS + column) * UNIT +
           depth % each * size;
}

static uint16_t to_bf16(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof(bits));
    return isnan(x) ? 0x7FC0 : (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

static void turn(const ft_linear *linear, const turn_block *block, ft_groups inputs)
{
    for (size_t k = 0; k < block->depth_count; k++) {
        const size_t depth = ft_spread(block->first_depth + k, inputs);
        for (size_t row = 0; row < block->row_count; row++) {
            const float value = block->rows[row][k];
            const uint16_t half = to_bf16(value);
            if (linear->precision == FT_PRECISION_F32)
                memcpy(panel_place(linear, block->outputs[row], depth, sizeof(value)), &value,
                       sizeof(value));
            else
                memcpy(panel_place(linear, block->outputs[row], depth, sizeof(half)), &half,
                       sizeof(half));
        }
    }
}

// One group of one output: the largest weight becomes 127. Weights that are not numbers make the
// scale NaN, and with it all that comes of them.
static void put_group(const ft_linear *linear, size_t output, size_t group,
                      const float values[FT_BYTE_GROUP])
{
    const size_t first = group * FT_BYTE_GROUP, left = linear->depth - first;
    const size_t place =
        (output / FT_PANEL_COLUMNS * ft_byte_groups(linear->depth) + group) * FT_PANEL_COLUMNS +
        output % FT_PANEL_COLUMNS;
    float most = 0;
    int sum = 0;

    for (size_t i = 0; i < FT_BYTE_GROUP && !isnan(most); i++)
        most = fabsf(values[i]) <= most ? most : fabsf(values[i]);
    const bool is_usable = most > 1e-34F && most < 1e34F;
    const float inverse = is_usable ? 127 / most : 0;
    for (size_t i = 0; i < FT_BYTE_GROUP && i < left; i++) {
        const int q = is_usable ? (int)lrintf(values[i] * inverse) : 0;
        *panel_place(linear, output, first + i, 1) = (char)q;
        sum += q;
    }
    linear->scales[place] = is_usable ? most / 127 : most <= 1e-34F ? 0 : NAN;
    linear->sums[place] = (float)sum;
}

// An output's weights, spread out a group at a time: what no input has is 0.
static void put_bytes(const ft_linear *linear, const ft_weight *weight, size_t row, size_t output,
                      ft_groups inputs)
{
    const size_t depth = (size_t)weight->shape[1];
    size_t next = 0;

    for (size_t group = 0; group < ft_byte_groups(linear->depth); group++) {
        const size_t end = (group + 1) * FT_BYTE_GROUP;
        float values[FT_BYTE_GROUP] = {0};
        while (next < depth && ft_spread(next, inputs) < end) {
            const size_t place = ft_spread(next, inputs);
            const size_t run = inputs.size ? inputs.size - next % inputs.size : depth;
            size_t some = run < depth - next ? run : depth - next;
            some = some < end - place ? some : end - place;
            ft_weight_read(weight, row * depth + next, some, values + place % FT_BYTE_GROUP);
            next += some;
        }
        put_group(linear, output, group, values);
    }
}

static void put_row(const ft_linear *linear, const ft_weight *weight, size_t row, size_t output,
                    ft_groups inputs)
{
    if (linear->precision == FT_PRECISION_INT8)
        put_bytes(linear, weight, row, output, inputs);
    else
        ft_linear_put_stored(linear, weight, row, output, inputs);
}

void ft_linear_put(ft_linear *linear, const ft_weight *weight, size_t at, ft_groups outputs,
                   ft_groups inputs)
{
    const size_t count = (size_t)weight->shape[0], depth = (size_t)weight->shape[1];
    turn_block block;

    FT_ASSERT(weight->rank == 2 && ft_spread(depth - 1, inputs) < linear->depth &&
              at + ft_spread(count - 1, outputs) < linear->width);
    for (size_t first = 0; first < count; first += TURN_ROWS) {
        block.row_count = count - first < TURN_ROWS ? count - first : TURN_ROWS;
        for (size_t row = 0; row < block.row_count; row++)
            block.outputs[row] = at + ft_spread(first + row, outputs);
        if (linear->precision == FT_PRECISION_INT8 || linear->stored) {
            for (size_t row = 0; row < block.row_count; row++)
                put_row(linear, weight, first + row, block.outputs[row], inputs);
            continue;
        }
        for (size_t k = 0; k < depth; k += TURN_DEPTH) {
            block.first_depth = k;
            block.depth_count = depth - k < TURN_DEPTH ? depth - k : TURN_DEPTH;
            for (size_t row = 0; row < block.row_count; row++)
                ft_weight_read(weight, (first + row) * depth + k, block.depth_count,
                               block.rows[row]);
            turn(linear, &block, inputs);
        }
    }
}

void ft_linear_put_bias(ft_linear *linear, const ft_weight *bias, size_t first, size_t count,
                        size_t at, ft_groups outputs)
{
    FT_ASSERT(count > 0 && at + ft_spread(count - 1, outputs) < linear->width);
    for (size_t i = 0; i < count; i++)
        ft_weight_read(bias, first + i, 1, &linear->bias[at + ft_spread(i, outputs)]);
}

// ---- products ----

// OpenBLAS chooses its way by the number of rows, so it always gets as many: those behind the last
// are read and dropped.
static void multiply_by_blas(const ft_multiply *m)
{
    float block[FT_BLAS_ROWS_MAX][FT_PANEL_COLUMNS];
    const size_t step = ft_blas_rows();

    for (size_t row = 0; row < m->rows; row += step) {
        const size_t rows = m->rows - row < step ? m->rows - row : step;
        ft_multiply fixed = *m;
        fixed.a += row * m->a_row;
        fixed.c = block[0];
        fixed.c_row = FT_PANEL_COLUMNS;
        fixed.rows = step;
        ft_blas_multiply(&fixed);
        for (size_t i = 0; i < rows; i++) {
            float *c = m->c + (row + i) * m->c_row;
            for (size_t column = 0; column < FT_PANEL_COLUMNS; column++) {
                const float sum = block[i][column] + m->bias[column];
                c[column] = m->add ? c[column] + sum : sum;
            }
        }
    }
}

// What is read behind the panel of `column`; `is_last` of a call.
static const char *ahead_of(const ft_linear *linear, const ft_linear_use *use, size_t column,
                            bool is_last)
{
    const size_t next =
        is_last && use->then ? use->then * FT_PANEL_COLUMNS : column + FT_PANEL_COLUMNS;
    return next < linear->width ? linear->panels + next * linear->units * UNIT : linear->ahead;
}

static void run_floats(const ft_linear *linear, const ft_kernels *kernels, const ft_linear_use *use,
                       size_t column, const char *ahead)
{
    const ft_multiply multiply = {
        .a = use->x,
        .a_row = use->x_row,
        .a_step = 1,
        .b = (const float *)(const void *)linear->panels + column * linear->depth,
        .b_step = FT_PANEL_COLUMNS,
        .c = use->y,
        .c_row = use->y_row,
        .bias = linear->bias + column,
        .add = use->add,
        .rows = use->rows,
        .columns = FT_PANEL_COLUMNS,
        .depth = linear->depth,
        .ahead = (const float *)(const void *)ahead,
    };
    if (linear->uses_blas)
        multiply_by_blas(&multiply);
    else
        kernels->multiply(&multiply);
}

// In a row of the narrow copy.
static size_t groups_at(const ft_linear *linear)
{
    return ft_pad(linear->units * UNIT, sizeof(ft_byte_group));
}

static ft_byte_group *groups_of(const ft_linear *linear, const ft_linear_use *use)
{
    return (ft_byte_group *)(void *)(use->scratch + groups_at(linear));
}

// Bytes between rows of the narrow copy, each its numbers and then its groups: an odd number of
// cache lines, so that rows do not crowd a few sets of the cache.
static size_t narrow_row(const ft_linear *linear)
{
    const size_t groups =
        linear->precision == FT_PRECISION_INT8 ? ft_byte_groups(linear->depth) : 0;
    const size_t bytes = groups_at(linear) + groups * sizeof(ft_byte_group);
    return (ft_pad(bytes, ALIGNMENT) / ALIGNMENT | 1) * ALIGNMENT;
}

size_t ft_linear_scratch(const ft_linear *linear, size_t rows)
{
    return ft_linear_is_narrow(linear) ? rows * narrow_row(linear) : 0;
}

void ft_linear_narrow_some(const ft_linear *linear, const ft_kernels *kernels,
                           const ft_linear_use *use, size_t first, size_t count)
{
    const size_t row = narrow_row(linear);

    if (!ft_linear_is_narrow(linear))
        return;
    FT_ASSERT(use->scratch && first % FT_BYTE_GROUP == 0 && first + count <= linear->depth);
    const ft_narrowing narrowing = {
        .x = use->x,
        .x_row = use->x_row,
        .rows = use->rows,
        .size = count,
        .out = use->scratch + ft_narrow_units(linear->precision, first) * UNIT,
        .out_row = row,
        .out_groups = groups_of(linear, use) + first / FT_BYTE_GROUP,
        .out_groups_row = row / sizeof(ft_byte_group),
    };
    if (linear->precision == FT_PRECISION_INT8)
        kernels->to_bytes(&narrowing);
    else
        kernels->to_bf16(&narrowing);
}

void ft_linear_narrow(const ft_linear *linear, const ft_kernels *kernels, const ft_linear_use *use)
{
    ft_linear_narrow_some(linear, kernels, use, 0, linear->depth);
}

static void run_narrow(const ft_linear *linear, const ft_kernels *kernels, const ft_linear_use *use,
                       size_t column, const char *ahead)
{
    const ft_narrow_multiply multiply = {
        .a = use->scratch,
        .a_row = narrow_row(linear),
        .b = linear->panels + column * linear->units * UNIT,
        .c = use->y,
        .c_row = use->y_row,
        .bias = linear->bias + column,
        .a_groups = groups_of(linear, use),
        .a_groups_row = narrow_row(linear) / sizeof(ft_byte_group),
        .b_scales = linear->scales + column * ft_byte_groups(linear->depth),
        .b_sums = linear->sums + column * ft_byte_groups(linear->depth),
        .add = use->add,
        .rows = use->rows,
        .units = linear->units,
        .ahead = ahead,
    };
    if (linear->precision == FT_PRECISION_INT8)
        kernels->multiply_int8(&multiply);
    else
        kernels->multiply_bf16(&multiply);
}

static void run_stored(const ft_linear *linear, const ft_kernels *kernels, const ft_linear_use *use,
                       size_t column, size_t panels)
{
    kernels->multiply_stored(&(ft_stored_multiply){
        .stored = linear->stored,
        .a = use->x,
        .a_row = use->x_row,
        .b = linear->panels + column * linear->units * UNIT,
        .c = use->y,
        .c_row = use->y_row,
        .bias = linear->bias + column,
        .add = use->add,
        .rows = use->rows,
        .panels = panels,
        .depth = linear->depth,
    });
}

void ft_linear_run_panels(const ft_linear *linear, const ft_kernels *kernels,
                          const ft_linear_use *use, size_t first, size_t panels)
{
    ft_linear_use one = *use;

    if (linear->stored)
        run_stored(linear, kernels, use, first * FT_PANEL_COLUMNS, panels);
    for (size_t i = 0; i < panels; i++, one.y += FT_PANEL_COLUMNS) {
        const size_t column = (first + i) * FT_PANEL_COLUMNS;
        const char *ahead = ahead_of(linear, use, column, i + 1 == panels);
        if (ft_linear_is_narrow(linear))
            run_narrow(linear, kernels, &one, column, ahead);
        else if (!linear->stored)
            run_floats(linear, kernels, &one, column, ahead);
        if (use->activation != FT_ACTIVATION_NONE)
            kernels->activate(use->activation, one.y, use->y_row, use->rows, FT_PANEL_COLUMNS);
    }
}

void ft_linear_run(const ft_linear *linear, const ft_kernels *kernels, const ft_linear_use *use)
{
    ft_linear_narrow(linear, kernels, use);
    ft_linear_run_panels(linear, kernels, use, 0, linear->width / FT_PANEL_COLUMNS);
}

// ---- products of a team ----

typedef struct shared_product {
    const ft_linear *linear;
    const ft_kernels *kernels;
    const ft_linear_use *use;
    size_t first, panels;
} shared_product;

static void run_some_panels(void *host, size_t first, size_t count, size_t member)
{
    const shared_product *p = host;
    const size_t begin = first * SHARED_PANELS, end = begin + count * SHARED_PANELS;
    ft_linear_use use = *p->use;

    (void)member;
    use.y += begin * FT_PANEL_COLUMNS;
    ft_linear_run_panels(p->linear, p->kernels, &use, p->first + begin,
                         (end < p->panels ? end : p->panels) - begin);
}

void ft_linear_share_panels(const ft_linear *linear, const ft_kernels *kernels,
                            const ft_linear_use *use, size_t first, size_t panels, ft_team *team)
{
    shared_product p = {linear, kernels, use, first, panels};

    ft_team_run(team, (panels + SHARED_PANELS - 1) / SHARED_PANELS, 1, run_some_panels, &p);
}

void ft_linear_share(const ft_linear *linear, const ft_kernels *kernels, const ft_linear_use *use,
                     ft_team *team)
{
    ft_linear_narrow(linear, kernels, use);
    ft_linear_share_panels(linear, kernels, use, 0, linear->width / FT_PANEL_COLUMNS, team);
}
