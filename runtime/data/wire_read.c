// Reading batches, from somebody who may have written anything.
#include "runtime/data/wire.h"

#include <string.h>

#include "runtime/data/wire_format.h"

enum { WIDTH_MAX = 1 << 16, PARTS_MAX = 1 << 24, RANK_MAX = FT_RANK_MAX - 1 };

bool ft_wire_refuse(ft_error *err, const char *what)
{
    ft_fail(err, FT_ERROR_IO, "what came from the other process is damaged: %s", what);
    ft_hint(err, "Its memory is corrupt, most likely by a plug-in.");
    return false;
}

// ---- bytes ----

// Moves behind `size_bytes` and says where they were.
static bool pass(ft_wire_reader *reader, size_t size_bytes, size_t *out_at, ft_error *err)
{
    if (size_bytes > reader->end - reader->at)
        return ft_wire_refuse(err, "it ends too soon");
    *out_at = reader->at;
    reader->at += size_bytes;
    return true;
}

bool ft_wire_get(ft_wire_reader *reader, void *out, size_t size_bytes, ft_error *err)
{
    size_t at;

    if (!pass(reader, size_bytes, &at, err))
        return false;
    memcpy(out, (const char *)reader->buffer->data + at, size_bytes);
    return true;
}

static bool get_block(ft_wire_reader *reader, size_t count, size_t item_bytes, size_t *out_at,
                      ft_error *err)
{
    size_t at, bytes;

    return pass(reader, -reader->at % FT_BUFFER_ALIGNMENT, &at, err) &&
           (!FT_MUL_OVERFLOWS(count, item_bytes, &bytes) || ft_wire_refuse(err, "a size")) &&
           pass(reader, bytes, out_at, err);
}

// ---- columns ----

static bool get_type(const ft_wire_type *from, ft_type *out)
{
    if (from->kind > FT_KIND_TENSOR || from->dtype > FT_DTYPE_F64 || from->list > 1 ||
        from->rank > RANK_MAX)
        return false;
    *out = (ft_type){.kind = (ft_kind)from->kind,
                     .dtype = (ft_dtype)from->dtype,
                     .list = from->list != 0,
                     .rank = from->rank};
    for (size_t i = 0; i < FT_RANK_MAX; i++) {
        out->shape[i] = from->shape[i];
        if (out->kind == FT_KIND_TENSOR && i < out->rank && out->shape[i] < 0)
            return false;
    }
    return true;
}

// Rising from 0 to `end`.
static bool check_offsets(const int32_t *offsets, size_t count, uint64_t end, ft_error *err)
{
    bool ok = offsets[0] == 0 && offsets[count] >= 0 && (uint64_t)offsets[count] == end;

    for (size_t i = 0; ok && i < count; i++)
        ok = offsets[i] <= offsets[i + 1];
    return ok || ft_wire_refuse(err, "offsets");
}

static bool get_offsets(ft_wire_reader *reader, size_t count, uint64_t end, ft_tensor **out,
                        ft_error *err)
{
    int64_t shape[1];
    size_t at, room;

    if (FT_ADD_OVERFLOWS(count, (size_t)1, &room) || room > INT32_MAX)
        return ft_wire_refuse(err, "a count");
    shape[0] = (int64_t)room;
    if (!get_block(reader, room, sizeof(int32_t), &at, err))
        return false;
    *out = ft_tensor_view(reader->buffer, at, FT_DTYPE_I32, 1, shape, err);
    return *out && check_offsets(ft_tensor_i32(*out), count, end, err);
}

// Each text by itself is valid UTF-8: all of it is, and none begins inside a character.
static bool check_text(const ft_column *column, size_t texts, ft_error *err)
{
    const ft_tensor *ends = column->inner ? column->inner : column->offsets;
    ft_slice all = {column->values->data, (size_t)column->values->shape[0]};
    const int32_t *offsets = ft_tensor_i32(ends);

    if (column->type.kind != FT_KIND_STRING)
        return true;
    bool ok = ft_utf8_valid_prefix(all) == all.size;
    for (size_t i = 0; ok && i < texts; i++)
        ok = (size_t)offsets[i] == all.size || ((unsigned char)all.data[offsets[i]] & 0xC0) != 0x80;
    return ok || ft_wire_refuse(err, "a text");
}

static bool check_bools(const ft_column *column, ft_error *err)
{
    const uint8_t *values = (const uint8_t *)column->values->data;
    uint8_t all = 0;

    if (column->type.kind != FT_KIND_BOOL)
        return true;
    for (int64_t i = 0; i < column->values->shape[0]; i++)
        all |= values[i];
    return all <= 1 || ft_wire_refuse(err, "a bool");
}

