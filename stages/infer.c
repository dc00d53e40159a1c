// infer: a feed-forward network over each item's vector.
//
// The network is a safetensors file as PyTorch saves an nn.Sequential of linear layers; what stands
// between the layers is not in that file, so `activations:` says it. Items whose last axis has the
// network's inputs are taken: f32[512] gives f32[10], f32[1,512] gives f32[1,10]. `task: classify`
// makes probabilities of the outputs (softmax along the last axis); `labels:` names them and adds
// the most likely one as `label` and `score`, or with `top: 3` the three most likely ones as lists,
// `labels` and `scores`, best first. A result depends on the item alone, never on its batch.
#include <math.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "runtime/stage.h"
#include "stages/nn/feedforward.h"

enum { TASK_NONE, TASK_CLASSIFY };
enum { TOP_MAX = 1000 };

static const char *const task_choices[] = {"none", "classify", NULL};
static const char *const activation_names[] = {"none", "relu", "gelu", "tanh", "sigmoid", NULL};

typedef struct infer_config {
    const char *model;
    ft_strings activations, labels;
    int task;
    int64_t top;
    // Found by `plan`:
    size_t input, output, label, score;  // Columns.
    ft_type output_type;
    size_t rows;           // Of one item: the product of its axes but the last.
    ft_activation *after;  // [layers]
} infer_config;

typedef struct infer_state {
    ft_buffer *scratch;
    uint32_t *order;  // [outputs]: the best first.
} infer_state;

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
    FT_OPT_INT(infer_config, top, .fallback = "1", .min = 1, .max = TOP_MAX,
               .doc = "How many labels to add; more than one come as lists."),
    FT_OPT_END,
};

// ---- plan ----

static bool infer_parse_activation(const char *name, ft_activation *out, ft_error *err)
{
    for (int i = 0; activation_names[i]; i++)
        if (strcmp(name, activation_names[i]) == 0) {
            *out = (ft_activation)i;
            return true;
        }
    ft_fail(err, FT_ERROR_USAGE, "unknown activation `%s`", name);
    ft_hint(err, "Use relu, gelu, tanh, sigmoid or none.");
    return ft_error_at(err, "activations", 0, 0);
}

static bool infer_plan_activations(ft_stage_plan *plan, infer_config *c,
                                   const ft_feedforward *network, ft_error *err)
{
    const size_t given = c->activations.count, layers = network->count;

    c->after = ft_arena_zero(plan->arena, layers, sizeof(*c->after));
    if (!c->after)
        return ft_fail_nomem(err, layers * sizeof(*c->after));
    if (given != layers && given + 1 != layers) {
        ft_fail(err, FT_ERROR_USAGE, "`activations` has %zu names, and the network %zu layers",
                given, layers);
        ft_hint(
            err,
            "Name what stands behind each layer, such as `activations: [relu]` for two layers.");
        return ft_error_at(err, given ? "activations" : "model", 0, 0);
    }
    for (size_t i = 0; i < given; i++)
        if (!infer_parse_activation(c->activations.items[i], &c->after[i], err))
            return false;
    return true;
}

// The field's own axes, with the network's inputs in the last place.
static bool infer_plan_input(ft_stage_plan *plan, infer_config *c, const ft_feedforward *network,
                             ft_error *err)
{
    const char *from = plan->from ? plan->from : "input", *option = plan->from ? "from" : NULL;
    const size_t found = ft_schema_find(plan->input, ft_slice_of(from));
    ft_type want = FT_TYPE_VECTOR(F32, (int64_t)ft_feedforward_inputs(network));

    if (found != FT_FIELD_NONE) {
        const ft_type have = plan->input->fields[found].type;
        if (have.kind == FT_KIND_TENSOR && !have.list && have.rank > 1) {
            want.rank = have.rank;
            memcpy(want.shape, have.shape, sizeof(want.shape));
            want.shape[want.rank - 1] = (int64_t)ft_feedforward_inputs(network);
        }
    }
    if (!ft_plan_read(plan, option, from, want, &c->input, err))
        return false;
    if (plan->input->fields[c->input].type.kind == FT_KIND_ANY) {
        char text[FT_TYPE_TEXT_BYTES];
        ft_type_print(want, text);
        ft_fail(err, FT_ERROR_USAGE, "needs `%s` as %s, and its type is not known", from, text);
        ft_hint(err, "Say its type where it is read: `fields: {%s: \"%s\"}`.", from, text);
        err->number = 312;
        return option ? ft_error_at(err, option, 0, 0) : false;
    }
    c->output_type = want;
    c->output_type.shape[want.rank - 1] = (int64_t)ft_feedforward_outputs(network);
    c->rows = (size_t)(ft_type_elements(want) / want.shape[want.rank - 1]);
    return true;
}

