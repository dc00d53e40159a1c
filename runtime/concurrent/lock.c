// pthread behind our names. A lock that cannot be taken or made is a fault of ours, never a
// condition to report.
#include "runtime/concurrent/lock.h"

#include <errno.h>
#include <time.h>

#include "runtime/error.h"
#include "runtime/system/lease.h"

void ft_mutex_init(ft_mutex *mutex)
{
    FT_ASSERT(pthread_mutex_init(&mutex->mutex, NULL) == 0);
}

void ft_mutex_finish(ft_mutex *mutex)
{
    FT_ASSERT(pthread_mutex_destroy(&mutex->mutex) == 0);
}

void ft_mutex_lock(ft_mutex *mutex)
{
    FT_ASSERT(pthread_mutex_lock(&mutex->mutex) == 0);
}

bool ft_mutex_try_lock(ft_mutex *mutex)
{
    int result = pthread_mutex_trylock(&mutex->mutex);

    FT_ASSERT(result == 0 || result == EBUSY);
    return result == 0;
}

void ft_mutex_unlock(ft_mutex *mutex)
{
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

void ft_condition_wait(ft_condition *condition, ft_mutex *mutex)
{
    if (!leave_lease(mutex))
        return;
    FT_ASSERT(pthread_cond_wait(&condition->condition, &mutex->mutex) == 0);
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
    int result = pthread_cond_timedwait(&condition->condition, &mutex->mutex, &until);
    FT_ASSERT(result == 0 || result == ETIMEDOUT);
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
