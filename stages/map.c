// Adds fields, or gives fields new values, by an expression each. All expressions see the item as
// it came in, so the order in which they are written does not matter. What no stage below reads is
// not computed.
#include "runtime/expr/field_exprs.h"
#include "runtime/expr/item_failures.h"
#include "runtime/memory/alloc.h"
#include "runtime/stage.h"

typedef struct map_config {
    ft_map fields;
    ft_field_exprs made;  // By plan.
} map_config;

typedef struct map_state {
    ft_item_failures failures;
    ft_column *made;  // [fields.count] Between evaluating and setting.
} map_state;

static const ft_option options[] = {
    FT_OPT_MAP(map_config, fields, .is_main = true, .required = true,
               .doc = "New fields and the expressions that give their values. Names of fields that "
                      "come in replace them."),
    FT_OPT_END,
};

static bool map_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    map_config *own = config;

    return ft_plan_fields(plan, &own->fields, FT_EXPR_ITEM, &own->made, err);
}

static bool map_open(ft_stage *self, ft_error *err)
{
    const map_config *config = self->config;
    map_state *state = self->state;

    ft_item_failures_init(&state->failures, self);
    state->made = ft_alloc_zero(config->fields.count + 1, sizeof(*state->made));
    return state->made || ft_fail_nomem(err, config->fields.count * sizeof(*state->made));
}

static bool map_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    const map_config *config = self->config;
    map_state *state = self->state;
    size_t count = config->fields.count;

    bool ok = ft_item_failures_start(&state->failures, *in, err);
    for (size_t i = 0; ok && i < count; i++)
        if (self->live[config->made.columns[i]])
            ok = ft_expr_eval(config->made.exprs[i], *in, &state->failures.run, &state->made[i],
                              err);
    ok = ok && ft_batch_make_writable(in, self->output_width, err);
    for (size_t i = 0; i < count; i++) {
        if (ok) {
            state->made[i].type = ft_expr_type(config->made.exprs[i]);
            ft_batch_set(*in, config->made.columns[i], &state->made[i]);
        }
        ft_column_finish(&state->made[i]);
    }
    ok = ok && ft_item_failures_leave_out(&state->failures, in, err);
    return ok && ((*in)->count == 0 || ft_emit(self, ft_take(in), err));
}

static void map_close(ft_stage *self)
{
    map_state *state = self->state;

    ft_item_failures_finish(&state->failures);
    ft_free(state->made);
}

const ft_stage_def ft_stage_map = {
    .abi = FT_STAGE_ABI,
    .name = "map",
    .summary = "add or replace fields by expressions",
    .example = "- map:\n"
               "    title: sub(text, 1, 60)\n"
               "    words: len(words(text))\n",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = FT_CONCURRENCY_ANY,
    .pace = FT_PACE_COMPUTE,
    .options = options,
    .config_size = sizeof(map_config),
    .state_size = sizeof(map_state),
    .plan = map_plan,
    .open = map_open,
    .process = map_process,
    .close = map_close,
};
