// Rows: see rows.h. A row is first walked and checked as a whole: texts go into their columns on
// the way, of other values it notes where they are. Those are then added column by column, so that
// a broken row fails before anything is converted. A row that fails is there in all columns. Lines
// mostly have their fields in the same order, so the search for a name starts behind the last one
// that was found.
#include "stages/io/rows.h"

#include <string.h>

#include "runtime/memory/alloc.h"
#include "stages/io/csv.h"

typedef struct ft_rows_cell {
    bool found;           // JSONL.
    ft_json_value value;  // CSV: its text is the field.
    bool quoted;          // CSV.
    size_t mean_bytes;    // Of a value in the last batch: how much room to make.
} cell;

bool ft_rows_init(ft_rows *rows, ft_rows_field *fields, size_t count, ft_account *account,
                  ft_error *err)
{
    *rows = (ft_rows){.account = account, .fields = fields, .count = count};
    rows->scratch.account = account;
    rows->builders = ft_alloc_zero(count + 1, sizeof(*rows->builders));
    rows->cells = ft_alloc_zero(count + 1, sizeof(*rows->cells));
    return (rows->builders && rows->cells) || ft_fail_nomem(err, count * sizeof(*rows->builders));
}

void ft_rows_finish(ft_rows *rows)
{
    for (size_t i = 0; rows->builders && i < rows->count; i++)
        ft_builder_finish(&rows->builders[i]);
    ft_value_scratch_finish(&rows->scratch);
    ft_free(rows->builders);
    ft_free(rows->cells);
    ft_free(rows->text);
    *rows = (ft_rows){0};
}

bool ft_rows_begin(ft_rows *rows, size_t expected_rows, size_t text_bytes, ft_error *err)
{
    rows->row_count = 0;
    for (size_t i = 0; i < rows->count; i++) {
        // A little more than last time, and never more than there is text.
        size_t bytes;
        if (FT_MUL_OVERFLOWS(rows->cells[i].mean_bytes, expected_rows, &bytes))
            bytes = text_bytes;
        bytes += bytes / 8;
        if (bytes > text_bytes)
            bytes = text_bytes;
        ft_builder_finish(&rows->builders[i]);
        if (!ft_builder_init(&rows->builders[i], rows->fields[i].type, rows->account, expected_rows,
                             bytes, err))
            return false;
    }
    return true;
}

bool ft_rows_take(ft_rows *rows, size_t field, ft_column *out, ft_error *err)
{
    if (rows->row_count > 0)
        rows->cells[field].mean_bytes = rows->builders[field].values_bytes / rows->row_count + 1;
    return ft_builder_take(&rows->builders[field], out, err);
}

// After a failure at field `at`: the columns keep equal lengths.
static bool fill_row(ft_rows *rows, size_t at, ft_error *err)
{
    ft_error full = FT_ERROR_INIT;
    if (err->code != FT_ERROR_DATA)
        return false;
    for (size_t i = at; i < rows->count; i++) {
        if (rows->builders[i].count > rows->row_count)
            continue;
        if (!ft_builder_add_null(&rows->builders[i], &full)) {
            *err = full;
            return false;
        }
    }
    rows->row_count++;
    return false;
}

static bool fail_field(ft_rows *rows, size_t at, ft_error *err)
{
    if (err->code == FT_ERROR_DATA)
        ft_error_while(err, "field `%s`", rows->fields[at].name);
    return fill_row(rows, at, err);
}

// ---- JSONL ----

// Which of the fields a key names, or `count`.
static size_t find_field(const ft_rows *rows, const ft_json_value *key, size_t expected)
{
    for (size_t i = 0, at = expected; i < rows->count; i++, at++) {
        if (at >= rows->count)
            at = 0;
        if (ft_json_key_is(key, rows->fields[at].name))
            return at;
    }
    return rows->count;
}

// The value that is next: a scalar as read, or an array or object with all of its text.
static bool read_whole(ft_json *json, ft_json_value *out, ft_error *err)
{
    ft_json ahead = *json;
    if (!ft_json_read(&ahead, out, err))
        return false;
    if (out->kind != FT_JSON_ARRAY && out->kind != FT_JSON_OBJECT) {
        *json = ahead;
        return true;
    }
    return ft_json_skip(json, &out->text, err);
}

// A text goes into its column as it is read.
static bool add_text(ft_rows *rows, size_t at, ft_json *json, ft_error *err)
{
    ft_builder *builder = &rows->builders[at];
    size_t size;
    char *out = ft_builder_begin_text(builder, json->size - json->at, err);
    if (!out || !ft_json_read_text(json, out, &size, err))
        return false;
    ft_builder_end_text(builder, size);
    return true;
}

static bool is_text(ft_type type)
{
    return type.kind == FT_KIND_STRING && !type.list;
}

