// Each decoder makes a list of texts of a list of texts. Two lists take turns: one is read, the
// other written, and their memory is used again.
#include "stages/text/decode.h"

#include <string.h>

#include "stages/text/byte_level.h"
#include "stages/text/pattern.h"
#include "stages/text/unicode.h"

#define REPLACEMENT FT_SLICE("\xef\xbf\xbd")

// ---- lists of texts ----

static bool list_reserve(ft_decoder *decoder, ft_buffer **buffer, size_t used, size_t more,
                         ft_error *err)
{
    size_t wanted, have = *buffer ? (*buffer)->size_bytes : 0;

    if (FT_ADD_OVERFLOWS(used, more, &wanted))
        return ft_fail_nomem(err, more);
    if (wanted <= have)
        return true;
    wanted = wanted > 2 * have ? wanted : 2 * have;
    if (*buffer)
        return ft_buffer_resize(*buffer, wanted, err);
    *buffer = ft_buffer_create(decoder->account, wanted, err);
    return *buffer != NULL;
}

static const char *list_bytes(const ft_text_list *list)
{
    return list->bytes ? list->bytes->data : NULL;
}

static ft_slice list_get(const ft_text_list *list, size_t index)
{
    const size_t *ends = list->ends->data;
    size_t from = index > 0 ? ends[index - 1] : 0;

    return (ft_slice){list_bytes(list) + from, ends[index] - from};
}

// Adds to the text at work of the list that is being made.
static bool put(ft_decoder *decoder, ft_slice text, ft_error *err)
{
    ft_text_list *list = &decoder->next;

    if (!list_reserve(decoder, &list->bytes, list->size, text.size + 1, err))
        return false;
    if (text.size > 0)
        memcpy((char *)list->bytes->data + list->size, text.data, text.size);
    list->size += text.size;
    return true;
}

// Ends the text at work.
static bool end_text(ft_decoder *decoder, ft_error *err)
{
    ft_text_list *list = &decoder->next;

    if (!list_reserve(decoder, &list->ends, list->count * sizeof(size_t), sizeof(size_t), err))
        return false;
    ((size_t *)list->ends->data)[list->count++] = list->size;
    return true;
}

static bool put_text(ft_decoder *decoder, ft_slice text, ft_error *err)
{
    return put(decoder, text, err) && end_text(decoder, err);
}

// What has been made is what is read next.
static void turn(ft_decoder *decoder)
{
    ft_text_list made = decoder->next;

    decoder->next = decoder->now;
    decoder->now = made;
    decoder->next.size = decoder->next.count = 0;
}

void ft_decoder_start(ft_decoder *decoder)
{
    decoder->now.size = decoder->now.count = 0;
    decoder->next.size = decoder->next.count = 0;
}

bool ft_decoder_add(ft_decoder *decoder, ft_slice token, ft_error *err)
{
    return put_text(decoder, token, err);
}

void ft_decoder_finish(ft_decoder *decoder)
{
    ft_buffer *const buffers[] = {decoder->now.bytes, decoder->now.ends, decoder->next.bytes,
                                  decoder->next.ends};

    for (size_t i = 0; i < FT_COUNT_OF(buffers); i++)
        ft_buffer_unref(buffers[i]);
    *decoder = (ft_decoder){.account = decoder->account};
}

// ---- steps that treat each text by itself ----

static size_t char_size(ft_slice text, size_t at)
{
    size_t end = at;

    ft_unicode_next((const uint8_t *)text.data, &end);
    return end - at;
}

