// What it costs two workers to reach each other.
#pragma once

#include "runtime/error.h"

typedef enum ft_bench_world {
    FT_BENCH_THREADS,
    FT_BENCH_MEMORY,  // Processes, through memory that both have.
    FT_BENCH_PIPES,   // Processes, through pipes.
} ft_bench_world;

// An ft_bench_function; `host` points to the world. Microseconds for a message to the other worker
// and its answer.
bool ft_bench_ping_pong(const void *host, double *out, ft_error *err);
// Nanoseconds for one increment of a number that two workers share: a sharded counter, one atomic,
// or messages to the process that owns it. The sum must be exact.
bool ft_bench_shared_count(const void *host, double *out, ft_error *err);
