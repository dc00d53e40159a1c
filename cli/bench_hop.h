// What it costs to pass a message through empty stages.
#pragma once

#include "runtime/error.h"

// Runs a line of a source, `stages` - 1 transforms and a sink on `threads` workers, all of them
// serial and in order, and returns the wall time of the run in ns; -1 with `err` filled. A message
// is a batch of one item, made beforehand; the source sends them round and round. Each of the
// `stages` adds 1 to the number in it, after working for `rounds` of workload_spin.
int64_t ft_bench_hop(int threads, int64_t messages, int stages, int64_t rounds,
                     ft_error *err) FT_MUST_CHECK;
