// Workers, what waits for them, and parking.
//
// A worker takes the task that its last turn made (its data is in the cache), else the oldest of
// its ring, else what was injected, else it starts a source, else it steals half of another
// worker's ring. So a batch runs down the pipeline on one core, and sources, which only make more
// work, come last. After HOT_MOST tasks in a row from `next` what waits in the ring has its turn
// (tokio's cap), and what was injected is looked at every INJECTED_EVERY tasks, as Go does.
//
// Parking: idle.c. Before it announces that it sleeps a worker looks a few more times.
//
// `active` counts the threads that can go on without being woken. Only those can make work, so
// whoever brings it to 0 knows that the run stands still, and calls ft_run_unstick (gate.c).
#include "engine/scheduler.h"

#include "engine/gate.h"
#include "engine/global_lock.h"
#include "engine/monitor.h"
#include "engine/sources.h"
#include "engine/turn.h"
#include "runtime/log.h"
#include "runtime/memory/alloc.h"
#include "runtime/memory/pool.h"
#include "runtime/system/clock.h"

#include <stdio.h>
#include <string.h>

enum {
    THREAD_NAME_BYTES = 16,
    HOT_MOST = 3,
    INJECTED_EVERY = 61,
    SPINS = 32,
    SPIN_NS = 50000,
    GRACE_MS = 30000,
    GRACE_CANCELLED_MS = 2000,
};
#define MS_NS INT64_C(1000000)

static FT_THREAD_LOCAL ft_worker *current_worker;

ft_worker *ft_worker_current(void)
{
    return current_worker;
}

// ---- what waits ----

static void list_push(ft_task_list *list, ft_task *task)
{
    ft_mutex_lock(&list->lock);
    task->next = NULL;
    *(list->last ? &list->last->next : &list->first) = task;
    list->last = task;
    // Relaxed: a hint; who must know looks under the lock.
    ft_atomic_add(&list->count, 1, FT_RELAXED);
    ft_mutex_unlock(&list->lock);
}

// `thorough` looks under the lock even if it seems empty.
static ft_task *list_pop(ft_task_list *list, bool thorough)
{
    if (!thorough && ft_atomic_load(&list->count, FT_RELAXED) == 0)
        return NULL;
    ft_mutex_lock(&list->lock);
    ft_task *task = list->first;
    if (task) {
        list->first = task->next;
        if (!list->first)
            list->last = NULL;
        ft_atomic_sub(&list->count, 1, FT_RELAXED);
    }
    ft_mutex_unlock(&list->lock);
    return task;
}

// When the ring is full its older half makes room.
static void push(ft_worker *worker, ft_task *task)
{
    void *half[FT_RING_SLOTS / 2];

    while (!ft_ring_push(worker->ring, task)) {
        uint32_t count = ft_ring_half(worker->ring, half);
        for (uint32_t i = 0; i < count; i++)
            list_push(&worker->run->injected, half[i]);
    }
}

static ft_task *steal(ft_worker *worker)
{
    ft_run *run = worker->run;
    // Acquire: the rings were there before the threads.
    size_t count = (size_t)ft_atomic_load(&run->workers_started, FT_ACQUIRE);

    for (size_t i = 1; i < count; i++) {
        ft_task *task = ft_ring_steal(&run->rings[(worker->slot + i) % count], worker->ring);
        if (task)
            return task;
    }
    return NULL;
}

static ft_task *find_task(ft_worker *worker, bool thorough)
{
    ft_run *run = worker->run;
    ft_task *task = NULL;

    if (++worker->ticks % INJECTED_EVERY == 0)
        task = list_pop(&run->injected, false);
    if (!task && worker->next && (worker->hot < HOT_MOST || ft_ring_is_empty(worker->ring))) {
        worker->hot++;
        return ft_take(&worker->next);
    }
    worker->hot = 0;
    if (worker->next)
        push(worker, ft_take(&worker->next));
    if (!task)
        task = ft_ring_pop(worker->ring);
    if (!task)
        task = list_pop(&run->injected, thorough);
    if (!task)
        task = ft_source_claim_any(run);
    if (!task)
        task = steal(worker);
    return task;
}

bool ft_scheduler_has_work(const ft_run *run)
{
    int64_t count = ft_atomic_load(&run->workers_started, FT_ACQUIRE);
    for (int64_t i = 0; i < count; i++)
        if (!ft_ring_is_empty(&run->rings[i]))
            return true;
    return ft_atomic_load(&run->injected.count, FT_RELAXED) > 0 || ft_source_any_ready(run);
}

