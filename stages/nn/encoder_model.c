// Finds the weights of a BERT encoder by their names and lays them out.
//
// Names and shapes are a table, so that a plan can check a model by its header alone and loading
// can rely on it.
#include "stages/nn/encoder_model.h"

#include <stdio.h>
#include <string.h>

#include "runtime/system/file.h"
#include "stages/nn/kernel/blas.h"

typedef enum dimension { NONE, HIDDEN, INTERMEDIATE, VOCABULARY, POSITIONS, TYPES } dimension;

typedef struct weight_name {
    const char *name;
    dimension rows, columns;  // `columns` NONE: a vector.
} weight_name;

enum { WORDS, PLACES, KINDS, GAIN, BIAS, FRONT_COUNT };
static const weight_name front_names[FRONT_COUNT] = {
    [WORDS] = {"word_embeddings.weight", VOCABULARY, HIDDEN},
    [PLACES] = {"position_embeddings.weight", POSITIONS, HIDDEN},
    [KINDS] = {"token_type_embeddings.weight", TYPES, HIDDEN},
    [GAIN] = {"LayerNorm.weight", HIDDEN, NONE},
    [BIAS] = {"LayerNorm.bias", HIDDEN, NONE},
};

// Every matrix is followed by its bias.
enum {
    QUERY,
    KEY = 2,
    VALUE = 4,
    MIX = 6,
    MIX_NORM = 8,
    UP = 10,
    DOWN = 12,
    DOWN_NORM = 14,
    LAYER_COUNT = 16
};
static const weight_name layer_names[LAYER_COUNT] = {
    [QUERY] = {"attention.self.query.weight", HIDDEN, HIDDEN},
    {"attention.self.query.bias", HIDDEN, NONE},
    [KEY] = {"attention.self.key.weight", HIDDEN, HIDDEN},
    {"attention.self.key.bias", HIDDEN, NONE},
    [VALUE] = {"attention.self.value.weight", HIDDEN, HIDDEN},
    {"attention.self.value.bias", HIDDEN, NONE},
    [MIX] = {"attention.output.dense.weight", HIDDEN, HIDDEN},
    {"attention.output.dense.bias", HIDDEN, NONE},
    [MIX_NORM] = {"attention.output.LayerNorm.weight", HIDDEN, NONE},
    {"attention.output.LayerNorm.bias", HIDDEN, NONE},
    [UP] = {"intermediate.dense.weight", INTERMEDIATE, HIDDEN},
    {"intermediate.dense.bias", INTERMEDIATE, NONE},
    [DOWN] = {"output.dense.weight", HIDDEN, INTERMEDIATE},
    {"output.dense.bias", HIDDEN, NONE},
    [DOWN_NORM] = {"output.LayerNorm.weight", HIDDEN, NONE},
    {"output.LayerNorm.bias", HIDDEN, NONE},
};

typedef struct weights {
    const char *path, *prefix;
    const ft_encoder_config *config;
    ft_safetensors *file;
    ft_arena *arena;
    const ft_weight *front[FRONT_COUNT];
    const ft_weight *(*layers)[LAYER_COUNT];
} weights;

static uint64_t size_of(const ft_encoder_config *config, dimension which)
{
    const uint64_t sizes[] = {
        [NONE] = 0,
        [HIDDEN] = config->hidden,
        [INTERMEDIATE] = config->intermediate,
        [VOCABULARY] = config->vocabulary,
        [POSITIONS] = config->positions,
        [TYPES] = config->types,
    };
    return sizes[which];
}

