// Finds a head by the architecture's name and checks it against config.json.
//
// Names of tensors and what stands between them are as transformers has them.
#include "stages/nn/heads_read.h"

#include <string.h>

#include "runtime/data/json.h"
#include "runtime/system/file.h"

enum { CONFIG_BYTES_MAX = 1 << 24, LABELS_MAX = 1 << 20 };

struct ft_head_names {
    const char *architecture;
    ft_head_kind kind;
    const char *dense, *norm, *out;  // Tensors are NAME.weight and NAME.bias.
    const char *out_bias;            // Where the bias has a name of its own.
    const char *tied;                // The words of the encoder, where `out` is not in the file.
    ft_activation activation;
    const char *activation_key;  // Of config.json, where it may be another.
};

#define SEQUENCE "ForSequenceClassification", FT_HEAD_SEQUENCE
#define TOKENS "ForTokenClassification", FT_HEAD_TOKENS
#define MASKED "ForMaskedLM", FT_HEAD_VOCABULARY
#define ROBERTA_SEQUENCE \
    .dense = "classifier.dense", .out = "classifier.out_proj", .activation = FT_ACTIVATION_TANH
#define LM_HEAD                                                                       \
    .dense = "lm_head.dense", .norm = "lm_head.layer_norm", .out = "lm_head.decoder", \
    .out_bias = "lm_head.bias", .activation = FT_ACTIVATION_GELU

static const ft_head_names table[] = {
    {"Bert" SEQUENCE, "bert.pooler.dense", NULL, "classifier", .activation = FT_ACTIVATION_TANH},
    {"Roberta" SEQUENCE, ROBERTA_SEQUENCE},
    {"XLMRoberta" SEQUENCE, ROBERTA_SEQUENCE},
    {"Camembert" SEQUENCE, ROBERTA_SEQUENCE},
    {"MPNet" SEQUENCE, ROBERTA_SEQUENCE},
    {"DistilBert" SEQUENCE, "pre_classifier", NULL, "classifier", .activation = FT_ACTIVATION_RELU},
    {"ModernBert" SEQUENCE, "head.dense", "head.norm", "classifier",
     .activation = FT_ACTIVATION_GELU, .activation_key = "classifier_activation"},
    {"Bert" TOKENS, .out = "classifier"},
    {"Roberta" TOKENS, .out = "classifier"},
    {"XLMRoberta" TOKENS, .out = "classifier"},
    {"Camembert" TOKENS, .out = "classifier"},
    {"MPNet" TOKENS, .out = "classifier"},
    {"DistilBert" TOKENS, .out = "classifier"},
    {"ModernBert" TOKENS, "head.dense", "head.norm", "classifier", .activation = FT_ACTIVATION_GELU,
     .activation_key = "classifier_activation"},
    {"Bert" MASKED, "cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm",
     "cls.predictions.decoder", "cls.predictions.bias", "bert.embeddings.word_embeddings.weight",
     FT_ACTIVATION_GELU, "hidden_act"},
    {"DistilBert" MASKED, "vocab_transform", "vocab_layer_norm", "vocab_projector", NULL,
     "distilbert.embeddings.word_embeddings.weight", FT_ACTIVATION_GELU, "activation"},
    {"Roberta" MASKED, LM_HEAD, .tied = "roberta.embeddings.word_embeddings.weight"},
    {"XLMRoberta" MASKED, LM_HEAD, .tied = "roberta.embeddings.word_embeddings.weight"},
    {"Camembert" MASKED, LM_HEAD, .tied = "roberta.embeddings.word_embeddings.weight"},
    {"MPNet" MASKED, LM_HEAD, .tied = "mpnet.embeddings.word_embeddings.weight"},
    {"ModernBert" MASKED, "head.dense", "head.norm", "decoder", NULL,
     "model.embeddings.tok_embeddings.weight", FT_ACTIVATION_GELU, "classifier_activation"},
};

// ---- config.json ----

typedef struct reading {
    const char *path;
    ft_arena *arena;
    const ft_json_node *root;
    ft_error *err;
} reading;

static bool read_config(reading *r, const char *folder)
{
    r->path = ft_path_join(r->arena, folder, "config.json");
    if (!r->path)
        return ft_fail_nomem(r->err, strlen(folder));
    return ft_json_parse_file(r->path, r->arena, CONFIG_BYTES_MAX, &r->root, r->err);
}

static int shown(ft_slice text)
{
    return (int)(text.size < 60 ? text.size : 60);
}

