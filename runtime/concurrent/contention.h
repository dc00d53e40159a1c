// Who waited for which lock, and who had it: noted while it is switched on, at the price of one
// relaxed load on every lock while it is off.
//
// Entries are by the lock's name and the label of the lease that held it when the wait began (a
// stage's name: lease.h). What is noted while a lock is held is added up after it was let go, so
// that looking does not make it longer. Holds that follow a wait are timed, and
// one in 64 of the others.
#pragma once

#include "runtime/concurrent/atomic.h"

typedef struct ft_contention {
    const char *lock;    // "lock" when it was given no name.
    const char *holder;  // NULL: a thread that ran no stage.
    uint64_t waits, wait_ns, max_wait_ns;
    uint64_t hold_ns;  // Of all holds, from those that were timed; about.
    uint64_t timed;    // How many those were.
} ft_contention;

// Before the threads that are to be seen are started. Clears what was noted before.
void ft_contention_start(void);
void ft_contention_stop(void);
bool ft_contention_is_on(void);

// One wait, or one sampled hold that stands for `times`. Names must stay. Any thread.
void ft_contention_note_wait(const char *lock, const char *holder, int64_t wait_ns);
void ft_contention_note_hold(const char *lock, const char *holder, int64_t hold_ns, int times);
// Copies at most `room` entries, those with the most wait first; returns how many.
size_t ft_contention_get(ft_contention *out, size_t room);
