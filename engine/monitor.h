// The monitor: a thread that looks after the workers, so that a stage that does not come back holds
// up nobody but itself.
#pragma once

#include <semaphore.h>

#include "engine/runaway.h"

struct ft_monitor {
    ft_thread thread;
    sem_t bell;                  // The only thing that a thread left behind touches, beside:
    ft_atomic_pointer returned;  // ft_watch: turns that came back; pushed by anyone, taken whole.
    ft_atomic_u32 is_asleep;     // Until it is rung: nothing runs.
    ft_atomic_u32 is_over;
    ft_atomic_i64 left;  // Turns that are out and may come back.
    ft_atomic_u64 left_ever;
    // Its own:
    int64_t
        waiting_since_ns;    // Since when something has waited for a worker at every look; 0: not.
    int64_t still_since_ns;  // Since when nothing but turns left behind is at work; 0: not.
    int64_t leaving;         // Threads that are to be joined.
};

bool ft_monitor_init(ft_run *run, ft_error *err) FT_MUST_CHECK;
// May be started again when it was stopped: once the workers have ended it looks at the caller
// only.
bool ft_monitor_start(ft_run *run, ft_error *err) FT_MUST_CHECK;
void ft_monitor_stop(ft_run *run);
void ft_monitor_finish(ft_run *run);
// Something runs again.
void ft_monitor_wake(ft_run *run);
// Takes in what came back; the monitor itself, or whoever comes after it.
void ft_monitor_collect(ft_run *run);