static bool find_names(const reading *r, ft_head_config *out)
{
    const ft_json_node *list = ft_json_find(r->root, "architectures");

    if (!list || list->kind != FT_JSON_ARRAY || list->count != 1 ||
        list->children[0].kind != FT_JSON_STRING) {
        ft_fail(r->err, FT_ERROR_DATA, "%s: `architectures` is not a list of one name", r->path);
        ft_hint(r->err, "It says what stands behind the encoder, such as "
                        "BertForSequenceClassification.");
        return false;
    }
    for (size_t i = 0; i < FT_COUNT_OF(table); i++)
        if (ft_slice_is(list->children[0].text, table[i].architecture)) {
            out->names = &table[i];
            out->architecture = table[i].architecture;
            out->kind = table[i].kind;
            return true;
        }
    const ft_slice name = list->children[0].text;
    ft_fail(r->err, FT_ERROR_DATA, "%s: the architecture `%.*s` has no head that is supported",
            r->path, shown(name), name.data);
    ft_hint(r->err, "Supported are ...ForSequenceClassification, ...ForTokenClassification and "
                    "...ForMaskedLM of Bert, DistilBert, Roberta, XLMRoberta, Camembert, MPNet, "
                    "ModernBert.");
    return false;
}

typedef struct activation_name {
    const char *name;
    ft_activation activation;
} activation_name;

static bool read_activation(const reading *r, ft_head_config *out)
{
    static const activation_name names[] = {
        {"gelu", FT_ACTIVATION_GELU},           {"gelu_new", FT_ACTIVATION_GELU_TANH},
        {"gelu_fast", FT_ACTIVATION_GELU_TANH}, {"gelu_pytorch_tanh", FT_ACTIVATION_GELU_TANH},
        {"relu", FT_ACTIVATION_RELU},           {"silu", FT_ACTIVATION_SILU},
        {"tanh", FT_ACTIVATION_TANH},
    };
    const char *key = out->names->activation_key;
    const ft_json_node *node = key ? ft_json_find(r->root, key) : NULL;

    out->activation = out->names->activation;
    if (!node)
        return true;
    for (size_t i = 0; i < FT_COUNT_OF(names) && node->kind == FT_JSON_STRING; i++)
        if (ft_slice_is(node->text, names[i].name)) {
            out->activation = names[i].activation;
            return true;
        }
    return ft_fail(r->err, FT_ERROR_DATA, "%s: `%s` `%.*s` is not supported", r->path, key,
                   shown(node->text), node->text.data);
}

static bool read_label(const reading *r, const ft_json_node *map, size_t member, const char **names)
{
    const ft_slice key = map->keys[member];
    size_t id = 0;

    for (size_t i = 0; i < key.size; i++) {
        if (key.data[i] < '0' || key.data[i] > '9' || id >= map->count)
            id = map->count;
        else
            id = id * 10 + (size_t)(key.data[i] - '0');
    }
    if (key.size == 0 || id >= map->count || names[id] ||
        map->children[member].kind != FT_JSON_STRING)
        return ft_fail(r->err, FT_ERROR_DATA,
                       "%s: `id2label` has %zu labels, and `%.*s` is not one number below that "
                       "with a text",
                       r->path, map->count, shown(key), key.data);
    names[id] = ft_arena_text(r->arena, map->children[member].text);
    return names[id] || ft_fail_nomem(r->err, map->children[member].text.size);
}

// transformers: LABEL_0, LABEL_1 where nothing is said.
static bool read_labels(const reading *r, ft_head_config *out)
{
    const ft_json_node *map = ft_json_find(r->root, "id2label");
    const ft_json_node *number = ft_json_find(r->root, "num_labels");
    int64_t count = 2;

    if (map && map->kind != FT_JSON_OBJECT)
        return ft_fail(r->err, FT_ERROR_DATA, "%s: `id2label` is not an object", r->path);
    if (!map && number && !ft_json_get_int(number, &count))
        count = 0;
    if (map)
        count = (int64_t)map->count;
    if (count < 1 || count > LABELS_MAX)
        return ft_fail(r->err, FT_ERROR_DATA, "%s: labels are not 1 to %d", r->path, LABELS_MAX);
    out->outputs = (size_t)count;
    out->labels.count = out->outputs;
    out->labels.items = ft_arena_zero(r->arena, out->outputs, sizeof(*out->labels.items));
    if (!out->labels.items)
        return ft_fail_nomem(r->err, out->outputs * sizeof(*out->labels.items));
    for (size_t i = 0; i < out->outputs; i++) {
        if (map ? !read_label(r, map, i, out->labels.items)
                : !(out->labels.items[i] = ft_arena_format(r->arena, "LABEL_%zu", i)))
            return map ? false : ft_fail_nomem(r->err, 24);
    }
    return true;
}

static bool text_is(const reading *r, const char *key, const char *want)
{
    const ft_json_node *node = ft_json_find(r->root, key);
    return node && node->kind == FT_JSON_STRING && ft_slice_is(node->text, want);
}

static bool read_head(reading *r, const char *folder, const ft_encoder_config *encoder,
                      ft_head_config *out)
{
    *out = (ft_head_config){
        .hidden = encoder->hidden, .epsilon = encoder->epsilon, .pooling = FT_POOLING_CLS};
    if (!read_config(r, folder) || !find_names(r, out) || !read_activation(r, out))
        return false;
    if (out->kind == FT_HEAD_VOCABULARY) {
        out->outputs = encoder->vocabulary;
        return true;
    }
    out->is_multi_label = text_is(r, "problem_type", "multi_label_classification");
    if (text_is(r, "problem_type", "regression"))
        return ft_fail(r->err, FT_ERROR_DATA, "%s: `problem_type` `regression` is not supported",
                       r->path);
    if (ft_json_find(r->root, "classifier_pooling") &&
        strncmp(out->architecture, "ModernBert", 10) == 0) {
        if (text_is(r, "classifier_pooling", "mean"))
            out->pooling = FT_POOLING_MEAN;
        else if (!text_is(r, "classifier_pooling", "cls"))
            return ft_fail(r->err, FT_ERROR_DATA,
                           "%s: `classifier_pooling` is neither cls nor mean", r->path);
    }
    return read_labels(r, out);
}

