// A run from beginning to end: what is loaded, who waits, how it stops.
//
// The calling thread of ft_run_wait sleeps on a semaphore, the only thing that a signal handler may
// post to. It is woken when all nodes have ended, when the run fails, when it is cancelled, and
// when its time is up.
#include "engine/run.h"

#include <errno.h>
#include <semaphore.h>
#include <time.h>

#include "engine/abandon.h"
#include "engine/build.h"
#include "engine/chain.h"
#include "engine/domain.h"
#include "engine/failure.h"
#include "engine/flow.h"
#include "engine/gate.h"
#include "engine/graph.h"
#include "engine/memory_limit.h"
#include "engine/monitor.h"
#include "engine/order.h"
#include "engine/runaway.h"
#include "engine/scheduler.h"
#include "engine/sources.h"
#include "engine/stats.h"
#include "engine/trace.h"
#include "engine/train.h"
#include "engine/turn.h"
#include "engine/zygote.h"
#include "runtime/memory/alloc.h"
#include "runtime/system/clock.h"
#include "runtime/system/lease.h"
#include "runtime/system/plugin_library.h"
#include "runtime/system/topology.h"

// ---- create ----

static bool read_options(ft_run *run, ft_error *err)
{
    const ft_run_options *options = &run->plan->run;
    ft_topology topology;

    if (options->memory_bytes > 0 && options->memory_bytes < FT_MEMORY_MIN_BYTES) {
        ft_fail(err, FT_ERROR_USAGE, "`run.memory` is less than 16 MiB");
        ft_hint(err, "Give it at least 16MiB.");
        return false;
    }
    if (options->threads > FT_RUN_THREADS_MAX)
        return ft_fail(err, FT_ERROR_USAGE, "`run.threads` is at most %d", FT_RUN_THREADS_MAX);
    run->threads = (int)options->threads;
    if (run->threads <= 0) {
        ft_topology_read("", &topology);
        run->threads = topology.workers;
    }
    return true;
}

static bool load_stages(ft_run *run, const ft_plan_node **out_node, ft_error *err)
{
    ft_stage_load load = {
        .arena = run->immortal,
        .environment = &run->plan->environment,
        .account = &run->account,
        .threads = (int)run->worker_room,
    };

    for (size_t i = 0; i < run->node_count; i++) {
        ft_node *node = &run->nodes[i];
        void *shared = NULL;
        if (!node->def->load)
            continue;
        if (!node->def->load(&load, node->plan->config, &shared, err)) {
            if (out_node)
                *out_node = node->plan;
            return false;
        }
        node->shared = shared;
    }
    return true;
}

static bool create_parts(ft_run *run, const ft_plan_node **out_node, ft_error *err)
{
    run->bell = ft_arena_zero(run->arena, 1, sizeof(sem_t));
    if (!run->bell)
        return ft_fail_nomem(err, sizeof(sem_t));
    FT_ASSERT(sem_init(run->bell, 0, 0) == 0);
    // What is loaded here is for all workers.
    bool before = ft_lease_create_merged(true);
    bool ok = read_options(run, err) && ft_graph_build(run, err) && ft_stats_init(run, err) &&
              ft_zygote_start(run, out_node, err) && ft_scheduler_init(run, err) &&
              load_stages(run, out_node, err);
    ft_lease_create_merged(before);
    ft_alloc_end_passing();
    return ok;
}

ft_run *ft_run_create(const ft_plan *plan, const ft_run_settings *settings,
                      const ft_plan_node **out_node, ft_error *err)
{
    ft_run *run = ft_alloc_zero(1, sizeof(*run));

    if (out_node)
        *out_node = NULL;
    if (!run) {
        ft_ignore(ft_fail_nomem(err, sizeof(*run)));
        return NULL;
    }
    ft_alloc_begin_passing();
    run->plan = plan;
    if (settings)
        run->settings = *settings;
    if (!run->settings.ends_program)
        ft_alloc_outlive_threads();
    ft_mutex_init(&run->error_lock);
    ft_mutex_init(&run->enough_lock);
    ft_gate_init(run, ft_memory_limit_of(&plan->run));
    ft_trace_begin(run);
    run->arena = ft_arena_create();
    run->immortal = ft_arena_create_immortal();
    if (!run->arena || !run->immortal)
        ft_ignore(ft_fail_nomem(err, sizeof(ft_arena *)));
    else if (create_parts(run, out_node, err)) {
        ft_arena_protect(run->immortal, true);
        return run;
    }
    ft_run_destroy(run);
    return NULL;
}

