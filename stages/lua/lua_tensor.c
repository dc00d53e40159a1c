// Tensor userdata: views, elements, making and unmaking. A view never copies; mut() gives one that
// may be written: the same memory when nobody else holds it, else one copy, and the view is
// consumed. Every write first makes sure that it owns its memory alone, so that nothing shows
// through elsewhere.
#include "stages/lua/lua_tensor.h"

#include <lauxlib.h>
#include <string.h>

#include "stages/lua/lua_number.h"
#include "stages/lua/lua_sandbox.h"
#include "stages/lua/lua_state.h"

size_t ft_lua_tensor_elements(const ft_lua_tensor *tensor)
{
    size_t count = 1;

    for (size_t i = 0; i < tensor->rank; i++)
        count *= (size_t)tensor->shape[i];
    return count;
}

size_t ft_lua_tensor_bytes(const ft_lua_tensor *tensor)
{
    return ft_lua_tensor_elements(tensor) * ft_dtype_size_bytes(tensor->dtype);
}

// ---- making ----

// An empty one with its metatable; what it is to hold follows, so that a failure leaves nothing.
static ft_lua_tensor *push_empty(lua_State *L, ft_dtype dtype, size_t rank, const int64_t *shape)
{
    ft_lua_tensor *made = lua_newuserdatauv(L, sizeof(*made), 0);

    memset(made, 0, sizeof(*made));
    made->dtype = dtype;
    made->rank = (uint8_t)rank;
    for (size_t i = 0; i < rank; i++)
        made->shape[i] = shape[i];
    lua_rawgeti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_TENSOR);
    lua_setmetatable(L, -2);
    return made;
}

static void reserve(lua_State *L, ft_lua_tensor *made, size_t size_bytes)
{
    ft_lua_reserve(L, size_bytes);
    made->reserved_bytes = size_bytes;
}

ft_lua_tensor *ft_lua_push_tensor(lua_State *L, ft_tensor *tensor, char *data, ft_dtype dtype,
                                  size_t rank, const int64_t *shape)
{
    ft_lua_tensor *made = push_empty(L, dtype, rank, shape);

    reserve(L, made, ft_lua_tensor_bytes(made));
    made->tensor = ft_tensor_ref(tensor);
    made->data = data;
    return made;
}

static ft_tensor *create(lua_State *L, ft_dtype dtype, size_t rank, const int64_t *shape)
{
    ft_error err = FT_ERROR_INIT;
    ft_tensor *tensor = ft_tensor_create(ft_lua_of(L)->account, dtype, rank, shape, &err);

    if (!tensor)
        ft_lua_raise(L, &err);
    return tensor;
}

static size_t check_bytes(lua_State *L, ft_dtype dtype, size_t rank, const int64_t *shape)
{
    size_t bytes = ft_dtype_size_bytes(dtype);

    for (size_t i = 0; i < rank; i++)
        if (shape[i] < 0 || FT_MUL_OVERFLOWS(bytes, (size_t)shape[i], &bytes))
            luaL_error(L, "a tensor of that shape is too large");
    return bytes;
}

ft_lua_tensor *ft_lua_push_new_tensor(lua_State *L, ft_dtype dtype, size_t rank,
                                      const int64_t *shape)
{
    size_t bytes = check_bytes(L, dtype, rank, shape);
    ft_lua_tensor *made = push_empty(L, dtype, rank, shape);

    reserve(L, made, bytes);
    made->tensor = create(L, dtype, rank, shape);
    made->data = made->tensor->data;
    made->is_mutable = true;
    return made;
}

// ---- checking ----

static void *test_userdata(lua_State *L, int index, int key)
{
    void *data = lua_touserdata(L, index);

    if (!data || !lua_getmetatable(L, index))
        return NULL;
    lua_rawgeti(L, LUA_REGISTRYINDEX, key);
    bool is_one = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return is_one ? data : NULL;
}

ft_lua_tensor *ft_lua_test_tensor(lua_State *L, int index)
{
    return test_userdata(L, index, FT_LUA_KEY_TENSOR);
}

ft_lua_list *ft_lua_test_list(lua_State *L, int index)
{
    return test_userdata(L, index, FT_LUA_KEY_LIST);
}

