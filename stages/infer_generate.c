// infer, task generate: what a language model writes behind each item's tokens.
//
// A turn takes the items of a batch as sequences. As many are at work at once as the cache has room
// for; each step runs one token of every sequence that writes and as much of new prompts as fits,
// so all of them share each read of the weights. What has ended makes room for the next. Items come
// out in their order when all of them have ended; with `stream` each step's text comes out at once,
// an item for each that has any.
//
// What is drawn depends on the seed, the item's place in its source, its tokens and the number of
// the step: not on batches, order or threads.
#include <inttypes.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "runtime/random.h"
#include "stages/infer_task.h"
#include "stages/infer_text.h"
#include "stages/nn/decoder.h"
#include "stages/nn/decoder_ends.h"
#include "stages/nn/sampler.h"
#include "stages/text/stage_text.h"

enum { COUNTER_TOKENS, COUNTER_TRUNCATED, COUNTER_MADE };  // infer.c's.

enum {
    MAX_TOKENS = 256,  // Unless given.
    CONTEXT = 4096,    // Unless given, and where the model takes so many.
    RUNNING_MAX = 64,
};

typedef struct generate_plan {
    ft_encoder_config model;
    ft_lm_ends ends;
    ft_sampling sampling;
    const char *tokenizer;
    size_t max_tokens, context, cache;
    ft_strings stop;
    bool stream;
    size_t input, output, finish, ids;  // Columns; `ids` FT_FIELD_NONE: not asked for.
} generate_plan;

typedef struct generate_model {
    const ft_lm *lm;
    const ft_tokenizer *tokenizer;
} generate_model;

typedef struct generate_state {
    ft_team *team;
    ft_lm_run *run;
    ft_sampler *sampler;
    infer_text_scratch text;
} generate_state;

// ---- plan ----

static bool plan_sampling(const infer_config *c, generate_plan *p, ft_error *err)
{
    const char *unused = c->top_k       ? "top_k"
                         : c->top_p > 0 ? "top_p"
                         : c->min_p > 0 ? "min_p"
                                        : NULL;

    p->sampling = (ft_sampling){
        .temperature = (float)c->temperature,
        .top_k = (size_t)c->top_k,
        .top_p = c->top_p > 0 ? (float)c->top_p : 1,
        .min_p = (float)c->min_p,
        .repetition_penalty = c->repetition_penalty > 0 ? (float)c->repetition_penalty : 1,
    };
    if (p->sampling.temperature > 0 || !unused)
        return true;
    ft_fail(err, FT_ERROR_USAGE, "`%s` has no effect without `temperature`", unused);
    ft_hint(err, "Say `temperature: 1`, or leave `%s` out: the likeliest token is taken.", unused);
    return ft_error_at(err, unused, 0, 0);
}

static bool plan_sizes(const infer_config *c, generate_plan *p, ft_error *err)
{
    const size_t most = p->model.max_tokens;

    if (c->context && (uint64_t)c->context > most) {
        ft_fail(err, FT_ERROR_USAGE, "`context` is %" PRId64 ", and the model takes %zu",
                c->context, most);
        return ft_error_at(err, "context", 0, 0);
    }
    p->context = c->context ? (size_t)c->context : most < CONTEXT ? most : CONTEXT;
    p->cache = c->cache ? (size_t)c->cache : p->context;
    p->max_tokens = c->max_tokens ? (size_t)c->max_tokens : MAX_TOKENS;
    p->stream = c->stream;
    p->stop = c->stop;
    for (size_t i = 0; i < p->stop.count; i++)
        if (!p->stop.items[i][0]) {
            ft_fail(err, FT_ERROR_USAGE, "`stop` has an empty text");
            return ft_error_at(err, "stop", 0, 0);
        }
    return true;
}

// The tokenizer that text is made with, and the one that the prompts come from, if that is known.
static bool check_tokenizers(const ft_stage_plan *plan, const infer_config *c,
                             const generate_plan *p, ft_error *err)
{
    const ft_token_origin *origin = plan->input->fields[p->input].origin;
    const bool is_other = origin && strcmp(origin->tokenizer, p->tokenizer) != 0;
    const size_t rows = p->model.vocabulary;

    if (is_other && !ft_stage_check_vocabulary(plan, p->tokenizer, c->model, rows, err))
        return ft_error_at(err, c->tokenizer ? "tokenizer" : "model", 0, 0);
    return ft_stage_check_tokens(plan, p->input, p->tokenizer, c->model, rows, err) ||
           ft_error_at(err, c->tokenizer && !is_other ? "tokenizer" : "model", 0, 0);
}

