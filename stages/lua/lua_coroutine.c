// Coroutines that the deadline reaches: each is given the hook when it runs, and the state knows
// which one that is. A coroutine that the deadline has ended is never closed: its pending `<close>`
// variables would run with hooks off, since it died inside of one.
#include "stages/lua/lua_sandbox.h"
#include "stages/lua/lua_state.h"

static lua_State *check_coroutine(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);

    luaL_argexpected(L, co, 1, "coroutine");
    return co;
}

static int coroutine_create(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    return 1;
}

// Returns the number of results on L's stack, or -1 with the error there.
static int resume(lua_State *L, lua_State *co, int argument_count)
{
    ft_lua *lua = ft_lua_of(L);
    int result_count;

    if (!lua_checkstack(co, argument_count)) {
        lua_pushliteral(L, "too many arguments to resume");
        return -1;
    }
    if (co == L || (lua_status(co) == LUA_OK && lua_gettop(co) == 0)) {
        lua_pushfstring(L, "cannot resume %s coroutine", co == L ? "non-suspended" : "dead");
        return -1;
    }
    bool may_run = lua_status(co) == LUA_YIELD || lua_status(co) == LUA_OK;
    lua_xmove(L, co, argument_count);
    if (may_run)
        ft_lua_switch(lua, co);
    int status = lua_resume(co, L, argument_count, &result_count);
    lua->running = L;
    if (lua->expired)
        ft_lua_poll(L);
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_xmove(co, L, 1);
        return -1;
    }
    if (!lua_checkstack(L, result_count + 1)) {
        lua_pop(co, result_count);
        lua_pushliteral(L, "too many results to resume");
        return -1;
    }
    lua_xmove(co, L, result_count);
    return result_count;
}

static int coroutine_resume(lua_State *L)
{
    lua_State *co = check_coroutine(L);
    int count = resume(L, co, lua_gettop(L) - 1);

    lua_pushboolean(L, count >= 0);
    if (count < 0) {
        lua_insert(L, -2);
        return 2;
    }
    lua_insert(L, -(count + 1));
    return count + 1;
}

static int wrap_call(lua_State *L)
{
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    int count = resume(L, co, lua_gettop(L));

    if (count >= 0)
        return count;
    int status = lua_status(co);
    if (status != LUA_OK && status != LUA_YIELD && !ft_lua_was_stopped(co)) {
        status = lua_resetthread(co);
        lua_xmove(co, L, 1);
    }
    if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int coroutine_wrap(lua_State *L)
{
    coroutine_create(L);
    lua_pushcclosure(L, wrap_call, 1);
    return 1;
}

static int coroutine_yield(lua_State *L)
{
    return lua_yield(L, lua_gettop(L));
}

static const char *status_name(lua_State *L, lua_State *co)
{
    lua_Debug frame;

    if (co == L)
        return "running";
    if (lua_status(co) == LUA_YIELD)
        return "suspended";
    if (lua_status(co) != LUA_OK)
        return "dead";
    if (lua_getstack(co, 0, &frame))
        return "normal";
    return lua_gettop(co) == 0 ? "dead" : "suspended";
}

static int coroutine_status(lua_State *L)
{
    lua_pushstring(L, status_name(L, check_coroutine(L)));
    return 1;
}

static int coroutine_isyieldable(lua_State *L)
{
    lua_pushboolean(L, lua_isyieldable(lua_isnone(L, 1) ? L : check_coroutine(L)));
    return 1;
}

static int coroutine_running(lua_State *L)
{
    lua_pushboolean(L, lua_pushthread(L));
    return 2;
}

static int coroutine_close(lua_State *L)
{
    lua_State *co = check_coroutine(L);
    const char *status = status_name(L, co);

    if (*status != 'd' && *status != 's')
        return luaL_error(L, "cannot close a %s coroutine", status);
    if (*status == 'd' && ft_lua_was_stopped(co))
        return luaL_error(L, "the time limit ended this coroutine: it cannot be closed");
    ft_lua_of(L)->running = co;
    ft_lua_switch(ft_lua_of(L), co);
    int closed = lua_resetthread(co);
    ft_lua_of(L)->running = L;
    if (ft_lua_of(L)->expired)
        ft_lua_poll(L);
    lua_pushboolean(L, closed == LUA_OK);
    if (closed == LUA_OK)
        return 1;
    lua_xmove(co, L, 1);
    return 2;
}

void ft_lua_open_coroutine(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"close", coroutine_close},
        {"create", coroutine_create},
        {"isyieldable", coroutine_isyieldable},
        {"resume", coroutine_resume},
        {"running", coroutine_running},
        {"status", coroutine_status},
        {"wrap", coroutine_wrap},
        {"yield", coroutine_yield},
        {NULL, NULL},
    };

    luaL_newlib(L, functions);
    lua_setglobal(L, "coroutine");
}
