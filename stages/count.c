// count: how many tokens each item's text has, by a model's tokenizer; the text is not cut.
//
// Ids are not kept. Memory is a cache of words, and the ids of the longest text.
#include "stages/text/stage_text.h"

enum { COUNTER_TOKENS };

// In the order of ft_special_tokens.
static const char *const special_choices[] = {"parse", "text", "error", NULL};
static const char *const counters[] = {"tokens", NULL};

typedef struct count_config {
    const char *model;
    int special_tokens;
    bool add_special;
    size_t input, output;  // Columns.
} count_config;

typedef struct count_state {
    ft_token_coder *coder;
    ft_ids ids;  // Of the text at work.
    ft_buffer *unescaped;
} count_state;

static const ft_option options[] = {
    FT_OPT_MODEL(count_config, model, .is_main = true, .required = true,
                 .doc = "A tokenizer's file, a folder that holds one, or a name in the model "
                        "store, as for `tokenize`."),
    FT_OPT_CHOICE(count_config, special_tokens, special_choices, .fallback = "parse",
                  .doc = "What special tokens that are written in a text are: the tokens, text "
                         "like any other, or a failure of the item."),
    FT_OPT_BOOL(count_config, add_special, .fallback = "true",
                .doc = "Whether the model's special tokens around each text count."),
    FT_OPT_END,
};

static bool count_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    count_config *c = config;
    ft_tokenizer_info info;

    if (!ft_tokenizer_describe(c->model, plan->arena, &info, err))
        return ft_error_at(err, "model", 0, 0);
    return ft_plan_read(plan, plan->from ? "from" : NULL, plan->from ? plan->from : "text",
                        FT_TYPE(STRING), &c->input, err) &&
           ft_plan_add(plan, plan->to ? plan->to : "tokens", FT_TYPE(INT), &c->output, err);
}

static bool count_load(ft_stage_load *load, const void *config, void **out_shared, ft_error *err)
{
    return ft_stage_load_tokenizer(load, ((const count_config *)config)->model, out_shared, err);
}

static bool count_open(ft_stage *self, ft_error *err)
{
    const count_config *config = self->config;
    count_state *state = self->state;
    ft_token_settings settings = {.truncation = FT_TRUNCATE_NONE,
                                  .special_tokens = (ft_special_tokens)config->special_tokens,
                                  .add_special = config->add_special};

    state->ids.account = self->account;
    state->coder = ft_token_coder_create(self->shared, settings, self->account, err);
    return state->coder != NULL;
}

static bool add_count(ft_stage *self, const ft_batch *in, size_t item, ft_builder *out,
                      ft_error *why)
{
    const count_config *config = self->config;
    count_state *state = self->state;
    ft_slice text;
    bool was_cut;

    state->ids.count = 0;
    if (!ft_stage_text(self, &state->unescaped, &in->columns[config->input], item, &text, why) ||
        !ft_token_coder_add(state->coder, text, &state->ids, &was_cut, why) ||
        !ft_builder_add_int(out, (int64_t)state->ids.count, why))
        return false;
    ft_count(self, COUNTER_TOKENS, state->ids.count);
    return true;
}

static bool count_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    return ft_stage_add_column(self, in, ((const count_config *)self->config)->output, add_count,
                               err);
}

static void count_close(ft_stage *self)
{
    count_state *state = self->state;

    ft_token_coder_destroy(state->coder);
    ft_ids_finish(&state->ids);
    ft_buffer_unref(state->unescaped);
}

const ft_stage_def ft_stage_count = {
    .abi = FT_STAGE_ABI,
    .name = "count",
    .summary = "count the tokens of each item's text",
    .example = "- count: all-MiniLM-L6-v2\n",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = FT_CONCURRENCY_ANY,
    .pace = FT_PACE_COMPUTE,
    .options = options,
    .counters = counters,
    .config_size = sizeof(count_config),
    .state_size = sizeof(count_state),
    .plan = count_plan,
    .load = count_load,
    .open = count_open,
    .process = count_process,
    .close = count_close,
};
