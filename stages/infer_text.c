// Text of tokens as they come.
#include "stages/infer_text.h"

#include <string.h>

enum {
    PIECE_BYTES = 1 << 20,
    TAIL = 3,       // Tokens at most that an unfinished character has: of its 4 bytes one lacks.
    OPEN_MAX = 64,  // Tokens whose bytes may be no text before they are taken as they are.
};

void infer_text_scratch_init(infer_text_scratch *scratch, ft_account *account)
{
    scratch->decoder.account = account;
    ft_text_init(&scratch->before, PIECE_BYTES);
}

void infer_text_scratch_finish(infer_text_scratch *scratch)
{
    ft_decoder_finish(&scratch->decoder);
    ft_text_finish(&scratch->before);
}

void infer_text_start(infer_text *text, size_t prompt)
{
    *text = (infer_text){.window = prompt, .settled = prompt};
}

void infer_text_finish(infer_text *text)
{
    ft_buffer_unref(text->buffer);
    text->buffer = NULL;
}

ft_slice infer_text_get(const infer_text *text)
{
    return (ft_slice){text->buffer ? text->buffer->data : NULL, text->size};
}

static bool append(infer_text *text, ft_account *account, ft_slice part, ft_error *err)
{
    const size_t size = text->size + part.size;

    if (!text->buffer || size > text->buffer->size_bytes) {
        ft_buffer *larger = ft_buffer_create(account, 2 * size + 64, err);
        if (!larger)
            return false;
        if (text->size > 0)
            memcpy(larger->data, text->buffer->data, text->size);
        ft_buffer_unref(text->buffer);
        text->buffer = larger;
    }
    if (part.size > 0)
        memcpy((char *)text->buffer->data + text->size, part.data, part.size);
    text->size = size;
    return true;
}

static bool ends_in_replacement(ft_slice text)
{
    return text.size >= 3 && memcmp(text.data + text.size - 3, "\xEF\xBF\xBD", 3) == 0;
}

// ---- what tokens are decoded behind ----

static int byte_of(const ft_tokenizer *tokenizer, int32_t id)
{
    return ft_byte_of_token(ft_tokenizer_token_text(tokenizer, id));
}

// Moves the anchor to the last token of [from, to) that keeps the next one's space: two of it have
// text, which special tokens have not. No byte token: all bytes side by side are broken when one of
// them is.
static bool move_anchor(infer_text *text, infer_text_scratch *scratch,
                        const ft_tokenizer *tokenizer, const int32_t *ids, size_t from, size_t to,
                        ft_error *err)
{
    for (size_t i = to; i > from; i--) {
        const int32_t twice[] = {ids[i - 1], ids[i - 1]};
        ft_slice out;
        if (byte_of(tokenizer, ids[i - 1]) >= 0)
            continue;
        if (!ft_tokenizer_decode(tokenizer, &scratch->decoder, twice, 2, true, &out, err))
            return false;
        if (out.size > 0) {
            text->anchor = i;
            break;
        }
    }
    return true;
}

static bool continues(int byte)
{
    return byte >= 0x80 && byte < 0xC0;
}

// How many byte tokens at the end of `count` are the beginning of a character.
static size_t unfinished(const ft_tokenizer *tokenizer, const int32_t *ids, size_t count)
{
    for (size_t i = 1; i <= TAIL && i <= count; i++) {
        const int byte = byte_of(tokenizer, ids[count - i]);
        const size_t wanted = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
        if (byte >= 0xC0)
            return i < wanted ? i : 0;
        if (!continues(byte))
            break;
    }
    return 0;
}

// A character that the prompt leaves open goes on with the first token behind it.
static bool open_window(infer_text *text, infer_text_scratch *scratch,
                        const ft_tokenizer *tokenizer, const int32_t *ids, ft_error *err)
{
    const size_t prompt = text->settled;
    const int next = byte_of(tokenizer, ids[prompt]);
    size_t tail = 0;

    if (continues(next))
        tail = unfinished(tokenizer, ids, prompt);
    // Of a byte-level vocabulary: tokens may begin and end within characters.
    while (next < 0 && tail < TAIL && tail < prompt &&
           byte_of(tokenizer, ids[prompt - tail - 1]) < 0)
        tail++;
    text->window = prompt - tail;
    text->is_open = true;
    return move_anchor(text, scratch, tokenizer, ids, 0, text->window, err);
}

// ---- text ----

