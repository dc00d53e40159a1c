// A tensor goes there and an answer comes back. In memory that two processes share it is copied
// once, as a batch that comes from the engine is; through a pipe into the kernel and out of it.
#include "cli/bench_handover.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/bench_line.h"
#include "runtime/concurrent/lock.h"
#include "runtime/memory/alloc.h"
#include "runtime/system/channel.h"
#include "runtime/system/clock.h"
#include "runtime/system/thread.h"

enum { TENSOR_BYTES = 4 << 20, PAGE_BYTES = 4096, ROUNDS = 200, ITEMS = 400, CRASH_EVERY = 10 };

// ---- handing over ----

static uint64_t look(const char *data)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < TENSOR_BYTES; i += PAGE_BYTES)
        sum += (uint64_t)data[i];
    return sum;
}

typedef struct {
    ft_mutex lock;
    ft_condition changed;
    const char *tensor;  // NULL: it was looked at. Under the lock.
    uint64_t sum;
} hand;

static void receive_tensors(void *host)
{
    hand *h = host;

    ft_mutex_lock(&h->lock);
    for (int i = 0; i < ROUNDS; i++) {
        while (!h->tensor)
            ft_condition_wait(&h->changed, &h->lock);
        h->sum += look(h->tensor);
        h->tensor = NULL;
        ft_condition_wake_one(&h->changed);
    }
    ft_mutex_unlock(&h->lock);
}

static bool hand_to_thread(const char *tensor, double *out, ft_error *err)
{
    hand h = {.tensor = NULL};
    ft_thread thread = {0};

    ft_mutex_init(&h.lock);
    ft_condition_init(&h.changed);
    bool ok = ft_thread_start(&thread, "receiver", receive_tensors, &h, err);
    int64_t from = ft_clock_ns();
    ft_mutex_lock(&h.lock);
    for (int i = 0; ok && i < ROUNDS; i++) {
        h.tensor = tensor;
        ft_condition_wake_one(&h.changed);
        while (h.tensor)
            ft_condition_wait(&h.changed, &h.lock);
    }
    ft_mutex_unlock(&h.lock);
    *out = (double)(ft_clock_ns() - from) * 1e-3 / ROUNDS;
    ft_thread_join(&thread);
    ft_condition_finish(&h.changed);
    ft_mutex_finish(&h.lock);
    return ok;
}

FT_NORETURN static void receive_frames(const int *fds, size_t count)
{
    ft_channel channel;
    ft_frame frame;
    ft_error err = FT_ERROR_INIT;
    char *own = ft_alloc(TENSOR_BYTES), *data = own;

    if (!own || !ft_channel_open(&channel, fds, count, &err))
        _exit(1);
    while (ft_channel_next(&channel, &frame, NULL, &err) == FT_CHANNEL_OK) {
        bool ok = frame.in_memory
                      ? ft_channel_look(&channel, &frame, &data, &err)
                      : ft_channel_receive(&channel, &frame, own, NULL, &err) == FT_CHANNEL_OK;
        ft_frame answer = {.number = ok ? look(data) : 0};
        if (!ok || ft_channel_send(&channel, &answer, NULL, 0, NULL, &err) != FT_CHANNEL_OK)
            break;
    }
    _exit(0);
}

static bool send_frames(ft_channel *channel, char *tensor, ft_error *err)
{
    bool ok = true;

    for (int i = 0; ok && i < ROUNDS; i++) {
        struct iovec part = {tensor, TENSOR_BYTES};
        ft_frame frame = {.kind = 1};
        ok = ft_channel_fill(channel, &frame, &part, 1, err) &&
             ft_channel_send(channel, &frame, &part, 1, NULL, err) == FT_CHANNEL_OK &&
             ft_channel_next(channel, &frame, NULL, err) == FT_CHANNEL_OK;
    }
    return ok || err->code != FT_ERROR_NONE ||
           ft_fail(err, FT_ERROR_IO, "the other process has ended");
}

static bool hand_to_process(bool shared, char *tensor, double *out, ft_error *err)
{
    ft_channel channel;
    int far[FT_CHANNEL_FDS], status;
    size_t count;

    if (!ft_channel_create(shared, &channel, far, &count, err))
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        close(channel.in);
        close(channel.out);
        receive_frames(far, count);
    }
    close(far[0]);
    close(far[1]);
    // The parent's end does not block, and here it may: there is nothing else to look after.
    int64_t from = ft_clock_ns();
    bool ok = pid > 0 ? send_frames(&channel, tensor, err)
                      : ft_fail_errno(err, errno, "cannot start a process");
    *out = (double)(ft_clock_ns() - from) * 1e-3 / ROUNDS;
    ft_channel_close(&channel);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return ok;
}

