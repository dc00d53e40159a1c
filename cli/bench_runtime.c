// The rows of `ftpipe bench runtime`.
#include "cli/bench_collections.h"
#include "cli/bench_collector.h"
#include "cli/bench_endless.h"
#include "cli/bench_hop.h"
#include "cli/bench_ownership.h"
#include "cli/bench_rows.h"
#include "cli/bench_workload.h"
#include "runtime/system/clock.h"

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

// ---- counting ----

static const ft_bench_load own_pair = {"count-own", 1, 100000000};
static const ft_bench_load atomic_pair = {"count-atomic", 1, 20000000};
static const ft_bench_load sharded = {"counter", 2, 50000000};
static const ft_bench_load one_atomic = {"atomic", 2, 10000000};
static const ft_bench_load hot_two = {"hot-key", 2, 200000000};
static const ft_bench_load hot_one = {"hot-key", 1, 200000000};

static ft_bench_side load_side(const char *name, const ft_bench_load *load)
{
    return (ft_bench_side){.name = name, .function = ft_bench_collection, .host = load};
}

static bool measure_counting(const table *t)
{
    ft_bench_side one = load_side("2 pinned processes", &hot_one);

    one.copies = 2;
    one.scale = 0.5;
    return measure(t, &(ft_bench_row){.what = "own reference taken and dropped",
                                      .unit = "ns",
                                      .ratio = FT_BENCH_OURS_BY_PEER,
                                      .goal = 0.125,
                                      .goal_text = "<= 1/8",
                                      .sides = {load_side("ftpipe", &own_pair),
                                                load_side("atomic pair", &atomic_pair)}}) &&
           measure(t, &(ft_bench_row){.what = "sharded counter, 2 threads",
                                      .unit = "ns",
                                      .ratio = FT_BENCH_PEER_BY_OURS,
                                      .at_least = true,
                                      .goal = 10,
                                      .goal_text = ">= 10",
                                      .sides = {load_side("ftpipe", &sharded),
                                                load_side("one atomic", &one_atomic)}}) &&
           // Nanoseconds for an operation of all threads: two processes together do twice as much.
           measure(t, &(ft_bench_row){.what = "one hot dict key, 2 threads against 2 processes",
                                      .unit = "ns",
                                      .ratio = FT_BENCH_PEER_BY_OURS,
                                      .at_least = true,
                                      .goal = 0.97,
                                      .goal_text = ">= 0.97",
                                      .sides = {load_side("2 threads", &hot_two), one}});
}

// ---- whose a buffer is ----

static bool measure_ownership(const table *t)
{
    static const ft_bench_abroad home = FT_BENCH_AT_HOME, handed = FT_BENCH_HANDED_OVER,
                                 strays = FT_BENCH_STRAYS;
    ft_bench_row stranded = {.unit = "B",
                             .ratio = FT_BENCH_FIGURE,
                             .goal = 0,
                             .goal_text = "0",
                             .sides = {{.name = "ftpipe", .function = ft_bench_stranded_bytes}}};
    ft_bench_side at_home = {
        .name = "one thread", .function = ft_bench_account_peak, .host = &home};
    ft_bench_side abroad = {
        .name = "dropped elsewhere", .function = ft_bench_account_peak, .host = &strays};

    if (!measure(t,
                 &(ft_bench_row){.what = "locked writes to a unique buffer's headers, 5 stages",
                                 .unit = "a message",
                                 .ratio = FT_BENCH_FIGURE,
                                 .goal = 0,
                                 .goal_text = "0",
                                 .sides = {{.name = "ftpipe", .function = ft_bench_header_rmws}}}))
        return false;
    stranded.what = "owner waits, tensors received and dropped: left over";
    stranded.sides[0].host = &handed;
    if (!measure(t, &stranded))
        return false;
    stranded.what = "owner waits, strays dropped: left over";
    stranded.sides[0].host = &strays;
    return measure(t, &stranded) &&
           measure(t, &(ft_bench_row){.what = "accounted peak, owner waits against one thread",
                                      .unit = "MiB",
                                      .ratio = FT_BENCH_OURS_BY_PEER,
                                      .goal = 1,
                                      .goal_text = "1",
                                      .sides = {abroad, at_home}});
}

