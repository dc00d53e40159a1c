// Who collects when: the lists of candidates, the collector's thread, its pace.
//
// Each lease has a list of its own, into which it alone puts. Whoever wants to look at them takes
// the whole list with one exchange: mostly the collector's thread, which also looks after leases
// that are retired, asleep, or left behind in a stage that does not come back.
//
// The first candidate behind a look (`candidate_count` comes to 1) sees to it that there will be
// another look: it raises `wanted`. The collector lowers `wanted`, then the counts, then takes the
// lists. The owner puts the candidate in, raises the count, then looks at `wanted`. All of these
// are sequentially consistent, so either the look finds the candidate, or the count began anew and
// `wanted` is raised again.
//
// Pace. SOON waits for a moment first, so that one look serves many candidates. Many candidates of
// one lease, or much memory taken, make it NOW; a lease that still runs ahead does a share itself
// between its turns. Where looking finds nothing (a program that drops references on what is
// alive), it is done less and less, at a tenth of one CPU; then nobody helps, since no garbage is
// made. (perry#6226: a collector without a debt is outrun.)
#include "runtime/memory/collector.h"

#include <sys/resource.h>

#include "runtime/concurrent/lock.h"
#include "runtime/memory/collector_graph.h"
#include "runtime/memory/epoch.h"
#include "runtime/system/clock.h"
#include "runtime/system/thread.h"

enum {
    BOUND = 1000,              // Objects of a subgraph at first; what is larger is put aside.
    BOUND_STEP = 8,            // Then it grows by so much each time.
    BATCH = 32768,             // Objects that wait for one grace period.
    MANY = FT_BOUND(1024, 1),  // Candidates of one lease.
    SHARE = FT_BOUND(64, 1),   // Noted candidates that are worth an assist,
    SHARE_OBJECTS = 4096,      // which goes through so many objects at most, about.
    NICE = 5,
    PAUSE_MS = 50,
    PAUSE_MAX_MS = 500,
    REST = 9,           // Times as long as it looked for nothing.
    PAYS = 8,           // One object of so many was garbage: it pays.
    ROOM_MS = 5000,     // How long a charge waits for the collector.
    DRAIN_ROUNDS = 64,  // Without finding any.
    NS_PER_MS = 1000000,
};
#define OWED_BYTES ((size_t)1 << 20)
#define BOUND_MAX ((size_t)1 << 40)

typedef enum { NOTHING, SOON, NOW, ALL } level;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static ft_mutex lock;         // Guards what follows; held for moments only.
static ft_condition changed;  // Something is wanted, or a look is over.
static uint64_t asked, done;  // Looks that were asked for; up to which they are done.
static bool is_looking;
static bool has_thread;

static ft_atomic_u32 wanted;     // A level; raised under the lock.
static ft_atomic_u32 pays;       // The last look found garbage, or there was none yet.
static ft_atomic_pointer aside;  // ft_cyclic: put aside by assists.
static ft_atomic_u32 has_large;
static ft_atomic_u64 passes, examined, collected, assists;

// Of whoever is looking.
static ft_cyclic *large;
static size_t large_bound = BOUND * BOUND_STEP;
static int64_t large_due_ns, large_cost_ns, pause_ms = PAUSE_MS;

static void collector_main(void *host);

// ---- fork ----

// Between two looks, so that a child does not have half of one.
static void before_fork(void)
{
    ft_mutex_lock(&lock);
    while (is_looking)
        ft_condition_wait(&changed, &lock);
}

static void after_fork(void)
{
    ft_mutex_unlock(&lock);
}

// Threads stay with the parent: the child starts one of its own when it wants a look.
static void after_fork_in_child(void)
{
    has_thread = false;
    ft_condition_init(&changed);  // Nobody waits here.
    ft_mutex_unlock(&lock);
}

static void make_lock(void)
{
    ft_mutex_init_named(&lock, "collector");
    ft_condition_init(&changed);
    FT_ASSERT(pthread_atfork(before_fork, after_fork, after_fork_in_child) == 0);
}

// ---- asking for a look ----

// Under the lock.
static void raise_wanted(level to)
{
    static ft_thread thread;
    ft_error err = FT_ERROR_INIT;

    if (!has_thread) {
        // Without one, who waits for a look does it, and those that are behind.
        if (!ft_thread_start(&thread, "ft-collector", collector_main, NULL, &err))
            return;
        ft_thread_detach(&thread);
        has_thread = true;
    }
    if (ft_atomic_load(&wanted, FT_RELAXED) < to)
        ft_atomic_store(&wanted, to, FT_SEQ_CST);
    ft_condition_wake_all(&changed);
}

