// infer, task `token_classify`: a label for each token, and what stands together as entities.
//
// How tokens become entities is transformers' TokenClassificationPipeline: labels B-X and I-X are
// of one X; a word's tokens share a label by `first`, `average` or `max`, where words are those of
// `tokenize` (`word_ids`). Special tokens are left out. Entities of an item come as lists:
// `entities`, `scores`, and `starts` and `ends` in the units of the offsets that came in.
#include <string.h>

#include "runtime/memory/alloc.h"
#include "stages/infer_encoder.h"
#include "stages/infer_labels.h"
#include "stages/text/stage_text.h"

enum { ENTITIES, SCORES, STARTS, ENDS, LIST_COUNT };
static const char *const list_names[LIST_COUNT] = {"entities", "scores", "starts", "ends"};

typedef struct tokens_plan {
    infer_encoder_plan model;
    int aggregation;
    ft_strings labels, ignored;
    size_t offsets, special, words;  // Columns; `words` where tokens are put together by words.
    size_t lists[LIST_COUNT];        // Columns.
    ft_type types[LIST_COUNT];
} tokens_plan;

typedef struct entity {
    ft_slice name;
    double score;
    int32_t start, end;
} entity;

typedef struct tokens_state {
    ft_encoder_run *run;
    ft_buffer *buffer;
    float *scratch, *tile, *scores;  // Rows; `scores` are [FT_HEAD_ROWS][labels].
    // Of the word that is being read: the scores of its best token, of its first, or their sums.
    float *word;  // [labels]
    int32_t word_id, word_start, word_end;
    float word_best;
    size_t word_tokens;  // 0: none is being read.
    // The labels that are being put together.
    entity group;
    ft_slice group_tag;
    size_t group_size;  // 0: none.
    entity *found;      // Of the item: [max_tokens].
    size_t count;
    ft_builder lists[LIST_COUNT];
} tokens_state;

// ---- plan ----

static bool by_words(const tokens_plan *p)
{
    return p->aggregation > INFER_AGGREGATE_SIMPLE;
}

static bool plan_inputs(ft_stage_plan *plan, tokens_plan *p, ft_error *err)
{
    ft_type pairs = FT_TYPE_IDS;

    pairs.rank = 1;
    pairs.shape[0] = 2;
    return infer_plan_output(plan, "offsets", pairs, &p->offsets, err) &&
           infer_plan_output(plan, "special_mask", FT_TYPE_IDS, &p->special, err) &&
           (!by_words(p) || infer_plan_output(plan, "word_ids", FT_TYPE_IDS, &p->words, err));
}

static bool tokens_plan_of(ft_stage_plan *plan, infer_config *config, ft_error *err)
{
    static const char *const allowed[] = {"dtype", "labels", "aggregation", "ignore_labels", NULL};
    tokens_plan *p = ft_arena_zero(plan->arena, 1, sizeof(*p));

    if (!p)
        return ft_fail_nomem(err, sizeof(*p));
    config->plan = p;
    p->aggregation = config->aggregation;
    p->ignored = config->ignore_labels;
    if (!infer_refuse_options(config, allowed, err) ||
        !infer_encoder_plan_init(plan, config, FT_HEAD_TOKENS, false, &p->model, err) ||
        !plan_inputs(plan, p, err))
        return false;
    p->labels = config->labels.count ? config->labels : p->model.head.labels;
    if (p->labels.count != p->model.head.outputs) {
        ft_fail(err, FT_ERROR_USAGE, "`labels` has %zu names, and the model %zu outputs",
                p->labels.count, p->model.head.outputs);
        return ft_error_at(err, "labels", 0, 0);
    }
    p->types[ENTITIES] = FT_TYPE_LIST(STRING);
    p->types[SCORES] = FT_TYPE_LIST(FLOAT);
    p->types[STARTS] = p->types[ENDS] = FT_TYPE_IDS;
    for (size_t i = 0; i < LIST_COUNT; i++)
        if (!ft_plan_add(plan, i == ENTITIES && plan->to ? plan->to : list_names[i], p->types[i],
                         &p->lists[i], err))
            return false;
    return true;
}

