// Tensors in Lua: userdata that hold a reference on a tensor and show a contiguous part of it.
#pragma once

#include <lauxlib.h>
#include <lua.h>

#include "runtime/data/column.h"

typedef struct ft_lua_tensor {
    ft_tensor *tensor;  // One reference; NULL when consumed by mut(), or closed.
    char *data;         // First element of the part, row-major.
    ft_dtype dtype;
    bool is_boolean;  // u8 that reads as true and false.
    bool is_mutable;
    bool is_consumed;
    uint8_t rank;
    int64_t shape[FT_RANK_MAX];
    size_t reserved_bytes;
} ft_lua_tensor;

// Pushes a view of `tensor` (takes a reference of its own) from `data` on.
ft_lua_tensor *ft_lua_push_tensor(lua_State *L, ft_tensor *tensor, char *data, ft_dtype dtype,
                                  size_t rank, const int64_t *shape);
// Pushes a new one that may be written; not cleared.
ft_lua_tensor *ft_lua_push_new_tensor(lua_State *L, ft_dtype dtype, size_t rank,
                                      const int64_t *shape);
ft_lua_tensor *ft_lua_test_tensor(lua_State *L, int index);   // NULL when it is not one.
ft_lua_tensor *ft_lua_check_tensor(lua_State *L, int index);  // Raises also when it is gone.
// As check, for writing: raises for a view, and copies what somebody else sees as well.
ft_lua_tensor *ft_lua_check_mutable(lua_State *L, int index);
size_t ft_lua_tensor_elements(const ft_lua_tensor *tensor);
size_t ft_lua_tensor_bytes(const ft_lua_tensor *tensor);
// The arithmetic (lua_tensor_math.c): NULL-terminated.
extern const luaL_Reg ft_lua_tensor_math[];
// The element at `index` as a Lua value; the value at stack `from` as element `index`, checked.
void ft_lua_tensor_push_element(lua_State *L, const ft_lua_tensor *tensor, size_t index);
void ft_lua_tensor_set_element(lua_State *L, ft_lua_tensor *tensor, size_t index, int from);
// Pushes the numbers of the table at `index` (nested to `rank`) as a new tensor.
ft_lua_tensor *ft_lua_push_table_tensor(lua_State *L, int index, ft_dtype dtype, size_t rank);

// A list of text: elements [from, from + count) of a column.
typedef struct ft_lua_list {
    ft_column column;  // References.
    int32_t from, count;
} ft_lua_list;
void ft_lua_push_list(lua_State *L, const ft_column *column, size_t item);
ft_lua_list *ft_lua_test_list(lua_State *L, int index);