// ---- collections ----

typedef struct {
    const char *what, *tbb, *urcu;
    const char *tbb_name, *urcu_name;
} rival;

static const rival rivals[] = {
    {"dict", "dict", "dict", "oneTBB concurrent_hash_map", "liburcu lfht"},
    {"set", "set", NULL, "oneTBB concurrent_unordered_set", NULL},
    {"queue", "queue", NULL, "oneTBB concurrent_bounded_queue", NULL},
    {"stack", NULL, "stack", NULL, "liburcu lfstack"},
    {"list", "list", NULL, "a mutex around a std::vector", NULL},
};

static ft_bench_side peer_side(const table *t, const char *program, const char *what,
                               const char *name, const char *threads)
{
    ft_bench_side side = {.name = name, .key = "ns", .is_optional = true};
    const char **argv = ft_arena_zero(t->bench->arena, 5, sizeof(char *));

    if (!argv)
        return side;
    argv[0] = ft_bench_find_peer(t->bench, program);
    argv[1] = what;
    argv[2] = threads;
    argv[3] = "2000000";
    side.argv = argv[0] ? argv : NULL;
    return side;
}

static bool measure_collection(const table *t, const rival *r, int threads)
{
    ft_bench_row row = {.unit = "ns",
                        .ratio = FT_BENCH_PEER_BY_OURS,
                        .at_least = true,
                        .goal = 1,
                        .goal_text = ">= 1.0"};
    ft_bench_load *load = ft_arena_zero(t->bench->arena, 1, sizeof(*load));
    size_t at = 0;

    row.what = ft_arena_format(t->bench->arena, "%s, mixed load, %d thread%s", r->what, threads,
                               threads == 1 ? "" : "s");
    if (!load || !row.what)
        return ft_fail_nomem(t->err, sizeof(*load));
    *load = (ft_bench_load){r->what, threads, 2000000};
    row.sides[at++] = load_side("ftpipe", load);
    if (r->tbb)
        row.sides[at++] =
            peer_side(t, "peer_collections_tbb", r->tbb, r->tbb_name, threads == 1 ? "1" : "2");
    if (r->urcu)
        row.sides[at++] =
            peer_side(t, "peer_collections_urcu", r->urcu, r->urcu_name, threads == 1 ? "1" : "2");
    return measure(t, &row);
}

static bool measure_collections(const table *t)
{
    for (size_t i = 0; i < FT_COUNT_OF(rivals); i++)
        for (int threads = 1; threads <= 2; threads++)
            if (!measure_collection(t, &rivals[i], threads))
                return false;
    return true;
}

// ---- hops ----

typedef struct {
    int threads;
    int64_t messages, rounds;
} hop;

static bool run_hop(const void *host, double *out, ft_error *err)
{
    const hop *h = host;
    int64_t ns = ft_bench_hop(h->threads, h->messages, 5, h->rounds, err);

    *out = (double)ns / (double)h->messages;
    return ns >= 0;
}

static ft_bench_side hop_peer(const table *t, const char *program, const char *mode,
                              const char *name, int threads)
{
    ft_bench_side side = {.name = name, .key = "wall", .is_optional = true, .scale = 1e9 / 500000};
    const char **argv = ft_arena_zero(t->bench->arena, 7, sizeof(char *));
    size_t at = 0;

    if (!argv || !(argv[at] = ft_bench_find_peer(t->bench, program)))
        return side;
    at++;
    if (mode)
        argv[at++] = mode;
    argv[at++] = "500000";
    argv[at++] = "256";
    argv[at++] = "2";
    if (mode)
        argv[at++] = threads == 1 ? "1" : "2";
    side.argv = argv;
    side.cpus = threads;  // Go takes as many threads as it has CPUs.
    return side;
}

