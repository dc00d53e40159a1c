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
//
// A step is shared by the team's members, loop by loop: with few rows products are cut into
// panels, since reading the weights is what takes time; with many, all that a layer does with a
// row before and behind the attention is cut into rows.
#include "stages/nn/decoder.h"

#include <math.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "runtime/memory/buffer.h"

enum {
    PAGE = FT_LM_PAGE_TOKENS,
    QUERY_ROWS = FT_LM_SHARED_MAX,  // Of one head of keys at a time: two tiles of fourteen.
    BLOCK_ROWS = 56,                // As in encoder.c.
    TILE_ROWS = 14,                 // Fewer are a waste for a product.
    LOGIT_ROWS = 14,
};

// A row of the step.
typedef struct lm_row {
    const ft_lm_sequence *sequence;
    int32_t id;
    size_t position;
} lm_row;

// Some queries of a sequence, at positions side by side: rows of the step.
typedef struct lm_queries {
    size_t row, count;
} lm_queries;

// What a member has for itself.
typedef struct lm_scratch {
    float *middle;                    // [BLOCK_ROWS]
    float *queries, *scores, *mixed;  // Of one head of keys.
    float *narrow;                    // Narrow copies of inputs: [BLOCK_ROWS].
} lm_scratch;

struct ft_lm_run {
    const ft_lm *lm;
    ft_team *team;
    ft_buffer *buffer, *cache;
    size_t hidden_row, heads_row, middle_row, logits_row, scores_row;
    float *hidden, *normed, *heads, *logits;
    float *angles;        // [FT_LM_ROWS_MAX][4][pairs]: see put_angles.
    lm_scratch *scratch;  // [members]
    float *pages;
    size_t page_floats, part_floats;  // Of a page, and of its share of a layer and a head of keys.
    uint32_t *free;                   // [free_count]
    size_t free_count, page_count;
    // Of the step:
    lm_row rows[FT_LM_ROWS_MAX];  // [row_count]
    size_t row_count;
    lm_queries asking[FT_LM_ROWS_MAX];  // [asking_count]
    size_t asking_count;
    const ft_encoder_layer *layer;
    size_t layer_index;
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

static size_t narrow_floats(const ft_lm *lm)
{
    const ft_encoder_layer *layer = &lm->encoder->layers[0];
    const ft_linear *linears[] = {&layer->heads, &layer->mix, &layer->up, &layer->down, &lm->head};
    size_t most = 0;

    for (size_t i = 0; i < FT_COUNT_OF(linears); i++) {
        const size_t bytes = ft_linear_scratch(linears[i], BLOCK_ROWS);
        most = bytes > most ? bytes : most;
    }
    return ft_pad(most, 64) / sizeof(float);
}

// Sizes of what all share, and of what each member has.
static void lay_out(ft_lm_run *run, size_t context, size_t shared[5], size_t each[5])
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
    shared[0] = shared[1] = rows * run->hidden_row;
    shared[2] = rows * run->heads_row;
    shared[3] = (LOGIT_ROWS + FT_LINEAR_ROWS_BEHIND) * run->logits_row;
    shared[4] = ft_pad(FT_LM_ROWS_MAX * 4 * encoder->config.pairs, 16);
    each[0] = (BLOCK_ROWS + FT_LINEAR_ROWS_BEHIND) * run->middle_row;
    each[1] = each[3] = ft_pad(QUERY_ROWS * encoder->head_padded, 16);
    each[2] = QUERY_ROWS * run->scores_row;
    each[4] = narrow_floats(lm);
}

static bool create_scratch(ft_lm_run *run, size_t context, ft_account *account, ft_error *err)
{
    float **const places[] = {&run->hidden, &run->normed, &run->heads, &run->logits, &run->angles};
    const size_t members = ft_team_members(run->team);
    size_t shared[FT_COUNT_OF(places)], each[5], total = 0;

    lay_out(run, context, shared, each);
    for (size_t i = 0; i < FT_COUNT_OF(places); i++)
        total += shared[i] + members * each[i];
    run->scratch = ft_alloc_zero(members, sizeof(*run->scratch));
    if (!run->scratch)
        return ft_fail_nomem(err, members * sizeof(*run->scratch));
    run->buffer = ft_buffer_zero(account, total * sizeof(float), err);
    if (!run->buffer)
        return false;
    float *at = run->buffer->data;
    for (size_t i = 0; i < FT_COUNT_OF(places); at += shared[i], i++)
        *places[i] = at;
    for (size_t member = 0; member < members; member++) {
        lm_scratch *s = &run->scratch[member];
        float **const own[] = {&s->middle, &s->queries, &s->scores, &s->mixed, &s->narrow};
        for (size_t i = 0; i < FT_COUNT_OF(own); at += each[i], i++)
            *own[i] = at;
    }
    return true;
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
    if (!run->cache) {
        ft_error_while(err, "a cache of %zu tokens", cache_tokens);
        return false;
    }
    run->pages = run->cache->data;
    return true;
}

