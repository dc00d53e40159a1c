// Models of tokenizers on single words. What is wanted was given by `tokenizers.models.*.tokenize`
// of tokenizers 0.23.3 (tests/fuzz_model.py compares many more words with it).
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "stages/text/bpe.h"
#include "stages/text/token_model.h"
#include "tests/check.h"

enum { TOKENS_MAX = 64, WORD_MAX = 64 };

// Pieces in the order of their ids, merges as "left right"; both end with NULL.
typedef struct setup {
    const char *const *texts;
    const double *scores;  // NULL: all 0.
    const char *const *merges;
    ft_model_definition rest;
} setup;

static const ft_token_model *try_build(const setup *s, ft_arena *arena, ft_error *err)
{
    ft_model_definition d = s->rest;
    ft_piece pieces[32];
    ft_merge_text merges[32];
    const ft_token_model *model;

    for (d.piece_count = 0; s->texts[d.piece_count]; d.piece_count++)
        pieces[d.piece_count] = (ft_piece){.text = ft_slice_of(s->texts[d.piece_count]),
                                           .id = (int32_t)d.piece_count,
                                           .score = s->scores ? s->scores[d.piece_count] : 0};
    d.pieces = pieces;
    for (; s->merges && s->merges[d.merge_count]; d.merge_count++) {
        ft_slice rest = ft_slice_of(s->merges[d.merge_count]);
        ft_merge_text *merge = &merges[d.merge_count];
        ft_slice_cut(&rest, ' ', &merge->left);
        merge->right = rest;
    }
    if (!ft_merges_resolve(pieces, d.piece_count, d.prefix, merges, d.merge_count, "file", arena,
                           &d.merges, err) ||
        !ft_token_model_build(&d, "file", arena, &model, err))
        return NULL;
    return model;
}

static ft_model_scratch *make_scratch(const ft_token_model *model, ft_account *account)
{
    ft_error err = FT_ERROR_INIT;
    ft_model_scratch *scratch = ft_model_scratch_create(model, 0, account, &err);

    check_ok(scratch != NULL, &err);
    return scratch;
}

// "id@start-end ..." of a word; with and without places must agree, also from the cache.
static void split_text(const ft_token_model *model, ft_model_scratch *scratch, ft_slice word,
                       char out[512])
{
    ft_error err = FT_ERROR_INIT;
    ft_model_token tokens[TOKENS_MAX];
    int32_t ids[TOKENS_MAX];
    char bytes[2 * WORD_MAX] = {0};
    size_t count, again, at = 0;

    memcpy(bytes, word.data, word.size);
    word.data = bytes;
    check_ok(ft_token_model_split(model, scratch, word, tokens, TOKENS_MAX, &count, &err), &err);
    for (int i = 0; i < 3; i++) {
        check_ok(ft_token_model_ids(model, scratch, word, ids, TOKENS_MAX, &again, &err), &err);
        check_int_eq(again, count);
        for (size_t j = 0; j < count; j++)
            check_int_eq(ids[j], tokens[j].id);
    }
    out[0] = 0;
    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(out + at, 512 - at, "%s%d@%u-%u", i > 0 ? " " : "", tokens[i].id,
                               tokens[i].start, tokens[i].end);
}

typedef struct expected {
    const char *word, *tokens;
} expected;

static void check_words(const setup *s, const expected *list)
{
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    const ft_token_model *model = try_build(s, arena, &err);
    char got[512];

    check_ok(model != NULL, &err);
    ft_model_scratch *scratch = make_scratch(model, NULL);
    for (; list->word; list++) {
        split_text(model, scratch, ft_slice_of(list->word), got);
        check_text_eq(got, list->tokens);
    }
    ft_model_scratch_destroy(scratch);
    ft_arena_destroy(arena);
}

static const char *const abc[] = {"<unk>", "a", "b", "c", "ab", "bc", "abc", "é", NULL};
static const char *const abc_merges[] = {"a b", "b c", "ab c", NULL};

