// Reads config.json, modules.json, the pooling's config.json and sentence_bert_config.json.
//
// Only config.json must be there. Sizes are bounded here so that no product of them overflows
// later; whether they fit the weights is checked when those are looked at.
#include "stages/nn/encoder_config.h"

#include <string.h>

#include "runtime/data/json.h"
#include "runtime/system/file.h"

enum { CONFIG_BYTES_MAX = 1 << 20 };

typedef struct reading {
    const char *path;  // Of the file, for messages.
    ft_arena *arena;
    const ft_json_node *root;
    ft_error *err;
} reading;

static bool read_json(reading *r, const char *folder, const char *name)
{
    ft_slice text;
    ft_json_node *root;

    r->path = ft_path_join(r->arena, folder, name);
    if (!r->path)
        return ft_fail_nomem(r->err, strlen(folder) + strlen(name));
    if (!ft_file_read(r->path, r->arena, CONFIG_BYTES_MAX, &text, r->err))
        return false;
    if (!ft_json_parse(text, r->arena, &root, r->err)) {
        ft_error_while(r->err, "%s", r->path);
        return false;
    }
    r->root = root;
    return true;
}

// Whether the file is there; `*r` is ready for it then. False with the error filled when it cannot
// be read.
static bool read_json_if_there(reading *r, const char *folder, const char *name, bool *out_there)
{
    const char *path = ft_path_join(r->arena, folder, name);

    *out_there = false;
    if (!path)
        return ft_fail_nomem(r->err, strlen(folder) + strlen(name));
    if (ft_file_find(path) == FT_FILE_MISSING)
        return true;
    *out_there = true;
    return read_json(r, folder, name);
}

static bool get_size(const reading *r, const char *name, int64_t max, size_t *out)
{
    const ft_json_node *node = ft_json_find(r->root, name);
    int64_t value;

    if (!node)
        return ft_fail(r->err, FT_ERROR_DATA, "%s: `%s` is missing", r->path, name);
    if (!ft_json_get_int(node, &value) || value < 1 || value > max)
        return ft_fail(r->err, FT_ERROR_DATA, "%s: `%s` is not a whole number from 1 to %lld",
                       r->path, name, (long long)max);
    *out = (size_t)value;
    return true;
}

static bool is_text(const ft_json_node *node, const char *text)
{
    return node && node->kind == FT_JSON_STRING && ft_slice_is(node->text, text);
}

// The text `name` must be `want`, or, with `optional`, may be missing.
static bool check_text(const reading *r, const char *name, const char *want, bool optional)
{
    const ft_json_node *node = ft_json_find(r->root, name);

    if ((!node && optional) || is_text(node, want))
        return true;
    if (!node)
        ft_fail(r->err, FT_ERROR_DATA, "%s: `%s` is missing", r->path, name);
    else
        ft_fail(r->err, FT_ERROR_DATA, "%s: `%s` `%.*s` is not supported", r->path, name,
                (int)(node->text.size < 60 ? node->text.size : 60), node->text.data);
    ft_hint(r->err, "This version runs models whose `%s` is `%s`.", name, want);
    return false;
}

static bool is_true(const ft_json_node *object, const char *name)
{
    const ft_json_node *node = ft_json_find(object, name);
    return node && node->kind == FT_JSON_TRUE;
}