// ---- clearing up ----

static void drop_task(ft_task *task)
{
    if (task->kind == FT_TASK_RETURNED)
        ft_runaway_drop(task);
    if (task->kind == FT_TASK_ABANDONED)
        ft_abandon_returned(((ft_closing *)task)->watch);
    if (task->kind != FT_TASK_PACKET)
        return;
    for (ft_packet *packet = (ft_packet *)task, *next; packet; packet = next) {
        next = packet->next_piece;
        ft_packet_destroy(task->node->run, packet);
        if (!next)
            break;
    }
}

// What a run that was stopped at once left standing.
static void drop_packets(ft_run *run)
{
    ft_packet *packet;

    ft_scheduler_drain(run, drop_task);
    ft_domains_drain(run, drop_task);
    for (size_t i = 0; i < run->node_count; i++) {
        ft_node *node = &run->nodes[i];
        while ((packet = ft_inbox_drop(node)))
            ft_packet_destroy(run, packet);
        while (node->ready_first) {
            ft_task *task = node->ready_first;
            node->ready_first = task->next;
            drop_task(task);
        }
    }
}

// A thread that was abandoned is inside of it.
static bool is_at_work(const ft_run *run, const ft_instance *instance)
{
    for (size_t i = 0; run->is_abandoned && i < run->worker_room + run->pool.room; i++)
        if (ft_watch_stage(&run->watches[i]) == instance->node)
            return true;
    return false;
}

static void close_instances(ft_run *run)
{
    for (size_t i = 0; i < run->node_count; i++)
        for (size_t j = 0; j < run->nodes[i].instance_room; j++) {
            ft_instance *instance = ft_atomic_load(&run->nodes[i].instances[j], FT_ACQUIRE);
            if (instance && !is_at_work(run, instance))
                ft_instance_close(instance);
        }
}

// Those that could not be freed, so that what they hold can still be reached.
static ft_atomic_pointer kept_runs;

bool ft_run_is_abandoned(const ft_run *run)
{
    return run && run->is_abandoned;
}

void ft_run_destroy(ft_run *run)
{
    if (!run)
        return;
    if (run->is_abandoned) {
        ft_plugin_library_keep();  // The thread may be inside of one.
        ft_trace_end(run);  // It notes no turn: another thread would have, and there is none.
        run->next_kept = ft_atomic_exchange(&kept_runs, run, FT_ACQ_REL);
        return;
    }
    if (!run->settings.ends_program)
        ft_alloc_begin_passing();
    ft_zygote_stop(run);
    if (run->nodes)
        ft_graph_finish(run);
    ft_scheduler_finish(run);
    ft_trace_end(run);
    ft_gate_finish(run);
    ft_mutex_finish(&run->error_lock);
    ft_mutex_finish(&run->enough_lock);
    if (run->bell)
        sem_destroy(run->bell);
    ft_domains_finish(run);
    ft_arena_destroy(run->arena);
    ft_arena_destroy(run->immortal);
    ft_free(run);
    ft_alloc_end_passing();
}

// ---- what became of the items ----

void ft_lineage_done(ft_lineage *lineage)
{
    ft_run *run = lineage->host;
    ft_lineage_totals totals = ft_lineage_sum(lineage);

    // Relaxed: statistics; the last reader comes after the threads have been joined.
    ft_atomic_add(&run->written, totals.written, FT_RELAXED);
    // A run that fails or is stopped at once leaves rows behind that no stage has decided about.
    bool is_stopped = ft_atomic_load(&run->stop, FT_RELAXED) == FT_STOP_NOW ||
                      ft_atomic_load(&run->ends_badly, FT_RELAXED);
    ft_atomic_add(is_stopped ? &run->left_behind : &run->dropped, totals.dropped, FT_RELAXED);
    ft_atomic_add(&run->failed, totals.failed, FT_RELAXED);
    ft_atomic_add(&run->held, totals.held, FT_RELAXED);
}