// Puts `text` with each `sought` replaced. An empty one is found around every character.
static bool put_replaced(ft_decoder *decoder, ft_slice text, ft_slice sought, ft_slice with,
                         ft_error *err)
{
    size_t from = 0, at = 0;

    while (at + sought.size <= text.size) {
        size_t step = 1;
        if (sought.size == 0 || memcmp(text.data + at, sought.data, sought.size) == 0) {
            if (!put(decoder, (ft_slice){text.data + from, at - from}, err) ||
                !put(decoder, with, err))
                return false;
            from = at + sought.size;
            step = sought.size;
        }
        if (sought.size == 0)
            step = at < text.size ? char_size(text, at) : 1;
        at += step;
    }
    return put(decoder, (ft_slice){text.data + from, text.size - from}, err);
}

// Replaces within the text at work, from `start` on; `with` is no longer than `sought`.
static void replace_in_place(ft_decoder *decoder, size_t start, ft_slice sought, ft_slice with)
{
    char *bytes = decoder->next.bytes->data;
    size_t out = start, at = start, size = decoder->next.size;

    while (at < size) {
        if (size - at >= sought.size && memcmp(bytes + at, sought.data, sought.size) == 0) {
            memcpy(bytes + out, with.data, with.size);
            out += with.size;
            at += sought.size;
        } else {
            bytes[out++] = bytes[at++];
        }
    }
    decoder->next.size = out;
}

