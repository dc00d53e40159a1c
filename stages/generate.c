// Makes items: numbers, texts and tensors by expressions of the item's `index` and of random
// functions.
//
// The source itself only hands out ranges of indices; what the fields hold is computed behind it on
// all cores. Random values are a function of the run's seed, the names of stage and field, and the
// item's index. What is the same for all items is made once, by the source, and shared by all
// batches.
#include <string.h>

#include "runtime/expr/field_exprs.h"
#include "runtime/expr/item_failures.h"
#include "runtime/memory/alloc.h"
#include "runtime/stage.h"

typedef struct generate_config {
    int64_t items;
    ft_map fields;
    // Made by plan.
    ft_field_exprs made;
    int64_t batch_items;
} generate_config;

typedef struct generate_state {
    int64_t next;
    ft_expr_run run;
    bool has_failed;       // The last evaluation had items that failed.
    ft_column *constants;  // [made.count] What all items share; absent where there is none.
    size_t constant_count;
} generate_state;

typedef struct fill_state {
    ft_item_failures failures;
} fill_state;

// A batch is to be worth a turn, and small beside the caches that the next stage works in.
enum { BATCH_BYTES = 256 * 1024, BATCH_ITEMS_MIN = 16, BATCH_ITEMS_MAX = 8192, MEMORY_SHARE = 64 };

static const ft_option options[] = {
    FT_OPT_COUNT(generate_config, items, .is_main = true, .required = true, .max = INT64_MAX,
                 .doc = "How many items."),
    FT_OPT_MAP(generate_config, fields,
               .doc = "Fields and their expressions; beside the usual functions there are `index` "
                      "(from 0), words(a, b), "
                      "normal(n), uniform(a, b) and integer(a, b). A text stands in quotes: "
                      "'\"some text\"'. Without "
                      "it an item has its `index`."),
    FT_OPT_END,
};

static int64_t choose_batch_items(const ft_stage_plan *plan, const generate_config *config)
{
    int64_t item = 8;

    for (size_t i = 0; i < config->made.count; i++)
        item += (int64_t)ft_expr_guess_bytes(config->made.exprs[i]);
    int64_t items = BATCH_BYTES / item;
    int64_t share = plan->memory_bytes / MEMORY_SHARE / item;
    items = items < BATCH_ITEMS_MIN ? BATCH_ITEMS_MIN : items;
    items = items > BATCH_ITEMS_MAX ? BATCH_ITEMS_MAX : items;
    if (plan->memory_bytes > 0 && items > share)
        items = share < 1 ? 1 : share;
    return items;
}

// What an item has without `fields:`.
static const char *index_names[] = {"index"};
static const bool index_quoted[] = {false};
static const ft_map only_index = {
    .count = 1, .names = index_names, .texts = index_names, .quoted = index_quoted};

static bool generate_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    generate_config *own = config;
    const ft_map *fields = own->fields.count ? &own->fields : &only_index;

    if (ft_plan_fields(plan, fields, FT_EXPR_GENERATE, &own->made, err)) {
        own->batch_items = choose_batch_items(plan, own);
        return true;
    }
    size_t at = own->made.count;
    bool is_read = err->number == 401 || err->number == 402;
    // The usual slip: YAML's own quotes are gone when the expression is read.
    if (is_read && at < fields->count && fields->quoted[at]) {
        bool is_long = strlen(fields->texts[at]) > 80;
        err->hint[0] = '\0';
        ft_hint(err, "A text needs quotes of its own inside of YAML's: `%.40s: '\"%.80s%s\"'`.",
                fields->names[at], fields->texts[at], is_long ? "..." : "");
    }
    return false;
}

static bool constant_failed(void *host, size_t item, const ft_error *why, ft_error *err)
{
    generate_state *state = host;

    (void)item;
    (void)why;
    (void)err;
    state->has_failed = true;
    return true;
}

static bool generate_open(ft_stage *self, ft_error *err)
{
    const generate_config *config = self->config;
    generate_state *state = self->state;

    state->run = (ft_expr_run){
        .account = self->account, .seed = self->seed, .failed = constant_failed, .host = state};
    state->constants = ft_alloc_zero(config->made.count + 1, sizeof(*state->constants));
    return state->constants || ft_fail_nomem(err, config->made.count * sizeof(*state->constants));
}

// The columns of a batch that hold one value. Those that cannot be computed are left to the stage
// behind, which tells of each item.
static bool make_constants(ft_stage *self, const ft_batch *batch, ft_error *err)
{
    const generate_config *config = self->config;
    generate_state *state = self->state;

    state->constant_count = batch->count;
    for (size_t i = 0; i < config->made.count; i++) {
        if (!ft_expr_is_constant(config->made.exprs[i]) || !self->live[config->made.columns[i]])
            continue;
        state->has_failed = false;
        if (!ft_expr_eval(config->made.exprs[i], batch, &state->run, &state->constants[i], err))
            return false;
        if (state->has_failed)
            ft_column_finish(&state->constants[i]);
    }
    return true;
}

