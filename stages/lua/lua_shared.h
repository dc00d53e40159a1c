// ctx.shared: the collections of runtime/concurrent as scripts see them, one set of names for all
// Lua stages and all their states in a run.
#pragma once

#include <lua.h>

#include "runtime/concurrent/dict.h"
#include "runtime/stage.h"

typedef struct ft_lua_shared ft_lua_shared;

// For ft_load_share: made once a run, in its arena; destroyed with it.
bool ft_lua_shared_create(ft_stage_load *load, const void *host, void **out,
                          ft_error *err) FT_MUST_CHECK;
// Metatables of the collections, into the registry.
void ft_lua_open_shared(lua_State *L);
// Pushes the table `ctx.shared`.
void ft_lua_push_shared(lua_State *L);
// Pushes a scalar or string as Lua's own, a tensor or collection as a handle with a reference.
void ft_lua_push_value(lua_State *L, const ft_value *value);