TEST(bpe_merges_lowest_rank_first)
{
    static const char *const other_order[] = {"b c", "a b", "ab c", NULL};
    setup s = {.texts = abc, .merges = abc_merges, .rest = {.kind = FT_MODEL_BPE, .unknown = -1}};

    check_words(&s, (expected[]){{"abc", "6@0-3"}, {"abcabc", "6@0-3 6@3-6"}, {0}});
    s.merges = other_order;
    check_words(&s,
                (expected[]){{"abc", "1@0-1 5@1-3"}, {"abcabc", "1@0-1 5@1-3 1@3-4 5@4-6"}, {0}});
}

TEST(bpe_takes_the_last_of_equal_merges)
{
    static const char *const twice[] = {"a b", "b c", "a b", NULL};
    setup s = {.texts = abc, .merges = twice, .rest = {.kind = FT_MODEL_BPE, .unknown = -1}};

    check_words(&s, (expected[]){{"abc", "1@0-1 5@1-3"}, {"éxxab", "7@0-2 4@2-4"}, {0}});
}

TEST(bpe_forgets_or_names_unknown_characters)
{
    setup s = {.texts = abc, .merges = abc_merges, .rest = {.kind = FT_MODEL_BPE, .unknown = -1}};

    check_words(&s, (expected[]){{"xyabz", "4@0-2"}, {"x", ""}, {0}});
    s.rest.unknown = 0;
    check_words(&s, (expected[]){{"xyabz", "0@0-1 0@1-2 4@2-4 0@4-5"},
                                 {"éxxab", "7@0-2 0@2-3 0@3-4 4@4-6"},
                                 {0}});
    s.rest.fuse_unknown = true;
    check_words(&s,
                (expected[]){{"xyabz", "0@0-2 4@2-4 0@4-5"}, {"éxxab", "7@0-2 0@2-4 4@4-6"}, {0}});
}

TEST(bpe_falls_back_to_bytes)
{
    static const char *const texts[] = {"<unk>", "a", "<0x78>", "<0xC3>", "<0xBC>", NULL};
    setup s = {.texts = texts,
               .rest = {.kind = FT_MODEL_BPE, .byte_fallback = true, .fuse_unknown = true}};

    // An unknown character comes behind the byte tokens that follow it.
    check_words(&s, (expected[]){{"axüa", "1@0-1 2@1-2 3@2-3 4@3-4 1@4-5"},
                                 {"yxa", "2@0-1 0@1-2 1@2-3"},
                                 {"üy", "3@0-1 4@1-2 0@2-3"},
                                 {0}});
}

TEST(bpe_knows_prefix_and_suffix)
{
    static const char *const texts[] = {"a",  "##a",     "a</w>",  "##a</w>", "##b",
                                        "ab", "##b</w>", "ab</w>", NULL};
    static const char *const merges[] = {"a ##b", "a ##b</w>", NULL};
    setup s = {.texts = texts,
               .merges = merges,
               .rest = {.kind = FT_MODEL_BPE,
                        .unknown = -1,
                        .prefix = FT_SLICE("##"),
                        .suffix = FT_SLICE("</w>")}};

    check_words(&s, (expected[]){{"a", "2@0-1"},
                                 {"ab", "7@0-2"},
                                 {"aab", "0@0-1 1@1-2 6@2-3"},
                                 {"aba", "5@0-2 3@2-3"},
                                 {"abab", "5@0-2 1@2-3 6@3-4"},
                                 {0}});
}

TEST(bpe_takes_whole_words_when_told)
{
    static const char *const texts[] = {"<unk>", "a",   "b", "c",    "ab",
                                        "bc",    "abc", "é", "abcc", NULL};
    setup s = {.texts = texts,
               .merges = abc_merges,
               .rest = {.kind = FT_MODEL_BPE, .unknown = -1, .ignore_merges = true}};

    check_words(
        &s, (expected[]){{"abcc", "8@0-4"}, {"abcca", "6@0-3 3@3-4 1@4-5"}, {"bc", "5@0-2"}, {0}});
}

// Two characters that are no pieces merge when both together are one; the higher score is first.
TEST(bpe_by_score_merges_by_text)
{
    static const char *const texts[] = {"<unk>", "a", "xy", "ya", "xyxy", NULL};
    static const double scores[] = {0, -1, -3, -2, -4};
    setup s = {.texts = texts,
               .scores = scores,
               .rest = {.kind = FT_MODEL_BPE, .merge_rule = FT_MERGES_BY_SCORE}};

    check_words(&s, (expected[]){{"xya", "0@0-1 3@1-3"},
                                 {"xyxy", "4@0-4"},
                                 {"zxyqra", "0@0-1 2@1-3 0@3-5 1@5-6"},
                                 {0}});
}

