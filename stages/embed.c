// embed: a vector for each item, by a sentence encoder that runs on all cores.
//
// Takes token ids as `tokenize` makes them for the same model and adds one vector. Texts of
// different length go through the model together without padding. A vector depends on the item's
// tokens alone: not on batch, threads or order. What is done with the model's rows (pooling, dense
// layers, normalisation) is what its files say unless said otherwise. An item without tokens fails:
// even the empty text has [CLS] and [SEP].
//
// Of a text with more tokens than the model takes the first ones count and the last ([SEP]); or,
// with `long: window`, all of them: the text is cut into windows of the model's size and its vector
// is the mean of theirs, by their tokens, before the model's last normalisation. `long: late` gives
// each chunk of a text a vector, of rows that the whole text was seen for, and an item.
//
// `dim` keeps the first numbers of a vector, for models that were trained for it (Matryoshka);
// `output` makes the numbers smaller, as sentence-transformers' quantize_embeddings does.
// `pooling: none` gives the rows themselves, one for each token.
//
// Static models (model2vec's potion, wordllama) are tables: the mean of the tokens' rows, which are
// read where the file is mapped.
//
// One copy of the weights serves all threads; each thread has about 8 MiB of its own (for 384
// dimensions). A text that comes alone is shared among a few threads.
#include <inttypes.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "runtime/stage.h"
#include "stages/embed_late.h"
#include "stages/nn/embed_chain.h"
#include "stages/nn/quantize.h"
#include "stages/nn/static_model.h"
#include "stages/nn/windows.h"
#include "stages/text/prompts.h"
#include "stages/text/stage_text.h"

enum { POOLING_AUTO, POOLING_NONE = FT_POOLING_COUNT };  // Between them ft_pooling's, in its order.
enum { NORMALIZE_AUTO, NORMALIZE_TRUE, NORMALIZE_FALSE };
enum { LONG_TRUNCATE, LONG_WINDOW, LONG_LATE };
enum { COUNTER_TOKENS, COUNTER_TRUNCATED };
enum { DIM_MOST = 1 << 20 };
enum { MEMBERS_MOST = 4 };  // Of a team: more find little to do in the products of one text.
// A good turn of a static model, which takes less than a microsecond for a text.
enum { STATIC_ITEMS = 256 };

static const char *const pooling_choices[] = {
    "auto", "mean", "cls", "max", "mean_sqrt_len", "weightedmean", "lasttoken", "none", NULL};
static const char *const normalize_choices[] = {"auto", "true", "false", NULL};
static const char *const long_choices[] = {"truncate", "window", "late", NULL};
// In the order of ft_vector_format.
static const char *const output_choices[] = {"f32",    "f16",     "int8", "uint8",
                                             "binary", "ubinary", NULL};
static const char *const embed_counters[] = {"tokens", "truncated", NULL};

typedef struct embed_config {
    const char *model, *prompt, *prompt_name;
    int dtype, pooling, normalize, output, long_texts;
    int64_t dim, chunk_tokens, overlap;
    ft_strings ranges;
    // Found by `plan`:
    size_t input, column;  // Columns.
    bool is_static;
    ft_static_model table;      // With is_static,
    ft_encoder_config encoder;  // or these two.
    ft_chain chain;
    size_t vocabulary;
    size_t window;  // Tokens: what the encoder takes, or less where `tokenize` cuts before.
    embed_late late;
    size_t size;     // Numbers of a vector before `output`.
    ft_type type;    // Of one vector.
    ft_range range;  // Of numbers, for int8 and uint8.
} embed_config;

// Instances, of all runs, that are at an encoder at the moment.
static ft_atomic_u32 busy;

// What all instances share.
typedef struct embed_model {
    const ft_encoder *encoder;  // NULL: the model is static.
    ft_chain chain;
    ft_static_model table;
    size_t prompt_tokens;   // That pooling leaves out.
    ft_window_frame frame;  // With `long: window` and `long: late`.
    ft_chain window_chain;  // Of a window: without the last normalisation.
} embed_model;

