// A plug-in of two stages, as an example and for the tests.
//
//   - plugin: ./letters.so#upper        a text's ASCII letters in upper case
//     field: title
//   - plugin: ./letters.so#numbered     adds `number`, counted from 1 in the order of the input
//
// `upper` looks at one item at a time and keeps nothing: any number of threads may be in it.
// `numbered` must see the items in order: one.
#include <ftpipe/stage.h>

// ---- upper ----

typedef struct upper_config {
    const char *field;
    size_t in, out;  // Columns: set by plan.
} upper_config;

static const ft_option upper_options[] = {
    FT_OPT_FIELD(upper_config, field, .is_main = true, .fallback = "text",
                 .doc = "The text that is changed."),
    FT_OPT_END,
};

static bool upper_plan(ft_stage_plan *plan, void *config_data, ft_error *err)
{
    upper_config *config = config_data;

    return ft_plan_read(plan, "field", config->field, FT_TYPE(STRING), &config->in, err) &&
           ft_plan_add(plan, config->field, FT_TYPE(STRING), &config->out, err);
}

static bool add_upper(ft_builder *builder, ft_slice text, ft_error *err)
{
    if (!ft_builder_add_text(builder, text, err))
        return false;
    char *at = ft_builder_last(builder, text.size);
    for (size_t i = 0; i < text.size; i++)
        if (at[i] >= 'a' && at[i] <= 'z')
            at[i] = (char)(at[i] - 'a' + 'A');
    return true;
}

static bool upper_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    const upper_config *config = self->config;
    const ft_column *texts = &(*in)->columns[config->in];
    ft_builder builder;
    ft_column made = {0};

    if (!ft_builder_init(&builder, FT_TYPE(STRING), self->account, (*in)->count, 0, err))
        return false;
    bool ok = true;
    for (size_t i = 0; ok && i < (*in)->count; i++)
        ok = ft_column_is_null(texts, i) ? ft_builder_add_null(&builder, err)
                                         : add_upper(&builder, ft_column_text(texts, i), err);
    ok = ok && ft_builder_take(&builder, &made, err);
    ft_builder_finish(&builder);
    if (!ok || !ft_batch_make_writable(in, self->output_width, err)) {
        ft_column_finish(&made);
        return false;
    }
    ft_batch_set(*in, config->out, &made);
    return ft_emit(self, ft_take(in), err);
}

static const ft_stage_def upper = {
    .abi = FT_STAGE_ABI,
    .name = "upper",
    .summary = "write a text in upper case",
    .example = "- plugin: ./letters.so#upper\n  field: text\n",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = FT_CONCURRENCY_ANY,
    .options = upper_options,
    .config_size = sizeof(upper_config),
    .plan = upper_plan,
    .process = upper_process,
};

// ---- numbered ----

typedef struct numbered_config {
    size_t out;
} numbered_config;

typedef struct numbered_state {
    int64_t last;
} numbered_state;

static bool numbered_plan(ft_stage_plan *plan, void *config_data, ft_error *err)
{
    numbered_config *config = config_data;

    return ft_plan_add(plan, "number", FT_TYPE(INT), &config->out, err);
}

static bool numbered_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    const numbered_config *config = self->config;
    numbered_state *state = self->state;
    ft_column made = {0};
    size_t count = (*in)->count;

    made.type = FT_TYPE(INT);
    made.values = ft_tensor_create_1d(self->account, FT_DTYPE_I64, count, err);
    if (!made.values)
        return false;
    for (size_t i = 0; i < count; i++)
        ((int64_t *)(void *)made.values->data)[i] = state->last + 1 + (int64_t)i;
    if (!ft_batch_make_writable(in, self->output_width, err)) {
        ft_column_finish(&made);
        return false;
    }
    state->last += (int64_t)count;
    ft_batch_set(*in, config->out, &made);
    return ft_emit(self, ft_take(in), err);
}

static const ft_stage_def numbered = {
    .abi = FT_STAGE_ABI,
    .name = "numbered",
    .summary = "number the items",
    .example = "- plugin: ./letters.so#numbered\n",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = FT_CONCURRENCY_ONE,
    .config_size = sizeof(numbered_config),
    .state_size = sizeof(numbered_state),
    .plan = numbered_plan,
    .process = numbered_process,
};

FT_PLUGIN(&upper, &numbered);
