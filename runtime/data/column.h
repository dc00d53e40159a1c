// One field of many items, in Arrow's layout, and the builder that makes one item by item.
//
//   int          values i64[count]
//   f32[384]     values f32[count, 384]
//   string       offsets i32[count + 1], values u8[bytes]
//   i32[*]       offsets i32[count + 1], values i32[elements]
//   string[*]    offsets i32[count + 1] into the elements, inner i32[elements + 1] into values
//   u8[bytes]
//
// offsets[0] need not be 0: a slice of a column shares its values. A column holds one reference on
// each tensor.
#pragma once

#include "runtime/data/tensor.h"

typedef struct ft_column {
    ft_type type;
    ft_tensor *values;
    ft_tensor *offsets;   // NULL where every item has the same size.
    ft_tensor *inner;     // Lists of text only.
    ft_tensor *validity;  // u8 bitmap, least significant bit first, bit i of the *tensor's* data =
                          // item i + validity_offset. NULL when every item has the field.
    size_t validity_offset;  // In bits; slices keep the bitmap.
} ft_column;

FT_API void ft_column_finish(ft_column *column);  // Drops the references; a zeroed column is fine.
FT_API ft_column ft_column_ref(const ft_column *column);  // Another holder of the same tensors.
FT_API bool ft_column_slice(const ft_column *column, size_t from, size_t count, ft_column *out,
                            ft_error *err) FT_MUST_CHECK;
// A new column with the items `indices[0..count)` in that order (repeats allowed). Copies.
FT_API bool ft_column_select(const ft_column *column, const uint32_t *indices, size_t count,
                             ft_account *account, ft_column *out, ft_error *err) FT_MUST_CHECK;
// Items of all `parts` (same type) end to end. `counts[i]` items each.
FT_API bool ft_column_join(const ft_column *parts, const size_t *counts, size_t part_count,
                           ft_account *account, ft_column *out, ft_error *err) FT_MUST_CHECK;
// A column of `count` nulls.
FT_API bool ft_column_nulls(ft_type type, size_t count, ft_account *account, ft_column *out,
                            ft_error *err) FT_MUST_CHECK;
FT_API size_t ft_column_size_bytes(const ft_column *column,
                                   size_t count);  // What the items take, shared or not.

static inline bool ft_column_is_null(const ft_column *column, size_t item)
{
    if (!column->validity)
        return false;
    size_t bit = item + column->validity_offset;
    return !((((const uint8_t *)column->validity->data)[bit >> 3] >> (bit & 7)) & 1);
}

// Text of an item (string, bytes, json, any). Valid as long as the column.
static inline ft_slice ft_column_text(const ft_column *column, size_t item)
{
    const int32_t *offsets = ft_tensor_i32(column->offsets);
    return (ft_slice){column->values->data + offsets[item],
                      (size_t)(offsets[item + 1] - offsets[item])};
}
// One element of a list of text; `element` counts from offsets[item].
static inline ft_slice ft_column_element(const ft_column *column, int32_t element)
{
    const int32_t *inner = ft_tensor_i32(column->inner);
    return (ft_slice){column->values->data + inner[element],
                      (size_t)(inner[element + 1] - inner[element])};
}

// Makes a column item by item. Memory is charged to `account` as it grows, by half each time. After
// a failure only finish is allowed. The adds below are inline where they fit what is there;
// ft_builder_grow_* do the rest.
typedef struct ft_builder {
    ft_type type;
    ft_account *account;
    size_t count;  // Items so far.
    ft_buffer *values, *offsets, *inner, *validity;
    size_t values_bytes;  // Used of `values`.
    size_t elements;      // Lists: elements so far.
    size_t nulls;
    // What the inline adds look at. `room`s are 0 once there are nulls, so that every add then sets
    // its bit.
    size_t element_bytes;  // Of one number of `values`.
    size_t item_numbers;   // Numbers of one item (of one element, for lists).
    char *values_data;
    size_t values_room;  // Bytes `values` can hold; below 2^31 where offsets point into it.
    int32_t *offsets_data;
    size_t items_room;  // Items that `offsets` can hold.
    int32_t *inner_data;
    size_t elements_room;  // Elements that `inner` can hold.
} ft_builder;

// `expected_items`, `expected_bytes` (of values) size the first allocation; 0 is fine.
FT_API bool ft_builder_init(ft_builder *builder, ft_type type, ft_account *account,
                            size_t expected_items, size_t expected_bytes,
                            ft_error *err) FT_MUST_CHECK;
FT_API void ft_builder_finish(ft_builder *builder);  // Frees what was not taken.
FT_API bool ft_builder_add_null(ft_builder *builder, ft_error *err) FT_MUST_CHECK;
FT_API bool ft_builder_add_bool(ft_builder *builder, bool value, ft_error *err) FT_MUST_CHECK;
FT_API bool ft_builder_add_int(ft_builder *builder, int64_t value, ft_error *err) FT_MUST_CHECK;
FT_API bool ft_builder_add_float(ft_builder *builder, double value, ft_error *err) FT_MUST_CHECK;
// Item `item` of a column of the same type.
FT_API bool ft_builder_add_item(ft_builder *builder, const ft_column *column, size_t item,
                                ft_error *err) FT_MUST_CHECK;
// Items [from, from + count) of a column of the same type; an absent column gives nulls.
FT_API bool ft_builder_add_range(ft_builder *builder, const ft_column *column, size_t from,
                                 size_t count, ft_error *err) FT_MUST_CHECK;