typedef struct embed_state {
    ft_encoder_run *run;
    ft_team *team;       // NULL until a text comes alone, and on one thread.
    ft_buffer *scratch;  // The chain's, and a vector.
    ft_buffer *sum;      // Of the windows' vectors: doubles.
} embed_state;

// How far a text's windows have been added up.
typedef struct embed_sum {
    size_t text, windows;
    double weight;
} embed_sum;

static const ft_option embed_options[] = {
    FT_OPT_MODEL(embed_config, model, .is_main = true, .required = true,
                 .doc = "A sentence encoder or a table of model2vec or wordllama: a folder with "
                        "model.safetensors and what belongs to it, or its name in the model "
                        "store."),
    FT_OPT_CHOICE(embed_config, dtype, ft_precision_choices, .fallback = "auto",
                  .doc = "What the model's products are computed in. auto: f32. bf16 and int8 are "
                         "faster; vectors are then a little different ones (of MiniLM, cosines of "
                         "0.9999 and 0.999 to those of f32)."),
    FT_OPT_CHOICE(embed_config, pooling, pooling_choices, .fallback = "auto",
                  .doc = "How the vectors of an item's tokens become one; auto takes what the "
                         "model's files say. none: one vector for each token, as the encoder gives "
                         "them."),
    FT_OPT_CHOICE(
        embed_config, normalize, normalize_choices, .fallback = "auto",
        .doc = "Whether vectors are brought to length 1; auto takes what the model's files say."),
    FT_OPT_INT(embed_config, dim, .min = 1, .max = DIM_MOST,
               .doc = "Keep so many of a vector's first numbers, for models that were trained for "
                      "it; set `normalize: true` to have length 1 behind that."),
    FT_OPT_CHOICE(embed_config, output, output_choices, .fallback = "f32",
                  .doc = "The numbers of a vector. int8 and uint8: 256 levels across `ranges`. "
                         "binary and ubinary: one bit each, 1 above 0, eight in a number (binary: "
                         "less 128)."),
    FT_OPT_STRINGS(embed_config, ranges,
                   .doc = "The lowest and the highest number for int8 and uint8, the same for all "
                          "dimensions; else -1 and 1."),
    // Not by its macro: `long` is no name for a member.
    {.type = FT_OPTION_CHOICE,
     .name = "long",
     .offset = FT_OFFSET(embed_config, long_texts, int),
     .choices = long_choices,
     .fallback = "truncate",
     .doc = "What becomes of a text with more tokens than the model takes. truncate: what is "
            "beyond is left out. window: the mean of the vectors of windows of the model's size, "
            "each with the special tokens around it and counting as much as it has tokens. late: "
            "late chunking: each text becomes an item for each of its chunks, with `start`, `end` "
            "and the vector of the chunk's tokens as they are within the whole text, or within "
            "overlapping windows of the model's size. Set `truncation: none` at `tokenize`, which "
            "else cuts such texts itself."},
    FT_OPT_COUNT(embed_config, chunk_tokens, .min = 1, .max = DIM_MOST,
                 .doc = "For `long: late`, chunks of so many tokens; `start` and `end` count "
                        "tokens then. Else chunks are the bytes from `starts` to `ends` of each "
                        "item, which `chunk` makes with `split: false`, and `tokenize` needs "
                        "`outputs: [offsets]`."),
    FT_OPT_COUNT(embed_config, overlap, .min = 1, .max = DIM_MOST,
                 .doc = "For `long: late`, how many tokens a window sees of the one before; else "
                        "an eighth of what the model takes."),
    FT_OPT_STRING(embed_config, prompt,
                  .doc = "The `prompt` that `tokenize` puts before each text, for models whose "
                         "pooling leaves it out (include_prompt: false)."),
    FT_OPT_STRING(embed_config, prompt_name,
                  .doc = "The same by its name, as `tokenize` has it; with neither, the model's "
                         "`default_prompt_name` counts here too."),
    FT_OPT_END,
};

