// pthread behind our names. A lock that cannot be taken or made is a fault of ours, never a
// condition to report.
#include "runtime/concurrent/lock.h"

#include <errno.h>
#include <time.h>

#include "runtime/concurrent/contention.h"
#include "runtime/error.h"
#include "runtime/system/clock.h"
#include "runtime/system/lease.h"

// ---- contention ----

enum { HOLDS_PER_SAMPLE = 64 };

static const char *name_of(const ft_mutex *mutex)
{
    return mutex->name ? mutex->name : "lock";
}

// It has just been taken by this thread.
static void begin_hold(ft_mutex *mutex)
{
    // Relaxed: names stay, and a wrong one is only a wrong blame. A thread without a lease gets
    // none here, as that takes a lock too.
    const ft_lease *lease = ft_own.lease;
    void *label = lease ? ft_atomic_load(&lease->label, FT_RELAXED) : NULL;

    ft_atomic_store(&mutex->holder, label, FT_RELAXED);
    // A hold that somebody had to wait for is timed, as a look at the clock is little beside the
    // wait; of the others one in HOLDS_PER_SAMPLE stands for all.
    bool is_timed = mutex->waited_ns >= 0 || mutex->holds++ % HOLDS_PER_SAMPLE == 0;
    mutex->since_ns = is_timed ? ft_clock_ns() : 0;
}

FT_NOINLINE static void lock_noted(ft_mutex *mutex)
{
    int64_t waited_ns = -1;
    const char *blamed = NULL;

    if (pthread_mutex_trylock(&mutex->mutex) != 0) {
        int64_t from = ft_clock_ns();
        blamed = ft_atomic_load(&mutex->holder, FT_RELAXED);
        FT_ASSERT(pthread_mutex_lock(&mutex->mutex) == 0);
        waited_ns = ft_clock_ns() - from;
    }
    mutex->waited_ns = waited_ns;
    mutex->blamed = blamed;
    begin_hold(mutex);
}

// What this holder knows, to be noted once it is let go.
typedef struct {
    const char *name, *holder, *blamed;
    int64_t waited_ns, hold_ns;
} noted;

static noted end_hold(ft_mutex *mutex)
{
    noted known = {.name = name_of(mutex),
                   .holder = ft_atomic_load(&mutex->holder, FT_RELAXED),
                   .blamed = mutex->blamed,
                   .waited_ns = mutex->waited_ns,
                   .hold_ns = mutex->since_ns ? ft_clock_ns() - mutex->since_ns : 0};

    mutex->waited_ns = -1;
    mutex->since_ns = 0;
    return known;
}

static void note(const noted *known)
{
    if (known->waited_ns >= 0)
        ft_contention_note_wait(known->name, known->blamed, known->waited_ns);
    if (known->hold_ns > 0)
        ft_contention_note_hold(known->name, known->holder, known->hold_ns,
                                known->waited_ns >= 0 ? 1 : HOLDS_PER_SAMPLE);
}

FT_NOINLINE static void unlock_noted(ft_mutex *mutex)
{
    noted known = end_hold(mutex);

    FT_ASSERT(pthread_mutex_unlock(&mutex->mutex) == 0);
    note(&known);
}

// ---- once ----

void ft_once_run(ft_once *once, void (*work)(void))
{
    FT_ASSERT(pthread_once(&once->once, work) == 0);
}

// ---- mutex ----

void ft_mutex_init(ft_mutex *mutex)
{
    ft_mutex_init_named(mutex, NULL);
}

void ft_mutex_init_named(ft_mutex *mutex, const char *name)
{
    FT_ASSERT(pthread_mutex_init(&mutex->mutex, NULL) == 0);
    mutex->name = name;
    ft_atomic_store(&mutex->holder, NULL, FT_RELAXED);
    mutex->blamed = NULL;
    mutex->waited_ns = -1;
    mutex->since_ns = 0;
    mutex->holds = 0;
}

void ft_mutex_finish(ft_mutex *mutex)
{
    FT_ASSERT(pthread_mutex_destroy(&mutex->mutex) == 0);
}

void ft_mutex_lock(ft_mutex *mutex)
{
    if (FT_UNLIKELY(ft_contention_is_on()))
        lock_noted(mutex);
    else
        FT_ASSERT(pthread_mutex_lock(&mutex->mutex) == 0);
}

bool ft_mutex_try_lock(ft_mutex *mutex)
{
    int result = pthread_mutex_trylock(&mutex->mutex);

    FT_ASSERT(result == 0 || result == EBUSY);
    if (result == 0 && FT_UNLIKELY(ft_contention_is_on()))
        begin_hold(mutex);
    return result == 0;
}

void ft_mutex_unlock(ft_mutex *mutex)
{
    if (FT_UNLIKELY(ft_contention_is_on()))
        unlock_noted(mutex);
    else
        FT_ASSERT(pthread_mutex_unlock(&mutex->mutex) == 0);
}

void ft_condition_init(ft_condition *condition)
{
    pthread_condattr_t attributes;

    FT_ASSERT(pthread_condattr_init(&attributes) == 0);
    FT_ASSERT(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    FT_ASSERT(pthread_cond_init(&condition->condition, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
}

void ft_condition_finish(ft_condition *condition)
{
    FT_ASSERT(pthread_cond_destroy(&condition->condition) == 0);
}

// A waiter's lease is detached, so that others may merge what comes for it. What has come already
// is merged first, without the mutex, and that counts as a wake-up: every caller looks again
// anyway.
static bool leave_lease(ft_mutex *mutex)
{
    if (FT_LIKELY(ft_lease_try_detach()))
        return true;
    ft_mutex_unlock(mutex);
    ft_lease_turn_end();
    ft_mutex_lock(mutex);
    return false;
}

// A wait for a condition lets the mutex go: what was known of the hold is noted before, while it is
// still ours, since the condition's own wait cannot be cut in two. True: noting is on.
static bool pause_hold(ft_mutex *mutex)
{
    if (FT_LIKELY(!ft_contention_is_on()))
        return false;
    noted known = end_hold(mutex);
    note(&known);
    return true;
}

void ft_condition_wait(ft_condition *condition, ft_mutex *mutex)
{
    if (!leave_lease(mutex))
        return;
    bool notes = pause_hold(mutex);
    FT_ASSERT(pthread_cond_wait(&condition->condition, &mutex->mutex) == 0);
    if (notes)
        begin_hold(mutex);
    ft_lease_resume();
}

bool ft_condition_wait_ms(ft_condition *condition, ft_mutex *mutex, int64_t timeout_ms)
{
    struct timespec until;

    if (!leave_lease(mutex))
        return true;
    clock_gettime(CLOCK_MONOTONIC, &until);
    if (timeout_ms < 0)
        timeout_ms = 0;
    until.tv_sec += (time_t)(timeout_ms / 1000);
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    bool notes = pause_hold(mutex);
    int result = pthread_cond_timedwait(&condition->condition, &mutex->mutex, &until);
    FT_ASSERT(result == 0 || result == ETIMEDOUT);
    if (notes)
        begin_hold(mutex);
    ft_lease_resume();
    return result == 0;
}

void ft_condition_wake_one(ft_condition *condition)
{
    FT_ASSERT(pthread_cond_signal(&condition->condition) == 0);
}

void ft_condition_wake_all(ft_condition *condition)
{
    FT_ASSERT(pthread_cond_broadcast(&condition->condition) == 0);
}
