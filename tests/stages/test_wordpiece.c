// WordPiece ids: reference vectors, truncation, special tokens, borders of chunks and caches, all
// instruction sets alike.
#include <stdio.h>
#include <string.h>

#include "runtime/data/json.h"
#include "runtime/memory/alloc.h"
#include "runtime/random.h"
#include "runtime/system/file.h"
#include "stages/nn/kernel/isa.h"
#include "stages/text/ascii_scan.h"
#include "stages/text/split_words.h"
#include "stages/text/tokenizer.h"
#include "tests/check.h"

static const char *data_path(ft_arena *arena, const char *name)
{
    const char *data = check_data_folder();

    if (!data) {
        ft_arena_destroy(arena);  // Its test does not come back.
        check_skip("no test data");
    }
    return ft_path_join(arena, data, name);
}

static const ft_tokenizer *load(ft_arena *arena, const char *name)
{
    ft_error err = FT_ERROR_INIT;
    const ft_tokenizer *tokenizer;

    check_ok(ft_tokenizer_load(data_path(arena, name), arena, &tokenizer, &err), &err);
    return tokenizer;
}

static ft_token_coder *make_coder(const ft_tokenizer *tokenizer, ft_token_settings settings)
{
    ft_error err = FT_ERROR_INIT;
    ft_token_coder *coder = ft_token_coder_create(tokenizer, settings, NULL, &err);

    check_ok(coder != NULL, &err);
    return coder;
}

// Ids of one text; the caller finishes them.
static ft_ids encode(ft_token_coder *coder, ft_slice text)
{
    ft_error err = FT_ERROR_INIT;
    ft_ids ids = {0};
    bool was_cut;

    check_ok(ft_token_coder_add(coder, text, &ids, &was_cut, &err), &err);
    return ids;
}

static void check_ids(ft_token_coder *coder, ft_slice text, const ft_json_node *want)
{
    ft_ids ids = encode(coder, text);

    check_true(want != NULL);
    for (size_t i = 0; i < want->count; i++) {
        int64_t id;
        check_true(ft_json_get_int(&want->children[i], &id));
        if (i >= ids.count || ft_ids_data(&ids)[i] != id)
            fprintf(stderr, "<%.*s> token %zu\n", (int)text.size, text.data, i);
        check_true(i < ids.count);
        check_int_eq(ft_ids_data(&ids)[i], id);
    }
    check_int_eq(ids.count, want->count);
    ft_ids_finish(&ids);
}

static ft_slice text_of(const ft_json_node *row, const char *key)
{
    const ft_json_node *node = ft_json_find(row, key);

    check_true(node && node->kind == FT_JSON_STRING);
    return node->text;
}

static const ft_json_node *parse(ft_slice text, ft_arena *arena)
{
    ft_error err = FT_ERROR_INIT;
    ft_json_node *node;

    check_ok(ft_json_parse(text, arena, &node, &err), &err);
    return node;
}

static ft_slice read_file(ft_arena *arena, const char *name)
{
    ft_error err = FT_ERROR_INIT;
    ft_slice text;

    check_ok(ft_file_read(data_path(arena, name), arena, (size_t)1 << 28, &text, &err), &err);
    return text;
}

// Every line of a file of vectors: `ids` without special tokens, `with` (if not NULL) with them.
static size_t check_lines(const ft_tokenizer *tokenizer, ft_slice lines, const char *text,
                          const char *ids, const char *with, ft_arena *arena)
{
    ft_token_coder *plain =
        make_coder(tokenizer, (ft_token_settings){.truncation = FT_TRUNCATE_NONE});
    ft_token_coder *special = make_coder(
        tokenizer, (ft_token_settings){.truncation = FT_TRUNCATE_NONE, .add_special = true});
    size_t count = 0;
    ft_slice line;

    while (ft_slice_cut(&lines, '\n', &line)) {
        if (line.size == 0)
            continue;
        const ft_json_node *row = parse(line, arena), *want = ft_json_find(row, ids);
        if (want && want->kind == FT_JSON_OBJECT)
            want = ft_json_find(want, "bert-base-uncased");
        check_ids(plain, text_of(row, text), want);
        if (with)
            check_ids(special, text_of(row, text), ft_json_find(row, with));
        count++;
    }
    ft_token_coder_destroy(plain);
    ft_token_coder_destroy(special);
    return count;
}

