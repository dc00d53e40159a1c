// How much a run may hold in flight when the file does not say.
#pragma once

#include "engine/plan.h"

enum { FT_MEMORY_MIN_BYTES = 16 * 1024 * 1024 };

// `run.memory`, else a quarter of the machine's memory or of the cgroup's limit; never below the
// minimum when not given.
int64_t ft_memory_limit_of(const ft_run_options *options);
