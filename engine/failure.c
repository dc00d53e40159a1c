// Failures of items go where `on_error` says; failures of stages stop the run, in the order of
// tickets: what comes before the place of the first error is still done, so that the same input
// fails in the same way on any number of threads.
#include "engine/failure.h"

#include <stdio.h>

#include "engine/gate.h"
#include "engine/scheduler.h"
#include "engine/schema_union.h"
#include "engine/sources.h"
#include "engine/train.h"
#include "engine/turn.h"
#include "engine/zygote.h"

enum { PLACE_BYTES = 512, TEXT_SHOWN_BYTES = 200, SHARE_AFTER_ITEMS = 1000 };

typedef enum { ITEM_ROUTED, ITEM_SKIPPED, ITEM_STOPS } reaction;

static reaction reaction_of(const ft_node *node)
{
    const ft_run_options *options = &node->run->plan->run;

    if (node->plan->on_error == FT_ON_ERROR_STOP)
        return ITEM_STOPS;
    if (node->plan->on_error == FT_ON_ERROR_SKIP)
        return ITEM_SKIPPED;
    if (node->plan->errors_are_read)
        return ITEM_ROUTED;
    return options->max_errors > 0 || options->max_errors_share > 0 ? ITEM_SKIPPED : ITEM_STOPS;
}

bool ft_failure_stops(const ft_node *node)
{
    return reaction_of(node) == ITEM_STOPS;
}

// ---- items that go to `.errors` ----

static bool text_column(const char *text, ft_account *account, ft_column *out, ft_error *err)
{
    ft_slice value = ft_slice_of(text);
    ft_builder builder;

    // Messages quote what the input holds, so the text may end or break inside a character.
    value.size = ft_utf8_valid_prefix(value);
    if (!ft_builder_init(&builder, FT_TYPE(STRING), account, 1, value.size, err))
        return false;
    bool ok = ft_builder_add_text(&builder, value, err) && ft_builder_take(&builder, out, err);
    ft_builder_finish(&builder);
    return ok;
}

// A field as it came in, if it is still there.
static bool kept_column(const ft_batch *batch, size_t item, size_t index, ft_type type,
                        ft_column *out, ft_error *err)
{
    if (ft_batch_has(batch, index) && ft_type_equal(batch->columns[index].type, type))
        return ft_column_slice(&batch->columns[index], item, 1, out, err);
    return ft_column_nulls(type, 1, batch->account, out, err);
}

static size_t error_field(const char *name)
{
    for (size_t i = 0; i < FT_ERROR_FIELDS; i++)
        if (ft_slice_is(ft_slice_of(name), ft_error_field_names[i]))
            return i;
    return FT_ERROR_FIELDS;
}

static bool route(ft_instance *instance, const ft_batch *batch, size_t item,
                  const char *const *texts, ft_error *err)
{
    ft_node *node = instance->node;
    const ft_schema *schema = &node->plan->errors;
    uint32_t index = (uint32_t)item;
    ft_batch *one = ft_batch_derive(batch, &index, 1, schema->count, err);

    for (size_t i = 0; one && i < schema->count; i++) {
        ft_column column = {0};
        size_t own = error_field(schema->fields[i].name);
        bool ok = own < FT_ERROR_FIELDS
                      ? text_column(texts[own], batch->account, &column, err)
                      : kept_column(batch, item, i, schema->fields[i].type, &column, err);
        if (ok) {
            ft_batch_set(one, i, &column);
        } else {
            ft_batch_unref(one);
            one = NULL;
        }
    }
    if (!one)
        return false;
    if (instance->turn.stream && !ft_turn_next(instance, true, err)) {
        ft_batch_unref(one);
        return false;
    }
    instance->turn.is_open = true;
    return ft_batch_list_add(&instance->turn.out[node->port_count - 1], one, err);
}

// ---- telling ----

// What an item looks like: the line that it was, else its first text.
static ft_slice show_item(const ft_batch *batch, size_t item)
{
    ft_slice text = {0};

    for (size_t i = 0; i < batch->width && text.size == 0; i++) {
        const ft_column *column = &batch->columns[i];
        if (ft_batch_has(batch, i) && ft_type_is_text(column->type) &&
            !ft_column_is_null(column, item))
            text = ft_column_text(column, item);
    }
    if (text.size > TEXT_SHOWN_BYTES)
        text.size = TEXT_SHOWN_BYTES;
    return text;
}

static void tell(ft_node *node, const char *place, const ft_batch *batch, size_t item,
                 const ft_error *why)
{
    ft_run *run = node->run;

    if (!run->settings.on_item_error)
        return;
    ft_mutex_lock(&run->error_lock);
    run->settings.on_item_error(run->settings.host, node->plan, place, show_item(batch, item), why);
    ft_mutex_unlock(&run->error_lock);
}

