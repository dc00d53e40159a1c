// `ctx`: what a script is given beside the item.
#pragma once

#include <lua.h>

#include "stages/lua/lua_state.h"

typedef enum ft_lua_param_kind {
    FT_LUA_PARAM_NULL,
    FT_LUA_PARAM_BOOL,
    FT_LUA_PARAM_INT,
    FT_LUA_PARAM_FLOAT,
    FT_LUA_PARAM_STRING,
} ft_lua_param_kind;

typedef struct ft_lua_param {
    const char *name;
    ft_lua_param_kind kind;
    bool boolean;
    int64_t integer;
    double number;
    const char *text;
} ft_lua_param;

typedef struct ft_lua_context {
    const ft_lua_param *params;
    size_t param_count;
    int worker;
} ft_lua_context;

// Pushes the table. Raises.
void ft_lua_push_context(lua_State *L, const ft_lua_context *context);
