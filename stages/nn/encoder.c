// Runs the encoder.
//
//   tokens of all texts end to end -> words + type + position, norm
//   each layer: norm, queries, keys and values, rotated  ->  attention (encoder_attention.c)  ->
//   mix, norm, up, activation or gate, down, norm
//
// Which of the norms there are is the model's; of those that are not nothing is run. Everything but
// attention goes over blocks of rows that stay in the near cache from one product to the next.
// Where the layers are narrow, products but `mix` find their inputs narrowed already: rows by what
// norms them, and those of `down` as they come, FT_BYTE_GROUP at a time. What is before a layer's
// attention could follow on what is behind the last one's, block by block; but by itself its
// weights, of int8 and bf16, stay in the second cache from block to block.
#include "stages/nn/encoder.h"

#include <string.h>

#include "runtime/memory/alloc.h"
#include "stages/nn/encoder_run.h"

enum {
    BLOCK_ROWS = 56,  // Four tiles of fourteen rows: 56 x 1536 floats are a third of a 1 MiB cache.
    FEW_ROWS = BLOCK_ROWS,  // As many as what lies between two products has room for.
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

// Floats that hold a block's narrow inputs of either layer. All layers have the shapes of the
// first.
static size_t narrow_floats(const ft_linear *one, const ft_linear *other)
{
    const size_t first = ft_linear_scratch(one, BLOCK_ROWS);
    const size_t second = ft_linear_scratch(other, BLOCK_ROWS);
    return (first > second ? first : second) / sizeof(float);
}

// What a block and a head need.
enum { WORK_PARTS = 7 };

static size_t lay_out_work(const ft_encoder_run *run, size_t tokens, size_t sizes[WORK_PARTS])
{
    const ft_encoder *encoder = run->encoder;
    const ft_encoder_layer *layer = &encoder->layers[0];
    const size_t block = BLOCK_ROWS + FT_LINEAR_ROWS_BEHIND;
    size_t total = 0;

    sizes[0] = block * run->middle_row;
    sizes[1] = block * run->hidden_row;
    sizes[2] = tokens * FT_ENCODER_QUERIES;
    sizes[3] = ft_pad(encoder->head_size * FT_ENCODER_QUERIES, 16);
    sizes[4] = FT_ENCODER_QUERIES;
    sizes[5] = narrow_floats(&layer->heads, &layer->up);
    sizes[6] = narrow_floats(&layer->mix, &layer->down);
    for (size_t i = 0; i < WORK_PARTS; i++)
        total += sizes[i];
    return total;
}

static void place_work(ft_encoder_run *run, const size_t sizes[WORK_PARTS], float *at)
{
    float **const floats[] = {&run->middle, &run->beside, &run->scores, &run->queries,
                              &run->inverse};

    for (size_t i = 0; i < FT_COUNT_OF(floats); at += sizes[i], i++)
        *floats[i] = at;
    run->narrow_hidden = (char *)at;
    run->narrow_middle = (char *)(at + sizes[5]);
}

// What was in the buffer is lost.
static bool make_room(ft_encoder_run *run, size_t tokens, ft_error *err)
{
    const ft_encoder *encoder = run->encoder;
    const size_t rows = tokens + FT_LINEAR_ROWS_BEHIND;
    const size_t angles = tokens * 2 * encoder->config.pairs, kinds = rope_kinds(encoder);
    float *places = NULL;
    const size_t sizes[] = {
        rows * run->hidden_row,
        rows * run->heads_row,
        kinds > 0 ? ft_pad(angles, 16) : 0,
        kinds > 1 ? ft_pad(angles, 16) : 0,
        ft_pad(tokens, 16),
    };
    float **const at[] = {&run->hidden, &run->heads, &run->angles[0], &run->angles[1], &places};
    size_t work[WORK_PARTS], total = lay_out_work(run, tokens, work);

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
    place_work(run, work, next);
    if (encoder->uses_blas)
        memset(run->buffer->data, 0, total * sizeof(float));
    fill_angles(run);
    return true;
}

// The outputs of a feed-forward network's first half, padded to whole panels.
static size_t middle_width(const ft_encoder *encoder)
{
    return encoder->gate_width ? encoder->gate_width : encoder->layers[0].up.width;
}

// How many of them lie in `middle`.
static size_t middle_kept(const ft_encoder *encoder)
{
    return ft_linear_is_narrow(&encoder->layers[0].down) ? FT_BYTE_GROUP : middle_width(encoder);
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
    run->middle_row =
        ft_row_stride(middle_kept(encoder) + (encoder->gate_width ? FT_BYTE_GROUP : 0));
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
    run->team = NULL;  // Its members' runs are made anew.
    run->members_capacity = 0;
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
    size_t sizes[WORK_PARTS];
    const size_t total = lay_out_work(run, run->capacity, sizes);
    ft_error why = FT_ERROR_INIT;

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
        run->members[i] = *run;
        run->members[i].team = NULL;
        if (i > 0)
            place_work(&run->members[i], sizes, next + (i - 1) * total);
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

static void norm_rows(const ft_encoder_run *run, const ft_layer_norm *norm, float *x, size_t rows)
{
    run->encoder->kernels->norm(x, x, run->hidden_row, rows, norm);
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
        norm_rows(run, &encoder->norm, run->hidden + first_row * run->hidden_row, count);
}

// ---- layers ----

// From a product's sums to what the next product reads.
typedef struct ending {
    const ft_layer_norm *behind, *sum;  // hidden = sum(hidden + behind(sums)), and what is read is
    const ft_layer_norm *before;        // before(hidden); NULL, or of `size` 0: no norm.
    const ft_linear *next;              // That reads it, or NULL.
} ending;

static bool is_there(const ft_layer_norm *norm)
{
    return norm && norm->size > 0;
}

// Row by row, so that each stays in the nearest cache. Where there is a norm `behind`, the sums are
// in `beside`, else they were added to `hidden`.
static void end_rows(const ft_encoder_run *run, float *hidden, size_t rows, const ending *end)
{
    const ft_kernels *kernels = run->encoder->kernels;
    float *beside = run->beside;

    for (size_t row = 0; row < rows; row++) {
        ft_linear_use read = {.x = hidden, .rows = 1};
        if (is_there(end->behind)) {
            norm_rows(run, end->behind, beside, 1);
            add_row(hidden, beside, end->behind->size);
        }
        if (is_there(end->sum))
            norm_rows(run, end->sum, hidden, 1);
        if (is_there(end->before)) {
            kernels->norm(hidden, beside, run->hidden_row, 1, end->before);
            read.x = beside;
        }
        if (end->next) {
            read.scratch = run->narrow_hidden + ft_linear_scratch(end->next, row);
            ft_linear_narrow(end->next, kernels, &read);
        }
        hidden += run->hidden_row;
        beside += run->hidden_row;
    }
}

// The inputs that an ending left for the next layer.
static ft_linear_use ended_use(const ft_encoder_run *run, const ft_layer_norm *before,
                               const float *hidden, size_t rows)
{
    return (ft_linear_use){.x = before->size ? run->beside : hidden,
                           .x_row = run->hidden_row,
                           .rows = rows,
                           .scratch = run->narrow_hidden};
}

// Where an ending with that norm behind the sums finds them.
static void put_sums(const ft_encoder_run *run, const ft_layer_norm *behind, float *hidden,
                     ft_linear_use *use)
{
    use->y = behind->size ? run->beside : hidden;
    use->y_row = run->hidden_row;
    use->add = !behind->size;
}

static void norm_heads(const ft_encoder_run *run, const ft_layer_norm *norm, float *first,
                       size_t heads, size_t rows)
{
    const size_t padded = run->encoder->head_padded;

    for (size_t head = 0; norm->size && head < heads; head++)
        run->encoder->kernels->norm(first + head * padded, first + head * padded, run->heads_row,
                                    rows, norm);
}

// Panels of queries alone: what can be left out.
static size_t query_panels(const ft_encoder *encoder)
{
    return encoder->config.heads * encoder->head_padded / FT_PANEL_COLUMNS;
}

// Of the texts that begin among these rows.
static void run_first_queries(const ft_encoder_run *run, const ft_encoder_layer *layer,
                              const ft_linear_use *all, size_t row)
{
    for (size_t i = 0; i < all->rows; i++) {
        ft_linear_use one = *all;
        if (run->places[row + i] > 0)
            continue;
        one.x += i * one.x_row;
        one.y += i * one.y_row;
        one.scratch += ft_linear_scratch(&layer->heads, i);
        one.rows = 1;
        ft_linear_share_panels(&layer->heads, run->encoder->kernels, &one, 0,
                               query_panels(run->encoder), run->team);
    }
}

// Queries, keys and values; of queries all or with `is_first` those of each text's first row.
static void run_heads(const ft_encoder_run *run, const ft_encoder_layer *layer, size_t row,
                      size_t rows, bool is_first)
{
    const ft_encoder *encoder = run->encoder;
    const ft_encoder_config *config = &encoder->config;
    const size_t padded = encoder->head_padded, pairs = config->pairs;
    const size_t first = is_first ? query_panels(encoder) : 0;
    float *heads = run->heads + row * run->heads_row;
    const ft_layer_norm *before = &layer->norms[FT_NORM_MIX_BEFORE];
    float *hidden = run->hidden + row * run->hidden_row;
    ft_linear_use use = ended_use(run, before, hidden, rows);

    end_rows(run, hidden, rows, &(ending){.before = before, .next = &layer->heads});
    use.y = heads;
    use.y_row = run->heads_row;
    if (is_first)
        run_first_queries(run, layer, &use, row);
    use.y += first * FT_PANEL_COLUMNS;
    ft_linear_share_panels(&layer->heads, encoder->kernels, &use, first,
                           layer->heads.width / FT_PANEL_COLUMNS - first, run->team);
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
    run_heads(run, layer, row, rows, false);
}

static void run_block_keys(const ft_encoder_run *run, const ft_encoder_layer *layer, size_t row,
                           size_t rows)
{
    run_heads(run, layer, row, rows, true);
}

static const ft_encoder_run *run_of(const ft_encoder_run *run, size_t member)
{
    return run->team ? &run->members[member] : run;
}

// What the outputs of `up` are made of.
typedef struct up_product {
    const ft_encoder_run *run;
    const ft_encoder_layer *layer;
    ft_linear_use use;
} up_product;

// FT_BYTE_GROUP outputs from `column` on, which are gated and narrowed while they are in the
// nearest cache. What does not stay goes through the memory of `own`.
static void run_some_outputs(const up_product *p, const ft_encoder_run *own, size_t column)
{
    const ft_encoder *encoder = own->encoder;
    const ft_kernels *kernels = encoder->kernels;
    const ft_linear *up = &p->layer->up, *down = &p->layer->down;
    const size_t gate = encoder->gate_width, left = middle_width(encoder) - column;
    const size_t some = left < FT_BYTE_GROUP ? left : FT_BYTE_GROUP;
    const size_t panel = column / FT_PANEL_COLUMNS, panels = some / FT_PANEL_COLUMNS;
    const size_t inputs = down->depth - column;
    float *middle = ft_linear_is_narrow(down) ? own->middle : p->run->middle + column;
    ft_linear_use use = p->use;

    use.y = middle;
    use.activation = gate ? FT_ACTIVATION_NONE : encoder->config.activation;
    use.then = gate ? gate / FT_PANEL_COLUMNS + panel : 0;
    ft_linear_run_panels(up, kernels, &use, panel, panels);
    if (gate) {
        use.y = own->middle + middle_kept(encoder);
        use.then = some < left ? panel + panels : 0;
        ft_linear_run_panels(up, kernels, &use, gate / FT_PANEL_COLUMNS + panel, panels);
        kernels->gate(encoder->config.activation, middle, use.y, use.y_row, use.rows, some);
    }
    ft_linear_narrow_some(
        down, kernels,
        &(ft_linear_use){
            .x = middle, .x_row = use.y_row, .rows = use.rows, .scratch = p->run->narrow_middle},
        column, inputs < some ? inputs : some);
}

static void run_outputs(void *host, size_t first, size_t count, size_t member)
{
    const up_product *p = host;

    for (size_t i = first; i < first + count; i++)
        run_some_outputs(p, run_of(p->run, member), i * FT_BYTE_GROUP);
}

static void run_up(const ft_encoder_run *run, const ft_encoder_layer *layer, ft_linear_use use)
{
    up_product p = {run, layer, use};

    p.use.y_row = run->middle_row;
    ft_team_run(run->team, (middle_width(run->encoder) + FT_BYTE_GROUP - 1) / FT_BYTE_GROUP, 1,
                run_outputs, &p);
}

static void run_block_rest(const ft_encoder_run *run, const ft_encoder_layer *layer, size_t row,
                           size_t rows)
{
    const ft_kernels *kernels = run->encoder->kernels;
    const ft_layer_norm *norms = layer->norms;
    float *hidden = run->hidden + row * run->hidden_row;
    ft_linear_use mix = {.x = run->heads + row * run->heads_row,
                         .x_row = run->heads_row,
                         .rows = rows,
                         .scratch = run->narrow_middle};
    ft_linear_use down = {
        .x = run->middle, .x_row = run->middle_row, .rows = rows, .scratch = run->narrow_middle};

    put_sums(run, &norms[FT_NORM_MIX_BEHIND], hidden, &mix);
    ft_linear_share(&layer->mix, kernels, &mix, run->team);
    end_rows(run, hidden, rows,
             &(ending){.behind = &norms[FT_NORM_MIX_BEHIND],
                       .sum = &norms[FT_NORM_MIX_SUM],
                       .before = &norms[FT_NORM_MLP_BEFORE],
                       .next = &layer->up});
    run_up(run, layer, ended_use(run, &norms[FT_NORM_MLP_BEFORE], hidden, rows));
    put_sums(run, &norms[FT_NORM_MLP_BEHIND], hidden, &down);
    ft_linear_share_panels(&layer->down, kernels, &down, 0, layer->down.width / FT_PANEL_COLUMNS,
                           run->team);
    end_rows(run, hidden, rows,
             &(ending){.behind = &norms[FT_NORM_MLP_BEHIND], .sum = &norms[FT_NORM_MLP_SUM]});
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
        norm_rows(run, &encoder->last_norm, run->hidden, rows);
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
