// The same shape as the peers' (oneTBB's parallel_pipeline, Go's and crossbeam's channels):
// messages that exist beforehand, serial stages, order kept. They are immortal, as the peers' are
// never counted; there are as many as can be in flight, so that none is in two places.
#include "cli/bench_hop.h"

#include "cli/bench_line.h"
#include "cli/bench_workload.h"
#include "runtime/memory/alloc.h"

enum { IN_FLIGHT_MIN = 8, IN_FLIGHT_PER_THREAD = 4, TRAIN_MAX = 128, STAGES_MAX = 16 };

typedef struct {
    ft_batch **ring;  // [room]
    size_t room;
    int64_t messages, rounds;
} hop_config;

typedef struct {
    int64_t sent;
} hop_state;

static bool produce(ft_stage *self, bool *out_done, ft_error *err)
{
    const hop_config *config = self->config;
    hop_state *state = self->state;

    if (state->sent == config->messages) {
        *out_done = true;
        return true;
    }
    ft_batch *batch = config->ring[(size_t)state->sent++ % config->room];
    return ft_emit(self, ft_batch_ref(batch), err);
}

// The message's number lives in its buffer, which only the stage that has the message touches.
static inline void touch(const hop_config *config, const ft_batch *batch)
{
    if (config->rounds > 0)
        workload_spin(config->rounds);
    ((int64_t *)(void *)batch->columns[0].values->data)[0]++;
}

static bool pass(ft_stage *self, ft_batch **in, ft_error *err)
{
    touch(self->config, *in);
    return ft_emit(self, ft_take(in), err);
}

static bool swallow(ft_stage *self, ft_batch **in, ft_error *err)
{
    (void)err;
    touch(self->config, *in);
    return true;
}

#define HOP_STAGE(name_, kind_)                                                     \
    .abi = FT_STAGE_ABI, .name = name_, .summary = "pass a message", .kind = kind_, \
    .concurrency = FT_CONCURRENCY_ONE, .config_size = sizeof(hop_config),           \
    .state_size = sizeof(hop_state)

static const ft_stage_def hop_source = {
    HOP_STAGE("hop_source", FT_STAGE_SOURCE),
    .plan = ft_bench_plan_source,
    .produce = produce,
};
static const ft_stage_def hop_pass = {
    HOP_STAGE("hop_pass", FT_STAGE_TRANSFORM),
    .plan = ft_bench_plan_reader,
    .process = pass,
};
static const ft_stage_def hop_sink = {
    HOP_STAGE("hop_sink", FT_STAGE_SINK),
    .plan = ft_bench_plan_reader,
    .process = swallow,
};

// ---- messages ----

// The numbers stand side by side, as the peers' do.
static ft_batch *message_create(ft_buffer *numbers, size_t index, ft_error *err)
{
    int64_t shape[1] = {1};
    ft_column column = {.type = FT_TYPE(INT)};
    ft_batch *batch = ft_batch_create(NULL, 1, 1, NULL, err);

    if (batch)
        column.values =
            ft_tensor_view(numbers, index * sizeof(int64_t), FT_DTYPE_I64, 1, shape, err);
    if (!column.values) {
        ft_batch_unref(batch);
        return NULL;
    }
    ft_batch_set(batch, 0, &column);
    ft_object_init_immortal(&batch->object, batch->object.type);
    return batch;
}

static void messages_destroy(hop_config *config)
{
    for (size_t i = 0; config->ring && i < config->room; i++) {
        ft_batch *batch = config->ring[i];
        if (!batch)
            continue;
        ft_object_init(&batch->object, batch->object.type);
        ft_batch_unref(batch);
    }
    ft_free((void *)config->ring);
}

static bool messages_create(hop_config *config, int threads, ft_error *err)
{
    size_t trains = IN_FLIGHT_PER_THREAD * (size_t)threads;

    config->room = TRAIN_MAX * (trains < IN_FLIGHT_MIN ? IN_FLIGHT_MIN : trains);
    config->ring = ft_alloc_zero(config->room, sizeof(ft_batch *));
    if (!config->ring)
        return ft_fail_nomem(err, config->room * sizeof(ft_batch *));
    ft_buffer *numbers = ft_buffer_create(NULL, config->room * sizeof(int64_t), err);
    bool ok = numbers != NULL;
    for (size_t i = 0; ok && i < config->room; i++) {
        ((int64_t *)numbers->data)[i] = 0;
        config->ring[i] = message_create(numbers, i, err);
        ok = config->ring[i] != NULL;
    }
    ft_buffer_unref(numbers);
    return ok;
}

// ---- the line ----

int64_t ft_bench_hop(int threads, int64_t messages, int stages, int64_t rounds, ft_error *err)
{
    ft_bench_part parts[STAGES_MAX + 1];
    hop_config config = {.messages = messages, .rounds = rounds};
    int64_t took = -1;

    FT_ASSERT(stages > 0 && stages <= STAGES_MAX);
    if (messages_create(&config, threads, err)) {
        for (int i = 0; i <= stages; i++)
            parts[i] = (ft_bench_part){.def = i == 0        ? &hop_source
                                              : i == stages ? &hop_sink
                                                            : &hop_pass,
                                       .from = i - 1,
                                       .config = &config};
        if (!ft_bench_line_run(parts, (size_t)stages + 1, threads, &took, err))
            took = -1;
    }
    messages_destroy(&config);
    return took;
}