static bool add_columns(ft_stage *self, ft_batch *batch, ft_error *err)
{
    const generate_config *config = self->config;
    generate_state *state = self->state;

    if (state->constant_count == 0 && !make_constants(self, batch, err))
        return false;
    for (size_t i = 0; i < config->made.count; i++) {
        ft_column *column = &batch->columns[config->made.columns[i]];
        column->type = ft_expr_type(config->made.exprs[i]);
        if (!state->constants[i].values || batch->count > state->constant_count)
            continue;
        if (batch->count == state->constant_count)
            *column = ft_column_ref(&state->constants[i]);
        else if (!ft_column_slice(&state->constants[i], 0, batch->count, column, err))
            return false;
    }
    return true;
}

static bool generate_produce(ft_stage *self, bool *out_done, ft_error *err)
{
    const generate_config *config = self->config;
    generate_state *state = self->state;
    int64_t most = self->batch_items ? self->batch_items : config->batch_items;
    int64_t left = config->items - state->next;
    size_t count = (size_t)(left < most ? left : most);

    if (count == 0) {
        *out_done = true;
        return true;
    }
    ft_lineage *lineage = ft_lineage_create(self->account, count, false, err);
    if (!lineage)
        return false;
    lineage->first_index = (uint64_t)state->next;
    ft_batch *batch = ft_batch_create(self->account, count, self->output_width, lineage, err);
    bool ok = batch && add_columns(self, batch, err) && ft_source_start(self, lineage, err);
    ft_lineage_unref(lineage);
    if (!ok) {
        ft_batch_unref(batch);
        return false;
    }
    state->next += (int64_t)count;
    ft_source_progress(self, (double)state->next / (double)config->items);
    return ft_emit(self, batch, err);
}

static void generate_close(ft_stage *self)
{
    const generate_config *config = self->config;
    generate_state *state = self->state;

    for (size_t i = 0; state->constants && i < config->made.count; i++)
        ft_column_finish(&state->constants[i]);
    ft_free(state->constants);
    ft_expr_free_scratch(&state->run);
}

// ---- behind it, on all cores ----

static bool fill_open(ft_stage *self, ft_error *err)
{
    fill_state *state = self->state;

    (void)err;
    ft_item_failures_init(&state->failures, self);
    return true;
}

static bool fill_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    const generate_config *config = self->config;
    fill_state *state = self->state;

    if (!ft_batch_make_writable(in, self->output_width, err) ||
        !ft_item_failures_start(&state->failures, *in, err))
        return false;
    for (size_t i = 0; i < config->made.count; i++) {
        size_t column = config->made.columns[i];
        ft_column made = {0};
        if (!self->live[column] || ft_batch_has(*in, column))
            continue;
        // Two fields are never the same random values, nor are two stages.
        const char *name = self->output->fields[column].name;
        state->failures.run.seed =
            ft_hash(ft_slice_of(name), ft_hash(ft_slice_of(self->name), self->seed));
        if (!ft_expr_eval(config->made.exprs[i], *in, &state->failures.run, &made, err))
            return false;
        ft_batch_set(*in, column, &made);
    }
    if (!ft_item_failures_leave_out(&state->failures, in, err))
        return false;
    return (*in)->count == 0 || ft_emit(self, ft_take(in), err);
}

static void fill_close(ft_stage *self)
{
    fill_state *state = self->state;

    ft_item_failures_finish(&state->failures);
}

static const ft_stage_def generate_fill = {
    .abi = FT_STAGE_ABI,
    .name = "generate",
    .summary = "compute the fields of generated items",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = FT_CONCURRENCY_ANY,
    .pace = FT_PACE_COMPUTE,
    .options = options,
    .config_size = sizeof(generate_config),
    .state_size = sizeof(fill_state),
    .open = fill_open,
    .process = fill_process,
    .close = fill_close,
};

const ft_stage_def ft_stage_generate = {
    .abi = FT_STAGE_ABI,
    .name = "generate",
    .summary = "make items by expressions, for trials and measurements",
    .example = "- generate: 10k\n"
               "  fields:\n"
               "    id: index\n"
               "    text: words(20, 400)\n",
    .kind = FT_STAGE_SOURCE,
    .concurrency = FT_CONCURRENCY_ONE,
    .pace = FT_PACE_COMPUTE,
    .options = options,
    .config_size = sizeof(generate_config),
    .state_size = sizeof(generate_state),
    .then = &generate_fill,
    .plan = generate_plan,
    .open = generate_open,
    .produce = generate_produce,
    .close = generate_close,
};
