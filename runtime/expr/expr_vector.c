// Slots and text for a block's vectors, loading them from columns, and what failed.
//
// Slots and the first text chunk are kept from call to call and are small (a slot is 25 KiB); text
// beyond that is in buffers charged to the run's account, and goes when the block is done.
#include "runtime/expr/expr_vector.h"

#include <stdio.h>
#include <string.h>

#include "runtime/data/half.h"
#include "runtime/memory/alloc.h"

enum {
    SLOT_DATA_BYTES = FT_EXPR_BLOCK * (int)sizeof(ft_span),
    CHUNK_BYTES = 64 * 1024,
    NODE_TEXT_MAX = 80,
};

typedef struct slot {
    // First, so that a slot's address is its data's and aligned for all of them.
    char data[SLOT_DATA_BYTES];
    uint8_t nulls[FT_EXPR_BLOCK];
    struct slot *next;  // In the list of free ones.
} slot;

typedef struct chunk {
    struct chunk *next;
    ft_buffer *buffer;
} chunk;

struct ft_expr_scratch {
    slot *free;
    chunk *chunks;   // Beside the first.
    char *at, *end;  // Of the chunk that is filled.
    char first[CHUNK_BYTES];
};

bool ft_expr_scratch_get(ft_expr_run *run, ft_expr_scratch **out, ft_error *err)
{
    if (!run->scratch) {
        ft_expr_scratch *made = ft_alloc(sizeof(*made));
        if (!made)
            return ft_fail_nomem(err, sizeof(*made));
        made->free = NULL;
        made->chunks = NULL;
        made->at = made->first;
        made->end = made->first + CHUNK_BYTES;
        run->scratch = made;
    }
    *out = run->scratch;
    return true;
}

void ft_expr_scratch_reset(ft_expr_scratch *scratch)
{
    for (chunk *c = scratch->chunks, *next; c; c = next) {
        next = c->next;
        ft_buffer_unref(c->buffer);
        ft_free(c);
    }
    scratch->chunks = NULL;
    scratch->at = scratch->first;
    scratch->end = scratch->first + CHUNK_BYTES;
}

void ft_expr_free_scratch(ft_expr_run *run)
{
    ft_expr_scratch *scratch = run->scratch;

    if (!scratch)
        return;
    ft_expr_scratch_reset(scratch);
    for (slot *s = scratch->free, *next; s; s = next) {
        next = s->next;
        ft_free(s);
    }
    ft_free(scratch);
    run->scratch = NULL;
}

bool ft_vector_take(ft_expr_context *context, ft_vector *out, ft_error *err)
{
    slot *taken = context->scratch->free;

    *out = (ft_vector){0};
    if (taken) {
        context->scratch->free = taken->next;
    } else {
        taken = ft_alloc(sizeof(*taken));
        if (!taken)
            return ft_fail_nomem(err, sizeof(*taken));
    }
    out->slot = taken;
    out->data = taken->data;
    return true;
}

void ft_vector_give(ft_expr_context *context, ft_vector *vector)
{
    slot *given = vector->slot;

    if (given) {
        given->next = context->scratch->free;
        context->scratch->free = given;
    }
    *vector = (ft_vector){0};
}

uint8_t *ft_vector_add_nulls(const ft_expr_context *context, ft_vector *vector)
{
    if (!vector->nulls) {
        vector->nulls = ((slot *)vector->slot)->nulls;
        memset(vector->nulls, 0, context->count);
    }
    return vector->nulls;
}

