// Normalisers: each step's bytes and spans as the reference has them, charsmaps with and without
// faults, byte letters.
//
// The tables' results were printed by tokenizers 0.23.3 and sentencepiece 0.2.3:
//   t = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
//   t.pre_tokenizer = pre_tokenizers.FixedLength(length=1)
//   t.normalizer = normalizers.NFC(); t.normalizer.normalize_str(text), t.encode(text).offsets
//   SentencePieceNormalizer(norm_map=rules, ...).Normalize(text, with_offsets=True)
// with offsets made bytes. Random texts: fuzz_normalize.py; all rows of Unicode's own test:
// play_normalize.py.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/memory/account.h"
#include "runtime/memory/alloc.h"
#include "runtime/random.h"
#include "stages/text/byte_level.h"
#include "stages/text/charsmap.h"
#include "stages/text/normalize.h"
#include "tests/check.h"

#define T(literal) {"" literal, sizeof(literal) - 1}
#define KIND(name) {.kind = FT_NORMALIZE_##name}
#define BERT(...)                                          \
    {                                                      \
        .kind = FT_NORMALIZE_BERT, .bert = { __VA_ARGS__ } \
    }
#define STRIP(...)                                           \
    {                                                        \
        .kind = FT_NORMALIZE_STRIP, .strip = { __VA_ARGS__ } \
    }
#define PREPEND(literal) {.kind = FT_NORMALIZE_PREPEND, .prepend = T(literal)}

typedef struct row {
    const char *name;
    ft_normalize_step step;
    ft_slice text, want;
    const char *spans;  // Of each character: "0-1 1-3".
} row;

typedef struct pair {
    ft_aligned text, spare;
} pair;

static void finish(pair *one)
{
    ft_aligned_finish(&one->text);
    ft_aligned_finish(&one->spare);
}

static ft_slice bytes_of(const pair *one)
{
    return (ft_slice){(const char *)one->text.bytes, one->text.size};
}

static void normalize(pair *one, const ft_normalize_step *steps, size_t count, ft_slice text,
                      size_t start)
{
    ft_error err = FT_ERROR_INIT;

    check_ok(ft_aligned_set(&one->text, text, start, &err), &err);
    check_ok(ft_normalize(steps, count, &one->text, &one->spare, &err), &err);
}

static void check_bytes(const row *wanted, ft_slice got)
{
    if (!ft_slice_equal(got, wanted->want))
        fprintf(stderr, "%s: <%.*s>\n", wanted->name, (int)got.size, got.data);
    check_true(ft_slice_equal(got, wanted->want));
}

static void check_spans(const row *wanted, ft_aligned *text)
{
    char got[512] = "";
    size_t at = 0, size = 0;

    while (at < text->size) {
        ft_span span = ft_aligned_span(text, at);
        size_t next = at;
        ft_unicode_next(text->bytes, &next);
        for (; at < next; at++) {
            ft_span same = ft_aligned_span(text, at);
            check_true(same.start == span.start && same.end == span.end);
        }
        size += (size_t)snprintf(got + size, sizeof(got) - size, "%s%u-%u", size > 0 ? " " : "",
                                 span.start, span.end);
        check_true(size < sizeof(got));
    }
    check_text_eq(got, wanted->spans);
}

static void check_rows(const row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pair plain = {0}, aligned = {.text.has_spans = true, .spare.has_spans = true};
        normalize(&plain, &rows[i].step, 1, rows[i].text, 0);
        check_bytes(&rows[i], bytes_of(&plain));
        normalize(&aligned, &rows[i].step, 1, rows[i].text, 0);
        check_bytes(&rows[i], bytes_of(&aligned));
        check_spans(&rows[i], &aligned.text);
        finish(&plain);
        finish(&aligned);
    }
}

