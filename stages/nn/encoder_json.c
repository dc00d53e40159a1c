// Reads what config.json says of a model.
//
// One row for each `model_type`; keys that mean the same are read under all their names. Values
// that would change what the model computes and are not supported are refused, whatever the family.
#include <math.h>
#include <string.h>

#include "stages/nn/encoder_reading.h"

enum { LONGEST = 1 << 20 };

typedef enum windows {
    WINDOWS_NONE,
    WINDOWS_ALL,    // `sliding_window` in every layer, where it is there (Mistral).
    WINDOWS_LATE,   // From layer `max_window_layers` on, where `use_sliding_window` (Qwen).
    WINDOWS_EVERY,  // In all layers but every third (ModernBERT), the first among these.
    WINDOWS_BUT,    // In all layers but every sixth (Gemma), the sixth the first of these.
} windows;

typedef struct model_family {
    const char *type;
    const ft_encoder_names *names;
    const char *activation;  // Where the file does not say.
    double epsilon, theta;   // `theta` 0: no rotary positions.
    size_t types;
    windows windows;
    bool is_rms, adds_one, scales_words, is_causal, has_padding;
} model_family;

static const model_family families[] = {
    {"bert", &ft_names_bert, "gelu", 1e-12, .types = 2},
    {"roberta", &ft_names_roberta, "gelu", 1e-12, .types = 2, .has_padding = true},
    {"xlm-roberta", &ft_names_roberta, "gelu", 1e-12, .types = 2, .has_padding = true},
    {"camembert", &ft_names_roberta, "gelu", 1e-12, .types = 2, .has_padding = true},
    {"distilbert", &ft_names_distilbert, "gelu", 1e-12},
    {"mpnet", &ft_names_mpnet, "gelu", 1e-12, .has_padding = true},
    {"nomic_bert", &ft_names_nomic, "swiglu", 1e-12, .theta = 10000, .types = 2},
    {"modernbert", &ft_names_modernbert, "gelu", 1e-5, .theta = 160000, .windows = WINDOWS_EVERY},
    {"new", &ft_names_gte, "gelu", 1e-12, .theta = 10000, .types = 1},
    {"gte", &ft_names_gte, "gelu", 1e-12, .theta = 10000, .types = 1},
    {"llama", &ft_names_llama, "silu", 1e-6, .theta = 10000, .is_rms = true, .is_causal = true},
    {"mistral", &ft_names_llama, "silu", 1e-6, .theta = 10000, .windows = WINDOWS_ALL,
     .is_rms = true, .is_causal = true},
    {"qwen2", &ft_names_qwen2, "silu", 1e-6, .theta = 10000, .windows = WINDOWS_LATE,
     .is_rms = true, .is_causal = true},
    {"qwen3", &ft_names_qwen3, "silu", 1e-6, .theta = 10000, .windows = WINDOWS_LATE,
     .is_rms = true, .is_causal = true},
    {"gemma3_text", &ft_names_gemma3, "gelu_pytorch_tanh", 1e-6, .theta = 1000000,
     .windows = WINDOWS_BUT, .is_rms = true, .adds_one = true, .scales_words = true,
     .is_causal = true},
};

static const model_family *find_family(const ft_reading *r)
{
    const ft_json_node *type = ft_json_find(r->root, "model_type");

    for (size_t i = 0; i < FT_COUNT_OF(families); i++)
        if (ft_node_is_text(type, families[i].type))
            return &families[i];
    if (!type) {
        ft_fail(r->err, FT_ERROR_DATA, "%s: `model_type` is missing", r->path);
        return NULL;
    }
    ft_ignore(ft_reading_fail(r, "model_type", type));
    ft_hint(r->err,
            "Known are bert, roberta, xlm-roberta, camembert, distilbert, mpnet, "
            "nomic_bert, modernbert, new (GTE), llama, mistral, qwen2, qwen3, gemma3_text.");
    return NULL;
}

// ---- keys that must say what is always so ----

