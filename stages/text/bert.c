// A character goes through: read -> hold marks in order -> lower case -> write with its mark.
#include "stages/text/bert.h"

#include <stdlib.h>
#include <string.h>

enum { HELD_CLASS_SHIFT = 56, HELD_NUMBER_SHIFT = 24, CODE_POINT_MASK = 0xffffff };
// Characters with none of these are words' parts and stay as they are.
enum {
    CHANGES = FT_UNICODE_CONTROL | FT_UNICODE_WHITE | FT_UNICODE_CJK | FT_UNICODE_MARK |
              FT_UNICODE_PUNCTUATION | FT_UNICODE_HANGUL | FT_UNICODE_DECOMPOSES |
              FT_UNICODE_LOWERS | FT_UNICODE_LOWERS_TO_MANY,
};

static void put_bytes(ft_marked_text *out, const void *bytes, size_t size, bool word)
{
    memcpy(out->bytes + out->at, bytes, size);
    if (out->word)
        ft_marked_put(out, word ? (UINT64_C(1) << size) - 1 : 0, 0, size);
    else
        out->at += size;
}

static void put_space(ft_marked_text *out)
{
    put_bytes(out, " ", 1, false);
}

static void put_written(ft_bert *bert, uint32_t c)
{
    ft_marked_text *out = bert->out;
    const ft_code_point *record = ft_unicode_get(c);
    char bytes[4];
    size_t size = ft_utf8_put(c, bytes);

    if (!out->word) {
        put_bytes(out, bytes, size, false);
    } else if (record->flags & FT_UNICODE_WHITE) {
        put_space(out);
    } else if (!(record->flags & FT_UNICODE_PUNCTUATION)) {
        bert->wrote_nul |= c == 0;
        put_bytes(out, bytes, size, true);
    } else if (size == 1) {
        out->bytes[out->at] = (uint8_t)c;
        ft_marked_put(out, 0, 1, 1);
    } else {
        put_space(out);
        put_bytes(out, bytes, size, true);
        put_space(out);
    }
}

static void put_lowered(ft_bert *bert, uint32_t c, const ft_code_point *record)
{
    if (!bert->rules.lowercase ||
        !(record->flags & (FT_UNICODE_LOWERS | FT_UNICODE_LOWERS_TO_MANY))) {
        put_written(bert, c);
    } else if (record->flags & FT_UNICODE_LOWERS) {
        put_written(bert, (uint32_t)((int32_t)c + record->lower));
    } else {
        put_written(bert, 'i');
        put_written(bert, 0x0307);
    }
}

static int compare_held(const void *left, const void *right)
{
    uint64_t a, b;

    memcpy(&a, left, sizeof(a));
    memcpy(&b, right, sizeof(b));
    return (a > b) - (a < b);
}

void ft_bert_flush(ft_bert *bert)
{
    if (bert->held_count == 0)
        return;
    bert->moved_marks = true;
    if (bert->held_count > 1)
        qsort(bert->held, bert->held_count, sizeof(bert->held[0]), compare_held);
    for (size_t i = 0; i < bert->held_count; i++) {
        uint32_t c = (uint32_t)(bert->held[i] & CODE_POINT_MASK);
        put_lowered(bert, c, ft_unicode_get(c));
    }
    bert->held_count = 0;
}

// One fully decomposed character.
static void put_ordered(ft_bert *bert, uint32_t c)
{
    const ft_code_point *record = ft_unicode_get(c);

    if (record->combining_class == 0) {
        ft_bert_flush(bert);
        if (!(record->flags & FT_UNICODE_MARK))
            put_lowered(bert, c, record);
        return;
    }
    if (record->flags & FT_UNICODE_MARK)
        return;
    if (bert->held_count == FT_BERT_HELD)
        ft_bert_flush(bert);
    bert->held[bert->held_count] = (uint64_t)record->combining_class << HELD_CLASS_SHIFT |
                                   (uint64_t)bert->held_count << HELD_NUMBER_SHIFT | c;
    bert->held_count++;
}