// clang-format off
static const row steps[] = {
    {"bert: clean", BERT(.clean_text = true),
     T("a\x09" "b\x00" "c\xe2\x80\x8b" "d\xef\xbf\xbd\xe3\x80\x80" "e\xc2\x85" "f"),
     T("a bcd ef"),
     "0-1 1-2 2-3 4-5 8-9 12-15 15-16 18-19"},
    {"bert: chinese", BERT(.handle_chinese_chars = true),
     T("a\xe4\xb8\xad\xe6\x96\x87" "b\xf0\xab\xa0\xa0\xf0\xab\xa4\xa0"),
     T("a \xe4\xb8\xad  \xe6\x96\x87 b\xf0\xab\xa0\xa0 \xf0\xab\xa4\xa0 "),
     "0-1 1-4 1-4 1-4 4-7 4-7 4-7 7-8 8-12 12-16 12-16 12-16"},
    {"bert: accents", BERT(.strip_accents = true),
     T("\xc3\xa9\xea\xb0\x81 a\xcd\x85\xcc\x81"),
     T("e\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8 a"),
     "0-2 2-5 2-5 2-5 5-6 6-7"},
    {"bert: all", BERT(true, true, true, true),
     T("\xc3\x89\x01 \xe4\xb8\xad\xce\xa3\xc4\xb0\xe1\xba\x9eK"),
     T("e  \xe4\xb8\xad \xcf\x83i\xc3\x9fk"),
     "0-2 3-4 4-7 4-7 4-7 7-9 9-11 11-14 14-15"},
    {"strip both", STRIP(true, true),
     T("\xe3\x80\x80 a b\x09"),
     T("a b"),
     "4-5 5-6 6-7"},
    {"strip right", STRIP(false, true),
     T(" \xc3\xa9 \xc2\x85"),
     T(" \xc3\xa9"),
     "0-1 1-3"},
    {"strip all", STRIP(true, false),
     T(" \xe2\x80\x83"),
     T(""),
     ""},
    {"strip accents", KIND(STRIP_ACCENTS),
     T("\xcc\x81" "e\xcc\x81\xe0\xa4\x83\xc3\xa9"),
     T("e\xc3\xa9"),
     "2-3 8-10"},
    {"nfc", KIND(NFC),
     T("e\xcc\x81\xcc\xa7x\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8\xe0\xa5\x98\xcd\x84"),
     T("\xc8\xa9\xcc\x81x\xea\xb0\x81\xe0\xa4\x95\xe0\xa4\xbc\xcc\x88\xcc\x81"),
     "0-1 3-5 5-6 6-9 15-18 15-18 18-20 18-20"},
    {"nfc: marks first", KIND(NFC),
     T("\xcc\x81\xcc\xa7" "A\xcc\x8a"),
     T("\xcc\xa7\xcc\x81\xc3\x85"),
     "0-2 2-4 4-5"},
    {"nfd", KIND(NFD),
     T("\xe1\xba\x9b\xcc\xa3\xea\xb0\x81\xe0\xbd\xb3\xe0\xbd\xb1"),
     T("\xc5\xbf\xcc\xa3\xcc\x87\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8\xe0\xbd\xb1"
       "\xe0\xbd\xb1\xe0\xbd\xb2"),
     "0-3 3-5 3-5 5-8 5-8 5-8 8-11 11-14 11-14"},
    {"nfkc", KIND(NFKC),
     T("\xef\xac\x81\xcc\x81\xe2\x91\xa0\xef\xbd\xb6\xef\xbe\x9e\xe3\x8d\xbf"),
     T("f\xc3\xad" "1\xe3\x82\xac\xe6\xa0\xaa\xe5\xbc\x8f\xe4\xbc\x9a\xe7\xa4\xbe"),
     "0-3 3-5 5-8 8-11 14-17 14-17 14-17 14-17"},
    {"nfkd", KIND(NFKD),
     T("\xef\xac\x81\xc2\xbd\xe1\xba\x9b\xcc\xa3"),
     T("fi1\xe2\x81\x84" "2s\xcc\xa3\xcc\x87"),
     "0-3 0-3 3-5 3-5 3-5 5-8 8-10 8-10"},
    {"lowercase", KIND(LOWERCASE),
     T("A\xc4\xb0\xc8\xbaK\xce\xa3\xe1\xba\x9ez"),
     T("ai\xcc\x87\xe2\xb1\xa5k\xcf\x83\xc3\x9fz"),
     "0-1 1-3 1-3 3-5 5-6 6-8 8-11 11-12"},
    {"nmt", KIND(NMT),
     T("a\x01\x09" "b\xe2\x80\x8b\xe2\x96\x81\x7f\xc2\x9f\x00"),
     T("a b  \x00"),
     "0-1 2-3 3-4 4-7 7-10 13-14"},
    {"prepend", PREPEND("\xe2\x96\x81x"),
     T("\xc3\xa9" "a"),
     T("\xe2\x96\x81x\xc3\xa9" "a"),
     "0-2 0-2 0-2 2-3"},
    {"prepend nothing", PREPEND(""),
     T("\xc3\xa9" "a"),
     T("\xc3\xa9" "a"),
     "0-0 2-3"},
    {"prepend to nothing", PREPEND("x"),
     T(""),
     T(""),
     ""},
    {"byte level", KIND(BYTE_LEVEL),
     T("a \xc3\xa9\xc2\xad\x0a"),
     T("a\xc4\xa0\xc3\x83\xc2\xa9\xc3\x82\xc5\x83\xc4\x8a"),
     "0-1 1-2 2-4 2-4 4-6 4-6 6-7"},
};
// clang-format on

