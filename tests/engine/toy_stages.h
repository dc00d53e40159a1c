// Small stages for the engine's tests, and a harness around a plan made by hand. What a toy does
// with an item depends on the item's id only, so the right result is known without running
// anything.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/run.h"
#include "runtime/concurrent/atomic.h"
#include "runtime/memory/alloc.h"
#include "runtime/random.h"
#include "tests/check.h"

// ---- counting source: id = 0, 1, 2 ... in batches of random size ----

typedef struct {
    int64_t items;  // -1: endless.
    int64_t first_id;
    int64_t batch_most;
    uint64_t seed;
    int64_t text_bytes;  // A field `text` of so many bytes.
    int64_t huge_id;     // This item's text has huge_bytes.
    int64_t huge_bytes;
    int64_t fails_at;  // Fails instead of making the batch with this id; 0: never.
    bool tells_cancelled;
} toy_count_config;

typedef struct {
    int64_t next;
    ft_random random;
    uint64_t first_index;
} toy_count_state;

static bool toy_count_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    const toy_count_config *own = config;
    size_t at;

    return ft_plan_add(plan, "id", FT_TYPE(INT), &at, err) &&
           (own->text_bytes == 0 || ft_plan_add(plan, "text", FT_TYPE(STRING), &at, err));
}

static bool toy_count_open(ft_stage *self, ft_error *err)
{
    toy_count_state *state = self->state;
    const toy_count_config *config = self->config;

    (void)err;
    ft_random_init(&state->random, config->seed, 7);
    return true;
}

static bool toy_text(ft_stage *self, int64_t first, size_t count, ft_batch *batch, ft_error *err)
{
    const toy_count_config *config = self->config;
    ft_builder builder;
    ft_column column = {0};
    bool ok = ft_builder_init(&builder, FT_TYPE(STRING), self->account, count, 0, err);

    for (size_t i = 0; ok && i < count; i++) {
        bool huge = config->huge_bytes && first + (int64_t)i == config->huge_id;
        size_t bytes = (size_t)(huge ? config->huge_bytes : config->text_bytes);
        char *text = ft_alloc(bytes);
        if (!text) {
            ok = ft_fail_nomem(err, bytes);
            break;
        }
        memset(text, 'x', bytes);
        ok = ft_builder_add_text(&builder, (ft_slice){text, bytes}, err);
        ft_free(text);
    }
    ok = ok && ft_builder_take(&builder, &column, err);
    ft_builder_finish(&builder);
    if (ok)
        ft_batch_set(batch, 1, &column);
    return ok;
}

static ft_batch *toy_count_batch(ft_stage *self, int64_t first, size_t count, ft_error *err)
{
    const toy_count_config *config = self->config;
    toy_count_state *state = self->state;
    ft_builder builder = {0};
    ft_column column = {0};
    ft_lineage *lineage = ft_lineage_create(self->account, count, false, err);
    ft_batch *batch = NULL;
    bool ok = lineage != NULL;

    if (ok) {
        lineage->first_index = state->first_index;
        state->first_index += count;
    }
    ok = ok && ft_source_start(self, lineage, err);
    if (ok) {
        batch = ft_batch_create(self->account, count, self->output_width, lineage, err);
        ok = batch && ft_builder_init(&builder, FT_TYPE(INT), self->account, count, 0, err);
    }
    for (size_t i = 0; ok && i < count; i++)
        ok = ft_builder_add_int(&builder, first + (int64_t)i, err);
    ok = ok && ft_builder_take(&builder, &column, err);
    ft_builder_finish(&builder);
    if (ok)
        ft_batch_set(batch, 0, &column);
    ok = ok && (config->text_bytes == 0 || toy_text(self, first, count, batch, err));
    ft_lineage_unref(lineage);
    if (ok)
        return batch;
    ft_batch_unref(batch);
    return NULL;
}

