// embed: a vector for each item, by a sentence encoder that runs on all cores.
//
// Takes token ids as `tokenize` makes them for the same model and adds one vector of 32-bit floats.
// Texts of different length go through the model together without padding. A vector depends on the
// item's tokens alone: not on batch, threads or order. Pooling and normalisation are the model's
// own unless said otherwise. Tokens beyond what the model takes are left out, the last one ([SEP])
// aside. An item without tokens fails: even the empty text has [CLS] and [SEP].
//
// One copy of the weights serves all threads; each thread has about 8 MiB of its own (for 384
// dimensions).
#include <inttypes.h>

#include "runtime/memory/alloc.h"
#include "runtime/stage.h"
#include "stages/nn/pooling.h"

enum { POOLING_AUTO };  // The others are ft_pooling's, in its order.
enum { NORMALIZE_AUTO, NORMALIZE_TRUE, NORMALIZE_FALSE };
enum { COUNTER_TOKENS, COUNTER_TRUNCATED };

static const char *const pooling_choices[] = {"auto", "mean", "cls", "max", "mean_sqrt_len", NULL};
static const char *const normalize_choices[] = {"auto", "true", "false", NULL};
static const char *const embed_counters[] = {"tokens", "truncated", NULL};

typedef struct embed_config {
    const char *model;
    int pooling, normalize;
    // Found by `plan`:
    size_t input, output;  // Columns.
    ft_encoder_config encoder;
} embed_config;

typedef struct embed_state {
    ft_encoder_run *run;
} embed_state;

static const ft_option embed_options[] = {
    FT_OPT_MODEL(embed_config, model, .is_main = true, .required = true,
                 .doc = "A BERT encoder: a folder with config.json and model.safetensors, or its "
                        "name in the model "
                        "store."),
    FT_OPT_CHOICE(embed_config, pooling, pooling_choices, .fallback = "auto",
                  .doc = "How the vectors of an item's tokens become one; auto takes what the "
                         "model's files say."),
    FT_OPT_CHOICE(
        embed_config, normalize, normalize_choices, .fallback = "auto",
        .doc = "Whether vectors are brought to length 1; auto takes what the model's files say."),
    FT_OPT_END,
};

// ---- plan and load ----

static bool embed_settle_pooling(embed_config *config, ft_error *err)
{
    ft_encoder_config *encoder = &config->encoder;

    if (config->pooling != POOLING_AUTO)
        encoder->pooling = (ft_pooling)config->pooling;
    if (config->normalize != NORMALIZE_AUTO)
        encoder->normalize = config->normalize == NORMALIZE_TRUE;
    if (encoder->pooling != FT_POOLING_UNKNOWN)
        return true;
    ft_fail(err, FT_ERROR_USAGE, "the model in `%s` does not say how its vectors are pooled",
            config->model);
    ft_hint(err, "Say it: `pooling: mean` is the usual way, `pooling: cls` the other.");
    return false;
}

static bool embed_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    embed_config *c = config;
    const char *from = plan->from ? plan->from : "tokens";
    const char *to = plan->to ? plan->to : "embedding";

    if (!ft_encoder_config_read(c->model, plan->arena, &c->encoder, err) ||
        !ft_encoder_check(c->model, &c->encoder, plan->arena, err) || !embed_settle_pooling(c, err))
        return ft_error_at(err, "model", 0, 0);
    if (!ft_plan_read(plan, plan->from ? "from" : NULL, from, FT_TYPE_IDS, &c->input, err))
        return false;
    if (plan->input->fields[c->input].type.kind == FT_KIND_ANY) {
        ft_fail(err, FT_ERROR_USAGE, "needs `%s` as i32[*], and its type is not known", from);
        ft_hint(err, "Make it with `tokenize`, or say `fields: {%s: \"i32[*]\"}` where it is read.",
                from);
        err->number = 312;
        return plan->from ? ft_error_at(err, "from", 0, 0) : false;
    }
    return ft_plan_add(plan, to, FT_TYPE_VECTOR(F32, (int64_t)c->encoder.hidden), &c->output, err);
}

static bool embed_load_model(ft_stage_load *load, const void *host, void **out, ft_error *err)
{
    const embed_config *config = host;
    ft_encoder *encoder;

    if (!ft_encoder_load(config->model, &config->encoder, load->arena, &encoder, err))
        return false;
    *out = encoder;
    return true;
}

static bool embed_load(ft_stage_load *load, const void *config, void **out_shared, ft_error *err)
{
    const embed_config *c = config;
    const char *key = ft_arena_format(load->arena, "encoder %s", c->model);

    if (!key)
        return ft_fail_nomem(err, 1);
    return ft_load_share(load, key, embed_load_model, c, out_shared, err);
}

static bool embed_open(ft_stage *self, ft_error *err)
{
    embed_state *state = self->state;

    state->run = ft_encoder_run_create(self->shared, self->account, err);
    return state->run != NULL;
}

static void embed_close(ft_stage *self)
{
    embed_state *state = self->state;
    ft_encoder_run_destroy(state->run);
}

// ---- run ----