static bool decode(const infer_text *text, infer_text_scratch *scratch,
                   const ft_tokenizer *tokenizer, const int32_t *ids, size_t count, ft_slice *out,
                   ft_error *err)
{
    int32_t some[1 + TAIL + OPEN_MAX];
    size_t used = 0;

    if (text->anchor > 0)
        some[used++] = ids[text->anchor - 1];
    for (size_t i = text->window; i < count; i++)
        some[used++] = ids[i];
    return ft_tokenizer_decode(tokenizer, &scratch->decoder, some, used, true, out, err);
}

// Tokens are decoded behind one of those before, so that a word's space stays, and without its
// text (as vLLM's detokenize_incrementally does). Characters that are complete are not decoded
// again: ByteFallback of tokenizers would break them with a byte that follows. So broken bytes are
// a U+FFFD each and break no other, as SentencePiece has it.
static bool add_token(infer_text *text, infer_text_scratch *scratch, const ft_tokenizer *tokenizer,
                      const int32_t *ids, size_t count, bool is_last, ft_error *err)
{
    const size_t settled = text->settled;
    ft_text *before = &scratch->before;
    ft_slice all;
    size_t same = 0;

    if (!decode(text, scratch, tokenizer, ids, settled, &all, err))
        return false;
    ft_text_clear(before);
    ft_text_append(before, all);
    if (!ft_text_check(before, err) || !decode(text, scratch, tokenizer, ids, count, &all, err))
        return false;
    const bool may_go_on = byte_of(tokenizer, ids[count - 1]) < 0 ||  // Or it is byte-level.
                           unfinished(tokenizer, ids, count) > 0;
    if (!is_last && count - settled < OPEN_MAX && may_go_on && ends_in_replacement(all))
        return true;
    // A character that the prompt left open is another one now, and belongs to what follows.
    while (same < all.size && same < before->size && all.data[same] == before->data[same])
        same++;
    while (same > 0 && same < all.size && ((unsigned char)all.data[same] & 0xC0) == 0x80)
        same--;
    const ft_slice part = {all.data + same, all.size - same};
    text->window = text->settled = count;
    return append(text, scratch->decoder.account, part, err) &&
           move_anchor(text, scratch, tokenizer, ids, settled, count, err);
}

bool infer_text_extend(infer_text *text, infer_text_scratch *scratch, const ft_tokenizer *tokenizer,
                       const int32_t *ids, size_t count, bool is_last, ft_error *err)
{
    if (text->settled == count)
        return true;
    if (!text->is_open && !open_window(text, scratch, tokenizer, ids, err))
        return false;
    // Each by itself, with those that wait: how many come at once makes no difference.
    for (size_t i = text->settled + 1; i <= count; i++) {
        const int byte = byte_of(tokenizer, ids[i - 1]);
        const bool breaks = byte >= 0 && !continues(byte) && text->settled < i - 1;
        if ((breaks && !add_token(text, scratch, tokenizer, ids, i - 1, true, err)) ||
            !add_token(text, scratch, tokenizer, ids, i, is_last && i == count, err))
            return false;
    }
    return true;
}

// ---- texts that end it ----

static size_t longest_of(const ft_strings *stop)
{
    size_t most = 0;

    for (size_t i = 0; i < stop->count; i++) {
        const size_t size = strlen(stop->items[i]);
        most = size > most ? size : most;
    }
    return most;
}

static size_t find(ft_slice text, const char *part, size_t from)
{
    const size_t size = strlen(part);

    for (size_t at = from; at + size <= text.size; at++)
        if (memcmp(text.data + at, part, size) == 0)
            return at;
    return SIZE_MAX;
}

bool infer_text_cut(infer_text *text, const ft_strings *stop)
{
    const size_t most = longest_of(stop);
    const size_t from = text->searched < most ? 0 : text->searched - most;
    size_t first = SIZE_MAX;

    for (size_t i = 0; i < stop->count; i++) {
        const size_t at = find(infer_text_get(text), stop->items[i], from);
        first = at < first ? at : first;
    }
    text->searched = text->size;
    if (first == SIZE_MAX)
        return false;
    text->size = first;
    return true;
}

size_t infer_text_held(const infer_text *text, const ft_strings *stop)
{
    const size_t most = longest_of(stop);
    const ft_slice all = infer_text_get(text);

    for (size_t held = all.size < most ? all.size : most; held > 0; held--)
        for (size_t i = 0; i < stop->count; i++)
            if (strncmp(stop->items[i], all.data + all.size - held, held) == 0)
                return held;
    return 0;
}

void infer_text_drop(infer_text *text, size_t bytes)
{
    if (bytes > 0)
        memmove(text->buffer->data, (char *)text->buffer->data + bytes, text->size - bytes);
    text->size -= bytes;
    text->searched = text->searched > bytes ? text->searched - bytes : 0;
}
