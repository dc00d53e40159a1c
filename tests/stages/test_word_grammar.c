// The words of each grammar; what is expected comes from tokenizers 0.23.3.
// tests/fuzz_pretokenize.py compares at random, and the vectors with the plain matcher.
#include "stages/text/word_grammar.h"

#include <string.h>

#include "stages/nn/kernel/isa.h"
#include "stages/text/category.h"
#include "stages/text/pattern.h"
#include "tests/check.h"

enum { TEXTS = 4, LONG = 1 << 16 };

static const char *const texts[TEXTS] = {
    "I'm  here, don't go\n\n  12345 x", "it'S THE parseHTML's XMLHttp'REx",
    "!!a !b\n/c 'tis \t\r\n d  ", "é\314\201x ſ'ſ 中文a ½² ǅz ʰA\314\201B"};

static const struct {
    const char *name;
    const char *words[TEXTS];
} expected[] = {
    {"gpt2",
     {"I|'m| | here|,| don|'t| go|\n\n | 12345| x", "it|'|S| THE| parseHTML|'s| XMLHttp|'|REx",
      "!!|a| !|b|\n|/|c| '|tis| \t\r\n| d|  ",
      "é|\314\201|x| ſ|'|ſ| 中文a| ½²| ǅz| ʰA|\314\201|B"}},
    {"starcoder",
     {"I|'m| | here|,| don|'t| go|\n\n  |1|2|3|4|5| x", "it|'|S| THE| parseHTML|'s| XMLHttp|'|REx",
      "!!|a| !|b|\n|/|c| '|tis| \t\r\n| d|  ",
      "é|\314\201|x| ſ|'|ſ| 中文a| |½|²| ǅz| ʰA|\314\201|B"}},
    {"cl100k",
     {"I|'m| | here|,| don|'t| go|\n\n| | |123|45| x", "it|'S| THE| parseHTML|'s| XMLHttp|'RE|x",
      "!!|a| !|b|\n|/c| '|tis| \t\r\n| d|  ", "é|\314\201x| ſ|'ſ| 中文a| |½²| ǅz| ʰA|\314\201B"}},
    {"qwen2",
     {"I|'m| | here|,| don|'t| go|\n\n| | |1|2|3|4|5| x", "it|'S| THE| parseHTML|'s| XMLHttp|'RE|x",
      "!!|a| !|b|\n|/c| '|tis| \t\r\n| d|  ", "é|\314\201x| ſ|'ſ| 中文a| |½|²| ǅz| ʰA|\314\201B"}},
    {"qwen3.5",
     {"I|'m| | here|,| don|'t| go|\n\n| | |1|2|3|4|5| x", "it|'S| THE| parseHTML|'s| XMLHttp|'RE|x",
      "!!|a| !|b|\n|/c| '|tis| \t\r\n| d|  ", "é\314\201x| ſ|'ſ| 中文a| |½|²| ǅz| ʰA\314\201B"}},
    {"o200k",
     {"I'm| | here|,| don't| go|\n\n| | |123|45| x", "it'S| THE| parse|HTML's| XMLHttp'RE|x",
      "!!|a| !|b|\n|/c| '|tis| \t\r\n| d|  ", "é\314\201x| ſ'ſ| 中文a| |½²| ǅz| ʰA\314\201|B"}},
    {"tekken",
     {"I|'m| | here|,| don|'t| go|\n\n| | |1|2|3|4|5| x", "it|'S| THE| parse|HTML|'s| XMLHttp|'REx",
      "!!|a| !|b|\n|/c| '|tis| \t\r\n| d|  ", "é\314\201x| ſ|'ſ| 中文a| |½|²| ǅz| ʰA\314\201|B"}},
    {"deepseek-v3",
     {"I|'m| | here|,| don|'t| go|\n\n|  |123|45| x", "it|'S| THE| parseHTML|'s| XMLHttp|'REx",
      "!!|a| !|b|\n|/c| '|tis| \t\r\n| d|  ", "é\314\201x| ſ|'|ſ| |中文|a| |½²| ǅz| ʰA\314\201B"}},
};

static void check_cut(ft_grammar_cutter *cut, const ft_grammar *grammar, ft_slice text,
                      const char *want)
{
    uint32_t ends[128];
    size_t from = 0;
    ft_text got;

    ft_text_init(&got, 1 << 16);
    size_t count = cut(grammar, text, 0, ends, FT_COUNT_OF(ends));
    for (size_t i = 0; i < count; i++) {
        ft_text_format(&got, "%s%.*s", i ? "|" : "", (int)(ends[i] - from), text.data + from);
        from = ends[i];
    }
    check_int_eq(from, text.size);
    check_text_eq(got.data, want);
    ft_text_finish(&got);
}

TEST(grammars_cut_as_the_reference)
{
    for (size_t i = 0; i < FT_COUNT_OF(expected); i++) {
        const ft_grammar *grammar = ft_grammar_named(expected[i].name);
        check_true(grammar != NULL);
        for (size_t k = 0; k < TEXTS; k++)
            check_cut(ft_grammar_cut_plain, grammar, ft_slice_of(texts[k]), expected[i].words[k]);
    }
    check_true(!ft_grammar_named("gpt3"));
}

