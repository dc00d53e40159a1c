// A mutex of one byte: free, locked, locked with somebody parked. Uncontended it is one
// compare-and-swap each way; who cannot have it spins for a moment, then sleeps in a table of
// waiters that is shared by all locks, so a lock costs its object no more than the byte.
// (WebKit's parking lot; CPython's PyMutex. No yielding: wiredtiger#13609 spent half its time
// there.)
//
// A waiter of more than a millisecond gets the lock handed over, so nobody starves. A thread that
// waits has its lease detached. Profiling costs nothing but on the contended path.
#pragma once

#include "runtime/concurrent/atomic.h"

// What profiles call a lock; static storage. All locks of one class are summed up.
typedef struct ft_lock_class {
    const char *name;
    ft_atomic_u64 contentions;  // Times that somebody had to wait.
    ft_atomic_u64 wait_ns;      // In sum, and the longest.
    ft_atomic_u64 max_wait_ns;
    ft_atomic_pointer holder;  // Label of the lease that was in the way last: const char *.
    ft_atomic_pointer next;    // Of those that were ever contended.
    ft_atomic_u32 is_listed;
} ft_lock_class;

// The lock word is 0 when free. Not inside a read section.
void ft_lock_wait(ft_atomic_u8 *lock, ft_lock_class *class_of);
void ft_lock_wake(ft_atomic_u8 *lock);

static inline void ft_lock_acquire(ft_atomic_u8 *lock, ft_lock_class *class_of)
{
    uint8_t expected = 0;

    // Acquire pairs with the release of whoever had it.
    if (FT_UNLIKELY(!ft_atomic_cas(lock, &expected, 1, FT_ACQUIRE)))
        ft_lock_wait(lock, class_of);
}

static inline bool ft_lock_try(ft_atomic_u8 *lock)
{
    uint8_t expected = 0;
    return ft_atomic_cas(lock, &expected, 1, FT_ACQUIRE);
}

static inline void ft_lock_release(ft_atomic_u8 *lock)
{
    uint8_t expected = 1;

    // Release pairs with the acquire of whoever has it next.
    if (FT_UNLIKELY(!ft_atomic_cas(lock, &expected, 0, FT_RELEASE)))
        ft_lock_wake(lock);
}

// Waits from now on are timed. Calls `visit` for every class that was ever contended.
void ft_lock_profile_enable(bool yes);
void ft_lock_profile_visit(void (*visit)(const ft_lock_class *class_of, void *host), void *host);
// For other locks (a library's domain): somebody waited for `class_of`.
void ft_lock_profile_note(ft_lock_class *class_of, int64_t wait_ns);
