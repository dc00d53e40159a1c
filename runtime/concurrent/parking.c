// The table of waiters: buckets by the lock's address, each with a mutex and a list in the order of
// arrival.
//
// A waiter sets PARKED and queues itself under its bucket's mutex; who unlocks a lock with PARKED
// takes the first waiter of that address out under the same mutex, so no wake-up is lost. PARKED
// stays set as long as another waiter of that address is queued.
#include "runtime/concurrent/parking.h"

#include "runtime/concurrent/backoff.h"
#include "runtime/concurrent/lock.h"
#include "runtime/error.h"
#include "runtime/system/clock.h"
#include "runtime/system/lease.h"

enum {
    LOCKED = 1,
    PARKED = 2,
    LOOKS = FT_BOUND(5, 1),    // At the lock, before sleeping: some microseconds.
    PAUSES = FT_BOUND(16, 1),  // Behind the first look; a hold is short.
    BUCKETS = FT_BOUND(256, 1),
    PATIENCE_NS = 1000 * 1000,
};

typedef struct waiter {
    struct waiter *next;
    const ft_atomic_u8 *lock;
    ft_condition wake;
    int64_t since_ns;
    enum { WAITS, WOKEN, OWNS } state;  // Under the bucket's mutex.
} waiter;

typedef struct {
    ft_mutex mutex;  // Guards the list.
    waiter *first, *last;
} bucket;

static bucket buckets[BUCKETS];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static ft_atomic_u32 is_profiling;
static ft_atomic_pointer classes;  // Those that were contended.

static void make_buckets(void)
{
    for (size_t i = 0; i < BUCKETS; i++)
        ft_mutex_init(&buckets[i].mutex);
}

static bucket *bucket_of(const ft_atomic_u8 *lock)
{
    uint64_t at = (uint64_t)(uintptr_t)lock * UINT64_C(0x9e3779b97f4a7c15);

    pthread_once(&once, make_buckets);
    return &buckets[(at >> 56) % BUCKETS];
}

// ---- profile ----

void ft_lock_profile_enable(bool yes)
{
    ft_atomic_store(&is_profiling, yes ? 1 : 0, FT_RELAXED);
}

static void list_class(ft_lock_class *class_of)
{
    uint32_t unlisted = 0;

    if (!ft_atomic_cas(&class_of->is_listed, &unlisted, 1, FT_RELAXED))
        return;
    void *first = ft_atomic_load(&classes, FT_RELAXED);
    do
        ft_atomic_store(&class_of->next, first, FT_RELAXED);
    while (!ft_atomic_cas_weak(&classes, &first, class_of, FT_RELEASE));
}

void ft_lock_profile_note(ft_lock_class *class_of, int64_t wait_ns)
{
    uint64_t longest = ft_atomic_load(&class_of->max_wait_ns, FT_RELAXED), wait = (uint64_t)wait_ns;

    list_class(class_of);
    // Relaxed: statistics.
    ft_atomic_add(&class_of->contentions, 1, FT_RELAXED);
    ft_atomic_add(&class_of->wait_ns, wait, FT_RELAXED);
    while (wait > longest &&
           !ft_atomic_cas_weak(&class_of->max_wait_ns, &longest, wait, FT_RELAXED))
        continue;
}

void ft_lock_profile_visit(void (*visit)(const ft_lock_class *class_of, void *host), void *host)
{
    // Acquire pairs with the release of list_class.
    const ft_lock_class *at = ft_atomic_load(&classes, FT_ACQUIRE);

    for (; at; at = ft_atomic_load(&at->next, FT_RELAXED))
        visit(at, host);
}

// ---- waiting ----

static bool try_now(ft_atomic_u8 *lock)
{
    uint8_t word = ft_atomic_load(lock, FT_RELAXED);

    while (!(word & LOCKED))
        if (ft_atomic_cas_weak(lock, &word, word | LOCKED, FT_ACQUIRE))
            return true;
    return false;
}

static bool spin(ft_atomic_u8 *lock)
{
    unsigned pauses = PAUSES;

    for (int i = 0; i < LOOKS; i++) {
        // Who is parked comes first: a spinner would overtake it for ever.
        if (ft_atomic_load(lock, FT_RELAXED) & PARKED)
            return false;
        if (try_now(lock))
            return true;
        ft_backoff(&pauses);
    }
    return false;
}

// Under the bucket's mutex: PARKED is set, unless the lock has become free and is the caller's.
static bool announce(ft_atomic_u8 *lock)
{
    uint8_t word = ft_atomic_load(lock, FT_RELAXED);

    for (;;) {
        if (!(word & LOCKED)) {
            if (ft_atomic_cas_weak(lock, &word, word | LOCKED, FT_ACQUIRE))
                return false;
        } else if (word & PARKED || ft_atomic_cas_weak(lock, &word, word | PARKED, FT_RELAXED)) {
            return true;
        }
    }
}

// Sleeps once. True when the lock is the caller's.
static bool park(ft_atomic_u8 *lock, waiter *own)
{
    bucket *b = bucket_of(lock);

    ft_mutex_lock(&b->mutex);
    if (!announce(lock)) {
        ft_mutex_unlock(&b->mutex);
        return true;
    }
    own->next = NULL;
    own->state = WAITS;
    *(b->last ? &b->last->next : &b->first) = own;
    b->last = own;
    while (own->state == WAITS)
        ft_condition_wait(&own->wake, &b->mutex);
    bool owns = own->state == OWNS;
    ft_mutex_unlock(&b->mutex);
    return owns;
}

void ft_lock_wait(ft_atomic_u8 *lock, ft_lock_class *class_of)
{
    bool profiles = ft_atomic_load(&is_profiling, FT_RELAXED);
    waiter own = {.lock = lock, .since_ns = profiles ? ft_clock_ns() : 0};

    if (!spin(lock)) {
        if (!profiles)
            own.since_ns = ft_clock_ns();
        ft_condition_init(&own.wake);
        while (!park(lock, &own))
            if (try_now(lock))
                break;
        ft_condition_finish(&own.wake);
    }
    if (FT_UNLIKELY(profiles))
        ft_lock_profile_note(class_of, ft_clock_ns() - own.since_ns);
}

// Under the bucket's mutex: takes the first waiter for `lock` out; `*more`: there is another.
static waiter *take_waiter(bucket *b, const ft_atomic_u8 *lock, bool *more)
{
    waiter *found = NULL, *before = NULL;

    *more = false;
    for (waiter *at = b->first, *last = NULL; at; last = at, at = at->next) {
        if (at->lock != lock)
            continue;
        if (found) {
            *more = true;
            break;
        }
        found = at;
        before = last;
    }
    if (!found)
        return NULL;
    *(before ? &before->next : &b->first) = found->next;
    if (b->last == found)
        b->last = before;
    return found;
}

void ft_lock_wake(ft_atomic_u8 *lock)
{
    bucket *b = bucket_of(lock);
    bool more;

    ft_mutex_lock(&b->mutex);
    waiter *first = take_waiter(b, lock, &more);
    uint8_t parked = more ? PARKED : 0;
    bool hands_over = first && ft_clock_ns() - first->since_ns > PATIENCE_NS;
    // Release pairs with the acquire of whoever has it next.
    ft_atomic_store(lock, hands_over ? (uint8_t)(LOCKED | parked) : parked, FT_RELEASE);
    if (first) {
        first->state = hands_over ? OWNS : WOKEN;
        ft_condition_wake_one(&first->wake);
    }
    ft_mutex_unlock(&b->mutex);
}