static const char *const same_vocabulary[] = {
    "tokenizers/bert-base-uncased",
    "models/all-MiniLM-L6-v2",
    "models/all-MiniLM-L6-v2/vocab.txt",
};

TEST(wordpiece_reference_vectors)
{
    ft_arena *arena = ft_arena_create();

    for (size_t i = 0; i < FT_COUNT_OF(same_vocabulary); i++) {
        const ft_tokenizer *tokenizer = load(arena, same_vocabulary[i]);
        ft_slice lines = read_file(arena, "vectors/tokenizers/bert-base-uncased.jsonl");
        check_int_eq(check_lines(tokenizer, lines, "text", "ids", "ids_special", arena), 322);
        lines = read_file(arena, "vectors/third_party/llama.cpp/bert-bge.jsonl");
        check_int_eq(check_lines(tokenizer, lines, "text", "ids", NULL, arena), 47);
        lines = read_file(arena, "vectors/invalid_utf8.jsonl");
        check_int_eq(check_lines(tokenizer, lines, "replaced_text", "ids", NULL, arena), 15);
    }
    ft_arena_destroy(arena);
}

TEST(wordpiece_swift_vectors)
{
    ft_arena *arena = ft_arena_create();
    ft_token_coder *coder =
        make_coder(load(arena, same_vocabulary[0]),
                   (ft_token_settings){.truncation = FT_TRUNCATE_NONE, .add_special = true});
    const char *folder = "vectors/third_party/swift-transformers/";

    const char *name = ft_arena_format(arena, "%sbert_uncased_encoded.json", folder);
    const ft_json_node *one = parse(read_file(arena, name), arena);
    check_ids(coder, text_of(one, "text"), ft_json_find(one, "token_ids"));
    name = ft_arena_format(arena, "%stokenizer_tests.json", folder);
    const ft_json_node *cases =
        ft_json_find(parse(read_file(arena, name), arena), "bert-base-uncased");
    check_true(cases && cases->count == 18);
    for (size_t i = 0; i < cases->count; i++) {
        const ft_json_node *encoded = ft_json_find(&cases->children[i], "encoded");
        check_ids(coder, text_of(&cases->children[i], "input"), ft_json_find(encoded, "input_ids"));
    }
    ft_token_coder_destroy(coder);
    ft_arena_destroy(arena);
}

// Texts joined by spaces give the ids of their parts, whatever chunk a word falls into.
TEST(wordpiece_long_texts_are_their_parts)
{
    ft_arena *arena = ft_arena_create();
    const ft_tokenizer *tokenizer = load(arena, same_vocabulary[0]);
    ft_token_coder *coder =
        make_coder(tokenizer, (ft_token_settings){.truncation = FT_TRUNCATE_NONE});
    ft_slice lines = read_file(arena, "vectors/tokenizers/bert-base-uncased.jsonl"), line;
    ft_ids want = {0};
    ft_text all;
    ft_error err = FT_ERROR_INIT;
    bool was_cut;

    ft_text_init(&all, (size_t)1 << 28);
    while (ft_slice_cut(&lines, '\n', &line)) {
        if (line.size == 0)
            continue;
        ft_slice text = text_of(parse(line, arena), "text");
        ft_text_append(&all, text);
        ft_text_append_char(&all, ' ');
        check_ok(ft_token_coder_add(coder, text, &want, &was_cut, &err), &err);
    }
    // Shifted, so that other words meet the borders.
    for (size_t shift = 0; shift < 40; shift++) {
        ft_text moved;
        ft_text_init(&moved, (size_t)1 << 28);
        for (size_t i = 0; i < shift * 7; i++)
            ft_text_append_char(&moved, ' ');
        ft_text_append(&moved, ft_text_get(&all));
        ft_ids ids = encode(coder, ft_text_get(&moved));
        check_int_eq(ids.count, want.count);
        check_true(memcmp(ft_ids_data(&ids), ft_ids_data(&want), want.count * sizeof(int32_t)) ==
                   0);
        ft_ids_finish(&ids);
        ft_text_finish(&moved);
    }
    ft_text_finish(&all);
    ft_ids_finish(&want);
    ft_token_coder_destroy(coder);
    ft_arena_destroy(arena);
}

