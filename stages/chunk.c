// chunk: cuts each item's text into chunks of at most N tokens; each becomes an item.
//
// Tokens are those of the whole text. A chunk is the bytes of the text from its first token to its
// last, never in the midst of a character; white space that is in no token falls between chunks.
// Cuts are at ends of sentences, else of words, else of tokens: the last such place that fits. A
// chunk begins with at most `overlap` tokens of the one before, from a place of the same kind, and
// with fewer where it would become too long. Where characters share a token, as those of byte-level
// BPE may, a cut between them counts it on both sides; only one character that alone has more than
// N tokens is more. A text without tokens is one chunk. With `split: false` items stay whole and
// get the places of their chunks.
#include <string.h>

#include "runtime/memory/alloc.h"
#include "stages/text/stage_text.h"
#include "stages/text/text_border.h"

enum { COUNTER_TOKENS, COUNTER_CHUNKS };
enum { TOKENS_MAX = 1 << 30, SEND_ITEMS = 1024, SEND_BYTES = 1 << 20, LIST_BYTES = 1024 };

// In the order of ft_border, from FT_BORDER_TOKEN on, and of ft_special_tokens.
static const char *const border_choices[] = {"token", "word", "sentence", NULL};
static const char *const special_choices[] = {"parse", "text", "error", NULL};
static const char *const chunk_counters[] = {"tokens", "chunks", NULL};
// What `outputs` may name.
enum { START, END, OUTPUT_COUNT };
static const char *const list_names[] = {"starts", "ends"};
static const char *const output_names[] = {"start", "end", NULL};

typedef struct chunk_config {
    int64_t tokens, overlap;
    const char *tokenizer;
    int on, special_tokens;
    bool add_special, split;
    ft_strings outputs;
    // Found by `plan`:
    size_t room, common;   // Most tokens of a chunk, without special ones, and in common.
    size_t input, output;  // Columns.
    unsigned wanted;       // Bit i: outputs[i] is a column.
    size_t places[OUTPUT_COUNT];
} chunk_config;

// A place between two tokens.
typedef struct cut {
    uint32_t end, start;  // Where the token before ends and the one behind begins.
    ft_border border;
} cut;

typedef struct chunk_state {
    ft_token_coder *coder;
    ft_tokens tokens;      // Of the text at work.
    ft_buffer *cuts;       // [tokens + 1]
    ft_buffer *unescaped;  // A text that came as JSON.
    // Without `split`: where the chunks of one item are, and a column of each.
    ft_buffer *lists[OUTPUT_COUNT];
    size_t chunks;
    // What is made and not sent: for each chunk the item it is of, and its columns.
    uint32_t items[SEND_ITEMS];
    size_t bytes;
    ft_builder texts, numbers[OUTPUT_COUNT];
} chunk_state;

static const ft_option chunk_options[] = {
    FT_OPT_COUNT(chunk_config, tokens, .is_main = true, .required = true, .min = 1,
                 .max = TOKENS_MAX, .doc = "Most tokens of a chunk, special ones included."),
    FT_OPT_MODEL(chunk_config, tokenizer, .required = true,
                 .doc = "The model whose tokens are counted: a tokenizer's file, a folder that "
                        "holds one, or a name in the model store."),
    FT_OPT_COUNT(chunk_config, overlap, .max = TOKENS_MAX,
                 .doc = "How many of its last tokens a chunk may have in common with the next."),
    FT_OPT_CHOICE(chunk_config, on, border_choices, .fallback = "word",
                  .doc = "Where to cut: at ends of sentences (. ! ? and those of other scripts "
                         "before white space, and empty lines), else of words, else of tokens; "
                         "what is too long for one is cut at the next."),
    FT_OPT_STRINGS(chunk_config, outputs,
                   .doc = "Fields that are made beside the text: `start` and `end`, its bytes in "
                          "the whole text."),
    FT_OPT_BOOL(chunk_config, split, .fallback = "true",
                .doc = "false: an item stays one, with the bytes of its chunks in the text as "
                       "`starts` and `ends`. `embed` with `long: late` takes them."),
    FT_OPT_CHOICE(chunk_config, special_tokens, special_choices, .fallback = "parse",
                  .doc = "What special tokens that are written in a text are: the tokens, text "
                         "like any other, or a failure of the item."),
    FT_OPT_BOOL(chunk_config, add_special, .fallback = "true",
                .doc = "Whether the model's special tokens around each chunk count, as "
                       "`tokenize` adds them."),
    FT_OPT_END,
};

