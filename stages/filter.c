// Lets the items pass for which a condition is true. The others are dropped, or go to the port
// `rest` when a stage reads it. Items for which it cannot be said (null, a value of another type)
// fail.
#include <string.h>

#include "runtime/expr/item_failures.h"
#include "runtime/memory/alloc.h"
#include "runtime/stage.h"

enum { PORT_REST = 1 };

typedef struct filter_config {
    const char *condition;
    const ft_expr *expr;  // Made by plan.
} filter_config;

typedef struct filter_state {
    ft_item_failures failures;
    uint8_t *passes;    // [capacity]
    uint32_t *indices;  // [capacity]
    size_t capacity;
} filter_state;

static const ft_option options[] = {
    FT_OPT_EXPR(filter_config, condition, .is_main = true, .required = true,
                .doc = "Items for which this is true pass."),
    FT_OPT_END,
};

static const char *const ports[] = {"rest", NULL};

static bool filter_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    filter_config *own = config;

    return ft_plan_expr(plan, "condition", own->condition, FT_EXPR_CONDITION, &own->expr, err);
}

static bool filter_open(ft_stage *self, ft_error *err)
{
    filter_state *state = self->state;

    (void)err;
    ft_item_failures_init(&state->failures, self);
    return true;
}

static bool grow(filter_state *state, size_t count, ft_error *err)
{
    if (count <= state->capacity)
        return true;
    ft_free(state->passes);
    ft_free(state->indices);
    state->capacity = 0;
    state->passes = ft_alloc(count);
    state->indices = ft_alloc_array(count, sizeof(*state->indices));
    if (!state->passes || !state->indices)
        return ft_fail_nomem(err, count * (1 + sizeof(*state->indices)));
    state->capacity = count;
    return true;
}

// Emits the items that pass (or, for the port `rest`, do not), without those that failed.
static bool emit_some(ft_stage *self, ft_batch *in, bool passes, ft_error *err)
{
    filter_state *state = self->state;
    size_t kept = 0;

    for (size_t i = 0; i < in->count; i++)
        if (state->passes[i] == passes && !state->failures.failed[i])
            state->indices[kept++] = (uint32_t)i;
    if (kept == 0)
        return true;
    ft_batch *some = ft_batch_select(in, state->indices, kept, err);
    return some && ft_emit_port(self, passes ? 0 : PORT_REST, some, err);
}

static bool filter_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    const filter_config *config = self->config;
    filter_state *state = self->state;

    if (!grow(state, (*in)->count, err) || !ft_item_failures_start(&state->failures, *in, err) ||
        !ft_expr_test(config->expr, *in, &state->failures.run, state->passes, err))
        return false;
    if (!state->failures.count && !memchr(state->passes, 0, (*in)->count))
        return ft_emit(self, ft_take(in), err);
    if (!emit_some(self, *in, true, err))
        return false;
    return !ft_port_is_read(self, PORT_REST) || emit_some(self, *in, false, err);
}

static void filter_close(ft_stage *self)
{
    filter_state *state = self->state;

    ft_item_failures_finish(&state->failures);
    ft_free(state->passes);
    ft_free(state->indices);
}

const ft_stage_def ft_stage_filter = {
    .abi = FT_STAGE_ABI,
    .name = "filter",
    .summary = "pass the items for which a condition is true",
    .example = "- filter: len(text) >= 20 and lang == \"en\"\n",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = FT_CONCURRENCY_ANY,
    .pace = FT_PACE_COMPUTE,
    .options = options,
    .ports = ports,
    .config_size = sizeof(filter_config),
    .state_size = sizeof(filter_state),
    .plan = filter_plan,
    .open = filter_open,
    .process = filter_process,
    .close = filter_close,
};