ft_lua_tensor *ft_lua_check_tensor(lua_State *L, int index)
{
    ft_lua_tensor *tensor = ft_lua_test_tensor(L, index);

    luaL_argexpected(L, tensor, index, "tensor");
    if (tensor->is_consumed)
        luaL_error(L, "this tensor was consumed by mut(): use what mut() gave back");
    if (!tensor->tensor)
        luaL_error(L, "this tensor is closed");
    return tensor;
}

static void copy_elements(lua_State *L, ft_lua_tensor *tensor)
{
    ft_tensor *fresh = create(L, tensor->dtype, tensor->rank, tensor->shape);

    memcpy(fresh->data, tensor->data, ft_lua_tensor_bytes(tensor));
    ft_tensor_unref(tensor->tensor);
    tensor->tensor = fresh;
    tensor->data = fresh->data;
    ft_lua_steps(L, ft_lua_tensor_bytes(tensor) / 64);
}

ft_lua_tensor *ft_lua_check_mutable(lua_State *L, int index)
{
    ft_lua_tensor *tensor = ft_lua_check_tensor(L, index);

    if (!tensor->is_mutable)
        luaL_error(L, "this tensor is a view of an item: write to what `:mut()` gives");
    if (!ft_tensor_is_writable(tensor->tensor))
        copy_elements(L, tensor);
    return tensor;
}

// ---- elements ----

void ft_lua_tensor_push_element(lua_State *L, const ft_lua_tensor *tensor, size_t index)
{
    double number;
    int64_t integer;

    if (tensor->is_boolean) {
        lua_pushboolean(L, tensor->data[index]);
    } else if (tensor->dtype == FT_DTYPE_I64) {
        memcpy(&integer, tensor->data + index * sizeof integer, sizeof integer);
        lua_pushinteger(L, integer);
    } else {
        ft_lua_numbers_load(tensor->dtype, tensor->data, index, 1, &number);
        if (ft_lua_dtype_is_float(tensor->dtype))
            lua_pushnumber(L, number);
        else
            lua_pushinteger(L, (lua_Integer)number);
    }
}

void ft_lua_tensor_set_element(lua_State *L, ft_lua_tensor *tensor, size_t index, int from)
{
    int is_number;
    const char *name = ft_dtype_name(tensor->dtype);

    if (tensor->is_boolean) {
        if (!lua_isboolean(L, from))
            luaL_error(L, "element %I must be a boolean, not a %s", (LUAI_UACINT)index + 1,
                       luaL_typename(L, from));
        tensor->data[index] = (char)lua_toboolean(L, from);
        return;
    }
    if (lua_type(L, from) != LUA_TNUMBER)
        luaL_error(L, "element %I must be a number, not a %s", (LUAI_UACINT)index + 1,
                   luaL_typename(L, from));
    if (ft_lua_dtype_is_float(tensor->dtype)) {
        double number = lua_tonumber(L, from);
        ft_lua_numbers_store(tensor->dtype, tensor->data, index, 1, &number);
        return;
    }
    int64_t integer = lua_tointegerx(L, from, &is_number);
    if (!is_number || integer < ft_lua_dtype_min(tensor->dtype) ||
        integer > ft_lua_dtype_max(tensor->dtype))
        luaL_error(L, "element %I does not fit %s", (LUAI_UACINT)index + 1, name);
    if (tensor->dtype == FT_DTYPE_I64) {
        memcpy(tensor->data + index * sizeof integer, &integer, sizeof integer);
        return;
    }
    double number = (double)integer;
    ft_lua_numbers_store(tensor->dtype, tensor->data, index, 1, &number);
}

// Where `index` (from 1) along the first axis is; raises outside.
static size_t check_row(lua_State *L, const ft_lua_tensor *tensor, int argument)
{
    lua_Integer row = luaL_checkinteger(L, argument);

    if (row < 1 || tensor->rank == 0 || row > tensor->shape[0])
        luaL_error(L, "index %I is outside of 1..%I", (LUAI_UACINT)row,
                   (LUAI_UACINT)(tensor->rank ? tensor->shape[0] : 0));
    return (size_t)row - 1;
}