static bool plan_columns(ft_stage_plan *plan, const infer_config *c, generate_plan *p,
                         ft_error *err)
{
    p->ids = FT_FIELD_NONE;
    return ft_stage_plan_tokens(plan, &p->input, err) && check_tokenizers(plan, c, p, err) &&
           ft_plan_add(plan, plan->to ? plan->to : "output", FT_TYPE(STRING), &p->output, err) &&
           ft_plan_add(plan, "finish", FT_TYPE(STRING), &p->finish, err) &&
           (!c->tokens_out || ft_plan_add(plan, "tokens_out", FT_TYPE_IDS, &p->ids, err));
}

static bool generate_plan_of(ft_stage_plan *plan, infer_config *c, ft_error *err)
{
    static const char *const allowed[] = {
        "max_tokens",         "temperature", "top_k", "top_p",   "min_p",
        "repetition_penalty", "seed",        "stop",  "context", "cache",
        "tokenizer",          "tokens_out",  "dtype", "stream",  NULL,
    };
    generate_plan *p = ft_arena_zero(plan->arena, 1, sizeof(*p));
    ft_tokenizer_info info;

    if (!p)
        return ft_fail_nomem(err, sizeof(*p));
    c->plan = p;
    if (!infer_refuse_options(c, allowed, err))
        return false;
    p->tokenizer = c->tokenizer ? c->tokenizer : c->model;
    if (!ft_encoder_config_read(c->model, plan->arena, &p->model, err) ||
        !ft_lm_check(c->model, &p->model, plan->arena, err) ||
        !ft_lm_read_ends(c->model, &p->model, plan->arena, &p->ends, err))
        return ft_error_at(err, "model", 0, 0);
    p->model.precision = ft_precision_of(c->dtype);
    p->model.keeps_stored = c->dtype == 0;
    p->model.weight_store = plan->environment ? plan->environment->weight_store : NULL;
    if (!ft_tokenizer_describe(p->tokenizer, plan->arena, &info, err))
        return ft_error_at(err, c->tokenizer ? "tokenizer" : "model", 0, 0);
    // A turn takes as long as its longest text: the threads of stages that wait may do that. One at
    // a time: reading the weights is what a token costs, and all sequences of a step share that,
    // as all threads share the step.
    plan->blocks = true;
    plan->concurrency = FT_CONCURRENCY_ONE;
    return plan_sampling(c, p, err) && plan_sizes(c, p, err) && plan_columns(plan, c, p, err);
}

// ---- load and open ----

static bool create_lm(ft_stage_load *load, const void *host, void **out, ft_error *err)
{
    const infer_config *c = host;
    const generate_plan *p = c->plan;
    ft_lm *lm;

    if (!ft_lm_load(c->model, &p->model, load->arena, &lm, err))
        return false;
    *out = lm;
    return true;
}

static bool generate_load(ft_stage_load *load, const infer_config *c, void **out_shared,
                          ft_error *err)
{
    const generate_plan *p = c->plan;
    generate_model *model = ft_arena_zero(load->arena, 1, sizeof(*model));
    const char *key = ft_arena_format(load->arena, "language model %s %d", c->model, c->dtype);
    void *lm, *tokenizer;

    if (!model || !key)
        return ft_fail_nomem(err, sizeof(*model));
    if (!ft_load_share(load, key, create_lm, c, &lm, err) ||
        !ft_stage_load_tokenizer(load, p->tokenizer, &tokenizer, err))
        return false;
    *model = (generate_model){.lm = lm, .tokenizer = tokenizer};
    *out_shared = model;
    return true;
}

static bool generate_open(ft_stage *self, ft_error *err)
{
    const generate_plan *p = infer_plan_of(self);
    const generate_model *model = self->shared;
    generate_state *state = infer_state_of(self);

    infer_text_scratch_init(&state->text, self->account);
    state->team = ft_team_create(self->threads > 0 ? (size_t)self->threads : 1, err);
    if (!state->team)
        return false;
    state->run = ft_lm_run_create(model->lm, p->cache, p->context, state->team, self->account, err);
    if (!state->run)
        return false;
    state->sampler = ft_sampler_create(p->model.vocabulary, self->account, err);
    return state->sampler != NULL;
}

