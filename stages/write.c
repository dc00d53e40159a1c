// write: items into a file, or to standard output (`-`).
//
//   - write: out/kept.jsonl.gz
//     fields: [id, text]
//     mode: replace
//
// The format comes from `format:` or the name: .jsonl, .csv, .tsv, .txt and .npy; JSONL for
// standard output; .gz and .zst behind the name pack it. The file appears under its name when the
// run has succeeded, complete and synced; until then it is called PATH.part. A run that fails or is
// stopped removes PATH.part and leaves PATH as it was; after SIGKILL or a loss of power PATH.part
// may be left, and the next run writes over it. `mode: create` refuses a file that exists,
// `replace` overwrites it, `append` adds to it in place (a failed run cuts its part off again).
//
// JSONL without `fields:` keeps items as they were read, byte for byte, with changed fields
// replaced and new ones added; nan and inf become null, bytes base64. CSV writes a header, no
// quotes where none are needed, nothing for null and "" for an empty text. Text writes one field, a
// line an item. In both, a string of type any is written as its text. .npy holds one tensor or
// number, a row an item in the order of the input. Of a list (`tokens`) each element is a row,
// those of all items end to end; their lengths go to a second file where they are wanted (`map: {n:
// len(tokens)}`).
#include <string.h>

#include "runtime/memory/alloc.h"
#include "runtime/stage.h"
#include "stages/io/csv.h"
#include "stages/io/npy.h"
#include "stages/io/paths.h"
#include "stages/io/writer.h"

typedef struct write_config {
    // Options.
    const char *path;
    int format;  // ft_format.
    ft_strings fields;
    int mode;  // ft_output_mode.
    bool header;
    // Made by the plan.
    char delimiter;
    size_t count;  // Fields to write: [count] columns and names.
    size_t *columns;
    const char **names;
    size_t raw;    // Column of @raw, or FT_FIELD_NONE.
    ft_type type;  // .npy: of a row ...
    size_t row_bytes;
} write_config;

typedef struct write_state {
    ft_writer writer;
    ft_line_plan line;
    bool is_live;   // Each batch is handed on at once.
    uint64_t rows;  // .npy
} write_state;

// ---- the plan ----

static bool write_find_format(write_config *config, ft_error *err)
{
    const bool is_standard = strcmp(config->path, "-") == 0;
    if (config->format == FT_FORMAT_AUTO)
        config->format = is_standard ? FT_FORMAT_JSONL : (int)ft_format_find(config->path);
    if (config->format == FT_FORMAT_AUTO) {
        ft_fail(err, FT_ERROR_USAGE, "the name `%s` does not say which format to write",
                config->path);
        ft_hint(err, "End it in .jsonl, .csv, .tsv, .txt or .npy, or give `format:`.");
        return ft_error_at(err, "path", 0, 0);
    }
    config->delimiter = config->format == FT_FORMAT_TSV ? '\t' : ',';
    if (config->format != FT_FORMAT_NPY)
        return true;
    const char *why = is_standard                        ? "standard output"
                      : config->mode == FT_OUTPUT_APPEND ? "`mode: append`"
                      : !ft_slice_ends_with(ft_slice_of(config->path), FT_SLICE(".gz")) &&
                              !ft_slice_ends_with(ft_slice_of(config->path), FT_SLICE(".zst"))
                          ? NULL
                          : "a packed file";
    if (!why)
        return true;
    ft_fail(err, FT_ERROR_USAGE, "an .npy file cannot be written to %s", why);
    ft_hint(err, "Its header is written last, when the number of rows is known.");
    return ft_error_at(err, "path", 0, 0);
}

static bool write_add(ft_stage_plan *plan, write_config *config, size_t column)
{
    config->columns[config->count] = column;
    config->names[config->count++] = plan->input->fields[column].name;
    plan->reads[column] = true;
    return true;
}

// All visible fields; for JSONL, where the line is there, only those that the line has not.
static bool write_choose(ft_stage_plan *plan, write_config *config, ft_error *err)
{
    const ft_schema *input = plan->input;
    if (config->format == FT_FORMAT_JSONL) {
        config->raw = ft_schema_find(input, FT_SLICE(FT_FIELD_RAW));
        if (config->raw != FT_FIELD_NONE)
            plan->reads[config->raw] = true;
    }
    for (size_t i = 0; i < input->count; i++) {
        const ft_field *field = &input->fields[i];
        if (!ft_field_is_hidden(field) && !(config->raw != FT_FIELD_NONE && field->in_raw))
            write_add(plan, config, i);
    }
    const bool wants_one = config->format == FT_FORMAT_TEXT || config->format == FT_FORMAT_NPY;
    if (wants_one && config->count != 1) {
        const char *given = ft_schema_print(input, plan->arena);
        ft_fail(err, FT_ERROR_USAGE, "`fields` must say which field to write");
        ft_hint(err, "There is %s.", given && given[0] ? given : "none");
        return false;
    }
    if (config->format != FT_FORMAT_JSONL && config->count == 0)
        return ft_fail(err, FT_ERROR_USAGE, "there are no fields to write");
    return true;
}

