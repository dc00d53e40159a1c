// What a script's table declares: params, input, output, parallel; and what it may not yet.
// Names are taken in sorted order, so that of several faults the same one is reported each time.
#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "stages/lua/lua_sandbox.h"
#include "stages/lua/lua_script.h"

// ---- types ----

bool ft_lua_parse_type(ft_slice text, ft_type *out, ft_error *err)
{
    char copy[FT_TYPE_TEXT_BYTES];
    size_t size = 0, axis = 0;
    bool is_word[FT_RANK_MAX] = {false}, inside = false, in_word = false;

    if (text.size >= sizeof copy)
        return ft_type_parse(text, out, err);
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (inside && is_letter && !in_word && axis < FT_RANK_MAX) {
            is_word[axis] = in_word = true;
            copy[size++] = '1';
        } else if (!in_word || c == ',' || c == ']') {
            copy[size++] = c;
        }
        in_word = in_word && c != ',' && c != ']';
        inside |= c == '[';
        axis += c == ',';
    }
    if (!ft_type_parse((ft_slice){copy, size}, out, err))
        return ft_type_parse(text, out, err);  // The message shows what was written.
    for (size_t i = 0; i < out->rank; i++)
        if (is_word[i + (out->list ? 1 : 0)])
            out->shape[i] = -1;
    return true;
}

// ---- walking tables ----

// Pushes the sorted names of the table at `index`.
static lua_Integer push_names(lua_State *L, int index, const char *what)
{
    lua_Integer count = 0;

    index = lua_absindex(L, index);
    if (!lua_istable(L, index))
        luaL_error(L, "`%s` must be a table, not a %s", what, luaL_typename(L, index));
    lua_newtable(L);
    for (lua_pushnil(L); lua_next(L, index);) {
        lua_pop(L, 1);
        if (lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "`%s` must have names as keys", what);
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, ++count);
    }
    lua_pushcfunction(L, ft_lua_table_sort);
    lua_pushvalue(L, -2);
    lua_call(L, 1, 0);
    return count;
}

static bool fail_here(ft_lua_planner *planner)
{
    planner->failed = true;
    return false;
}

// ---- params ----

static const char *const param_kinds[] = {
    [FT_LUA_PARAM_NULL] = "",       [FT_LUA_PARAM_BOOL] = "bool",     [FT_LUA_PARAM_INT] = "int",
    [FT_LUA_PARAM_FLOAT] = "float", [FT_LUA_PARAM_STRING] = "string",
};

static bool parse_param(ft_lua_param *param, const char *text)
{
    ft_slice slice = ft_slice_of(text);

    switch (param->kind) {
    case FT_LUA_PARAM_BOOL:
        param->boolean = ft_slice_is(slice, "true");
        return param->boolean || ft_slice_is(slice, "false");
    case FT_LUA_PARAM_INT:
        return ft_parse_int(slice, &param->integer);
    case FT_LUA_PARAM_FLOAT:
        return ft_parse_float(slice, &param->number);
    case FT_LUA_PARAM_STRING:
        param->text = text;
        return true;
    case FT_LUA_PARAM_NULL:
        break;
    }
    return true;
}

bool ft_lua_plan_plain_params(ft_lua_planner *planner)
{
    const ft_map *given = &planner->config->params;
    ft_lua_param *values = ft_arena_zero(planner->plan->arena, given->count + 1, sizeof(*values));

    if (!values)
        return ft_fail_nomem(planner->err, given->count * sizeof(*values));
    for (size_t i = 0; i < given->count; i++) {
        static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
        ft_lua_param *value = &values[i];
        value->name = given->names[i];
        if (given->quoted[i]) {
            value->kind = FT_LUA_PARAM_STRING;
            value->text = given->texts[i];
            continue;
        }
        bool is_null = false;
        for (size_t n = 0; n < FT_COUNT_OF(nulls); n++)
            is_null |= !strcmp(given->texts[i], nulls[n]);
        if (is_null)
            continue;
        for (value->kind = FT_LUA_PARAM_BOOL; !parse_param(value, given->texts[i]); value->kind++)
            continue;
    }
    planner->config->values = values;
    planner->config->value_count = given->count;
    return true;
}

