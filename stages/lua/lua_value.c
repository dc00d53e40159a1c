// Columns to Lua values and back; see the header for the final form of what is assigned.
#include "stages/lua/lua_value.h"

#include <lauxlib.h>
#include <string.h>

#include "runtime/data/json.h"
#include "stages/lua/lua_json.h"
#include "stages/lua/lua_number.h"
#include "stages/lua/lua_state.h"
#include "stages/lua/lua_tensor.h"

static bool is_json(ft_type type)
{
    return type.kind == FT_KIND_ANY || type.kind == FT_KIND_JSON;
}

// What the numbers of a tensor, or of a list, are.
static ft_dtype dtype_of(ft_type type)
{
    return type.kind == FT_KIND_TENSOR ? type.dtype
           : type.kind == FT_KIND_BOOL ? FT_DTYPE_U8
           : type.kind == FT_KIND_INT  ? FT_DTYPE_I64
                                       : FT_DTYPE_F64;
}

static bool is_text_list(ft_type type)
{
    return type.list &&
           (type.kind == FT_KIND_STRING || type.kind == FT_KIND_BYTES || is_json(type));
}

// ---- column to Lua ----

static void push_numbers(lua_State *L, const ft_column *column, size_t item)
{
    ft_type type = column->type;
    size_t rank = 0, elements = (size_t)ft_type_elements(type), from = item, count = 1;
    int64_t shape[FT_RANK_MAX];
    char number[sizeof(double)];

    if (type.list) {
        const int32_t *offsets = ft_tensor_i32(column->offsets);
        from = (size_t)offsets[item];
        count = (size_t)(offsets[item + 1] - offsets[item]);
        shape[rank++] = (int64_t)count;
    }
    for (size_t i = 0; type.kind == FT_KIND_TENSOR && i < type.rank; i++)
        shape[rank++] = type.shape[i];
    size_t size = ft_dtype_size_bytes(dtype_of(type));
    char *data = column->values->data + from * elements * size;
    if (rank == 0) {
        ft_lua_tensor single = {.data = number, .dtype = type.dtype};
        memcpy(number, data, size);
        ft_lua_tensor_push_element(L, &single, 0);
        return;
    }
    ft_lua_tensor *made = ft_lua_push_tensor(L, column->values, data, dtype_of(type), rank, shape);
    made->is_boolean = type.kind == FT_KIND_BOOL;
}

void ft_lua_push_field(lua_State *L, const ft_column *column, size_t item)
{
    if (!column->values || ft_column_is_null(column, item)) {
        lua_pushnil(L);
        return;
    }
    if (is_text_list(column->type)) {
        ft_lua_push_list(L, column, item);
        return;
    }
    if (column->type.list) {
        push_numbers(L, column, item);
        return;
    }
    const char *data = column->values->data;
    int64_t integer;
    double number;
    ft_slice text;

    switch (column->type.kind) {
    case FT_KIND_BOOL:
        lua_pushboolean(L, data[item]);
        break;
    case FT_KIND_INT:
        memcpy(&integer, data + item * sizeof integer, sizeof integer);
        lua_pushinteger(L, integer);
        break;
    case FT_KIND_FLOAT:
        memcpy(&number, data + item * sizeof number, sizeof number);
        lua_pushnumber(L, number);
        break;
    case FT_KIND_STRING:
    case FT_KIND_BYTES:
        text = ft_column_text(column, item);
        lua_pushlstring(L, text.data, text.size);
        break;
    case FT_KIND_ANY:
    case FT_KIND_JSON:
        ft_lua_push_json(L, ft_column_text(column, item));
        break;
    case FT_KIND_TENSOR:
        push_numbers(L, column, item);
        break;
    }
}

// ---- Lua to the final form ----

static void raise_type(lua_State *L, int index, ft_type type, const char *field)
{
    char name[FT_TYPE_TEXT_BYTES];
    const char *got = luaL_typename(L, index);

    if (lua_type(L, index) == LUA_TNUMBER)
        got = lua_isinteger(L, index) ? "an integer" : "a float";
    luaL_error(L, "field `%s` is %s, and the script gives it %s", field, ft_type_print(type, name),
               got);
}

