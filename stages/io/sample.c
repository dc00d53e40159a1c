// Sampling: see sample.h. At most FT_SAMPLE_BYTES are read, so that a plan is made in no time;
// a line that does not fit is left out.
#include "stages/io/sample.h"

#include <string.h>

#include "runtime/data/json.h"
#include "runtime/memory/alloc.h"
#include "stages/io/csv.h"
#include "stages/io/stream.h"

enum { FIELDS_MAX = 4096, PIECE_BYTES = 32 * 1024 };

// The beginning of the (unpacked) text, without a byte order mark.
static bool read_head(const char *path, ft_arena *arena, ft_slice *out, bool *out_whole,
                      ft_error *err)
{
    ft_stream *stream = ft_stream_open(path, err);
    if (!stream)
        return false;
    char *text = ft_alloc(FT_SAMPLE_BYTES);
    size_t size = 0, got = 0;
    bool ok = text != NULL || ft_fail_nomem(err, FT_SAMPLE_BYTES);
    *out_whole = false;
    for (int lines = 0; ok && size < FT_SAMPLE_BYTES && lines <= FT_SAMPLE_LINES && !*out_whole;) {
        const size_t room = FT_SAMPLE_BYTES - size;
        ok =
            ft_stream_read(stream, text + size, room < PIECE_BYTES ? room : PIECE_BYTES, &got, err);
        if (!ok)
            break;
        for (size_t i = 0; i < got; i++)
            lines += text[size + i] == '\n';
        size += got;
        *out_whole = got == 0;
    }
    ft_stream_close(stream);
    if (ok) {
        const size_t mark = size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
        out->size = size - mark;
        out->data = ft_arena_text(arena, (ft_slice){text + mark, out->size});
        ok = out->data != NULL || ft_fail_nomem(err, size);
    }
    ft_free(text);
    return ok;
}

// Finds or adds a field.
static ft_sample_field *get_field(ft_sample *sample, ft_slice name, ft_arena *arena, ft_error *err)
{
    for (size_t i = 0; i < sample->count; i++)
        if (ft_slice_is(name, sample->fields[i].name))
            return &sample->fields[i];
    if (sample->count == FIELDS_MAX) {
        ft_fail(err, FT_ERROR_LIMIT, "more than %d different fields in the first %d lines",
                FIELDS_MAX, FT_SAMPLE_LINES);
        ft_hint(err, "Name those that are needed with `fields:`.");
        return NULL;
    }
    if (sample->count % 64 == 0) {
        ft_sample_field *fields = ft_arena_zero(arena, sample->count + 64, sizeof(*fields));
        if (!fields) {
            ft_fail_nomem(err, (sample->count + 64) * sizeof(*fields));
            return NULL;
        }
        if (sample->count)
            memcpy(fields, sample->fields, sample->count * sizeof(*fields));
        sample->fields = fields;
    }
    ft_sample_field *field = &sample->fields[sample->count];
    field->name = ft_arena_text(arena, name);
    field->type = FT_TYPE(ANY);
    if (!field->name) {
        ft_fail_nomem(err, name.size + 1);
        return NULL;
    }
    sample->count++;
    return field;
}

// ---- JSONL ----

static ft_type scalar_type(const ft_json_value *value)
{
    int64_t integer;
    switch (value->kind) {
    case FT_JSON_TRUE:
    case FT_JSON_FALSE:
        return FT_TYPE(BOOL);
    case FT_JSON_NUMBER:
        return ft_parse_int(value->text, &integer) ? FT_TYPE(INT) : FT_TYPE(FLOAT);
    case FT_JSON_STRING:
        return FT_TYPE(STRING);
    case FT_JSON_ARRAY:
    case FT_JSON_OBJECT:
        return FT_TYPE(JSON);
    case FT_JSON_NULL:
        break;
    }
    return FT_TYPE(ANY);
}

static bool is_number(ft_type type)
{
    return type.kind == FT_KIND_INT || type.kind == FT_KIND_FLOAT;
}

// What holds both; any when nothing else does.
static ft_type join_types(ft_type a, ft_type b)
{
    if (ft_type_equal(a, b))
        return a;
    if (is_number(a) && is_number(b) && a.list == b.list)
        return a.list ? FT_TYPE_LIST(FLOAT) : FT_TYPE(FLOAT);
    const bool a_nested = a.list || a.kind == FT_KIND_JSON;
    const bool b_nested = b.list || b.kind == FT_KIND_JSON;
    return a_nested && b_nested ? FT_TYPE(JSON) : FT_TYPE(ANY);
}