TEST(bpe_by_id_merges_bytes)
{
    static const char *const texts[] = {"a", "b", "ab", "bb", "\xff", "abb", NULL};
    setup s = {
        .texts = texts,
        .rest = {
            .kind = FT_MODEL_BPE, .unknown = -1, .is_bytes = true, .merge_rule = FT_MERGES_BY_ID}};

    check_words(&s, (expected[]){{"abb", "5@0-3"},
                                 {"bbb", "3@0-2 1@2-3"},
                                 {"\xff\xff"
                                  "ab",
                                  "4@0-1 4@1-2 2@2-4"},
                                 {0}});
}

static const char *const uni_texts[] = {"<unk>", "a", "b", "ab", "ba", "c", "cc", NULL};
static const double uni_scores[] = {0, -1, -1, -2, -2, -5, -4};

TEST(unigram_keeps_the_first_of_equals)
{
    setup s = {.texts = uni_texts, .scores = uni_scores, .rest = {.kind = FT_MODEL_UNIGRAM}};

    check_words(
        &s,
        (expected[]){{"aba", "1@0-1 4@1-3"}, {"abab", "3@0-2 3@2-4"}, {"ccc", "5@0-1 6@1-3"}, {0}});
}

TEST(unigram_fuses_unknown_characters)
{
    setup s = {.texts = uni_texts, .scores = uni_scores, .rest = {.kind = FT_MODEL_UNIGRAM}};

    check_words(&s, (expected[]){{"xxa", "0@0-2 1@2-3"},
                                 {"<unk>xb", "0@0-6 2@6-7"},
                                 {"a<unk>b", "1@0-1 0@1-6 2@6-7"},
                                 {0}});
}

// A fused run may be a piece; each byte token has the place of the whole run.
TEST(unigram_falls_back_to_bytes)
{
    static const char *const texts[] = {"<unk>", "a",  "b",      "ab",  "ba",
                                        "c",     "cc", "<0x78>", "xyx", NULL};
    static const double scores[] = {0, -1, -1, -2, -2, -5, -4, -9, -40};
    setup s = {.texts = texts,
               .scores = scores,
               .rest = {.kind = FT_MODEL_UNIGRAM, .byte_fallback = true}};

    check_words(&s, (expected[]){{"axxb", "1@0-1 7@1-3 7@1-3 2@3-4"},
                                 {"xya", "0@0-2 1@2-3"},
                                 {"xyx", "8@0-3"},
                                 {"axyxb", "1@0-1 8@1-4 2@4-5"},
                                 {0}});
    // In SentencePiece a byte has its own place.
    s.rest.single_precision = true;
    check_words(&s, (expected[]){{"axxb", "1@0-1 7@1-2 7@2-3 2@3-4"}, {0}});
}

// As by sentencepiece 0.2.3: from what sum on the next two letters are told from one piece of them.
TEST(unigram_counts_large_sums_anew)
{
    static const char *const texts[] = {"<unk>", "a", "x", "y", "xy", NULL};
    static const struct {
        double first;
        const char *want;
    } rows[] = {
        {-1, "1@0-1 2@1-2 3@2-3"},      {-99999.992, "1@0-1 4@1-3"},
        {-100000, "1@0-1 4@1-3"},       {-100000.0078125, "1@0-1 2@1-2 3@2-3"},
        {-200001, "1@0-1 2@1-2 3@2-3"},
    };

    for (size_t i = 0; i < FT_COUNT_OF(rows); i++) {
        const double scores[] = {0, rows[i].first, -1.001, -1.001, -2.0021};
        setup s = {.texts = texts,
                   .scores = scores,
                   .rest = {.kind = FT_MODEL_UNIGRAM, .single_precision = true}};
        check_words(&s, (expected[]){{"axy", rows[i].want}, {0}});
    }
}

