// Who counts a reference, and when memory goes.
#pragma once

#include "runtime/error.h"

// Locked operations on headers of counted objects that five stages cost a message whose buffer
// nobody else has: those of a run with the stages less those of a run without.
bool ft_bench_header_rmws(const void *host, double *out, ft_error *err) FT_MUST_CHECK;

typedef enum ft_bench_abroad {
    FT_BENCH_AT_HOME,      // Dropped by the thread that made them.
    FT_BENCH_HANDED_OVER,  // By another, which received them through a queue.
    FT_BENCH_STRAYS,       // By another, which never received them (a plug-in).
} ft_bench_abroad;
// 40 tensors of 4 MiB are dropped one by one while their owner waits. `host`: ft_bench_abroad.
// The most bytes that were accounted beyond those of the tensors that still lived.
bool ft_bench_stranded_bytes(const void *host, double *out, ft_error *err) FT_MUST_CHECK;
// Their peak in the account, MiB.
bool ft_bench_account_peak(const void *host, double *out, ft_error *err) FT_MUST_CHECK;
