// Lays a model's weights out.
#include "stages/nn/encoder_model.h"

#include <math.h>
#include <string.h>

#include "stages/nn/encoder_parts.h"
#include "stages/nn/kernel/blas.h"
#include "stages/nn/packed_store.h"

bool ft_encoder_check(const char *path, const ft_encoder_config *config, ft_arena *arena,
                      ft_error *err)
{
    ft_encoder_parts parts;

    return ft_encoder_parts_find(path, config, arena, &parts, err);
}

typedef struct loading {
    const ft_encoder_parts *parts;
    ft_encoder *encoder;
    ft_arena *arena;
    ft_error *err;
} loading;

// ---- tables and norms ----

// The first `count` numbers as floats in the arena.
static bool copy_weights(const loading *l, const ft_weight *tensor, size_t count, float **out)
{
    float *copy = ft_arena_aligned(l->arena, count * sizeof(*copy), 64);

    if (!copy)
        return ft_fail_nomem(l->err, count * sizeof(*copy));
    ft_weight_read(tensor, 0, count, copy);
    *out = copy;
    return true;
}

static bool copy_table(const loading *l, ft_front_part which, size_t count, const float **out)
{
    const ft_weight *tensor = l->parts->front[which].weight;
    float *copy = NULL;

    if (!tensor)
        return true;
    if (!copy_weights(l, tensor, count, &copy))
        return false;
    ft_weight_forget(tensor);
    *out = copy;
    return true;
}

static bool load_norm(const loading *l, const ft_part *part, ft_layer_norm *out)
{
    const ft_encoder_config *config = l->parts->config;
    float *gain = NULL, *bias = NULL;

    if (!part->weight)
        return true;
    const size_t size = part->weight->elements;
    if (!copy_weights(l, part->weight, size, &gain) ||
        (part->bias && !copy_weights(l, part->bias, size, &bias)))
        return false;
    for (size_t i = 0; i < size && config->adds_one; i++)
        gain[i] += 1;
    *out = (ft_layer_norm){.gain = gain,
                           .bias = bias,
                           .epsilon = config->epsilon,
                           .size = size,
                           .is_rms = config->is_rms};
    return true;
}

// The bucket of a distance, key less query (transformers' modeling_mpnet.py, after T5's).
static size_t bucket_of(size_t buckets, int64_t distance)
{
    const size_t half = buckets / 2, exact = half / 2, behind = distance > 0 ? half : 0;
    const size_t away = (size_t)(distance < 0 ? -distance : distance);
    const float farthest = 128;

    if (away < exact)
        return behind + away;
    const float share = logf((float)away / (float)exact) / logf(farthest / (float)exact);
    const size_t far = exact + (size_t)(share * (float)(half - exact));
    return behind + (far < half ? far : half - 1);
}

static bool load_distances(const loading *l)
{
    const ft_encoder_config *config = l->parts->config;
    const ft_weight *tensor = l->parts->front[FT_FRONT_BUCKETS].weight;
    const size_t width = 2 * config->max_tokens - 1;

    if (!tensor)
        return true;
    float *table = ft_arena_aligned(l->arena, config->heads * width * sizeof(*table), 64);
    if (!table)
        return ft_fail_nomem(l->err, config->heads * width * sizeof(*table));
    for (size_t head = 0; head < config->heads; head++)
        for (size_t i = 0; i < width; i++) {
            const int64_t distance = (int64_t)i - (int64_t)config->max_tokens + 1;
            const size_t bucket = bucket_of(config->buckets, distance);
            ft_weight_read(tensor, bucket * config->heads + head, 1, &table[head * width + i]);
        }
    l->encoder->distances = table;
    return true;
}

static bool load_front(const loading *l)
{
    const ft_encoder_config *config = l->parts->config;
    ft_encoder *encoder = l->encoder;
    const size_t rows = config->max_tokens + config->position_offset;

    encoder->words = l->parts->front[FT_FRONT_WORDS].weight;
    return copy_table(l, FT_FRONT_POSITIONS, rows * config->hidden, &encoder->positions) &&
           copy_table(l, FT_FRONT_TYPES, config->types * config->hidden, &encoder->types) &&
           copy_table(l, FT_FRONT_ROPE_FACTORS, config->pairs, &encoder->rope_factors) &&
           load_norm(l, &l->parts->front[FT_FRONT_NORM], &encoder->norm) &&
           load_norm(l, &l->parts->front[FT_FRONT_LAST_NORM], &encoder->last_norm) &&
           load_distances(l);
}

