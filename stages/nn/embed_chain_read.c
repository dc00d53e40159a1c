// Reads what a model says of the modules behind its encoder: see embed_chain.h.
//
// Their files are those that sentence-transformers 2 to 6 write: the package in a module's type
// and the names of keys have changed, their meaning has not.
#include "stages/nn/embed_chain.h"

#include <string.h>

#include "runtime/data/json.h"
#include "runtime/system/file.h"
#include "stages/nn/weights.h"

enum { CONFIG_BYTES_MAX = 1 << 20, SIZE_MOST = 1 << 18, NAME_SHOWN = 60 };

typedef struct reader {
    const char *folder;  // The model's.
    const char *path;    // Of the file, for messages.
    ft_arena *arena;
    const ft_json_node *root;
    ft_chain *chain;
    ft_error *err;
} reader;

// ---- files ----

static bool read_json(reader *r, const char *path)
{
    r->path = path;
    if (!path)
        return ft_fail_nomem(r->err, strlen(r->folder));
    return ft_json_parse_file(path, r->arena, CONFIG_BYTES_MAX, &r->root, r->err);
}

static bool fail_name(const reader *r, const char *what, ft_slice name, const char *hint)
{
    ft_fail(r->err, FT_ERROR_DATA, "%s: %s `%.*s` is not supported", r->path, what,
            (int)(name.size < NAME_SHOWN ? name.size : NAME_SHOWN), name.data);
    ft_hint(r->err, "%s", hint);
    return false;
}

// The first of two names of a key that is there and not null.
static const ft_json_node *find_either(const ft_json_node *object, const char *name,
                                       const char *other)
{
    const ft_json_node *node = ft_json_find(object, name);

    if (!node && other)
        node = ft_json_find(object, other);
    return node && node->kind != FT_JSON_NULL ? node : NULL;
}

// A whole number that must be `want`; it may be missing.
static bool check_size(const reader *r, const char *name, const char *other, size_t want)
{
    const ft_json_node *node = find_either(r->root, name, other);
    int64_t value;

    if (!node)
        return true;
    if (other && !ft_json_find(r->root, name))
        name = other;
    if (!ft_json_get_int(node, &value))
        return ft_fail(r->err, FT_ERROR_DATA, "%s: `%s` is not a whole number", r->path, name);
    if (value != (int64_t)want)
        return ft_fail(r->err, FT_ERROR_DATA, "%s: `%s` is %lld, and what comes in has %zu",
                       r->path, name, (long long)value, want);
    return true;
}