static bool get_values(ft_wire_reader *reader, const ft_wire_column *head, ft_column *column,
                       ft_error *err)
{
    ft_type type = column->type;
    int64_t shape[FT_RANK_MAX] = {(int64_t)head->rows}, elements = ft_type_elements(type);
    size_t rank = 1, row_bytes, at;

    if (elements == INT64_MAX ||
        FT_MUL_OVERFLOWS((size_t)elements, ft_type_element_size_bytes(type), &row_bytes) ||
        head->rows > INT64_MAX)
        return ft_wire_refuse(err, "a shape");
    for (size_t i = 0; type.kind == FT_KIND_TENSOR && i < type.rank; i++)
        shape[rank++] = type.shape[i];
    if (!get_block(reader, (size_t)head->rows, row_bytes, &at, err))
        return false;
    column->values = ft_tensor_view(reader->buffer, at, ft_type_dtype(type), rank, shape, err);
    return column->values != NULL;
}

static bool get_validity(ft_wire_reader *reader, const ft_wire_column *head, size_t count,
                         ft_column *column, ft_error *err)
{
    size_t at, bits;

    if (!head->has_validity)
        return true;
    if (head->validity_bit > 7 || FT_ADD_OVERFLOWS(count, (size_t)head->validity_bit + 7, &bits))
        return ft_wire_refuse(err, "a bitmap");
    int64_t shape[1] = {(int64_t)(bits / 8)};
    if (!get_block(reader, bits / 8, 1, &at, err))
        return false;
    column->validity = ft_tensor_view(reader->buffer, at, FT_DTYPE_U8, 1, shape, err);
    column->validity_offset = head->validity_bit;
    return column->validity != NULL;
}

static bool get_parts(ft_wire_reader *reader, const ft_wire_column *head, size_t count,
                      ft_column *column, ft_error *err)
{
    ft_layout layout = ft_type_layout(column->type);
    bool has_inner = layout == FT_LAYOUT_TEXTS;
    uint64_t elements = has_inner ? head->elements : head->rows;
    size_t texts = has_inner ? (size_t)head->elements : count;

    if (layout == FT_LAYOUT_FIXED && head->rows != count)
        return ft_wire_refuse(err, "a count");
    if (layout != FT_LAYOUT_FIXED && !get_offsets(reader, count, elements, &column->offsets, err))
        return false;
    if (has_inner && !get_offsets(reader, texts, head->rows, &column->inner, err))
        return false;
    if (!get_validity(reader, head, count, column, err) || !get_values(reader, head, column, err))
        return false;
    bool is_text = has_inner || layout == FT_LAYOUT_TEXT;
    return is_text ? check_text(column, texts, err) : check_bools(column, err);
}

static bool get_column(ft_wire_reader *reader, const ft_wire_scope *scope, ft_batch *batch,
                       size_t index, ft_error *err)
{
    ft_wire_column head;
    ft_column *column = &batch->columns[index];
    const ft_batch *base = scope->base;

    if (!ft_wire_get(reader, &head, sizeof(head), err))
        return false;
    if (head.kind == FT_WIRE_ABSENT)
        return true;
    ft_type type;
    if (!get_type(&head.type, &type) || !ft_type_equal(type, scope->schema->fields[index].type))
        return ft_wire_refuse(err, "a type");
    column->type = type;
    if (head.kind == FT_WIRE_PLAIN)
        return get_parts(reader, &head, batch->count, column, err);
    if (head.kind != FT_WIRE_SAME || !base || base->count != batch->count ||
        !ft_batch_has(base, head.index) || !ft_type_equal(base->columns[head.index].type, type))
        return ft_wire_refuse(err, "a column");
    *column = ft_column_ref(&base->columns[head.index]);
    return true;
}

// ---- lineage ----

static bool add_name(ft_wire_names *names, uint32_t part, ft_slice name, ft_error *err)
{
    if (part < names->count && names->items[part])
        return true;
    if (part >= names->count) {
        // The old array stays: lineages that are still there point at it.
        size_t count = part < 8 ? 16 : 2 * (size_t)part;
        const char **items = ft_arena_zero(names->arena, count, sizeof(char *));
        if (!items)
            return ft_fail_nomem(err, count * sizeof(char *));
        for (size_t i = 0; i < names->count; i++)
            items[i] = names->items[i];
        names->items = items;
        names->count = count;
    }
    names->items[part] = ft_arena_text(names->arena, name);
    return names->items[part] || ft_fail_nomem(err, name.size);
}

static bool get_names(ft_wire_reader *reader, ft_wire_names *names, ft_error *err)
{
    for (;;) {
        uint32_t part, size;
        size_t at;
        if (!ft_wire_get(reader, &part, sizeof(part), err))
            return false;
        if (part == UINT32_MAX)
            return true;
        if (part >= PARTS_MAX)
            return ft_wire_refuse(err, "the number of a part");
        if (!ft_wire_get(reader, &size, sizeof(size), err) || !pass(reader, size, &at, err))
            return false;
        if (!add_name(names, part, (ft_slice){(const char *)reader->buffer->data + at, size}, err))
            return false;
    }
}