static const char *const must_be_false[] = {
    "is_decoder",
    "add_cross_attention",
    "prenorm",
    "parallel_block",
    "use_rms_norm",
    "causal",
    "qkv_proj_bias",
    "mlp_fc1_bias",
    "mlp_fc2_bias",
    "rotary_emb_interleaved",
    "logn_attention_scale",
    "logn_attention_clip1",
};
static const char *const must_be_missing[] = {
    "rotary_emb_scale_base",
    "rotary_scaling_factor",
    "attn_logit_softcapping",
    "quantization_config",
};

static bool check_fixed(const ft_reading *r, const model_family *family)
{
    const ft_json_node *node;
    bool is_set = false;

    for (size_t i = 0; i < FT_COUNT_OF(must_be_false); i++) {
        if (!ft_reading_get_bool(r, must_be_false[i], &is_set))
            return false;
        if (is_set)
            return ft_fail(r->err, FT_ERROR_DATA, "%s: `%s` true is not supported", r->path,
                           must_be_false[i]);
    }
    for (size_t i = 0; i < FT_COUNT_OF(must_be_missing); i++) {
        node = ft_reading_find(r->root, must_be_missing[i]);
        if (node)
            return ft_reading_fail(r, must_be_missing[i], node);
    }
    node = ft_reading_find(r->root, "position_embedding_type");  // ALiBi, relative keys.
    if (node && !ft_node_is_text(node, "absolute") &&
        !(family->theta > 0 && ft_node_is_text(node, "rope"))) {
        ft_ignore(ft_reading_fail(r, "position_embedding_type", node));
        ft_hint(r->err, "This version runs absolute and rotary positions, not ALiBi nor others.");
        return false;
    }
    node = ft_reading_find(r->root, "layer_norm_type");
    if (node && !ft_node_is_text(node, "layer_norm"))
        return ft_reading_fail(r, "layer_norm_type", node);
    return true;
}

// ---- sizes ----

typedef struct size_key {
    const char *names[3];
    int64_t max;
    size_t offset;
} size_key;

static const size_key size_keys[] = {
    {{"hidden_size", "dim", "n_embd"}, 1 << 16, offsetof(ft_encoder_config, hidden)},
    {{"num_hidden_layers", "n_layers", "n_layer"}, 1 << 10, offsetof(ft_encoder_config, layers)},
    {{"num_attention_heads", "n_heads", "n_head"}, 1 << 12, offsetof(ft_encoder_config, heads)},
    {{"intermediate_size", "hidden_dim", "n_inner"},
     1 << 18,
     offsetof(ft_encoder_config, intermediate)},
    {{"vocab_size"}, INT32_MAX, offsetof(ft_encoder_config, vocabulary)},
    {{"max_position_embeddings", "n_positions"}, LONGEST, offsetof(ft_encoder_config, positions)},
};

static const char *find_name(const ft_reading *r, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count && names[i]; i++)
        if (ft_reading_find(r->root, names[i]))
            return names[i];
    return NULL;
}

static bool read_sizes(const ft_reading *r, ft_encoder_config *out)
{
    for (size_t i = 0; i < FT_COUNT_OF(size_keys); i++) {
        const size_key *key = &size_keys[i];
        const char *name = find_name(r, key->names, FT_COUNT_OF(key->names));
        if (!name)
            return ft_fail(r->err, FT_ERROR_DATA, "%s: `%s` is missing", r->path, key->names[0]);
        size_t *size = (size_t *)(void *)((char *)out + key->offset);
        if (!ft_reading_get_size(r, name, key->max, size))
            return false;
    }
    out->key_heads = out->heads;
    return ft_reading_get_size(r, "num_key_value_heads", 1 << 12, &out->key_heads) &&
           ft_reading_get_size(r, "head_dim", 1 << 12, &out->head_size);
}

// May be 0, as in GTE.
static bool read_types(const ft_reading *r, const model_family *family, ft_encoder_config *out)
{
    const ft_json_node *node = ft_reading_find(r->root, "type_vocab_size");
    int64_t none;

    if (!out->names->front[FT_FRONT_TYPES].name)
        return true;
    out->types = family->types;
    if (node && ft_json_get_int(node, &none) && none == 0) {
        out->types = 0;
        return true;
    }
    return ft_reading_get_size(r, "type_vocab_size", 1 << 16, &out->types);
}

