// Names of a model's outputs: the best of them become fields of the items.
#pragma once

#include "stages/infer_task.h"

enum { INFER_TOP_MAX = 1000 };

typedef struct infer_labels {
    ft_strings names;  // None: no fields are added.
    bool is_list;
    size_t top;           // At least 1.
    float threshold;      // Of lists: only values above it.
    size_t label, score;  // Columns: texts and numbers, or lists of them.
} infer_labels;

// Adds the fields `label` and `score`, or with `top` above 1 or a `threshold` the lists `labels`
// and `scores`, for a model of `outputs` outputs. 0: not given.
bool infer_labels_plan(ft_stage_plan *plan, ft_strings names, const infer_config *config,
                       size_t outputs, infer_labels *out, ft_error *err) FT_MUST_CHECK;
// Fills them for the items of `batch`, whose outputs lie end to end in `values`.
bool infer_labels_add(ft_stage *self, const infer_labels *labels, const float *values,
                      ft_batch *batch, ft_error *err) FT_MUST_CHECK;
// The places of the `top` greatest of `values`, greatest first; of equal ones the first.
void infer_pick(const float *values, size_t count, size_t top, uint32_t *order);
void infer_softmax(float *row, size_t count);