ft_lm_run *ft_lm_run_create(const ft_lm *lm, size_t cache_tokens, size_t context, ft_team *team,
                            ft_account *account, ft_error *err)
{
    ft_lm_run *run = ft_alloc_zero(1, sizeof(*run));

    if (!run) {
        ft_fail_nomem(err, sizeof(*run));
        return NULL;
    }
    run->lm = lm;
    run->team = team;
    if (create_scratch(run, context, account, err) && create_cache(run, cache_tokens, account, err))
        return run;
    ft_lm_run_destroy(run);
    return NULL;
}

void ft_lm_run_destroy(ft_lm_run *run)
{
    if (!run)
        return;
    ft_buffer_unref(run->cache);
    ft_buffer_unref(run->buffer);
    ft_free(run->scratch);
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

static float *part_of(const ft_lm_run *run, uint32_t page, size_t layer, size_t key_head)
{
    const size_t part = layer * run->lm->encoder->config.key_heads + key_head;
    return run->pages + page * run->page_floats + part * run->part_floats;
}

// Behind a sequence's last token the weights are 0, and the values must be numbers: those of who
// had the page before may not be.
static void clear_page(const ft_lm_run *run, uint32_t page)
{
    const ft_encoder *encoder = run->lm->encoder;
    const size_t parts = encoder->config.layers * encoder->config.key_heads;

    for (size_t i = 0; i < parts; i++)
        memset(part_of(run, page, 0, i) + encoder->head_size * PAGE, 0,
               PAGE * encoder->head_padded * sizeof(float));
}

// Words and angles of some rows, and pages that begin with them.
static void put_rows(void *host, size_t first, size_t count, size_t member)
{
    const ft_lm_run *run = host;
    const ft_encoder *encoder = run->lm->encoder;
    const size_t size = encoder->config.hidden;

    (void)member;
    for (size_t row = first; row < first + count; row++) {
        const lm_row *of = &run->rows[row];
        ft_weight_read(encoder->words, (size_t)of->id * size, size,
                       run->hidden + row * run->hidden_row);
        put_angles(run, row, of->position);
        if (of->position % PAGE == 0)
            clear_page(run, of->sequence->pages[of->position / PAGE]);
    }
}

static void add_piece(ft_lm_run *run, const ft_lm_piece *piece)
{
    const ft_encoder_config *config = &run->lm->encoder->config;
    const size_t some = QUERY_ROWS / (config->heads / config->key_heads);
    const size_t length = piece->sequence->length;

    FT_ASSERT(piece->count > 0 && piece->count <= FT_LM_ROWS_MAX - run->row_count &&
              length + piece->count <= piece->sequence->page_count * PAGE);
    for (size_t done = 0; done < piece->count; done += some)
        run->asking[run->asking_count++] = (lm_queries){
            run->row_count + done, piece->count - done < some ? piece->count - done : some};
    for (size_t i = 0; i < piece->count; i++)
        run->rows[run->row_count++] = (lm_row){piece->sequence, piece->ids[i], length + i};
}

// Norms `rows` of `hidden` into the same rows of `normed`.
static void norm_rows(const ft_lm_run *run, const ft_layer_norm *norm, size_t row, size_t rows)
{
    const size_t at = row * run->hidden_row;
    run->lm->encoder->kernels->norm(run->hidden + at, run->normed + at, run->hidden_row, rows,
                                    norm);
}

// ---- products ----

// With few rows a team shares the outputs of each product, else the rows.
static void share_product(const ft_lm_run *run, const ft_linear *linear, ft_linear_use use)
{
    use.scratch = (char *)run->scratch[0].narrow;
    ft_linear_share(linear, run->lm->encoder->kernels, &use, run->team);
}

// A product the second half of whose outputs is what the first lets through.
typedef struct gated_product {
    const ft_lm_run *run;
    const ft_linear *linear;
    const ft_linear_use *use;
} gated_product;

enum { PANELS = 2 };  // That one takes at a time, of each half.

static void run_gated_panels(void *host, size_t first, size_t count, size_t member)
{
    const gated_product *p = host;
    const ft_encoder *encoder = p->run->lm->encoder;
    const size_t gate = encoder->gate_width, all = gate / FT_PANEL_COLUMNS;
    const size_t begin = first * PANELS, end = begin + count * PANELS;
    const size_t panels = (end < all ? end : all) - begin;
    float *y = p->use->y + begin * FT_PANEL_COLUMNS;
    ft_linear_use use = *p->use;

    (void)member;
    use.y = y;
    ft_linear_run_panels(p->linear, encoder->kernels, &use, begin, panels);
    use.y = y + gate;
    ft_linear_run_panels(p->linear, encoder->kernels, &use, all + begin, panels);
    encoder->kernels->gate(encoder->config.activation, y, y + gate, use.y_row, use.rows,
                           panels * FT_PANEL_COLUMNS);
}

static void share_gated_product(const ft_lm_run *run, const ft_linear *linear, ft_linear_use use)
{
    const size_t each = PANELS * FT_PANEL_COLUMNS;
    gated_product p = {run, linear, &use};

    use.scratch = (char *)run->scratch[0].narrow;
    ft_linear_narrow(linear, run->lm->encoder->kernels, &use);
    ft_team_run(run->team, (run->lm->encoder->gate_width + each - 1) / each, 1, run_gated_panels,
                &p);
}

static void run_linear(const ft_lm_run *run, const ft_linear *linear, ft_linear_use use,
                       size_t member)
{
    use.scratch = (char *)run->scratch[member].narrow;
    ft_linear_run(linear, run->lm->encoder->kernels, &use);
}

// ---- attention ----

// Queries and keys of a row: normed head by head where the model does, and turned.
static void turn_row(const ft_lm_run *run, size_t row)
{
    const ft_encoder_layer *layer = run->layer;
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
        encoder->kernels->norm(queries, queries, step, config->heads, &layer->norms[FT_NORM_QUERY]);
    if (layer->norms[FT_NORM_KEY].size)
        encoder->kernels->norm(keys, keys, step, config->key_heads, &layer->norms[FT_NORM_KEY]);
    encoder->kernels->rotate(queries, config->heads, step, &rotation);
    encoder->kernels->rotate(keys, config->key_heads, step, &rotation);
}

// Keys and values of a row into the page of its position.
static void keep_row(const ft_lm_run *run, size_t row)
{
    const size_t position = run->rows[row].position;
    const ft_lm_sequence *sequence = run->rows[row].sequence;
    const ft_encoder *encoder = run->lm->encoder;
    const size_t heads = encoder->config.key_heads, padded = encoder->head_padded;
    const float *key = run->heads + row * run->heads_row + encoder->config.heads * padded;
    const float *value = key + heads * padded;
    const size_t slot = position % PAGE;

    for (size_t head = 0; head < heads; head++, key += padded, value += padded) {
        float *part = part_of(run, sequence->pages[position / PAGE], run->layer_index, head);
        for (size_t k = 0; k < encoder->head_size; k++)
            part[k * PAGE + slot] = key[k];
        memcpy(part + encoder->head_size * PAGE + slot * padded, value, padded * sizeof(float));
    }
}

// Some queries of all the heads that share one of keys.
typedef struct asking {
    const ft_lm_sequence *sequence;
    size_t key_head;
    size_t row, count;
    size_t position;  // Of the first.
    const lm_scratch *scratch;
} asking;

static size_t first_seen(const ft_lm_run *run, size_t position)
{
    const size_t before = run->lm->encoder->config.window_before;
    return run->layer->is_local && position > before ? position - before : 0;
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
        const float *part = part_of(run, a->sequence->pages[page], run->layer_index, a->key_head);
        for (size_t column = 0; column < padded; column += FT_PANEL_COLUMNS)
            run->lm->encoder->kernels->multiply(&(ft_multiply){
                .a = a->scratch->scores + page * PAGE,
                .a_row = run->scores_row,
                .a_step = 1,
                .b = part + size * PAGE + column,
                .b_step = padded,
                .c = a->scratch->mixed + column,
                .c_row = padded,
                .add = page > first,
                .rows = rows,
                .columns = padded - column < FT_PANEL_COLUMNS ? padded - column : FT_PANEL_COLUMNS,
                .depth = PAGE,
            });
    }
}

