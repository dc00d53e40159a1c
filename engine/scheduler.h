// Who runs what: worker threads with a ring each, spares that stand in for workers that wait for
// memory, and a pool of threads for stages that wait for the outside.
#pragma once

#include "engine/graph.h"

bool ft_scheduler_init(ft_run *run, ft_error *err) FT_MUST_CHECK;
bool ft_scheduler_start(ft_run *run, ft_error *err) FT_MUST_CHECK;
// Tells all threads to leave after the task that they are at, and waits for them.
void ft_scheduler_stop(ft_run *run);
void ft_scheduler_finish(ft_run *run);

// The calling thread's worker; NULL for threads that are not the run's.
ft_worker *ft_worker_current(void);

// Gives a task to whoever is right for it: the pool for a stage that blocks, else the calling
// worker, next of all.
void ft_dispatch(ft_worker *worker, ft_task *task);
// Wakes a worker if one sleeps and none has been woken just now.
void ft_wake_one(ft_run *run);
// The calling thread counts as able to make progress from here on, or no longer does.
void ft_active_enter(ft_run *run);
void ft_active_leave(ft_run *run);
// The calling worker goes to sleep in the gate: somebody else takes its place meanwhile.
void ft_worker_block(ft_worker *worker);
void ft_worker_unblock(ft_worker *worker);
// Whether anything waits for a worker; a hint.
bool ft_scheduler_has_work(const ft_run *run);
// Puts a fresh thread in the place of `worker`, whose thread stays inside a stage; `claim` decides
// that it does, when the thread can be had. False: no claim, or no thread.
bool ft_worker_replace(ft_worker *worker, bool (*claim)(void *host), void *host);
// The thread of a worker that was replaced has ended: its slot may be used again.
void ft_worker_free(ft_worker *worker);
// Hands every task that nobody has run to `drop`; only while no threads run.
void ft_scheduler_drain(ft_run *run, void (*drop)(ft_task *task));
