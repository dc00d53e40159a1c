// Gathers all items into one, which it gives when everything has come: sums, counts, the first, the
// largest, lists.
//
// Items are folded in as they come and are not kept (but for what `list`, `first` and the like keep
// of them), so memory does not grow with their number. The item is given also when none came:
// counts are 0, and means are null.
#include "runtime/expr/field_exprs.h"
#include "runtime/expr/item_failures.h"
#include "runtime/memory/alloc.h"
#include "runtime/stage.h"

typedef struct gather_config {
    const char *key;
    ft_map fields;
    ft_field_exprs made;  // By plan.
} gather_config;

typedef struct gather_state {
    ft_item_failures failures;
    ft_expr_fold **folds;  // Of the fields that are read downstream.
    size_t *fields;        // Which field each of them is.
    size_t count;
} gather_state;

static const ft_option options[] = {
    FT_OPT_FIELD(
        gather_config, key, .is_main = true,
        .doc =
            "Left empty: all items become one. Gathering by a field's value is not available yet."),
    FT_OPT_MAP(gather_config, fields, .required = true,
               .doc =
                   "Fields of the result and the expressions over all items that give them: "
                   "sum(x), mean(x), "
                   "min(x), max(x), count(), first(x), last(x), arg_max(x, by), list(x) and more."),
    FT_OPT_END,
};

static bool gather_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    gather_config *own = config;

    if (own->key && *own->key) {
        ft_fail(err, FT_ERROR_USAGE, "`gather` by a key (`%s`) is not available in this version",
                own->key);
        ft_hint(err, "Leave the key away: `gather:` makes one item of all.");
        err->option = "key";
        err->number = 320;
        return false;
    }
    if (own->fields.count > FT_EXPR_FOLDS_MAX) {
        ft_fail(err, FT_ERROR_USAGE, "`gather` gives at most %d fields", (int)FT_EXPR_FOLDS_MAX);
        err->option = "fields";
        err->number = 320;
        return false;
    }
    ft_plan_clear(plan);
    return ft_plan_fields(plan, &own->fields, FT_EXPR_GATHER, &own->made, err);
}

static bool gather_open(ft_stage *self, ft_error *err)
{
    const gather_config *config = self->config;
    gather_state *state = self->state;

    ft_item_failures_init(&state->failures, self);
    state->folds = ft_alloc_zero(config->fields.count + 1, sizeof(*state->folds));
    state->fields = ft_alloc_zero(config->fields.count + 1, sizeof(*state->fields));
    if (!state->folds || !state->fields)
        return ft_fail_nomem(err, config->fields.count * sizeof(*state->folds));
    for (size_t i = 0; i < config->fields.count; i++) {
        if (!self->live[config->made.columns[i]])
            continue;
        state->folds[state->count] = ft_expr_fold_create(config->made.exprs[i], self->account, err);
        if (!state->folds[state->count])
            return false;
        state->fields[state->count++] = i;
    }
    return true;
}

static bool gather_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    gather_state *state = self->state;

    return ft_item_failures_start(&state->failures, *in, err) &&
           ft_expr_folds_add(state->folds, state->count, *in, &state->failures.run, err);
}

static bool make_column(ft_expr_fold *fold, ft_type type, ft_account *account, ft_column *out,
                        ft_error *err)
{
    ft_builder builder = {0};

    bool ok = ft_builder_init(&builder, type, account, 1, 0, err) &&
              ft_expr_fold_end(fold, &builder, err) && ft_builder_take(&builder, out, err);
    ft_builder_finish(&builder);
    return ok;
}

static bool gather_flush(ft_stage *self, ft_error *err)
{
    const gather_config *config = self->config;
    gather_state *state = self->state;
    ft_batch *total = ft_batch_create(self->account, 1, self->output_width, NULL, err);

    if (!total)
        return false;
    for (size_t i = 0; i < config->fields.count; i++)
        total->columns[config->made.columns[i]].type = ft_expr_type(config->made.exprs[i]);
    for (size_t i = 0; i < state->count; i++) {
        size_t field = state->fields[i];
        ft_column made = {0};
        if (!make_column(state->folds[i], ft_expr_type(config->made.exprs[field]), self->account,
                         &made, err)) {
            ft_batch_unref(total);
            return false;
        }
        ft_batch_set(total, config->made.columns[field], &made);
    }
    return ft_emit(self, total, err);
}

static void gather_close(ft_stage *self)
{
    gather_state *state = self->state;

    ft_item_failures_finish(&state->failures);
    for (size_t i = 0; i < state->count; i++)
        ft_expr_fold_destroy(state->folds[i]);
    ft_free(state->folds);
    ft_free(state->fields);
}

const ft_stage_def ft_stage_gather = {
    .abi = FT_STAGE_ABI,
    .name = "gather",
    .summary = "gather all items into one at the end",
    .example = "- gather:\n"
               "  fields:\n"
               "    texts: count()\n"
               "    tokens: sum(len(tokens))\n",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = FT_CONCURRENCY_ONE,
    .pace = FT_PACE_COMPUTE,
    .absorbs = true,
    .options = options,
    .config_size = sizeof(gather_config),
    .state_size = sizeof(gather_state),
    .plan = gather_plan,
    .open = gather_open,
    .process = gather_process,
    .flush = gather_flush,
    .close = gather_close,
};