// `json` is behind the opening of an array. Gives a list's type, or json; `*known` false for [].
static bool array_type(ft_json *json, ft_type *out, bool *known, ft_error *err)
{
    bool first = true, more, mixed = false;
    *known = false;
    for (;;) {
        ft_json ahead;
        ft_json_value value;
        if (!ft_json_next_element(json, &first, &more, err))
            return false;
        if (!more)
            break;
        ahead = *json;
        if (!ft_json_read(&ahead, &value, err) || !ft_json_skip(json, NULL, err))
            return false;
        ft_type type = scalar_type(&value);
        type.list = true;
        mixed = mixed || type.kind == FT_KIND_JSON || type.kind == FT_KIND_ANY;
        *out = *known ? join_types(*out, type) : type;
        mixed = mixed || !out->list;
        *known = true;
    }
    if (mixed)
        *out = FT_TYPE(JSON);
    return true;
}

// Reads one value and gives its type; `*known` false when it says nothing (null, []).
static bool value_type(ft_json *json, ft_type *out, bool *known, ft_error *err)
{
    ft_json_value value;
    ft_json ahead = *json;
    if (!ft_json_read(&ahead, &value, err))
        return false;
    *out = scalar_type(&value);
    *known = value.kind != FT_JSON_NULL;
    if (value.kind == FT_JSON_ARRAY) {
        *json = ahead;
        return array_type(json, out, known, err);
    }
    return ft_json_skip(json, NULL, err);
}

static bool sample_member(ft_sample *sample, ft_json *json, const ft_json_value *key,
                          ft_arena *arena, ft_error *err)
{
    ft_slice name = key->text;
    ft_type type;
    bool known;
    if (key->has_escapes) {
        char *copy = ft_arena_alloc(arena, name.size + 1);
        if (!copy)
            return ft_fail_nomem(err, name.size + 1);
        if (!ft_json_unescape(name, copy, &name.size, err))
            return false;
        name.data = copy;
    }
    if (!value_type(json, &type, &known, err))
        return false;
    ft_sample_field *field = get_field(sample, name, arena, err);
    if (!field)
        return false;
    if (known) {
        field->type = field->is_known ? join_types(field->type, type) : type;
        field->is_known = true;
    }
    return true;
}

static bool sample_line(ft_sample *sample, ft_slice line, ft_arena *arena, ft_error *err)
{
    ft_json json;
    ft_json_value value, key;
    bool first = true, more;
    ft_json_init(&json, line);
    if (!ft_json_read(&json, &value, err))
        return false;
    if (value.kind != FT_JSON_OBJECT)
        return ft_fail(err, FT_ERROR_DATA, "not an object");
    for (;;) {
        if (!ft_json_next_member(&json, &first, &more, &key, err))
            return false;
        if (!more)
            return true;
        // A name that begins with '@' is one of ours, and one with a NUL cannot be written.
        if (key.text.size > 0 && key.text.data[0] == '@') {
            if (!ft_json_skip(&json, NULL, err))
                return false;
        } else if (!sample_member(sample, &json, &key, arena, err)) {
            return false;
        }
    }
}

bool ft_sample_jsonl(const char *path, ft_arena *arena, ft_sample *out, ft_error *err)
{
    ft_slice text, line;
    bool whole;
    *out = (ft_sample){0};
    if (!read_head(path, arena, &text, &whole, err))
        return false;
    for (int i = 0; i < FT_SAMPLE_LINES && ft_slice_cut(&text, '\n', &line); i++) {
        ft_error ignored = FT_ERROR_INIT;
        if (text.size == 0 && !whole && i > 0)
            break;  // The last line of the sample may be cut short.
        if (!sample_line(out, line, arena, &ignored) && ignored.code != FT_ERROR_DATA) {
            *err = ignored;
            return false;
        }
    }
    return true;
}

// ---- CSV ----

bool ft_sample_header(ft_slice record, char delimiter, ft_arena *arena, ft_sample *out,
                      ft_error *err)
{
    ft_csv_walk walk;
    ft_csv_field field;
    *out = (ft_sample){0};
    ft_csv_walk_init(&walk, record, delimiter);
    for (bool more;;) {
        if (!ft_csv_next(&walk, &field, &more, err))
            return false;
        if (!more)
            return true;
        char *name = ft_arena_text(arena, field.text);
        if (!name)
            return ft_fail_nomem(err, field.text.size + 1);
        ft_slice text = {name, field.text.size};
        if (field.has_escapes)
            text.size = ft_csv_unescape(field.text, name);
        const size_t column = out->count + 1;
        if (text.size == 0)
            return ft_fail(err, FT_ERROR_DATA, "column %zu of the header has no name", column);
        if (ft_utf8_valid_prefix(text) != text.size || memchr(text.data, 0, text.size))
            return ft_fail(err, FT_ERROR_DATA, "the name of column %zu is not valid UTF-8", column);
        if (!get_field(out, text, arena, err))
            return false;
        if (out->count != column)
            return ft_fail(err, FT_ERROR_DATA, "the column `%s` is there twice", name);
    }
}

