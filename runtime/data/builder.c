// The builder's slower half: making room, nulls, ranges, and the column at the end.
//
// Offsets are 32 bits wide, so a column of texts or lists holds less than 2^31 bytes or elements:
// past that an add fails with FT_ERROR_LIMIT. The bitmap of validity is made by the first null;
// from then on `items_room` is 0, so that every item that ends comes here and sets its bit.
#include <string.h>

#include "runtime/data/column.h"

enum { FIRST_BYTES = 192 };

// What `values` may hold at most.
static size_t values_limit(const ft_builder *builder)
{
    switch (ft_type_layout(builder->type)) {
    case FT_LAYOUT_TEXT:
    case FT_LAYOUT_TEXTS:
        return INT32_MAX;
    case FT_LAYOUT_NUMBERS:
        return (size_t)INT32_MAX * builder->element_bytes * builder->item_numbers;
    case FT_LAYOUT_FIXED:
        break;
    }
    return PTRDIFF_MAX;
}

static bool too_much(ft_error *err)
{
    ft_fail(err, FT_ERROR_LIMIT, "more than 2 GiB in one field of a batch");
    ft_hint(err, "Make batches smaller: `batch: 100`.");
    return false;
}

// Room for `needed` bytes in `*buffer`, by half more each time.
static bool reserve(ft_builder *builder, ft_buffer **buffer, size_t needed, size_t limit,
                    ft_error *err)
{
    if (needed > limit)
        return too_much(err);
    if (!*buffer) {
        *buffer =
            ft_buffer_create(builder->account, needed < FIRST_BYTES ? FIRST_BYTES : needed, err);
        return *buffer != NULL;
    }
    size_t capacity = (*buffer)->size_bytes;
    if (needed <= capacity)
        return true;
    capacity += capacity / 2;
    if (capacity < FIRST_BYTES)
        capacity = FIRST_BYTES;
    if (capacity > limit)
        capacity = limit;
    return ft_buffer_resize(*buffer, capacity > needed ? capacity : needed, err);
}

// Sets what the inline adds look at.
static void refresh(ft_builder *builder)
{
    ft_layout layout = ft_type_layout(builder->type);
    bool inline_items = !builder->validity;

    builder->values_data = builder->values ? builder->values->data : NULL;
    builder->values_room = builder->values ? builder->values->size_bytes : 0;
    builder->offsets_data = builder->offsets ? builder->offsets->data : NULL;
    builder->inner_data = builder->inner ? builder->inner->data : NULL;
    builder->elements_room = builder->inner ? builder->inner->size_bytes / sizeof(int32_t) - 1 : 0;
    builder->items_room = 0;
    if (inline_items && layout == FT_LAYOUT_FIXED)
        builder->items_room = SIZE_MAX;
    else if (inline_items && builder->offsets)
        builder->items_room = builder->offsets->size_bytes / sizeof(int32_t) - 1;
}

static bool reserve_values(ft_builder *builder, size_t more, ft_error *err)
{
    size_t needed;

    if (FT_ADD_OVERFLOWS(builder->values_bytes, more, &needed))
        return too_much(err);
    bool ok = reserve(builder, &builder->values, needed, values_limit(builder), err);
    refresh(builder);
    return ok;
}

// Room for offsets[0..used] and `more` behind; offsets[0] is 0.
static bool reserve_offsets(ft_builder *builder, ft_buffer **buffer, size_t used, size_t more,
                            ft_error *err)
{
    bool is_new = !*buffer;
    size_t count;

    if (FT_ADD_OVERFLOWS(used + 1, more, &count) || count > PTRDIFF_MAX / sizeof(int32_t))
        return too_much(err);
    bool ok = reserve(builder, buffer, count * sizeof(int32_t), PTRDIFF_MAX, err);
    if (ok && is_new)
        memset((*buffer)->data, 0, sizeof(int32_t));
    refresh(builder);
    return ok;
}

// Room for `more` items: offsets, and the bitmap once there is one.
static bool reserve_items(ft_builder *builder, size_t more, ft_error *err)
{
    if (ft_type_layout(builder->type) != FT_LAYOUT_FIXED &&
        !reserve_offsets(builder, &builder->offsets, builder->count, more, err))
        return false;
    if (!builder->validity)
        return true;
    size_t old_bytes = builder->validity->size_bytes;
    if (!reserve(builder, &builder->validity, (builder->count + more + 7) / 8, PTRDIFF_MAX, err))
        return false;
    memset((char *)builder->validity->data + old_bytes, 0,
           builder->validity->size_bytes - old_bytes);
    return true;
}

