// read: items from files. A line is an item; so is a JSON object a line, a CSV record, a paragraph.
//
//   - read: docs-*.jsonl.gz
//     fields: {id: int, text: string}
//
// The path is a file, a glob (sorted by bytes) or `-` for standard input. The format comes from
// `format:` or the name: .jsonl, .csv and .tsv, else text, each also with .gz or .zst behind it.
// What begins as gzip or zstd data is unpacked whatever it is called, standard input too.
// Text gives `text` (`to:` renames it), JSONL and CSV give their fields. With `per: paragraph`
// blank lines separate items of text, whose own line ends stay. A byte order mark at the start of a
// file is left out, and lines may end in CR LF.
//
// Types come from `fields:`, else from the first 100 lines. A missing field is null. An item whose
// field has another type fails; so does invalid UTF-8, unless `encoding_errors: replace`. JSONL
// items keep all that the line had: `write` copies the fields that no stage has touched.
//
// One instance cuts files into blocks of whole lines; the hidden second half turns them into
// columns on all cores. Text is not copied: it is the block. All files of a CSV glob must have the
// same header.
#include <string.h>
#include <sys/stat.h>

#include "stages/io/csv.h"
#include "stages/io/cutter.h"
#include "stages/io/read_config.h"

enum {
    BLOCK_BYTES_MIN = 16 * 1024,
    BLOCK_BYTES_MAX = 128 * 1024,  // Stays in a core's cache from the cut to the decoded field.
    BLOCK_SHARE = 256,             // Of run.memory.
    BATCH_ITEMS_FIRST = 32,        // Small ones first, so that all cores soon have something to do.
    BATCH_ITEMS_MAX = 512,
};

typedef struct read_state {
    ft_cutter cutter;
    ft_block block;
    size_t used;  // Items of the block that have been sent.
    size_t batch_items;
    int64_t total_bytes;   // Of all files, as they lie on the disk; 0: not known.
    int64_t passed_bytes;  // Of those that are done.
} read_state;

enum { COUNTER_FILES, COUNTER_BYTES };

static bool read_plan(ft_stage_plan *plan, void *config_data, ft_error *err)
{
    ft_read_config *config = config_data;
    if (!ft_read_plan(plan, config, err))
        return false;
    int64_t block_bytes = plan->memory_bytes / BLOCK_SHARE;
    if (block_bytes < BLOCK_BYTES_MIN)
        block_bytes = BLOCK_BYTES_MIN;
    if (block_bytes > BLOCK_BYTES_MAX)
        block_bytes = BLOCK_BYTES_MAX;
    config->block_bytes = (size_t)block_bytes;
    size_t index;
    ft_plan_clear(plan);
    return ft_plan_add(plan, FT_FIELD_RAW, FT_TYPE(BYTES), &index, err);
}

// Every file has the columns of the first one.
static bool read_check_header(const void *host, size_t path, ft_slice record, ft_error *err)
{
    const ft_read_config *config = host;
    ft_csv_walk walk;
    ft_csv_field field;
    size_t at = 0;
    ft_csv_walk_init(&walk, record, config->separator);
    for (bool more;; at++) {
        if (!ft_csv_next(&walk, &field, &more, err)) {
            ft_error_while(err, "`%s`", config->files.items[path]);
            return false;
        }
        if (!more)
            break;
        // Names with doubled quotes in them were checked when they were read for the plan.
        if (at < config->column_count &&
            (field.has_escapes || ft_slice_is(field.text, config->columns[at].name)))
            continue;
        const size_t shown = field.text.size < 64 ? field.text.size : 64;
        if (at < config->column_count)
            return ft_fail(err, FT_ERROR_IO, "column %zu of `%s` is `%.*s`, and not `%s`", at + 1,
                           config->files.items[path], (int)shown, field.text.data,
                           config->columns[at].name);
        return ft_fail(err, FT_ERROR_IO, "`%s` has a column more than expected: `%.*s`",
                       config->files.items[path], (int)shown, field.text.data);
    }
    return at == config->column_count ||
           ft_fail(err, FT_ERROR_IO, "`%s` has %zu column%s, and not %zu",
                   config->files.items[path], at, at == 1 ? "" : "s", config->column_count);
}

// The size of a file on the disk; 0 for what has none, such as a pipe.
static int64_t size_of(const char *path)
{
    struct stat found;

    return stat(path, &found) == 0 && S_ISREG(found.st_mode) ? (int64_t)found.st_size : 0;
}

static int64_t size_of_all(const ft_paths *files)
{
    int64_t total = 0;

    for (size_t i = 0; i < files->count; i++) {
        int64_t size = size_of(files->items[i]);
        if (size == 0)
            return 0;  // A pipe among them, or an empty file: no share is better than a wrong one.
        total += size;
    }
    return total;
}

static void tell_progress(ft_stage *self, size_t files_before)
{
    const ft_read_config *config = self->config;
    read_state *state = self->state;
    const ft_cutter *cutter = &state->cutter;

    if (state->total_bytes == 0)
        return;
    for (size_t i = files_before; i < cutter->path; i++)
        state->passed_bytes += size_of(config->files.items[i]);
    int64_t taken =
        state->passed_bytes + (cutter->stream ? ft_stream_taken_bytes(cutter->stream) : 0);
    double share = (double)taken / (double)state->total_bytes;
    ft_source_progress(self, share < 1 ? share : 1);
}

