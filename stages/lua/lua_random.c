// `ctx.rng` and math.random draw from one generator, seeded anew for each item when it is first
// used: by the run's seed, the item's place in its source, and nothing else.
#include "stages/lua/lua_random.h"

#include "stages/lua/lua_state.h"

static ft_random *generator(lua_State *L)
{
    ft_lua *lua = ft_lua_of(L);

    if (!lua->random_is_ready) {
        ft_random_init(&lua->random, lua->seed, lua->item_seed);
        lua->random_is_ready = true;
    }
    return &lua->random;
}

// As math.random: (), (high), (low, high), from the stack at `first`.
static int draw(lua_State *L, int first)
{
    lua_Integer low = 1, high;

    switch (lua_gettop(L) - first + 1) {
    case 0:
        lua_pushnumber(L, ft_random_float(generator(L)));
        return 1;
    case 1:
        high = luaL_checkinteger(L, first);
        break;
    case 2:
        low = luaL_checkinteger(L, first);
        high = luaL_checkinteger(L, first + 1);
        break;
    default:
        return luaL_error(L, "wrong number of arguments");
    }
    luaL_argcheck(L, low <= high, lua_gettop(L), "interval is empty");
    lua_pushinteger(L, ft_random_between(generator(L), low, high));
    return 1;
}

static int math_random(lua_State *L)
{
    return draw(L, 1);
}

static int rng_call(lua_State *L)
{
    return draw(L, 2);
}

static int rng_normal(lua_State *L)
{
    lua_pushnumber(L, ft_random_normal(generator(L)));
    return 1;
}

void ft_lua_push_random(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"float", rng_call}, {"int", rng_call}, {"normal", rng_normal}, {NULL, NULL}};

    luaL_newlib(L, methods);
    lua_newtable(L);
    lua_pushcfunction(L, rng_call);
    lua_setfield(L, -2, "__call");
    lua_setmetatable(L, -2);
}

void ft_lua_open_random(lua_State *L)
{
    lua_getglobal(L, "math");
    lua_pushcfunction(L, math_random);
    lua_setfield(L, -2, "random");
    lua_pushnil(L);
    lua_setfield(L, -2, "randomseed");
    lua_pop(L, 1);
}
