// Items as text: see writer.h.
#include "stages/io/writer.h"

#include <string.h>

#include "runtime/data/half.h"
#include "runtime/data/json.h"
#include "stages/io/csv.h"

enum {
    FLUSH_BYTES = 64 * 1024,
    PIECE_BYTES = 32 * 1024,  // Of a text, which escaping makes at most six times as long.
    TEXT_BOUND = 1 << 20,
};

void ft_writer_init(ft_writer *writer, ft_output *output)
{
    *writer = (ft_writer){.output = output};
    ft_text_init(&writer->text, TEXT_BOUND);
    ft_text_init(&writer->cell, INT32_MAX);
}

void ft_writer_finish(ft_writer *writer)
{
    ft_output_close(writer->output);
    ft_text_finish(&writer->text);
    ft_text_finish(&writer->cell);
    writer->output = NULL;
}

bool ft_writer_flush(ft_writer *writer, ft_error *err)
{
    if (!ft_text_check(&writer->text, err))
        return false;
    if (writer->text.size == 0)
        return true;
    const bool ok = ft_output_put(writer->output, ft_text_get(&writer->text), err);
    ft_text_clear(&writer->text);
    return ok;
}

// After some bytes were appended to the text.
static bool settle(ft_writer *writer, ft_error *err)
{
    if (FT_LIKELY(writer->text.size < FLUSH_BYTES && !writer->text.failed))
        return true;
    if (!writer->output)  // Into memory: see put_quoted.
        return ft_text_check(&writer->text, err);
    return ft_writer_flush(writer, err);
}

bool ft_writer_put(ft_writer *writer, ft_slice bytes, ft_error *err)
{
    if (bytes.size >= FLUSH_BYTES && writer->output)
        return ft_writer_flush(writer, err) && ft_output_put(writer->output, bytes, err);
    ft_text_append(&writer->text, bytes);
    return settle(writer, err);
}

// ---- texts ----

bool ft_writer_put_string(ft_writer *writer, ft_slice text, ft_error *err)
{
    ft_text_append_char(&writer->text, '"');
    while (text.size > PIECE_BYTES) {
        ft_json_put_escaped(&writer->text, (ft_slice){text.data, PIECE_BYTES});
        text = (ft_slice){text.data + PIECE_BYTES, text.size - PIECE_BYTES};
        if (!settle(writer, err))
            return false;
    }
    ft_json_put_escaped(&writer->text, text);
    ft_text_append_char(&writer->text, '"');
    return settle(writer, err);
}

static bool put_base64(ft_writer *writer, ft_slice bytes, ft_error *err)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    ft_text_append_char(&writer->text, '"');
    for (size_t at = 0; at < bytes.size; at += 3) {
        const size_t left = bytes.size - at;
        const unsigned char *p = (const unsigned char *)bytes.data + at;
        const uint32_t word = (uint32_t)p[0] << 16 | (left > 1 ? (uint32_t)p[1] << 8 : 0) |
                              (left > 2 ? (uint32_t)p[2] : 0);
        const char group[4] = {digits[word >> 18], digits[word >> 12 & 63],
                               left > 1 ? digits[word >> 6 & 63] : '=',
                               left > 2 ? digits[word & 63] : '='};
        ft_text_append(&writer->text, (ft_slice){group, sizeof(group)});
        if (!settle(writer, err))
            return false;
    }
    ft_text_append_char(&writer->text, '"');
    return settle(writer, err);
}

// JSON text of somebody else, on one line: line ends in it can only be space between tokens.
static bool put_json_text(ft_writer *writer, ft_slice text, ft_error *err)
{
    while (text.size > 0) {
        size_t plain = 0;
        while (plain < text.size && text.data[plain] != '\n' && text.data[plain] != '\r')
            plain++;
        if (!ft_writer_put(writer, (ft_slice){text.data, plain}, err))
            return false;
        if (plain < text.size)
            ft_text_append_char(&writer->text, ' ');
        plain += plain < text.size;
        text = (ft_slice){text.data + plain, text.size - plain};
    }
    return settle(writer, err);
}

