// What the tasks have in common that run an encoder with a head over items' tokens.
#pragma once

#include "stages/infer_task.h"
#include "stages/nn/encoder.h"
#include "stages/nn/heads.h"

enum { INFER_COUNTER_TOKENS, INFER_COUNTER_TRUNCATED };

// The first member of each task's plan.
typedef struct infer_encoder_plan {
    ft_encoder_config encoder;
    ft_head_config head;
    size_t tokens, types;  // Columns.
    bool has_types;        // `types` is one.
} infer_encoder_plan;

// What `load` makes.
typedef struct infer_model {
    const ft_encoder *encoder;
    const ft_head *head;
} infer_model;

// Items whose tokens are in order.
typedef struct infer_spans {
    ft_token_span *spans;
    uint32_t *kept;  // Numbers of the items in the batch.
    size_t count;
} infer_spans;

// Describes the model, whose head must be of `kind`, and finds the tokens, and `type_ids` where the
// model has types: without that field all are 0, or with `needs_types` the plan fails.
bool infer_encoder_plan_init(ft_stage_plan *plan, const infer_config *config, ft_head_kind kind,
                             bool needs_types, infer_encoder_plan *out,
                             ft_error *err) FT_MUST_CHECK;
// Reads the field `name` as `type`; fails with how `tokenize` makes it where it does not come in.
bool infer_plan_output(ft_stage_plan *plan, const char *name, ft_type type, size_t *out_index,
                       ft_error *err) FT_MUST_CHECK;
// The encoder is shared with all stages of the same model.
bool infer_encoder_load(ft_stage_load *load, const infer_config *config, void **out_shared,
                        ft_error *err) FT_MUST_CHECK;
// An instance's run of the encoder, which ends early when that is cancelled.
ft_encoder_run *infer_encoder_run_create(ft_stage *self, ft_error *err) FT_MUST_CHECK;
// The items of a batch that can be done, in order; the others are failed. Zeroed before; freed by
// infer_spans_finish in any case.
bool infer_spans_collect(ft_stage *self, const ft_batch *in, infer_spans *out,
                         ft_error *err) FT_MUST_CHECK;
void infer_spans_finish(infer_spans *spans);
