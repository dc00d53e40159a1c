// Words and offsets of every pre-tokenizer; what is expected comes from tokenizers 0.23.3
// (pre_tokenize_str). tests/fuzz_pretokenize.py compares at random.
#include "stages/text/pretokenize.h"

#include "stages/text/pattern.h"
#include "tests/check.h"

// Each word in brackets, and its offsets.
static void show(ft_words *words, ft_text *out)
{
    ft_text_clear(out);
    for (size_t i = 0; i < words->count; i++) {
        ft_word_range word = ft_words_data(words)[i];
        ft_span origin = ft_aligned_origin(&words->text, word.from, word.to);
        ft_text_format(out, "[%.*s]%u-%u", (int)(word.to - word.from),
                       (const char *)words->text.bytes + word.from, origin.start, origin.end);
    }
}

static void check_words(const ft_pre_step *steps, size_t count, const char *given, const char *want)
{
    ft_error err = FT_ERROR_INIT;
    ft_words words = {.text.has_spans = true}, spare = {.text.has_spans = true};
    ft_slice text = ft_slice_of(given);
    ft_text got;

    ft_text_init(&got, 1 << 16);
    check_ok(ft_aligned_set(&words.text, text, 0, &err), &err);
    check_ok(ft_words_add(&words, (ft_word_range){0, (uint32_t)text.size, -1}, &err), &err);
    check_ok(ft_pretokenize(steps, count, &words, &spare, &err), &err);
    show(&words, &got);
    check_text_eq(got.size ? got.data : "", want);
    ft_text_finish(&got);
    ft_words_finish(&words);
    ft_words_finish(&spare);
}

#define CHECK_STEP(given, want, ...) check_words(&(ft_pre_step){__VA_ARGS__}, 1, given, want)

TEST(simple_steps_cut_as_the_reference)
{
    CHECK_STEP("Hey, you!? 中x ⹃", "[Hey]0-3[,]3-4[you]5-8[!]8-9[?]9-10[中x]11-15[⹃]16-19",
               .kind = FT_PRE_BERT);
    CHECK_STEP("éaéébé", "[a]2-3[b]7-8", .kind = FT_PRE_CHAR_DELIMITER, .delimiter = 0xe9);
    CHECK_STEP("don't x_1 ½… a", "[don]0-3[']3-4[t]4-5[x_1]6-9[½…]10-15[a]16-17",
               .kind = FT_PRE_WHITESPACE);
    CHECK_STEP("a\343\200\200b\342\200\213c ", "[a]0-1[b\342\200\213c]4-9",
               .kind = FT_PRE_WHITESPACE_SPLIT);
    CHECK_STEP("a12½b", "[a]0-1[12½]1-5[b]5-6", .kind = FT_PRE_DIGITS);
    // U+11DE0 is newer than the Unicode of \p{N}.
    CHECK_STEP("a12½b\U00011de0", "[a]0-1[1]1-2[2]2-3[½]3-5[b]5-6[\U00011de0]6-10",
               .kind = FT_PRE_DIGITS, .individual_digits = true);
    CHECK_STEP("aébcd", "[aé]0-3[bc]3-5[d]5-6", .kind = FT_PRE_FIXED_LENGTH, .length = 2);
}

TEST(scripts_drop_what_has_none_in_front)
{
    CHECK_STEP(" どこで生れ。Yes 見", "[どこで生れ]1-16[。]16-19[Yes ]19-23[見]23-26",
               .kind = FT_PRE_UNICODE_SCRIPTS);
    CHECK_STEP("   ", "", .kind = FT_PRE_UNICODE_SCRIPTS);
}

TEST(byte_level_spells_bytes)
{
    CHECK_STEP("Hello  my\tfriend's 12é\n",
               "[Hello]0-5[Ġ]5-6[Ġmy]6-9[ĉ]9-10[friend]10-16['s]16-18[Ġ12]18-21[Ã©]21-23[Ċ]23-24",
               .kind = FT_PRE_BYTE_LEVEL, .byte_level.use_regex = true);
    CHECK_STEP("é a", "[ĠÃ©]0-2[Ġa]2-4", .kind = FT_PRE_BYTE_LEVEL,
               .byte_level = {.add_prefix_space = true, .use_regex = true});
    CHECK_STEP("é a", "[ĠÃ©Ġa]0-4", .kind = FT_PRE_BYTE_LEVEL, .byte_level.add_prefix_space = true);
}

static ft_pre_step metaspace(ft_prepend_scheme scheme, bool split)
{
    return (ft_pre_step){.kind = FT_PRE_METASPACE, .metaspace = {FT_SLICE("▁"), scheme, split}};
}

TEST(metaspace_prepends)
{
    ft_pre_step always = metaspace(FT_PREPEND_ALWAYS, true);
    ft_pre_step whole = metaspace(FT_PREPEND_ALWAYS, false);

    check_words(&always, 1, "Hey   friend!", "[▁Hey]0-3[▁]3-4[▁]4-5[▁friend!]5-13");
    check_words(&whole, 1, "Hey   friend!", "[▁Hey▁▁▁friend!]0-13");
}