static bool fail_param(ft_lua_planner *planner, const char *name)
{
    const char *option = name ? ft_arena_format(planner->plan->arena, "params.%s", name) : "params";

    planner->err->number = FT_LUA_PARAM;
    ft_error_at(planner->err, option ? option : "params", 0, 0);
    return fail_here(planner);
}

static bool is_in_bounds(lua_State *L, int declared, const ft_lua_param *param)
{
    double value = param->kind == FT_LUA_PARAM_INT ? (double)param->integer : param->number;
    bool ok = true;

    if (param->kind != FT_LUA_PARAM_INT && param->kind != FT_LUA_PARAM_FLOAT)
        return true;
    if (lua_getfield(L, declared, "min") == LUA_TNUMBER)
        ok = ok && value >= lua_tonumber(L, -1);
    if (lua_getfield(L, declared, "max") == LUA_TNUMBER)
        ok = ok && value <= lua_tonumber(L, -1);
    lua_pop(L, 2);
    return ok;
}

static void check_declared_kind(lua_State *L, int declared, ft_lua_param *param)
{
    if (!lua_istable(L, declared))
        luaL_error(L, "parameter `%s` must be declared as {\"int\", default = 1}", param->name);
    lua_geti(L, declared, 1);
    const char *kind = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    for (int i = FT_LUA_PARAM_BOOL; i <= FT_LUA_PARAM_STRING; i++)
        if (!strcmp(kind, param_kinds[i]))
            param->kind = (ft_lua_param_kind)i;
    if (param->kind == FT_LUA_PARAM_NULL)
        luaL_error(L, "parameter `%s` has the type `%s`: it must be bool, int, float or string",
                   param->name, kind);
    lua_pop(L, 1);
}

// The default of the declaration at `declared`; false when there is none.
static bool take_default(lua_State *L, ft_lua_planner *planner, int declared, ft_lua_param *param)
{
    bool fits = false;

    lua_getfield(L, declared, "default");
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        return false;
    }
    int type = lua_type(L, -1);
    if (param->kind == FT_LUA_PARAM_BOOL && (fits = type == LUA_TBOOLEAN))
        param->boolean = lua_toboolean(L, -1);
    if (param->kind == FT_LUA_PARAM_INT && (fits = lua_isinteger(L, -1)))
        param->integer = lua_tointeger(L, -1);
    if (param->kind == FT_LUA_PARAM_FLOAT && (fits = type == LUA_TNUMBER))
        param->number = lua_tonumber(L, -1);
    if (param->kind == FT_LUA_PARAM_STRING && (fits = type == LUA_TSTRING))
        param->text = ft_arena_text(planner->plan->arena, ft_slice_of(lua_tostring(L, -1)));
    if (!fits)
        luaL_error(L, "the default of parameter `%s` is not %s", param->name,
                   param_kinds[param->kind]);
    if (param->kind == FT_LUA_PARAM_STRING && !param->text) {
        ft_fail_nomem(planner->err, 0);
        fail_here(planner);
    }
    lua_pop(L, 1);
    return true;
}

static bool plan_param(lua_State *L, ft_lua_planner *planner, int declared, ft_lua_param *param)
{
    const ft_map *given = &planner->config->params;
    size_t at = 0;

    check_declared_kind(L, declared, param);
    while (at < given->count && strcmp(given->names[at], param->name) != 0)
        at++;
    if (at == given->count) {
        if (take_default(L, planner, declared, param))
            return !planner->failed;
        ft_fail(planner->err, FT_ERROR_USAGE, "the script needs the parameter `%s`: %s",
                param->name, param_kinds[param->kind]);
        ft_hint(planner->err, "Write `params: {%s: ...}` beside the script.", param->name);
        return fail_param(planner, NULL);
    }
    if (!parse_param(param, given->texts[at]) || !is_in_bounds(L, declared, param)) {
        ft_fail(planner->err, FT_ERROR_USAGE, "`%.60s` is not a value of the parameter `%s`: %s",
                given->texts[at], param->name, param_kinds[param->kind]);
        if (lua_getfield(L, declared, "help") == LUA_TSTRING)
            ft_hint(planner->err, "%s: %s.", param->name, lua_tostring(L, -1));
        return fail_param(planner, param->name);
    }
    return true;
}