// What is wrong with an item's tokens, if anything.
static bool embed_check_item(const embed_config *config, const ft_token_span *span, ft_error *err)
{
    if (span->count == 0) {
        ft_fail(err, FT_ERROR_DATA, "the item has no tokens");
        ft_hint(err, "`tokenize` with the model's tokenizer gives even the empty text two, [CLS] "
                     "and [SEP].");
        return false;
    }
    for (size_t i = 0; i < span->count; i++) {
        const int32_t id = span->ids[i];
        if (id >= 0 && (size_t)id < config->encoder.vocabulary)
            continue;
        ft_fail(err, FT_ERROR_DATA, "token %" PRId32 " is outside the model's vocabulary of %zu",
                id, config->encoder.vocabulary);
        ft_hint(err, "Tokenise with the model's own tokenizer.");
        return false;
    }
    return true;
}

// The items that can be done, in order; the others are failed.
static bool embed_collect(ft_stage *self, const ft_batch *in, ft_token_span *spans, uint32_t *kept,
                          size_t *out_count, ft_error *err)
{
    const embed_config *config = self->config;
    const ft_column *column = &in->columns[config->input];
    const int32_t *offsets = ft_tensor_i32(column->offsets), *ids = ft_tensor_i32(column->values);
    size_t count = 0;

    for (size_t item = 0; item < in->count; item++) {
        ft_error why = FT_ERROR_INIT;
        ft_token_span span = {.ids = ids + offsets[item],
                              .count = (size_t)(offsets[item + 1] - offsets[item])};
        if (ft_column_is_null(column, item))
            span.count = 0;
        if (!embed_check_item(config, &span, &why)) {
            if (!ft_item_fail(self, in, item, &why, err))
                return false;
            continue;
        }
        ft_count(self, COUNTER_TOKENS, span.count);
        ft_count(self, COUNTER_TRUNCATED, span.count > config->encoder.max_tokens);
        spans[count] = span;
        kept[count++] = (uint32_t)item;
    }
    *out_count = count;
    return true;
}

static bool embed_run(ft_stage *self, const ft_token_span *spans, size_t count, ft_tensor *vectors,
                      ft_error *err)
{
    const embed_config *config = self->config;
    embed_state *state = self->state;
    float *out = (float *)(void *)vectors->data;
    const size_t size = config->encoder.hidden;

    if (!ft_encoder_run_reserve(state->run, spans, count, err))
        return false;
    for (size_t done = 0; done < count;) {
        if (ft_is_cancelled(self))
            return ft_fail(err, FT_ERROR_CANCELLED, "cancelled");
        done += ft_pool_some(state->run, config->encoder.pooling, config->encoder.normalize,
                             spans + done, count - done, out + done * size);
    }
    return true;
}

// The vectors of `count` items as a new column of `*batch`.
static bool embed_add_vectors(ft_stage *self, const ft_token_span *spans, size_t count,
                              ft_batch **batch, ft_error *err)
{
    const embed_config *config = self->config;
    const int64_t shape[2] = {(int64_t)count, (int64_t)config->encoder.hidden};
    ft_column column = {.type = FT_TYPE_VECTOR(F32, shape[1])};

    if (!ft_batch_make_writable(batch, self->output_width, err))
        return false;
    column.values = ft_tensor_create(self->account, FT_DTYPE_F32, 2, shape, err);
    if (!column.values)
        return false;
    if (!embed_run(self, spans, count, column.values, err)) {
        ft_column_finish(&column);
        return false;
    }
    ft_batch_set(*batch, config->output, &column);
    return true;
}

static bool embed_kept(ft_stage *self, ft_batch **in, const ft_token_span *spans,
                       const uint32_t *kept, size_t count, ft_error *err)
{
    // The spans point into the tokens' column, which the batch may lose when the field is replaced.
    ft_column tokens = ft_column_ref(&(*in)->columns[((const embed_config *)self->config)->input]);
    ft_batch *batch;

    if (count == (*in)->count)
        batch = ft_take(in);
    else
        batch = ft_batch_select(*in, kept, count, err);
    bool ok = batch && embed_add_vectors(self, spans, count, &batch, err);
    ft_column_finish(&tokens);
    if (ok)
        return ft_emit(self, batch, err);
    ft_batch_unref(batch);
    return false;
}

static bool embed_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    const size_t items = (*in)->count;
    ft_token_span *spans = ft_alloc_array(items, sizeof(*spans));
    uint32_t *kept = ft_alloc_array(items, sizeof(*kept));
    size_t count = 0;
    bool ok = true;

    if (!spans || !kept)
        ok = ft_fail_nomem(err, items * sizeof(*spans));
    else if (embed_collect(self, *in, spans, kept, &count, err))
        ok = count == 0 || embed_kept(self, in, spans, kept, count, err);
    else
        ok = false;
    ft_free(kept);
    ft_free(spans);
    return ok;
}

extern const ft_stage_def ft_stage_embed;
const ft_stage_def ft_stage_embed = {
    .abi = FT_STAGE_ABI,
    .name = "embed",
    .summary = "add a vector for each item's tokens, by a sentence encoder",
    .example = "- tokenize: all-MiniLM-L6-v2\n"
               "- embed: all-MiniLM-L6-v2",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = FT_CONCURRENCY_ANY,
    .pace = FT_PACE_COMPUTE,
    .batch_items = 16,  // Enough for the products, few enough that no core waits for the last one.
    .options = embed_options,
    .counters = embed_counters,
    .config_size = sizeof(embed_config),
    .state_size = sizeof(embed_state),
    .plan = embed_plan,
    .load = embed_load,
    .open = embed_open,
    .process = embed_process,
    .close = embed_close,
};