static void want(level to)
{
    if (ft_atomic_load(&wanted, FT_SEQ_CST) >= to)
        return;
    pthread_once(&once, make_lock);
    ft_mutex_lock(&lock);
    raise_wanted(to);
    ft_mutex_unlock(&lock);
}

// ---- lists ----

static void push(ft_atomic_pointer *list, ft_cyclic *cyclic)
{
    void *head = ft_atomic_load(list, FT_RELAXED);

    do
        cyclic->next = head;
    while (!ft_atomic_cas_weak(list, &head, cyclic, FT_SEQ_CST));
}

static ft_cyclic *take_all(ft_atomic_pointer *list)
{
    // Acquire pairs with the push: `next` and what the object says are there.
    if (!ft_atomic_load(list, FT_SEQ_CST))
        return NULL;
    return ft_atomic_exchange(list, NULL, FT_SEQ_CST);
}

void ft_collector_note(ft_cyclic *cyclic)
{
    ft_lease *lease = ft_lease_current();

    push(&lease->candidates, cyclic);
    uint32_t count = ft_atomic_add(&lease->candidate_count, 1, FT_SEQ_CST) + 1;
    lease->candidate_debt++;
    if (count == 1)
        want(SOON);
    // Relaxed: a hint.
    else if (count % MANY == 0 && ft_atomic_load(&pays, FT_RELAXED))
        want(NOW);
}

static void note_object(ft_object *object)
{
    ft_collector_note((ft_cyclic *)(void *)object);
}

static void object_died(ft_object *object)
{
    ft_cyclic_die((ft_cyclic *)(void *)object);
}

ft_atomic_u32 ft_collector_is_ready;

void ft_collector_make_ready(void)
{
    static const ft_object_collector hooks = {note_object, object_died};

    ft_object_set_collector(&hooks);
    ft_atomic_store(&pays, 1, FT_RELAXED);
    ft_atomic_store(&ft_collector_is_ready, 1, FT_RELEASE);
}

void ft_collector_owe(size_t size_bytes)
{
    ft_lease *lease = ft_lease_current();
    // Relaxed: hints.
    size_t limit = ft_atomic_load(&pays, FT_RELAXED) ? OWED_BYTES : PAYS * OWED_BYTES;

    lease->owed_bytes += size_bytes;
    if (FT_LIKELY(lease->owed_bytes < limit))
        return;
    lease->owed_bytes = 0;
    if (ft_atomic_load(&wanted, FT_RELAXED) == SOON)
        want(NOW);
}

// ---- a look ----

static void finish_list(ft_cyclic *first, ft_atomic_pointer *not_yet)
{
    uint64_t count = 0;

    for (ft_cyclic *next; first; first = next) {
        next = first->next;
        if (ft_epoch_is_past(first->tag))
            count += ft_collection_finish(first);
        else
            push(not_yet, first);
    }
    ft_atomic_add(&collected, count, FT_RELAXED);
}

// Those of the leases' assists too. Who pushes back what is not past yet is the lease of this
// thread, as the rule has it.
static void settle(ft_collection *c)
{
    ft_cyclic *own = ft_collection_take_suspects(c);
    ft_lease *lease = ft_lease_current();
    uint32_t highest = ft_lease_highest_id();

    if (own) {
        ft_epoch_wait();
        finish_list(own, &lease->suspects);
    }
    for (uint32_t id = 1; id <= highest; id++) {
        ft_cyclic *others = take_all(&ft_lease_get(id)->suspects);
        if (!others)
            continue;
        ft_epoch_wait();
        finish_list(others, &lease->suspects);
    }
}

static void examine_list(ft_collection *c, ft_cyclic *first)
{
    for (ft_cyclic *next; first; first = next) {
        next = first->next;
        ft_collection_examine(c, first);
        if (c->suspected >= BATCH)
            settle(c);
    }
}

static void put_back(ft_collection *c)
{
    while (c->kept) {
        ft_cyclic *one = c->kept;
        c->kept = one->next;
        ft_collector_note(one);
    }
}

static void append(ft_cyclic **list, ft_cyclic *more)
{
    while (*list)
        list = &(*list)->next;
    *list = more;
}

static void end_look(ft_collection *c)
{
    settle(c);
    put_back(c);
    append(&large, c->large);
    append(&large, take_all(&aside));
    ft_atomic_store(&has_large, large != NULL, FT_RELAXED);
    ft_atomic_add(&examined, c->examined, FT_RELAXED);
}

static uint64_t count_collected(void)
{
    return ft_atomic_load(&collected, FT_RELAXED);
}

