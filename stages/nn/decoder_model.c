// Loads language models: what is not the encoder's already, the head and the ends.
#include "stages/nn/decoder_model.h"

#include <inttypes.h>
#include <string.h>

#include "runtime/data/json.h"
#include "runtime/system/file.h"
#include "stages/nn/encoder_parts.h"

enum { CONFIG_BYTES_MAX = 1 << 20 };

// ---- check and load ----

// The layers must be those that decoder.c runs.
static bool check_kind(const ft_encoder_config *config, ft_error *err)
{
    static const ft_layer_part needs[] = {FT_LAYER_MIX_BEFORE, FT_LAYER_MLP_BEFORE, FT_LAYER_GATE};
    static const ft_layer_part refused[] = {FT_LAYER_MIX_BEHIND, FT_LAYER_MIX_SUM,
                                            FT_LAYER_MLP_BEHIND, FT_LAYER_MLP_SUM};
    const ft_encoder_names *names = config->names;
    bool fits = config->is_causal && config->pairs > 0 && names->front[FT_FRONT_LAST_NORM].name &&
                !names->front[FT_FRONT_TYPES].name && !names->front[FT_FRONT_POSITIONS].name;

    for (size_t i = 0; i < FT_COUNT_OF(needs); i++)
        fits = fits && names->layer[needs[i]].name;
    for (size_t i = 0; i < FT_COUNT_OF(refused); i++)
        fits = fits && !names->layer[refused[i]].name;
    if (fits && config->heads / config->key_heads > FT_LM_SHARED_MAX)
        return ft_fail(err, FT_ERROR_DATA,
                       "%zu heads share one of keys, and this version takes up to %d",
                       config->heads / config->key_heads, FT_LM_SHARED_MAX);
    if (fits)
        return true;
    ft_fail(err, FT_ERROR_DATA, "`%s` is no model that generates text", config->family);
    ft_hint(err, "This version generates with llama, mistral, qwen2 and qwen3.");
    return false;
}

// The head's own weights, or the words' where the two are tied.
static bool find_head(const ft_encoder_parts *parts, const ft_weight **out, ft_error *err)
{
    const ft_encoder_config *config = parts->config;
    const char *name = parts->weights->gguf ? "output.weight" : "lm_head.weight";
    const ft_weight *head = ft_weights_find(parts->weights, name);
    char text[80];

    if (!head)
        head = parts->front[FT_FRONT_WORDS].weight;
    if (head->rank != 2 || head->shape[0] != config->vocabulary || head->shape[1] != config->hidden)
        return ft_fail(err, FT_ERROR_DATA, "%s: `%s` is %s, and the model needs [%zu, %zu]",
                       parts->weights->path, name, ft_weight_print_shape(head, text, sizeof(text)),
                       config->vocabulary, config->hidden);
    if (!ft_weight_kind_is_float(head->kind))
        return ft_fail(err, FT_ERROR_DATA, "%s: `%s` is of type %s, which is not supported",
                       parts->weights->path, name, ft_weight_kind_name(head->kind));
    *out = head;
    return true;
}

bool ft_lm_check(const char *path, const ft_encoder_config *config, ft_arena *arena, ft_error *err)
{
    ft_encoder_parts parts;
    const ft_weight *head;

    return check_kind(config, err) && ft_encoder_parts_find(path, config, arena, &parts, err) &&
           find_head(&parts, &head, err);
}

static bool init_head(ft_lm *lm, const ft_weight *weight, size_t *total, ft_error *err)
{
    const ft_encoder_config *config = &lm->encoder->config;
    const ft_stored stored = ft_encoder_stored(config, &weight, 1, (ft_groups){0});

    if (stored)
        return ft_linear_init_stored(&lm->head, config->vocabulary, config->hidden, stored, total,
                                     err);
    return ft_linear_init(&lm->head, config->vocabulary, config->hidden, config->precision,
                          lm->encoder->uses_blas, total, err);
}

