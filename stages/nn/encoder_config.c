// Reads GGUF, or config.json and sentence_bert_config.json.
//
// Only config.json must be there. Sizes are bounded here so that no product of them overflows
// later; whether they fit the weights is checked when those are looked at.
#include "stages/nn/encoder_config.h"

#include <math.h>
#include <string.h>

#include "runtime/system/file.h"
#include "stages/nn/encoder_reading.h"

enum { CONFIG_BYTES_MAX = 1 << 20, DISTANCES_MOST = 1 << 20 };

// ---- looking at JSON ----

bool ft_reading_open(ft_reading *r, const char *folder, const char *name)
{
    r->path = ft_path_join(r->arena, folder, name);
    if (!r->path)
        return ft_fail_nomem(r->err, strlen(folder) + strlen(name));
    return ft_json_parse_file(r->path, r->arena, CONFIG_BYTES_MAX, &r->root, r->err);
}

bool ft_reading_open_if_there(ft_reading *r, const char *folder, const char *name, bool *out_there)
{
    const char *path = ft_path_join(r->arena, folder, name);

    *out_there = false;
    if (!path)
        return ft_fail_nomem(r->err, strlen(folder) + strlen(name));
    if (ft_file_find(path) == FT_FILE_MISSING)
        return true;
    *out_there = true;
    return ft_reading_open(r, folder, name);
}

const ft_json_node *ft_reading_find(const ft_json_node *object, const char *name)
{
    const ft_json_node *node = object ? ft_json_find(object, name) : NULL;
    return node && node->kind != FT_JSON_NULL ? node : NULL;
}

bool ft_reading_get_size(const ft_reading *r, const char *name, int64_t max, size_t *out)
{
    const ft_json_node *node = ft_reading_find(r->root, name);
    int64_t value;

    if (!node)
        return true;
    if (!ft_json_get_int(node, &value) || value < 1 || value > max)
        return ft_fail(r->err, FT_ERROR_DATA, "%s: `%s` is not a whole number from 1 to %lld",
                       r->path, name, (long long)max);
    *out = (size_t)value;
    return true;
}

bool ft_reading_get_number(const ft_reading *r, const ft_json_node *object, const char *name,
                           double most, double *out)
{
    const ft_json_node *node = ft_reading_find(object, name);
    double value;

    if (!node)
        return true;
    if (!ft_json_get_float(node, &value) || !(value > 0 && value <= most))
        return ft_fail(r->err, FT_ERROR_DATA, "%s: `%s` is not a number above 0 and up to %g",
                       r->path, name, most);
    *out = value;
    return true;
}

bool ft_reading_get_bool(const ft_reading *r, const char *name, bool *out)
{
    const ft_json_node *node = ft_reading_find(r->root, name);

    if (!node)
        return true;
    if (node->kind != FT_JSON_TRUE && node->kind != FT_JSON_FALSE)
        return ft_fail(r->err, FT_ERROR_DATA, "%s: `%s` is neither true nor false", r->path, name);
    *out = node->kind == FT_JSON_TRUE;
    return true;
}

bool ft_node_is_text(const ft_json_node *node, const char *text)
{
    return node && node->kind == FT_JSON_STRING && ft_slice_is(node->text, text);
}

bool ft_reading_fail(const ft_reading *r, const char *name, const ft_json_node *node)
{
    const bool has_text = node->kind == FT_JSON_STRING || node->kind == FT_JSON_NUMBER;
    const ft_slice text = has_text ? node->text : FT_SLICE("...");

    return ft_fail(r->err, FT_ERROR_DATA, "%s: `%s` `%.*s` is not supported", r->path, name,
                   (int)(text.size < 60 ? text.size : 60), text.data);
}

// ---- the model ----

bool ft_encoder_config_settle(const char *path, ft_encoder_config *config, ft_error *err)
{
    if (config->head_size == 0) {
        config->head_size = config->hidden / config->heads;
        if (config->hidden % config->heads != 0)
            return ft_fail(err, FT_ERROR_DATA,
                           "%s: `hidden_size` %zu is not a multiple of `num_attention_heads` %zu",
                           path, config->hidden, config->heads);
    }
    if (config->heads % config->key_heads != 0)
        return ft_fail(err, FT_ERROR_DATA,
                       "%s: %zu heads of queries are not a multiple of %zu of keys", path,
                       config->heads, config->key_heads);
    if (config->position_offset + 1 >= config->positions)
        return ft_fail(err, FT_ERROR_DATA, "%s: of %zu positions none is left behind that of %zu",
                       path, config->positions, config->position_offset);
    config->max_tokens = config->positions - config->position_offset;
    // A number for each distance of each head, which no tensor of the file stands behind.
    if (config->buckets > 0 && config->heads * config->max_tokens > DISTANCES_MOST)
        return ft_fail(err, FT_ERROR_LIMIT,
                       "%s: %zu heads with relative positions of %zu tokens are too many", path,
                       config->heads, config->max_tokens);
    if (config->score_scale == 0)
        config->score_scale = 1.0F / sqrtf((float)config->head_size);
    return true;
}

// In single precision where transformers is, since angles of far positions feel it.
static float frequency_of(const ft_rope *rope, size_t pairs, size_t pair)
{
    const float power = (float)pair / (float)pairs;
    const float plain = 1.0F / powf((float)rope->theta, power);
    double length, slope;

    switch (rope->scaling) {
    case FT_ROPE_PLAIN:
        break;
    case FT_ROPE_LINEAR:
        return plain / (float)rope->factor;
    case FT_ROPE_LLAMA3:
        length = 2 * 3.14159265358979323846 / (double)plain;
        if (length < rope->original_positions / rope->high)
            return plain;
        if (length > rope->original_positions / rope->low)
            return plain / (float)rope->factor;
        slope = (rope->original_positions / length - rope->low) / (rope->high - rope->low);
        return (float)((1 - slope) * (double)plain / rope->factor + slope * (double)plain);
    }
    return plain;
}

void ft_rope_angles(const ft_rope *rope, size_t pairs, const float *factors, size_t position,
                    float *cosines, float *sines)
{
    for (size_t i = 0; i < pairs; i++) {
        float frequency = frequency_of(rope, pairs, i);
        if (factors)
            frequency /= factors[i];
        const float angle = (float)position * frequency;
        cosines[i] = cosf(angle);
        sines[i] = sinf(angle);
    }
}

// ---- all of it ----

bool ft_encoder_config_read(const char *folder, ft_arena *arena, ft_encoder_config *out,
                            ft_error *err)
{
    ft_reading r = {.arena = arena, .err = err};
    ft_encoder_config config = {0};
    bool there;
    int64_t longest;

    if (ft_file_find(folder) == FT_FILE_REGULAR)
        return ft_encoder_config_of_gguf(folder, arena, out, err);
    if (!ft_reading_open(&r, folder, "config.json") || !ft_encoder_config_of_json(&r, &config))
        return false;
    if (!ft_reading_open_if_there(&r, folder, "sentence_bert_config.json", &there))
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
