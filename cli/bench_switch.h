// What it costs two workers to reach each other: threads by memory, processes by pipes.
#pragma once

#include "runtime/error.h"

// An ft_bench_function; `host` points to a bool: processes instead of threads. Microseconds for a
// message to the other worker and its answer.
bool ft_bench_ping_pong(const void *host, double *out, ft_error *err);
// Nanoseconds for one increment of a number that two workers share: a sharded counter, or messages
// to the process that owns it. The sum must be exact.
bool ft_bench_shared_count(const void *host, double *out, ft_error *err);
