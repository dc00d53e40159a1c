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
    const float *gain, *bias;  // [size]; either may be NULL.
    float epsilon;
    size_t size;
    bool is_rms;  // By the root of the mean square; the mean stays.
} ft_layer_norm;

typedef enum ft_activation {
    FT_ACTIVATION_NONE,
    FT_ACTIVATION_RELU,
    FT_ACTIVATION_GELU,  // x Phi(x), with the error function.
    FT_ACTIVATION_TANH,
    FT_ACTIVATION_SIGMOID,
    FT_ACTIVATION_GELU_TANH,   // "gelu_new", "gelu_pytorch_tanh": GELU's tanh approximation.
    FT_ACTIVATION_QUICK_GELU,  // x sigmoid(1.702 x)
    FT_ACTIVATION_SILU,        // x sigmoid(x)
} ft_activation;

// The angles of one position, for each pair of numbers that turns (RoPE).
typedef struct ft_rotation {
    const float *cosines, *sines;  // [pairs]
    size_t pairs;
    bool is_interleaved;  // Pairs are (2i, 2i + 1); else (i, pairs + i).
} ft_rotation;

typedef struct ft_kernels {
    ft_isa isa;
    void (*multiply)(const ft_multiply *multiply);
    // x = f(x), `columns` of each row, a multiple of 16. NaN stays.
    void (*activate)(ft_activation f, float *x, size_t stride, size_t rows, size_t columns);
    // x = f(x) * by, as in gated feed-forward layers; `columns` as above.
    void (*gate)(ft_activation f, float *x, const float *by, size_t stride, size_t rows,
                 size_t columns);
    // Every row to mean 0 and variance 1 (is_rms: to mean square 1), times gain, plus bias.
    void (*norm)(float *x, size_t stride, size_t rows, const ft_layer_norm *norm);
    // scores[keys][columns]: e^(x - the column's maximum), and 1 / sum for each column. `columns`:
    // 16 or 32.
    void (*softmax)(float *scores, size_t keys, size_t columns, float *out_inverse_sums);
    // Turns the first 2 * pairs numbers of each of `heads` heads of one row, `head_step` apart.
    void (*rotate)(float *x, size_t heads, size_t head_step, const ft_rotation *rotation);
} ft_kernels;

// Of the level that runs (isa.h).
const ft_kernels *ft_kernels_get(void);
// Of a certain level; NULL when this processor or this build has it not.
const ft_kernels *ft_kernels_find(ft_isa isa);
