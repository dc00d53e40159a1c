// What it costs to give a tensor to another worker, and to lose one.
#pragma once

#include "runtime/error.h"

typedef enum ft_handover_way {
    FT_HANDOVER_POINTER,  // To another thread.
    FT_HANDOVER_MEMORY,   // To another process, through memory that both have.
    FT_HANDOVER_PIPE,     // To another process, through a pipe.
} ft_handover_way;

// An ft_bench_function; `host` points to the way. Microseconds for a tensor of 4 MiB, until the
// other side has looked at every page of it and said so.
bool ft_bench_handover(const void *host, double *out, ft_error *err);
// Milliseconds from an item that crashes its isolated stage to the next one that is through:
// another process is there. All other items must come through.
bool ft_bench_crash(const void *host, double *out, ft_error *err);