static bool read_padding(const ft_reading *r, ft_encoder_config *out)
{
    const ft_json_node *node = ft_reading_find(r->root, "pad_token_id");
    int64_t padding = 1;

    if (node && (!ft_json_get_int(node, &padding) || padding < 0 || padding >= LONGEST))
        return ft_fail(r->err, FT_ERROR_DATA, "%s: `pad_token_id` is not a whole number from 0 on",
                       r->path);
    out->has_padding = true;
    out->padding = (size_t)padding;
    out->position_offset = out->padding + 1;
    return true;
}

// ---- numbers and activations ----

static bool read_activation(const ft_reading *r, const model_family *family, ft_encoder_config *out)
{
    static const char *const names[] = {"hidden_act", "activation", "hidden_activation",
                                        "activation_function"};
    static const struct {
        const char *name;
        ft_activation activation;
    } known[] = {
        {"gelu", FT_ACTIVATION_GELU},
        {"gelu_python", FT_ACTIVATION_GELU},
        {"geglu", FT_ACTIVATION_GELU},
        {"gelu_new", FT_ACTIVATION_GELU_TANH},
        {"gelu_fast", FT_ACTIVATION_GELU_TANH},
        {"gelu_pytorch_tanh", FT_ACTIVATION_GELU_TANH},
        {"quick_gelu", FT_ACTIVATION_QUICK_GELU},
        {"silu", FT_ACTIVATION_SILU},
        {"swish", FT_ACTIVATION_SILU},
        {"swiglu", FT_ACTIVATION_SILU},
        {"relu", FT_ACTIVATION_RELU},
    };
    const char *name = find_name(r, names, FT_COUNT_OF(names));
    const ft_json_node *node = name ? ft_reading_find(r->root, name) : NULL;

    for (size_t i = 0; i < FT_COUNT_OF(known); i++)
        if (node ? ft_node_is_text(node, known[i].name)
                 : strcmp(family->activation, known[i].name) == 0) {
            out->activation = known[i].activation;
            return true;
        }
    return ft_reading_fail(r, name, node);
}

static bool read_numbers(const ft_reading *r, const model_family *family, ft_encoder_config *out)
{
    static const char *const names[] = {"layer_norm_eps", "layer_norm_epsilon", "norm_eps",
                                        "rms_norm_eps"};
    const char *name = find_name(r, names, FT_COUNT_OF(names));
    double epsilon = family->epsilon, scalar = 0;

    if (name && !ft_reading_get_number(r, r->root, name, 1, &epsilon))
        return false;
    out->epsilon = (float)epsilon;
    out->word_scale = family->scales_words ? sqrtf((float)out->hidden) : 1;
    if (!ft_reading_get_number(r, r->root, "query_pre_attn_scalar", 1e6, &scalar))
        return false;
    if (scalar > 0)
        out->score_scale = 1.0F / sqrtf((float)scalar);
    return ft_reading_get_bool(r, "norm_bias", &out->norm_bias) &&
           ft_reading_get_bool(r, "attention_bias", &out->attention_bias) &&
           ft_reading_get_bool(r, "mlp_bias", &out->mlp_bias);
}

// MPNet's; the distance of the last bucket is fixed (T5's 128).
static bool read_buckets(const ft_reading *r, ft_encoder_config *out)
{
    if (!out->names->front[FT_FRONT_BUCKETS].name)
        return true;
    out->buckets = 32;
    if (!ft_reading_get_size(r, "relative_attention_num_buckets", 1 << 12, &out->buckets))
        return false;
    return (out->buckets >= 4 && out->buckets % 2 == 0) ||
           ft_fail(r->err, FT_ERROR_DATA,
                   "%s: `relative_attention_num_buckets` is not an even number from 4 on", r->path);
}

// ---- rotary positions ----

