// Reads what a GGUF file's keys say of a model, in llama.cpp's words (llama-arch.cpp).
#include <stdio.h>
#include <string.h>

#include "stages/nn/encoder_reading.h"
#include "stages/nn/weights.h"

enum { KEY_BYTES = 128, LONGEST = 1 << 20 };

typedef struct model_family {
    const char *name;  // `general.architecture`, and what keys begin with.
    const ft_encoder_names *names;
    ft_activation activation;
    bool has_rope, is_interleaved, is_rms, is_causal;
} model_family;

// Llama's queries and keys are in the order of Meta's weights, where neighbours turn together.
static const model_family families[] = {
    {"bert", &ft_names_gguf_bert, FT_ACTIVATION_GELU, .has_rope = false},
    {"nomic-bert", &ft_names_gguf_nomic, FT_ACTIVATION_SILU, .has_rope = true},
    {"llama", &ft_names_gguf_llama, FT_ACTIVATION_SILU, .has_rope = true, .is_interleaved = true,
     .is_rms = true, .is_causal = true},
    {"qwen2", &ft_names_gguf_qwen2, FT_ACTIVATION_SILU, .has_rope = true, .is_rms = true,
     .is_causal = true},
    {"qwen3", &ft_names_gguf_qwen3, FT_ACTIVATION_SILU, .has_rope = true, .is_rms = true,
     .is_causal = true},
};

typedef struct keys {
    const ft_gguf *file;
    const char *family;
    ft_error *err;
} keys;

static const char *key_of(const keys *k, const char *name, char out[KEY_BYTES])
{
    snprintf(out, KEY_BYTES, "%s.%s", k->family, name);
    return out;
}

// `*out` stays where the key is not there; 0 there then is a missing key.
static bool get_size(const keys *k, const char *name, int64_t max, size_t *out)
{
    char text[KEY_BYTES];
    int64_t value = (int64_t)*out;

    if (!ft_gguf_get_int(k->file, key_of(k, name, text), &value, k->err))
        return false;
    if (value < 1 || value > max)
        return ft_fail(k->err, FT_ERROR_DATA,
                       "`%s`: key `%s` is missing, or not a number from 1 to %lld", k->file->path,
                       text, (long long)max);
    *out = (size_t)value;
    return true;
}

static bool get_number(const keys *k, const char *name, double most, double *out)
{
    char text[KEY_BYTES];

    if (!ft_gguf_get_float(k->file, key_of(k, name, text), out, k->err))
        return false;
    return (*out > 0 && *out <= most) ||
           ft_fail(k->err, FT_ERROR_DATA, "`%s`: key `%s` is missing, or not in range",
                   k->file->path, text);
}

static bool read_rope(const keys *k, ft_encoder_config *out)
{
    char text[KEY_BYTES];
    ft_slice type = FT_SLICE("none");
    size_t turned = out->head_size;
    ft_rope rope = {.theta = 10000, .factor = 1};

    if (!get_size(k, "rope.dimension_count", 1 << 12, &turned) ||
        !get_number(k, "rope.freq_base", 1e12, &rope.theta) ||
        !ft_gguf_get_text(k->file, key_of(k, "rope.scaling.type", text), &type, k->err))
        return false;
    if (turned % 2 != 0 || turned > out->head_size)
        return ft_fail(k->err, FT_ERROR_DATA, "`%s`: of heads of %zu cannot turn %zu",
                       k->file->path, out->head_size, turned);
    if (ft_slice_is(type, "linear")) {
        rope.scaling = FT_ROPE_LINEAR;
        if (!get_number(k, "rope.scaling.factor", 1e9, &rope.factor))
            return false;
    } else if (!ft_slice_is(type, "none")) {
        return ft_fail(k->err, FT_ERROR_DATA, "`%s`: key `%s` `%.*s` is not supported",
                       k->file->path, text, (int)(type.size < 40 ? type.size : 40), type.data);
    }
    out->pairs = turned / 2;
    out->ropes[0] = out->ropes[1] = rope;
    return true;
}

static size_t rows_of(const ft_weights *weights, const char *name)
{
    const ft_weight *weight = ft_weights_find(weights, name);

    return weight && weight->rank == 2 && weight->shape[0] <= INT32_MAX ? (size_t)weight->shape[0]
                                                                        : 0;
}

static bool read_model(const keys *k, const model_family *family, const ft_weights *weights,
                       ft_encoder_config *out)
{
    double epsilon = 0;
    size_t value_size;

    *out = (ft_encoder_config){.family = family->name,
                               .names = family->names,
                               .activation = family->activation,
                               .is_rms = family->is_rms,
                               .is_causal = family->is_causal,
                               .is_interleaved = family->is_interleaved,
                               .word_scale = 1};
    if (!get_size(k, "embedding_length", 1 << 16, &out->hidden) ||
        !get_size(k, "block_count", 1 << 10, &out->layers) ||
        !get_size(k, "feed_forward_length", 1 << 18, &out->intermediate) ||
        !get_size(k, "context_length", LONGEST, &out->positions) ||
        !get_size(k, "attention.head_count", 1 << 12, &out->heads))
        return false;
    out->key_heads = out->heads;
    out->head_size = out->hidden / out->heads ? out->hidden / out->heads : 1;
    if (!get_size(k, "attention.head_count_kv", 1 << 12, &out->key_heads) ||
        !get_size(k, "attention.key_length", 1 << 12, &out->head_size))
        return false;
    value_size = out->head_size;
    if (!get_size(k, "attention.value_length", 1 << 12, &value_size) ||
        !get_number(
            k, family->is_rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon",
            1, &epsilon))
        return false;
    if (value_size != out->head_size)
        return ft_fail(k->err, FT_ERROR_DATA, "`%s`: values of %zu and keys of %zu differ",
                       k->file->path, value_size, out->head_size);
    out->epsilon = (float)epsilon;
    out->vocabulary = rows_of(weights, "token_embd.weight");
    out->types =
        family->names->front[FT_FRONT_TYPES].name ? rows_of(weights, "token_types.weight") : 0;
    if (out->vocabulary == 0)
        return ft_fail(k->err, FT_ERROR_DATA, "`%s`: tensor `token_embd.weight` is missing",
                       k->file->path);
    return !family->has_rope || read_rope(k, out);
}

bool ft_encoder_config_of_gguf(const char *path, ft_arena *arena, ft_encoder_config *out,
                               ft_error *err)
{
    ft_slice name = {0};
    ft_weights *weights;

    if (!ft_weights_open(path, arena, &weights, err))
        return false;
    if (!weights->gguf) {
        ft_fail(err, FT_ERROR_USAGE, "`%s` is a file, and a model is a folder", path);
        ft_hint(err, "Name the folder that holds config.json and model.safetensors, or a GGUF.");
        return false;
    }
    if (!ft_gguf_get_text(weights->gguf, "general.architecture", &name, err))
        return false;
    for (size_t i = 0; i < FT_COUNT_OF(families); i++) {
        const keys k = {weights->gguf, families[i].name, err};
        if (ft_slice_is(name, families[i].name))
            return read_model(&k, &families[i], weights, out) &&
                   ft_encoder_config_settle(path, out, err);
    }
    ft_fail(err, FT_ERROR_DATA, "`%s`: key `general.architecture` `%.*s` is not supported", path,
            (int)(name.size < 60 ? name.size : 60), name.data);
    ft_hint(err, "This version runs bert, nomic-bert, llama, qwen2 and qwen3.");
    return false;
}