// The sizes of its batches, the same for everybody who asks with the same seed.
static size_t toy_batch_size(ft_random *random, const toy_count_config *config, int64_t made,
                             int64_t batch_items)
{
    int64_t most = batch_items ? batch_items : config->batch_most ? config->batch_most : 8;
    int64_t count = ft_random_between(random, 1, most);

    if (config->items >= 0 && count > config->items - made)
        count = config->items - made;
    return (size_t)count;
}

static bool toy_count_produce(ft_stage *self, bool *out_done, ft_error *err)
{
    const toy_count_config *config = self->config;
    toy_count_state *state = self->state;
    size_t count = toy_batch_size(&state->random, config, state->next, self->batch_items);

    if (count == 0 || ft_is_cancelled(self)) {
        *out_done = true;
        return true;
    }
    if (config->fails_at && state->next + (int64_t)count > config->fails_at)
        return ft_fail(err, FT_ERROR_IO, "the toy source broke at %lld",
                       (long long)config->fails_at);
    ft_batch *batch = toy_count_batch(self, config->first_id + state->next, count, err);
    if (!batch)
        return false;
    state->next += (int64_t)count;
    return ft_emit(self, batch, err);
}

FT_UNUSED static const ft_stage_def toy_count = {
    .abi = FT_STAGE_ABI,
    .name = "toy_count",
    .summary = "count",
    .kind = FT_STAGE_SOURCE,
    .concurrency = FT_CONCURRENCY_ONE,
    .config_size = sizeof(toy_count_config),
    .state_size = sizeof(toy_count_state),
    .plan = toy_count_plan,
    .open = toy_count_open,
    .produce = toy_count_produce,
};

FT_UNUSED static const ft_stage_def toy_count_blocking = {
    .abi = FT_STAGE_ABI,
    .name = "toy_count_blocking",
    .summary = "count",
    .kind = FT_STAGE_SOURCE,
    .concurrency = FT_CONCURRENCY_ONE,
    .blocks = true,
    .config_size = sizeof(toy_count_config),
    .state_size = sizeof(toy_count_state),
    .plan = toy_count_plan,
    .open = toy_count_open,
    .produce = toy_count_produce,
};

// ---- scatter: drops, keeps, doubles or fails an item, by its id ----

typedef struct {
    uint64_t seed;
    int drop, twice, fail;  // In thousandths.
    int64_t spin;           // Work for each item.
    int64_t
        hold_bytes;    // Memory taken for each item, one by one, and held until the batch is done.
    int64_t fails_at;  // The stage itself fails at this id; 0: never.
} toy_scatter_config;

typedef enum { TOY_DROP, TOY_KEEP, TOY_TWICE, TOY_FAIL } toy_fate;

static toy_fate toy_fate_of(const toy_scatter_config *config, int64_t id)
{
    uint64_t dice = ft_hash((ft_slice){(const char *)&id, sizeof(id)}, config->seed) % 1000;

    if (dice < (uint64_t)config->drop)
        return TOY_DROP;
    if (dice < (uint64_t)(config->drop + config->twice))
        return TOY_TWICE;
    return dice < (uint64_t)(config->drop + config->twice + config->fail) ? TOY_FAIL : TOY_KEEP;
}

static int64_t toy_id(const ft_batch *batch, size_t item)
{
    return ft_tensor_i64(batch->columns[0].values)[item];
}

static bool toy_scatter_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    size_t at;

    (void)config;
    return ft_plan_read(plan, NULL, "id", FT_TYPE(INT), &at, err);
}

static volatile uint64_t toy_sink;  // So that the spinning is not taken away.