char *ft_expr_text_alloc(ft_expr_context *context, size_t size_bytes, ft_error *err)
{
    ft_expr_scratch *scratch = context->scratch;
    size_t wanted;

    if (FT_ADD_OVERFLOWS(size_bytes, 15, &wanted)) {
        ft_fail_nomem(err, size_bytes);
        return NULL;
    }
    wanted &= ~(size_t)15;
    if (wanted > (size_t)(scratch->end - scratch->at)) {
        size_t size = wanted > CHUNK_BYTES ? wanted : CHUNK_BYTES;
        chunk *made = ft_alloc(sizeof(*made));
        if (!made) {
            ft_fail_nomem(err, sizeof(*made));
            return NULL;
        }
        made->buffer = ft_buffer_create(context->run->account, size, err);
        if (!made->buffer) {
            ft_free(made);
            return NULL;
        }
        made->next = scratch->chunks;
        scratch->chunks = made;
        scratch->at = made->buffer->data;
        scratch->end = scratch->at + size;
    }
    char *out = scratch->at;
    scratch->at += wanted;
    return out;
}

ft_type ft_vector_loaded_type(ft_type type)
{
    if (type.list || type.kind != FT_KIND_TENSOR || type.rank)
        return type;
    bool is_float = type.dtype == FT_DTYPE_F32 || type.dtype == FT_DTYPE_F64 ||
                    type.dtype == FT_DTYPE_F16 || type.dtype == FT_DTYPE_BF16;
    return is_float ? FT_TYPE(FLOAT) : FT_TYPE(INT);
}

size_t ft_vector_item_bytes(ft_type type)
{
    if (type.list || type.kind == FT_KIND_TENSOR)
        return sizeof(ft_span);
    if (type.kind == FT_KIND_BOOL)
        return 1;
    return ft_expr_is_number(type) ? 8 : sizeof(ft_slice);
}

// A value of JSON null is null, wherever it comes from.
static void load_texts(ft_expr_context *context, const ft_column *column, size_t from,
                       ft_vector *out)
{
    ft_slice *texts = ft_vector_texts(out);

    for (size_t i = 0; i < context->count; i++)
        texts[i] = ft_column_text(column, from + i);
    if (!ft_expr_is_dynamic(column->type))
        return;
    for (size_t i = 0; i < context->count; i++)
        if (texts[i].size == 4 && memcmp(texts[i].data, "null", 4) == 0)
            ft_vector_add_nulls(context, out)[i] = 1;
}

static void load_spans(const ft_column *column, size_t from, size_t count, ft_span *out)
{
    size_t element_bytes = ft_type_element_size_bytes(column->type);

    if (!column->type.list) {
        size_t elements = (size_t)ft_type_elements(column->type);
        size_t item_bytes = elements * ft_dtype_size_bytes(column->type.dtype);
        for (size_t i = 0; i < count; i++)
            out[i] = (ft_span){column->values->data + (from + i) * item_bytes, NULL, elements};
        return;
    }
    const int32_t *offsets = ft_tensor_i32(column->offsets) + from;
    const int32_t *inner = column->inner ? ft_tensor_i32(column->inner) : NULL;
    for (size_t i = 0; i < count; i++) {
        out[i].count = (size_t)(offsets[i + 1] - offsets[i]);
        out[i].inner = inner ? inner + offsets[i] : NULL;
        out[i].base = column->values->data + (inner ? 0 : (size_t)offsets[i] * element_bytes);
    }
}

double ft_number_at(const char *data, ft_dtype dtype, size_t i)
{
    uint16_t half;
    float single;

    switch (dtype) {
    case FT_DTYPE_F32:
        memcpy(&single, data + 4 * i, sizeof(single));
        return (double)single;
    case FT_DTYPE_F16:
        memcpy(&half, data + 2 * i, sizeof(half));
        return (double)ft_float_of_half(half);
    case FT_DTYPE_BF16:
        memcpy(&half, data + 2 * i, sizeof(half));
        return (double)ft_float_of_bfloat(half);
    case FT_DTYPE_F64:
        return ((const double *)(const void *)data)[i];
    case FT_DTYPE_U8:
        return (double)((const uint8_t *)data)[i];
    case FT_DTYPE_I8:
        return (double)((const int8_t *)data)[i];
    case FT_DTYPE_I32:
        return (double)((const int32_t *)(const void *)data)[i];
    case FT_DTYPE_I64:
        return (double)((const int64_t *)(const void *)data)[i];
    }
    return 0;
}

