// What endless stages cost the rest of a run.
//
//   bench_runaway [SECONDS [THREADS]]     1 second a run, 2 threads
//
// Two branches work (20 us an item) for a while, without and with two endless stages beside them,
// in turn, five times. Printed: the share of their rate that they keep (median), how long it took
// until the endless stages were named, and how long a batch waited from being made to being run
// (99th percentile and worst) beside them.
#include "tests/engine/toy_stages.h"

#include "runtime/concurrent/lock.h"
#include "runtime/log.h"
#include "runtime/system/clock.h"
#include "runtime/system/thread.h"

enum { ROUNDS = 5, BRANCHES = 2, WAITS_MAX = 1 << 20, NS_PER_MS = 1000000 };

static ft_atomic_u64 done_items, wait_count;
static ft_atomic_i64 stop_ns;
static ft_atomic_u32 released, named;
static ft_atomic_i64 hog_since_ns, slowest_name_ns;
static int64_t *waits;

// ---- stages ----

// Makes batches of one item whose id is the time, until the time is up.
static bool stamp_produce(ft_stage *self, bool *out_done, ft_error *err)
{
    int64_t now = ft_clock_ns();

    if (now >= ft_atomic_load(&stop_ns, FT_RELAXED)) {
        *out_done = true;
        return true;
    }
    ft_batch *batch = toy_count_batch(self, now, 1, err);
    return batch && ft_emit(self, batch, err);
}

static const ft_stage_def stamp = {
    .abi = FT_STAGE_ABI,
    .name = "stamp",
    .summary = "make items",
    .kind = FT_STAGE_SOURCE,
    .concurrency = FT_CONCURRENCY_ONE,
    .config_size = sizeof(toy_count_config),
    .state_size = sizeof(toy_count_state),
    .plan = toy_count_plan,
    .open = toy_count_open,
    .produce = stamp_produce,
};

static bool work_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    enum { WORK_NS = 20000 };
    int64_t from = ft_clock_thread_cpu_ns();
    uint64_t at = ft_atomic_add(&wait_count, 1, FT_RELAXED);

    (void)self;
    (void)err;
    if (at < WAITS_MAX)
        waits[at] = ft_clock_ns() - toy_id(*in, 0);
    while (ft_clock_thread_cpu_ns() - from < WORK_NS)
        continue;
    ft_atomic_add(&done_items, 1, FT_RELAXED);
    return true;
}

static const ft_stage_def work = {
    .abi = FT_STAGE_ABI,
    .name = "work",
    .summary = "work",
    .kind = FT_STAGE_SINK,
    .discards = true,
    .concurrency = FT_CONCURRENCY_ANY,
    .config_size = 1,
    .state_size = 1,
    .plan = toy_scatter_plan,
    .process = work_process,
};

static bool endless_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    int64_t none = 0;

    (void)self;
    (void)in;
    (void)err;
    ft_atomic_cas(&hog_since_ns, &none, ft_clock_ns(), FT_RELAXED);
    while (!ft_atomic_load(&released, FT_ACQUIRE))
        continue;
    return true;
}

static const ft_stage_def endless = {
    .abi = FT_STAGE_ABI,
    .name = "endless",
    .summary = "spin",
    .kind = FT_STAGE_SINK,
    .discards = true,
    .concurrency = FT_CONCURRENCY_ANY,
    .config_size = 1,
    .state_size = 1,
    .plan = toy_scatter_plan,
    .process = endless_process,
};

// ---- a run ----

static void on_log(void *host, ft_log_level level, const char *from, const char *line)
{
    (void)host;
    (void)level;
    (void)line;
    if (strncmp(from, "endless", 7) != 0)
        return;
    ft_atomic_add(&named, 1, FT_RELAXED);
    ft_atomic_store(&slowest_name_ns, ft_clock_ns() - ft_atomic_load(&hog_since_ns, FT_RELAXED),
                    FT_RELAXED);
}

