// A pattern of Split or Replace, as a regular expression and as a literal, and all its matches in
// the text beside it.
#include <string.h>

#include "stages/text/pattern.h"
#include "tests/fuzz/fuzz.h"

enum { SOURCE_BYTES = 256, TEXT_BYTES = 128 };
#define PATH FUZZ_FOLDER "tokenizer.json"
#define PLACE "pre_tokenizer"

static bool is_border(ft_slice text, size_t at)
{
    return at == text.size || ((uint8_t)text.data[at] & 0xc0) != 0x80;
}

static void match(const ft_pattern *pattern, ft_slice text)
{
    ft_error err = FT_ERROR_INIT;
    ft_matches matches = {0};
    size_t start, end, last = 0, count = 0;
    bool found = true;

    while (found) {
        if (!ft_pattern_step(pattern, text, &matches, &found, &start, &end, &err)) {
            FUZZ_CHECK(err.code == FT_ERROR_DATA && err.message[0] != '\0');
            return;
        }
        FUZZ_CHECK(!found || (last <= start && start <= end && end <= text.size));
        FUZZ_CHECK(!found || (is_border(text, start) && is_border(text, end)));
        FUZZ_CHECK(count++ <= text.size + 1);
        last = end;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ft_slice input = {(const char *)data, size}, source = fuzz_cut(&input);
    ft_slice text = fuzz_text(input.data ? input : source, TEXT_BYTES);
    ft_arena *arena = ft_arena_create();
    ft_error err = FT_ERROR_INIT;
    const ft_pattern *pattern;

    FUZZ_CHECK(arena);
    if (source.size > SOURCE_BYTES)
        source.size = SOURCE_BYTES;
    source.size = ft_utf8_valid_prefix(source);
    if (ft_pattern_regex(source, PATH, PLACE, arena, &pattern, &err)) {
        FUZZ_CHECK(ft_pattern_is(pattern, source));
        match(pattern, text);
    } else {
        fuzz_check_error(&err, PATH);
    }
    FUZZ_CHECK(ft_pattern_literal(source, arena, &pattern, &err));
    FUZZ_CHECK(!ft_pattern_is(pattern, source) && !ft_pattern_grammar(pattern));
    match(pattern, text);
    ft_arena_destroy(arena);
    return 0;
}
