// The inner loops of networks, once for each instruction set.
//
// Every level computes an element of a product by one accumulator that runs over the depth in
// order, and everything else row by row (or lane by lane) in an order that depends on the row's
// length alone. So the bits of a result depend neither on the rows beside it nor on how a caller
// cuts its rows into calls. Between levels bits may differ.
#pragma once

#include <math.h>

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

// What weights are laid out as, and what a layer's inputs are turned to before the product.
typedef enum ft_precision {
    FT_PRECISION_F32,
    FT_PRECISION_BF16,  // Both sides bfloat16, sums in 32 bits.
    FT_PRECISION_INT8,  // Inputs u8 by row with a zero point, weights s8 by output, sums in s32.
} ft_precision;
enum { FT_PRECISION_COUNT = 3 };

// What weights of products in F32 are kept as, where they are not floats: as the file has them.
typedef enum ft_stored {
    FT_STORED_NONE,
    FT_STORED_F16,
    FT_STORED_BF16,
    FT_STORED_Q8_0,  // ggml's: blocks of 32 inputs, s8 with a scale in f16.
} ft_stored;

// Inputs that share a scale, on either side of a product in int8: one scale for a whole row costs
// accuracy that is seen (MiniLM: mean cosine 0.9983 instead of 0.9993), and the sums of so few are
// exact as floats too.
enum { FT_BYTE_GROUP = 128 };

// How a group of a row was turned to bytes: x is about scale * (byte - zero), and 0 is exact.
typedef struct ft_byte_group {
    float scale;
    float zero;  // A whole number.
} ft_byte_group;

static inline size_t ft_byte_groups(size_t size)
{
    return size / FT_BYTE_GROUP + (size % FT_BYTE_GROUP != 0);
}

// C = A B + bias, or C = C + A B + bias, of narrow numbers. Depth goes in units of 4 bytes: two
// bfloat16 or four bytes that belong to consecutive k; what pads the last unit must be 0 in B.
typedef struct ft_narrow_multiply {
    const char *a;  // Row r from a[r * a_row] on, a_row in bytes.
    size_t a_row;
    const char *b;  // [units][32][4 bytes]
    float *c;       // Element (row, column) at c[row * c_row + column].
    size_t c_row;
    const float *bias;  // [32]
    // int8 alone: A's groups, row r's from a_groups[r * a_groups_row] on; B's scales, [groups][32];
    // the sums of the numbers in each of B's groups, [groups][32].
    const ft_byte_group *a_groups;
    size_t a_groups_row;
    const float *b_scales, *b_sums;
    bool add;
    size_t rows, units;
    const char *ahead;  // What will be read next as B, or NULL.
} ft_narrow_multiply;

// 4-byte units of `size` narrow numbers.
static inline size_t ft_narrow_units(ft_precision precision, size_t size)
{
    const size_t each = precision == FT_PRECISION_INT8 ? 4 : precision == FT_PRECISION_BF16 ? 2 : 1;
    return size / each + (size % each != 0);
}

// Rows of floats to narrow ones, row r to out[r * out_row] on; units are filled up with zeros.
typedef struct ft_narrowing {
    const float *x;
    size_t x_row;
    size_t rows, size;
    char *out;
    size_t out_row;             // Bytes, a multiple of 4.
    ft_byte_group *out_groups;  // Row r's from out_groups[r * out_groups_row] on; int8 alone.
    size_t out_groups_row;
} ft_narrowing;

enum {
    FT_STORED_BLOCK = 32,  // Inputs of a block of Q8_0.
    // Of such a block of a panel: the columns' scales, then [32 inputs][32 columns] s8.
    FT_STORED_BLOCK_BYTES = FT_PANEL_COLUMNS * 2 + FT_STORED_BLOCK * FT_PANEL_COLUMNS,
};

// C = A B + bias, or C = C + A B + bias, of some panels of stored weights: [depth][32] halves or
// bfloat16, or [depth / 32] blocks.
typedef struct ft_stored_multiply {
    ft_stored stored;
    const float *a;  // Element (row, k) at a[row * a_row + k].
    size_t a_row;
    const char *b;  // The panels, end to end.
    float *c;       // Element (row, column) at c[row * c_row + column].
    size_t c_row;
    const float *bias;  // [panels * 32]
    bool add;
    size_t rows, panels, depth;
} ft_stored_multiply;