static bool infer_plan_labels(ft_stage_plan *plan, infer_config *c, const ft_feedforward *network,
                              ft_error *err)
{
    const size_t outputs = ft_feedforward_outputs(network);
    const bool is_list = c->top > 1;

    if (c->labels.count == 0) {
        if (!is_list)
            return true;
        ft_fail(err, FT_ERROR_USAGE, "`top` needs `labels`");
        return ft_error_at(err, "top", 0, 0);
    }
    if (c->labels.count != outputs) {
        ft_fail(err, FT_ERROR_USAGE, "`labels` has %zu names, and the network %zu outputs",
                c->labels.count, outputs);
        return ft_error_at(err, "labels", 0, 0);
    }
    if (c->rows != 1) {
        ft_fail(err, FT_ERROR_USAGE,
                "`labels` needs one row of outputs in each item, and there are %zu", c->rows);
        return ft_error_at(err, "labels", 0, 0);
    }
    if ((uint64_t)c->top > outputs) {
        ft_fail(err, FT_ERROR_USAGE, "`top` is more than the %zu outputs", outputs);
        return ft_error_at(err, "top", 0, 0);
    }
    return ft_plan_add(plan, is_list ? "labels" : "label",
                       is_list ? FT_TYPE_LIST(STRING) : FT_TYPE(STRING), &c->label, err) &&
           ft_plan_add(plan, is_list ? "scores" : "score",
                       is_list ? FT_TYPE_LIST(FLOAT) : FT_TYPE(FLOAT), &c->score, err);
}

static bool infer_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    infer_config *c = config;
    ft_feedforward *network;

    if (!ft_feedforward_describe(c->model, plan->arena, &network, err))
        return ft_error_at(err, "model", 0, 0);
    return infer_plan_activations(plan, c, network, err) &&
           infer_plan_input(plan, c, network, err) &&
           ft_plan_add(plan, plan->to ? plan->to : "output", c->output_type, &c->output, err) &&
           infer_plan_labels(plan, c, network, err);
}

// ---- load and open ----

static bool infer_load_model(ft_stage_load *load, const void *host, void **out, ft_error *err)
{
    ft_feedforward *network;

    if (!ft_feedforward_load(((const infer_config *)host)->model, load->arena, &network, err))
        return false;
    *out = network;
    return true;
}

static bool infer_load(ft_stage_load *load, const void *config, void **out_shared, ft_error *err)
{
    const char *key =
        ft_arena_format(load->arena, "feedforward %s", ((const infer_config *)config)->model);

    if (!key)
        return ft_fail_nomem(err, 1);
    return ft_load_share(load, key, infer_load_model, config, out_shared, err);
}

static bool infer_open(ft_stage *self, ft_error *err)
{
    const ft_feedforward *network = self->shared;
    infer_state *state = self->state;
    const size_t bytes = ft_feedforward_scratch(network) * sizeof(float);

    state->order = ft_alloc_array(ft_feedforward_outputs(network), sizeof(*state->order));
    if (!state->order)
        return ft_fail_nomem(err, ft_feedforward_outputs(network) * sizeof(*state->order));
    state->scratch = ft_buffer_zero(self->account, bytes, err);
    return state->scratch != NULL;
}

static void infer_close(ft_stage *self)
{
    infer_state *state = self->state;

    ft_buffer_unref(state->scratch);
    ft_free(state->order);
}

// ---- run ----

static void infer_softmax(float *row, size_t count)
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

// The places of the `top` greatest of `values`, greatest first; of equal ones the first.
static void infer_pick(const float *values, size_t count, size_t top, uint32_t *order)
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

typedef struct infer_labels {
    ft_builder label, score;
} infer_labels;

static bool infer_label_item(const infer_config *c, const float *values, uint32_t *order,
                             infer_labels *to, ft_error *err)
{
    double scores[TOP_MAX];

    infer_pick(values, c->labels.count, (size_t)c->top, order);
    if (c->top == 1)
        return ft_builder_add_text(&to->label, ft_slice_of(c->labels.items[order[0]]), err) &&
               ft_builder_add_float(&to->score, (double)values[order[0]], err);
    for (size_t i = 0; i < (size_t)c->top; i++) {
        scores[i] = (double)values[order[i]];
        if (!ft_builder_add_element(&to->label, ft_slice_of(c->labels.items[order[i]]), err))
            return false;
    }
    return ft_builder_end_list(&to->label, err) &&
           ft_builder_add_numbers(&to->score, scores, (size_t)c->top, err);
}

