// What stands behind an encoder in models that classify: texts, tokens, or words of the vocabulary.
//
//   row [hidden] -> (dense -> activation -> (norm)) -> out [outputs]
//
// Which tensors these are is a table by the architecture that config.json names. A row's outputs
// depend on that row alone.
#pragma once

#include "runtime/option.h"
#include "stages/nn/encoder_config.h"
#include "stages/nn/linear.h"
#include "stages/nn/pooling.h"
#include "stages/nn/weights.h"

typedef enum ft_head_kind {
    FT_HEAD_SEQUENCE,    // One row for each text: ...ForSequenceClassification.
    FT_HEAD_TOKENS,      // Every token's row: ...ForTokenClassification.
    FT_HEAD_VOCABULARY,  // Every token's row gives a number for each word: ...ForMaskedLM.
} ft_head_kind;

typedef struct ft_head_names ft_head_names;

// What config.json and the heads of the tensors say.
typedef struct ft_head_config {
    const char *architecture;
    const ft_head_names *names;
    ft_head_kind kind;
    ft_pooling pooling;  // SEQUENCE: CLS or MEAN.
    ft_activation activation;
    size_t hidden, outputs;
    float epsilon;
    ft_strings labels;    // [outputs] by `id2label`; none for VOCABULARY.
    bool is_multi_label;  // `problem_type` says so.
} ft_head_config;

typedef struct ft_head {
    ft_head_config config;
    const ft_kernels *kernels;
    bool has_dense, has_norm;
    ft_linear dense, out;
    ft_layer_norm norm;
} ft_head;

// Rows that a head takes together, and outputs of which it makes a tile.
enum { FT_HEAD_ROWS = 64, FT_HEAD_TILE = 512 };

// Reads config.json in `folder` and checks that its head's tensors are there and of the right
// shape. `encoder` is what ft_encoder_config_read says of the same folder.
bool ft_head_describe(const char *folder, const ft_encoder_config *encoder, ft_arena *arena,
                      ft_head_config *out, ft_error *err) FT_MUST_CHECK;
// Lays the tensors out, for the life of the arena.
bool ft_head_load(const char *folder, const ft_encoder_config *encoder, ft_arena *arena,
                  ft_head **out, ft_error *err) FT_MUST_CHECK;
// Floats of memory that ft_head_transform writes: `rows` rows, ft_row_stride(hidden) apart.
size_t ft_head_scratch(const ft_head *head, size_t rows);
// All but the last layer, for `rows` rows. What comes out lies in `scratch`, or in `x` itself where
// there is only one layer; `*out_row` is how far its rows are apart.
const float *ft_head_transform(const ft_head *head, const float *x, size_t x_row, size_t rows,
                               float *scratch, size_t *out_row);
// The last layer's outputs from `first` (a multiple of FT_HEAD_TILE) on, at most FT_HEAD_TILE:
// y[rows][...], rows FT_HEAD_TILE apart. FT_LINEAR_ROWS_BEHIND rows behind the last one of `x` must
// be readable. Returns how many outputs they are.
size_t ft_head_run_tile(const ft_head *head, const float *x, size_t x_row, size_t rows,
                        size_t first, float *y);
