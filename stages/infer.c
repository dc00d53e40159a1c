// infer: what a model makes of each item.
//
// The stage itself only chooses: what the model is and `task` say which of the tasks (infer_task.h)
// plans, loads and runs. A result depends on the item alone, never on its batch.
//
// A model as it is published for transformers (a folder with config.json) takes tokens, which
// `tokenize` makes with the same model's tokenizer:
//
//   classify        output f32[labels], label, score; with `top` above 1 or `threshold` labels,
//                   scores
//   rerank          score, of a pair: `tokenize` with `pair` and `outputs: [type_ids]`
//   token_classify  entities, scores, starts, ends; needs `outputs: [offsets, special_mask]`, and
//                   `word_ids` for first, average and max
//   sparse          indices, values
//   generate        output, finish (stop: an end token or a text of `stop`; length); items come
//                   out when those of their batch have ended, or piece by piece (`stream`)
//
// A feed-forward network over vectors is a safetensors file; `task: classify` makes probabilities
// of its outputs, and `labels:` names them.
#include <string.h>

#include "runtime/memory/alloc.h"
#include "runtime/system/file.h"
#include "stages/infer_labels.h"
#include "stages/infer_task.h"
#include "stages/nn/linear.h"

// In the order of the constants in infer_task.h.
static const char *const task_choices[] = {
    "none", "classify", "rerank", "token_classify", "sparse", "generate", NULL,
};
static const char *const apply_choices[] = {"auto", "softmax", "sigmoid", "none", NULL};
static const char *const aggregation_choices[] = {"none",    "simple", "first",
                                                  "average", "max",    NULL};
static const char *const infer_counters[] = {"tokens", "truncated", "tokens_made", NULL};

static const ft_option infer_options[] = {
    FT_OPT_MODEL(infer_config, model, .is_main = true, .required = true,
                 .doc = "A model's folder with config.json and model.safetensors, or its name in "
                        "the model store; or a feed-forward network: a safetensors file with "
                        "0.weight, 0.bias, 2.weight and so on, or a folder with "
                        "model.safetensors alone."),
    FT_OPT_STRINGS(infer_config, activations,
                   .doc = "Feed-forward networks: what stands behind each layer: relu, gelu, tanh, "
                          "sigmoid or none; behind the last nothing unless given."),
    FT_OPT_CHOICE(
        infer_config, task, task_choices, .fallback = "none",
        .doc = "classify: labels of a text (`output` with all scores, `label`, `score`; "
               "with `top` above 1 or a `threshold` `labels`, `scores`); for a "
               "feed-forward network the "
               "outputs become probabilities. rerank: `score` of a pair of texts, which "
               "`tokenize` makes one with `pair`, and with `outputs: [type_ids]` where "
               "the model tells the two apart by types. token_classify: `entities` in a "
               "text with their `scores`, `starts`, `ends`; `tokenize` needs `outputs: "
               "[offsets, special_mask]`, and `word_ids` for aggregation by words. "
               "sparse: weights of the vocabulary's words (SPLADE) as `indices`, "
               "`values`. generate: what a language model, from a folder or a GGUF "
               "file, writes behind the tokens, as `output`, and why it ended, as "
               "`finish`: stop or length. none: a feed-forward network's outputs as they are."),
    FT_OPT_STRINGS(infer_config, labels,
                   .doc = "Names of the outputs, in their order, instead of those in config.json. "
                          "For a feed-forward network they add the best one to the item."),
    FT_OPT_INT(infer_config, top, .min = 1, .max = INFER_TOP_MAX,
               .doc = "How many labels to add: 1 unless given; more than one come as lists. For "
                      "sparse: how many weights to keep, all unless given."),
    FT_OPT_CHOICE(infer_config, dtype, ft_precision_choices, .fallback = "auto",
                  .doc = "What an encoder's products are computed in; its head stays f32. auto: "
                         "f32. bf16 and int8 are faster and a little less exact. For generate: of "
                         "the head too, and with auto weights stay as the file has them (F16, "
                         "BF16, Q8_0, Q4_0), which gives the results of f32 in less memory."),
    FT_OPT_CHOICE(infer_config, function_to_apply, apply_choices, .fallback = "auto",
                  .doc =
                      "What makes scores of a classifier's or reranker's outputs. auto: softmax, "
                      "or sigmoid where config.json says that a text may have many labels or "
                      "there is only one; none: the outputs as they are (logits)."),
    FT_OPT_CHOICE(infer_config, aggregation, aggregation_choices, .fallback = "none",
                  .doc = "How tokens become entities. none: each token is one; simple: tokens of "
                         "the same label side by side; first, average, max: the same, after the "
                         "tokens of each word got one label, by its first token, the mean of its "
                         "scores, or its best token."),
    FT_OPT_STRINGS(infer_config, ignore_labels, .fallback = "O",
                   .doc = "Labels that are no entities."),
    FT_OPT_FLOAT(infer_config, threshold, .min_float = INFER_THRESHOLD_NONE, .max_float = 1e6,
                 .fallback = "-1e6",
                 .doc = "For classify: only labels whose scores are above this, as lists, best "
                        "first; for sparse: only weights above it, which are above 0 always."),
    FT_OPT_INT(infer_config, max_tokens, .min = 1, .max = 1 << 20,
               .doc = "For generate: how many tokens to make at most; 256 unless given."),
    FT_OPT_FLOAT(infer_config, temperature, .min_float = 0, .max_float = 100,
                 .doc =
                     "For generate: what logits are divided by before one token is drawn; unless "
                     "given the likeliest token is taken."),
    FT_OPT_INT(
        infer_config, top_k, .min = 1, .max = INT32_MAX,
        .doc = "For generate: draws from so many of the likeliest tokens; from all unless given."),
    FT_OPT_FLOAT(infer_config, top_p, .min_float = 1e-6, .max_float = 1,
                 .doc =
                     "For generate: draws from the likeliest tokens whose probabilities reach this "
                     "together; from all unless given."),
    FT_OPT_FLOAT(infer_config, min_p, .min_float = 0, .max_float = 1,
                 .doc = "For generate: leaves out tokens of less than this share of the likeliest "
                        "one's probability."),
    FT_OPT_FLOAT(infer_config, repetition_penalty, .min_float = 0.01, .max_float = 100,
                 .doc =
                     "For generate: what the logits of tokens that are there already are divided "
                     "by, or multiplied with where they are below 0."),
    FT_OPT_INT(infer_config, seed, .min = 1, .max = INT64_MAX,
               .doc = "For generate: of what is drawn; the run's unless given."),
    FT_OPT_STRINGS(infer_config, stop,
                   .doc = "For generate: texts that end an output, which they are no part of."),
    FT_OPT_COUNT(infer_config, context, .min = 2, .max = 1 << 20,
                 .doc =
                     "For generate: the most tokens of an item, made ones included; what the model "
                     "takes unless given, or 4096 of them."),
    FT_OPT_COUNT(infer_config, cache, .min = 2, .max = INT32_MAX,
                 .doc = "For generate: tokens whose keys and values there is room for; as many as "
                        "`context` unless given. Items that do not fit wait."),
    FT_OPT_MODEL(infer_config, tokenizer,
                 .doc = "For generate: what makes text of tokens; the model's own unless given."),
    FT_OPT_BOOL(infer_config, tokens_out,
                .doc = "For generate: adds the ids that were made, as `tokens_out`."),
    FT_OPT_BOOL(infer_config, stream,
                .doc = "For generate: gives each text in pieces as they are made, an item each "
                       "with its part of `output`, and `finish` with the last one only. A piece is "
                       "whole characters, and nothing of a text of `stop`."),
    FT_OPT_END,
};

