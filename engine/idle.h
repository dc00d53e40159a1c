// How threads go to sleep when there is nothing to do, without missing what comes meanwhile.
#pragma once

#include "runtime/concurrent/atomic.h"
#include "runtime/concurrent/lock.h"

typedef struct ft_idle {
    ft_mutex lock;  // Held for every change of the two counts.
    ft_condition wake;
    ft_atomic_u32 sleeping;  // Announced, and not told to wake up.
    ft_atomic_u32 tokens;    // Told to wake up, and not yet up: 0 or 1.
    ft_atomic_u32 closed;
} ft_idle;

void ft_idle_init(ft_idle *idle);
void ft_idle_finish(ft_idle *idle);

// Who has put work up calls this afterwards. Wakes one sleeper, unless one is on its way already;
// `on_wake(host)` is called before it can go on.
void ft_idle_wake_one(ft_idle *idle, void (*on_wake)(void *host), void *host);

// Who has found nothing: announces that it goes to sleep, looks everywhere once more, and then
// either takes that back or sleeps.
void ft_idle_announce(ft_idle *idle);
// It found something after all. True when somebody was told to wake it (on_wake was called).
bool ft_idle_retract(ft_idle *idle);
// Until it is woken; false when the idle was closed.
bool ft_idle_sleep(ft_idle *idle);
void ft_idle_close(ft_idle *idle);  // Wakes all, for good.

// A hint.
static inline uint32_t ft_idle_sleepers(const ft_idle *idle)
{
    return ft_atomic_load(&idle->sleeping, FT_RELAXED);
}
