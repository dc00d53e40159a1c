// The growing text. It doubles up to its bound; the first failure sticks, so that a row of appends
// needs one check.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "runtime/slice.h"

void ft_text_init(ft_text *text, size_t bound_bytes)
{
    *text = (ft_text){.bound = bound_bytes};
}

void ft_text_finish(ft_text *text)
{
    ft_free(text->data);
    *text = (ft_text){.bound = text->bound};
}

void ft_text_clear(ft_text *text)
{
    text->size = 0;
    text->failed = false;
    text->at_bound = false;
}

// Room for `more` bytes and the NUL behind them.
static bool reserve(ft_text *text, size_t more)
{
    size_t needed;

    if (text->failed)
        return false;
    if (FT_ADD_OVERFLOWS(text->size, more, &needed) || needed > text->bound || needed == SIZE_MAX) {
        text->failed = text->at_bound = true;
        return false;
    }
    needed++;
    if (needed <= text->capacity)
        return true;
    size_t capacity = text->capacity < 64 ? 64 : text->capacity;
    while (capacity < needed && capacity <= SIZE_MAX / 2)
        capacity *= 2;
    if (capacity < needed)
        capacity = needed;
    char *data = ft_realloc(text->data, capacity);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

char *ft_text_begin(ft_text *text, size_t most)
{
    return reserve(text, most) ? text->data + text->size : NULL;
}

void ft_text_end(ft_text *text, size_t size)
{
    text->size += size;
    text->data[text->size] = 0;
}

void ft_text_append(ft_text *text, ft_slice piece)
{
    if (!reserve(text, piece.size))
        return;
    if (piece.size > 0)
        memcpy(text->data + text->size, piece.data, piece.size);
    text->size += piece.size;
    text->data[text->size] = 0;
}

void ft_text_append_char(ft_text *text, char c)
{
    ft_text_append(text, (ft_slice){&c, 1});
}

void ft_text_append_string(ft_text *text, const char *piece)
{
    ft_text_append(text, ft_slice_of(piece));
}

void ft_text_format(ft_text *text, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (size < 0 || !reserve(text, (size_t)size)) {
        text->failed = true;
        return;
    }
    va_start(args, format);
    vsnprintf(text->data + text->size, (size_t)size + 1, format, args);
    va_end(args);
    text->size += (size_t)size;
}

ft_slice ft_text_get(const ft_text *text)
{
    return (ft_slice){text->data, text->size};
}

bool ft_text_check(const ft_text *text, ft_error *err)
{
    if (!text->failed)
        return true;
    if (text->at_bound)
        return ft_fail(err, FT_ERROR_LIMIT, "text longer than %zu bytes", text->bound);
    return ft_fail_nomem(err, text->capacity * 2);
}