// ---- plan ----

static bool embed_plan_chain(embed_config *c, ft_error *err)
{
    ft_chain *chain = &c->chain;

    if (c->normalize == NORMALIZE_FALSE)
        ft_chain_drop_normalize(chain);
    if (c->pooling == POOLING_NONE) {
        chain->count = 0;
        chain->size = c->encoder.hidden;
    } else if (c->pooling != POOLING_AUTO) {
        if (!ft_chain_set_pooling(chain, (ft_pooling)c->pooling, err))
            return ft_error_at(err, "pooling", 0, 0);
    } else if (chain->pooling_count == 0) {
        ft_fail(err, FT_ERROR_USAGE, "the model in `%s` does not say how its vectors are pooled",
                c->model);
        ft_hint(err, "Say it: `pooling: mean` is the usual way, `pooling: cls` the other.");
        return ft_error_at(err, "model", 0, 0);
    }
    return true;
}

// The prompt is asked for only where pooling leaves it out.
static bool embed_plan_prompt(ft_stage_plan *plan, embed_config *c, ft_error *err)
{
    const char *option = c->prompt ? "prompt" : "prompt_name";

    if (!c->chain.skips_prompt || c->pooling == POOLING_NONE) {
        if (!c->prompt && !c->prompt_name)
            return true;
        ft_fail(err, FT_ERROR_USAGE, "`%s` says nothing here: the prompt is pooled too", option);
        ft_hint(err, "Leave it out; `tokenize` has a `%s` that stands before each text.", option);
        return ft_error_at(err, option, 0, 0);
    }
    if (!ft_prompt_find(c->model, c->prompt, c->prompt_name, plan->arena, &c->prompt, err))
        return false;
    if (c->prompt && !c->prompt[0])
        c->prompt = NULL;
    return true;
}

// Windows have the special tokens of the model's own tokenizer around them.
static bool embed_plan_long(ft_stage_plan *plan, embed_config *c, ft_error *err)
{
    ft_tokenizer_info info;

    if (c->long_texts != LONG_LATE && (c->chunk_tokens || c->overlap)) {
        const char *option = c->chunk_tokens ? "chunk_tokens" : "overlap";
        ft_fail(err, FT_ERROR_USAGE, "`%s` says nothing without `long: late`", option);
        ft_hint(err, "Add `long: late`, or leave `%s` out.", option);
        return ft_error_at(err, option, 0, 0);
    }
    if (c->long_texts == LONG_TRUNCATE)
        return true;
    if (c->is_static || c->pooling == POOLING_NONE) {
        ft_fail(err, FT_ERROR_USAGE, "`long: %s` makes vectors of a text's tokens together, and %s",
                long_choices[c->long_texts],
                c->is_static ? "a static model takes texts of any length"
                             : "`pooling: none` makes one of each");
        ft_hint(err, "Leave `long` out.");
        return ft_error_at(err, "long", 0, 0);
    }
    if (c->long_texts == LONG_LATE)
        return embed_late_plan(plan, &c->chain, c->chunk_tokens, c->overlap, c->encoder.max_tokens,
                               &c->late, err);
    if (!ft_tokenizer_describe(c->model, plan->arena, &info, err))
        return ft_error_at(err, "long", 0, 0);
    c->window = c->encoder.max_tokens;
    if (info.max_length > 0 && info.max_length < c->window)
        c->window = info.max_length;
    return true;
}