// Rows that a stage like gather absorbed are what became of its result.
static void settle_held(ft_run *run)
{
    uint64_t held = ft_atomic_exchange(&run->held, 0, FT_RELAXED);

    if (ft_atomic_load(&run->loose_failed, FT_RELAXED))
        ft_atomic_add(&run->failed, held, FT_RELAXED);
    else if (ft_atomic_load(&run->loose_written, FT_RELAXED))
        ft_atomic_add(&run->written, held, FT_RELAXED);
    else
        ft_atomic_add(&run->dropped, held, FT_RELAXED);
}

// What was written to a sink that has not committed is nowhere.
static void settle_uncommitted(ft_run *run)
{
    bool is_lost = false;

    for (size_t i = 0; i < run->node_count && !run->is_committed; i++)
        is_lost = is_lost || (run->nodes[i].is_last && run->nodes[i].plan->def->commit);
    if (is_lost)
        ft_atomic_add(&run->left_behind, ft_atomic_exchange(&run->written, 0, FT_RELAXED),
                      FT_RELAXED);
}

// What a thread that was abandoned holds will not be decided about any more.
static void settle_abandoned(ft_run *run)
{
    uint64_t done =
        ft_atomic_load(&run->written, FT_RELAXED) + ft_atomic_load(&run->dropped, FT_RELAXED) +
        ft_atomic_load(&run->failed, FT_RELAXED) + ft_atomic_load(&run->left_behind, FT_RELAXED);

    ft_atomic_add(&run->left_behind, ft_atomic_load(&run->items_read, FT_RELAXED) - done,
                  FT_RELAXED);
}

// ---- wait ----

void ft_run_ring(ft_run *run)
{
    sem_post(run->bell);
}

void ft_run_cancel(ft_run *run)
{
    ft_atomic_add(&run->cancels, 1, FT_SEQ_CST);
    ft_run_ring(run);
}

// Sources and sinks are opened first and in the order of the file, so that a missing input or an
// output that cannot be written is said at once. Those that block are opened on their own thread.
static void open_ends(ft_run *run)
{
    for (int sinks = 0; sinks < 2; sinks++)
        for (size_t i = 0; i < run->node_count; i++) {
            ft_node *node = &run->nodes[i];
            bool is_sink = node->plan->def->kind == FT_STAGE_SINK && node->mode == FT_MODE_SERIAL;
            ft_instance *instance;
            ft_error err = FT_ERROR_INIT;
            if (node->plan->blocks || !(sinks ? is_sink : node->mode == FT_MODE_SOURCE))
                continue;
            ft_watch_bind(ft_watch_caller(run), node, "`open`");
            bool ok = ft_instance_open(node, 0, NULL, &instance, &err);
            ft_watch_unbind(ft_watch_caller(run), run);
            if (ok)
                continue;
            ft_run_fail(run, node, NULL, &err);
            return;
        }
}

static void sleep_until(ft_run *run, int64_t deadline_ns)
{
    int64_t left = deadline_ns - ft_clock_ns();
    struct timespec until;

    if (deadline_ns == 0) {
        while (sem_wait(run->bell) != 0)
            FT_ASSERT(errno == EINTR);
        return;
    }
    // The semaphore knows wall time only; if that jumps, this wakes early or late and the caller
    // looks again.
    int64_t until_ms = ft_clock_wall_ms() + (left > 0 ? left / 1000000 : 0) + 1;
    until.tv_sec = (time_t)(until_ms / 1000);
    until.tv_nsec = (long)(until_ms % 1000) * 1000000;
    if (sem_timedwait(run->bell, &until) != 0)
        FT_ASSERT(errno == EINTR || errno == ETIMEDOUT);
}