static bool read_open(ft_stage *self, ft_error *err)
{
    const ft_read_config *config = self->config;
    read_state *state = self->state;
    const bool is_csv = config->format == FT_FORMAT_CSV || config->format == FT_FORMAT_TSV;
    (void)err;
    state->batch_items = self->batch_items ? (size_t)self->batch_items : BATCH_ITEMS_FIRST;
    state->total_bytes = size_of_all(&config->files);
    state->cutter = (ft_cutter){
        .paths = config->files.items,
        .path_count = config->files.count,
        .cut = is_csv                             ? FT_CUT_CSV
               : config->per == FT_READ_PARAGRAPH ? FT_CUT_PARAGRAPHS
                                                  : FT_CUT_LINES,
        .skip_blank = config->format == FT_FORMAT_JSONL,
        .delimiter = config->separator,
        .block_bytes = config->block_bytes,
        .account = self->account,
        .on_header = is_csv && config->header ? read_check_header : NULL,
        .host = config,
    };
    return true;
}

// The next items of the block as a batch with a lineage of its own.
static bool read_send(ft_stage *self, ft_error *err)
{
    const ft_read_config *config = self->config;
    read_state *state = self->state;
    size_t count = state->block.count - state->used;
    if (count > state->batch_items)
        count = state->batch_items;
    ft_lineage *lineage = ft_lineage_create(self->account, count, true, err);
    if (!lineage)
        return false;
    const ft_position *positions = state->block.positions->data;
    memcpy(lineage->positions, positions + state->used, count * sizeof(*positions));
    lineage->parts = config->files.items;
    ft_batch *batch = NULL;
    ft_column column;
    bool ok = ft_source_start(self, lineage, err);
    if (ok) {
        batch = ft_batch_create(self->account, count, self->output_width, lineage, err);
        ok = batch != NULL;
    }
    ft_lineage_unref(lineage);
    if (!ok || !ft_column_slice(&state->block.column, state->used, count, &column, err)) {
        ft_batch_unref(batch);
        return false;
    }
    ft_batch_set(batch, 0, &column);
    state->used += count;
    if (state->used == state->block.count) {
        ft_block_finish(&state->block);
        state->used = 0;
    }
    if (!self->batch_items && state->batch_items < BATCH_ITEMS_MAX)
        state->batch_items *= 2;
    return ft_emit(self, batch, err);
}

static bool read_produce(ft_stage *self, bool *out_done, ft_error *err)
{
    read_state *state = self->state;
    while (state->block.count == 0) {
        bool more, wait;
        const size_t files = state->cutter.path;
        if (!ft_cutter_next(&state->cutter, &state->block, &more, &wait, err))
            return false;
        ft_count(self, COUNTER_FILES, state->cutter.path - files);
        tell_progress(self, files);
        if (state->block.count)
            ft_count(self, COUNTER_BYTES, (uint64_t)state->block.column.values->shape[0]);
        if (more && wait && !ft_is_cancelled(self))
            ft_source_wait(self, ft_cutter_fd(&state->cutter));
        *out_done = !more || ft_is_cancelled(self);
        if (*out_done)
            return true;
    }
    return read_send(self, err);
}

static void read_close(ft_stage *self)
{
    read_state *state = self->state;
    ft_block_finish(&state->block);
    ft_cutter_finish(&state->cutter);
}

// ---- the stage ----

static const char *const format_names[] = {"auto", "text", "jsonl", "csv", "tsv", NULL};
static const char *const encoding_names[] = {"fail", "replace", NULL};
static const char *const per_names[] = {"line", "paragraph", NULL};

static const ft_option options[] = {
    FT_OPT_PATH(ft_read_config, path, .is_main = true, .required = true,
                .doc = "A file, a glob such as `docs/*.txt`, or `-` for standard input."),
    FT_OPT_CHOICE(ft_read_config, format, format_names, .fallback = "auto",
                  .doc = "What the lines are; `auto` goes by the file's name."),
    FT_OPT_MAP(ft_read_config, fields,
               .doc = "Names and types of fields: `{id: int, text: string}`. Others are typed by "
                      "the first 100 lines."),
    FT_OPT_CHOICE(ft_read_config, encoding_errors, encoding_names, .fallback = "fail",
                  .doc = "What to do with an item that is not UTF-8: fail it, or put U+FFFD in."),
    FT_OPT_BOOL(ft_read_config, header, .fallback = "true",
                .doc = "Whether CSV and TSV files begin with the names of their columns."),
    FT_OPT_STRING(ft_read_config, delimiter,
                  .doc = "What separates the fields of CSV; `,` by default, a tab for TSV."),
    FT_OPT_CHOICE(ft_read_config, per, per_names, .fallback = "line",
                  .doc = "What an item of text is: a line, or what stands between blank lines."),
    FT_OPT_END,
};

static const char *const counters[] = {"files", "bytes", NULL};

const ft_stage_def ft_stage_read = {
    .abi = FT_STAGE_ABI,
    .name = "read",
    .summary = "read items from text, JSONL, CSV and TSV files",
    .example = "- read: docs-*.jsonl.gz\n"
               "  fields: {id: int, text: string}",
    .kind = FT_STAGE_SOURCE,
    .concurrency = FT_CONCURRENCY_ONE,
    .pace = FT_PACE_COMPUTE,
    .options = options,
    .counters = counters,
    .config_size = sizeof(ft_read_config),
    .state_size = sizeof(read_state),
    .then = &ft_read_decode,
    .plan = read_plan,
    .open = read_open,
    .produce = read_produce,
    .close = read_close,
};
