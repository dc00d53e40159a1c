// The rows of `ftpipe bench essay`: what threads give over processes, and what they cost, in the
// order of the essay's table; then its own workloads beside this program's.
#include "cli/bench_rows.h"
#include "cli/bench_switch.h"

// ---- the table ----

static bool measure_switch(ft_bench *bench, ft_error *err)
{
    static const bool is_process[] = {false, true};

    return ft_bench_add(
        bench,
        &(ft_bench_row){.what = "switch latency: there and back, 2 workers on a CPU",
                        .unit = "us",
                        .ratio = FT_BENCH_PEER_BY_OURS,
                        .at_least = true,
                        .goal = 1,
                        .goal_text = ">= 1",
                        .sides = {{.name = "threads",
                                   .function = ft_bench_ping_pong,
                                   .host = &is_process[0],
                                   .cpus = 1},
                                  {.name = "processes, pipes",
                                   .function = ft_bench_ping_pong,
                                   .host = &is_process[1],
                                   .cpus = 1}}},
        err);
}

static bool measure_shared_state(ft_bench *bench, ft_error *err)
{
    static const bool is_process[] = {false, true};

    return ft_bench_add(bench,
                        &(ft_bench_row){.what = "shared state: one increment, 2 workers",
                                        .unit = "ns",
                                        .ratio = FT_BENCH_PEER_BY_OURS,
                                        .at_least = true,
                                        .goal = 10,
                                        .goal_text = ">= 10",
                                        .sides = {{.name = "threads, sharded counter",
                                                   .function = ft_bench_shared_count,
                                                   .host = &is_process[0]},
                                                  {.name = "processes, messages to its owner",
                                                   .function = ft_bench_shared_count,
                                                   .host = &is_process[1]}}},
                        err);
}

// ---- the essay's own workloads ----

typedef struct {
    const char *name;      // Of the script's workload.
    const char *pipeline;  // In the scratch folder.
} workload;

static const workload workloads[] = {
    {"tokens-serial", "essay-tokens.yaml"},
    {"tokens-threads", "essay-tokens.yaml"},
    {"tokens-processes", "essay-tokens.yaml"},
};

static bool measure_workload(ft_bench *bench, const ft_bench_scratch *scratch, const char *script,
                             const workload *w, ft_error *err)
{
    const char **argv = ft_arena_zero(bench->arena, 5, sizeof(char *));
    const char *what = ft_arena_format(bench->arena, "the essay's %s in Python", w->name);
    ft_bench_run run = {w->pipeline, NULL, NULL, FT_BENCH_WALL, false};

    if (!argv || !what)
        return ft_fail_nomem(err, 64);
    argv[0] = "python3";
    argv[1] = script;
    argv[2] = "--child";
    argv[3] = w->name;
    return ft_bench_add(
        bench,
        &(ft_bench_row){
            .what = what,
            .unit = "s",
            .ratio = FT_BENCH_PEER_BY_OURS,
            .at_least = true,
            .goal = 1,
            .goal_text = ">= 1",
            .sides = {ft_bench_run_side(bench, scratch, "ftpipe", &run),
                      {.name = "Python", .argv = argv, .key = "wall", .is_optional = true}}},
        err);
}

bool ft_bench_essay(ft_bench *bench, const ft_bench_scratch *scratch, const char *plot,
                    const char *script, ft_error *err)
{
    if (!measure_switch(bench, err) || !measure_shared_state(bench, err))
        return false;
    for (size_t i = 0; script && i < FT_COUNT_OF(workloads); i++)
        if (!measure_workload(bench, scratch, script, &workloads[i], err))
            return false;
    return ft_bench_plot(bench, scratch, plot, err);
}