static bool walk_line(ft_rows *rows, ft_slice line, ft_error *err)
{
    ft_json json;
    ft_json_value value, key;
    bool first = true, more;
    size_t expected = 0;
    ft_json_init(&json, line);
    if (!ft_json_read(&json, &value, err))
        return false;
    if (value.kind != FT_JSON_OBJECT)
        return ft_fail(err, FT_ERROR_DATA, "the line is JSON, but not an object `{...}`");
    for (;;) {
        if (!ft_json_next_member(&json, &first, &more, &key, err))
            return false;
        if (!more)
            return ft_json_end(&json, err);
        const size_t at = find_field(rows, &key, expected);
        if (at == rows->count) {
            if (!ft_json_skip(&json, NULL, err))
                return false;
            continue;
        }
        if (rows->cells[at].found)
            return ft_fail(err, FT_ERROR_DATA, "invalid JSON: the key `%s` is there twice",
                           rows->fields[at].name);
        rows->cells[at].found = true;
        expected = at + 1;
        if (is_text(rows->fields[at].type) && ft_json_is_at_text(&json)) {
            if (!add_text(rows, at, &json, err))
                return false;
        } else if (!read_whole(&json, &rows->cells[at].value, err)) {
            return false;
        }
    }
}

bool ft_rows_add_json(ft_rows *rows, ft_slice line, ft_error *err)
{
    for (size_t i = 0; i < rows->count; i++)
        rows->cells[i].found = false;
    if (!walk_line(rows, line, err))
        return fill_row(rows, 0, err);
    for (size_t i = 0; i < rows->count; i++) {
        if (rows->builders[i].count > rows->row_count)
            continue;
        const bool ok =
            rows->cells[i].found
                ? ft_value_add(&rows->builders[i], &rows->cells[i].value, &rows->scratch, err)
                : ft_builder_add_null(&rows->builders[i], err);
        if (!ok)
            return fail_field(rows, i, err);
    }
    rows->row_count++;
    return true;
}

// ---- CSV ----

static bool make_text_room(ft_rows *rows, size_t size, ft_error *err)
{
    if (size <= rows->text_capacity)
        return true;
    char *text = ft_realloc(rows->text, size);
    if (!text)
        return ft_fail_nomem(err, size);
    rows->text = text;
    rows->text_capacity = size;
    return true;
}

// A text that is to be a value of `type`, as JSON would have it.
static bool parse_cell(ft_type type, ft_slice text, bool quoted, ft_json_value *out, ft_error *err)
{
    *out = (ft_json_value){FT_JSON_STRING, text, false};
    if (!type.list && (type.kind == FT_KIND_STRING || type.kind == FT_KIND_BYTES))
        return true;
    if (text.size == 0 && !quoted) {
        out->kind = FT_JSON_NULL;
        return true;
    }
    // Spellings of numbers that JSON has not (`+1`, `.5`, `007`) are numbers here as well.
    double number;
    const bool scalar = !type.list && (type.kind != FT_KIND_TENSOR || type.rank == 0);
    if (scalar && type.kind == FT_KIND_BOOL) {
        out->kind = ft_slice_is(text, "true")    ? FT_JSON_TRUE
                    : ft_slice_is(text, "false") ? FT_JSON_FALSE
                                                 : FT_JSON_STRING;
        return true;
    }
    if (scalar && type.kind != FT_KIND_JSON && type.kind != FT_KIND_ANY) {
        if (ft_parse_float(text, &number))
            out->kind = FT_JSON_NUMBER;
        return true;
    }
    ft_json json;
    ft_json_init(&json, text);
    return read_whole(&json, out, err) && ft_json_end(&json, err);
}

static bool add_cell(ft_rows *rows, size_t field, ft_error *err)
{
    const cell *from = &rows->cells[field];
    ft_builder *builder = &rows->builders[field];
    ft_slice text = from->value.text;
    if (from->value.has_escapes) {
        if (!make_text_room(rows, text.size, err))
            return false;
        text = (ft_slice){rows->text, ft_csv_unescape(text, rows->text)};
    }
    ft_json_value value;
    return parse_cell(builder->type, text, from->quoted, &value, err) &&
           ft_value_add(builder, &value, &rows->scratch, err);
}

static bool walk_record(ft_rows *rows, ft_slice record, ft_error *err)
{
    ft_csv_walk walk;
    ft_csv_field field;
    size_t columns = 0, next = 0;
    const size_t valid = ft_utf8_valid_prefix(record);
    if (valid != record.size)
        return ft_fail(err, FT_ERROR_DATA, "invalid UTF-8 at byte %zu of the record", valid);
    ft_csv_walk_init(&walk, record, rows->delimiter);
    for (bool more;; columns++) {
        if (!ft_csv_next(&walk, &field, &more, err))
            return false;
        if (!more)
            break;
        // The wanted fields are in the order of the columns.
        if (next == rows->count || rows->fields[next].column != columns)
            continue;
        rows->cells[next].value =
            (ft_json_value){.text = field.text, .has_escapes = field.has_escapes};
        rows->cells[next++].quoted = field.quoted;
    }
    if (columns != rows->csv_columns)
        return ft_fail(err, FT_ERROR_DATA, "the record has %zu field%s, and the header has %zu",
                       columns, columns == 1 ? "" : "s", rows->csv_columns);
    return true;
}

bool ft_rows_add_csv(ft_rows *rows, ft_slice record, ft_error *err)
{
    if (!walk_record(rows, record, err))
        return fill_row(rows, 0, err);
    for (size_t i = 0; i < rows->count; i++)
        if (!add_cell(rows, i, err))
            return fail_field(rows, i, err);
    rows->row_count++;
    return true;
}
