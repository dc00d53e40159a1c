// The two sources stamp each item with the time, so the sinks know how long it waited. When the
// time is up the sources end, the C stage is let go, and the run is cancelled, which ends the
// script.
#include "cli/bench_endless.h"

#include <stdlib.h>
#include <string.h>

#include "cli/bench_line.h"
#include "runtime/concurrent/lock.h"
#include "runtime/log.h"
#include "runtime/memory/alloc.h"
#include "runtime/system/clock.h"
#include "runtime/system/thread.h"
#include "stages/builtin.h"

enum {
    THREADS = 2,
    RATE_MS = 3000,
    FIGURE_MS = 500,
    WORK_NS = 20000,
    WAITS_MAX = 1 << 18,
    NS_PER_MS = 1000000
};

static ft_atomic_i64 stop_ns;
static ft_atomic_u32 is_released;
static ft_atomic_u64 done_count;
static ft_atomic_i64 endless_since_ns[2], named_ns[2];  // In C, in Lua.
static int64_t *waits;                                  // [WAITS_MAX]

// ---- stages ----

typedef struct {
    int64_t made;
} stamp_state;

static bool produce_until_stopped(ft_stage *self, bool *out_done, ft_error *err)
{
    int64_t now = ft_clock_ns();

    *out_done = now >= ft_atomic_load(&stop_ns, FT_RELAXED);
    return *out_done || ft_bench_emit_value(self, now, err);
}

static bool produce_one(ft_stage *self, bool *out_done, ft_error *err)
{
    stamp_state *state = self->state;

    *out_done = state->made++ > 0;
    return *out_done || ft_bench_emit_value(self, ft_clock_ns(), err);
}

static bool work(ft_stage *self, ft_batch **in, ft_error *err)
{
    const ft_column *column = &(*in)->columns[0];
    uint64_t at = ft_atomic_add(&done_count, 1, FT_RELAXED);
    int64_t from = ft_clock_thread_cpu_ns();

    (void)self;
    (void)err;
    if (at < WAITS_MAX)
        waits[at] = ft_clock_ns() - ft_tensor_i64(column->values)[0];
    while (ft_clock_thread_cpu_ns() - from < WORK_NS)
        continue;
    return true;
}

static bool spin(ft_stage *self, ft_batch **in, ft_error *err)
{
    (void)self;
    (void)in;
    (void)err;
    ft_atomic_store(&endless_since_ns[0], ft_clock_ns(), FT_RELAXED);
    while (!ft_atomic_load(&is_released, FT_ACQUIRE))
        continue;
    return true;
}

// Notes when the script begins.
static bool pass_to_lua(ft_stage *self, ft_batch **in, ft_error *err)
{
    ft_atomic_store(&endless_since_ns[1], ft_clock_ns(), FT_RELAXED);
    return ft_emit(self, ft_take(in), err);
}

#define ENDLESS_STAGE(name_, kind_, concurrency_)                            \
    .abi = FT_STAGE_ABI, .name = name_, .summary = "measure", .kind = kind_, \
    .concurrency = concurrency_, .config_size = 1, .state_size = sizeof(stamp_state)

static const ft_stage_def stamps = {
    ENDLESS_STAGE("stamps", FT_STAGE_SOURCE, FT_CONCURRENCY_ONE),
    .plan = ft_bench_plan_source,
    .produce = produce_until_stopped,
};
static const ft_stage_def one_stamp = {
    ENDLESS_STAGE("one_stamp", FT_STAGE_SOURCE, FT_CONCURRENCY_ONE),
    .plan = ft_bench_plan_source,
    .produce = produce_one,
};
static const ft_stage_def worker = {
    ENDLESS_STAGE("worker", FT_STAGE_SINK, FT_CONCURRENCY_ANY),
    .discards = true,
    .plan = ft_bench_plan_reader,
    .process = work,
};
static const ft_stage_def endless = {
    ENDLESS_STAGE("endless", FT_STAGE_SINK, FT_CONCURRENCY_ANY),
    .discards = true,
    .plan = ft_bench_plan_reader,
    .process = spin,
};
static const ft_stage_def to_lua = {
    ENDLESS_STAGE("to_lua", FT_STAGE_TRANSFORM, FT_CONCURRENCY_ANY),
    .plan = ft_bench_plan_reader,
    .process = pass_to_lua,
};

static const ft_stage_def *find_stage(const char *name)
{
    for (size_t i = 0; ft_builtin_stages[i]; i++)
        if (strcmp(ft_builtin_stages[i]->name, name) == 0)
            return ft_builtin_stages[i];
    return NULL;
}

static bool configure_script(void *config, ft_arena *arena, ft_error *err)
{
    const ft_option *options = find_stage("lua")->options;
    const ft_slice name = ft_slice_of("time"), text = ft_slice_of("1h");
    const bool quoted = false;

    return ft_option_set(ft_option_find_main(options), config, ft_slice_of("while true do end\n"),
                         arena, err) &&
           ft_option_set_map(ft_option_find(options, ft_slice_of("limits")), config, &name, &text,
                             &quoted, 1, arena, err);
}

