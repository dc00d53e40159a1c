// Pipelines made by hand, for measurements inside one process.
#pragma once

#include "engine/run.h"

typedef struct ft_bench_part {
    const ft_stage_def *def;
    int from;            // Which part it reads; -1: it is a source.
    const void *config;  // [def->config_size], copied; NULL: the defaults.
    // Sets what a copy cannot, from the plan's arena. May be NULL.
    bool (*configure)(void *config, ft_arena *arena, ft_error *err);
    int64_t batch_items;  // 0: the stage's own.
} ft_bench_part;

// A checked plan; names are those of the defs, which need not differ. NULL with `err` filled.
ft_plan *ft_bench_line_plan(const ft_bench_part *parts, size_t count, int threads,
                            ft_error *err) FT_MUST_CHECK;
// Runs it to the end. `*out_ns` is the wall time of the run without making and freeing it.
bool ft_bench_line_run(const ft_bench_part *parts, size_t count, int threads, int64_t *out_ns,
                       ft_error *err) FT_MUST_CHECK;