static bool embed_plan_range(embed_config *c, ft_error *err)
{
    const bool has_levels = c->output == FT_VECTOR_I8 || c->output == FT_VECTOR_U8;
    double low = -1, high = 1;

    if (c->ranges.count > 0 && !has_levels) {
        ft_fail(err, FT_ERROR_USAGE, "`ranges` says nothing where `output` is not int8 or uint8");
        return ft_error_at(err, "ranges", 0, 0);
    }
    if (c->ranges.count > 0 &&
        (c->ranges.count != 2 || !ft_parse_float(ft_slice_of(c->ranges.items[0]), &low) ||
         !ft_parse_float(ft_slice_of(c->ranges.items[1]), &high) || !(low < high) ||
         !(low >= -1e30) || !(high <= 1e30))) {
        ft_fail(err, FT_ERROR_USAGE, "`ranges` is not two numbers, the lower one first");
        ft_hint(err, "Such as `ranges: [-0.3, 0.3]`.");
        return ft_error_at(err, "ranges", 0, 0);
    }
    c->range = (ft_range){(float)low, (float)high};
    return true;
}

static bool embed_plan_output(embed_config *c, ft_error *err)
{
    const ft_vector_format format = (ft_vector_format)c->output;

    if (c->dim > (int64_t)c->chain.size) {
        ft_fail(err, FT_ERROR_USAGE, "`dim` is more than the model's %zu", c->chain.size);
        return ft_error_at(err, "dim", 0, 0);
    }
    c->size = c->dim ? (size_t)c->dim : c->chain.size;
    c->type = (ft_type){.kind = FT_KIND_TENSOR,
                        .dtype = ft_vector_dtype(format),
                        .list = c->pooling == POOLING_NONE,
                        .rank = 1,
                        .shape = {(int64_t)ft_vector_numbers(format, c->size)}};
    return embed_plan_range(c, err);
}

// A static model: the mean of a table's rows is all there is.
static bool embed_plan_static(ft_stage_plan *plan, embed_config *c, ft_error *err)
{
    plan->batch_wish = STATIC_ITEMS;
    if (ft_precision_of(c->dtype) != FT_PRECISION_F32) {
        ft_fail(err, FT_ERROR_USAGE, "a static model's rows are added up, in f32");
        ft_hint(err, "Leave `dtype` out.");
        return ft_error_at(err, "dtype", 0, 0);
    }
    if (c->pooling != POOLING_AUTO && c->pooling != (int)FT_POOLING_MEAN) {
        ft_fail(err, FT_ERROR_USAGE, "a vector of a static model is the mean of its tokens' rows");
        ft_hint(err, "Leave `pooling` out.");
        return ft_error_at(err, "pooling", 0, 0);
    }
    c->pooling = FT_POOLING_MEAN;
    c->chain = (ft_chain){.hidden = c->table.size, .size = c->table.size};
    c->vocabulary = c->table.vocabulary;
    if (c->normalize == NORMALIZE_AUTO && c->table.normalize)
        c->normalize = NORMALIZE_TRUE;
    return true;
}

static bool embed_plan_tokens(ft_stage_plan *plan, embed_config *c, ft_error *err)
{
    if (!ft_stage_plan_tokens(plan, &c->input, err))
        return false;
    return ft_stage_check_tokens(plan, c->input, c->model, c->model, c->vocabulary, err) ||
           ft_error_at(err, "model", 0, 0);
}

static bool embed_plan_model(ft_stage_plan *plan, embed_config *c, ft_error *err)
{
    if (!ft_static_model_find(c->model, plan->arena, &c->is_static, &c->table, err))
        return ft_error_at(err, "model", 0, 0);
    if (c->is_static)
        return embed_plan_static(plan, c, err) && embed_plan_chain(c, err);
    if (!ft_encoder_config_read(c->model, plan->arena, &c->encoder, err) ||
        !ft_encoder_check(c->model, &c->encoder, plan->arena, err) ||
        !ft_chain_read(c->model, c->encoder.hidden, plan->arena, &c->chain, err))
        return ft_error_at(err, "model", 0, 0);
    c->encoder.precision = ft_precision_of(c->dtype);
    c->encoder.weight_store = plan->environment ? plan->environment->weight_store : NULL;
    c->vocabulary = c->encoder.vocabulary;
    return embed_plan_chain(c, err);
}

