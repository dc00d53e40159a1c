// Diagnostics for programs: one JSON document with spans, numbers and edits, or workflow commands
// that GitHub shows in the margin. Also the door through which every shape goes out.
#include <string.h>

#include "dsl/diagnostic.h"
#include "dsl/diagnostic_print.h"

enum { OUTPUT_BYTES_MAX = 64 << 20 };

// ---- JSON ----

static void put_json_string(ft_text *out, ft_slice text)
{
    ft_text_append_char(out, '"');
    for (size_t i = 0; i < text.size;) {
        unsigned char c = (unsigned char)text.data[i];
        size_t left = text.size - i < 4 ? text.size - i : 4;
        size_t at = 0;

        if (c == '"' || c == '\\') {
            ft_text_append_char(out, '\\');
            ft_text_append_char(out, (char)c);
            i++;
        } else if (c < 0x20) {
            ft_text_format(out, "\\u%04x", c);
            i++;
        } else if (ft_utf8_valid_prefix((ft_slice){text.data + i, left}) == 0) {
            ft_text_append_string(out, "\\ufffd");
            i++;
        } else {
            ft_utf8_next((ft_slice){text.data + i, left}, &at);
            ft_text_append(out, (ft_slice){text.data + i, at});
            i += at;
        }
    }
    ft_text_append_char(out, '"');
}

static void put_member(ft_text *out, const char *name, const char *value)
{
    if (!value)
        return;
    ft_text_format(out, ",\"%s\":", name);
    put_json_string(out, ft_slice_of(value));
}

static void put_span(ft_text *out, const char *name, const ft_mark *mark, const char *label)
{
    ft_text_format(out, ",\"%s\":{\"line\":%u,\"column\":%u,\"length\":%u,\"offset\":%zu", name,
                   mark->line, mark->column, mark->length, mark->offset);
    put_member(out, "label", label);
    ft_text_append_char(out, '}');
}

// In bytes: the edit replaces [offset, end) by `text`.
static size_t edit_end(const ft_diagnostic *d)
{
    size_t end = d->mark.offset;
    ft_slice text = d->source->text;

    for (uint32_t i = 0; i < d->mark.length && end < text.size; i++)
        do
            end++;
        while (end < text.size && ((unsigned char)text.data[end] & 0xC0) == 0x80);
    return end;
}

static void put_edit(ft_text *out, const ft_diagnostic *d)
{
    if (!d->replacement)
        return;
    ft_text_format(out, ",\"edits\":[{\"offset\":%zu,\"end\":%zu,\"text\":", d->mark.offset,
                   edit_end(d));
    put_json_string(out, ft_slice_of(d->replacement));
    ft_text_append_string(out, "}]");
}

static void put_diagnostic(ft_text *out, const ft_diagnostic *d)
{
    bool is_error = d->severity == FT_SEVERITY_ERROR;

    ft_text_format(out, "{\"severity\":\"%s\",\"code\":\"%c%04d\"", is_error ? "error" : "warning",
                   is_error ? 'E' : 'W', d->number);
    put_member(out, "message", d->message);
    if (d->source) {
        put_member(out, "file", d->source->path);
        put_span(out, "span", &d->mark, d->label);
        if (d->has_other)
            put_span(out, "other", &d->other, d->other_label);
    }
    put_member(out, "help", d->help);
    if (d->fix_line) {
        ft_text_format(out, ",\"insert\":{\"above_line\":%u,\"text\":", d->fix_above_line);
        put_json_string(out, ft_slice_of(d->fix_line));
        ft_text_append_char(out, '}');
    }
    if (d->source)
        put_edit(out, d);
    ft_text_append_char(out, '}');
}

void ft_diagnostics_print_json(const ft_diagnostics *all, ft_text *out)
{
    const ft_diagnostic *d;

    ft_text_format(out, "{\"v\":1,\"errors\":%zu,\"warnings\":%zu,\"diagnostics\":[",
                   ft_diagnostics_count(all, FT_SEVERITY_ERROR),
                   ft_diagnostics_count(all, FT_SEVERITY_WARNING));
    for (size_t i = 0; (d = ft_diagnostics_get(all, i)); i++) {
        ft_text_append_string(out, i ? ",\n" : "\n");
        put_diagnostic(out, d);
    }
    ft_text_append_string(out, "]}\n");
}

// ---- GitHub ----

// Workflow commands end at a line's end; properties also at `,` and `:`.
static void put_command_text(ft_text *out, const char *text, bool is_property)
{
    for (; *text; text++) {
        if (*text == '%' || *text == '\r' || *text == '\n' ||
            (is_property && (*text == ',' || *text == ':')))
            ft_text_format(out, "%%%02X", (unsigned char)*text);
        else
            ft_text_append_char(out, *text);
    }
}

void ft_diagnostics_print_github(const ft_diagnostics *all, ft_text *out)
{
    const ft_diagnostic *d;

    for (size_t i = 0; (d = ft_diagnostics_get(all, i)); i++) {
        bool is_error = d->severity == FT_SEVERITY_ERROR;

        ft_text_format(out, "::%s ", is_error ? "error" : "warning");
        if (d->source) {
            ft_text_append_string(out, "file=");
            put_command_text(out, d->source->path, true);
            ft_text_format(out, ",line=%u,col=%u,endColumn=%u,", d->mark.line, d->mark.column,
                           d->mark.column + d->mark.length);
        }
        ft_text_format(out, "title=%c%04d::", is_error ? 'E' : 'W', d->number);
        put_command_text(out, d->message, false);
        if (d->help) {
            ft_text_append_string(out, "%0Ahelp: ");
            put_command_text(out, d->help, false);
        }
        if (d->fix_line) {
            ft_text_append_string(out, "%0A+ ");
            put_command_text(out, d->fix_line, false);
        }
        ft_text_append_char(out, '\n');
    }
}

// ---- output ----

void ft_diagnostics_print(const ft_diagnostics *all, ft_diagnostic_format format, bool color,
                          FILE *out)
{
    ft_text text;

    ft_text_init(&text, OUTPUT_BYTES_MAX);
    switch (format) {
    case FT_FORMAT_TEXT:
        ft_diagnostics_print_text(all, color, &text);
        break;
    case FT_FORMAT_JSON:
        ft_diagnostics_print_json(all, &text);
        break;
    case FT_FORMAT_GITHUB:
        ft_diagnostics_print_github(all, &text);
        break;
    }
    ft_slice done = text.failed ? FT_SLICE("error[E0608]: out of memory\n") : ft_text_get(&text);
    // A full disk behind stderr is nothing that could be told to anyone.
    ft_ignore(done.size == 0 || fwrite(done.data, 1, done.size, out) == done.size);
    ft_text_finish(&text);
}