// Subgraphs of the usual size.
static void look_at_candidates(void)
{
    ft_collection c;
    uint32_t highest = ft_lease_highest_id();
    int64_t from = ft_clock_ns();
    uint64_t before = count_collected();

    ft_collection_begin(&c, BOUND);
    for (uint32_t id = 1; id <= highest; id++) {
        ft_lease *lease = ft_lease_get(id);
        if (ft_atomic_load(&lease->candidate_count, FT_SEQ_CST) > 0)
            ft_atomic_exchange(&lease->candidate_count, 0, FT_SEQ_CST);
        examine_list(&c, take_all(&lease->candidates));
    }
    end_look(&c);
    bool paid = (count_collected() - before) * PAYS >= c.examined;
    int64_t rest = REST * (ft_clock_ns() - from) / NS_PER_MS;
    ft_atomic_store(&pays, paid, FT_RELAXED);
    pause_ms = paid || rest < PAUSE_MS ? PAUSE_MS : rest < PAUSE_MAX_MS ? rest : PAUSE_MAX_MS;
}

// Larger ones. The bound grows as long as it is passed, so that one that grows meanwhile is not
// gone through for ever; and the rest comes when it was not passed, for all that it took.
static void look_at_large(void)
{
    ft_collection c;
    ft_cyclic *those = large;
    int64_t from = ft_clock_ns();
    uint64_t before = count_collected();

    large = NULL;
    ft_collection_begin(&c, large_bound);
    ft_collection_examine_all(&c, those);
    bool is_over = c.large != NULL;
    end_look(&c);
    large_due_ns = ft_clock_ns();
    large_cost_ns += large_due_ns - from;
    if (is_over) {
        large_bound = large_bound < BOUND_MAX ? large_bound * BOUND_STEP : BOUND_MAX;
        return;
    }
    if (count_collected() == before)
        large_due_ns += REST * large_cost_ns;
    large_bound = BOUND * BOUND_STEP;
    large_cost_ns = 0;
}

static void look(level what)
{
    ft_lease *lease = ft_lease_current();

    ft_atomic_add(&passes, 1, FT_RELAXED);
    lease->is_collecting = true;
    look_at_candidates();
    if (large && (what == ALL || ft_clock_ns() >= large_due_ns))
        look_at_large();
    // What died is with this lease, which may not have another turn for long.
    if (lease->retired)
        ft_epoch_drain();
    lease->is_collecting = false;
}

// ---- the thread ----

// Under the lock, which is let go meanwhile: one looks at a time.
static void look_alone(void)
{
    while (is_looking)
        ft_condition_wait(&changed, &lock);
    is_looking = true;
    uint64_t serves = asked;
    level what = (level)ft_atomic_exchange(&wanted, NOTHING, FT_SEQ_CST);
    ft_mutex_unlock(&lock);
    look(what);
    ft_mutex_lock(&lock);
    is_looking = false;
    done = serves;
    ft_condition_wake_all(&changed);
}

// Under the lock. How long until the next look, which NOW cuts short; -1: until it is wanted.
static int64_t wait_ms(int64_t since_ns)
{
    int64_t now = ft_clock_ns(), until = since_ns + pause_ms * NS_PER_MS;
    uint32_t what = ft_atomic_load(&wanted, FT_RELAXED);

    if (what >= NOW)
        return 0;
    if (what == NOTHING) {
        if (!ft_atomic_load(&has_large, FT_RELAXED))
            return -1;
        until = large_due_ns > until ? large_due_ns : until;
    }
    return until > now ? (until - now) / NS_PER_MS + 1 : 0;
}

static void collector_main(void *host)
{
    int64_t ms;

    (void)host;
    // Below the workers. It may be refused; then they share the CPU as equals.
    (void)setpriority(PRIO_PROCESS, 0, NICE);
    ft_mutex_lock(&lock);
    while (is_looking)  // Somebody who was told that there is no thread.
        ft_condition_wait(&changed, &lock);
    for (;;) {
        int64_t since = ft_clock_ns();
        while ((ms = wait_ms(since)) != 0) {
            if (ms < 0) {
                ft_condition_wait(&changed, &lock);
                since = ft_clock_ns();
            } else {
                ft_condition_wait_ms(&changed, &lock, ms);
            }
        }
        look_alone();
    }
}

// ---- those who wait for it ----

static bool is_idle(void)
{
    uint32_t highest = ft_lease_highest_id();

    for (uint32_t id = 1; id <= highest; id++) {
        ft_lease *lease = ft_lease_get(id);
        if (ft_atomic_load(&lease->candidates, FT_SEQ_CST) ||
            ft_atomic_load(&lease->suspects, FT_SEQ_CST))
            return false;
    }
    return !ft_atomic_load(&aside, FT_SEQ_CST) && !ft_atomic_load(&has_large, FT_RELAXED);
}