static bool embed_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    embed_config *c = config;
    const char *to = plan->to ? plan->to : "embedding";

    if (!embed_plan_model(plan, c, err) || !embed_plan_prompt(plan, c, err) ||
        !embed_plan_long(plan, c, err) || !embed_plan_output(c, err) ||
        !embed_plan_tokens(plan, c, err))
        return false;
    return ft_plan_add(plan, to, c->type, &c->column, err);
}

// ---- load ----

static bool embed_load_encoder(ft_stage_load *load, const void *host, void **out, ft_error *err)
{
    const embed_config *config = host;
    ft_encoder *encoder;

    if (!ft_encoder_load(config->model, &config->encoder, load->arena, &encoder, err))
        return false;
    *out = encoder;
    return true;
}

// How many tokens a prompt is, without special ones around.
static bool embed_count_prompt(const ft_tokenizer *tokenizer, const char *prompt, size_t *out,
                               ft_error *err)
{
    const ft_token_settings settings = {.truncation = FT_TRUNCATE_NONE};
    ft_token_coder *coder = ft_token_coder_create(tokenizer, settings, NULL, err);
    ft_ids ids = {0};
    bool was_cut;

    const bool ok = coder && ft_token_coder_add(coder, ft_slice_of(prompt), &ids, &was_cut, err);
    *out = ids.count;
    ft_ids_finish(&ids);
    ft_token_coder_destroy(coder);
    return ok;
}

// What the model's tokenizer is asked for: its special ids, and how many tokens the prompt is with
// those before it.
static bool embed_ask_tokenizer(ft_stage_load *load, const embed_config *c, embed_model *model,
                                ft_error *err)
{
    void *tokenizer;
    size_t count;

    if (!c->prompt && c->long_texts != LONG_WINDOW && !c->chunk_tokens)
        return true;
    if (!ft_stage_load_tokenizer(load, c->model, &tokenizer, err))
        return false;
    const ft_special_ids special = ft_tokenizer_get_special(tokenizer);
    if (c->prompt) {
        if (!embed_count_prompt(tokenizer, c->prompt, &count, err))
            return false;
        model->prompt_tokens = special.before_count + count;
    }
    model->frame = (ft_window_frame){.size = c->window,
                                     .head = special.before,
                                     .tail = special.after,
                                     .head_count = special.before_count,
                                     .tail_count = special.after_count,
                                     .prompt = model->prompt_tokens};
    return c->long_texts != LONG_WINDOW || ft_window_frame_check(&model->frame, err) ||
           ft_error_at(err, "long", 0, 0);
}

static bool embed_load(ft_stage_load *load, const void *config, void **out_shared, ft_error *err)
{
    const embed_config *c = config;
    const char *key =
        ft_arena_format(load->arena, "encoder %d %s", (int)c->encoder.precision, c->model);
    embed_model *model = ft_arena_zero(load->arena, 1, sizeof(*model));
    void *encoder;

    if (!key || !model)
        return ft_fail_nomem(err, sizeof(*model));
    *out_shared = model;
    model->table = c->table;
    model->chain = c->chain;
    if (c->is_static)
        return ft_static_model_load(&model->table, c->model, load->arena, err);
    if (!ft_load_share(load, key, embed_load_encoder, c, &encoder, err))
        return false;
    model->encoder = encoder;
    if (!ft_chain_load(&model->chain, load->arena, err))
        return false;
    model->window_chain = model->chain;
    ft_chain_drop_normalize(&model->window_chain);
    return embed_ask_tokenizer(load, c, model, err);
}

static bool embed_is_cancelled(const void *host)
{
    return ft_is_cancelled(host);
}

static bool embed_open(ft_stage *self, ft_error *err)
{
    const embed_config *config = self->config;
    const embed_model *model = self->shared;
    embed_state *state = self->state;
    const size_t floats = ft_chain_scratch(&model->chain) + model->chain.size + config->size;

    if (model->encoder) {
        state->run = ft_encoder_run_create(model->encoder, self->account, err);
        if (!state->run)
            return false;
        ft_encoder_run_watch(state->run, embed_is_cancelled, self);
    }
    if (config->long_texts == LONG_WINDOW) {
        state->sum = ft_buffer_zero(self->account, model->chain.size * sizeof(double), err);
        if (!state->sum)
            return false;
    }
    state->scratch = ft_buffer_zero(self->account, floats * sizeof(float), err);
    return state->scratch != NULL;
}

