// Values whose type is only known when the item comes (any, json: JSON text), and conversions
// between types.
#include "runtime/expr/expr_routine.h"

#include <math.h>
#include <string.h>

#include "runtime/data/json.h"
#include "runtime/system/clock.h"

const char *ft_dynamic_kind_name(const ft_dynamic *value)
{
    switch ((int)value->kind) {
    case FT_KIND_BOOL:
        return "a bool";
    case FT_KIND_INT:
        return "an int";
    case FT_KIND_FLOAT:
        return "a float";
    case FT_KIND_STRING:
        return "a string";
    case FT_KIND_ANY:
        return "null";
    default:
        return "a list or an object";
    }
}

static bool read_number(ft_slice json, ft_dynamic *out)
{
    out->kind = FT_KIND_INT;
    if (ft_parse_int(json, &out->int_value))
        return true;
    out->kind = FT_KIND_FLOAT;
    return ft_parse_float(json, &out->float_value);
}

bool ft_dynamic_read(ft_expr_context *context, ft_slice json, ft_dynamic *out, ft_error *err)
{
    json = ft_slice_trim(json);
    *out = (ft_dynamic){.kind = FT_KIND_JSON, .text = json};
    if (json.size == 0) {
        out->kind = FT_KIND_ANY;
        return true;
    }
    switch (json.data[0]) {
    case 'n':
        out->kind = FT_KIND_ANY;
        return true;
    case 't':
    case 'f':
        out->kind = FT_KIND_BOOL;
        out->bool_value = json.data[0] == 't';
        return true;
    case '{':
    case '[':
        return true;
    case '"':
        out->kind = FT_KIND_STRING;
        out->text = (ft_slice){json.data + 1, json.size >= 2 ? json.size - 2 : 0};
        break;
    default:
        if (!read_number(json, out))
            out->kind = FT_KIND_JSON;
        return true;
    }
    if (out->text.size == 0 || !memchr(out->text.data, '\\', out->text.size))
        return true;
    char *plain = ft_expr_text_alloc(context, out->text.size, err);
    ft_error why = FT_ERROR_INIT;
    size_t size;
    if (!plain)
        return false;
    // A lone surrogate is no text: such a value stays JSON, which no operator takes.
    if (ft_json_unescape(out->text, plain, &size, &why))
        out->text = (ft_slice){plain, size};
    else
        *out = (ft_dynamic){.kind = FT_KIND_JSON, .text = json};
    return true;
}

// ---- any as a type that is asked for ----

static void fail_kind(ft_expr_context *context, const ft_expr_node *node, size_t i,
                      const ft_dynamic *value, const char *wanted)
{
    ft_slice text = ft_expr_node_text(context, node);

    ft_expr_item_fail(context, node, i, "`%.*s` is %s in this item, and %s is wanted",
                      (int)text.size, text.data, ft_dynamic_kind_name(value), wanted);
}

static void put_dynamic(ft_expr_context *context, const ft_expr_call *call, size_t i,
                        const ft_dynamic *value)
{
    const ft_expr_node *source = call->node->args[0];
    bool is_int = value->kind == FT_KIND_INT;
    bool is_number = is_int || value->kind == FT_KIND_FLOAT;

    switch ((int)call->node->type.kind) {
    case FT_KIND_BOOL:
        ft_vector_bools(call->out)[i] = value->bool_value;
        if (value->kind != FT_KIND_BOOL)
            fail_kind(context, source, i, value, "true or false");
        break;
    case FT_KIND_INT: {
        double f = value->float_value;
        bool is_whole = value->kind == FT_KIND_FLOAT && f == floor(f) && fabs(f) < 0x1p63;
        ft_vector_ints(call->out)[i] = is_whole ? (int64_t)f : value->int_value;
        if (!is_int && !is_whole)
            fail_kind(context, source, i, value, "a whole number");
        break;
    }
    case FT_KIND_FLOAT:
        ft_vector_floats(call->out)[i] = is_int ? (double)value->int_value : value->float_value;
        if (!is_number)
            fail_kind(context, source, i, value, "a number");
        break;
    default:
        ft_vector_texts(call->out)[i] = value->kind == FT_KIND_STRING ? value->text : (ft_slice){0};
        if (value->kind != FT_KIND_STRING)
            fail_kind(context, source, i, value, "a string");
        break;
    }
}

