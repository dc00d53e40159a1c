// --global-lock: one lock around every turn of a stage, as an interpreter with a global lock has
// around its threads, to compare with. Nothing else in the engine needs it.
//
// As in CPython: who waits asks for the lock after 5 ms; the holder looks after every turn whether
// somebody asks, lets go, and takes it again only when the other has had it. A thread that waits
// (for work, for memory, for the outside) lets go meanwhile. An endless stage starves all others,
// so the monitor does not run beside it.
#pragma once

#include "engine/graph.h"

bool ft_global_lock_init(ft_run *run, ft_error *err) FT_MUST_CHECK;
void ft_global_lock_finish(ft_run *run);
// All do nothing in a run without the lock; `take` and `leave` when the worker has it already, or
// has not.
void ft_global_lock_take(ft_worker *worker);
void ft_global_lock_leave(ft_worker *worker);
// A turn is over.
void ft_global_lock_yield(ft_worker *worker);
