// The libraries a script sees: Lua's own, less what reaches outside or cannot be stopped, and `ft`.
#pragma once

#include <lua.h>

#include "runtime/compiler.h"

int ft_lua_open_sandbox(lua_State *L);  // Fills a new state. To be called by ft_lua_call.

// The parts of it; each replaces functions in a library that is there.
void ft_lua_open_base(lua_State *L);
void ft_lua_open_require(lua_State *L);
void ft_lua_open_coroutine(lua_State *L);
void ft_lua_open_table(lua_State *L);
void ft_lua_open_string(lua_State *L);
void ft_lua_open_tensor(lua_State *L);
void ft_lua_open_list(lua_State *L);
void ft_lua_open_item(lua_State *L);
void ft_lua_open_shared(lua_State *L);

// Loads text (never bytecode) as a chunk, looking at the clock on the way. Pushes the function or
// the message, as lua_load, whose status it returns.
int ft_lua_load_text(lua_State *L, const char *text, size_t size, const char *chunk_name);
// table.sort, for C.
int ft_lua_table_sort(lua_State *L);
// A C function whose one upvalue is the message that it raises.
int ft_lua_refuse(lua_State *L);
