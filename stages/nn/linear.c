// Lays weights out in panels, and multiplies with them.
//
// Weights come row by row as [out, in] and go to panels in which 32 outputs lie side by side: 16
// rows of 128 inputs are read at a time and written turned. Products go panel by panel over all
// rows of x, so that a panel is read from memory once and from the near cache for the further rows.
#define _DEFAULT_SOURCE  // madvise
#include "stages/nn/linear.h"

#include <string.h>
#include <sys/mman.h>

#include "stages/nn/kernel/blas.h"

enum { TURN_ROWS = 16, TURN_DEPTH = 128, HUGE_PAGE = 2 << 20, ALIGNMENT = 64 };

bool ft_linear_init(ft_linear *linear, size_t outputs, size_t inputs, bool uses_blas,
                    size_t *total_bytes, ft_error *err)
{
    size_t width, bytes, elements;

    if (FT_ADD_OVERFLOWS(outputs, (size_t)FT_PANEL_COLUMNS - 1, &width) ||
        FT_ADD_OVERFLOWS(inputs, (size_t)1, &elements) ||  // The bias is one row more.
        FT_MUL_OVERFLOWS(width / FT_PANEL_COLUMNS * FT_PANEL_COLUMNS, elements, &elements) ||
        FT_MUL_OVERFLOWS(elements, sizeof(float), &bytes) ||
        FT_ADD_OVERFLOWS(*total_bytes, bytes, total_bytes))
        return ft_fail(err, FT_ERROR_DATA, "a layer of %zu by %zu weights is too large", outputs,
                       inputs);
    width = width / FT_PANEL_COLUMNS * FT_PANEL_COLUMNS;
    *linear =
        (ft_linear){.depth = inputs, .outputs = outputs, .width = width, .uses_blas = uses_blas};
    return true;
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

void ft_linear_place(ft_linear *linear, char **block)
{
    linear->panels = (float *)(void *)*block;
    linear->bias = linear->panels + linear->width * linear->depth;
    *block += linear->width * (linear->depth + 1) * sizeof(float);
}

static size_t spread(size_t index, ft_groups groups)
{
    return groups.size ? index / groups.size * groups.padded + index % groups.size : index;
}

// A block of rows[output][input] to its panels.
typedef struct turn_block {
    float rows[TURN_ROWS][TURN_DEPTH];
    size_t row_count, depth_count;
    size_t columns[TURN_ROWS];  // Where each row's column starts.
    size_t first_depth;
} turn_block;

static void turn(const ft_linear *linear, const turn_block *block, ft_groups inputs)
{
    for (size_t k = 0; k < block->depth_count; k++) {
        const size_t depth = spread(block->first_depth + k, inputs);
        float *panel_row = linear->panels + depth * FT_PANEL_COLUMNS;
        for (size_t row = 0; row < block->row_count; row++)
            panel_row[block->columns[row]] = block->rows[row][k];
    }
}

void ft_linear_put(ft_linear *linear, const ft_weight *weight, size_t at, ft_groups outputs,
                   ft_groups inputs)
{
    const size_t count = (size_t)weight->shape[0], depth = (size_t)weight->shape[1];
    turn_block block;

    FT_ASSERT(weight->rank == 2 && spread(depth - 1, inputs) < linear->depth &&
              at + spread(count - 1, outputs) < linear->width);
    for (size_t first = 0; first < count; first += TURN_ROWS) {
        block.row_count = count - first < TURN_ROWS ? count - first : TURN_ROWS;
        for (size_t row = 0; row < block.row_count; row++) {
            const size_t column = at + spread(first + row, outputs);
            block.columns[row] = column / FT_PANEL_COLUMNS * FT_PANEL_COLUMNS * linear->depth +
                                 column % FT_PANEL_COLUMNS;
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

void ft_linear_put_bias(ft_linear *linear, const ft_weight *bias, size_t at, ft_groups outputs)
{
    FT_ASSERT(bias->elements > 0 && at + spread(bias->elements - 1, outputs) < linear->width);
    for (size_t i = 0; i < bias->elements; i++)
        ft_weight_read(bias, i, 1, &linear->bias[at + spread(i, outputs)]);
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

void ft_linear_run(const ft_linear *linear, const ft_kernels *kernels, const ft_linear_use *use)
{
    for (size_t column = 0; column < linear->width; column += FT_PANEL_COLUMNS) {
        const ft_multiply multiply = {
            .a = use->x,
            .a_row = use->x_row,
            .a_step = 1,
            .b = linear->panels + column * linear->depth,
            .b_step = FT_PANEL_COLUMNS,
            .c = use->y + column,
            .c_row = use->y_row,
            .bias = linear->bias + column,
            .add = use->add,
            .rows = use->rows,
            .columns = FT_PANEL_COLUMNS,
            .depth = linear->depth,
            .ahead = column + FT_PANEL_COLUMNS < linear->width
                         ? linear->panels + (column + FT_PANEL_COLUMNS) * linear->depth
                         : NULL,
        };
        if (linear->uses_blas)
            multiply_by_blas(&multiply);
        else
            kernels->multiply(&multiply);
        if (use->activation != FT_ACTIVATION_NONE)
            kernels->activate(use->activation, use->y + column, use->y_row, use->rows,
                              FT_PANEL_COLUMNS);
    }
}