static void supervise(ft_run *run)
{
    int64_t timeout_ms = run->plan->run.timeout_ms;
    int64_t deadline = timeout_ms > 0 ? run->started_ns_own + timeout_ms * 1000000 : 0;
    ft_error late = FT_ERROR_INIT;

    while (ft_atomic_load(&run->unfinished, FT_ACQUIRE) > 0 &&
           ft_atomic_load(&run->stop, FT_ACQUIRE) != FT_STOP_NOW) {
        uint32_t cancels = ft_atomic_load(&run->cancels, FT_SEQ_CST);
        if (cancels > 1) {
            ft_run_stop(run, FT_STOP_NOW);
        } else if (deadline && ft_clock_ns() >= deadline) {
            ft_fail(&late, FT_ERROR_LIMIT, "the run took longer than %lld ms",
                    (long long)timeout_ms);
            ft_hint(&late, "Raise `run.timeout`.");
            ft_run_fail(run, NULL, NULL, &late);
        } else {
            if (cancels == 1)
                ft_run_stop(run, FT_STOP_SOURCES);
            ft_lease_detach();
            sleep_until(run, deadline);
            ft_lease_resume();
        }
    }
}

static bool commit(ft_run *run, ft_error *err)
{
    for (size_t i = 0; i < run->node_count; i++)
        for (size_t j = 0; j < run->nodes[i].instance_room; j++) {
            ft_instance *instance = ft_atomic_load(&run->nodes[i].instances[j], FT_ACQUIRE);
            const ft_stage_def *def = run->nodes[i].plan->def;
            if (!instance || !instance->is_open || !def->commit)
                continue;
            ft_watch_bind(ft_watch_caller(run), &run->nodes[i], "`commit`");
            bool ok = def->commit(&instance->stage, err);
            ft_watch_unbind(ft_watch_caller(run), run);
            if (!ok) {
                run->error_node = run->nodes[i].plan;
                return false;
            }
        }
    return true;
}

// A stage that does not come back from it is named, if a thread for that can be had.
static bool commit_watched(ft_run *run, ft_error *err)
{
    ft_error none = FT_ERROR_INIT;

    ft_ignore(ft_monitor_start(run, &none));
    bool ok = commit(run, err);
    ft_monitor_stop(run);
    return ok;
}

// All threads are gone: what is the end of it?
static bool conclude(ft_run *run, ft_error *err)
{
    uint32_t cancels = ft_atomic_load(&run->cancels, FT_SEQ_CST);

    if (run->error.code != FT_ERROR_NONE) {
        *err = run->error;
        return false;
    }
    if (ft_atomic_load(&run->unfinished, FT_ACQUIRE) > 0)
        return ft_fail(err, FT_ERROR_CANCELLED, "stopped at once: nothing was committed");
    if (!ft_failure_check_share(run, err) || !commit_watched(run, err))
        return false;
    run->is_committed = true;
    if (cancels)
        return ft_fail(err, FT_ERROR_CANCELLED, "stopped: what had been read is written");
    return true;
}

bool ft_run_wait(ft_run *run, const ft_plan_node **out_node, ft_error *err)
{
    ft_error failed = FT_ERROR_INIT;

    bool before = ft_lease_create_merged(true);

    run->started_ns_own = ft_clock_ns();
    ft_atomic_store(&run->started_ns, run->started_ns_own, FT_RELEASE);
    bool ok = ft_monitor_start(run, &failed);
    if (ok)
        open_ends(run);
    else
        ft_run_fail(run, NULL, NULL, &failed);
    if (!ft_atomic_load(&run->failing, FT_ACQUIRE)) {
        if (ft_scheduler_start(run, &failed))
            ft_source_poke(run);  // Those that block; the others are found by the workers.
        else
            ft_run_fail(run, NULL, NULL, &failed);
        supervise(run);
    }
    ft_scheduler_stop(run);
    drop_packets(run);
    ok = conclude(run, err);
    close_instances(run);
    ft_chains_close(run);
    settle_held(run);
    settle_uncommitted(run);
    if (run->is_abandoned) {
        ft_abandon_settle(run);
        settle_abandoned(run);
    }
    if (out_node)
        *out_node = run->error_node;
    ft_atomic_store(&run->ended_ns, ft_clock_ns(), FT_RELEASE);
    ft_lease_create_merged(before);
    return ok;
}