static void generate_close(ft_stage *self)
{
    generate_state *state = infer_state_of(self);

    ft_lm_run_destroy(state->run);
    ft_team_destroy(state->team);
    ft_sampler_destroy(state->sampler);
    infer_text_scratch_finish(&state->text);
}

// ---- jobs ----

typedef enum ending { GOES_ON, STOPPED, TOO_LONG, BROKEN } ending;

// An item that can be done.
typedef struct job {
    uint32_t item;
    int32_t *ids;              // The prompt, and what was made: [count + most].
    size_t count, most, made;  // `made`: without the end's token.
    uint64_t stream;           // Of random numbers.
    ft_lm_sequence sequence;
    ending ending;
    infer_text text;  // That was not sent yet.
    size_t sent;      // Made tokens.
} job;

typedef struct work {
    ft_stage *self;
    ft_batch *in;
    job *jobs;  // [count]
    size_t count, next;
    job *running[RUNNING_MAX];
    size_t running_count;
    job *stepping[RUNNING_MAX];  // Of the step's pieces.
    ft_error *err;
    bool failed;
} work;

static bool check_item(const generate_plan *p, const int32_t *ids, size_t count, ft_error *why)
{
    if (count == 0) {
        ft_fail(why, FT_ERROR_DATA, "the item has no tokens");
        ft_hint(why, "A text needs one token at least, such as the one that begins all texts.");
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (ids[i] >= 0 && (size_t)ids[i] < p->model.vocabulary)
            continue;
        ft_fail(why, FT_ERROR_DATA, "token %" PRId32 " is outside the model's vocabulary of %zu",
                ids[i], p->model.vocabulary);
        ft_hint(why, "Tokenise with the model's own tokenizer.");
        return false;
    }
    if (count >= p->context) {
        ft_fail(why, FT_ERROR_DATA, "the item has %zu tokens, and the context is %zu", count,
                p->context);
        ft_hint(why, "Raise `context` where the model takes more, or cut the text with "
                     "`max_length` of `tokenize`.");
        return false;
    }
    const size_t most = p->max_tokens < p->context - count ? p->max_tokens : p->context - count;
    if (count + most > p->cache) {
        ft_fail(why, FT_ERROR_DATA,
                "%zu tokens and %zu that may follow need room in the cache, which has %zu", count,
                most, p->cache);
        ft_hint(why, "Raise `cache`, or lower `max_tokens`.");
        return false;
    }
    return true;
}

// Batches may be cut anywhere, so an item is known by where it stands in its source, and by its
// tokens, where several come from one place.
static uint64_t stream_of(const ft_batch *in, size_t item, const int32_t *ids, size_t count)
{
    const ft_slice tokens = {(const char *)ids, count * sizeof(*ids)};
    uint64_t place = 0;

    if (in->lineage)
        place = in->lineage->first_index + ft_batch_row(in, item) +
                ((uint64_t)in->lineage->source << 48);
    return ft_hash(tokens, place);
}

// Fills `*out` with the items that can be done; the others are failed.
static bool collect_jobs(ft_stage *self, const ft_batch *in, job *jobs, size_t *out_count,
                         size_t *out_ids, ft_error *err)
{
    const generate_plan *p = infer_plan_of(self);
    const ft_column *column = &in->columns[p->input];
    const int32_t *offsets = ft_tensor_i32(column->offsets),
                  *values = ft_tensor_i32(column->values);
    size_t count = 0, total = 0;

    for (size_t item = 0; item < in->count; item++) {
        ft_error why = FT_ERROR_INIT;
        const int32_t *ids = values + offsets[item];
        const size_t tokens =
            ft_column_is_null(column, item) ? 0 : (size_t)(offsets[item + 1] - offsets[item]);
        if (!check_item(p, ids, tokens, &why)) {
            if (!ft_item_fail(self, in, item, &why, err))
                return false;
            continue;
        }
        const size_t room = p->context - tokens;
        jobs[count++] = (job){.item = (uint32_t)item,
                              .count = tokens,
                              .most = p->max_tokens < room ? p->max_tokens : room,
                              .stream = stream_of(in, item, ids, tokens)};
        total += tokens + jobs[count - 1].most;
        ft_count(self, COUNTER_TOKENS, tokens);
    }
    *out_count = count;
    *out_ids = total;
    return true;
}

