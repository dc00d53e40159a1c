// Which tokens end a text: see decoder_ends.h.
#include "stages/nn/decoder_ends.h"

#include <inttypes.h>
#include <string.h>

#include "runtime/data/json.h"
#include "runtime/system/file.h"
#include "stages/nn/weights.h"

enum { CONFIG_BYTES_MAX = 1 << 20 };

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
    const ft_json_node *root, *node;

    *out_says = false;
    if (ft_file_find(path) == FT_FILE_MISSING)
        return true;
    if (!ft_json_parse_file(path, arena, CONFIG_BYTES_MAX, &root, err))
        return false;
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
