// A run as Chrome trace events (about:tracing, Perfetto): a named track for each thread, a bar for
// each turn, counters of memory and of batches in flight.
#pragma once

#include "engine/graph.h"

void ft_trace_begin(ft_run *run);
// Called by the thread that ends the turn, as its worker.
void ft_trace_turn(const ft_instance *instance, int64_t from_ns, int64_t to_ns);
// Writes what is left; all threads have ended.
void ft_trace_end(ft_run *run);
