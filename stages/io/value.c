// JSON values into columns: see value.h. Numbers of tensors and lists are collected in the scratch
// and added at once; texts are copied once, and their escapes undone where they then lie.
#include "stages/io/value.h"

#include <math.h>
#include <string.h>

bool ft_value_can_read(ft_type type, ft_error *err)
{
    if (type.kind != FT_KIND_TENSOR || (type.dtype != FT_DTYPE_F16 && type.dtype != FT_DTYPE_BF16))
        return true;
    ft_fail(err, FT_ERROR_USAGE, "%s cannot be read from text", ft_dtype_name(type.dtype));
    ft_hint(err, "Read it as f32.");
    return false;
}

void ft_value_scratch_finish(ft_value_scratch *scratch)
{
    ft_buffer_unref(scratch->numbers);
    scratch->numbers = NULL;
}

static bool fail_type(ft_type want, const ft_json_value *value, ft_error *err)
{
    char wanted[FT_TYPE_TEXT_BYTES];
    const bool is_string = value->kind == FT_JSON_STRING;
    size_t shown = value->text.size < 40 ? value->text.size : 40;
    shown = ft_utf8_valid_prefix((ft_slice){value->text.data, shown});
    return ft_fail(err, FT_ERROR_DATA, "needs %s, and has %s%.*s%s%s", ft_type_print(want, wanted),
                   is_string ? "\"" : "", (int)shown, value->text.data,
                   shown < value->text.size ? "..." : "", is_string ? "\"" : "");
}

// ---- numbers ----

typedef struct numbers {
    ft_type want;
    const ft_json_value *whole;  // For messages.
    ft_dtype dtype;
    size_t element_bytes, count;
    ft_value_scratch *scratch;
} numbers;

static ft_dtype dtype_of(ft_type type)
{
    switch (type.kind) {
    case FT_KIND_BOOL:
        return FT_DTYPE_U8;
    case FT_KIND_INT:
        return FT_DTYPE_I64;
    case FT_KIND_FLOAT:
        return FT_DTYPE_F64;
    case FT_KIND_TENSOR:
        return type.dtype;
    case FT_KIND_ANY:
    case FT_KIND_STRING:
    case FT_KIND_BYTES:
    case FT_KIND_JSON:
        break;
    }
    FT_ASSERT(!"a number's type");
    return FT_DTYPE_U8;
}

static bool reserve(numbers *out, ft_error *err)
{
    ft_value_scratch *scratch = out->scratch;
    const size_t needed = (out->count + 1) * out->element_bytes;
    if (!scratch->numbers) {
        scratch->numbers = ft_buffer_create(scratch->account, needed < 4096 ? 4096 : needed, err);
        return scratch->numbers != NULL;
    }
    const size_t capacity = scratch->numbers->size_bytes;
    return needed <= capacity || ft_buffer_resize(scratch->numbers, capacity + capacity / 2, err);
}

static bool int_fits(int64_t value, ft_dtype dtype)
{
    switch (dtype) {
    case FT_DTYPE_U8:
        return value >= 0 && value <= UINT8_MAX;
    case FT_DTYPE_I8:
        return value >= INT8_MIN && value <= INT8_MAX;
    case FT_DTYPE_I32:
        return value >= INT32_MIN && value <= INT32_MAX;
    case FT_DTYPE_I64:
    case FT_DTYPE_F16:
    case FT_DTYPE_BF16:
    case FT_DTYPE_F32:
    case FT_DTYPE_F64:
        break;
    }
    return true;
}

// Stores one number at `at`, which is aligned for it.
static bool store_number(char *at, ft_dtype dtype, bool is_bool, const ft_json_value *value)
{
    int64_t integer = value->kind == FT_JSON_TRUE;
    if (is_bool) {
        *at = (char)integer;
        return value->kind == FT_JSON_TRUE || value->kind == FT_JSON_FALSE;
    }
    if (value->kind != FT_JSON_NUMBER)
        return false;
    if (dtype == FT_DTYPE_F32 || dtype == FT_DTYPE_F64) {
        double number;
        if (!ft_parse_float(value->text, &number))
            return false;
        const float single = (float)number;
        if (dtype == FT_DTYPE_F32)
            memcpy(at, &single, sizeof(single));
        else
            memcpy(at, &number, sizeof(number));
        return dtype == FT_DTYPE_F64 || isfinite(single);
    }
    if (!ft_parse_int(value->text, &integer) || !int_fits(integer, dtype))
        return false;
    // Little-endian, as all machines are that we run on: the low bytes come first.
    memcpy(at, &integer, ft_dtype_size_bytes(dtype));
    return true;
}

static bool add_number(numbers *out, const ft_json_value *value, ft_error *err)
{
    if (!reserve(out, err))
        return false;
    char *at = (char *)out->scratch->numbers->data + out->count * out->element_bytes;
    if (!store_number(at, out->dtype, out->want.kind == FT_KIND_BOOL, value))
        return fail_type(out->want, out->whole, err);
    out->count++;
    return true;
}

