// tokenize: the tokens of each item's text, by a model's tokenizer or by the rule `words`.
//
// With a model `tokens` is i32[*]: the ids that the model was trained on, its special ones around
// them. The longest text is what the model takes, unless `max_length` says otherwise; what is
// beyond is cut (`truncation`). One copy of the vocabulary serves all threads; each has a cache of
// words that grows to 4 MiB at most.
//
// `tokenize: words` needs no model: lower case, `.` and `,` deleted, cut at each space. `tokens` is
// then string[*].
#include <string.h>

#include "runtime/data/json.h"
#include "runtime/memory/alloc.h"
#include "runtime/stage.h"
#include "stages/text/split_words.h"
#include "stages/text/tokenizer.h"

enum { COUNTER_TOKENS, COUNTER_TRUNCATED };
enum { LENGTH_MAX = 1 << 30, EXPECTED_IDS_MAX = 1 << 20, GIVE_BACK_BYTES = 1 << 16 };

// In the order of ft_truncation and ft_special_tokens.
static const char *const truncation_choices[] = {"right", "left", "none", "error", NULL};
static const char *const special_choices[] = {"parse", "text", "error", NULL};
static const char *const literals[] = {"words", NULL};
static const char *const tokenize_counters[] = {"tokens", "truncated", NULL};

typedef struct tokenize_config {
    const char *model;
    int64_t max_length;
    int truncation, special_tokens;
    bool add_special;
    // Found by `plan`:
    bool words;
    size_t input, output;  // Columns.
    ft_token_settings settings;
} tokenize_config;

typedef struct tokenize_state {
    ft_token_coder *coder;
    ft_buffer *unescaped;  // A text that came as JSON.
} tokenize_state;

// What is made of a batch.
typedef struct made {
    uint32_t *kept;    // Items that did not fail.
    int32_t *offsets;  // [kept + 1]
    size_t count;
    ft_column column;
} made;

static const ft_option tokenize_options[] = {
    FT_OPT_MODEL(tokenize_config, model, .is_main = true, .required = true, .choices = literals,
                 .doc = "A tokenizer.json or vocab.txt, a folder that holds one, or a name in the "
                        "model store; or "
                        "`words`."),
    FT_OPT_INT(tokenize_config, max_length, .min = 1, .max = LENGTH_MAX,
               .doc = "Most tokens of one text, special ones included; else what the model takes."),
    FT_OPT_CHOICE(tokenize_config, truncation, truncation_choices, .fallback = "right",
                  .doc = "Where a text that is too long is cut; with error such an item fails."),
    FT_OPT_CHOICE(tokenize_config, special_tokens, special_choices, .fallback = "parse",
                  .doc = "What special tokens that are written in a text are: the tokens, text "
                         "like any other, or a "
                         "failure of the item."),
    FT_OPT_BOOL(
        tokenize_config, add_special, .fallback = "true",
        .doc = "Whether the model's special tokens, such as [CLS] and [SEP], go around each text."),
    FT_OPT_END,
};

// ---- plan and load ----

// Options that say something only of a model's tokenizer.
static bool check_words_options(const tokenize_config *config, ft_error *err)
{
    const char *option = NULL;

    if (config->max_length != 0)
        option = "max_length";
    else if (config->truncation != FT_TRUNCATE_RIGHT)
        option = "truncation";
    else if (config->special_tokens != FT_SPECIAL_PARSE)
        option = "special_tokens";
    if (!option)
        return true;
    ft_fail(err, FT_ERROR_USAGE, "`%s` says nothing of `tokenize: words`", option);
    ft_hint(err, "Leave it out, or name a model's tokenizer.");
    return ft_error_at(err, option, 0, 0);
}

