// A feed-forward network as PyTorch saves an nn.Sequential of linear layers: "0.weight" [out, in],
// "0.bias" [out], "2.weight" ... in the order of their numbers. Activations are not in the file;
// who runs the network names them.
#pragma once

#include "stages/nn/linear.h"

typedef struct ft_feedforward_layer {
    const ft_weight *weight, *bias;  // `bias` may be NULL.
    size_t inputs, outputs;
    ft_linear linear;  // Once loaded.
} ft_feedforward_layer;

typedef struct ft_feedforward {
    size_t count;  // Layers, at least one.
    ft_feedforward_layer *layers;
    size_t widest;  // Inputs or padded outputs of any layer.
    ft_safetensors *file;
    const ft_kernels *kernels;
} ft_feedforward;

enum { FT_FEEDFORWARD_ROWS = 64 };  // That go through together.

// Reads the header and checks that the layers fit each other; no weights. `path` is a file, or a
// folder with model.safetensors.
bool ft_feedforward_describe(const char *path, ft_arena *arena, ft_feedforward **out,
                             ft_error *err) FT_MUST_CHECK;
// Describes and lays the weights out.
bool ft_feedforward_load(const char *path, ft_arena *arena, ft_feedforward **out,
                         ft_error *err) FT_MUST_CHECK;
static inline size_t ft_feedforward_inputs(const ft_feedforward *network)
{
    return network->layers[0].inputs;
}
static inline size_t ft_feedforward_outputs(const ft_feedforward *network)
{
    return network->layers[network->count - 1].outputs;
}
// Floats of memory that a run needs.
size_t ft_feedforward_scratch(const ft_feedforward *network);
// y[rows][outputs] of x[rows][inputs]; `activations[i]` stands behind layer i. A row's bits depend
// on that row alone.
void ft_feedforward_run(const ft_feedforward *network, const ft_activation *activations,
                        float *scratch, const float *x, size_t rows, float *y);
