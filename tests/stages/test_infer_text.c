// Text of tokens as they come: pieces are whole characters and together the text, with vocabularies
// whose tokens are parts of characters; the texts that end it, wherever tokens end.
#include <stdio.h>
#include <string.h>

#include "stages/infer_text.h"
#include "stages/text/stage_text.h"
#include "tests/check.h"

enum { ROOM = 4096 };

#define FAMILY "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7"
#define FLAG "\xF0\x9F\x87\xA8\xF0\x9F\x87\xAD"
#define TEXT " Grüße aus 東京 " FAMILY " – naïve façade, " FLAG " ไทย  and two  spaces."
static const char text[] = TEXT;

typedef struct given {
    ft_arena *arena;
    const ft_tokenizer *tokenizer;
    infer_text_scratch scratch;
    ft_account account;
    ft_ids ids;
    size_t prompt;  // Tokens.
} given;

static bool start(given *g, const char *name, const char *prompt, const char *all)
{
    const char *data = check_data_folder();
    ft_error err = FT_ERROR_INIT;
    const ft_token_settings settings = {.max_length = 0};
    char path[1000];
    bool was_cut;

    *g = (given){.arena = ft_arena_create()};
    if (!data)
        return false;
    snprintf(path, sizeof(path), "%s/tokenizers/%s", data, name);
    ft_account_init(&g->account, INT64_C(1) << 30);
    infer_text_scratch_init(&g->scratch, &g->account);
    check_ok(ft_tokenizer_load(path, g->arena, &g->tokenizer, &err), &err);
    ft_token_coder *coder = ft_token_coder_create(g->tokenizer, settings, NULL, &err);
    check_ok(coder != NULL, &err);
    check_ok(ft_token_coder_add(coder, ft_slice_of(prompt), &g->ids, &was_cut, &err), &err);
    g->prompt = g->ids.count;
    g->ids.count = 0;
    check_ok(ft_token_coder_add(coder, ft_slice_of(all), &g->ids, &was_cut, &err), &err);
    ft_token_coder_destroy(coder);
    return true;
}

static void drop(given *g)
{
    infer_text_scratch_finish(&g->scratch);
    check_int_eq(ft_account_used_bytes(&g->account), 0);
    ft_ids_finish(&g->ids);
    ft_arena_destroy(g->arena);
}

// One token after the other, and what is not held back is taken at once.
static size_t take_pieces(given *g, const ft_strings *stop, char out[ROOM], bool *out_stopped)
{
    infer_text written;
    ft_error err = FT_ERROR_INIT;
    size_t size = 0, pieces = 0;

    *out_stopped = false;
    infer_text_start(&written, g->prompt);
    for (size_t i = g->prompt + 1; i <= g->ids.count && !*out_stopped; i++) {
        const bool is_last = i == g->ids.count;
        check_ok(infer_text_extend(&written, &g->scratch, g->tokenizer, ft_ids_data(&g->ids), i,
                                   is_last, &err),
                 &err);
        *out_stopped = infer_text_cut(&written, stop);
        const size_t held = is_last || *out_stopped ? 0 : infer_text_held(&written, stop);
        const ft_slice piece = {infer_text_get(&written).data, written.size - held};
        check_true(ft_utf8_valid_prefix(piece) == piece.size && size + piece.size < ROOM);
        if (piece.size > 0)
            memcpy(out + size, piece.data, piece.size);
        size += piece.size;
        pieces += piece.size > 0;
        infer_text_drop(&written, piece.size);
    }
    infer_text_finish(&written);
    out[size] = 0;
    return pieces;
}

// All tokens in one call.
static void take_at_once(given *g, char out[ROOM])
{
    infer_text written;
    ft_error err = FT_ERROR_INIT;

    infer_text_start(&written, g->prompt);
    check_ok(infer_text_extend(&written, &g->scratch, g->tokenizer, ft_ids_data(&g->ids),
                               g->ids.count, true, &err),
             &err);
    const ft_slice all = infer_text_get(&written);
    check_true(all.size < ROOM);
    if (all.size > 0)
        memcpy(out, all.data, all.size);
    out[all.size] = 0;
    infer_text_finish(&written);
}