TEST(metaspace_first_asks_where_a_word_began)
{
    ft_pre_step steps[] = {{.kind = FT_PRE_WHITESPACE_SPLIT}, metaspace(FT_PREPEND_FIRST, true)};
    ft_error err = FT_ERROR_INIT;
    ft_words words = {.text.has_spans = true}, spare = {.text.has_spans = true};
    ft_text got;

    check_words(steps, 2, "a b", "[▁a]0-1[b]2-3");
    ft_text_init(&got, 1 << 16);
    check_ok(ft_aligned_set(&words.text, FT_SLICE("x<s>y"), 0, &err), &err);
    check_ok(ft_words_add(&words, (ft_word_range){0, 1, -1}, &err), &err);
    check_ok(ft_words_add(&words, (ft_word_range){1, 4, 5}, &err), &err);
    check_ok(ft_words_add(&words, (ft_word_range){4, 5, -1}, &err), &err);
    check_ok(ft_pretokenize(steps + 1, 1, &words, &spare, &err), &err);
    show(&words, &got);
    check_text_eq(got.data, "[▁x]0-1[<s>]1-4[y]4-5");
    check_int_eq(ft_words_data(&words)[1].id, 5);
    ft_text_finish(&got);
    ft_words_finish(&words);
    ft_words_finish(&spare);
}

TEST(split_behaves_in_five_ways_and_inverted)
{
    static const char *const want[5][2] = {
        {"[a]2-3[b]7-8", "[--]0-2[--]3-5[--]5-7[--]8-10"},
        {"[--]0-2[a]2-3[--]3-5[--]5-7[b]7-8[--]8-10", "[--]0-2[a]2-3[--]3-5[--]5-7[b]7-8[--]8-10"},
        {"[--]0-2[a--]2-5[--]5-7[b--]7-10", "[--a]0-3[--]3-5[--b]5-8[--]8-10"},
        {"[--a]0-3[--]3-5[--b]5-8[--]8-10", "[--]0-2[a--]2-5[--]5-7[b--]7-10"},
        {"[--]0-2[a]2-3[----]3-7[b]7-8[--]8-10", "[--]0-2[a]2-3[----]3-7[b]7-8[--]8-10"},
    };
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    const ft_pattern *dashes;

    check_ok(ft_pattern_literal(FT_SLICE("--"), arena, &dashes, &err), &err);
    for (int behavior = 0; behavior < 5; behavior++) {
        for (int invert = 0; invert < 2; invert++) {
            ft_pre_step step = {.kind = FT_PRE_SPLIT,
                                .split = {dashes, (ft_split_behavior)behavior, invert == 1}};
            check_words(&step, 1, "--a----b--", want[behavior][invert]);
        }
    }
    ft_arena_destroy(arena);
}

TEST(punctuation_behaves_in_five_ways)
{
    static const char *const want[5] = {
        "[a]0-1[b]3-4",
        "[a]0-1[!]1-2[?]2-3[b]3-4[¿]4-6[.]6-7",
        "[a!]0-2[?]2-3[b¿]3-6[.]6-7",
        "[a]0-1[!]1-2[?b]2-4[¿]4-6[.]6-7",
        "[a]0-1[!?]1-3[b]3-4[¿.]4-7",
    };

    for (int behavior = 0; behavior < 5; behavior++) {
        CHECK_STEP("a!?b¿.", want[behavior], .kind = FT_PRE_PUNCTUATION,
                   .punctuation = (ft_split_behavior)behavior);
    }
}

TEST(added_tokens_are_not_cut)
{
    ft_error err = FT_ERROR_INIT;
    ft_words words = {0}, spare = {0};
    ft_pre_step steps[] = {{.kind = FT_PRE_DIGITS, .individual_digits = true},
                           {.kind = FT_PRE_BYTE_LEVEL}};

    check_ok(ft_aligned_set(&words.text, FT_SLICE("1 2<1 2>"), 0, &err), &err);
    check_ok(ft_words_add(&words, (ft_word_range){0, 3, -1}, &err), &err);
    check_ok(ft_words_add(&words, (ft_word_range){3, 8, 9}, &err), &err);
    check_ok(ft_pretokenize(steps, 2, &words, &spare, &err), &err);
    check_int_eq(words.count, 4);
    ft_word_range last = ft_words_data(&words)[3];
    check_int_eq(last.id, 9);
    check_slice_eq(((ft_slice){(const char *)words.text.bytes + last.from, last.to - last.from}),
                   "<1 2>");
    check_int_eq(words.text.origins.count, 0);  // Nobody asked for offsets.
    ft_words_finish(&words);
    ft_words_finish(&spare);
}

TEST(words_of_no_characters_fail)
{
    ft_error err = FT_ERROR_INIT;
    ft_words words = {0}, spare = {0};
    ft_pre_step step = {.kind = FT_PRE_FIXED_LENGTH, .length = 0};

    check_ok(ft_aligned_set(&words.text, FT_SLICE("a"), 0, &err), &err);
    check_ok(ft_words_add(&words, (ft_word_range){0, 1, -1}, &err), &err);
    check_fails(ft_pretokenize(&step, 1, &words, &spare, &err), &err, FT_ERROR_DATA);
    ft_words_finish(&words);
    ft_words_finish(&spare);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
