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

#include "runtime/memory/alloc.h"
#include "stages/nn/encoder_config.h"
#include "stages/nn/static_model.h"
#include "stages/text/prompts.h"
#include "stages/text/split_words.h"
#include "stages/text/stage_text.h"
#include "stages/text/text_encoder.h"

enum { COUNTER_TOKENS, COUNTER_TRUNCATED };
enum { ADD_AUTO, ADD_TRUE, ADD_FALSE };
enum {
    LENGTH_MAX = 1 << 30,
    EXPECTED_IDS_MAX = 1 << 20,
    GIVE_BACK_BYTES = 1 << 16,
    PART_BYTES = 1 << 14,  // Of a text that a coder makes room for at a time.
};

// In the order of ft_truncation and ft_special_tokens.
static const char *const truncation_choices[] = {"right", "left", "none", "error", NULL};
static const char *const special_choices[] = {"parse", "text", "error", NULL};
static const char *const literals[] = {"words", NULL};
static const char *const add_choices[] = {"auto", "true", "false", NULL};
static const char *const unit_choices[] = {"bytes", "characters", NULL};
static const char *const tokenize_counters[] = {"tokens", "truncated", NULL};

// What `outputs` may name.
enum { OFFSETS, WORD_IDS, TYPE_IDS, SPECIAL_MASK, OUTPUT_COUNT };
static const char *const output_names[] = {"offsets", "word_ids", "type_ids", "special_mask", NULL};
static const unsigned output_columns[OUTPUT_COUNT] = {
    [OFFSETS] = FT_ENCODE_OFFSETS | FT_ENCODE_SEQUENCE,
    [WORD_IDS] = FT_ENCODE_WORD_IDS,
    [TYPE_IDS] = FT_ENCODE_TYPE_IDS,
    [SPECIAL_MASK] = FT_ENCODE_SPECIAL_MASK,
};

typedef struct tokenize_config {
    const char *model, *pair, *prompt, *prompt_name;
    ft_strings outputs;
    int offset_unit;
    int64_t max_length;
    int truncation, special_tokens, add_special;
    // Found by `plan`:
    bool words;
    size_t input, pair_input, output;  // Columns.
    unsigned wanted;                   // Bit i: outputs[i] is a column.
    size_t places[OUTPUT_COUNT];
    ft_token_settings settings;
} tokenize_config;

typedef struct tokenize_state {
    ft_token_coder *coder;            // Where ids are all that is wanted,
    ft_text_encoder *encoder;         // or this.
    unsigned wanted;                  // Of config->wanted, what is read downstream.
    ft_buffer *unescaped[2];          // Texts that came as JSON.
    ft_buffer *prompted;              // A text behind the prompt.
    size_t bytes_before, ids_before;  // Of the batch before; 0: none.
} tokenize_state;

// What is made of a batch.
typedef struct made {
    uint32_t *kept;    // Items that did not fail.
    int32_t *offsets;  // [kept + 1]
    size_t count;
    ft_column column, further[OUTPUT_COUNT];
} made;

static const ft_option tokenize_options[] = {
    FT_OPT_MODEL(
        tokenize_config, model, .is_main = true, .required = true, .choices = literals,
        .doc = "A tokenizer.json, vocab.json with merges.txt, vocab.txt, SentencePiece .model, "
               ".tiktoken or .gguf, a folder that holds one, or a name in the model store; or "
               "`words`."),
    FT_OPT_FIELD(tokenize_config, pair,
                 .doc = "The field with the second text of each item, for models that take two."),
    FT_OPT_STRING(tokenize_config, prompt,
                  .doc = "A text that is put before each text, such as `query: `."),
    FT_OPT_STRING(tokenize_config, prompt_name,
                  .doc =
                      "The same by its name, where the model's folder has a "
                      "config_sentence_transformers.json with `prompts`. With neither, the "
                      "`default_prompt_name` of that file counts if there is one; `prompt: \"\"` "
                      "puts nothing."),
    FT_OPT_STRINGS(tokenize_config, outputs,
                   .doc = "Fields that are made beside the ids, one element for each id: "
                          "`offsets`, where in the text it stands (start and end; 0, 0 for special "
                          "tokens and those of the prompt); `word_ids`, the word it is part of "
                          "(-1: none); `type_ids`; `special_mask`, 1 for the model's special "
                          "tokens."),
    FT_OPT_CHOICE(tokenize_config, offset_unit, unit_choices, .fallback = "bytes",
                  .doc = "What offsets count: bytes of UTF-8, or characters (code points)."),
    FT_OPT_INT(tokenize_config, max_length, .min = 1, .max = LENGTH_MAX,
               .doc = "Most tokens of one text, special ones included; else what the model takes."),
    FT_OPT_CHOICE(tokenize_config, truncation, truncation_choices, .fallback = "right",
                  .doc = "Where a text that is too long is cut; with error such an item fails. "
                         "none: not at all, as `embed` with `long: window` wants it."),
    FT_OPT_CHOICE(tokenize_config, special_tokens, special_choices, .fallback = "parse",
                  .doc = "What special tokens that are written in a text are: the tokens, text "
                         "like any other, or a "
                         "failure of the item."),
    FT_OPT_CHOICE(
        tokenize_config, add_special, add_choices, .fallback = "auto",
        .doc = "Whether the model's special tokens, such as [CLS] and [SEP], go around each text. "
               "auto: they do, unless the model is a table of static vectors."),
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
    else if (config->pair)
        option = "pair";
    else if (config->prompt)
        option = "prompt";
    else if (config->prompt_name)
        option = "prompt_name";
    else if (config->outputs.count > 0)
        option = "outputs";
    else if (config->offset_unit != 0)
        option = "offset_unit";
    if (!option)
        return true;
    ft_fail(err, FT_ERROR_USAGE, "`%s` says nothing of `tokenize: words`", option);
    ft_hint(err, "Leave it out, or name a model's tokenizer.");
    return ft_error_at(err, option, 0, 0);
}

