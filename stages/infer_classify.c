// infer, tasks `classify` and `rerank`: what a model says of each text, or of each pair of texts.
//
// A text's rows become one, which goes through the head. `classify` adds all outputs as `output`
// and the best label; `rerank` adds the one number of a pair's model as `score`. Probabilities are
// what transformers' pipeline makes: a softmax over the labels, or a sigmoid of each where the
// model has many labels for a text or only one.
#include <math.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "stages/infer_encoder.h"
#include "stages/infer_labels.h"
#include "stages/nn/pooling.h"
#include "stages/text/stage_text.h"

typedef struct classify_plan {
    infer_encoder_plan model;
    int apply;
    bool is_rerank;
    size_t output;  // Column: f32[outputs], or the score.
    infer_labels labels;
} classify_plan;

typedef struct classify_state {
    ft_encoder_run *run;
    ft_buffer *buffer;
    float *pooled, *scratch, *tile;  // Rows, in `buffer`.
} classify_state;

static int settle_apply(const infer_config *config, const ft_head_config *head)
{
    if (config->function_to_apply != INFER_APPLY_AUTO)
        return config->function_to_apply;
    return head->outputs == 1 || head->is_multi_label ? INFER_APPLY_SIGMOID : INFER_APPLY_SOFTMAX;
}

static bool plan_rerank(ft_stage_plan *plan, classify_plan *p, ft_error *err)
{
    const size_t outputs = p->model.head.outputs;

    if (outputs == 1)
        return ft_plan_add(plan, plan->to ? plan->to : "score", FT_TYPE(FLOAT), &p->output, err);
    ft_fail(err, FT_ERROR_USAGE, "the model has %zu outputs, and `rerank` takes models with 1",
            outputs);
    ft_hint(err, "With `task: classify` all outputs are given.");
    return ft_error_at(err, "model", 0, 0);
}

static bool classify_plan_of(ft_stage_plan *plan, infer_config *config, ft_error *err)
{
    static const char *const of_rerank[] = {"dtype", "function_to_apply", NULL};
    static const char *const of_classify[] = {"dtype", "function_to_apply", "labels",
                                              "top",   "threshold",         NULL};
    classify_plan *p = ft_arena_zero(plan->arena, 1, sizeof(*p));

    if (!p)
        return ft_fail_nomem(err, sizeof(*p));
    config->plan = p;
    p->is_rerank = config->task == INFER_RERANK;
    if (!infer_refuse_options(config, p->is_rerank ? of_rerank : of_classify, err) ||
        !infer_encoder_plan_init(plan, config, FT_HEAD_SEQUENCE, p->is_rerank, &p->model, err))
        return false;
    const ft_head_config *head = &p->model.head;
    p->apply = settle_apply(config, head);
    if (p->is_rerank)
        return plan_rerank(plan, p, err);
    return ft_plan_add(plan, plan->to ? plan->to : "output",
                       FT_TYPE_VECTOR(F32, (int64_t)head->outputs), &p->output, err) &&
           infer_labels_plan(plan, config->labels.count ? config->labels : head->labels, config,
                             head->outputs, &p->labels, err);
}

static bool classify_open(ft_stage *self, ft_error *err)
{
    classify_state *state = infer_state_of(self);
    const infer_model *model = self->shared;
    const size_t rows = FT_HEAD_ROWS + FT_LINEAR_ROWS_BEHIND;
    const size_t pooled = rows * ft_row_stride(model->head->config.hidden);
    const size_t scratch = ft_head_scratch(model->head, FT_HEAD_ROWS);

    state->run = infer_encoder_run_create(self, err);
    if (!state->run)
        return false;
    state->buffer = ft_buffer_zero(self->account,
                                   (pooled + scratch + rows * FT_HEAD_TILE) * sizeof(float), err);
    if (!state->buffer)
        return false;
    state->pooled = state->buffer->data;
    state->scratch = state->pooled + pooled;
    state->tile = state->scratch + scratch;
    return true;
}

static void classify_close(ft_stage *self)
{
    classify_state *state = infer_state_of(self);

    ft_encoder_run_destroy(state->run);
    ft_buffer_unref(state->buffer);
}

// ---- run ----

static void apply(int function, float *row, size_t count)
{
    if (function == INFER_APPLY_SOFTMAX)
        infer_softmax(row, count);
    for (size_t i = 0; i < count && function == INFER_APPLY_SIGMOID; i++)
        row[i] = 1.0F / (1.0F + expf(-row[i]));
}

