// infer, task `sparse`: a weight for each word of the vocabulary, most of them 0 (SPLADE).
//
// The weight of a word is log(1 + relu(x)) of the greatest x that a masked language model gives it
// at any token of the text. Weights above `threshold`, or the `top` greatest of them, come as two
// lists: `indices`, ascending, and `values`. The vocabulary is gone through in tiles for some rows
// of some texts at a time, so memory does not grow with a text's length.
#include <math.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "stages/infer_encoder.h"
#include "stages/infer_labels.h"
#include "stages/text/stage_text.h"

enum { GROUP_TEXTS = 16, GROUP_ROWS = 256 };

typedef struct sparse_plan {
    infer_encoder_plan model;
    float threshold;
    size_t top;              // 0: all.
    size_t indices, values;  // Columns.
} sparse_plan;

typedef struct sparse_state {
    ft_encoder_run *run;
    ft_buffer *buffer;
    float *scratch, *tile;  // Rows of a group; of a block of them.
    float *best;            // [GROUP_TEXTS][outputs]
    int32_t *indices;       // [outputs]
    float *values;          // [outputs]
    ft_builder out[2];
} sparse_state;

static bool sparse_plan_of(ft_stage_plan *plan, infer_config *config, ft_error *err)
{
    static const char *const allowed[] = {"dtype", "top", "threshold", NULL};
    const ft_type numbers = {.kind = FT_KIND_TENSOR, .dtype = FT_DTYPE_F32, .list = true};
    sparse_plan *p = ft_arena_zero(plan->arena, 1, sizeof(*p));

    if (!p)
        return ft_fail_nomem(err, sizeof(*p));
    config->plan = p;
    p->top = (size_t)config->top;
    p->threshold = config->threshold > 0 ? (float)config->threshold : 0;
    return infer_refuse_options(config, allowed, err) &&
           infer_encoder_plan_init(plan, config, FT_HEAD_VOCABULARY, false, &p->model, err) &&
           ft_plan_add(plan, plan->to ? plan->to : "indices", FT_TYPE_IDS, &p->indices, err) &&
           ft_plan_add(plan, "values", numbers, &p->values, err);
}

static bool sparse_open(ft_stage *self, ft_error *err)
{
    sparse_state *state = infer_state_of(self);
    const infer_model *model = self->shared;
    const size_t outputs = model->head->config.outputs;
    const size_t scratch = ft_head_scratch(model->head, GROUP_ROWS);
    const size_t tile = (FT_HEAD_ROWS + FT_LINEAR_ROWS_BEHIND) * FT_HEAD_TILE;

    state->run = infer_encoder_run_create(self, err);
    if (!state->run)
        return false;
    state->buffer = ft_buffer_zero(
        self->account, (scratch + tile + (GROUP_TEXTS + 2) * outputs) * sizeof(float), err);
    if (!state->buffer)
        return false;
    state->scratch = state->buffer->data;
    state->tile = state->scratch + scratch;
    state->best = state->tile + tile;
    state->values = state->best + GROUP_TEXTS * outputs;
    state->indices = (int32_t *)(void *)(state->values + outputs);
    return true;
}

static void sparse_close(ft_stage *self)
{
    sparse_state *state = infer_state_of(self);

    ft_encoder_run_destroy(state->run);
    ft_buffer_unref(state->buffer);
    ft_builder_finish(&state->out[0]);
    ft_builder_finish(&state->out[1]);
}

// ---- run ----

// Rows of one text that stand in a group.
typedef struct group_part {
    size_t text, rows;  // `text` counts in the group.
} group_part;

typedef struct row_group {
    group_part parts[GROUP_TEXTS];
    size_t count, rows;
} row_group;

static void take_maximum(float *best, const float *row, size_t count)
{
    for (size_t k = 0; k < count; k++)
        best[k] = row[k] > best[k] ? row[k] : best[k];
}

// All of the vocabulary for the rows of a group, into what is best so far of each text.
static void run_group(const ft_head *head, const sparse_state *state, ft_rows from,
                      const row_group *group)
{
    const size_t outputs = head->config.outputs;
    size_t x_row;
    const float *x =
        ft_head_transform(head, from.at, from.stride, group->rows, state->scratch, &x_row);

    for (size_t first = 0; first < outputs; first += FT_HEAD_TILE)
        for (size_t part = 0, row = 0; part < group->count; part++) {
            float *best = state->best + group->parts[part].text * outputs + first;
            for (size_t left = group->parts[part].rows; left > 0;) {
                const size_t some = left < FT_HEAD_ROWS ? left : FT_HEAD_ROWS;
                const size_t width =
                    ft_head_run_tile(head, x + row * x_row, x_row, some, first, state->tile);
                for (size_t i = 0; i < some; i++)
                    take_maximum(best, state->tile + i * FT_HEAD_TILE, width);
                row += some;
                left -= some;
            }
        }
}

static bool is_greater(const float *values, uint32_t a, uint32_t b)
{
    return values[a] > values[b] || (values[a] == values[b] && a < b);
}

// Moves entry `at` of a heap whose root is the least one down to its place.
static void sift(uint32_t *heap, size_t count, const float *values, size_t at)
{
    for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && is_greater(values, heap[child], heap[child + 1]))
            child++;
        if (!is_greater(values, heap[at], heap[child]))
            return;
        const uint32_t held = heap[at];
        heap[at] = heap[child];
        heap[child] = held;
        at = child;
    }
}