static bool is_done(void)
{
    pthread_once(&once, make_lock);
    ft_mutex_lock(&lock);
    bool is_busy = is_looking || ft_atomic_load(&wanted, FT_RELAXED) != NOTHING;
    ft_mutex_unlock(&lock);
    return !is_busy && is_idle();
}

// Until a look that began behind this call is over; or for so long.
static void wait_for_look(int64_t limit_ms)
{
    int64_t until = ft_clock_ns() + limit_ms * NS_PER_MS;

    pthread_once(&once, make_lock);
    ft_mutex_lock(&lock);
    uint64_t own = ++asked;
    raise_wanted(ALL);
    while (done < own && ft_clock_ns() < until) {
        if (has_thread) {
            ft_condition_wait_ms(&changed, &lock, (until - ft_clock_ns()) / NS_PER_MS + 1);
        } else {
            ft_atomic_store(&wanted, ALL, FT_SEQ_CST);
            look_alone();
        }
    }
    ft_mutex_unlock(&lock);
}

bool ft_collector_make_room(ft_account *account, size_t size_bytes)
{
    ft_lease *lease = ft_lease_current();
    int64_t before = ft_account_used_bytes(account);

    // Not where waiting is not allowed: destroying never charges, and a section never waits.
    if (lease->read_depth > 0 || lease->is_clearing)
        return false;
    if (is_done() && !lease->retired)
        return false;
    wait_for_look(ROOM_MS);
    ft_epoch_wait();
    ft_lease_turn_end();
    int64_t now = ft_account_used_bytes(account);
    return now < before || now + (int64_t)size_bytes <= account->common_bytes;
}

void ft_collector_drain(void)
{
    uint64_t before = count_collected();

    ft_epoch_drain();
    for (int rounds = 0; !is_done() && rounds < DRAIN_ROUNDS; rounds++) {
        wait_for_look(INT32_MAX);
        ft_epoch_drain();
        uint64_t now = count_collected();
        if (now != before)
            rounds = 0;
        before = now;
    }
}

// ---- assist ----

// The rest goes back: only this lease puts into its list, so there is nothing in it.
static ft_cyclic *take_share(ft_lease *lease, uint32_t share)
{
    ft_cyclic *first = take_all(&lease->candidates), *last = first;

    for (uint32_t i = 1; last && i < share; i++)
        last = last->next;
    if (last) {
        ft_atomic_store(&lease->candidates, last->next, FT_SEQ_CST);
        last->next = NULL;
    }
    return first;
}

void ft_collector_turn_end(ft_lease *lease)
{
    ft_collection c;

    // Relaxed: hints.
    if (lease->is_collecting || lease->candidate_debt < SHARE ||
        !ft_atomic_load(&pays, FT_RELAXED) ||
        ft_atomic_load(&lease->candidate_count, FT_RELAXED) < MANY)
        return;
    // As many as it has noted since, so that it cannot run away.
    uint32_t share = lease->candidate_debt < SHARE_OBJECTS ? lease->candidate_debt : SHARE_OBJECTS;
    lease->candidate_debt = 0;
    lease->is_collecting = true;
    ft_collection_begin(&c, BOUND);
    for (ft_cyclic *one = take_share(lease, share), *next; one; one = next) {
        next = one->next;
        if (c.examined < SHARE_OBJECTS)
            ft_collection_examine(&c, one);
        else
            ft_collector_note(one);
    }
    for (ft_cyclic *one = ft_collection_take_suspects(&c), *next; one; one = next) {
        next = one->next;
        push(&lease->suspects, one);
    }
    put_back(&c);
    for (ft_cyclic *one = c.large, *next; one; one = next) {
        next = one->next;
        push(&aside, one);
    }
    // What it suspected before may be past by now; the collector finishes what this lease does not.
    finish_list(take_all(&lease->suspects), &lease->suspects);
    lease->is_collecting = false;
    ft_epoch_push_on();
    ft_atomic_add(&examined, c.examined, FT_RELAXED);
    ft_atomic_add(&assists, 1, FT_RELAXED);
    want(SOON);
}

ft_collector_stats ft_collector_get_stats(void)
{
    return (ft_collector_stats){
        .passes = ft_atomic_load(&passes, FT_RELAXED),
        .examined = ft_atomic_load(&examined, FT_RELAXED),
        .collected = ft_atomic_load(&collected, FT_RELAXED),
        .given_up = ft_collection_given_up(),
        .assists = ft_atomic_load(&assists, FT_RELAXED),
    };
}
