// Runs a language model.
//
//   tokens of all pieces end to end -> words
//   each layer: norm, queries, keys and values, turned by their positions; keys and values into the
//   pages; attention; mix; norm, gate and up, down
//   the last rows of the pieces that want logits -> norm, head
//
// A page of a layer and a head of keys is K[head_size][32], one column a token, and
// V[32][head_padded]. Both are the right sides of products as the kernels take them: scores are
// queries times K, and what attention gives is the softmax of the scores times V. All the queries
// that share a head of keys go through its pages together. Scores of tokens that a query does not
// see are 0 after the softmax, which adds nothing; so a row's sums do not depend on where a prompt
// was cut.
#include "stages/nn/decoder.h"

#include <math.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "runtime/memory/buffer.h"

enum {
    PAGE = FT_LM_PAGE_TOKENS,
    QUERY_ROWS = FT_LM_SHARED_MAX,  // Of one head of keys at a time: two tiles of fourteen.
    BLOCK_ROWS = 56,                // As in encoder.c.
    LOGIT_ROWS = 14,
};

struct ft_lm_run {
    const ft_lm *lm;
    ft_buffer *buffer, *cache;
    size_t hidden_row, heads_row, middle_row, logits_row, scores_row;
    float *hidden, *normed, *heads, *middle, *logits;
    float *queries, *scores, *mixed;  // Of one head of keys.
    float *angles;                    // [FT_LM_ROWS_MAX][4][pairs]: see put_angles.
    float *pages;
    size_t page_floats, part_floats;  // Of a page, and of its share of a layer and a head of keys.
    uint32_t *free;                   // [free_count]
    size_t free_count, page_count;
};

// ---- life ----

static size_t part_floats_of(const ft_encoder *encoder)
{
    return PAGE * (encoder->head_size + encoder->head_padded);
}

size_t ft_lm_page_bytes(const ft_lm *lm)
{
    const ft_encoder_config *config = &lm->encoder->config;
    return config->layers * config->key_heads * part_floats_of(lm->encoder) * sizeof(float);
}

static void lay_out(ft_lm_run *run, size_t context, size_t *sizes)
{
    const ft_lm *lm = run->lm;
    const ft_encoder *encoder = lm->encoder;
    const ft_encoder_layer *layer = &encoder->layers[0];
    const size_t rows = FT_LM_ROWS_MAX + FT_LINEAR_ROWS_BEHIND;

    run->hidden_row = ft_row_stride(encoder->config.hidden);
    run->heads_row = ft_row_stride(layer->heads.width);
    run->middle_row = ft_row_stride(layer->up.width);
    run->logits_row = lm->head.width;
    run->scores_row = ft_row_stride(ft_pad(context, PAGE));
    sizes[0] = sizes[1] = rows * run->hidden_row;
    sizes[2] = rows * run->heads_row;
    sizes[3] = (BLOCK_ROWS + FT_LINEAR_ROWS_BEHIND) * run->middle_row;
    sizes[4] = (LOGIT_ROWS + FT_LINEAR_ROWS_BEHIND) * run->logits_row;
    sizes[5] = sizes[7] = ft_pad(QUERY_ROWS * encoder->head_padded, 16);
    sizes[6] = QUERY_ROWS * run->scores_row;
    sizes[8] = ft_pad(FT_LM_ROWS_MAX * 4 * encoder->config.pairs, 16);
}

static bool create_cache(ft_lm_run *run, size_t cache_tokens, ft_account *account, ft_error *err)
{
    const ft_encoder *encoder = run->lm->encoder;
    size_t bytes;

    run->page_count = (cache_tokens + PAGE - 1) / PAGE;
    run->part_floats = part_floats_of(encoder);
    run->page_floats = encoder->config.layers * encoder->config.key_heads * run->part_floats;
    if (run->page_count > UINT32_MAX ||
        FT_MUL_OVERFLOWS(run->page_count, run->page_floats * sizeof(float), &bytes))
        return ft_fail(err, FT_ERROR_LIMIT, "a cache of %zu tokens is too large", cache_tokens);
    run->free = ft_alloc_array(run->page_count, sizeof(*run->free));
    if (!run->free)
        return ft_fail_nomem(err, run->page_count * sizeof(*run->free));
    for (size_t i = 0; i < run->page_count; i++)
        run->free[i] = (uint32_t)(run->page_count - 1 - i);
    run->free_count = run->page_count;
    // Zeros: what stands behind a sequence's last token is multiplied by 0, and must be a number.
    run->cache = ft_buffer_zero(account, bytes, err);
    if (!run->cache)
        return false;
    run->pages = run->cache->data;
    return true;
}