static bool reserve_elements(ft_builder *builder, size_t more, ft_error *err)
{
    size_t needed;

    if (FT_ADD_OVERFLOWS(builder->elements, more, &needed) || needed > INT32_MAX)
        return too_much(err);
    if (ft_type_layout(builder->type) != FT_LAYOUT_TEXTS)
        return true;
    return reserve_offsets(builder, &builder->inner, builder->elements, more, err);
}

static void set_bits(ft_builder *builder, size_t from, size_t count)
{
    uint8_t *bits = builder->validity->data;
    size_t at = from, end = from + count;

    for (; at < end && at % 8 != 0; at++)
        bits[at / 8] |= (uint8_t)(1u << at % 8);
    if (end - at >= 8) {
        memset(bits + at / 8, 0xff, (end - at) / 8);
        at += (end - at) / 8 * 8;
    }
    for (; at < end; at++)
        bits[at / 8] |= (uint8_t)(1u << at % 8);
}

// Makes the bitmap, all bits set for what is there, room for `more` items.
static bool start_validity(ft_builder *builder, size_t more, ft_error *err)
{
    if (builder->validity)
        return true;
    size_t bytes = (builder->count + more + 7) / 8;
    builder->validity =
        ft_buffer_create(builder->account, bytes < FIRST_BYTES ? FIRST_BYTES : bytes, err);
    if (!builder->validity)
        return false;
    memset(builder->validity->data, 0, builder->validity->size_bytes);
    set_bits(builder, 0, builder->count);
    refresh(builder);
    return true;
}

bool ft_builder_init(ft_builder *builder, ft_type type, ft_account *account, size_t expected_items,
                     size_t expected_bytes, ft_error *err)
{
    size_t fixed_bytes;

    *builder = (ft_builder){.type = type, .account = account};
    builder->element_bytes = ft_type_element_size_bytes(type);
    builder->item_numbers = (size_t)ft_type_elements(type);
    if (ft_type_layout(type) == FT_LAYOUT_FIXED) {
        if (FT_MUL_OVERFLOWS(expected_items, builder->item_numbers * builder->element_bytes,
                             &fixed_bytes))
            return too_much(err);
        if (fixed_bytes > expected_bytes)
            expected_bytes = fixed_bytes;
    }
    refresh(builder);
    if (expected_bytes > values_limit(builder))
        return too_much(err);
    if ((expected_bytes == 0 || reserve_values(builder, expected_bytes, err)) &&
        (expected_items == 0 || reserve_items(builder, expected_items, err)))
        return true;
    ft_builder_finish(builder);
    return false;
}

void ft_builder_finish(ft_builder *builder)
{
    ft_buffer_unref(builder->values);
    ft_buffer_unref(builder->offsets);
    ft_buffer_unref(builder->inner);
    ft_buffer_unref(builder->validity);
    *builder = (ft_builder){.type = builder->type,
                            .account = builder->account,
                            .element_bytes = builder->element_bytes,
                            .item_numbers = builder->item_numbers};
    refresh(builder);
}

// The item that is being added is there.
static void end_item(ft_builder *builder)
{
    if (builder->validity)
        set_bits(builder, builder->count, 1);
    builder->count++;
}

static void put_values(ft_builder *builder, const void *data, size_t bytes)
{
    if (bytes > 0)
        memcpy(builder->values_data + builder->values_bytes, data, bytes);
    builder->values_bytes += bytes;
}

bool ft_builder_grow_room(ft_builder *builder, size_t bytes, ft_error *err)
{
    return reserve_values(builder, bytes, err) && reserve_items(builder, 1, err);
}

void ft_builder_set_valid(ft_builder *builder)
{
    set_bits(builder, builder->count, 1);
}

bool ft_builder_grow_text(ft_builder *builder, ft_slice value, ft_error *err)
{
    if (!reserve_values(builder, value.size, err) || !reserve_items(builder, 1, err))
        return false;
    put_values(builder, value.data, value.size);
    builder->offsets_data[builder->count + 1] = (int32_t)builder->values_bytes;
    end_item(builder);
    return true;
}

bool ft_builder_grow_numbers(ft_builder *builder, const void *numbers, size_t elements,
                             ft_error *err)
{
    size_t bytes;

    if (FT_MUL_OVERFLOWS(elements, builder->element_bytes, &bytes))
        return too_much(err);
    if (!reserve_values(builder, bytes, err) || !reserve_items(builder, 1, err))
        return false;
    if (builder->type.list) {
        size_t added = elements / builder->item_numbers;
        if (!reserve_elements(builder, added, err))
            return false;
        builder->elements += added;
        builder->offsets_data[builder->count + 1] = (int32_t)builder->elements;
    }
    put_values(builder, numbers, bytes);
    end_item(builder);
    return true;
}

