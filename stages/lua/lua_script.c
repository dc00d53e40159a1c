// Planning a script: a throwaway state compiles it and, for a file, runs it once under the same
// limits as later. Fields are decided here, so that nothing is looked up in the schema per item.
#include "stages/lua/lua_script.h"

#include <lauxlib.h>
#include <string.h>

#include "runtime/system/file.h"
#include "stages/lua/lua_sandbox.h"
#include "stages/lua/lua_scan.h"

enum { SCRIPT_BYTES_MAX = 16 << 20 };

// In front of inline text, on its first line: what the body may name.
#define INLINE_HEAD "local item, ctx = ...; "

void ft_lua_push_chunk(lua_State *L, const ft_lua_config *config)
{
    if (ft_lua_load_text(L, config->text.data, config->text.size, config->chunk_name) != LUA_OK)
        lua_error(L);
}

void ft_lua_push_script(lua_State *L, const ft_lua_config *config)
{
    ft_lua_push_chunk(L, config);
    if (config->is_inline)
        return;
    lua_call(L, 0, 1);
    if (!lua_isfunction(L, -1) && !lua_istable(L, -1))
        luaL_error(L, "%s must return a function or a table with `process`, not a %s",
                   config->chunk_name + 1, luaL_typename(L, -1));
}

// ---- where the text is ----

static bool is_path(const char *text)
{
    return !strchr(text, '\n') && ft_slice_ends_with(ft_slice_of(text), FT_SLICE(".lua"));
}

static const char *folder_of(ft_arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return ft_arena_text(arena, FT_SLICE(""));
    return ft_arena_text(arena, (ft_slice){path, slash == path ? 1 : (size_t)(slash - path)});
}

static bool read_script_file(ft_stage_plan *plan, ft_lua_config *config, ft_error *err)
{
    const char *beside = plan->environment ? plan->environment->pipeline_folder : "";
    const char *path = ft_path_join(plan->arena, beside ? beside : "", config->script);

    if (path && ft_file_find(path) == FT_FILE_MISSING)
        path = config->script;
    if (!path)
        return ft_fail_nomem(err, strlen(config->script));
    if (!ft_file_read(path, plan->arena, SCRIPT_BYTES_MAX, &config->text, err)) {
        err->number = FT_LUA_AT_LOAD;
        ft_hint(err,
                "A script is looked for beside the pipeline file, then in the working directory.");
        return ft_error_at(err, "script", 0, 0);
    }
    config->folder = folder_of(plan->arena, path);
    config->chunk_name = ft_arena_format(plan->arena, "@%s", config->script);
    return (config->folder && config->chunk_name) || ft_fail_nomem(err, strlen(path));
}

static bool find_script(ft_stage_plan *plan, ft_lua_config *config, ft_error *err)
{
    config->pipeline_folder = plan->environment && plan->environment->pipeline_folder
                                  ? plan->environment->pipeline_folder
                                  : "";
    config->is_inline = !is_path(config->script);
    if (!config->is_inline)
        return read_script_file(plan, config, err);
    const char *text = ft_arena_format(plan->arena, "%s%s", INLINE_HEAD, config->script);
    if (!text)
        return ft_fail_nomem(err, strlen(config->script));
    config->text = ft_slice_of(text);
    config->chunk_name = "=script";
    return true;
}

// ---- limits ----

static bool plan_limit(ft_lua_config *config, size_t index, ft_error *err)
{
    const char *name = config->limits.names[index];
    ft_slice text = ft_slice_of(config->limits.texts[index]);
    int64_t *out;
    bool ok;

    if (!strcmp(name, "memory")) {
        out = &config->bounds.memory_bytes;
        ok = ft_parse_size(text, out) && *out >= 256 << 10 && *out <= (int64_t)1 << 40;
        if (!ok)
            ft_fail(err, FT_ERROR_USAGE, "`%s` is not a size from 256KiB to 1TiB", text.data);
    } else if (!strcmp(name, "time")) {
        out = &config->bounds.time_ms;
        ok = ft_parse_duration(text, out) && *out >= 1 && *out <= 24 * 3600 * 1000;
        if (!ok)
            ft_fail(err, FT_ERROR_USAGE, "`%s` is not a duration from 1ms to 24h", text.data);
    } else {
        ok = false;
        ft_fail(err, FT_ERROR_USAGE, "there is no limit `%s`", name);
        ft_hint(err, "The limits are `memory` (256MiB) and `time` (1s).");
    }
    if (!ok)
        err->number = FT_LUA_DECLARATION;
    return ok || ft_error_at(err, "limits", 0, 0);
}

