// Turns that are left behind. _GNU_SOURCE for dladdr, which names the functions of a backtrace.
#define _GNU_SOURCE
#include "engine/runaway.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "engine/abandon.h"
#include "engine/flow.h"
#include "engine/monitor.h"
#include "engine/scheduler.h"
#include "engine/train.h"
#include "runtime/log.h"
#include "runtime/memory/alloc.h"
#include "runtime/random.h"
#include "runtime/system/clock.h"

enum {
    STATE_BITS = 2,
    STATE_MASK = 3,
    NICE_LOWEST = 19,
    FRAMES_SHOWN = 4,
    LINE_BYTES = 512,
    PATIENCE_FACTOR = 2,
    CHAOS_YIELD = 8,  // One turn in so many.
    CHAOS_LEAVE = 16,
};
static const int64_t patience_most_ns = 1000 * INT64_C(1000000);

static FT_THREAD_LOCAL ft_watch *own_watch;

// ---- the thread's side ----

static uint64_t word_of(uint64_t number, ft_watch_state state)
{
    return number << STATE_BITS | (uint64_t)state;
}

static void enter(ft_watch *watch, int64_t now_ns)
{
    watch->number++;
    watch->is_inside = true;
    // Relaxed: the word, stored behind it, publishes it.
    ft_atomic_store(&watch->started_ns, now_ns, FT_RELAXED);
    // Release pairs with the acquire of the monitor.
    ft_atomic_store(&watch->word, word_of(watch->number, FT_WATCH_STAGE), FT_RELEASE);
}

static bool leave(ft_watch *watch)
{
    uint64_t expected = word_of(watch->number, FT_WATCH_STAGE);

    // Release pairs with the monitor's acquire: nothing of the stay comes behind it.
    if (ft_atomic_cas(&watch->word, &expected, word_of(watch->number, FT_WATCH_ENGINE), FT_RELEASE))
        return true;
    // Acquire pairs with the claim: what the monitor did before it is seen. A compare-and-swap that
    // fails is relaxed.
    (void)ft_atomic_load(&watch->word, FT_ACQUIRE);
    return false;
}

static bool claim_own(void *host)
{
    ft_watch *watch = host;
    uint64_t expected = word_of(watch->number, FT_WATCH_STAGE);

    return ft_atomic_cas(&watch->word, &expected, word_of(watch->number, FT_WATCH_LEFT),
                         FT_ACQ_REL);
}

// For tests: turns yield, and are left behind as if the monitor had claimed them, by chance.
static void shake(ft_watch *watch)
{
    ft_run *run = watch->worker->run;
    uint64_t dice;

    if (FT_LIKELY(!run->settings.chaos))
        return;
    dice = ft_hash((ft_slice){(const char *)&watch->number, sizeof(watch->number)},
                   run->settings.chaos + watch->worker->slot);
    if (dice % CHAOS_YIELD == 0)
        sched_yield();
    if (dice / CHAOS_YIELD % CHAOS_LEAVE != 0)
        return;
    watch->is_forced = true;
    watch->left_ns = ft_clock_ns();
    // Counted first, as in ft_runaway_leave.
    ft_atomic_add(&run->monitor->left, 1, FT_ACQ_REL);
    if (!ft_worker_replace(watch->worker, claim_own, watch))
        ft_atomic_sub(&run->monitor->left, 1, FT_ACQ_REL);
}

void ft_watch_enter(ft_worker *worker, ft_node *node, int64_t now_ns)
{
    ft_watch *watch = worker->watch;

    if (worker->run->one_lock || watch->is_inside)
        return;
    ft_atomic_store(&watch->node, node, FT_RELAXED);  // Published by the word.
    watch->is_forced = false;
    enter(watch, now_ns);
    if (worker->ring)
        shake(watch);
}

bool ft_watch_leave(ft_worker *worker)
{
    ft_watch *watch = worker->watch;

    if (!watch->is_inside)
        return true;
    watch->is_inside = false;
    return leave(watch);
}

void ft_watch_begin(ft_worker *worker, ft_node *node, const char *call)
{
    ft_atomic_store(&worker->watch->call, (void *)(uintptr_t)call, FT_RELAXED);  // As the node.
    ft_watch_enter(worker, node, ft_clock_ns());
}

bool ft_watch_end(ft_worker *worker)
{
    bool stays = ft_watch_leave(worker);

    ft_atomic_store(&worker->watch->call, NULL, FT_RELAXED);
    return stays;
}

void ft_watch_go_on(ft_worker *worker)
{
    if (ft_watch_end(worker))
        return;
    worker->watch->is_inside = true;
    worker->is_away = true;  // Not counted in `active` any more.
}

