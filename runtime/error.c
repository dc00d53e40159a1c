// The failure convention's few functions. Nothing here allocates, so that "out of memory" can
// always be said.
//
// Messages quote what users and files gave, so control characters are blanked (a file name must not
// move a terminal's cursor), what is no UTF-8 becomes `?`, and a text that is cut ends on a whole
// code point.
#include "runtime/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/slice.h"

static const char *const code_names[] = {
#define CODE_NAME(name, text, meaning) [FT_ERROR_##name] = text,
    FT_ERROR_MAP(CODE_NAME)
#undef CODE_NAME
};

// `text` begins a code point that ends behind it.
static bool is_cut(ft_slice text)
{
    const unsigned char first = (unsigned char)text.data[0];
    const size_t wanted = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;

    for (size_t i = 1; i < text.size; i++)
        if (((unsigned char)text.data[i] & 0xc0) != 0x80)
            return false;
    return text.size < wanted;
}

// Makes one clean line of `text`, which snprintf may have cut at `capacity` in the middle of a code
// point.
static void clean_line(char *text, size_t capacity)
{
    const size_t size = strlen(text);

    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = ' ';
    for (size_t at = 0; at < size; at++) {
        const ft_slice rest = {text + at, size - at};
        const size_t valid = ft_utf8_valid_prefix(rest);
        at += valid;
        if (at >= size)
            break;
        if (size + 1 >= capacity && is_cut((ft_slice){text + at, size - at})) {
            text[at] = 0;
            break;
        }
        text[at] = '?';
    }
}

static void fill(ft_error *err, ft_error_code code, const char *format, va_list args)
{
    memset(err, 0, offsetof(ft_error, message));
    err->code = code;
    err->hint[0] = 0;
    vsnprintf(err->message, sizeof(err->message), format, args);
    clean_line(err->message, sizeof(err->message));
}

bool ft_fail(ft_error *err, ft_error_code code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fill(err, code, format, args);
    va_end(args);
    return false;
}

bool ft_fail_errno(ft_error *err, int saved_errno, const char *format, ...)
{
    char reason[128];
    va_list args;

    va_start(args, format);
    fill(err, FT_ERROR_IO, format, args);
    va_end(args);
    if (strerror_r(saved_errno, reason, sizeof(reason)) != 0)
        snprintf(reason, sizeof(reason), "error %d", saved_errno);
    size_t size = strlen(err->message);
    snprintf(err->message + size, sizeof(err->message) - size, ": %s", reason);
    clean_line(err->message, sizeof(err->message));
    err->saved_errno = saved_errno;
    return false;
}

bool ft_fail_nomem(ft_error *err, size_t wanted_bytes)
{
    return ft_fail(err, FT_ERROR_NOMEM, "out of memory: wanted %zu bytes", wanted_bytes);
}

void ft_hint(ft_error *err, const char *format, ...)
{
    va_list args;

    if (err->hint[0])
        return;
    va_start(args, format);
    vsnprintf(err->hint, sizeof(err->hint), format, args);
    va_end(args);
    clean_line(err->hint, sizeof(err->hint));
}

void ft_error_while(ft_error *err, const char *format, ...)
{
    char front[FT_ERROR_MESSAGE_BYTES];
    char whole[FT_ERROR_MESSAGE_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(front, sizeof(front), format, args);
    va_end(args);
    size_t front_size = strlen(front);
    memcpy(whole, front, front_size);
    size_t left = sizeof(whole) - front_size;
    snprintf(whole + front_size, left, ": %.*s", (int)left, err->message);
    clean_line(whole, sizeof(whole));
    memcpy(err->message, whole, sizeof(whole));
}

bool ft_error_at(ft_error *err, const char *option, size_t offset, size_t length)
{
    err->option = option;
    err->offset = offset;
    err->length = length;
    return false;
}

const char *ft_error_code_name(ft_error_code code)
{
    return (size_t)code < FT_COUNT_OF(code_names) ? code_names[code] : "unrecognized";
}

FT_NORETURN void ft_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "ftpipe: %s:%d: broken invariant: %s\n", file, line, condition);
    abort();
}