// Every parameter that is given must be declared.
static bool check_given(lua_State *L, ft_lua_planner *planner, int declared)
{
    const ft_map *given = &planner->config->params;

    for (size_t i = 0; i < given->count; i++) {
        bool is_known = lua_getfield(L, declared, given->names[i]) != LUA_TNIL;
        lua_pop(L, 1);
        if (is_known)
            continue;
        size_t count = planner->config->value_count;
        const char **names = ft_arena_zero(planner->plan->arena, count + 1, sizeof(*names));
        for (size_t n = 0; names && n < count; n++)
            names[n] = planner->config->values[n].name;
        const char *nearest = names ? ft_nearest(ft_slice_of(given->names[i]), names) : NULL;
        ft_fail(planner->err, FT_ERROR_USAGE, "the script has no parameter `%s`", given->names[i]);
        if (nearest)
            ft_hint(planner->err, "Did you mean `%s`?", nearest);
        return fail_param(planner, given->names[i]);
    }
    return true;
}

static bool plan_params(lua_State *L, ft_lua_planner *planner, int script)
{
    ft_lua_config *config = planner->config;
    int top = lua_gettop(L);

    planner->declares_params = lua_getfield(L, script, "params") != LUA_TNIL;
    if (!planner->declares_params) {
        lua_settop(L, top);
        return true;
    }
    int declared = top + 1, names = top + 2;
    lua_Integer count = push_names(L, declared, "params");
    config->values = ft_arena_zero(planner->plan->arena, (size_t)count + 1, sizeof(ft_lua_param));
    config->value_count = config->values ? (size_t)count : 0;
    for (size_t i = 0; i < config->value_count; i++) {
        lua_rawgeti(L, names, (lua_Integer)i + 1);
        config->values[i].name =
            ft_arena_text(planner->plan->arena, ft_slice_of(lua_tostring(L, -1)));
        lua_pop(L, 1);
        if (!config->values[i].name)
            config->value_count = 0;
    }
    if (config->value_count < (size_t)count) {
        ft_fail_nomem(planner->err, (size_t)count * sizeof(ft_lua_param));
        return fail_here(planner);
    }
    if (!check_given(L, planner, declared))
        return false;
    for (size_t i = 0; i < config->value_count; i++) {
        lua_getfield(L, declared, config->values[i].name);
        if (!plan_param(L, planner, names + 1, &config->values[i]))
            return false;
        lua_settop(L, names);
    }
    lua_settop(L, top);
    return true;
}

// ---- input and output ----

static ft_type check_type(lua_State *L, ft_lua_planner *planner, const char *what, const char *name)
{
    ft_error err = FT_ERROR_INIT;
    ft_slice text;
    ft_type type;

    if (lua_type(L, -1) != LUA_TSTRING)
        luaL_error(L, "`%s.%s` must be a type in quotes, as \"string\"", what, name);
    text.data = lua_tolstring(L, -1, &text.size);
    if (!ft_lua_parse_type(text, &type, &err)) {
        ft_error_while(&err, "`%s.%s`", what, name);
        *planner->err = err;
        planner->err->number = FT_LUA_DECLARATION;
        ft_error_at(planner->err, "script", 0, 0);
        planner->failed = true;
        return FT_TYPE(ANY);
    }
    return type;
}

static bool is_open_size(ft_type type)
{
    for (size_t i = 0; i < type.rank; i++)
        if (type.kind == FT_KIND_TENSOR && type.shape[i] < 0)
            return true;
    return false;
}