// ---- plan, load, open ----

static bool plan_lengths(ft_stage_plan *plan, chunk_config *c, ft_error *err)
{
    ft_tokenizer_info info;

    if (!ft_tokenizer_describe(c->tokenizer, plan->arena, &info, err))
        return ft_error_at(err, "tokenizer", 0, 0);
    size_t special = c->add_special ? info.special_count : 0;
    if ((size_t)c->tokens <= special) {
        ft_fail(err, FT_ERROR_USAGE,
                "%lld tokens a chunk leave no room beside the %zu special ones",
                (long long)c->tokens, special);
        ft_hint(err, "Raise it, or set `add_special: false`.");
        return ft_error_at(err, "tokens", 0, 0);
    }
    c->room = (size_t)c->tokens - special;
    c->common = (size_t)c->overlap;
    if (c->common < c->room)
        return true;
    ft_fail(err, FT_ERROR_USAGE, "chunks of %zu tokens%s cannot have %zu in common", c->room,
            special ? " beside the special ones" : "", c->common);
    ft_hint(err, "Choose a smaller `overlap`; an eighth of the chunk is usual.");
    return ft_error_at(err, "overlap", 0, 0);
}

static bool plan_outputs(ft_stage_plan *plan, chunk_config *c, const char *to, ft_error *err)
{
    if (!ft_stage_read_names(&c->outputs, "outputs", output_names, &c->wanted, err) ||
        !ft_plan_add(plan, to, FT_TYPE(STRING), &c->output, err))
        return false;
    for (size_t i = 0; i < OUTPUT_COUNT; i++) {
        if (!(c->wanted >> i & 1))
            continue;
        if (strcmp(to, output_names[i]) == 0) {
            ft_fail(err, FT_ERROR_USAGE, "`%s` is one of `outputs`, and the text goes there too",
                    to);
            return ft_error_at(err, "to", 0, 0);
        }
        if (!ft_plan_add(plan, output_names[i], FT_TYPE(INT), &c->places[i], err))
            return false;
    }
    return true;
}

// The item stays as it is, with two lists more.
static bool plan_lists(ft_stage_plan *plan, chunk_config *c, ft_error *err)
{
    const char *option = plan->to ? "to" : c->outputs.count ? "outputs" : NULL;

    if (option) {
        ft_fail(err, FT_ERROR_USAGE, "`%s` says nothing where `split` is false", option);
        ft_hint(err, "Leave it out: `starts` and `ends` are made.");
        return ft_error_at(err, option, 0, 0);
    }
    for (size_t i = 0; i < OUTPUT_COUNT; i++)
        if (!ft_plan_add(plan, list_names[i], FT_TYPE_IDS, &c->places[i], err))
            return false;
    return true;
}

static bool chunk_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    chunk_config *c = config;
    const char *from = plan->from ? plan->from : "text";

    return plan_lengths(plan, c, err) &&
           ft_plan_read(plan, plan->from ? "from" : NULL, from, FT_TYPE(STRING), &c->input, err) &&
           (c->split ? plan_outputs(plan, c, plan->to ? plan->to : "chunk", err)
                     : plan_lists(plan, c, err));
}

static bool chunk_load(ft_stage_load *load, const void *config, void **out_shared, ft_error *err)
{
    return ft_stage_load_tokenizer(load, ((const chunk_config *)config)->tokenizer, out_shared,
                                   err);
}

