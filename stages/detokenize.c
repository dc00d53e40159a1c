// detokenize: ids back to text, as the model's tokenizer decodes them.
//
// Ids that no token has are left out; bytes that are no text become U+FFFD.
#include <string.h>

#include "stages/text/decode.h"
#include "stages/text/stage_text.h"

static const char *const special_choices[] = {"drop", "keep", NULL};
enum { SPECIAL_DROP, SPECIAL_KEEP };

typedef struct detokenize_config {
    const char *model;
    int special;
    bool is_wide;          // The ids come as i64: they were read from JSON.
    size_t input, output;  // Columns.
} detokenize_config;

typedef struct detokenize_state {
    ft_decoder decoder;
    ft_ids narrow;
} detokenize_state;

static const ft_option options[] = {
    FT_OPT_MODEL(detokenize_config, model, .is_main = true, .required = true,
                 .doc = "A tokenizer's file, a folder that holds one, or a name in the model "
                        "store, as for `tokenize`."),
    FT_OPT_CHOICE(detokenize_config, special, special_choices, .fallback = "drop",
                  .doc = "Whether special tokens, such as [SEP], are part of the text."),
    FT_OPT_END,
};

static bool detokenize_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    detokenize_config *c = config;
    const char *from = plan->from ? plan->from : "tokens", *option = plan->from ? "from" : NULL;
    size_t found = ft_schema_find(plan->input, ft_slice_of(from));
    ft_tokenizer_info info;

    if (!ft_tokenizer_describe(c->model, plan->arena, &info, err))
        return ft_error_at(err, "model", 0, 0);
    c->is_wide =
        found != FT_FIELD_NONE && ft_type_equal(plan->input->fields[found].type, FT_TYPE_LIST(INT));
    if (!ft_plan_read(plan, option, from, c->is_wide ? FT_TYPE_LIST(INT) : FT_TYPE_IDS, &c->input,
                      err))
        return false;
    if (plan->input->fields[c->input].type.kind == FT_KIND_ANY) {
        ft_fail(err, FT_ERROR_USAGE, "needs `%s` as i32[*], and its type is not known", from);
        ft_hint(err, "Say its type where it is read: `fields: {%s: \"i32[*]\"}`.", from);
        err->number = 312;
        return option ? ft_error_at(err, option, 0, 0) : false;
    }
    return ft_plan_add(plan, plan->to ? plan->to : "text", FT_TYPE(STRING), &c->output, err);
}

static bool detokenize_load(ft_stage_load *load, const void *config, void **out_shared,
                            ft_error *err)
{
    return ft_stage_load_tokenizer(load, ((const detokenize_config *)config)->model, out_shared,
                                   err);
}

static bool detokenize_open(ft_stage *self, ft_error *err)
{
    detokenize_state *state = self->state;

    (void)err;
    state->decoder.account = state->narrow.account = self->account;
    return true;
}

// Ids that came as i64; what is no id at all is an error and not a token that is not there.
static bool narrow(detokenize_state *state, const int64_t *ids, size_t count, ft_error *why)
{
    state->narrow.count = 0;
    if (!ft_ids_reserve(&state->narrow, count, why))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (ids[i] < 0 || ids[i] > INT32_MAX)
            return ft_fail(why, FT_ERROR_DATA, "%lld is not the id of a token", (long long)ids[i]);
        ft_ids_data(&state->narrow)[i] = (int32_t)ids[i];
    }
    return true;
}

static bool add_text(ft_stage *self, const ft_batch *in, size_t item, ft_builder *out,
                     ft_error *why)
{
    const detokenize_config *config = self->config;
    detokenize_state *state = self->state;
    const ft_column *column = &in->columns[config->input];
    ft_slice text;

    if (ft_column_is_null(column, item))
        return ft_fail(why, FT_ERROR_DATA, "the item has no tokens");
    const int32_t *offsets = ft_tensor_i32(column->offsets);
    size_t first = (size_t)offsets[item], count = (size_t)(offsets[item + 1] - offsets[item]);
    if (config->is_wide && !narrow(state, ft_tensor_i64(column->values) + first, count, why))
        return false;
    const int32_t *ids =
        config->is_wide ? ft_ids_data(&state->narrow) : ft_tensor_i32(column->values) + first;
    return ft_tokenizer_decode(self->shared, &state->decoder, ids, count,
                               config->special == SPECIAL_DROP, &text, why) &&
           ft_builder_add_text(out, text, why);
}

static bool detokenize_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    return ft_stage_add_column(self, in, ((const detokenize_config *)self->config)->output,
                               add_text, err);
}

static void detokenize_close(ft_stage *self)
{
    detokenize_state *state = self->state;

    ft_decoder_finish(&state->decoder);
    ft_ids_finish(&state->narrow);
}

const ft_stage_def ft_stage_detokenize = {
    .abi = FT_STAGE_ABI,
    .name = "detokenize",
    .summary = "turn ids back into text, as a model's tokenizer decodes them",
    .example = "- detokenize: all-MiniLM-L6-v2\n"
               "  to: decoded\n",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = FT_CONCURRENCY_ANY,
    .pace = FT_PACE_COMPUTE,
    .options = options,
    .config_size = sizeof(detokenize_config),
    .state_size = sizeof(detokenize_state),
    .plan = detokenize_plan,
    .load = detokenize_load,
    .open = detokenize_open,
    .process = detokenize_process,
    .close = detokenize_close,
};
