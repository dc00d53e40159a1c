// Runs the encoder.
//
//   tokens of all texts end to end -> words + type + position, norm
//   each layer: norm, queries, keys and values, rotated  ->  attention (encoder_attention.c)  ->
//   mix, norm, up, activation or gate, down, norm
//
// Which of the norms there are is the model's; of those that are not nothing is run. Everything but
// attention goes over blocks of rows that stay in the near cache from one product to the next.
#include "stages/nn/encoder.h"

#include <string.h>

#include "runtime/memory/alloc.h"
#include "stages/nn/encoder_run.h"

enum {
    BLOCK_ROWS = 56,  // Four tiles of fourteen rows: 56 x 1536 floats are a third of a 1 MiB cache.
    FEW_ROWS = BLOCK_ROWS,
};

// ---- memory ----

static size_t rope_kinds(const ft_encoder *encoder)
{
    return encoder->config.pairs == 0 ? 0 : encoder->config.is_local ? 2 : 1;
}

static void fill_angles(const ft_encoder_run *run)
{
    const ft_encoder *encoder = run->encoder;
    const size_t pairs = encoder->config.pairs;

    for (size_t kind = 0; kind < rope_kinds(encoder); kind++)
        for (size_t place = 0; place < run->capacity; place++) {
            float *cosines = run->angles[kind] + place * 2 * pairs;
            ft_rope_angles(&encoder->config.ropes[kind], pairs, encoder->rope_factors, place,
                           cosines, cosines + pairs);
        }
}

// Bytes for the inputs of the widest layer. All layers have the shapes of the first.
static size_t scratch_size(const ft_encoder *encoder)
{
    const ft_encoder_layer *layer = &encoder->layers[0];
    const ft_linear *const linears[] = {&layer->heads, &layer->mix, &layer->up, &layer->down};
    size_t most = 0;

    for (size_t i = 0; i < FT_COUNT_OF(linears); i++) {
        const size_t size = ft_linear_scratch(linears[i], BLOCK_ROWS);
        most = size > most ? size : most;
    }
    return most;
}

// What was in the buffer is lost.
static bool make_room(ft_encoder_run *run, size_t tokens, ft_error *err)
{
    const ft_encoder *encoder = run->encoder;
    const size_t rows = tokens + FT_LINEAR_ROWS_BEHIND;
    const size_t block = BLOCK_ROWS + FT_LINEAR_ROWS_BEHIND;
    const size_t angles = tokens * 2 * encoder->config.pairs, kinds = rope_kinds(encoder);
    float *places = NULL, *scratch = NULL;
    const size_t sizes[] = {
        rows * run->hidden_row,
        rows * run->heads_row,
        block * run->middle_row,
        block * run->hidden_row,
        tokens * FT_ENCODER_QUERIES,
        ft_pad(encoder->head_size * FT_ENCODER_QUERIES, 16),
        FT_ENCODER_QUERIES,
        kinds > 0 ? ft_pad(angles, 16) : 0,
        kinds > 1 ? ft_pad(angles, 16) : 0,
        ft_pad(tokens, 16),
        scratch_size(encoder) / sizeof(float),
    };
    float **const at[] = {&run->hidden,    &run->heads,   &run->middle,  &run->beside,
                          &run->scores,    &run->queries, &run->inverse, &run->angles[0],
                          &run->angles[1], &places,       &scratch};
    size_t total = 0;

    for (size_t i = 0; i < FT_COUNT_OF(sizes); i++)
        total += sizes[i];
    ft_buffer_unref(ft_take(&run->buffer));
    run->capacity = 0;
    run->members_capacity = 0;
    run->buffer = ft_buffer_create(run->account, total * sizeof(float), err);
    if (!run->buffer) {
        ft_error_while(err, "making room for %zu tokens", tokens);
        return false;
    }
    run->capacity = tokens;
    float *next = run->buffer->data;
    for (size_t i = 0; i < FT_COUNT_OF(sizes); next += sizes[i], i++)
        *at[i] = next;
    run->places = (uint32_t *)(void *)places;
    run->scratch = (char *)scratch;
    if (encoder->uses_blas)
        memset(run->buffer->data, 0, total * sizeof(float));
    fill_angles(run);
    return true;
}