static bool too_many(ft_run *run, uint64_t failed, ft_error *err)
{
    const ft_run_options *options = &run->plan->run;
    uint64_t read = ft_atomic_load(&run->items_read, FT_RELAXED);
    double most =
        options->max_errors_share * (double)(read > SHARE_AFTER_ITEMS ? read : SHARE_AFTER_ITEMS);

    if (options->max_errors >= 0 && failed > (uint64_t)options->max_errors) {
        ft_fail(err, FT_ERROR_LIMIT, "more than %lld items failed", (long long)options->max_errors);
    } else if (options->max_errors_share > 0 && (double)failed > most) {
        ft_fail(err, FT_ERROR_LIMIT, "more than %g %% of the items failed",
                100 * options->max_errors_share);
    } else {
        return false;
    }
    ft_hint(err, "`run.max_errors` sets how many may fail.");
    return true;
}

bool ft_failure_check_share(ft_run *run, ft_error *err)
{
    double share = run->plan->run.max_errors_share;
    double failed = (double)ft_atomic_load(&run->items_failed_events, FT_RELAXED);

    if (share <= 0 || failed <= share * (double)ft_atomic_load(&run->items_read, FT_RELAXED))
        return true;
    ft_fail(err, FT_ERROR_LIMIT, "more than %g %% of the items failed", 100 * share);
    ft_hint(err, "`run.max_errors` sets how many may fail.");
    return false;
}

bool ft_item_failed(ft_stage *self, const ft_batch *batch, size_t item, const ft_error *why,
                    ft_error *err)
{
    ft_instance *instance = (ft_instance *)(void *)self;
    ft_node *node = instance->node;
    ft_run *run = node->run;
    char place[PLACE_BYTES];
    reaction what = reaction_of(node);

    FT_ASSERT(item < batch->count);
    ft_batch_print_place(batch, item, place, sizeof(place));
    instance->turn.items_failed++;
    if (batch->lineage)
        ft_lineage_mark(batch->lineage, ft_batch_row(batch, item), FT_ROW_FAILED);
    else
        ft_atomic_store(&run->loose_failed, 1, FT_RELAXED);
    tell(node, place, batch, item, why);
    // Relaxed: a count.
    uint64_t failed = ft_atomic_add(&run->items_failed_events, 1, FT_RELAXED) + 1;
    if (what == ITEM_STOPS) {
        *err = *why;
        ft_error_while(err, "%s", place);
        instance->turn.stops = true;
        return false;
    }
    if (too_many(run, failed, err)) {
        instance->turn.stops = true;
        return false;
    }
    if (what == ITEM_SKIPPED)
        return true;
    const char *texts[FT_ERROR_FIELDS] = {
        [FT_ERROR_FIELD_ERROR] = why->message,
        [FT_ERROR_FIELD_STAGE] = node->plan->name,
        [FT_ERROR_FIELD_PLACE] = place,
        [FT_ERROR_FIELD_CODE] = ft_error_code_name(why->code),
    };
    return route(instance, batch, item, texts, err);
}

void ft_failure_undo(ft_run *run, uint64_t count)
{
    ft_atomic_sub(&run->items_failed_events, count, FT_RELAXED);
}

// ---- the run's error ----

static int compare(ft_ticket a, ft_ticket b)
{
    if (a.stream != b.stream)
        return a.stream < b.stream ? -1 : 1;
    return a.sequence < b.sequence ? -1 : a.sequence > b.sequence;
}

bool ft_failure_is_before(ft_run *run, ft_ticket ticket)
{
    ft_mutex_lock(&run->error_lock);
    bool before = run->error.code != FT_ERROR_NONE && compare(run->error_ticket, ticket) <= 0;
    ft_mutex_unlock(&run->error_lock);
    return before;
}

void ft_run_fail(ft_run *run, ft_node *node, const ft_ticket *ticket, const ft_error *err)
{
    ft_ticket at = ticket ? *ticket : (ft_ticket){0};
    bool now = !ticket || err->code == FT_ERROR_NOMEM;

    // A stage that was told to stop says CANCELLED; that is no cause of its own.
    if (err->code == FT_ERROR_CANCELLED && (ft_atomic_load(&run->failing, FT_ACQUIRE) ||
                                            ft_atomic_load(&run->stop, FT_ACQUIRE) != FT_STOP_NONE))
        return;
    ft_mutex_lock(&run->error_lock);
    if (run->error.code == FT_ERROR_NONE || compare(at, run->error_ticket) < 0) {
        run->error = *err;
        run->error_ticket = at;
        run->error_node = node ? node->plan : NULL;
    }
    ft_mutex_unlock(&run->error_lock);
    // Release pairs with the acquires in is_skipped and run_plain (turn.c) and is_ending_well
    // (flow.c).
    ft_atomic_store(&run->failing, 1, FT_RELEASE);
    ft_run_stop(run, now ? FT_STOP_NOW : FT_STOP_SOURCES);
}

void ft_run_stop(ft_run *run, ft_stop how)
{
    uint32_t before = ft_atomic_load(&run->stop, FT_SEQ_CST);

    while (before < (uint32_t)how &&
           !ft_atomic_cas_weak(&run->stop, &before, (uint32_t)how, FT_SEQ_CST))
        continue;
    for (size_t i = 0; i < run->source_count; i++)
        ft_source_wake(run->sources[i]);
    if (how == FT_STOP_NOW) {
        ft_gate_cancel(run);
        ft_zygote_cancel(run);
        ft_run_ring(run);
    } else {
        ft_source_poke(run);
    }
}