TEST(unigram_takes_the_last_of_equal_pieces)
{
    static const char *const texts[] = {"a", "a", "aa", NULL};
    static const double scores[] = {-1, -3, -3};
    setup s = {.texts = texts, .scores = scores, .rest = {.kind = FT_MODEL_UNIGRAM, .unknown = -1}};

    check_words(&s, (expected[]){{"aa", "2@0-2"}, {"aaa", "1@0-1 2@1-3"}, {0}});
}

TEST(wordlevel_is_a_table)
{
    static const char *const texts[] = {"<unk>", "ab", NULL};
    setup s = {.texts = texts, .rest = {.kind = FT_MODEL_WORDLEVEL}};

    check_words(&s, (expected[]){{"ab", "1@0-2"}, {"abc", "0@0-3"}, {0}});
}

TEST(wordpiece_has_places)
{
    static const char *const texts[] = {"[UNK]", "un", "##aff", "##able", "##a", "a", NULL};
    setup s = {.texts = texts,
               .rest = {.kind = FT_MODEL_WORDPIECE, .prefix = FT_SLICE("##"), .max_chars = 10}};

    check_words(&s, (expected[]){{"unaffable", "1@0-2 2@2-5 3@5-9"},
                                 {"unaffablex", "0@0-10"},
                                 {"aaaaaaaaaaa", "0@0-11"},
                                 {"aaa", "5@0-1 4@1-2 4@2-3"},
                                 {"é", "0@0-2"},
                                 {0}});
}

static void check_refused(const setup *s, const char *message)
{
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();

    check_fails(try_build(s, arena, &err) != NULL, &err, FT_ERROR_DATA);
    check_contains(err.message, message);
    ft_arena_destroy(arena);
}

TEST(faults_name_file_and_place)
{
    static const char *const missing[] = {"a b", "x b", NULL};
    static const char *const joined[] = {"c a", NULL};
    static const char *const short_one[] = {"a b", NULL};
    static const double scores[] = {0, 0, (double)NAN, 0, 0, 0, 0, 0};
    setup s = {.texts = abc, .merges = missing, .rest = {.kind = FT_MODEL_BPE, .unknown = -1}};

    check_refused(&s, "`file`, at `model.merges[1]`: `x b`: `x` is not in the vocabulary");
    s.merges = joined;
    check_refused(&s, "`file`, at `model.merges[0]`: `c a`: `ca` is not in the vocabulary");
    s.merges = short_one;
    s.rest.prefix = FT_SLICE("##");
    check_refused(&s, "`b` does not begin with the prefix `##`");
    s = (setup){.texts = abc,
                .scores = scores,
                .rest = {.kind = FT_MODEL_BPE, .merge_rule = FT_MERGES_BY_SCORE}};
    check_refused(&s, "`file`, at `model.vocab[2]`: the score is not a number");
}

TEST(ids_are_checked)
{
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    const ft_token_model *model;
    ft_piece piece = {.text = FT_SLICE("a"), .id = FT_VOCAB_ID_MAX};
    ft_model_definition d = {
        .kind = FT_MODEL_WORDLEVEL, .pieces = &piece, .piece_count = 1, .unknown = -1};

    check_ok(ft_token_model_build(&d, "file", arena, &model, &err), &err);
    check_int_eq(ft_token_model_find(model, piece.text), FT_VOCAB_ID_MAX);
    check_slice_eq(ft_token_model_text(model, FT_VOCAB_ID_MAX), "a");
    check_true(ft_token_model_text(model, 5).data == NULL);
    piece.id++;
    check_fails(ft_token_model_build(&d, "file", arena, &model, &err), &err, FT_ERROR_DATA);
    check_contains(err.message, "`file`, at `model.vocab[0]`: `a` has the id 16777216");
    ft_arena_destroy(arena);
}

