// Mutex, condition and once. Every lock's declaration says what it guards; lock order:
// docs/architecture.md.
#pragma once

#include <pthread.h>

#include "runtime/concurrent/atomic.h"

typedef struct ft_mutex {
    pthread_mutex_t mutex;
    const char *name;  // For contention.h; NULL: none was given.
    // Of whoever has it, while contention is noted. `holder` is read by those who wait.
    ft_atomic_pointer holder;
    const char *blamed;           // Who had it when this holder's wait began.
    int64_t waited_ns, since_ns;  // -1, 0: it did not wait; this hold is not timed.
    uint32_t holds;
} ft_mutex;
typedef struct ft_condition {
    pthread_cond_t condition;
} ft_condition;  // Waits on the monotonic clock.
typedef struct ft_once {
    pthread_once_t once;
} ft_once;
#define FT_ONCE_INIT {PTHREAD_ONCE_INIT}

FT_API void ft_mutex_init(ft_mutex *mutex);
// What profiles call it; a literal.
FT_API void ft_mutex_init_named(ft_mutex *mutex, const char *name);
FT_API void ft_mutex_finish(ft_mutex *mutex);
FT_API void ft_mutex_lock(ft_mutex *mutex);
FT_API bool ft_mutex_try_lock(ft_mutex *mutex);
FT_API void ft_mutex_unlock(ft_mutex *mutex);

// Calls `work` the first time; everybody returns when it has ended.
void ft_once_run(ft_once *once, void (*work)(void));

void ft_condition_init(ft_condition *condition);
void ft_condition_finish(ft_condition *condition);
// Both may return without a cause: wait in a loop. Not inside a read section
// (runtime/memory/epoch.h).
void ft_condition_wait(ft_condition *condition, ft_mutex *mutex);
bool ft_condition_wait_ms(ft_condition *condition, ft_mutex *mutex,
                          int64_t timeout_ms);  // False when the time ran out.
void ft_condition_wake_one(ft_condition *condition);
void ft_condition_wake_all(ft_condition *condition);