// By hand: a word of more than 100 characters is one [UNK] (100), be it as long as it may.
TEST(wordpiece_word_lengths)
{
    ft_arena *arena = ft_arena_create();
    ft_token_coder *coder = make_coder(load(arena, same_vocabulary[0]),
                                       (ft_token_settings){.truncation = FT_TRUNCATE_NONE});
    static const size_t lengths[] = {101, 127, 128, 8191, 8192, 8193, 16384, 100000, 1000000};

    for (size_t i = 0; i < FT_COUNT_OF(lengths); i++) {
        for (int wide = 0; wide < 2; wide++) {
            ft_text text;
            ft_text_init(&text, (size_t)1 << 24);
            ft_text_append_string(&text, "the ");
            for (size_t j = 0; j < lengths[i]; j++)
                ft_text_append_string(&text, wide ? "ж" : "a");
            ft_text_append_string(&text, " cat");
            ft_ids ids = encode(coder, ft_text_get(&text));
            check_int_eq(ids.count, 3);
            check_int_eq(ft_ids_data(&ids)[0], 1996);
            check_int_eq(ft_ids_data(&ids)[1], 100);
            check_int_eq(ft_ids_data(&ids)[2], 4937);
            ft_ids_finish(&ids);
            ft_text_finish(&text);
        }
    }
    ft_token_coder_destroy(coder);
    ft_arena_destroy(arena);
}

static void check_cut(const ft_tokenizer *tokenizer, ft_token_settings settings, const char *text,
                      const char *want, bool want_cut)
{
    ft_token_coder *coder = make_coder(tokenizer, settings);
    ft_error err = FT_ERROR_INIT;
    ft_ids ids = {0};
    bool was_cut;
    ft_text shown;

    check_ok(ft_token_coder_add(coder, ft_slice_of(text), &ids, &was_cut, &err), &err);
    ft_text_init(&shown, 4096);
    for (size_t i = 0; i < ids.count; i++)
        ft_text_format(&shown, i ? " %d" : "%d", ft_ids_data(&ids)[i]);
    check_slice_eq(ft_text_get(&shown), want);
    check_true(was_cut == want_cut);
    ft_text_finish(&shown);
    ft_ids_finish(&ids);
    ft_token_coder_destroy(coder);
}

TEST(wordpiece_truncation)
{
    ft_arena *arena = ft_arena_create();
    const ft_tokenizer *tokenizer = load(arena, "models/all-MiniLM-L6-v2");
    ft_token_settings five = {.max_length = 5, .add_special = true};
    ft_token_settings left = {.max_length = 5, .add_special = true, .truncation = FT_TRUNCATE_LEFT};
    ft_token_settings two = {.max_length = 2, .add_special = true};
    ft_token_settings bare = {.max_length = 2};

    check_int_eq(ft_tokenizer_get_info(tokenizer)->max_length, 256);
    check_int_eq(ft_tokenizer_get_info(tokenizer)->special_count, 2);
    check_cut(tokenizer, five, "hello world how", "101 7592 2088 2129 102", false);
    check_cut(tokenizer, five, "hello world how are", "101 7592 2088 2129 102", true);
    check_cut(tokenizer, left, "hello world how are", "101 2088 2129 2024 102", true);
    check_cut(tokenizer, two, "hello", "101 102", true);
    check_cut(tokenizer, two, "", "101 102", false);
    check_cut(tokenizer, bare, "hello world how", "7592 2088", true);
    ft_arena_destroy(arena);
}