// What static models (embed) were made from: texts without special tokens, and of model2vec's the
// first 512 tokens. Whether a folder's weights are readable is not this stage's business.
// `*out_rows`: of the table; 0: there is none.
static void settle_static(ft_stage_plan *plan, tokenize_config *config, size_t *out_rows)
{
    ft_error why = FT_ERROR_INIT;
    ft_static_model table;
    bool is_static;

    *out_rows = 0;
    if (!ft_static_model_find(config->model, plan->arena, &is_static, &table, &why) || !is_static)
        return;
    *out_rows = table.vocabulary;
    if (config->add_special == ADD_AUTO)
        config->settings.add_special = false;
    if (config->max_length == 0 && table.forgets_unknown)
        config->settings.max_length = FT_STATIC_TOKENS;
}

// A prompt's tokens are those of every item, so one that the model beside the tokenizer does not
// know is told here. How many it knows is not this stage's business where its files do not say.
static bool check_prompt(const ft_stage_plan *plan, const tokenize_config *config, size_t rows,
                         ft_error *err)
{
    ft_encoder_config model = {.vocabulary = rows};
    ft_error why = FT_ERROR_INIT;

    if (!config->prompt || !config->prompt[0] ||
        (rows == 0 && !ft_encoder_config_read(config->model, plan->arena, &model, &why)))
        return true;
    return ft_stage_check_prompt(plan, config->model, model.vocabulary, config->prompt,
                                 config->settings.special_tokens, err) ||
           ft_error_at(err, config->prompt_name ? "prompt_name" : "prompt", 0, 0);
}

static bool plan_model(ft_stage_plan *plan, tokenize_config *config, ft_error *err)
{
    ft_tokenizer_info info;
    size_t rows;

    if (!ft_tokenizer_describe(config->model, plan->arena, &info, err))
        return ft_error_at(err, "model", 0, 0);
    if (!ft_prompt_find(config->model, config->prompt, config->prompt_name, plan->arena,
                        &config->prompt, err))
        return false;
    config->settings = (ft_token_settings){
        .max_length = config->max_length ? (size_t)config->max_length : info.max_length,
        .truncation = (ft_truncation)config->truncation,
        .special_tokens = (ft_special_tokens)config->special_tokens,
        .add_special = config->add_special != ADD_FALSE,
    };
    settle_static(plan, config, &rows);
    if (!check_prompt(plan, config, rows, err))
        return false;
    size_t special = config->pair ? info.pair_special_count : info.special_count;
    special = config->settings.add_special ? special : 0;
    if (config->max_length > 0 && (size_t)config->max_length < special) {
        ft_fail(err, FT_ERROR_USAGE, "%lld tokens a text leave no room for the %zu special ones",
                (long long)config->max_length, special);
        ft_hint(err, "Raise `max_length`, or set `add_special: false`.");
        return ft_error_at(err, "max_length", 0, 0);
    }
    return true;
}