static bool put_text(ft_writer *writer, ft_kind kind, ft_slice text, ft_error *err)
{
    if (kind == FT_KIND_STRING)
        return ft_writer_put_string(writer, text, err);
    if (kind == FT_KIND_BYTES)
        return put_base64(writer, text, err);
    return put_json_text(writer, text, err);
}

// ---- numbers ----

static void put_single(ft_text *out, float value)
{
    char number[FT_NUMBER_BYTES];
    if (value - value != 0)
        ft_text_append_string(out, "null");
    else
        ft_text_append(out, (ft_slice){number, ft_print_f32(value, number)});
}

static void put_int(ft_text *out, int64_t value)
{
    char number[FT_NUMBER_BYTES];
    ft_text_append(out, (ft_slice){number, ft_print_int(value, number)});
}

// Element `index` of a tensor's data.
static void put_element(ft_text *out, const char *data, ft_dtype dtype, size_t index)
{
    const void *at = data + index * ft_dtype_size_bytes(dtype);
    uint16_t half;
    int32_t i32;
    int64_t i64;
    float f32;
    double f64;
    switch (dtype) {
    case FT_DTYPE_U8:
        put_int(out, *(const uint8_t *)at);
        return;
    case FT_DTYPE_I8:
        put_int(out, *(const int8_t *)at);
        return;
    case FT_DTYPE_I32:
        memcpy(&i32, at, sizeof(i32));
        put_int(out, i32);
        return;
    case FT_DTYPE_I64:
        memcpy(&i64, at, sizeof(i64));
        put_int(out, i64);
        return;
    case FT_DTYPE_F16:
        memcpy(&half, at, sizeof(half));
        put_single(out, ft_float_of_half(half));
        return;
    case FT_DTYPE_BF16:
        memcpy(&half, at, sizeof(half));
        put_single(out, ft_float_of_bfloat(half));
        return;
    case FT_DTYPE_F32:
        memcpy(&f32, at, sizeof(f32));
        put_single(out, f32);
        return;
    case FT_DTYPE_F64:
        memcpy(&f64, at, sizeof(f64));
        ft_json_put_float(out, f64);
        return;
    }
}

// One number of a scalar or a list: bools and the like have a kind of their own.
static void put_number(ft_text *out, ft_type type, const ft_tensor *values, size_t index)
{
    if (type.kind == FT_KIND_BOOL)
        ft_text_append_string(out, values->data[index] ? "true" : "false");
    else
        put_element(out, values->data, values->dtype, index);
}

// A number of at most eight digits, without a branch on how many it has: all of them are made at
// once in the bytes of a word, tens and ones from hundreds by multiplication, and the zeros at the
// front are shifted out (Khuong, "How to print integers really fast", 2017). Eight bytes are
// written.
static inline size_t put_digits(uint32_t value, char *out)
{
    const uint32_t above = value / 10000, below = value % 10000;
    const uint64_t halves = above | (uint64_t)below << 32;
    const uint64_t hundreds = halves * 10486 >> 20 & UINT64_C(0x7f0000007f);
    const uint64_t pairs = (halves - 100 * hundreds) << 16 | hundreds;
    const uint64_t tens = pairs * 103 >> 10 & UINT64_C(0x000f000f000f000f);
    const uint64_t digits = (pairs - 10 * tens) << 8 | tens;
    // The last digit stays, whatever it is.
    const unsigned zeros = (unsigned)FT_TRAILING_ZEROS_64(digits | UINT64_C(1) << 56) & ~7u;
    const uint64_t text = (digits | UINT64_C(0x3030303030303030)) >> zeros;
    memcpy(out, &text, sizeof(text));
    return 8 - zeros / 8;
}