static void place_ids(const ft_batch *in, const generate_plan *p, job *jobs, size_t count,
                      int32_t *ids)
{
    const ft_column *column = &in->columns[p->input];
    const int32_t *offsets = ft_tensor_i32(column->offsets),
                  *values = ft_tensor_i32(column->values);

    for (size_t i = 0; i < count; i++) {
        jobs[i].ids = ids;
        infer_text_start(&jobs[i].text, jobs[i].count);
        memcpy(ids, values + offsets[jobs[i].item], jobs[i].count * sizeof(*ids));
        ids += jobs[i].count + jobs[i].most;
    }
}

// ---- steps ----

static bool is_end(const ft_lm_ends *ends, int32_t id)
{
    for (size_t i = 0; i < ends->count; i++)
        if (ends->ids[i] == id)
            return true;
    return false;
}

// The text after a token or an end: token by token where somebody looks at it.
static bool write_text(ft_stage *self, job *j, ft_error *err)
{
    const generate_plan *p = infer_plan_of(self);
    const generate_model *model = self->shared;
    generate_state *state = infer_state_of(self);
    const bool is_last = j->ending != GOES_ON;

    if (!is_last && !p->stream && p->stop.count == 0)
        return true;
    if (!infer_text_extend(&j->text, &state->text, model->tokenizer, j->ids, j->count + j->made,
                           is_last, err))
        return false;
    if (infer_text_cut(&j->text, &p->stop))
        j->ending = STOPPED;
    return true;
}

// The logits behind what a job has: its next token.
static void take_logits(void *host, size_t piece, float *logits)
{
    work *w = host;
    const generate_plan *p = infer_plan_of(w->self);
    generate_state *state = infer_state_of(w->self);
    job *j = w->stepping[piece];
    ft_random random;
    double number = 0;

    if (w->failed)
        return;
    if (p->sampling.repetition_penalty != 1.0F)
        ft_sampler_penalize(state->sampler, logits, j->ids, j->count + j->made,
                            p->sampling.repetition_penalty);
    if (p->sampling.temperature > 0) {
        const infer_config *c = w->self->config;
        const uint64_t seed = c->seed ? (uint64_t)c->seed : w->self->seed;
        ft_random_init(&random, seed ^ j->stream, j->made);
        number = ft_random_float(&random);
    }
    const int32_t id = ft_sampler_pick(state->sampler, &p->sampling, logits, number);
    if (id < 0) {
        j->ending = BROKEN;
        return;
    }
    if (is_end(&p->ends, id)) {
        j->ending = STOPPED;
        w->failed = !write_text(w->self, j, w->err);
        return;
    }
    j->ids[j->count + j->made++] = id;
    ft_count(w->self, COUNTER_MADE, 1);
    if (j->made == j->most)
        j->ending = TOO_LONG;
    w->failed = !write_text(w->self, j, w->err);
}

// Whoever has waited longest comes next: an item that is large is not passed by small ones.
static bool admit(work *w)
{
    generate_state *state = infer_state_of(w->self);
    bool fits = true;

    while (w->next < w->count && w->running_count < RUNNING_MAX) {
        job *j = &w->jobs[w->next];
        if (!ft_lm_begin(state->run, j->count + j->most, &j->sequence, &fits, w->err))
            return false;
        if (!fits)
            break;
        w->running[w->running_count++] = j;
        w->next++;
    }
    FT_ASSERT(w->running_count > 0);
    return true;
}

// One token of each that writes, and prompts in what room is left. A step takes as many rows as all
// that run, so each gets one at least.
static void step(work *w)
{
    generate_state *state = infer_state_of(w->self);
    ft_lm_piece pieces[RUNNING_MAX];
    size_t rows = 0, count = 0;

    for (size_t i = 0; i < w->running_count; i++) {
        job *j = w->running[i];
        const size_t done = j->sequence.length, left = j->count + j->made - done;
        const size_t room = FT_LM_ROWS_MAX - rows - (w->running_count - i - 1);
        const size_t some = left < room ? left : room;
        w->stepping[count] = j;
        pieces[count++] = (ft_lm_piece){.sequence = &j->sequence,
                                        .ids = j->ids + done,
                                        .count = some,
                                        .wants_logits = some == left};
        rows += some;
    }
    ft_lm_step(state->run, pieces, count, take_logits, w);
}

