// Where the bytes of a changed text come from. Most stand for themselves, a constant distance from
// where they were; so what is kept is a list of changes, and a text that is not changed costs
// nothing.
//
//   given    C a f é CR LF x      changes  at size  span
//   text     c a f e ´ LF x                 0    0  0-0
//                                           3    3  3-5    é is two now, of three bytes
//                                           6    1  5-7    CR LF became LF
//
// Of a change all bytes have the span. Behind it, up to the next one, each character has its own.
#pragma once

#include "runtime/memory/buffer.h"
#include "stages/text/token.h"

typedef struct ft_change {
    uint32_t at, size;  // Bytes of the text as it is; of size 0: something is missing here.
    ft_span span;
} ft_change;

// A zeroed one with its account is empty. One thread at a time.
typedef struct ft_origins {
    ft_buffer *buffer;
    ft_change *changes;
    size_t count, capacity;
    size_t cursor;        // Where was looked last: places hardly move.
    bool ends_at_last;    // Only the last byte of a character ends where it does; those before end
                          // where it begins. Else all bytes have the whole of it.
    ft_error missing;     // Why there is no room for a change; has no code when none is missing.
    ft_account *account;  // May be NULL.
} ft_origins;

void ft_origins_finish(ft_origins *origins);
// Makes room, or notes that there is none.
bool ft_origins_grow(ft_origins *origins);
// Fails when a change is missing.
bool ft_origins_check(const ft_origins *origins, ft_error *err) FT_MUST_CHECK;

// A text of which nothing is changed, that begins at `start` of the given one.
static inline void ft_origins_begin(ft_origins *origins, size_t start)
{
    origins->count = origins->cursor = 0;
    origins->ends_at_last = false;
    origins->missing.code = FT_ERROR_NONE;
    if (origins->capacity == 0 && !ft_origins_grow(origins))
        return;
    origins->changes[origins->count++] = (ft_change){.span = {(uint32_t)start, (uint32_t)start}};
}

// The `size` bytes that are put at `at`, where the text ends so far, have that span.
static inline void ft_origins_put(ft_origins *origins, size_t at, size_t size, ft_span span)
{
    if (FT_UNLIKELY(origins->count == 0))
        return;  // Incomplete.
    ft_change *last = origins->changes + origins->count - 1;
    if (last->at + last->size == at && last->size > 0 && size > 0 &&
        last->span.start == span.start && last->span.end == span.end) {
        last->size += (uint32_t)size;
        return;
    }
    // Where something was missing already, now more is.
    if (last->at != at || last->size > 0) {
        if (FT_UNLIKELY(origins->count == origins->capacity) && !ft_origins_grow(origins))
            return;
        last = origins->changes + origins->count++;
    }
    *last = (ft_change){(uint32_t)at, (uint32_t)size, span};
}

// What is put at `at` stands for itself, and is at `from` of the given text.
static inline void ft_origins_keep(ft_origins *origins, size_t at, size_t from)
{
    if (FT_UNLIKELY(origins->count == 0))
        return;
    const ft_change *last = origins->changes + origins->count - 1;
    if (last->span.end + (at - last->at - last->size) != from)
        ft_origins_put(origins, at, 0, (ft_span){(uint32_t)from, (uint32_t)from});
}

// What the bytes [from, to) of `in` come from is where those that are put at `at` come from.
void ft_origins_copy(ft_origins *origins, size_t at, ft_origins *in, size_t from, size_t to);
// The text ends at `size`.
void ft_origins_cut(ft_origins *origins, size_t size);
// Its first `count` bytes are gone.
void ft_origins_shift(ft_origins *origins, size_t count);
// `count` bytes with that span come in front.
void ft_origins_prepend(ft_origins *origins, size_t count, ft_span span);

// Whether nothing is changed in a text that begins at `start` of the given one, and bytes have the
// whole of their characters.
static inline bool ft_origins_is_plain(const ft_origins *origins, size_t start)
{
    return origins->count == 1 && origins->changes->size == 0 &&
           origins->changes->span.end == start && !origins->ends_at_last;
}

// The last change that begins at `at` or before.
static inline const ft_change *ft_origins_seek(ft_origins *origins, size_t at)
{
    size_t cursor = origins->cursor;

    while (cursor + 1 < origins->count && origins->changes[cursor + 1].at <= at)
        cursor++;
    while (cursor > 0 && origins->changes[cursor].at > at)
        cursor--;
    origins->cursor = cursor;
    return origins->changes + cursor;
}

// Where what is at `at` begins, and what is before `to` ends; both are where a character does.
static inline uint32_t ft_origins_start(ft_origins *origins, size_t at)
{
    const ft_change *change = ft_origins_seek(origins, at);
    size_t behind = at - change->at;

    return behind < change->size ? change->span.start
                                 : change->span.end + (uint32_t)(behind - change->size);
}
static inline uint32_t ft_origins_end(ft_origins *origins, size_t to)
{
    const ft_change *change = ft_origins_seek(origins, to - 1);
    size_t behind = to - change->at;

    if (behind < change->size && origins->ends_at_last)
        return change->span.start;
    return behind <= change->size ? change->span.end
                                  : change->span.end + (uint32_t)(behind - change->size);
}

// The same for any bytes of a text, of which `bytes` are those around.
ft_span ft_origins_of(ft_origins *origins, const uint8_t *bytes, size_t size, size_t from,
                      size_t to);
