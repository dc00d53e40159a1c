// `on_runaway: fail`: the items of a turn that was left behind have failed at once, and its place
// in the order is closed; what the thread does after that is nobody's business.
//
// What was given to the stage is kept beside (a reference on each batch), so that its items can go
// to `errors`. Two things follow, in any order, and the second of them lets go of all: another
// worker closes the turn in the thread's place, and the thread comes back, if it ever does.
#pragma once

#include "engine/runaway.h"

// Before the stage runs: keeps what it is given, if its policy asks for that and it can.
void ft_abandon_keep(ft_watch *watch);
// The stage has come back in time.
void ft_abandon_unkeep(ft_watch *watch);
// The monitor has left the turn behind, in `call` if not in the stage's own: it fails. False: its
// policy is another.
bool ft_abandon_begin(ft_run *run, ft_watch *watch, const char *call);
// The task of kind ABANDONED: closes the turn's place.
void ft_abandon_close(ft_worker *worker, ft_task *task);
// The thread has come back after all; or the run is stopped, and one of the two will not happen.
void ft_abandon_returned(ft_watch *watch);
// The run is over: counts the rows of turns that never came back.
void ft_abandon_settle(ft_run *run);
