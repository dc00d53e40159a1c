// Instances of stages, and what a stage may ask of the engine through its host.
#include "engine/instance.h"

#include "engine/failure.h"
#include "engine/flow.h"
#include "engine/runaway.h"
#include "engine/sources.h"
#include "engine/train.h"
#include "engine/turn.h"
#include "runtime/memory/alloc.h"

// ---- what a stage may ask for ----

// Whoever reads a live column reads it without asking whether it is there. What a stage gives to
// its own second half (`then`) is between the two, and the batches between the stages of a
// container have no columns here (known.h).
bool ft_instance_check_live(const ft_node *node, const ft_batch *batch, ft_error *err)
{
    const ft_plan_node *plan = node->plan;

    if (plan->def->then || batch->known)
        return true;
    for (size_t i = 0; i < plan->output.count; i++)
        if (plan->live[i] && !ft_batch_has(batch, i)) {
            ft_fail(err, FT_ERROR_USAGE, "`%s` gives items without their field `%s`, which is read",
                    plan->name, plan->output.fields[i].name);
            ft_hint(err, "This is a mistake in the stage: what it plans it must also make.");
            return false;
        }
    return true;
}

bool ft_instance_drop_dead(const ft_node *node, ft_batch **batch, ft_error *err)
{
    const bool *live = node->plan->live;
    bool any = false;

    if (!node->makes_dead)
        return true;
    for (size_t i = 0; i < node->plan->output.count && i < (*batch)->width; i++)
        any = any || (!live[i] && (*batch)->columns[i].values);
    if (!any)
        return true;
    if (!ft_batch_make_writable(batch, (*batch)->width, err))
        return false;
    for (size_t i = 0; i < node->plan->output.count && i < (*batch)->width; i++)
        if (!live[i] && (*batch)->columns[i].values) {
            ft_type type = (*batch)->columns[i].type;
            ft_column_finish(&(*batch)->columns[i]);
            (*batch)->columns[i] = (ft_column){.type = type};
        }
    return true;
}

static bool host_emit(ft_stage *self, size_t port, ft_batch *batch, ft_error *err)
{
    ft_instance *instance = (ft_instance *)(void *)self;
    ft_node *node = instance->node;
    ft_turn *turn = &instance->turn;

    FT_ASSERT(port < node->port_count - 1);
    bool ok = !ft_run_is_stopped(node->run) ||
              ft_fail(err, FT_ERROR_CANCELLED, "the run is being stopped");
    if (ok && turn->stream && node->source)
        ok = ft_source_trim(&batch, err);
#ifdef FT_DEBUG
    if (ok)
        ft_batch_assert_valid(batch);
#endif
    if (!ok || batch->count == 0 || node->ports[port].edge_count == 0) {
        ft_batch_unref(batch);
        return ok;
    }
    if (!ft_instance_check_live(node, batch, err) || !ft_instance_drop_dead(node, &batch, err)) {
        ft_batch_unref(batch);
        return false;
    }
    if (turn->stream) {
        if (turn->is_open && !ft_turn_next(instance, true, err)) {
            ft_batch_unref(batch);
            return false;
        }
        turn->is_open = true;
    }
    if (node->source)
        turn->bytes += ft_source_measure(batch);
    turn->items_out += batch->count;
    return ft_batch_list_add(&turn->out[port], batch, err);
}

static bool host_cancelled(const ft_stage *self)
{
    const ft_instance *instance = (const ft_instance *)(const void *)self;
    const ft_run *run = instance->node->run;
    uint32_t stop = ft_atomic_load(&run->stop, FT_RELAXED);

    if (instance->node->source)
        return stop != FT_STOP_NONE ||
               ft_atomic_load(&instance->node->source->told_to_stop, FT_RELAXED);
    return stop == FT_STOP_NOW;
}

static bool host_start(ft_stage *self, ft_lineage *lineage, ft_error *err)
{
    return ft_source_begin((ft_instance *)(void *)self, lineage, err);
}

static void host_enough(ft_stage *self)
{
    ft_flow_enough(((ft_instance *)(void *)self)->node);
}

static bool host_port_is_read(const ft_stage *self, size_t port)
{
    const ft_node *node = ((const ft_instance *)(const void *)self)->node;
    return node->ports[port].edge_count > 0;
}

static void host_progress(ft_stage *self, double share)
{
    ft_node *node = ((ft_instance *)(void *)self)->node;

    if (node->source && share >= 0 && share <= 1)  // Relaxed: for display only.
        ft_atomic_store(&node->source->progress, (int64_t)(share * FT_PROGRESS_ALL) + 1,
                        FT_RELAXED);
}

static void host_wait_readable(ft_stage *self, int fd)
{
    ft_node *node = ((ft_instance *)(void *)self)->node;

    if (node->source)
        ft_source_wait_readable(node, fd);
}

static const ft_stage_host host = {
    .emit = host_emit,
    .item_fail = ft_item_failed,
    .enough = host_enough,
    .cancelled = host_cancelled,
    .start = host_start,
    .port_is_read = host_port_is_read,
    .progress = host_progress,
    .wait_readable = host_wait_readable,
};

// ---- instances ----

