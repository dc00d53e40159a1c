// Writing batches as lists of parts.
#include "runtime/data/wire.h"

#include <string.h>

#include "runtime/data/wire_format.h"
#include "runtime/memory/alloc.h"

enum { ROOM_ALIGNMENT = 8, BLOCK_BYTES = 4096, PARTS_MIN = 32 };

struct ft_wire_block {
    ft_wire_block *next;
    size_t used, size_bytes;
    char data[];
};

static const char zeros[FT_BUFFER_ALIGNMENT];

void ft_wire_init(ft_wire *wire)
{
    *wire = (ft_wire){0};
}

void ft_wire_clear(ft_wire *wire)
{
    // The block that was there first is of the usual size; it is kept.
    while (wire->blocks && wire->blocks->next) {
        ft_wire_block *block = wire->blocks;
        wire->blocks = block->next;
        ft_free(block);
    }
    if (wire->blocks)
        wire->blocks->used = 0;
    wire->count = 0;
    wire->size_bytes = 0;
}

void ft_wire_finish(ft_wire *wire)
{
    ft_wire_clear(wire);
    ft_free(wire->blocks);
    ft_free(wire->parts);
    *wire = (ft_wire){0};
}

// ---- parts ----

static bool add_part(ft_wire *wire, const void *data, size_t size_bytes, ft_error *err)
{
    struct iovec *last = wire->count ? &wire->parts[wire->count - 1] : NULL;

    if (size_bytes == 0)
        return true;
    wire->size_bytes += size_bytes;
    if (last && (const char *)last->iov_base + last->iov_len == data) {
        last->iov_len += size_bytes;
        return true;
    }
    if (wire->count == wire->capacity) {
        size_t capacity = wire->capacity ? 2 * wire->capacity : PARTS_MIN;
        struct iovec *parts = ft_realloc(wire->parts, capacity * sizeof(*parts));
        if (!parts)
            return ft_fail_nomem(err, capacity * sizeof(*parts));
        wire->parts = parts;
        wire->capacity = capacity;
    }
    // Only read: iovec has no const.
    wire->parts[wire->count++] = (struct iovec){(void *)(uintptr_t)data, size_bytes};
    return true;
}

// Room for a copy that is part of the wire. NULL without memory.
static void *add_room(ft_wire *wire, size_t size_bytes, ft_error *err)
{
    ft_wire_block *block = wire->blocks;

    if (block)  // Here; what is sent has no gap.
        block->used += -block->used % ROOM_ALIGNMENT;
    if (!block || block->used > block->size_bytes || block->size_bytes - block->used < size_bytes) {
        size_t room = size_bytes > BLOCK_BYTES ? size_bytes : BLOCK_BYTES;
        block = ft_alloc(sizeof(*block) + room);
        if (!block) {
            ft_ignore(ft_fail_nomem(err, room));
            return NULL;
        }
        *block = (ft_wire_block){.next = wire->blocks, .size_bytes = room};
        wire->blocks = block;
    }
    char *data = block->data + block->used;
    block->used += size_bytes;
    return add_part(wire, data, size_bytes, err) ? data : NULL;
}

bool ft_wire_put(ft_wire *wire, const void *data, size_t size_bytes, ft_error *err)
{
    if (size_bytes == 0)
        return true;
    void *room = add_room(wire, size_bytes, err);
    if (!room)
        return false;
    memcpy(room, data, size_bytes);
    return true;
}

// What follows begins at a multiple of 64, as kernels want it.
static bool align(ft_wire *wire, ft_error *err)
{
    return add_part(wire, zeros, -wire->size_bytes % FT_BUFFER_ALIGNMENT, err);
}

static bool put_block(ft_wire *wire, const void *data, size_t size_bytes, ft_error *err)
{
    return align(wire, err) && add_part(wire, data, size_bytes, err);
}

// ---- columns ----

// `count` + 1 offsets, so that they begin at 0.
static bool put_offsets(ft_wire *wire, const int32_t *offsets, size_t count, ft_error *err)
{
    if (offsets[0] == 0)
        return put_block(wire, offsets, (count + 1) * sizeof(*offsets), err);
    int32_t *own = align(wire, err) ? add_room(wire, (count + 1) * sizeof(*own), err) : NULL;
    if (!own)
        return false;
    for (size_t i = 0; i <= count; i++)
        own[i] = offsets[i] - offsets[0];
    return true;
}

