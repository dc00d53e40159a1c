// print: items on standard output, a line each, as they come.
//
//   - print: tokens
//
// With one field its value alone, a text as it is (also where the type is any) and anything else as
// JSON; with several, or none (then all of them), a line of JSON.
#include "runtime/memory/alloc.h"
#include "runtime/stage.h"
#include "stages/io/writer.h"

typedef struct print_config {
    ft_strings fields;
    // Made by the plan.
    size_t count;
    size_t *columns;
    const char **names;
    size_t raw;  // Column of @raw, or FT_FIELD_NONE.
} print_config;

typedef struct print_state {
    ft_writer writer;
    ft_line_plan line;
} print_state;

static void print_add(ft_stage_plan *plan, print_config *config, size_t column)
{
    config->columns[config->count] = column;
    config->names[config->count++] = plan->input->fields[column].name;
    plan->reads[column] = true;
}

static bool print_plan(ft_stage_plan *plan, void *config_data, ft_error *err)
{
    print_config *config = config_data;
    const ft_schema *input = plan->input;
    const size_t room = input->count + config->fields.count + 1;
    config->raw = FT_FIELD_NONE;
    config->columns = ft_arena_zero(plan->arena, room, sizeof(*config->columns));
    config->names = ft_arena_zero(plan->arena, room, sizeof(*config->names));
    if (!config->columns || !config->names)
        return ft_fail_nomem(err, room * sizeof(*config->columns));
    plan->blocks = ft_output_is_live("-");
    for (size_t i = 0; i < config->fields.count; i++) {
        size_t column;
        if (!ft_plan_read(plan, "fields", config->fields.items[i], FT_TYPE(ANY), &column, err))
            return false;
        print_add(plan, config, column);
    }
    if (config->fields.count > 0)
        return true;
    config->raw = ft_schema_find(input, FT_SLICE(FT_FIELD_RAW));
    if (config->raw != FT_FIELD_NONE)
        plan->reads[config->raw] = true;
    for (size_t i = 0; i < input->count; i++)
        if (!ft_field_is_hidden(&input->fields[i]) &&
            !(config->raw != FT_FIELD_NONE && input->fields[i].in_raw))
            print_add(plan, config, i);
    return true;
}

static bool print_open(ft_stage *self, ft_error *err)
{
    const print_config *config = self->config;
    print_state *state = self->state;
    ft_output *output = ft_output_open("-", FT_OUTPUT_APPEND, NULL, err);
    if (!output)
        return false;
    ft_writer_init(&state->writer, output);
    state->line = (ft_line_plan){.count = config->count,
                                 .columns = config->columns,
                                 .names = config->names,
                                 .raw = config->raw};
    state->line.seen = ft_alloc_zero(config->count + 1, sizeof(bool));
    return state->line.seen != NULL || ft_fail_nomem(err, config->count + 1);
}

static bool print_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    const print_config *config = self->config;
    print_state *state = self->state;
    for (size_t item = 0; item < (*in)->count; item++) {
        if (config->fields.count != 1) {
            if (!ft_writer_put_line(&state->writer, &state->line, *in, item, err))
                return false;
            continue;
        }
        const ft_column *column = &(*in)->columns[config->columns[0]];
        const bool is_null = !column->values || ft_column_is_null(column, item);
        if (!(is_null ? ft_writer_put_json(&state->writer, column, item, err)
                      : ft_writer_put_plain(&state->writer, column, item, err)) ||
            !ft_writer_put(&state->writer, FT_SLICE("\n"), err))
            return false;
    }
    return ft_writer_flush(&state->writer, err);
}

static bool print_commit(ft_stage *self, ft_error *err)
{
    print_state *state = self->state;
    return ft_output_commit(state->writer.output, err);
}

static void print_close(ft_stage *self)
{
    print_state *state = self->state;
    ft_writer_finish(&state->writer);
    ft_free(state->line.seen);
}

static const ft_option options[] = {
    FT_OPT_FIELDS(print_config, fields, .is_main = true,
                  .doc = "Which fields; without it, all of them as a line of JSON."),
    FT_OPT_END,
};

const ft_stage_def ft_stage_print = {
    .abi = FT_STAGE_ABI,
    .name = "print",
    .summary = "print items on standard output, a line each",
    .example = "- print: tokens",
    .kind = FT_STAGE_SINK,
    .concurrency = FT_CONCURRENCY_ONE,
    .pace = FT_PACE_COMPUTE,
    .options = options,
    .config_size = sizeof(print_config),
    .state_size = sizeof(print_state),
    .plan = print_plan,
    .open = print_open,
    .process = print_process,
    .commit = print_commit,
    .close = print_close,
};