bool ft_builder_grow_element(ft_builder *builder, ft_slice element, ft_error *err)
{
    if (!reserve_values(builder, element.size, err) || !reserve_elements(builder, 1, err))
        return false;
    put_values(builder, element.data, element.size);
    builder->inner_data[++builder->elements] = (int32_t)builder->values_bytes;
    return true;
}

bool ft_builder_grow_list(ft_builder *builder, ft_error *err)
{
    if (!reserve_items(builder, 1, err))
        return false;
    builder->offsets_data[builder->count + 1] = (int32_t)builder->elements;
    end_item(builder);
    return true;
}

bool ft_builder_add_nulls(ft_builder *builder, size_t count, ft_error *err)
{
    ft_layout layout = ft_type_layout(builder->type);
    size_t bytes = 0;

    if (count == 0)
        return true;
    if (!start_validity(builder, count, err) || !reserve_items(builder, count, err))
        return false;
    if (layout == FT_LAYOUT_FIXED) {
        if (FT_MUL_OVERFLOWS(builder->element_bytes * builder->item_numbers, count, &bytes))
            return too_much(err);
        if (!reserve_values(builder, bytes, err))
            return false;
        memset(builder->values_data + builder->values_bytes, 0, bytes);
        builder->values_bytes += bytes;
    } else {
        int32_t last = builder->offsets_data[builder->count];
        for (size_t i = 1; i <= count; i++)
            builder->offsets_data[builder->count + i] = last;
    }
    builder->count += count;
    builder->nulls += count;
    return true;
}

bool ft_builder_add_null(ft_builder *builder, ft_error *err)
{
    return ft_builder_add_nulls(builder, 1, err);
}

bool ft_builder_add_bool(ft_builder *builder, bool value, ft_error *err)
{
    uint8_t byte = value;
    return ft_builder_add_numbers(builder, &byte, 1, err);
}

bool ft_builder_add_int(ft_builder *builder, int64_t value, ft_error *err)
{
    return ft_builder_add_numbers(builder, &value, 1, err);
}

bool ft_builder_add_float(ft_builder *builder, double value, ft_error *err)
{
    return ft_builder_add_numbers(builder, &value, 1, err);
}

// First number of item `item` (fixed) or of element `item` (lists of numbers).
static const char *numbers_at(const ft_column *column, size_t item)
{
    size_t stride = (size_t)column->values->strides[0] * ft_dtype_size_bytes(column->values->dtype);
    return column->values->data + item * stride;
}

bool ft_builder_add_item(ft_builder *builder, const ft_column *column, size_t item, ft_error *err)
{
    if (!column->values || ft_column_is_null(column, item))
        return ft_builder_add_nulls(builder, 1, err);
    switch (ft_type_layout(builder->type)) {
    case FT_LAYOUT_TEXT:
        return ft_builder_add_text(builder, ft_column_text(column, item), err);
    case FT_LAYOUT_FIXED:
        return ft_builder_add_numbers(builder, numbers_at(column, item), builder->item_numbers,
                                      err);
    case FT_LAYOUT_NUMBERS: {
        const int32_t *offsets = ft_tensor_i32(column->offsets) + item;
        size_t count = (size_t)(offsets[1] - offsets[0]);
        return ft_builder_add_numbers(builder, numbers_at(column, (size_t)offsets[0]),
                                      count * builder->item_numbers, err);
    }
    case FT_LAYOUT_TEXTS:
        break;
    }
    const int32_t *offsets = ft_tensor_i32(column->offsets) + item;
    for (int32_t i = offsets[0]; i < offsets[1]; i++)
        if (!ft_builder_add_element(builder, ft_column_element(column, i), err))
            return false;
    return ft_builder_end_list(builder, err);
}