// ---- results ----

typedef struct results {
    ft_builder output, finish, ids;
} results;

// `bytes` of the text, and of the tokens those that have text.
static bool add_result(ft_stage *self, job *j, size_t bytes, results *r, ft_error *err)
{
    const generate_plan *p = infer_plan_of(self);
    const bool has_ended = j->ending != GOES_ON;
    const ft_slice text = {infer_text_get(&j->text).data, bytes};
    const size_t last = has_ended ? j->made : j->text.settled - j->count;
    const char *finish = j->ending == STOPPED ? "stop" : "length";

    if (!ft_builder_add_text(&r->output, text, err) ||
        !(has_ended ? ft_builder_add_text(&r->finish, ft_slice_of(finish), err)
                    : ft_builder_add_null(&r->finish, err)) ||
        (p->ids != FT_FIELD_NONE &&
         !ft_builder_add_numbers(&r->ids, j->ids + j->count + j->sent, last - j->sent, err)))
        return false;
    infer_text_drop(&j->text, bytes);
    j->sent = last;
    return true;
}

static bool set_column(ft_batch *batch, size_t index, ft_builder *from, ft_error *err)
{
    ft_column column;

    if (!ft_builder_take(from, &column, err))
        return false;
    ft_batch_set(batch, index, &column);
    return true;
}

static bool start_results(ft_stage *self, size_t count, results *r, ft_error *err)
{
    return ft_builder_init(&r->output, FT_TYPE(STRING), self->account, count, 0, err) &&
           ft_builder_init(&r->finish, FT_TYPE(STRING), self->account, count, 0, err) &&
           ft_builder_init(&r->ids, FT_TYPE_IDS, self->account, count, 0, err);
}

static bool set_results(ft_stage *self, ft_batch *batch, results *r, ft_error *err)
{
    const generate_plan *p = infer_plan_of(self);

    return set_column(batch, p->output, &r->output, err) &&
           set_column(batch, p->finish, &r->finish, err) &&
           (p->ids == FT_FIELD_NONE || set_column(batch, p->ids, &r->ids, err));
}

static void finish_results(results *r)
{
    ft_builder_finish(&r->output);
    ft_builder_finish(&r->finish);
    ft_builder_finish(&r->ids);
}

// What the step has made, but what may be the beginning of a stop text.
static bool collect_pieces(work *w, uint32_t *items, size_t *out_count, results *r)
{
    const generate_plan *p = infer_plan_of(w->self);
    size_t count = 0;

    for (size_t i = 0; i < w->running_count; i++) {
        job *j = w->running[i];
        const bool has_ended = j->ending != GOES_ON;
        const size_t bytes = j->text.size - (has_ended ? 0 : infer_text_held(&j->text, &p->stop));
        if (j->ending == BROKEN || (bytes == 0 && !has_ended))
            continue;
        if (!add_result(w->self, j, bytes, r, w->err))
            return false;
        items[count++] = j->item;
    }
    *out_count = count;
    return true;
}

static bool send_pieces(work *w)
{
    uint32_t items[RUNNING_MAX];
    ft_batch *batch = NULL;
    results r = {0};
    size_t count = 0;

    bool ok =
        start_results(w->self, RUNNING_MAX, &r, w->err) && collect_pieces(w, items, &count, &r);
    if (ok && count > 0) {
        batch = ft_batch_select(w->in, items, count, w->err);
        ok = batch && ft_batch_make_writable(&batch, w->self->output_width, w->err) &&
             set_results(w->self, batch, &r, w->err);
    }
    finish_results(&r);
    if (ok && batch)
        return ft_emit(w->self, batch, w->err);
    ft_batch_unref(batch);
    return ok;
}

static void retire(work *w)
{
    generate_state *state = infer_state_of(w->self);
    size_t kept = 0;

    for (size_t i = 0; i < w->running_count; i++) {
        if (w->running[i]->ending == GOES_ON)
            w->running[kept++] = w->running[i];
        else
            ft_lm_end(state->run, &w->running[i]->sequence);
    }
    w->running_count = kept;
}