static bool get_bool(const reader *r, const char *name, bool *out)
{
    const ft_json_node *node = find_either(r->root, name, NULL);

    if (!node)
        return true;
    if (node->kind != FT_JSON_TRUE && node->kind != FT_JSON_FALSE)
        return ft_fail(r->err, FT_ERROR_DATA, "%s: `%s` is not true or false", r->path, name);
    *out = node->kind == FT_JSON_TRUE;
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

// ---- Pooling ----

static const struct {
    const char *flag, *mode;  // As older and newer files have it.
} pooling_names[FT_POOLING_COUNT] = {
    [FT_POOLING_MEAN] = {"pooling_mode_mean_tokens", "mean"},
    [FT_POOLING_CLS] = {"pooling_mode_cls_token", "cls"},
    [FT_POOLING_MAX] = {"pooling_mode_max_tokens", "max"},
    [FT_POOLING_MEAN_SQRT] = {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens"},
    [FT_POOLING_WEIGHTED_MEAN] = {"pooling_mode_weightedmean_tokens", "weightedmean"},
    [FT_POOLING_LAST] = {"pooling_mode_lasttoken", "lasttoken"},
};
// Older files name modes by flags, and their vectors stand in this order.
static const ft_pooling flag_order[] = {
    FT_POOLING_CLS,       FT_POOLING_MAX,           FT_POOLING_MEAN,
    FT_POOLING_MEAN_SQRT, FT_POOLING_WEIGHTED_MEAN, FT_POOLING_LAST,
};
static const char pooling_hint[] =
    "This version pools by cls, max, mean, mean_sqrt_len_tokens, weightedmean and lasttoken.";

static bool add_pooling(const reader *r, ft_pooling pooling)
{
    ft_chain *chain = r->chain;

    for (size_t i = 0; i < chain->pooling_count; i++)
        if (chain->poolings[i] == pooling)
            return ft_fail(r->err, FT_ERROR_DATA, "%s: pooling by `%s` twice", r->path,
                           pooling_names[pooling].mode);
    chain->poolings[chain->pooling_count++] = pooling;
    return true;
}

static bool add_mode(const reader *r, const ft_json_node *mode)
{
    if (mode->kind != FT_JSON_STRING)
        return ft_fail(r->err, FT_ERROR_DATA, "%s: a `pooling_mode` is not a text", r->path);
    for (int i = FT_POOLING_MEAN; i < FT_POOLING_COUNT; i++)
        if (ft_slice_is(mode->text, pooling_names[i].mode))
            return add_pooling(r, (ft_pooling)i);
    return fail_name(r, "`pooling_mode`", mode->text, pooling_hint);
}

static bool add_flags(const reader *r)
{
    for (size_t i = 0; r->root->kind == FT_JSON_OBJECT && i < r->root->count; i++) {
        const ft_slice key = r->root->keys[i];
        int known = FT_POOLING_MEAN;
        if (!ft_slice_starts_with(key, FT_SLICE("pooling_mode_")) ||
            r->root->children[i].kind != FT_JSON_TRUE)
            continue;
        while (known < FT_POOLING_COUNT && !ft_slice_is(key, pooling_names[known].flag))
            known++;
        if (known == FT_POOLING_COUNT)
            return fail_name(r, "pooling", key, pooling_hint);
    }
    for (size_t i = 0; i < FT_COUNT_OF(flag_order); i++) {
        const ft_json_node *flag = ft_json_find(r->root, pooling_names[flag_order[i]].flag);
        if (flag && flag->kind == FT_JSON_TRUE && !add_pooling(r, flag_order[i]))
            return false;
    }
    return true;
}

static bool read_pooling(reader *r, const char *folder)
{
    ft_chain *chain = r->chain;
    bool includes_prompt = true;

    if (chain->pooling_count > 0 || chain->count > 0)
        return ft_fail(r->err, FT_ERROR_DATA, "%s: `Pooling` is not the first module", r->path);
    if (!read_json(r, ft_path_join(r->arena, folder, "config.json")) ||
        !check_size(r, "embedding_dimension", "word_embedding_dimension", chain->hidden) ||
        !get_bool(r, "include_prompt", &includes_prompt))
        return false;
    chain->skips_prompt = !includes_prompt;
    const ft_json_node *mode = find_either(r->root, "pooling_mode", NULL);
    if (!mode && !add_flags(r))
        return false;
    if (mode && mode->kind != FT_JSON_ARRAY && !add_mode(r, mode))
        return false;
    for (size_t i = 0; mode && mode->kind == FT_JSON_ARRAY && i < mode->count; i++)
        if (!add_mode(r, &mode->children[i]))
            return false;
    if (chain->pooling_count > 0)
        chain->size = chain->pooling_count * chain->hidden;
    return true;
}

// ---- Dense, LayerNorm, Normalize ----

static const struct {
    const char *name;
    ft_activation activation;
} activations[] = {
    {"Identity", FT_ACTIVATION_NONE}, {"Tanh", FT_ACTIVATION_TANH},
    {"ReLU", FT_ACTIVATION_RELU},     {"GELU", FT_ACTIVATION_GELU},
    {"SiLU", FT_ACTIVATION_SILU},     {"Sigmoid", FT_ACTIVATION_SIGMOID},
};

static bool open_weights(const reader *r, const char *folder, const char **out_path,
                         ft_safetensors **out)
{
    *out_path = ft_path_join(r->arena, folder, "model.safetensors");
    if (!*out_path)
        return ft_fail_nomem(r->err, strlen(folder));
    if (ft_file_find(*out_path) == FT_FILE_MISSING) {
        ft_fail(r->err, FT_ERROR_IO, "no weights: `%s` is missing", *out_path);
        ft_hint(r->err, "pytorch_model.bin is not read: save the model as safetensors.");
        return false;
    }
    return ft_safetensors_open(*out_path, r->arena, out, r->err);
}

// A tensor of the shape [rows, columns], or [rows] with `columns` 0.
static bool find_tensor(const reader *r, const ft_safetensors *file, const char *path,
                        const char *name, size_t rows, size_t columns, const ft_weight **out)
{
    char shape[96];
    const ft_weight *tensor = ft_safetensors_find(file, name);

    if (!tensor)
        return ft_fail(r->err, FT_ERROR_DATA, "%s: tensor `%s` is missing", path, name);
    if (tensor->rank != (columns ? 2 : 1) || tensor->shape[0] != rows ||
        (columns && tensor->shape[1] != columns))
        return ft_fail(r->err, FT_ERROR_DATA, "%s: tensor `%s` has the shape %s, not [%zu%s%.0zu]",
                       path, name, ft_weight_print_shape(tensor, shape, sizeof(shape)), rows,
                       columns ? ", " : "", columns);
    if (!ft_weight_kind_is_float(tensor->kind))
        return ft_fail(r->err, FT_ERROR_DATA, "%s: tensor `%s` is %s, which is not supported", path,
                       name, ft_weight_kind_name(tensor->kind));
    *out = tensor;
    return true;
}

static bool check_field(const reader *r, const char *name)
{
    const ft_json_node *node = find_either(r->root, name, NULL);

    if (!node || (node->kind == FT_JSON_STRING && ft_slice_is(node->text, "sentence_embedding")))
        return true;
    return fail_name(r, name, node->kind == FT_JSON_STRING ? node->text : FT_SLICE("?"),
                     "This version runs modules that take and give `sentence_embedding`.");
}

static bool read_activation(const reader *r, ft_activation *out)
{
    const ft_json_node *node = find_either(r->root, "activation_function", NULL);

    *out = FT_ACTIVATION_TANH;  // The default of the library.
    if (!node)
        return true;
    const ft_slice name = node->kind == FT_JSON_STRING ? last_part(node->text) : FT_SLICE("?");
    for (size_t i = 0; i < FT_COUNT_OF(activations); i++)
        if (ft_slice_is(name, activations[i].name)) {
            *out = activations[i].activation;
            return true;
        }
    return fail_name(r, "`activation_function`", name,
                     "This version has Identity, Tanh, ReLU, GELU, SiLU and Sigmoid.");
}

static bool read_dense(reader *r, const char *folder, ft_chain_step *step)
{
    const char *path;
    ft_safetensors *file;
    bool has_bias = true;
    int64_t outputs;

    if (!read_json(r, ft_path_join(r->arena, folder, "config.json")) ||
        !check_size(r, "in_features", NULL, step->inputs) || !get_bool(r, "bias", &has_bias) ||
        !get_bool(r, "use_residual", &step->adds_input) || !check_field(r, "module_input_name") ||
        !check_field(r, "module_output_name") || !read_activation(r, &step->activation))
        return false;
    const ft_json_node *node = find_either(r->root, "out_features", NULL);
    if (!node || !ft_json_get_int(node, &outputs) || outputs < 1 || outputs > SIZE_MOST)
        return ft_fail(r->err, FT_ERROR_DATA,
                       "%s: `out_features` is not a whole number from 1 to %d", r->path, SIZE_MOST);
    step->outputs = (size_t)outputs;
    return open_weights(r, folder, &path, &file) &&
           find_tensor(r, file, path, "linear.weight", step->outputs, step->inputs,
                       &step->weight) &&
           (!has_bias ||
            find_tensor(r, file, path, "linear.bias", step->outputs, 0, &step->bias)) &&
           (!step->adds_input || step->inputs == step->outputs ||
            find_tensor(r, file, path, "residual.weight", step->outputs, step->inputs,
                        &step->residual));
}

static bool read_layer_norm(reader *r, const char *folder, ft_chain_step *step)
{
    const char *path;
    ft_safetensors *file;

    return read_json(r, ft_path_join(r->arena, folder, "config.json")) &&
           check_size(r, "dimension", NULL, step->inputs) &&
           open_weights(r, folder, &path, &file) &&
           find_tensor(r, file, path, "norm.weight", step->inputs, 0, &step->weight) &&
           find_tensor(r, file, path, "norm.bias", step->inputs, 0, &step->bias);
}

static bool add_step(const reader *r, ft_chain_kind kind, ft_chain_step **out)
{
    ft_chain *chain = r->chain;

    if (chain->count == FT_CHAIN_STEPS_MAX)
        return ft_fail(r->err, FT_ERROR_LIMIT, "%s: more than %d modules behind the pooling",
                       r->path, FT_CHAIN_STEPS_MAX);
    *out = &chain->steps[chain->count++];
    **out = (ft_chain_step){.kind = kind, .inputs = chain->size, .outputs = chain->size};
    return true;
}

// ---- modules.json ----

// The folder of a module. It lies in the model's: nothing leads out of it.
static bool find_folder(const reader *r, const ft_json_node *module, const char **out)
{
    const ft_json_node *path = ft_json_find(module, "path");

    if (!path || path->kind != FT_JSON_STRING)
        return ft_fail(r->err, FT_ERROR_DATA, "%s: a module without `path`", r->path);
    for (size_t i = 0; i < path->text.size; i++)
        if (path->text.data[i] == 0 || path->text.data[i] == '/' ||
            (path->text.data[i] == '.' && i == 0))
            return ft_fail(r->err, FT_ERROR_DATA,
                           "%s: the `path` of a module is not a folder in it", r->path);
    const char *part = ft_arena_text(r->arena, path->text);
    *out = part ? ft_path_join(r->arena, r->folder, part) : NULL;
    return *out ? true : ft_fail_nomem(r->err, path->text.size);
}

static bool read_module(reader *r, const ft_json_node *module)
{
    const ft_json_node *type = ft_json_find(module, "type");
    ft_chain_step *step;
    const char *folder;

    if (!type || type->kind != FT_JSON_STRING)
        return ft_fail(r->err, FT_ERROR_DATA, "%s: a module without `type`", r->path);
    const ft_slice name = last_part(type->text);
    if (ft_slice_is(name, "Transformer"))
        return true;
    if (ft_slice_is(name, "Normalize"))
        return add_step(r, FT_CHAIN_NORMALIZE, &step);
    if (ft_slice_is(name, "Pooling"))
        return find_folder(r, module, &folder) && read_pooling(r, folder);
    if (ft_slice_is(name, "Dense")) {
        if (!find_folder(r, module, &folder) || !add_step(r, FT_CHAIN_DENSE, &step) ||
            !read_dense(r, folder, step))
            return false;
        r->chain->size = step->outputs;
        return true;
    }
    if (ft_slice_is(name, "LayerNorm"))
        return find_folder(r, module, &folder) && add_step(r, FT_CHAIN_LAYER_NORM, &step) &&
               read_layer_norm(r, folder, step);
    return fail_name(r, "module", name,
                     "This version runs models of Transformer, Pooling, Dense, LayerNorm and "
                     "Normalize.");
}

static bool read_modules(reader *r)
{
    const char *path = ft_path_join(r->arena, r->folder, "modules.json");

    if (!path)
        return ft_fail_nomem(r->err, strlen(r->folder));
    if (ft_file_find(path) == FT_FILE_MISSING) {
        const char *pooling = ft_path_join(r->arena, r->folder, "1_Pooling");
        const char *config = pooling ? ft_path_join(r->arena, pooling, "config.json") : NULL;
        if (!config)
            return ft_fail_nomem(r->err, strlen(r->folder));
        return ft_file_find(config) == FT_FILE_MISSING || read_pooling(r, pooling);
    }
    if (!read_json(r, path))
        return false;
    if (r->root->kind != FT_JSON_ARRAY)
        return ft_fail(r->err, FT_ERROR_DATA, "%s: not an array", r->path);
    const reader list = *r;
    for (size_t i = 0; i < list.root->count; i++) {
        reader one = list;
        if (!read_module(&one, &list.root->children[i]))
            return false;
    }
    return true;
}

// ---- GGUF ----

// A GGUF file has a way of pooling and no modules beside it.
static bool read_gguf(const reader *r)
{
    // By llama.cpp's numbers (enum llama_pooling_type in llama.h); 0 is none, and 4 the head of a
    // reranker.
    static const ft_pooling by_number[] = {FT_POOLING_UNKNOWN, FT_POOLING_MEAN, FT_POOLING_CLS,
                                           FT_POOLING_LAST};
    ft_slice family = {0};
    ft_weights *weights;
    int64_t number = 0;

    if (!ft_weights_open(r->folder, r->arena, &weights, r->err))
        return false;
    if (!weights->gguf)
        return true;
    if (!ft_gguf_get_text(weights->gguf, "general.architecture", &family, r->err))
        return false;
    const char *key = ft_arena_format(r->arena, "%.*s.pooling_type",
                                      (int)(family.size < NAME_SHOWN ? family.size : NAME_SHOWN),
                                      family.data ? family.data : "");
    if (!key)
        return ft_fail_nomem(r->err, family.size);
    if (!ft_gguf_get_int(weights->gguf, key, &number, r->err))
        return false;
    if (number > 0 && number < (int64_t)FT_COUNT_OF(by_number))
        r->chain->poolings[r->chain->pooling_count++] = by_number[number];
    return true;
}

static void find_widest(ft_chain *chain)
{
    chain->widest = chain->hidden * (chain->pooling_count ? chain->pooling_count : 1);
    for (size_t i = 0; i < chain->count; i++)
        if (chain->steps[i].outputs > chain->widest)
            chain->widest = chain->steps[i].outputs;
}

bool ft_chain_read(const char *folder, size_t hidden, ft_arena *arena, ft_chain *out, ft_error *err)
{
    ft_chain chain = {.hidden = hidden, .size = hidden};
    reader r = {.folder = folder, .arena = arena, .chain = &chain, .err = err};

    if (ft_file_find(folder) == FT_FILE_REGULAR ? !read_gguf(&r) : !read_modules(&r))
        return false;
    find_widest(&chain);
    *out = chain;
    return true;
}

// ---- changes ----

bool ft_chain_set_pooling(ft_chain *chain, ft_pooling pooling, ft_error *err)
{
    chain->poolings[0] = pooling;
    chain->pooling_count = 1;
    for (size_t i = 0; i < chain->count; i++) {
        ft_chain_step *step = &chain->steps[i];
        if (step->kind == FT_CHAIN_NORMALIZE) {
            step->inputs = step->outputs = i ? chain->steps[i - 1].outputs : chain->hidden;
            continue;
        }
        if (step->inputs == (i ? chain->steps[i - 1].outputs : chain->hidden))
            break;
        return ft_fail(err, FT_ERROR_USAGE,
                       "a vector pooled one way has %zu numbers, and the model's next module takes "
                       "%zu",
                       chain->hidden, step->inputs);
    }
    chain->size = chain->count ? chain->steps[chain->count - 1].outputs : chain->hidden;
    find_widest(chain);
    return true;
}

void ft_chain_drop_normalize(ft_chain *chain)
{
    while (chain->count > 0 && chain->steps[chain->count - 1].kind == FT_CHAIN_NORMALIZE)
        chain->count--;
}