ft_lm_run *ft_lm_run_create(const ft_lm *lm, size_t cache_tokens, size_t context,
                            ft_account *account, ft_error *err)
{
    ft_lm_run *run = ft_alloc_zero(1, sizeof(*run));
    size_t sizes[9], total = 0;

    if (!run) {
        ft_fail_nomem(err, sizeof(*run));
        return NULL;
    }
    run->lm = lm;
    float **const places[] = {&run->hidden,  &run->normed, &run->heads, &run->middle, &run->logits,
                              &run->queries, &run->scores, &run->mixed, &run->angles};
    lay_out(run, context, sizes);
    for (size_t i = 0; i < FT_COUNT_OF(sizes); i++)
        total += sizes[i];
    run->buffer = ft_buffer_zero(account, total * sizeof(float), err);
    if (!run->buffer || !create_cache(run, cache_tokens, account, err)) {
        ft_lm_run_destroy(run);
        return NULL;
    }
    float *at = run->buffer->data;
    for (size_t i = 0; i < FT_COUNT_OF(sizes); at += sizes[i], i++)
        *places[i] = at;
    return run;
}

void ft_lm_run_destroy(ft_lm_run *run)
{
    if (!run)
        return;
    ft_buffer_unref(run->cache);
    ft_buffer_unref(run->buffer);
    ft_free(run->free);
    ft_free(run);
}

bool ft_lm_begin(ft_lm_run *run, size_t tokens, ft_lm_sequence *out, bool *out_fits, ft_error *err)
{
    const size_t pages = (tokens + PAGE - 1) / PAGE;

    *out_fits = pages <= run->free_count;
    if (!*out_fits)
        return true;
    *out = (ft_lm_sequence){.pages = ft_alloc_array(pages, sizeof(*out->pages))};
    if (!out->pages)
        return ft_fail_nomem(err, pages * sizeof(*out->pages));
    while (out->page_count < pages)
        out->pages[out->page_count++] = run->free[--run->free_count];
    return true;
}

void ft_lm_end(ft_lm_run *run, ft_lm_sequence *sequence)
{
    while (sequence->page_count > 0)
        run->free[run->free_count++] = sequence->pages[--sequence->page_count];
    ft_free(sequence->pages);
    *sequence = (ft_lm_sequence){0};
}

// ---- rows ----

// Cosines and sines of a row's position, for layers that see everything and for local ones.
static void put_angles(const ft_lm_run *run, size_t row, size_t position)
{
    const ft_encoder *encoder = run->lm->encoder;
    const size_t pairs = encoder->config.pairs;
    float *at = run->angles + row * 4 * pairs;

    for (size_t local = 0; local < 2; local++, at += 2 * pairs)
        if (local == 0 || encoder->config.is_local)
            ft_rope_angles(&encoder->config.ropes[local], pairs, encoder->rope_factors, position,
                           at, at + pairs);
}

static void put_tokens(const ft_lm_run *run, const ft_lm_piece *piece, size_t first_row)
{
    const ft_encoder *encoder = run->lm->encoder;
    const size_t size = encoder->config.hidden;

    FT_ASSERT(piece->sequence->length + piece->count <= piece->sequence->page_count * PAGE);
    for (size_t i = 0; i < piece->count; i++) {
        float *row = run->hidden + (first_row + i) * run->hidden_row;
        ft_weight_read(encoder->words, (size_t)piece->ids[i] * size, size, row);
        put_angles(run, first_row + i, piece->sequence->length + i);
    }
}

// Norms `rows` of `hidden` into the same rows of `normed`.
static void norm_rows(const ft_lm_run *run, const ft_layer_norm *norm, size_t row, size_t rows)
{
    float *normed = run->normed + row * run->hidden_row;

    memcpy(normed, run->hidden + row * run->hidden_row, rows * run->hidden_row * sizeof(float));
    run->lm->encoder->kernels->norm(normed, run->hidden_row, rows, norm);
}