static bool tokens_open(ft_stage *self, ft_error *err)
{
    tokens_state *state = infer_state_of(self);
    const infer_model *model = self->shared;
    const size_t labels = model->head->config.outputs;
    const size_t scratch = ft_head_scratch(model->head, FT_HEAD_ROWS);
    const size_t tile = (FT_HEAD_ROWS + FT_LINEAR_ROWS_BEHIND) * FT_HEAD_TILE;
    const size_t entities = model->encoder->config.max_tokens * sizeof(entity);

    state->run = infer_encoder_run_create(self, err);
    if (!state->run)
        return false;
    state->buffer = ft_buffer_zero(
        self->account, entities + (scratch + tile + (FT_HEAD_ROWS + 1) * labels) * sizeof(float),
        err);
    if (!state->buffer)
        return false;
    state->found = state->buffer->data;
    state->scratch = (float *)(void *)(state->found + model->encoder->config.max_tokens);
    state->tile = state->scratch + scratch;
    state->scores = state->tile + tile;
    state->word = state->scores + FT_HEAD_ROWS * labels;
    return true;
}

static void tokens_close(ft_stage *self)
{
    tokens_state *state = infer_state_of(self);

    ft_encoder_run_destroy(state->run);
    ft_buffer_unref(state->buffer);
    for (size_t i = 0; i < LIST_COUNT; i++)
        ft_builder_finish(&state->lists[i]);
}

// ---- entities ----

static void put_entity(const tokens_plan *p, tokens_state *state, const entity *one)
{
    for (size_t i = 0; i < p->ignored.count; i++)
        if (ft_slice_is(one->name, p->ignored.items[i]))
            return;
    state->found[state->count++] = *one;
}

static void end_group(const tokens_plan *p, tokens_state *state)
{
    if (state->group_size == 0)
        return;
    state->group.score /= (double)state->group_size;
    put_entity(p, state, &state->group);
    state->group_size = 0;
}

// What of a label the label beside it must have to be of the same entity; whether it begins one.
static ft_slice find_tag(ft_slice label, bool *out_begins)
{
    const bool has_prefix =
        ft_slice_starts_with(label, FT_SLICE("B-")) || ft_slice_starts_with(label, FT_SLICE("I-"));

    *out_begins = has_prefix && label.data[0] == 'B';
    return has_prefix ? (ft_slice){label.data + 2, label.size - 2} : label;
}

static void add_label(const tokens_plan *p, tokens_state *state, const float *scores, int32_t start,
                      int32_t end)
{
    uint32_t best;
    bool begins;

    infer_pick(scores, p->labels.count, 1, &best);
    const ft_slice label = ft_slice_of(p->labels.items[best]);
    const entity one = {label, (double)scores[best], start, end};
    if (p->aggregation == INFER_AGGREGATE_NONE) {
        put_entity(p, state, &one);
        return;
    }
    const ft_slice tag = find_tag(label, &begins);
    if (state->group_size > 0 && !begins && ft_slice_equal(tag, state->group_tag)) {
        state->group.score += one.score;
        state->group.end = end;
        state->group_size++;
        return;
    }
    end_group(p, state);
    state->group = one;
    state->group_tag = tag;
    state->group_size = 1;
    // The name is what stands behind the first dash, if there is one.
    const char *dash = memchr(label.data, '-', label.size);
    if (dash)
        state->group.name = (ft_slice){dash + 1, label.size - (size_t)(dash + 1 - label.data)};
}

static void end_word(const tokens_plan *p, tokens_state *state)
{
    if (state->word_tokens == 0)
        return;
    for (size_t k = 0; p->aggregation == INFER_AGGREGATE_AVERAGE && k < p->labels.count; k++)
        state->word[k] /= (float)state->word_tokens;
    add_label(p, state, state->word, state->word_start, state->word_end);
    state->word_tokens = 0;
}

static void add_to_word(const tokens_plan *p, tokens_state *state, const float *scores, int32_t id,
                        const int32_t place[2])
{
    uint32_t best;

    if (state->word_tokens == 0 || id < 0 || id != state->word_id) {
        end_word(p, state);
        state->word_start = place[0];
        state->word_id = id;
    }
    infer_pick(scores, p->labels.count, 1, &best);
    if (state->word_tokens == 0 ||
        (p->aggregation == INFER_AGGREGATE_MAX && scores[best] > state->word_best)) {
        memcpy(state->word, scores, p->labels.count * sizeof(*scores));
        state->word_best = scores[best];
    } else if (p->aggregation == INFER_AGGREGATE_AVERAGE) {
        for (size_t k = 0; k < p->labels.count; k++)
            state->word[k] += scores[k];
    }
    state->word_end = place[1];
    state->word_tokens++;
}