void ft_watch_bind(ft_watch *watch, ft_node *node, const char *call)
{
    watch->number++;
    // Relaxed: the word, stored behind them, publishes them.
    ft_atomic_store(&watch->node, node, FT_RELAXED);
    ft_atomic_store(&watch->call, (void *)(uintptr_t)call, FT_RELAXED);
    ft_atomic_store(&watch->clock, ft_thread_clock(), FT_RELAXED);
    ft_atomic_store(&watch->started_ns, ft_clock_ns(), FT_RELAXED);
    // Release pairs with the acquire of the monitor.
    ft_atomic_store(&watch->word, word_of(watch->number, FT_WATCH_BOUND), FT_RELEASE);
    ft_active_enter(node->run);  // The monitor is to look.
}

void ft_watch_unbind(ft_watch *watch, ft_run *run)
{
    ft_atomic_store(&watch->word, word_of(watch->number, FT_WATCH_ENGINE), FT_RELEASE);
    // Release pairs with the acquire in name_bound: who sees this sees the word too.
    ft_atomic_store(&watch->call, NULL, FT_RELEASE);
    // Nothing can stand still for that: there are no workers yet, or none any more, or this is one.
    ft_atomic_sub(&run->active, 1, FT_ACQ_REL);
}

ft_watch *ft_watch_caller(const ft_run *run)
{
    return &run->watches[run->worker_room + run->pool.room];
}

bool ft_watch_pause(ft_worker *worker)
{
    ft_watch *watch = worker->watch;

    // A thread of the pool may be inside a source that waits for the outside.
    if (!watch->is_inside || (worker->is_away && worker->ring))
        return false;
    if (leave(watch))
        return true;
    worker->is_away = true;  // Left behind: not counted in `active` any more.
    return false;
}

void ft_watch_resume(ft_worker *worker)
{
    enter(worker->watch, ft_clock_ns());
}

ft_node *ft_runaway_node(const ft_watch *watch)
{
    switch (watch->kind) {
    case FT_WATCH_PACKET:
        return watch->packet.node;
    case FT_WATCH_SOURCE:
        return watch->source.node;
    case FT_WATCH_END:
        break;
    }
    return watch->end.node;
}

// Whose turn has begun; NULL: it could not be opened, or nothing is flushed.
static ft_instance *instance_of(const ft_watch *watch)
{
    switch (watch->kind) {
    case FT_WATCH_PACKET:
        return watch->packet.instance;
    case FT_WATCH_SOURCE:
        return watch->source.instance;
    case FT_WATCH_END:
        break;
    }
    return watch->end.instance;
}

// What the turn holds changes its owner with it, as in any queue: the thread's lease ends.
void ft_runaway_pass(ft_watch *watch, bool take)
{
    const ft_instance *instance = instance_of(watch);
    ft_packet *piece = watch->kind == FT_WATCH_PACKET ? watch->packet.first : NULL;

    for (; piece; piece = piece->next_piece)
        (take ? ft_packet_receive : ft_packet_hand_over)(piece);
    for (size_t i = 0; instance && i < instance->node->port_count; i++)
        for (size_t j = 0; j < instance->turn.out[i].count; j++)
            (take ? ft_batch_receive : ft_batch_hand_over)(instance->turn.out[i].items[j]);
}

void ft_runaway_hand_over(ft_worker *worker, ft_watch_kind kind)
{
    ft_watch *watch = worker->watch;
    struct ft_monitor *monitor = worker->run->monitor;
    void *first = ft_atomic_load(&monitor->returned, FT_RELAXED);

    worker->is_left = true;
    if (!worker->ring)
        return;  // Abandoned: the run is over, and keeps the turn as it is.
    watch->kind = kind;
    ft_runaway_pass(watch, false);
    // Release pairs with the acquire of the one that takes the list: the turn is its from here on.
    do
        watch->next = first;
    while (!ft_atomic_cas_weak(&monitor->returned, &first, watch, FT_RELEASE));
    sem_post(&monitor->bell);
}

// ---- in the signal handler ----

static size_t add_text(char *to, size_t size, const char *text)
{
    for (; *text && size < FT_TRACE_PLACE_BYTES - 1; text++)
        to[size++] = *text;
    to[size] = '\0';
    return size;
}

static void add_number(char *to, size_t size, uint64_t number)
{
    char digits[24];
    size_t at = sizeof(digits) - 1;

    digits[at] = '\0';
    do
        digits[--at] = (char)('0' + number % 10);
    while (number /= 10);
    add_text(to, size, digits + at);
}

// What the thread is at: the place of the first item that the stage was given. By hand, as snprintf
// may allocate and take locks.
static void write_place(ft_watch *watch)
{
    const ft_instance *at = watch->worker->at;

    watch->place[0] = '\0';
    if (!watch->is_inside || !at || at->turn.stream || at->turn.place == 0)
        return;
    size_t size = add_text(watch->place, 0, at->turn.part ? at->turn.part : "");
    size = add_text(watch->place, size, at->turn.part ? ", byte " : "item ");
    add_number(watch->place, size, at->turn.place - 1);
}

