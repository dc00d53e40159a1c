// The plan of `read`: which files, which format, which fields of which types.
//
// Types come from `fields:`; those of other fields from the beginning of the first file, if it is a
// regular one that can be looked at twice.
#include "stages/io/read_config.h"

#include <string.h>

#include "runtime/system/file.h"
#include "stages/io/sample.h"

static bool find_format(ft_read_config *config, ft_error *err)
{
    if (config->format != FT_FORMAT_AUTO)
        return true;
    const char *path = config->files.items[0];
    const ft_format found = ft_format_find(path);
    if (found == FT_FORMAT_NPY) {
        ft_fail(err, FT_ERROR_USAGE, "`%s` is an array, which `read` does not take", path);
        return ft_error_at(err, "path", 0, 0);
    }
    if (ft_slice_ends_with(ft_slice_of(path), FT_SLICE(".json"))) {
        ft_fail(err, FT_ERROR_USAGE, "`%s` is one JSON document, and `read` wants one a line",
                path);
        ft_hint(err, "If it has an object a line, say `format: jsonl`.");
        return ft_error_at(err, "path", 0, 0);
    }
    config->format = found == FT_FORMAT_AUTO ? FT_FORMAT_TEXT : (int)found;
    return true;
}

// Options that another format has are refused rather than ignored.
static bool check_options(const ft_read_config *config, ft_error *err)
{
    const bool is_csv = config->format == FT_FORMAT_CSV || config->format == FT_FORMAT_TSV;
    const char *option = NULL;
    if (config->per == FT_READ_PARAGRAPH && config->format != FT_FORMAT_TEXT)
        option = "per";
    else if (config->fields.count && config->format == FT_FORMAT_TEXT)
        option = "fields";
    else if (!config->header && !is_csv)
        option = "header";
    else if (config->delimiter && !is_csv)
        option = "delimiter";
    if (option) {
        static const char *const names[] = {"auto", "text", "jsonl", "csv", "tsv", "npy"};
        ft_fail(err, FT_ERROR_USAGE, "`%s` says nothing for the format %s", option,
                names[config->format]);
        ft_hint(err, "Remove it, or say which format it is with `format:`.");
        return ft_error_at(err, option, 0, 0);
    }
    const char *delimiter = config->delimiter;
    if (delimiter && (strlen(delimiter) != 1 || strchr("\"\r\n", delimiter[0]))) {
        ft_fail(err, FT_ERROR_USAGE, "the delimiter must be one ASCII character");
        return ft_error_at(err, "delimiter", 0, 0);
    }
    return true;
}

static bool parse_field(const ft_map *fields, size_t index, ft_type *out, ft_error *err)
{
    const char *name = fields->names[index];
    if (name[0] == '@') {
        ft_fail(err, FT_ERROR_USAGE, "`%s` cannot name a field: `@` is reserved", name);
        return ft_error_at(err, "fields", 0, 0);
    }
    if (ft_type_parse(ft_slice_of(fields->texts[index]), out, err) && ft_value_can_read(*out, err))
        return true;
    ft_error_while(err, "field `%s`", name);
    return ft_error_at(err, "fields", 0, 0);
}

static size_t find_column(const ft_read_config *config, const char *name)
{
    size_t at = 0;
    while (at < config->column_count && strcmp(config->columns[at].name, name) != 0)
        at++;
    return at;
}

static bool take_sample(ft_read_config *config, const ft_sample *sample, ft_arena *arena,
                        ft_error *err)
{
    const size_t room = sample->count + config->fields.count + 1;
    config->columns = ft_arena_zero(arena, room, sizeof(*config->columns));
    if (!config->columns)
        return ft_fail_nomem(err, room * sizeof(*config->columns));
    for (size_t i = 0; i < sample->count; i++)
        config->columns[i] = (ft_rows_field){
            .name = sample->fields[i].name, .type = sample->fields[i].type, .column = i};
    config->column_count = sample->count;
    return true;
}

// What cannot be looked at is opened, which says why.
static bool can_sample(const ft_read_config *config)
{
    const ft_file_kind kind = ft_file_find(config->files.items[0]);
    return kind == FT_FILE_REGULAR || kind == FT_FILE_UNKNOWN;
}