TEST(normalize_steps_have_the_references_bytes_and_spans)
{
    check_rows(steps, FT_COUNT_OF(steps));
}

TEST(normalize_steps_one_after_the_other)
{
    // What the reference makes of it: Sequence([NFD(), StripAccents(), Lowercase(), Prepend("_")]).
    static const ft_normalize_step all[] = {KIND(NFD), KIND(STRIP_ACCENTS), KIND(LOWERCASE),
                                            PREPEND("_")};
    pair one = {.text.has_spans = true, .spare.has_spans = true};

    // The text is a part of a longer one: spans count from where that begins.
    normalize(&one, all, FT_COUNT_OF(all), FT_SLICE("\xc3\x89\x63\xcc\xa7"), 10);
    check_true(ft_slice_equal(bytes_of(&one), FT_SLICE("_ec")));
    static const ft_span want[] = {{10, 12}, {10, 12}, {12, 13}};
    for (size_t i = 0; i < FT_COUNT_OF(want); i++) {
        ft_span span = ft_aligned_span(&one.text, i);
        check_true(span.start == want[i].start && span.end == want[i].end);
    }
    ft_span whole = ft_aligned_origin(&one.text, 0, one.text.size);
    check_true(whole.start == 10 && whole.end == 13);
    finish(&one);
}

TEST(normalize_sorts_any_number_of_marks)
{
    enum { MARKS = 5000, BYTES = 2 };
    static const ft_normalize_step nfd = KIND(NFD);
    pair one = {.text.has_spans = true, .spare.has_spans = true};
    char *text = ft_alloc(2 * MARKS * BYTES);

    check_true(text != NULL);
    for (size_t i = 0; i < MARKS; i++) {
        memcpy(text + 2 * BYTES * i, "\xcc\x81\xcc\xa3", 2 * BYTES);  // Classes 230 and 220.
    }
    normalize(&one, &nfd, 1, (ft_slice){text, 2 * MARKS * BYTES}, 0);
    check_int_eq(one.text.size, 2 * MARKS * BYTES);
    for (size_t i = 0; i < MARKS; i++) {
        check_true(memcmp(one.text.bytes + BYTES * i, "\xcc\xa3", BYTES) == 0);
        check_true(memcmp(one.text.bytes + BYTES * (MARKS + i), "\xcc\x81", BYTES) == 0);
    }
    ft_free(text);
    finish(&one);
}

TEST(normalize_leaves_what_is_normal_where_it_is)
{
    static const ft_normalize_step forms[] = {KIND(NFC), KIND(NFKC), KIND(NFD), KIND(NFKD)};
    pair one = {0};

    // No copy: the bytes do not move to the spare side.
    normalize(&one, forms, FT_COUNT_OF(forms),
              FT_SLICE("Plain ASCII \xd0\x9f\xd1\x80 \xe4\xb8\xad"), 0);
    check_true(one.spare.bytes == NULL);
    finish(&one);
}