static bool plan_outputs(ft_stage_plan *plan, tokenize_config *c, ft_error *err)
{
    if (!ft_stage_read_names(&c->outputs, "outputs", output_names, &c->wanted, err))
        return false;
    if (c->offset_unit != 0 && !(c->wanted >> OFFSETS & 1)) {
        ft_fail(err, FT_ERROR_USAGE, "`offset_unit` says nothing where no offsets are made");
        ft_hint(err, "Set `outputs: offsets`, or leave it out.");
        return ft_error_at(err, "offset_unit", 0, 0);
    }
    for (size_t i = 0; i < OUTPUT_COUNT; i++) {
        ft_type type = FT_TYPE_IDS;
        if (!(c->wanted >> i & 1))
            continue;
        if (plan->to && strcmp(plan->to, output_names[i]) == 0) {
            ft_fail(err, FT_ERROR_USAGE, "`%s` is one of `outputs`, and the ids go there too",
                    plan->to);
            return ft_error_at(err, "to", 0, 0);
        }
        if (i == OFFSETS) {
            type.rank = 1;
            type.shape[0] = 2;
        }
        if (!ft_plan_add(plan, output_names[i], type, &c->places[i], err))
            return false;
    }
    return true;
}

// For the stages that take the ids: whether they fit a model is then known before the first item.
static bool plan_origin(ft_stage_plan *plan, const tokenize_config *c, ft_error *err)
{
    ft_token_origin *origin = ft_arena_zero(plan->arena, 1, sizeof(*origin));

    if (!origin)
        return ft_fail_nomem(err, sizeof(*origin));
    *origin = (ft_token_origin){.tokenizer = c->model, .has_special = c->settings.add_special};
    plan->output_fields[c->output].origin = origin;
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
    if (c->pair && !ft_plan_read(plan, "pair", c->pair, FT_TYPE(STRING), &c->pair_input, err))
        return false;
    return ft_plan_add(plan, to, c->words ? FT_TYPE_LIST(STRING) : FT_TYPE_IDS, &c->output, err) &&
           (c->words || plan_origin(plan, c, err)) && plan_outputs(plan, c, err);
}

static bool tokenize_load(ft_stage_load *load, const void *config, void **out_shared, ft_error *err)
{
    const tokenize_config *c = config;

    *out_shared = NULL;
    return c->words || ft_stage_load_tokenizer(load, c->model, out_shared, err);
}

static bool open_encoder(ft_stage *self, ft_error *err)
{
    const tokenize_config *config = self->config;
    tokenize_state *state = self->state;
    ft_encode_settings settings = {.add_special = config->settings.add_special,
                                   .max_length = config->settings.max_length,
                                   .truncation = config->settings.truncation};

    for (size_t i = 0; i < OUTPUT_COUNT; i++)
        settings.columns |= state->wanted >> i & 1 ? output_columns[i] : 0;
    state->encoder = ft_text_encoder_create(self->shared, settings, config->settings.special_tokens,
                                            config->pair != NULL, self->account, err);
    return state->encoder != NULL;
}

static bool tokenize_open(ft_stage *self, ft_error *err)
{
    const tokenize_config *config = self->config;
    tokenize_state *state = self->state;

    if (config->words)
        return true;
    for (size_t i = 0; i < OUTPUT_COUNT; i++)
        if ((config->wanted >> i & 1) && self->live[config->places[i]])
            state->wanted |= 1u << i;
    if (state->wanted || config->pair)
        return open_encoder(self, err);
    state->coder = ft_token_coder_create(self->shared, config->settings, self->account, err);
    return state->coder != NULL;
}

static void tokenize_close(ft_stage *self)
{
    tokenize_state *state = self->state;

    ft_token_coder_destroy(state->coder);
    ft_text_encoder_destroy(state->encoder);
    ft_buffer_unref(state->unescaped[0]);
    ft_buffer_unref(state->unescaped[1]);
    ft_buffer_unref(state->prompted);
}

// ---- offsets ----

// A place in a text, and how many characters begin before it.
typedef struct cursor {
    ft_slice text;
    size_t at, characters;
} cursor;

static bool begins_character(char byte)
{
    return ((unsigned char)byte & 0xc0) != 0x80;
}

// The character at or around byte `at`. From where the cursor is: offsets hardly move.
static int32_t count_characters(cursor *c, size_t at)
{
    for (; c->at < at; c->at++)
        c->characters += begins_character(c->text.data[c->at]);
    for (; c->at > at; c->at--)
        c->characters -= begins_character(c->text.data[c->at - 1]);
    bool inside = at < c->text.size && !begins_character(c->text.data[at]);
    return (int32_t)(c->characters - inside);
}

