// Small SentencePiece and tiktoken files, written here: what sentencepiece 0.2.3 and tiktoken
// 0.14.0 make of the same bytes is wanted (tests/fuzz_tokenizers.py compares large ones).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stages/text/decode.h"
#include "stages/text/tokenizer.h"
#include "tests/check.h"

// ---- files ----

typedef struct bytes {
    uint8_t data[8192];
    size_t size;
} bytes;

static void put(bytes *to, const void *data, size_t size)
{
    FT_ASSERT(size <= sizeof(to->data) - to->size);
    memcpy(to->data + to->size, data, size);
    to->size += size;
}

static void put_varint(bytes *to, uint64_t number)
{
    for (; number >= 0x80; number >>= 7)
        put(to, &(uint8_t){(uint8_t)(number | 0x80)}, 1);
    put(to, &(uint8_t){(uint8_t)number}, 1);
}

static void put_number(bytes *to, unsigned field, uint64_t number)
{
    put_varint(to, field << 3);
    put_varint(to, number);
}

static void put_field(bytes *to, unsigned field, const void *data, size_t size)
{
    put_varint(to, field << 3 | 2);
    put_varint(to, size);
    put(to, data, size);
}

enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE };

static void put_piece(bytes *to, const char *text, float score, unsigned type)
{
    bytes piece = {.size = 0};

    put_field(&piece, 1, text, strlen(text));
    put_varint(&piece, 2 << 3 | 5);
    put(&piece, &score, sizeof(score));
    put_number(&piece, 3, type);
    put_field(to, 1, piece.data, piece.size);
}

// A BPE model of the pieces before.
static void put_settings(bytes *to, bool dummy_prefix, bool remove_spaces, bool byte_fallback,
                         const char *unknown)
{
    bytes trainer = {.size = 0}, normalizer = {.size = 0};

    put_number(&trainer, 3, 2);
    put_number(&trainer, 35, byte_fallback);
    if (unknown)
        put_field(&trainer, 44, unknown, strlen(unknown));
    put_number(&normalizer, 3, dummy_prefix);
    put_number(&normalizer, 4, remove_spaces);
    put_number(&normalizer, 5, 1);
    put_field(to, 2, trainer.data, trainer.size);
    put_field(to, 3, normalizer.data, normalizer.size);
}

// Writes the file, loads it, removes it. The folder is for it alone: the name says what it is.
static const ft_tokenizer *load(const char *name, const void *data, size_t size, ft_arena *arena)
{
    char folder[] = "/tmp/ftpipe-test-XXXXXX", path[64];
    const ft_tokenizer *tokenizer;
    ft_error err = FT_ERROR_INIT;

    check_true(mkdtemp(folder) != NULL);
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    check_true(file && fwrite(data, 1, size, file) == size && fclose(file) == 0);
    check_true(ft_tokenizer_load(path, arena, &tokenizer, &err));
    check_int_eq(unlink(path), 0);
    check_int_eq(rmdir(folder), 0);
    return tokenizer;
}

// ---- what is wanted ----

static void check_ids(const ft_tokenizer *tokenizer, ft_special_tokens special, const char *text,
                      const int32_t *wanted, size_t count)
{
    ft_error err = FT_ERROR_INIT;
    ft_ids ids = {0};
    bool was_cut;

    ft_token_coder *coder = ft_token_coder_create(
        tokenizer, (ft_token_settings){.special_tokens = special}, NULL, &err);
    check_true(coder != NULL);
    check_true(ft_token_coder_add(coder, ft_slice_of(text), &ids, &was_cut, &err));
    check_int_eq(ids.count, count);
    for (size_t i = 0; i < count; i++)
        check_int_eq(ft_ids_data(&ids)[i], wanted[i]);
    ft_ids_finish(&ids);
    ft_token_coder_destroy(coder);
}

static void check_decoded(const ft_tokenizer *tokenizer, const int32_t *ids, size_t count,
                          bool skip_special, const char *wanted)
{
    ft_error err = FT_ERROR_INIT;
    ft_decoder decoder = {0};
    ft_slice text;

    check_true(ft_tokenizer_decode(tokenizer, &decoder, ids, count, skip_special, &text, &err));
    check_slice_eq(text, wanted);
    ft_decoder_finish(&decoder);
}

// ---- SentencePiece ----

static void put_small_model(bytes *file)
{
    static const struct {
        const char *text;
        float score;
        unsigned type;
    } pieces[] = {
        {"<unk>", 0, UNKNOWN},   {"<s>", 0, CONTROL},      {"</s>", 0, CONTROL},
        {"ab", 0, USER_DEFINED}, {"▁u▁", 0, USER_DEFINED}, {"▁", -1, NORMAL},
        {"a", -2, NORMAL},       {"b", -3, NORMAL},        {"c", -4, NORMAL},
        {"bc", -5, NORMAL},      {"▁a", -6, NORMAL},       {"u", -7, NORMAL},
        {"ca", -8, NORMAL},      {"▁c", -9, NORMAL},
    };

    for (size_t i = 0; i < FT_COUNT_OF(pieces); i++)
        put_piece(file, pieces[i].text, pieces[i].score, pieces[i].type);
}