static bool write_choose_named(ft_stage_plan *plan, write_config *config, ft_error *err)
{
    const bool wants_one = config->format == FT_FORMAT_TEXT || config->format == FT_FORMAT_NPY;
    if (wants_one && config->fields.count > 1) {
        ft_fail(err, FT_ERROR_USAGE, "this format takes one field, and `fields` has %zu",
                config->fields.count);
        return ft_error_at(err, "fields", 0, 0);
    }
    for (size_t i = 0; i < config->fields.count; i++) {
        size_t column;
        if (!ft_plan_read(plan, "fields", config->fields.items[i], FT_TYPE(ANY), &column, err))
            return false;
        for (size_t j = 0; j < config->count; j++)
            if (config->columns[j] == column) {
                ft_fail(err, FT_ERROR_USAGE, "`fields` has `%s` twice", config->fields.items[i]);
                return ft_error_at(err, "fields", 0, 0);
            }
        write_add(plan, config, column);
    }
    return true;
}

// Which fields an .npy file could hold instead.
static void write_hint_npy(ft_stage_plan *plan, ft_error *err)
{
    const ft_schema *input = plan->input;
    ft_field *found = ft_arena_zero(plan->arena, input->count, sizeof(*found));
    ft_schema fitting = {.fields = found};
    for (size_t i = 0; found && i < input->count; i++) {
        ft_error ignored = FT_ERROR_INIT;
        size_t row_bytes;
        if (!ft_field_is_hidden(&input->fields[i]) &&
            ft_npy_can_hold(input->fields[i].type, &row_bytes, &ignored))
            found[fitting.count++] = input->fields[i];
    }
    const char *text = fitting.count ? ft_schema_print(&fitting, plan->arena) : NULL;
    if (text)
        ft_hint(err, "Of the fields here, these can: %s.", text);
    else
        ft_hint(err,
                "Tensors of fixed shape, numbers, and lists of them can; no field here is one.");
}

static bool write_check_outside(ft_stage_plan *plan, const write_config *config, ft_error *err)
{
    const ft_environment *environment = plan->environment;
    if (environment->deep && !ft_output_check_folder(config->path, err))
        return ft_error_at(err, "path", 0, 0);
    if ((environment->will_run || environment->deep) &&
        !ft_output_check(config->path, (ft_output_mode)config->mode, err))
        return ft_error_at(err, "path", 0, 0);
    return true;
}

static bool write_plan(ft_stage_plan *plan, void *config_data, ft_error *err)
{
    write_config *config = config_data;
    const size_t room = plan->input->count + 1;
    config->raw = FT_FIELD_NONE;
    config->columns = ft_arena_zero(plan->arena, room, sizeof(*config->columns));
    config->names = ft_arena_zero(plan->arena, room, sizeof(*config->names));
    if (!config->columns || !config->names)
        return ft_fail_nomem(err, room * sizeof(*config->columns));
    if (!write_find_format(config, err))
        return false;
    if (!(config->fields.count ? write_choose_named(plan, config, err)
                               : write_choose(plan, config, err)))
        return false;
    if (config->format == FT_FORMAT_NPY) {
        config->type = plan->input->fields[config->columns[0]].type;
        if (!ft_npy_can_hold(config->type, &config->row_bytes, err)) {
            write_hint_npy(plan, err);
            return ft_error_at(err, config->fields.count ? "fields" : NULL, 0, 0);
        }
    }
    plan->blocks = ft_output_is_live(config->path);
    return write_check_outside(plan, config, err);
}

// ---- the run ----

static bool write_header(write_state *state, const write_config *config, ft_error *err)
{
    char npy[FT_NPY_HEADER_BYTES];
    if (config->format == FT_FORMAT_NPY) {
        ft_npy_print_header(config->type, 0, npy);
        return ft_writer_put(&state->writer, (ft_slice){npy, sizeof(npy)}, err);
    }
    for (size_t i = 0; i < config->count; i++) {
        if (i > 0)
            ft_text_append_char(&state->writer.text, config->delimiter);
        ft_csv_put(&state->writer.text, ft_slice_of(config->names[i]), config->delimiter);
    }
    return ft_writer_put(&state->writer, FT_SLICE("\n"), err);
}

static bool write_open(ft_stage *self, ft_error *err)
{
    const write_config *config = self->config;
    write_state *state = self->state;
    uint64_t existing;
    ft_output *output = ft_output_open(config->path, (ft_output_mode)config->mode, &existing, err);
    if (!output)
        return false;
    ft_writer_init(&state->writer, output);
    state->is_live = ft_output_is_live(config->path);
    state->line = (ft_line_plan){.count = config->count,
                                 .columns = config->columns,
                                 .names = config->names,
                                 .raw = config->raw};
    state->line.seen = ft_alloc_zero(config->count + 1, sizeof(bool));
    if (!state->line.seen)
        return ft_fail_nomem(err, config->count + 1);
    const bool is_csv = config->format == FT_FORMAT_CSV || config->format == FT_FORMAT_TSV;
    if (config->format == FT_FORMAT_NPY || (is_csv && config->header && existing == 0))
        return write_header(state, config, err);
    return true;
}

