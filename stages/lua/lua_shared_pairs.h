// Going through a shared collection with `pairs`.
#pragma once

#include <lua.h>

#include "runtime/concurrent/shared_value.h"

// __pairs of a dict, list or set, `*collection`: returns three values as a metamethod does. A dict
// and a set (member -> true) are copied first: what others change meanwhile is not seen. A list, at
// stack index 1, is gone through by its index, to the first nil.
int ft_lua_shared_pairs(lua_State *L, const ft_value *collection);
