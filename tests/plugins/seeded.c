// Stages with a bottleneck that is known: `slow` holds one lock of the library for LOCK_US of each
// batch and counts how long it waited for it and held it; `fat` keeps 64 MiB for each instance.
#include <ftpipe/stage.h>
#include <string.h>
#include <time.h>

#ifndef LOCK_US
#define LOCK_US 200
#endif

enum { FAT_BYTES = 64 << 20, COUNTER_WAITED_US = 0, COUNTER_HELD_US };

static ft_mutex cache_lock;  // Guards nothing.

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static bool slow_load(ft_stage_load *load, const void *config, void **out_shared, ft_error *err)
{
    (void)load, (void)config, (void)err;
    ft_mutex_init_named(&cache_lock, "cache");
    *out_shared = NULL;
    return true;
}

typedef struct slow_state {
    int64_t waited_ns, held_ns;
} slow_state;

static bool slow_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    slow_state *state = self->state;
    int64_t from = now_ns();

    ft_mutex_lock(&cache_lock);
    int64_t begin = now_ns();
    while (now_ns() - begin < LOCK_US * INT64_C(1000)) {
    }
    state->held_ns += now_ns() - begin;
    ft_mutex_unlock(&cache_lock);
    state->waited_ns += begin - from;
    self->counters[COUNTER_WAITED_US] = (uint64_t)(state->waited_ns / 1000);
    self->counters[COUNTER_HELD_US] = (uint64_t)(state->held_ns / 1000);
    return ft_emit(self, ft_take(in), err);
}

static const char *const counters[] = {"waited_us", "held_us", NULL};

static const ft_stage_def slow = {
    .abi = FT_STAGE_ABI,
    .name = "slow",
    .summary = "work under one lock",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = FT_CONCURRENCY_ANY,
    .counters = counters,
    .state_size = sizeof(slow_state),
    .load = slow_load,
    .process = slow_process,
};

typedef struct fat_state {
    char *table;
} fat_state;

static bool fat_open(ft_stage *self, ft_error *err)
{
    fat_state *state = self->state;

    state->table = ft_alloc(FAT_BYTES);
    return state->table || ft_fail_nomem(err, FAT_BYTES);
}

static bool fat_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    int64_t begin = now_ns();

    while (now_ns() - begin < 50 * INT64_C(1000)) {
    }
    return ft_emit(self, ft_take(in), err);
}

static void fat_close(ft_stage *self)
{
    ft_free(((fat_state *)self->state)->table);
}

static const ft_stage_def fat = {
    .abi = FT_STAGE_ABI,
    .name = "fat",
    .summary = "keep much for each instance",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = FT_CONCURRENCY_ANY,
    .state_size = sizeof(fat_state),
    .open = fat_open,
    .process = fat_process,
    .close = fat_close,
};

FT_PLUGIN(&slow, &fat);
