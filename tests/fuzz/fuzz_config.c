// What a model says of itself: config.json, modules.json and what that names, and
// generation_config.json; or the keys of a GGUF file, where the input begins as one.
#include "runtime/memory/arena.h"
#include "stages/nn/decoder_ends.h"
#include "tests/fuzz/fuzz.h"

enum { PAIRS_MAX = 256 };

// The sanitizers look on: frequencies and angles of the last position.
static void turn(const ft_encoder_config *config)
{
    float cosines[PAIRS_MAX], sines[PAIRS_MAX];

    for (size_t i = 0; i < FT_COUNT_OF(config->ropes) && config->pairs <= PAIRS_MAX; i++)
        if (config->pairs > 0 && config->ropes[i].theta > 0)
            ft_rope_angles(&config->ropes[i], config->pairs, NULL, config->max_tokens - 1, cosines,
                           sines);
}

static void read_ends(const char *path, const ft_encoder_config *config, ft_arena *arena)
{
    ft_error err = FT_ERROR_INIT;
    ft_lm_ends ends;

    if (!ft_lm_read_ends(path, config, arena, &ends, &err)) {
        fuzz_check_model_error(&err);
        return;
    }
    FUZZ_CHECK(ends.count <= FT_LM_ENDS_MAX);
    for (size_t i = 0; i < ends.count; i++) {
        FUZZ_CHECK(ends.ids[i] >= 0 && (size_t)ends.ids[i] < config->vocabulary);
        for (size_t k = 0; k < i; k++)
            FUZZ_CHECK(ends.ids[k] != ends.ids[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"config.json",
                                        "modules.json",
                                        "1_Pooling/config.json",
                                        "sentence_bert_config.json",
                                        "generation_config.json",
                                        NULL};
    static const char *const gguf[] = {"model.gguf", NULL};
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    ft_encoder_config config;

    FUZZ_CHECK(arena);
    const ft_slice input = {(const char *)data, size};
    const bool is_gguf = ft_slice_starts_with(input, FT_SLICE("GGUF"));
    fuzz_set_files(is_gguf ? gguf : names, input);
    const char *path = is_gguf ? FUZZ_FOLDER "model.gguf" : "fuzz";
    if (ft_encoder_config_read(path, arena, &config, &err)) {
        // What layers are laid out by later.
        FUZZ_CHECK(config.hidden > 0 && config.layers > 0 && config.heads > 0);
        FUZZ_CHECK(config.intermediate > 0 && config.vocabulary > 0);
        FUZZ_CHECK(config.max_tokens > 0 && config.max_tokens <= config.positions);
        FUZZ_CHECK(config.epsilon >= 0 && config.epsilon <= 1);
        turn(&config);
        read_ends(path, &config, arena);
    } else {
        fuzz_check_model_error(&err);
    }
    ft_arena_destroy(arena);
    return 0;
}