static bool plan_limits(ft_lua_config *config, ft_error *err)
{
    config->bounds = (ft_lua_limits){.memory_bytes = 256 << 20, .time_ms = 1000};
    for (size_t i = 0; i < config->limits.count; i++)
        if (!plan_limit(config, i, err))
            return false;
    return true;
}

// ---- what the script says ----

static int plan_in_lua(lua_State *L)
{
    ft_lua_planner *planner = lua_touserdata(L, 1);

    planner->phase = FT_LUA_SYNTAX;
    ft_lua_push_chunk(L, planner->config);
    if (planner->config->is_inline)
        return 0;
    planner->phase = FT_LUA_AT_LOAD;
    lua_call(L, 0, 1);
    planner->phase = FT_LUA_DECLARATION;
    if (lua_isfunction(L, -1))
        return 0;
    if (!lua_istable(L, -1))
        return luaL_error(L, "%s must return a function or a table with `process`, not a %s",
                          planner->config->chunk_name + 1, luaL_typename(L, -1));
    ft_lua_plan_declarations(L, planner);
    return 0;
}

// The `from` of line `line` of the inline text, or of its last line with a word on it: a text that
// ends too early is at fault behind its last line, where there is nothing to point at.
static size_t find_line(const char *text, int64_t line)
{
    size_t found = 0;

    for (size_t at = 0; line > 0 && text[at]; line--) {
        size_t length = strcspn(text + at, "\n");
        if (strspn(text + at, " \t\r") < length)
            found = at;
        at += length + (text[at + length] == '\n');
    }
    return found;
}

// "script:3: ..." points at line 3 of the inline text; "... (to close 'if' at line 1) near <eof>"
// at the line where the end is missed.
static void point_at_line(const ft_lua_config *config, ft_error *err)
{
    int64_t line = 0;
    const char *colon = strchr(err->message, ':');
    const char *end = colon ? strchr(colon + 1, ':') : NULL;

    ft_error_at(err, "script", 0, 0);
    if (!config->is_inline || !end || strncmp(err->message, "script:", 7) != 0)
        return;
    if (!ft_parse_int((ft_slice){colon + 1, (size_t)(end - colon - 1)}, &line))
        return;
    const char *opened = strstr(end, " at line ");
    if (opened && ft_slice_ends_with(ft_slice_of(end), FT_SLICE(" near <eof>"))) {
        opened += strlen(" at line ");
        if (!ft_parse_int((ft_slice){opened, strcspn(opened, ")")}, &line))
            return;
    }
    size_t from = find_line(config->script, line);
    size_t length = strcspn(config->script + from, "\n");
    if (length > 0)
        ft_error_at(err, "script", from, length);
}

static bool run_planner(ft_lua_planner *planner)
{
    ft_lua_config *config = planner->config;
    ft_lua_place place = {planner->plan->stage_name, config->folder, config->pipeline_folder};
    ft_lua *lua = ft_lua_create(&config->bounds, &place, NULL, 0, planner->err);

    if (!lua)
        return false;
    bool ok = ft_lua_call(lua, plan_in_lua, planner, planner->err);
    ft_lua_destroy(lua);
    if (planner->failed)
        return false;
    if (!ok) {
        if (planner->err->code == FT_ERROR_DATA)
            planner->err->code = FT_ERROR_USAGE;
        if (planner->err->code != FT_ERROR_NOMEM)
            planner->err->number = planner->phase;
        point_at_line(config, planner->err);
    }
    return ok;
}

// ---- fields ----

ft_lua_field *ft_lua_plan_field(ft_lua_planner *planner, const char *name, ft_error *err)
{
    ft_stage_plan *plan = planner->plan;

    for (size_t i = 0; i < planner->count; i++)
        if (!strcmp(planner->fields[i].name, name))
            return &planner->fields[i];
    if (planner->count == planner->capacity) {
        size_t capacity = planner->capacity ? 2 * planner->capacity : plan->input->count + 16;
        ft_lua_field *grown = ft_arena_zero(plan->arena, capacity, sizeof(*grown));
        if (!grown) {
            ft_fail_nomem(err, capacity * sizeof(*grown));
            return NULL;
        }
        if (planner->count)
            memcpy(grown, planner->fields, planner->count * sizeof(*grown));
        planner->fields = grown;
        planner->capacity = capacity;
    }
    ft_lua_field *field = &planner->fields[planner->count];
    *field = (ft_lua_field){.name = ft_arena_text(plan->arena, ft_slice_of(name)),
                            .in = FT_FIELD_NONE,
                            .out = FT_FIELD_NONE};
    if (!field->name) {
        ft_fail_nomem(err, strlen(name));
        return NULL;
    }
    planner->count++;
    return field;
}

