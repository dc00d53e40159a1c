// The cycle collector beside a thread that works, as sides of a duel.
#pragma once

#include "runtime/error.h"

typedef enum ft_bench_collecting {
    FT_BENCH_GAP,  // us: the gap of the working thread at p99.99, beyond that without garbage.
    FT_BENCH_LONGEST_GAP,  // us: the longest one, likewise.
    FT_BENCH_COLLECT,      // s: from the last drop until 1.5 million cyclic objects are gone.
    FT_BENCH_MUTATE,       // ns: an operation that drops references of cyclic objects.
    FT_BENCH_MUTATE_OFF,   // The same without a collector.
    FT_BENCH_UNRECLAIMED,  // MiB: the most that garbage held while it was made and collected.
} ft_bench_collecting;

// An ft_bench_function; `host` is an ft_bench_collecting.
bool ft_bench_collector(const void *host, double *out, ft_error *err);
