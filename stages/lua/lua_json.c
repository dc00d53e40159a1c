// A table is an array when its keys are 1..n, and an object when they are all text; members are
// written sorted by key, because the order in a Lua table differs from run to run. An empty table
// is an array, unless it was read from an empty object: that one is marked by its metatable.
#include "stages/lua/lua_json.h"

#include <lauxlib.h>
#include <math.h>

#include "runtime/data/json.h"
#include "stages/lua/lua_sandbox.h"
#include "stages/lua/lua_state.h"
#include "stages/lua/lua_tensor.h"
#include "stages/lua/lua_value.h"

enum { DEPTH_MAX = 64, ELEMENT_STEPS = 16 };

// ---- reading ----

static void check(lua_State *L, bool ok, const ft_error *err)
{
    if (!ok)
        ft_lua_raise(L, err);
}

static void push_string(lua_State *L, const ft_json_value *value)
{
    ft_error err = FT_ERROR_INIT;
    luaL_Buffer text;
    size_t size;

    if (!value->has_escapes) {
        lua_pushlstring(L, value->text.data, value->text.size);
        return;
    }
    char *out = luaL_buffinitsize(L, &text, value->text.size);
    check(L, ft_json_unescape(value->text, out, &size, &err), &err);
    luaL_pushresultsize(&text, size);
}

static void push_number(lua_State *L, ft_slice text)
{
    int64_t integer;
    double number;

    if (ft_parse_int(text, &integer))
        lua_pushinteger(L, integer);
    else
        lua_pushnumber(L, ft_parse_float(text, &number) ? number : 0);
}

static void push_value(lua_State *L, ft_json *json);

static void push_array(lua_State *L, ft_json *json)
{
    ft_error err = FT_ERROR_INIT;
    bool first = true, more = true;

    lua_newtable(L);
    for (lua_Integer i = 1;; i++) {
        check(L, ft_json_next_element(json, &first, &more, &err), &err);
        if (!more)
            return;
        push_value(L, json);
        lua_rawseti(L, -2, i);
    }
}

static void push_object(lua_State *L, ft_json *json)
{
    ft_error err = FT_ERROR_INIT;
    bool first = true, more = true, is_empty = true;
    ft_json_value key;

    lua_newtable(L);
    for (;; is_empty = false) {
        check(L, ft_json_next_member(json, &first, &more, &key, &err), &err);
        if (!more)
            break;
        push_string(L, &key);
        push_value(L, json);
        lua_rawset(L, -3);
    }
    if (is_empty) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_OBJECT);
        lua_setmetatable(L, -2);
    }
}

static void push_value(lua_State *L, ft_json *json)
{
    ft_error err = FT_ERROR_INIT;
    ft_json_value value;

    luaL_checkstack(L, 4, "JSON is nested too deeply");
    ft_lua_steps(L, ELEMENT_STEPS);
    check(L, ft_json_read(json, &value, &err), &err);
    switch (value.kind) {
    case FT_JSON_NULL:
        lua_pushlightuserdata(L, NULL);
        break;
    case FT_JSON_FALSE:
        lua_pushboolean(L, false);
        break;
    case FT_JSON_TRUE:
        lua_pushboolean(L, true);
        break;
    case FT_JSON_NUMBER:
        push_number(L, value.text);
        break;
    case FT_JSON_STRING:
        push_string(L, &value);
        break;
    case FT_JSON_ARRAY:
        push_array(L, json);
        break;
    case FT_JSON_OBJECT:
        push_object(L, json);
        break;
    }
}

void ft_lua_push_json(lua_State *L, ft_slice text)
{
    ft_json json;

    ft_json_init(&json, text);
    push_value(L, &json);
    if (lua_islightuserdata(L, -1)) {  // The whole field is null: nil, as for a missing one.
        lua_pop(L, 1);
        lua_pushnil(L);
    }
}

// ---- writing ----

static void put(lua_State *L, int index, ft_text *out, int depth);

static void put_text(lua_State *L, int index, ft_text *out)
{
    ft_slice text;

    text.data = lua_tolstring(L, index, &text.size);
    if (ft_utf8_valid_prefix(text) != text.size)
        luaL_error(L, "a text that is not valid UTF-8 cannot be stored as JSON");
    ft_json_put_string(out, text);
    ft_lua_steps(L, text.size / 16);
}

static void put_number(lua_State *L, int index, ft_text *out)
{
    char text[FT_NUMBER_BYTES];

    if (lua_isinteger(L, index)) {
        ft_print_int(lua_tointeger(L, index), text);
        ft_text_append_string(out, text);
        return;
    }
    if (!isfinite(lua_tonumber(L, index)))
        luaL_error(L, "inf and nan cannot be stored as JSON");
    ft_json_put_float(out, lua_tonumber(L, index));
}