static bool add_input_fields(ft_lua_planner *planner)
{
    const ft_schema *input = planner->plan->input;

    for (size_t i = 0; i < input->count; i++) {
        if (ft_field_is_hidden(&input->fields[i]))
            continue;
        ft_lua_field *field = ft_lua_plan_field(planner, input->fields[i].name, planner->err);
        if (!field)
            return false;
        field->in = i;
        field->in_type = input->fields[i].type;
    }
    return true;
}

bool ft_lua_plan_reads(ft_lua_planner *planner, const char *name, ft_type want)
{
    size_t index;

    if (!ft_plan_read(planner->plan, "script", name, want, &index, planner->err))
        return false;
    ft_lua_field *field = ft_lua_plan_field(planner, name, planner->err);
    if (!field)
        return false;
    field->is_read = true;
    return true;
}

bool ft_lua_plan_writes(ft_lua_planner *planner, const char *option, const char *name, ft_type type)
{
    size_t index;

    if (*name == '@' || *name == '\0') {
        ft_fail(planner->err, FT_ERROR_USAGE, "`%s` cannot be the name of a field", name);
        planner->err->number = FT_LUA_DECLARATION;
        return ft_error_at(planner->err, option, 0, 0);
    }
    if (!ft_plan_add(planner->plan, name, type, &index, planner->err))
        return false;
    ft_lua_field *field = ft_lua_plan_field(planner, name, planner->err);
    if (!field)
        return false;
    field->out = index;
    field->out_type = type;
    field->is_written = true;
    field->is_retyped = field->in != FT_FIELD_NONE && !ft_type_equal(field->in_type, type);
    return true;
}

static bool plan_adds(ft_lua_planner *planner)
{
    const ft_map *adds = &planner->config->adds;
    ft_error *err = planner->err;
    ft_type type;

    for (size_t i = 0; i < adds->count; i++) {
        const char *option = ft_arena_format(planner->plan->arena, "adds.%s", adds->names[i]);
        if (!option)
            return ft_fail_nomem(err, strlen(adds->names[i]));
        if (!ft_type_parse(ft_slice_of(adds->texts[i]), &type, err)) {
            err->number = FT_LUA_DECLARATION;
            return ft_error_at(err, option, 0, 0);
        }
        if (!ft_lua_plan_writes(planner, option, adds->names[i], type))
            return false;
    }
    return true;
}

// ---- fields that the text names ----

static const char *text_of(ft_lua_planner *planner, ft_slice name)
{
    const char *text = ft_arena_text(planner->plan->arena, name);

    if (!text)
        ft_fail_nomem(planner->err, name.size);
    return text;
}

static bool refuse_inner(ft_lua_planner *planner, const ft_lua_scan *scan)
{
    ft_error *err = planner->err;
    size_t head = planner->config->is_inline ? sizeof(INLINE_HEAD) - 1 : 0;
    size_t at = scan->inner_at >= head ? scan->inner_at - head : 0;

    ft_fail(err, FT_ERROR_USAGE,
            "`item.%.*s` gives a copy: setting something inside of it changes nothing",
            (int)scan->inner.size, scan->inner.data);
    ft_hint(err,
            "Take it out, change it, and assign it: local x = item.%.*s; x.y = 1; item.%.*s = x.",
            (int)scan->inner.size, scan->inner.data, (int)scan->inner.size, scan->inner.data);
    err->number = FT_LUA_DECLARATION;
    return ft_error_at(err, "script", planner->config->is_inline ? at : 0,
                       planner->config->is_inline ? scan->inner.size + 5 : 0);
}

static bool plan_scanned_writes(ft_lua_planner *planner, const ft_lua_scan *scan)
{
    for (size_t i = 0; i < scan->written_count; i++) {
        const char *name = text_of(planner, scan->written[i]);
        if (!name)
            return false;
        ft_lua_field *field = ft_lua_plan_field(planner, name, planner->err);
        if (!field)
            return false;
        if (field->is_written)
            continue;
        ft_type type = field->in == FT_FIELD_NONE ? FT_TYPE(ANY) : field->in_type;
        if (!ft_lua_plan_writes(planner, "script", name, type))
            return false;
    }
    return true;
}