TEST(aligned_refuses_what_does_not_fit_its_spans)
{
    ft_error err = FT_ERROR_INIT;
    ft_aligned text = {.has_spans = true};

    check_fails(ft_aligned_set(&text, FT_SLICE("ab"), UINT32_MAX - 1, &err), &err, FT_ERROR_LIMIT);
    ft_aligned_finish(&text);
}

// Wherever there is no room, for bytes or for where they come from.
TEST(normalize_says_which_limit_it_meets)
{
    enum { SIZE = 4000, LIMIT_MIN = 1 << 10, LIMIT_MAX = 1 << 20 };
    static const ft_normalize_step form = KIND(NFD);
    char text[SIZE];
    size_t failed = 0;
    bool done = false;

    for (size_t i = 0; i < SIZE; i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    for (int64_t limit = LIMIT_MIN; !done && limit < LIMIT_MAX; limit += LIMIT_MIN) {
        ft_account account;
        ft_error err = FT_ERROR_INIT;
        pair one = {0};
        ft_account_init(&account, limit);
        one.text.account = one.spare.account = &account;
        one.text.has_spans = one.spare.has_spans = true;
        done = ft_aligned_set(&one.text, (ft_slice){text, SIZE}, 0, &err) &&
               ft_normalize(&form, 1, &one.text, &one.spare, &err);
        if (!done) {
            failed++;
            check_int_eq(err.code, FT_ERROR_LIMIT);
            check_true(strstr(err.message, "would pass the memory limit") != NULL);
        }
        finish(&one);
        check_int_eq(ft_account_used_bytes(&account), 0);
    }
    check_true(done && failed > 0);
}

// The map of the rules a -> bc, U+2460 -> 1, e U+0301 -> U+00E9, x -> nothing, U+3000 -> space,
// ab -> Q, U+1F44D -> ok, as SentencePiece compiles it; units that are not named are not used.
enum { UNITS = 256, HEAD = 4 };
static const struct {
    uint32_t at, unit;
} used[] = {{0, 0x18000},  {1, 0xd61},       {2, 0x80000007}, {3, 0x80000005},  {4, 0x20ccc},
            {5, 0x33465},  {6, 0x581},       {7, 0x8000000d}, {8, 0x80000000},  {9, 0x28c91},
            {10, 0x5a0},   {11, 0x80000003}, {12, 0x20480},   {13, 0xd80},      {14, 0x80000001},
            {15, 0x2389f}, {16, 0x23091},    {17, 0xd8d},     {18, 0x8000000a}, {24, 0x4178},
            {96, 0x18d62}, {130, 0x68e2},    {131, 0x3ce3},   {144, 0xf0}};
static const char pool[] = "\0 \0"
                           "1\0Q\0bc\0ok\0\xc3\xa9";

typedef struct blob {
    uint8_t bytes[HEAD + UNITS * sizeof(uint32_t) + sizeof(pool)];
} blob;

static void put_u32(uint8_t *to, uint32_t number)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(number >> 8 * i);
}

static void make_blob(blob *out)
{
    *out = (blob){0};
    put_u32(out->bytes, UNITS * sizeof(uint32_t));
    for (size_t i = 0; i < FT_COUNT_OF(used); i++)
        put_u32(out->bytes + HEAD + used[i].at * sizeof(uint32_t), used[i].unit);
    memcpy(out->bytes + HEAD + UNITS * sizeof(uint32_t), pool, sizeof(pool));
}

static const ft_charsmap *make_map(ft_arena *arena)
{
    ft_error err = FT_ERROR_INIT;
    const ft_charsmap *map;
    blob whole;

    make_blob(&whole);
    check_ok(ft_charsmap_parse((ft_slice){(const char *)whole.bytes, sizeof(whole.bytes)}, "m.json",
                               "the map", arena, &map, &err),
             &err);
    return map;
}