// ---- tensors ----

typedef struct finding {
    const ft_weights *file;
    ft_arena *arena;
    ft_error *err;
} finding;

// A tensor [rows, columns], or [rows] with `columns` 0.
static bool find(const finding *f, const char *name, size_t rows, size_t columns, bool optional,
                 const ft_weight **out)
{
    const ft_weight *tensor = ft_weights_find(f->file, name);
    const size_t rank = columns ? 2 : 1;
    char shape[96];

    *out = tensor;
    if (!tensor) {
        if (optional)
            return true;
        ft_fail(f->err, FT_ERROR_DATA, "%s: tensor `%s` is missing", f->file->path, name);
        ft_hint(f->err, "The model has an encoder, but not the head that config.json says.");
        return false;
    }
    if (tensor->rank != rank || tensor->shape[0] != rows ||
        (rank == 2 && tensor->shape[1] != columns)) {
        ft_weight_print_shape(tensor, shape, sizeof(shape));
        if (columns)
            return ft_fail(f->err, FT_ERROR_DATA,
                           "%s: tensor `%s` has the shape %s; config.json says [%zu, %zu]",
                           f->file->path, name, shape, rows, columns);
        return ft_fail(f->err, FT_ERROR_DATA,
                       "%s: tensor `%s` has the shape %s; config.json says [%zu]", f->file->path,
                       name, shape, rows);
    }
    return ft_weight_kind_is_float(tensor->kind) ||
           ft_fail(f->err, FT_ERROR_DATA, "%s: tensor `%s` is %s, which is not supported",
                   f->file->path, name, ft_weight_kind_name(tensor->kind));
}

static bool find_part(const finding *f, const char *part, size_t rows, size_t columns,
                      bool needs_bias, const ft_weight **out_weight, const ft_weight **out_bias)
{
    const char *weight = ft_arena_format(f->arena, "%s.weight", part);
    const char *bias = ft_arena_format(f->arena, "%s.bias", part);

    if (!weight || !bias)
        return ft_fail_nomem(f->err, strlen(part));
    return find(f, weight, rows, columns, false, out_weight) &&
           find(f, bias, rows, 0, !needs_bias, out_bias);
}

// The last layer of a vocabulary's head may be the encoder's table of words.
static bool find_words(const finding *f, const ft_head_config *c, ft_head_tensors *out)
{
    const char *weight = ft_arena_format(f->arena, "%s.weight", c->names->out);
    const char *bias = c->names->out_bias;

    if (weight && !bias)
        bias = ft_arena_format(f->arena, "%s.bias", c->names->out);
    if (!weight || !bias)
        return ft_fail_nomem(f->err, strlen(c->names->out));
    if (!ft_weights_find(f->file, weight))
        weight = c->names->tied;
    return find(f, weight, c->outputs, c->hidden, false, &out->out) &&
           find(f, bias, c->outputs, 0, true, &out->out_bias);
}

static bool find_tensors(const char *folder, const ft_head_config *c, ft_arena *arena,
                         ft_head_tensors *out, ft_error *err)
{
    const ft_head_names *names = c->names;
    ft_weights *file;
    const bool is_modern = strncmp(c->architecture, "ModernBert", 10) == 0;

    *out = (ft_head_tensors){0};
    if (!ft_weights_open(folder, arena, &file, err))
        return false;
    const finding f = {file, arena, err};
    if (names->dense && !find_part(&f, names->dense, c->hidden, c->hidden, !is_modern, &out->dense,
                                   &out->dense_bias))
        return false;
    if (names->norm &&
        !find_part(&f, names->norm, c->hidden, 0, !is_modern, &out->norm, &out->norm_bias))
        return false;
    if (c->kind == FT_HEAD_VOCABULARY)
        return find_words(&f, c, out);
    return find_part(&f, names->out, c->outputs, c->hidden, true, &out->out, &out->out_bias);
}

bool ft_head_find(const char *folder, const ft_encoder_config *encoder, ft_arena *arena,
                  ft_head_config *out, ft_head_tensors *out_tensors, ft_error *err)
{
    reading r = {.arena = arena, .err = err};

    return read_head(&r, folder, encoder, out) &&
           find_tensors(folder, out, arena, out_tensors, err);
}

bool ft_head_describe(const char *folder, const ft_encoder_config *encoder, ft_arena *arena,
                      ft_head_config *out, ft_error *err)
{
    ft_head_tensors found;

    return ft_head_find(folder, encoder, arena, out, &found, err);
}
