// infer: what a model makes of each item.
//
// The stage itself only chooses: what the model is and `task` say which of the tasks (infer_task.h)
// plans, loads and runs.
//
// A feed-forward network over vectors is a safetensors file; `task: classify` makes probabilities
// of its outputs. `labels:` names them and adds the most likely one as `label` and `score`, or with
// `top: 3` the three most likely ones as lists, `labels` and `scores`, best first. A result depends
// on the item alone, never on its batch.
#include "runtime/memory/alloc.h"
#include "stages/infer_labels.h"
#include "stages/infer_task.h"

// In the order of the constants in infer_task.h.
static const char *const task_choices[] = {"none", "classify", NULL};

static const ft_option infer_options[] = {
    FT_OPT_MODEL(infer_config, model, .is_main = true, .required = true,
                 .doc = "A safetensors file with 0.weight, 0.bias, 2.weight and so on, or a folder "
                        "with model.safetensors."),
    FT_OPT_STRINGS(infer_config, activations,
                   .doc = "What stands behind each layer: relu, gelu, tanh, sigmoid or none; "
                          "behind the last nothing "
                          "unless given."),
    FT_OPT_CHOICE(infer_config, task, task_choices, .fallback = "none",
                  .doc = "classify: the outputs become probabilities."),
    FT_OPT_STRINGS(infer_config, labels,
                   .doc = "Names of the outputs, in their order; adds the best one to the item."),
    FT_OPT_INT(infer_config, top, .min = 1, .max = INFER_TOP_MAX,
               .doc = "How many labels to add: 1 unless given; more than one come as lists."),
    FT_OPT_END,
};

static bool infer_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    infer_config *c = config;

    c->run = &infer_feedforward;
    plan->batch_wish = c->run->batch_items;
    return c->run->plan(plan, c, err);
}

static bool infer_load(ft_stage_load *load, const void *config, void **out_shared, ft_error *err)
{
    const infer_config *c = config;
    return c->run->load(load, c, out_shared, err);
}

static bool infer_open(ft_stage *self, ft_error *err)
{
    const infer_config *c = self->config;
    infer_state *state = self->state;

    state->task = ft_alloc_zero(1, c->run->state_size);
    return state->task ? c->run->open(self, err) : ft_fail_nomem(err, c->run->state_size);
}

static bool infer_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    return ((const infer_config *)self->config)->run->process(self, in, err);
}

static void infer_close(ft_stage *self)
{
    infer_state *state = self->state;

    if (state->task)
        ((const infer_config *)self->config)->run->close(self);
    ft_free(state->task);
}

extern const ft_stage_def ft_stage_infer;
const ft_stage_def ft_stage_infer = {
    .abi = FT_STAGE_ABI,
    .name = "infer",
    .summary = "run a model on each item",
    .example = "- infer: classifier.safetensors\n"
               "  from: embedding\n"
               "  activations: [relu]\n"
               "  task: classify\n"
               "  labels: [no, yes]",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = FT_CONCURRENCY_ANY,
    .pace = FT_PACE_COMPUTE,
    .options = infer_options,
    .config_size = sizeof(infer_config),
    .state_size = sizeof(infer_state),
    .plan = infer_plan,
    .load = infer_load,
    .open = infer_open,
    .process = infer_process,
    .close = infer_close,
};