TEST(precompiled_maps_cluster_by_cluster)
{
    ft_arena *arena = ft_arena_create();
    ft_normalize_step step = {.kind = FT_NORMALIZE_PRECOMPILED, .charsmap = make_map(arena)};
    const row rows[] = {
        {"longer", step,
         T("a\xe2\x91\xa0"
           "b"),
         T("bc"
           "1b"),
         "0-1 0-1 1-4 4-5"},
        {"lost at the start", step, T("xa"), T("bc"), "0-1 0-1"},
        {"lost behind", step, T("e\xcc\x81x\r\n\xe3\x80\x80"), T("\xc3\xa9\r\n "),
         "0-1 4-5 5-6 6-9"},
        {"lost behind one more", step, T("ax\xe2\x91\xa0x"), T("bc1"), "0-1 1-2 2-5"},
        {"cluster of 8 bytes", step, T("\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd a\xcc\x81"),
         T("ok\xf0\x9f\x8f\xbd bc"), "0-4 0-4 4-8 8-9 9-10 10-12"},
        {"shortest rule takes the cluster", step, T("e\xcc\x81\xcc\xa7"), T("\xc3\xa9"), "0-1"},
    };

    check_rows(rows, FT_COUNT_OF(rows));
    ft_arena_destroy(arena);
}

// Starts of each byte's span and the end of the last one, as SentencePiece tells them.
static void check_pieces(ft_normalize_step step, ft_slice text, ft_slice want, const char *starts)
{
    pair plain = {0}, aligned = {.text.has_spans = true, .spare.has_spans = true};
    char got[256] = "";
    size_t size = 0;

    normalize(&plain, &step, 1, text, 0);
    normalize(&aligned, &step, 1, text, 0);
    check_true(ft_slice_equal(bytes_of(&plain), want));
    check_true(ft_slice_equal(bytes_of(&aligned), want));
    for (size_t i = 0; i < aligned.text.size; i++) {
        ft_span span = ft_aligned_span(&aligned.text, i);
        bool is_last = i + 1 == aligned.text.size;
        size += (size_t)snprintf(got + size, sizeof(got) - size, "%u ", span.start);
        check_true(is_last || span.end == ft_aligned_span(&aligned.text, i + 1).start);
        if (is_last)
            size += (size_t)snprintf(got + size, sizeof(got) - size, "%u", span.end);
        check_true(size < sizeof(got));
    }
    check_text_eq(got, starts);
    finish(&plain);
    finish(&aligned);
}

TEST(sentencepiece_normalizes_by_its_own_rules)
{
    static const char text[] = "  ab \xe3\x80\x80 a\xe2\x91\xa0x  ";
    ft_arena *arena = ft_arena_create();
    ft_error err = FT_ERROR_INIT;
    ft_normalize_step step = {.kind = FT_NORMALIZE_SENTENCEPIECE,
                              .sentencepiece = {.charsmap = make_map(arena)}};

    check_pieces(step, FT_SLICE("   "), FT_SLICE("   "), "0 1 2 3");
    check_pieces(step, ft_slice_of(text), FT_SLICE("  Q   bc1  "), "0 1 2 4 5 8 9 9 10 14 15 16");
    step.sentencepiece.add_dummy_prefix = step.sentencepiece.remove_extra_whitespaces = true;
    check_pieces(step, ft_slice_of(text), FT_SLICE(" Q bc1"), "2 2 4 9 9 10 14");
    check_pieces(step, FT_SLICE("   "), FT_SLICE(""), "");
    step.sentencepiece.escape_whitespaces = true;
    check_pieces(step, ft_slice_of(text),
                 FT_SLICE("\xe2\x96\x81Q\xe2\x96\x81"
                          "bc1"),
                 "2 2 2 2 4 4 4 9 9 10 14");
    // A model with treat_whitespace_as_suffix and the user-defined pieces <u>, "  x" and é; its
    // rules are nmt_nfkc, of which this text needs none.
    static const char *const pieces[] = {"  x", "<u>", "\xc3\xa9"};
    ft_trie_key keys[FT_COUNT_OF(pieces)];
    ft_trie trie;
    for (size_t i = 0; i < FT_COUNT_OF(pieces); i++)
        keys[i] = ft_trie_make_key(ft_slice_of(pieces[i]), (int32_t)i);
    check_ok(ft_trie_build(keys, FT_COUNT_OF(keys), arena, &trie, &err), &err);
    step.sentencepiece.treat_whitespace_as_suffix = true;
    step.sentencepiece.charsmap = NULL;
    step.sentencepiece.user_defined = &trie;
    check_pieces(
        step, FT_SLICE("  hello <u>  x  \xc3\xa9 "),
        FT_SLICE("hello\xe2\x96\x81<u>\xe2\x96\x81\xe2\x96\x81x\xe2\x96\x81\xc3\xa9\xe2\x96\x81"),
        "2 3 4 5 6 7 7 7 8 8 8 11 11 11 11 11 11 11 14 14 14 16 16 18 18 18 18");
    // Nothing is left but the suffix, which stands where the first sign was taken away.
    check_pieces(step, FT_SLICE(" \xe2\x96\x81 "), FT_SLICE("\xe2\x96\x81"), "1 1 1 1");
    ft_arena_destroy(arena);
}

