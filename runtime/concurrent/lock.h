// Mutex, condition and once. Every lock's declaration says what it guards; lock order:
// docs/architecture.md.
#pragma once

#include <pthread.h>

#include "runtime/compiler.h"

typedef struct ft_mutex {
    pthread_mutex_t mutex;
} ft_mutex;
typedef struct ft_condition {
    pthread_cond_t condition;
} ft_condition;  // Waits on the monotonic clock.

void ft_mutex_init(ft_mutex *mutex);
void ft_mutex_finish(ft_mutex *mutex);
void ft_mutex_lock(ft_mutex *mutex);
bool ft_mutex_try_lock(ft_mutex *mutex);
void ft_mutex_unlock(ft_mutex *mutex);

void ft_condition_init(ft_condition *condition);
void ft_condition_finish(ft_condition *condition);
// Both may return without a cause: wait in a loop. Not inside a read section
// (runtime/memory/epoch.h).
void ft_condition_wait(ft_condition *condition, ft_mutex *mutex);
bool ft_condition_wait_ms(ft_condition *condition, ft_mutex *mutex,
                          int64_t timeout_ms);  // False when the time ran out.
void ft_condition_wake_one(ft_condition *condition);
void ft_condition_wake_all(ft_condition *condition);
