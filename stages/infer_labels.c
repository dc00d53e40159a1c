// The best outputs of each item, by name.
#include "stages/infer_labels.h"

#include <math.h>
#include <string.h>

bool infer_labels_plan(ft_stage_plan *plan, ft_strings names, const infer_config *config,
                       size_t outputs, infer_labels *out, ft_error *err)
{
    const bool has_threshold = config->threshold > INFER_THRESHOLD_NONE,
               is_list = config->top > 1 || has_threshold;

    *out = (infer_labels){.names = names,
                          .is_list = is_list,
                          .top = config->top ? (size_t)config->top : 1,
                          .threshold = has_threshold ? (float)config->threshold : -INFINITY};
    if (has_threshold && !config->top && outputs > INFER_TOP_MAX) {
        ft_fail(err, FT_ERROR_USAGE, "the network has %zu outputs, and a list at most %d", outputs,
                INFER_TOP_MAX);
        ft_hint(err, "Set `top` beside `threshold`.");
        return ft_error_at(err, "threshold", 0, 0);
    }
    if (has_threshold && !config->top)
        out->top = outputs;
    if (names.count == 0) {
        if (!is_list)
            return true;
        ft_fail(err, FT_ERROR_USAGE, "`%s` needs `labels`", has_threshold ? "threshold" : "top");
        return ft_error_at(err, has_threshold ? "threshold" : "top", 0, 0);
    }
    if (names.count != outputs) {
        ft_fail(err, FT_ERROR_USAGE, "`labels` has %zu names, and the network %zu outputs",
                names.count, outputs);
        return ft_error_at(err, "labels", 0, 0);
    }
    if (out->top > outputs) {
        ft_fail(err, FT_ERROR_USAGE, "`top` is more than the %zu outputs", outputs);
        return ft_error_at(err, "top", 0, 0);
    }
    return ft_plan_add(plan, is_list ? "labels" : "label",
                       is_list ? FT_TYPE_LIST(STRING) : FT_TYPE(STRING), &out->label, err) &&
           ft_plan_add(plan, is_list ? "scores" : "score",
                       is_list ? FT_TYPE_LIST(FLOAT) : FT_TYPE(FLOAT), &out->score, err);
}

void infer_softmax(float *row, size_t count)
{
    float most = row[0], sum = 0;

    for (size_t i = 1; i < count; i++)
        most = row[i] > most ? row[i] : most;
    for (size_t i = 0; i < count; i++) {
        row[i] = expf(row[i] - most);
        sum += row[i];
    }
    for (size_t i = 0; i < count; i++)
        row[i] /= sum;
}

void infer_pick(const float *values, size_t count, size_t top, uint32_t *order)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        size_t at = kept;
        while (at > 0 && values[i] > values[order[at - 1]])
            at--;
        if (at == top)
            continue;
        const size_t last = kept < top ? kept++ : top - 1;
        memmove(&order[at + 1], &order[at], (last - at) * sizeof(*order));
        order[at] = (uint32_t)i;
    }
}

typedef struct label_builders {
    ft_builder label, score;
} label_builders;

static bool add_item(const infer_labels *labels, const float *values, label_builders *to,
                     ft_error *err)
{
    uint32_t order[INFER_TOP_MAX];
    double scores[INFER_TOP_MAX];
    size_t count = 0;

    infer_pick(values, labels->names.count, labels->top, order);
    if (!labels->is_list)
        return ft_builder_add_text(&to->label, ft_slice_of(labels->names.items[order[0]]), err) &&
               ft_builder_add_float(&to->score, (double)values[order[0]], err);
    for (; count < labels->top && values[order[count]] > labels->threshold; count++) {
        scores[count] = (double)values[order[count]];
        if (!ft_builder_add_element(&to->label, ft_slice_of(labels->names.items[order[count]]),
                                    err))
            return false;
    }
    return ft_builder_end_list(&to->label, err) &&
           ft_builder_add_numbers(&to->score, scores, count, err);
}

static bool build(ft_stage *self, const infer_labels *labels, const float *values, ft_batch *batch,
                  label_builders *to, ft_error *err)
{
    const bool is_list = labels->is_list;
    ft_column label, score;

    if (!ft_builder_init(&to->label, is_list ? FT_TYPE_LIST(STRING) : FT_TYPE(STRING),
                         self->account, batch->count, 0, err) ||
        !ft_builder_init(&to->score, is_list ? FT_TYPE_LIST(FLOAT) : FT_TYPE(FLOAT), self->account,
                         batch->count, 0, err))
        return false;
    for (size_t item = 0; item < batch->count; item++)
        if (!add_item(labels, values + item * labels->names.count, to, err))
            return false;
    if (!ft_builder_take(&to->label, &label, err))
        return false;
    ft_batch_set(batch, labels->label, &label);
    if (!ft_builder_take(&to->score, &score, err))
        return false;
    ft_batch_set(batch, labels->score, &score);
    return true;
}

bool infer_labels_add(ft_stage *self, const infer_labels *labels, const float *values,
                      ft_batch *batch, ft_error *err)
{
    label_builders to = {0};

    if (labels->names.count == 0)
        return true;
    bool ok = build(self, labels, values, batch, &to, err);
    ft_builder_finish(&to.label);
    ft_builder_finish(&to.score);
    return ok;
}