static bool find_weight(const weights *w, const char *folder, const weight_name *want,
                        const ft_weight **out, ft_error *err)
{
    const uint64_t rows = size_of(w->config, want->rows),
                   columns = size_of(w->config, want->columns);
    const size_t rank = columns ? 2 : 1;
    char shape[96];
    const char *name = ft_arena_format(w->arena, "%s%s%s", w->prefix, folder, want->name);

    if (!name)
        return ft_fail_nomem(err, strlen(want->name));
    const ft_weight *tensor = ft_safetensors_find(w->file, name);
    if (!tensor) {
        ft_fail(err, FT_ERROR_DATA, "%s: tensor `%s` is missing", w->path, name);
        ft_hint(
            err,
            "config.json and model.safetensors are not of one model, or it is not a BERT encoder.");
        return false;
    }
    if (tensor->rank != rank || tensor->shape[0] != rows ||
        (rank == 2 && tensor->shape[1] != columns)) {
        ft_weight_print_shape(tensor, shape, sizeof(shape));
        ft_fail(err, FT_ERROR_DATA,
                "%s: tensor `%s` has the shape %s; config.json says [%llu%s%.0llu]", w->path, name,
                shape, (unsigned long long)rows, rank == 2 ? ", " : "",
                (unsigned long long)columns);
        return false;
    }
    if (!ft_weight_kind_is_float(tensor->kind)) {
        ft_fail(err, FT_ERROR_DATA, "%s: tensor `%s` is %s, which is not supported", w->path, name,
                ft_weight_kind_name(tensor->kind));
        ft_hint(err, "This version reads F32, F16, BF16 and F64.");
        return false;
    }
    *out = tensor;
    return true;
}

static bool fail_missing(const char *folder, const char *path, ft_arena *arena, ft_error *err)
{
    const char *index = ft_path_join(arena, folder, "model.safetensors.index.json");
    const char *pickle = ft_path_join(arena, folder, "pytorch_model.bin");

    ft_fail(err, FT_ERROR_IO, "no weights: `%s` is missing", path);
    err->number = 604;
    if (index && ft_file_find(index) != FT_FILE_MISSING)
        ft_hint(
            err,
            "Weights in several files are not supported: join them into one model.safetensors.");
    else if (pickle && ft_file_find(pickle) != FT_FILE_MISSING)
        ft_hint(err, "pytorch_model.bin is not read: save the model as safetensors.");
    else
        ft_hint(err,
                "Get the model with `ftpipe pull`, or name a folder that holds all its files.");
    return false;
}

static bool find_weights(weights *w, const char *folder, ft_error *err)
{
    w->path = ft_path_join(w->arena, folder, "model.safetensors");
    if (!w->path)
        return ft_fail_nomem(err, strlen(folder));
    if (ft_file_find(w->path) == FT_FILE_MISSING)
        return fail_missing(folder, w->path, w->arena, err);
    if (!ft_safetensors_open(w->path, w->arena, &w->file, err))
        return false;
    const bool is_wrapped =
        ft_safetensors_find(w->file, "bert.embeddings.word_embeddings.weight") != NULL;
    w->prefix = is_wrapped ? "bert." : "";
    for (size_t i = 0; i < FRONT_COUNT; i++)
        if (!find_weight(w, "embeddings.", &front_names[i], &w->front[i], err))
            return false;
    w->layers = ft_arena_zero(w->arena, w->config->layers, sizeof(*w->layers));
    if (!w->layers)
        return ft_fail_nomem(err, w->config->layers * sizeof(*w->layers));
    for (size_t layer = 0; layer < w->config->layers; layer++) {
        char prefix[40];
        snprintf(prefix, sizeof(prefix), "encoder.layer.%zu.", layer);
        for (size_t i = 0; i < LAYER_COUNT; i++)
            if (!find_weight(w, prefix, &layer_names[i], &w->layers[layer][i], err))
                return false;
    }
    return true;
}

bool ft_encoder_check(const char *folder, const ft_encoder_config *config, ft_arena *arena,
                      ft_error *err)
{
    weights w = {.config = config, .arena = arena};
    return find_weights(&w, folder, err);
}

// ---- loading ----

// `count` numbers as floats in the arena.
static float *copy_weights(const weights *w, const ft_weight *tensor, size_t count, ft_error *err)
{
    float *copy = ft_arena_aligned(w->arena, count * sizeof(*copy), 64);

    if (!copy) {
        ft_fail_nomem(err, count * sizeof(*copy));
        return NULL;
    }
    ft_weight_read(tensor, 0, count, copy);
    return copy;
}

static bool load_norm(const weights *w, const ft_weight *const *gain_and_bias, ft_layer_norm *out,
                      ft_error *err)
{
    const size_t size = w->config->hidden;

    *out = (ft_layer_norm){.size = size, .epsilon = w->config->epsilon};
    out->gain = copy_weights(w, gain_and_bias[0], size, err);
    out->bias = out->gain ? copy_weights(w, gain_and_bias[1], size, err) : NULL;
    return out->bias != NULL;
}