// ---- run ----

// Columns of a batch that say more of the tokens.
typedef struct token_fields {
    ft_column offsets, special, words;
} token_fields;

static bool check_lengths(const tokens_plan *p, const ft_batch *in, size_t item, ft_error *why)
{
    const size_t columns[] = {p->model.tokens, p->offsets, p->special, p->words};
    size_t counts[FT_COUNT_OF(columns)];

    for (size_t i = 0; i < FT_COUNT_OF(columns) - !by_words(p); i++) {
        const ft_column *column = &in->columns[columns[i]];
        const int32_t *offsets = ft_tensor_i32(column->offsets);
        counts[i] =
            ft_column_is_null(column, item) ? 0 : (size_t)(offsets[item + 1] - offsets[item]);
        if (counts[i] != counts[0])
            return ft_fail(why, FT_ERROR_DATA, "the item has %zu tokens, and %zu elements in `%s`",
                           counts[0], counts[i],
                           i == 1   ? "offsets"
                           : i == 2 ? "special_mask"
                                    : "word_ids");
    }
    return true;
}

static const int32_t *elements(const ft_column *column, size_t item)
{
    const size_t width = column->type.rank > 0 ? (size_t)column->type.shape[0] : 1;
    return ft_tensor_i32(column->values) + (size_t)ft_tensor_i32(column->offsets)[item] * width;
}

// The probabilities of `count` rows, at most FT_HEAD_ROWS.
static void score_rows(const ft_head *head, const tokens_state *state, ft_rows rows, size_t count)
{
    const size_t outputs = head->config.outputs;
    size_t x_row;
    const float *x = ft_head_transform(head, rows.at, rows.stride, count, state->scratch, &x_row);

    for (size_t first = 0; first < outputs; first += FT_HEAD_TILE) {
        const size_t width = ft_head_run_tile(head, x, x_row, count, first, state->tile);
        for (size_t row = 0; row < count; row++)
            memcpy(state->scores + row * outputs + first, state->tile + row * FT_HEAD_TILE,
                   width * sizeof(float));
    }
    for (size_t row = 0; row < count; row++)
        infer_softmax(state->scores + row * outputs, outputs);
}

static void read_entities(ft_stage *self, const token_fields *fields, size_t item,
                          const ft_token_span *span, ft_rows rows)
{
    const tokens_plan *p = infer_plan_of(self);
    const infer_model *model = self->shared;
    tokens_state *state = infer_state_of(self);
    const size_t count = ft_encoder_rows(model->encoder, span), labels = p->labels.count;
    const int32_t *offsets = elements(&fields->offsets, item);
    const int32_t *special = elements(&fields->special, item);
    const int32_t *words = by_words(p) ? elements(&fields->words, item) : NULL;

    state->count = state->group_size = state->word_tokens = 0;
    for (size_t row = 0; row < count; row++) {
        // As the encoder takes them: the last row is the last token's.
        const size_t token = row + 1 < count ? row : span->count - 1, at = row % FT_HEAD_ROWS;
        if (at == 0) {
            const size_t left = count - row;
            score_rows(model->head, state, rows, left < FT_HEAD_ROWS ? left : FT_HEAD_ROWS);
            rows.at += FT_HEAD_ROWS * rows.stride;
        }
        const float *scores = state->scores + at * labels;
        if (special[token] != 0)
            continue;
        if (words)
            add_to_word(p, state, scores, words[token], offsets + 2 * token);
        else
            add_label(p, state, scores, offsets[2 * token], offsets[2 * token + 1]);
    }
    end_word(p, state);
    end_group(p, state);
}