TEST(wordpiece_refusals)
{
    ft_arena *arena = ft_arena_create();
    const ft_tokenizer *tokenizer = load(arena, same_vocabulary[0]);
    ft_token_settings settings = {.max_length = 1, .add_special = true};
    ft_error err = FT_ERROR_INIT, later = FT_ERROR_INIT, longer = FT_ERROR_INIT;
    ft_ids ids = {0};
    bool was_cut;

    check_fails(ft_token_coder_create(tokenizer, settings, NULL, &err) != NULL, &err,
                FT_ERROR_USAGE);
    settings = (ft_token_settings){.max_length = 4, .special_tokens = FT_SPECIAL_ERROR};
    ft_token_coder *coder = make_coder(tokenizer, settings);
    check_fails(ft_token_coder_add(coder, FT_SLICE("a b c d e f [SEP]"), &ids, &was_cut, &later),
                &later, FT_ERROR_DATA);
    check_contains(later.message, "[SEP]");
    check_int_eq(ids.count, 0);
    ft_token_coder_destroy(coder);
    settings = (ft_token_settings){.max_length = 4, .truncation = FT_TRUNCATE_ERROR};
    coder = make_coder(tokenizer, settings);
    check_fails(ft_token_coder_add(coder, FT_SLICE("a b c d e"), &ids, &was_cut, &longer), &longer,
                FT_ERROR_DATA);
    check_contains(longer.message, "more than 4 tokens");
    ft_ids_finish(&ids);
    ft_token_coder_destroy(coder);
    check_cut(tokenizer, (ft_token_settings){.special_tokens = FT_SPECIAL_TEXT}, "[SEP]",
              "1031 19802 1033", false);
    ft_arena_destroy(arena);
}

// What a coder holds is charged, and given back.
TEST(wordpiece_memory_is_charged)
{
    ft_arena *arena = ft_arena_create();
    const ft_tokenizer *tokenizer = load(arena, same_vocabulary[0]);
    ft_error err = FT_ERROR_INIT;
    ft_account account;
    bool was_cut;

    ft_account_init(&account, INT64_C(64) << 20);
    ft_token_coder *coder =
        ft_token_coder_create(tokenizer, (ft_token_settings){.add_special = true}, &account, &err);
    check_ok(coder != NULL, &err);
    check_true(ft_account_used_bytes(&account) <= INT64_C(5) << 20);
    ft_ids ids = {.account = &account};
    check_ok(ft_token_coder_add(coder, FT_SLICE("hello"), &ids, &was_cut, &err), &err);
    ft_ids_finish(&ids);
    ft_token_coder_destroy(coder);
    check_int_eq(ft_account_used_bytes(&account), 0);
    ft_arena_destroy(arena);
}

// `count` words, one in four of them longer than 16 bytes, in an order that comes back to old ones.
static void many_words(ft_text *out, int count)
{
    ft_text_init(out, (size_t)1 << 28);
    for (int i = 0; i < count; i++)
        ft_text_format(out, i % 4 ? "w%d " : "wonderfulwords%d ",
                       (int)((i * INT64_C(7919)) % count));
    for (int i = 0; i < count; i++)
        ft_text_format(out, i % 4 ? "w%d " : "wonderfulwords%d ", i);
}

