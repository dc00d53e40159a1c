// Finds a model's tensors.
//
// Shapes are a table, as names are, so that a plan can check a model by its header alone and
// loading can rely on it.
#include "stages/nn/encoder_parts.h"

#include <stdio.h>
#include <string.h>

typedef enum dimension {
    NONE,
    HIDDEN,
    VOCABULARY,
    POSITIONS,
    TYPES,
    BUCKETS,
    HEADS,
    PAIRS,
    HEAD,
    QUERIES,
    KEYS,
    QKV,
    MIDDLE,
    TWO_MIDDLE,
} dimension;

typedef struct shape {
    dimension rows, columns;  // `columns` NONE: a vector.
} shape;

static const shape front_shapes[FT_FRONT_COUNT] = {
    [FT_FRONT_WORDS] = {VOCABULARY, HIDDEN}, [FT_FRONT_POSITIONS] = {POSITIONS, HIDDEN},
    [FT_FRONT_TYPES] = {TYPES, HIDDEN},      [FT_FRONT_NORM] = {HIDDEN, NONE},
    [FT_FRONT_LAST_NORM] = {HIDDEN, NONE},   [FT_FRONT_BUCKETS] = {BUCKETS, HEADS},
    [FT_FRONT_ROPE_FACTORS] = {PAIRS, NONE},
};

static const shape layer_shapes[FT_LAYER_COUNT] = {
    [FT_LAYER_QUERY] = {QUERIES, HIDDEN},      [FT_LAYER_KEY] = {KEYS, HIDDEN},
    [FT_LAYER_VALUE] = {KEYS, HIDDEN},         [FT_LAYER_QKV] = {QKV, HIDDEN},
    [FT_LAYER_MIX] = {HIDDEN, QUERIES},        [FT_LAYER_QUERY_NORM] = {HEAD, NONE},
    [FT_LAYER_KEY_NORM] = {HEAD, NONE},        [FT_LAYER_GATE] = {MIDDLE, HIDDEN},
    [FT_LAYER_UP] = {MIDDLE, HIDDEN},          [FT_LAYER_GATE_UP] = {TWO_MIDDLE, HIDDEN},
    [FT_LAYER_UP_GATE] = {TWO_MIDDLE, HIDDEN}, [FT_LAYER_DOWN] = {HIDDEN, MIDDLE},
    [FT_LAYER_MIX_BEFORE] = {HIDDEN, NONE},    [FT_LAYER_MIX_BEHIND] = {HIDDEN, NONE},
    [FT_LAYER_MIX_SUM] = {HIDDEN, NONE},       [FT_LAYER_MLP_BEFORE] = {HIDDEN, NONE},
    [FT_LAYER_MLP_BEHIND] = {HIDDEN, NONE},    [FT_LAYER_MLP_SUM] = {HIDDEN, NONE},
};

// Each is bounded by the config's reader, so that no product overflows.
static uint64_t size_of(const ft_encoder_config *c, dimension which)
{
    const uint64_t queries = (uint64_t)c->heads * c->head_size;
    const uint64_t keys = (uint64_t)c->key_heads * c->head_size;
    const uint64_t sizes[] = {
        [NONE] = 0,
        [HIDDEN] = c->hidden,
        [VOCABULARY] = c->vocabulary,
        [POSITIONS] = c->positions,
        [TYPES] = c->types,
        [BUCKETS] = c->buckets,
        [HEADS] = c->heads,
        [PAIRS] = c->pairs,
        [HEAD] = c->head_size,
        [QUERIES] = queries,
        [KEYS] = keys,
        [QKV] = queries + 2 * keys,
        [MIDDLE] = c->intermediate,
        [TWO_MIDDLE] = 2 * (uint64_t)c->intermediate,
    };
    return sizes[which];
}

typedef struct search {
    ft_encoder_parts *parts;
    ft_arena *arena;
    const char *folder;  // Before the part's name: prefix and layer.
} search;

static const char *name_of(const search *s, const char *part, const char *end)
{
    return ft_arena_format(s->arena, "%s%s%s", s->folder, part, end);
}

static bool check_tensor(const search *s, const ft_weight *tensor, const char *name, shape want,
                         ft_error *err)
{
    const char *path = s->parts->weights->path;
    const uint64_t rows = size_of(s->parts->config, want.rows),
                   columns = size_of(s->parts->config, want.columns);
    const size_t rank = want.columns ? 2 : 1;
    char text[96];

    if (tensor->rank != rank || tensor->shape[0] != rows ||
        (rank == 2 && tensor->shape[1] != columns)) {
        ft_weight_print_shape(tensor, text, sizeof(text));
        return ft_fail(err, FT_ERROR_DATA,
                       "%s: tensor `%s` has the shape %s; config.json says [%llu%s%.0llu]", path,
                       name, text, (unsigned long long)rows, rank == 2 ? ", " : "",
                       (unsigned long long)columns);
    }
    if (ft_weight_kind_is_float(tensor->kind))
        return true;
    ft_fail(err, FT_ERROR_DATA, "%s: tensor `%s` is %s, which is not supported", path, name,
            ft_weight_kind_name(tensor->kind));
    ft_hint(err, "This version reads F32, F16, BF16 and F64, and of GGUF Q8_0 and Q4_0.");
    return false;
}