// Many i32 with commas between, such as the ids of a text.
static bool put_ints(ft_writer *writer, const int32_t *values, size_t count, ft_error *err)
{
    enum { MOST_AT_ONCE = 1024, DIGITS_MAX = 99999999 };

    while (count > 0) {
        const size_t now = count < MOST_AT_ONCE ? count : MOST_AT_ONCE;
        char *const start = ft_text_begin(&writer->text, now * FT_NUMBER_BYTES);
        char *to = start;
        if (!start)
            return ft_text_check(&writer->text, err);
        for (size_t i = 0; i < now; i++) {
            const int32_t value = values[i];
            to += value >= 0 && value <= DIGITS_MAX ? put_digits((uint32_t)value, to)
                                                    : ft_print_int(value, to);
            *to++ = ',';
        }
        values += now;
        count -= now;
        ft_text_end(&writer->text, (size_t)(to - start) - (count == 0));
        if (!settle(writer, err))
            return false;
    }
    return true;
}

// Elements from `from` on as nested arrays of the given shape. The innermost run is a plain loop;
// around it, arrays open and close where an index begins or ends a row.
static bool put_array(ft_writer *writer, ft_type type, const ft_tensor *values, size_t from,
                      const int64_t *shape, int rank, ft_error *err)
{
    size_t total = 1;
    for (int i = 0; i < rank; i++)
        total *= (size_t)shape[i];
    if (total == 0) {
        ft_text_append_string(&writer->text, "[]");
        return settle(writer, err);
    }
    if (rank == 1 && values->dtype == FT_DTYPE_I32) {
        ft_text_append_char(&writer->text, '[');
        if (!put_ints(writer, ft_tensor_i32(values) + from, total, err))
            return false;
        ft_text_append_char(&writer->text, ']');
        return settle(writer, err);
    }
    for (size_t i = 0; i < total; i++) {
        if (i > 0)
            ft_text_append_char(&writer->text, ',');
        size_t row = 1;
        for (int axis = rank - 1; axis >= 0; axis--) {
            row *= (size_t)shape[axis];
            if (i % row != 0)
                break;
            ft_text_append_char(&writer->text, '[');
        }
        put_number(&writer->text, type, values, from + i);
        row = 1;
        for (int axis = rank - 1; axis >= 0; axis--) {
            row *= (size_t)shape[axis];
            if ((i + 1) % row != 0)
                break;
            ft_text_append_char(&writer->text, ']');
        }
        if (!settle(writer, err))
            return false;
    }
    return true;
}

// ---- values ----

static bool put_list(ft_writer *writer, const ft_column *column, size_t item, ft_error *err)
{
    const int32_t *offsets = ft_tensor_i32(column->offsets);
    const int32_t from = offsets[item], to = offsets[item + 1];
    const ft_type type = column->type;
    if (!column->inner) {
        int64_t shape[FT_RANK_MAX + 1] = {to - from};
        int rank = 1;
        for (int i = 0; type.kind == FT_KIND_TENSOR && i < type.rank; i++)
            shape[rank++] = type.shape[i];
        const size_t start = (size_t)from * (size_t)ft_type_elements(type);
        return put_array(writer, type, column->values, start, shape, rank, err);
    }
    ft_text_append_char(&writer->text, '[');
    for (int32_t i = from; i < to; i++) {
        if (i > from)
            ft_text_append_char(&writer->text, ',');
        if (!put_text(writer, type.kind, ft_column_element(column, i), err))
            return false;
    }
    ft_text_append_char(&writer->text, ']');
    return settle(writer, err);
}

bool ft_writer_put_json(ft_writer *writer, const ft_column *column, size_t item, ft_error *err)
{
    const ft_type type = column->type;
    if (!column->values || ft_column_is_null(column, item)) {
        ft_text_append_string(&writer->text, "null");
        return settle(writer, err);
    }
    if (type.list)
        return put_list(writer, column, item, err);
    if (ft_type_is_text(type))
        return put_text(writer, type.kind, ft_column_text(column, item), err);
    if (type.kind == FT_KIND_TENSOR && type.rank > 0) {
        const size_t start = item * (size_t)ft_type_elements(type);
        return put_array(writer, type, column->values, start, type.shape, type.rank, err);
    }
    put_number(&writer->text, type, column->values, item);
    return settle(writer, err);
}