// The same words through a cache that grows, one that is too small for them, and one that wants to
// grow and gets no memory.
TEST(wordpiece_caches_of_all_sizes_agree)
{
    enum { WORDS = 60000 };
    const int64_t limits[] = {INT64_C(4) << 30, INT64_C(16) << 20, INT64_C(32) << 20};
    ft_arena *arena = ft_arena_create();
    const ft_tokenizer *tokenizer = load(arena, same_vocabulary[0]);
    ft_ids all[FT_COUNT_OF(limits)] = {{0}};
    int64_t grown[FT_COUNT_OF(limits)];
    ft_text words;

    many_words(&words, WORDS);
    for (size_t i = 0; i < FT_COUNT_OF(limits); i++) {
        ft_error err = FT_ERROR_INIT;
        ft_account account;
        bool was_cut;
        ft_account_init(&account, limits[i]);
        ft_token_coder *coder =
            ft_token_coder_create(tokenizer, (ft_token_settings){0}, &account, &err);
        check_ok(coder != NULL, &err);
        int64_t before = ft_account_used_bytes(&account);
        check_true(before < 256 << 10);
        // What is left is less than the next size of the cache.
        int64_t taken = i == 2 ? limits[i] - before - (100 << 10) : 0;
        check_ok(ft_account_charge(&account, taken, &err), &err);
        check_ok(ft_token_coder_add(coder, ft_text_get(&words), &all[i], &was_cut, &err), &err);
        ft_account_release(&account, taken);
        grown[i] = ft_account_used_bytes(&account) - before;
        ft_token_coder_destroy(coder);
        check_int_eq(ft_account_used_bytes(&account), 0);
        check_int_eq(all[i].count, all[0].count);
        check_true(memcmp(ft_ids_data(&all[i]), ft_ids_data(&all[0]),
                          all[0].count * sizeof(int32_t)) == 0);
    }
    check_true(grown[0] > 3 << 20);
    check_true(grown[1] < 512 << 10);
    check_true(grown[2] < 128 << 10);
    for (size_t i = 0; i < FT_COUNT_OF(limits); i++)
        ft_ids_finish(&all[i]);
    ft_text_finish(&words);
    ft_arena_destroy(arena);
}

enum { SCAN_BYTES = 700 };

typedef struct scanned {
    uint8_t bytes[SCAN_BYTES + 64];
    uint64_t word[SCAN_BYTES / 64 + 3], single[SCAN_BYTES / 64 + 3];
    ft_marked_text text;
    size_t taken;
} scanned;

static void scan(ft_ascii_scan *how, const uint8_t *in, size_t size, size_t at, bool lowercase,
                 scanned *out)
{
    memset(out, 0, sizeof(*out));
    out->text = (ft_marked_text){.bytes = out->bytes, .word = out->word, .single = out->single};
    out->text.capacity = SCAN_BYTES;
    for (size_t i = 0; i < at; i++)
        ft_marked_put(&out->text, i & 1, 0, 1);
    out->taken = how(&out->text, in, size, lowercase);
    // What stands behind the end is anything.
    memset(out->bytes + out->text.at, 0, sizeof(out->bytes) - out->text.at);
    out->word[out->text.at / 64 + 1] = out->single[out->text.at / 64 + 1] = 0;
}