bool ft_bench_handover(const void *host, double *out, ft_error *err)
{
    const ft_handover_way *way = host;
    char *tensor = ft_alloc(TENSOR_BYTES);

    if (!tensor)
        return ft_fail_nomem(err, TENSOR_BYTES);
    memset(tensor, 1, TENSOR_BYTES);
    bool ok = *way == FT_HANDOVER_POINTER
                  ? hand_to_thread(tensor, out, err)
                  : hand_to_process(*way == FT_HANDOVER_MEMORY, tensor, out, err);
    ft_free(tensor);
    return ok;
}

// ---- crashing ----

// One item a batch: 0, 1, 2 ...
static bool count_produce(ft_stage *self, bool *out_done, ft_error *err)
{
    int64_t *next = self->state;
    ft_builder builder;
    ft_column column = {0};

    *out_done = *next == ITEMS;
    if (*out_done)
        return true;
    ft_lineage *lineage = ft_lineage_create(self->account, 1, false, err);
    ft_batch *batch = lineage ? ft_batch_create(self->account, 1, 1, lineage, err) : NULL;
    bool ok = batch && ft_builder_init(&builder, FT_TYPE(INT), self->account, 1, 0, err);
    if (ok) {
        ok = ft_builder_add_int(&builder, (*next)++, err) &&
             ft_builder_take(&builder, &column, err) && ft_source_start(self, lineage, err);
        ft_builder_finish(&builder);
    }
    ft_lineage_unref(lineage);
    if (!ok) {
        ft_column_finish(&column);
        ft_batch_unref(batch);
        return false;
    }
    ft_batch_set(batch, 0, &column);
    return ft_emit(self, batch, err);
}

static bool crash_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    if (ft_tensor_i64((*in)->columns[0].values)[0] % CRASH_EVERY == CRASH_EVERY - 1)
        raise(SIGKILL);
    return ft_emit(self, ft_take(in), err);
}

#define CRASH_STAGE(name_, kind_) \
    .abi = FT_STAGE_ABI, .name = name_, .summary = "count and crash", .kind = kind_

static const ft_stage_def count_def = {
    CRASH_STAGE("count", FT_STAGE_SOURCE), .concurrency = FT_CONCURRENCY_ONE,
    .state_size = sizeof(int64_t), .plan = ft_bench_plan_source, .produce = count_produce};
static const ft_stage_def crash_def = {CRASH_STAGE("crash", FT_STAGE_TRANSFORM),
                                       .concurrency = FT_CONCURRENCY_ANY,
                                       .plan = ft_bench_plan_reader, .process = crash_process};
static const ft_stage_def end_def = {CRASH_STAGE("end", FT_STAGE_SINK),
                                     .concurrency = FT_CONCURRENCY_ONE,
                                     .plan = ft_bench_plan_reader, .process = ft_bench_swallow};

static void keep_fault(void *host, const ft_plan_node *node, const ft_plan_node *other,
                       const ft_error *fault)
{
    (void)node, (void)other;
    *(ft_error *)host = *fault;
}

static bool make_plan(ft_plan *plan, ft_error *err)
{
    ft_plan_node *count = ft_plan_add_node(plan, &count_def, "count", err);
    ft_plan_node *crash = count ? ft_plan_add_node(plan, &crash_def, "crash", err) : NULL;
    ft_plan_node *end = crash ? ft_plan_add_node(plan, &end_def, "end", err) : NULL;

    if (!end)
        return false;
    crash->isolate = true;
    crash->on_error = FT_ON_ERROR_SKIP;
    crash->workers = 1;
    plan->run.threads = 2;
    plan->run.max_errors = ITEMS;
    return ft_plan_connect(plan, crash, 0, FT_PORT_MAIN, err) &&
           ft_plan_connect(plan, end, 1, FT_PORT_MAIN, err) && ft_plan_check(plan, keep_fault, err);
}

bool ft_bench_crash(const void *host, double *out, ft_error *err)
{
    ft_run_stats stats;
    ft_plan *plan = ft_plan_create(err);
    ft_run_settings settings = {0};

    (void)host;
    ft_run *run = plan && make_plan(plan, err) ? ft_run_create(plan, &settings, NULL, err) : NULL;
    int64_t from = ft_clock_ns();
    bool ok = run && ft_run_wait(run, NULL, err);
    *out = (double)(ft_clock_ns() - from) * 1e-6 / (ITEMS / CRASH_EVERY);
    if (ok) {
        ft_run_get_stats(run, &stats);
        ok = (stats.items_failed == ITEMS / CRASH_EVERY &&
              stats.items_written == ITEMS - ITEMS / CRASH_EVERY) ||
             ft_fail(err, FT_ERROR_DATA, "%llu items failed, %llu were written",
                     (unsigned long long)stats.items_failed,
                     (unsigned long long)stats.items_written);
    }
    ft_run_destroy(run);
    if (plan)
        ft_plan_destroy(plan);
    return ok;
}
