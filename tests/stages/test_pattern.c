// Literals, runs, grammars and Oniguruma find what the reference finds (tokenizers 0.23.3).
#include "stages/text/pattern.h"

#include "tests/check.h"

// All matches, in brackets.
static void check_matches(const ft_pattern *pattern, const char *given, const char *want)
{
    ft_error err = FT_ERROR_INIT;
    ft_slice text = ft_slice_of(given);
    ft_matches matches = {0};
    size_t start, end;
    bool found = true;
    ft_text got;

    ft_text_init(&got, 4096);
    while (found) {
        check_ok(ft_pattern_step(pattern, text, &matches, &found, &start, &end, &err), &err);
        if (found)
            ft_text_format(&got, "%zu[%.*s]", start, (int)(end - start), text.data + start);
    }
    check_text_eq(got.size ? got.data : "", want);
    ft_text_finish(&got);
}

static void check_literal(const char *literal, const char *given, const char *want)
{
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    const ft_pattern *pattern;

    check_ok(ft_pattern_literal(ft_slice_of(literal), arena, &pattern, &err), &err);
    check_matches(pattern, given, want);
    check_true(!ft_pattern_grammar(pattern));
    ft_arena_destroy(arena);
}

static void check_regex(const char *source, const char *given, const char *want)
{
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    const ft_pattern *pattern;

    check_ok(ft_pattern_regex(ft_slice_of(source), "f.json", "p", arena, &pattern, &err), &err);
    check_true(ft_pattern_is(pattern, ft_slice_of(source)));
    check_matches(pattern, given, want);
    ft_arena_destroy(arena);
}

TEST(literals_are_found_side_by_side)
{
    check_literal("--", "-----a--", "0[--]2[--]6[--]");
    check_literal("é", "éeé", "0[é]3[é]");
    check_literal("abc", "ab", "");
    check_literal("a", "", "");
}

TEST(nothing_is_found_before_every_character)
{
    check_literal("", "aé", "0[]1[]3[]");
}

TEST(runs_take_as_many_as_they_may)
{
    check_regex(" {2,}", "a b  c   ", "3[  ]6[   ]");
    check_regex("[0-9][0-9][0-9]", "a12 12345x123456", "4[123]10[123]13[456]");
    check_regex("\\p{N}{1,3}", "1234½x٣", "0[123]3[4½]7[٣]");
    check_regex("\\s+", " a\302\205\343\200\200b\n", "0[ ]2[\302\205\343\200\200]8[\n]");
    check_regex("[\\r\\n]", "a\r\n", "1[\r]2[\n]");
    check_regex("[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+", "a中あー字龥龦", "1[中あー字龥]");
}

TEST(grammars_skip_what_matches_nothing)
{
    check_regex("'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+", " it's  12 ",
                "1[it]3['s]7[1]8[2]");
}

#ifdef FT_HAVE_ONIG
TEST(unknown_expressions_go_to_oniguruma)
{
    check_regex("x*", "axxb", "0[]1[xx]4[]");
    check_regex("(?<=e)[^e]*", "hello", "2[llo]");
    check_regex("\\b", "ab", "0[]2[]");
    // A line ends before a line feed.
    check_regex(".$", "ab\ncd", "1[b]4[d]");
}

TEST(a_bad_expression_names_the_file_and_the_place)
{
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    const ft_pattern *pattern;

    check_fails(ft_pattern_regex(FT_SLICE("(a"), "dir/t.json", "pre_tokenizer.pattern", arena,
                                 &pattern, &err),
                &err, FT_ERROR_DATA);
    check_contains(err.message, "`dir/t.json`, at `pre_tokenizer.pattern`");
    check_contains(err.message, "parenthesis");
    ft_arena_destroy(arena);
}

TEST(catastrophic_backtracking_fails)
{
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    const ft_pattern *pattern;
    size_t start, end;
    bool found;

    check_ok(ft_pattern_regex(FT_SLICE("^(a|a)*b"), "f", "p", arena, &pattern, &err), &err);
    check_fails(ft_pattern_next(pattern, FT_SLICE("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-b"), 0,
                                &found, &start, &end, &err),
                &err, FT_ERROR_DATA);
    check_contains(err.message, "gave up");
    ft_arena_destroy(arena);
}
#endif

TEST(an_expression_has_a_bound)
{
    static char source[FT_PATTERN_BYTES_MAX + 1];
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    const ft_pattern *pattern;

    for (size_t i = 0; i < sizeof(source); i++)
        source[i] = 'a';
    check_fails(
        ft_pattern_regex((ft_slice){source, sizeof(source)}, "f", "p", arena, &pattern, &err), &err,
        FT_ERROR_DATA);
    ft_arena_destroy(arena);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
