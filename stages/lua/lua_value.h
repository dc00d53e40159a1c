// Between columns and Lua values.
//
// A value that was assigned to a field is checked against the field's type at once, in the script's
// line, and kept in its final form: JSON text for any and json, a tensor for tensors and lists of
// numbers, light userdata NULL for null. Adding it to a column later cannot fail but for memory.
#pragma once

#include <lua.h>

#include "runtime/data/column.h"

// Pushes the value of an item. Text is copied into Lua; tensors and lists become views.
void ft_lua_push_field(lua_State *L, const ft_column *column, size_t item);
// Pushes what the JSON text says.
void ft_lua_push_json(lua_State *L, ft_slice text);
// Pushes the value at `index` in its final form for a field of `type`, or raises, naming the field.
void ft_lua_push_final(lua_State *L, int index, ft_type type, const char *field);
// Pushes what a script sees of the final value at `index`.
void ft_lua_push_seen(lua_State *L, int index, ft_type type);
// Adds the final value at `index`. Never raises.
bool ft_lua_add_final(lua_State *L, int index, ft_builder *builder, ft_error *err) FT_MUST_CHECK;