static void check_refused(const blob *whole, size_t size, const char *why)
{
    ft_error err = FT_ERROR_INIT;
    ft_arena *arena = ft_arena_create();
    const ft_charsmap *map;

    check_fails(ft_charsmap_parse((ft_slice){(const char *)whole->bytes, size}, "m.json", "the map",
                                  arena, &map, &err),
                &err, FT_ERROR_DATA);
    check_contains(err.message, "`m.json`, at `the map`: ");
    check_contains(err.message, why);
    ft_arena_destroy(arena);
}

TEST(charsmap_says_what_is_wrong_with_it)
{
    static const struct {
        size_t at;
        uint32_t number;
        const char *why;
    } faults[] = {
        {0, UNITS * 4 + 4, "not of whole blocks"},
        {0, 0, "not of whole blocks"},
        {0, UINT32_MAX, "a trie of 4294967295 bytes where"},
        {HEAD, UINT32_C(1) << 31, "the root of its trie is a value"},
        {HEAD + 4 * 96, 0x7fffff62, "unit 96 of its trie leads to unit"},
        {HEAD + 4 * 2, 7, "has no value at unit 2"},
        {HEAD + 4 * 2, 0x80000000 | (sizeof(pool) + 1), "names the text at byte"},
        {HEAD + 4 * 18, 0x8000000e, "names the text at byte 14"},  // Inside of a character.
        {HEAD + 4 * UNITS, 0xff, "byte 0 of its texts is not UTF-8"},
    };
    blob whole;

    make_blob(&whole);
    check_refused(&whole, 3, "the size of its trie is cut off");
    check_refused(&whole, 100, "a trie of 1024 bytes where 96 are left");
    for (size_t i = 0; i < FT_COUNT_OF(faults); i++) {
        make_blob(&whole);
        put_u32(whole.bytes + faults[i].at, faults[i].number);
        check_refused(&whole, sizeof(whole.bytes), faults[i].why);
    }
}

TEST(charsmap_base64_says_what_is_wrong_with_it)
{
    static const struct {
        const char *text, *why;
    } faults[] = {{"AAAA=", "cut off at letter 5 of 5"},
                  {"AA*A", "no base64 at letter 2 of 4"},
                  {"A=AA", "no base64 at letter 1 of 4"},
                  {"", "0 bytes"},
                  {"AAAAAA==", "a trie of 0 bytes"}};
    ft_arena *arena = ft_arena_create();
    const ft_charsmap *map;

    for (size_t i = 0; i < FT_COUNT_OF(faults); i++) {
        ft_error err = FT_ERROR_INIT;
        check_fails(ft_charsmap_parse_base64(ft_slice_of(faults[i].text), "m.json", "the map",
                                             arena, &map, &err),
                    &err, FT_ERROR_DATA);
        check_contains(err.message, faults[i].why);
    }
    ft_arena_destroy(arena);
}