static bool convert_dynamic(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    size_t item_bytes = ft_vector_item_bytes(call->node->type);

    for (size_t i = 0; i < context->count; i++) {
        ft_dynamic value = {.kind = FT_KIND_ANY};
        if (!ft_vector_is_null(&call->args[0], i) &&
            !ft_dynamic_read(context, ft_vector_texts(&call->args[0])[i], &value, err))
            return false;
        if (value.kind != FT_KIND_ANY) {
            put_dynamic(context, call, i, &value);
            continue;
        }
        memset((char *)call->out->data + i * item_bytes, 0, item_bytes);
        ft_vector_add_nulls(context, call->out)[i] = 1;
    }
    return true;
}

// ---- to text and to JSON ----

static bool copy_text(ft_expr_context *context, const char *text, size_t size, ft_slice *out,
                      ft_error *err)
{
    char *copy = ft_expr_text_alloc(context, size, err);

    if (!copy)
        return false;
    memcpy(copy, text, size);
    *out = (ft_slice){copy, size};
    return true;
}

static bool scalar_to_text(ft_expr_context *context, const ft_expr_call *call, ft_type from,
                           size_t i, ft_error *err)
{
    const ft_vector *arg = &call->args[0];
    ft_slice *out = &ft_vector_texts(call->out)[i];
    char digits[FT_NUMBER_BYTES];
    size_t size;

    if (from.kind == FT_KIND_BOOL) {
        *out = ft_vector_bools(arg)[i] ? FT_SLICE("true") : FT_SLICE("false");
        return true;
    }
    if (from.kind == FT_KIND_INT) {
        size = ft_print_int(ft_vector_ints(arg)[i], digits);
    } else {
        double value = ft_vector_floats(arg)[i];
        // JSON has no words for these.
        if (call->node->type.kind == FT_KIND_ANY && !isfinite(value)) {
            *out = FT_SLICE("null");
            return true;
        }
        size = ft_print_f64(value, digits);
    }
    return copy_text(context, digits, size, out, err);
}

static bool text_to_json(ft_expr_context *context, ft_slice text, ft_slice *out, ft_error *err)
{
    ft_text json;

    // At most six bytes for each, and the quotes.
    ft_text_init(&json, text.size * 6 + 3);
    ft_json_put_string(&json, text);
    bool ok = ft_text_check(&json, err);
    ft_slice made = ok ? ft_text_get(&json) : (ft_slice){0};
    ok = ok && copy_text(context, made.data, made.size, out, err);
    ft_text_finish(&json);
    return ok;
}

static bool convert_static(ft_expr_context *context, const ft_expr_call *call, ft_type from,
                           ft_error *err)
{
    const ft_vector *arg = &call->args[0];
    ft_kind to = call->node->type.kind;

    if (to == FT_KIND_FLOAT) {
        for (size_t i = 0; i < context->count; i++)
            ft_vector_floats(call->out)[i] = (double)ft_vector_ints(arg)[i];
        return true;
    }
    for (size_t i = 0; i < context->count; i++) {
        if (ft_vector_is_null(arg, i)) {
            ft_vector_texts(call->out)[i] = (ft_slice){0};
            continue;
        }
        bool ok = from.kind == FT_KIND_STRING ? text_to_json(context, ft_vector_texts(arg)[i],
                                                             &ft_vector_texts(call->out)[i], err)
                                              : scalar_to_text(context, call, from, i, err);
        if (!ok)
            return false;
    }
    return true;
}

