// Batches: columns by reference, rows of the lineage by number. `rows` stays NULL as long as item i
// is row i.
//
// The struct, its columns and its rows are charged to the account together; how much follows from
// width and count, so it needs no field.
#include "runtime/data/batch.h"

#include <stdio.h>
#include <string.h>

#include "runtime/memory/pool.h"

static int64_t struct_bytes(size_t width)
{
    return (int64_t)(sizeof(ft_batch) + width * sizeof(ft_column));
}

static void batch_destroy(ft_object *object)
{
    ft_batch *batch = (ft_batch *)(void *)object;
    int64_t bytes = struct_bytes(batch->width);

    if (batch->rows)
        bytes += (int64_t)(batch->count * sizeof(uint32_t));
    for (size_t i = 0; i < batch->width; i++)
        ft_column_finish(&batch->columns[i]);
    ft_account_release(batch->account, bytes);
    if (batch->known)
        ft_object_unref(batch->known);
    ft_lineage_unref(batch->lineage);
    ft_pool_free(batch->rows, batch->count * sizeof(uint32_t), batch->rows_home);
    ft_pool_free(batch->columns, batch->width * sizeof(ft_column), batch->columns_home);
    ft_pool_free(batch, sizeof(*batch), batch->home);
}

static void visit_tensor(ft_tensor *tensor, void (*visit)(ft_object *child, void *host), void *host)
{
    if (tensor)
        visit(&tensor->object, host);
}

static void batch_trace(ft_object *object, void (*visit)(ft_object *child, void *host), void *host)
{
    ft_batch *batch = (ft_batch *)(void *)object;

    if (batch->lineage)
        visit(&batch->lineage->object, host);
    if (batch->known)
        visit(batch->known, host);
    for (size_t i = 0; i < batch->width; i++) {
        visit_tensor(batch->columns[i].values, visit, host);
        visit_tensor(batch->columns[i].offsets, visit, host);
        visit_tensor(batch->columns[i].inner, visit, host);
        visit_tensor(batch->columns[i].validity, visit, host);
    }
}

static const ft_object_type batch_type = {
    .name = "batch", .destroy = batch_destroy, .trace = batch_trace};

// Charged and zeroed; NULL with `err` filled.
static void *charged_zero(ft_account *account, size_t count, size_t size_bytes, uint16_t *out_home,
                          ft_error *err)
{
    size_t bytes;

    if (FT_MUL_OVERFLOWS(count, size_bytes, &bytes) || bytes > PTRDIFF_MAX) {
        ft_fail_nomem(err, SIZE_MAX);
        return NULL;
    }
    if (!ft_account_charge(account, (int64_t)bytes, err))
        return NULL;
    void *block = ft_pool_zero(bytes, out_home);
    if (!block) {
        ft_account_release(account, (int64_t)bytes);
        ft_fail_nomem(err, bytes);
    }
    return block;
}

ft_batch *ft_batch_create(ft_account *account, size_t count, size_t width, ft_lineage *lineage,
                          ft_error *err)
{
    uint16_t home;
    ft_batch *batch = charged_zero(account, 1, sizeof(*batch), &home, err);

    if (!batch)
        return NULL;
    batch->home = home;
    batch->columns = charged_zero(account, width, sizeof(ft_column), &batch->columns_home, err);
    if (!batch->columns) {
        ft_account_release(account, (int64_t)sizeof(*batch));
        ft_pool_free(batch, sizeof(*batch), home);
        return NULL;
    }
    ft_object_init(&batch->object, &batch_type);
    batch->count = count;
    batch->lineage = lineage ? ft_lineage_ref(lineage) : NULL;
    batch->account = account;
    batch->width = width;
    return batch;
}

ft_batch *ft_batch_ref(ft_batch *batch)
{
    ft_object_ref(&batch->object);
    return batch;
}

void ft_batch_unref(ft_batch *batch)
{
    if (batch)
        ft_object_unref(&batch->object);
}

// ft_object_hand_over and ft_object_receive, without a list of what is still to be visited.
static void pass_tensor(ft_tensor *tensor)
{
    if (tensor && ft_object_pass_one(&tensor->object))
        ft_object_pass_one(&tensor->buffer->object);
}