// The offsets of one item, whose ids begin at `from`: without the prompt, in what was asked for.
static void settle_offsets(const tokenize_config *config, const ft_slice texts[2],
                           const ft_encodings *all, size_t from)
{
    size_t prompt = config->prompt ? strlen(config->prompt) : 0;
    cursor cursors[2] = {{.text = texts[0]}, {.text = texts[1]}};
    const int32_t *sequence = ft_ids_data(&all->sequence);
    int32_t *offsets = ft_ids_data(&all->offsets);

    if (prompt == 0 && config->offset_unit == 0)
        return;
    for (size_t i = 2 * from; i < all->offsets.count; i++) {
        int32_t which = sequence[i / 2];
        if (which == 0)
            offsets[i] = (size_t)offsets[i] > prompt ? offsets[i] - (int32_t)prompt : 0;
        if (which >= 0 && config->offset_unit != 0)
            offsets[i] = count_characters(&cursors[which], (size_t)offsets[i]);
    }
}

// ---- run ----

// The texts of an item; `texts[2]` is the first one with the prompt before it.
static bool find_texts(ft_stage *self, const ft_batch *in, size_t item, ft_slice texts[3],
                       ft_error *why)
{
    const tokenize_config *config = self->config;
    tokenize_state *state = self->state;
    size_t prompt = config->prompt ? strlen(config->prompt) : 0;

    if (!ft_stage_text(self, &state->unescaped[0], &in->columns[config->input], item, &texts[0],
                       why) ||
        (config->pair && !ft_stage_text(self, &state->unescaped[1],
                                        &in->columns[config->pair_input], item, &texts[1], why)))
        return false;
    texts[2] = texts[0];
    if (prompt == 0)
        return true;
    if (!ft_stage_room(self, &state->prompted, prompt + texts[0].size, why))
        return false;
    char *bytes = state->prompted->data;
    memcpy(bytes, config->prompt, prompt);
    if (texts[0].size > 0)
        memcpy(bytes + prompt, texts[0].data, texts[0].size);
    texts[2] = (ft_slice){bytes, prompt + texts[0].size};
    return true;
}

