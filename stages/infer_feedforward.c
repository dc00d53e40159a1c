// infer: a feed-forward network over each item's vector.
//
// The network is a safetensors file as PyTorch saves an nn.Sequential of linear layers; what stands
// between the layers is not in that file, so `activations:` says it. Items whose last axis has the
// network's inputs are taken: f32[512] gives f32[10], f32[1,512] gives f32[1,10].
#include <string.h>

#include "runtime/memory/alloc.h"
#include "stages/infer_labels.h"
#include "stages/infer_task.h"
#include "stages/nn/feedforward.h"

static const char *const activation_names[] = {"none", "relu", "gelu", "tanh", "sigmoid", NULL};

typedef struct feedforward_plan {
    bool probabilities;
    size_t input, output;  // Columns.
    ft_type output_type;
    size_t rows;           // Of one item: the product of its axes but the last.
    ft_activation *after;  // [layers]
    infer_labels labels;
} feedforward_plan;

typedef struct feedforward_state {
    ft_buffer *scratch;
} feedforward_state;

// ---- plan ----

static bool parse_activation(const char *name, ft_activation *out, ft_error *err)
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

static bool plan_activations(ft_stage_plan *plan, const infer_config *c, feedforward_plan *p,
                             const ft_feedforward *network, ft_error *err)
{
    const size_t given = c->activations.count, layers = network->count;

    p->after = ft_arena_zero(plan->arena, layers, sizeof(*p->after));
    if (!p->after)
        return ft_fail_nomem(err, layers * sizeof(*p->after));
    if (given != layers && given + 1 != layers) {
        ft_fail(err, FT_ERROR_USAGE, "`activations` has %zu names, and the network %zu layers",
                given, layers);
        ft_hint(
            err,
            "Name what stands behind each layer, such as `activations: [relu]` for two layers.");
        return ft_error_at(err, given ? "activations" : "model", 0, 0);
    }
    for (size_t i = 0; i < given; i++)
        if (!parse_activation(c->activations.items[i], &p->after[i], err))
            return false;
    return true;
}

// The field's own axes, with the network's inputs in the last place.
static bool plan_input(ft_stage_plan *plan, feedforward_plan *p, const ft_feedforward *network,
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
    if (!ft_plan_read(plan, option, from, want, &p->input, err))
        return false;
    if (plan->input->fields[p->input].type.kind == FT_KIND_ANY) {
        char text[FT_TYPE_TEXT_BYTES];
        ft_type_print(want, text);
        ft_fail(err, FT_ERROR_USAGE, "needs `%s` as %s, and its type is not known", from, text);
        ft_hint(err, "Say its type where it is read: `fields: {%s: \"%s\"}`.", from, text);
        err->number = 312;
        return option ? ft_error_at(err, option, 0, 0) : false;
    }
    p->output_type = want;
    p->output_type.shape[want.rank - 1] = (int64_t)ft_feedforward_outputs(network);
    p->rows = (size_t)(ft_type_elements(want) / want.shape[want.rank - 1]);
    return true;
}

static bool plan_labels(ft_stage_plan *plan, const infer_config *c, feedforward_plan *p,
                        const ft_feedforward *network, ft_error *err)
{
    if (c->labels.count > 0 && p->rows != 1) {
        ft_fail(err, FT_ERROR_USAGE,
                "`labels` needs one row of outputs in each item, and there are %zu", p->rows);
        return ft_error_at(err, "labels", 0, 0);
    }
    return infer_labels_plan(plan, c->labels, c, ft_feedforward_outputs(network), &p->labels, err);
}

static bool feedforward_plan_of(ft_stage_plan *plan, infer_config *c, ft_error *err)
{
    static const char *const allowed[] = {"activations", "labels", "top", "threshold", NULL};
    feedforward_plan *p = ft_arena_zero(plan->arena, 1, sizeof(*p));
    ft_feedforward *network;

    if (!p)
        return ft_fail_nomem(err, sizeof(*p));
    c->plan = p;
    p->probabilities = c->task == INFER_CLASSIFY;
    if (!infer_refuse_options(c, allowed, err))
        return false;
    if (!ft_feedforward_describe(c->model, plan->arena, &network, err))
        return ft_error_at(err, "model", 0, 0);
    return plan_activations(plan, c, p, network, err) && plan_input(plan, p, network, err) &&
           ft_plan_add(plan, plan->to ? plan->to : "output", p->output_type, &p->output, err) &&
           plan_labels(plan, c, p, network, err);
}

