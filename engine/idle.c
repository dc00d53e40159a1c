// The only safe way to sleep, in two halves:
//
//   who has work                            who has none
//   puts it up                              announces: a locked operation on `sleeping`
//   a locked operation on `sleeping`        looks everywhere again
//   wakes one if there are any              sleeps
//
// Both locked operations are on one word, so one of them comes after the other and sees what was
// before it: either the sleeper sees the work or the other one sees the sleeper. No fence is needed
// and none is used (ThreadSanitizer could not see it). `tokens` keeps it to one wake-up at a time,
// and needs the same care: who is told that somebody is on the way relies on that one to look
// everywhere after it has taken its token, so both do locked operations on `tokens` too. A woken
// one that finds work wakes the next.
#include "engine/idle.h"

void ft_idle_init(ft_idle *idle)
{
    ft_mutex_init(&idle->lock);
    ft_condition_init(&idle->wake);
    ft_atomic_store(&idle->sleeping, 0, FT_RELAXED);
    ft_atomic_store(&idle->tokens, 0, FT_RELAXED);
    ft_atomic_store(&idle->closed, 0, FT_RELAXED);
}

void ft_idle_finish(ft_idle *idle)
{
    ft_mutex_finish(&idle->lock);
    ft_condition_finish(&idle->wake);
}

void ft_idle_wake_one(ft_idle *idle, void (*on_wake)(void *host), void *host)
{
    // Adding nothing, for the order: pairs with announce, and with the taking of a token in sleep.
    if (ft_atomic_add(&idle->sleeping, 0, FT_ACQ_REL) == 0 ||
        ft_atomic_add(&idle->tokens, 0, FT_ACQ_REL) > 0)
        return;
    ft_mutex_lock(&idle->lock);
    if (ft_atomic_load(&idle->sleeping, FT_RELAXED) > 0 &&
        ft_atomic_load(&idle->tokens, FT_RELAXED) == 0) {
        ft_atomic_sub(&idle->sleeping, 1, FT_ACQ_REL);
        ft_atomic_add(&idle->tokens, 1, FT_ACQ_REL);
        if (on_wake)
            on_wake(host);
        ft_condition_wake_one(&idle->wake);
    }
    ft_mutex_unlock(&idle->lock);
}

void ft_idle_announce(ft_idle *idle)
{
    ft_mutex_lock(&idle->lock);
    ft_atomic_add(&idle->sleeping, 1, FT_ACQ_REL);
    ft_mutex_unlock(&idle->lock);
}

bool ft_idle_retract(ft_idle *idle)
{
    ft_mutex_lock(&idle->lock);
    // If none is left to be woken, all who sleep are being woken, the caller among them.
    bool told = ft_atomic_load(&idle->sleeping, FT_RELAXED) == 0;
    ft_atomic_sub(told ? &idle->tokens : &idle->sleeping, 1, FT_ACQ_REL);
    ft_mutex_unlock(&idle->lock);
    return told;
}

bool ft_idle_sleep(ft_idle *idle)
{
    ft_mutex_lock(&idle->lock);
    while (ft_atomic_load(&idle->tokens, FT_RELAXED) == 0 &&
           !ft_atomic_load(&idle->closed, FT_RELAXED))
        ft_condition_wait(&idle->wake, &idle->lock);
    bool woken = ft_atomic_load(&idle->tokens, FT_RELAXED) > 0;
    if (woken)
        ft_atomic_sub(&idle->tokens, 1, FT_ACQ_REL);
    bool closed = ft_atomic_load(&idle->closed, FT_RELAXED) != 0;
    ft_mutex_unlock(&idle->lock);
    return !closed;
}

void ft_idle_close(ft_idle *idle)
{
    ft_mutex_lock(&idle->lock);
    ft_atomic_store(&idle->closed, 1, FT_RELEASE);
    ft_condition_wake_all(&idle->wake);
    ft_mutex_unlock(&idle->lock);
}