// The outputs of `count` pooled rows, at most FT_HEAD_ROWS: out[count][outputs].
static void run_head(const ft_head *head, const classify_state *state, size_t count, float *out)
{
    const size_t outputs = head->config.outputs;
    size_t x_row;
    const float *x = ft_head_transform(head, state->pooled, ft_row_stride(head->config.hidden),
                                       count, state->scratch, &x_row);

    for (size_t first = 0; first < outputs; first += FT_HEAD_TILE) {
        const size_t width = ft_head_run_tile(head, x, x_row, count, first, state->tile);
        for (size_t row = 0; row < count; row++)
            memcpy(out + row * outputs + first, state->tile + row * FT_HEAD_TILE,
                   width * sizeof(*out));
    }
}

static bool run_spans(ft_stage *self, const infer_spans *spans, float *out, ft_error *err)
{
    const infer_model *model = self->shared;
    const ft_head_config *head = &model->head->config;
    const classify_state *state = infer_state_of(self);
    const size_t stride = ft_row_stride(head->hidden);
    const bool is_first = head->pooling == FT_POOLING_CLS;

    if (!ft_encoder_run_reserve(state->run, spans->spans, spans->count, err))
        return false;
    for (size_t done = 0, pooled = 0; done < spans->count;) {
        ft_rows rows;
        const ft_token_span *from = spans->spans + done;
        const size_t left = spans->count - done;
        const size_t taken = is_first ? ft_encoder_run_first(state->run, from, left, &rows)
                                      : ft_encoder_run_some(state->run, from, left, &rows);
        if (taken == 0)
            return ft_fail(err, FT_ERROR_CANCELLED, "cancelled");
        for (size_t i = done; i < done + taken; i++) {
            const size_t count = is_first ? 1 : ft_encoder_rows(model->encoder, &spans->spans[i]);
            ft_pool(head->pooling, rows, 0, count, head->hidden, state->pooled + pooled * stride);
            rows.at += count * rows.stride;
            if (++pooled < FT_HEAD_ROWS && i + 1 < spans->count)
                continue;
            run_head(model->head, state, pooled, out + (i + 1 - pooled) * head->outputs);
            pooled = 0;
        }
        done += taken;
    }
    return true;
}

static bool set_score(ft_stage *self, const float *values, ft_batch *batch, ft_error *err)
{
    const classify_plan *p = infer_plan_of(self);
    const int64_t shape[1] = {(int64_t)batch->count};
    ft_column column = {.type = FT_TYPE(FLOAT)};

    column.values = ft_tensor_create(self->account, FT_DTYPE_F64, 1, shape, err);
    if (!column.values)
        return false;
    double *scores = (double *)(void *)column.values->data;
    for (size_t i = 0; i < batch->count; i++)
        scores[i] = (double)values[i];
    ft_batch_set(batch, p->output, &column);
    return true;
}

static bool add_outputs(ft_stage *self, const infer_spans *spans, ft_batch *batch, ft_error *err)
{
    const classify_plan *p = infer_plan_of(self);
    const size_t outputs = p->model.head.outputs;
    const int64_t shape[2] = {(int64_t)spans->count, (int64_t)outputs};
    ft_column column = {.type = FT_TYPE_VECTOR(F32, shape[1])};

    column.values = ft_tensor_create(self->account, FT_DTYPE_F32, 2, shape, err);
    if (!column.values)
        return false;
    float *values = (float *)(void *)column.values->data;
    bool ok = run_spans(self, spans, values, err);
    for (size_t i = 0; ok && i < spans->count; i++)
        apply(p->apply, values + i * outputs, outputs);
    if (ok && p->is_rerank)
        ok = set_score(self, values, batch, err);
    else if (ok && infer_labels_add(self, &p->labels, values, batch, err)) {
        ft_batch_set(batch, p->output, &column);
        return true;
    } else
        ok = false;
    ft_column_finish(&column);
    return ok;
}

static bool classify_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    const infer_encoder_plan *p = infer_plan_of(self);
    infer_spans spans = {0};
    ft_batch *batch = NULL;
    // The spans point into these columns, which the batch may lose when a field is replaced.
    ft_column tokens = ft_column_ref(&(*in)->columns[p->tokens]);
    ft_column types = ft_column_ref(&(*in)->columns[p->has_types ? p->types : p->tokens]);

    bool ok = infer_spans_collect(self, *in, &spans, err);
    if (ok && spans.count > 0) {
        ok = ft_stage_keep(self, in, spans.kept, spans.count, &batch, err) &&
             add_outputs(self, &spans, batch, err);
        if (ok)
            ok = ft_emit(self, ft_take(&batch), err);
    }
    ft_batch_unref(batch);
    ft_column_finish(&tokens);
    ft_column_finish(&types);
    infer_spans_finish(&spans);
    return ok;
}

const infer_task infer_classify = {
    .state_size = sizeof(classify_state),
    .batch_items = 16,
    .plan = classify_plan_of,
    .load = infer_encoder_load,
    .open = classify_open,
    .process = classify_process,
    .close = classify_close,
};
