// Static embeddings: a table with a row for each token; a text's vector is the mean of its rows.
//
// model2vec (potion): config.json says `model_type` "model2vec" or none; tensor `embeddings`, and
// where the vocabulary was made smaller `mapping` (token to row) and `weights` (of tokens). Unknown
// tokens do not count. wordllama: no config.json, and the only tensor is `embedding.weight`. Rows
// are read where they are mapped, F16 and F32; nothing is copied.
#pragma once

#include "runtime/memory/arena.h"
#include "stages/nn/weight.h"

// Of a text, that model2vec counts unless told otherwise.
enum { FT_STATIC_TOKENS = 512 };

// Rows to be added up, in their order: out[k] = (out[k] + sum of weights[i] * rows[i][k]) /
// divisor.
typedef struct ft_static_rows {
    const char *const *at;  // [count]
    const float *weights;   // [count]
    size_t count;
    float divisor;
} ft_static_rows;

// Of numbers `first` up to `size` of the rows.
typedef void ft_static_add(const ft_static_rows *rows, size_t first, size_t size, float *out);

typedef struct ft_static_model {
    const ft_weight *table;    // [rows, size], F16 or F32
    const ft_weight *mapping;  // [vocabulary], I32 or I64; NULL: token i has row i.
    const ft_weight *weights;  // [vocabulary]; NULL: all 1.
    size_t size, rows, vocabulary;
    bool normalize;        // What config.json says.
    bool forgets_unknown;  // Of model2vec.
    int32_t unknown;       // Once loaded; -1: none.
    ft_static_add *add;    // Once loaded.
} ft_static_model;

// Whether a folder holds such a model, by config.json and the heads of its weights; `*out` says
// which then.
bool ft_static_model_find(const char *folder, ft_arena *arena, bool *out_is, ft_static_model *out,
                          ft_error *err) FT_MUST_CHECK;
// Checks the mapping and looks up the unknown token in the tokenizer.json beside.
bool ft_static_model_load(ft_static_model *model, const char *folder, ft_arena *arena,
                          ft_error *err) FT_MUST_CHECK;
// The mean of the rows of ids, each at least 0 and below the vocabulary; zeros where none counts.
void ft_static_model_run(const ft_static_model *model, const int32_t *ids, size_t count,
                         float *out);

ft_static_add ft_static_add_f32, ft_static_add_f16;
// Where ft_isa_level is AVX2 or more.
ft_static_add ft_static_add_f32_avx2, ft_static_add_f16_avx2;