// Keys [from, to) of the pages [begin, end).
typedef struct seen {
    size_t begin, from, to, end;
} seen;

// The softmax of a row of scores without the division by `*out_sum`; zeros for what is not seen.
static void weigh(const ft_kernels *kernels, float *scores, const seen *s, float *out_sum)
{
    const size_t first = s->from / 16 * 16, last = ft_pad(s->to, 16);

    memset(scores + s->begin, 0, (first - s->begin) * sizeof(float));
    memset(scores + last, 0, (s->end - last) * sizeof(float));
    kernels->weigh(scores, s->from, s->to, out_sum);
}

static void attend_some(const ft_lm_run *run, const asking *a)
{
    const ft_encoder *encoder = run->lm->encoder;
    const size_t padded = encoder->head_padded, last = a->position + a->count;
    const size_t shared = encoder->config.heads / encoder->config.key_heads;
    const size_t rows = a->count * shared, pages = (last + PAGE - 1) / PAGE;
    const size_t first = first_seen(run, a->position) / PAGE;

    for (size_t i = 0; i < rows; i++) {
        const float *query = query_of(run, a, i / shared, i % shared);
        for (size_t k = 0; k < padded; k++)
            a->scratch->queries[i * padded + k] = query[k] * encoder->config.score_scale;
    }
    for (size_t page = first; page < pages; page++)
        encoder->kernels->multiply(&(ft_multiply){
            .a = a->scratch->queries,
            .a_row = padded,
            .a_step = 1,
            .b = part_of(run, a->sequence->pages[page], run->layer_index, a->key_head),
            .b_step = PAGE,
            .c = a->scratch->scores + page * PAGE,
            .c_row = run->scores_row,
            .rows = rows,
            .columns = PAGE,
            .depth = encoder->head_size,
        });
    float sums[QUERY_ROWS];
    for (size_t i = 0; i < rows; i++) {
        const size_t position = a->position + i / shared;
        weigh(encoder->kernels, a->scratch->scores + i * run->scores_row,
              &(seen){first * PAGE, first_seen(run, position), position + 1, pages * PAGE},
              &sums[i]);
    }
    mix_values(run, a, rows, first, pages);
    for (size_t i = 0; i < rows; i++) {
        float *to = query_of(run, a, i / shared, i % shared);
        for (size_t k = 0; k < padded; k++)
            to[k] = a->scratch->mixed[i * padded + k] / sums[i];
    }
}