// Numbers come out of the list of entities one after another.
static bool add_numbers(tokens_state *state, ft_error *err)
{
    const size_t count = state->count;
    ft_buffer *buffer = ft_buffer_create(NULL, (count + 1) * sizeof(double), err);

    if (!buffer)
        return false;
    double *scores = buffer->data;
    for (size_t i = 0; i < count; i++)
        scores[i] = state->found[i].score;
    bool ok = ft_builder_add_numbers(&state->lists[SCORES], scores, count, err);
    int32_t *places = buffer->data;
    for (size_t i = 0; i < count; i++)
        places[i] = state->found[i].start;
    ok = ok && ft_builder_add_numbers(&state->lists[STARTS], places, count, err);
    for (size_t i = 0; i < count; i++)
        places[i] = state->found[i].end;
    ok = ok && ft_builder_add_numbers(&state->lists[ENDS], places, count, err);
    ft_buffer_unref(buffer);
    return ok;
}

static bool add_entities(tokens_state *state, ft_error *err)
{
    for (size_t i = 0; i < state->count; i++)
        if (!ft_builder_add_element(&state->lists[ENTITIES], state->found[i].name, err))
            return false;
    return ft_builder_end_list(&state->lists[ENTITIES], err) && add_numbers(state, err);
}

static bool run_spans(ft_stage *self, const token_fields *fields, const infer_spans *spans,
                      ft_error *err)
{
    const tokens_plan *p = infer_plan_of(self);
    const infer_model *model = self->shared;
    tokens_state *state = infer_state_of(self);

    if (!ft_encoder_run_reserve(state->run, spans->spans, spans->count, err))
        return false;
    for (size_t i = 0; i < LIST_COUNT; i++) {
        ft_builder_finish(&state->lists[i]);
        if (!ft_builder_init(&state->lists[i], p->types[i], self->account, spans->count, 0, err))
            return false;
    }
    for (size_t done = 0; done < spans->count;) {
        ft_rows rows;
        const size_t taken =
            ft_encoder_run_some(state->run, spans->spans + done, spans->count - done, &rows);
        if (taken == 0)
            return ft_fail(err, FT_ERROR_CANCELLED, "cancelled");
        for (size_t i = done; i < done + taken; i++) {
            read_entities(self, fields, spans->kept[i], &spans->spans[i], rows);
            if (!add_entities(state, err))
                return false;
            rows.at += ft_encoder_rows(model->encoder, &spans->spans[i]) * rows.stride;
        }
        done += taken;
    }
    return true;
}

static bool send(ft_stage *self, ft_batch **in, const infer_spans *spans, ft_error *err)
{
    const tokens_plan *p = infer_plan_of(self);
    tokens_state *state = infer_state_of(self);
    ft_batch *batch = NULL;
    ft_column column;

    if (!ft_stage_keep(self, in, spans->kept, spans->count, &batch, err))
        return false;
    for (size_t i = 0; i < LIST_COUNT; i++) {
        if (!ft_builder_take(&state->lists[i], &column, err)) {
            ft_batch_unref(batch);
            return false;
        }
        ft_batch_set(batch, p->lists[i], &column);
    }
    return ft_emit(self, batch, err);
}

// Leaves out the items whose fields are not of one length.
static bool check_items(ft_stage *self, const ft_batch *in, infer_spans *spans, ft_error *err)
{
    const tokens_plan *p = infer_plan_of(self);
    size_t count = 0;

    for (size_t i = 0; i < spans->count; i++) {
        ft_error why = FT_ERROR_INIT;
        spans->spans[count] = spans->spans[i];
        spans->kept[count] = spans->kept[i];
        if (check_lengths(p, in, spans->kept[i], &why))
            count++;
        else if (!ft_item_fail(self, in, spans->kept[i], &why, err))
            return false;
    }
    spans->count = count;
    return true;
}

static bool tokens_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    const tokens_plan *p = infer_plan_of(self);
    const ft_column *columns = (*in)->columns;
    const token_fields fields = {columns[p->offsets], columns[p->special], columns[p->words]};
    infer_spans spans = {0};

    bool ok = infer_spans_collect(self, *in, &spans, err) && check_items(self, *in, &spans, err);
    if (ok && spans.count > 0)
        ok = run_spans(self, &fields, &spans, err) && send(self, in, &spans, err);
    infer_spans_finish(&spans);
    return ok;
}

const infer_task infer_tokens = {
    .state_size = sizeof(tokens_state),
    .batch_items = 16,
    .plan = tokens_plan_of,
    .load = infer_encoder_load,
    .open = tokens_open,
    .process = tokens_process,
    .close = tokens_close,
};