// Texts and ids in any order, with holes, with doubles.
TEST(vocabulary_finds_texts_and_ids)
{
    const ft_piece pieces[] = {{.text = FT_SLICE("x"), .id = 900},
                               {.text = FT_SLICE("y"), .id = 7},
                               {.text = FT_SLICE(""), .id = 8},
                               {.text = FT_SLICE("x"), .id = 3},
                               {.text = FT_SLICE("z"), .id = 7}};
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    ft_vocab vocab;

    check_ok(ft_vocab_build(pieces, 5, FT_VOCAB_FORGET, "file", arena, &vocab, &err), &err);
    check_int_eq(ft_vocab_find(&vocab, FT_SLICE("x")), 3);
    check_int_eq(ft_vocab_find(&vocab, FT_SLICE("y")), 7);
    check_int_eq(ft_vocab_find(&vocab, FT_SLICE("z")), 7);
    check_int_eq(ft_vocab_find(&vocab, FT_SLICE("")), 8);
    check_int_eq(ft_vocab_find(&vocab, FT_SLICE("xy")), -1);
    check_true(ft_vocab_text(&vocab, 900).data == NULL);
    check_slice_eq(ft_vocab_text(&vocab, 7), "z");
    check_slice_eq(ft_vocab_text(&vocab, 3), "x");
    check_ok(ft_vocab_build(pieces, 5, FT_VOCAB_KEEP, "file", arena, &vocab, &err), &err);
    check_int_eq(ft_vocab_find(&vocab, FT_SLICE("x")), 3);
    check_slice_eq(ft_vocab_text(&vocab, 900), "x");
    ft_arena_destroy(arena);
}

TEST(letters_are_bytes)
{
    for (unsigned byte = 0; byte < 256; byte++)
        check_int_eq(ft_bpe_byte(ft_bpe_letter((uint8_t)byte)), byte);
    check_int_eq(ft_bpe_letter(' '), 0x120);
    check_int_eq(ft_bpe_letter(0xad), 0x143);
    check_int_eq(ft_bpe_byte(' '), -1);
    check_int_eq(ft_bpe_byte(0x144), -1);
}

TEST(words_without_any_token_fail)
{
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    static const char *const texts[] = {"a", NULL};
    ft_model_token tokens[TOKENS_MAX];
    char word[WORD_MAX + 2] = "x";
    size_t count;

    for (ft_model_kind kind = FT_MODEL_WORDPIECE; kind <= FT_MODEL_WORDLEVEL; kind++) {
        setup s = {.texts = texts, .rest = {.kind = kind, .unknown = -1, .max_chars = 9}};
        const ft_token_model *model = try_build(&s, arena, &err);
        check_ok(model != NULL, &err);
        ft_model_scratch *scratch = make_scratch(model, NULL);
        if (kind != FT_MODEL_BPE) {
            check_fails(
                ft_token_model_split(model, scratch, (ft_slice){word, 1}, tokens, 1, &count, &err),
                &err, FT_ERROR_DATA);
            check_contains(err.message, "`x`");
            err = (ft_error)FT_ERROR_INIT;
        }
        ft_model_scratch_destroy(scratch);
    }
    ft_arena_destroy(arena);
}

// Words that differ in NUL bytes only, and sizes at the cache's borders.
TEST(cache_tells_words_apart)
{
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    ft_piece pieces[] = {{.text = FT_SLICE("a"), .id = 0},
                         {.text = FT_SLICE("\0"), .id = 1},
                         {.text = FT_SLICE("b"), .id = 2}};
    ft_model_definition d = {.kind = FT_MODEL_BPE, .pieces = pieces, .piece_count = 3};
    const ft_token_model *model;
    char word[128], got[512], want[512];

    check_ok(ft_token_model_build(&d, "file", arena, &model, &err), &err);
    ft_model_scratch *scratch = make_scratch(model, NULL);
    for (size_t size = 1; size <= 40; size++) {
        for (size_t zeros = 0; zeros < size && zeros < 3; zeros++) {
            size_t at = 0;
            memset(word, 'a', size);
            memset(word + size - zeros, 0, zeros);
            want[0] = 0;
            for (size_t i = 0; i < size; i++)
                at += (size_t)snprintf(want + at, sizeof(want) - at, "%s%d@%zu-%zu",
                                       i > 0 ? " " : "", i >= size - zeros, i, i + 1);
            split_text(model, scratch, (ft_slice){word, size}, got);
            check_text_eq(got, want);
        }
    }
    ft_model_scratch_destroy(scratch);
    ft_arena_destroy(arena);
}