static void put_stripped(ft_bert *bert, uint32_t c, const ft_code_point *record)
{
    uint32_t parts[FT_UNICODE_DECOMPOSED_MAX];

    if (!bert->rules.strip_accents) {
        put_lowered(bert, c, record);
        return;
    }
    size_t count = ft_unicode_decompose(c, record, parts);
    for (size_t i = 0; i < count; i++)
        put_ordered(bert, parts[i]);
}

static void put_character(ft_bert *bert, uint32_t c, const ft_code_point *record)
{
    const ft_bert_rules *rules = &bert->rules;
    bool pad = rules->handle_chinese_chars && (record->flags & FT_UNICODE_CJK);

    if (rules->clean_text && (record->flags & FT_UNICODE_CONTROL))
        return;
    if (rules->clean_text && (record->flags & FT_UNICODE_WHITE)) {
        ft_bert_flush(bert);
        put_space(bert->out);
        return;
    }
    if (pad) {
        ft_bert_flush(bert);
        put_space(bert->out);
    }
    put_stripped(bert, c, record);
    if (pad) {
        ft_bert_flush(bert);
        put_space(bert->out);
    }
}

// The next eight bytes are ASCII: the scanner is faster.
static bool is_ascii_ahead(const uint8_t *in, size_t left)
{
    uint64_t bytes;

    if (left < sizeof(bytes))
        return false;
    memcpy(&bytes, in, sizeof(bytes));
    return !(bytes & UINT64_C(0x8080808080808080));
}

size_t ft_bert_take(ft_bert *bert, const uint8_t *in, size_t size)
{
    ft_marked_text *out = bert->out;
    size_t at = 0;

    while (at < size && out->capacity - out->at >= ft_bert_room(bert)) {
        if (in[at] < 0x80 && at > 0 && out->word && is_ascii_ahead(in + at, size - at)) {
            ft_bert_flush(bert);
            break;
        }
        size_t start = at, before = out->at;
        uint32_t c = ft_unicode_next(in, &at);
        const ft_code_point *record = ft_unicode_get(c);
        if ((record->flags & CHANGES) == 0 && record->combining_class == 0 && c != 0) {
            ft_bert_flush(bert);
            if (out->origins)
                ft_origins_keep(out->origins, out->base + before, bert->given + start);
            put_bytes(out, in + start, at - start, true);
            continue;
        }
        put_character(bert, c, record);
        if (out->origins && out->at > before)
            ft_origins_put(
                out->origins, out->base + before, out->at - before,
                (ft_span){(uint32_t)(bert->given + start), (uint32_t)(bert->given + at)});
    }
    return at;
}

static bool make_room(ft_bert *bert, ft_buffer *buffer, ft_error *err)
{
    ft_marked_text *out = bert->out;
    size_t bigger;

    if (out->capacity - out->at >= ft_bert_room(bert))
        return true;
    if (FT_MUL_OVERFLOWS(out->capacity, (size_t)2, &bigger))
        return ft_fail_nomem(err, out->capacity);
    if (!ft_buffer_resize(buffer, bigger + ft_bert_room(bert), err))
        return false;
    out->bytes = buffer->data;
    out->capacity = buffer->size_bytes;
    return true;
}

bool ft_bert_normalize(ft_bert *bert, ft_bert_rules rules, ft_slice text, ft_buffer *buffer,
                       size_t *out_size, ft_error *err)
{
    ft_marked_text out = {.bytes = buffer->data, .capacity = buffer->size_bytes};
    size_t at = 0;

    bert->rules = rules;
    bert->out = &out;
    bert->held_count = 0;
    do {
        if (!make_room(bert, buffer, err))
            return false;
        if (at < text.size)
            at += ft_bert_take(bert, (const uint8_t *)text.data + at, text.size - at);
    } while (at < text.size);
    if (!make_room(bert, buffer, err))
        return false;
    ft_bert_flush(bert);
    *out_size = out.at;
    return true;
}