// Copies the bits of validity of a range; all are set where the column has none.
static void put_validity(ft_builder *builder, const ft_column *column, size_t from, size_t count)
{
    if (!builder->validity)
        return;
    if (!column->validity) {
        set_bits(builder, builder->count, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (ft_column_is_null(column, from + i))
            builder->nulls++;
        else
            set_bits(builder, builder->count + i, 1);
    }
}

// Appends source[1..count] less source[0], plus `base`.
static void put_offsets(int32_t *out, const int32_t *source, size_t count, size_t base)
{
    int32_t shift = (int32_t)base - source[0];

    for (size_t i = 1; i <= count; i++)
        out[i] = source[i] + shift;
}

// The values of a range of lists of text: elements [first, first + count) of the source.
static bool add_texts(ft_builder *builder, const ft_column *column, size_t first, size_t count,
                      ft_error *err)
{
    const int32_t *inner = ft_tensor_i32(column->inner) + first;
    size_t bytes = (size_t)(inner[count] - inner[0]);

    if (!reserve_values(builder, bytes, err) || !reserve_elements(builder, count, err))
        return false;
    put_offsets(builder->inner_data + builder->elements, inner, count, builder->values_bytes);
    put_values(builder, column->values->data + inner[0], bytes);
    builder->elements += count;
    return true;
}

static bool add_lists(ft_builder *builder, const ft_column *column, size_t from, size_t count,
                      ft_error *err)
{
    const int32_t *offsets = ft_tensor_i32(column->offsets) + from;
    size_t first = (size_t)offsets[0], elements = (size_t)(offsets[count] - offsets[0]);
    size_t element_bytes = builder->element_bytes * builder->item_numbers;
    size_t base = builder->elements;

    switch (ft_type_layout(builder->type)) {
    case FT_LAYOUT_TEXTS:
        if (!add_texts(builder, column, first, elements, err))
            return false;
        break;
    case FT_LAYOUT_TEXT:
        base = builder->values_bytes;
        if (!reserve_values(builder, elements, err))
            return false;
        put_values(builder, column->values->data + first, elements);
        break;
    case FT_LAYOUT_NUMBERS:
    case FT_LAYOUT_FIXED:
        if (!reserve_values(builder, elements * element_bytes, err) ||
            !reserve_elements(builder, elements, err))
            return false;
        put_values(builder, numbers_at(column, first), elements * element_bytes);
        builder->elements += elements;
        break;
    }
    put_offsets(builder->offsets_data + builder->count, offsets, count, base);
    return true;
}

bool ft_builder_add_range(ft_builder *builder, const ft_column *column, size_t from, size_t count,
                          ft_error *err)
{
    if (!column->values)
        return ft_builder_add_nulls(builder, count, err);
    if (column->validity && !start_validity(builder, count, err))
        return false;
    if (!reserve_items(builder, count, err))
        return false;
    if (column->offsets) {
        if (!add_lists(builder, column, from, count, err))
            return false;
    } else {
        size_t bytes;
        if (FT_MUL_OVERFLOWS(count, builder->element_bytes * builder->item_numbers, &bytes))
            return too_much(err);
        if (!reserve_values(builder, bytes, err))
            return false;
        put_values(builder, numbers_at(column, from), bytes);
    }
    put_validity(builder, column, from, count);
    builder->count += count;
    return true;
}

// Gives back what was reserved and not used, when it is worth a move. Failing to do so costs memory
// only.
static void trim(ft_buffer *buffer, size_t used)
{
    ft_error ignored = FT_ERROR_INIT;
    size_t waste = buffer->size_bytes - used;

    if (waste > 4096 && waste > buffer->size_bytes / 4)
        ft_ignore(ft_buffer_resize(buffer, used, &ignored));
}

static bool take_tensor(ft_buffer *buffer, size_t used, ft_dtype dtype, int64_t count,
                        ft_tensor **out, ft_error *err)
{
    trim(buffer, used);
    *out = ft_tensor_view(buffer, 0, dtype, 1, &count, err);
    return *out != NULL;
}

static bool take_values(ft_builder *builder, ft_tensor **out, ft_error *err)
{
    ft_type type = builder->type;
    int64_t shape[FT_RANK_MAX] = {0};
    size_t rank = 1;

    trim(builder->values, builder->values_bytes);
    shape[0] = (int64_t)(builder->values_bytes / builder->element_bytes / builder->item_numbers);
    if (type.kind == FT_KIND_TENSOR)
        for (size_t i = 0; i < type.rank && rank < FT_RANK_MAX; i++)
            shape[rank++] = type.shape[i];
    *out = ft_tensor_view(builder->values, 0, ft_type_dtype(type), rank, shape, err);
    return *out != NULL;
}

bool ft_builder_take(ft_builder *builder, ft_column *out, ft_error *err)
{
    ft_layout layout = ft_type_layout(builder->type);
    ft_column column = {.type = builder->type};
    size_t items = builder->count + 1, elements = builder->elements + 1;

    bool ok = reserve_values(builder, 0, err) && reserve_items(builder, 0, err) &&
              reserve_elements(builder, 0, err);
    ok = ok && take_values(builder, &column.values, err);
    if (ok && layout != FT_LAYOUT_FIXED)
        ok = take_tensor(builder->offsets, items * sizeof(int32_t), FT_DTYPE_I32, (int64_t)items,
                         &column.offsets, err);
    if (ok && layout == FT_LAYOUT_TEXTS)
        ok = take_tensor(builder->inner, elements * sizeof(int32_t), FT_DTYPE_I32,
                         (int64_t)elements, &column.inner, err);
    if (ok && builder->nulls > 0)
        ok = take_tensor(builder->validity, (builder->count + 7) / 8, FT_DTYPE_U8,
                         (int64_t)((builder->count + 7) / 8), &column.validity, err);
    if (!ok) {
        ft_column_finish(&column);
        return false;
    }
    ft_builder_finish(builder);
    *out = column;
    return true;
}