static bool get_positions(ft_wire_reader *reader, const ft_wire_scope *scope, ft_batch *batch,
                          ft_error *err)
{
    ft_lineage *lineage = batch->lineage;
    size_t at;

    if (!get_block(reader, batch->count, sizeof(ft_position), &at, err))
        return false;
    if (!get_names(reader, scope->names, err))
        return false;
    const ft_position *positions = (const void *)((const char *)reader->buffer->data + at);
    for (size_t i = 0; i < batch->count; i++) {
        uint32_t part = positions[i].part;
        if (scope->names->count && (part >= scope->names->count || !scope->names->items[part]))
            return ft_wire_refuse(err, "the number of a part");
        lineage->positions[ft_batch_row(batch, i)] = positions[i];
    }
    lineage->parts = scope->names->items;
    return true;
}

// Rows of the lineage, where they are not 0, 1, 2 ...
static bool get_rows(ft_wire_reader *reader, const ft_wire_batch *head, size_t *out_at,
                     ft_error *err)
{
    if (!(head->flags & FT_WIRE_HAS_LINEAGE))
        return (head->count <= UINT32_MAX && !(head->flags & FT_WIRE_HAS_ROWS)) ||
               ft_wire_refuse(err, "a count");
    if (head->lineage_count > UINT32_MAX)
        return ft_wire_refuse(err, "a count");
    if (!(head->flags & FT_WIRE_HAS_ROWS))
        return head->count <= head->lineage_count || ft_wire_refuse(err, "a count");
    if (head->count > SIZE_MAX / sizeof(uint32_t) ||
        !get_block(reader, (size_t)head->count, sizeof(uint32_t), out_at, err))
        return ft_wire_refuse(err, "rows");
    const uint32_t *rows = (const void *)((const char *)reader->buffer->data + *out_at);
    for (size_t i = 0; i < head->count; i++)
        if (rows[i] >= head->lineage_count)
            return ft_wire_refuse(err, "rows");
    return true;
}

// An empty batch with its lineage and rows.
static ft_batch *make_batch(const ft_wire_reader *reader, const ft_wire_batch *head,
                            ft_lineage *lineage, size_t rows_at, size_t width,
                            const ft_wire_scope *scope, ft_error *err)
{
    ft_batch *batch = ft_batch_create(scope->account, (size_t)head->count, width, lineage, err);

    if (!batch || !(head->flags & FT_WIRE_HAS_ROWS))
        return batch;
    if (!ft_batch_set_rows(batch, (const void *)((const char *)reader->buffer->data + rows_at),
                           err)) {
        ft_batch_unref(batch);
        return NULL;
    }
    return batch;
}

static bool check_head(const ft_wire_batch *head, const ft_wire_scope *scope, ft_error *err)
{
    const ft_lineage *lineage = scope->base ? scope->base->lineage : NULL;

    if (head->width > WIDTH_MAX || head->width > scope->schema->count ||
        (head->flags & ~(uint32_t)FT_WIRE_FLAGS))
        return ft_wire_refuse(err, "the head of a batch");
    if (!scope->base && !scope->names && (head->flags & FT_WIRE_HAS_LINEAGE))
        return ft_wire_refuse(err, "a lineage");
    if ((head->flags & FT_WIRE_POSITIONS) && (scope->base || !(head->flags & FT_WIRE_HAS_LINEAGE)))
        return ft_wire_refuse(err, "positions");
    if (scope->base && (head->flags & FT_WIRE_HAS_LINEAGE) &&
        (!lineage || head->lineage_count != lineage->count))
        return ft_wire_refuse(err, "a lineage");
    return true;
}

static bool find_lineage(const ft_wire_batch *head, const ft_wire_scope *scope, ft_lineage **out,
                         ft_error *err)
{
    *out = NULL;
    if (!(head->flags & FT_WIRE_HAS_LINEAGE))
        return true;
    if (scope->base) {
        *out = ft_lineage_ref(scope->base->lineage);
        return true;
    }
    *out = ft_lineage_create(scope->account, (size_t)head->lineage_count,
                             (head->flags & FT_WIRE_POSITIONS) != 0, err);
    if (!*out)
        return false;
    (*out)->source = head->source;
    (*out)->sequence = head->sequence;
    (*out)->first_index = head->first_index;
    return true;
}

bool ft_wire_get_batch(ft_wire_reader *reader, const ft_wire_scope *scope, ft_batch **out,
                       ft_error *err)
{
    ft_wire_batch head;
    ft_lineage *lineage;
    size_t rows_at = 0;

    if (!ft_wire_get(reader, &head, sizeof(head), err) || !check_head(&head, scope, err) ||
        !get_rows(reader, &head, &rows_at, err) || !find_lineage(&head, scope, &lineage, err))
        return false;
    ft_batch *batch = make_batch(reader, &head, lineage, rows_at, scope->schema->count, scope, err);
    ft_lineage_unref(lineage);
    bool ok =
        batch && (!(head.flags & FT_WIRE_POSITIONS) || get_positions(reader, scope, batch, err));
    for (size_t i = 0; ok && i < scope->schema->count; i++) {
        batch->columns[i].type = scope->schema->fields[i].type;
        ok = i >= head.width || get_column(reader, scope, batch, i, err);
    }
    if (!ok) {
        ft_batch_unref(batch);
        return false;
    }
    *out = batch;
    return true;
}
