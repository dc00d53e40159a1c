// The monitor. It looks at the workers every 5 ms while anything runs, and sleeps until it is rung
// when nothing does: an idle process wakes up not once.
//
// It leaves a thread behind when all of these hold:
//   - its stay in a stage is longer than the stage's patience: 10 ms at first, twice what a turn
//     took that did come back, or the budget of a stage that says that it computes;
//   - it has used 10 ms of CPU time since, so it is not one that the kernel kept waiting; or none
//     to speak of in 200 ms, so it waits for something;
//   - something has waited for a worker at every look for 20 ms, and no worker was idle; or the
//     stay has lasted for a second more than it may.
// So an endless stage is named within 20 + 5 ms of holding others up, or soon after a second where
// it holds up nobody.
//
// A thread that is bound holds up all there is: its stage is named after 20 ms that it has worked
// beyond its patience, or a second that it waits, as a slow disk makes it do.
#include "engine/monitor.h"

#include <errno.h>
#include <time.h>

#include "engine/abandon.h"
#include "engine/scheduler.h"
#include "runtime/log.h"
#include "runtime/system/clock.h"

#define MS INT64_C(1000000)

static const int64_t tick_ns = 5 * MS;
static const int64_t quantum_ns = 10 * MS;
static const int64_t compute_ns = 10000 * MS;
static const int64_t waiting_ns = 20 * MS;
static const int64_t asleep_ns = 200 * MS;
static const int64_t alone_ns = 1000 * MS;
static const int64_t grace_ns = 30 * 1000 * MS;
enum { STATE_MASK = 3, ASLEEP_SHARE = 20, LONG_NS = 1000000000 };

// ---- what came back ----

static void collect_returned(ft_run *run)
{
    struct ft_monitor *monitor = run->monitor;
    // Acquire pairs with the push: the turns are ours.
    ft_watch *watch = ft_atomic_exchange(&monitor->returned, NULL, FT_ACQUIRE), *next;

    for (; watch; watch = next) {
        next = watch->next;
        ft_node *node = ft_runaway_node(watch);
        watch->leaving = &run->workers[watch - run->watches].thread;
        monitor->leaving++;
        watch->task = (ft_task){.kind = FT_TASK_RETURNED, .node = node};
        // It does not come back by itself any more. While it is put up the monitor counts as
        // active, so it finds out if nobody is free to finish it.
        ft_active_enter(run);
        if (!watch->abandoned.is_begun)
            ft_atomic_sub(&monitor->left, 1, FT_ACQ_REL);
        ft_dispatch(NULL, &watch->task);
        ft_active_leave(run);
    }
}

// Threads that handed over end soon; then their slots may be used again.
static void collect_ended(ft_run *run)
{
    struct ft_monitor *monitor = run->monitor;

    for (size_t i = 0; monitor->leaving > 0 && i < run->worker_room; i++) {
        ft_watch *watch = &run->watches[i];
        if (!watch->leaving || !ft_atomic_load(&watch->is_finished, FT_ACQUIRE) ||
            !ft_thread_try_join(watch->leaving))
            continue;
        watch->leaving = NULL;
        // Release: whoever gets the slot finds it as it was before the first turn.
        ft_atomic_store(&watch->word, watch->number * (STATE_MASK + 1), FT_RELEASE);
        ft_atomic_store(&watch->is_finished, 0, FT_RELAXED);
        monitor->leaving--;
        ft_worker_free(&run->workers[i]);
    }
}

void ft_monitor_collect(ft_run *run)
{
    collect_returned(run);
    collect_ended(run);
}

// ---- looking ----

static int64_t patience_of(const ft_node *node)
{
    int64_t budget = node->plan->budget_ms * MS;

    if (!budget && node->plan->pace == FT_PACE_COMPUTE)
        budget = compute_ns;
    // Relaxed: a hint.
    int64_t learned = ft_atomic_load(&node->patience_ns, FT_RELAXED);

    if (budget < quantum_ns)
        budget = quantum_ns;
    return learned > budget ? learned : budget;
}

// How long the stay has lasted that `watch` shows, in nanoseconds beyond the stage's patience;
// below 0: not, or the thread is only kept waiting.
static int64_t overdue(ft_watch *watch, int64_t now, uint64_t *word, bool *works)
{
    // Acquire pairs with the release of the thread that came in.
    *word = ft_atomic_load(&watch->word, FT_ACQUIRE);
    if ((*word & STATE_MASK) != FT_WATCH_STAGE && (*word & STATE_MASK) != FT_WATCH_BOUND)
        return -1;
    int32_t clock = (int32_t)ft_atomic_load(&watch->clock, FT_RELAXED);
    int64_t age = now - ft_atomic_load(&watch->started_ns, FT_RELAXED);
    int64_t cpu = ft_clock_cpu_ns(clock);
    if (watch->seen != *word) {
        watch->seen = *word;
        watch->seen_cpu_ns = cpu;
        return -1;
    }
    cpu -= watch->seen_cpu_ns;
    *works = cpu >= quantum_ns;
    bool waits = age >= asleep_ns && cpu < age / ASLEEP_SHARE;
    const ft_node *node = ft_atomic_load(&watch->node, FT_RELAXED);
    return *works || waits ? age - patience_of(node) : -1;
}

