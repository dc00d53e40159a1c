// A linear layer y = x W^T + b whose weights were laid out for the kernels once, when the model was
// loaded.
//
//   panels[columns / 32][units][32][4 bytes]: a kernel reads one panel from front to back for each
//   few rows of x. A unit is one float, two bfloat16 or four bytes of consecutive inputs.
//
// In int8 a weight is scale * q with q from -127 to 127, an input scale * (byte - zero), with a
// scale for each group g of 128 inputs, of a row as of an output:
//
//   y[m][n] = bias[n] + sum over g of x_scale[m][g] * scale[n][g] *
//             (sum over k in g of byte[m][k] * q[n][k] - zero[m][g] * sum over k in g of q[n][k])
//
// Stored weights lie in panels as the file has them, 32 outputs side by side: [depth][32] of 2
// bytes, or blocks of 32 inputs (kernels.h). They give the bits of floats in a half or a quarter of
// the memory.
//
// Columns are padded to whole panels with zeros, so rows of y must have room for them (`width`).
#pragma once

#include "runtime/memory/arena.h"
#include "stages/nn/kernel/blas.h"
#include "stages/nn/kernel/kernels.h"
#include "stages/nn/safetensors.h"
#include "stages/nn/team.h"

enum {
    // Rows of x that must be readable behind the last one: products of one fixed height.
    FT_LINEAR_ROWS_BEHIND = FT_BLAS_ROWS_MAX,
};

typedef struct ft_linear {
    ft_precision precision;
    ft_stored stored;  // NONE but in F32.
    char *panels;
    const char *ahead;  // What is read behind the last panel, at least as long as one; or NULL.
    float *bias;        // [width]; zeros where the layer has none.
    float *scales;      // [width / 32][groups][32], and of that shape the sums of q: int8 alone.
    float *sums;
    size_t depth;  // Inputs.
    size_t units;  // Of 4 bytes, of a panel's column.
    size_t outputs;
    size_t width;  // Outputs, padded to whole panels.
    bool uses_blas;
} ft_linear;

// How groups of inputs or outputs (attention heads) are spread over a padded width: `size` of every
// `padded`.
typedef struct ft_groups {
    size_t size, padded;
} ft_groups;

typedef struct ft_linear_use {
    const float *x;
    size_t x_row;
    float *y;  // Where the first output goes that is computed.
    size_t y_row;
    size_t rows;
    bool add;  // To what y holds, instead of replacing it.
    ft_activation activation;
    char *scratch;  // ft_linear_scratch bytes, aligned to 64; may be NULL where that is 0.
    size_t then;    // The panel that is run next, for the caches to fetch; 0: that behind the last.
} ft_linear_use;

// What a stage's option `dtype` may be, NULL behind the last: auto, which is f32, and the
// precisions in their order.
extern const char *const ft_precision_choices[];
ft_precision ft_precision_of(int choice);  // Of its place among them.

// Sizes first, then one block of memory for the layers of a model (ft_linear_block), then each
// layer's place in it. Adds the layer's bytes to `*total_bytes`. `uses_blas`: see ft_blas_load.
// BLAS has floats alone, so narrower layers do without.
bool ft_linear_init(ft_linear *linear, size_t outputs, size_t inputs, ft_precision precision,
                    bool uses_blas, size_t *total_bytes, ft_error *err) FT_MUST_CHECK;
// In F32, with weights that stay as the file has them.
bool ft_linear_init_stored(ft_linear *linear, size_t outputs, size_t inputs, ft_stored stored,
                           size_t *total_bytes, ft_error *err) FT_MUST_CHECK;
// All zeros, in large pages where the system has them. NULL without memory.
char *ft_linear_block(ft_arena *arena, size_t total_bytes) FT_MUST_CHECK;
// Gives the memory of a block back: all its layers are placed elsewhere.
void ft_linear_block_forget(char *block, size_t total_bytes);
// Moves `*block` behind the layer.
void ft_linear_place(ft_linear *linear, char **block);
// `linear` is followed by `next`, which the caches may fetch at its end.
void ft_linear_follow(ft_linear *linear, const ft_linear *next);
// Puts weights [out, in] from output `at` on; outputs and inputs spread by groups (size 0: not
// spread). An output's weights are all put at once.
void ft_linear_put(ft_linear *linear, const ft_weight *weight, size_t at, ft_groups outputs,
                   ft_groups inputs);
// Elements [first, first + count) of a bias, from output `at` on.
void ft_linear_put_bias(ft_linear *linear, const ft_weight *bias, size_t first, size_t count,
                        size_t at, ft_groups outputs);
// For the narrow copy of `rows` rows of inputs: 0 in floats. Row r of it lies at
// ft_linear_scratch(linear, r), whatever rows there are beside it.
size_t ft_linear_scratch(const ft_linear *linear, size_t rows);
void ft_linear_run(const ft_linear *linear, const ft_kernels *kernels, const ft_linear_use *use);
// The same in parts, for several threads: first the narrow copy of the inputs, if any; then
// `panels` of 32 outputs each from `first` on.
void ft_linear_narrow(const ft_linear *linear, const ft_kernels *kernels, const ft_linear_use *use);
// Of the inputs [first, first + count) alone, for who computes them bit by bit and narrows them
// while they are in the nearest cache: `use->x` begins with the first, a multiple of FT_BYTE_GROUP.
void ft_linear_narrow_some(const ft_linear *linear, const ft_kernels *kernels,
                           const ft_linear_use *use, size_t first, size_t count);
void ft_linear_run_panels(const ft_linear *linear, const ft_kernels *kernels,
                          const ft_linear_use *use, size_t first, size_t panels);
// The same with the outputs shared by a team, some panels each; the inputs' narrow copy is the
// caller's work. NULL: alone.
void ft_linear_share(const ft_linear *linear, const ft_kernels *kernels, const ft_linear_use *use,
                     ft_team *team);
void ft_linear_share_panels(const ft_linear *linear, const ft_kernels *kernels,
                            const ft_linear_use *use, size_t first, size_t panels, ft_team *team);
// As what the weight can stay in a layer whose inputs are spread so; NONE: it must become floats.
ft_stored ft_linear_stored(const ft_weight *weight, ft_groups inputs);
// Of linear_stored.c: an output's weights from row `row`, to their place.
void ft_linear_put_stored(const ft_linear *linear, const ft_weight *weight, size_t row,
                          size_t output, ft_groups inputs);

static inline bool ft_linear_is_narrow(const ft_linear *linear)
{
    return linear->precision != FT_PRECISION_F32;
}

static inline size_t ft_pad(size_t size, size_t to)
{
    return (size + to - 1) / to * to;
}
// Where an index is when groups of `size` are padded.
static inline size_t ft_spread(size_t index, ft_groups groups)
{
    return groups.size ? index / groups.size * groups.padded + index % groups.size : index;
}
// How far rows of `width` floats should be apart: not a power of two, which would crowd a few sets
// of the cache.
static inline size_t ft_row_stride(size_t width)
{
    return ft_pad(width, FT_PANEL_COLUMNS) + 16;
}
