// The gate of the account: charges that do not fit wait here, oldest batch first.
//
// `used_bytes` never passes the limit, since every charge is one compare-and-swap in account.c.
// Ordinary charges stop at the common bytes (nine tenths); the oldest flight may fill the rest. Age
// is the order of birth, so there is always exactly one oldest, and when it is done the next one
// is.
//
// Why nothing waits for ever. Whoever waits has left `active` and, if it is a worker, has a spare
// in its place, so every queued packet still finds a thread. Whatever releases memory or ends a
// flight looks through the waiters and makes the charges of those that fit now, so no wake-up can
// be missed: charging, and counting the waiter as active again, happen under the gate's lock on the
// waiter's behalf. If all the same nothing can go on, `active` comes to 0 and ft_run_unstick is
// called: the oldest of those that wait gets what there is up to the limit. If that is not enough,
// the youngest other one whose batch can be done again fails: its turn is undone, which gives its
// memory back, and waits without any until it is the oldest of those that wait. Only when there is
// none left does the oldest fail with LIMIT. So an item fails only if it would not fit beside what
// cannot be undone. Each call ends one wait, and a turn is undone only for an older one, so there
// is progress after every standstill. If nobody waits, what stands still is a source that was held
// back (too much in flight, or memory in the hands of a stage that keeps batches), and one of them
// is started in spite of that.
#include "engine/gate.h"

#include "engine/global_lock.h"
#include "engine/monitor.h"
#include "engine/scheduler.h"
#include "engine/sources.h"
#include "engine/turn.h"
#include "runtime/memory/alloc.h"
#include "runtime/system/clock.h"

struct ft_gate_waiter {
    ft_gate_waiter *next;
    uint64_t birth;
    uint32_t node;  // Two branches may work at one flight: who of them is older is a matter of
                    // their nodes.
    int64_t size_bytes;
    bool may_undo;  // Its turn can be done again.
    bool retries;   // Its turn was undone; size_bytes is 0.
    enum { WAITS, CHARGED, TOO_BIG, UNDONE, CANCELLED } outcome;
    ft_condition changed;
};

static bool is_oldest(const ft_gate *gate, uint64_t birth)
{
    return !gate->oldest || gate->oldest->birth >= birth;
}

// The order of the line. It is total and does not depend on who came when, so of two turns that
// want the same memory it is always the same one that is undone.
static bool is_older(const ft_gate_waiter *a, const ft_gate_waiter *b)
{
    return a->birth != b->birth ? a->birth < b->birth : a->node <= b->node;
}

// Takes a waiter out and lets it go on; it counts as active from here.
static void settle(ft_run *run, ft_gate_waiter **at, int outcome)
{
    ft_gate_waiter *waiter = *at;

    *at = waiter->next;
    waiter->outcome = outcome;
    ft_atomic_sub(&run->account.waiters, 1, FT_SEQ_CST);
    ft_active_enter(run);
    ft_condition_wake_one(&waiter->changed);
}

static bool try_charge(ft_run *run, uint64_t birth, int64_t size_bytes, bool all)
{
    ft_account *account = &run->account;
    bool reserve = all || is_oldest(&run->gate, birth);

    return ft_account_try_charge(account, size_bytes,
                                 reserve ? account->limit_bytes : account->common_bytes);
}

// Under the lock: makes the charges that fit.
static void admit(ft_run *run)
{
    ft_gate_waiter **at = &run->gate.waiters;

    while (*at) {
        bool is_first = at == &run->gate.waiters;
        if ((*at)->retries && !is_first)
            at = &(*at)->next;
        else if (try_charge(run, (*at)->birth, (*at)->size_bytes, false))
            settle(run, at, CHARGED);
        else
            at = &(*at)->next;
    }
}

static void gate_released(ft_account *account)
{
    ft_run *run = account->host;

    ft_mutex_lock(&run->gate.lock);
    admit(run);
    ft_mutex_unlock(&run->gate.lock);
}

