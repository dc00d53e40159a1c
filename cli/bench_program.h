// Runs of a program, this one above all, as sides of a duel: how long, how much memory, how many
// wake-ups.
#pragma once

#include "cli/bench.h"

typedef enum ft_bench_measure_of {
    FT_BENCH_WALL,  // Seconds from its start to its end.
    FT_BENCH_CPU,   // CPU seconds, all its threads and the processes that it waited for.
    FT_BENCH_PSS,   // MiB at the peak: its memory and that of its children, shared pages by their
                    // share (PSS).
    FT_BENCH_IDLE,  // Wake-ups a second of all its threads, while nothing comes in at its stdin.
} ft_bench_measure_of;

typedef struct ft_bench_program {
    const char *const *argv;
    ft_bench_measure_of what;
    const char *folder;  // Working directory; NULL: ours.
    const char *output;  // A file that it makes, which is removed before; NULL: none.
    int idle_ms;
} ft_bench_program;

// An ft_bench_function; `host` is an ft_bench_program.
bool ft_bench_run_program(const void *host, double *out, ft_error *err);