static bool plan_output_field(ft_lua_planner *planner, const char *name, ft_type type)
{
    if (is_open_size(type)) {  // As large as what comes in under the same name.
        const ft_lua_field *field = ft_lua_plan_field(planner, name, planner->err);
        if (!field)
            return fail_here(planner);
        if (field->in == FT_FIELD_NONE || !ft_type_accepts(type, field->in_type)) {
            ft_fail(planner->err, FT_ERROR_USAGE, "`output.%s` must say its size, as in f32[384]",
                    name);
            planner->err->number = FT_LUA_DECLARATION;
            ft_error_at(planner->err, "script", 0, 0);
            return fail_here(planner);
        }
        type = field->in_type;
    }
    return ft_lua_plan_writes(planner, "script", name, type) || fail_here(planner);
}

static bool plan_fields(lua_State *L, ft_lua_planner *planner, int script, const char *what,
                        bool *out_declared)
{
    int top = lua_gettop(L);
    bool is_input = !strcmp(what, "input"), ok = true;

    *out_declared = lua_getfield(L, script, what) != LUA_TNIL;
    lua_Integer count = *out_declared ? push_names(L, top + 1, what) : 0;
    for (lua_Integer i = 1; ok && i <= count; i++) {
        lua_rawgeti(L, top + 2, i);
        const char *name = lua_tostring(L, -1);
        lua_getfield(L, top + 1, name);
        ft_type type = check_type(L, planner, what, name);
        if (planner->failed)
            return false;
        if (is_input)
            ok = ft_lua_plan_reads(planner, name, type) || fail_here(planner);
        else
            ok = plan_output_field(planner, name, type);
        lua_settop(L, top + 2);
    }
    lua_settop(L, top);
    return ok;
}

// ---- the rest ----

static void plan_parallel(lua_State *L, ft_lua_planner *planner, int script)
{
    if (lua_getfield(L, script, "parallel") != LUA_TNIL) {
        const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
        if (!strcmp(text, "one"))
            planner->plan->concurrency = FT_CONCURRENCY_ONE;
        else if (!strncmp(text, "key:", 4))
            luaL_error(L, "`parallel = \"key:...\"` is not available in this version: use \"one\"");
        else if (strcmp(text, "any") != 0)
            luaL_error(L, "`parallel` must be \"any\" or \"one\"");
    }
    lua_pop(L, 1);
}

static void check_functions(lua_State *L, int script)
{
    static const char *const names[] = {"process", "process_batch", "init", "finish"};
    static const char *const later[] = {"ports", "snapshot", "restore"};
    bool is_there[FT_COUNT_OF(names)];

    for (size_t i = 0; i < FT_COUNT_OF(names); i++) {
        int type = lua_getfield(L, script, names[i]);
        is_there[i] = type != LUA_TNIL;
        if (is_there[i] && type != LUA_TFUNCTION)
            luaL_error(L, "`%s` must be a function, not a %s", names[i], luaL_typename(L, -1));
        lua_pop(L, 1);
    }
    if (is_there[0] == is_there[1])
        luaL_error(L, is_there[0] ? "the script has both `process` and `process_batch`"
                                  : "the script's table has no function `process`");
    for (size_t i = 0; i < FT_COUNT_OF(later); i++)
        if (lua_getfield(L, script, later[i]) != LUA_TNIL)
            luaL_error(L, "`%s` is not available in this version%s", later[i],
                       i == 0 ? ": items go to the main output, or fail" : "");
    lua_pop(L, (int)FT_COUNT_OF(later));
}

void ft_lua_plan_declarations(lua_State *L, ft_lua_planner *planner)
{
    int script = lua_gettop(L);

    check_functions(L, script);
    plan_parallel(L, planner, script);
    if (plan_params(L, planner, script) &&
        plan_fields(L, planner, script, "input", &planner->declares_input))
        ft_ignore(plan_fields(L, planner, script, "output", &planner->declares_output));
    // What failed is in planner->failed.
}