// A long word goes another way than a short one: `a` merges to 64 of them.
TEST(long_words_merge_like_short_ones)
{
    enum { LONG = 200003 };
    static const char *const texts[] = {"a", "aa", "aaaa", "b", "ab", NULL};
    static const char *const merges[] = {"a b", "a a", "aa aa", NULL};
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    setup s = {.texts = texts, .merges = merges, .rest = {.kind = FT_MODEL_BPE, .unknown = -1}};
    const ft_token_model *model = try_build(&s, arena, &err);
    ft_account account;
    char *word = ft_alloc(LONG + 64);
    ft_model_token *tokens = ft_alloc_array(LONG, sizeof(*tokens));
    size_t count;

    ft_account_init(&account, INT64_C(1) << 30);
    check_ok(model != NULL, &err);
    check_true(word && tokens);
    memset(word, 'a', LONG);
    word[LONG - 1] = 'b';
    ft_model_scratch *scratch = make_scratch(model, &account);
    int64_t before = ft_account_used_bytes(&account);
    check_ok(
        ft_token_model_split(model, scratch, (ft_slice){word, LONG}, tokens, LONG, &count, &err),
        &err);
    // 200001 times `a` before `ab`: 50000 of four and one more.
    check_int_eq(count, 50002);
    for (size_t i = 0; i < 50000; i++) {
        check_int_eq(tokens[i].id, 2);
        check_int_eq(tokens[i].end, 4 * i + 4);
    }
    check_int_eq(tokens[50000].id, 0);
    check_int_eq(tokens[50001].id, 4);
    check_int_eq(tokens[50001].end, LONG);
    check_int_eq(ft_account_used_bytes(&account), before);  // Large work memory goes back.
    check_true(ft_account_peak_bytes(&account) > before + 40 * INT64_C(100000));
    ft_model_scratch_destroy(scratch);
    check_int_eq(ft_account_used_bytes(&account), 0);
    ft_free(word);
    ft_free(tokens);
    ft_arena_destroy(arena);
}

// The memory for a long word is refused: the error of the account, and all goes on.
TEST(long_words_are_limited_by_the_account)
{
    enum { LONG = 1 << 20 };
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    setup s = {.texts = uni_texts, .scores = uni_scores, .rest = {.kind = FT_MODEL_UNIGRAM}};
    const ft_token_model *model = try_build(&s, arena, &err);
    ft_account account;
    char *word = ft_alloc(LONG + 64);
    ft_model_token token;
    size_t count;

    ft_account_init(&account, 4 << 20);
    check_true(model && word);
    memset(word, 'a', LONG);
    ft_model_scratch *scratch = make_scratch(model, &account);
    check_fails(
        ft_token_model_split(model, scratch, (ft_slice){word, LONG}, &token, 1, &count, &err), &err,
        FT_ERROR_LIMIT);
    err = (ft_error)FT_ERROR_INIT;
    check_ok(ft_token_model_split(model, scratch, (ft_slice){word, 1}, &token, 1, &count, &err),
             &err);
    ft_model_scratch_destroy(scratch);
    ft_free(word);
    ft_arena_destroy(arena);
}

static bool build_once(const setup *s, ft_error *err)
{
    ft_arena *arena = ft_arena_create();
    bool done = arena ? try_build(s, arena, err) != NULL : ft_fail_nomem(err, 1);

    ft_arena_destroy(arena);
    return done;
}

TEST(builds_survive_any_failed_allocation)
{
    const setup setups[] = {
        {.texts = abc, .merges = abc_merges, .rest = {.kind = FT_MODEL_BPE}},
        {.texts = abc, .rest = {.kind = FT_MODEL_BPE, .merge_rule = FT_MERGES_BY_SCORE}},
        {.texts = uni_texts, .scores = uni_scores, .rest = {.kind = FT_MODEL_UNIGRAM}},
        {.texts = abc, .rest = {.kind = FT_MODEL_WORDPIECE, .max_chars = 9}},
        {.texts = abc, .rest = {.kind = FT_MODEL_WORDLEVEL}},
    };

    for (size_t i = 0; i < FT_COUNT_OF(setups); i++) {
        uint64_t nth = 1;
        bool done = false;
        for (; !done && nth < 200; nth++) {
            ft_error err = FT_ERROR_INIT;
            ft_alloc_fail_at(nth, false);
            done = build_once(&setups[i], &err);
            ft_alloc_fail_at(0, false);
            if (!done)
                check_int_eq(err.code, FT_ERROR_NOMEM);
        }
        check_true(done && nth > 3);
    }
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