// ---- waking and parking ----

// On behalf of the one that wakes up.
static void on_wake(void *host)
{
    ft_active_enter(host);
}

void ft_wake_one(ft_run *run)
{
    ft_idle_wake_one(&run->idle, on_wake, run);
}

void ft_active_enter(ft_run *run)
{
    // Sequentially consistent: either the monitor sees this one, or this one sees it go to sleep.
    if (ft_atomic_add(&run->active, 1, FT_SEQ_CST) == 0) {
        // Relaxed: before it leaves, which releases.
        ft_atomic_add(&run->resumed, 1, FT_RELAXED);
        ft_monitor_wake(run);
    }
}

void ft_active_leave(ft_run *run)
{
    // Relaxed: as long as this one counts, nobody can come when nobody is there.
    uint64_t resumed = ft_atomic_load(&run->resumed, FT_RELAXED);

    // Acquire and release: who comes to 0 sees all that the others left behind.
    if (ft_atomic_sub(&run->active, 1, FT_ACQ_REL) != 1)
        return;
    bool goes_on = ft_run_unstick(run);
    // What neither ends nor goes on has lost something on its way, unless somebody came from
    // outside meanwhile: he may have done what there was, and looks himself when he leaves. Acquire
    // pairs with his leaving.
    FT_ASSERT(goes_on || ft_atomic_load(&run->active, FT_ACQUIRE) > 0 ||
              ft_atomic_load(&run->resumed, FT_RELAXED) != resumed);
}

static bool is_over(const ft_run *run)
{
    return ft_atomic_load(&run->over, FT_ACQUIRE) != 0;
}

// Looks a few times more: what comes soon is cheaper to wait for than to be woken for. A source's
// turn on another worker is over in 50 us as a rule, and to be woken takes as long.
static ft_task *spin(ft_worker *worker)
{
    ft_run *run = worker->run;
    int64_t until = 0;

    for (int i = 0; run->threads > 1; i++) {
        FT_PAUSE();
        if (ft_scheduler_has_work(run))
            return find_task(worker, false);
        if (i < SPINS)
            continue;
        if (!ft_source_any_running(run))
            break;
        int64_t now = ft_clock_ns();
        if (!until)
            until = now + SPIN_NS;
        else if (now >= until)
            break;
    }
    return NULL;
}

// Sleeps until there is work: returns it, or NULL when it must be looked for or the run is over.
static ft_task *park(ft_worker *worker)
{
    ft_run *run = worker->run;

    worker->last_ns = 0;
    ft_task *task = run->one_lock ? NULL : spin(worker);
    if (task)
        return task;
    ft_idle_announce(&run->idle);
    task = find_task(worker, true);
    if (task) {
        if (ft_idle_retract(&run->idle))
            ft_atomic_sub(&run->active, 1, FT_ACQ_REL);  // Cannot come to 0: this worker is active.
        return task;
    }
    ft_global_lock_leave(worker);
    ft_active_leave(run);
    if (!ft_idle_sleep(&run->idle))
        return NULL;
    // First the lock, then a task: nobody has one that waits for the lock with it.
    ft_global_lock_take(worker);
    task = find_task(worker, true);
    if (task && ft_scheduler_has_work(run))
        ft_wake_one(run);
    return task;
}

// ---- spares ----

// Under idle_lock.
static bool start_worker(ft_run *run, size_t slot, bool is_spare, ft_error *err);

// Under idle_lock: one more worker, which counts as active, sleeping or new. False: none can be
// had.
static bool add_spare(ft_run *run)
{
    size_t started = (size_t)ft_atomic_load(&run->workers_started, FT_RELAXED), slot = 0;
    ft_error err = FT_ERROR_INIT;

    if (is_over(run))
        return false;
    if (run->spares_parked > run->spare_tokens) {
        run->spare_tokens++;
        run->spares_out++;
        ft_active_enter(run);
        ft_condition_wake_one(&run->spare_wake);
        return true;
    }
    while (slot < started && !run->workers[slot].is_free)
        slot++;
    if (slot == run->worker_room)
        return false;
    ft_active_enter(run);
    if (start_worker(run, slot, true, &err)) {
        run->spares_out++;
        return true;
    }
    ft_atomic_sub(&run->active, 1, FT_ACQ_REL);  // Cannot come to 0: the caller is active.
    return false;
}

