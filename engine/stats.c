// Statistics are added up from the instances when somebody asks; the instances write their own and
// nobody else's.
#include "engine/stats.h"

#include "runtime/system/clock.h"

static size_t counter_count(const ft_stage_def *def)
{
    size_t count = 0;

    while (def->counters && def->counters[count])
        count++;
    return count;
}

// One for each node of the plan that is not hidden, with the counters of it and of what is hidden
// behind it.
bool ft_stats_init(ft_run *run, ft_error *err)
{
    run->stats.stages = ft_arena_zero(run->arena, run->node_count + 1, sizeof(ft_stage_stats));
    if (!run->stats.stages)
        return ft_fail_nomem(err, run->node_count * sizeof(ft_stage_stats));
    for (size_t i = 0; i < run->node_count; i++) {
        const ft_plan_node *plan = run->nodes[i].plan;
        if (plan->is_hidden)
            continue;
        ft_stage_stats *stage = &run->stats.stages[run->stats.stage_count++];
        size_t counters = counter_count(plan->def);
        stage->name = plan->name;
        stage->def = plan->def;
        stage->counters = counters ? ft_arena_zero(run->arena, counters, sizeof(uint64_t)) : NULL;
        if (counters && !stage->counters)
            return ft_fail_nomem(err, counters * sizeof(uint64_t));
    }
    run->stats.workers = ft_arena_zero(run->arena, run->worker_room, sizeof(ft_worker_stats));
    return run->stats.workers || ft_fail_nomem(err, run->worker_room * sizeof(ft_worker_stats));
}

static uint64_t read(const ft_atomic_u64 *counter)
{
    return ft_atomic_load(counter, FT_RELAXED);  // A statistic.
}

static void add_counters(ft_stage_stats *stage, const ft_instance *instance)
{
    const ft_stage_def *def = instance->node->plan->def;

    if (!stage->counters || !instance->counters || def->counters != stage->def->counters)
        return;
    for (size_t i = 0; def->counters[i]; i++)
        stage->counters[i] += read(&instance->counters[i]);
}

// What comes into a stage with hidden ones behind it comes into the first; what goes out goes out
// of the last. What passes between them is neither.
static void add_instance(ft_stage_stats *stage, const ft_instance *instance)
{
    const ft_instance_stats *own = &instance->stats;
    const ft_plan_node *plan = instance->node->plan;
    uint64_t in = read(&own->items_in);

    if (plan->is_hidden)
        stage->items_out -= in < stage->items_out ? in : stage->items_out;
    else
        stage->items_in += in;
    stage->items_out += read(&own->items_out);
    stage->items_dropped += read(&own->items_dropped);
    stage->items_failed += read(&own->items_failed);
    stage->items_made += read(&own->items_made);
    stage->batches += plan->is_hidden ? 0 : read(&own->batches);
    stage->kept_bytes += ft_atomic_load(&own->kept_bytes, FT_RELAXED);
    stage->opened++;
    stage->busy_ns += ft_atomic_load(&own->busy_ns, FT_RELAXED);
    stage->running += ft_atomic_load(&own->is_running, FT_RELAXED);
    add_counters(stage, instance);
}

static void clear(ft_stage_stats *stage)
{
    for (size_t i = 0; stage->counters && stage->def->counters[i]; i++)
        stage->counters[i] = 0;
    *stage = (ft_stage_stats){.name = stage->name, .def = stage->def, .counters = stage->counters};
}

static void add_node(ft_stage_stats *stage, const ft_node *node)
{
    int64_t open = ft_atomic_load(&node->open, FT_RELAXED);
    int64_t before = stage->running;

    for (size_t i = 0; i < node->instance_room; i++) {
        // Acquire pairs with the release of the one that made it.
        const ft_instance *instance = ft_atomic_load(&node->instances[i], FT_ACQUIRE);
        if (instance)
            add_instance(stage, instance);
    }
    stage->runaways += ft_atomic_load(&node->runaways, FT_RELAXED);
    stage->instances += node->cap;
    int64_t waiting = open - (int64_t)node->plan->input_count - (stage->running - before);
    if (!node->source && waiting > 0)
        stage->waiting_batches += waiting;
}