// The results take the place of the queries. A round is one head of keys of some queries.
static void attend(void *host, size_t first, size_t count, size_t member)
{
    const ft_lm_run *run = host;
    const size_t heads = run->lm->encoder->config.key_heads;

    for (size_t i = first; i < first + count; i++) {
        const lm_queries *of = &run->asking[i / heads];
        attend_some(run, &(asking){
                             .sequence = run->rows[of->row].sequence,
                             .key_head = i % heads,
                             .row = of->row,
                             .count = of->count,
                             .position = run->rows[of->row].position,
                             .scratch = &run->scratch[member],
                         });
    }
}

// ---- layers ----

static ft_linear_use heads_use(const ft_lm_run *run, size_t row, size_t rows)
{
    return (ft_linear_use){.x = run->normed + row * run->hidden_row,
                           .x_row = run->hidden_row,
                           .y = run->heads + row * run->heads_row,
                           .y_row = run->heads_row,
                           .rows = rows};
}

static ft_linear_use mix_use(const ft_lm_run *run, size_t row, size_t rows)
{
    return (ft_linear_use){.x = run->heads + row * run->heads_row,
                           .x_row = run->heads_row,
                           .y = run->hidden + row * run->hidden_row,
                           .y_row = run->hidden_row,
                           .rows = rows,
                           .add = true};
}

static ft_linear_use up_use(const ft_lm_run *run, size_t row, size_t rows, size_t member)
{
    return (ft_linear_use){.x = run->normed + row * run->hidden_row,
                           .x_row = run->hidden_row,
                           .y = run->scratch[member].middle,
                           .y_row = run->middle_row,
                           .rows = rows};
}