static bool read_model(reading *r, const char *folder, ft_encoder_config *out)
{
    double epsilon = 1e-12;
    const ft_json_node *node;

    if (ft_file_find(folder) == FT_FILE_REGULAR) {
        ft_fail(r->err, FT_ERROR_USAGE, "`%s` is a file, and a model is a folder", folder);
        ft_hint(r->err, "Name the folder that holds config.json and model.safetensors.");
        return false;
    }
    if (!read_json(r, folder, "config.json"))
        return false;
    if (r->root->kind != FT_JSON_OBJECT)
        return ft_fail(r->err, FT_ERROR_DATA, "%s: not an object", r->path);
    if (!check_text(r, "model_type", "bert", false) || !check_text(r, "hidden_act", "gelu", true) ||
        !check_text(r, "position_embedding_type", "absolute", true))
        return false;
    if (is_true(r->root, "is_decoder") || is_true(r->root, "add_cross_attention"))
        return ft_fail(r->err, FT_ERROR_DATA, "%s: decoders are not supported, only encoders",
                       r->path);
    if (!get_size(r, "hidden_size", 1 << 16, &out->hidden) ||
        !get_size(r, "num_hidden_layers", 1 << 10, &out->layers) ||
        !get_size(r, "num_attention_heads", 1 << 12, &out->heads) ||
        !get_size(r, "intermediate_size", 1 << 18, &out->intermediate) ||
        !get_size(r, "vocab_size", INT32_MAX, &out->vocabulary) ||
        !get_size(r, "max_position_embeddings", 1 << 16, &out->positions))
        return false;
    out->types = 2;
    if (ft_json_find(r->root, "type_vocab_size") &&
        !get_size(r, "type_vocab_size", 1 << 16, &out->types))
        return false;
    if (out->hidden % out->heads != 0)
        return ft_fail(r->err, FT_ERROR_DATA,
                       "%s: `hidden_size` %zu is not a multiple of "
                       "`num_attention_heads` %zu",
                       r->path, out->hidden, out->heads);
    node = ft_json_find(r->root, "layer_norm_eps");
    if (node && (!ft_json_get_float(node, &epsilon) || !(epsilon >= 0 && epsilon < 1)))
        return ft_fail(r->err, FT_ERROR_DATA, "%s: `layer_norm_eps` is not a number from 0 to 1",
                       r->path);
    out->epsilon = (float)epsilon;
    return true;
}

// ---- pooling ----

typedef struct pooling_name {
    const char *flag, *mode;  // As older and newer files have it.
    ft_pooling pooling;
} pooling_name;