static bool chunk_open(ft_stage *self, ft_error *err)
{
    const chunk_config *config = self->config;
    chunk_state *state = self->state;

    const ft_token_settings settings = {.truncation = FT_TRUNCATE_NONE,
                                        .special_tokens =
                                            (ft_special_tokens)config->special_tokens};

    ft_tokens_init(&state->tokens, self->account);
    state->tokens.has_places = true;
    state->coder = ft_token_coder_create(self->shared, settings, self->account, err);
    bool ok = state->coder != NULL;
    ok = ok && ft_builder_init(&state->texts, FT_TYPE(STRING), self->account, 0, 0, err);
    for (size_t i = 0; ok && i < OUTPUT_COUNT; i++)
        ok = ft_builder_init(&state->numbers[i], config->split ? FT_TYPE(INT) : FT_TYPE_IDS,
                             self->account, 0, 0, err);
    return ok;
}

static void chunk_close(ft_stage *self)
{
    chunk_state *state = self->state;

    ft_token_coder_destroy(state->coder);
    ft_tokens_finish(&state->tokens);
    ft_buffer_unref(state->cuts);
    ft_buffer_unref(state->unescaped);
    ft_builder_finish(&state->texts);
    for (size_t i = 0; i < OUTPUT_COUNT; i++) {
        ft_buffer_unref(state->lists[i]);
        ft_builder_finish(&state->numbers[i]);
    }
}

// ---- sending ----

static bool set_column(ft_batch *batch, size_t index, ft_builder *builder, ft_error *err)
{
    ft_column column = {0};

    if (!ft_builder_take(builder, &column, err))
        return false;
    ft_batch_set(batch, index, &column);
    return true;
}

static bool send(ft_stage *self, const ft_batch *in, ft_error *err)
{
    const chunk_config *config = self->config;
    chunk_state *state = self->state;
    size_t count = state->texts.count;

    if (count == 0)
        return true;
    ft_batch *out = ft_stage_repeat(self, in, state->items, count, err);
    bool ok = out && set_column(out, config->output, &state->texts, err);
    for (size_t i = 0; ok && i < OUTPUT_COUNT; i++)
        if (config->wanted >> i & 1)
            ok = set_column(out, config->places[i], &state->numbers[i], err);
    state->bytes = 0;
    if (ok)
        return ft_emit(self, out, err);
    ft_batch_unref(out);
    return false;
}

static bool add_places(chunk_state *state, const int64_t numbers[OUTPUT_COUNT], ft_error *err)
{
    for (size_t i = 0; i < OUTPUT_COUNT; i++) {
        ft_buffer *list = state->lists[i];
        if ((state->chunks + 1) * sizeof(int32_t) > list->size_bytes &&
            !ft_buffer_resize(list, 2 * list->size_bytes, err))
            return false;
        ((int32_t *)list->data)[state->chunks] = (int32_t)numbers[i];
    }
    state->chunks++;
    return true;
}

static bool add_chunk(ft_stage *self, const ft_batch *in, size_t item, ft_slice text, size_t start,
                      size_t end, ft_error *err)
{
    const chunk_config *config = self->config;
    chunk_state *state = self->state;
    const int64_t numbers[OUTPUT_COUNT] = {[START] = (int64_t)start, [END] = (int64_t)end};

    if (!config->split)
        return add_places(state, numbers, err);
    state->items[state->texts.count] = (uint32_t)item;
    for (size_t i = 0; i < OUTPUT_COUNT; i++)
        if ((config->wanted >> i & 1) && !ft_builder_add_int(&state->numbers[i], numbers[i], err))
            return false;
    ft_slice chunk = {text.data + start, end - start};
    if (!ft_builder_add_text(&state->texts, chunk, err))
        return false;
    state->bytes += chunk.size;
    ft_count(self, COUNTER_CHUNKS, 1);
    return (state->texts.count < SEND_ITEMS && state->bytes < SEND_BYTES) || send(self, in, err);
}

// ---- cutting ----