static bool toy_scatter_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    const toy_scatter_config *config = self->config;
    ft_batch *batch = *in;
    size_t count = 0;
    bool ok = true;
    ft_buffer **held = ft_alloc_zero(batch->count + 1, sizeof(ft_buffer *));

    if (!held)
        return ft_fail_nomem(err, batch->count);
    uint32_t *indices = ft_alloc_array(2 * batch->count, sizeof(*indices));
    if (!indices)
        ok = ft_fail_nomem(err, batch->count);
    uint64_t work = 0;
    for (size_t i = 0; ok && i < batch->count; i++) {
        ft_error why = FT_ERROR_INIT;
        if (config->hold_bytes &&
            !(held[i] = ft_buffer_create(self->account, (size_t)config->hold_bytes, err))) {
            ok = false;
            break;
        }
        for (int64_t j = 0; j < config->spin; j++)
            work = work * 31 + (uint64_t)j;
        if (config->fails_at && toy_id(batch, i) == config->fails_at)
            ok = ft_fail(err, FT_ERROR_IO, "the toy stage broke at %lld",
                         (long long)config->fails_at);
        switch (toy_fate_of(config, toy_id(batch, i))) {
        case TOY_DROP:
            break;
        case TOY_TWICE:
            indices[count++] = (uint32_t)i;
            indices[count++] = (uint32_t)i;
            break;
        case TOY_KEEP:
            indices[count++] = (uint32_t)i;
            break;
        case TOY_FAIL:
            ft_fail(&why, FT_ERROR_DATA, "item %lld is bad", (long long)toy_id(batch, i));
            ok = ok && ft_item_fail(self, batch, i, &why, err);
            break;
        }
    }
    (void)work;
    ft_batch *out = ok ? ft_batch_select(batch, indices, count, err) : NULL;
    ft_free(indices);
    for (size_t i = 0; i < batch->count; i++)
        ft_buffer_unref(held[i]);
    ft_free(held);
    return ok && out && ft_emit(self, out, err);
}

#define TOY_SCATTER(name_, concurrency_, blocks_)  \
    FT_UNUSED static const ft_stage_def name_ = {  \
        .abi = FT_STAGE_ABI,                       \
        .name = #name_,                            \
        .summary = "scatter",                      \
        .kind = FT_STAGE_TRANSFORM,                \
        .concurrency = concurrency_,               \
        .blocks = blocks_,                         \
        .config_size = sizeof(toy_scatter_config), \
        .state_size = 1,                           \
        .plan = toy_scatter_plan,                  \
        .process = toy_scatter_process,            \
    }
TOY_SCATTER(toy_scatter, FT_CONCURRENCY_ANY, false);
TOY_SCATTER(toy_scatter_one, FT_CONCURRENCY_ONE, false);
TOY_SCATTER(toy_scatter_blocking, FT_CONCURRENCY_ANY, true);

// ---- recording sink ----

typedef struct {
    int64_t *ids;
    size_t count, capacity;
    int commits, closes;
} toy_record;

typedef struct {
    toy_record *record;  // The test's.
    int64_t spin;
    int fail;  // Thousandths of items that it cannot write.
    uint64_t seed;
    int64_t fails_at;
} toy_record_config;

static bool toy_record_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    size_t at;

    (void)config;
    return ft_plan_read(plan, NULL, "id", FT_TYPE(INT), &at, err);
}

static bool toy_record_add(toy_record *record, int64_t id, ft_error *err)
{
    if (record->count == record->capacity) {
        size_t capacity = record->capacity ? 2 * record->capacity : 64;
        int64_t *ids = realloc(record->ids, capacity * sizeof(*ids));
        if (!ids)
            return ft_fail_nomem(err, capacity);
        record->ids = ids;
        record->capacity = capacity;
    }
    record->ids[record->count++] = id;
    return true;
}

static bool toy_record_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    const toy_record_config *config = self->config;
    toy_scatter_config dice = {.seed = config->seed, .fail = config->fail};
    uint64_t work = 0;

    for (size_t i = 0; i < (*in)->count; i++) {
        int64_t id = toy_id(*in, i);
        for (int64_t j = 0; j < config->spin; j++)
            work = work * 31 + (uint64_t)j;
        if (config->fails_at && id == config->fails_at)
            return ft_fail(err, FT_ERROR_IO, "the toy sink broke at %lld", (long long)id);
        if (config->fail && toy_fate_of(&dice, id) == TOY_FAIL) {
            ft_error why = FT_ERROR_INIT;
            ft_fail(&why, FT_ERROR_DATA, "cannot write %lld", (long long)id);
            if (!ft_item_fail(self, *in, i, &why, err))
                return false;
            continue;
        }
        if (!toy_record_add(config->record, id, err))
            return false;
    }
    if (work == 1)
        toy_sink = work;
    return true;
}