static void run_linear(const ft_lm_run *run, const ft_linear *linear, const ft_linear_use *use)
{
    ft_linear_run(linear, run->lm->encoder->kernels, use);
}

// ---- attention ----

static float *part_of(const ft_lm_run *run, uint32_t page, size_t layer, size_t key_head)
{
    const size_t part = layer * run->lm->encoder->config.key_heads + key_head;
    return run->pages + page * run->page_floats + part * run->part_floats;
}

// Queries and keys of a row: normed head by head where the model does, and turned.
static void turn_row(const ft_lm_run *run, const ft_encoder_layer *layer, size_t row)
{
    const ft_encoder *encoder = run->lm->encoder;
    const ft_encoder_config *config = &encoder->config;
    const size_t step = encoder->head_padded;
    const float *angles = run->angles + (row * 4 + (layer->is_local ? 2 : 0)) * config->pairs;
    const ft_rotation rotation = {.cosines = angles,
                                  .sines = angles + config->pairs,
                                  .pairs = config->pairs,
                                  .is_interleaved = config->is_interleaved};
    float *queries = run->heads + row * run->heads_row, *keys = queries + config->heads * step;

    if (layer->norms[FT_NORM_QUERY].size)
        encoder->kernels->norm(queries, step, config->heads, &layer->norms[FT_NORM_QUERY]);
    if (layer->norms[FT_NORM_KEY].size)
        encoder->kernels->norm(keys, step, config->key_heads, &layer->norms[FT_NORM_KEY]);
    encoder->kernels->rotate(queries, config->heads, step, &rotation);
    encoder->kernels->rotate(keys, config->key_heads, step, &rotation);
}

// Keys and values of a row into the page of its position.
static void keep_row(const ft_lm_run *run, const ft_lm_sequence *sequence, size_t layer, size_t row,
                     size_t position)
{
    const ft_encoder *encoder = run->lm->encoder;
    const size_t heads = encoder->config.key_heads, padded = encoder->head_padded;
    const float *key = run->heads + row * run->heads_row + encoder->config.heads * padded;
    const float *value = key + heads * padded;
    const size_t slot = position % PAGE;

    for (size_t head = 0; head < heads; head++, key += padded, value += padded) {
        float *part = part_of(run, sequence->pages[position / PAGE], layer, head);
        float *values_of_page = part + encoder->head_size * PAGE;
        // Behind a sequence's last token the weights are 0, and the values must be numbers: those
        // of who had the page before may not be.
        if (slot == 0)
            memset(values_of_page, 0, PAGE * padded * sizeof(float));
        for (size_t k = 0; k < encoder->head_size; k++)
            part[k * PAGE + slot] = key[k];
        memcpy(values_of_page + slot * padded, value, padded * sizeof(float));
    }
}

// Softmax of scores[from, to), without the division by `*out_sum`; zeros around within [begin,
// end).
static void weigh(float *scores, size_t begin, size_t from, size_t to, size_t end, float *out_sum)
{
    float most = scores[from], sum = 0;

    for (size_t i = from + 1; i < to; i++)
        most = scores[i] > most ? scores[i] : most;
    for (size_t i = begin; i < from; i++)
        scores[i] = 0;
    for (size_t i = from; i < to; i++) {
        scores[i] = expf(scores[i] - most);
        sum += scores[i];
    }
    for (size_t i = to; i < end; i++)
        scores[i] = 0;
    *out_sum = sum;
}

// Some queries of a sequence, at positions side by side, of all the heads that share one of keys.
typedef struct asking {
    const ft_lm_sequence *sequence;
    size_t layer, key_head;
    size_t row, count;  // Rows of the step.
    size_t position;    // Of the first.
    bool is_local;
} asking;

static size_t first_seen(const ft_lm_run *run, const asking *a, size_t position)
{
    const size_t before = run->lm->encoder->config.window_before;
    return a->is_local && position > before ? position - before : 0;
}

static float *query_of(const ft_lm_run *run, const asking *a, size_t i, size_t shared)
{
    const ft_encoder *encoder = run->lm->encoder;
    return run->heads + (a->row + i) * run->heads_row +
           (a->key_head * (encoder->config.heads / encoder->config.key_heads) + shared) *
               encoder->head_padded;
}