bool ft_worker_replace(ft_worker *worker, bool (*claim)(void *host), void *host)
{
    ft_run *run = worker->run;

    ft_mutex_lock(&run->idle_lock);
    // The worker itself is active until it is claimed; then the one in its place is.
    bool ok = add_spare(run);
    bool claimed = ok && claim(host);
    if (claimed && worker->is_spare)
        run->spares_out--;
    else if (claimed)
        run->replaced++;
    ft_mutex_unlock(&run->idle_lock);
    if (claimed)
        ft_active_leave(run);
    return claimed;
}

void ft_worker_free(ft_worker *worker)
{
    ft_mutex_lock(&worker->run->idle_lock);
    worker->is_free = true;
    ft_mutex_unlock(&worker->run->idle_lock);
}

void ft_worker_block(ft_worker *worker)
{
    ft_run *run = worker->run;

    if (!worker->ring || worker->is_away)
        return;  // A thread of the pool, or one that was left behind, holds up nobody.
    if (worker->next)
        push(worker, ft_take(&worker->next));
    ft_mutex_lock(&run->idle_lock);
    run->blocked++;
    bool missing =
        ft_idle_sleepers(&run->idle) == 0 && run->spares_out < run->blocked + run->replaced;
    // Without a spare the run goes on more slowly: ft_run_unstick sees to it that it does.
    if (missing)
        ft_ignore(add_spare(run));
    ft_mutex_unlock(&run->idle_lock);
    ft_wake_one(run);
}

void ft_worker_unblock(ft_worker *worker)
{
    if (!worker->ring || worker->is_away)
        return;
    ft_mutex_lock(&worker->run->idle_lock);
    worker->run->blocked--;
    ft_mutex_unlock(&worker->run->idle_lock);
}

// A spare that is needed no longer sleeps until it is.
static void park_spare(ft_worker *worker)
{
    ft_run *run = worker->run;

    ft_mutex_lock(&run->idle_lock);
    bool surplus = run->spares_out > run->blocked + run->replaced;
    if (surplus) {
        run->spares_out--;
        run->spares_parked++;
    }
    ft_mutex_unlock(&run->idle_lock);
    if (!surplus)
        return;
    worker->last_ns = 0;
    if (worker->next)
        push(worker, ft_take(&worker->next));
    ft_wake_one(run);  // For what its ring holds.
    ft_global_lock_leave(worker);
    ft_active_leave(run);
    ft_mutex_lock(&run->idle_lock);
    while (run->spare_tokens == 0 && !is_over(run))
        ft_condition_wait(&run->spare_wake, &run->idle_lock);
    if (run->spare_tokens > 0)
        run->spare_tokens--;
    run->spares_parked--;
    ft_mutex_unlock(&run->idle_lock);
}

// ---- threads ----

static void run_under_lock(ft_worker *worker, ft_task *task)
{
    ft_global_lock_take(worker);
    ft_task_run(worker, task);
    ft_global_lock_yield(worker);
}

static void worker_main(void *host)
{
    ft_worker *worker = host;
    ft_run *run = worker->run;

    current_worker = worker;
    if (!worker->is_spare && run->threads > 1)
        ft_thread_settle(worker->slot, (size_t)run->threads);
    ft_watch_attach(worker);
    while (!is_over(run)) {
        if (worker->is_spare)
            park_spare(worker);
        if (is_over(run))
            break;
        ft_global_lock_take(worker);
        ft_task *task = find_task(worker, false);
        if (!task)
            task = park(worker);
        if (task && is_over(run))
            push(worker, task);  // ft_scheduler_drain finds it.
        else if (task)
            run_under_lock(worker, task);
        if (worker->is_left)
            return;  // Nothing here is its own any more.
    }
    ft_global_lock_leave(worker);
    if (worker->next)
        push(worker, ft_take(&worker->next));
    worker->pool_bytes = ft_pool_lease_bytes(ft_lease_current());
}

