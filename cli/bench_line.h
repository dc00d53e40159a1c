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

// What stages of measurements pass on: batches with one whole number, `value`. As `plan` of a
// source that makes it, of a stage that reads it, and as `process` of a sink.
bool ft_bench_plan_source(ft_stage_plan *plan, void *config, ft_error *err) FT_MUST_CHECK;
bool ft_bench_plan_reader(ft_stage_plan *plan, void *config, ft_error *err) FT_MUST_CHECK;
bool ft_bench_swallow(ft_stage *self, ft_batch **in, ft_error *err) FT_MUST_CHECK;
// Emits a batch of one item.
bool ft_bench_emit_value(ft_stage *self, int64_t value, ft_error *err) FT_MUST_CHECK;

// A checked plan; names are those of the defs, which need not differ. NULL with `err` filled.
ft_plan *ft_bench_line_plan(const ft_bench_part *parts, size_t count, int threads,
                            ft_error *err) FT_MUST_CHECK;
// Runs it to the end. `*out_ns` is the wall time of the run without making and freeing it.
bool ft_bench_line_run(const ft_bench_part *parts, size_t count, int threads, int64_t *out_ns,
                       ft_error *err) FT_MUST_CHECK;