// int to float; int, float and bool to text; those and text to any; any to bool, int, float or
// text.
bool ft_kernel_convert(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    ft_type from = call->node->args[0]->type;
    const ft_vector *arg = &call->args[0];

    if (ft_expr_is_dynamic(from) && !ft_expr_is_dynamic(call->node->type))
        return convert_dynamic(context, call, err);
    if (arg->nulls)
        memcpy(ft_vector_add_nulls(context, call->out), arg->nulls, context->count);
    if (ft_expr_is_dynamic(from)) {
        memcpy(call->out->data, arg->data, context->count * sizeof(ft_slice));
        return true;
    }
    return convert_static(context, call, from, err);
}

// ---- functions ----

static bool parse_text(ft_expr_context *context, const ft_expr_call *call, size_t i, ft_slice text,
                       bool whole)
{
    bool ok = whole ? ft_parse_int(ft_slice_trim(text), &ft_vector_ints(call->out)[i])
                    : ft_parse_float(ft_slice_trim(text), &ft_vector_floats(call->out)[i]);

    if (!ok)
        ft_expr_item_fail(context, call->node, i, "\"%.*s\" is not a %s",
                          (int)(text.size > 60 ? 60 : text.size), text.data ? text.data : "",
                          whole ? "whole number" : "number");
    return ok;
}

static bool to_number(ft_expr_context *context, const ft_expr_call *call, bool whole, ft_error *err)
{
    ft_type from = call->node->args[0]->type;

    for (size_t i = 0; i < context->count; i++) {
        ft_dynamic value = {.kind = from.kind};
        if (!ft_expr_counts(context, i))
            continue;
        if (ft_expr_is_dynamic(from)) {
            if (!ft_dynamic_read(context, ft_vector_texts(&call->args[0])[i], &value, err))
                return false;
        } else if (from.kind == FT_KIND_BOOL) {
            value.bool_value = ft_vector_bools(&call->args[0])[i];
        } else if (from.kind == FT_KIND_INT) {
            value.int_value = ft_vector_ints(&call->args[0])[i];
        } else if (from.kind == FT_KIND_FLOAT) {
            value.float_value = ft_vector_floats(&call->args[0])[i];
        } else {
            value.text = ft_vector_texts(&call->args[0])[i];
        }
        if (value.kind == FT_KIND_STRING) {
            parse_text(context, call, i, value.text, whole);
            continue;
        }
        if (value.kind == FT_KIND_BOOL) {
            value.kind = FT_KIND_INT;
            value.int_value = value.bool_value;
        }
        put_dynamic(context, call, i, &value);
    }
    return true;
}

bool ft_kernel_number(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    return to_number(context, call, false, err);
}

bool ft_kernel_int(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    return to_number(context, call, true, err);
}

static bool dynamic_to_text(ft_expr_context *context, const ft_expr_call *call, size_t i,
                            ft_error *err)
{
    ft_slice json = ft_vector_texts(&call->args[0])[i];
    ft_dynamic value;

    if (!ft_dynamic_read(context, json, &value, err))
        return false;
    ft_vector_texts(call->out)[i] = value.kind == FT_KIND_STRING ? value.text : json;
    return true;
}

bool ft_kernel_string(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    ft_type from = call->node->args[0]->type;

    for (size_t i = 0; i < context->count; i++) {
        ft_slice *out = &ft_vector_texts(call->out)[i];
        bool ok = true;
        *out = (ft_slice){0};
        if (!ft_expr_counts(context, i))
            continue;
        if (ft_expr_is_dynamic(from))
            ok = dynamic_to_text(context, call, i, err);
        else if (from.kind == FT_KIND_STRING || from.kind == FT_KIND_BYTES)
            *out = ft_vector_texts(&call->args[0])[i];
        else
            ok = scalar_to_text(context, call, from, i, err);
        if (!ok)
            return false;
        if (from.kind == FT_KIND_BYTES && ft_utf8_valid_prefix(*out) < out->size)
            ft_expr_item_fail(context, call->node, i, "these bytes are not valid UTF-8");
    }
    return true;
}

