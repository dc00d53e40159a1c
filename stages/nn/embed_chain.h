// What stands behind a sentence encoder: the modules of sentence-transformers.
//
//   rows of a text -> Pooling (one way or several, end to end) -> Dense, LayerNorm, Normalize ...
//
// modules.json names them in their order; each has a folder with its config.json and, where it has
// weights, its model.safetensors. Without a modules.json, 1_Pooling counts if it is there. A GGUF
// file has the way of pooling alone.
#pragma once

#include "stages/nn/linear.h"
#include "stages/nn/pooling.h"

enum { FT_CHAIN_STEPS_MAX = 16 };

typedef enum ft_chain_kind {
    FT_CHAIN_DENSE,
    FT_CHAIN_LAYER_NORM,
    FT_CHAIN_NORMALIZE
} ft_chain_kind;

typedef struct ft_chain_step {
    ft_chain_kind kind;
    size_t inputs, outputs;
    ft_activation activation;        // Dense.
    bool adds_input;                 // Dense with use_residual.
    const ft_weight *weight, *bias;  // Dense: [outputs, inputs], and [outputs] or NULL. LayerNorm:
                                     // gain and bias.
    const ft_weight *residual;       // Dense: [outputs, inputs] where the sizes differ, else NULL.
    // Once loaded:
    ft_linear linear, residual_linear;
    ft_layer_norm norm;
} ft_chain_step;

typedef struct ft_chain {
    ft_pooling poolings[FT_POOLING_COUNT];
    size_t pooling_count;  // 0: the model does not say.
    bool skips_prompt;     // include_prompt: false.
    size_t hidden;         // Of a row.
    size_t size;           // Of the vector that comes out.
    size_t widest;         // Of any vector on the way.
    size_t count;
    ft_chain_step steps[FT_CHAIN_STEPS_MAX];
    const ft_kernels *kernels;  // Once loaded.
} ft_chain;

// Reads what a model's folder, or its GGUF file, says and the heads of its weights; `hidden` is
// what a row of the encoder has. A module, an activation or a mode that is not there is refused by
// name.
bool ft_chain_read(const char *folder, size_t hidden, ft_arena *arena, ft_chain *out,
                   ft_error *err) FT_MUST_CHECK;
// Another pooling than the files say; fails where the modules behind it do not fit.
bool ft_chain_set_pooling(ft_chain *chain, ft_pooling pooling, ft_error *err) FT_MUST_CHECK;
// Without the Normalize modules at the end.
void ft_chain_drop_normalize(ft_chain *chain);
// Lays the weights out, for the life of the arena.
bool ft_chain_load(ft_chain *chain, ft_arena *arena, ft_error *err) FT_MUST_CHECK;
// Whether of rows [first, ...) of a text only the text's very first one counts.
bool ft_chain_is_first(const ft_chain *chain, size_t first);
// Floats of memory that a run needs; may be uninitialised.
size_t ft_chain_scratch(const ft_chain *chain);
// The vector ([size]) of rows [first, count) of a text. Its bits depend on these rows alone.
void ft_chain_run(const ft_chain *chain, ft_rows rows, size_t first, size_t count, float *scratch,
                  float *out);
