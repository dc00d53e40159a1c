// The string library, bounded: what repeats or formats is checked against the memory limit before
// it starts, what gives many values gives at most VALUES_MAX, and dump is gone.
#include <string.h>

#include "stages/lua/lua_pattern.h"
#include "stages/lua/lua_sandbox.h"
#include "stages/lua/lua_state.h"

enum { VALUES_MAX = 65536, FORMAT_BYTES_MAX = 65536 };

static int too_large(lua_State *L)
{
    ft_lua *lua = ft_lua_of(L);

    lua->limit_refused = true;
    return luaL_error(L,
                      "not enough memory: the text would be larger than the limit of the script");
}

static int text_rep(lua_State *L)
{
    size_t size, separator_size, once, total;
    const char *text = luaL_checklstring(L, 1, &size);
    lua_Integer count = luaL_checkinteger(L, 2);
    const char *separator = luaL_optlstring(L, 3, "", &separator_size);
    luaL_Buffer out;

    if (count <= 0 || size + separator_size == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    if (FT_ADD_OVERFLOWS(size, separator_size, &once) ||
        FT_MUL_OVERFLOWS(once, (size_t)count, &total) ||
        total > (size_t)ft_lua_of(L)->limits.memory_bytes)
        return too_large(L);
    total -= separator_size;
    char *to = luaL_buffinitsize(L, &out, total);
    for (lua_Integer i = 0; i < count; i++) {
        memcpy(to, text, size);
        to += size;
        if (i + 1 < count)
            memcpy(to, separator, separator_size);
        to += i + 1 < count ? separator_size : 0;
        ft_lua_steps(L, 1 + once / 64);
    }
    luaL_pushresultsize(&out, total);
    return 1;
}

// Calls the library's own function, which is the upvalue.
static int call_original(lua_State *L)
{
    int count = lua_gettop(L);

    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, count, LUA_MULTRET);
    return lua_gettop(L);
}

// A precision looks through the whole text, so the same long text many times takes long.
static int text_format(lua_State *L)
{
    size_t size, sum = 0;

    luaL_checklstring(L, 1, &size);
    if (size > FORMAT_BYTES_MAX)
        return luaL_error(L, "string.format: the format is longer than %d bytes", FORMAT_BYTES_MAX);
    for (int i = 2; i <= lua_gettop(L); i++)
        sum += lua_type(L, i) == LUA_TSTRING ? lua_rawlen(L, i) : 0;
    if (sum > (size_t)ft_lua_of(L)->limits.memory_bytes)
        return too_large(L);
    return call_original(L);
}

static int text_pack(lua_State *L)
{
    size_t size;

    luaL_checklstring(L, 1, &size);
    if (size > FORMAT_BYTES_MAX)
        return luaL_error(L, "the format is longer than %d bytes", FORMAT_BYTES_MAX);
    return call_original(L);
}

// s, i, j: from a relative place to one from 1.
static lua_Integer place_of(lua_Integer at, size_t size)
{
    return at >= 0 ? at : at < -(lua_Integer)size ? 0 : (lua_Integer)size + at + 1;
}

// string.byte and utf8.codepoint give a value for each byte or character.
static int text_values(lua_State *L)
{
    size_t size;

    luaL_checklstring(L, 1, &size);
    lua_Integer from = place_of(luaL_optinteger(L, 2, 1), size);
    lua_Integer to = place_of(luaL_optinteger(L, 3, from), size);
    if (to > (lua_Integer)size)
        to = (lua_Integer)size;
    if (from >= 1 && to >= from && to - from >= VALUES_MAX)
        return luaL_error(L, "more than %d values at once", VALUES_MAX);
    return call_original(L);
}

static void wrap(lua_State *L, const char *name, lua_CFunction function)
{
    lua_getfield(L, -1, name);
    lua_pushcclosure(L, function, 1);
    lua_setfield(L, -2, name);
}

void ft_lua_open_string(lua_State *L)
{
    static const luaL_Reg replaced[] = {
        {"find", ft_lua_find},   {"gmatch", ft_lua_gmatch}, {"gsub", ft_lua_gsub},
        {"match", ft_lua_match}, {"rep", text_rep},         {NULL, NULL},
    };

    lua_getglobal(L, "string");
    luaL_setfuncs(L, replaced, 0);
    wrap(L, "format", text_format);
    wrap(L, "pack", text_pack);
    wrap(L, "unpack", text_pack);
    wrap(L, "packsize", text_pack);
    wrap(L, "byte", text_values);
    lua_pushnil(L);
    lua_setfield(L, -2, "dump");
    lua_pop(L, 1);
    lua_getglobal(L, "utf8");
    wrap(L, "codepoint", text_values);
    lua_pop(L, 1);
    // The metatable of strings is shared by all that runs in the state.
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
}
