// Text of tokens as they come.
#include "stages/infer_text.h"

#include <string.h>

enum {
    PIECE_BYTES = 1 << 20,
    BEFORE = 5,     // Tokens of the prompt that are decoded with what follows.
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
    *text = (infer_text){
        .window = prompt - (prompt < BEFORE ? prompt : BEFORE),
        .settled = prompt,
    };
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

// The tokens are decoded together with those of the call before, so that a word's space stays, and
// without their text; at first with the last tokens of the prompt. (As vLLM's
// detokenize_incrementally does.)
bool infer_text_extend(infer_text *text, infer_text_scratch *scratch, const ft_tokenizer *tokenizer,
                       const int32_t *ids, size_t count, bool is_last, ft_error *err)
{
    const size_t window = text->window;
    ft_text *before = &scratch->before;
    ft_slice all;
    size_t same = 0;

    if (text->settled == count)
        return true;
    if (!ft_tokenizer_decode(tokenizer, &scratch->decoder, ids + window, text->settled - window,
                             true, &all, err))
        return false;
    ft_text_clear(before);
    ft_text_append(before, all);
    if (!ft_text_check(before, err) ||
        !ft_tokenizer_decode(tokenizer, &scratch->decoder, ids + window, count - window, true, &all,
                             err))
        return false;
    // A character that the prompt left open is another one now, and belongs to what follows.
    while (same < all.size && same < before->size && all.data[same] == before->data[same])
        same++;
    while (same > 0 && same < all.size && ((unsigned char)all.data[same] & 0xC0) == 0x80)
        same--;
    const ft_slice part = {all.data + same, all.size - same};
    if (!is_last && count - text->settled < OPEN_MAX && ends_in_replacement(part))
        return true;
    // Tokens without text would not keep the next one's space.
    if (part.size > 0)
        text->window = text->settled;
    text->settled = count;
    return append(text, scratch->decoder.account, part, err);
}

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