TEST(pieces_of_the_user_never_merge)
{
    static const struct {
        const char *text;
        size_t count;
        int32_t ids[8];
    } rows[] = {
        {"abc", 3, {5, 3, 8}},    {"cabc", 3, {13, 3, 8}}, {"aabb", 3, {10, 3, 7}},
        {"c u c", 3, {13, 4, 8}}, {"xab", 3, {5, 0, 3}},   {"b  u  ca", 6, {5, 7, 5, 4, 5, 12}},
    };
    ft_arena *arena = ft_arena_create();
    bytes file = {.size = 0};

    put_small_model(&file);
    put_settings(&file, true, false, false, NULL);
    const ft_tokenizer *tokenizer = load("tokenizer.model", file.data, file.size, arena);
    for (size_t i = 0; i < FT_COUNT_OF(rows); i++)
        check_ids(tokenizer, FT_SPECIAL_TEXT, rows[i].text, rows[i].ids, rows[i].count);
    ft_arena_destroy(arena);
}

// As by sentencepiece 0.2.3: also where they are parts of others, or have parts that are used; a
// single character has no parts and is unknown.
TEST(unused_pieces_are_taken_apart_again)
{
    static const struct {
        const char *text;
        float score;
        unsigned type;
    } pieces[] = {
        {"<unk>", 0, UNKNOWN}, {"<s>", 0, CONTROL},   {"</s>", 0, CONTROL}, {"▁", -1, NORMAL},
        {"a", -2, NORMAL},     {"b", -3, NORMAL},     {"c", -4, NORMAL},    {"d", -5, NORMAL},
        {"ab", -6, UNUSED},    {"bc", -7, NORMAL},    {"cd", -8, UNUSED},   {"abcd", -9, UNUSED},
        {"▁a", -10, UNUSED},   {"da", -10.5, NORMAL}, {"é", -11, UNUSED},   {"bcd", -12, UNUSED},
        {"abc", -5.5, UNUSED},
    };
    static const struct {
        const char *text;
        size_t count;
        int32_t ids[12];
    } rows[] = {
        {"ab", 3, {3, 4, 5}},
        {"abc", 4, {3, 4, 5, 6}},
        {"bcd", 3, {3, 9, 7}},
        {"abcdabcd", 9, {3, 4, 5, 6, 7, 4, 5, 6, 7}},
        {"xé", 2, {3, 0}},
        {"éa", 3, {3, 0, 4}},
        {"dab cd", 7, {3, 7, 4, 5, 3, 6, 7}},
        {"aab abcd bcd", 12, {3, 4, 4, 5, 3, 4, 5, 6, 7, 3, 9, 7}},
        {"", 0, {0}},
    };
    ft_arena *arena = ft_arena_create();
    bytes file = {.size = 0};

    for (size_t i = 0; i < FT_COUNT_OF(pieces); i++)
        put_piece(&file, pieces[i].text, pieces[i].score, pieces[i].type);
    put_settings(&file, true, false, false, NULL);
    const ft_tokenizer *tokenizer = load("tokenizer.model", file.data, file.size, arena);
    for (size_t i = 0; i < FT_COUNT_OF(rows); i++)
        check_ids(tokenizer, FT_SPECIAL_TEXT, rows[i].text, rows[i].ids, rows[i].count);
    ft_arena_destroy(arena);
}

// The three settings that matter for spaces at the start, and what an unknown piece becomes.
TEST(sentencepiece_is_decoded_as_by_itself)
{
    static const struct {
        size_t count;
        int32_t ids[6];
        const char *plain, *removing, *without_prefix;
    } rows[] = {
        {2, {0, 6}, " ⁇ a", " ⁇ a", "??a"},     {3, {5, 0, 8}, " ⁇ c", " ⁇ c", " ??c"},
        {3, {10, 1, 13}, "a c", "a c", " a c"}, {3, {5, 5, 10}, "  a", "a", "   a"},
        {4, {5, 1, 5, 10}, "  a", "a", "   a"}, {3, {4, 5, 6}, "u  a", "u  a", " u  a"},
        {2, {2, 10}, "a", "a", " a"},           {3, {8, 5, 0}, "c  ⁇ ", "c  ⁇ ", "c ??"},
    };
    ft_arena *arena = ft_arena_create();

    for (int setting = 0; setting < 3; setting++) {
        bytes file = {.size = 0};
        put_small_model(&file);
        put_settings(&file, setting < 2, setting == 1, false, setting == 2 ? "??" : NULL);
        const ft_tokenizer *tokenizer = load("tokenizer.model", file.data, file.size, arena);
        for (size_t i = 0; i < FT_COUNT_OF(rows); i++) {
            const char *wanted = setting == 0   ? rows[i].plain
                                 : setting == 1 ? rows[i].removing
                                                : rows[i].without_prefix;
            check_decoded(tokenizer, rows[i].ids, rows[i].count, true, wanted);
        }
        check_decoded(tokenizer, (const int32_t[]){1, 6, 2}, 3, false, "<s>a</s>");
    }
    ft_arena_destroy(arena);
}