// ---- a run ----

static void note_names(void *host, ft_log_level level, const char *from, const char *line)
{
    (void)host;
    (void)level;
    if (!strstr(line, "not come back"))
        return;
    int at = strcmp(from, "lua") == 0;
    ft_atomic_store(&named_ns[at], ft_clock_ns(), FT_RELAXED);
}

static void stop_in_time(void *host)
{
    ft_run *run = host;
    ft_mutex lock;
    ft_condition never;
    int64_t left;

    ft_mutex_init(&lock);
    ft_condition_init(&never);
    ft_mutex_lock(&lock);
    while ((left = ft_atomic_load(&stop_ns, FT_RELAXED) - ft_clock_ns()) > 0)
        ft_condition_wait_ms(&never, &lock, left / NS_PER_MS + 1);
    ft_mutex_unlock(&lock);
    ft_condition_finish(&never);
    ft_mutex_finish(&lock);
    ft_atomic_store(&is_released, 1, FT_RELEASE);
    ft_run_cancel(run);
    ft_run_cancel(run);  // At once: the script ends with it.
}

// The endless stages' turns come first, so that they are there from the beginning.
static size_t make_parts(bool is_beside, ft_bench_part *parts)
{
    const ft_bench_part both[] = {
        {.def = &one_stamp, .from = -1},
        {.def = &endless, .from = 0},
        {.def = &one_stamp, .from = -1},
        {.def = &to_lua, .from = 2},
        {.def = find_stage("lua"), .from = 3, .configure = configure_script},
        {.def = find_stage("drop"), .from = 4},
    };
    size_t count = is_beside ? FT_COUNT_OF(both) : 0;

    memcpy(parts, both, count * sizeof(*parts));
    for (int i = 0; i < 2; i++) {
        parts[count] = (ft_bench_part){.def = &stamps, .from = -1};
        parts[count + 1] = (ft_bench_part){.def = &worker, .from = (int)count};
        count += 2;
    }
    return count;
}

static bool run_for(int64_t run_ms, bool is_beside, ft_error *err)
{
    ft_bench_part parts[16];
    ft_run_settings settings = {0};
    ft_thread timer = {0};
    ft_plan *plan = ft_bench_line_plan(parts, make_parts(is_beside, parts), THREADS, err);
    ft_run *run = plan ? ft_run_create(plan, &settings, NULL, err) : NULL;
    bool ok = run != NULL;

    ft_atomic_store(&stop_ns, ft_clock_ns() + run_ms * NS_PER_MS, FT_RELAXED);
    ok = ok && ft_thread_start(&timer, "timer", stop_in_time, run, err);
    if (ok && !ft_run_wait(run, NULL, err) && err->code == FT_ERROR_CANCELLED)
        *err = (ft_error)FT_ERROR_INIT;
    ft_thread_join(&timer);
    ok = ok && err->code == FT_ERROR_NONE;
    ft_run_destroy(run);
    if (plan)
        ft_plan_destroy(plan);
    return ok;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double wait_p99_ms(void)
{
    size_t count = (size_t)ft_atomic_load(&done_count, FT_RELAXED);

    count = count < WAITS_MAX ? count : WAITS_MAX;
    qsort(waits, count, sizeof(*waits), by_value);
    return count ? (double)waits[count * 99 / 100] / NS_PER_MS : 0;
}

static bool slowest_name_ms(double *out, ft_error *err)
{
    *out = 0;
    for (int i = 0; i < 2; i++) {
        int64_t since = ft_atomic_load(&endless_since_ns[i], FT_RELAXED);
        int64_t named = ft_atomic_load(&named_ns[i], FT_RELAXED);
        if (!named)
            return ft_fail(err, FT_ERROR_DATA, "the endless stage in %s was not named",
                           i ? "Lua" : "C");
        double took = (double)(named - since) / NS_PER_MS;
        if (took > *out)
            *out = took;
    }
    return true;
}

bool ft_bench_endless(const void *host, double *out, ft_error *err)
{
    ft_bench_endless_figure figure = *(const ft_bench_endless_figure *)host;

    waits = ft_alloc_zero(WAITS_MAX, sizeof(*waits));
    if (!waits)
        return ft_fail_nomem(err, WAITS_MAX * sizeof(*waits));
    ft_log_install(note_names, NULL, FT_LOG_WARN);
    bool is_rate = figure == FT_BENCH_RATE_ALONE || figure == FT_BENCH_RATE_BESIDE;
    int64_t run_ms = is_rate ? RATE_MS : FIGURE_MS;
    bool ok = run_for(run_ms, figure != FT_BENCH_RATE_ALONE, err);
    *out = (double)ft_atomic_load(&done_count, FT_RELAXED) * 1000 / (double)run_ms;
    if (ok && figure == FT_BENCH_WAIT_P99_MS)
        *out = wait_p99_ms();
    else if (ok && figure == FT_BENCH_NAMED_MS)
        ok = slowest_name_ms(out, err);
    ft_log_install(NULL, NULL, FT_LOG_ERROR);
    ft_free(waits);
    return ok;
}