// ---- layers ----

static void put_linear(ft_linear *linear, const ft_part *part, size_t at, ft_groups outputs,
                       ft_groups inputs)
{
    ft_linear_put(linear, part->weight, at, outputs, inputs);
    if (part->bias)
        ft_linear_put_bias(linear, part->bias, 0, part->bias->elements, at, outputs);
    ft_weight_forget(part->weight);
}

// Rows of a matrix, and of its bias, that holds several layers end to end.
static void put_rows(ft_linear *linear, const ft_part *part, size_t first, size_t count, size_t at,
                     ft_groups outputs)
{
    const ft_groups plain = {0};
    uint64_t shape[2];
    const ft_weight rows = ft_weight_rows(part->weight, first, count, shape);

    ft_linear_put(linear, &rows, at, outputs, plain);
    if (part->bias)
        ft_linear_put_bias(linear, part->bias, first, count, at, outputs);
}

static void load_attention(const loading *l, const ft_layer_parts *from, ft_encoder_layer *layer)
{
    const ft_encoder *encoder = l->encoder;
    const ft_encoder_config *config = l->parts->config;
    const ft_groups heads = {encoder->head_size, encoder->head_padded}, plain = {0};
    const size_t queries = config->heads * encoder->head_padded,
                 keys = config->key_heads * encoder->head_padded;
    const size_t query_rows = config->heads * config->head_size,
                 key_rows = config->key_heads * config->head_size;
    const ft_part *qkv = &from->parts[FT_LAYER_QKV];

    if (qkv->weight) {
        put_rows(&layer->heads, qkv, 0, query_rows, 0, heads);
        put_rows(&layer->heads, qkv, query_rows, key_rows, queries, heads);
        put_rows(&layer->heads, qkv, query_rows + key_rows, key_rows, queries + keys, heads);
        ft_weight_forget(qkv->weight);
    } else {
        put_linear(&layer->heads, &from->parts[FT_LAYER_QUERY], 0, heads, plain);
        put_linear(&layer->heads, &from->parts[FT_LAYER_KEY], queries, heads, plain);
        put_linear(&layer->heads, &from->parts[FT_LAYER_VALUE], queries + keys, heads, plain);
    }
    put_linear(&layer->mix, &from->parts[FT_LAYER_MIX], 0, plain, heads);
}

static void load_mlp(const loading *l, const ft_layer_parts *from, ft_encoder_layer *layer)
{
    const size_t half = l->parts->config->intermediate, width = l->encoder->gate_width;
    const ft_part *gate_up = &from->parts[FT_LAYER_GATE_UP],
                  *up_gate = &from->parts[FT_LAYER_UP_GATE];
    const ft_groups plain = {0};

    if (gate_up->weight) {
        put_rows(&layer->up, gate_up, 0, half, 0, plain);
        put_rows(&layer->up, gate_up, half, half, width, plain);
        ft_weight_forget(gate_up->weight);
    } else if (up_gate->weight) {
        put_rows(&layer->up, up_gate, half, half, 0, plain);
        put_rows(&layer->up, up_gate, 0, half, width, plain);
        ft_weight_forget(up_gate->weight);
    } else {
        if (width)
            put_linear(&layer->up, &from->parts[FT_LAYER_GATE], 0, plain, plain);
        put_linear(&layer->up, &from->parts[FT_LAYER_UP], width, plain, plain);
    }
    put_linear(&layer->down, &from->parts[FT_LAYER_DOWN], 0, plain, plain);
}