// Leaves the `top` greatest of `count` values where they are, and makes the others 0.
static void keep_top(float *values, size_t count, size_t top)
{
    uint32_t heap[INFER_TOP_MAX];

    if (top == 0 || top >= count)
        return;
    for (size_t i = 0; i < top; i++)
        heap[i] = (uint32_t)i;
    for (size_t i = top / 2; i-- > 0;)
        sift(heap, top, values, i);
    for (size_t i = top; i < count; i++) {
        uint32_t lost = (uint32_t)i;
        if (is_greater(values, lost, heap[0])) {
            lost = heap[0];
            heap[0] = (uint32_t)i;
            sift(heap, top, values, 0);
        }
        values[lost] = 0;
    }
}

static bool add_text(const sparse_plan *p, sparse_state *state, float *best, ft_error *err)
{
    const size_t outputs = p->model.head.outputs;
    size_t count = 0;

    for (size_t i = 0; i < outputs; i++)
        best[i] = log1pf(best[i]);
    keep_top(best, outputs, p->top);
    for (size_t i = 0; i < outputs; i++) {
        if (!(best[i] > p->threshold))
            continue;
        state->indices[count] = (int32_t)i;
        state->values[count++] = best[i];
    }
    return ft_builder_add_numbers(&state->out[0], state->indices, count, err) &&
           ft_builder_add_numbers(&state->out[1], state->values, count, err);
}

// Texts whose rows lie end to end in `rows`, at most GROUP_TEXTS.
static bool run_texts(ft_stage *self, const ft_token_span *spans, size_t count, ft_rows rows,
                      ft_error *err)
{
    const sparse_plan *p = infer_plan_of(self);
    const infer_model *model = self->shared;
    sparse_state *state = infer_state_of(self);
    const size_t outputs = p->model.head.outputs;
    row_group group = {0};

    // relu is a greatest value that begins at 0.
    memset(state->best, 0, count * outputs * sizeof(float));
    for (size_t i = 0; i < count; i++)
        for (size_t left = ft_encoder_rows(model->encoder, &spans[i]); left > 0;) {
            const size_t room = GROUP_ROWS - group.rows, some = left < room ? left : room;
            group.parts[group.count++] = (group_part){i, some};
            group.rows += some;
            left -= some;
            if (group.rows < GROUP_ROWS && (left > 0 || i + 1 < count))
                continue;
            run_group(model->head, state, rows, &group);
            rows.at += group.rows * rows.stride;
            group.rows = group.count = 0;
        }
    for (size_t i = 0; i < count; i++)
        if (!add_text(p, state, state->best + i * outputs, err))
            return false;
    return true;
}

static bool run_spans(ft_stage *self, const infer_spans *spans, ft_error *err)
{
    const infer_model *model = self->shared;
    const sparse_state *state = infer_state_of(self);

    if (!ft_encoder_run_reserve(state->run, spans->spans, spans->count, err))
        return false;
    for (size_t done = 0; done < spans->count;) {
        const ft_token_span *from = spans->spans + done;
        ft_rows rows;
        const size_t taken = ft_encoder_run_some(state->run, from, spans->count - done, &rows);
        if (taken == 0)
            return ft_fail(err, FT_ERROR_CANCELLED, "cancelled");
        for (size_t first = 0; first < taken; first += GROUP_TEXTS) {
            const size_t left = taken - first, some = left < GROUP_TEXTS ? left : GROUP_TEXTS;
            if (ft_is_cancelled(self))
                return ft_fail(err, FT_ERROR_CANCELLED, "cancelled");
            if (!run_texts(self, from + first, some, rows, err))
                return false;
            for (size_t i = first; i < first + some; i++)
                rows.at += ft_encoder_rows(model->encoder, &from[i]) * rows.stride;
        }
        done += taken;
    }
    return true;
}

static bool send(ft_stage *self, ft_batch **in, const infer_spans *spans, ft_error *err)
{
    const sparse_plan *p = infer_plan_of(self);
    const size_t places[2] = {p->indices, p->values};
    sparse_state *state = infer_state_of(self);
    ft_batch *batch = NULL;
    ft_column column;

    if (!ft_stage_keep(self, in, spans->kept, spans->count, &batch, err))
        return false;
    for (size_t i = 0; i < 2; i++) {
        if (!ft_builder_take(&state->out[i], &column, err)) {
            ft_batch_unref(batch);
            return false;
        }
        ft_batch_set(batch, places[i], &column);
    }
    return ft_emit(self, batch, err);
}

static bool sparse_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    const sparse_plan *p = infer_plan_of(self);
    const size_t places[2] = {p->indices, p->values};
    sparse_state *state = infer_state_of(self);
    infer_spans spans = {0};

    bool ok = infer_spans_collect(self, *in, &spans, err);
    for (size_t i = 0; ok && i < 2; i++) {
        ft_builder_finish(&state->out[i]);
        ok = ft_builder_init(&state->out[i], self->output->fields[places[i]].type, self->account,
                             spans.count, 0, err);
    }
    if (ok && spans.count > 0)
        ok = run_spans(self, &spans, err) && send(self, in, &spans, err);
    infer_spans_finish(&spans);
    return ok;
}

const infer_task infer_sparse = {
    .state_size = sizeof(sparse_state),
    .batch_items = 16,
    .plan = sparse_plan_of,
    .load = infer_encoder_load,
    .open = sparse_open,
    .process = sparse_process,
    .close = sparse_close,
};
