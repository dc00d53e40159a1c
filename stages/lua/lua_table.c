// The table library with a look at the clock on the way: concat, insert, move, remove, sort,
// unpack. Access goes through metamethods as in Lua's own. Sorting is a heap sort, so that a
// comparator that lies costs no more than an honest one.
#include <string.h>

#include "stages/lua/lua_sandbox.h"
#include "stages/lua/lua_state.h"

enum { VALUES_MAX = 65536, STEPS = 8 };

static lua_Integer check_length(lua_State *L, int index)
{
    if (lua_type(L, index) != LUA_TTABLE && luaL_getmetafield(L, index, "__index") == LUA_TNIL)
        luaL_checktype(L, index, LUA_TTABLE);
    return luaL_len(L, index);
}

static int table_insert(lua_State *L)
{
    lua_Integer end = check_length(L, 1), at;

    end = (lua_Integer)((lua_Unsigned)end + 1);
    switch (lua_gettop(L)) {
    case 2:
        at = end;
        break;
    case 3:
        at = luaL_checkinteger(L, 2);
        luaL_argcheck(L, (lua_Unsigned)at - 1u < (lua_Unsigned)end, 2, "position out of bounds");
        for (lua_Integer i = end; i > at; i--) {
            lua_geti(L, 1, i - 1);
            lua_seti(L, 1, i);
            ft_lua_steps(L, STEPS);
        }
        break;
    default:
        return luaL_error(L, "wrong number of arguments to 'insert'");
    }
    lua_seti(L, 1, at);
    return 0;
}

static int table_remove(lua_State *L)
{
    lua_Integer size = check_length(L, 1);
    lua_Integer at = luaL_optinteger(L, 2, size);

    if (at != size)
        luaL_argcheck(L, (lua_Unsigned)at - 1u <= (lua_Unsigned)size, 2, "position out of bounds");
    lua_geti(L, 1, at);
    for (; at < size; at++) {
        lua_geti(L, 1, at + 1);
        lua_seti(L, 1, at);
        ft_lua_steps(L, STEPS);
    }
    lua_pushnil(L);
    lua_seti(L, 1, at);
    return 1;
}

static int table_move(lua_State *L)
{
    lua_Integer from = luaL_checkinteger(L, 2), end = luaL_checkinteger(L, 3);
    lua_Integer to = luaL_checkinteger(L, 4);
    int target = lua_isnoneornil(L, 5) ? 1 : 5;

    check_length(L, 1);
    if (end >= from) {
        luaL_argcheck(L, from > 0 || end < LUA_MAXINTEGER + from, 3, "too many elements to move");
        lua_Integer count = end - from + 1;
        luaL_argcheck(L, to <= LUA_MAXINTEGER - count + 1, 4, "destination wrap around");
        bool upward = to > end || to <= from || (target != 1 && !lua_compare(L, 1, 5, LUA_OPEQ));
        for (lua_Integer i = 0; i < count; i++) {
            lua_Integer at = upward ? i : count - 1 - i;
            lua_geti(L, 1, from + at);
            lua_seti(L, target, to + at);
            ft_lua_steps(L, STEPS);
        }
    }
    lua_pushvalue(L, target);
    return 1;
}

static int table_concat(lua_State *L)
{
    lua_Integer end = check_length(L, 1);
    size_t separator_size;
    const char *separator = luaL_optlstring(L, 2, "", &separator_size);
    lua_Integer i = luaL_optinteger(L, 3, 1);
    luaL_Buffer out;

    end = luaL_optinteger(L, 4, end);
    luaL_buffinit(L, &out);
    for (; i <= end; i++) {
        lua_geti(L, 1, i);
        if (!lua_isstring(L, -1))
            return luaL_error(L, "invalid value (at index %I) in table for 'concat'",
                              (LUAI_UACINT)i);
        luaL_addvalue(&out);
        if (i == end)
            break;  // Before i wraps around.
        luaL_addlstring(&out, separator, separator_size);
        ft_lua_steps(L, STEPS + separator_size / 64);
    }
    luaL_pushresult(&out);
    return 1;
}

static int table_unpack(lua_State *L)
{
    lua_Integer from = luaL_optinteger(L, 2, 1);
    lua_Integer end = luaL_opt(L, luaL_checkinteger, 3, luaL_len(L, 1));

    if (from > end)
        return 0;
    lua_Unsigned count = (lua_Unsigned)end - (lua_Unsigned)from;
    if (count >= VALUES_MAX || !lua_checkstack(L, (int)count + 1))
        return luaL_error(L, "too many results to unpack");
    for (lua_Unsigned i = 0; i <= count; i++)
        lua_geti(L, 1, (lua_Integer)((lua_Unsigned)from + i));
    ft_lua_steps(L, (size_t)count);
    return (int)count + 1;
}

// ---- sort ----

// Is the value at stack index a before the one at b?
static bool is_before(lua_State *L, int a, int b)
{
    ft_lua_steps(L, STEPS);
    if (lua_isnil(L, 2))
        return lua_compare(L, a, b, LUA_OPLT);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, a - (a < 0));
    lua_pushvalue(L, b - 2 * (b < 0));
    lua_call(L, 2, 1);
    bool before = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return before;
}

// The value on top of the stack goes into the heap [1, size] at `hole`, whose place is free, and is
// popped: larger children move up until it fits.
static void sift(lua_State *L, lua_Integer hole, lua_Integer size)
{
    for (lua_Integer child; (child = 2 * hole) <= size; hole = child) {
        lua_geti(L, 1, child);
        if (child < size) {
            lua_geti(L, 1, child + 1);
            if (is_before(L, -2, -1)) {
                lua_replace(L, -2);
                child++;
            } else {
                lua_pop(L, 1);
            }
        }
        if (!is_before(L, -2, -1)) {
            lua_pop(L, 1);
            break;
        }
        lua_seti(L, 1, hole);
    }
    lua_seti(L, 1, hole);
}

int ft_lua_table_sort(lua_State *L)
{
    lua_Integer size = check_length(L, 1);

    luaL_argcheck(L, size < INT32_MAX, 1, "array too big");
    if (!lua_isnoneornil(L, 2))
        luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    for (lua_Integer i = size / 2; i >= 1; i--) {
        lua_geti(L, 1, i);
        sift(L, i, size);
    }
    for (lua_Integer end = size; end > 1; end--) {
        lua_geti(L, 1, 1);
        lua_geti(L, 1, end);
        lua_insert(L, -2);
        lua_seti(L, 1, end);
        sift(L, 1, end - 1);
    }
    return 0;
}

void ft_lua_open_table(lua_State *L)
{
    static const luaL_Reg replaced[] = {
        {"concat", table_concat},
        {"insert", table_insert},
        {"move", table_move},
        {"remove", table_remove},
        {"sort", ft_lua_table_sort},
        {"unpack", table_unpack},
        {NULL, NULL},
    };

    lua_getglobal(L, "table");
    luaL_setfuncs(L, replaced, 0);
    lua_pop(L, 1);
}
