// Finds the chunks of items, gives each a vector and sends an item for each: see embed_late.h.
#include "stages/embed_late.h"

#include <string.h>

#include "stages/text/stage_text.h"

enum { SEND_ITEMS = 1024 };

// ---- plan ----

static ft_type pairs_type(void)
{
    ft_type type = FT_TYPE_IDS;

    type.rank = 1;
    type.shape[0] = 2;
    return type;
}

static bool plan_input(ft_stage_plan *plan, const char *name, ft_type type, size_t *out,
                       ft_error *err)
{
    if (!ft_plan_read(plan, NULL, name, type, out, err))
        return false;
    if (plan->input->fields[*out].type.kind != FT_KIND_ANY)
        return true;
    ft_fail(err, FT_ERROR_USAGE, "`long: late` needs `%s`, and its type is not known", name);
    ft_hint(err, "Say it where the field is read: `fields: {%s: \"i32[*]\"}`.", name);
    err->number = 312;
    return false;
}

static bool plan_inputs(ft_stage_plan *plan, embed_late *out, ft_error *err)
{
    if (out->tokens > 0)
        return true;
    if (plan_input(plan, "starts", FT_TYPE_IDS, &out->starts, err) &&
        plan_input(plan, "ends", FT_TYPE_IDS, &out->ends, err) &&
        plan_input(plan, "offsets", pairs_type(), &out->offsets, err))
        return true;
    ft_hint(err, "`chunk` with `split: false` makes `starts` and `ends`, `tokenize` with `outputs: "
                 "[offsets]` the tokens' places; or set `chunk_tokens`.");
    return false;
}

// A chunk has no first token that stands for all of it.
static bool check_pooling(const ft_chain *chain, ft_error *err)
{
    for (size_t i = 0; i < chain->pooling_count; i++) {
        if (chain->poolings[i] != FT_POOLING_CLS)
            continue;
        ft_fail(err, FT_ERROR_USAGE,
                "`long: late` pools the tokens of each chunk, and the model takes the vector of "
                "the text's first token alone (cls)");
        ft_hint(err,
                "Late chunking is for models that pool by `mean`; `long: window` runs others.");
        return ft_error_at(err, "long", 0, 0);
    }
    return true;
}

bool embed_late_plan(ft_stage_plan *plan, const ft_chain *chain, int64_t tokens, int64_t overlap,
                     size_t window, embed_late *out, ft_error *err)
{
    *out =
        (embed_late){.tokens = (size_t)tokens, .overlap = overlap ? (size_t)overlap : window / 8};
    if (out->overlap > window / 2) {
        ft_fail(err, FT_ERROR_USAGE, "windows of %zu tokens with %zu in common are too many",
                window, out->overlap);
        ft_hint(err, "Choose an `overlap` of at most half of what the model takes.");
        return ft_error_at(err, "overlap", 0, 0);
    }
    return check_pooling(chain, err) && plan_inputs(plan, out, err) &&
           ft_plan_add(plan, "start", FT_TYPE(INT), &out->start, err) &&
           ft_plan_add(plan, "end", FT_TYPE(INT), &out->end, err);
}

// ---- finding ----

// The chunks of some items of a batch, end to end.
typedef struct embed_chunks {
    ft_late_text *texts;  // [text_count]: of the items whose chunks were found.
    size_t text_count;
    ft_late_chunk *chunks;           // [count], in tokens of the text.
    uint32_t *items;                 // [count]: of the batch.
    const int32_t **starts, **ends;  // [text_count]: in bytes, where chunks are not by size.
    size_t count;
    ft_buffer *memory;  // All of it, charged to the stage.
} embed_chunks;

static size_t list_length(const ft_column *column, size_t item)
{
    const int32_t *offsets = ft_tensor_i32(column->offsets);

    return ft_column_is_null(column, item) ? 0 : (size_t)(offsets[item + 1] - offsets[item]);
}

static const int32_t *list_at(const ft_column *column, size_t item, size_t width)
{
    return ft_tensor_i32(column->values) + (size_t)ft_tensor_i32(column->offsets)[item] * width;
}

// Most chunks of an item.
static size_t most_chunks(const embed_late *late, const ft_batch *in, size_t item,
                          const ft_token_span *span)
{
    return late->tokens > 0 ? ft_late_cut(span->count, 0, 0, 0, late->tokens, NULL)
                            : list_length(&in->columns[late->starts], item);
}