// What each place between tokens is: cuts[i] is before token i. Tokens may have a character in
// common, and then there is none between them.
static bool find_cuts(ft_stage *self, ft_slice text, ft_error *why)
{
    chunk_state *state = self->state;
    size_t count = state->tokens.ids.count, bytes;
    ft_border_walk walk = {.text = text};
    uint32_t reach = 0;

    if (FT_MUL_OVERFLOWS(count + 1, sizeof(cut), &bytes))
        return ft_fail_nomem(why, count);
    if (!ft_stage_room(self, &state->cuts, bytes, why))
        return false;
    cut *cuts = state->cuts->data;
    for (size_t i = 0; i <= count; i++) {
        ft_span span = {(uint32_t)text.size, 0};
        if (i < count)
            span = ft_tokens_span(&state->tokens, i);
        uint32_t start = span.start;
        cuts[i] = (cut){.end = reach, .start = start};
        if (i == 0 || i == count)
            cuts[i].border = FT_BORDER_SENTENCE;
        else if (start >= reach)
            cuts[i].border = ft_border_find(&walk, start);
        if (span.end > reach)
            reach = span.end;
    }
    return true;
}

// The last place of kind `border` in (from, to]; `from` when there is none.
static size_t find_last(const cut *cuts, size_t from, size_t to, ft_border border)
{
    while (to > from && cuts[to].border < border)
        to--;
    return to;
}

// Where the chunk that begins at token `from` and byte `start` ends, behind `before`. `*border`
// becomes what is there: NONE where characters share tokens, and the chunk ends at the beginning of
// the token.
static size_t find_end(const chunk_config *config, const cut *cuts, size_t count, size_t from,
                       size_t before, uint32_t start, ft_border *border)
{
    size_t most = count - from < config->room ? count : from + config->room;

    for (; *border > FT_BORDER_NONE; (*border)--) {
        size_t end = find_last(cuts, before, most, *border);
        if (end > before)
            return end;
    }
    while (most < count && cuts[most].border == FT_BORDER_NONE)
        most++;
    size_t end = most;
    if (most - before > config->room) {
        end = before + config->room;
        while (end > before && cuts[end].start <= start)
            end--;
        if (end == before)  // One character alone has more tokens than fit.
            while (end < most && cuts[end].start <= start)
                end++;
    }
    *border = end == most ? FT_BORDER_TOKEN : FT_BORDER_NONE;
    return end;
}

// Where the chunk behind one that ends at `end` begins: the first place of that kind in what both
// may have.
static size_t find_next(const chunk_config *config, const cut *cuts, size_t from, size_t end,
                        ft_border border)
{
    size_t next = end - from > config->common ? end - config->common : from + 1;

    while (next < end && cuts[next].border < border)
        next++;
    return next;
}

// The first token from `from` on that has something of the text from `start` on.
static size_t find_token(const ft_tokens *tokens, size_t from, uint32_t start)
{
    while (from < tokens->ids.count && ft_tokens_span(tokens, from).end <= start)
        from++;
    return from;
}

static bool cut_text(ft_stage *self, const ft_batch *in, size_t item, ft_slice text, ft_error *err)
{
    const chunk_config *config = self->config;
    const chunk_state *state = self->state;
    const cut *cuts = state->cuts->data;
    size_t count = state->tokens.ids.count, from = 0, end = 0;
    uint32_t least = 0;  // Where the last cut through a token was: nothing before it again.

    if (count == 0)
        return add_chunk(self, in, item, text, 0, text.size, err);
    while (end < count) {
        ft_border border = (ft_border)(config->on + FT_BORDER_TOKEN);
        size_t before = end;
        uint32_t start = cuts[before].start > least ? cuts[before].start : least;
        end = find_end(config, cuts, count, from, before, start, &border);
        // The next character alone needs room that was to be shared.
        while (from < before && (end - from > config->room || cuts[from].border == FT_BORDER_NONE))
            from++;
        start = cuts[from].start > least ? cuts[from].start : least;
        uint32_t stop = border == FT_BORDER_NONE ? cuts[end].start : cuts[end].end;
        if (!add_chunk(self, in, item, text, start, stop, err))
            return false;
        if (border == FT_BORDER_NONE) {
            least = stop;
            from = end = find_token(&state->tokens, before, stop);
        } else {
            from = find_next(config, cuts, from, end, border);
        }
    }
    return true;
}