static bool fail_missing(const search *s, const char *name, ft_error *err)
{
    ft_fail(err, FT_ERROR_DATA, "%s: tensor `%s` is missing", s->parts->weights->path, name);
    ft_hint(err, "The configuration and the weights are not of one model, or it is not a %s model.",
            s->parts->config->family);
    return false;
}

static bool has_bias(const ft_encoder_config *config, ft_bias bias)
{
    return bias == FT_BIAS_ALWAYS || (bias == FT_BIAS_ATTENTION && config->attention_bias) ||
           (bias == FT_BIAS_MLP && config->mlp_bias) || (bias == FT_BIAS_NORM && config->norm_bias);
}

static bool find_bias(const search *s, const ft_part_name *want, dimension rows,
                      const ft_weight **out, ft_error *err)
{
    const char *name = name_of(s, want->name, ".bias");

    if (!name)
        return ft_fail_nomem(err, strlen(want->name));
    const ft_weight *found = ft_weights_find(s->parts->weights, name);
    const bool expected = has_bias(s->parts->config, want->bias);
    if (!found)
        return !expected || fail_missing(s, name, err);
    if (!expected && want->bias != FT_BIAS_OPTIONAL)
        return ft_fail(err, FT_ERROR_DATA,
                       "%s: tensor `%s` is there, and the model is said to have none",
                       s->parts->weights->path, name);
    *out = found;
    return check_tensor(s, found, name, (shape){rows, NONE}, err);
}

static bool find_part(const search *s, const ft_part_name *want, shape sizes, ft_part *out,
                      ft_error *err)
{
    const char *name = name_of(s, want->name, ".weight");

    if (!name)
        return ft_fail_nomem(err, strlen(want->name));
    out->weight = ft_weights_find(s->parts->weights, name);
    if (!out->weight)
        return want->is_optional || fail_missing(s, name, err);
    // A table of words has no bias, whatever else is called so.
    return check_tensor(s, out->weight, name, sizes, err) &&
           (want->is_optional || find_bias(s, want, sizes.rows, &out->bias, err));
}

static bool find_front(search *s, ft_error *err)
{
    const ft_encoder_config *config = s->parts->config;

    for (size_t i = 0; i < FT_FRONT_COUNT; i++) {
        const ft_part_name *want = &config->names->front[i];
        if (!want->name || (i == FT_FRONT_TYPES && config->types == 0))
            continue;
        if (!find_part(s, want, front_shapes[i], &s->parts->front[i], err))
            return false;
    }
    return true;
}

static bool find_layer(search *s, size_t layer, ft_error *err)
{
    const ft_encoder_names *names = s->parts->config->names;

    s->folder = ft_arena_format(s->arena, "%s%s%zu.", s->parts->prefix, names->layers, layer);
    if (!s->folder)
        return ft_fail_nomem(err, 1);
    for (size_t i = 0; i < FT_LAYER_COUNT; i++) {
        const ft_part_name *want = &names->layer[i];
        if (!want->name || (layer == 0 && want->skips_first))
            continue;
        if (!find_part(s, want, layer_shapes[i], &s->parts->layers[layer].parts[i], err))
            return false;
    }
    return true;
}

// The prefix under which there are words; the first one where there are none.
static bool find_prefix(search *s, ft_error *err)
{
    const ft_encoder_names *names = s->parts->config->names;

    s->parts->prefix = names->prefixes[0];
    for (size_t i = 0; names->prefixes[i]; i++) {
        s->folder = names->prefixes[i];
        const char *name = name_of(s, names->front[FT_FRONT_WORDS].name, ".weight");
        if (!name)
            return ft_fail_nomem(err, 1);
        if (!ft_weights_find(s->parts->weights, name))
            continue;
        s->parts->prefix = names->prefixes[i];
        break;
    }
    s->folder = s->parts->prefix;
    return true;
}

bool ft_encoder_parts_find(const char *path, const ft_encoder_config *config, ft_arena *arena,
                           ft_encoder_parts *out, ft_error *err)
{
    ft_encoder_parts parts = {.config = config};
    search s = {.parts = &parts, .arena = arena};

    if (!ft_weights_open(path, arena, &parts.weights, err))
        return false;
    parts.layers = ft_arena_zero(arena, config->layers, sizeof(*parts.layers));
    if (!parts.layers)
        return ft_fail_nomem(err, config->layers * sizeof(*parts.layers));
    if (!find_prefix(&s, err) || !find_front(&s, err))
        return false;
    for (size_t layer = 0; layer < config->layers; layer++)
        if (!find_layer(&s, layer, err))
            return false;
    *out = parts;
    return true;
}