static void put_array(lua_State *L, int index, ft_text *out, int depth)
{
    lua_Integer count = (lua_Integer)lua_rawlen(L, index);

    ft_text_append_char(out, '[');
    for (lua_Integer i = 1; i <= count; i++) {
        if (i > 1)
            ft_text_append_char(out, ',');
        lua_rawgeti(L, index, i);
        put(L, lua_gettop(L), out, depth);
        lua_pop(L, 1);
    }
    ft_text_append_char(out, ']');
}

// Pushes the sorted keys of the table; false (nothing pushed) when it is an array.
static bool push_keys(lua_State *L, int index)
{
    lua_Integer count = 0, texts = 0;
    size_t length = lua_rawlen(L, index);

    lua_newtable(L);
    for (lua_pushnil(L); lua_next(L, index); count++) {
        lua_pop(L, 1);
        ft_lua_steps(L, ELEMENT_STEPS);
        if (lua_type(L, -1) != LUA_TSTRING)
            continue;
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, ++texts);
    }
    if (texts == 0 && count == (lua_Integer)length) {
        lua_pop(L, 1);
        return false;
    }
    if (texts < count)
        luaL_error(L, "a table with keys other than 1..n or names cannot be stored as JSON");
    lua_pushcfunction(L, ft_lua_table_sort);
    lua_pushvalue(L, -2);
    lua_call(L, 1, 0);
    return true;
}

static bool is_marked_object(lua_State *L, int index)
{
    if (!lua_getmetatable(L, index))
        return false;
    lua_rawgeti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_OBJECT);
    bool is_marked = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return is_marked;
}

static void put_table(lua_State *L, int index, ft_text *out, int depth)
{
    if (!push_keys(L, index)) {
        if (lua_rawlen(L, index) == 0 && is_marked_object(L, index))
            ft_text_append_string(out, "{}");
        else
            put_array(L, index, out, depth);
        return;
    }
    int keys = lua_gettop(L);
    lua_Integer count = (lua_Integer)lua_rawlen(L, keys);

    ft_text_append_char(out, '{');
    for (lua_Integer i = 1; i <= count; i++) {
        if (i > 1)
            ft_text_append_char(out, ',');
        lua_rawgeti(L, keys, i);
        put_text(L, keys + 1, out);
        ft_text_append_char(out, ':');
        lua_rawget(L, index);
        put(L, keys + 1, out, depth);
        lua_pop(L, 1);
    }
    ft_text_append_char(out, '}');
    lua_pop(L, 1);
}

static void put_tensor(lua_State *L, int index, ft_text *out, int depth)
{
    ft_lua_check_tensor(L, index);
    lua_getfield(L, index, "tolist");
    lua_pushvalue(L, index);
    lua_call(L, 1, 1);
    put(L, lua_gettop(L), out, depth);
    lua_pop(L, 1);
}

static void put_list(lua_State *L, const ft_lua_list *list, ft_text *out)
{
    ft_text_append_char(out, '[');
    for (int32_t i = 0; i < list->count; i++) {
        if (i > 0)
            ft_text_append_char(out, ',');
        ft_json_put_string(out, ft_column_element(&list->column, list->from + i));
        ft_lua_steps(L, ELEMENT_STEPS);
    }
    ft_text_append_char(out, ']');
}

static void put(lua_State *L, int index, ft_text *out, int depth)
{
    luaL_checkstack(L, 6, "a table is nested too deeply");
    ft_lua_steps(L, ELEMENT_STEPS);
    if (depth >= DEPTH_MAX)
        luaL_error(L,
                   "a table that is nested deeper than %d levels, or contains itself, cannot be "
                   "stored as JSON",
                   DEPTH_MAX);
    switch (lua_type(L, index)) {
    case LUA_TNIL:
        ft_text_append_string(out, "null");
        return;
    case LUA_TBOOLEAN:
        ft_text_append_string(out, lua_toboolean(L, index) ? "true" : "false");
        return;
    case LUA_TNUMBER:
        put_number(L, index, out);
        return;
    case LUA_TSTRING:
        put_text(L, index, out);
        return;
    case LUA_TTABLE:
        put_table(L, index, out, depth + 1);
        return;
    case LUA_TLIGHTUSERDATA:
        ft_text_append_string(out, "null");
        return;
    default:
        break;
    }
    const ft_lua_list *list = ft_lua_test_list(L, index);
    if (list)
        put_list(L, list, out);
    else if (ft_lua_test_tensor(L, index))
        put_tensor(L, index, out, depth);
    else
        luaL_error(L, "a %s cannot be stored as JSON", luaL_typename(L, index));
}

void ft_lua_put_json(lua_State *L, int index, ft_text *out)
{
    put(L, lua_absindex(L, index), out, 0);
    if (out->failed)
        luaL_error(L, "not enough memory for the JSON text of a field");
}