// What each worker has for itself: the slots of a parallel node's instances are the workers'.
static void add_to_workers(ft_run *run, const ft_stage_stats *stage, const ft_node *node)
{
    for (size_t i = 0; node->mode == FT_MODE_PARALLEL && i < node->instance_room; i++) {
        // Acquire pairs with the release of the one that made it.
        const ft_instance *instance = ft_atomic_load(&node->instances[i], FT_ACQUIRE);
        ft_worker_stats *worker = &run->stats.workers[i];
        if (!instance)
            continue;
        int64_t kept = ft_atomic_load(&instance->stats.kept_bytes, FT_RELAXED);
        worker->kept_bytes += kept;
        if (!worker->largest || kept > worker->largest_bytes) {
            worker->largest = stage;
            worker->largest_bytes = kept;
        }
    }
}

// When the threads have gone; before that they write.
static void count_workers(ft_run *run)
{
    const ft_stage_stats *stage = run->stats.stages;

    run->stats.worker_count = run->worker_room;
    for (size_t i = 0; i < run->worker_room; i++)
        run->stats.workers[i] = (ft_worker_stats){.pool_bytes = run->workers[i].pool_bytes};
    for (size_t i = 0, shown = 0; i < run->node_count; i++) {
        if (!run->nodes[i].plan->is_hidden)
            stage = &run->stats.stages[shown++];
        add_to_workers(run, stage, &run->nodes[i]);
    }
}

// How much of the input has been read: the mean of the sources, -1 when one of them does not say.
static double share_read(ft_run *run)
{
    double sum = 0;
    size_t count = 0;

    for (size_t i = 0; i < run->node_count; i++) {
        const ft_source *source = run->nodes[i].source;
        if (!source)
            continue;
        int64_t parts = ft_atomic_load(&source->progress, FT_RELAXED);
        if (parts == 0)
            return -1;
        sum += (double)(parts - 1) / FT_PROGRESS_ALL;
        count++;
    }
    return count ? sum / (double)count : -1;
}

void ft_run_get_stats(ft_run *run, ft_run_stats *out)
{
    ft_run_stats *stats = &run->stats;
    ft_stage_stats *stage = NULL;
    size_t at = 0;

    for (size_t i = 0; i < run->node_count; i++) {
        if (!run->nodes[i].plan->is_hidden) {
            stage = &stats->stages[at++];
            clear(stage);
        }
        FT_ASSERT(stage);
        add_node(stage, &run->nodes[i]);
    }
    int64_t ended = ft_atomic_load(&run->ended_ns, FT_ACQUIRE);
    int64_t started = ft_atomic_load(&run->started_ns, FT_ACQUIRE);
    if (ended)
        count_workers(run);
    stats->elapsed_ns = started ? (ended ? ended : ft_clock_ns()) - started : 0;
    // The ends first, so that what is in flight never comes out negative.
    stats->items_written = read(&run->written);
    stats->items_dropped = read(&run->dropped);
    stats->items_failed = read(&run->failed);
    stats->items_unfinished = read(&run->left_behind);
    uint64_t done = stats->items_written + stats->items_dropped + stats->items_failed +
                    stats->items_unfinished + read(&run->held);
    stats->items_read = read(&run->items_read);
    stats->items_in_flight = stats->items_read > done ? stats->items_read - done : 0;
    stats->memory_used_bytes = ft_account_used_bytes(&run->account);
    stats->memory_peak_bytes = ft_account_peak_bytes(&run->account);
    stats->memory_limit_bytes = run->account.limit_bytes;
    stats->threads = run->threads;
    stats->source_share = share_read(run);
    *out = *stats;
}