static bool read_scaling(const ft_reading *r, const ft_json_node *node, ft_rope *rope)
{
    const ft_json_node *type = ft_reading_find(node, "rope_type");

    if (!type)
        type = ft_reading_find(node, "type");
    if (!type || ft_node_is_text(type, "default"))
        return true;
    if (ft_node_is_text(type, "linear"))
        rope->scaling = FT_ROPE_LINEAR;
    else if (ft_node_is_text(type, "llama3"))
        rope->scaling = FT_ROPE_LLAMA3;
    else {
        ft_ignore(ft_reading_fail(r, "rope_type", type));
        ft_hint(r->err, "This version scales rotary positions by default, linear or llama3.");
        return false;
    }
    if (!ft_reading_get_number(r, node, "factor", 1e9, &rope->factor) ||
        !ft_reading_get_number(r, node, "low_freq_factor", 1e9, &rope->low) ||
        !ft_reading_get_number(r, node, "high_freq_factor", 1e9, &rope->high) ||
        !ft_reading_get_number(r, node, "original_max_position_embeddings", 1e9,
                               &rope->original_positions))
        return false;
    if (rope->factor == 0 ||
        (rope->scaling == FT_ROPE_LLAMA3 &&
         (!(rope->low > 0 && rope->high > rope->low) || rope->original_positions == 0)))
        return ft_fail(r->err, FT_ERROR_DATA, "%s: the scaling of rotary positions lacks `factor`",
                       r->path);
    return true;
}

static bool read_rope(const ft_reading *r, const ft_json_node *node, ft_rope *rope, double *share)
{
    return ft_reading_get_number(r, node, "rope_theta", 1e12, &rope->theta) &&
           ft_reading_get_number(r, node, "partial_rotary_factor", 1, share) &&
           read_scaling(r, node, rope);
}

static bool read_ropes(const ft_reading *r, const model_family *family, ft_encoder_config *out,
                       double *share)
{
    static const char *const thetas[] = {"rope_theta", "rotary_emb_base", "global_rope_theta"};
    static const char *const local_thetas[] = {"rope_local_base_freq", "local_rope_theta"};
    const ft_json_node *both = ft_reading_find(r->root, "rope_parameters");
    const ft_json_node *scaling = ft_reading_find(r->root, "rope_scaling");
    const ft_json_node *full = ft_reading_find(both, "full_attention");
    const ft_json_node *local = ft_reading_find(both, "sliding_attention");
    ft_rope *ropes = out->ropes;

    ropes[0].theta = family->theta;
    for (size_t i = 0; i < FT_COUNT_OF(thetas); i++)
        if (!ft_reading_get_number(r, r->root, thetas[i], 1e12, &ropes[0].theta))
            return false;
    if (!ft_reading_get_number(r, r->root, "partial_rotary_factor", 1, share) ||
        !ft_reading_get_number(r, r->root, "rotary_emb_fraction", 1, share))
        return false;
    if (scaling && !read_scaling(r, scaling, &ropes[0]))
        return false;
    if (both && !read_rope(r, full ? full : both, &ropes[0], share))
        return false;
    ropes[1] = ropes[0];
    // Where local layers have a frequency of their own, they are not scaled.
    if (family->windows == WINDOWS_BUT || family->windows == WINDOWS_EVERY)
        ropes[1] = (ft_rope){.theta = 10000};
    for (size_t i = 0; i < FT_COUNT_OF(local_thetas); i++)
        if (!ft_reading_get_number(r, r->root, local_thetas[i], 1e12, &ropes[1].theta))
            return false;
    return !local || read_rope(r, local, &ropes[1], share);
}

// ---- windows ----

static bool read_layer_types(const ft_reading *r, const ft_json_node *types, size_t layers,
                             bool *is_local)
{
    if (types->kind != FT_JSON_ARRAY || types->count != layers)
        return ft_fail(r->err, FT_ERROR_DATA, "%s: `layer_types` has not one text for each layer",
                       r->path);
    for (size_t i = 0; i < layers; i++) {
        is_local[i] = ft_node_is_text(&types->children[i], "sliding_attention");
        if (!is_local[i] && !ft_node_is_text(&types->children[i], "full_attention"))
            return ft_reading_fail(r, "layer_types", &types->children[i]);
    }
    return true;
}

