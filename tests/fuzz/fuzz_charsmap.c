// The precompiled normalisation of SentencePiece: the blob, also in base64, and both ways in which
// texts go through it.
#include <string.h>

#include "stages/text/charsmap.h"
#include "stages/text/normalize.h"
#include "tests/fuzz/fuzz.h"

enum { TAIL_BYTES = 64 };
#define PATH FUZZ_FOLDER "map"
#define PLACE "precompiled_charsmap"

static void normalize(const ft_normalize_step *step, ft_slice text)
{
    ft_aligned now = {0}, spare = {0};
    ft_error err = FT_ERROR_INIT;

    FUZZ_CHECK(ft_aligned_set(&now, text, 0, &err));
    FUZZ_CHECK(ft_normalize(step, 1, &now, &spare, &err));
    ft_slice made = {(const char *)now.bytes, now.size};
    FUZZ_CHECK(ft_utf8_valid_prefix(made) == made.size);
    ft_aligned_finish(&now);
    ft_aligned_finish(&spare);
}

static void use(const ft_charsmap *map, ft_slice text)
{
    ft_normalize_step precompiled = {.kind = FT_NORMALIZE_PRECOMPILED, .charsmap = map};
    ft_normalize_step sentencepiece = {.kind = FT_NORMALIZE_SENTENCEPIECE};

    sentencepiece.sentencepiece.charsmap = map;
    sentencepiece.sentencepiece.add_dummy_prefix = text.size % 2;
    sentencepiece.sentencepiece.remove_extra_whitespaces = text.size % 3;
    sentencepiece.sentencepiece.escape_whitespaces = text.size % 5;
    normalize(&precompiled, text);
    normalize(&sentencepiece, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ft_slice input = {(const char *)data, size}, all = input, blob = fuzz_cut(&input);
    ft_arena *arena = ft_arena_create();
    ft_error err = FT_ERROR_INIT, of_letters = FT_ERROR_INIT;
    const ft_charsmap *map;

    FUZZ_CHECK(arena);
    if (ft_charsmap_parse(blob, PATH, PLACE, arena, &map, &err)) {
        use(map, FT_SLICE("ab A\u00e9 \uff21\u3000 e\u0301\u200b\U0001f600z"));
        use(map, fuzz_text(input.data ? input : all, TAIL_BYTES));
    } else {
        fuzz_check_error(&err, PATH);
    }
    if (ft_charsmap_parse_base64(blob, PATH, PLACE, arena, &map, &of_letters))
        use(map, FT_SLICE("ab \u00e9"));
    else
        fuzz_check_error(&of_letters, PATH);
    ft_arena_destroy(arena);
    return 0;
}