// ---- load and open ----

static bool load_network(ft_stage_load *load, const void *host, void **out, ft_error *err)
{
    ft_feedforward *network;

    if (!ft_feedforward_load(((const infer_config *)host)->model, load->arena, &network, err))
        return false;
    *out = network;
    return true;
}

static bool feedforward_load(ft_stage_load *load, const infer_config *config, void **out_shared,
                             ft_error *err)
{
    const char *key = ft_arena_format(load->arena, "feedforward %s", config->model);

    if (!key)
        return ft_fail_nomem(err, 1);
    return ft_load_share(load, key, load_network, config, out_shared, err);
}

static bool feedforward_open(ft_stage *self, ft_error *err)
{
    feedforward_state *state = infer_state_of(self);

    state->scratch =
        ft_buffer_zero(self->account, ft_feedforward_scratch(self->shared) * sizeof(float), err);
    return state->scratch != NULL;
}

static void feedforward_close(ft_stage *self)
{
    feedforward_state *state = infer_state_of(self);

    ft_buffer_unref(state->scratch);
}

// ---- run ----

// Takes the input's values: `*batch` may lose that column while its field is replaced.
static bool run_network(ft_stage *self, const ft_tensor *input, ft_batch **batch, ft_error *err)
{
    const feedforward_plan *p = infer_plan_of(self);
    const ft_feedforward *network = self->shared;
    feedforward_state *state = infer_state_of(self);
    const size_t rows = (*batch)->count * p->rows, outputs = ft_feedforward_outputs(network);
    ft_column column = {.type = p->output_type};
    int64_t shape[FT_RANK_MAX] = {(int64_t)(*batch)->count};
    size_t rank = 1;

    // The tensor's first axis counts items; where that leaves no place for all axes of one, they
    // are one axis.
    if (p->output_type.rank < FT_RANK_MAX)
        for (; rank <= p->output_type.rank; rank++)
            shape[rank] = p->output_type.shape[rank - 1];
    else
        shape[rank++] = (int64_t)(p->rows * outputs);
    if (!ft_batch_make_writable(batch, self->output_width, err))
        return false;
    column.values = ft_tensor_create(self->account, FT_DTYPE_F32, rank, shape, err);
    if (!column.values)
        return false;
    float *y = (float *)(void *)column.values->data;
    ft_feedforward_run(network, p->after, state->scratch->data, ft_tensor_f32(input), rows, y);
    for (size_t row = 0; p->probabilities && row < rows; row++)
        infer_softmax(y + row * outputs, outputs);
    ft_batch_set(*batch, p->output, &column);
    return infer_labels_add(self, &p->labels, y, *batch, err);
}

// The items that have a value; the others fail.
static bool keep_items(ft_stage *self, ft_batch **in, ft_batch **out, ft_error *err)
{
    const feedforward_plan *p = infer_plan_of(self);
    const ft_column *column = &(*in)->columns[p->input];
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
        ft_fail(&why, FT_ERROR_DATA, "the item has no `%s`", self->input->fields[p->input].name);
        ok = ft_item_fail(self, *in, item, &why, err);
    }
    if (ok) {
        *out = ft_batch_select(*in, kept, count, err);
        ok = *out != NULL;
    }
    ft_free(kept);
    return ok;
}

static bool feedforward_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    const feedforward_plan *p = infer_plan_of(self);
    ft_batch *batch = NULL;

    if (!keep_items(self, in, &batch, err))
        return false;
    if (batch->count == 0) {
        ft_batch_unref(batch);
        return true;
    }
    ft_column input = ft_column_ref(&batch->columns[p->input]);
    bool ok = run_network(self, input.values, &batch, err);
    ft_column_finish(&input);
    if (ok)
        return ft_emit(self, batch, err);
    ft_batch_unref(batch);
    return false;
}

const infer_task infer_feedforward = {
    .state_size = sizeof(feedforward_state),
    .plan = feedforward_plan_of,
    .load = feedforward_load,
    .open = feedforward_open,
    .process = feedforward_process,
    .close = feedforward_close,
};
