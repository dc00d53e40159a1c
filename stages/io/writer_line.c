// One item as a line of JSONL: ft_writer_put_line of writer.h.
//
// An item that was read as JSONL still has its line. What no stage has touched is copied from it
// byte for byte, so that numbers, escapes and the order of keys stay as they were; only the values
// of changed fields are replaced, and new fields are added at the end.
#include <string.h>

#include "runtime/data/json.h"
#include "stages/io/encoding.h"
#include "stages/io/writer.h"

static bool put_key(ft_writer *writer, const char *name, bool *first, ft_error *err)
{
    ft_text_append_char(&writer->text, *first ? '{' : ',');
    *first = false;
    ft_json_put_string(&writer->text, ft_slice_of(name));
    ft_text_append_char(&writer->text, ':');
    return ft_text_check(&writer->text, err);
}

// The fields of the plan that have not been seen in the line, and the end.
static bool put_rest(ft_writer *writer, const ft_line_plan *plan, const ft_batch *batch,
                     size_t item, bool first, ft_error *err)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->seen[i])
            continue;
        if (!put_key(writer, plan->names[i], &first, err) ||
            !ft_writer_put_json(writer, &batch->columns[plan->columns[i]], item, err))
            return false;
    }
    if (first)
        ft_text_append_char(&writer->text, '{');
    return ft_writer_put(writer, FT_SLICE("}\n"), err);
}

static size_t find_name(const ft_line_plan *plan, const ft_json_value *key)
{
    size_t at = 0;
    while (at < plan->count && !ft_json_key_is(key, plan->names[at]))
        at++;
    return at;
}

typedef struct line_scan {
    bool is_object;
    bool any_member, any_match;
    size_t start, close;  // Of the braces.
} line_scan;

// Checks the line, and looks whether fields of the plan are in it. A failure is an answer here.
static line_scan scan_line(const ft_line_plan *plan, ft_slice line)
{
    ft_error ignored = FT_ERROR_INIT;
    line_scan found = {.is_object = false};
    ft_json json;
    ft_json_value value, key;
    bool first = true, more = true;
    ft_json_init(&json, line);
    if (!ft_json_read(&json, &value, &ignored) || value.kind != FT_JSON_OBJECT)
        return found;
    found.start = json.at - 1;
    for (;;) {
        if (!ft_json_next_member(&json, &first, &more, &key, &ignored))
            return found;
        if (!more)
            break;
        found.any_member = true;
        found.any_match = found.any_match || find_name(plan, &key) < plan->count;
        if (!ft_json_skip(&json, NULL, &ignored))
            return found;
    }
    found.close = json.at - 1;
    found.is_object = ft_json_end(&json, &ignored);
    return found;
}

// The line up to its closing brace, with the values of the plan's fields in place of its own.
static bool put_replaced(ft_writer *writer, const ft_line_plan *plan, const ft_batch *batch,
                         size_t item, ft_slice line, ft_error *err)
{
    ft_json json;
    ft_json_value key;
    bool first = true, more;
    size_t copied = 0;
    ft_json_init(&json, line);
    if (!ft_json_read(&json, &key, err))
        return false;
    for (;;) {
        if (!ft_json_next_member(&json, &first, &more, &key, err))
            return false;
        if (!more)
            return ft_writer_put(writer, (ft_slice){line.data + copied, json.at - 1 - copied}, err);
        const size_t at = find_name(plan, &key), value_at = json.at;
        if (!ft_json_skip(&json, NULL, err))
            return false;
        if (at == plan->count)
            continue;
        plan->seen[at] = true;
        if (!ft_writer_put(writer, (ft_slice){line.data + copied, value_at - copied}, err) ||
            !ft_writer_put_json(writer, &batch->columns[plan->columns[at]], item, err))
            return false;
        copied = json.at;
    }
}

// What came in was no JSON object: it is kept as text.
static bool put_broken(ft_writer *writer, ft_slice line, ft_error *err)
{
    if (ft_utf8_valid_prefix(line) != line.size) {
        ft_text_clear(&writer->cell);
        ft_encoding_replace(line, &writer->cell);
        if (!ft_text_check(&writer->cell, err))
            return false;
        line = ft_text_get(&writer->cell);
    }
    return ft_writer_put(writer, FT_SLICE("{\"raw\":"), err) &&
           ft_writer_put_string(writer, line, err);
}

bool ft_writer_put_line(ft_writer *writer, const ft_line_plan *plan, const ft_batch *batch,
                        size_t item, ft_error *err)
{
    const ft_column *raw = plan->raw < batch->width ? &batch->columns[plan->raw] : NULL;
    if (plan->count)
        memset(plan->seen, 0, plan->count * sizeof(*plan->seen));
    if (!raw || !raw->values || ft_column_is_null(raw, item))
        return put_rest(writer, plan, batch, item, true, err);
    const ft_slice line = ft_column_text(raw, item);
    if (plan->count == 0)
        return ft_writer_put(writer, line, err) && ft_writer_put(writer, FT_SLICE("\n"), err);
    const line_scan found = scan_line(plan, line);
    if (!found.is_object)
        return put_broken(writer, line, err) && put_rest(writer, plan, batch, item, false, err);
    if (found.any_match)
        return put_replaced(writer, plan, batch, item, line, err) &&
               put_rest(writer, plan, batch, item, false, err);
    if (!found.any_member)
        return put_rest(writer, plan, batch, item, true, err);
    const ft_slice members = {line.data + found.start, found.close - found.start};
    return ft_writer_put(writer, members, err) && put_rest(writer, plan, batch, item, false, err);
}