static bool toy_record_commit(ft_stage *self, ft_error *err)
{
    const toy_record_config *config = self->config;

    (void)err;
    config->record->commits++;
    return true;
}

static void toy_record_close(ft_stage *self)
{
    const toy_record_config *config = self->config;

    config->record->closes++;
}

#define TOY_RECORD(name_, blocks_)                \
    FT_UNUSED static const ft_stage_def name_ = { \
        .abi = FT_STAGE_ABI,                      \
        .name = #name_,                           \
        .summary = "record",                      \
        .kind = FT_STAGE_SINK,                    \
        .concurrency = FT_CONCURRENCY_ONE,        \
        .blocks = blocks_,                        \
        .config_size = sizeof(toy_record_config), \
        .state_size = 1,                          \
        .plan = toy_record_plan,                  \
        .process = toy_record_process,            \
        .commit = toy_record_commit,              \
        .close = toy_record_close,                \
    }
TOY_RECORD(toy_recorder, false);
TOY_RECORD(toy_recorder_blocking, true);

// ---- sum: absorbs all and gives one item, its id the sum ----

typedef struct {
    int64_t sum;
} toy_sum_state;

static bool toy_sum_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    size_t at;

    (void)config;
    if (!ft_plan_read(plan, NULL, "id", FT_TYPE(INT), &at, err))
        return false;
    ft_plan_clear(plan);
    return ft_plan_add(plan, "id", FT_TYPE(INT), &at, err);
}

static bool toy_sum_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    toy_sum_state *state = self->state;

    (void)err;
    for (size_t i = 0; i < (*in)->count; i++)
        state->sum += toy_id(*in, i);
    return true;
}

static bool toy_sum_flush(ft_stage *self, ft_error *err)
{
    const toy_sum_state *state = self->state;
    ft_batch *batch = ft_batch_create(self->account, 1, 1, NULL, err);
    ft_builder builder = {0};
    ft_column column = {0};

    bool ok = batch && ft_builder_init(&builder, FT_TYPE(INT), self->account, 1, 0, err) &&
              ft_builder_add_int(&builder, state->sum, err) &&
              ft_builder_take(&builder, &column, err);
    ft_builder_finish(&builder);
    if (!ok) {
        ft_batch_unref(batch);
        return false;
    }
    ft_batch_set(batch, 0, &column);
    return ft_emit(self, batch, err);
}

FT_UNUSED static const ft_stage_def toy_sum = {
    .abi = FT_STAGE_ABI,
    .name = "toy_sum",
    .summary = "sum",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = FT_CONCURRENCY_ONE,
    .absorbs = true,
    .config_size = 1,
    .state_size = sizeof(toy_sum_state),
    .plan = toy_sum_plan,
    .process = toy_sum_process,
    .flush = toy_sum_flush,
};

// ---- first: lets the first n items through and then says that it has enough ----

typedef struct {
    int64_t most;
} toy_first_config;
typedef struct {
    int64_t passed;
} toy_first_state;

static bool toy_first_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    const toy_first_config *config = self->config;
    toy_first_state *state = self->state;
    int64_t left = config->most - state->passed;

    if (left <= (int64_t)(*in)->count)
        ft_enough(self);
    if (left <= 0)
        return true;
    size_t count = left < (int64_t)(*in)->count ? (size_t)left : (*in)->count;
    ft_batch *slice = ft_batch_slice(*in, 0, count, err);
    state->passed += (int64_t)count;
    return slice && ft_emit(self, slice, err);
}

