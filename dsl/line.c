// The one-liner: `read docs.jsonl ! tokenize ./m ! embed ./m pooling=mean ! write v.npy` to the
// YAML that says the same.
//
// Stages are parted by `!`; a stage is its type, at most one main setting, and `option=value`
// words. Quotes, '...' and "...", keep spaces, `!` and `=`; `\` keeps the next character. A value
// that is a whole [ ] or { } is YAML's list or map, and kept as it is typed. Every other value is
// written in single quotes, as text: so nothing in it can be YAML.
#include <string.h>

#include "dsl/compile.h"

enum { LINE_BYTES_MAX = 64 << 10, YAML_BYTES_MAX = 1 << 20 };

typedef struct word {
    ft_text text;       // Without quotes.
    size_t start, end;  // In the line.
    size_t equals;      // Of the first `=` outside quotes, in `text`; SIZE_MAX: none.
    bool is_bang;
    bool was_quoted;
    size_t flow_end;  // In `text`, behind the ] or } that closes what the value begins with; 0: it
                      // begins with none.
} word;

typedef struct reader {
    ft_slice line;
    size_t at;
} reader;

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool fail_at(ft_error *err, size_t start, size_t end)
{
    return ft_error_at(err, "-e", start, end > start ? end - start : 1);
}

static bool read_quoted(reader *r, word *out, ft_error *err)
{
    char quote = r->line.data[r->at];
    size_t start = r->at++;

    out->was_quoted = true;
    while (r->at < r->line.size && r->line.data[r->at] != quote) {
        if (quote == '"' && r->line.data[r->at] == '\\' && r->at + 1 < r->line.size)
            r->at++;
        ft_text_append_char(&out->text, r->line.data[r->at++]);
    }
    if (r->at >= r->line.size) {
        ft_fail(err, FT_ERROR_USAGE, "a quote is not closed");
        ft_hint(err, "Close it with %c.", quote);
        return fail_at(err, start, r->line.size);
    }
    r->at++;
    return true;
}

// A value that begins with [ or {: up to the bracket that closes it, as it is.
static bool read_flow(reader *r, word *out, ft_error *err)
{
    size_t start = r->at;
    int depth = 0;
    char quote = 0;

    for (; r->at < r->line.size; r->at++) {
        char c = r->line.data[r->at];

        ft_text_append_char(&out->text, is_space(c) ? ' ' : c);
        if (quote == '"' && c == '\\' && r->at + 1 < r->line.size)
            ft_text_append_char(&out->text, r->line.data[++r->at]);
        else if (quote)
            quote = c == quote ? 0 : quote;
        else if (c == '"' || c == '\'')
            quote = c;
        else
            depth += c == '[' || c == '{' ? 1 : c == ']' || c == '}' ? -1 : 0;
        if (depth == 0)
            break;
    }
    if (r->at >= r->line.size) {
        ft_fail(err, FT_ERROR_USAGE, "a %s is not closed",
                quote                        ? "quote"
                : r->line.data[start] == '[' ? "`[`"
                                             : "`{`");
        ft_hint(err, "Close it, or put the value in quotes if it is text.");
        return fail_at(err, start, r->line.size);
    }
    r->at++;
    out->flow_end = out->text.size;
    return true;
}

// Within [ ] and ( ) spaces and `!` belong to the word.
static bool read_word(reader *r, word *out, ft_error *err)
{
    int depth = 0;

    out->start = r->at;
    out->equals = SIZE_MAX;
    while (r->at < r->line.size) {
        char c = r->line.data[r->at];
        if (depth == 0 && (is_space(c) || c == '!'))
            break;
        if ((c == '[' || c == '{') && !out->was_quoted &&
            (r->at == out->start || (depth == 0 && out->equals == out->text.size - 1))) {
            if (!read_flow(r, out, err))
                return false;
            continue;
        }
        if (c == '"' || c == '\'') {
            // Within a list or call, quotes are its own.
            if (depth > 0)
                ft_text_append_char(&out->text, c);
            if (!read_quoted(r, out, err))
                return false;
            if (depth > 0)
                ft_text_append_char(&out->text, c);
            continue;
        }
        depth += c == '(' || c == '[' || c == '{'   ? 1
                 : c == ')' || c == ']' || c == '}' ? -(depth > 0)
                                                    : 0;
        if (c == '=' && out->equals == SIZE_MAX && depth == 0)
            out->equals = out->text.size;
        if (c == '\\' && r->at + 1 < r->line.size)
            c = r->line.data[++r->at];
        ft_text_append_char(&out->text, c);
        r->at++;
    }
    out->end = r->at;
    return ft_text_check(&out->text, err);
}

// `*out_more` is false at the end of the line.
static bool next_word(reader *r, word *out, bool *out_more, ft_error *err)
{
    ft_text_clear(&out->text);
    out->is_bang = out->was_quoted = false;
    out->flow_end = 0;
    while (r->at < r->line.size && is_space(r->line.data[r->at]))
        r->at++;
    *out_more = r->at < r->line.size;
    if (!*out_more)
        return true;
    if (r->line.data[r->at] != '!')
        return read_word(r, out, err);
    out->is_bang = true;
    out->start = r->at++;
    out->end = r->at;
    return true;
}

// ---- writing YAML ----

static void put_quoted(ft_text *yaml, ft_slice text)
{
    ft_text_append_char(yaml, '\'');
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '\'')
            ft_text_append_char(yaml, '\'');
        ft_text_append_char(yaml,
                            text.data[i] == '\n' || text.data[i] == '\r' ? ' ' : text.data[i]);
    }
    ft_text_append_char(yaml, '\'');
}

