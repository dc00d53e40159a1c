// How it fits together.
//
//   reader       store line = epoch << 1 | 1; read ...; store line = 0 (release)
//   unlink       store the new pointer; read the epoch by a read-modify-write: the tag
//   advance      membarrier; every line is 0 or the current epoch; epoch + 1
//   destroy      what is tagged epoch - 2 or less
//
// The tag is read by a read-modify-write, so that whoever advances from that epoch on sees the
// unlinking: a plain load could be early, and what is tagged too low is freed too soon
// (crossbeam-epoch#53). A reader that was interrupted between loading the epoch and announcing it
// announces an old one, which only holds the next advance back.
//
// membarrier makes the reader's plain store visible or its later loads late: after it, either the
// scan sees the line, or the reader sees the unlinking. Only one thread at a time advances, and at
// most once a millisecond unless somebody waits (openvmm#3490: a barrier for every writer stalled a
// machine with 64 CPUs).
#define _GNU_SOURCE  // syscall
#include "runtime/memory/epoch.h"

#include <errno.h>

#include <linux/membarrier.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/concurrent/lock.h"
#include "runtime/error.h"
#include "runtime/memory/alloc.h"
#include "runtime/system/clock.h"
#include "runtime/system/lease.h"

#if !defined(FT_SANITIZED) && !defined(FT_MODEL)
#define ASYMMETRIC 1
#else
#define ASYMMETRIC 0
#endif

enum {
    ENTRIES = FT_BOUND(62, 2),
    GRACE = 2,
    EVERY_NS = 1000 * 1000,
    COLLECT_EVERY = FT_BOUND(64, 1),  // Retirements between two looks at what can be destroyed.
    WAIT_SPINS = 200,
};

typedef struct {
    void *pointer;
    void (*destroy)(void *pointer);
    size_t size_bytes;
    uint64_t epoch;
} entry;

typedef struct block {
    struct block *next;
    uint32_t from, count;  // entries[from, count) wait.
    entry entries[ENTRIES];
} block;

// Of one lease; the oldest first.
typedef struct {
    block *first, *last;
    uint32_t since_look;
    bool is_busy;  // Something is being destroyed, which may retire more.
    int64_t bytes;
} garbage;

ft_atomic_u64 ft_epoch_current = {GRACE};  // From GRACE, so that epoch - GRACE is never negative.
static ft_atomic_u32 advancing;            // The role: 1 while somebody has it.
static ft_atomic_i64 last_advance_ns;
static ft_atomic_u64 advances, membarriers;
static ft_atomic_i64 unreclaimed_bytes;
static ft_atomic_u32 has_orphans;  // Whether retired leases left garbage; under the lock.
ft_atomic_u32 ft_epoch_entry;

static pthread_mutex_t orphan_lock = PTHREAD_MUTEX_INITIALIZER;  // Guards what retired leases left.
static garbage orphans;

// ---- sections ----

FT_NOINLINE static bool find_out(void)
{
#if ASYMMETRIC
    const int wanted = MEMBARRIER_CMD_PRIVATE_EXPEDITED;
    long can = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    bool yes = can > 0 && (can & wanted) &&
               syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
#else
    bool yes = false;
#endif
    // The first answer holds for all: one thread's registration may fail (ENOMEM) where another's
    // did not, and readers who store plainly need a reclaimer who has the barrier.
    uint32_t known = 0;
    if (ft_atomic_cas(&ft_epoch_entry, &known, yes ? 1 : 2, FT_ACQ_REL))
        return yes;
    return known == 1;
}

static bool asymmetric(void)
{
    uint32_t known = ft_atomic_load(&ft_epoch_entry, FT_RELAXED);
    return FT_LIKELY(known != 0) ? known == 1 : find_out();
}

void ft_epoch_prepare(void)
{
    asymmetric();
}

void ft_read_begin_slow(void)
{
    ft_lease *lease = ft_lease_current();

    if (lease->read_depth++ > 0)
        return;
    uint64_t line = ft_atomic_load(&ft_epoch_current, FT_ACQUIRE) << 1 | 1;
    asymmetric();
    // Without membarrier the scan is a read-modify-write of the line too, and one of the two comes
    // after the other: this is seen there, or acquires what was unlinked before the scan. Two
    // sequentially consistent operations would not do, since what the section reads is only
    // acquired: such a load may be early, behind an exchange too (C11; ARM with LDAPR).
    ft_atomic_exchange(&lease->epoch, line, FT_ACQ_REL);
}

// ---- advancing ----

static ft_mutex moment_lock;
static ft_condition moment;  // Never signalled: its time limit is what is wanted.