static void mix_values(const ft_lm_run *run, const asking *a, size_t rows, size_t first,
                       size_t pages)
{
    const size_t padded = run->lm->encoder->head_padded, size = run->lm->encoder->head_size;

    for (size_t page = first; page < pages; page++) {
        const float *part = part_of(run, a->sequence->pages[page], a->layer, a->key_head);
        for (size_t column = 0; column < padded; column += FT_PANEL_COLUMNS)
            run->lm->encoder->kernels->multiply(&(ft_multiply){
                .a = run->scores + page * PAGE,
                .a_row = run->scores_row,
                .a_step = 1,
                .b = part + size * PAGE + column,
                .b_step = padded,
                .c = run->mixed + column,
                .c_row = padded,
                .add = page > first,
                .rows = rows,
                .columns = padded - column < FT_PANEL_COLUMNS ? padded - column : FT_PANEL_COLUMNS,
                .depth = PAGE,
            });
    }
}

static void attend_some(const ft_lm_run *run, const asking *a)
{
    const ft_encoder *encoder = run->lm->encoder;
    const size_t padded = encoder->head_padded, last = a->position + a->count;
    const size_t shared = encoder->config.heads / encoder->config.key_heads;
    const size_t rows = a->count * shared, pages = (last + PAGE - 1) / PAGE;
    const size_t first = first_seen(run, a, a->position) / PAGE;
    float sum;

    for (size_t i = 0; i < rows; i++) {
        const float *query = query_of(run, a, i / shared, i % shared);
        for (size_t k = 0; k < padded; k++)
            run->queries[i * padded + k] = query[k] * encoder->config.score_scale;
    }
    for (size_t page = first; page < pages; page++)
        encoder->kernels->multiply(&(ft_multiply){
            .a = run->queries,
            .a_row = padded,
            .a_step = 1,
            .b = part_of(run, a->sequence->pages[page], a->layer, a->key_head),
            .b_step = PAGE,
            .c = run->scores + page * PAGE,
            .c_row = run->scores_row,
            .rows = rows,
            .columns = PAGE,
            .depth = encoder->head_size,
        });
    float sums[QUERY_ROWS];
    for (size_t i = 0; i < rows; i++) {
        const size_t position = a->position + i / shared;
        weigh(run->scores + i * run->scores_row, first * PAGE, first_seen(run, a, position),
              position + 1, pages * PAGE, &sum);
        sums[i] = sum;
    }
    mix_values(run, a, rows, first, pages);
    for (size_t i = 0; i < rows; i++) {
        float *to = query_of(run, a, i / shared, i % shared);
        for (size_t k = 0; k < padded; k++)
            to[k] = run->mixed[i * padded + k] / sums[i];
    }
}

// The results take the place of the queries.
static void attend(const ft_lm_run *run, const ft_lm_piece *piece, size_t layer, size_t row)
{
    const ft_encoder_config *config = &run->lm->encoder->config;
    const size_t some = QUERY_ROWS / (config->heads / config->key_heads);

    for (size_t head = 0; head < config->key_heads; head++)
        for (size_t done = 0; done < piece->count; done += some)
            attend_some(run, &(asking){
                                 .sequence = piece->sequence,
                                 .layer = layer,
                                 .key_head = head,
                                 .row = row + done,
                                 .count = piece->count - done < some ? piece->count - done : some,
                                 .position = piece->sequence->length + done,
                                 .is_local = run->lm->encoder->layers[layer].is_local,
                             });
}

// ---- layers ----

static void run_block_heads(const ft_lm_run *run, const ft_encoder_layer *layer, size_t row,
                            size_t rows)
{
    norm_rows(run, &layer->norms[FT_NORM_MIX_BEFORE], row, rows);
    run_linear(run, &layer->heads,
               &(ft_linear_use){.x = run->normed + row * run->hidden_row,
                                .x_row = run->hidden_row,
                                .y = run->heads + row * run->heads_row,
                                .y_row = run->heads_row,
                                .rows = rows});
}

