// params worker stage log:info|warn emit rng; what later versions bring says so when it is used.
#include "stages/lua/lua_context.h"

#include <lauxlib.h>

#include "runtime/log.h"
#include "stages/lua/lua_item.h"
#include "stages/lua/lua_random.h"
#include "stages/lua/lua_sandbox.h"
#include "stages/lua/lua_shared.h"

static void push_params(lua_State *L, const ft_lua_context *context)
{
    lua_createtable(L, 0, (int)context->param_count);
    for (size_t i = 0; i < context->param_count; i++) {
        const ft_lua_param *param = &context->params[i];
        switch (param->kind) {
        case FT_LUA_PARAM_NULL:
            lua_pushnil(L);
            break;
        case FT_LUA_PARAM_BOOL:
            lua_pushboolean(L, param->boolean);
            break;
        case FT_LUA_PARAM_INT:
            lua_pushinteger(L, param->integer);
            break;
        case FT_LUA_PARAM_FLOAT:
            lua_pushnumber(L, param->number);
            break;
        case FT_LUA_PARAM_STRING:
            lua_pushstring(L, param->text);
            break;
        }
        lua_setfield(L, -2, param->name);
    }
}

// log:info("format", ...), with the string library that the script cannot have changed.
static int log_line(lua_State *L, ft_log_level level)
{
    luaL_checkstring(L, 2);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_replace(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
    if (ft_log_is_on(level))
        ft_log(level, ft_lua_of(L)->place.stage_name, "%s", lua_tostring(L, -1));
    return 0;
}

static int log_info(lua_State *L)
{
    return log_line(L, FT_LOG_INFO);
}

static int log_warn(lua_State *L)
{
    return log_line(L, FT_LOG_WARN);
}

static void push_log(lua_State *L)
{
    static const luaL_Reg methods[] = {{"info", log_info}, {"warn", log_warn}, {NULL, NULL}};

    lua_createtable(L, 0, 2);
    lua_getglobal(L, "string");
    lua_getfield(L, -1, "format");
    lua_remove(L, -2);
    luaL_setfuncs(L, methods, 1);
}

// ctx:emit(item)
static int context_emit(lua_State *L)
{
    ft_lua *lua = ft_lua_of(L);

    if (!lua->work)
        return luaL_error(L, "ctx:emit works only while an item is processed");
    if (!lua_isnoneornil(L, 3))
        return luaL_error(L, "named ports of a script are not available in this version: items go "
                             "to the main output, or fail");
    if (!ft_lua_choose_item(L, 2))
        return luaL_argerror(L, 2, "item expected: write ctx:emit(item)");
    lua->work->has_emitted = true;
    return 0;
}

static void add_refusal(lua_State *L, const char *name, const char *message)
{
    lua_pushstring(L, message);
    lua_pushcclosure(L, ft_lua_refuse, 1);
    lua_setfield(L, -2, name);
}

void ft_lua_push_context(lua_State *L, const ft_lua_context *context)
{
    lua_createtable(L, 0, 8);
    push_params(L, context);
    lua_setfield(L, -2, "params");
    lua_pushinteger(L, context->worker);
    lua_setfield(L, -2, "worker");
    lua_pushstring(L, ft_lua_of(L)->place.stage_name);
    lua_setfield(L, -2, "stage");
    push_log(L);
    lua_setfield(L, -2, "log");
    ft_lua_push_random(L);
    lua_setfield(L, -2, "rng");
    lua_pushcfunction(L, context_emit);
    lua_setfield(L, -2, "emit");
    add_refusal(L, "counter",
                "ctx:counter is not available in this version: count in `state`, and "
                "log the sum in `finish`");
    add_refusal(L, "gauge", "ctx:gauge is not available in this version");
    ft_lua_push_shared(L);
    lua_setfield(L, -2, "shared");
}