bool ft_lm_load(const char *path, const ft_encoder_config *config, ft_arena *arena, ft_lm **out,
                ft_error *err)
{
    const ft_groups plain = {0};
    ft_lm *lm = ft_arena_zero(arena, 1, sizeof(*lm));
    ft_encoder_parts parts;
    ft_encoder *encoder;
    const ft_weight *head;
    size_t total = 0;

    if (!lm)
        return ft_fail_nomem(err, sizeof(*lm));
    if (!check_kind(config, err) || !ft_encoder_parts_find(path, config, arena, &parts, err) ||
        !find_head(&parts, &head, err) || !ft_encoder_load(path, config, arena, &encoder, err))
        return false;
    lm->encoder = encoder;
    if (!init_head(lm, head, &total, err))
        return false;
    char *block = ft_linear_block(arena, total);
    if (!block)
        return ft_fail_nomem(err, total);
    ft_linear_place(&lm->head, &block);
    ft_linear_put(&lm->head, head, 0, plain, plain);
    ft_weight_forget(head);
    *out = lm;
    return true;
}

// ---- ends ----

static bool add_end(const char *path, int64_t id, const ft_encoder_config *config, ft_lm_ends *out,
                    ft_error *err)
{
    if (id < 0 || (uint64_t)id >= config->vocabulary)
        return ft_fail(err, FT_ERROR_DATA,
                       "%s: the end token %" PRId64 " is outside the vocabulary of %zu", path, id,
                       config->vocabulary);
    for (size_t i = 0; i < out->count; i++)
        if (out->ids[i] == id)
            return true;
    if (out->count == FT_LM_ENDS_MAX)
        return ft_fail(err, FT_ERROR_DATA, "%s: more than %d end tokens", path, FT_LM_ENDS_MAX);
    out->ids[out->count++] = (int32_t)id;
    return true;
}

// `eos_token_id`, a number or a list of them.
static bool add_json_ends(const char *path, const ft_json_node *node,
                          const ft_encoder_config *config, ft_lm_ends *out, ft_error *err)
{
    const bool is_list = node->kind == FT_JSON_ARRAY;
    int64_t id;

    for (size_t i = 0; i < (is_list ? node->count : 1); i++) {
        if (!ft_json_get_int(is_list ? &node->children[i] : node, &id))
            return ft_fail(err, FT_ERROR_DATA, "%s: `eos_token_id` is no token's number", path);
        if (!add_end(path, id, config, out, err))
            return false;
    }
    return true;
}

// Whether the file is there and says something of ends.
static bool read_json_ends(const char *path, const ft_encoder_config *config, ft_arena *arena,
                           ft_lm_ends *out, bool *out_says, ft_error *err)
{
    const ft_json_node *node;
    ft_json_node *root;
    ft_slice text;

    *out_says = false;
    if (ft_file_find(path) == FT_FILE_MISSING)
        return true;
    if (!ft_file_read(path, arena, CONFIG_BYTES_MAX, &text, err))
        return false;
    if (!ft_json_parse(text, arena, &root, err)) {
        ft_error_while(err, "%s", path);
        return false;
    }
    node = ft_json_find(root, "eos_token_id");
    *out_says = node && node->kind != FT_JSON_NULL;
    return !*out_says || add_json_ends(path, node, config, out, err);
}

// llama.cpp ends at the end of a text and at the end of a turn.
static bool read_gguf_ends(const char *path, const ft_encoder_config *config, ft_arena *arena,
                           ft_lm_ends *out, ft_error *err)
{
    static const char *const keys[] = {"tokenizer.ggml.eos_token_id",
                                       "tokenizer.ggml.eot_token_id"};
    ft_weights *weights;

    if (!ft_weights_open(path, arena, &weights, err))
        return false;
    for (size_t i = 0; weights->gguf && i < FT_COUNT_OF(keys); i++) {
        int64_t id = -1;
        if (!ft_gguf_get_int(weights->gguf, keys[i], &id, err) ||
            (ft_gguf_find(weights->gguf, keys[i]) && !add_end(path, id, config, out, err)))
            return false;
    }
    return true;
}

bool ft_lm_read_ends(const char *path, const ft_encoder_config *config, ft_arena *arena,
                     ft_lm_ends *out, ft_error *err)
{
    static const char *const names[] = {"generation_config.json", "config.json"};
    bool says = false;

    out->count = 0;
    if (ft_file_find(path) == FT_FILE_REGULAR)
        return read_gguf_ends(path, config, arena, out, err);
    for (size_t i = 0; !says && i < FT_COUNT_OF(names); i++) {
        const char *file = ft_path_join(arena, path, names[i]);
        if (!file)
            return ft_fail_nomem(err, strlen(path));
        if (!read_json_ends(file, config, arena, out, &says, err))
            return false;
    }
    return true;
}
