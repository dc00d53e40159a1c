// A list of text as a script sees it: #v, v[i], v:tolist(), ipairs(v). It holds the column, not a
// copy.
#include <lauxlib.h>
#include <string.h>

#include "stages/lua/lua_sandbox.h"
#include "stages/lua/lua_state.h"
#include "stages/lua/lua_tensor.h"
#include "stages/lua/lua_value.h"

void ft_lua_push_list(lua_State *L, const ft_column *column, size_t item)
{
    const int32_t *offsets = ft_tensor_i32(column->offsets);
    ft_lua_list *list = lua_newuserdatauv(L, sizeof(*list), 0);

    memset(list, 0, sizeof(*list));
    lua_rawgeti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_LIST);
    lua_setmetatable(L, -2);
    list->from = offsets[item];
    list->count = offsets[item + 1] - offsets[item];
    list->column = ft_column_ref(column);
}

static ft_lua_list *check_list(lua_State *L)
{
    ft_lua_list *list = ft_lua_test_list(L, 1);

    luaL_argexpected(L, list, 1, "list");
    return list;
}

static void push_element(lua_State *L, const ft_lua_list *list, int32_t index)
{
    ft_slice text = ft_column_element(&list->column, list->from + index);

    if (list->column.type.kind == FT_KIND_JSON)
        ft_lua_push_json(L, text);
    else
        lua_pushlstring(L, text.data, text.size);
}

static int list_tolist(lua_State *L)
{
    const ft_lua_list *list = check_list(L);

    lua_createtable(L, list->count, 0);
    for (int32_t i = 0; i < list->count; i++) {
        push_element(L, list, i);
        lua_rawseti(L, -2, i + 1);
        ft_lua_steps(L, 8);
    }
    return 1;
}

static int list_index(lua_State *L)
{
    const ft_lua_list *list = check_list(L);

    if (lua_type(L, 2) == LUA_TSTRING && !strcmp(lua_tostring(L, 2), "tolist")) {
        lua_pushcfunction(L, list_tolist);
        return 1;
    }
    lua_Integer index = luaL_checkinteger(L, 2);
    if (index >= 1 && index <= list->count)
        push_element(L, list, (int32_t)index - 1);
    else
        lua_pushnil(L);
    return 1;
}

static int list_len(lua_State *L)
{
    lua_pushinteger(L, check_list(L)->count);
    return 1;
}

static int list_gc(lua_State *L)
{
    ft_column_finish(&check_list(L)->column);
    return 0;
}

static int list_newindex(lua_State *L)
{
    return luaL_error(L, "a list of an item cannot be changed: write to what `:tolist()` gives");
}

void ft_lua_open_list(lua_State *L)
{
    static const luaL_Reg metamethods[] = {
        {"__gc", list_gc},
        {"__index", list_index},
        {"__newindex", list_newindex},
        {"__len", list_len},
        {NULL, NULL},
    };

    luaL_newlib(L, metamethods);
    lua_pushliteral(L, "list");
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_rawseti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_LIST);
}