static bool plan_model(ft_stage_plan *plan, tokenize_config *config, ft_error *err)
{
    ft_tokenizer_info info;

    if (!ft_tokenizer_describe(config->model, plan->arena, &info, err))
        return ft_error_at(err, "model", 0, 0);
    config->settings = (ft_token_settings){
        .max_length = config->max_length ? (size_t)config->max_length : info.max_length,
        .truncation = (ft_truncation)config->truncation,
        .special_tokens = (ft_special_tokens)config->special_tokens,
        .add_special = config->add_special,
    };
    size_t special = config->add_special ? info.special_count : 0;
    if (config->max_length > 0 && (size_t)config->max_length < special) {
        ft_fail(err, FT_ERROR_USAGE, "%lld tokens a text leave no room for the %zu special ones",
                (long long)config->max_length, special);
        ft_hint(err, "Raise `max_length`, or set `add_special: false`.");
        return ft_error_at(err, "max_length", 0, 0);
    }
    return true;
}

static bool tokenize_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    tokenize_config *c = config;
    const char *from = plan->from ? plan->from : "text";
    const char *to = plan->to ? plan->to : "tokens";

    c->words = strcmp(c->model, literals[0]) == 0;
    if (c->words ? !check_words_options(c, err) : !plan_model(plan, c, err))
        return false;
    if (!ft_plan_read(plan, plan->from ? "from" : NULL, from, FT_TYPE(STRING), &c->input, err))
        return false;
    return ft_plan_add(plan, to, c->words ? FT_TYPE_LIST(STRING) : FT_TYPE_IDS, &c->output, err);
}

static bool tokenize_load_model(ft_stage_load *load, const void *host, void **out, ft_error *err)
{
    const tokenize_config *config = host;
    const ft_tokenizer *tokenizer;

    if (!ft_tokenizer_load(config->model, load->arena, &tokenizer, err))
        return false;
    memcpy(out, &tokenizer, sizeof(tokenizer));
    return true;
}

static bool tokenize_load(ft_stage_load *load, const void *config, void **out_shared, ft_error *err)
{
    const tokenize_config *c = config;

    *out_shared = NULL;
    if (c->words)
        return true;
    const char *key = ft_arena_format(load->arena, "tokenizer %s", c->model);
    if (!key)
        return ft_fail_nomem(err, strlen(c->model));
    return ft_load_share(load, key, tokenize_load_model, c, out_shared, err);
}

static bool tokenize_open(ft_stage *self, ft_error *err)
{
    const tokenize_config *config = self->config;
    tokenize_state *state = self->state;

    if (config->words)
        return true;
    state->coder = ft_token_coder_create(self->shared, config->settings, self->account, err);
    return state->coder != NULL;
}

static void tokenize_close(ft_stage *self)
{
    tokenize_state *state = self->state;

    ft_token_coder_destroy(state->coder);
    ft_buffer_unref(state->unescaped);
}

// ---- run ----

// The text of an item whose type was not known before: a JSON string.
static bool unescape_item(ft_stage *self, ft_slice json, ft_slice *out, ft_error *why)
{
    tokenize_state *state = self->state;

    if (json.size < 2 || json.data[0] != '"')
        return ft_fail(why, FT_ERROR_DATA, "the field is not a text");
    if (!state->unescaped || state->unescaped->size_bytes < json.size) {
        ft_buffer_unref(ft_take(&state->unescaped));
        state->unescaped = ft_buffer_create(self->account, json.size, why);
        if (!state->unescaped)
            return false;
    }
    out->data = state->unescaped->data;
    return ft_json_unescape((ft_slice){json.data + 1, json.size - 2}, state->unescaped->data,
                            &out->size, why);
}

static bool item_text(ft_stage *self, const ft_column *column, size_t item, ft_slice *out,
                      ft_error *why)
{
    if (ft_column_is_null(column, item))
        return ft_fail(why, FT_ERROR_DATA, "the item has no text");
    *out = ft_column_text(column, item);
    return column->type.kind != FT_KIND_ANY || unescape_item(self, *out, out, why);
}

// An item that failed for its own sake is told and left out; else the run fails.
static bool leave_out(ft_stage *self, const ft_batch *in, size_t item, const ft_error *why,
                      ft_error *err)
{
    if (why->code != FT_ERROR_DATA) {
        *err = *why;
        return false;
    }
    return ft_item_fail(self, in, item, why, err);
}

