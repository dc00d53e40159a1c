// A list of changes that grows by half.
#include "stages/text/origins.h"

#include <string.h>

enum { CHANGES_MIN = 64 };

bool ft_origins_grow(ft_origins *origins)
{
    size_t wanted = origins->capacity + origins->capacity / 2 + CHANGES_MIN;
    const size_t bytes = wanted * sizeof(ft_change);
    ft_error err = FT_ERROR_INIT;

    bool done = origins->buffer
                    ? ft_buffer_resize(origins->buffer, bytes, &err)
                    : (origins->buffer = ft_buffer_create(origins->account, bytes, &err)) != NULL;
    if (!done) {
        origins->missing = err;
        return false;
    }
    origins->changes = origins->buffer->data;
    origins->capacity = wanted;
    return true;
}

bool ft_origins_check(const ft_origins *origins, ft_error *err)
{
    if (origins->missing.code == FT_ERROR_NONE)
        return true;
    *err = origins->missing;
    return false;
}

void ft_origins_finish(ft_origins *origins)
{
    ft_buffer_unref(origins->buffer);
    *origins = (ft_origins){.account = origins->account};
}

void ft_origins_copy(ft_origins *origins, size_t at, ft_origins *in, size_t from, size_t to)
{
    if (from == to || in->count == 0)
        return;
    ft_origins_seek(in, from);
    for (size_t i = in->cursor; from < to; i++) {
        const ft_change *change = in->changes + i;
        size_t behind = change->at + change->size;
        size_t next = i + 1 < in->count ? change[1].at : to;
        next = next < to ? next : to;
        in->cursor = i;
        if (from < behind) {
            size_t size = (behind < to ? behind : to) - from;
            ft_origins_put(origins, at, size, change->span);
            from += size;
            at += size;
        }
        if (from < next) {
            ft_origins_keep(origins, at, change->span.end + (from - behind));
            at += next - from;
            from = next;
        }
    }
}

void ft_origins_cut(ft_origins *origins, size_t size)
{
    while (origins->count > 1 && origins->changes[origins->count - 1].at >= size)
        origins->count--;
    origins->cursor = 0;
    if (origins->count == 0)
        return;
    ft_change *last = origins->changes + origins->count - 1;
    if (last->at + last->size > size)
        last->size = (uint32_t)size - last->at;
}

void ft_origins_shift(ft_origins *origins, size_t count)
{
    if (origins->count == 0)
        return;
    ft_change first = *ft_origins_seek(origins, count);
    size_t gone = origins->cursor, behind = count - first.at;
    if (behind < first.size)
        first.size -= (uint32_t)behind;
    else
        first = (ft_change){.span = {first.span.end + (uint32_t)(behind - first.size),
                                     first.span.end + (uint32_t)(behind - first.size)}};
    first.at = 0;
    origins->count -= gone;
    memmove(origins->changes, origins->changes + gone, origins->count * sizeof(first));
    for (size_t i = 1; i < origins->count; i++)
        origins->changes[i].at -= (uint32_t)count;
    origins->changes[0] = first;
    origins->cursor = 0;
}

void ft_origins_prepend(ft_origins *origins, size_t count, ft_span span)
{
    if (origins->count == 0 || (origins->count == origins->capacity && !ft_origins_grow(origins)))
        return;
    memmove(origins->changes + 1, origins->changes, origins->count * sizeof(ft_change));
    origins->count++;
    for (size_t i = 1; i < origins->count; i++)
        origins->changes[i].at += (uint32_t)count;
    origins->changes[0] = (ft_change){0, (uint32_t)count, span};
    origins->cursor = 0;
}

static bool is_inside(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

// Where a character of the text stands for itself its bytes are looked at; a change has no borders
// inside.
ft_span ft_origins_of(ft_origins *origins, const uint8_t *bytes, size_t size, size_t from,
                      size_t to)
{
    ft_span span = {0};

    if (origins->count == 0)
        return span;  // Incomplete.
    const ft_change *change = ft_origins_seek(origins, from);
    size_t start = from;
    while (start > change->at + change->size && is_inside(bytes[start]))
        start--;
    span.start = ft_origins_start(origins, start);
    change = ft_origins_seek(origins, to - 1);
    size_t behind = change->at + change->size;
    if (to <= behind) {
        span.end = origins->ends_at_last && to < behind ? change->span.start : change->span.end;
        return span;
    }
    size_t end = to;
    if (origins->ends_at_last)
        while (end < size && end > behind && is_inside(bytes[end]))
            end--;
    else
        while (end < size && is_inside(bytes[end]))
            end++;
    span.end = end > behind ? ft_origins_end(origins, end) : change->span.end;
    return span;
}
