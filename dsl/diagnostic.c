// Keeps diagnostics in the order of the file. What cannot be kept is counted, so that "no errors"
// is never said by mistake: a missing message becomes "out of memory", and above 1,000 the rest is
// a number.
#include "dsl/diagnostic.h"

#include <string.h>

#include "runtime/memory/alloc.h"

enum { KEPT_MAX = 1000, QUOTE_BYTES = 60 };

struct ft_diagnostics {
    ft_arena *arena;
    ft_diagnostic **items;  // By place.
    size_t count, capacity;
    size_t dropped[2];  // By severity: not kept.
    bool no_memory;
};

static const ft_diagnostic out_of_memory = {.number = 608, .message = "out of memory"};

ft_diagnostics *ft_diagnostics_create(void)
{
    ft_diagnostics *all = ft_alloc_zero(1, sizeof(*all));

    if (!all)
        return NULL;
    all->arena = ft_arena_create();
    if (all->arena)
        return all;
    ft_free(all);
    return NULL;
}

void ft_diagnostics_destroy(ft_diagnostics *all)
{
    if (!all)
        return;
    ft_arena_destroy(all->arena);
    ft_free(all->items);
    ft_free(all);
}

ft_arena *ft_diagnostics_arena(ft_diagnostics *all)
{
    return all->arena;
}

void ft_diagnostics_add_nomem(ft_diagnostics *all)
{
    all->no_memory = true;
}

// Several files are checked one behind the other: what stands in one of them stays together.
// Files are compiled one after the other, and stay in that order.
static bool is_before(const ft_diagnostic *a, const ft_diagnostic *b)
{
    if (a->source != b->source)
        return false;
    if (a->source != b->source)
        return false;
    if (a->mark.offset != b->mark.offset)
        return a->mark.offset < b->mark.offset;
    return a->severity < b->severity;
}

static bool is_same(const ft_diagnostic *a, const ft_diagnostic *b)
{
    return a->source == b->source && a->number == b->number && a->mark.offset == b->mark.offset &&
           strcmp(a->message, b->message) == 0;
}

static bool make_room(ft_diagnostics *all)
{
    if (all->count < all->capacity)
        return true;
    size_t capacity = all->capacity ? all->capacity * 2 : 16;
    ft_diagnostic **items = ft_realloc(all->items, capacity * sizeof(*items));
    if (!items)
        return false;
    all->items = items;
    all->capacity = capacity;
    return true;
}

void ft_diagnostics_add(ft_diagnostics *all, const ft_diagnostic *one)
{
    if (!one->message) {
        all->no_memory = true;
        return;
    }
    for (size_t i = 0; i < all->count; i++)
        if (is_same(all->items[i], one))
            return;
    if (all->count == KEPT_MAX) {
        all->dropped[one->severity]++;
        return;
    }
    ft_diagnostic *copy = ft_arena_alloc(all->arena, sizeof(*copy));
    if (!copy || !make_room(all)) {
        all->no_memory = true;
        return;
    }
    *copy = *one;
    size_t at = all->count++;
    for (; at > 0 && is_before(one, all->items[at - 1]); at--)
        all->items[at] = all->items[at - 1];
    all->items[at] = copy;
}

size_t ft_diagnostics_count(const ft_diagnostics *all, ft_severity severity)
{
    size_t count = all->dropped[severity];

    for (size_t i = 0; i < all->count; i++)
        count += all->items[i]->severity == severity;
    return count + (all->no_memory && severity == FT_SEVERITY_ERROR);
}

const ft_diagnostic *ft_diagnostics_get(const ft_diagnostics *all, size_t index)
{
    if (index < all->count)
        return all->items[index];
    return index == all->count && all->no_memory ? &out_of_memory : NULL;
}

static bool is_continuation(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}

ft_mark ft_mark_at(ft_slice text, size_t offset, size_t end)
{
    ft_mark mark = {1, 1, 0, 0};

    if (offset > text.size)
        offset = text.size;
    mark.offset = offset;
    for (size_t i = ft_slice_starts_with(text, FT_SLICE("\xEF\xBB\xBF")) ? 3 : 0; i < offset; i++) {
        if (text.data[i] == '\n') {
            mark.line++;
            mark.column = 1;
        } else {
            mark.column += !is_continuation(text.data[i]);
        }
    }
    for (size_t i = offset;
         i < end && i < text.size && text.data[i] != '\n' && text.data[i] != '\r'; i++)
        mark.length += i == offset || !is_continuation(text.data[i]);
    if (mark.length == 0)
        mark.length = 1;
    return mark;
}

const char *ft_quote(ft_arena *arena, ft_slice text)
{
    char shown[QUOTE_BYTES + 4];
    size_t size = text.size <= QUOTE_BYTES ? text.size : QUOTE_BYTES;

    while (size < text.size && size > 0 && is_continuation(text.data[size]))
        size--;
    for (size_t i = 0; i < size; i++)
        shown[i] = (unsigned char)text.data[i] < 0x20 ? ' ' : text.data[i];
    size_t total = size;
    if (size < text.size) {
        memcpy(shown + size, "...", 3);
        total += 3;
    }
    const char *copy = ft_arena_text(arena, (ft_slice){shown, total});
    return copy ? copy : "";
}