static bool plan_jsonl(ft_read_config *config, ft_arena *arena, ft_error *err)
{
    ft_sample sample = {0};
    if (can_sample(config) && !ft_sample_jsonl(config->files.items[0], arena, &sample, err))
        return ft_error_at(err, "path", 0, 0);
    if (!take_sample(config, &sample, arena, err))
        return false;
    for (size_t i = 0; i < config->fields.count; i++) {
        const size_t at = find_column(config, config->fields.names[i]);
        config->columns[at].name = config->fields.names[i];
        if (at == config->column_count)
            config->column_count++;
        if (!parse_field(&config->fields, i, &config->columns[at].type, err))
            return false;
    }
    return true;
}

// Without a header, or where it cannot be seen yet, `fields` names all columns in their order.
static bool name_columns(ft_read_config *config, const ft_sample *sample, ft_arena *arena,
                         ft_error *err)
{
    const size_t given = config->fields.count;
    if (given == 0) {
        ft_fail(err, FT_ERROR_USAGE,
                config->header ? "the columns of `%s` are not known before it is read"
                               : "the columns of `%s` have no names",
                config->files.items[0]);
        ft_hint(err, "Name them in their order: `fields: {id: int, text: string}`.");
        return ft_error_at(err, "path", 0, 0);
    }
    if (sample->count && sample->count != given) {
        ft_fail(err, FT_ERROR_USAGE, "`fields` names %zu column%s, and `%s` has %zu", given,
                given == 1 ? "" : "s", config->files.items[0], sample->count);
        return ft_error_at(err, "fields", 0, 0);
    }
    ft_sample none = {0};
    if (!take_sample(config, &none, arena, err))
        return false;
    config->column_count = given;
    for (size_t i = 0; i < given; i++) {
        config->columns[i] = (ft_rows_field){.name = config->fields.names[i], .column = i};
        if (!parse_field(&config->fields, i, &config->columns[i].type, err))
            return false;
    }
    return true;
}

static bool plan_csv(ft_read_config *config, ft_arena *arena, ft_error *err)
{
    const char default_separator = config->format == FT_FORMAT_TSV ? '\t' : ',';
    ft_sample sample = {0};
    config->separator = config->delimiter ? config->delimiter[0] : default_separator;
    if (can_sample(config) && !ft_sample_csv(config->files.items[0], config->separator,
                                             config->header, arena, &sample, err))
        return ft_error_at(err, "path", 0, 0);
    if (!config->header || !can_sample(config))
        return name_columns(config, &sample, arena, err);
    if (!take_sample(config, &sample, arena, err))
        return false;
    for (size_t i = 0; i < config->fields.count; i++) {
        const char *name = config->fields.names[i];
        const size_t at = find_column(config, name);
        if (at == config->column_count) {
            ft_fail(err, FT_ERROR_USAGE, "`%s` has no column `%s`", config->files.items[0], name);
            return ft_error_at(err, "fields", 0, 0);
        }
        if (!parse_field(&config->fields, i, &config->columns[at].type, err))
            return false;
    }
    return true;
}

bool ft_read_plan(ft_stage_plan *plan, ft_read_config *config, ft_error *err)
{
    if (!ft_paths_find(config->path, plan->arena, &config->files, err))
        return ft_error_at(err, "path", 0, 0);
    if (config->files.count > UINT32_MAX)
        return ft_fail(err, FT_ERROR_LIMIT, "`%s` matches too many files", config->path);
    for (size_t i = 0; i < config->files.count; i++)
        if (ft_file_find(config->files.items[i]) != FT_FILE_REGULAR)
            config->is_live = plan->blocks = true;
    if (!find_format(config, err) || !check_options(config, err))
        return false;
    if (config->format == FT_FORMAT_JSONL)
        return plan_jsonl(config, plan->arena, err);
    if (config->format == FT_FORMAT_CSV || config->format == FT_FORMAT_TSV)
        return plan_csv(config, plan->arena, err);
    return true;
}
