// The second half of `read`: lines into fields, on all cores.
//
// Text passes as it is, once its UTF-8 is checked, one look at the whole batch. Of JSONL and CSV
// only the fields that somebody reads become columns; the JSONL lines travel on with them.
#include <string.h>

#include "runtime/memory/alloc.h"
#include "stages/io/encoding.h"
#include "stages/io/read_config.h"

typedef struct decode_state {
    ft_rows rows;
    ft_rows_field *wanted;  // The fields that are read downstream ...
    size_t *indices;        // ... and which columns of the output they are.
    size_t wanted_count;
    uint32_t *good;  // Items of the batch that did not fail.
    size_t good_count, good_capacity;
} decode_state;

static bool decode_plan(ft_stage_plan *plan, void *config_data, ft_error *err)
{
    const ft_read_config *config = config_data;
    size_t index;
    plan->reads[0] = true;
    if (config->format != FT_FORMAT_JSONL)
        ft_plan_clear(plan);
    plan->output_open = config->format == FT_FORMAT_JSONL;
    if (config->format == FT_FORMAT_TEXT)
        return ft_plan_add(plan, plan->to ? plan->to : "text", FT_TYPE(STRING), &index, err);
    for (size_t i = 0; i < config->column_count; i++) {
        if (!ft_plan_add(plan, config->columns[i].name, config->columns[i].type, &index, err))
            return false;
        plan->output_fields[index].in_raw = config->format == FT_FORMAT_JSONL;
    }
    return true;
}

static bool decode_open(ft_stage *self, ft_error *err)
{
    const ft_read_config *config = self->config;
    decode_state *state = self->state;
    if (config->format == FT_FORMAT_TEXT)
        return true;
    const size_t count = config->column_count;
    state->wanted = ft_alloc_zero(count + 1, sizeof(*state->wanted));
    state->indices = ft_alloc_zero(count + 1, sizeof(*state->indices));
    if (!state->wanted || !state->indices)
        return ft_fail_nomem(err, count * sizeof(*state->wanted));
    for (size_t i = 0; i < count; i++) {
        const size_t at = ft_schema_find(self->output, ft_slice_of(config->columns[i].name));
        if (!self->live[at])
            continue;
        state->wanted[state->wanted_count] = config->columns[i];
        state->indices[state->wanted_count++] = at;
    }
    if (!ft_rows_init(&state->rows, state->wanted, state->wanted_count, self->account, err))
        return false;
    state->rows.csv_columns = count;
    state->rows.delimiter = config->separator;
    return true;
}

// All items of the batch, end to end.
static ft_slice decode_all_text(const ft_column *raw, size_t count)
{
    const ft_slice first = ft_column_text(raw, 0), last = ft_column_text(raw, count - 1);
    return (ft_slice){first.data, (size_t)(last.data + last.size - first.data)};
}

// Whether each item by itself is valid UTF-8, by a look at all of them at once: the whole is valid,
// and no item begins inside a character.
static bool decode_all_valid(const ft_column *raw, size_t count)
{
    const ft_slice all = decode_all_text(raw, count);
    if (ft_utf8_valid_prefix(all) != all.size)
        return false;
    for (size_t i = 0; i < count; i++) {
        const ft_slice item = ft_column_text(raw, i);
        if (item.size && ((unsigned char)item.data[0] & 0xc0) == 0x80)
            return false;
    }
    return true;
}

// `raw` again, with U+FFFD where it was not UTF-8.
static bool decode_replace(ft_stage *self, const ft_column *raw, size_t count, ft_column *out,
                           ft_error *err)
{
    ft_builder builder;
    ft_text text;
    bool ok = ft_builder_init(&builder, raw->type, self->account, count, 0, err);
    ft_text_init(&text, INT32_MAX);
    for (size_t i = 0; ok && i < count; i++) {
        ft_text_clear(&text);
        ft_encoding_replace(ft_column_text(raw, i), &text);
        ok = ft_text_check(&text, err) && ft_builder_add_text(&builder, ft_text_get(&text), err);
    }
    ft_text_finish(&text);
    ok = ok && ft_builder_take(&builder, out, err);
    ft_builder_finish(&builder);
    return ok;
}

// Fails item `i`, or notes it as good.
static bool decode_note(ft_stage *self, const ft_batch *in, size_t i, bool ok, ft_error *why,
                        ft_error *err)
{
    decode_state *state = self->state;
    if (ok) {
        state->good[state->good_count++] = (uint32_t)i;
        return true;
    }
    if (why->code == FT_ERROR_DATA)
        return ft_item_fail(self, in, i, why, err);
    *err = *why;
    return false;
}