// Lets the endless stages go when the time is up, so that the run ends and the next is undisturbed.
static void release(void *host)
{
    ft_mutex lock;
    ft_condition never;
    int64_t left;

    (void)host;
    ft_mutex_init(&lock);
    ft_condition_init(&never);
    ft_mutex_lock(&lock);
    while ((left = ft_atomic_load(&stop_ns, FT_RELAXED) - ft_clock_ns()) > 0)
        ft_condition_wait_ms(&never, &lock, left / NS_PER_MS + 1);
    ft_mutex_unlock(&lock);
    ft_atomic_store(&released, 1, FT_RELEASE);
}

// Items a second.
static double run_once(int threads, int hogs, double seconds)
{
    toy t;
    void *config;
    ft_atomic_u64 before;
    ft_thread thread;

    toy_init(&t, threads);
    for (int i = 0; i < hogs; i++) {
        toy_count_config *one;
        int at = toy_add(&t, &toy_count, -1, &one);
        toy_add(&t, &endless, at, &config);
        *one = (toy_count_config){.items = 1};
    }
    for (int i = 0; i < BRANCHES; i++) {
        int at = toy_add(&t, &stamp, -1, &config);
        toy_add(&t, &work, at, &config);
    }
    ft_atomic_store(&before, ft_atomic_load(&done_items, FT_RELAXED), FT_RELAXED);
    ft_atomic_store(&hog_since_ns, 0, FT_RELAXED);
    ft_atomic_store(&released, 0, FT_RELAXED);
    ft_atomic_store(&wait_count, 0, FT_RELAXED);
    int64_t from = ft_clock_ns();
    ft_atomic_store(&stop_ns, from + (int64_t)(seconds * 1e9), FT_RELAXED);
    bool watched = hogs > 0;
    if (watched)
        check_true(ft_thread_start(&thread, "release", release, NULL, &t.err));
    check_ok(toy_run(&t), &t.err);
    if (watched)
        ft_thread_join(&thread);
    toy_finish(&t);
    return (double)(ft_atomic_load(&done_items, FT_RELAXED) - ft_atomic_load(&before, FT_RELAXED)) /
           seconds;
}

static int compare_i64(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static int compare_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
    int threads = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 2;
    double shares[ROUNDS], named_ms = 0;
    int64_t p99 = 0, worst = 0;

    waits = calloc(WAITS_MAX, sizeof(*waits));
    ft_log_install(on_log, NULL, FT_LOG_WARN);
    for (int i = 0; i < ROUNDS; i++) {
        double alone = run_once(threads, 0, seconds);
        double beside = run_once(threads, 2, seconds);
        size_t count = (size_t)ft_atomic_load(&wait_count, FT_RELAXED);
        count = count < WAITS_MAX ? count : WAITS_MAX;
        qsort(waits, count, sizeof(*waits), compare_i64);
        shares[i] = beside / alone;
        if (count && waits[count * 99 / 100] > p99)
            p99 = waits[count * 99 / 100];
        if (count && waits[count - 1] > worst)
            worst = waits[count - 1];
        double ms = (double)ft_atomic_load(&slowest_name_ns, FT_RELAXED) / NS_PER_MS;
        named_ms = ms > named_ms ? ms : named_ms;
        printf("%8.0f items/s alone, %8.0f beside: %.3f; both named after %.1f ms\n", alone, beside,
               shares[i], ms);
    }
    qsort(shares, ROUNDS, sizeof(*shares), compare_double);
    printf("share %.3f (median of %d), named after %.1f ms at most, p99 wait %.2f ms, worst %.2f "
           "ms; %u times named\n",
           shares[ROUNDS / 2], ROUNDS, named_ms, (double)p99 / NS_PER_MS, (double)worst / NS_PER_MS,
           (unsigned)ft_atomic_load(&named, FT_RELAXED));
    free(waits);
    return 0;
}