static bool measure_hops(const table *t)
{
    static const hop hops[] = {{1, 500000, 0}, {2, 500000, 0}};

    for (int threads = 1; threads <= 2; threads++) {
        ft_bench_row row = {
            .what = threads == 1 ? "a message through 5 empty stages, 1 worker"
                                 : "a message through 5 empty stages, 2 workers",
            .unit = "ns",
            .ratio = FT_BENCH_PEER_BY_OURS,
            .at_least = true,
            .goal = 1.2,
            .goal_text = ">= 1.2",
            .sides = {{.name = "ftpipe",
                       .function = run_hop,
                       .host = &hops[threads - 1],
                       .cpus = threads},
                      hop_peer(t, "hop_tbb", "pipeline", "oneTBB parallel_pipeline", threads),
                      hop_peer(t, "hop_go", NULL, "Go channels", threads),
                      hop_peer(t, "hop_crossbeam", NULL, "crossbeam channels", threads)}};
        if (!measure(t, &row))
            return false;
    }
    return true;
}

// Rounds of workload_spin that take `ns`: the best of a few.
static int64_t rounds_of(int64_t ns)
{
    enum { TRIES = 20, ROUNDS = 100000 };
    int64_t best = INT64_MAX;

    for (int i = 0; i < TRIES; i++) {
        int64_t from = ft_clock_ns();
        workload_spin(ROUNDS);
        int64_t took = ft_clock_ns() - from;
        best = took < best ? took : best;
    }
    return ns * ROUNDS / (best > 0 ? best : 1);
}

static ft_bench_side pthread_side(const table *t, const char *mode, const char *name, const hop *as)
{
    ft_bench_side side = {.name = name, .key = "ns", .is_optional = true};
    const char **argv = ft_arena_zero(t->bench->arena, 6, sizeof(char *));

    if (!argv || !(argv[0] = ft_bench_find_peer(t->bench, "peer_pipeline_pthread")))
        return side;
    argv[1] = mode;
    argv[2] = "2";
    argv[3] = ft_arena_format(t->bench->arena, "%lld", (long long)as->messages);
    argv[4] = ft_arena_format(t->bench->arena, "%lld", (long long)as->rounds);
    side.argv = argv[3] && argv[4] ? argv : NULL;
    return side;
}

// 20 us of work in each stage: two workers against two processes with one each, and against what
// people write by hand.
static bool measure_work(const table *t)
{
    static hop two = {2, 10000, 0}, one = {1, 5000, 0};

    two.rounds = one.rounds = rounds_of(20000);
    ft_bench_side workers = {.name = "2 workers", .function = run_hop, .host = &two};
    ft_bench_side processes = {
        .name = "2 pinned processes", .function = run_hop, .host = &one, .copies = 2, .scale = 0.5};

    return measure(t, &(ft_bench_row){.what = "stages of 20 us, 2 workers against 2 processes",
                                      .unit = "ns",
                                      .ratio = FT_BENCH_PEER_BY_OURS,
                                      .at_least = true,
                                      .goal = 0.97,
                                      .goal_text = ">= 0.97",
                                      .sides = {workers, processes}}) &&
           measure(t, &(ft_bench_row){.what = "stages of 20 us, 2 workers against pthreads by hand",
                                      .unit = "ns",
                                      .ratio = FT_BENCH_OURS_BY_PEER,
                                      .goal = 1.03,
                                      .goal_text = "<= 1.03",
                                      .sides = {workers,
                                                pthread_side(t, "stages", "a thread a stage", &two),
                                                pthread_side(t, "workers", "2 threads", &two)}});
}

// ---- stages that never come back ----

static bool measure_endless_figure(const table *t, const char *what, const char *unit, double goal,
                                   const char *goal_text, const ft_bench_endless_figure *figure)
{
    return measure(
        t, &(ft_bench_row){
               .what = what,
               .unit = unit,
               .ratio = FT_BENCH_FIGURE,
               .goal = goal,
               .goal_text = goal_text,
               .sides = {{.name = "ftpipe", .function = ft_bench_endless, .host = figure}}});
}