TEST(charsmap_takes_no_half_of_a_character)
{
    // Unit 5 is the second byte of U+2460: its label leads on to the third; now it ends a rule too.
    ft_arena *arena = ft_arena_create();
    ft_error err = FT_ERROR_INIT;
    const ft_charsmap *map;
    ft_slice becomes;
    blob whole;

    make_blob(&whole);
    for (size_t i = 0; i < FT_COUNT_OF(used); i++) {
        if ((used[i].unit & 0x800000ff) == 0x91)
            put_u32(whole.bytes + HEAD + used[i].at * sizeof(uint32_t), used[i].unit | 0x100);
    }
    for (size_t i = 0; i < FT_COUNT_OF(used); i++) {
        uint32_t unit = used[i].unit, at = used[i].at;
        if ((unit & 0x800000ff) == 0x91)
            put_u32(whole.bytes + HEAD + (at ^ unit >> 10) * sizeof(uint32_t), 0x80000005);
    }
    check_ok(ft_charsmap_parse((ft_slice){(const char *)whole.bytes, sizeof(whole.bytes)}, "m", "p",
                               arena, &map, &err),
             &err);
    check_int_eq(ft_charsmap_shortest(map, (const uint8_t *)"\xe2\x91\xa0", 3, &becomes), 2);
    check_int_eq(ft_charsmap_longest(map, (const uint8_t *)"\xe2\x91\xa1", 3, &becomes), 0);
    ft_arena_destroy(arena);
}

// FT_CHARSMAPS=n: how many; a sanitizer watches.
TEST(charsmap_mutated_is_refused_or_harmless)
{
    const char *wish = getenv("FT_CHARSMAPS");
    long rounds = wish ? atol(wish) : 20000;
    ft_random random;
    size_t read = 0;

    ft_random_init(&random, 5, 0);
    for (long round = 0; round < rounds; round++) {
        ft_error err = FT_ERROR_INIT;
        ft_arena *arena = ft_arena_create();
        ft_normalize_step step = {.kind = round % 2 ? FT_NORMALIZE_PRECOMPILED
                                                    : FT_NORMALIZE_SENTENCEPIECE};
        const ft_charsmap *map;
        pair one = {.text.has_spans = round % 3 == 0, .spare.has_spans = round % 3 == 0};
        blob whole;
        make_blob(&whole);
        size_t last = round % 5 ? sizeof(whole.bytes) - 1 : HEAD + 400;
        for (int64_t i = ft_random_between(&random, 1, 3); i > 0; i--)
            whole.bytes[ft_random_between(&random, 0, (int64_t)last)] =
                (uint8_t)ft_random_next(&random);
        if (ft_charsmap_parse((ft_slice){(const char *)whole.bytes, sizeof(whole.bytes)}, "m", "p",
                              arena, &map, &err)) {
            read++;
            if (round % 2)
                step.charsmap = map;
            else
                step.sentencepiece.charsmap = map;
            normalize(&one, &step, 1,
                      FT_SLICE("xab e\xcc\x81\xcc\xa7 \xe2\x91\xa0\xe3\x80\x80\xf0\x9f\x91\x8dx"),
                      0);
            check_int_eq(ft_utf8_valid_prefix(bytes_of(&one)), one.text.size);
        }
        finish(&one);
        ft_arena_destroy(arena);
    }
    check_true(read > (size_t)rounds / 100 && read < (size_t)rounds);
}

TEST(byte_letters_go_both_ways)
{
    uint8_t bytes[256], letters[512];
    size_t at = 0, count = 0;

    for (unsigned i = 0; i < 256; i++)
        bytes[i] = (uint8_t)i;
    size_t size = ft_byte_letters_put(bytes, sizeof(bytes), letters);
    while (at < size) {
        uint32_t letter = ft_unicode_next(letters, &at);
        check_int_eq(letter, ft_byte_letter_of((uint8_t)count));
        check_int_eq(ft_byte_of_letter(letter), count++);
    }
    check_int_eq(count, sizeof(bytes));
    // Printable letters are their own; GPT-2 has the space as U+0120 and the end of line as U+010A.
    check_int_eq(ft_byte_letter_of('a'), 'a');
    check_int_eq(ft_byte_letter_of(' '), 0x120);
    check_int_eq(ft_byte_letter_of('\n'), 0x10a);
    for (uint32_t c = 0; c < 0x400; c++)
        count -= ft_byte_of_letter(c) >= 0;
    check_int_eq(count, 0);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