// Needs no quotes, and reads the same with or without: words, paths, numbers.
static bool is_plain(ft_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        bool safe = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '_' || c == '/' || c == '.' || (c == '-' && i > 0);
        if (!safe)
            return false;
    }
    return text.size > 0;
}

// [a, b] of plain words: each is text, as a value of its own would be.
static bool is_simple_list(ft_slice text)
{
    for (size_t i = 1; i + 1 < text.size; i++)
        if (strchr("'\"[]{}", text.data[i]))
            return false;
    return text.data[0] == '[';
}

static void put_text(ft_text *yaml, ft_slice text)
{
    if (is_plain(text))
        ft_text_append(yaml, text);
    else
        put_quoted(yaml, text);
}

static void put_value(ft_text *yaml, ft_slice text, bool is_flow)
{
    if (is_flow && is_simple_list(text)) {
        ft_slice rest = {text.data + 1, text.size - 2}, part;
        bool first = true;

        ft_text_append_char(yaml, '[');
        while (ft_slice_cut(&rest, ',', &part)) {
            ft_text_append_string(yaml, first ? "" : ", ");
            put_text(yaml, ft_slice_trim(part));
            first = false;
        }
        ft_text_append_char(yaml, ']');
    } else if (is_flow) {
        ft_text_append(yaml, text);
    } else {
        put_text(yaml, text);
    }
}

static bool is_key(ft_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
              (i > 0 && ((c >= '0' && c <= '9') || c == '-'))))
            return false;
    }
    return text.size > 0;
}

// ---- stages ----

typedef struct stage_state {
    bool open;  // Its type was read.
    bool has_main;
    bool any_option;
} stage_state;

static bool put_type(ft_text *yaml, const word *w, stage_state *stage, ft_error *err)
{
    ft_slice text = ft_text_get(&w->text);

    if (!is_key(text)) {
        ft_fail(err, FT_ERROR_USAGE, "`%.*s` is no name of a stage",
                text.size < 60 ? (int)text.size : 60, text.data);
        ft_hint(err, "Write stages as `read FILE ! tokenize MODEL ! write FILE`.");
        return fail_at(err, w->start, w->end);
    }
    ft_text_append_string(yaml, "  - ");
    ft_text_append(yaml, text);
    ft_text_append_char(yaml, ':');
    *stage = (stage_state){.open = true};
    return true;
}

static bool put_word(ft_text *yaml, const word *w, stage_state *stage, ft_error *err)
{
    ft_slice text = ft_text_get(&w->text), key = {text.data, w->equals};
    bool is_option = w->equals != SIZE_MAX && is_key(key) &&
                     text.data[w->equals + 1 < text.size ? w->equals + 1 : 0] != '=';

    if (is_option) {
        ft_text_append_string(yaml, "\n    ");
        ft_text_append(yaml, key);
        ft_text_append_string(yaml, ": ");
        put_value(yaml, (ft_slice){text.data + w->equals + 1, text.size - w->equals - 1},
                  w->flow_end == text.size);
        stage->any_option = true;
        return true;
    }
    if (stage->has_main || stage->any_option) {
        ft_fail(err, FT_ERROR_USAGE, "`%.*s` is a second setting without a name",
                text.size < 60 ? (int)text.size : 60, text.data ? text.data : "");
        ft_hint(err, "Write `option=value`, put a text with spaces in quotes, or start a new stage "
                     "with `!`.");
        return fail_at(err, w->start, w->end);
    }
    ft_text_append_char(yaml, ' ');
    put_value(yaml, text, text.size > 0 && w->flow_end == text.size);
    stage->has_main = true;
    return true;
}

static bool end_stage(const reader *r, const word *w, ft_text *yaml, stage_state *stage,
                      ft_error *err)
{
    if (!stage->open) {
        ft_fail(err, FT_ERROR_USAGE, "a stage is missing %s",
                r->at >= r->line.size ? "at the end" : "in front of this `!`");
        ft_hint(err, "Write stages as `read FILE ! tokenize MODEL ! write FILE`.");
        return fail_at(err, w->start, w->end);
    }
    ft_text_append_char(yaml, '\n');
    *stage = (stage_state){0};
    return true;
}

static bool translate(reader *r, word *w, ft_text *yaml, ft_error *err)
{
    stage_state stage = {0};
    bool more;

    ft_text_append_string(yaml, "stages:\n");
    for (;;) {
        if (!next_word(r, w, &more, err))
            return false;
        if (!more)
            return end_stage(r, w, yaml, &stage, err);
        bool ok = w->is_bang   ? end_stage(r, w, yaml, &stage, err)
                  : stage.open ? put_word(yaml, w, &stage, err)
                               : put_type(yaml, w, &stage, err);
        if (!ok)
            return false;
    }
}

bool ft_compile_line(ft_slice line, ft_arena *arena, ft_slice *out_yaml, ft_error *err)
{
    reader r = {.line = line};
    word w = {.equals = SIZE_MAX};
    ft_text yaml;

    if (ft_utf8_valid_prefix(line) != line.size || (line.size && memchr(line.data, 0, line.size)))
        return ft_fail(err, FT_ERROR_USAGE, "the pipeline is not valid UTF-8");
    ft_text_init(&w.text, LINE_BYTES_MAX);
    ft_text_init(&yaml, YAML_BYTES_MAX);
    bool ok = translate(&r, &w, &yaml, err) && ft_text_check(&yaml, err);
    if (ok) {
        ft_slice done = ft_text_get(&yaml);
        const char *copy = ft_arena_text(arena, done);
        ok = copy != NULL || ft_fail_nomem(err, done.size);
        if (ok)
            *out_yaml = (ft_slice){copy, done.size};
    }
    ft_text_finish(&w.text);
    ft_text_finish(&yaml);
    return ok;
}