static void embed_close(ft_stage *self)
{
    embed_state *state = self->state;

    ft_team_destroy(state->team);
    ft_encoder_run_destroy(state->run);
    ft_buffer_unref(state->scratch);
    ft_buffer_unref(state->sum);
}

// ---- run ----

// What is wrong with an item's tokens, if anything.
static bool embed_check_item(const embed_config *config, const embed_model *model,
                             const ft_token_span *span, ft_error *err)
{
    if (!span->ids || (span->count == 0 && model->encoder)) {
        ft_fail(err, FT_ERROR_DATA, "the item has no tokens");
        ft_hint(err, "`tokenize` with the model's tokenizer gives even the empty text two, [CLS] "
                     "and [SEP].");
        return false;
    }
    for (size_t i = 0; i < span->count; i++) {
        const int32_t id = span->ids[i];
        if (id >= 0 && (size_t)id < config->vocabulary)
            continue;
        ft_fail(err, FT_ERROR_DATA, "token %" PRId32 " is outside the model's vocabulary of %zu",
                id, config->vocabulary);
        ft_hint(err, "Tokenise with the model's own tokenizer.");
        return false;
    }
    if (model->encoder && ft_encoder_rows(model->encoder, span) <= model->prompt_tokens) {
        ft_fail(err, FT_ERROR_DATA, "the item has %zu tokens, no more than the prompt's %zu",
                ft_encoder_rows(model->encoder, span), model->prompt_tokens);
        ft_hint(err, "Give `tokenize` the same `prompt`.");
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
            span = (ft_token_span){0};
        if (!embed_check_item(config, self->shared, &span, &why)) {
            if (!ft_item_fail(self, in, item, &why, err))
                return false;
            continue;
        }
        ft_count(self, COUNTER_TOKENS, span.count);
        ft_count(self, COUNTER_TRUNCATED,
                 !config->is_static && config->long_texts == LONG_TRUNCATE &&
                     span.count > config->encoder.max_tokens);
        spans[count] = span;
        kept[count++] = (uint32_t)item;
    }
    *out_count = count;
    return true;
}

// Ends a vector and writes it: of `size` numbers, changed on the way.
static void embed_put(const embed_config *config, float *vector, char **out)
{
    if (config->normalize == NORMALIZE_TRUE)
        ft_pool_normalize(vector, config->size);
    ft_vector_write((ft_vector_format)config->output, config->range, vector, config->size, *out);
    *out += (size_t)config->type.shape[0] * ft_dtype_size_bytes(config->type.dtype);
}

// The vectors of one text whose rows are there: all, or the first where only that counts.
static void embed_text(ft_stage *self, const ft_token_span *span, ft_rows rows, char **out)
{
    const embed_config *config = self->config;
    const embed_model *model = self->shared;
    const embed_state *state = self->state;
    float *scratch = state->scratch->data, *vector = scratch + ft_chain_scratch(&model->chain);
    const size_t count = ft_encoder_rows(model->encoder, span);

    for (size_t row = 0; config->pooling == POOLING_NONE && row < count; row++) {
        memcpy(vector, rows.at + row * rows.stride, config->size * sizeof(*vector));
        embed_put(config, vector, out);
    }
    if (config->pooling == POOLING_NONE)
        return;
    ft_chain_run(&model->chain, rows, model->prompt_tokens, count, scratch, vector);
    embed_put(config, vector, out);
}