void ft_instance_fill(ft_stage *stage, const ft_node *node, size_t slot)
{
    const ft_plan_node *plan = node->plan;
    const ft_run *run = node->run;
    bool one_item = node->source && (run->settings.stress & FT_STRESS_ONE_ITEM);

    stage->def = node->def;
    stage->name = plan->name;
    stage->config = plan->config;
    stage->shared = node->shared;
    stage->account = &node->run->account;
    stage->input = &plan->input;
    stage->output = &plan->output;
    stage->live = plan->live;
    stage->input_width = plan->input.count;
    stage->output_width = plan->output.count;
    stage->instance = (int)slot;
    stage->threads = run->threads;
    stage->batch_items = one_item ? 1 : plan->batch_items;
    if (stage->batch_items == 0 && node->source)
        stage->batch_items = plan->batch_wish;
    stage->seed = run->plan->run.seed;
    stage->host = &host;
}

static size_t counter_count(const ft_stage_def *def)
{
    size_t count = 0;

    while (def->counters && def->counters[count])
        count++;
    return count;
}

static bool is_complete(const ft_instance *instance)
{
    return instance->turn.out && instance->stage.state && instance->stage.counters &&
           instance->counters;
}

static bool open_stage(ft_worker *worker, ft_instance *instance, ft_error *err)
{
    const ft_stage_def *def = instance->node->def;

    if (!def->open)
        return true;
    if (worker)
        ft_watch_begin(worker, instance->node, "`open`");
    bool ok = def->open(&instance->stage, err);
    if (worker)
        ft_watch_go_on(worker);
    return ok;
}

bool ft_instance_open(ft_node *node, size_t slot, ft_worker *worker, ft_instance **out,
                      ft_error *err)
{
    const ft_stage_def *def = node->def;
    // Relaxed: only the thread that has the slot makes its instance.
    ft_instance *instance = ft_atomic_load(&node->instances[slot], FT_RELAXED);

    if (!instance) {
        instance = ft_alloc_zero(1, sizeof(*instance));
        if (!instance)
            return ft_fail_nomem(err, sizeof(*instance));
        instance->node = node;
        instance->turn.out = ft_alloc_zero(node->port_count, sizeof(ft_batch_list));
        instance->stage.state = ft_alloc_zero(1, def->state_size ? def->state_size : 1);
        instance->counter_count = counter_count(def);
        instance->stage.counters = ft_alloc_zero(instance->counter_count + 1, sizeof(uint64_t));
        instance->counters =
            ft_alloc_zero(instance->counter_count + 1, sizeof(*instance->counters));
        ft_instance_fill(&instance->stage, node, slot);
        // Release pairs with the acquire of those who read statistics or end the node.
        ft_atomic_store(&node->instances[slot], instance, FT_RELEASE);
        if (!is_complete(instance))
            return ft_fail_nomem(err, def->state_size);
    }
    *out = instance;
    if (instance->is_open)
        return true;
    if (instance->was_opened || !is_complete(instance))
        return ft_fail(err, FT_ERROR_CANCELLED, "the run is being stopped");
    instance->was_opened = true;
    int64_t before = ft_alloc_thread_bytes();
    instance->is_open = open_stage(worker, instance, err);
    ft_atomic_store(&instance->stats.kept_bytes,
                    (int64_t)def->state_size + ft_alloc_thread_bytes() - before, FT_RELAXED);
    return instance->is_open;
}

// What it gives back is what it has come to keep since `open`.
static void close_stage(ft_instance *instance)
{
    const ft_stage_def *def = instance->node->def;
    int64_t before = ft_alloc_thread_bytes();

    def->close(&instance->stage);
    int64_t kept = (int64_t)def->state_size + before - ft_alloc_thread_bytes();
    if (kept > ft_atomic_load(&instance->stats.kept_bytes, FT_RELAXED))
        ft_atomic_store(&instance->stats.kept_bytes, kept, FT_RELAXED);
}

void ft_instance_close(ft_instance *instance)
{
    if (instance->was_opened && instance->node->def->close)
        close_stage(instance);
    instance->was_opened = instance->is_open = false;
    for (size_t i = 0; instance->turn.out && i < instance->node->port_count; i++)
        ft_batch_list_finish(&instance->turn.out[i]);
    ft_expr_free_scratch(&instance->expr);
    ft_free(instance->turn.out);
    ft_free(instance->stage.state);
    ft_free(instance->conditions);
    instance->turn.out = NULL;
    instance->stage.state = NULL;
    instance->conditions = NULL;
    instance->condition_room = 0;
}

ft_instance *ft_instance_get(ft_worker *worker, ft_node *node, ft_error *err)
{
    ft_instance *instance = NULL;
    size_t slot = 0;

    if (node->mode == FT_MODE_PARALLEL) {
        slot = worker->slot;
    } else if (node->mode == FT_MODE_CAPPED) {
        ft_mutex_lock(&node->lock);
        instance = node->free_instance;
        if (instance)
            node->free_instance = instance->next_free;
        else
            slot = node->instances_made++;
        ft_mutex_unlock(&node->lock);
        if (instance)
            return instance;
        if (slot >=
            node->instance_room) {  // Some could not be opened: the run is being stopped for that.
            ft_ignore(ft_fail(err, FT_ERROR_CANCELLED, "the run is being stopped"));
            return NULL;
        }
    }
    return ft_instance_open(node, slot, worker, &instance, err) ? instance : NULL;
}

void ft_instance_put(ft_instance *instance)
{
    ft_node *node = instance->node;

    if (node->mode != FT_MODE_CAPPED)
        return;
    ft_mutex_lock(&node->lock);
    instance->next_free = node->free_instance;
    node->free_instance = instance;
    ft_mutex_unlock(&node->lock);
}
