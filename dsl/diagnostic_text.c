// Diagnostics for people: the place, the line with carets, the other end, help, and the line to
// write. Columns are those of a terminal: wide characters take two, tabs are shown as four blanks,
// long lines are cut around the caret.
#include <string.h>

#include "dsl/diagnostic.h"
#include "dsl/diagnostic_print.h"

enum {
    SHOWN_ERRORS = 10,
    TAB_COLUMNS = 4,
    LINE_COLUMNS = 100,
    LEAD_COLUMNS = 30,
    MORE_FROM_NUMBER = 200
};

typedef struct paint {
    const char *bold, *red, *yellow, *blue, *green, *off;
} paint;

static const paint no_paint = {"", "", "", "", "", ""};
static const paint full_paint = {"\033[1m",    "\033[1;31m", "\033[1;33m",
                                 "\033[1;34m", "\033[1;32m", "\033[0m"};

// ---- a line of the file ----

// First code points of ranges that a terminal shows two columns wide, and the last ones.
static const uint32_t wide[][2] = {
    {0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},
    {0x4E00, 0x9FFF},   {0xA000, 0xA4CF},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},
    {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},   {0x1F300, 0x1F64F},
    {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD},
};
// Marks that take no column of their own.
static const uint32_t narrow[][2] = {
    {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x0610, 0x061A},
    {0x064B, 0x065F}, {0x200B, 0x200F}, {0x202A, 0x202E}, {0x2060, 0x2064},
    {0x20D0, 0x20F0}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF},
};

static bool is_in(uint32_t code, const uint32_t ranges[][2], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (code >= ranges[i][0] && code <= ranges[i][1])
            return true;
    return false;
}

static size_t columns_of(uint32_t code)
{
    if (code < 0x300)
        return 1;
    if (is_in(code, narrow, FT_COUNT_OF(narrow)))
        return 0;
    return is_in(code, wide, FT_COUNT_OF(wide)) ? 2 : 1;
}

// One character as it is shown: `bytes` of the source, `columns` on the terminal, `text` to print.
typedef struct glyph {
    size_t bytes, columns;
    ft_slice text;
} glyph;

static glyph glyph_at(ft_slice line, size_t at)
{
    static const char blanks[] = "    ";
    size_t next = 0;
    size_t left = line.size - at < 4 ? line.size - at : 4;
    size_t valid = ft_utf8_valid_prefix((ft_slice){line.data + at, left});

    if (line.data[at] == '\t')
        return (glyph){1, TAB_COLUMNS, {blanks, TAB_COLUMNS}};
    if (valid == 0 || (unsigned char)line.data[at] < 0x20 || line.data[at] == 0x7F)
        return (glyph){1, 1, FT_SLICE("\xEF\xBF\xBD")};
    uint32_t code = ft_utf8_next((ft_slice){line.data + at, valid}, &next);
    // Marks that turn the direction of the text could make a message lie.
    if ((code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069) ||
        (code >= 0x80 && code < 0xA0))
        return (glyph){next, 1, FT_SLICE("\xEF\xBF\xBD")};
    return (glyph){next, columns_of(code), {line.data + at, next}};
}

static ft_slice line_of(const ft_source *source, size_t offset)
{
    ft_slice text = source->text;
    size_t start = offset < text.size ? offset : text.size, end = start;

    while (start > 0 && text.data[start - 1] != '\n')
        start--;
    if (start == 0 && ft_slice_starts_with(text, FT_SLICE("\xEF\xBB\xBF")))
        start = 3;
    if (end < start)
        end = start;
    while (end < text.size && text.data[end] != '\n' && text.data[end] != '\r')
        end++;
    return (ft_slice){text.data + start, end - start};
}

static size_t column_of(ft_slice line, size_t bytes)
{
    size_t columns = 0;

    for (size_t at = 0; at < line.size && at < bytes;) {
        glyph g = glyph_at(line, at);
        columns += g.columns;
        at += g.bytes;
    }
    return columns;
}

