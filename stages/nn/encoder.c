// Runs the encoder.
//
//   tokens of all texts end to end -> words + type + position, norm
//   each layer: queries, keys, values  ->  attention, text by text and head by head  ->  mix, norm,
//   up, gelu, down, norm pool each text's rows, normalise
//
// Everything but attention goes over blocks of rows that stay in the near cache from one product to
// the next. Attention turns 32 queries of a head at a time into columns: scores are then keys by
// queries, softmax runs down the columns without sums across a vector, and the scores are at once
// the left side of the product with the values. The result takes the place of the queries.
#include "stages/nn/encoder.h"

#include <math.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "runtime/memory/buffer.h"

enum {
    TOKENS_AT_ONCE = 512,  // Unless one text may have more.
    BLOCK_ROWS = 56,  // Four tiles of fourteen rows: 56 x 1536 floats are a third of a 1 MiB cache.
    QUERIES = FT_PANEL_COLUMNS,
};

struct ft_encoder_run {
    const ft_encoder *encoder;
    ft_buffer *buffer;
    size_t capacity;                 // Tokens.
    float *hidden, *heads, *middle;  // Rows, each `_row` floats apart.
    size_t hidden_row, heads_row, middle_row;
    float *scores;   // [max_tokens][QUERIES]
    float *queries;  // [head_size][QUERIES]
    float *inverse;  // [QUERIES]
};

ft_encoder_run *ft_encoder_run_create(const ft_encoder *encoder, ft_account *account, ft_error *err)
{
    const ft_encoder_config *config = &encoder->config;
    ft_encoder_run *run = ft_alloc_zero(1, sizeof(*run));

    if (!run) {
        ft_fail_nomem(err, sizeof(*run));
        return NULL;
    }
    *run = (ft_encoder_run){.encoder = encoder};
    run->capacity = config->max_tokens > TOKENS_AT_ONCE ? config->max_tokens : TOKENS_AT_ONCE;
    run->hidden_row = ft_row_stride(config->hidden);
    run->heads_row = ft_row_stride(3 * config->heads * encoder->head_padded);
    run->middle_row = ft_row_stride(config->intermediate);
    const size_t rows = run->capacity + FT_LINEAR_ROWS_BEHIND;
    const size_t sizes[] = {
        rows * run->hidden_row,
        rows * run->heads_row,
        (BLOCK_ROWS + FT_LINEAR_ROWS_BEHIND) * run->middle_row,
        config->max_tokens * QUERIES,
        encoder->head_size * QUERIES,
        QUERIES,
    };
    float **const places[] = {&run->hidden, &run->heads,   &run->middle,
                              &run->scores, &run->queries, &run->inverse};
    size_t total = 0;
    for (size_t i = 0; i < FT_COUNT_OF(sizes); i++)
        total += sizes[i];
    run->buffer = ft_buffer_create(account, total * sizeof(float), err);
    if (!run->buffer) {
        ft_free(run);
        return NULL;
    }
    float *at = run->buffer->data;
    for (size_t i = 0; i < FT_COUNT_OF(sizes); at += sizes[i], i++)
        *places[i] = at;
    if (encoder->uses_blas)
        memset(run->buffer->data, 0, total * sizeof(float));
    return run;
}

void ft_encoder_run_destroy(ft_encoder_run *run)
{
    if (!run)
        return;
    ft_buffer_unref(run->buffer);
    ft_free(run);
}

const ft_encoder *ft_encoder_run_encoder(const ft_encoder_run *run)
{
    return run->encoder;
}

// ---- the front: tokens to rows ----

size_t ft_encoder_rows(const ft_encoder *encoder, const ft_token_span *span)
{
    const size_t most = encoder->config.max_tokens;
    return span->count < most ? span->count : most;
}

static void put_tokens(const ft_encoder_run *run, const ft_token_span *span, size_t first_row)
{
    const ft_encoder *encoder = run->encoder;
    const size_t size = encoder->config.hidden, count = ft_encoder_rows(encoder, span);

    for (size_t i = 0; i < count; i++) {
        const size_t from = i + 1 < count ? i : span->count - 1;
        const float *type = encoder->types + (span->types ? (size_t)span->types[from] * size : 0);
        float *row = run->hidden + (first_row + i) * run->hidden_row;
        const float *position = encoder->positions + i * size;
        ft_weight_read(encoder->words, (size_t)span->ids[from] * size, size, row);
        for (size_t k = 0; k < size; k++)
            row[k] = row[k] + type[k] + position[k];
    }
    encoder->kernels->norm(run->hidden + first_row * run->hidden_row, run->hidden_row, count,
                           &encoder->norm);
}

// ---- attention ----

// Up to 32 queries of a head, turned and scaled: queries[k][column]; columns without a query are 0.
static void turn_queries(const ft_encoder_run *run, const float *query, size_t count,
                         size_t columns)
{
    const size_t size = run->encoder->head_size;
    const float scale = 1.0F / sqrtf((float)size);

    for (size_t k = 0; k < size; k++) {
        float *row = run->queries + k * columns;
        for (size_t i = 0; i < count; i++)
            row[i] = query[i * run->heads_row + k] * scale;
        for (size_t i = count; i < columns; i++)
            row[i] = 0;
    }
}