ft_encoder_run *ft_encoder_run_create(const ft_encoder *encoder, ft_account *account, ft_error *err)
{
    const ft_encoder_config *config = &encoder->config;
    ft_encoder_run *run = ft_alloc_zero(1, sizeof(*run));

    if (!run) {
        ft_fail_nomem(err, sizeof(*run));
        return NULL;
    }
    *run = (ft_encoder_run){.encoder = encoder, .account = account};
    run->hidden_row = ft_row_stride(config->hidden);
    run->heads_row = ft_row_stride(encoder->layers[0].heads.width);
    run->middle_row = ft_row_stride(encoder->layers[0].up.width);
    if (make_room(run, FT_ENCODER_TOKENS, err))
        return run;
    ft_free(run);
    return NULL;
}

void ft_encoder_run_destroy(ft_encoder_run *run)
{
    if (!run)
        return;
    ft_buffer_unref(run->members_buffer);
    ft_free(run->members);
    ft_buffer_unref(run->buffer);
    ft_free(run);
}

void ft_encoder_run_watch(ft_encoder_run *run, bool (*is_cancelled)(const void *host),
                          const void *host)
{
    run->is_cancelled = is_cancelled;
    run->host = host;
}

bool ft_encoder_run_reserve(ft_encoder_run *run, const ft_token_span *spans, size_t count,
                            ft_error *err)
{
    size_t longest = FT_ENCODER_TOKENS;

    for (size_t i = 0; i < count; i++) {
        const size_t rows = ft_encoder_rows(run->encoder, &spans[i]);
        longest = rows > longest ? rows : longest;
    }
    return longest <= run->capacity || make_room(run, ft_pad(longest, FT_ENCODER_TOKENS), err);
}

// For each of a team what a block and a head need; the rows are the same.
static bool make_members(ft_encoder_run *run, size_t count)
{
    const ft_encoder *encoder = run->encoder;
    const size_t block = BLOCK_ROWS + FT_LINEAR_ROWS_BEHIND;
    const size_t sizes[] = {
        block * run->middle_row,
        block * run->hidden_row,
        run->capacity * FT_ENCODER_QUERIES,
        ft_pad(encoder->head_size * FT_ENCODER_QUERIES, 16),
        FT_ENCODER_QUERIES,
        scratch_size(encoder) / sizeof(float),
    };
    ft_error why = FT_ERROR_INIT;
    size_t total = 0;

    for (size_t i = 0; i < FT_COUNT_OF(sizes); i++)
        total += sizes[i];
    ft_buffer_unref(ft_take(&run->members_buffer));
    ft_free(ft_take(&run->members));
    run->members_capacity = 0;
    run->members = ft_alloc_array(count, sizeof(*run->members));
    if (!run->members)
        return false;
    run->members_buffer = ft_buffer_zero(run->account, (count - 1) * total * sizeof(float), &why);
    if (!run->members_buffer)
        return false;
    float *next = run->members_buffer->data;
    for (size_t i = 0; i < count; i++) {
        ft_encoder_run *member = &run->members[i];
        float *scratch = NULL;
        float **const at[] = {&member->middle,  &member->beside,  &member->scores,
                              &member->queries, &member->inverse, &scratch};
        *member = *run;
        member->team = NULL;
        for (size_t k = 0; i > 0 && k < FT_COUNT_OF(sizes); next += sizes[k], k++)
            *at[k] = next;
        if (i > 0)
            member->scratch = (char *)scratch;
    }
    run->members_capacity = run->capacity;
    return true;
}