static void make_moment(void)
{
    ft_mutex_init(&moment_lock);
    ft_condition_init(&moment);
}

// Acquire pairs with the release of a reader that has left: what it read, it has read. Release, of
// the read-modify-write: a reader that comes after it sees what was unlinked.
static uint64_t look_at(ft_atomic_u64 *line)
{
    return asymmetric() ? ft_atomic_load(line, FT_ACQUIRE) : ft_atomic_add(line, 0, FT_ACQ_REL);
}

static bool all_are_at(uint64_t current)
{
    uint32_t highest = ft_lease_highest_id();

    for (uint32_t id = 1; id <= highest; id++) {
        uint64_t line = look_at(&ft_lease_get(id)->epoch);
        if ((line & 1) && line >> 1 != current)
            return false;
    }
    return true;
}

// What every reader has stored is seen after it. False: not now (the kernel found no memory for its
// list of CPUs); the epoch stays where it is, and somebody tries again.
static bool readers_barrier(void)
{
#if ASYMMETRIC
    if (!asymmetric())
        return true;
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0) {
        FT_ASSERT(errno == ENOMEM);  // It has been registered.
        return false;
    }
    ft_atomic_store(&membarriers, ft_atomic_load(&membarriers, FT_RELAXED) + 1, FT_RELAXED);
#endif
    return true;
}

// Advances by one if it may; `now_ns` 0: whenever the last one was.
static bool try_advance(int64_t now_ns)
{
    uint32_t free_role = 0;

    // Relaxed: a rate, nothing depends on it.
    if (now_ns && now_ns - ft_atomic_load(&last_advance_ns, FT_RELAXED) < EVERY_NS)
        return false;
    if (!ft_atomic_cas(&advancing, &free_role, 1, FT_SEQ_CST))
        return false;
    ft_atomic_store(&last_advance_ns, now_ns ? now_ns : ft_clock_ns(), FT_RELAXED);
    bool ok = readers_barrier();
    // A read-modify-write: it comes behind every tag that was read, in the epoch's order.
    uint64_t current = ft_atomic_add(&ft_epoch_current, 0, FT_SEQ_CST);
    ok = ok && all_are_at(current);
    if (ok) {
        ft_atomic_add(&ft_epoch_current, 1, FT_SEQ_CST);
        ft_atomic_store(&advances, ft_atomic_load(&advances, FT_RELAXED) + 1, FT_RELAXED);
    }
    ft_atomic_store(&advancing, 0, FT_SEQ_CST);
    return ok;
}

// Gives up the CPU for a moment.
static void let_run(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, make_moment);
    ft_mutex_lock(&moment_lock);
    ft_condition_wait_ms(&moment, &moment_lock, 1);
    ft_mutex_unlock(&moment_lock);
}

uint64_t ft_epoch_tag(void)
{
    return ft_atomic_add(&ft_epoch_current, 0, FT_SEQ_CST);
}

bool ft_epoch_is_past(uint64_t tag)
{
    return ft_atomic_load(&ft_epoch_current, FT_SEQ_CST) >= tag + GRACE;
}

void ft_epoch_push_on(void)
{
    try_advance(ft_clock_ns());
}

void ft_epoch_wait(void)
{
    FT_ASSERT(ft_lease_current()->read_depth == 0);
    uint64_t tag = ft_epoch_tag();

    for (int spins = 0; !ft_epoch_is_past(tag); spins++) {
        if (try_advance(0))
            continue;
        if (spins < WAIT_SPINS)
            FT_PAUSE();
        else
            let_run();  // A reader was interrupted inside its section.
    }
}

// ---- garbage ----

static garbage *garbage_of(ft_lease *lease)
{
    if (!lease->retired)
        lease->retired = ft_alloc_zero(1, sizeof(garbage));
    return lease->retired;
}

static bool garbage_add(garbage *g, const entry *added)
{
    if (!g->last || g->last->count == ENTRIES) {
        block *more = ft_alloc(sizeof(*more));
        if (!more)
            return false;
        more->next = NULL;
        more->from = more->count = 0;
        *(g->last ? &g->last->next : &g->first) = more;
        g->last = more;
    }
    g->last->entries[g->last->count++] = *added;
    g->bytes += (int64_t)added->size_bytes;
    ft_atomic_add(&unreclaimed_bytes, (int64_t)added->size_bytes, FT_RELAXED);
    return true;
}

// The oldest, if it can be destroyed.
static bool garbage_take(garbage *g, uint64_t safe, entry *out)
{
    block *b = g->first;

    while (b && b->from == b->count && b->next) {
        g->first = b->next;
        ft_free(b);
        b = g->first;
    }
    if (!b || b->from == b->count || b->entries[b->from].epoch > safe)
        return false;
    *out = b->entries[b->from++];
    if (b->from == b->count)
        b->from = b->count = 0;
    g->bytes -= (int64_t)out->size_bytes;
    ft_atomic_sub(&unreclaimed_bytes, (int64_t)out->size_bytes, FT_RELAXED);
    return true;
}