static bool too_big(ft_run *run, int64_t size_bytes, ft_error *err)
{
    long long limit = (long long)run->account.limit_bytes;

    ft_fail(err, FT_ERROR_LIMIT, "%lld bytes more do not fit into `run.memory` of %lld bytes",
            (long long)size_bytes, limit);
    ft_hint(err, "Raise `run.memory`, or make the items smaller.");
    return false;
}

// Stands in line until somebody settles it.
static void stand_in_line(ft_run *run, ft_worker *worker, ft_gate_waiter *own)
{
    ft_gate *gate = &run->gate;
    int64_t from = ft_clock_ns();
    bool paused = ft_watch_pause(worker);
    bool had_lock = worker->has_one_lock, is_left = worker->is_away && worker->ring;

    ft_global_lock_leave(worker);
    if (worker->is_away)  // Not counted: it is until it sleeps, so that it may find that all do.
        ft_active_enter(run);
    ft_condition_init(&own->changed);
    ft_worker_block(worker);
    ft_mutex_lock(&gate->lock);
    ft_gate_waiter **at = &gate->waiters;
    while (*at && is_older(*at, own))
        at = &(*at)->next;
    own->next = *at;
    *at = own;
    // Sequentially consistent, as account.c says: either the release sees this waiter, or this look
    // sees the release.
    ft_atomic_add(&run->account.waiters, 1, FT_SEQ_CST);
    // Whoever sets `stop` calls ft_gate_cancel behind it, so it sees this waiter or is seen here.
    if (ft_atomic_load(&run->stop, FT_SEQ_CST) == FT_STOP_NOW)
        settle(run, at, CANCELLED);
    admit(run);
    ft_mutex_unlock(&gate->lock);
    if (is_left)  // Does not come back by itself now.
        ft_atomic_sub(&run->monitor->left, 1, FT_ACQ_REL);
    ft_active_leave(run);
    ft_mutex_lock(&gate->lock);
    while (own->outcome == WAITS)
        ft_condition_wait(&own->changed, &gate->lock);
    ft_mutex_unlock(&gate->lock);
    if (is_left)
        ft_atomic_add(&run->monitor->left, 1, FT_ACQ_REL);
    if (worker->is_away)
        ft_active_leave(run);  // settle made it active; its turn does so when it comes back.
    ft_worker_unblock(worker);
    ft_condition_finish(&own->changed);
    if (worker->at)
        worker->at->turn.waited_ns += ft_clock_ns() - from;
    if (had_lock)
        ft_global_lock_take(worker);
    if (paused)
        ft_watch_resume(worker);
}

static bool gate_wait(ft_account *account, int64_t size_bytes, ft_error *err)
{
    ft_run *run = account->host;
    ft_worker *worker = ft_worker_current();
    ft_turn *turn = worker && worker->at ? &worker->at->turn : NULL;

    if (size_bytes > account->limit_bytes)
        return too_big(run, size_bytes, err);
    if (!worker)  // Nothing runs yet, or no longer.
        return ft_account_try_charge(account, size_bytes, account->limit_bytes) ||
               too_big(run, size_bytes, err);
    // What is done of the train need not wait with what is not: its memory comes free behind it.
    if (turn)
        ft_turn_cut(worker->at);
    ft_gate_waiter own = {
        .size_bytes = size_bytes,
        .birth = turn ? turn->birth : UINT64_MAX,
        .node = turn ? worker->at->node->index : 0,
        .may_undo = turn && turn->may_undo,
    };
    stand_in_line(run, worker, &own);
    if (own.outcome == CHARGED)
        return true;
    if (own.outcome == CANCELLED)
        return ft_fail(err, FT_ERROR_CANCELLED, "the run is being stopped");
    if (own.outcome == UNDONE)
        turn->is_undone = true;
    return too_big(run, size_bytes, err);
}

bool ft_gate_retry(ft_worker *worker, ft_error *err)
{
    ft_gate_waiter own = {
        .birth = worker->at->turn.birth, .node = worker->at->node->index, .retries = true};

    stand_in_line(worker->run, worker, &own);
    return own.outcome != CANCELLED || ft_fail(err, FT_ERROR_CANCELLED, "the run is being stopped");
}