static bool run_jobs(work *w)
{
    const generate_plan *p = infer_plan_of(w->self);
    generate_state *state = infer_state_of(w->self);

    while (!w->failed && (w->next < w->count || w->running_count > 0)) {
        if (ft_is_cancelled(w->self))
            w->failed = !ft_fail(w->err, FT_ERROR_CANCELLED, "cancelled");
        else if (!admit(w))
            w->failed = true;
        if (w->failed)
            break;
        step(w);
        if (!w->failed && p->stream)
            w->failed = !send_pieces(w);
        retire(w);
    }
    for (size_t i = 0; i < w->running_count; i++)
        ft_lm_end(state->run, &w->running[i]->sequence);
    return !w->failed;
}

// ---- batches ----

// Those that were no numbers fail; the others stay, in order.
static bool fail_broken(ft_stage *self, const ft_batch *in, job *jobs, size_t *count, ft_error *err)
{
    size_t kept = 0;

    for (size_t i = 0; i < *count; i++) {
        ft_error why = FT_ERROR_INIT;
        if (jobs[i].ending != BROKEN) {
            const job whole = jobs[i];
            jobs[i] = jobs[kept];
            jobs[kept++] = whole;
            continue;
        }
        ft_fail(&why, FT_ERROR_DATA, "the model's logits are not numbers at token %zu",
                jobs[i].count + jobs[i].made);
        ft_hint(&why, "Its weights are damaged, or too large for 32 bits.");
        if (!ft_item_fail(self, in, jobs[i].item, &why, err))
            return false;
    }
    *count = kept;
    return true;
}

static bool add_results(ft_stage *self, job *jobs, size_t count, uint32_t *kept, results *r,
                        ft_error *err)
{
    if (!start_results(self, count, r, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        kept[i] = jobs[i].item;
        if (!add_result(self, &jobs[i], jobs[i].text.size, r, err))
            return false;
    }
    return true;
}

static bool emit_results(ft_stage *self, ft_batch **in, job *jobs, size_t count, ft_error *err)
{
    uint32_t *kept = ft_alloc_array(count, sizeof(*kept));
    ft_batch *batch = NULL;
    results r = {0};

    if (!kept)
        return ft_fail_nomem(err, count * sizeof(*kept));
    const bool ok = add_results(self, jobs, count, kept, &r, err) &&
                    ft_stage_keep(self, in, kept, count, &batch, err) &&
                    set_results(self, batch, &r, err);
    finish_results(&r);
    ft_free(kept);
    if (ok)
        return ft_emit(self, batch, err);
    ft_batch_unref(batch);
    return false;
}

static bool generate_batch(ft_stage *self, ft_batch **in, job *jobs, ft_error *err)
{
    const generate_plan *p = infer_plan_of(self);
    work w = {.self = self, .in = *in, .jobs = jobs, .err = err};
    size_t ids;

    if (!collect_jobs(self, *in, jobs, &w.count, &ids, err))
        return false;
    if (w.count == 0)
        return true;
    ft_buffer *buffer = ft_buffer_create(self->account, ids * sizeof(int32_t), err);
    if (!buffer)
        return false;
    place_ids(*in, p, jobs, w.count, buffer->data);
    const bool ok = run_jobs(&w) && fail_broken(self, *in, jobs, &w.count, err) &&
                    (w.count == 0 || p->stream || emit_results(self, in, jobs, w.count, err));
    ft_buffer_unref(buffer);
    return ok;
}

static bool generate_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    const size_t count = (*in)->count;
    job *jobs = ft_alloc_zero(count, sizeof(*jobs));

    if (!jobs)
        return ft_fail_nomem(err, count * sizeof(*jobs));
    const bool ok = generate_batch(self, in, jobs, err);
    for (size_t i = 0; i < count; i++)
        infer_text_finish(&jobs[i].text);
    ft_free(jobs);
    return ok;
}

const infer_task infer_generate = {
    .state_size = sizeof(generate_state),
    .batch_items = RUNNING_MAX,
    .plan = generate_plan_of,
    .load = generate_load,
    .open = generate_open,
    .process = generate_process,
    .close = generate_close,
};