static ft_linear_use down_use(const ft_lm_run *run, size_t row, size_t rows, size_t member)
{
    return (ft_linear_use){.x = run->scratch[member].middle,
                           .x_row = run->middle_row,
                           .y = run->hidden + row * run->hidden_row,
                           .y_row = run->hidden_row,
                           .rows = rows,
                           .add = true};
}

static void keep_rows(const ft_lm_run *run, size_t row, size_t rows)
{
    for (size_t i = row; i < row + rows; i++) {
        turn_row(run, i);
        keep_row(run, i);
    }
}

// What goes before the attention, of some rows.
static void run_heads(void *host, size_t first, size_t count, size_t member)
{
    const ft_lm_run *run = host;

    for (size_t row = first, some; row < first + count; row += some) {
        some = first + count - row < BLOCK_ROWS ? first + count - row : BLOCK_ROWS;
        norm_rows(run, &run->layer->norms[FT_NORM_MIX_BEFORE], row, some);
        run_linear(run, &run->layer->heads, heads_use(run, row, some), member);
        keep_rows(run, row, some);
    }
}

// And behind it.
static void run_rest(void *host, size_t first, size_t count, size_t member)
{
    const ft_lm_run *run = host;
    const ft_encoder *encoder = run->lm->encoder;
    float *middle = run->scratch[member].middle;

    for (size_t row = first, some; row < first + count; row += some) {
        some = first + count - row < BLOCK_ROWS ? first + count - row : BLOCK_ROWS;
        run_linear(run, &run->layer->mix, mix_use(run, row, some), member);
        norm_rows(run, &run->layer->norms[FT_NORM_MLP_BEFORE], row, some);
        run_linear(run, &run->layer->up, up_use(run, row, some, member), member);
        encoder->kernels->gate(encoder->config.activation, middle, middle + encoder->gate_width,
                               run->middle_row, some, encoder->gate_width);
        run_linear(run, &run->layer->down, down_use(run, row, some, member), member);
    }
}

static void run_attention(ft_lm_run *run)
{
    ft_team_run(run->team, run->asking_count * run->lm->encoder->config.key_heads, 1, attend, run);
}

static void run_layer_by_rows(ft_lm_run *run)
{
    ft_team_run(run->team, run->row_count, TILE_ROWS, run_heads, run);
    run_attention(run);
    ft_team_run(run->team, run->row_count, TILE_ROWS, run_rest, run);
}

static void run_layer_by_panels(ft_lm_run *run)
{
    const ft_encoder_layer *layer = run->layer;
    const size_t rows = run->row_count;

    norm_rows(run, &layer->norms[FT_NORM_MIX_BEFORE], 0, rows);
    share_product(run, &layer->heads, heads_use(run, 0, rows));
    keep_rows(run, 0, rows);
    run_attention(run);
    share_product(run, &layer->mix, mix_use(run, 0, rows));
    norm_rows(run, &layer->norms[FT_NORM_MLP_BEFORE], 0, rows);
    share_gated_product(run, &layer->up, up_use(run, 0, rows, 0));
    share_product(run, &layer->down, down_use(run, 0, rows, 0));
}

// ---- the head ----

static void give_logits(const ft_lm_run *run, const size_t *wanting, size_t count, ft_lm_take *take,
                        void *host)
{
    run->lm->encoder->kernels->norm(run->normed, run->normed, run->hidden_row, count,
                                    &run->lm->encoder->last_norm);
    share_product(run, &run->lm->head,
                  (ft_linear_use){.x = run->normed,
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
    const ft_encoder *encoder = run->lm->encoder;

    run->row_count = run->asking_count = 0;
    for (size_t i = 0; i < count; i++)
        add_piece(run, &pieces[i]);
    ft_team_run(run->team, run->row_count, 4, put_rows, run);
    const bool has_few =
        run->row_count <= BLOCK_ROWS && run->row_count < 2 * TILE_ROWS * ft_team_members(run->team);
    for (size_t i = 0; i < encoder->config.layers; i++) {
        run->layer = &encoder->layers[i];
        run->layer_index = i;
        if (has_few)
            run_layer_by_panels(run);
        else
            run_layer_by_rows(run);
    }
    for (size_t i = 0; i < count; i++)
        pieces[i].sequence->length += pieces[i].count;
    run_head(run, pieces, count, take, host);
}
