// What the engine itself costs: a packet through a stage that does nothing, and a run that has
// nothing to do.
//
//   bench_engine [threads]                            prints the best of several runs
//   bench_engine hop [threads] [messages] [rounds]    a message through five stages that work for
//                                                     so many rounds: prints wall and CPU seconds
//                                                     of each run, as the peers do
#include "cli/bench_hop.h"
#include <time.h>

#include "runtime/system/clock.h"
#include "tests/engine/toy_stages.h"

enum { PACKETS = 200000, STAGES = 5, RUNS = 7, STARTS = 200, HOPS = 1000000 };

static bool pass_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    return ft_emit(self, ft_take(in), err);
}

static bool swallow_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    (void)self;
    (void)in;
    (void)err;
    return true;
}

static const ft_stage_def pass = {
    .abi = FT_STAGE_ABI,
    .name = "pass",
    .summary = "pass",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = FT_CONCURRENCY_ANY,
    .config_size = 1,
    .state_size = 1,
    .plan = toy_scatter_plan,
    .process = pass_process,
};
static const ft_stage_def pass_one = {
    .abi = FT_STAGE_ABI,
    .name = "pass_one",
    .summary = "pass",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = FT_CONCURRENCY_ONE,
    .config_size = 1,
    .state_size = 1,
    .plan = toy_scatter_plan,
    .process = pass_process,
};
static const ft_stage_def swallow = {
    .abi = FT_STAGE_ABI,
    .name = "swallow",
    .summary = "swallow",
    .kind = FT_STAGE_SINK,
    .concurrency = FT_CONCURRENCY_ONE,
    .config_size = 1,
    .state_size = 1,
    .plan = toy_scatter_plan,
    .process = swallow_process,
};

static int64_t run_line(int64_t threads, int64_t items, const ft_stage_def *stage, int stages)
{
    toy t;
    toy_count_config *source;
    void *unused;

    toy_init(&t, threads);
    int at = toy_add(&t, &toy_count, -1, &source);
    *source = (toy_count_config){.items = items};
    t.plan->nodes[0]->batch_items = 1;
    for (int i = 0; i < stages; i++)
        at = toy_add(&t, stage, at, &unused);
    toy_add(&t, &swallow, at, &unused);
    toy_check(&t);
    t.run = ft_run_create(t.plan, &t.settings, NULL, &t.err);
    int64_t from = ft_clock_ns();
    if (!ft_run_wait(t.run, NULL, &t.err))
        printf("failed: %s\n", t.err.message);
    int64_t took = ft_clock_ns() - from;
    toy_finish(&t);
    return took;
}

static int64_t best_of(int runs, int64_t threads, int64_t items, const ft_stage_def *stage,
                       int stages)
{
    int64_t best = INT64_MAX;

    for (int i = 0; i < runs; i++) {
        int64_t took = run_line(threads, items, stage, stages);
        best = took < best ? took : best;
    }
    return best;
}

static int run_hops(int threads, int64_t messages, int64_t rounds)
{
    for (int i = 0; i < RUNS; i++) {
        ft_error err = FT_ERROR_INIT;
        clock_t cpu = clock();
        int64_t took = ft_bench_hop(threads, messages, STAGES, rounds, &err);
        if (took < 0) {
            printf("failed: %s\n", err.message);
            return 1;
        }
        printf("{\"wall\": %.6f, \"cpu\": %.6f, \"ns_a_message\": %.1f}\n", (double)took / 1e9,
               (double)(clock() - cpu) / CLOCKS_PER_SEC, (double)took / (double)messages);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "hop") == 0)
        return run_hops(argc > 2 ? atoi(argv[2]) : 2, argc > 3 ? atoll(argv[3]) : HOPS,
                        argc > 4 ? atoll(argv[4]) : 0);
    int64_t threads = argc > 1 ? atoi(argv[1]) : 2;

    int64_t bare = best_of(RUNS, threads, PACKETS, &pass, 0);
    int64_t parallel = best_of(RUNS, threads, PACKETS, &pass, STAGES);
    int64_t serial = best_of(RUNS, threads, PACKETS, &pass_one, STAGES);
    printf("threads %lld\n", (long long)threads);
    printf("source to sink       %7.0f ns a packet\n", (double)bare / PACKETS);
    printf("a parallel stage     %7.0f ns a packet\n",
           (double)(parallel - bare) / PACKETS / STAGES);
    printf("a serial stage       %7.0f ns a packet\n", (double)(serial - bare) / PACKETS / STAGES);
    printf("a run of one packet  %7.0f us\n",
           (double)best_of(STARTS, threads, 1, &pass, STAGES) / 1e3);
    return 0;
}
