// Shared collections under load, as sides of a duel.
#pragma once

#include "runtime/error.h"

typedef struct ft_bench_load {
    const char
        *what;  // dict, set, queue, stack, list, hot-key, counter, atomic, count-own, count-atomic
    int threads;
    int64_t operations;  // Of each thread.
} ft_bench_load;

// An ft_bench_function; `host` is an ft_bench_load. Nanoseconds for an operation; fails when a
// value was lost or came twice.
bool ft_bench_collection(const void *host, double *out, ft_error *err);