static bool measure_endless(const table *t)
{
    static const ft_bench_endless_figure alone = FT_BENCH_RATE_ALONE, beside = FT_BENCH_RATE_BESIDE,
                                         named = FT_BENCH_NAMED_MS, wait = FT_BENCH_WAIT_P99_MS;

    return measure(
               t,
               &(ft_bench_row){
                   .what = "two stages' rate beside two endless ones",
                   .unit = "/s",
                   .ratio = FT_BENCH_OURS_BY_PEER,
                   .more_is_better = true,
                   .at_least = true,
                   .goal = 0.95,
                   .goal_text = ">= 0.95",
                   .sides = {{.name = "beside", .function = ft_bench_endless, .host = &beside},
                             {.name = "alone", .function = ft_bench_endless, .host = &alone}}}) &&
           measure_endless_figure(t, "endless stages in C and Lua: both named after", "ms", 50,
                                  "<= 50", &named) &&
           measure_endless_figure(t, "wait of a batch beside them, 99th percentile", "ms", 30,
                                  "<= 30", &wait);
}

// ---- the same pipeline with and without a lock around every turn ----

static const char *const one_thread[] = {"--threads", "1"};
static const char *const two_threads[] = {"--threads", "2"};

static bool measure_modes(const table *t, const char *pipeline, const char *name)
{
    static const char *const locked[] = {"--threads=2", "--global-lock"};
    const char *lock = ft_arena_format(t->bench->arena, "%s: global lock against one thread", name);
    const char *threads = ft_arena_format(t->bench->arena, "%s: threads against the lock", name);
    ft_bench_side global_lock = run_side(t, "global lock", FT_BENCH_WALL, pipeline, locked);

    if (!lock || !threads)
        return ft_fail_nomem(t->err, 64);
    return measure(t,
                   &(ft_bench_row){.what = lock,
                                   .unit = "s",
                                   .ratio = FT_BENCH_OURS_BY_PEER,
                                   .goal = 1.03,
                                   .goal_text = "<= 1.03",
                                   .sides = {global_lock, run_side(t, "one thread", FT_BENCH_WALL,
                                                                   pipeline, one_thread)}}) &&
           measure(t, &(ft_bench_row){
                          .what = threads,
                          .unit = "s",
                          .ratio = FT_BENCH_PEER_BY_OURS,
                          .at_least = true,
                          .goal = 1.9,
                          .goal_text = ">= 1.9",
                          .sides = {run_side(t, "threads", FT_BENCH_WALL, pipeline, two_threads),
                                    global_lock}});
}

// ---- the same pipeline in processes ----

bool ft_bench_memory(ft_bench *bench, const ft_bench_scratch *scratch, const char *pipeline,
                     const char *what, ft_error *err)
{
    static const char *const flags[] = {"--threads=2", "--processes=2"};
    ft_bench_run threads = {pipeline, flags[0], NULL, FT_BENCH_PSS, true};
    ft_bench_run processes = {pipeline, flags[1], NULL, FT_BENCH_PSS, true};

    return ft_bench_add(
        bench,
        &(ft_bench_row){.what = what,
                        .unit = "MiB",
                        .ratio = FT_BENCH_OURS_BY_PEER,
                        .goal = 0.6,
                        .goal_text = "<= 0.6",
                        .sides = {ft_bench_run_side(bench, scratch, "2 threads", &threads),
                                  ft_bench_run_side(bench, scratch, "2 processes", &processes)}},
        err);
}

