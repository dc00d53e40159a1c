// The rows of `ftpipe bench essay`: what threads give over processes, and what they cost, in the
// order of the essay's table; then its own workloads beside this program's.
#include "cli/bench_handover.h"
#include "cli/bench_rows.h"
#include "cli/bench_switch.h"

// ---- the table ----

static const ft_bench_world worlds[] = {FT_BENCH_THREADS, FT_BENCH_MEMORY, FT_BENCH_PIPES};

// On one CPU, where going to the other worker is a switch of the kernel's.
static bool measure_switch(ft_bench *bench, ft_error *err)
{
    ft_bench_side threads = {.name = "threads, semaphores",
                             .function = ft_bench_ping_pong,
                             .host = &worlds[0],
                             .cpus = 1};
    ft_bench_side memory = threads, pipes = threads;
    ft_bench_row row = {.what = "switch latency: there and back on a CPU, against shared memory",
                        .unit = "us",
                        .ratio = FT_BENCH_PEER_BY_OURS,
                        .at_least = true,
                        .goal = 1,
                        .goal_text = ">= 1",
                        .sides = {threads}};

    memory.name = "processes, semaphores in shared memory";
    memory.host = &worlds[1];
    pipes.name = "processes, pipes";
    pipes.host = &worlds[2];
    row.sides[1] = memory;
    if (!ft_bench_add(bench, &row, err))
        return false;
    row.what = "switch latency: there and back on a CPU, against pipes";
    row.sides[1] = pipes;
    return ft_bench_add(bench, &row, err);
}

static bool measure_shared_state(ft_bench *bench, ft_error *err)
{
    ft_bench_side threads = {
        .name = "threads, sharded counter", .function = ft_bench_shared_count, .host = &worlds[0]};
    ft_bench_side memory = threads, pipes = threads;
    ft_bench_row row = {.what = "shared state: one increment, against shared memory",
                        .unit = "ns",
                        .ratio = FT_BENCH_PEER_BY_OURS,
                        .at_least = true,
                        .goal = 1,
                        .goal_text = ">= 1",
                        .sides = {threads}};

    memory.name = "processes, an atomic in shared memory";
    memory.host = &worlds[1];
    pipes.name = "processes, messages to its owner";
    pipes.host = &worlds[2];
    row.sides[1] = memory;
    if (!ft_bench_add(bench, &row, err))
        return false;
    row.what = "shared state: one increment, against messages";
    row.goal = 10;
    row.goal_text = ">= 10";
    row.sides[1] = pipes;
    return ft_bench_add(bench, &row, err);
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
    const char *threads;
} workload;

static const workload workloads[] = {
    {"tokens-serial", "essay-tokens.yaml", "--threads=1"},
    {"tokens-threads", "essay-tokens.yaml", "--threads=4"},
    {"tokens-processes", "essay-tokens.yaml", "--threads=4"},
    {"linear-serial", "essay-linear.yaml", "--threads=1"},
    {"linear-threads", "essay-linear.yaml", "--threads=4"},
    {"lock-stack", "essay-stack.yaml", "--threads=4"},
};

typedef struct {
    ft_bench *bench;
    const ft_bench_scratch *scratch;
    const char *script, *python;
    const char *version;  // "CPython 3.11.2".
} snake;

// What it is, from sys.hexversion; NULL: it does not run.
static const char *find_version(ft_bench *bench, const char *python, ft_error *err)
{
    static const char program[] =
        "import sys; lock = getattr(sys, '_is_gil_enabled', lambda: True)()\n"
        "print('{\"version\":%d}' % (sys.hexversion | (not lock) << 32))";
    const char *const argv[] = {python, "-c", program, NULL};
    ft_bench_side side = {.name = python, .argv = argv, .key = "version"};
    double value;

    if (!ft_bench_run_once(&side, &value, err)) {
        ft_hint(err, "`--python` names the interpreter that runs the script.");
        return NULL;
    }
    uint64_t version = (uint64_t)value;
    return ft_arena_format(bench->arena, "CPython %d.%d.%d%s", (int)(version >> 24 & 255),
                           (int)(version >> 16 & 255), (int)(version >> 8 & 255),
                           version >> 32 ? " free-threaded" : "");
}

static bool make_snake_side(const snake *s, const char *workload_name, const char *key,
                            ft_bench_side *out, ft_error *err)
{
    const char **argv = ft_arena_zero(s->bench->arena, 5, sizeof(char *));

    if (!argv)
        return ft_fail_nomem(err, 5 * sizeof(char *));
    argv[0] = s->python;
    argv[1] = s->script;
    argv[2] = "--child";
    argv[3] = workload_name;
    *out = (ft_bench_side){.name = s->version, .argv = argv, .key = key, .is_optional = true};
    return true;
}

// Ours is a whole process, from its start to its end; the script looks at the clock when Python has
// started and its input is there.
static bool measure_workload(const snake *s, const workload *w, ft_error *err)
{
    const char *what = ft_arena_format(s->bench->arena, "the essay's %s", w->name);
    ft_bench_run run = {w->pipeline, w->threads, NULL, FT_BENCH_WALL, false};
    ft_bench_row row = {.what = what,
                        .unit = "ms",
                        .ratio = FT_BENCH_PEER_BY_OURS,
                        .at_least = true,
                        .goal = 1,
                        .goal_text = ">= 1",
                        .sides = {ft_bench_run_side(s->bench, s->scratch, "ftpipe", &run)}};

    if (!what)
        return ft_fail_nomem(err, 64);
    if (!make_snake_side(s, w->name, "wall", &row.sides[1], err))
        return false;
    row.sides[0].scale = row.sides[1].scale = 1000;
    return ft_bench_add(s->bench, &row, err);
}

static bool measure_lost_update(const snake *s, ft_error *err)
{
    ft_bench_row row = {.what = "the essay's lost-update: arrived of 400,000",
                        .unit = "increments",
                        .ratio = FT_BENCH_FIGURE,
                        .more_is_better = true,
                        .at_least = true,
                        .goal = 400000,
                        .goal_text = "400000"};

    row.sides[0] = (ft_bench_side){.name = "ftpipe", .key = "result"};
    row.sides[0].argv = ft_bench_run_argv(s->bench, s->scratch, "essay-counter.yaml", NULL, NULL);
    if (!row.sides[0].argv)
        return ft_fail_nomem(err, 64);
    return make_snake_side(s, "lost-update", "result", &row.sides[1], err) &&
           ft_bench_add(s->bench, &row, err);
}

static bool measure_script(ft_bench *bench, const ft_bench_scratch *scratch,
                           const ft_bench_essay_options *options, ft_error *err)
{
    snake s = {.bench = bench, .scratch = scratch, .script = options->script};

    s.python = options->python ? options->python : "python3";
    s.version = find_version(bench, s.python, err);
    if (!s.version)
        return false;
    for (size_t i = 0; i < FT_COUNT_OF(workloads); i++)
        if (!measure_workload(&s, &workloads[i], err))
            return false;
    return measure_lost_update(&s, err);
}

bool ft_bench_essay(ft_bench *bench, const ft_bench_scratch *scratch,
                    const ft_bench_essay_options *options, ft_error *err)
{
    return ft_bench_memory(bench, scratch, "embed.yaml", "memory footprint: embed, PSS", err) &&
           measure_handover(bench, err) && measure_switch(bench, err) &&
           measure_shared_state(bench, err) && measure_isolation(bench, err) &&
           (!options->script || measure_script(bench, scratch, options, err)) &&
           ft_bench_plot(bench, scratch, options->plot ? options->plot : "ftpipe-essay.svg", err);
}