// Adds the vector of one window of a text that has `of_text` of them; writes theirs with the last.
static void embed_window(ft_stage *self, const ft_token_span *span, ft_rows rows, size_t of_text,
                         embed_sum *sum, char **out)
{
    const embed_model *model = self->shared;
    const embed_state *state = self->state;
    const size_t size = model->chain.size, count = ft_encoder_rows(model->encoder, span);
    const double weight = (double)(count - model->prompt_tokens);
    float *scratch = state->scratch->data, *vector = scratch + ft_chain_scratch(&model->chain);
    double *total = state->sum->data;

    if (sum->windows == 0)
        memset(total, 0, size * sizeof(*total));
    ft_chain_run(&model->window_chain, rows, model->prompt_tokens, count, scratch, vector);
    for (size_t k = 0; k < size; k++)
        total[k] += weight * (double)vector[k];
    sum->weight += weight;
    if (++sum->windows < of_text)
        return;
    for (size_t k = 0; k < size; k++)
        vector[k] = (float)(total[k] / sum->weight);
    if (model->window_chain.count < model->chain.count)
        ft_pool_normalize(vector, size);
    embed_put(self->config, vector, out);
    *sum = (embed_sum){.text = sum->text + 1};
}

static void embed_run_static(ft_stage *self, const ft_token_span *spans, size_t count, char *out)
{
    const embed_model *model = self->shared;
    float *vector = ((const embed_state *)self->state)->scratch->data;

    for (size_t i = 0; i < count; i++) {
        ft_static_model_run(&model->table, spans[i].ids, spans[i].count, vector);
        embed_put(self->config, vector, &out);
    }
}

// `of_text`: how many of the spans are windows of each text; NULL: each is a text.
static bool embed_run_spans(ft_stage *self, const ft_token_span *spans, const size_t *of_text,
                            size_t count, char *out, ft_error *err)
{
    const embed_config *config = self->config;
    const embed_model *model = self->shared;
    const embed_state *state = self->state;
    const bool is_first =
        config->pooling != POOLING_NONE && ft_chain_is_first(&model->chain, model->prompt_tokens);
    embed_sum sum = {0};

    for (size_t done = 0; done < count;) {
        ft_rows rows;
        const size_t taken =
            is_first ? ft_encoder_run_first(state->run, spans + done, count - done, &rows)
                     : ft_encoder_run_some(state->run, spans + done, count - done, &rows);
        if (taken == 0)
            return ft_fail(err, FT_ERROR_CANCELLED, "cancelled");
        for (size_t i = done; i < done + taken; i++) {
            if (of_text && of_text[sum.text] > 1) {
                embed_window(self, &spans[i], rows, of_text[sum.text], &sum, &out);
            } else {
                embed_text(self, &spans[i], rows, &out);
                sum.text++;
            }
            rows.at += (is_first ? 1 : ft_encoder_rows(model->encoder, &spans[i])) * rows.stride;
        }
        done += taken;
    }
    return true;
}

// A text that comes alone while no other instance has any is shared among the cores.
static void embed_begin(ft_stage *self, size_t texts)
{
    embed_state *state = self->state;
    ft_error why = FT_ERROR_INIT;
    // Relaxed: a hint.
    const bool is_alone = ft_atomic_add(&busy, 1, FT_RELAXED) == 0 && texts == 1;
    const size_t threads = (size_t)(self->threads > 1 ? self->threads : 1);

    if (!is_alone || threads < 2)
        return;
    if (!state->team)  // Where there can be no threads it goes on alone.
        state->team = ft_team_create(threads < MEMBERS_MOST ? threads : MEMBERS_MOST, &why);
    ft_encoder_run_share(state->run, state->team);
}

static void embed_end(ft_stage *self)
{
    const embed_state *state = self->state;

    ft_encoder_run_share(state->run, NULL);
    ft_atomic_sub(&busy, 1, FT_RELAXED);
}