// A table in the script may become an item: it may then set the fields that come in.
static bool plan_scanned_keys(ft_lua_planner *planner, const ft_lua_scan *scan)
{
    for (size_t i = 0; i < scan->key_count; i++)
        for (size_t f = 0; f < planner->count; f++) {
            const ft_lua_field *field = &planner->fields[f];
            if (field->in == FT_FIELD_NONE || field->is_written ||
                !ft_slice_is(scan->keys[i], field->name))
                continue;
            if (!ft_lua_plan_writes(planner, "script", field->name, field->in_type))
                return false;
        }
    return true;
}

static bool plan_all_reads(ft_lua_planner *planner)
{
    ft_stage_plan *plan = planner->plan;

    for (size_t i = 0; i < planner->count; i++) {
        ft_lua_field *field = &planner->fields[i];
        field->is_read = field->in != FT_FIELD_NONE;
        if (field->is_read)
            plan->reads[field->in] = true;
    }
    return true;
}

static bool is_method(ft_slice name)
{
    return ft_slice_is(name, "source") || ft_slice_is(name, "copy");
}

static bool plan_scanned_reads(ft_lua_planner *planner, const ft_lua_scan *scan)
{
    const ft_schema *input = planner->plan->input;

    for (size_t i = 0; i < scan->read_count; i++) {
        bool comes_in = ft_schema_find(input, scan->read[i]) != FT_FIELD_NONE;
        const char *name = text_of(planner, scan->read[i]);
        if (!name)
            return false;
        if (!comes_in && (is_method(scan->read[i]) || input->open))
            continue;
        ft_lua_field *field = ft_lua_plan_field(planner, name, planner->err);
        if (!field)
            return false;
        if (!comes_in && field->is_written)
            continue;
        if (!ft_lua_plan_reads(planner, name, FT_TYPE(ANY)))
            return false;
    }
    return true;
}

// A retyped field that is not written is converted: it is read then.
static bool plan_retyped_reads(ft_lua_planner *planner)
{
    for (size_t i = 0; i < planner->count; i++) {
        ft_lua_field *field = &planner->fields[i];
        // The original also goes on where the script does not assign the field.
        if (field->is_written && field->in != FT_FIELD_NONE)
            planner->plan->reads[field->in] = true;
        field->is_read |= field->is_retyped;
    }
    return true;
}

static bool plan_scanned(ft_lua_planner *planner)
{
    ft_lua_scan scan;

    if (!ft_lua_scan_text(planner->config->text, planner->plan->arena, &scan, planner->err))
        return false;
    if (scan.has_inner)
        return refuse_inner(planner, &scan);
    if (!planner->declares_output &&
        (!plan_scanned_writes(planner, &scan) || !plan_scanned_keys(planner, &scan)))
        return false;
    if (planner->declares_input)
        return true;
    // In a file, `item` may have another name in another function: every field may be read.
    if (!planner->config->is_inline || scan.reads_any)
        return plan_all_reads(planner);
    return plan_scanned_reads(planner, &scan);
}

// Fields beside the schema's stand only in @raw.
static void plan_raw(ft_lua_planner *planner)
{
    const ft_schema *input = planner->plan->input;
    size_t raw = ft_schema_find(input, FT_SLICE(FT_FIELD_RAW));

    planner->config->fields.raw_in = FT_FIELD_NONE;
    if (!input->open || raw == FT_FIELD_NONE)
        return;
    planner->config->fields.raw_in = raw;
    planner->plan->reads[raw] = true;
}

// Whether `shared` stands in the script as the name of a field. A script that it loads may have it
// where this one has not: then it fails when it comes to it.
static bool uses_shared(ft_slice text)
{
    static const char word[] = "shared";
    size_t size = sizeof(word) - 1;

    for (size_t i = 1; i + size <= text.size; i++)
        if (strchr(".\"'", text.data[i - 1]) && memcmp(text.data + i, word, size) == 0)
            return true;
    return false;
}

bool ft_lua_plan_script(ft_stage_plan *plan, ft_lua_config *config, ft_error *err)
{
    ft_lua_planner planner = {.plan = plan, .config = config, .err = err};

    if (!plan_limits(config, err) || !find_script(plan, config, err))
        return false;
    if (!add_input_fields(&planner) || !plan_adds(&planner) || !run_planner(&planner))
        return false;
    if (!planner.declares_params && !ft_lua_plan_plain_params(&planner))
        return false;
    if (!plan_scanned(&planner) || !plan_retyped_reads(&planner))
        return false;
    plan_raw(&planner);
    plan->shares = uses_shared(config->text);
    config->fields.count = planner.count;
    config->fields.fields = planner.fields;
    config->fields.listing = ft_schema_print(plan->input, plan->arena);
    return config->fields.listing || ft_fail_nomem(err, 0);
}