// default(x, y): x, and y where x is null.
bool ft_kernel_default(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    size_t item_bytes = ft_vector_item_bytes(call->node->type);
    const ft_vector *value = &call->args[0], *other = &call->args[1];

    (void)err;
    memcpy(call->out->data, value->data, context->count * item_bytes);
    for (size_t i = 0; i < context->count; i++) {
        if (!ft_vector_is_null(value, i))
            continue;
        memcpy((char *)call->out->data + i * item_bytes, (char *)other->data + i * item_bytes,
               item_bytes);
        if (ft_vector_is_null(other, i))
            ft_vector_add_nulls(context, call->out)[i] = 1;
    }
    return true;
}

typedef struct path {
    size_t count;
    const char **parts;
} path;

bool ft_prepare_path(ft_arena *arena, ft_expr_node *node, ft_error *err)
{
    ft_slice rest = node->args[1]->text, part;
    size_t bound = 1;

    for (size_t i = 0; i < rest.size; i++)
        bound += rest.data[i] == '.';
    path *made = ft_arena_zero(arena, 1, sizeof(*made));
    if (made)
        made->parts = ft_arena_zero(arena, bound, sizeof(*made->parts));
    if (!made || !made->parts)
        return ft_fail_nomem(err, bound * sizeof(ft_slice));
    while (made->count < bound && ft_slice_cut(&rest, '.', &part)) {
        made->parts[made->count] = ft_arena_text(arena, part);
        if (!made->parts[made->count++])
            return ft_fail_nomem(err, part.size);
    }
    node->prepared = made;
    return true;
}

// Moves the reader in front of the value that `part` names in the one it stands before.
static bool enter(ft_json *json, const char *part, bool *out_found, ft_error *err)
{
    ft_json_value value, key;
    bool first = true, more = true;
    int64_t wanted, at = 1;

    *out_found = false;
    if (!ft_json_read(json, &value, err))
        return false;
    if (value.kind == FT_JSON_ARRAY && ft_parse_int(ft_slice_of(part), &wanted)) {
        for (;; at++) {
            if (!ft_json_next_element(json, &first, &more, err))
                return false;
            *out_found = more && at == wanted;
            if (!more || *out_found)
                return true;
            if (!ft_json_skip(json, NULL, err))
                return false;
        }
    }
    while (value.kind == FT_JSON_OBJECT) {
        if (!ft_json_next_member(json, &first, &more, &key, err))
            return false;
        *out_found = more && ft_json_key_is(&key, part);
        if (!more || *out_found)
            return true;
        if (!ft_json_skip(json, NULL, err))
            return false;
    }
    return true;
}

bool ft_kernel_get(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    const path *steps = call->node->prepared;

    (void)err;
    for (size_t i = 0; i < context->count; i++) {
        ft_slice *out = &ft_vector_texts(call->out)[i];
        ft_error why = FT_ERROR_INIT;
        ft_json json;
        bool ok = !ft_vector_is_null(&call->args[0], i), found = ok;
        *out = (ft_slice){0};
        if (ok)
            ft_json_init(&json, ft_vector_texts(&call->args[0])[i]);
        for (size_t k = 0; ok && found && k < steps->count; k++)
            ok = enter(&json, steps->parts[k], &found, &why);
        if (ok && found)
            ok = ft_json_skip(&json, out, &why);
        if (why.code != FT_ERROR_NONE)
            ft_expr_item_fail(context, call->node, i, "%s", why.message);
        if (!ok || !found || ft_slice_is(*out, "null"))
            ft_vector_add_nulls(context, call->out)[i] = 1;
    }
    return true;
}

bool ft_kernel_now(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    double seconds = (double)ft_clock_wall_ms() / 1000;

    (void)err;
    for (size_t i = 0; i < context->count; i++)
        ft_vector_floats(call->out)[i] = seconds;
    return true;
}
