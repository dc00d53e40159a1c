// Numbers of every element type as double, in chunks, for the tensor functions.
#pragma once

#include "runtime/data/type.h"

enum { FT_LUA_CHUNK = 256 };

// Elements [from, from + count) of `data`.
void ft_lua_numbers_load(ft_dtype dtype, const char *data, size_t from, size_t count, double *out);
// Rounds to nearest; integers that do not fit become the nearest that does, nan becomes 0.
void ft_lua_numbers_store(ft_dtype dtype, char *data, size_t from, size_t count,
                          const double *numbers);
static inline bool ft_lua_dtype_is_float(ft_dtype dtype)
{
    return dtype >= FT_DTYPE_F16;
}
// The integers that an integer type holds.
int64_t ft_lua_dtype_min(ft_dtype dtype);
int64_t ft_lua_dtype_max(ft_dtype dtype);
