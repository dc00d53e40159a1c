// The inner loops of networks, once for each instruction set.
//
// Every level computes an element of a product by one accumulator that runs over the depth in
// order, and everything else row by row (or lane by lane) in an order that depends on the row's
// length alone. So the bits of a result depend neither on the rows beside it nor on how a caller
// cuts its rows into calls. Between levels bits may differ.
#pragma once

#include "stages/nn/kernel/isa.h"

enum {
    FT_PANEL_COLUMNS = 32,  // Of packed weights.
    FT_PANEL_COLUMNS_HALF = 16,
};

// C = A B + bias, or C = C + A B + bias, or C = scale * A B row by row.
typedef struct ft_multiply {
    const float *a;  // Element (row, k) at a[row * a_row + k * a_step]; one of the two steps is 1.
    size_t a_row, a_step;
    const float *b;  // Element (k, column) at b[k * b_step + column].
    size_t b_step;
    float *c;  // Element (row, column) at c[row * c_row + column].
    size_t c_row;
    const float *bias;     // [columns], or NULL.
    const float *scale;    // [rows], or NULL.
    bool add;              // To what C holds.
    size_t rows, columns;  // Columns: 16 or 32. Rows: any number.
    size_t depth;
    const float
        *ahead;  // What will be read next as B, [depth][32], for the caches to fetch; or NULL.
} ft_multiply;

typedef struct ft_layer_norm {
    const float *gain, *bias;  // [size]
    float epsilon;
    size_t size;
} ft_layer_norm;

typedef struct ft_kernels {
    ft_isa isa;
    void (*multiply)(const ft_multiply *multiply);
    // x = gelu(x) with the error function, not its tanh approximation. `columns` is a multiple
    // of 16.
    void (*gelu)(float *x, size_t stride, size_t rows, size_t columns);
    // Every row to mean 0 and variance 1, times gain, plus bias.
    void (*norm)(float *x, size_t stride, size_t rows, const ft_layer_norm *norm);
    // scores[keys][columns]: e^(x - the column's maximum), and 1 / sum for each column. `columns`:
    // 16 or 32.
    void (*softmax)(float *scores, size_t keys, size_t columns, float *out_inverse_sums);
} ft_kernels;

// Of the level that runs (isa.h).
const ft_kernels *ft_kernels_get(void);
// Of a certain level; NULL when this processor or this build has it not.
const ft_kernels *ft_kernels_find(ft_isa isa);
