// Loads language models: what is not the encoder's already, the head.
#include "stages/nn/decoder_model.h"

#include "stages/nn/encoder_parts.h"
#include "stages/nn/packed_store.h"

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

// ---- the head ----

typedef struct head {
    ft_lm *lm;
    const ft_weight *weight;
} head;

static bool init_head(const head *h, size_t *total, ft_error *err)
{
    const ft_encoder_config *config = &h->lm->encoder->config;
    const ft_stored stored = ft_encoder_stored(config, &h->weight, 1, (ft_groups){0});
    ft_linear *linear = &h->lm->head;

    if (stored)
        return ft_linear_init_stored(linear, config->vocabulary, config->hidden, stored, total,
                                     err);
    return ft_linear_init(linear, config->vocabulary, config->hidden, config->precision,
                          h->lm->encoder->uses_blas, total, err);
}

// Everything that decides on the bytes of the head's block.
static void describe_head(const void *host, bool with_weights, ft_digest *digest)
{
    const head *h = host;

    ft_digest_add(digest, FT_SLICE("head"));
    ft_digest_add_number(digest, (uint64_t)h->lm->head.precision);
    ft_digest_add_number(digest, h->lm->head.outputs);
    ft_digest_add_number(digest, h->lm->head.depth);
    ft_packed_add_weight(h->weight, with_weights, digest);
}

// Narrow ones are kept as the layers are.
static bool load_head(const head *h, ft_arena *arena, ft_error *err)
{
    const ft_encoder_config *config = &h->lm->encoder->config;
    const ft_groups plain = {0};
    size_t total = 0;

    if (!init_head(h, &total, err))
        return false;
    ft_packed packed = {
        .store = config->precision == FT_PRECISION_F32 ? NULL : config->weight_store,
        .weights = h->lm->encoder->weights,
        .size_bytes = total,
        .describe = describe_head,
        .host = h,
        .arena = arena,
    };
    char *next = (char *)(uintptr_t)ft_packed_open(&packed);
    if (!next) {
        char *block = ft_linear_block(arena, total);
        if (!block)
            return ft_fail_nomem(err, total);
        next = block;
        ft_linear_place(&h->lm->head, &next);
        ft_linear_put(&h->lm->head, h->weight, 0, plain, plain);
        ft_weight_forget(h->weight);
        next = (char *)(uintptr_t)ft_packed_keep(&packed, block);
        if (!next)
            return true;
        ft_linear_block_forget(block, total);
    }
    ft_linear_place(&h->lm->head, &next);
    return true;
}

bool ft_lm_load(const char *path, const ft_encoder_config *config, ft_arena *arena, ft_lm **out,
                ft_error *err)
{
    ft_lm *lm = ft_arena_zero(arena, 1, sizeof(*lm));
    ft_encoder_parts parts;
    ft_encoder *encoder;
    const ft_weight *weight;

    if (!lm)
        return ft_fail_nomem(err, sizeof(*lm));
    if (!check_kind(config, err) || !ft_encoder_parts_find(path, config, arena, &parts, err) ||
        !find_head(&parts, &weight, err) || !ft_encoder_load(path, config, arena, &encoder, err))
        return false;
    lm->encoder = encoder;
    if (!load_head(&(head){lm, weight}, arena, err))
        return false;
    *out = lm;
    return true;
}