static bool start_worker(ft_run *run, size_t slot, bool is_spare, ft_error *err)
{
    ft_worker *worker = &run->workers[slot];
    int64_t started = ft_atomic_load(&run->workers_started, FT_RELAXED);
    char name[THREAD_NAME_BYTES];

    *worker = (ft_worker){.run = run,
                          .ring = &run->rings[slot],
                          .watch = &run->watches[slot],
                          .slot = (uint32_t)slot,
                          .is_spare = is_spare};
    snprintf(name, sizeof(name), "ftpipe-%u", (unsigned)slot);
    // Release pairs with the acquire of those that steal.
    if ((int64_t)slot == started)
        ft_atomic_store(&run->workers_started, started + 1, FT_RELEASE);
    if (ft_thread_start(&worker->thread, name, worker_main, worker, err))
        return true;
    worker->is_free = true;
    return false;
}

static void pool_main(void *host);

// One more thread for the pool. Where it cannot be had those there are will do, but not if all of
// them are inside sources: those may wait for the outside for ever, so the run cannot go on.
static bool grow_pool(ft_run *run, ft_pool *pool, ft_error *err)
{
    ft_worker *worker = &pool->workers[pool->started];
    char name[THREAD_NAME_BYTES];

    *worker = (ft_worker){.run = run,
                          .watch = &run->watches[run->worker_room + pool->started],
                          .slot = (uint32_t)(run->worker_room + pool->started)};
    snprintf(name, sizeof(name), "ftpipe-io-%u", (unsigned)pool->started);
    if (!ft_thread_start(&worker->thread, name, pool_main, worker, err))
        return pool->started > pool->sources;
    pool->started++;
    return true;
}

static bool grow_if_short(ft_run *run, ft_pool *pool, ft_error *err)
{
    return pool->idle >= pool->queued || pool->started == pool->room || pool->closed ||
           grow_pool(run, pool, err);
}

static void pool_main(void *host)
{
    ft_worker *worker = host;
    ft_pool *pool = &worker->run->pool;
    ft_error err = FT_ERROR_INIT;

    current_worker = worker;
    ft_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->first && !pool->closed) {
            pool->idle++;
            worker->last_ns = 0;
            ft_condition_wait(&pool->come, &pool->lock);
            pool->idle--;
        }
        if (pool->closed)
            break;
        ft_task *task = pool->first;
        pool->first = task->next;
        if (!pool->first)
            pool->last = NULL;
        pool->queued--;
        bool may_stay = task->kind == FT_TASK_SOURCE;
        pool->sources += may_stay;
        // What waits behind a source is not left to it.
        bool ok = !may_stay || grow_if_short(worker->run, pool, &err);
        ft_mutex_unlock(&pool->lock);
        if (!ok)
            ft_run_fail(worker->run, task->node, NULL, &err);
        run_under_lock(worker, task);
        if (worker->is_left)
            return;  // Nothing here is its own any more.
        ft_global_lock_leave(worker);
        ft_active_leave(worker->run);
        ft_mutex_lock(&pool->lock);
        pool->sources -= may_stay;
    }
    ft_mutex_unlock(&pool->lock);
}

static void pool_submit(ft_run *run, ft_task *task)
{
    ft_pool *pool = &run->pool;
    ft_node *node = task->node;
    ft_error err = FT_ERROR_INIT;

    ft_active_enter(run);  // For the task, until it is done.
    ft_mutex_lock(&pool->lock);
    task->next = NULL;
    *(pool->last ? &pool->last->next : &pool->first) = task;
    pool->last = task;
    pool->queued++;
    bool ok = grow_if_short(run, pool, &err);
    ft_condition_wake_one(&pool->come);
    ft_mutex_unlock(&pool->lock);
    if (!ok)
        ft_run_fail(run, node, NULL, &err);
}

void ft_dispatch(ft_worker *worker, ft_task *task)
{
    ft_run *run = task->node->run;

    // At the end of a chain containers are flushed and closed.
    if (task->node->on_pool || (task->kind == FT_TASK_END && task->node->chain)) {
        pool_submit(run, task);
        return;
    }
    if (!worker || !worker->ring) {
        list_push(&run->injected, task);
    } else if (worker->publishes) {
        push(worker, task);
    } else {
        ft_task *before = worker->next;
        worker->next = task;
        if (!before)
            return;
        push(worker, before);
    }
    ft_wake_one(run);
}

// ---- life ----