static const pooling_name pooling_names[] = {
    {"pooling_mode_mean_tokens", "mean", FT_POOLING_MEAN},
    {"pooling_mode_cls_token", "cls", FT_POOLING_CLS},
    {"pooling_mode_max_tokens", "max", FT_POOLING_MAX},
    {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", FT_POOLING_MEAN_SQRT},
};

static bool fail_pooling(const reading *r, const char *what, ft_slice name)
{
    ft_fail(r->err, FT_ERROR_DATA, "%s: %s `%.*s` is not supported", r->path, what,
            (int)(name.size < 60 ? name.size : 60), name.data);
    ft_hint(r->err, "This version pools by one of mean, cls, max, mean_sqrt_len.");
    return false;
}

static bool pick_mode(const reading *r, const ft_json_node *mode, ft_pooling *out)
{
    for (size_t i = 0; i < FT_COUNT_OF(pooling_names); i++)
        if (is_text(mode, pooling_names[i].mode)) {
            *out = pooling_names[i].pooling;
            return true;
        }
    return fail_pooling(r, "`pooling_mode`",
                        mode->kind == FT_JSON_STRING ? mode->text : FT_SLICE("?"));
}

static bool read_pooling(reading *r, const char *folder, ft_encoder_config *out)
{
    const ft_json_node *mode;
    size_t found = 0;
    int64_t dimension;

    if (!read_json(r, folder, "config.json"))
        return false;
    mode = ft_json_find(r->root, "word_embedding_dimension");
    if (mode && (!ft_json_get_int(mode, &dimension) || dimension != (int64_t)out->hidden))
        return ft_fail(r->err, FT_ERROR_DATA,
                       "%s: `word_embedding_dimension` is not the model's %zu", r->path,
                       out->hidden);
    mode = ft_json_find(r->root, "pooling_mode");
    if (mode)
        return pick_mode(r, mode, &out->pooling);
    for (size_t i = 0; i < r->root->count && r->root->kind == FT_JSON_OBJECT; i++) {
        size_t known = 0;
        const ft_slice key = r->root->keys[i];
        if (!ft_slice_starts_with(key, FT_SLICE("pooling_mode_")) ||
            r->root->children[i].kind != FT_JSON_TRUE)
            continue;
        while (known < FT_COUNT_OF(pooling_names) && !ft_slice_is(key, pooling_names[known].flag))
            known++;
        if (known == FT_COUNT_OF(pooling_names))
            return fail_pooling(r, "pooling", key);
        out->pooling = pooling_names[known].pooling;
        found++;
    }
    if (found > 1)
        return fail_pooling(r, "pooling by", FT_SLICE("several modes at once"));
    return true;
}

// "sentence_transformers.models.Pooling" is Pooling, whatever package it is in.
static ft_slice last_part(ft_slice name)
{
    size_t at = name.size;

    while (at > 0 && name.data[at - 1] != '.')
        at--;
    return (ft_slice){name.data + at, name.size - at};
}

static bool read_module(reading *r, const char *folder, const ft_json_node *module,
                        ft_encoder_config *out)
{
    const ft_json_node *type = ft_json_find(module, "type"), *path = ft_json_find(module, "path");

    if (!type || type->kind != FT_JSON_STRING)
        return ft_fail(r->err, FT_ERROR_DATA, "%s: a module without `type`", r->path);
    const ft_slice name = last_part(type->text);
    if (ft_slice_is(name, "Transformer"))
        return true;
    if (ft_slice_is(name, "Normalize")) {
        out->normalize = true;
        return true;
    }
    if (!ft_slice_is(name, "Pooling")) {
        ft_fail(r->err, FT_ERROR_DATA, "%s: module `%.*s` is not supported", r->path,
                (int)(name.size < 60 ? name.size : 60), name.data);
        ft_hint(r->err, "This version runs models of Transformer, Pooling and Normalize.");
        return false;
    }
    if (!path || path->kind != FT_JSON_STRING || memchr(path->text.data, 0, path->text.size))
        return ft_fail(r->err, FT_ERROR_DATA, "%s: a module without `path`", r->path);
    char *part = ft_arena_text(r->arena, path->text);
    const char *inner = part ? ft_path_join(r->arena, folder, part) : NULL;
    if (!inner)
        return ft_fail_nomem(r->err, path->text.size);
    return read_pooling(r, inner, out);
}

static bool read_modules(reading *r, const char *folder, ft_encoder_config *out)
{
    bool there;

    if (!read_json_if_there(r, folder, "modules.json", &there))
        return false;
    if (!there) {
        if (!read_json_if_there(r, folder, "1_Pooling/config.json", &there))
            return false;
        return !there || read_pooling(r, ft_path_join(r->arena, folder, "1_Pooling"), out);
    }
    if (r->root->kind != FT_JSON_ARRAY)
        return ft_fail(r->err, FT_ERROR_DATA, "%s: not an array", r->path);
    const reading list = *r;
    for (size_t i = 0; i < list.root->count; i++) {
        reading one = list;
        if (!read_module(&one, folder, &list.root->children[i], out))
            return false;
    }
    return true;
}

bool ft_encoder_config_read(const char *folder, ft_arena *arena, ft_encoder_config *out,
                            ft_error *err)
{
    reading r = {.arena = arena, .err = err};
    ft_encoder_config config = {0};
    bool there;
    int64_t longest;

    if (!read_model(&r, folder, &config) || !read_modules(&r, folder, &config))
        return false;
    config.max_tokens = config.positions;
    if (!read_json_if_there(&r, folder, "sentence_bert_config.json", &there))
        return false;
    const ft_json_node *node = there ? ft_json_find(r.root, "max_seq_length") : NULL;
    if (node && node->kind != FT_JSON_NULL) {
        if (!ft_json_get_int(node, &longest) || longest < 2)
            return ft_fail(err, FT_ERROR_DATA, "%s: `max_seq_length` is not a whole number above 1",
                           r.path);
        if ((size_t)longest < config.max_tokens)
            config.max_tokens = (size_t)longest;
    }
    *out = config;
    return true;
}