static void push_rows(lua_State *L, const ft_lua_tensor *tensor, size_t from, size_t count,
                      bool drops_axis)
{
    size_t rows = tensor->shape[0] > 0 ? (size_t)tensor->shape[0] : 1;
    size_t row_bytes = ft_lua_tensor_bytes(tensor) / rows;
    int64_t shape[FT_RANK_MAX];
    size_t rank = 0;

    if (!drops_axis)
        shape[rank++] = (int64_t)count;
    for (size_t i = 1; i < tensor->rank; i++)
        shape[rank++] = tensor->shape[i];
    ft_lua_tensor *made = ft_lua_push_tensor(L, tensor->tensor, tensor->data + from * row_bytes,
                                             tensor->dtype, rank, shape);
    made->is_boolean = tensor->is_boolean;
}

static int tensor_row(lua_State *L)
{
    const ft_lua_tensor *tensor = ft_lua_check_tensor(L, 1);
    size_t row = check_row(L, tensor, 2);

    if (tensor->rank == 1)
        ft_lua_tensor_push_element(L, tensor, row);
    else
        push_rows(L, tensor, row, 1, true);
    return 1;
}

static int tensor_slice(lua_State *L)
{
    const ft_lua_tensor *tensor = ft_lua_check_tensor(L, 1);
    size_t from = check_row(L, tensor, 2);
    lua_Integer to = luaL_optinteger(L, 3, tensor->shape[0]);

    if (to < (lua_Integer)from || to > tensor->shape[0])
        return luaL_error(L, "slice(%I, %I) is outside of 1..%I", (LUAI_UACINT)from + 1,
                          (LUAI_UACINT)to, (LUAI_UACINT)tensor->shape[0]);
    push_rows(L, tensor, from, (size_t)to - from, false);
    return 1;
}

static int tensor_at(lua_State *L)
{
    const ft_lua_tensor *tensor = ft_lua_check_tensor(L, 1);
    size_t at = 0;

    if (lua_gettop(L) - 1 != tensor->rank)
        return luaL_error(L, "at() wants %d indices, as many as the tensor has axes", tensor->rank);
    for (int i = 0; i < tensor->rank; i++) {
        lua_Integer index = luaL_checkinteger(L, i + 2);
        if (index < 1 || index > tensor->shape[i])
            return luaL_error(L, "index %I is outside of 1..%I", (LUAI_UACINT)index,
                              (LUAI_UACINT)tensor->shape[i]);
        at = at * (size_t)tensor->shape[i] + (size_t)index - 1;
    }
    ft_lua_tensor_push_element(L, tensor, at);
    return 1;
}