// Rows [from, from + count) of a tensor that may be a view with strides along its first axis.
static bool put_values(ft_wire *wire, const ft_tensor *values, size_t from, size_t count,
                       size_t row_bytes, ft_error *err)
{
    size_t number = ft_dtype_size_bytes(values->dtype);
    size_t stride = (size_t)values->strides[0] * number;
    const char *data = values->data + from * stride;

    if (stride == row_bytes || count <= 1)
        return put_block(wire, data, count * row_bytes, err);
    if (!align(wire, err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!add_part(wire, data + i * stride, row_bytes, err))
            return false;
    return true;
}

static bool is_same(const ft_column *a, const ft_column *b)
{
    return a->values && a->values == b->values && a->offsets == b->offsets &&
           a->inner == b->inner && a->validity == b->validity &&
           a->validity_offset == b->validity_offset && ft_type_equal(a->type, b->type);
}

static bool put_parts(ft_wire *wire, const ft_column *column, size_t count, ft_wire_column *head,
                      ft_error *err)
{
    size_t row_bytes =
        (size_t)ft_type_elements(column->type) * ft_type_element_size_bytes(column->type);
    size_t from = 0, rows = count;
    const int32_t *offsets = column->offsets ? ft_tensor_i32(column->offsets) : NULL;
    const int32_t *inner = column->inner ? ft_tensor_i32(column->inner) : NULL;

    if (offsets) {
        from = (size_t)offsets[0];
        rows = (size_t)(offsets[count] - offsets[0]);
    }
    head->elements = rows;
    if (inner) {
        size_t first = from;
        from = (size_t)inner[first];
        rows = (size_t)(inner[first + head->elements] - inner[first]);
        inner += first;
    }
    head->rows = rows;
    head->has_validity = column->validity != NULL;
    head->validity_bit = (uint8_t)(column->validity_offset % 8);
    size_t bitmap = (head->validity_bit + count + 7) / 8;
    return ft_wire_put(wire, head, sizeof(*head), err) &&
           (!offsets || put_offsets(wire, offsets, count, err)) &&
           (!inner || put_offsets(wire, inner, head->elements, err)) &&
           (!column->validity ||
            put_block(wire, column->validity->data + column->validity_offset / 8, bitmap, err)) &&
           put_values(wire, column->values, from, rows, row_bytes, err);
}

static ft_wire_type type_of(ft_type type)
{
    ft_wire_type out = {.kind = (uint32_t)type.kind,
                        .dtype = (uint32_t)type.dtype,
                        .list = type.list,
                        .rank = type.rank};

    memcpy(out.shape, type.shape, sizeof(out.shape));
    return out;
}

static bool put_column(ft_wire *wire, const ft_batch *batch, size_t index, const ft_batch *base,
                       ft_error *err)
{
    const ft_column *column = &batch->columns[index];
    ft_wire_column head = {.type = type_of(column->type), .kind = FT_WIRE_PLAIN};

    if (!column->values) {
        head.kind = FT_WIRE_ABSENT;
        return ft_wire_put(wire, &head, sizeof(head), err);
    }
    for (size_t i = 0; base && base->count == batch->count && i < base->width; i++) {
        // Most often it stands at the same place.
        size_t at = (index + i) % base->width;
        if (!is_same(column, &base->columns[at]))
            continue;
        head.kind = FT_WIRE_SAME;
        head.index = (uint32_t)at;
        return ft_wire_put(wire, &head, sizeof(head), err);
    }
    return put_parts(wire, column, batch->count, &head, err);
}

// ---- lineage ----

// Where the items are, and the names of the parts that they are in, each once where it is new.
static bool put_positions(ft_wire *wire, const ft_batch *batch, ft_error *err)
{
    const ft_lineage *lineage = batch->lineage;
    ft_position *own = align(wire, err) ? add_room(wire, batch->count * sizeof(*own), err) : NULL;
    uint32_t before = UINT32_MAX, end = UINT32_MAX;

    if (!own)
        return batch->count == 0;
    memset(own, 0, batch->count * sizeof(*own));
    for (size_t i = 0; i < batch->count; i++) {
        own[i].part = lineage->positions[ft_batch_row(batch, i)].part;
        own[i].offset = lineage->positions[ft_batch_row(batch, i)].offset;
    }
    for (size_t i = 0; lineage->parts && i < batch->count; i++) {
        uint32_t part = own[i].part;
        if (part == before)
            continue;
        before = part;
        uint32_t size = (uint32_t)strlen(lineage->parts[part]);
        if (!ft_wire_put(wire, &part, sizeof(part), err) ||
            !ft_wire_put(wire, &size, sizeof(size), err) ||
            !ft_wire_put(wire, lineage->parts[part], size, err))
            return false;
    }
    return ft_wire_put(wire, &end, sizeof(end), err);
}

bool ft_wire_put_batch(ft_wire *wire, const ft_batch *batch, const ft_batch *base, size_t width,
                       ft_error *err)
{
    const ft_lineage *lineage = batch->lineage;
    ft_wire_batch head = {.count = batch->count,
                          .width = (uint32_t)(width < batch->width ? width : batch->width)};

    FT_ASSERT(!base || !lineage || lineage == base->lineage);
    if (lineage) {
        head.flags = FT_WIRE_HAS_LINEAGE | (lineage->positions && !base ? FT_WIRE_POSITIONS : 0);
        head.flags |= batch->rows ? FT_WIRE_HAS_ROWS : 0;
        head.source = lineage->source;
        head.sequence = lineage->sequence;
        head.lineage_count = lineage->count;
        head.first_index = lineage->first_index;
    }
    if (!ft_wire_put(wire, &head, sizeof(head), err))
        return false;
    if (lineage && batch->rows &&
        !put_block(wire, batch->rows, batch->count * sizeof(uint32_t), err))
        return false;
    if ((head.flags & FT_WIRE_POSITIONS) && !put_positions(wire, batch, err))
        return false;
    for (size_t i = 0; i < head.width; i++)
        if (!put_column(wire, batch, i, base, err))
            return false;
    return true;
}
