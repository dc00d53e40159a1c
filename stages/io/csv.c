// CSV: see csv.h. A quote opens only at the beginning of a field; behind a closing quote only a
// delimiter or the end may stand. Ends are searched with memchr, so that plain records cost little.
#include "stages/io/csv.h"

#include <string.h>

static size_t find_byte(ft_slice text, size_t from, size_t to, char byte)
{
    const char *found = from < to ? memchr(text.data + from, byte, to - from) : NULL;
    return found ? (size_t)(found - text.data) : to;
}

bool ft_csv_find_end(ft_slice text, char delimiter, ft_csv_scan *scan, size_t *out_end)
{
    size_t at = scan->at;
    while (at < text.size) {
        if (scan->in_quotes) {
            at = find_byte(text, at, text.size, '"');
            if (at + 1 >= text.size) {  // No quote, or one that may be the first of two.
                scan->at = at;
                return false;
            }
            scan->in_quotes = text.data[at + 1] == '"';
            at += scan->in_quotes ? 2 : 1;
            continue;
        }
        const size_t end = find_byte(text, at, text.size, '\n');
        const size_t quote = find_byte(text, at, end, '"');
        if (quote == end) {
            *out_end = end;
            scan->at = end;
            return end < text.size;
        }
        scan->in_quotes = quote == 0 || text.data[quote - 1] == delimiter;
        at = quote + 1;
    }
    scan->at = at;
    return false;
}

void ft_csv_walk_init(ft_csv_walk *walk, ft_slice record, char delimiter)
{
    *walk = (ft_csv_walk){.record = record, .delimiter = delimiter};
}

// `walk->at` is behind an opening quote.
static bool next_quoted(ft_csv_walk *walk, ft_csv_field *out, ft_error *err)
{
    const ft_slice record = walk->record;
    const size_t start = walk->at;
    size_t at = start;
    *out = (ft_csv_field){.quoted = true};
    for (;;) {
        at = find_byte(record, at, record.size, '"');
        if (at == record.size)
            return ft_fail(err, FT_ERROR_DATA, "invalid CSV: the quote at byte %zu is never closed",
                           start - 1);
        if (at + 1 == record.size || record.data[at + 1] != '"')
            break;
        out->has_escapes = true;
        at += 2;
    }
    out->text = (ft_slice){record.data + start, at - start};
    at++;
    if (at < record.size && record.data[at] != walk->delimiter)
        return ft_fail(err, FT_ERROR_DATA, "invalid CSV: text behind the closing quote at byte %zu",
                       at - 1);
    walk->done = at == record.size;
    walk->at = at + 1;
    return true;
}

bool ft_csv_next(ft_csv_walk *walk, ft_csv_field *out, bool *out_more, ft_error *err)
{
    *out_more = !walk->done;
    if (walk->done)
        return true;
    if (walk->at < walk->record.size && walk->record.data[walk->at] == '"') {
        walk->at++;
        return next_quoted(walk, out, err);
    }
    const size_t end = find_byte(walk->record, walk->at, walk->record.size, walk->delimiter);
    *out = (ft_csv_field){.text = {walk->record.data + walk->at, end - walk->at}};
    if (find_byte(out->text, 0, out->text.size, '"') != out->text.size)
        return ft_fail(err, FT_ERROR_DATA,
                       "invalid CSV: a quote inside the unquoted field at byte %zu", walk->at);
    walk->done = end == walk->record.size;
    walk->at = end + 1;
    return true;
}

size_t ft_csv_unescape(ft_slice text, char *out)
{
    size_t size = 0;
    for (size_t at = 0; at < text.size;) {
        size_t end = find_byte(text, at, text.size, '"');
        if (end < text.size)
            end++;  // The first of two stays.
        memcpy(out + size, text.data + at, end - at);
        size += end - at;
        at = end + (end < text.size && text.data[end] == '"' && text.data[end - 1] == '"');
    }
    return size;
}

void ft_csv_put_escaped(ft_text *out, ft_slice text)
{
    for (size_t at = 0; at < text.size;) {
        const size_t end = find_byte(text, at, text.size, '"');
        ft_text_append(out, (ft_slice){text.data + at, end - at});
        if (end < text.size)
            ft_text_append_string(out, "\"\"");
        at = end + 1;
    }
}

void ft_csv_put(ft_text *out, ft_slice text, char delimiter)
{
    bool plain = text.size > 0;
    for (size_t i = 0; plain && i < text.size; i++) {
        const char c = text.data[i];
        plain = c != '"' && c != delimiter && c != '\n' && c != '\r';
    }
    if (plain) {
        ft_text_append(out, text);
        return;
    }
    ft_text_append_char(out, '"');
    ft_csv_put_escaped(out, text);
    ft_text_append_char(out, '"');
}
