// Attention, text by text and head by head.
//
// 32 queries of a head at a time are turned to columns: scores are then keys by queries, softmax
// runs down the columns without sums across a vector, and the scores are at once the left side of
// the product with the values. Of a causal or a local layer only the keys that one of the 32 may
// see are looked at. Which queries go together depends on their places in the text alone.
#include <math.h>

#include "stages/nn/encoder_run.h"

enum { QUERIES = FT_ENCODER_QUERIES };

// One head of one text.
typedef struct head {
    const ft_encoder_run *run;
    float *query;              // In the text's first row.
    const float *key, *value;  // The same of the head's keys and values.
    const float *distances;    // Of this head, of distance 0; or NULL.
    size_t count;              // Tokens.
    size_t queries;            // That are asked: of all tokens or of the first one.
    size_t before, behind;     // How many tokens before and behind itself a query sees.
} head;

// Up to 32 queries that follow each other, and the keys that they may see.
typedef struct tile {
    size_t first, queries, columns;
    size_t keys_from, keys;
} tile;

static void add_distances(const head *h, const tile *t)
{
    for (size_t k = 0; k < t->keys; k++) {
        float *row = h->run->scores + k * t->columns;
        const float *of_key = h->distances + (ptrdiff_t)(t->keys_from + k);
        for (size_t i = 0; i < t->queries; i++)
            row[i] += *(of_key - (ptrdiff_t)(t->first + i));
    }
}

// Keys that some of the tile's queries see and others do not.
static void hide_keys(const head *h, const tile *t)
{
    for (size_t k = 0; k < t->keys; k++) {
        const size_t key = t->keys_from + k;
        float *row = h->run->scores + k * t->columns;
        for (size_t i = 0; i < t->queries; i++) {
            const size_t query = t->first + i;
            if (query > key ? query - key > h->before : key - query > h->behind)
                row[i] = -INFINITY;
        }
    }
}

static tile make_tile(const head *h, size_t first)
{
    const size_t left = h->queries - first;
    tile t = {.first = first, .queries = left < QUERIES ? left : QUERIES};
    const size_t behind_last = h->count - first - t.queries;

    t.columns = t.queries > FT_PANEL_COLUMNS_HALF ? QUERIES : FT_PANEL_COLUMNS_HALF;
    t.keys_from = first > h->before ? first - h->before : 0;
    t.keys = first + t.queries + (behind_last < h->behind ? behind_last : h->behind) - t.keys_from;
    return t;
}

static void attend_tile(const head *h, const tile *t)
{
    const ft_encoder_run *run = h->run;
    const ft_encoder *encoder = run->encoder;
    const size_t row = run->heads_row;
    float *query = h->query + t->first * row;
    const ft_multiply scores = {
        .a = h->key + t->keys_from * row,
        .a_row = row,
        .a_step = 1,
        .b = run->queries,
        .b_step = t->columns,
        .c = run->scores,
        .c_row = t->columns,
        .rows = t->keys,
        .columns = t->columns,
        .depth = encoder->head_size,
    };

    encoder->kernels->turn(query, row, t->queries, encoder->head_size, encoder->config.score_scale,
                           run->queries, t->columns);
    encoder->kernels->multiply(&scores);
    if (h->distances)
        add_distances(h, t);
    if (h->before < h->count || h->behind < h->count)
        hide_keys(h, t);
    encoder->kernels->softmax(run->scores, t->keys, t->columns, run->inverse);
    for (size_t column = 0; column < encoder->head_padded; column += FT_PANEL_COLUMNS) {
        const size_t left = encoder->head_padded - column;
        const ft_multiply mix = {
            .a = run->scores,
            .a_row = 1,
            .a_step = t->columns,
            .b = h->value + t->keys_from * row + column,
            .b_step = row,
            .c = query + column,
            .c_row = row,
            .scale = run->inverse,
            .rows = t->queries,
            .columns = left < FT_PANEL_COLUMNS ? left : FT_PANEL_COLUMNS,
            .depth = t->keys,
        };
        encoder->kernels->multiply(&mix);
    }
}

void ft_encoder_attend(const ft_encoder_run *run, const ft_encoder_layer *layer,
                       const ft_token_span *spans, size_t count, size_t number, bool is_first)
{
    const ft_encoder *encoder = run->encoder;
    const ft_encoder_config *config = &encoder->config;
    const size_t padded = encoder->head_padded, group = config->heads / config->key_heads;
    const size_t keys = config->heads * padded, values = keys + config->key_heads * padded;
    float *text = run->heads;

    for (size_t i = 0; i < count; i++) {
        const size_t tokens = ft_encoder_rows(encoder, &spans[i]);
        const head h = {
            .run = run,
            .query = text + number * padded,
            .key = text + keys + number / group * padded,
            .value = text + values + number / group * padded,
            .distances = encoder->distances
                             ? encoder->distances + number * (2 * config->max_tokens - 1) +
                                   config->max_tokens - 1
                             : NULL,
            .count = tokens,
            .queries = is_first ? 1 : tokens,
            .before = layer->is_local ? config->window_before : SIZE_MAX,
            .behind = config->is_causal ? 0
                      : layer->is_local ? config->window_behind
                                        : SIZE_MAX,
        };
        for (size_t first = 0; first < h.queries; first += QUERIES) {
            if (first > 0 && ft_encoder_is_cancelled(run))
                return;
            const tile t = make_tile(&h, first);
            attend_tile(&h, &t);
        }
        text += tokens * run->heads_row;
    }
}