static bool is_empty(const garbage *g)
{
    return !g->first || (g->first->from == g->first->count && !g->first->next);
}

// Only when it is empty.
static void garbage_finish(garbage *g)
{
    ft_free(g->first);
    g->first = g->last = NULL;
}

// Destroying may retire more, which is added behind and waits for its own time.
static void collect(garbage *g)
{
    // Acquire: what is destroyed was left by its readers before the epoch came to be what it is.
    uint64_t safe = ft_atomic_load(&ft_epoch_current, FT_ACQUIRE) - GRACE;
    entry e;

    if (g->is_busy)
        return;
    g->is_busy = true;
    while (garbage_take(g, safe, &e))
        e.destroy(e.pointer);
    g->is_busy = false;
}

static void collect_orphans(void)
{
    uint64_t safe = ft_atomic_load(&ft_epoch_current, FT_ACQUIRE) - GRACE;
    entry e;

    for (;;) {
        pthread_mutex_lock(&orphan_lock);
        bool any = garbage_take(&orphans, safe, &e);
        ft_atomic_store(&has_orphans, is_empty(&orphans) ? 0 : 1, FT_RELAXED);
        pthread_mutex_unlock(&orphan_lock);
        if (!any)
            return;
        e.destroy(e.pointer);
    }
}

// Much is waiting: pushes the epoch on, then destroys.
static void push_on(garbage *g)
{
    try_advance(g->bytes >= FT_EPOCH_BYTES ? 0 : ft_clock_ns());
    collect(g);
    // Relaxed: a hint; whoever left it has released it by the lock.
    if (ft_atomic_load(&has_orphans, FT_RELAXED) > 0)
        collect_orphans();
}

void ft_retire(void *pointer, void (*destroy)(void *pointer), size_t size_bytes)
{
    ft_lease *lease = ft_lease_current();
    garbage *g = garbage_of(lease);
    entry e = {pointer, destroy, size_bytes, 0};

    FT_ASSERT(lease->read_depth == 0);
    e.epoch = ft_epoch_tag();
    if (!g || !garbage_add(g, &e)) {
        ft_epoch_wait();
        destroy(pointer);
        return;
    }
    if (++g->since_look >= COLLECT_EVERY || g->bytes >= FT_EPOCH_BYTES) {
        g->since_look = 0;
        push_on(g);
    }
}

void ft_epoch_turn_end(void)
{
    ft_lease *lease = ft_lease_current();
    garbage *g = lease->retired;

    if (FT_UNLIKELY(g && !is_empty(g)))
        push_on(g);
}

void ft_epoch_drain(void)
{
    ft_lease *lease = ft_lease_current();
    garbage *g;
    bool more = true;

    while (more) {
        ft_epoch_wait();
        g = lease->retired;
        if (g)
            collect(g);
        collect_orphans();
        g = lease->retired;  // What was destroyed may have retired the first.
        pthread_mutex_lock(&orphan_lock);
        more = (g && !is_empty(g)) || !is_empty(&orphans);
        if (!more)
            garbage_finish(&orphans);
        pthread_mutex_unlock(&orphan_lock);
    }
    if (g)
        garbage_finish(g);
    ft_free(g);
    lease->retired = NULL;
}

void ft_epoch_lease_retire(ft_lease *lease)
{
    garbage *g = lease->retired;

    lease->retired = NULL;
    if (!g)
        return;
    collect(g);
    pthread_mutex_lock(&orphan_lock);
    if (g->first) {
        *(orphans.last ? &orphans.last->next : &orphans.first) = g->first;
        orphans.last = g->last;
    }
    orphans.bytes += g->bytes;
    ft_atomic_store(&has_orphans, is_empty(&orphans) ? 0 : 1, FT_RELAXED);
    pthread_mutex_unlock(&orphan_lock);
    ft_free(g);
}

ft_epoch_stats ft_epoch_get_stats(void)
{
    ft_epoch_stats stats = {
        .epoch = ft_atomic_load(&ft_epoch_current, FT_RELAXED),
        .advances = ft_atomic_load(&advances, FT_RELAXED),
        .membarriers = ft_atomic_load(&membarriers, FT_RELAXED),
        .unreclaimed_bytes = ft_atomic_load(&unreclaimed_bytes, FT_RELAXED),
        .is_asymmetric = asymmetric(),
    };
    return stats;
}