static ft_type cell_type(ft_slice text)
{
    int64_t integer;
    double number;
    if (ft_slice_is(text, "true") || ft_slice_is(text, "false"))
        return FT_TYPE(BOOL);
    // 007 is a name rather than a number, and so are inf and nan.
    ft_slice digits = text;
    if (digits.size && digits.data[0] == '-')
        digits = (ft_slice){digits.data + 1, digits.size - 1};
    const bool starts = digits.size && digits.data[0] >= '0' && digits.data[0] <= '9';
    if (!starts || (digits.size > 1 && digits.data[0] == '0' && digits.data[1] != '.' &&
                    digits.data[1] != 'e' && digits.data[1] != 'E'))
        return FT_TYPE(STRING);
    if (ft_parse_int(text, &integer))
        return FT_TYPE(INT);
    return ft_parse_float(text, &number) ? FT_TYPE(FLOAT) : FT_TYPE(STRING);
}

static bool sample_record(ft_sample *sample, ft_slice record, char delimiter, ft_error *err)
{
    ft_csv_walk walk;
    ft_csv_field field;
    ft_csv_walk_init(&walk, record, delimiter);
    for (size_t column = 0;; column++) {
        bool more;
        if (!ft_csv_next(&walk, &field, &more, err))
            return false;
        if (!more || column >= sample->count)
            return true;
        ft_sample_field *to = &sample->fields[column];
        if (field.text.size == 0 && !field.quoted)
            continue;
        const ft_type type = field.quoted ? FT_TYPE(STRING) : cell_type(field.text);
        to->type = to->is_known ? join_types(to->type, type) : type;
        if (to->type.kind == FT_KIND_ANY)
            to->type = FT_TYPE(STRING);
        to->is_known = true;
    }
}

// Columns without names, as many as the first record has.
static bool count_columns(ft_slice record, char delimiter, ft_arena *arena, ft_sample *out,
                          ft_error *err)
{
    ft_csv_walk walk;
    ft_csv_field field;
    size_t count = 0;
    ft_csv_walk_init(&walk, record, delimiter);
    for (bool more;; count++) {
        if (!ft_csv_next(&walk, &field, &more, err))
            return false;
        if (!more)
            break;
    }
    *out = (ft_sample){.count = count};
    out->fields = ft_arena_zero(arena, count, sizeof(*out->fields));
    return out->fields != NULL || ft_fail_nomem(err, count * sizeof(*out->fields));
}

static bool next_record(ft_slice *text, char delimiter, bool whole, ft_slice *out)
{
    for (;;) {
        ft_csv_scan scan = {0};
        size_t end;
        if (text->size == 0)
            return false;
        const bool found = ft_csv_find_end(*text, delimiter, &scan, &end);
        if (!found && !whole)
            return false;
        if (!found)
            end = text->size;
        *out = (ft_slice){text->data, end};
        *text = (ft_slice){text->data + end + found, text->size - end - found};
        if (out->size && out->data[out->size - 1] == '\r')
            out->size--;
        if (out->size)
            return true;
    }
}

bool ft_sample_csv(const char *path, char delimiter, bool has_header, ft_arena *arena,
                   ft_sample *out, ft_error *err)
{
    ft_slice text, record;
    bool whole;
    if (!read_head(path, arena, &text, &whole, err))
        return false;
    *out = (ft_sample){0};
    ft_slice rest = text;
    if (!next_record(&rest, delimiter, whole, &record)) {
        if (!has_header && text.size == 0)
            return true;
        return ft_fail(err, FT_ERROR_DATA,
                       text.size ? "the first record of `%s` has no end"
                                 : "`%s` is empty: it has no header row",
                       path);
    }
    if (!(has_header ? ft_sample_header(record, delimiter, arena, out, err)
                     : count_columns(record, delimiter, arena, out, err))) {
        ft_error_while(err, "`%s`", path);
        return false;
    }
    if (has_header)
        text = rest;
    for (int i = 0; i < FT_SAMPLE_LINES && next_record(&text, delimiter, whole, &record); i++) {
        ft_error ignored = FT_ERROR_INIT;
        ft_ignore(sample_record(out, record, delimiter, &ignored));  // The run tells of it.
    }
    for (size_t i = 0; i < out->count; i++)
        if (!out->fields[i].is_known)
            out->fields[i].type = FT_TYPE(STRING);
    return true;
}
