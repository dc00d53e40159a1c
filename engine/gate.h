// Who may have memory, and what is in flight.
#pragma once

#include "engine/graph.h"

void ft_gate_init(ft_run *run, int64_t limit_bytes);
void ft_gate_finish(ft_run *run);

// An age for a turn that is about to make a flight.
uint64_t ft_gate_birth(ft_run *run);
// A new flight with one reference (its first packet's). `source` is NULL for a flush.
ft_flight *ft_flight_create(ft_run *run, ft_node *source, uint64_t birth,
                            ft_error *err) FT_MUST_CHECK;
void ft_flight_ref(ft_flight *flight, uint32_t by);
void ft_flight_unref(ft_run *run, ft_flight *flight);  // NULL is fine.

// The turn gave its memory back because an older one needed it: waits until it may try again.
bool ft_gate_retry(ft_worker *worker, ft_error *err) FT_MUST_CHECK;

// The run stands still: lets the oldest waiter use the reserve or fail, else starts a source all
// the same. False: nothing was found that could go on, and the run is not done.
bool ft_run_unstick(ft_run *run);
// Lets all who wait fail with CANCELLED: the run is being stopped at once.
void ft_gate_cancel(ft_run *run);