// SCHED_IDLE has a fifth of the weight of nice 19 (3 of 1024 against 15: kernel/sched/sched.h), and
// anybody may enter it (sched(7)); nice 19 is for where a filter of system calls refuses that.
// Returns 0 or the error. Nothing is to be raised again: a thread that comes back ends.
static int lower_priority(void)
{
    const struct sched_param none = {0};

    if (sched_setscheduler(0, SCHED_IDLE, &none) == 0)
        return 0;
    return setpriority(PRIO_PROCESS, 0, NICE_LOWEST) == 0 ? 0 : errno;
}

// The thread demotes itself, so no other can be hit by mistake; an endless stage never gets to do
// it by itself. Only what is safe in a handler: system calls, sem_post (signal-safety(7)), stores,
// and backtrace, which is not on the list: its first call loads libgcc (backtrace(3)), and that is
// ft_runaway_init's. From then on it walks the stack without memory of its own; libgcc finds the
// tables of a library by _dl_find_object, which takes no lock (GCC 12, glibc
// 2.35).
static void on_signal(int number)
{
    int before = errno;
    ft_watch *watch = own_watch;

    (void)number;
    if (!watch) {
        errno = before;
        return;
    }
    ft_atomic_store(&watch->nice_errno, lower_priority(), FT_RELAXED);
    watch->frame_count = backtrace(watch->frames, FT_TRACE_FRAMES);
    write_place(watch);
    // Release pairs with the acquire of the monitor that waits for it.
    ft_atomic_store(&watch->is_traced, 1, FT_RELEASE);
    sem_post(&watch->worker->run->monitor->bell);
    errno = before;
}

bool ft_runaway_init(ft_run *run, ft_error *err)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    void *frames[FT_TRACE_FRAMES];

    size_t count = run->worker_room + run->pool.room + 1;  // The last is the caller's.

    run->watches = ft_arena_zero(run->arena, count, sizeof(ft_watch));
    if (!run->watches)
        return ft_fail_nomem(err, count * sizeof(ft_watch));
    backtrace(frames, FT_TRACE_FRAMES);  // Loads libgcc, which a handler must not.
    sigemptyset(&action.sa_mask);
    // Ignored by default, and sent by nobody else: a socket's urgent data must be asked for.
    sigaction(SIGURG, &action, NULL);
    return true;
}