static void run_block_rest(const ft_lm_run *run, const ft_encoder_layer *layer, size_t row,
                           size_t rows)
{
    const ft_encoder *encoder = run->lm->encoder;
    float *hidden = run->hidden + row * run->hidden_row;

    run_linear(run, &layer->mix,
               &(ft_linear_use){.x = run->heads + row * run->heads_row,
                                .x_row = run->heads_row,
                                .y = hidden,
                                .y_row = run->hidden_row,
                                .rows = rows,
                                .add = true});
    norm_rows(run, &layer->norms[FT_NORM_MLP_BEFORE], row, rows);
    run_linear(run, &layer->up,
               &(ft_linear_use){.x = run->normed + row * run->hidden_row,
                                .x_row = run->hidden_row,
                                .y = run->middle,
                                .y_row = run->middle_row,
                                .rows = rows});
    encoder->kernels->gate(encoder->config.activation, run->middle,
                           run->middle + encoder->gate_width, run->middle_row, rows,
                           encoder->gate_width);
    run_linear(run, &layer->down,
               &(ft_linear_use){.x = run->middle,
                                .x_row = run->middle_row,
                                .y = hidden,
                                .y_row = run->hidden_row,
                                .rows = rows,
                                .add = true});
}

typedef void run_block(const ft_lm_run *run, const ft_encoder_layer *layer, size_t row,
                       size_t rows);

static void run_blocks(const ft_lm_run *run, const ft_encoder_layer *layer, size_t rows,
                       run_block *block)
{
    for (size_t row = 0; row < rows; row += BLOCK_ROWS)
        block(run, layer, row, rows - row < BLOCK_ROWS ? rows - row : BLOCK_ROWS);
}

static void run_layer(const ft_lm_run *run, size_t index, const ft_lm_piece *pieces, size_t count,
                      size_t rows)
{
    const ft_encoder_layer *layer = &run->lm->encoder->layers[index];
    size_t row = 0;

    run_blocks(run, layer, rows, run_block_heads);
    for (size_t i = 0; i < count; row += pieces[i].count, i++) {
        for (size_t k = 0; k < pieces[i].count; k++) {
            turn_row(run, layer, row + k);
            keep_row(run, pieces[i].sequence, index, row + k, pieces[i].sequence->length + k);
        }
        attend(run, &pieces[i], index, row);
    }
    run_blocks(run, layer, rows, run_block_rest);
}

// ---- the head ----

static void give_logits(const ft_lm_run *run, const size_t *wanting, size_t count, ft_lm_take *take,
                        void *host)
{
    run->lm->encoder->kernels->norm(run->normed, run->hidden_row, count,
                                    &run->lm->encoder->last_norm);
    run_linear(run, &run->lm->head,
               &(ft_linear_use){.x = run->normed,
                                .x_row = run->hidden_row,
                                .y = run->logits,
                                .y_row = run->logits_row,
                                .rows = count});
    for (size_t i = 0; i < count; i++)
        take(host, wanting[i], run->logits + i * run->logits_row);
}

static void run_head(const ft_lm_run *run, const ft_lm_piece *pieces, size_t count,
                     ft_lm_take *take, void *host)
{
    size_t wanting[LOGIT_ROWS], some = 0, row = 0;

    for (size_t i = 0; i < count; i++) {
        row += pieces[i].count;
        if (!pieces[i].wants_logits)
            continue;
        memcpy(run->normed + some * run->hidden_row, run->hidden + (row - 1) * run->hidden_row,
               run->hidden_row * sizeof(float));
        wanting[some++] = i;
        if (some == LOGIT_ROWS) {
            give_logits(run, wanting, some, take, host);
            some = 0;
        }
    }
    if (some > 0)
        give_logits(run, wanting, some, take, host);
}

void ft_lm_step(ft_lm_run *run, const ft_lm_piece *pieces, size_t count, ft_lm_take *take,
                void *host)
{
    size_t rows = 0;

    for (size_t i = 0; i < count; i++) {
        FT_ASSERT(pieces[i].count > 0 && pieces[i].count <= FT_LM_ROWS_MAX - rows);
        put_tokens(run, &pieces[i], rows);
        rows += pieces[i].count;
    }
    for (size_t i = 0; i < run->lm->encoder->config.layers; i++)
        run_layer(run, i, pieces, count, rows);
    for (size_t i = 0; i < count; i++)
        pieces[i].sequence->length += pieces[i].count;
    run_head(run, pieces, count, take, host);
}