// Every byte that is no character is one U+FFFD, and a control piece ends a run of bytes.
TEST(bytes_of_sentencepiece_are_decoded_one_by_one)
{
    static const struct {
        size_t count;
        int32_t ids[8];
        const char *text;
    } rows[] = {
        {3, {0xe2 + 3, 0x96 + 3, 0x81 + 3}, "▁"},
        {3, {0xe2 + 3, 0x96 + 3, 0x41 + 3}, "\ufffd\ufffdA"},
        {2, {0xe2 + 3, 0x96 + 3}, "\ufffd\ufffd"},
        {2, {0xc8 + 3, 0x68 + 3}, "\ufffdh"},
        {4, {0xe2 + 3, 1, 0x96 + 3, 0x81 + 3}, "\ufffd\ufffd\ufffd"},
        {7,
         {0xf0 + 3, 0x9f + 3, 0x98 + 3, 0x80 + 3, 0xf0 + 3, 0x9f + 3, 0x98 + 3},
         "\U0001f600\ufffd\ufffd\ufffd"},
        {3, {0xed + 3, 0xa0 + 3, 0x80 + 3}, "\ufffd\ufffd\ufffd"},
        {3, {0x41 + 3, 259, 260}, "A a"},
    };
    ft_arena *arena = ft_arena_create();
    bytes file = {.size = 0};
    char name[8];

    put_piece(&file, "<unk>", 0, UNKNOWN);
    put_piece(&file, "<s>", 0, CONTROL);
    put_piece(&file, "</s>", 0, CONTROL);
    for (unsigned byte = 0; byte < 256; byte++) {
        snprintf(name, sizeof(name), "<0x%02X>", byte);
        put_piece(&file, name, 0, BYTE);
    }
    put_piece(&file, "▁", -1, NORMAL);
    put_piece(&file, "a", -2, NORMAL);
    put_settings(&file, true, false, true, NULL);
    const ft_tokenizer *tokenizer = load("tokenizer.model", file.data, file.size, arena);
    for (size_t i = 0; i < FT_COUNT_OF(rows); i++)
        check_decoded(tokenizer, rows[i].ids, rows[i].count, true, rows[i].text);
    ft_arena_destroy(arena);
}

// ---- tiktoken ----

static void put_rank(bytes *to, const char *token, size_t size, unsigned rank)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t padded[6] = {0};
    char line[24];
    size_t at = 0;

    FT_ASSERT(size <= sizeof(padded));
    memcpy(padded, token, size);
    for (size_t i = 0; i < size; i += 3) {
        unsigned bits = (unsigned)padded[i] << 16 | (unsigned)padded[i + 1] << 8 | padded[i + 2];
        for (int j = 0; j < 4; j++)
            line[at++] = i + (size_t)j > size ? '=' : letters[bits >> (18 - 6 * j) & 63];
    }
    at += (size_t)snprintf(line + at, sizeof(line) - at, " %u\n", rank);
    put(to, line, at);
}

// White space at the end of a text is one word, as it is before a special token.
TEST(tiktoken_takes_white_space_at_the_end_as_a_whole)
{
    static const struct {
        const char *text;
        size_t count;
        int32_t ids[8];
    } rows[] = {
        {"a \n ", 2, {97, 257}},
        {"a \n b", 4, {97, 256, 32, 98}},
        {" \n ", 1, {257}},
        {"a \n <|endoftext|>a", 4, {97, 257, 100257, 97}},
        {"12345", 5, {49, 50, 51, 52, 53}},
    };
    static const char *const merged[] = {" \n", " \n ", "  ", "\n "};
    ft_arena *arena = ft_arena_create();
    bytes file = {.size = 0};

    for (unsigned byte = 0; byte < 256; byte++)
        put_rank(&file, &(char){(char)byte}, 1, byte);
    for (unsigned i = 0; i < FT_COUNT_OF(merged); i++)
        put_rank(&file, merged[i], strlen(merged[i]), 256 + i);
    const ft_tokenizer *tokenizer = load("cl100k_base.tiktoken", file.data, file.size, arena);
    for (size_t i = 0; i < FT_COUNT_OF(rows); i++)
        check_ids(tokenizer, FT_SPECIAL_PARSE, rows[i].text, rows[i].ids, rows[i].count);
    ft_arena_destroy(arena);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