TEST(wordpiece_scanners_agree)
{
    ft_random random;
    static scanned plain, other;
    uint8_t in[600];

    ft_random_init(&random, 5, 1);
    for (int round = 0; round < 20000; round++) {
        size_t size = (size_t)ft_random_between(&random, 0, sizeof(in));
        int64_t odd = ft_random_between(&random, 0, 3);
        for (size_t i = 0; i < size; i++) {
            bool any = odd > 0 && ft_random_between(&random, 0, 200 * odd) == 0;
            in[i] = (uint8_t)(any ? ft_random_between(&random, 0, 255)
                                  : ft_random_between(&random, ' ', '~'));
        }
        size_t at = (size_t)ft_random_between(&random, 0, 130);
        bool lowercase = round & 1;
        scan(ft_ascii_scan_plain, in, size, at, lowercase, &plain);
#if defined(__x86_64__)
        if (ft_isa_has(FT_ISA_AVX2)) {
            scan(ft_ascii_scan_avx2, in, size, at, lowercase, &other);
            check_int_eq(other.taken, plain.taken);
            check_true(memcmp(other.bytes, plain.bytes, sizeof(plain.bytes)) == 0);
            check_true(memcmp(other.word, plain.word, 8 * (plain.text.at / 64 + 1)) == 0);
            check_true(memcmp(other.single, plain.single, 8 * (plain.text.at / 64 + 1)) == 0);
        }
        if (ft_isa_has(FT_ISA_AVX512)) {
            scan(ft_ascii_scan_avx512, in, size, at, lowercase, &other);
            check_int_eq(other.taken, plain.taken);
            check_true(memcmp(other.bytes, plain.bytes, sizeof(plain.bytes)) == 0);
            check_true(memcmp(other.word, plain.word, 8 * (plain.text.at / 64 + 1)) == 0);
            check_true(memcmp(other.single, plain.single, 8 * (plain.text.at / 64 + 1)) == 0);
        }
#endif
    }
}

static void split(ft_split_ascii *how, ft_word_sink *sink, const uint8_t *in, size_t size,
                  bool *out_ascii)
{
    sink->size = sink->count = 0;
    *out_ascii = how(sink, in, size);
}

TEST(words_splitters_agree)
{
    ft_random random;
    static uint8_t one_bytes[1024], two_bytes[1024];
    static int32_t one_ends[1024], two_ends[1024];
    uint8_t in[400];
    ft_word_sink one = {.bytes = one_bytes, .ends = one_ends},
                 two = {.bytes = two_bytes, .ends = two_ends};
    ft_split_ascii *const others[] = {ft_split_ascii_choose(),
#if defined(__x86_64__)
                                      ft_isa_has(FT_ISA_AVX2) ? ft_split_ascii_avx2
                                                              : ft_split_ascii_plain
#endif
    };

    ft_random_init(&random, 6, 1);
    for (int round = 0; round < 20000; round++) {
        size_t size = (size_t)ft_random_between(&random, 0, sizeof(in));
        for (size_t i = 0; i < size; i++) {
            static const char often[] = "  .,AZaz@[`{";
            int64_t pick = ft_random_between(&random, 0, 31);
            in[i] = (uint8_t)(pick < 12 ? often[pick]
                                        : ft_random_between(&random, round % 50 ? 0 : 64,
                                                            round % 50 ? 127 : 129));
        }
        bool ascii, same;
        split(ft_split_ascii_plain, &one, in, size, &ascii);
        for (size_t i = 0; i < FT_COUNT_OF(others); i++) {
            split(others[i], &two, in, size, &same);
            check_true(ascii == same);
            if (!ascii)
                continue;
            check_int_eq(two.size, one.size);
            check_int_eq(two.count, one.count);
            check_true(memcmp(one_bytes, two_bytes, one.size) == 0);
            check_true(memcmp(one_ends, two_ends, one.count * sizeof(int32_t)) == 0);
        }
        if (ascii) {
            two.size = two.count = 0;
            ft_split_unicode(&two, (ft_slice){(const char *)in, size});
            check_int_eq(two.count, one.count);
            check_int_eq(ft_split_words_count((ft_slice){(const char *)in, size}, &(size_t){0}),
                         one.count);
            check_true(two.size == one.size && memcmp(one_bytes, two_bytes, one.size) == 0);
        }
    }
}

TEST(words_are_counted)
{
    static char text[20003];
    size_t bytes;

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = i % 5 ? ' ' : (char)0xc3;
    check_int_eq(ft_split_words_count((ft_slice){text, sizeof(text)}, &bytes),
                 1 + sizeof(text) - 4001);
    check_int_eq(bytes, sizeof(text) + 2000);
    check_int_eq(ft_split_words_count((ft_slice){text, 0}, &bytes), 1);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
