// JSON for scripts: objects and arrays are tables, null inside of them is `ft.null`.
#pragma once

#include <lua.h>

#include "runtime/slice.h"

// Appends the value at `index` to the state's scratch text. Raises for what JSON cannot say.
void ft_lua_put_json(lua_State *L, int index, ft_text *out);