static void push_text(lua_State *L, int index, ft_type type, const char *field)
{
    ft_slice text;

    if (lua_type(L, index) != LUA_TSTRING)
        raise_type(L, index, type, field);
    text.data = lua_tolstring(L, index, &text.size);
    ft_lua_steps(L, text.size / 64);
    if (type.kind == FT_KIND_STRING && ft_utf8_valid_prefix(text) != text.size)
        luaL_error(L,
                   "field `%s` is string, and the script gives it a text that is not valid UTF-8",
                   field);
    lua_pushvalue(L, index);
}

static void push_json_text(lua_State *L, int index)
{
    ft_text *scratch = &ft_lua_of(L)->scratch;

    ft_text_clear(scratch);
    ft_lua_put_json(L, index, scratch);
    ft_slice text = ft_text_get(scratch);
    lua_pushlstring(L, text.data, text.size);
}

// A table of texts (or JSON texts); a list that is a column's stays as it is.
static void push_text_list(lua_State *L, int index, ft_type type, const char *field)
{
    ft_type element = type;
    const ft_lua_list *list = ft_lua_test_list(L, index);

    if (list && list->column.type.kind == type.kind) {
        lua_pushvalue(L, index);
        return;
    }
    if (!lua_istable(L, index))
        raise_type(L, index, type, field);
    element.list = false;
    lua_Integer count = luaL_len(L, index);
    lua_createtable(L, count > 0 && count < INT32_MAX ? (int)count : 0, 0);
    int made = lua_gettop(L);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_geti(L, index, i);
        if (is_json(type))
            push_json_text(L, made + 1);
        else
            push_text(L, made + 1, element, field);
        lua_rawseti(L, made, i);
        lua_settop(L, made);
        ft_lua_steps(L, 8);
    }
}

static bool shape_fits(const ft_lua_tensor *tensor, ft_type type)
{
    size_t axis = type.list ? 1 : 0;
    size_t rank = type.kind == FT_KIND_TENSOR ? type.rank : 0;

    if (tensor->rank != rank + axis)
        return false;
    for (size_t i = 0; i < rank; i++)
        if (tensor->shape[i + axis] != type.shape[i])
            return false;
    return true;
}

static void raise_shape(lua_State *L, const ft_lua_tensor *tensor, ft_type type, const char *field)
{
    char name[FT_TYPE_TEXT_BYTES];
    luaL_Buffer shape;

    luaL_buffinit(L, &shape);
    for (int i = 0; i < tensor->rank; i++) {
        lua_pushfstring(L, "%s%I", i ? "," : "", (LUAI_UACINT)tensor->shape[i]);
        luaL_addvalue(&shape);
    }
    luaL_pushresult(&shape);
    luaL_error(L, "field `%s` is %s, and the script gives it a tensor of shape [%s]", field,
               ft_type_print(type, name), lua_tostring(L, -1));
}

// Pushes the tensor at `index` with another element type.
static ft_lua_tensor *push_converted(lua_State *L, const ft_lua_tensor *from, ft_dtype dtype)
{
    double numbers[FT_LUA_CHUNK];
    ft_lua_tensor *made = ft_lua_push_new_tensor(L, dtype, from->rank, from->shape);
    size_t count = ft_lua_tensor_elements(from);

    for (size_t at = 0; at < count; at += FT_LUA_CHUNK) {
        size_t n = count - at < FT_LUA_CHUNK ? count - at : FT_LUA_CHUNK;
        ft_lua_numbers_load(from->dtype, from->data, at, n, numbers);
        ft_lua_numbers_store(dtype, made->data, at, n, numbers);
        ft_lua_steps(L, n);
    }
    return made;
}

