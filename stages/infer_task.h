// The tasks of `infer`: each is a set of the functions that a stage has, chosen by `task` and by
// what the model is. A task has a file of its own.
#pragma once

#include "runtime/stage.h"

// In the order of the option's choices.
enum {
    INFER_NONE,
    INFER_CLASSIFY,
    INFER_RERANK,
    INFER_TOKEN_CLASSIFY,
    INFER_SPARSE,
    INFER_GENERATE,
};
enum { INFER_APPLY_AUTO, INFER_APPLY_SOFTMAX, INFER_APPLY_SIGMOID, INFER_APPLY_NONE };
enum {
    INFER_AGGREGATE_NONE,
    INFER_AGGREGATE_SIMPLE,
    INFER_AGGREGATE_FIRST,
    INFER_AGGREGATE_AVERAGE,
    INFER_AGGREGATE_MAX,
};

typedef struct infer_task infer_task;

#define INFER_THRESHOLD_NONE (-1e6)  // Not given.

typedef struct infer_config {
    const char *model;
    ft_strings activations, labels, ignore_labels;
    int task, dtype, function_to_apply, aggregation;
    double threshold;
    int64_t top;  // 0: not given.
    // Of generate; 0 or NULL: not given.
    int64_t max_tokens, top_k, seed, context, cache;
    double temperature, top_p, min_p, repetition_penalty;
    ft_strings stop;
    const char *tokenizer;
    bool tokens_out, stream;
    // Set by `plan`:
    const infer_task *run;
    const void *plan;  // The task's own, in the plan's arena.
} infer_config;

typedef struct infer_state {
    void *task;  // [state_size] of the task, zeroed before `open`.
} infer_state;

// As in ft_stage_def, which says when each is called.
struct infer_task {
    size_t state_size;
    int64_t batch_items;  // A good turn, see ft_stage_def; 0: no wish.
    bool (*plan)(ft_stage_plan *plan, infer_config *config, ft_error *err);
    bool (*load)(ft_stage_load *load, const infer_config *config, void **out_shared, ft_error *err);
    bool (*open)(ft_stage *self, ft_error *err);
    bool (*process)(ft_stage *self, ft_batch **in, ft_error *err);
    void (*close)(ft_stage *self);
};

extern const infer_task infer_feedforward, infer_classify, infer_tokens, infer_sparse,
    infer_generate;

// Fails at an option that was given and is none of `allowed` (NULL-terminated): it says nothing of
// the task.
bool infer_refuse_options(const infer_config *config, const char *const *allowed,
                          ft_error *err) FT_MUST_CHECK;

static inline const void *infer_plan_of(const ft_stage *self)
{
    return ((const infer_config *)self->config)->plan;
}
static inline void *infer_state_of(const ft_stage *self)
{
    return ((const infer_state *)self->state)->task;
}