static bool infer_build_labels(ft_stage *self, const float *values, ft_batch *batch,
                               infer_labels *to, ft_error *err)
{
    const infer_config *c = self->config;
    infer_state *state = self->state;
    const bool is_list = c->top > 1;
    ft_column label, score;

    if (!ft_builder_init(&to->label, is_list ? FT_TYPE_LIST(STRING) : FT_TYPE(STRING),
                         self->account, batch->count, 0, err) ||
        !ft_builder_init(&to->score, is_list ? FT_TYPE_LIST(FLOAT) : FT_TYPE(FLOAT), self->account,
                         batch->count, 0, err))
        return false;
    for (size_t item = 0; item < batch->count; item++)
        if (!infer_label_item(c, values + item * c->labels.count, state->order, to, err))
            return false;
    if (!ft_builder_take(&to->label, &label, err))
        return false;
    ft_batch_set(batch, c->label, &label);
    if (!ft_builder_take(&to->score, &score, err))
        return false;
    ft_batch_set(batch, c->score, &score);
    return true;
}

static bool infer_add_labels(ft_stage *self, const float *values, ft_batch *batch, ft_error *err)
{
    infer_labels to = {0};
    bool ok = infer_build_labels(self, values, batch, &to, err);

    ft_builder_finish(&to.label);
    ft_builder_finish(&to.score);
    return ok;
}

// Takes the input's values: `*batch` may lose that column while its field is replaced.
static bool infer_run(ft_stage *self, const ft_tensor *input, ft_batch **batch, ft_error *err)
{
    const infer_config *c = self->config;
    const ft_feedforward *network = self->shared;
    infer_state *state = self->state;
    const size_t rows = (*batch)->count * c->rows, outputs = ft_feedforward_outputs(network);
    ft_column column = {.type = c->output_type};
    int64_t shape[FT_RANK_MAX] = {(int64_t)(*batch)->count};
    size_t rank = 1;

    // The tensor's first axis counts items; where that leaves no place for all axes of one, they
    // are one axis.
    if (c->output_type.rank < FT_RANK_MAX)
        for (; rank <= c->output_type.rank; rank++)
            shape[rank] = c->output_type.shape[rank - 1];
    else
        shape[rank++] = (int64_t)(c->rows * outputs);
    if (!ft_batch_make_writable(batch, self->output_width, err))
        return false;
    column.values = ft_tensor_create(self->account, FT_DTYPE_F32, rank, shape, err);
    if (!column.values)
        return false;
    float *y = (float *)(void *)column.values->data;
    ft_feedforward_run(network, c->after, state->scratch->data, ft_tensor_f32(input), rows, y);
    for (size_t row = 0; c->task == TASK_CLASSIFY && row < rows; row++)
        infer_softmax(y + row * outputs, outputs);
    ft_batch_set(*batch, c->output, &column);
    return c->labels.count == 0 || infer_add_labels(self, y, *batch, err);
}

// The items that have a value; the others fail.
static bool infer_keep(ft_stage *self, ft_batch **in, ft_batch **out, ft_error *err)
{
    const infer_config *c = self->config;
    const ft_column *column = &(*in)->columns[c->input];
    size_t count = 0;

    if (!column->validity) {
        *out = ft_take(in);
        return true;
    }
    uint32_t *kept = ft_alloc_array((*in)->count, sizeof(*kept));
    if (!kept)
        return ft_fail_nomem(err, (*in)->count * sizeof(*kept));
    bool ok = true;
    for (size_t item = 0; ok && item < (*in)->count; item++) {
        ft_error why = FT_ERROR_INIT;
        if (!ft_column_is_null(column, item)) {
            kept[count++] = (uint32_t)item;
            continue;
        }
        ft_fail(&why, FT_ERROR_DATA, "the item has no `%s`", self->input->fields[c->input].name);
        ok = ft_item_fail(self, *in, item, &why, err);
    }
    if (ok) {
        *out = ft_batch_select(*in, kept, count, err);
        ok = *out != NULL;
    }
    ft_free(kept);
    return ok;
}

static bool infer_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    const infer_config *c = self->config;
    ft_batch *batch = NULL;

    if (!infer_keep(self, in, &batch, err))
        return false;
    if (batch->count == 0) {
        ft_batch_unref(batch);
        return true;
    }
    ft_column input = ft_column_ref(&batch->columns[c->input]);
    bool ok = infer_run(self, input.values, &batch, err);
    ft_column_finish(&input);
    if (ok)
        return ft_emit(self, batch, err);
    ft_batch_unref(batch);
    return false;
}

extern const ft_stage_def ft_stage_infer;
const ft_stage_def ft_stage_infer = {
    .abi = FT_STAGE_ABI,
    .name = "infer",
    .summary = "run a feed-forward network on each item's vector",
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