static bool reserve(ft_stage *self, const embed_late *late, const ft_batch *in,
                    const ft_token_span *spans, const uint32_t *kept, size_t count,
                    embed_chunks *out, ft_error *err)
{
    size_t most = 0;

    for (size_t i = 0; i < count; i++)
        most += most_chunks(late, in, kept[i], &spans[i]);
    out->memory = ft_buffer_create(self->account,
                                   count * (sizeof(*out->texts) + 2 * sizeof(*out->starts)) +
                                       most * (sizeof(*out->chunks) + sizeof(*out->items)),
                                   err);
    if (!out->memory)
        return false;
    out->texts = out->memory->data;
    out->starts = (const int32_t **)(void *)(out->texts + count);
    out->ends = out->starts + count;
    out->chunks = (ft_late_chunk *)(void *)(out->ends + count);
    out->items = (uint32_t *)(void *)(out->chunks + most);
    return true;
}

static bool is_same(const int32_t *ids, const int32_t *want, size_t count)
{
    return count == 0 || memcmp(ids, want, count * sizeof(*ids)) == 0;
}

// By size: the special tokens around a text are not counted.
static size_t cut(const embed_late *late, const ft_window_frame *frame, const ft_token_span *span,
                  ft_late_chunk *out)
{
    size_t head = frame->prompt, tail = 0;

    if (frame->head_count + frame->tail_count <= span->count) {
        if (head == 0 && is_same(span->ids, frame->head, frame->head_count))
            head = frame->head_count;
        if (is_same(span->ids + span->count - frame->tail_count, frame->tail, frame->tail_count))
            tail = frame->tail_count;
    }
    return ft_late_cut(span->count, frame->prompt, head, tail, late->tokens, out);
}

static bool find(const embed_late *late, const ft_window_frame *frame, const ft_batch *in,
                 size_t item, const ft_token_span *span, embed_chunks *out, size_t *out_count,
                 ft_error *why)
{
    const ft_column *columns = in->columns;
    ft_late_chunk *chunks = out->chunks + out->count;

    if (late->tokens > 0) {
        *out_count = cut(late, frame, span, chunks);
        return true;
    }
    const ft_column *starts = &columns[late->starts], *ends = &columns[late->ends],
                    *offsets = &columns[late->offsets];
    *out_count = list_length(starts, item);
    if (list_length(ends, item) != *out_count)
        return ft_fail(why, FT_ERROR_DATA, "the item has %zu `starts` and %zu `ends`", *out_count,
                       list_length(ends, item));
    if (list_length(offsets, item) != span->count)
        return ft_fail(why, FT_ERROR_DATA, "the item has %zu tokens and `offsets` of %zu",
                       span->count, list_length(offsets, item));
    const ft_late_cuts cuts = {
        .offsets = list_at(offsets, item, 2),
        .tokens = span->count,
        .prompt = frame->prompt,
        .starts = list_at(starts, item, 1),
        .ends = list_at(ends, item, 1),
        .count = *out_count,
    };
    out->starts[out->text_count] = cuts.starts;
    out->ends[out->text_count] = cuts.ends;
    return ft_late_find(&cuts, chunks, why);
}

