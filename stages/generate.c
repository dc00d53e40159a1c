// Makes items: numbers, texts and tensors by expressions of the item's `index` and of random
// functions.
//
// The source itself only hands out ranges of indices; what the fields hold is computed behind it on
// all cores. Random values are a function of the run's seed, the names of stage and field, and the
// item's index. What is the same for all items is made once, by the source, and shared by all
// batches.
#include <string.h>

#include "runtime/expr/item_failures.h"
#include "runtime/memory/alloc.h"
#include "runtime/stage.h"

typedef struct generate_config {
    int64_t count;
    ft_map fields;
    // Made by plan: one each for a field.
    size_t field_count;
    const ft_expr **exprs;
    size_t *columns;
    int64_t batch_items;
} generate_config;

typedef struct generate_state {
    int64_t next;
    ft_expr_run run;
    bool has_failed;       // The last evaluation had items that failed.
    ft_column *constants;  // [field_count] What all items share; absent where there is none.
    size_t constant_count;
} generate_state;

typedef struct fill_state {
    ft_item_failures failures;
} fill_state;

// A batch is to be worth a turn, and small beside the caches that the next stage works in.
enum { BATCH_BYTES = 256 * 1024, BATCH_ITEMS_MIN = 64, BATCH_ITEMS_MAX = 8192, MEMORY_SHARE = 64 };

static const ft_option options[] = {
    FT_OPT_COUNT(generate_config, count, .is_main = true, .required = true, .max = INT64_MAX,
                 .doc = "How many items."),
    FT_OPT_MAP(generate_config, fields,
               .doc = "Fields and their expressions; beside the usual functions there are `index` "
                      "(from 0), words(a, b), "
                      "normal(n), uniform(a, b) and integer(a, b). A text stands in quotes: "
                      "'\"some text\"'. Without "
                      "it an item has its `index`."),
    FT_OPT_END,
};

static bool add_field(ft_stage_plan *plan, generate_config *config, const char *name,
                      const char *text, bool quoted, ft_error *err)
{
    size_t i = config->field_count++;
    const char *option = ft_arena_format(plan->arena, "fields.%s", name);

    if (!option)
        return ft_fail_nomem(err, strlen(name));
    if (!ft_plan_expr(plan, config->fields.count ? option : NULL, text, FT_EXPR_GENERATE,
                      &config->exprs[i], err)) {
        // The usual slip: YAML's own quotes are gone when the expression is read.
        if (quoted && (err->number == 401 || err->number == 402)) {
            err->hint[0] = '\0';
            ft_hint(err, "A text needs quotes of its own inside of YAML's: `%.40s: '\"%.80s%s\"'`.",
                    name, text, strlen(text) > 80 ? "..." : "");
        }
        return false;
    }
    return ft_plan_add(plan, name, ft_expr_type(config->exprs[i]), &config->columns[i], err);
}

// Bytes of an item, as far as they can be told before it is made.
static size_t guess_item_bytes(const generate_config *config)
{
    size_t sum = 8;

    for (size_t i = 0; i < config->field_count; i++) {
        ft_type type = ft_expr_type(config->exprs[i]);
        size_t size = 8;
        if (type.kind == FT_KIND_TENSOR && !type.list)
            size = (size_t)ft_type_elements(type) * ft_dtype_size_bytes(type.dtype);
        else if (ft_type_is_text(type))
            size = 128;
        sum += size;
    }
    return sum;
}

static int64_t choose_batch_items(const ft_stage_plan *plan, const generate_config *config)
{
    int64_t item = (int64_t)guess_item_bytes(config);
    int64_t items = BATCH_BYTES / item;
    int64_t share = plan->memory_bytes / MEMORY_SHARE / item;

    items = items < BATCH_ITEMS_MIN   ? BATCH_ITEMS_MIN
            : items > BATCH_ITEMS_MAX ? BATCH_ITEMS_MAX
                                      : items;
    if (plan->memory_bytes > 0 && items > share)
        items = share < 1 ? 1 : share;
    return items;
}

static bool generate_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    generate_config *own = config;

    own->field_count = 0;
    own->exprs = ft_arena_zero(plan->arena, own->fields.count + 1, sizeof(*own->exprs));
    own->columns = ft_arena_zero(plan->arena, own->fields.count + 1, sizeof(*own->columns));
    if (!own->exprs || !own->columns)
        return ft_fail_nomem(err, own->fields.count * sizeof(*own->exprs));
    if (own->fields.count == 0 && !add_field(plan, own, "index", "index", false, err))
        return false;
    for (size_t i = 0; i < own->fields.count; i++)
        if (!add_field(plan, own, own->fields.names[i], own->fields.texts[i], own->fields.quoted[i],
                       err))
            return false;
    own->batch_items = choose_batch_items(plan, own);
    return true;
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
    state->constants = ft_alloc_zero(config->field_count + 1, sizeof(*state->constants));
    return state->constants || ft_fail_nomem(err, config->field_count * sizeof(*state->constants));
}

// The columns of a batch that hold one value. Those that cannot be computed are left to the stage
// behind, which tells of each item.
static bool make_constants(ft_stage *self, const ft_batch *batch, ft_error *err)
{
    const generate_config *config = self->config;
    generate_state *state = self->state;

    state->constant_count = batch->count;
    for (size_t i = 0; i < config->field_count; i++) {
        if (!ft_expr_is_constant(config->exprs[i]) || !self->live[config->columns[i]])
            continue;
        state->has_failed = false;
        if (!ft_expr_eval(config->exprs[i], batch, &state->run, &state->constants[i], err))
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
    for (size_t i = 0; i < config->field_count; i++) {
        ft_column *column = &batch->columns[config->columns[i]];
        column->type = ft_expr_type(config->exprs[i]);
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
    int64_t left = config->count - state->next;
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
    return ft_emit(self, batch, err);
}

static void generate_close(ft_stage *self)
{
    const generate_config *config = self->config;
    generate_state *state = self->state;

    for (size_t i = 0; state->constants && i < config->field_count; i++)
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
    for (size_t i = 0; i < config->field_count; i++) {
        size_t column = config->columns[i];
        ft_column made = {0};
        if (!self->live[column] || ft_batch_has(*in, column))
            continue;
        // Two fields are never the same random values, nor are two stages.
        const char *name = self->output->fields[column].name;
        state->failures.run.seed =
            ft_hash(ft_slice_of(name), ft_hash(ft_slice_of(self->name), self->seed));
        if (!ft_expr_eval(config->exprs[i], *in, &state->failures.run, &made, err))
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
    .options = options,
    .config_size = sizeof(generate_config),
    .state_size = sizeof(generate_state),
    .then = &generate_fill,
    .plan = generate_plan,
    .open = generate_open,
    .produce = generate_produce,
    .close = generate_close,
};