static void leave_behind(ft_run *run, ft_watch *watch, uint64_t word)
{
    ft_node *node = ft_atomic_load(&watch->node, FT_RELAXED);
    const char *call = ft_atomic_load(&watch->call, FT_RELAXED);
    int64_t age = ft_clock_ns() - ft_atomic_load(&watch->started_ns, FT_RELAXED);
    ft_error err = FT_ERROR_INIT;

    if (ft_runaway_leave(run, watch, word)) {
        ft_atomic_add(&run->monitor->left_ever, 1, FT_RELAXED);
        ft_atomic_add(&node->runaways, 1, FT_RELAXED);
        ft_runaway_tell(run, watch, node, call, age);
        ft_ignore(ft_abandon_begin(run, watch, call));
    } else if (ft_atomic_load(&watch->word, FT_ACQUIRE) == word) {
        ft_fail(&err, FT_ERROR_LIMIT, "`%s` does not come back, and %lld threads were left behind",
                node->plan->name, (long long)ft_atomic_load(&run->monitor->left, FT_RELAXED));
        ft_hint(&err, "If its turns are long and honest, give it `class: compute`.");
        ft_run_fail(run, node, NULL, &err);
    }
}

static void name_bound(ft_watch *watch, uint64_t word, int64_t by, bool works)
{
    const ft_node *node = ft_atomic_load(&watch->node, FT_RELAXED);
    const char *call = ft_atomic_load(&watch->call, FT_ACQUIRE);
    int64_t age = ft_clock_ns() - ft_atomic_load(&watch->started_ns, FT_RELAXED);

    if (watch->told == word || by < (works ? waiting_ns : alone_ns) ||
        ft_atomic_load(&watch->word, FT_ACQUIRE) != word)
        return;
    watch->told = word;
    ft_log(FT_LOG_WARN, node->plan->name,
           "has not come back from %s for %lld ms, and the run waits for it: if %s, the third "
           "Ctrl-C ends the program at once",
           call, (long long)(age / MS),
           works ? "it is not honest work" : "what it waits for does not come");
}

// Has something waited for a worker, and none been idle, all the time?
static bool is_held_up(ft_run *run, int64_t now)
{
    struct ft_monitor *monitor = run->monitor;
    // Relaxed: what is so at every look for 20 ms is so.
    bool waits = ft_idle_sleepers(&run->idle) == 0 && ft_scheduler_has_work(run);

    if (!waits)
        monitor->waiting_since_ns = 0;
    else if (!monitor->waiting_since_ns)
        monitor->waiting_since_ns = now;
    return waits && now - monitor->waiting_since_ns >= waiting_ns;
}

static void look(ft_run *run, int64_t now)
{
    size_t count = (size_t)ft_atomic_load(&run->workers_started, FT_ACQUIRE);
    bool held_up = is_held_up(run, now), works;
    int64_t longest = -1;
    uint64_t word, longest_word = 0;
    ft_watch *watch = NULL;

    for (size_t i = 0; i < count; i++) {
        int64_t by = overdue(&run->watches[i], now, &word, &works);
        if (by >= 0 && (word & STATE_MASK) == FT_WATCH_BOUND) {
            name_bound(&run->watches[i], word, by, works);
            continue;
        }
        if (by < 0 || by <= longest || (!held_up && by < alone_ns))
            continue;
        watch = &run->watches[i];
        longest = by;
        longest_word = word;
    }
    if (watch)
        leave_behind(run, watch, longest_word);
}

static void look_at_caller(ft_run *run, int64_t now)
{
    uint64_t word;
    bool works;
    int64_t by = overdue(ft_watch_caller(run), now, &word, &works);

    if (by >= 0)
        name_bound(ft_watch_caller(run), word, by, works);
}

// ---- when nothing is left but what was left behind ----

static ft_watch *any_left(ft_run *run)
{
    for (size_t i = 0; i < run->worker_room; i++)
        if ((ft_atomic_load(&run->watches[i].word, FT_ACQUIRE) & STATE_MASK) == FT_WATCH_LEFT &&
            !run->watches[i].leaving && !run->watches[i].abandoned.is_begun)
            return &run->watches[i];
    return NULL;
}

static bool is_source_open(const ft_run *run)
{
    for (size_t i = 0; i < run->source_count; i++)
        if (run->sources[i]->plan->blocks &&
            ft_atomic_load(&run->sources[i]->source->state, FT_ACQUIRE) == FT_SOURCE_RUNNING)
            return true;
    return false;
}