// Spaces that a tokenizer of English put before punctuation and contractions. One rule after the
// other over the whole of a text, in this order.
static void clean_up(ft_decoder *decoder, size_t start)
{
    static const char *const rules[][2] = {
        {" .", "."},   {" ?", "?"},     {" !", "!"},     {" ,", ","},
        {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},   {" do not", " don't"},
        {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
    };

    if (decoder->next.size == start)
        return;
    for (size_t i = 0; i < FT_COUNT_OF(rules); i++)
        replace_in_place(decoder, start, ft_slice_of(rules[i][0]), ft_slice_of(rules[i][1]));
}

static bool decode_bpe(ft_decoder *decoder, const ft_decode_step *step, ft_slice text, size_t index,
                       ft_error *err)
{
    bool is_last = index + 1 == decoder->now.count;

    return put_replaced(decoder, text, step->suffix, is_last ? FT_SLICE("") : FT_SLICE(" "), err);
}

static bool decode_wordpiece(ft_decoder *decoder, const ft_decode_step *step, ft_slice text,
                             size_t index, ft_error *err)
{
    ft_slice prefix = step->wordpiece.prefix;
    size_t start = decoder->next.size;

    if (index > 0 && ft_slice_starts_with(text, prefix))
        text = (ft_slice){text.data + prefix.size, text.size - prefix.size};
    else if (index > 0 && !put(decoder, FT_SLICE(" "), err))
        return false;
    if (!put(decoder, text, err))
        return false;
    // The space is part of what is cleaned.
    if (step->wordpiece.cleanup)
        clean_up(decoder, start);
    return true;
}

static bool decode_metaspace(ft_decoder *decoder, const ft_decode_step *step, ft_slice text,
                             size_t index, ft_error *err)
{
    bool drops = index == 0 && step->metaspace.scheme != FT_PREPEND_NEVER;

    return put_replaced(decoder, text, step->metaspace.replacement,
                        drops ? FT_SLICE("") : FT_SLICE(" "), err);
}

static bool decode_replace(ft_decoder *decoder, const ft_decode_step *step, ft_slice text,
                           ft_error *err)
{
    ft_matches matches = {0};
    size_t from = 0;

    for (;;) {
        size_t start, end;
        bool found;
        if (!ft_pattern_step(step->replace.pattern, text, &matches, &found, &start, &end, err))
            return false;
        if (!found)
            break;
        if (!put(decoder, (ft_slice){text.data + from, start - from}, err) ||
            !put(decoder, step->replace.content, err))
            return false;
        from = end;
    }
    return put(decoder, (ft_slice){text.data + from, text.size - from}, err);
}

static bool decode_strip(ft_decoder *decoder, const ft_decode_step *step, ft_slice text,
                         ft_error *err)
{
    ft_slice content = step->strip.content;

    for (size_t i = 0; i < step->strip.start && ft_slice_starts_with(text, content); i++)
        text = (ft_slice){text.data + content.size, text.size - content.size};
    for (size_t i = 0; i < step->strip.stop && ft_slice_ends_with(text, content); i++)
        text.size -= content.size;
    return put(decoder, text, err);
}

static bool decode_each(ft_decoder *decoder, const ft_decode_step *step, ft_error *err)
{
    for (size_t i = 0; i < decoder->now.count; i++) {
        ft_slice text = list_get(&decoder->now, i);
        bool done = true;
        switch (step->kind) {
        case FT_DECODE_BPE:
            done = decode_bpe(decoder, step, text, i, err);
            break;
        case FT_DECODE_WORDPIECE:
            done = decode_wordpiece(decoder, step, text, i, err);
            break;
        case FT_DECODE_METASPACE:
            done = decode_metaspace(decoder, step, text, i, err);
            break;
        case FT_DECODE_REPLACE:
            done = decode_replace(decoder, step, text, err);
            break;
        case FT_DECODE_STRIP:
            done = decode_strip(decoder, step, text, err);
            break;
        case FT_DECODE_BYTE_LEVEL:
        case FT_DECODE_CTC:
        case FT_DECODE_FUSE:
        case FT_DECODE_BYTE_FALLBACK:
        case FT_DECODE_BYTES:
        case FT_DECODE_SENTENCEPIECE:
            break;  // They look at several texts: run_step.
        }
        if (!done || !end_text(decoder, err))
            return false;
    }
    return true;
}

// ---- steps that look at several texts ----

// Of equal neighbours one; without the token for nothing.
static bool decode_ctc(ft_decoder *decoder, const ft_decode_step *step, ft_error *err)
{
    for (size_t i = 0; i < decoder->now.count; i++) {
        ft_slice text = list_get(&decoder->now, i);
        size_t start = decoder->next.size;
        if (i > 0 && ft_slice_equal(text, list_get(&decoder->now, i - 1)))
            continue;
        if (!put_replaced(decoder, text, step->ctc.pad_token, FT_SLICE(""), err))
            return false;
        if (step->ctc.cleanup && decoder->next.size > start) {
            clean_up(decoder, start);
            replace_in_place(decoder, start, step->ctc.word_delimiter, FT_SLICE(" "));
        }
        if (decoder->next.size > start && !end_text(decoder, err))
            return false;
    }
    return true;
}

static bool decode_fuse(ft_decoder *decoder, ft_error *err)
{
    return put_text(decoder, (ft_slice){list_bytes(&decoder->now), decoder->now.size}, err);
}

// How many of the first bytes are one character, or the longest beginning of one: what stands for
// one U+FFFD. `*valid` says which.
static size_t maximal_subpart(const uint8_t *bytes, size_t size, bool *valid)
{
    uint8_t first = bytes[0];
    uint8_t low = 0x80, high = 0xbf;
    size_t wanted = first < 0x80   ? 1
                    : first < 0xc2 ? 0
                    : first < 0xe0 ? 2
                    : first < 0xf0 ? 3
                    : first < 0xf5 ? 4
                                   : 0;

    *valid = wanted == 1;
    if (wanted <= 1)
        return 1;
    if (first == 0xe0)
        low = 0xa0;
    else if (first == 0xed)
        high = 0x9f;
    else if (first == 0xf0)
        low = 0x90;
    else if (first == 0xf4)
        high = 0x8f;
    for (size_t i = 1; i < wanted; i++) {
        if (i == size || bytes[i] < low || bytes[i] > high)
            return i;
        low = 0x80;
        high = 0xbf;
    }
    *valid = true;
    return wanted;
}

static bool put_lossy(ft_decoder *decoder, const uint8_t *bytes, size_t size, ft_error *err)
{
    size_t at = 0, from = 0;

    while (at < size) {
        bool valid;
        size_t part = maximal_subpart(bytes + at, size - at, &valid);
        if (!valid) {
            if (!put(decoder, (ft_slice){(const char *)bytes + from, at - from}, err) ||
                !put(decoder, REPLACEMENT, err))
                return false;
            from = at + part;
        }
        at += part;
    }
    return put(decoder, (ft_slice){(const char *)bytes + from, size - from}, err);
}

// The bytes of all texts, made valid.
static bool decode_bytes(ft_decoder *decoder, ft_error *err)
{
    return put_lossy(decoder, (const uint8_t *)list_bytes(&decoder->now), decoder->now.size, err) &&
           end_text(decoder, err);
}

// Letters that stand for bytes become those; a text that has any other is taken as it is.
static bool decode_byte_level(ft_decoder *decoder, ft_error *err)
{
    // First the bytes, as one text; then that text made valid.
    for (size_t i = 0; i < decoder->now.count; i++) {
        ft_slice text = list_get(&decoder->now, i);
        size_t start = decoder->next.size, at = 0;
        bool is_bytes = true;
        while (at < text.size && is_bytes) {
            int byte = ft_byte_of_letter(ft_unicode_next((const uint8_t *)text.data, &at));
            char one = (char)byte;
            is_bytes = byte >= 0;
            if (is_bytes && !put(decoder, (ft_slice){&one, 1}, err))
                return false;
        }
        if (is_bytes)
            continue;
        decoder->next.size = start;
        if (!put(decoder, text, err))
            return false;
    }
    if (!end_text(decoder, err))
        return false;
    turn(decoder);
    return decode_bytes(decoder, err);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// One digit may be a plus sign, as the reference's number parser has it.
int ft_byte_of_token(ft_slice text)
{
    if (text.size != 6 || memcmp(text.data, "<0x", 3) != 0 || text.data[5] != '>')
        return -1;
    int high = text.data[3] == '+' ? 0 : hex_digit(text.data[3]);
    int low = hex_digit(text.data[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// The bytes of a run are its text when they are valid, else each is a U+FFFD.
static bool end_run(ft_decoder *decoder, size_t start, ft_error *err)
{
    size_t size = decoder->next.size - start;

    if (size == 0)
        return true;
    ft_slice run = {list_bytes(&decoder->next) + start, size};
    if (ft_utf8_valid_prefix(run) == size)
        return end_text(decoder, err);
    decoder->next.size = start;
    for (size_t i = 0; i < size; i++) {
        if (!put_text(decoder, REPLACEMENT, err))
            return false;
    }
    return true;
}

static bool decode_byte_fallback(ft_decoder *decoder, ft_error *err)
{
    size_t start = 0;

    for (size_t i = 0; i < decoder->now.count; i++) {
        ft_slice text = list_get(&decoder->now, i);
        int byte = ft_byte_of_token(text);
        char one = (char)byte;
        if (byte >= 0) {
            if (!put(decoder, (ft_slice){&one, 1}, err))
                return false;
            continue;
        }
        if (!end_run(decoder, start, err) || !put_text(decoder, text, err))
            return false;
        start = decoder->next.size;
    }
    return end_run(decoder, start, err);
}

// ---- SentencePiece ----

// Bytes of a run of byte pieces that are no character yet.
typedef struct pending {
    uint8_t bytes[4];
    size_t count;
} pending;

// Puts the first character; a byte that begins none is a U+FFFD.
static bool put_pending(ft_decoder *decoder, pending *run, ft_error *err)
{
    bool valid;
    size_t part = maximal_subpart(run->bytes, run->count, &valid);

    part = valid ? part : 1;
    if (!put(decoder, valid ? (ft_slice){(const char *)run->bytes, part} : REPLACEMENT, err))
        return false;
    run->count -= part;
    memmove(run->bytes, run->bytes + part, run->count);
    return true;
}

static bool add_byte(ft_decoder *decoder, pending *run, uint8_t byte, ft_error *err)
{
    run->bytes[run->count++] = byte;
    return run->count < sizeof(run->bytes) || put_pending(decoder, run, err);
}

static bool put_piece(ft_decoder *decoder, const ft_decode_step *step, ft_slice piece,
                      bool at_start, bool *dropped, ft_error *err)
{
    static const ft_slice sign = {"\xe2\x96\x81", 3};

    *dropped = false;
    if (piece.size > 0 && ft_slice_equal(piece, step->sentencepiece.unknown))
        return put(decoder, step->sentencepiece.unknown_surface, err);
    if (at_start && ft_slice_starts_with(piece, sign)) {
        *dropped = true;
        piece = (ft_slice){piece.data + sign.size, piece.size - sign.size};
    }
    return put_replaced(decoder, piece, sign, FT_SLICE(" "), err);
}

// Source: SentencePieceProcessor::Decode of 0.2.3, whose results these are.
static bool decode_sentencepiece(ft_decoder *decoder, const ft_decode_step *step, ft_error *err)
{
    bool at_start = step->sentencepiece.drops_space || step->sentencepiece.drops_spaces;
    bool dropped = false;
    pending run = {.count = 0};

    for (size_t i = 0; i < decoder->now.count; i++) {
        ft_slice piece = list_get(&decoder->now, i);
        int byte = step->sentencepiece.has_bytes ? ft_byte_of_token(piece) : -1;
        if (byte >= 0) {
            if (!add_byte(decoder, &run, (uint8_t)byte, err))
                return false;
            continue;
        }
        while (run.count > 0) {
            if (!put_pending(decoder, &run, err))
                return false;
        }
        if ((dropped && !step->sentencepiece.drops_spaces) || decoder->next.size > 0)
            at_start = false;
        if (!put_piece(decoder, step, piece, at_start, &dropped, err))
            return false;
    }
    while (run.count > 0) {
        if (!put_pending(decoder, &run, err))
            return false;
    }
    return end_text(decoder, err);
}

static bool run_step(ft_decoder *decoder, const ft_decode_step *step, ft_error *err)
{
    switch (step->kind) {
    case FT_DECODE_CTC:
        return decode_ctc(decoder, step, err);
    case FT_DECODE_FUSE:
        return decode_fuse(decoder, err);
    case FT_DECODE_BYTE_LEVEL:
        return decode_byte_level(decoder, err);
    case FT_DECODE_BYTES:
        return decode_bytes(decoder, err);
    case FT_DECODE_BYTE_FALLBACK:
        return decode_byte_fallback(decoder, err);
    case FT_DECODE_SENTENCEPIECE:
        return decode_sentencepiece(decoder, step, err);
    case FT_DECODE_BPE:
    case FT_DECODE_WORDPIECE:
    case FT_DECODE_METASPACE:
    case FT_DECODE_REPLACE:
    case FT_DECODE_STRIP:
        break;
    }
    return decode_each(decoder, step, err);
}

bool ft_decoder_run(ft_decoder *decoder, const ft_decode_step *steps, size_t count, ft_slice *out,
                    ft_error *err)
{
    turn(decoder);
    // Without a decoder there is a space between tokens.
    for (size_t i = 0; count == 0 && i < decoder->now.count; i++) {
        if ((i > 0 && !put(decoder, FT_SLICE(" "), err)) ||
            !put(decoder, list_get(&decoder->now, i), err))
            return false;
    }
    if (count == 0) {
        *out = (ft_slice){list_bytes(&decoder->next), decoder->next.size};
        return true;
    }
    for (size_t i = 0; i < count && decoder->now.count > 0; i++) {
        if (!run_step(decoder, &steps[i], err))
            return false;
        turn(decoder);
    }
    *out = (ft_slice){list_bytes(&decoder->now), decoder->now.size};
    return true;
}