// From items to rows: a list has its elements end to end.
static size_t row_of(const write_config *config, const ft_column *column, size_t item)
{
    return config->type.list ? (size_t)ft_tensor_i32(column->offsets)[item] : item;
}

// Rows that are not null go out in runs, straight from the column.
static bool write_rows(ft_stage *self, const ft_batch *in, ft_error *err)
{
    const write_config *config = self->config;
    write_state *state = self->state;
    const ft_column *column = &in->columns[config->columns[0]];
    for (size_t item = 0; item < in->count;) {
        size_t end = item;
        while (end < in->count && column->values && !ft_column_is_null(column, end))
            end++;
        if (end > item) {
            const size_t from = row_of(config, column, item), to = row_of(config, column, end);
            const ft_slice rows = {column->values->data + from * config->row_bytes,
                                   (to - from) * config->row_bytes};
            if (!ft_writer_put(&state->writer, rows, err))
                return false;
            state->rows += to - from;
        }
        item = end;
        if (item < in->count) {
            ft_error why = FT_ERROR_INIT;
            ft_fail(&why, FT_ERROR_DATA, "`%s` is null, and an .npy file has no nulls",
                    config->names[0]);
            if (!ft_item_fail(self, in, item, &why, err))
                return false;
            item++;
        }
    }
    return true;
}

static bool write_item(write_state *state, const write_config *config, const ft_batch *in,
                       size_t item, ft_error *err)
{
    if (config->format == FT_FORMAT_JSONL)
        return ft_writer_put_line(&state->writer, &state->line, in, item, err);
    if (config->format == FT_FORMAT_TEXT)
        return ft_writer_put_plain(&state->writer, &in->columns[config->columns[0]], item, err) &&
               ft_writer_put(&state->writer, FT_SLICE("\n"), err);
    for (size_t i = 0; i < config->count; i++) {
        if (i > 0)
            ft_text_append_char(&state->writer.text, config->delimiter);
        if (!ft_writer_put_csv(&state->writer, &in->columns[config->columns[i]], item,
                               config->delimiter, err))
            return false;
    }
    return ft_writer_put(&state->writer, FT_SLICE("\n"), err);
}

static bool write_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    const write_config *config = self->config;
    write_state *state = self->state;
    if (config->format == FT_FORMAT_NPY) {
        if (!write_rows(self, *in, err))
            return false;
    } else {
        for (size_t item = 0; item < (*in)->count; item++)
            if (!write_item(state, config, *in, item, err))
                return false;
    }
    return !state->is_live || ft_writer_flush(&state->writer, err);
}

static bool write_flush(ft_stage *self, ft_error *err)
{
    write_state *state = self->state;
    return ft_writer_flush(&state->writer, err);
}

static bool write_commit(ft_stage *self, ft_error *err)
{
    const write_config *config = self->config;
    write_state *state = self->state;
    if (config->format == FT_FORMAT_NPY) {
        char npy[FT_NPY_HEADER_BYTES];
        ft_npy_print_header(config->type, state->rows, npy);
        if (!ft_output_rewrite(state->writer.output, (ft_slice){npy, sizeof(npy)}, err))
            return false;
    }
    return ft_output_commit(state->writer.output, err);
}

static void write_close(ft_stage *self)
{
    write_state *state = self->state;
    ft_writer_finish(&state->writer);
    ft_free(state->line.seen);
}

static const char *const format_names[] = {"auto", "text", "jsonl", "csv", "tsv", "npy", NULL};
static const char *const mode_names[] = {"create", "replace", "append", NULL};

static const ft_option options[] = {
    FT_OPT_PATH(write_config, path, .is_main = true, .required = true,
                .doc = "The file to write, or `-` for standard output."),
    FT_OPT_CHOICE(write_config, format, format_names, .fallback = "auto",
                  .doc = "How items are written; `auto` goes by the file's name."),
    FT_OPT_FIELDS(write_config, fields,
                  .doc = "Which fields, in this order. Without it: all of them."),
    FT_OPT_CHOICE(write_config, mode, mode_names, .fallback = "create",
                  .doc = "What to do with a file that exists: refuse it, overwrite it, add to it."),
    FT_OPT_BOOL(write_config, header, .fallback = "true",
                .doc = "Whether CSV and TSV files begin with the names of their columns."),
    FT_OPT_END,
};

const ft_stage_def ft_stage_write = {
    .abi = FT_STAGE_ABI,
    .name = "write",
    .summary = "write items to a JSONL, CSV, text or .npy file",
    .example = "- write: vectors.npy\n"
               "  fields: [embedding]",
    .kind = FT_STAGE_SINK,
    .concurrency = FT_CONCURRENCY_ONE,
    .pace = FT_PACE_COMPUTE,
    .options = options,
    .config_size = sizeof(write_config),
    .state_size = sizeof(write_state),
    .plan = write_plan,
    .open = write_open,
    .process = write_process,
    .flush = write_flush,
    .commit = write_commit,
    .close = write_close,
};
