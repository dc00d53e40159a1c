// Reads and runs feed-forward networks.
//
// Every tensor of the file must be a layer's weight or bias; anything else would be a network that
// this is not.
#include "stages/nn/feedforward.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/system/file.h"
#include "stages/nn/kernel/blas.h"

enum { SIZE_MAX_OF_LAYER = 1 << 24 };

typedef struct numbered {
    int64_t number;
    const ft_weight *weight;
} numbered;

static bool fail_tensor(const ft_weight *tensor, const char *what, ft_error *err)
{
    return ft_fail(err, FT_ERROR_DATA, "tensor `%.*s` %s",
                   (int)(tensor->name.size < 100 ? tensor->name.size : 100), tensor->name.data,
                   what);
}

// "12.weight" is 12 and "weight".
static bool cut_name(const ft_weight *tensor, int64_t *out_number, ft_slice *out_rest)
{
    ft_slice part;

    *out_rest = tensor->name;
    return ft_slice_cut(out_rest, '.', &part) && part.size > 0 && part.data[0] >= '0' &&
           part.data[0] <= '9' && ft_parse_int(part, out_number);
}

static int compare_numbers(const void *a, const void *b)
{
    const numbered *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

static bool collect(const ft_safetensors *file, numbered *weights, size_t *out_count, ft_error *err)
{
    size_t count = 0;
    int64_t number = 0;
    ft_slice rest;

    for (size_t i = 0; i < file->count; i++) {
        const ft_weight *tensor = &file->tensors[i];
        const bool named = cut_name(tensor, &number, &rest);
        if (named && ft_slice_is(rest, "weight")) {
            weights[count++] = (numbered){number, tensor};
        } else if (!named || !ft_slice_is(rest, "bias")) {
            fail_tensor(tensor, "is no part of a feed-forward network", err);
            ft_hint(err, "The file holds the layers of an nn.Sequential: 0.weight, 0.bias, "
                         "2.weight and so on.");
            return false;
        }
    }
    if (count == 0)
        return ft_fail(err, FT_ERROR_DATA, "the file has no layers");
    qsort(weights, count, sizeof(*weights), compare_numbers);
    *out_count = count;
    return true;
}

static bool check_weight(const ft_weight *weight, ft_error *err)
{
    if (!ft_weight_kind_is_float(weight->kind)) {
        ft_fail(err, FT_ERROR_DATA, "tensor `%.*s` is %s, which is not supported",
                (int)weight->name.size, weight->name.data, ft_weight_kind_name(weight->kind));
        ft_hint(err, "This version reads F32, F16, BF16 and F64.");
        return false;
    }
    for (size_t i = 0; i < weight->rank; i++)
        if (weight->shape[i] < 1 || weight->shape[i] > SIZE_MAX_OF_LAYER)
            return fail_tensor(weight, "has a size that no layer has", err);
    return true;
}

static bool find_bias(const ft_feedforward *network, int64_t number, ft_feedforward_layer *layer,
                      ft_arena *arena, ft_error *err)
{
    const char *name = ft_arena_format(arena, "%" PRId64 ".bias", number);

    if (!name)
        return ft_fail_nomem(err, sizeof(*layer));
    layer->bias = ft_safetensors_find(network->file, name);
    if (!layer->bias)
        return true;
    if (layer->bias->rank != 1 || layer->bias->shape[0] != layer->outputs)
        return fail_tensor(layer->bias, "has not one number for each output of its layer", err);
    return check_weight(layer->bias, err);
}

static bool read_layer(ft_feedforward *network, const numbered *weight, size_t index,
                       ft_arena *arena, ft_error *err)
{
    ft_feedforward_layer *layer = &network->layers[index];
    char shape[96];

    layer->weight = weight->weight;
    if (layer->weight->rank != 2)
        return fail_tensor(layer->weight, "is not a matrix", err);
    if (!check_weight(layer->weight, err))
        return false;
    if (index > 0 && weight->number == weight[-1].number)
        return fail_tensor(layer->weight, "is there twice", err);  // As "1" and "01".
    layer->outputs = (size_t)layer->weight->shape[0];
    layer->inputs = (size_t)layer->weight->shape[1];
    if (index > 0 && layer->inputs != network->layers[index - 1].outputs)
        return ft_fail(err, FT_ERROR_DATA,
                       "tensor `%.*s` has the shape %s, but the layer before it gives %zu",
                       (int)layer->weight->name.size, layer->weight->name.data,
                       ft_weight_print_shape(layer->weight, shape, sizeof(shape)),
                       network->layers[index - 1].outputs);
    const size_t width = ft_pad(layer->outputs, FT_PANEL_COLUMNS);
    if (network->widest < width)
        network->widest = width;
    if (network->widest < layer->inputs)
        network->widest = layer->inputs;
    return find_bias(network, weight->number, layer, arena, err);
}

// A bias without its weight would be left out silently.
static bool check_counts(const ft_feedforward *network, ft_error *err)
{
    size_t used = network->count;

    for (size_t i = 0; i < network->count; i++)
        used += network->layers[i].bias != NULL;
    return used == network->file->count ||
           ft_fail(err, FT_ERROR_DATA, "a bias has no weight beside it");
}

static bool read_layers(ft_feedforward *network, ft_arena *arena, ft_error *err)
{
    numbered *weights = ft_arena_zero(arena, network->file->count + 1, sizeof(*weights));

    if (!weights)
        return ft_fail_nomem(err, network->file->count * sizeof(*weights));
    if (!collect(network->file, weights, &network->count, err))
        return false;
    network->layers = ft_arena_zero(arena, network->count, sizeof(*network->layers));
    if (!network->layers)
        return ft_fail_nomem(err, network->count * sizeof(*network->layers));
    for (size_t i = 0; i < network->count; i++)
        if (!read_layer(network, &weights[i], i, arena, err))
            return false;
    return check_counts(network, err);
}

bool ft_feedforward_describe(const char *path, ft_arena *arena, ft_feedforward **out, ft_error *err)
{
    ft_feedforward *network = ft_arena_zero(arena, 1, sizeof(*network));

    const ft_file_kind kind = ft_file_find(path);
    if (kind == FT_FILE_UNKNOWN)
        return ft_fail_errno(err, errno, "cannot look at `%s`", path);
    if (kind == FT_FILE_FOLDER)
        path = ft_path_join(arena, path, "model.safetensors");
    if (!network || !path)
        return ft_fail_nomem(err, sizeof(*network));
    if (!ft_safetensors_open(path, arena, &network->file, err))
        return false;
    if (!read_layers(network, arena, err)) {
        if (err->code == FT_ERROR_DATA)
            ft_error_while(err, "%s", path);
        return false;
    }
    *out = network;
    return true;
}

bool ft_feedforward_load(const char *path, ft_arena *arena, ft_feedforward **out, ft_error *err)
{
    const ft_groups plain = {0};
    ft_feedforward *network;
    size_t total = 0;

    if (!ft_feedforward_describe(path, arena, &network, err))
        return false;
    network->kernels = ft_kernels_get();
    const bool blas = network->kernels->isa == FT_ISA_GENERIC && ft_blas_load();
    for (size_t i = 0; i < network->count; i++) {
        ft_feedforward_layer *layer = &network->layers[i];
        if (!ft_linear_init(&layer->linear, layer->outputs, layer->inputs, FT_PRECISION_F32, blas,
                            &total, err))
            return false;
    }
    char *block = ft_linear_block(arena, total);
    if (!block)
        return ft_fail_nomem(err, total);
    for (size_t i = 0; i < network->count; i++) {
        ft_feedforward_layer *layer = &network->layers[i];
        ft_linear_place(&layer->linear, &block);
        ft_linear_put(&layer->linear, layer->weight, 0, plain, plain);
        if (layer->bias)
            ft_linear_put_bias(&layer->linear, layer->bias, 0, layer->bias->elements, 0, plain);
        ft_weight_forget(layer->weight);
    }
    *out = network;
    return true;
}

// ---- running ----

size_t ft_feedforward_scratch(const ft_feedforward *network)
{
    return 2 * (FT_FEEDFORWARD_ROWS + FT_LINEAR_ROWS_BEHIND) * ft_row_stride(network->widest);
}

// At most FT_FEEDFORWARD_ROWS rows, from one half of the scratch memory to the other and back.
static void run_rows(const ft_feedforward *network, const ft_activation *activations,
                     float *scratch, const float *x, size_t rows, float *y)
{
    const size_t stride = ft_row_stride(network->widest);
    const size_t inputs = ft_feedforward_inputs(network), outputs = ft_feedforward_outputs(network);
    float *from = scratch, *to = scratch + (FT_FEEDFORWARD_ROWS + FT_LINEAR_ROWS_BEHIND) * stride;

    for (size_t row = 0; row < rows; row++)
        memcpy(from + row * stride, x + row * inputs, inputs * sizeof(*x));
    for (size_t i = 0; i < network->count; i++) {
        const ft_linear_use use = {
            .x = from,
            .x_row = stride,
            .y = to,
            .y_row = stride,
            .rows = rows,
            .activation = activations[i],
        };
        ft_linear_run(&network->layers[i].linear, network->kernels, &use);
        float *other = from;
        from = to;
        to = other;
    }
    for (size_t row = 0; row < rows; row++)
        memcpy(y + row * outputs, from + row * stride, outputs * sizeof(*y));
}

void ft_feedforward_run(const ft_feedforward *network, const ft_activation *activations,
                        float *scratch, const float *x, size_t rows, float *y)
{
    for (size_t row = 0; row < rows; row += FT_FEEDFORWARD_ROWS) {
        const size_t some = rows - row < FT_FEEDFORWARD_ROWS ? rows - row : FT_FEEDFORWARD_ROWS;
        run_rows(network, activations, scratch, x + row * ft_feedforward_inputs(network), some,
                 y + row * ft_feedforward_outputs(network));
    }
}
