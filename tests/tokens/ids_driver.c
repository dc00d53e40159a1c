// What tests/fuzz_tokenize.py asks for ids.
//
//   ids_driver TOKENIZER [special=text] [add]
//       stdin: texts as u32 size and bytes; stdout: u32 count and i32 ids of each
#include <stdio.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "stages/text/tokenizer.h"

static int fail(const ft_error *err)
{
    fprintf(stderr, "ids_driver: %s\n", err->message);
    return 1;
}

int main(int argc, char **argv)
{
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    ft_token_settings settings = {.truncation = FT_TRUNCATE_NONE};
    const ft_tokenizer *tokenizer;
    ft_ids ids = {0};
    uint32_t size;
    bool was_cut;

    if (argc < 2)
        return 2;
    for (int i = 2; i < argc; i++) {
        settings.add_special |= strcmp(argv[i], "add") == 0;
        if (strcmp(argv[i], "special=text") == 0)
            settings.special_tokens = FT_SPECIAL_TEXT;
    }
    if (!ft_tokenizer_load(argv[1], arena, &tokenizer, &err))
        return fail(&err);
    ft_token_coder *coder = ft_token_coder_create(tokenizer, settings, NULL, &err);
    if (!coder)
        return fail(&err);
    while (fread(&size, sizeof(size), 1, stdin) == 1) {
        // Exactly as large as the text, so that a sanitizer sees a read behind it.
        char *text = ft_alloc(size);
        if (!text || fread(text, 1, size, stdin) != size)
            return 1;
        ids.count = 0;
        if (!ft_token_coder_add(coder, (ft_slice){text, size}, &ids, &was_cut, &err))
            return fail(&err);
        uint32_t count = (uint32_t)ids.count;
        fwrite(&count, sizeof(count), 1, stdout);
        fwrite(ft_ids_data(&ids), sizeof(int32_t), ids.count, stdout);
        ft_free(text);
    }
    ft_ids_finish(&ids);
    ft_token_coder_destroy(coder);
    ft_arena_destroy(arena);
    return 0;
}
