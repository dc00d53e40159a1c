// The parts of encoder tasks that are the same: what a plan checks, one copy of the weights, and
// the tokens of items.
#include "stages/infer_encoder.h"

#include <inttypes.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "stages/text/stage_text.h"

// ---- plan ----

static const char *kind_task(ft_head_kind kind)
{
    static const char *const tasks[] = {
        [FT_HEAD_SEQUENCE] = "classify` or `task: rerank",
        [FT_HEAD_TOKENS] = "token_classify",
        [FT_HEAD_VOCABULARY] = "sparse",
    };
    return tasks[kind];
}

static bool check_kind(const infer_encoder_plan *p, ft_head_kind kind, ft_error *err)
{
    if (p->head.kind == kind)
        return true;
    ft_fail(err, FT_ERROR_USAGE, "the model is a %s, which is for another task",
            p->head.architecture);
    ft_hint(err, "Say `task: %s`, or name another model.", kind_task(p->head.kind));
    return ft_error_at(err, "task", 0, 0);
}

bool infer_plan_output(ft_stage_plan *plan, const char *name, ft_type type, size_t *out_index,
                       ft_error *err)
{
    const size_t found = ft_schema_find(plan->input, ft_slice_of(name));

    if (found != FT_FIELD_NONE && ft_type_equal(plan->input->fields[found].type, type))
        return ft_plan_read(plan, NULL, name, type, out_index, err);
    ft_fail(err, FT_ERROR_USAGE, "needs the field `%s` beside the tokens", name);
    ft_hint(err, "`tokenize` makes it with `outputs: [%s]`.", name);
    return false;
}

static bool plan_types(ft_stage_plan *plan, bool needs_types, infer_encoder_plan *p, ft_error *err)
{
    if (p->encoder.types < 2)
        return true;
    p->has_types =
        needs_types || ft_schema_find(plan->input, FT_SLICE("type_ids")) != FT_FIELD_NONE;
    return !p->has_types || infer_plan_output(plan, "type_ids", FT_TYPE_IDS, &p->types, err);
}

static bool plan_tokens(ft_stage_plan *plan, const infer_config *config, infer_encoder_plan *p,
                        ft_error *err)
{
    if (!ft_stage_plan_tokens(plan, &p->tokens, err))
        return false;
    return ft_stage_check_tokens(plan, p->tokens, config->model, config->model,
                                 p->encoder.vocabulary, err) ||
           ft_error_at(err, "model", 0, 0);
}

bool infer_encoder_plan_init(ft_stage_plan *plan, const infer_config *config, ft_head_kind kind,
                             bool needs_types, infer_encoder_plan *p, ft_error *err)
{
    if (!ft_encoder_config_read(config->model, plan->arena, &p->encoder, err) ||
        !ft_encoder_check(config->model, &p->encoder, plan->arena, err) ||
        !ft_head_describe(config->model, &p->encoder, plan->arena, &p->head, err))
        return ft_error_at(err, "model", 0, 0);
    p->encoder.precision = ft_precision_of(config->dtype);
    p->encoder.weight_store = plan->environment ? plan->environment->weight_store : NULL;
    return check_kind(p, kind, err) && plan_tokens(plan, config, p, err) &&
           plan_types(plan, needs_types, p, err);
}

// ---- load ----

typedef struct loading {
    const char *model;
    const ft_encoder_config *config;
} loading;

static bool load_encoder(ft_stage_load *load, const void *host, void **out, ft_error *err)
{
    const loading *what = host;
    ft_encoder *encoder;

    if (!ft_encoder_load(what->model, what->config, load->arena, &encoder, err))
        return false;
    *out = encoder;
    return true;
}

static bool load_head(ft_stage_load *load, const void *host, void **out, ft_error *err)
{
    const loading *what = host;
    ft_head *head;

    if (!ft_head_load(what->model, what->config, load->arena, &head, err))
        return false;
    *out = head;
    return true;
}