TEST(tiktoken_takes_white_space_at_the_end_whole)
{
    check_cut(ft_grammar_cut_plain, ft_grammar_named("cl100k"), FT_SLICE("a \n  "), "a| \n|  ");
    check_cut(ft_grammar_cut_plain, ft_grammar_named("cl100k-tiktoken"), FT_SLICE("a \n  "),
              "a| \n  ");
}

// Every pair of the texts, over and over, so that words stand at all places of 64 bytes.
static size_t fill(char *bytes, size_t step)
{
    size_t size = 0;

    for (size_t i = 0; size < LONG - 256; i++) {
        const char *text = texts[(i * step) % (i % 3 ? TEXTS : TEXTS - 1)];
        size_t length = strlen(text);
        size_t skipped = i % 5;  // All texts begin with ASCII but for the last.
        skipped = (uint8_t)text[skipped] >= 0x80 || (uint8_t)text[0] >= 0x80 ? 0 : skipped;
        memcpy(bytes + size, text + skipped, length - skipped);
        size += length - skipped;
    }
    return size;
}

static void check_vectors(ft_isa isa, ft_grammar_cutter *cut)
{
    static char bytes[LONG];
    static uint32_t want[LONG], got[LONG];

    if (!ft_isa_has(isa))
        check_skip("this processor has not that instruction set");
    for (size_t i = 0; i < FT_COUNT_OF(expected); i++) {
        const ft_grammar *grammar = ft_grammar_named(expected[i].name);
        for (size_t step = 1; step < TEXTS; step++) {
            ft_slice text = {bytes, fill(bytes, step)};
            size_t count = ft_grammar_cut_plain(grammar, text, 0, want, LONG), found = 0, more;
            // In parts, each going on where the last one ended.
            while ((more = cut(grammar, text, found ? got[found - 1] : 0, got + found, 100)) > 0)
                found += more;
            check_int_eq(found, count);
            check_true(memcmp(got, want, count * sizeof(*got)) == 0);
        }
    }
}

#if defined(__x86_64__)
TEST(avx2_finds_the_plain_words)
{
    check_vectors(FT_ISA_AVX2, ft_grammar_cut_avx2);
}

TEST(avx512_finds_the_plain_words)
{
    check_vectors(FT_ISA_AVX512, ft_grammar_cut_avx512);
}
#endif

static const ft_grammar *grammar_of(const ft_pre_step *steps, size_t count)
{
    return ft_grammar_of_steps(steps, count);
}

TEST(steps_of_published_tokenizers_have_a_grammar)
{
    static const char *const sources[] = {
        "\\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
        "[!\"#$%&'()*+,\\-./"
        ":;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
        " ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"};
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    ft_pre_step letters = {.kind = FT_PRE_BYTE_LEVEL};
    ft_pre_step digits = {.kind = FT_PRE_DIGITS, .individual_digits = true};
    ft_pre_step gpt2 = {.kind = FT_PRE_BYTE_LEVEL, .byte_level.use_regex = true};
    ft_pre_step steps[4] = {[3] = letters};

    for (size_t i = 0; i < 3; i++) {
        steps[i].kind = FT_PRE_SPLIT;
        steps[i].split.behavior = FT_SPLIT_ISOLATED;
        check_ok(ft_pattern_regex(ft_slice_of(sources[i]), "f", "p", arena, &steps[i].split.pattern,
                                  &err),
                 &err);
    }
    check_text_eq(grammar_of(steps, 4)->name, "deepseek-v3");
    check_text_eq(grammar_of(steps + 2, 2)->name, "deepseek-v3-last");
    check_true(!grammar_of(steps + 1, 3));
    check_text_eq(grammar_of(&gpt2, 1)->name, "gpt2");
    check_text_eq(grammar_of((ft_pre_step[]){digits, gpt2}, 2)->name, "starcoder");
    check_true(!grammar_of(&letters, 1));
    check_true(!grammar_of(&digits, 1));
    // What matches nothing is dropped: not the words of the grammar.
    steps[2].split.behavior = FT_SPLIT_REMOVED;
    steps[2].split.invert = true;
    check_true(!grammar_of(steps + 2, 2));
    gpt2.byte_level.add_prefix_space = true;
    check_true(!grammar_of(&gpt2, 1));
    ft_arena_destroy(arena);
}

TEST(categories_are_those_of_unicode_16)
{
    check_int_eq(ft_category_get('a'), FT_CATEGORY_LL);
    check_int_eq(ft_category_get(0x1c5), FT_CATEGORY_LT);
    check_int_eq(ft_category_get(0x10d4a), FT_CATEGORY_LO);  // Garay, new in 16.
    check_int_eq(ft_category_get(0x11de0), FT_CATEGORY_NEW_NUMBER);
    check_int_eq(ft_category_get(0x85), FT_CATEGORY_WHITE);
    check_int_eq(ft_category_get(0x10ffff), FT_CATEGORY_OTHER);
    check_int_eq(ft_script_get(0x3042), ft_script_get(0x4e2d));
    check_int_eq(ft_script_get(' '), 0);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