bool ft_scheduler_init(ft_run *run, ft_error *err)
{
    size_t blocking = 0;

    for (size_t i = 0; i < run->node_count; i++)
        if (run->nodes[i].on_pool)
            blocking += (size_t)run->nodes[i].cap;
    ft_mutex_init(&run->idle_lock);
    ft_idle_init(&run->idle);
    ft_condition_init(&run->spare_wake);
    ft_mutex_init(&run->pool.lock);
    ft_condition_init(&run->pool.come);
    ft_mutex_init(&run->injected.lock);
    run->pool.room = blocking;
    run->pool.workers = ft_arena_zero(run->arena, blocking + 1, sizeof(ft_worker));
    run->workers = ft_arena_zero(run->arena, run->worker_room, sizeof(ft_worker));
    run->rings =
        ft_arena_aligned(run->arena, run->worker_room * sizeof(ft_ring), FT_CACHE_LINE_BYTES);
    if (!run->pool.workers || !run->workers || !run->rings)
        return ft_fail_nomem(err, run->worker_room * sizeof(ft_ring));
    memset(run->rings, 0, run->worker_room * sizeof(ft_ring));
    return ft_runaway_init(run, err) && ft_monitor_init(run, err) && ft_global_lock_init(run, err);
}

bool ft_scheduler_start(ft_run *run, ft_error *err)
{
    bool ok = true;

    ft_atomic_store(&run->active, run->threads, FT_RELEASE);
    // The lock keeps the first of them from starting a spare in the place of the next.
    ft_mutex_lock(&run->idle_lock);
    for (int i = 0; ok && i < run->threads; i++)
        ok = start_worker(run, (size_t)i, false, err);
    ft_mutex_unlock(&run->idle_lock);
    return ok;
}

// How long a thread may take to come back from its stage when the run is over.
static int64_t grace_of(const ft_run *run)
{
    if (run->settings.grace_ms)
        return run->settings.grace_ms * MS_NS;
    return ft_atomic_load(&run->cancels, FT_SEQ_CST) > 1 ? GRACE_CANCELLED_MS * MS_NS
                                                         : GRACE_MS * MS_NS;
}

// False: the thread is inside a stage and does not come back.
static bool join_thread(ft_thread *thread, ft_watch *watch, int64_t deadline_ns)
{
    // What it held has failed already: nobody waits for it.
    if (ft_thread_join_until(thread, watch->abandoned.is_begun ? 0 : deadline_ns))
        return true;
    const ft_node *node = ft_watch_stage(watch);
    if (node && ft_runaway_abandon(watch)) {
        ft_log(FT_LOG_WARN, node->plan->name,
               "has not come back: it is abandoned, and the program ends without it");
        ft_thread_detach(thread);
        return false;
    }
    ft_thread_join(thread);  // On its way out.
    return true;
}

void ft_scheduler_stop(ft_run *run)
{
    ft_mutex_lock(&run->idle_lock);
    ft_atomic_store(&run->over, 1, FT_RELEASE);
    ft_condition_wake_all(&run->spare_wake);
    ft_mutex_unlock(&run->idle_lock);
    ft_idle_close(&run->idle);
    ft_mutex_lock(&run->pool.lock);
    run->pool.closed = true;
    ft_condition_wake_all(&run->pool.come);
    ft_mutex_unlock(&run->pool.lock);
    ft_monitor_stop(run);
    int64_t deadline_ns = ft_clock_ns() + grace_of(run);
    for (size_t i = 0; i < run->worker_room; i++)
        if (!join_thread(&run->workers[i].thread, &run->watches[i], deadline_ns))
            run->is_abandoned = true;
    for (size_t i = 0; i < run->pool.room; i++)
        if (!join_thread(&run->pool.workers[i].thread, &run->watches[run->worker_room + i],
                         deadline_ns))
            run->is_abandoned = true;
    ft_monitor_collect(run);
}

void ft_scheduler_finish(ft_run *run)
{
    ft_monitor_finish(run);
    ft_global_lock_finish(run);
    if (!run->rings)
        return;
    ft_mutex_finish(&run->injected.lock);
    ft_mutex_finish(&run->idle_lock);
    ft_idle_finish(&run->idle);
    ft_condition_finish(&run->spare_wake);
    ft_mutex_finish(&run->pool.lock);
    ft_condition_finish(&run->pool.come);
}

void ft_scheduler_drain(ft_run *run, void (*drop)(ft_task *task))
{
    ft_task *task;

    for (size_t i = 0; i < run->worker_room; i++)
        while ((task = ft_ring_pop(&run->rings[i])))
            drop(task);
    while ((task = list_pop(&run->injected, true)))
        drop(task);
    while ((task = run->pool.first)) {
        run->pool.first = task->next;
        drop(task);
    }
}