bool infer_encoder_load(ft_stage_load *load, const infer_config *config, void **out_shared,
                        ft_error *err)
{
    const infer_encoder_plan *p = config->plan;
    const loading what = {config->model, &p->encoder};
    const char *encoder_key =
        ft_arena_format(load->arena, "encoder %d %s", (int)p->encoder.precision, config->model);
    const char *head_key = ft_arena_format(load->arena, "head %s", config->model);
    infer_model *model = ft_arena_zero(load->arena, 1, sizeof(*model));
    void *encoder, *head;

    if (!encoder_key || !head_key || !model)
        return ft_fail_nomem(err, sizeof(*model));
    if (!ft_load_share(load, encoder_key, load_encoder, &what, &encoder, err) ||
        !ft_load_share(load, head_key, load_head, &what, &head, err))
        return false;
    *model = (infer_model){encoder, head};
    *out_shared = model;
    return true;
}

static bool is_cancelled(const void *host)
{
    return ft_is_cancelled(host);
}

ft_encoder_run *infer_encoder_run_create(ft_stage *self, ft_error *err)
{
    const infer_model *model = self->shared;
    ft_encoder_run *run = ft_encoder_run_create(model->encoder, self->account, err);

    if (run)
        ft_encoder_run_watch(run, is_cancelled, self);
    return run;
}

// ---- tokens ----

static bool check_numbers(const int32_t *numbers, size_t count, size_t below, const char *what,
                          const char *of, ft_error *why)
{
    for (size_t i = 0; i < count; i++) {
        if (numbers[i] >= 0 && (size_t)numbers[i] < below)
            continue;
        ft_fail(why, FT_ERROR_DATA, "%s %" PRId32 " is outside the model's %s of %zu", what,
                numbers[i], of, below);
        ft_hint(why, "Tokenise with the model's own tokenizer.");
        return false;
    }
    return true;
}

static const int32_t *list_at(const ft_column *column, size_t item, size_t *out_count)
{
    const int32_t *offsets = ft_tensor_i32(column->offsets);

    *out_count = ft_column_is_null(column, item) ? 0 : (size_t)(offsets[item + 1] - offsets[item]);
    return ft_tensor_i32(column->values) + offsets[item];
}

static bool read_item(const infer_encoder_plan *p, const ft_batch *in, size_t item,
                      ft_token_span *span, ft_error *why)
{
    size_t types = 0;

    *span = (ft_token_span){0};
    span->ids = list_at(&in->columns[p->tokens], item, &span->count);
    if (span->count == 0) {
        ft_fail(why, FT_ERROR_DATA, "the item has no tokens");
        ft_hint(why, "`tokenize` with the model's tokenizer gives even the empty text two, [CLS] "
                     "and [SEP].");
        return false;
    }
    if (!check_numbers(span->ids, span->count, p->encoder.vocabulary, "token", "vocabulary", why))
        return false;
    if (!p->has_types)
        return true;
    span->types = list_at(&in->columns[p->types], item, &types);
    if (types != span->count)
        return ft_fail(why, FT_ERROR_DATA, "the item has %zu tokens, and %zu numbers in `type_ids`",
                       span->count, types);
    return check_numbers(span->types, types, p->encoder.types, "type", "types", why);
}

bool infer_spans_collect(ft_stage *self, const ft_batch *in, infer_spans *out, ft_error *err)
{
    const infer_encoder_plan *p = infer_plan_of(self);

    out->spans = ft_alloc_array(in->count, sizeof(*out->spans));
    out->kept = ft_alloc_array(in->count, sizeof(*out->kept));
    if (!out->spans || !out->kept)
        return ft_fail_nomem(err, in->count * sizeof(*out->spans));
    for (size_t item = 0; item < in->count; item++) {
        ft_error why = FT_ERROR_INIT;
        ft_token_span *span = &out->spans[out->count];
        if (!read_item(p, in, item, span, &why)) {
            if (!ft_item_fail(self, in, item, &why, err))
                return false;
            continue;
        }
        ft_count(self, INFER_COUNTER_TOKENS, span->count);
        ft_count(self, INFER_COUNTER_TRUNCATED, span->count > p->encoder.max_tokens);
        out->kept[out->count++] = (uint32_t)item;
    }
    return true;
}

void infer_spans_finish(infer_spans *spans)
{
    ft_free(spans->spans);
    ft_free(spans->kept);
}