// The block's layers were laid out before, or are now with `puts`.
static bool load_layer(const loading *l, size_t index, bool puts, char **block)
{
    static const ft_layer_part norms[FT_NORM_COUNT] = {
        [FT_NORM_MIX_BEFORE] = FT_LAYER_MIX_BEFORE, [FT_NORM_MIX_BEHIND] = FT_LAYER_MIX_BEHIND,
        [FT_NORM_MIX_SUM] = FT_LAYER_MIX_SUM,       [FT_NORM_MLP_BEFORE] = FT_LAYER_MLP_BEFORE,
        [FT_NORM_MLP_BEHIND] = FT_LAYER_MLP_BEHIND, [FT_NORM_MLP_SUM] = FT_LAYER_MLP_SUM,
        [FT_NORM_QUERY] = FT_LAYER_QUERY_NORM,      [FT_NORM_KEY] = FT_LAYER_KEY_NORM,
    };
    const ft_layer_parts *from = &l->parts->layers[index];
    ft_encoder_layer *layer = &l->encoder->layers[index];

    ft_linear_place(&layer->heads, block);
    ft_linear_place(&layer->mix, block);
    ft_linear_place(&layer->up, block);
    ft_linear_place(&layer->down, block);
    if (index > 0)
        ft_linear_follow(&l->encoder->layers[index - 1].down, &layer->heads);
    ft_linear_follow(&layer->heads, &layer->mix);
    ft_linear_follow(&layer->mix, &layer->up);
    ft_linear_follow(&layer->up, &layer->down);
    if (puts) {
        load_attention(l, from, layer);
        load_mlp(l, from, layer);
    }
    layer->is_local = l->parts->config->is_local && l->parts->config->is_local[index];
    for (size_t i = 0; i < FT_NORM_COUNT; i++)
        if (!load_norm(l, &from->parts[norms[i]], &layer->norms[i]))
            return false;
    return true;
}

ft_stored ft_encoder_stored(const ft_encoder_config *config, const ft_weight *const *weights,
                            size_t count, ft_groups inputs)
{
    ft_stored stored = FT_STORED_NONE;
    bool is_first = true;

    if (!config->keeps_stored || config->precision != FT_PRECISION_F32)
        return FT_STORED_NONE;
    for (size_t i = 0; i < count; i++) {
        if (!weights[i])
            continue;
        const ft_stored one = ft_linear_stored(weights[i], inputs);
        if (!is_first && one != stored)
            return FT_STORED_NONE;
        stored = one;
        is_first = false;
    }
    return stored;
}

typedef struct layer_shape {
    size_t outputs, inputs;
    ft_groups spread;  // Of the inputs.
    ft_layer_part parts[4];
    size_t part_count;
} layer_shape;

static bool init_linear(const loading *l, size_t index, const layer_shape *shape, ft_linear *linear,
                        size_t *total)
{
    const ft_encoder_config *config = l->parts->config;
    const ft_weight *weights[FT_COUNT_OF(shape->parts)];

    for (size_t i = 0; i < shape->part_count; i++)
        weights[i] = l->parts->layers[index].parts[shape->parts[i]].weight;
    const ft_stored stored = ft_encoder_stored(config, weights, shape->part_count, shape->spread);
    if (stored)
        return ft_linear_init_stored(linear, shape->outputs, shape->inputs, stored, total, l->err);
    return ft_linear_init(linear, shape->outputs, shape->inputs, config->precision,
                          l->encoder->uses_blas, total, l->err);
}

// Adds a layer's bytes to `*total`.
static bool init_layer(const loading *l, size_t index, size_t *total)
{
    const ft_encoder_config *config = l->parts->config;
    const ft_encoder *encoder = l->encoder;
    const size_t padded = encoder->head_padded, queries = config->heads * padded;
    const size_t middle = config->intermediate;
    const layer_shape heads = {
        .outputs = queries + 2 * config->key_heads * padded,
        .inputs = config->hidden,
        .parts = {FT_LAYER_QKV, FT_LAYER_QUERY, FT_LAYER_KEY, FT_LAYER_VALUE},
        .part_count = 4,
    };
    const layer_shape mix = {
        .outputs = config->hidden,
        .inputs = queries,
        .spread = {encoder->head_size, padded},
        .parts = {FT_LAYER_MIX},
        .part_count = 1,
    };
    const layer_shape up = {
        .outputs = encoder->gate_width + middle,
        .inputs = config->hidden,
        .parts = {FT_LAYER_GATE_UP, FT_LAYER_UP_GATE, FT_LAYER_GATE, FT_LAYER_UP},
        .part_count = 4,
    };
    const layer_shape down = {
        .outputs = config->hidden,
        .inputs = middle,
        .parts = {FT_LAYER_DOWN},
        .part_count = 1,
    };
    ft_encoder_layer *layer = &l->encoder->layers[index];

    return init_linear(l, index, &heads, &layer->heads, total) &&
           init_linear(l, index, &mix, &layer->mix, total) &&
           init_linear(l, index, &up, &layer->up, total) &&
           init_linear(l, index, &down, &layer->down, total);
}

