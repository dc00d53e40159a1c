// Slices: comparing, cutting, and numbers with units as users write them. No locale, whole texts
// only.
#include "runtime/slice.h"

#include <string.h>

ft_slice ft_slice_of(const char *text)
{
    return (ft_slice){text, text ? strlen(text) : 0};
}

bool ft_slice_equal(ft_slice a, ft_slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool ft_slice_is(ft_slice a, const char *text)
{
    return ft_slice_equal(a, ft_slice_of(text));
}

int ft_slice_compare(ft_slice a, ft_slice b)
{
    size_t shorter = a.size < b.size ? a.size : b.size;
    int order = shorter ? memcmp(a.data, b.data, shorter) : 0;

    return order ? order : (a.size > b.size) - (a.size < b.size);
}

bool ft_slice_starts_with(ft_slice text, ft_slice prefix)
{
    return text.size >= prefix.size && ft_slice_equal((ft_slice){text.data, prefix.size}, prefix);
}

bool ft_slice_ends_with(ft_slice text, ft_slice suffix)
{
    if (text.size < suffix.size)
        return false;
    return suffix.size == 0 ||
           ft_slice_equal((ft_slice){text.data + (text.size - suffix.size), suffix.size}, suffix);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

ft_slice ft_slice_trim(ft_slice text)
{
    while (text.size > 0 && is_space(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && is_space(text.data[text.size - 1]))
        text.size--;
    return text;
}

bool ft_slice_cut(ft_slice *rest, char separator, ft_slice *out_part)
{
    if (!rest->data)
        return false;
    const char *found = rest->size ? memchr(rest->data, separator, rest->size) : NULL;
    if (!found) {
        *out_part = *rest;
        *rest = (ft_slice){NULL, 0};
        return true;
    }
    size_t size = (size_t)(found - rest->data);
    *out_part = (ft_slice){rest->data, size};
    *rest = (ft_slice){found + 1, rest->size - size - 1};
    return true;
}

// Reads digits from `*at` on; false when there are none or the number passes 2^63.
static bool read_digits(ft_slice text, size_t *at, uint64_t *out)
{
    size_t start = *at;
    uint64_t value = 0;

    while (*at < text.size && text.data[*at] >= '0' && text.data[*at] <= '9') {
        unsigned digit = (unsigned)(text.data[(*at)++] - '0');
        if (FT_MUL_OVERFLOWS(value, 10u, &value) || FT_ADD_OVERFLOWS(value, digit, &value))
            return false;
        if (value > (uint64_t)INT64_MAX + 1)
            return false;
    }
    *out = value;
    return *at > start;
}

bool ft_parse_int(ft_slice text, int64_t *out)
{
    size_t at = 0;
    uint64_t value;
    bool negative = text.size > 0 && text.data[0] == '-';

    if (negative || (text.size > 0 && text.data[0] == '+'))
        at = 1;
    if (!read_digits(text, &at, &value) || at != text.size)
        return false;
    if (!negative && value > INT64_MAX)
        return false;
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

typedef struct {
    const char *name;
    int64_t factor;
} unit;

// Parses "1.5 GiB": digits, perhaps a fraction, perhaps white space, a unit. The result must be a
// whole number.
static bool parse_with_unit(ft_slice text, const unit *units, int64_t *out)
{
    size_t at = 0;
    uint64_t whole = 0, fraction = 0;
    int64_t scale = 1, factor = 0, result, part;

    text = ft_slice_trim(text);
    if (!read_digits(text, &at, &whole) || whole > INT64_MAX)
        return false;
    if (at < text.size && text.data[at] == '.') {
        size_t start = ++at;
        if (!read_digits(text, &at, &fraction) || at - start > 6)
            return false;
        for (size_t i = start; i < at; i++)
            scale *= 10;
    }
    ft_slice name = ft_slice_trim((ft_slice){text.data + at, text.size - at});
    for (; units->name && factor == 0; units++)
        if (ft_slice_is(name, units->name))
            factor = units->factor;
    if (factor == 0 || FT_MUL_OVERFLOWS((int64_t)whole, factor, &result))
        return false;
    if (FT_MUL_OVERFLOWS((int64_t)fraction, factor, &part) || part % scale != 0)
        return false;
    return !FT_ADD_OVERFLOWS(result, part / scale, out);
}

enum { KILO = 1000, KIBI = 1024 };
#define MEGA (INT64_C(1000) * KILO)
#define MEBI (INT64_C(1024) * KIBI)

bool ft_parse_size(ft_slice text, int64_t *out_bytes)
{
    static const unit units[] = {
        {"", 1},
        {"B", 1},
        {"KiB", KIBI},
        {"kB", KILO},
        {"KB", KILO},
        {"k", KILO},
        {"K", KILO},
        {"MiB", MEBI},
        {"MB", MEGA},
        {"M", MEGA},
        {"GiB", MEBI * KIBI},
        {"GB", MEGA * KILO},
        {"G", MEGA * KILO},
        {"TiB", MEBI * MEBI},
        {"TB", MEGA * MEGA},
        {"T", MEGA * MEGA},
        {NULL, 0},
    };
    return parse_with_unit(text, units, out_bytes);
}

bool ft_parse_count(ft_slice text, int64_t *out)
{
    static const unit units[] = {
        {"", 1}, {"k", KILO}, {"K", KILO}, {"M", MEGA}, {"G", MEGA * KILO}, {NULL, 0},
    };
    return parse_with_unit(text, units, out);
}

bool ft_parse_duration(ft_slice text, int64_t *out_ms)
{
    static const unit units[] = {
        {"ms", 1},          {"s", KILO},        {"m", 60 * KILO},
        {"min", 60 * KILO}, {"h", 3600 * KILO}, {"d", INT64_C(24) * 3600 * KILO},
        {NULL, 0},
    };
    if (ft_slice_is(ft_slice_trim(text), "0")) {
        *out_ms = 0;
        return true;
    }
    return parse_with_unit(text, units, out_ms);
}

size_t ft_print_int(int64_t value, char out[FT_NUMBER_BYTES])
{
    char digits[24];
    size_t count = 0, size = 0;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    do {
        digits[count++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0)
        out[size++] = '-';
    while (count > 0)
        out[size++] = digits[--count];
    out[size] = 0;
    return size;
}