FT_UNUSED static const ft_stage_def toy_first = {
    .abi = FT_STAGE_ABI,
    .name = "toy_first",
    .summary = "first",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = FT_CONCURRENCY_ONE,
    .config_size = sizeof(toy_first_config),
    .state_size = sizeof(toy_first_state),
    .plan = toy_scatter_plan,
    .process = toy_first_process,
};

// ---- the harness ----

typedef struct {
    ft_plan *plan;
    ft_run *run;
    ft_run_settings settings;
    ft_run_stats stats;
    ft_error err;
    const ft_plan_node *failed_node;
    bool ok;
} toy;

static void toy_report(void *host, const ft_plan_node *node, const ft_plan_node *other,
                       const ft_error *fault)
{
    (void)other;
    toy *t = host;
    if (t->err.code == FT_ERROR_NONE) {
        t->err = *fault;
        t->failed_node = node;
    }
}

FT_UNUSED static void toy_init(toy *t, int64_t threads)
{
    memset(t, 0, sizeof(*t));
    t->plan = ft_plan_create(&t->err);
    check_true(t->plan != NULL);
    t->plan->run.threads = threads;
    t->plan->run.memory_bytes = 64 << 20;
    // FT_CHAOS=seed: turns yield and are left behind by chance; no result may change.
    const char *chaos = getenv("FT_CHAOS");
    t->settings.chaos = chaos ? strtoull(chaos, NULL, 10) : 0;
}

// Adds a node that reads from `from` (-1: nothing), and returns its index.
FT_UNUSED static int toy_add(toy *t, const ft_stage_def *def, int from, void *out_config)
{
    char name[32];

    snprintf(name, sizeof(name), "%s_%zu", def->name, t->plan->node_count);
    ft_plan_node *node = ft_plan_add_node(t->plan, def, name, &t->err);
    check_true(node != NULL);
    if (from >= 0)
        check_ok(ft_plan_connect(t->plan, node, (uint32_t)from, FT_PORT_MAIN, &t->err), &t->err);
    memcpy(out_config, &node->config, sizeof(void *));
    return (int)t->plan->node_count - 1;
}

FT_UNUSED static void toy_link(toy *t, int node, int from, uint32_t port)
{
    check_ok(ft_plan_connect(t->plan, t->plan->nodes[node], (uint32_t)from, port, &t->err),
             &t->err);
}

FT_UNUSED static bool toy_check(toy *t)
{
    return ft_plan_check(t->plan, toy_report, t);
}

FT_UNUSED static bool toy_run(toy *t)
{
    if (!toy_check(t))
        return false;
    t->run = ft_run_create(t->plan, &t->settings, &t->failed_node, &t->err);
    if (!t->run)
        return false;
    t->ok = ft_run_wait(t->run, &t->failed_node, &t->err);
    ft_run_get_stats(t->run, &t->stats);
    return t->ok;
}

// The equations that hold at the end of every run.
FT_UNUSED static void toy_check_accounts(const toy *t)
{
    const ft_run_stats *s = &t->stats;

    check_int_eq(s->items_read,
                 s->items_written + s->items_dropped + s->items_failed + s->items_unfinished);
    if (t->ok)
        check_int_eq(s->items_unfinished, 0);
    check_int_eq(s->items_in_flight, 0);
    check_int_eq(s->memory_used_bytes, 0);
    check_true(s->memory_peak_bytes <= s->memory_limit_bytes);
    for (size_t i = 0; i < s->stage_count; i++) {
        const ft_stage_stats *e = &s->stages[i];
        check_int_eq(e->items_in + e->items_made,
                     e->items_out + e->items_dropped + e->items_failed);
        check_int_eq(e->running, 0);
    }
}

FT_UNUSED static void toy_finish(toy *t)
{
    ft_run_destroy(t->run);
    ft_plan_destroy(t->plan);
}

FT_UNUSED static void toy_record_finish(toy_record *record)
{
    free(record->ids);
    memset(record, 0, sizeof(*record));
}