// Which columns of a long line are shown.
typedef struct window {
    size_t first, last;
} window;

static window window_around(ft_slice line, size_t caret)
{
    size_t all = column_of(line, line.size);

    if (all <= LINE_COLUMNS)
        return (window){0, SIZE_MAX};
    size_t first = caret > LINE_COLUMNS - LEAD_COLUMNS ? caret - LEAD_COLUMNS : 0;
    return (window){first, first + LINE_COLUMNS};
}

static void print_window(ft_text *out, ft_slice line, window shown)
{
    size_t column = 0, at = 0;

    if (shown.first > 0)
        ft_text_append_string(out, "...");
    while (at < line.size) {
        glyph g = glyph_at(line, at);
        if (column >= shown.first && column + g.columns <= shown.last)
            ft_text_append(out, g.text);
        else if (column > shown.last)
            break;
        column += g.columns;
        at += g.bytes;
    }
    if (at < line.size)
        ft_text_append_string(out, "...");
}

static void repeat(ft_text *out, char c, size_t times)
{
    while (times-- > 0 && !out->failed)
        ft_text_append_char(out, c);
}

// ---- one diagnostic ----

typedef struct span {
    const ft_mark *mark;
    const char *label;
    const char *color;
    char sign;
} span;

static void print_gutter(ft_text *out, const paint *p, int width, uint32_t line)
{
    if (line)
        ft_text_format(out, " %s%*u |%s", p->blue, width, line, p->off);
    else
        ft_text_format(out, " %s%*s |%s", p->blue, width, "", p->off);
}

static void print_bar(ft_text *out, const paint *p, int width)
{
    print_gutter(out, p, width, 0);
    ft_text_append_char(out, '\n');
}

static size_t bytes_of_points(ft_slice line, size_t at, size_t points)
{
    size_t start = at;

    while (points-- > 0 && at < line.size)
        at += glyph_at(line, at).bytes;
    return at - start;
}

static void print_carets(ft_text *out, const paint *p, int width, ft_slice line, size_t in_line,
                         window shown, const span *s)
{
    size_t bytes = bytes_of_points(line, in_line, s->mark->length);
    size_t column = column_of(line, in_line), end = column_of(line, in_line + bytes);

    if (end <= column)
        end = column + 1;
    if (end > shown.last)
        end = shown.last;
    column = column > shown.first ? column - shown.first + (shown.first > 0 ? 3 : 0) : 0;
    end = end > shown.first ? end - shown.first + (shown.first > 0 ? 3 : 0) : column + 1;
    print_gutter(out, p, width, 0);
    repeat(out, ' ', column + 1);
    ft_text_append_string(out, s->color);
    repeat(out, s->sign, end > column ? end - column : 1);
    if (s->label)
        ft_text_format(out, " %s", s->label);
    ft_text_format(out, "%s\n", p->off);
}

static void print_span(ft_text *out, const paint *p, int width, const ft_source *source,
                       const span *s, bool with_line)
{
    ft_slice line = line_of(source, s->mark->offset);
    size_t in_line = source->text.data + s->mark->offset > line.data
                         ? (size_t)(source->text.data + s->mark->offset - line.data)
                         : 0;

    if (in_line > line.size)
        in_line = line.size;
    window shown = window_around(line, column_of(line, in_line));
    if (with_line) {
        print_gutter(out, p, width, s->mark->line);
        if (line.size > 0)
            ft_text_append_char(out, ' ');
        print_window(out, line, shown);
        ft_text_append_char(out, '\n');
    }
    print_carets(out, p, width, line, in_line, shown, s);
}

static int digits_of(uint32_t number)
{
    int digits = 1;

    for (; number >= 10; number /= 10)
        digits++;
    return digits;
}

static bool is_line(const ft_source *source)
{
    return strcmp(source->path, "-e") == 0;
}

