// The rows of `ftpipe bench essay`: what threads give over processes, and what they cost, in the
// order of the essay's table; then its own workloads beside this program's.
#include "cli/bench_handover.h"
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

static bool measure_handover(ft_bench *bench, ft_error *err)
{
    static const ft_handover_way ways[] = {FT_HANDOVER_POINTER, FT_HANDOVER_MEMORY,
                                           FT_HANDOVER_PIPE};
    ft_bench_side pointer = {
        .name = "threads, a pointer", .function = ft_bench_handover, .host = &ways[0]};
    ft_bench_side memory = {
        .name = "processes, shared memory", .function = ft_bench_handover, .host = &ways[1]};
    ft_bench_side by_pipe = {
        .name = "processes, a pipe", .function = ft_bench_handover, .host = &ways[2]};
    ft_bench_row row = {.what = "data passing: a tensor of 4 MiB, against shared memory",
                        .unit = "us",
                        .ratio = FT_BENCH_PEER_BY_OURS,
                        .at_least = true,
                        .goal = 1,
                        .goal_text = ">= 1",
                        .sides = {pointer, memory}};

    if (!ft_bench_add(bench, &row, err))
        return false;
    row.what = "data passing: a tensor of 4 MiB, against a pipe";
    row.goal = 50;
    row.goal_text = ">= 50";
    row.sides[1] = by_pipe;
    if (!ft_bench_add(bench, &row, err))
        return false;
    row.what = "data passing: isolated stages' shared memory against a pipe";
    row.goal = 20;
    row.goal_text = ">= 20";
    row.sides[0] = memory;
    return ft_bench_add(bench, &row, err);
}

static bool run_in_ms(const void *host, double *out, ft_error *err)
{
    bool ok = ft_bench_run_program(host, out, err);

    *out *= 1000;
    return ok;
}

// What a crash costs where it ends one stage's process, and where it ends the program.
static bool measure_isolation(ft_bench *bench, ft_error *err)
{
    const char **argv = ft_arena_zero(bench->arena, 6, sizeof(char *));
    ft_bench_program *program = ft_arena_zero(bench->arena, 1, sizeof(*program));

    if (!argv || !program)
        return ft_fail_nomem(err, sizeof(*program));
    argv[0] = bench->program;
    argv[1] = "run";
    argv[2] = "-q";
    argv[3] = "-e";
    argv[4] = "generate 1 ! drop";
    *program = (ft_bench_program){.argv = argv, .what = FT_BENCH_WALL};
    return ft_bench_add(
        bench,
        &(ft_bench_row){
            .what = "failure isolation: from a crash to the next item",
            .unit = "ms",
            .ratio = FT_BENCH_PEER_BY_OURS,
            .at_least = true,
            .goal = 1,
            .goal_text = ">= 1",
            .sides = {{.name = "isolate: process", .function = ft_bench_crash},
                      {.name = "the program again", .function = run_in_ms, .host = program}}},
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
    if (!ft_bench_memory(bench, scratch, "embed.yaml", "memory footprint: embed, PSS", err) ||
        !measure_handover(bench, err) || !measure_switch(bench, err) ||
        !measure_shared_state(bench, err) || !measure_isolation(bench, err))
        return false;
    for (size_t i = 0; script && i < FT_COUNT_OF(workloads); i++)
        if (!measure_workload(bench, scratch, script, &workloads[i], err))
            return false;
    return ft_bench_plot(bench, scratch, plot, err);
}