void ft_batch_hand_over(ft_batch *batch)
{
    if (!ft_object_pass_one(&batch->object))
        return;
    if (batch->lineage)
        ft_object_pass_one(&batch->lineage->object);
    for (size_t i = 0; i < batch->width; i++) {
        pass_tensor(batch->columns[i].values);
        pass_tensor(batch->columns[i].offsets);
        pass_tensor(batch->columns[i].inner);
        pass_tensor(batch->columns[i].validity);
    }
}

static void take_tensor(ft_tensor *tensor)
{
    if (tensor && ft_object_take_one(&tensor->object))
        ft_object_take_one(&tensor->buffer->object);
}

void ft_batch_receive(ft_batch *batch)
{
    if (!ft_object_take_one(&batch->object))
        return;
    if (batch->lineage)
        ft_object_take_one(&batch->lineage->object);
    for (size_t i = 0; i < batch->width; i++) {
        take_tensor(batch->columns[i].values);
        take_tensor(batch->columns[i].offsets);
        take_tensor(batch->columns[i].inner);
        take_tensor(batch->columns[i].validity);
    }
}

// Gives `batch` rows of its own, which the caller fills.
static bool add_rows(ft_batch *batch, ft_error *err)
{
    if (!batch->lineage || batch->count == 0)
        return true;
    batch->rows =
        charged_zero(batch->account, batch->count, sizeof(uint32_t), &batch->rows_home, err);
    return batch->rows != NULL;
}

bool ft_batch_set_rows(ft_batch *batch, const uint32_t *rows, ft_error *err)
{
    FT_ASSERT(!batch->rows);
    if (!add_rows(batch, err))
        return false;
    if (batch->rows)
        memcpy(batch->rows, rows, batch->count * sizeof(*rows));
    return true;
}

static bool widen(ft_batch *batch, size_t width, ft_error *err)
{
    uint16_t home;
    ft_column *wider = charged_zero(batch->account, width, sizeof(ft_column), &home, err);

    if (!wider)
        return false;
    memcpy(wider, batch->columns, batch->width * sizeof(ft_column));
    ft_pool_free(batch->columns, batch->width * sizeof(ft_column), batch->columns_home);
    ft_account_release(batch->account, (int64_t)(batch->width * sizeof(ft_column)));
    batch->columns = wider;
    batch->columns_home = home;
    batch->width = width;
    return true;
}

bool ft_batch_make_writable(ft_batch **batch, size_t width, ft_error *err)
{
    ft_batch *old = *batch;

    if (width < old->width)
        width = old->width;
    if (ft_object_is_unique(&old->object))
        return width == old->width || widen(old, width, err);
    ft_batch *own = ft_batch_derive(old, NULL, old->count, width, err);
    if (!own)
        return false;
    for (size_t i = 0; i < old->width; i++)
        own->columns[i] = ft_column_ref(&old->columns[i]);
    ft_batch_unref(old);
    *batch = own;
    return true;
}

void ft_batch_set(ft_batch *batch, size_t index, ft_column *column)
{
    FT_ASSERT(index < batch->width && ft_object_is_unique(&batch->object));
    ft_column_finish(&batch->columns[index]);
    batch->columns[index] = *column;
    *column = (ft_column){.type = column->type};
}

ft_batch *ft_batch_slice(const ft_batch *batch, size_t from, size_t count, ft_error *err)
{
    FT_ASSERT(from <= batch->count && count <= batch->count - from);
    ft_batch *slice = ft_batch_create(batch->account, count, batch->width, batch->lineage, err);
    bool ok = slice != NULL;

    if (ok && (batch->rows || from > 0))
        ok = add_rows(slice, err);
    if (ok && slice->rows)
        for (size_t i = 0; i < count; i++)
            slice->rows[i] = (uint32_t)ft_batch_row(batch, from + i);
    for (size_t i = 0; ok && i < batch->width; i++)
        ok = ft_column_slice(&batch->columns[i], from, count, &slice->columns[i], err);
    if (ok)
        return slice;
    ft_batch_unref(slice);
    return NULL;
}