// Reads nested arrays whose sizes are `shape` (-1: any, for the outermost of a list).
static bool read_array(numbers *out, ft_json *json, const int64_t *shape, int rank, ft_error *err)
{
    int64_t seen[FT_RANK_MAX + 1] = {0};
    bool first[FT_RANK_MAX + 1] = {true};
    int level = 0;
    ft_json_value value;
    if (!ft_json_read(json, &value, err))
        return false;
    if (value.kind != FT_JSON_ARRAY)
        return fail_type(out->want, out->whole, err);
    while (level >= 0) {
        bool more;
        if (!ft_json_next_element(json, &first[level], &more, err))
            return false;
        if (!more) {
            if (shape[level] >= 0 && seen[level] != shape[level])
                return fail_type(out->want, out->whole, err);
            level--;
            continue;
        }
        seen[level]++;
        if (!ft_json_read(json, &value, err))
            return false;
        const bool is_array = value.kind == FT_JSON_ARRAY;
        if (is_array != (level + 1 < rank) || value.kind == FT_JSON_OBJECT)
            return fail_type(out->want, out->whole, err);
        if (is_array) {
            level++;
            seen[level] = 0;
            first[level] = true;
        } else if (!add_number(out, &value, err)) {
            return false;
        }
    }
    return true;
}

static bool add_numbers(ft_builder *builder, const ft_json_value *value, ft_value_scratch *scratch,
                        ft_error *err)
{
    const ft_type type = builder->type;
    int64_t shape[FT_RANK_MAX + 1];
    int rank = 0;
    if (type.list)
        shape[rank++] = -1;
    for (int i = 0; type.kind == FT_KIND_TENSOR && i < type.rank; i++)
        shape[rank++] = type.shape[i];
    numbers out = {.want = type, .whole = value, .dtype = dtype_of(type), .scratch = scratch};
    out.element_bytes = ft_dtype_size_bytes(out.dtype);
    if (rank == 0) {
        if (!add_number(&out, value, err))
            return false;
    } else {
        ft_json json;
        ft_json_init(&json, value->text);
        if (value->kind != FT_JSON_ARRAY)
            return fail_type(type, value, err);
        if (!read_array(&out, &json, shape, rank, err))
            return false;
    }
    return ft_builder_add_numbers(builder, out.count ? scratch->numbers->data : "", out.count, err);
}

// ---- texts ----

// Undoes the escapes of the text that was added last.
static bool unescape_last(ft_builder *builder, const ft_json_value *value, ft_error *err)
{
    char *added = ft_builder_last(builder, value->text.size);
    size_t size;
    if (!ft_json_unescape((ft_slice){added, value->text.size}, added, &size, err))
        return false;
    ft_builder_shorten(builder, value->text.size, size);
    return true;
}

// The elements that were added before the wrong one stay behind in an item of their own.
static bool end_failed(ft_builder *builder, ft_error *err)
{
    ft_error full = FT_ERROR_INIT;
    if (err->code == FT_ERROR_DATA && !ft_builder_end_list(builder, &full))
        *err = full;
    return false;
}

static bool add_texts(ft_builder *builder, const ft_json_value *value, ft_error *err)
{
    ft_json json;
    ft_json_value element;
    bool first = true, more;
    ft_json_init(&json, value->text);
    if (value->kind != FT_JSON_ARRAY)
        return fail_type(builder->type, value, err);
    if (!ft_json_read(&json, &element, err))
        return false;
    const bool any_kind = builder->type.kind == FT_KIND_JSON || builder->type.kind == FT_KIND_ANY;
    for (;;) {
        if (!ft_json_next_element(&json, &first, &more, err))
            return false;
        if (!more)
            return ft_builder_end_list(builder, err);
        if (any_kind) {
            if (!ft_json_skip(&json, &element.text, err) ||
                !ft_builder_add_element(builder, element.text, err))
                return false;
            continue;
        }
        if (!ft_json_read(&json, &element, err))
            return false;
        const bool fits = element.kind == FT_JSON_STRING;
        if (!fits || !ft_builder_add_element(builder, element.text, err) ||
            (element.has_escapes && !unescape_last(builder, &element, err))) {
            if (!fits)
                fail_type(builder->type, value, err);
            return end_failed(builder, err);
        }
    }
}

static bool add_text(ft_builder *builder, const ft_json_value *value, ft_error *err)
{
    if (value->kind != FT_JSON_STRING)
        return fail_type(builder->type, value, err);
    return ft_builder_add_text(builder, value->text, err) &&
           (!value->has_escapes || unescape_last(builder, value, err));
}

// The value as JSON text: strings get their quotes back.
static bool add_json(ft_builder *builder, const ft_json_value *value, ft_error *err)
{
    ft_slice text = value->text;
    if (value->kind == FT_JSON_STRING)
        text = (ft_slice){text.data - 1, text.size + 2};
    return ft_builder_add_text(builder, text, err);
}

bool ft_value_add(ft_builder *builder, const ft_json_value *value, ft_value_scratch *scratch,
                  ft_error *err)
{
    if (value->kind == FT_JSON_NULL)
        return ft_builder_add_null(builder, err);
    switch (builder->type.kind) {
    case FT_KIND_STRING:
    case FT_KIND_BYTES:
        return builder->type.list ? add_texts(builder, value, err) : add_text(builder, value, err);
    case FT_KIND_ANY:
    case FT_KIND_JSON:
        return builder->type.list ? add_texts(builder, value, err) : add_json(builder, value, err);
    case FT_KIND_BOOL:
    case FT_KIND_INT:
    case FT_KIND_FLOAT:
    case FT_KIND_TENSOR:
        break;
    }
    return add_numbers(builder, value, scratch, err);
}