static void push_shape(lua_State *L, const ft_lua_tensor *tensor)
{
    lua_createtable(L, tensor->rank, 0);
    for (int i = 0; i < tensor->rank; i++) {
        lua_pushinteger(L, tensor->shape[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

// Upvalue 1: the methods.
static int tensor_index(lua_State *L)
{
    ft_lua_tensor *tensor = lua_touserdata(L, 1);

    if (lua_type(L, 2) == LUA_TNUMBER) {
        lua_settop(L, 2);
        tensor = ft_lua_check_tensor(L, 1);
        lua_Integer row = luaL_checkinteger(L, 2);
        if (row >= 1 && tensor->rank > 0 && row <= tensor->shape[0])
            return tensor_row(L);
        lua_pushnil(L);  // As for a table: ipairs ends here.
        return 1;
    }
    const char *name = luaL_checkstring(L, 2);
    if (!strcmp(name, "shape")) {
        push_shape(L, ft_lua_check_tensor(L, 1));
        return 1;
    }
    if (!strcmp(name, "dtype")) {
        lua_pushstring(L, ft_dtype_name(ft_lua_check_tensor(L, 1)->dtype));
        return 1;
    }
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) == LUA_TNIL)
        return luaL_error(L, "a tensor has no `%s`", name);
    return 1;
}

static int tensor_newindex(lua_State *L)
{
    ft_lua_tensor *tensor = ft_lua_check_mutable(L, 1);

    if (lua_type(L, 2) != LUA_TNUMBER || tensor->rank != 1)
        return luaL_error(L, "only v[i] of a tensor with one axis can be set");
    ft_lua_tensor_set_element(L, tensor, check_row(L, tensor, 2), 3);
    return 0;
}

static int tensor_len(lua_State *L)
{
    const ft_lua_tensor *tensor = ft_lua_check_tensor(L, 1);

    lua_pushinteger(L, tensor->rank ? tensor->shape[0] : 1);
    return 1;
}

static void push_nested(lua_State *L, const ft_lua_tensor *tensor, size_t axis, size_t from,
                        size_t size)
{
    luaL_checkstack(L, 4, NULL);
    if (axis == tensor->rank) {
        ft_lua_tensor_push_element(L, tensor, from);
        return;
    }
    size_t count = (size_t)tensor->shape[axis], inner = count ? size / count : 0;

    lua_createtable(L, count < INT32_MAX ? (int)count : 0, 0);
    for (size_t i = 0; i < count; i++) {
        push_nested(L, tensor, axis + 1, from + i * inner, inner);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
        ft_lua_steps(L, 4);
    }
}

static int tensor_tolist(lua_State *L)
{
    const ft_lua_tensor *tensor = ft_lua_check_tensor(L, 1);

    push_nested(L, tensor, 0, 0, ft_lua_tensor_elements(tensor));
    return 1;
}

// ---- owning ----

static void drop(ft_lua *lua, ft_lua_tensor *tensor)
{
    ft_tensor_unref(tensor->tensor);
    tensor->tensor = NULL;
    ft_lua_release(lua, tensor->reserved_bytes);
    tensor->reserved_bytes = 0;
}

static int tensor_close(lua_State *L)
{
    ft_lua_tensor *tensor = ft_lua_test_tensor(L, 1);

    if (tensor)
        drop(ft_lua_of(L), tensor);
    return 0;
}

static void push_copy(lua_State *L, const ft_lua_tensor *tensor)
{
    ft_lua_tensor *made = ft_lua_push_new_tensor(L, tensor->dtype, tensor->rank, tensor->shape);

    made->is_boolean = tensor->is_boolean;
    memcpy(made->data, tensor->data, ft_lua_tensor_bytes(tensor));
    ft_lua_steps(L, ft_lua_tensor_bytes(tensor) / 64);
}

static int tensor_copy(lua_State *L)
{
    push_copy(L, ft_lua_check_tensor(L, 1));
    return 1;
}

static int tensor_mut(lua_State *L)
{
    ft_lua_tensor *tensor = ft_lua_check_tensor(L, 1);

    if (ft_tensor_is_writable(tensor->tensor)) {
        ft_lua_tensor *made = push_empty(L, tensor->dtype, tensor->rank, tensor->shape);
        *made = *tensor;
        made->is_mutable = true;
        tensor->tensor = NULL;
        tensor->reserved_bytes = 0;
    } else {
        push_copy(L, tensor);
        drop(ft_lua_of(L), tensor);
    }
    tensor->is_consumed = true;
    return 1;
}

static int tensor_tostring(lua_State *L)
{
    const ft_lua_tensor *tensor = ft_lua_test_tensor(L, 1);
    luaL_Buffer text;

    luaL_argexpected(L, tensor, 1, "tensor");
    luaL_buffinit(L, &text);
    luaL_addstring(&text, ft_dtype_name(tensor->dtype));
    luaL_addchar(&text, '[');
    for (int i = 0; i < tensor->rank; i++) {
        lua_pushfstring(L, "%s%I", i ? "," : "", (LUAI_UACINT)tensor->shape[i]);
        luaL_addvalue(&text);
    }
    luaL_addchar(&text, ']');
    luaL_pushresult(&text);
    return 1;
}

// ---- ft.tensor, ft.zeros ----

static ft_dtype check_dtype(lua_State *L, int index)
{
    const char *name = luaL_checkstring(L, index);

    for (int dtype = FT_DTYPE_U8; dtype <= FT_DTYPE_F64; dtype++)
        if (!strcmp(name, ft_dtype_name((ft_dtype)dtype)))
            return (ft_dtype)dtype;
    luaL_error(L, "`%s` is not an element type: u8 i8 i32 i64 f16 bf16 f32 f64", name);
    return FT_DTYPE_F32;
}

static int ft_zeros(lua_State *L)
{
    ft_dtype dtype = check_dtype(L, 1);
    int64_t shape[FT_RANK_MAX];
    size_t rank = 0;

    if (lua_istable(L, 2)) {
        lua_Integer axes = luaL_len(L, 2);
        if (axes < 1 || axes > FT_RANK_MAX)
            return luaL_error(L, "a tensor has 1 to %d axes", FT_RANK_MAX);
        for (; rank < (size_t)axes; rank++) {
            lua_geti(L, 2, (lua_Integer)rank + 1);
            shape[rank] = luaL_checkinteger(L, -1);
            lua_pop(L, 1);
        }
    } else {
        shape[rank++] = luaL_checkinteger(L, 2);
    }
    ft_lua_tensor *made = ft_lua_push_new_tensor(L, dtype, rank, shape);
    memset(made->data, 0, ft_lua_tensor_bytes(made));
    return 1;
}

// Fills `tensor` from the table on top of the stack.
static void fill(lua_State *L, ft_lua_tensor *tensor, size_t axis, size_t from, size_t size)
{
    size_t count = (size_t)tensor->shape[axis], inner = count ? size / count : 0;

    luaL_checkstack(L, 4, NULL);
    if (!lua_istable(L, -1) || luaL_len(L, -1) != tensor->shape[axis])
        luaL_error(L, "all rows of a tensor must be lists of the same length");
    for (size_t i = 0; i < count; i++) {
        lua_geti(L, -1, (lua_Integer)i + 1);
        if (axis + 1 == tensor->rank)
            ft_lua_tensor_set_element(L, tensor, from + i, -1);
        else
            fill(L, tensor, axis + 1, from + i * inner, inner);
        lua_pop(L, 1);
        ft_lua_steps(L, 8);
    }
}

ft_lua_tensor *ft_lua_push_table_tensor(lua_State *L, int index, ft_dtype dtype, size_t rank)
{
    int64_t shape[FT_RANK_MAX];

    lua_pushvalue(L, index);
    int top = lua_gettop(L);
    for (size_t i = 0; i < rank; i++) {
        if (!lua_istable(L, -1))
            luaL_error(L, "wanted a list of numbers, got a %s", luaL_typename(L, -1));
        shape[i] = luaL_len(L, -1);
        if (shape[i] < 0)
            luaL_error(L, "a list with a negative length");
        lua_geti(L, -1, 1);
    }
    lua_settop(L, top);
    ft_lua_tensor *made = ft_lua_push_new_tensor(L, dtype, rank, shape);
    lua_insert(L, top);
    fill(L, made, 0, 0, ft_lua_tensor_elements(made));
    lua_settop(L, top);
    return made;
}

static int ft_tensor_make(lua_State *L)
{
    bool has_dtype = lua_type(L, 1) == LUA_TSTRING;
    int table = has_dtype ? 2 : 1;
    ft_dtype dtype = has_dtype ? check_dtype(L, 1) : FT_DTYPE_F32;
    size_t rank = 0;

    luaL_checktype(L, table, LUA_TTABLE);
    lua_pushvalue(L, table);
    while (lua_istable(L, -1) && rank < FT_RANK_MAX) {
        rank++;
        lua_geti(L, -1, 1);
    }
    lua_settop(L, 2);
    ft_lua_push_table_tensor(L, table, dtype, rank);
    return 1;
}

void ft_lua_open_tensor(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"at", tensor_at},   {"copy", tensor_copy},   {"mut", tensor_mut},
        {"row", tensor_row}, {"slice", tensor_slice}, {"tolist", tensor_tolist},
        {NULL, NULL},
    };
    static const luaL_Reg metamethods[] = {
        {"__close", tensor_close},       {"__gc", tensor_close},          {"__len", tensor_len},
        {"__newindex", tensor_newindex}, {"__tostring", tensor_tostring}, {NULL, NULL},
    };

    luaL_newlib(L, metamethods);
    lua_pushliteral(L, "tensor");
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    luaL_newlib(L, methods);
    luaL_setfuncs(L, ft_lua_tensor_math, 0);
    lua_pushcclosure(L, tensor_index, 1);
    lua_setfield(L, -2, "__index");
    lua_rawseti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_TENSOR);

    lua_rawgeti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_FT);
    lua_pushcfunction(L, ft_tensor_make);
    lua_setfield(L, -2, "tensor");
    lua_pushcfunction(L, ft_zeros);
    lua_setfield(L, -2, "zeros");
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    lua_pop(L, 1);
}