static bool set_local(const ft_reading *r, const model_family *family, ft_encoder_config *out,
                      bool *is_local)
{
    const ft_json_node *types = ft_reading_find(r->root, "layer_types");
    size_t every = 3, pattern = 6, late = 28;

    if (types)
        return read_layer_types(r, types, out->layers, is_local);
    if (!ft_reading_get_size(r, "global_attn_every_n_layers", 1 << 10, &every) ||
        !ft_reading_get_size(r, "_sliding_window_pattern", 1 << 10, &pattern) ||
        !ft_reading_get_size(r, "sliding_window_pattern", 1 << 10, &pattern) ||
        (ft_reading_find(r->root, "max_window_layers") &&
         !ft_reading_get_size(r, "max_window_layers", 1 << 10, &late)))
        return false;
    for (size_t i = 0; i < out->layers; i++)
        is_local[i] = family->windows == WINDOWS_ALL ||
                      (family->windows == WINDOWS_LATE && i >= late) ||
                      (family->windows == WINDOWS_EVERY && i % every != 0) ||
                      (family->windows == WINDOWS_BUT && (i + 1) % pattern != 0);
    return true;
}

// What embedders that were made of decoders say. A window of half a size to both sides is Gemma's
// alone.
static bool read_mask(const ft_reading *r, const model_family *family, ft_encoder_config *out)
{
    bool is_causal = family->is_causal, both_sides = false;

    if (!ft_reading_get_bool(r, "is_causal", &is_causal) ||
        !ft_reading_get_bool(r, "use_bidirectional_attention", &both_sides))
        return false;
    if (is_causal && !family->is_causal)
        return ft_fail(r->err, FT_ERROR_DATA, "%s: `is_causal` true is not supported in `%s`",
                       r->path, family->type);
    out->is_causal = is_causal && !both_sides;
    return true;
}

// Sizes count the query's own place: of 8 to both sides 4 before and 4 behind (transformers'
// masking_utils.py), of 8 before 7 and the query.
static bool read_windows(const ft_reading *r, const model_family *family, ft_encoder_config *out)
{
    size_t size = family->windows == WINDOWS_EVERY ? 128
                  : family->windows == WINDOWS_BUT ? 4096
                                                   : 0;
    bool is_used = family->windows != WINDOWS_LATE;

    if (family->windows == WINDOWS_NONE)
        return true;
    if (!ft_reading_get_bool(r, "use_sliding_window", &is_used) ||
        !ft_reading_get_size(
            r, family->windows == WINDOWS_EVERY ? "local_attention" : "sliding_window", LONGEST,
            &size))
        return false;
    if (!is_used || size == 0)
        return true;
    if (family->is_causal && !out->is_causal && family->windows != WINDOWS_BUT)
        return ft_fail(r->err, FT_ERROR_DATA,
                       "%s: `sliding_window` without a causal mask is not supported", r->path);
    bool *is_local = ft_arena_zero(r->arena, out->layers, sizeof(*is_local));
    if (!is_local)
        return ft_fail_nomem(r->err, out->layers);
    out->is_local = is_local;
    out->window_before = out->is_causal ? size - 1 : size / 2;
    out->window_behind = out->is_causal ? 0 : size / 2;
    return set_local(r, family, out, is_local);
}

// ---- all of it ----

bool ft_encoder_config_of_json(const ft_reading *r, ft_encoder_config *out)
{
    const model_family *family;
    double share = 1;

    if (r->root->kind != FT_JSON_OBJECT)
        return ft_fail(r->err, FT_ERROR_DATA, "%s: not an object", r->path);
    family = find_family(r);
    if (!family)
        return false;
    *out = (ft_encoder_config){.family = family->type,
                               .names = family->names,
                               .is_rms = family->is_rms,
                               .adds_one = family->adds_one,
                               .is_causal = family->is_causal};
    if (!check_fixed(r, family) || !read_sizes(r, out) || !read_types(r, family, out) ||
        !read_activation(r, family, out) || !read_numbers(r, family, out) ||
        !read_buckets(r, out) || !read_mask(r, family, out) || !read_windows(r, family, out) ||
        (family->has_padding && !read_padding(r, out)) ||
        (family->theta > 0 && !read_ropes(r, family, out, &share)))
        return false;
    if (!ft_encoder_config_settle(r->path, out, r->err))
        return false;
    if (family->theta > 0)
        out->pairs = (size_t)((double)out->head_size * share) / 2;
    return family->theta == 0 || out->pairs > 0 ||
           ft_fail(r->err, FT_ERROR_DATA, "%s: of heads of %zu nothing turns", r->path,
                   out->head_size);
}
