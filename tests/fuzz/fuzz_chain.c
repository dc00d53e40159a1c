// The modules behind an encoder: modules.json, which is missing where the input begins with
// FUZZ_BESIDE, and the folders that it names; or a GGUF file's way of pooling, where the input
// begins as one.
#include "runtime/memory/arena.h"
#include "stages/nn/embed_chain.h"
#include "tests/fuzz/fuzz.h"

enum { HIDDEN = 4 };  // The seeds are made for it.

static void check_sizes(const ft_chain *chain)
{
    size_t size = HIDDEN * (chain->pooling_count ? chain->pooling_count : 1);

    FUZZ_CHECK(chain->hidden == HIDDEN && chain->pooling_count < FT_POOLING_COUNT);
    FUZZ_CHECK(chain->widest >= size && chain->count <= FT_CHAIN_STEPS_MAX);
    for (size_t i = 0; i < chain->count; i++) {
        const ft_chain_step *step = &chain->steps[i];
        FUZZ_CHECK(step->inputs == size && step->outputs <= chain->widest);
        if (step->weight)
            FUZZ_CHECK(step->weight->elements > 0 && step->weight->elements % step->outputs == 0);
        size = step->outputs;
    }
    FUZZ_CHECK(chain->size == size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"modules.json",
                                        "1_Pooling/config.json",
                                        "2_Dense/config.json",
                                        "2_Dense/model.safetensors",
                                        "3_LayerNorm/config.json",
                                        "3_LayerNorm/model.safetensors",
                                        NULL};
    static const char *const gguf[] = {"model.gguf", NULL};
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    ft_chain chain;

    FUZZ_CHECK(arena);
    ft_slice input = {(const char *)data, size};
    const bool is_gguf = ft_slice_starts_with(input, FT_SLICE("GGUF"));
    const bool is_bare = ft_slice_starts_with(input, FT_SLICE(FUZZ_BESIDE));
    if (is_bare)
        fuzz_cut(&input);
    fuzz_set_files(is_gguf ? gguf : names + is_bare, input);
    if (ft_chain_read(is_gguf ? FUZZ_FOLDER "model.gguf" : "fuzz", HIDDEN, arena, &chain, &err)) {
        check_sizes(&chain);
        ft_chain_drop_normalize(&chain);
        if (ft_chain_set_pooling(&chain, FT_POOLING_CLS, &err))
            FUZZ_CHECK(chain.pooling_count == 1);
    } else {
        fuzz_check_model_error(&err);
    }
    ft_arena_destroy(arena);
    return 0;
}
