// Columns: sharing and slicing are references, the rest is built by the builder (builder.c).
#include "runtime/data/column.h"

#include <string.h>

void ft_column_finish(ft_column *column)
{
    ft_tensor_unref(column->values);
    ft_tensor_unref(column->offsets);
    ft_tensor_unref(column->inner);
    ft_tensor_unref(column->validity);
    *column = (ft_column){.type = column->type};
}

static ft_tensor *ref_or_null(ft_tensor *tensor)
{
    return tensor ? ft_tensor_ref(tensor) : NULL;
}

ft_column ft_column_ref(const ft_column *column)
{
    ft_column copy = *column;

    ref_or_null(copy.values);
    ref_or_null(copy.offsets);
    ref_or_null(copy.inner);
    ref_or_null(copy.validity);
    return copy;
}

bool ft_column_slice(const ft_column *column, size_t from, size_t count, ft_column *out,
                     ft_error *err)
{
    ft_column slice = {.type = column->type, .validity_offset = column->validity_offset + from};

    if (!column->values) {
        *out = (ft_column){.type = column->type};
        return true;
    }
    if (column->offsets) {
        slice.offsets = ft_tensor_slice(column->offsets, (int64_t)from, (int64_t)count + 1, err);
        if (!slice.offsets)
            return false;
        slice.values = ft_tensor_ref(column->values);
        slice.inner = ref_or_null(column->inner);
    } else {
        slice.values = ft_tensor_slice(column->values, (int64_t)from, (int64_t)count, err);
        if (!slice.values)
            return false;
    }
    slice.validity = ref_or_null(column->validity);
    if (!slice.validity)
        slice.validity_offset = 0;
    *out = slice;
    return true;
}

// Bytes of `values` that items [from, from + count) take.
static size_t values_bytes(const ft_column *column, size_t from, size_t count)
{
    size_t number_bytes =
        ft_type_element_size_bytes(column->type) * (size_t)ft_type_elements(column->type);

    if (!column->offsets)
        return count * number_bytes;
    const int32_t *offsets = ft_tensor_i32(column->offsets) + from;
    if (!column->inner)
        return (size_t)(offsets[count] - offsets[0]) * number_bytes;
    const int32_t *inner = ft_tensor_i32(column->inner);
    return (size_t)(inner[offsets[count]] - inner[offsets[0]]);
}

bool ft_column_select(const ft_column *column, const uint32_t *indices, size_t count,
                      ft_account *account, ft_column *out, ft_error *err)
{
    ft_builder builder;
    size_t bytes = 0, run;

    if (!column->values) {
        *out = (ft_column){.type = column->type};
        return true;
    }
    if (column->offsets)
        for (size_t i = 0; i < count; i++)
            bytes += values_bytes(column, indices[i], 1);
    if (!ft_builder_init(&builder, column->type, account, count, bytes, err))
        return false;
    bool ok = true;
    for (size_t i = 0; i < count && ok; i += run) {
        // Neighbours stay neighbours in most selections: copied as one range.
        for (run = 1; i + run < count && indices[i + run] == indices[i] + run; run++)
            continue;
        ok = run == 1 ? ft_builder_add_item(&builder, column, indices[i], err)
                      : ft_builder_add_range(&builder, column, indices[i], run, err);
    }
    ok = ok && ft_builder_take(&builder, out, err);
    ft_builder_finish(&builder);
    return ok;
}

bool ft_column_join(const ft_column *parts, const size_t *counts, size_t part_count,
                    ft_account *account, ft_column *out, ft_error *err)
{
    ft_builder builder;
    size_t items = 0, bytes = 0, present = 0;

    FT_ASSERT(part_count > 0);
    for (size_t i = 0; i < part_count; i++) {
        items += counts[i];
        present += parts[i].values != NULL;
        bytes += parts[i].values ? values_bytes(&parts[i], 0, counts[i]) : 0;
    }
    if (present == 0) {
        *out = (ft_column){.type = parts[0].type};
        return true;
    }
    if (!ft_builder_init(&builder, parts[0].type, account, items, bytes, err))
        return false;
    bool ok = true;
    for (size_t i = 0; i < part_count && ok; i++)
        ok = ft_builder_add_range(&builder, &parts[i], 0, counts[i], err);
    ok = ok && ft_builder_take(&builder, out, err);
    ft_builder_finish(&builder);
    return ok;
}

bool ft_column_nulls(ft_type type, size_t count, ft_account *account, ft_column *out, ft_error *err)
{
    ft_builder builder;

    bool ok = ft_builder_init(&builder, type, account, count, 0, err) &&
              ft_builder_add_nulls(&builder, count, err) && ft_builder_take(&builder, out, err);
    ft_builder_finish(&builder);
    return ok;
}

size_t ft_column_size_bytes(const ft_column *column, size_t count)
{
    if (!column->values)
        return 0;
    size_t bytes = values_bytes(column, 0, count);
    if (column->offsets)
        bytes += (count + 1) * sizeof(int32_t);
    if (column->inner) {
        const int32_t *offsets = ft_tensor_i32(column->offsets);
        bytes += (size_t)(offsets[count] - offsets[0] + 1) * sizeof(int32_t);
    }
    if (column->validity)
        bytes += (count + 7) / 8;
    return bytes;
}