static bool is_all(const ft_batch *batch, const uint32_t *indices, size_t count)
{
    if (count != batch->count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (indices[i] != i)
            return false;
    return true;
}

ft_batch *ft_batch_select(ft_batch *batch, const uint32_t *indices, size_t count, ft_error *err)
{
    if (is_all(batch, indices, count))
        return ft_batch_ref(batch);
    ft_batch *selected = ft_batch_derive(batch, indices, count, batch->width, err);
    bool ok = selected != NULL;
    for (size_t i = 0; ok && i < batch->width; i++)
        ok = ft_column_select(&batch->columns[i], indices, count, batch->account,
                              &selected->columns[i], err);
    if (ok)
        return selected;
    ft_batch_unref(selected);
    return NULL;
}

ft_batch *ft_batch_derive(const ft_batch *from, const uint32_t *indices, size_t count, size_t width,
                          ft_error *err)
{
    FT_ASSERT(indices || count == from->count);
    ft_batch *derived = ft_batch_create(from->account, count, width, from->lineage, err);
    if (!derived)
        return NULL;
    if (!from->rows && !indices)
        return derived;
    if (!add_rows(derived, err)) {
        ft_batch_unref(derived);
        return NULL;
    }
    if (derived->rows)
        for (size_t i = 0; i < count; i++)
            derived->rows[i] = (uint32_t)ft_batch_row(from, indices ? indices[i] : i);
    return derived;
}

size_t ft_batch_size_bytes(const ft_batch *batch)
{
    size_t bytes = (size_t)struct_bytes(batch->width);

    if (batch->rows)
        bytes += batch->count * sizeof(uint32_t);
    for (size_t i = 0; i < batch->width; i++)
        bytes += ft_column_size_bytes(&batch->columns[i], batch->count);
    return bytes;
}

const char *ft_batch_print_place(const ft_batch *batch, size_t item, char *out, size_t out_bytes)
{
    const ft_lineage *lineage = batch->lineage;

    if (!lineage) {
        snprintf(out, out_bytes, "a result of several items");
        return out;
    }
    size_t row = ft_batch_row(batch, item);
    if (lineage->positions && lineage->parts) {
        const ft_position *position = &lineage->positions[row];
        snprintf(out, out_bytes, "%s, byte %llu", lineage->parts[position->part],
                 (unsigned long long)position->offset);
    } else {
        snprintf(out, out_bytes, "item %llu", (unsigned long long)(lineage->first_index + row + 1));
    }
    return out;
}

static void assert_offsets(const int32_t *offsets, size_t count, size_t end)
{
    FT_ASSERT(offsets[0] >= 0);
    for (size_t i = 0; i < count; i++)
        FT_ASSERT(offsets[i] <= offsets[i + 1]);
    FT_ASSERT((size_t)offsets[count] <= end);
}

static void assert_column(const ft_column *column, size_t count)
{
    if (!column->values) {
        FT_ASSERT(!column->offsets && !column->inner && !column->validity);
        return;
    }
    ft_layout layout = ft_type_layout(column->type);
    size_t rows = (size_t)column->values->shape[0];

    FT_ASSERT(column->values->dtype == ft_type_dtype(column->type));
    FT_ASSERT((column->offsets != NULL) == (layout != FT_LAYOUT_FIXED));
    FT_ASSERT((column->inner != NULL) == (layout == FT_LAYOUT_TEXTS));
    if (layout == FT_LAYOUT_FIXED) {
        FT_ASSERT(rows >= count);
        FT_ASSERT((int64_t)rows * ft_type_elements(column->type) ==
                  ft_tensor_elements(column->values));
    } else {
        size_t elements = column->inner ? (size_t)column->inner->shape[0] - 1 : rows;
        FT_ASSERT((size_t)column->offsets->shape[0] >= count + 1);
        assert_offsets(ft_tensor_i32(column->offsets), count, elements);
        if (column->inner)
            assert_offsets(ft_tensor_i32(column->inner), elements, rows);
    }
    if (column->validity)
        FT_ASSERT((size_t)column->validity->shape[0] * 8 >= column->validity_offset + count);
}

void ft_batch_assert_valid(const ft_batch *batch)
{
    for (size_t i = 0; i < batch->width; i++)
        assert_column(&batch->columns[i], batch->count);
    if (batch->lineage)
        for (size_t i = 0; i < batch->count; i++)
            FT_ASSERT(ft_batch_row(batch, i) < batch->lineage->count);
}