void ft_watch_attach(ft_worker *worker)
{
    ft_watch *watch = worker->watch;
    sigset_t set;

    watch->worker = worker;
    own_watch = watch;
    // Relaxed: published by the word of the first turn.
    ft_atomic_store(&watch->clock, ft_thread_clock(), FT_RELAXED);
    ft_atomic_store(&watch->call, NULL, FT_RELAXED);
    sigemptyset(&set);
    sigaddset(&set, SIGURG);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

// ---- the monitor's side ----

ft_node *ft_watch_stage(const ft_watch *watch)
{
    uint64_t word = ft_atomic_load(&watch->word, FT_ACQUIRE);

    return (word & STATE_MASK) == FT_WATCH_ENGINE ? NULL : ft_atomic_load(&watch->node, FT_RELAXED);
}

bool ft_runaway_abandon(ft_watch *watch)
{
    uint64_t word = ft_atomic_load(&watch->word, FT_ACQUIRE);

    if ((word & STATE_MASK) == FT_WATCH_STAGE &&
        ft_atomic_cas(&watch->word, &word, word - FT_WATCH_STAGE + FT_WATCH_LEFT, FT_ACQ_REL))
        return true;
    // Left behind before; it pushes what it has behind this.
    return (word & STATE_MASK) == FT_WATCH_LEFT;
}

typedef struct {
    ft_watch *watch;
    uint64_t seen;
} claiming;

static bool claim_seen(void *host)
{
    const claiming *claim = host;
    uint64_t expected = claim->seen;

    // Acquire and release: the thread that comes back sees what was done for it, and the other way
    // round.
    return ft_atomic_cas(&claim->watch->word, &expected,
                         claim->seen - FT_WATCH_STAGE + FT_WATCH_LEFT, FT_ACQ_REL);
}

bool ft_runaway_leave(ft_run *run, ft_watch *watch, uint64_t seen)
{
    claiming claim = {watch, seen};
    ft_worker *worker = &run->workers[watch - run->watches];

    // Counted before the thread leaves `active`, so that whoever brings that to 0 knows of it.
    ft_atomic_add(&run->monitor->left, 1, FT_ACQ_REL);
    if (ft_worker_replace(worker, claim_seen, &claim)) {
        watch->left_ns = ft_clock_ns();
        return true;
    }
    ft_atomic_sub(&run->monitor->left, 1, FT_ACQ_REL);
    return false;
}

static void append(char *line, const char *text)
{
    size_t size = strlen(line);

    snprintf(line + size, LINE_BYTES - size, "%s", text);
}

// Names of the innermost functions that are the stage's.
static void append_frames(char *line, const ft_watch *watch)
{
    int shown = 0;
    char text[LINE_BYTES];

    // The first two are the handler and the frame that the kernel made for it.
    for (int i = 2; i < watch->frame_count && shown < FRAMES_SHOWN; i++) {
        Dl_info info;
        bool known = dladdr(watch->frames[i], &info) != 0;
        if (known && info.dli_sname)
            snprintf(text, sizeof(text), "%s", info.dli_sname);
        else
            snprintf(text, sizeof(text), "+0x%zx",
                     (size_t)((char *)watch->frames[i] - (known ? (char *)info.dli_fbase : NULL)));
        append(line, shown ? " < " : "; at ");
        append(line, text);
        shown++;
    }
}

void ft_runaway_tell(ft_run *run, ft_watch *watch, const ft_node *node, const char *call,
                     int64_t age_ns)
{
    enum { TRIES = 10 };
    char line[LINE_BYTES];
    struct timespec until;

    // A thread of this process that has not been joined: the call is safe even when it has ended.
    ft_atomic_store(&watch->is_traced, 0, FT_RELAXED);
    pthread_kill(run->workers[watch - run->watches].thread.thread, SIGURG);
    for (int i = 0; i < TRIES && !ft_atomic_load(&watch->is_traced, FT_ACQUIRE); i++) {
        int64_t ms = ft_clock_wall_ms() + 1;
        until = (struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (ms % 1000) * 1000000};
        sem_timedwait(&run->monitor->bell, &until);
    }
    bool traced = ft_atomic_load(&watch->is_traced, FT_ACQUIRE);
    snprintf(line, sizeof(line),
             "has not come back%s%s for %lld ms: it is left behind, the rest goes on",
             call ? " from " : "", call ? call : "", (long long)(age_ns / 1000000));
    if (traced && watch->place[0]) {
        append(line, "; with ");
        append(line, watch->place);
    }
    if (traced)
        append_frames(line, watch);
    if (traced && ft_atomic_load(&watch->nice_errno, FT_RELAXED))
        append(line, "; its thread could not be given a lower priority");
    ft_log(FT_LOG_WARN, node->plan->name, "%s", line);
}

// ---- what came back ----

void ft_runaway_finish(ft_worker *worker, ft_task *task)
{
    ft_watch *watch = (ft_watch *)task;
    ft_node *node = task->node;

    if (watch->abandoned.is_begun) {
        ft_abandon_returned(watch);
        return;
    }
    ft_abandon_unkeep(watch);
    // Longer than it took this time is what its turns may take from here on.
    int64_t took = ft_clock_ns() - ft_atomic_load(&watch->started_ns, FT_RELAXED);
    int64_t patience =
        took < patience_most_ns / PATIENCE_FACTOR ? took * PATIENCE_FACTOR : patience_most_ns;
    if (!watch->is_forced && watch->kind != FT_WATCH_END &&
        patience > ft_atomic_load(&node->patience_ns, FT_RELAXED))
        ft_atomic_store(&node->patience_ns, patience, FT_RELAXED);
    ft_runaway_pass(watch, true);
    // The watch may be another thread's once it is finished.
    ft_watch_kind kind = watch->kind;
    if (kind == FT_WATCH_SOURCE)
        ft_source_stay_finish(worker, &watch->source);
    else if (kind == FT_WATCH_PACKET)
        ft_packet_turn_finish(worker, &watch->packet);
    else
        worker->watch->end = watch->end;
    // Release pairs with the acquire of the monitor, which lets the slot be used again.
    ft_atomic_store(&watch->is_finished, 1, FT_RELEASE);
    if (kind == FT_WATCH_PACKET)
        ft_packet_turn_follow(worker, node);
    else if (kind == FT_WATCH_END)
        ft_flow_end_go_on(worker);
}

void ft_runaway_drop(ft_task *task)
{
    ft_watch *watch = (ft_watch *)task;

    if (watch->abandoned.is_begun) {
        ft_abandon_returned(watch);
        return;
    }
    ft_abandon_unkeep(watch);
    ft_instance *instance = instance_of(watch);

    ft_runaway_pass(watch, true);
    if (instance)
        ft_turn_end(instance);
    for (ft_packet *packet = watch->kind == FT_WATCH_PACKET ? watch->packet.first : NULL, *next;
         packet; packet = next) {
        next = packet->next_piece;
        ft_packet_destroy(task->node->run, packet);
    }
}