static bool add_item_ids(ft_stage *self, const ft_column *column, size_t item, ft_ids *ids,
                         ft_error *why)
{
    tokenize_state *state = self->state;
    size_t before = ids->count;
    ft_slice text;
    bool was_cut;

    if (!item_text(self, column, item, &text, why) ||
        !ft_token_coder_add(state->coder, text, ids, &was_cut, why))
        return false;
    ft_count(self, COUNTER_TOKENS, ids->count - before);
    ft_count(self, COUNTER_TRUNCATED, was_cut);
    return true;
}

// A tensor of the first `count` numbers of a buffer, which it takes.
static ft_tensor *number_tensor(ft_buffer **buffer, size_t count, ft_dtype dtype, ft_error *err)
{
    const int64_t shape[1] = {(int64_t)count};
    ft_tensor *tensor = *buffer ? ft_tensor_view(*buffer, 0, dtype, 1, shape, err)
                                : ft_tensor_create_1d(NULL, dtype, 0, err);

    ft_buffer_unref(ft_take(buffer));
    return tensor;
}

// How many ids to make room for at first: English has a token for each four bytes.
static size_t expected_ids(const tokenize_config *config, const ft_batch *in)
{
    const int32_t *places = ft_tensor_i32(in->columns[config->input].offsets);
    size_t expected = (size_t)(places[in->count] - places[0]) / 4 + 4 * in->count;
    size_t most = EXPECTED_IDS_MAX, limit = config->settings.max_length;

    if (limit > 0 && config->settings.truncation != FT_TRUNCATE_NONE &&
        in->count < EXPECTED_IDS_MAX / limit)
        most = in->count * limit;
    return expected < most ? expected : most;
}

// What was reserved and not used goes back, where it is much.
static bool give_back(ft_buffer *buffer, size_t used_bytes, ft_error *err)
{
    size_t unused = buffer ? buffer->size_bytes - used_bytes : 0;

    return unused < GIVE_BACK_BYTES || unused < used_bytes / 8 ||
           ft_buffer_resize(buffer, used_bytes, err);
}

static bool make_ids(ft_stage *self, const ft_batch *in, made *out, ft_error *err)
{
    const ft_column *column = &in->columns[((const tokenize_config *)self->config)->input];
    ft_ids ids = {.account = self->account};

    bool ok = ft_ids_reserve(&ids, expected_ids(self->config, in), err);
    for (size_t i = 0; ok && i < in->count; i++) {
        ft_error why = FT_ERROR_INIT;
        if (ft_is_cancelled(self)) {
            ok = ft_fail(err, FT_ERROR_CANCELLED, "cancelled");
        } else if (!add_item_ids(self, column, i, &ids, &why)) {
            ok = leave_out(self, in, i, &why, err);
        } else {
            out->kept[out->count++] = (uint32_t)i;
            out->offsets[out->count] = (int32_t)ids.count;
        }
    }
    ok = ok && give_back(ids.buffer, ids.count * sizeof(int32_t), err);
    if (ok)
        out->column.values = number_tensor(&ids.buffer, ids.count, FT_DTYPE_I32, err);
    ft_ids_finish(&ids);
    return ok && out->column.values;
}

// Room for the words of the batch: exactly as many as there are, and the bytes that they may take.
static bool make_sink(ft_stage *self, const ft_batch *in, ft_buffer **bytes, ft_buffer **ends,
                      ft_error *err)
{
    const tokenize_config *config = self->config;
    const ft_column *column = &in->columns[config->input];
    const int32_t *places = ft_tensor_i32(column->offsets);
    size_t size;
    size_t words = ft_split_words_count(
        (ft_slice){column->values->data + places[0], (size_t)(places[in->count] - places[0])},
        &size);

    // Spaces may be hidden in escapes.
    if (column->type.kind == FT_KIND_ANY)
        words = size;
    words += in->count;
    if (words >= INT32_MAX || size >= INT32_MAX)
        return ft_fail(err, FT_ERROR_LIMIT, "more than %d words or bytes in a batch", INT32_MAX);
    *bytes = ft_buffer_create(self->account, size + FT_WORD_SINK_SLACK, err);
    if (*bytes)
        *ends = ft_buffer_create(self->account, (words + 1 + FT_WORD_SINK_SLACK) * sizeof(int32_t),
                                 err);
    return *bytes && *ends;
}

