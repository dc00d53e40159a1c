// Passes the first items, in input order, and then tells the sources that nothing more is wanted.
#include "runtime/stage.h"

typedef struct limit_config {
    int64_t items;
} limit_config;

typedef struct limit_state {
    int64_t passed;
} limit_state;

static const ft_option options[] = {
    FT_OPT_COUNT(limit_config, items, .is_main = true, .required = true, .max = INT64_MAX,
                 .doc = "How many items pass."),
    FT_OPT_END,
};

static bool limit_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    const limit_config *config = self->config;
    limit_state *state = self->state;
    int64_t left = config->items - state->passed;
    int64_t count = (int64_t)(*in)->count;

    if (count < left) {
        state->passed += count;
        return ft_emit(self, ft_take(in), err);
    }
    ft_enough(self);
    if (left == 0)
        return true;
    ft_batch *first = left == count ? ft_take(in) : ft_batch_slice(*in, 0, (size_t)left, err);
    state->passed += first ? left : 0;
    return first && ft_emit(self, first, err);
}

const ft_stage_def ft_stage_limit = {
    .abi = FT_STAGE_ABI,
    .name = "limit",
    .summary = "pass the first items and stop",
    .example = "- limit: 1k\n",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = FT_CONCURRENCY_ONE,
    .pace = FT_PACE_COMPUTE,
    .options = options,
    .config_size = sizeof(limit_config),
    .state_size = sizeof(limit_state),
    .process = limit_process,
};