// Everything else is done, or waits for a turn that was left behind: after a grace that is a
// failure. Returns in how many nanoseconds to look again.
static int64_t wait_for_left(ft_run *run, int64_t now)
{
    struct ft_monitor *monitor = run->monitor;
    int64_t grace = run->settings.grace_ms ? run->settings.grace_ms * MS : grace_ns;
    ft_watch *watch = any_left(run);
    ft_error err = FT_ERROR_INIT;

    if (!watch || is_source_open(run)) {
        monitor->still_since_ns = 0;
        return watch ? 0 : tick_ns;
    }
    if (!monitor->still_since_ns)
        monitor->still_since_ns = now;
    if (now - monitor->still_since_ns < grace)
        return grace - (now - monitor->still_since_ns);
    ft_node *node = ft_atomic_load(&watch->node, FT_RELAXED);
    ft_fail(&err, FT_ERROR_LIMIT, "`%s` has not come back for %lld s, and everything else is done",
            node->plan->name, (long long)((now - watch->left_ns) / (1000 * MS)));
    ft_hint(&err, "If its turns are long and honest, give it `class: compute`.");
    ft_run_fail(run, node, NULL, &err);
    return 0;
}

// ---- the thread ----

// 0: until it is rung.
static void rest(struct ft_monitor *monitor, int64_t ns)
{
    struct timespec until;

    if (ns <= 0) {
        while (sem_wait(&monitor->bell) != 0)
            FT_ASSERT(errno == EINTR);
        return;
    }
    // The semaphore knows wall time only; if that jumps, this wakes early or late.
    int64_t at_ms = ft_clock_wall_ms() + (ns + MS - 1) / MS;
    until = (struct timespec){.tv_sec = (time_t)(at_ms / 1000), .tv_nsec = (at_ms % 1000) * MS};
    if (sem_timedwait(&monitor->bell, &until) != 0)
        FT_ASSERT(errno == EINTR || errno == ETIMEDOUT);
}

static void monitor_main(void *host)
{
    ft_run *run = host;
    struct ft_monitor *monitor = run->monitor;

    while (!ft_atomic_load(&monitor->is_over, FT_ACQUIRE)) {
        int64_t now = ft_clock_ns(), wait = tick_ns;
        // Acquire pairs with the end of the workers. Whoever ends them collects, and what those
        // that were abandoned still bring stays where it is.
        bool is_over = ft_atomic_load(&run->over, FT_ACQUIRE);
        if (!is_over)
            ft_monitor_collect(run);
        // Sequentially consistent, as ft_active_enter: whoever begins sees is_asleep, or is seen.
        ft_atomic_store(&monitor->is_asleep, 1, FT_SEQ_CST);
        if (ft_atomic_load(&run->active, FT_SEQ_CST) > 0) {
            ft_atomic_store(&monitor->is_asleep, 0, FT_RELAXED);
            monitor->still_since_ns = 0;
            look_at_caller(run, now);
            if (!is_over)
                look(run, now);
        } else if (is_over) {
            wait = 0;
        } else {
            monitor->waiting_since_ns = 0;
            wait = ft_atomic_load(&monitor->left, FT_ACQUIRE) > 0 ? wait_for_left(run, now) : 0;
            if (monitor->leaving > 0)
                wait = tick_ns;
        }
        rest(monitor, wait);
    }
}

void ft_monitor_wake(ft_run *run)
{
    struct ft_monitor *monitor = run->monitor;

    if (monitor && ft_atomic_load(&monitor->is_asleep, FT_SEQ_CST) &&
        ft_atomic_exchange(&monitor->is_asleep, 0, FT_SEQ_CST))
        sem_post(&monitor->bell);
}

// ---- life ----

bool ft_monitor_init(ft_run *run, ft_error *err)
{
    struct ft_monitor *monitor = ft_arena_zero(run->arena, 1, sizeof(*monitor));

    if (!monitor)
        return ft_fail_nomem(err, sizeof(*monitor));
    FT_ASSERT(sem_init(&monitor->bell, 0, 0) == 0);
    run->monitor = monitor;
    return true;
}

bool ft_monitor_start(ft_run *run, ft_error *err)
{
    ft_atomic_store(&run->monitor->is_over, 0, FT_RELAXED);  // Before there is a thread.
    return run->one_lock ||
           ft_thread_start(&run->monitor->thread, "ftpipe-monitor", monitor_main, run, err);
}

void ft_monitor_stop(ft_run *run)
{
    ft_atomic_store(&run->monitor->is_over, 1, FT_RELEASE);
    sem_post(&run->monitor->bell);
    ft_thread_join(&run->monitor->thread);
}

void ft_monitor_finish(ft_run *run)
{
    if (run->monitor)
        sem_destroy(&run->monitor->bell);
}