static void load_linear(ft_linear *linear, const ft_weight *const *weight_and_bias, size_t at,
                        const ft_groups groups[2])
{
    ft_linear_put(linear, weight_and_bias[0], at, groups[0], groups[1]);
    ft_linear_put_bias(linear, weight_and_bias[1], at, groups[0]);
    ft_weight_forget(weight_and_bias[0]);
}

static bool load_layer(const weights *w, const ft_encoder *encoder, size_t index, char **block,
                       ft_error *err)
{
    const ft_weight *const *from = w->layers[index];
    ft_encoder_layer *layer = &encoder->layers[index];
    const ft_groups heads = {encoder->head_size, encoder->head_padded};
    const ft_groups into_heads[2] = {heads, {0}}, from_heads[2] = {{0}, heads},
                    plain[2] = {{0}, {0}};
    const size_t part = w->config->heads * encoder->head_padded;

    ft_linear_place(&layer->heads, block);
    ft_linear_place(&layer->mix, block);
    ft_linear_place(&layer->up, block);
    ft_linear_place(&layer->down, block);
    load_linear(&layer->heads, &from[QUERY], 0, into_heads);
    load_linear(&layer->heads, &from[KEY], part, into_heads);
    load_linear(&layer->heads, &from[VALUE], 2 * part, into_heads);
    load_linear(&layer->mix, &from[MIX], 0, from_heads);
    load_linear(&layer->up, &from[UP], 0, plain);
    load_linear(&layer->down, &from[DOWN], 0, plain);
    return load_norm(w, &from[MIX_NORM], &layer->mix_norm, err) &&
           load_norm(w, &from[DOWN_NORM], &layer->down_norm, err);
}

static bool load_layers(const weights *w, const ft_encoder *encoder, ft_error *err)
{
    const ft_encoder_config *config = w->config;
    const size_t part = config->heads * encoder->head_padded;
    const bool blas = encoder->uses_blas;
    size_t total = 0;

    for (size_t i = 0; i < config->layers; i++) {
        ft_encoder_layer *layer = &encoder->layers[i];
        if (!ft_linear_init(&layer->heads, 3 * part, config->hidden, blas, &total, err) ||
            !ft_linear_init(&layer->mix, config->hidden, part, blas, &total, err) ||
            !ft_linear_init(&layer->up, config->intermediate, config->hidden, blas, &total, err) ||
            !ft_linear_init(&layer->down, config->hidden, config->intermediate, blas, &total, err))
            return false;
    }
    char *block = ft_linear_block(w->arena, total);
    if (!block)
        return ft_fail_nomem(err, total);
    for (size_t i = 0; i < config->layers; i++)
        if (!load_layer(w, encoder, i, &block, err))
            return false;
    return true;
}

bool ft_encoder_load(const char *folder, const ft_encoder_config *config, ft_arena *arena,
                     ft_encoder **out, ft_error *err)
{
    weights w = {.config = config, .arena = arena};

    if (!find_weights(&w, folder, err))
        return false;
    ft_encoder *encoder = ft_arena_zero(arena, 1, sizeof(*encoder));
    if (!encoder)
        return ft_fail_nomem(err, sizeof(*encoder));
    encoder->config = *config;
    encoder->kernels = ft_kernels_get();
    encoder->uses_blas = encoder->kernels->isa == FT_ISA_GENERIC && ft_blas_load();
    encoder->head_size = config->hidden / config->heads;
    encoder->head_padded = ft_pad(encoder->head_size, FT_PANEL_COLUMNS_HALF);
    encoder->words = w.front[WORDS];
    encoder->layers = ft_arena_zero(arena, config->layers, sizeof(*encoder->layers));
    if (!encoder->layers)
        return ft_fail_nomem(err, config->layers * sizeof(*encoder->layers));
    encoder->positions =
        copy_weights(&w, w.front[PLACES], config->max_tokens * config->hidden, err);
    if (!encoder->positions)
        return false;
    encoder->types = copy_weights(&w, w.front[KINDS], config->types * config->hidden, err);
    if (!encoder->types || !load_norm(&w, &w.front[GAIN], &encoder->norm, err) ||
        !load_layers(&w, encoder, err))
        return false;
    ft_weight_forget(w.front[PLACES]);
    *out = encoder;
    return true;
}
