// Conditions split a batch: items for which it is false bypass the stage and are put back where
// they were.
//
// All true, or all false: nothing is copied. Else the true ones are selected, go through the stage,
// and what it gives on its main port is merged with the others by the rows that they descend from,
// so the order of items is kept, and there is one batch again. Items that the stage made several of
// stay together; where rows cannot say the order (a result that descends from no source item), the
// bypassed ones come last. A sink has nowhere to let items pass to: they are dropped.
#include "engine/when.h"

#include <string.h>

#include "engine/failure.h"
#include "engine/train.h"
#include "engine/turn.h"
#include "runtime/memory/alloc.h"

enum { TAKEN = 1, BYPASSED = 0, FAILED = 2 };

typedef struct {
    ft_instance *instance;
    const ft_batch *batch;
    uint8_t *marks;
} testing;

// A condition that fails gives 0 as well as one that is false; who failed is known to this list
// only.
static bool note_failed(void *host, size_t item, const ft_error *why, ft_error *err)
{
    testing *test = host;

    test->marks[test->batch->count + item] = 1;
    return ft_item_failed(&test->instance->stage, test->batch, item, why, err);
}

// instance->conditions: [count] results, then [count] for who failed.
static bool test_items(ft_instance *instance, const ft_batch *batch, ft_error *err)
{
    size_t room = 2 * batch->count;

    if (instance->condition_room < room) {
        uint8_t *larger = ft_realloc(instance->conditions, room);
        if (!larger)
            return ft_fail_nomem(err, room);
        instance->conditions = larger;
        instance->condition_room = room;
    }
    testing test = {instance, batch, instance->conditions};
    for (size_t i = batch->count; i < room; i++)
        test.marks[i] = 0;
    instance->expr.account = instance->stage.account;
    instance->expr.seed = instance->stage.seed;
    instance->expr.failed = note_failed;
    instance->expr.host = &test;
    if (!ft_expr_test(instance->node->plan->when, batch, &instance->expr, test.marks, err))
        return false;
    for (size_t i = 0; i < batch->count; i++)
        if (test.marks[batch->count + i])
            test.marks[i] = FAILED;
    return true;
}

static size_t count_marks(const ft_instance *instance, size_t count, uint8_t mark)
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++)
        found += instance->conditions[i] == mark;
    return found;
}

static ft_batch *select_marked(ft_instance *instance, ft_batch *batch, uint8_t mark, ft_error *err)
{
    size_t count = count_marks(instance, batch->count, mark), at = 0;
    uint32_t *indices = ft_alloc_array(count ? count : 1, sizeof(*indices));

    if (!indices) {
        ft_ignore(ft_fail_nomem(err, count * sizeof(*indices)));
        return NULL;
    }
    for (size_t i = 0; i < batch->count; i++)
        if (instance->conditions[i] == mark)
            indices[at++] = (uint32_t)i;
    ft_batch *selected = ft_batch_select(batch, indices, count, err);
    ft_free(indices);
    return selected;
}

// ---- what passes by, in the columns of the stage's output ----

static bool bypass(ft_instance *instance, ft_batch **batch, ft_error *err)
{
    const ft_plan_node *plan = instance->node->plan;
    ft_batch *from = *batch;
    ft_batch *to = ft_batch_derive(from, NULL, from->count, plan->output.count, err);

    for (size_t i = 0; to && i < plan->output.count; i++) {
        const ft_field *field = &plan->output.fields[i];
        size_t at = ft_schema_find(&plan->input, ft_slice_of(field->name));
        ft_column column = {.type = field->type};
        bool ok = true;
        if (at != FT_FIELD_NONE && ft_batch_has(from, at) && plan->live[i])
            column = ft_column_ref(&from->columns[at]);
        else if (at == FT_FIELD_NONE && plan->live[i])
            ok = ft_column_nulls(field->type, from->count, from->account, &column, err);
        if (ok) {
            ft_batch_set(to, i, &column);
        } else {
            ft_batch_unref(to);
            to = NULL;
        }
    }
    ft_batch_unref(from);
    *batch = to;
    return to != NULL;
}

// ---- putting both together again ----

typedef struct {
    ft_batch **parts;  // What the stage gave, then what passed by.
    size_t part_count;
    size_t count;     // Items of all parts.
    uint32_t *order;  // [count]: item i of the result is item order[i] of the parts end to end.
} weaving;

// Merges two ascending runs of rows; false when they are not ascending or not of one lineage.
static bool find_order(weaving *weave)
{
    const ft_batch *passed = weave->parts[weave->part_count - 1];
    size_t made = weave->count - passed->count, at = 0, by = 0, out = 0;
    size_t last = 0, base = 0;

    for (size_t part = 0; part + 1 < weave->part_count; part++) {
        const ft_batch *batch = weave->parts[part];
        if (!batch->lineage || batch->lineage != passed->lineage)
            return false;
        for (size_t i = 0; i < batch->count; i++, at++) {
            size_t row = ft_batch_row(batch, i);
            if (row < last)
                return false;
            last = row;
            while (by < passed->count && ft_batch_row(passed, by) < row)
                weave->order[out++] = (uint32_t)(made + by++);
            weave->order[out++] = (uint32_t)(base + i);
        }
        base += batch->count;
    }
    while (by < passed->count)
        weave->order[out++] = (uint32_t)(made + by++);
    return true;
}

