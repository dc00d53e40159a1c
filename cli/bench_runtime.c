// The rows of `ftpipe bench runtime`.
#include "cli/bench_rows.h"

typedef struct {
    ft_bench *bench;
    const ft_bench_scratch *scratch;
    ft_error *err;
} table;

static bool measure(const table *t, const ft_bench_row *row)
{
    return ft_bench_add(t->bench, row, t->err);
}

static ft_bench_side run_side(const table *t, const char *name, ft_bench_measure_of what,
                              const char *pipeline, const char *const flag[2])
{
    ft_bench_run run = {pipeline, flag[0], flag[1], what, true};
    return ft_bench_run_side(t->bench, t->scratch, name, &run);
}

// ---- the same pipeline in three modes ----

static const char *const one_thread[] = {"--threads", "1"};
static const char *const two_threads[] = {"--threads", "2"};
static const char *const two_processes[] = {"--processes", "2"};

static bool measure_modes(const table *t, const char *pipeline, const char *name)
{
    ft_bench *bench = t->bench;
    const char *lock = ft_arena_format(bench->arena, "%s: global lock against one thread", name);
    const char *threads = ft_arena_format(bench->arena, "%s: threads against the lock", name);
    const char *rate = ft_arena_format(bench->arena, "%s: threads against processes", name);
    const char *memory = ft_arena_format(bench->arena, "%s: memory of threads, processes", name);
    static const char *const locked[] = {"--threads=2", "--global-lock"};

    if (!lock || !threads || !rate || !memory)
        return ft_fail_nomem(t->err, 64);
    return measure(
               t,
               &(ft_bench_row){
                   .what = lock,
                   .unit = "s",
                   .ratio = FT_BENCH_OURS_BY_PEER,
                   .goal = 1.03,
                   .goal_text = "<= 1.03",
                   .sides = {run_side(t, "global lock", FT_BENCH_WALL, pipeline, locked),
                             run_side(t, "one thread", FT_BENCH_WALL, pipeline, one_thread)}}) &&
           measure(t,
                   &(ft_bench_row){
                       .what = threads,
                       .unit = "s",
                       .ratio = FT_BENCH_PEER_BY_OURS,
                       .at_least = true,
                       .goal = 1.9,
                       .goal_text = ">= 1.9",
                       .sides = {run_side(t, "threads", FT_BENCH_WALL, pipeline, two_threads),
                                 run_side(t, "global lock", FT_BENCH_WALL, pipeline, locked)}}) &&
           measure(
               t,
               &(ft_bench_row){
                   .what = rate,
                   .unit = "s",
                   .ratio = FT_BENCH_PEER_BY_OURS,
                   .at_least = true,
                   .goal = 1.0,
                   .goal_text = ">= 1.0",
                   .sides = {run_side(t, "threads", FT_BENCH_WALL, pipeline, two_threads),
                             run_side(t, "processes", FT_BENCH_WALL, pipeline, two_processes)}}) &&
           measure(t,
                   &(ft_bench_row){
                       .what = memory,
                       .unit = "MiB",
                       .ratio = FT_BENCH_OURS_BY_PEER,
                       .goal = 0.6,
                       .goal_text = "<= 0.6",
                       .sides = {run_side(t, "threads", FT_BENCH_PSS, pipeline, two_threads),
                                 run_side(t, "processes", FT_BENCH_PSS, pipeline, two_processes)}});
}

// ---- one model read by two threads ----

static bool measure_one_model(const table *t)
{
    ft_bench_side one = run_side(t, "2 pinned processes", FT_BENCH_WALL, "embed.yaml", one_thread);
    ft_bench_side two = run_side(t, "2 threads", FT_BENCH_WALL, "twice.yaml", two_threads);

    one.copies = 2;
    return measure(t, &(ft_bench_row){.what = "one model, 2 threads against 2 processes",
                                      .unit = "s",
                                      .ratio = FT_BENCH_PEER_BY_OURS,
                                      .at_least = true,
                                      .goal = 0.97,
                                      .goal_text = ">= 0.97",
                                      .sides = {two, one}});
}

// ---- idle ----

static bool measure_idle(const table *t)
{
    const char *const argv[] = {t->bench->program, "run", "-q", "-e", "read - ! print", NULL};
    ft_bench_program program = {.argv = argv, .what = FT_BENCH_IDLE, .idle_ms = 2000};

    return measure(
        t, &(ft_bench_row){
               .what = "idle with an open source: wake-ups",
               .unit = "/s",
               .ratio = FT_BENCH_FIGURE,
               .goal = 0,
               .goal_text = "0",
               .sides = {{.name = "ftpipe", .function = ft_bench_run_program, .host = &program}}});
}

bool ft_bench_runtime(ft_bench *bench, const ft_bench_scratch *scratch, ft_error *err)
{
    table t = {bench, scratch, err};

    return measure_one_model(&t) && measure_modes(&t, "tokenize.yaml", "tokenize") &&
           measure_modes(&t, "embed.yaml", "embed") && measure_idle(&t);
}