void ft_encoder_run_share(ft_encoder_run *run, ft_team *team)
{
    run->team = NULL;
    if (team &&
        (run->members_capacity == run->capacity || make_members(run, ft_team_members(team))))
        run->team = team;
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

static void put_word(const ft_encoder *encoder, int32_t id, float *row)
{
    const size_t size = encoder->config.hidden;
    const float scale = encoder->config.word_scale;

    ft_weight_read(encoder->words, (size_t)id * size, size, row);
    if (scale != 1)
        for (size_t k = 0; k < size; k++)
            row[k] *= scale;
}

static void add_row(float *row, const float *more, size_t size)
{
    for (size_t k = 0; k < size; k++)
        row[k] += more[k];
}

static void put_tokens(const ft_encoder_run *run, const ft_token_span *span, size_t first_row)
{
    const ft_encoder *encoder = run->encoder;
    const ft_encoder_config *config = &encoder->config;
    const size_t size = config->hidden, count = ft_encoder_rows(encoder, span);
    size_t position = config->position_offset;

    for (size_t i = 0; i < count; i++) {
        const size_t from = i + 1 < count ? i : span->count - 1;
        const bool is_padding = config->has_padding && (size_t)span->ids[from] == config->padding;
        float *row = run->hidden + (first_row + i) * run->hidden_row;
        put_word(encoder, span->ids[from], row);
        if (encoder->types)
            add_row(row, encoder->types + (span->types ? (size_t)span->types[from] * size : 0),
                    size);
        if (encoder->positions)
            add_row(row, encoder->positions + (is_padding ? config->padding : position) * size,
                    size);
        position += !is_padding;
        run->places[first_row + i] = (uint32_t)i;
    }
    if (encoder->norm.size)
        encoder->kernels->norm(run->hidden + first_row * run->hidden_row, run->hidden_row, count,
                               &encoder->norm);
}

// ---- layers ----

// Shared by the team where `run` is not a member's.
static void run_linear(const ft_encoder_run *run, const ft_linear *linear, const ft_linear_use *use)
{
    ft_linear_use with = *use;

    with.scratch = run->scratch;
    ft_linear_share(linear, run->encoder->kernels, &with, run->team);
}

// The rows that a layer's half reads: hidden ones, or their normed copy.
static const float *norm_before(const ft_encoder_run *run, const ft_layer_norm *norm,
                                const float *hidden, size_t rows)
{
    if (!norm->size)
        return hidden;
    for (size_t row = 0; row < rows; row++)
        memcpy(run->beside + row * run->hidden_row, hidden + row * run->hidden_row,
               norm->size * sizeof(*hidden));
    run->encoder->kernels->norm(run->beside, run->hidden_row, rows, norm);
    return run->beside;
}

// hidden = norm(hidden + norm(x W + b)), with those norms that there are.
static void add_output(const ft_encoder_run *run, const ft_linear *linear, ft_linear_use use,
                       float *hidden, const ft_layer_norm *behind, const ft_layer_norm *sum)
{
    const ft_kernels *kernels = run->encoder->kernels;

    use.y = behind->size ? run->beside : hidden;
    use.y_row = run->hidden_row;
    use.add = !behind->size;
    run_linear(run, linear, &use);
    if (behind->size) {
        kernels->norm(run->beside, run->hidden_row, use.rows, behind);
        for (size_t row = 0; row < use.rows; row++)
            add_row(hidden + row * run->hidden_row, run->beside + row * run->hidden_row,
                    behind->size);
    }
    if (sum->size)
        kernels->norm(hidden, run->hidden_row, use.rows, sum);
}

static void norm_heads(const ft_encoder_run *run, const ft_layer_norm *norm, float *first,
                       size_t heads, size_t rows)
{
    for (size_t head = 0; norm->size && head < heads; head++)
        run->encoder->kernels->norm(first + head * run->encoder->head_padded, run->heads_row, rows,
                                    norm);
}

// Panels of queries alone: what can be left out.
static size_t query_panels(const ft_encoder *encoder)
{
    return encoder->config.heads * encoder->head_padded / FT_PANEL_COLUMNS;
}

// Queries, keys and values: `panels` of 32 columns each from `first` on.
static void run_panels(const ft_encoder_run *run, const ft_encoder_layer *layer, size_t row,
                       size_t rows, size_t first, size_t panels)
{
    const ft_linear_use use = {.x = norm_before(run, &layer->norms[FT_NORM_MIX_BEFORE],
                                                run->hidden + row * run->hidden_row, rows),
                               .x_row = run->hidden_row,
                               .y = run->heads + row * run->heads_row,
                               .y_row = run->heads_row,
                               .rows = rows,
                               .scratch = run->scratch};

    ft_linear_narrow(&layer->heads, run->encoder->kernels, &use);
    ft_linear_share_panels(&layer->heads, run->encoder->kernels, &use, first, panels, run->team);
}

// Of each text's first row alone; norms and rotation come with the keys.
static void run_first_queries(const ft_encoder_run *run, const ft_encoder_layer *layer,
                              const ft_token_span *spans, size_t count)
{
    for (size_t i = 0, row = 0; i < count; row += ft_encoder_rows(run->encoder, &spans[i]), i++)
        run_panels(run, layer, row, 1, 0, query_panels(run->encoder));
}

static void run_heads(const ft_encoder_run *run, const ft_encoder_layer *layer, size_t row,
                      size_t rows, size_t first_panel)
{
    const ft_encoder *encoder = run->encoder;
    const ft_encoder_config *config = &encoder->config;
    const size_t padded = encoder->head_padded, pairs = config->pairs;
    float *heads = run->heads + row * run->heads_row;

    run_panels(run, layer, row, rows, first_panel,
               layer->heads.width / FT_PANEL_COLUMNS - first_panel);
    norm_heads(run, &layer->norms[FT_NORM_QUERY], heads, config->heads, rows);
    norm_heads(run, &layer->norms[FT_NORM_KEY], heads + config->heads * padded, config->key_heads,
               rows);
    for (size_t i = 0; pairs > 0 && i < rows; i++) {
        const float *angles =
            run->angles[layer->is_local] + (size_t)run->places[row + i] * 2 * pairs;
        const ft_rotation rotation = {.cosines = angles,
                                      .sines = angles + pairs,
                                      .pairs = pairs,
                                      .is_interleaved = config->is_interleaved};
        encoder->kernels->rotate(heads + i * run->heads_row, config->heads + config->key_heads,
                                 padded, &rotation);
    }
}

static void run_block_heads(const ft_encoder_run *run, const ft_encoder_layer *layer, size_t row,
                            size_t rows)
{
    run_heads(run, layer, row, rows, 0);
}

static void run_block_keys(const ft_encoder_run *run, const ft_encoder_layer *layer, size_t row,
                           size_t rows)
{
    run_heads(run, layer, row, rows, query_panels(run->encoder));
}

static void run_block_rest(const ft_encoder_run *run, const ft_encoder_layer *layer, size_t row,
                           size_t rows)
{
    const ft_encoder *encoder = run->encoder;
    const ft_activation activation = encoder->config.activation;
    const size_t gate = encoder->gate_width;
    float *hidden = run->hidden + row * run->hidden_row;

    add_output(run, &layer->mix,
               (ft_linear_use){
                   .x = run->heads + row * run->heads_row, .x_row = run->heads_row, .rows = rows},
               hidden, &layer->norms[FT_NORM_MIX_BEHIND], &layer->norms[FT_NORM_MIX_SUM]);
    run_linear(
        run, &layer->up,
        &(ft_linear_use){.x = norm_before(run, &layer->norms[FT_NORM_MLP_BEFORE], hidden, rows),
                         .x_row = run->hidden_row,
                         .y = run->middle,
                         .y_row = run->middle_row,
                         .rows = rows,
                         .activation = gate ? FT_ACTIVATION_NONE : activation});
    if (gate)
        encoder->kernels->gate(activation, run->middle, run->middle + gate, run->middle_row, rows,
                               gate);
    add_output(run, &layer->down,
               (ft_linear_use){.x = run->middle, .x_row = run->middle_row, .rows = rows}, hidden,
               &layer->norms[FT_NORM_MLP_BEHIND], &layer->norms[FT_NORM_MLP_SUM]);
}

typedef void run_block(const ft_encoder_run *run, const ft_encoder_layer *layer, size_t row,
                       size_t rows);

// What is done in one layer between two waits for all of a team.
typedef struct phase {
    const ft_encoder_run *run;
    const ft_encoder_layer *layer;
    run_block *block;
    size_t rows, blocks;
    const ft_token_span *spans;
    size_t texts;
    bool is_first;
} phase;

static const ft_encoder_run *run_of(const ft_encoder_run *run, size_t member)
{
    return run->team ? &run->members[member] : run;
}

static void run_some_blocks(void *host, size_t first, size_t count, size_t member)
{
    const phase *p = host;

    for (size_t i = first; i < first + count && !ft_encoder_is_cancelled(p->run); i++) {
        const size_t from = i * p->rows / p->blocks, to = (i + 1) * p->rows / p->blocks;
        p->block(run_of(p->run, member), p->layer, from, to - from);
    }
}

static void attend_some_heads(void *host, size_t first, size_t count, size_t member)
{
    const phase *p = host;

    for (size_t i = first; i < first + count; i++)
        ft_encoder_attend(run_of(p->run, member), p->layer, p->spans, p->texts, i, p->is_first);
}

// All rows in blocks of nearly the same height; of a team each has as many as the others. Few rows
// stay together, and a team shares the outputs of each product instead: the time goes into reading
// the weights then, so that nobody should read what another does.
static void run_blocks(phase *p, run_block *block)
{
    const size_t members = ft_team_members(p->run->team);
    const size_t blocks = ft_pad((p->rows + BLOCK_ROWS - 1) / BLOCK_ROWS, members);

    if (members > 1 && p->rows <= FEW_ROWS) {
        block(p->run, p->layer, 0, p->rows);
        return;
    }
    p->block = block;
    p->blocks = blocks < p->rows ? blocks : p->rows;
    ft_team_run(p->run->team, p->blocks, 1, run_some_blocks, p);
}

// ---- all of it ----

// Moves what the rest of a layer takes of each text's first row to the front.
static void gather_first(const ft_encoder_run *run, const ft_token_span *spans, size_t count)
{
    const ft_encoder *encoder = run->encoder;
    const size_t mixed = encoder->config.heads * encoder->head_padded;
    size_t row = 0;

    for (size_t i = 0; i < count; row += ft_encoder_rows(encoder, &spans[i]), i++) {
        if (row == i)
            continue;
        memcpy(run->hidden + i * run->hidden_row, run->hidden + row * run->hidden_row,
               encoder->config.hidden * sizeof(float));
        memcpy(run->heads + i * run->heads_row, run->heads + row * run->heads_row,
               mixed * sizeof(float));
    }
}

static size_t run_texts(ft_encoder_run *run, const ft_token_span *spans, size_t count,
                        bool is_first, ft_rows *out_rows)
{
    const ft_encoder *encoder = run->encoder;
    size_t rows = 0, taken = 0;

    for (; taken < count && rows + ft_encoder_rows(encoder, &spans[taken]) <= run->capacity;
         taken++) {
        put_tokens(run, &spans[taken], rows);
        rows += ft_encoder_rows(encoder, &spans[taken]);
    }
    FT_ASSERT(count == 0 || taken > 0);  // A long text that nobody made room for.
    phase p = {.run = run, .rows = rows, .spans = spans, .texts = taken};
    for (size_t i = 0; i < encoder->config.layers; i++) {
        if (ft_encoder_is_cancelled(run))
            return 0;
        p.layer = &encoder->layers[i];
        p.is_first = is_first && i + 1 == encoder->config.layers;
        if (p.is_first)
            run_first_queries(run, p.layer, spans, taken);
        run_blocks(&p, p.is_first ? run_block_keys : run_block_heads);
        ft_team_run(run->team, encoder->config.heads, 1, attend_some_heads, &p);
        if (p.is_first) {
            gather_first(run, spans, taken);
            p.rows = rows = taken;
        }
        run_blocks(&p, run_block_rest);
    }
    if (ft_encoder_is_cancelled(run))  // Some of it was not done then.
        return 0;
    if (encoder->last_norm.size)
        encoder->kernels->norm(run->hidden, run->hidden_row, rows, &encoder->last_norm);
    *out_rows = (ft_rows){run->hidden, run->hidden_row};
    return taken;
}

size_t ft_encoder_run_some(ft_encoder_run *run, const ft_token_span *spans, size_t count,
                           ft_rows *out_rows)
{
    return run_texts(run, spans, count, false, out_rows);
}

size_t ft_encoder_run_first(ft_encoder_run *run, const ft_token_span *spans, size_t count,
                            ft_rows *out_rows)
{
    return run_texts(run, spans, count, true, out_rows);
}