static bool read_item(ft_stage *self, const ft_batch *in, size_t item, ft_slice *text,
                      ft_error *why)
{
    const chunk_config *config = self->config;
    chunk_state *state = self->state;

    if (!ft_stage_text(self, &state->unescaped, &in->columns[config->input], item, text, why) ||
        !ft_token_coder_add_tokens(state->coder, *text, SIZE_MAX, &state->tokens, why) ||
        !find_cuts(self, *text, why))
        return false;
    ft_count(self, COUNTER_TOKENS, state->tokens.ids.count);
    return true;
}

// Of one item the lists of its chunks.
static bool add_lists(ft_stage *self, const ft_batch *in, size_t item, ft_slice text, ft_error *err)
{
    chunk_state *state = self->state;
    for (size_t i = 0; i < OUTPUT_COUNT; i++)
        if (!ft_stage_room(self, &state->lists[i], LIST_BYTES, err))
            return false;
    state->chunks = 0;
    if (!cut_text(self, in, item, text, err))
        return false;
    ft_count(self, COUNTER_CHUNKS, state->chunks);
    for (size_t i = 0; i < OUTPUT_COUNT; i++)
        if (!ft_builder_add_numbers(&state->numbers[i], state->lists[i]->data, state->chunks, err))
            return false;
    return true;
}

// Without `split`: the items that could be read, with their lists.
static bool process_whole(ft_stage *self, ft_batch **in, uint32_t *kept, ft_error *err)
{
    const chunk_config *config = self->config;
    chunk_state *state = self->state;
    ft_batch *out = NULL;
    size_t count = 0;

    for (size_t i = 0; i < (*in)->count; i++) {
        ft_error why = FT_ERROR_INIT;
        ft_slice text;
        if (ft_is_cancelled(self))
            return ft_fail(err, FT_ERROR_CANCELLED, "cancelled");
        if (!read_item(self, *in, i, &text, &why)) {
            if (!ft_stage_leave_out(self, *in, i, &why, err))
                return false;
            continue;
        }
        if (!add_lists(self, *in, i, text, err))
            return false;
        kept[count++] = (uint32_t)i;
    }
    if (count == 0)
        return true;
    bool ok = ft_stage_keep(self, in, kept, count, &out, err);
    for (size_t i = 0; ok && i < OUTPUT_COUNT; i++)
        ok = set_column(out, config->places[i], &state->numbers[i], err);
    if (ok)
        return ft_emit(self, out, err);
    ft_batch_unref(out);
    return false;
}

static bool chunk_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    if (!((const chunk_config *)self->config)->split) {
        uint32_t *kept = ft_alloc_array((*in)->count, sizeof(*kept));
        const bool ok = kept ? process_whole(self, in, kept, err)
                             : ft_fail_nomem(err, (*in)->count * sizeof(*kept));
        ft_free(kept);
        return ok;
    }
    for (size_t i = 0; i < (*in)->count; i++) {
        ft_error why = FT_ERROR_INIT;
        ft_slice text;
        if (ft_is_cancelled(self))
            return ft_fail(err, FT_ERROR_CANCELLED, "cancelled");
        if (read_item(self, *in, i, &text, &why)) {
            if (!cut_text(self, *in, i, text, err))
                return false;
        } else if (!ft_stage_leave_out(self, *in, i, &why, err)) {
            return false;
        }
    }
    return send(self, *in, err);
}

const ft_stage_def ft_stage_chunk = {
    .abi = FT_STAGE_ABI,
    .name = "chunk",
    .summary = "cut each item's text into chunks of so many tokens, an item each",
    .example = "- chunk: 256\n"
               "  tokenizer: all-MiniLM-L6-v2\n"
               "  overlap: 32\n"
               "  on: sentence\n",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = FT_CONCURRENCY_ANY,
    .pace = FT_PACE_COMPUTE,
    .options = chunk_options,
    .counters = chunk_counters,
    .config_size = sizeof(chunk_config),
    .state_size = sizeof(chunk_state),
    .plan = chunk_plan,
    .load = chunk_load,
    .open = chunk_open,
    .process = chunk_process,
    .close = chunk_close,
};
