// A plug-in that breaks its promise: the last byte of each text is cut off, in the middle of a
// character or not.
#include <ftpipe/stage.h>

typedef struct broken_config {
    size_t in, out;
} broken_config;

static bool broken_plan(ft_stage_plan *plan, void *data, ft_error *err)
{
    broken_config *config = data;

    return ft_plan_read(plan, NULL, "text", FT_TYPE(STRING), &config->in, err) &&
           ft_plan_add(plan, "text", FT_TYPE(STRING), &config->out, err);
}

static bool broken_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    const broken_config *config = self->config;
    ft_builder builder;
    ft_column made = {0};

    if (!ft_builder_init(&builder, FT_TYPE(STRING), self->account, (*in)->count, 0, err))
        return false;
    bool ok = true;
    for (size_t i = 0; ok && i < (*in)->count; i++) {
        ft_slice text = ft_column_text(&(*in)->columns[config->in], i);
        text.size -= text.size > 0;
        ok = ft_builder_add_text(&builder, text, err);
    }
    ok = ok && ft_builder_take(&builder, &made, err);
    ft_builder_finish(&builder);
    if (!ok || !ft_batch_make_writable(in, self->output_width, err)) {
        ft_column_finish(&made);
        return false;
    }
    ft_batch_set(*in, config->out, &made);
    return ft_emit(self, ft_take(in), err);
}

static const ft_stage_def broken_text = {
    .abi = FT_STAGE_ABI,
    .name = "broken_text",
    .summary = "cut texts where no character ends",
    .example = "- plugin: ./x.so\n",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = FT_CONCURRENCY_ANY,
    .config_size = sizeof(broken_config),
    .plan = broken_plan,
    .process = broken_process,
};

FT_PLUGIN(&broken_text);