// ---- what is kept of them ----

// Everything that decides on the bytes of the layers' block.
static void describe_layers(const void *host, bool with_weights, ft_digest *digest)
{
    const loading *l = host;
    const ft_encoder_config *config = l->parts->config;
    const size_t sizes[] = {(size_t)config->precision, config->layers,        config->hidden,
                            config->intermediate,      config->heads,         config->key_heads,
                            config->head_size,         l->encoder->gate_width};

    for (size_t i = 0; i < FT_COUNT_OF(sizes); i++)
        ft_digest_add_number(digest, sizes[i]);
    for (size_t layer = 0; layer < config->layers; layer++)
        for (size_t i = 0; i <= FT_LAYER_DOWN; i++) {
            const ft_part *part = &l->parts->layers[layer].parts[i];
            ft_packed_add_weight(part->weight, with_weights, digest);
            ft_packed_add_weight(part->bias, with_weights, digest);
        }
}

static bool place_layers(const loading *l, bool puts, char *block)
{
    for (size_t i = 0; i < l->parts->config->layers; i++)
        if (!load_layer(l, i, puts, &block))
            return false;
    return true;
}

// Of floats nothing is kept: laying them out takes as long as mapping them, and large pages, which
// a file has not, make products quicker.
static bool load_block(const loading *l, size_t total)
{
    const ft_encoder_config *config = l->parts->config;
    ft_packed packed = {
        .store = config->precision == FT_PRECISION_F32 ? NULL : config->weight_store,
        .weights = l->parts->weights,
        .size_bytes = total,
        .describe = describe_layers,
        .host = l,
        .arena = l->arena,
    };
    const char *kept = ft_packed_open(&packed);

    if (!kept) {
        char *block = ft_linear_block(l->arena, total);
        if (!block)
            return ft_fail_nomem(l->err, total);
        if (!place_layers(l, true, block))
            return false;
        kept = ft_packed_keep(&packed, block);
        if (!kept)
            return true;
        ft_linear_block_forget(block, total);
    }
    // Layers that are there are not written to.
    return place_layers(l, false, (char *)(uintptr_t)kept);
}

static bool load_layers(const loading *l)
{
    const ft_encoder_config *config = l->parts->config;
    ft_encoder *encoder = l->encoder;
    size_t total = 0;

    encoder->layers = ft_arena_zero(l->arena, config->layers, sizeof(*encoder->layers));
    if (!encoder->layers)
        return ft_fail_nomem(l->err, config->layers * sizeof(*encoder->layers));
    for (size_t i = 0; i < config->layers; i++)
        if (!init_layer(l, i, &total))
            return false;
    return load_block(l, total);
}

bool ft_encoder_load(const char *path, const ft_encoder_config *config, ft_arena *arena,
                     ft_encoder **out, ft_error *err)
{
    const ft_part_name *names = config->names->layer;
    const bool is_gated =
        names[FT_LAYER_GATE].name || names[FT_LAYER_GATE_UP].name || names[FT_LAYER_UP_GATE].name;
    ft_encoder_parts parts;

    if (!ft_encoder_parts_find(path, config, arena, &parts, err))
        return false;
    ft_encoder *encoder = ft_arena_zero(arena, 1, sizeof(*encoder));
    if (!encoder)
        return ft_fail_nomem(err, sizeof(*encoder));
    encoder->config = *config;
    encoder->kernels = ft_kernels_get();
    encoder->uses_blas = encoder->kernels->isa == FT_ISA_GENERIC && ft_blas_load();
    encoder->weights = parts.weights;
    encoder->prefix = parts.prefix;
    encoder->head_size = config->head_size;
    encoder->head_padded = ft_pad(encoder->head_size, FT_PANEL_COLUMNS_HALF);
    encoder->gate_width = is_gated ? ft_pad(config->intermediate, FT_PANEL_COLUMNS) : 0;
    const loading l = {.parts = &parts, .encoder = encoder, .arena = arena, .err = err};
    if (!load_front(&l) || !load_layers(&l))
        return false;
    *out = encoder;
    return true;
}