static bool embed_run(ft_stage *self, const ft_token_span *spans, size_t count, ft_tensor *vectors,
                      ft_error *err)
{
    const embed_config *config = self->config;
    const embed_model *model = self->shared;
    const embed_state *state = self->state;
    const bool has_windows = config->long_texts == LONG_WINDOW;
    ft_windows windows = {0};

    if (!model->encoder) {
        embed_run_static(self, spans, count, vectors->data);
        return true;
    }
    if (has_windows && !ft_windows_cut(&model->frame, spans, count, self->account, &windows, err))
        return false;
    const ft_token_span *all = has_windows ? windows.spans : spans;
    const size_t all_count = has_windows ? windows.count : count;
    bool ok = ft_encoder_run_reserve(state->run, all, all_count, err);
    if (ok) {
        embed_begin(self, count);
        ok = embed_run_spans(self, all, windows.of_text, all_count, vectors->data, err);
        embed_end(self);
    }
    ft_windows_finish(&windows);
    return ok;
}

// Where the vectors of each item begin, where there is one for each token; `*out_vectors` are all.
static bool embed_place(ft_stage *self, const ft_token_span *spans, size_t count, ft_column *column,
                        size_t *out_vectors, ft_error *err)
{
    const embed_model *model = self->shared;
    size_t vectors = 0;

    *out_vectors = count;
    if (!column->type.list)
        return true;
    column->offsets = ft_tensor_create_1d(self->account, FT_DTYPE_I32, count + 1, err);
    if (!column->offsets)
        return false;
    int32_t *offsets = (int32_t *)(void *)column->offsets->data;
    for (size_t i = 0; i < count; i++) {
        offsets[i] = (int32_t)vectors;
        vectors += ft_encoder_rows(model->encoder, &spans[i]);
    }
    if (vectors > INT32_MAX)
        return ft_fail(err, FT_ERROR_LIMIT, "more than %d vectors in a batch", INT32_MAX);
    offsets[count] = (int32_t)vectors;
    *out_vectors = vectors;
    return true;
}

// The vectors of `count` items as a new column of `*batch`.
static bool embed_add_vectors(ft_stage *self, const ft_token_span *spans, size_t count,
                              ft_batch **batch, ft_error *err)
{
    const embed_config *config = self->config;
    ft_column column = {.type = config->type};
    size_t vectors;

    if (!ft_batch_make_writable(batch, self->output_width, err))
        return false;
    bool ok = embed_place(self, spans, count, &column, &vectors, err);
    if (ok) {
        const int64_t shape[2] = {(int64_t)vectors, config->type.shape[0]};
        column.values = ft_tensor_create(self->account, config->type.dtype, 2, shape, err);
        ok = column.values && embed_run(self, spans, count, column.values, err);
    }
    if (ok)
        ft_batch_set(*batch, config->column, &column);
    else
        ft_column_finish(&column);
    return ok;
}

static void embed_put_chunk(ft_stage *self, float *vector, char **out)
{
    embed_put(self->config, vector, out);
}

static bool embed_kept_late(ft_stage *self, const ft_batch *in, const ft_token_span *spans,
                            const uint32_t *kept, size_t count, ft_error *err)
{
    const embed_config *config = self->config;
    const embed_model *model = self->shared;
    const embed_state *state = self->state;
    const embed_late_use use = {.late = &config->late,
                                .frame = &model->frame,
                                .run = state->run,
                                .chain = &model->chain,
                                .scratch = state->scratch->data,
                                .type = config->type,
                                .output = config->column,
                                .put = embed_put_chunk};

    return embed_late_process(self, &use, in, spans, kept, count, err);
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
    const embed_config *config = self->config;
    const size_t items = (*in)->count;
    ft_token_span *spans = ft_alloc_array(items, sizeof(*spans));
    uint32_t *kept = ft_alloc_array(items, sizeof(*kept));
    size_t count = 0;
    bool ok = true;

    if (!spans || !kept)
        ok = ft_fail_nomem(err, items * sizeof(*spans));
    else if (embed_collect(self, *in, spans, kept, &count, err))
        ok = count == 0 ||
             (config->long_texts == LONG_LATE ? embed_kept_late(self, *in, spans, kept, count, err)
                                              : embed_kept(self, in, spans, kept, count, err));
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