static void check_vocabulary(const char *name)
{
    static const char *const stops[] = {"\xF0\x9F\x91\xA7", "naïve ", "ç", "two  s"};
    const ft_strings none = {0};
    char out[ROOM];
    bool stopped;
    given g;

    if (!start(&g, name, "A prompt:", "A prompt:" TEXT))
        check_skip("no shared test data");
    check_true(take_pieces(&g, &none, out, &stopped) > 15 && !stopped);
    check_text_eq(out, text);
    take_at_once(&g, out);
    check_text_eq(out, text);
    for (size_t i = 0; i < FT_COUNT_OF(stops); i++) {
        const char *items[] = {"nowhere", stops[i]};
        const ft_strings stop = {.items = items, .count = 2};
        const size_t size = (size_t)(strstr(text, stops[i]) - text);
        check_true(take_pieces(&g, &stop, out, &stopped) > 1 && stopped);
        check_true(strlen(out) == size && memcmp(out, text, size) == 0);
    }
    drop(&g);
}

// Characters outside of the vocabulary are byte tokens, as in Llama 2's.
#define GRIN "\xF0\x9F\x98\x81"
#define JOY "\xF0\x9F\x98\x82"
#define BROKEN "\xEF\xBF\xBD"
static const char *const byte_fallbacks[] = {"llama2/tokenizer.json", "llama2/tokenizer.model"};

static void check_both(given *g, const char *expected)
{
    const ft_strings none = {0};
    char out[ROOM];
    bool stopped;

    take_pieces(g, &none, out, &stopped);
    check_text_eq(out, expected);
    take_at_once(g, out);
    check_text_eq(out, expected);
}

TEST(prompts_that_end_in_bytes)
{
    static const char *const prompts[] = {"Tell me a joke " JOY JOY, JOY JOY JOY, "\n", GRIN,
                                          "Tell me a joke\n" JOY "\n"};
    const char *items[] = {GRIN};
    const ft_strings stop = {.items = items, .count = 1};
    char all[100], out[ROOM];
    bool stopped;
    given g;

    for (size_t i = 0; i < FT_COUNT_OF(prompts) * FT_COUNT_OF(byte_fallbacks); i++) {
        const char *prompt = prompts[i / FT_COUNT_OF(byte_fallbacks)];
        const char *name = byte_fallbacks[i % FT_COUNT_OF(byte_fallbacks)];
        snprintf(all, sizeof(all), "%s%s", prompt, GRIN " ok");
        if (!start(&g, name, prompt, all))
            check_skip("no shared test data");
        check_both(&g, GRIN " ok");
        take_pieces(&g, &stop, out, &stopped);
        check_true(stopped && out[0] == 0);
        drop(&g);
        snprintf(all, sizeof(all), "%s%s", prompt, " ok " GRIN);
        check_true(start(&g, name, prompt, all));
        check_both(&g, " ok " GRIN);
        drop(&g);
    }
}

// The prompt's last character lacks bytes: they are what comes first.
TEST(prompts_that_end_within_a_character)
{
    given g;

    for (size_t i = 0; i < 3 * FT_COUNT_OF(byte_fallbacks); i++) {
        if (!start(&g, byte_fallbacks[i % 2], "A joke " JOY GRIN, "A joke " JOY GRIN JOY " ok"))
            check_skip("no shared test data");
        g.prompt -= 1 + i / 2;
        check_both(&g, GRIN JOY " ok");
        drop(&g);
    }
}

// A byte that is no character's breaks none beside it, in the prompt or behind it.
TEST(broken_bytes)
{
    static const uint8_t bytes[] = {0xFF, 0xC0, 0xE2, 0xF0, 0x80};
    given g;

    for (size_t i = 0; i < FT_COUNT_OF(bytes) * FT_COUNT_OF(byte_fallbacks); i++) {
        for (size_t k = 0; k < 2; k++) {
            if (!start(&g, byte_fallbacks[i % 2], "A joke " JOY,
                       "A joke " JOY GRIN "\n" JOY "\n a The"))
                check_skip("no shared test data");
            // A line feed is a byte token: its id is that of <0x00>, 3, and the byte.
            const size_t at[] = {g.prompt + 4, g.prompt + 9};
            for (size_t n = 0; n < FT_COUNT_OF(at); n++) {
                check_int_eq(ft_ids_data(&g.ids)[at[n]], 3 + '\n');
                ft_ids_data(&g.ids)[at[n]] = 3 + bytes[i / 2];
            }
            g.prompt += 4 * k;
            check_both(&g, k == 0 ? GRIN BROKEN JOY BROKEN " a The" : BROKEN JOY BROKEN " a The");
            drop(&g);
        }
    }
}

TEST(pieces_of_byte_level)
{
    check_vocabulary("gpt2");
}

TEST(pieces_of_byte_fallback)
{
    check_vocabulary("llama2");
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
