// Lua's patterns with a count of steps, so that a hostile pattern meets the deadline: string.find,
// match, gmatch and gsub with the semantics of Lua 5.4.
#pragma once

#include <lua.h>

int ft_lua_find(lua_State *L);
int ft_lua_match(lua_State *L);
int ft_lua_gmatch(lua_State *L);
int ft_lua_gsub(lua_State *L);
