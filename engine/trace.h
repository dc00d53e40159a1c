// A run as Chrome trace events (about:tracing, Perfetto): one track a thread, one bar a turn.
#pragma once

#include "engine/graph.h"

void ft_trace_begin(ft_run *run);
void ft_trace_turn(const ft_instance *instance, int64_t from_ns, int64_t to_ns);
void ft_trace_end(ft_run *run);
