// Random numbers for scripts, the same for any number of threads: seeded by the run and by the
// item.
#pragma once

#include <lua.h>

// Replaces math.random and takes math.randomseed away.
void ft_lua_open_random(lua_State *L);
// Pushes `ctx.rng`: callable as math.random, with the methods float, int and normal.
void ft_lua_push_random(lua_State *L);