// A tensor of the field's element type, which nobody else may write: later writes to the script's
// own tensor copy first, because this one holds a reference.
static void push_numbers_final(lua_State *L, int index, ft_type type, const char *field)
{
    ft_dtype dtype = dtype_of(type);
    size_t rank = (type.list ? 1u : 0u) + (type.kind == FT_KIND_TENSOR ? type.rank : 0u);
    const ft_lua_tensor *given = ft_lua_test_tensor(L, index);

    if (given) {
        ft_lua_check_tensor(L, index);
        if (!shape_fits(given, type))
            raise_shape(L, given, type, field);
        if (given->dtype != dtype && !ft_lua_dtype_is_float(dtype) &&
            ft_lua_dtype_is_float(given->dtype))
            luaL_error(L, "field `%s` holds %s, and the script gives it a tensor of %s", field,
                       ft_dtype_name(dtype), ft_dtype_name(given->dtype));
        if (given->dtype != dtype)
            push_converted(L, given, dtype);
        else
            ft_lua_push_tensor(L, given->tensor, given->data, dtype, given->rank, given->shape);
    } else if (lua_istable(L, index)) {
        lua_Integer count = luaL_len(L, index);
        int64_t shape[FT_RANK_MAX] = {0};
        if (count == 0 && type.list) {  // Nothing says how long the inner lists would be.
            for (size_t i = 0; i + 1 < rank; i++)
                shape[i + 1] = type.shape[i];
            ft_lua_push_new_tensor(L, dtype, rank, shape);
            return;
        }
        int top = lua_gettop(L);
        if (type.kind == FT_KIND_BOOL) {
            shape[0] = count;
            ft_lua_tensor *made = ft_lua_push_new_tensor(L, dtype, 1, shape);
            made->is_boolean = true;
            for (lua_Integer i = 1; i <= count; i++) {
                lua_geti(L, index, i);
                ft_lua_tensor_set_element(L, made, (size_t)i - 1, -1);
                lua_settop(L, top + 1);
                ft_lua_steps(L, 8);
            }
            return;
        }
        ft_lua_tensor *made = ft_lua_push_table_tensor(L, index, dtype, rank);
        if (!shape_fits(made, type))
            raise_shape(L, made, type, field);
    } else {
        raise_type(L, index, type, field);
    }
}

static void push_single_number(lua_State *L, int index, ft_type type, const char *field)
{
    if (lua_type(L, index) != LUA_TNUMBER)
        raise_type(L, index, type, field);
    ft_lua_tensor *made = ft_lua_push_new_tensor(L, type.dtype, 0, NULL);
    ft_lua_tensor_set_element(L, made, 0, index);
}

static void push_scalar(lua_State *L, int index, ft_type type, const char *field)
{
    int fits = true;
    lua_Integer integer;

    switch (type.kind) {
    case FT_KIND_BOOL:
        if (!lua_isboolean(L, index))
            raise_type(L, index, type, field);
        lua_pushvalue(L, index);
        break;
    case FT_KIND_INT:
        if (lua_type(L, index) != LUA_TNUMBER)
            raise_type(L, index, type, field);
        integer = lua_tointegerx(L, index, &fits);
        if (!fits)
            raise_type(L, index, type, field);
        lua_pushinteger(L, integer);
        break;
    case FT_KIND_FLOAT:
        if (lua_type(L, index) != LUA_TNUMBER)
            raise_type(L, index, type, field);
        lua_pushnumber(L, lua_tonumber(L, index));
        break;
    case FT_KIND_STRING:
    case FT_KIND_BYTES:
        push_text(L, index, type, field);
        break;
    case FT_KIND_ANY:
    case FT_KIND_JSON:
        push_json_text(L, index);
        break;
    case FT_KIND_TENSOR:
        if (type.rank == 0)
            push_single_number(L, index, type, field);
        else
            push_numbers_final(L, index, type, field);
        break;
    }
}