typedef struct given_option {
    const char *name;
    bool is_given;
} given_option;

bool infer_refuse_options(const infer_config *c, const char *const *allowed, ft_error *err)
{
    const given_option options[] = {
        {"activations", c->activations.count > 0},
        {"labels", c->labels.count > 0},
        {"top", c->top != 0},
        {"dtype", ft_precision_of(c->dtype) != FT_PRECISION_F32},
        {"function_to_apply", c->function_to_apply != INFER_APPLY_AUTO},
        {"aggregation", c->aggregation != INFER_AGGREGATE_NONE},
        {"ignore_labels",
         c->ignore_labels.count != 1 || strcmp(c->ignore_labels.items[0], "O") != 0},
        {"threshold", c->threshold > INFER_THRESHOLD_NONE},
        {"max_tokens", c->max_tokens != 0},
        {"temperature", c->temperature > 0},
        {"top_k", c->top_k != 0},
        {"top_p", c->top_p > 0},
        {"min_p", c->min_p > 0},
        {"repetition_penalty", c->repetition_penalty > 0},
        {"seed", c->seed != 0},
        {"stop", c->stop.count > 0},
        {"context", c->context != 0},
        {"cache", c->cache != 0},
        {"tokenizer", c->tokenizer != NULL},
        {"tokens_out", c->tokens_out},
        {"stream", c->stream},
    };

    for (size_t i = 0; i < FT_COUNT_OF(options); i++) {
        bool is_allowed = false;
        for (size_t j = 0; allowed[j]; j++)
            is_allowed = is_allowed || strcmp(allowed[j], options[i].name) == 0;
        if (is_allowed || !options[i].is_given)
            continue;
        ft_fail(err, FT_ERROR_USAGE, "`%s` says nothing of this task", options[i].name);
        ft_hint(err, "Leave it out.");
        return ft_error_at(err, options[i].name, 0, 0);
    }
    return true;
}

// A transformers model is a folder with config.json; what else there is are feed-forward networks.
static bool choose_task(const ft_stage_plan *plan, infer_config *c, ft_error *err)
{
    static const infer_task *const of_encoder[] = {
        [INFER_NONE] = NULL,
        [INFER_CLASSIFY] = &infer_classify,
        [INFER_RERANK] = &infer_classify,
        [INFER_TOKEN_CLASSIFY] = &infer_tokens,
        [INFER_SPARSE] = &infer_sparse,
    };
    const char *path = ft_path_join(plan->arena, c->model, "config.json");

    if (c->task == INFER_GENERATE) {
        c->run = &infer_generate;  // Of GGUF files too.
        return true;
    }
    if (!path)
        return ft_fail_nomem(err, 1);
    const bool has_config = ft_file_find(path) != FT_FILE_MISSING;
    c->run = has_config ? of_encoder[c->task] : &infer_feedforward;
    if (!c->run) {
        ft_fail(err, FT_ERROR_USAGE, "the model has a config.json, and no `task` is given");
        ft_hint(err, "Say `task: classify`, `rerank`, `token_classify`, `sparse` or `generate`.");
        return ft_error_at(err, "model", 0, 0);
    }
    if (!has_config && c->task > INFER_CLASSIFY) {
        ft_fail(err, FT_ERROR_USAGE, "`task: %s` needs a model with a config.json",
                task_choices[c->task]);
        ft_hint(err, "Name the folder of a model as it is published for transformers.");
        return ft_error_at(err, "model", 0, 0);
    }
    return true;
}

static bool infer_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    infer_config *c = config;

    if (!choose_task(plan, c, err))
        return false;
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
    .counters = infer_counters,
    .config_size = sizeof(infer_config),
    .state_size = sizeof(infer_state),
    .plan = infer_plan,
    .load = infer_load,
    .open = infer_open,
    .process = infer_process,
    .close = infer_close,
};