static bool add_item(ft_stage *self, const ft_batch *in, size_t item, ft_encodings *all,
                     ft_error *why)
{
    const tokenize_config *config = self->config;
    tokenize_state *state = self->state;
    size_t before = all->ids.count;
    ft_slice texts[3] = {0};
    bool was_cut;

    if (!find_texts(self, in, item, texts, why))
        return false;
    if (state->coder) {
        if (!ft_token_coder_add(state->coder, texts[2], &all->ids, &was_cut, why))
            return false;
    } else {
        if (!ft_text_encoder_add(state->encoder, texts[2], config->pair ? &texts[1] : NULL, all,
                                 &was_cut, why))
            return false;
        if (state->wanted >> OFFSETS & 1)
            settle_offsets(config, texts, all, before);
    }
    ft_count(self, COUNTER_TOKENS, all->ids.count - before);
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

// The bytes of the longest text, as far as they count.
static size_t longest_text(const int32_t *places, size_t count)
{
    size_t longest = 0;

    for (size_t i = 0; i < count; i++) {
        size_t size = (size_t)(places[i + 1] - places[i]);
        longest = size > longest ? size : longest;
    }
    return longest < PART_BYTES ? longest : PART_BYTES;
}

// How many ids to make room for at first: a little more than for as many bytes of the batch before,
// or a token for each four bytes, as English has. Before the last text is looked at there must be
// room for an id of each of its bytes.
static size_t expected_ids(const tokenize_config *config, const tokenize_state *state,
                           const ft_batch *in)
{
    const int32_t *places = ft_tensor_i32(in->columns[config->input].offsets);
    size_t bytes = (size_t)(places[in->count] - places[0]), limit = config->settings.max_length;
    size_t expected = bytes / 4 + 4 * in->count, most = bytes / 2 + 4 * in->count;

    if (most > EXPECTED_IDS_MAX)
        most = EXPECTED_IDS_MAX;
    if (state->ids_before > 0) {
        expected = bytes * state->ids_before / state->bytes_before;
        expected += expected / 16;
    }
    if (limit > 0 && config->settings.truncation != FT_TRUNCATE_NONE && in->count < most / limit)
        most = in->count * limit;
    return (expected < most ? expected : most) + longest_text(places, in->count);
}

// For the batch that comes next.
static void note_ids(const tokenize_config *config, tokenize_state *state, const ft_batch *in,
                     size_t count)
{
    const int32_t *places = ft_tensor_i32(in->columns[config->input].offsets);

    state->bytes_before = (size_t)(places[in->count] - places[0]);
    state->ids_before = state->bytes_before > 0 ? count : 0;
}

// What was reserved and not used goes back, where it is much.
static bool give_back(ft_buffer *buffer, size_t used_bytes, ft_error *err)
{
    size_t unused = buffer ? buffer->size_bytes - used_bytes : 0;

    return unused < GIVE_BACK_BYTES || unused < used_bytes / 8 ||
           ft_buffer_resize(buffer, used_bytes, err);
}

// A column of lists of what was made: as many in each item as there are ids.
static bool take_column(ft_ids *numbers, int64_t width, ft_tensor **out, ft_error *err)
{
    const int64_t shape[2] = {(int64_t)numbers->count / width, width};
    size_t rank = width > 1 ? 2 : 1;

    if (!give_back(numbers->buffer, numbers->count * sizeof(int32_t), err))
        return false;
    *out = numbers->buffer ? ft_tensor_view(numbers->buffer, 0, FT_DTYPE_I32, rank, shape, err)
                           : ft_tensor_create(NULL, FT_DTYPE_I32, rank, shape, err);
    return *out != NULL;
}

static bool take_columns(ft_stage *self, ft_encodings *all, made *out, ft_error *err)
{
    const tokenize_config *config = self->config;
    const tokenize_state *state = self->state;
    ft_ids *const sources[OUTPUT_COUNT] = {
        [OFFSETS] = &all->offsets,
        [WORD_IDS] = &all->word_ids,
        [TYPE_IDS] = &all->type_ids,
        [SPECIAL_MASK] = &all->special,
    };

    for (size_t i = 0; i < OUTPUT_COUNT; i++) {
        if (!(config->wanted >> i & 1))
            continue;
        out->further[i].type = self->output->fields[config->places[i]].type;
        if ((state->wanted >> i & 1) &&
            !take_column(sources[i], i == OFFSETS ? 2 : 1, &out->further[i].values, err))
            return false;
    }
    return take_column(&all->ids, 1, &out->column.values, err);
}

static bool make_ids(ft_stage *self, const ft_batch *in, made *out, ft_error *err)
{
    tokenize_state *state = self->state;
    ft_error why = FT_ERROR_INIT;  // Once for all items: clearing it takes some time.
    ft_encodings all;

    ft_encodings_init(&all, self->account);
    bool ok = !state->coder || ft_ids_reserve(&all.ids, expected_ids(self->config, state, in), err);
    for (size_t i = 0; ok && i < in->count; i++) {
        if (ft_is_cancelled(self)) {
            ok = ft_fail(err, FT_ERROR_CANCELLED, "cancelled");
        } else if (!add_item(self, in, i, &all, &why)) {
            ok = ft_stage_leave_out(self, in, i, &why, err);
            why = (ft_error)FT_ERROR_INIT;
        } else {
            out->kept[out->count++] = (uint32_t)i;
            out->offsets[out->count] = (int32_t)all.ids.count;
        }
    }
    note_ids(self->config, state, in, all.ids.count);
    ok = ok && take_columns(self, &all, out, err);
    ft_encodings_finish(&all);
    return ok;
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
    tokenize_state *state = self->state;
    const ft_column *column = &in->columns[config->input];
    ft_split_ascii *const split = ft_split_ascii_choose();

    for (size_t i = 0; i < in->count; i++) {
        ft_error why = FT_ERROR_INIT;
        ft_slice text;
        if (!ft_stage_text(self, &state->unescaped[0], column, i, &text, &why)) {
            if (!ft_stage_leave_out(self, in, i, &why, err))
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

    if (!ft_stage_keep(self, in, out->kept, out->count, &batch, err))
        return false;
    ft_batch_set(batch, config->output, &out->column);
    for (size_t i = 0; i < OUTPUT_COUNT; i++)
        if (config->wanted >> i & 1)
            ft_batch_set(batch, config->places[i], &out->further[i]);
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
    for (size_t i = 0; out->column.offsets && i < OUTPUT_COUNT; i++)
        if (out->further[i].values)
            out->further[i].offsets = ft_tensor_ref(out->column.offsets);
    return ok && out->column.offsets;
}

static bool tokenize_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    made out = {0};

    bool ok = make(self, *in, &out, err) && (out.count == 0 || send(self, in, &out, err));
    ft_column_finish(&out.column);
    for (size_t i = 0; i < OUTPUT_COUNT; i++)
        ft_column_finish(&out.further[i]);
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