// One head of one text of `count` tokens; `at` is the head's query in the text's first row.
static void attend_head(const ft_encoder_run *run, float *at, size_t count)
{
    const ft_encoder *encoder = run->encoder;
    const size_t part = encoder->config.heads * encoder->head_padded, row = run->heads_row;

    for (size_t first = 0; first < count; first += QUERIES) {
        const size_t queries = count - first < QUERIES ? count - first : QUERIES;
        const size_t columns = queries > FT_PANEL_COLUMNS_HALF ? QUERIES : FT_PANEL_COLUMNS_HALF;
        float *query = at + first * row;
        const ft_multiply scores = {
            .a = at + part,
            .a_row = row,
            .a_step = 1,
            .b = run->queries,
            .b_step = columns,
            .c = run->scores,
            .c_row = columns,
            .rows = count,
            .columns = columns,
            .depth = encoder->head_size,
        };
        turn_queries(run, query, queries, columns);
        encoder->kernels->multiply(&scores);
        encoder->kernels->softmax(run->scores, count, columns, run->inverse);
        for (size_t column = 0; column < encoder->head_padded; column += FT_PANEL_COLUMNS) {
            const size_t left = encoder->head_padded - column;
            const ft_multiply mix = {
                .a = run->scores,
                .a_row = 1,
                .a_step = columns,
                .b = at + 2 * part + column,
                .b_step = row,
                .c = query + column,
                .c_row = row,
                .scale = run->inverse,
                .rows = queries,
                .columns = left < FT_PANEL_COLUMNS ? left : FT_PANEL_COLUMNS,
                .depth = count,
            };
            encoder->kernels->multiply(&mix);
        }
    }
}

static void attend(const ft_encoder_run *run, const ft_token_span *spans, size_t count)
{
    const ft_encoder *encoder = run->encoder;
    size_t row = 0;

    for (size_t i = 0; i < count; i++) {
        const size_t tokens = ft_encoder_rows(encoder, &spans[i]);
        for (size_t head = 0; head < encoder->config.heads; head++)
            attend_head(run, run->heads + row * run->heads_row + head * encoder->head_padded,
                        tokens);
        row += tokens;
    }
}

// ---- layers ----

static void run_linear(const ft_encoder_run *run, const ft_linear *linear, const ft_linear_use *use)
{
    ft_linear_run(linear, run->encoder->kernels, use);
}

static void run_block_heads(const ft_encoder_run *run, const ft_encoder_layer *layer, size_t row,
                            size_t rows)
{
    run_linear(run, &layer->heads,
               &(ft_linear_use){.x = run->hidden + row * run->hidden_row,
                                .x_row = run->hidden_row,
                                .y = run->heads + row * run->heads_row,
                                .y_row = run->heads_row,
                                .rows = rows});
}

static void run_block_rest(const ft_encoder_run *run, const ft_encoder_layer *layer, size_t row,
                           size_t rows)
{
    const ft_kernels *kernels = run->encoder->kernels;
    float *hidden = run->hidden + row * run->hidden_row;

    run_linear(run, &layer->mix,
               &(ft_linear_use){.x = run->heads + row * run->heads_row,
                                .x_row = run->heads_row,
                                .y = hidden,
                                .y_row = run->hidden_row,
                                .rows = rows,
                                .add = true});
    kernels->norm(hidden, run->hidden_row, rows, &layer->mix_norm);
    run_linear(run, &layer->up,
               &(ft_linear_use){.x = hidden,
                                .x_row = run->hidden_row,
                                .y = run->middle,
                                .y_row = run->middle_row,
                                .rows = rows,
                                .activation = FT_ACTIVATION_GELU});
    run_linear(run, &layer->down,
               &(ft_linear_use){.x = run->middle,
                                .x_row = run->middle_row,
                                .y = hidden,
                                .y_row = run->hidden_row,
                                .rows = rows,
                                .add = true});
    kernels->norm(hidden, run->hidden_row, rows, &layer->down_norm);
}

typedef void run_block(const ft_encoder_run *run, const ft_encoder_layer *layer, size_t row,
                       size_t rows);

// All rows in blocks of nearly the same height.
static void run_blocks(const ft_encoder_run *run, const ft_encoder_layer *layer, size_t rows,
                       run_block *block)
{
    const size_t blocks = (rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    size_t row = 0;

    for (size_t i = 0; i < blocks; i++) {
        const size_t some = (rows - row + (blocks - i) - 1) / (blocks - i);
        block(run, layer, row, some);
        row += some;
    }
}

// ---- all of it ----

size_t ft_encoder_run_some(ft_encoder_run *run, const ft_token_span *spans, size_t count,
                           ft_rows *out_rows)
{
    const ft_encoder *encoder = run->encoder;
    size_t rows = 0, taken = 0;

    for (; taken < count && rows + ft_encoder_rows(encoder, &spans[taken]) <= run->capacity;
         taken++) {
        put_tokens(run, &spans[taken], rows);
        rows += ft_encoder_rows(encoder, &spans[taken]);
    }
    for (size_t i = 0; i < encoder->config.layers; i++) {
        run_blocks(run, &encoder->layers[i], rows, run_block_heads);
        attend(run, spans, taken);
        run_blocks(run, &encoder->layers[i], rows, run_block_rest);
    }
    *out_rows = (ft_rows){run->hidden, run->hidden_row};
    return taken;
}