static void print_spans(ft_text *out, const paint *p, int width, const ft_diagnostic *d)
{
    const char *color = d->severity == FT_SEVERITY_ERROR ? p->red : p->yellow;
    const char *label = d->label;

    // A one-liner is no file that could be fixed.
    if (!label && d->replacement && !d->has_other && !is_line(d->source))
        label = "(fixed by `ftpipe check --fix`)";
    span here = {&d->mark, label, color, '^'}, there = {&d->other, d->other_label, p->blue, '-'};
    bool other_first = d->has_other && d->other.offset < d->mark.offset;
    const span *first = other_first ? &there : &here, *second = other_first ? &here : &there;
    print_span(out, p, width, d->source, first, true);
    if (!d->has_other)
        return;
    if (second->mark->line > first->mark->line + 1)
        ft_text_append_string(out, "...\n");
    print_span(out, p, width, d->source, second, second->mark->line != first->mark->line);
}

static void print_help(ft_text *out, const paint *p, int width, const ft_diagnostic *d)
{
    if (d->fix_line)
        print_bar(out, p, width);
    if (d->help)
        ft_text_format(out, " %shelp:%s %s\n", p->bold, p->off, d->help);
    if (d->fix_line) {
        print_bar(out, p, width);
        ft_text_format(out, " %s%*u + %s%s\n", p->green, width, d->fix_above_line, d->fix_line,
                       p->off);
        print_bar(out, p, width);
    }
    if (d->number >= MORE_FROM_NUMBER && d->severity == FT_SEVERITY_ERROR && d->source)
        ft_text_format(out, " more: ftpipe explain E%04d\n", d->number);
}

static void print_one(ft_text *out, const paint *p, const ft_diagnostic *d)
{
    bool is_error = d->severity == FT_SEVERITY_ERROR;
    uint32_t last = d->mark.line;

    if (d->has_other && d->other.line > last)
        last = d->other.line;
    if (d->fix_line && d->fix_above_line > last)
        last = d->fix_above_line;
    int width = digits_of(last);
    if (d->source)
        ft_text_format(out, "%s%s:%u:%u:%s ", p->bold, d->source->path, d->mark.line,
                       d->mark.column, p->off);
    ft_text_format(out, "%s%s[%c%04d]%s: %s%s%s\n", is_error ? p->red : p->yellow,
                   is_error ? "error" : "warning", is_error ? 'E' : 'W', d->number, p->off, p->bold,
                   d->message, p->off);
    if (d->source) {
        print_gutter(out, p, width, 0);
        // Nobody typed what stands below.
        ft_text_append_string(out, is_line(d->source) ? " (the line, written as YAML)\n" : "\n");
        print_spans(out, p, width, d);
    }
    print_help(out, p, width, d);
}

void ft_diagnostics_print_text(const ft_diagnostics *all, bool color, ft_text *out)
{
    const paint *p = color ? &full_paint : &no_paint;
    size_t errors = ft_diagnostics_count(all, FT_SEVERITY_ERROR),
           warnings = ft_diagnostics_count(all, FT_SEVERITY_WARNING);
    size_t shown = 0;

    for (const ft_diagnostic *d; shown < SHOWN_ERRORS && (d = ft_diagnostics_get(all, shown));
         shown++) {
        if (shown > 0)
            ft_text_append_char(out, '\n');
        print_one(out, p, d);
        if (d->severity == FT_SEVERITY_ERROR)
            errors--;
        else
            warnings--;
    }
    if (errors + warnings == 0)
        return;
    ft_text_append_string(out, "\n... and ");
    if (errors)
        ft_text_format(out, "%zu more error%s", errors, errors == 1 ? "" : "s");
    if (warnings)
        ft_text_format(out, "%s%zu more warning%s", errors ? ", " : "", warnings,
                       warnings == 1 ? "" : "s");
    ft_text_append_char(out, '\n');
}