static bool join_column(const weaving *weave, size_t index, ft_type type, ft_column *out,
                        ft_error *err)
{
    ft_account *account = weave->parts[0]->account;
    ft_builder builder;
    bool any = false;

    *out = (ft_column){.type = type};
    for (size_t i = 0; i < weave->part_count; i++)
        any = any || ft_batch_has(weave->parts[i], index);
    if (!any)
        return true;
    if (!ft_builder_init(&builder, type, account, weave->count, 0, err))
        return false;
    bool ok = true;
    for (size_t i = 0; ok && i < weave->part_count; i++)
        ok = ft_builder_add_range(&builder, &weave->parts[i]->columns[index], 0,
                                  weave->parts[i]->count, err);
    ft_column joined = {0};
    ok = ok && ft_builder_take(&builder, &joined, err) &&
         ft_column_select(&joined, weave->order, weave->count, account, out, err);
    ft_column_finish(&joined);
    ft_builder_finish(&builder);
    return ok;
}

// Rows are the batch's own to charge and free, like the rest of it.
static bool weave_rows(const weaving *weave, ft_batch *woven, ft_error *err)
{
    size_t bytes = weave->count * sizeof(uint32_t), base = 0;

    if (!ft_account_charge(woven->account, (int64_t)bytes, err))
        return false;
    uint32_t *rows = ft_alloc(bytes), *ends = ft_alloc(bytes);
    if (!rows || !ends) {
        ft_free(rows);
        ft_free(ends);
        ft_account_release(woven->account, (int64_t)bytes);
        return ft_fail_nomem(err, bytes);
    }
    for (size_t part = 0; part < weave->part_count; base += weave->parts[part++]->count)
        for (size_t i = 0; i < weave->parts[part]->count; i++)
            ends[base + i] = (uint32_t)ft_batch_row(weave->parts[part], i);
    for (size_t i = 0; i < weave->count; i++)
        rows[i] = ends[weave->order[i]];
    ft_free(ends);
    woven->rows = rows;
    return true;
}

static ft_batch *weave_parts(const weaving *weave, const ft_schema *schema, ft_error *err)
{
    const ft_batch *passed = weave->parts[weave->part_count - 1];
    ft_batch *woven =
        ft_batch_create(passed->account, weave->count, schema->count, passed->lineage, err);
    bool ok = woven && weave_rows(weave, woven, err);

    for (size_t i = 0; ok && i < schema->count; i++) {
        ft_column column = {0};
        ok = join_column(weave, i, schema->fields[i].type, &column, err);
        if (ok)
            ft_batch_set(woven, i, &column);
    }
    if (ok)
        return woven;
    ft_batch_unref(woven);
    return NULL;
}

// The outputs of the main port, but for the first `own` of the ticket, and `passed` (taken), become
// one batch.
static bool weave_outputs(ft_instance *instance, size_t own, ft_batch *passed, ft_error *err)
{
    ft_batch_list *out = &instance->turn.out[0];

    instance->turn.items_out += passed->count;
    if (!ft_batch_list_add(out, passed, err))
        return false;
    size_t from = ft_turn_open_from(&instance->turn, 0) + own;
    weaving weave = {.part_count = out->count - from};
    if (weave.part_count == 1)
        return true;
    // Copied, as the list changes when the turn has to wait for memory.
    weave.parts = ft_alloc_array(weave.part_count, sizeof(ft_batch *));
    if (!weave.parts)
        return ft_fail_nomem(err, weave.part_count * sizeof(ft_batch *));
    memcpy((void *)weave.parts, (void *)(out->items + from), weave.part_count * sizeof(ft_batch *));
    for (size_t i = 0; i < weave.part_count; i++)
        weave.count += weave.parts[i]->count;
    weave.order = ft_alloc_array(weave.count, sizeof(*weave.order));
    if (!weave.order) {
        ft_free((void *)weave.parts);
        return ft_fail_nomem(err, weave.count * sizeof(*weave.order));
    }
    bool ok = true;
    if (find_order(&weave)) {
        ft_batch *woven = weave_parts(&weave, &instance->node->plan->output, err);
        ok = woven != NULL;
        if (ok) {
            ft_batch_list_drop(out, ft_turn_open_from(&instance->turn, 0) + own);
            ok = ft_batch_list_add(out, woven, err);
        }
    }
    ft_free((void *)weave.parts);
    ft_free(weave.order);
    return ok;
}

bool ft_when_process(ft_instance *instance, ft_batch *batch, ft_error *err)
{
    const ft_node *node = instance->node;
    size_t own = instance->turn.out[0].count - ft_turn_open_from(&instance->turn, 0);
    bool passes = node->ports[0].edge_count > 0;

    if (!test_items(instance, batch, err)) {
        ft_batch_unref(batch);
        return false;
    }
    size_t taken = count_marks(instance, batch->count, TAKEN);
    if (taken == batch->count)
        return ft_turn_process(instance, batch, err);
    ft_batch *passed = NULL, *through = NULL;
    bool ok = true;
    if (passes && count_marks(instance, batch->count, BYPASSED) > 0) {
        passed = select_marked(instance, batch, BYPASSED, err);
        ok = passed && bypass(instance, &passed, err);
    }
    if (ok && taken > 0) {
        through = select_marked(instance, batch, TAKEN, err);
        ok = through != NULL;
    }
    ft_batch_unref(batch);
    ok = ok && (!through || ft_turn_process(instance, ft_take(&through), err));
    ft_batch_unref(through);
    if (ok && passed)
        return weave_outputs(instance, own, passed, err);
    ft_batch_unref(passed);
    return ok;
}