void ft_lua_push_final(lua_State *L, int index, ft_type type, const char *field)
{
    index = lua_absindex(L, index);
    luaL_checkstack(L, 8, NULL);
    if (lua_isnoneornil(L, index) || (lua_islightuserdata(L, index) && !lua_touserdata(L, index)))
        lua_pushlightuserdata(L, NULL);
    else if (is_text_list(type))
        push_text_list(L, index, type, field);
    else if (type.list)
        push_numbers_final(L, index, type, field);
    else
        push_scalar(L, index, type, field);
}

// ---- what a script sees of it ----

void ft_lua_push_seen(lua_State *L, int index, ft_type type)
{
    size_t size;

    index = lua_absindex(L, index);
    if (lua_islightuserdata(L, index)) {
        lua_pushnil(L);
    } else if (is_json(type) && !type.list) {
        const char *text = lua_tolstring(L, index, &size);
        ft_lua_push_json(L, (ft_slice){text, size});
    } else if (type.kind == FT_KIND_TENSOR && type.rank == 0 && !type.list) {
        ft_lua_tensor_push_element(L, lua_touserdata(L, index), 0);
    } else if (lua_istable(L, index)) {
        lua_Integer count = (lua_Integer)lua_rawlen(L, index);
        lua_createtable(L, (int)count, 0);  // A copy: what was assigned stays as it is.
        for (lua_Integer i = 1; i <= count; i++) {
            lua_rawgeti(L, index, i);
            lua_rawseti(L, -2, i);
        }
        ft_lua_steps(L, (size_t)count * 4);
    } else if (type.list || type.kind == FT_KIND_TENSOR) {
        const ft_lua_tensor *kept = ft_lua_test_tensor(L, index);
        if (!kept) {
            lua_pushvalue(L, index);  // A list of text, which nobody can change.
            return;
        }
        // Another view: `mut()` may consume it.
        ft_lua_push_tensor(L, kept->tensor, kept->data, kept->dtype, kept->rank, kept->shape)
            ->is_boolean = kept->is_boolean;
    } else {
        lua_pushvalue(L, index);
    }
}

// ---- into a column ----

static ft_slice text_at(lua_State *L, int index)
{
    ft_slice text;

    text.data = lua_tolstring(L, index, &text.size);
    return text;
}

static bool add_text_list(lua_State *L, int index, ft_builder *builder, ft_error *err)
{
    const ft_lua_list *list = ft_lua_test_list(L, index);

    for (int32_t i = 0; list && i < list->count; i++)
        if (!ft_builder_add_element(builder, ft_column_element(&list->column, list->from + i), err))
            return false;
    lua_Integer count = list ? 0 : (lua_Integer)lua_rawlen(L, index);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, index, i);
        bool ok = ft_builder_add_element(builder, text_at(L, -1), err);
        lua_pop(L, 1);
        if (!ok)
            return false;
    }
    return ft_builder_end_list(builder, err);
}

bool ft_lua_add_final(lua_State *L, int index, ft_builder *builder, ft_error *err)
{
    ft_type type = builder->type;

    index = lua_absindex(L, index);
    if (lua_islightuserdata(L, index))
        return ft_builder_add_null(builder, err);
    if (is_text_list(type))
        return add_text_list(L, index, builder, err);
    if (type.list || type.kind == FT_KIND_TENSOR) {
        const ft_lua_tensor *tensor = lua_touserdata(L, index);
        return ft_builder_add_numbers(builder, tensor->data, ft_lua_tensor_elements(tensor), err);
    }
    switch (type.kind) {
    case FT_KIND_BOOL:
        return ft_builder_add_bool(builder, lua_toboolean(L, index), err);
    case FT_KIND_INT:
        return ft_builder_add_int(builder, lua_tointeger(L, index), err);
    case FT_KIND_FLOAT:
        return ft_builder_add_float(builder, lua_tonumber(L, index), err);
    case FT_KIND_STRING:
    case FT_KIND_BYTES:
    case FT_KIND_ANY:
    case FT_KIND_JSON:
    case FT_KIND_TENSOR:
        break;
    }
    return ft_builder_add_text(builder, text_at(L, index), err);
}