// A string's text without its escapes, in the cell. Half of a surrogate pair is no text: false.
static bool find_unescaped(ft_writer *writer, ft_slice string, ft_slice *out)
{
    ft_error ignored = FT_ERROR_INIT;
    ft_text *cell = &writer->cell;
    ft_text_clear(cell);
    ft_text_append(cell, string);
    *out = (ft_slice){cell->data, 0};
    // Without memory the cell stays failed, which the caller looks at.
    return cell->failed || ft_json_unescape(ft_text_get(cell), cell->data, &out->size, &ignored);
}

// Whether a value has a text of its own, which needs no JSON around it: a string, bytes, or a
// scalar of type any. The text lives until the cell is used again.
static bool find_plain(ft_writer *writer, const ft_column *column, size_t item, ft_slice *out)
{
    const ft_kind kind = column->type.kind;
    if (column->type.list ||
        (kind != FT_KIND_STRING && kind != FT_KIND_BYTES && kind != FT_KIND_ANY))
        return false;
    *out = ft_column_text(column, item);
    if (kind != FT_KIND_ANY)
        return true;
    ft_error ignored = FT_ERROR_INIT;
    ft_json json;
    ft_json_value value;
    ft_json_init(&json, *out);
    if (!ft_json_read(&json, &value, &ignored) || value.kind == FT_JSON_ARRAY ||
        value.kind == FT_JSON_OBJECT)
        return false;
    *out = value.text;
    return !(value.kind == FT_JSON_STRING && value.has_escapes) ||
           find_unescaped(writer, value.text, out);
}

bool ft_writer_put_plain(ft_writer *writer, const ft_column *column, size_t item, ft_error *err)
{
    ft_slice text;
    if (!column->values || ft_column_is_null(column, item))
        return true;
    if (find_plain(writer, column, item, &text))
        return ft_text_check(&writer->cell, err) && ft_writer_put(writer, text, err);
    return ft_writer_put_json(writer, column, item, err);
}

// A field in quotes, in pieces.
static bool put_quoted(ft_writer *writer, ft_slice text, ft_error *err)
{
    ft_text_append_char(&writer->text, '"');
    while (text.size > 0) {
        const size_t piece = text.size < PIECE_BYTES ? text.size : PIECE_BYTES;
        ft_csv_put_escaped(&writer->text, (ft_slice){text.data, piece});
        text = (ft_slice){text.data + piece, text.size - piece};
        if (!settle(writer, err))
            return false;
    }
    ft_text_append_char(&writer->text, '"');
    return settle(writer, err);
}

// JSON in a field: written to memory first, as its quotes must be doubled.
static bool put_nested(ft_writer *writer, const ft_column *column, size_t item, ft_error *err)
{
    ft_writer memory = {.text = writer->cell};
    ft_text_clear(&memory.text);
    const bool ok =
        ft_writer_put_json(&memory, column, item, err) && ft_text_check(&memory.text, err);
    writer->cell = memory.text;
    return ok && put_quoted(writer, ft_text_get(&writer->cell), err);
}

bool ft_writer_put_csv(ft_writer *writer, const ft_column *column, size_t item, char delimiter,
                       ft_error *err)
{
    if (!column->values || ft_column_is_null(column, item))
        return true;
    const ft_type type = column->type;
    ft_slice text;
    if (find_plain(writer, column, item, &text)) {
        if (!ft_text_check(&writer->cell, err))
            return false;
        if (text.size >= PIECE_BYTES)
            return put_quoted(writer, text, err);
        ft_csv_put(&writer->text, text, delimiter);
        return settle(writer, err);
    }
    if (type.list || ft_type_is_text(type) || (type.kind == FT_KIND_TENSOR && type.rank > 0))
        return put_nested(writer, column, item, err);
    return ft_writer_put_json(writer, column, item, err);
}