static bool decode_rows(ft_stage *self, const ft_batch *in, const ft_column *raw, ft_error *err)
{
    const ft_read_config *config = self->config;
    decode_state *state = self->state;
    const ft_slice all = decode_all_text(raw, in->count);
    if (!ft_rows_begin(&state->rows, in->count, all.size, err))
        return false;
    // Once for all items: clearing it takes longer than a short line.
    ft_error why = FT_ERROR_INIT;
    for (size_t i = 0; i < in->count; i++) {
        const ft_slice line = ft_column_text(raw, i);
        const bool ok = config->format == FT_FORMAT_JSONL
                            ? ft_rows_add_json(&state->rows, line, &why)
                            : ft_rows_add_csv(&state->rows, line, &why);
        if (!decode_note(self, in, i, ok, &why, err))
            return false;
        if (!ok)
            why = (ft_error)FT_ERROR_INIT;
    }
    return true;
}

static bool decode_texts(ft_stage *self, const ft_batch *in, const ft_column *raw, bool all_valid,
                         ft_error *err)
{
    for (size_t i = 0; i < in->count; i++) {
        ft_error why = FT_ERROR_INIT;
        const ft_slice line = ft_column_text(raw, i);
        const size_t valid = all_valid ? line.size : ft_utf8_valid_prefix(line);
        const bool ok = valid == line.size || ft_encoding_fail(valid, &why);
        if (!decode_note(self, in, i, ok, &why, err))
            return false;
    }
    return true;
}

// The decoded columns, all rows of them.
static bool decode_fill(ft_stage *self, ft_batch *out, const ft_column *raw, ft_error *err)
{
    const ft_read_config *config = self->config;
    decode_state *state = self->state;
    ft_column column = ft_column_ref(raw);
    if (config->format == FT_FORMAT_TEXT) {
        column.type = FT_TYPE(STRING);
        ft_batch_set(out, 0, &column);
        return true;
    }
    for (size_t i = 0; i < self->output->count; i++)
        out->columns[i].type = self->output->fields[i].type;
    if (config->format == FT_FORMAT_JSONL && self->live[0])
        ft_batch_set(out, 0, &column);
    ft_column_finish(&column);
    for (size_t i = 0; i < state->wanted_count; i++) {
        if (!ft_rows_take(&state->rows, i, &column, err))
            return false;
        ft_batch_set(out, state->indices[i], &column);
    }
    return true;
}

static bool decode_emit(ft_stage *self, const ft_batch *in, const ft_column *raw, ft_error *err)
{
    decode_state *state = self->state;
    ft_batch *out = ft_batch_derive(in, NULL, in->count, self->output_width, err);
    if (!out)
        return false;
    if (!decode_fill(self, out, raw, err)) {
        ft_batch_unref(out);
        return false;
    }
    if (state->good_count < in->count) {
        ft_batch *good = ft_batch_select(out, state->good, state->good_count, err);
        ft_batch_unref(out);
        if (!good)
            return false;
        out = good;
    }
    return ft_emit(self, out, err);
}

static bool decode_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    const ft_read_config *config = self->config;
    decode_state *state = self->state;
    const size_t count = (*in)->count;
    if (count == 0)
        return true;
    if (count > state->good_capacity) {
        uint32_t *good = ft_realloc(state->good, count * sizeof(*good));
        if (!good)
            return ft_fail_nomem(err, count * sizeof(*good));
        state->good = good;
        state->good_capacity = count;
    }
    state->good_count = 0;
    const bool replaces = config->encoding_errors == FT_READ_REPLACE;
    const bool is_text = config->format == FT_FORMAT_TEXT;
    const bool all_valid = (replaces || is_text) && decode_all_valid(&(*in)->columns[0], count);
    ft_column raw = {0};
    if (!replaces || all_valid)
        raw = ft_column_ref(&(*in)->columns[0]);
    else if (!decode_replace(self, &(*in)->columns[0], count, &raw, err))
        return false;
    bool ok = is_text ? decode_texts(self, *in, &raw, all_valid || replaces, err)
                      : decode_rows(self, *in, &raw, err);
    ok = ok && decode_emit(self, *in, &raw, err);
    ft_column_finish(&raw);
    return ok;
}

static void decode_close(ft_stage *self)
{
    decode_state *state = self->state;
    ft_rows_finish(&state->rows);
    ft_free(state->wanted);
    ft_free(state->indices);
    ft_free(state->good);
}

static const ft_option no_options[] = {FT_OPT_END};

const ft_stage_def ft_read_decode = {
    .abi = FT_STAGE_ABI,
    .name = "read",
    .summary = "turn lines into fields",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = FT_CONCURRENCY_ANY,
    .options = no_options,
    .state_size = sizeof(decode_state),
    .plan = decode_plan,
    .open = decode_open,
    .process = decode_process,
    .close = decode_close,
};