// Tensors of rank 0.
static void load_numbers(const ft_column *column, size_t from, size_t count, ft_vector *out)
{
    const char *data = column->values->data;
    ft_dtype dtype = column->type.dtype;

    if (ft_vector_loaded_type(column->type).kind == FT_KIND_FLOAT) {
        for (size_t i = 0; i < count; i++)
            ft_vector_floats(out)[i] = ft_number_at(data, dtype, from + i);
        return;
    }
    for (size_t i = 0; i < count; i++)
        ft_vector_ints(out)[i] = dtype == FT_DTYPE_I64
                                     ? ft_tensor_i64(column->values)[from + i]
                                     : (int64_t)ft_number_at(data, dtype, from + i);
}

bool ft_vector_load(ft_expr_context *context, const ft_column *column, size_t from, ft_vector *out,
                    ft_error *err)
{
    ft_type type = column->type;

    if (!ft_vector_take(context, out, err))
        return false;
    if (!column->values) {
        memset(out->data, 0, context->count * ft_vector_item_bytes(ft_vector_loaded_type(type)));
        memset(ft_vector_add_nulls(context, out), 1, context->count);
        return true;
    }
    if (column->validity) {
        uint8_t any = 0;
        uint8_t *nulls = ft_vector_add_nulls(context, out);
        for (size_t i = 0; i < context->count; i++)
            any |= nulls[i] = ft_column_is_null(column, from + i);
        if (!any)
            out->nulls = NULL;
    }
    if (type.list || (type.kind == FT_KIND_TENSOR && type.rank)) {
        load_spans(column, from, context->count, out->data);
    } else if (type.kind == FT_KIND_TENSOR) {
        load_numbers(column, from, context->count, out);
    } else if (ft_type_is_text(type)) {
        load_texts(context, column, from, out);
    } else {
        out->data = column->values->data + from * ft_vector_item_bytes(type);
    }
    return true;
}

ft_slice ft_expr_node_text(const ft_expr_context *context, const ft_expr_node *node)
{
    ft_slice text = {context->expr->text.data + node->offset, node->length};

    // Cut between code points.
    if (text.size > NODE_TEXT_MAX)
        for (text.size = NODE_TEXT_MAX; (text.data[text.size] & 0xC0) == 0x80;)
            text.size--;
    return text;
}

void ft_expr_item_fail(ft_expr_context *context, const ft_expr_node *node, size_t i,
                       const char *format, ...)
{
    char text[FT_ERROR_MESSAGE_BYTES];
    va_list args;

    if (!ft_expr_counts(context, i))
        return;
    context->failed[i] = 1;
    context->any_failed = true;
    if (!context->why)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    ft_fail(context->why, FT_ERROR_DATA, "%s", text);
    context->why->number = 409;
    context->why->offset = node->offset;
    context->why->length = node->length;
}

void ft_expr_item_hint(ft_expr_context *context, const char *format, ...)
{
    char text[FT_ERROR_HINT_BYTES];
    va_list args;

    if (!context->why || context->why->code == FT_ERROR_NONE)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    ft_hint(context->why, "%s", text);
}

void ft_expr_fail_nulls(ft_expr_context *context, const ft_expr_node *node, const ft_vector *vector)
{
    if (!vector->nulls)
        return;
    ft_slice text = ft_expr_node_text(context, node);
    for (size_t i = 0; i < context->count; i++) {
        if (!vector->nulls[i] || !ft_expr_counts(context, i))
            continue;
        ft_expr_item_fail(context, node, i, "`%.*s` is null", (int)text.size, text.data);
        ft_expr_item_hint(context,
                          "Give it a value with `default(%.*s, ...)`, or test `~= nil` first.",
                          (int)text.size, text.data);
    }
}
