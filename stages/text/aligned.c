// Two buffers side by side: bytes, and a span for each of them.
#include "stages/text/aligned.h"

enum { CAPACITY_MIN = 256 };

static bool grow(ft_buffer **buffer, ft_account *account, size_t bytes, ft_error *err)
{
    if (*buffer)
        return ft_buffer_resize(*buffer, bytes, err);
    *buffer = ft_buffer_create(account, bytes, err);
    return *buffer != NULL;
}

bool ft_aligned_reserve(ft_aligned *text, size_t size, ft_error *err)
{
    size_t capacity = text->capacity + text->capacity / 2;

    if (size <= text->capacity && text->byte_buffer && (!text->has_spans || text->span_buffer))
        return true;
    if (size > UINT32_MAX)
        return ft_fail(err, FT_ERROR_LIMIT,
                       "a text of %zu bytes is longer than a tokenizer takes: "
                       "at most %u",
                       size, UINT32_MAX);
    if (capacity < size)
        capacity = size;
    if (capacity < CAPACITY_MIN)
        capacity = CAPACITY_MIN;
    if (!grow(&text->byte_buffer, text->account, capacity, err))
        return false;
    text->bytes = text->byte_buffer->data;
    if (text->has_spans) {
        // Capacity follows last: after a failure here it is what both have.
        if (!grow(&text->span_buffer, text->account, capacity * sizeof(ft_span), err))
            return false;
        text->spans = text->span_buffer->data;
    }
    text->capacity = capacity;
    return true;
}

// Bytes of the character that begins with `lead`.
static size_t width_of(uint8_t lead)
{
    return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

bool ft_aligned_set(ft_aligned *text, ft_slice given, size_t start, ft_error *err)
{
    size_t end;

    text->size = 0;
    if (FT_ADD_OVERFLOWS(start, given.size, &end) || end > UINT32_MAX)
        return ft_fail(err, FT_ERROR_LIMIT,
                       "a text of more than %u bytes is longer than a "
                       "tokenizer takes",
                       UINT32_MAX);
    if (!ft_aligned_reserve(text, given.size, err))
        return false;
    text->start = (uint32_t)start;
    text->size = given.size;
    if (given.size > 0)
        memcpy(text->bytes, given.data, given.size);
    if (!text->has_spans)
        return true;
    for (size_t at = 0; at < given.size;) {
        size_t width = width_of(text->bytes[at]);
        ft_span own = {(uint32_t)(start + at), (uint32_t)(start + at + width)};
        for (size_t i = 0; i < width; i++)
            text->spans[at + i] = own;
        at += width;
    }
    return true;
}

void ft_aligned_put(ft_aligned *text, const uint8_t *bytes, size_t count, ft_span origin)
{
    if (count == 0)
        return;
    memcpy(text->bytes + text->size, bytes, count);
    if (text->has_spans) {
        for (size_t i = 0; i < count; i++)
            text->spans[text->size + i] = origin;
    }
    text->size += count;
}

ft_span ft_aligned_origin(const ft_aligned *text, size_t from, size_t to)
{
    if (from >= to)
        return (ft_span){(uint32_t)from, (uint32_t)to};
    return (ft_span){text->spans[from].start, text->spans[to - 1].end};
}

void ft_aligned_swap(ft_aligned *a, ft_aligned *b)
{
    ft_aligned other = *a;

    *a = *b;
    *b = other;
}

void ft_aligned_finish(ft_aligned *text)
{
    ft_buffer_unref(text->byte_buffer);
    ft_buffer_unref(text->span_buffer);
    *text = (ft_aligned){.has_spans = text->has_spans, .account = text->account};
}

void ft_rewrite_begin(ft_rewrite *rewrite, const ft_aligned *in, ft_aligned *out)
{
    out->size = 0;
    out->start = in->start;
    *rewrite = (ft_rewrite){.in = in, .out = out};
}

void ft_rewrite_keep(ft_rewrite *rewrite, size_t to)
{
    const ft_aligned *in = rewrite->in;
    ft_aligned *out = rewrite->out;
    size_t size = to - rewrite->at;

    if (size == 0)
        return;
    memcpy(out->bytes + out->size, in->bytes + rewrite->at, size);
    if (out->has_spans)
        memcpy(out->spans + out->size, in->spans + rewrite->at, size * sizeof(ft_span));
    out->size += size;
    rewrite->at = to;
}

void ft_rewrite_drop(ft_rewrite *rewrite, size_t count)
{
    const ft_aligned *in = rewrite->in;

    while (count-- > 0 && rewrite->at < in->size)
        rewrite->at += width_of(in->bytes[rewrite->at]);
}

ft_span ft_rewrite_span(ft_rewrite *rewrite, int64_t change)
{
    const ft_aligned *in = rewrite->in;

    if (change > 0 && rewrite->at == 0)
        return (ft_span){rewrite->out->start, rewrite->out->start};
    if (change > 0)
        return in->spans[rewrite->at - 1];
    // Every caller replaces as many characters as there are.
    FT_DEBUG_ASSERT(rewrite->at < in->size);
    ft_span span = in->spans[rewrite->at];
    ft_rewrite_drop(rewrite, (size_t)(1 - change));
    return span;
}