static bool measure_processes(const table *t, const char *pipeline, const char *name)
{
    static const char *const processes[] = {"--processes=2", NULL};
    const char *speed = ft_arena_format(t->bench->arena, "%s: threads against processes", name);
    const char *memory =
        ft_arena_format(t->bench->arena, "%s: memory (PSS) of threads against processes", name);

    if (!speed || !memory)
        return ft_fail_nomem(t->err, 64);
    return measure(t, &(ft_bench_row){.what = speed,
                                      .unit = "s",
                                      .ratio = FT_BENCH_PEER_BY_OURS,
                                      .at_least = true,
                                      .goal = 1,
                                      .goal_text = ">= 1",
                                      .sides = {run_side(t, "2 threads", FT_BENCH_WALL, pipeline,
                                                         two_threads),
                                                run_side(t, "2 processes, pipes", FT_BENCH_WALL,
                                                         pipeline, processes)}}) &&
           ft_bench_memory(t->bench, t->scratch, pipeline, memory, t->err);
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

// ---- garbage cycles ----

static ft_bench_side collector_side(const char *name, const ft_bench_collecting *what)
{
    return (ft_bench_side){.name = name, .function = ft_bench_collector, .host = what};
}

// CPython without a GIL stops all threads while it collects: a few times, for long. Among the gaps
// of a thread that are counted those are too few for p99.99, hence the longest one beside it.
static ft_bench_side gap_peer(const table *t, const char *key)
{
    ft_bench_side side = {.name = "CPython 3.13t", .key = key, .is_optional = true};
    const char **argv = ft_arena_zero(t->bench->arena, 3, sizeof(char *));

    if (!argv)
        return side;
    argv[0] = ft_bench_find_peer(t->bench, "python3.13t");
    argv[1] = ft_bench_find_peer(t->bench, "peer_gap_cpython.py");
    side.argv = argv[0] && argv[1] ? argv : NULL;
    return side;
}

static bool measure_gaps(const table *t)
{
    static const ft_bench_collecting gap = FT_BENCH_GAP, longest = FT_BENCH_LONGEST_GAP;

    return measure(t, &(ft_bench_row){.what = "1.5 M cyclic objects collected: gap at p99.99",
                                      .unit = "us",
                                      .ratio = FT_BENCH_FIGURE,
                                      .goal = 1000,
                                      .goal_text = "<= 1000",
                                      .sides = {collector_side("ftpipe", &gap),
                                                gap_peer(t, "gap_us")}}) &&
           measure(t, &(ft_bench_row){.what = "1.5 M cyclic objects collected: longest gap",
                                      .unit = "us",
                                      .ratio = FT_BENCH_OURS_BY_PEER,
                                      .goal = 1,
                                      .goal_text = "<= 1",
                                      .sides = {collector_side("ftpipe", &longest),
                                                gap_peer(t, "longest_us")}});
}

static bool measure_collector(const table *t)
{
    static const ft_bench_collecting seconds = FT_BENCH_COLLECT, on = FT_BENCH_MUTATE,
                                     off = FT_BENCH_MUTATE_OFF, unreclaimed = FT_BENCH_UNRECLAIMED;

    return measure_gaps(t) &&
           measure(t, &(ft_bench_row){.what = "1.5 M cyclic objects collected: time",
                                      .unit = "s",
                                      .ratio = FT_BENCH_FIGURE,
                                      .goal = 5,
                                      .goal_text = "<= 5",
                                      .sides = {collector_side("ftpipe", &seconds)}}) &&
           measure(t, &(ft_bench_row){.what = "1.5 M cyclic objects made and dropped: held at most",
                                      .unit = "MiB",
                                      .ratio = FT_BENCH_FIGURE,
                                      .goal = 64,
                                      .goal_text = "<= 64",
                                      .sides = {collector_side("ftpipe", &unreclaimed)}}) &&
           measure(t, &(ft_bench_row){
                          .what = "references of cyclic objects, collector on",
                          .unit = "ns",
                          .ratio = FT_BENCH_OURS_BY_PEER,
                          .goal = 1.1,
                          .goal_text = "<= 1.1",
                          .sides = {collector_side("on", &on), collector_side("off", &off)}});
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

    return measure_counting(&t) && measure_ownership(&t) && measure_collections(&t) &&
           measure_hops(&t) && measure_work(&t) && measure_endless(&t) && measure_one_model(&t) &&
           measure_modes(&t, "tokenize.yaml", "tokenize") &&
           measure_modes(&t, "infer.yaml", "infer") && measure_modes(&t, "twice.yaml", "embed") &&
           measure_processes(&t, "tokenize.yaml", "tokenize") &&
           measure_processes(&t, "infer.yaml", "infer") &&
           ft_bench_memory(bench, scratch, "infer-large.yaml",
                           "infer, 14 MiB of weights: memory (PSS) of threads against processes",
                           err) &&
           measure_processes(&t, "twice.yaml", "embed") && measure_collector(&t) &&
           measure_idle(&t);
}
