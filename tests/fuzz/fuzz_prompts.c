// The prompts of a sentence-transformers model: config_sentence_transformers.json, asked for the
// one that is there by default and for one by its name.
#include <string.h>

#include "runtime/memory/arena.h"
#include "stages/text/prompts.h"
#include "tests/fuzz/fuzz.h"

static void ask(const char *name, size_t size, ft_arena *arena)
{
    ft_error err = FT_ERROR_INIT;
    const char *prompt;

    if (ft_prompt_find("fuzz", NULL, name, arena, &prompt, &err))
        FUZZ_CHECK(prompt ? strlen(prompt) <= size : !name);
    else if (err.code == FT_ERROR_USAGE)  // Not the file's fault.
        FUZZ_CHECK(name && strcmp(err.option, "prompt_name") == 0 && err.hint[0]);
    else
        fuzz_check_model_error(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"config_sentence_transformers.json", NULL};
    ft_arena *arena = ft_arena_create();

    FUZZ_CHECK(arena);
    fuzz_set_files(names, (ft_slice){(const char *)data, size});
    ask(NULL, size, arena);
    ask("query", size, arena);
    ft_arena_destroy(arena);
    return 0;
}
