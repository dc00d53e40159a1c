// What stages that never come back cost those beside them.
#pragma once

#include "runtime/error.h"

// Two branches whose items take 20 us of CPU time run for a while on two workers (3 s for a rate,
// half a second else), alone or beside two endless stages, one in C and one in Lua.
typedef enum ft_bench_endless_figure {
    FT_BENCH_RATE_ALONE,   // Items a second.
    FT_BENCH_RATE_BESIDE,  // The same beside the endless stages.
    FT_BENCH_NAMED_MS,     // Until the log had named both.
    FT_BENCH_WAIT_P99_MS,  // From a batch's being made to its being run, beside them.
} ft_bench_endless_figure;

// `host`: ft_bench_endless_figure.
bool ft_bench_endless(const void *host, double *out, ft_error *err) FT_MUST_CHECK;