static bool split_items(ft_stage *self, const ft_batch *in, ft_word_sink *sink, made *out,
                        ft_error *err)
{
    const tokenize_config *config = self->config;
    const ft_column *column = &in->columns[config->input];
    ft_split_ascii *const split = ft_split_ascii_choose();

    for (size_t i = 0; i < in->count; i++) {
        ft_error why = FT_ERROR_INIT;
        ft_slice text;
        if (!item_text(self, column, i, &text, &why)) {
            if (!leave_out(self, in, i, &why, err))
                return false;
            continue;
        }
        if (!split(sink, (const uint8_t *)text.data, text.size))
            ft_split_unicode(sink, text);
        out->kept[out->count++] = (uint32_t)i;
        out->offsets[out->count] = (int32_t)sink->count;
    }
    ft_count(self, COUNTER_TOKENS, sink->count);
    return true;
}

static bool make_words(ft_stage *self, const ft_batch *in, made *out, ft_error *err)
{
    ft_buffer *bytes = NULL, *ends = NULL;

    bool ok = make_sink(self, in, &bytes, &ends, err);
    if (ok) {
        int32_t *inner = ends->data;
        ft_word_sink sink = {.bytes = bytes->data, .ends = inner + 1};
        inner[0] = 0;
        ok = split_items(self, in, &sink, out, err) && give_back(bytes, sink.size, err);
        if (ok) {
            out->column.values = number_tensor(&bytes, sink.size, FT_DTYPE_U8, err);
            out->column.inner =
                out->column.values ? number_tensor(&ends, sink.count + 1, FT_DTYPE_I32, err) : NULL;
            ok = out->column.inner != NULL;
        }
    }
    ft_buffer_unref(bytes);
    ft_buffer_unref(ends);
    return ok;
}

// The batch that goes on: without the items that failed, with the new column.
static bool send(ft_stage *self, ft_batch **in, made *out, ft_error *err)
{
    const tokenize_config *config = self->config;
    ft_batch *batch;

    if (out->count == (*in)->count)
        batch = ft_take(in);
    else
        batch = ft_batch_select(*in, out->kept, out->count, err);
    if (!batch)
        return false;
    if (!ft_batch_make_writable(&batch, self->output_width, err)) {
        ft_batch_unref(batch);
        return false;
    }
    ft_batch_set(batch, config->output, &out->column);
    return ft_emit(self, batch, err);
}

static bool make(ft_stage *self, const ft_batch *in, made *out, ft_error *err)
{
    const tokenize_config *config = self->config;
    ft_buffer *offsets = ft_buffer_create(self->account, (in->count + 1) * sizeof(int32_t), err);

    out->column.type = self->output->fields[config->output].type;
    if (!offsets)
        return false;
    out->kept = ft_alloc_array(in->count, sizeof(*out->kept));
    out->offsets = offsets->data;
    out->offsets[0] = 0;
    bool ok = out->kept ? true : ft_fail_nomem(err, in->count * sizeof(*out->kept));
    ok = ok && (config->words ? make_words(self, in, out, err) : make_ids(self, in, out, err));
    if (ok)
        out->column.offsets = number_tensor(&offsets, out->count + 1, FT_DTYPE_I32, err);
    ft_buffer_unref(offsets);
    return ok && out->column.offsets;
}

static bool tokenize_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    made out = {0};

    bool ok = make(self, *in, &out, err) && (out.count == 0 || send(self, in, &out, err));
    ft_column_finish(&out.column);
    ft_free(out.kept);
    return ok;
}

const ft_stage_def ft_stage_tokenize = {
    .abi = FT_STAGE_ABI,
    .name = "tokenize",
    .summary = "cut each item's text into tokens, as a model takes them or into words",
    .example = "- tokenize: all-MiniLM-L6-v2\n"
               "  max_length: 128\n",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = FT_CONCURRENCY_ANY,
    .pace = FT_PACE_COMPUTE,
    .options = tokenize_options,
    .counters = tokenize_counters,
    .config_size = sizeof(tokenize_config),
    .state_size = sizeof(tokenize_state),
    .plan = tokenize_plan,
    .load = tokenize_load,
    .open = tokenize_open,
    .process = tokenize_process,
    .close = tokenize_close,
};