// Of 4 bytes, of a panel's column.
static inline size_t ft_stored_units(ft_stored stored, size_t depth)
{
    const size_t blocks = depth / FT_STORED_BLOCK;
    return stored == FT_STORED_Q8_0
               ? blocks / 2 * (2 * FT_STORED_BLOCK_BYTES / (4 * FT_PANEL_COLUMNS)) + blocks % 2 * 9
               : depth / 2 + depth % 2;
}

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
    // vdpbf16ps where the level has it; else the numbers are widened to floats.
    void (*multiply_bf16)(const ft_narrow_multiply *multiply);
    // The sums of products are exact, so those of every level are the same.
    void (*multiply_int8)(const ft_narrow_multiply *multiply);
    // Every weight is brought to 32 bits as it would be in a panel of floats, and sums are
    // `multiply`'s: so the bits are.
    void (*multiply_stored)(const ft_stored_multiply *multiply);
    void (*to_bf16)(const ft_narrowing *narrowing);  // To the nearest, ties to even.
    void (*to_bytes)(const ft_narrowing *narrowing);
    // x = f(x), `columns` of each row, a multiple of 16. NaN stays.
    void (*activate)(ft_activation f, float *x, size_t stride, size_t rows, size_t columns);
    // x = f(x) * by, as in gated feed-forward layers; `columns` as above.
    void (*gate)(ft_activation f, float *x, const float *by, size_t stride, size_t rows,
                 size_t columns);
    // y = x, every row brought to mean 0 and variance 1 (is_rms: to mean square 1), times gain,
    // plus bias. y may be x.
    void (*norm)(const float *x, float *y, size_t stride, size_t rows, const ft_layer_norm *norm);
    // out[size][columns] = scale * x turned: column i is row i of `x`, of `size` numbers, `stride`
    // apart; columns behind the `rows` rows are 0.
    void (*turn)(const float *x, size_t stride, size_t rows, size_t size, float scale, float *out,
                 size_t columns);
    // scores[keys][columns]: e^(x - the column's maximum), and 1 / sum for each column. `columns`:
    // 16 or 32.
    void (*softmax)(float *scores, size_t keys, size_t columns, float *out_inverse_sums);
    // x[from, to) of a row: e^(x - its maximum), and their sum in an order that depends on the
    // places alone; zeros around them within whole vectors. `x` begins at a whole vector, and has
    // room for whole ones: of 16 numbers.
    void (*weigh)(float *x, size_t from, size_t to, float *out_sum);
    // Turns the first 2 * pairs numbers of each of `heads` heads of one row, `head_step` apart.
    void (*rotate)(float *x, size_t heads, size_t head_step, const ft_rotation *rotation);
} ft_kernels;

// How numbers from `least` <= 0 to `most` >= 0 are spread over the bytes. The same sums in every
// level, so that the bytes are.
static inline ft_byte_group ft_byte_group_of(float least, float most)
{
    const float scale = (most - least) / 255.0F;

    // Below that the inverse is not finite; and infinities and NaN have no scale.
    if (!(scale > 1e-36F && scale < 1e36F))
        return (ft_byte_group){scale < 1e36F ? 0.0F : NAN, 0};
    return (ft_byte_group){scale, rintf(-least / scale)};
}
// What numbers are multiplied with: 0 for a group of zeros alone.
static inline float ft_byte_group_inverse(ft_byte_group group)
{
    return group.scale > 0 ? 1.0F / group.scale : 0.0F;
}
static inline uint8_t ft_byte_of(float x, float inverse, float zero)
{
    const float value = rintf(x * inverse) + zero;
    return (uint8_t)(value > 0 ? value < 255 ? value : 255 : 0);
}

// Of the level that runs (isa.h).
const ft_kernels *ft_kernels_get(void);
// Of a certain level; NULL when this processor or this build has it not.
const ft_kernels *ft_kernels_find(ft_isa isa);