static bool find_all(ft_stage *self, const embed_late *late, const ft_window_frame *frame,
                     const ft_batch *in, const ft_token_span *spans, const uint32_t *kept,
                     size_t count, embed_chunks *out, ft_error *err)
{
    if (!reserve(self, late, in, spans, kept, count, out, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        ft_error why = FT_ERROR_INIT;
        size_t chunks;
        if (!find(late, frame, in, kept[i], &spans[i], out, &chunks, &why)) {
            if (!ft_item_fail(self, in, kept[i], &why, err))
                return false;
            continue;
        }
        out->texts[out->text_count++] = (ft_late_text){
            .span = spans[i], .chunks = out->chunks + out->count, .chunk_count = chunks};
        for (size_t k = 0; k < chunks; k++)
            out->items[out->count++] = kept[i];
    }
    return true;
}

// ---- sending ----

// Where each of the next `count` chunks is, from chunk `*chunk` of text `*text` on.
static bool put_places(const embed_late *late, const embed_chunks *chunks, size_t count,
                       size_t *text, size_t *chunk, ft_builder places[2], ft_error *err)
{
    for (size_t i = 0; i < count; i++, ++*chunk) {
        if (*chunk == chunks->texts[*text].chunk_count) {
            ++*text;
            *chunk = 0;
        }
        const ft_late_chunk *in_tokens = &chunks->texts[*text].chunks[*chunk];
        int64_t start = (int64_t)in_tokens->begin, end = (int64_t)in_tokens->end;
        if (late->tokens == 0) {
            start = chunks->starts[*text][*chunk];
            end = chunks->ends[*text][*chunk];
        }
        if (!ft_builder_add_int(&places[0], start, err) ||
            !ft_builder_add_int(&places[1], end, err))
            return false;
    }
    return true;
}

static bool set_columns(ft_batch *batch, const embed_late *late, ft_builder places[2],
                        const ft_column *vectors, size_t from, size_t output, ft_error *err)
{
    ft_column starts = {0}, ends = {0}, some = {0};
    const bool ok = ft_builder_take(&places[0], &starts, err) &&
                    ft_builder_take(&places[1], &ends, err) &&
                    ft_column_slice(vectors, from, batch->count, &some, err);

    if (ok) {
        ft_batch_set(batch, late->start, &starts);
        ft_batch_set(batch, late->end, &ends);
        ft_batch_set(batch, output, &some);
    }
    ft_column_finish(&starts);
    ft_column_finish(&ends);
    ft_column_finish(&some);
    return ok;
}

static bool send_all(ft_stage *self, const embed_late *late, const ft_batch *in,
                     const embed_chunks *chunks, const ft_column *vectors, size_t output,
                     ft_error *err)
{
    ft_builder places[2] = {0};
    size_t text = 0, chunk = 0;
    bool ok = ft_builder_init(&places[0], FT_TYPE(INT), self->account, 0, 0, err) &&
              ft_builder_init(&places[1], FT_TYPE(INT), self->account, 0, 0, err);

    for (size_t from = 0; ok && from < chunks->count; from += SEND_ITEMS) {
        const size_t left = chunks->count - from, some = left < SEND_ITEMS ? left : SEND_ITEMS;
        ft_batch *batch = ft_stage_repeat(self, in, chunks->items + from, some, err);
        ok = batch && put_places(late, chunks, some, &text, &chunk, places, err) &&
             set_columns(batch, late, places, vectors, from, output, err);
        if (ok)
            ok = ft_emit(self, batch, err);
        else
            ft_batch_unref(batch);
    }
    ft_builder_finish(&places[0]);
    ft_builder_finish(&places[1]);
    return ok;
}

// ---- running ----

typedef struct running {
    ft_stage *self;
    const embed_late_use *use;
    char *out;
} running;

static void put(void *host, float *vector)
{
    running *r = host;

    r->use->put(r->self, vector, &r->out);
}

static bool is_cancelled(void *host)
{
    return ft_is_cancelled(((const running *)host)->self);
}

static bool run_all(ft_stage *self, const embed_late_use *use, const embed_chunks *chunks,
                    ft_column *vectors, ft_error *err)
{
    const int64_t shape[2] = {(int64_t)chunks->count, use->type.shape[0]};

    vectors->values = ft_tensor_create(self->account, use->type.dtype, 2, shape, err);
    if (!vectors->values)
        return false;
    running host = {self, use, vectors->values->data};
    const ft_late_run run = {.run = use->run,
                             .chain = use->chain,
                             .account = self->account,
                             .overlap = use->late->overlap,
                             .scratch = use->scratch,
                             .vector = use->scratch + ft_chain_scratch(use->chain),
                             .put = put,
                             .is_cancelled = is_cancelled,
                             .host = &host};
    return ft_late_run_texts(&run, chunks->texts, chunks->text_count, err);
}

bool embed_late_process(ft_stage *self, const embed_late_use *use, const ft_batch *in,
                        const ft_token_span *spans, const uint32_t *kept, size_t count,
                        ft_error *err)
{
    ft_column vectors = {.type = use->type};
    embed_chunks chunks = {0};

    bool ok = find_all(self, use->late, use->frame, in, spans, kept, count, &chunks, err);
    if (ok && chunks.count > 0)
        ok = run_all(self, use, &chunks, &vectors, err) &&
             send_all(self, use->late, in, &chunks, &vectors, use->output, err);
    ft_column_finish(&vectors);
    ft_buffer_unref(chunks.memory);
    return ok;
}