void ft_gate_cancel(ft_run *run)
{
    ft_mutex_lock(&run->gate.lock);
    while (run->gate.waiters)
        settle(run, &run->gate.waiters, CANCELLED);
    ft_mutex_unlock(&run->gate.lock);
}

// The youngest waiter, but not the oldest, whose turn can be done again.
static ft_gate_waiter **find_victim(ft_gate *gate)
{
    ft_gate_waiter **victim = NULL;

    for (ft_gate_waiter **at = &gate->waiters->next; *at; at = &(*at)->next)
        if ((*at)->may_undo)
            victim = at;
    return victim;
}

bool ft_run_unstick(ft_run *run)
{
    ft_gate *gate = &run->gate;
    bool settled = false;
    // A turn that was left behind may still come back, with memory to give back and work to make.
    // Acquire and release by way of `active`: it is taken out of there after it is counted here.
    bool out = run->monitor && ft_atomic_load(&run->monitor->left, FT_ACQUIRE) > 0;

    ft_mutex_lock(&gate->lock);
    if (gate->waiters) {
        bool fits = try_charge(run, gate->waiters->birth, gate->waiters->size_bytes, true);
        ft_gate_waiter **victim = fits ? NULL : find_victim(gate);
        if (victim)
            settle(run, victim, UNDONE);
        else if (fits || !out)
            settle(run, &gate->waiters, fits ? CHARGED : TOO_BIG);
        settled = true;
    }
    ft_mutex_unlock(&gate->lock);
    return settled || out || ft_source_force(run);
}

// ---- flights ----

uint64_t ft_gate_birth(ft_run *run)
{
    return ft_atomic_add(&run->gate.births, 1, FT_RELAXED);
}

ft_flight *ft_flight_create(ft_run *run, ft_node *source, uint64_t birth, ft_error *err)
{
    ft_gate *gate = &run->gate;
    ft_flight *flight = ft_alloc_zero(1, sizeof(*flight));

    if (!flight) {
        ft_ignore(ft_fail_nomem(err, sizeof(*flight)));
        return NULL;
    }
    flight->birth = birth;
    flight->source = source;
    ft_atomic_store(&flight->packets, 1, FT_RELAXED);
    ft_mutex_lock(&gate->lock);
    // Sources run side by side, so births may come a little out of order.
    ft_flight *older = gate->youngest;
    while (older && older->birth > birth)
        older = older->older;
    flight->older = older;
    flight->younger = older ? older->younger : gate->oldest;
    *(flight->older ? &flight->older->younger : &gate->oldest) = flight;
    *(flight->younger ? &flight->younger->older : &gate->youngest) = flight;
    ft_mutex_unlock(&gate->lock);
    return flight;
}

void ft_flight_ref(ft_flight *flight, uint32_t by)
{
    // Relaxed: the caller holds a reference.
    ft_atomic_add(&flight->packets, by, FT_RELAXED);
}

void ft_flight_unref(ft_run *run, ft_flight *flight)
{
    // Acquire and release: the last one frees what the others wrote.
    if (!flight || ft_atomic_sub(&flight->packets, 1, FT_ACQ_REL) != 1)
        return;
    ft_gate *gate = &run->gate;
    ft_mutex_lock(&gate->lock);
    *(flight->older ? &flight->older->younger : &gate->oldest) = flight->younger;
    *(flight->younger ? &flight->younger->older : &gate->youngest) = flight->older;
    if (gate->waiters)
        admit(run);  // Somebody else may be the oldest now.
    ft_mutex_unlock(&gate->lock);
    if (flight->source)
        ft_source_landed(flight->source, flight);
    ft_free(flight);
}

// ---- life ----

void ft_gate_init(ft_run *run, int64_t limit_bytes)
{
    ft_account_init(&run->account, limit_bytes);
    run->account.wait = gate_wait;
    run->account.released = gate_released;
    run->account.host = run;
    ft_mutex_init(&run->gate.lock);
}

void ft_gate_finish(ft_run *run)
{
    ft_mutex_finish(&run->gate.lock);
}
