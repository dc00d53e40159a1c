// Bytes, and beside them where they come from.
#include "stages/text/aligned.h"

#include "stages/text/byte_level.h"

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

    if (size <= text->capacity && text->byte_buffer)
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
    text->origins.account = text->account;
    if (text->has_spans)
        ft_origins_begin(&text->origins, start);
    return ft_origins_check(&text->origins, err);
}

void ft_aligned_put(ft_aligned *text, const uint8_t *bytes, size_t count, ft_span origin)
{
    if (count == 0)
        return;
    memcpy(text->bytes + text->size, bytes, count);
    if (text->has_spans)
        ft_origins_put(&text->origins, text->size, count, origin);
    text->size += count;
}

ft_span ft_aligned_origin(ft_aligned *text, size_t from, size_t to)
{
    if (from >= to)
        return (ft_span){(uint32_t)from, (uint32_t)to};
    return ft_origins_of(&text->origins, text->bytes, text->size, from, to);
}

void ft_aligned_copy(ft_aligned *text, ft_aligned *in, size_t from, size_t to)
{
    if (from == to)
        return;
    memcpy(text->bytes + text->size, in->bytes + from, to - from);
    if (text->has_spans)
        ft_origins_copy(&text->origins, text->size, &in->origins, from, to);
    text->size += to - from;
}

void ft_aligned_put_letter(ft_aligned *text, ft_aligned *in, size_t at)
{
    const ft_byte_letter *letter = &ft_byte_letters[in->bytes[at]];

    if (letter->size == 1)
        ft_aligned_copy(text, in, at, at + 1);
    else
        ft_aligned_put(text, letter->bytes, letter->size,
                       text->has_spans ? ft_aligned_span(in, at) : (ft_span){0});
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
    ft_origins_finish(&text->origins);
    *text = (ft_aligned){.has_spans = text->has_spans, .account = text->account};
}

void ft_aligned_empty(ft_aligned *text, const ft_aligned *like)
{
    text->size = 0;
    text->start = like->start;
    text->has_spans = like->has_spans;
    text->origins.account = text->account;
    if (text->has_spans)
        ft_origins_begin(&text->origins, text->start);
}

void ft_rewrite_begin(ft_rewrite *rewrite, ft_aligned *in, ft_aligned *out)
{
    ft_aligned_empty(out, in);
    *rewrite = (ft_rewrite){.in = in, .out = out};
}

void ft_rewrite_keep(ft_rewrite *rewrite, size_t to)
{
    ft_aligned_copy(rewrite->out, rewrite->in, rewrite->at, to);
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
    ft_aligned *in = rewrite->in;

    if (change > 0 && rewrite->at == 0)
        return (ft_span){rewrite->out->start, rewrite->out->start};
    if (change > 0)
        return ft_aligned_span(in, rewrite->at - 1);
    // Every caller replaces as many characters as there are.
    FT_DEBUG_ASSERT(rewrite->at < in->size);
    ft_span span = ft_aligned_span(in, rewrite->at);
    ft_rewrite_drop(rewrite, (size_t)(1 - change));
    return span;
}
