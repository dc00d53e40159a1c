// The chain is the shape that the essay's reference counts are about: a buffer is made once and
// goes through stages that each take and drop references on its column, on whatever worker they
// run.
#include "cli/bench_ownership.h"

#include "cli/bench_line.h"
#include "runtime/data/tensor.h"
#include "runtime/memory/refcount.h"
#include "runtime/system/thread.h"

enum { MESSAGES = 20000, STAGES = 5, THREADS = 2, TENSORS = 40, TENSOR_BYTES = 4 << 20 };

// ---- a chain ----

typedef struct {
    int64_t sent;
} chain_state;

static bool produce(ft_stage *self, bool *out_done, ft_error *err)
{
    chain_state *state = self->state;

    *out_done = state->sent++ == MESSAGES;
    return *out_done || ft_bench_emit_value(self, 0, err);
}

// As a stage that writes in place does, and one that keeps a view for a while.
static bool change(ft_stage *self, ft_batch **in, ft_error *err)
{
    if (!ft_batch_make_writable(in, (*in)->width, err))
        return false;
    ft_column kept = ft_column_ref(&(*in)->columns[0]);
    ft_column_finish(&kept);
    ((int64_t *)(void *)(*in)->columns[0].values->data)[0]++;
    return ft_emit(self, ft_take(in), err);
}

#define CHAIN_STAGE(name_, kind_, concurrency_)                                       \
    .abi = FT_STAGE_ABI, .name = name_, .summary = "pass a buffer on", .kind = kind_, \
    .concurrency = concurrency_, .config_size = 1, .state_size = sizeof(chain_state)

static const ft_stage_def chain_source = {
    CHAIN_STAGE("chain_source", FT_STAGE_SOURCE, FT_CONCURRENCY_ONE),
    .plan = ft_bench_plan_source,
    .produce = produce,
};
static const ft_stage_def chain_change = {
    CHAIN_STAGE("chain_change", FT_STAGE_TRANSFORM, FT_CONCURRENCY_ANY),
    .plan = ft_bench_plan_reader,
    .process = change,
};
static const ft_stage_def chain_sink = {
    CHAIN_STAGE("chain_sink", FT_STAGE_SINK, FT_CONCURRENCY_ANY),
    .discards = true,
    .plan = ft_bench_plan_reader,
    .process = ft_bench_swallow,
};

static uint64_t all_rmws(void)
{
    uint64_t sum = 0;

    for (uint32_t id = 1; id <= ft_lease_highest_id(); id++)
        sum += ft_atomic_load(&ft_lease_get(id)->header_rmws, FT_RELAXED);
    return sum;
}

static bool run_chain(int stages, uint64_t *out_rmws, ft_error *err)
{
    ft_bench_part parts[STAGES + 2] = {{.def = &chain_source, .from = -1}};
    uint64_t before = all_rmws();
    int64_t took;

    for (int i = 1; i <= stages; i++)
        parts[i] = (ft_bench_part){.def = &chain_change, .from = i - 1};
    parts[stages + 1] = (ft_bench_part){.def = &chain_sink, .from = stages};
    bool ok = ft_bench_line_run(parts, (size_t)stages + 2, THREADS, &took, err);
    *out_rmws = all_rmws() - before;
    return ok;
}

bool ft_bench_header_rmws(const void *host, double *out, ft_error *err)
{
    uint64_t without, with;

    (void)host;
    if (!run_chain(0, &without, err) || !run_chain(STAGES, &with, err))
        return false;
    *out = ((double)with - (double)without) / MESSAGES;
    return true;
}

// ---- an owner that waits ----

typedef struct {
    ft_account account;
    ft_tensor *tensors[TENSORS];
    ft_bench_abroad how;
    int64_t most_stranded;
} shipment;

static void drop_all(void *host)
{
    shipment *s = host;
    uint32_t owner = ft_atomic_load(&s->tensors[0]->object.owner, FT_RELAXED);
    int64_t each = ft_account_used_bytes(&s->account) / TENSORS;

    // It is about an owner that waits: not before it does.
    while (s->how == FT_BENCH_STRAYS && owner != FT_OWNER_NONE &&
           ft_atomic_load(&ft_lease_get(owner)->state, FT_ACQUIRE) != FT_LEASE_DETACHED)
        FT_PAUSE();
    for (int64_t left = TENSORS - 1; left >= 0; left--) {
        ft_tensor *tensor = s->tensors[left];
        if (s->how == FT_BENCH_HANDED_OVER)
            ft_object_receive(&tensor->object);
        ft_tensor_unref(tensor);
        int64_t stranded = ft_account_used_bytes(&s->account) - left * each;
        if (stranded > s->most_stranded)
            s->most_stranded = stranded;
    }
}

static bool ship(ft_bench_abroad how, shipment *s, ft_error *err)
{
    ft_thread thread = {0};
    bool ok = true;

    *s = (shipment){.how = how};
    ft_account_init(&s->account, (int64_t)2 * TENSORS * TENSOR_BYTES);
    for (size_t i = 0; ok && i < TENSORS; i++) {
        s->tensors[i] = ft_tensor_create_1d(&s->account, FT_DTYPE_U8, TENSOR_BYTES, err);
        ok = s->tensors[i] != NULL;
        if (ok && how == FT_BENCH_HANDED_OVER)
            ft_object_hand_over(&s->tensors[i]->object);
    }
    if (!ok)
        return false;
    if (how == FT_BENCH_AT_HOME)
        drop_all(s);
    else if (!ft_thread_start(&thread, "drop", drop_all, s, err))
        return false;
    ft_thread_join(&thread);  // Waits: its lease is detached meanwhile.
    return true;
}

bool ft_bench_stranded_bytes(const void *host, double *out, ft_error *err)
{
    shipment s;
    bool ok = ship(*(const ft_bench_abroad *)host, &s, err);

    *out = (double)s.most_stranded;
    return ok;
}

bool ft_bench_account_peak(const void *host, double *out, ft_error *err)
{
    shipment s;
    bool ok = ship(*(const ft_bench_abroad *)host, &s, err);

    *out = (double)ft_account_peak_bytes(&s.account) / (1 << 20);
    return ok;
}