FT_API bool ft_builder_add_nulls(ft_builder *builder, size_t count, ft_error *err) FT_MUST_CHECK;
// Gives the column and leaves the builder empty, to be used again (finish is still fine).
FT_API bool ft_builder_take(ft_builder *builder, ft_column *out, ft_error *err) FT_MUST_CHECK;

// The adds that did not fit: they make room, set the bit of validity, and add.
FT_API bool ft_builder_grow_text(ft_builder *builder, ft_slice value, ft_error *err) FT_MUST_CHECK;
FT_API bool ft_builder_grow_numbers(ft_builder *builder, const void *numbers, size_t elements,
                                    ft_error *err) FT_MUST_CHECK;
FT_API bool ft_builder_grow_element(ft_builder *builder, ft_slice element,
                                    ft_error *err) FT_MUST_CHECK;
FT_API bool ft_builder_grow_list(ft_builder *builder, ft_error *err) FT_MUST_CHECK;
// Room for `bytes` and an item; that item's bit of validity.
FT_API bool ft_builder_grow_room(ft_builder *builder, size_t bytes, ft_error *err) FT_MUST_CHECK;
FT_API void ft_builder_set_valid(ft_builder *builder);

// string, bytes, json, any. Validity of UTF-8 or JSON is the caller's to know.
static inline FT_MUST_CHECK bool ft_builder_add_text(ft_builder *builder, ft_slice value,
                                                     ft_error *err)
{
    if (FT_UNLIKELY(value.size > builder->values_room - builder->values_bytes ||
                    builder->count >= builder->items_room))
        return ft_builder_grow_text(builder, value, err);
    if (value.size > 0)
        __builtin_memcpy(builder->values_data + builder->values_bytes, value.data, value.size);
    builder->values_bytes += value.size;
    builder->offsets_data[++builder->count] = (int32_t)builder->values_bytes;
    return true;
}

// Fixed tensors: all elements of one item. Lists of numbers: `elements` numbers of the type's dtype
// (bool lists: u8; int lists: i64; float lists: f64).
static inline FT_MUST_CHECK bool ft_builder_add_numbers(ft_builder *builder, const void *numbers,
                                                        size_t elements, ft_error *err)
{
    size_t room = builder->values_room - builder->values_bytes;
    size_t bytes;

    FT_DEBUG_ASSERT(builder->type.list || elements == builder->item_numbers);
    if (FT_UNLIKELY(FT_MUL_OVERFLOWS(elements, builder->element_bytes, &bytes) || bytes > room ||
                    builder->count >= builder->items_room))
        return ft_builder_grow_numbers(builder, numbers, elements, err);
    if (bytes > 0)
        __builtin_memcpy(builder->values_data + builder->values_bytes, numbers, bytes);
    builder->values_bytes += bytes;
    builder->count++;
    if (builder->type.list) {
        builder->elements +=
            builder->item_numbers == 1 ? elements : elements / builder->item_numbers;
        builder->offsets_data[builder->count] = (int32_t)builder->elements;
    }
    return true;
}

// Lists of text: add the elements of one item one by one, then end the item.
static inline FT_MUST_CHECK bool ft_builder_add_element(ft_builder *builder, ft_slice element,
                                                        ft_error *err)
{
    if (FT_UNLIKELY(element.size > builder->values_room - builder->values_bytes ||
                    builder->elements >= builder->elements_room))
        return ft_builder_grow_element(builder, element, err);
    if (element.size > 0)
        __builtin_memcpy(builder->values_data + builder->values_bytes, element.data, element.size);
    builder->values_bytes += element.size;
    builder->inner_data[++builder->elements] = (int32_t)builder->values_bytes;
    return true;
}
static inline FT_MUST_CHECK bool ft_builder_end_list(ft_builder *builder, ft_error *err)
{
    if (FT_UNLIKELY(builder->count >= builder->items_room))
        return ft_builder_grow_list(builder, err);
    builder->offsets_data[++builder->count] = (int32_t)builder->elements;
    return true;
}

// A text that is made in place: room for `most` bytes of it (NULL without), and then the end of the
// `size` that it has come to.
static inline FT_MUST_CHECK char *ft_builder_begin_text(ft_builder *builder, size_t most,
                                                        ft_error *err)
{
    if (FT_UNLIKELY(most > builder->values_room - builder->values_bytes ||
                    builder->count >= builder->items_room) &&
        !ft_builder_grow_room(builder, most, err))
        return NULL;
    return builder->values_data + builder->values_bytes;
}
static inline void ft_builder_end_text(ft_builder *builder, size_t size)
{
    builder->values_bytes += size;
    builder->offsets_data[builder->count + 1] = (int32_t)builder->values_bytes;
    if (FT_UNLIKELY(builder->validity))
        ft_builder_set_valid(builder);
    builder->count++;
}

// The text or element of `added_bytes` that was added last, to be changed in place (escapes
// undone), and then cut to the `size` that it has now.
static inline char *ft_builder_last(const ft_builder *builder, size_t added_bytes)
{
    return builder->values_data + (builder->values_bytes - added_bytes);
}
static inline void ft_builder_shorten(ft_builder *builder, size_t added_bytes, size_t size)
{
    builder->values_bytes -= added_bytes - size;
    if (builder->type.list)
        builder->inner_data[builder->elements] = (int32_t)builder->values_bytes;
    else
        builder->offsets_data[builder->count] = (int32_t)builder->values_bytes;
}
