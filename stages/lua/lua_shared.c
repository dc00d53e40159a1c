// A collection in Lua is a userdata with one reference. Values go in and come out as copies of
// scalars and strings, and as references on tensors and collections; nothing runs under a lock, and
// an error in a method has changed nothing.
//
// Lua errors jump, so what a method holds besides Lua's own objects hangs in ft_lua.pending: one
// value, dropped by the next method or with the state.
#include "stages/lua/lua_shared.h"

#include <lauxlib.h>
#include <string.h>

#include "runtime/concurrent/counter.h"
#include "runtime/concurrent/queue.h"
#include "runtime/concurrent/set.h"
#include "runtime/concurrent/shared_list.h"
#include "runtime/concurrent/stack.h"
#include "runtime/memory/collector.h"
#include "stages/lua/lua_sandbox.h"
#include "stages/lua/lua_shared_pairs.h"
#include "stages/lua/lua_state.h"
#include "stages/lua/lua_tensor.h"

enum {
    NAMES_MAX = 65536,
    CAP_DEFAULT = 1 << 20,
    QUEUE_CAP_DEFAULT = 1 << 16,
    SMALL_BYTES = 256,  // What a collection takes with its first values, about.
};

struct ft_lua_shared {
    ft_dict *names;  // Name -> collection.
};

typedef struct {
    ft_value_kind kind;
    ft_object *object;  // One reference.
} handle;

// ---- the run's ----

static void shared_finish(void *object)
{
    ft_lua_shared *shared = object;

    ft_object_unref(ft_dict_object(shared->names));
    ft_collector_drain();
}

bool ft_lua_shared_create(ft_stage_load *load, const void *host, void **out, ft_error *err)
{
    ft_lua_shared *shared = ft_arena_zero(load->arena, 1, sizeof(*shared));

    (void)host;
    if (!shared)
        return ft_fail_nomem(err, sizeof(*shared));
    shared->names = ft_dict_create(NAMES_MAX, load->account, err);
    if (!shared->names)
        return false;
    if (ft_arena_defer(load->arena, shared_finish, shared)) {
        *out = shared;
        return true;
    }
    ft_object_unref(ft_dict_object(shared->names));
    return ft_fail_nomem(err, sizeof(*shared));
}

// ---- between Lua and values ----

static int raise(lua_State *L, const ft_error *err)
{
    if (err->code == FT_ERROR_NOMEM)
        return ft_lua_raise(L, err);
    return luaL_error(L, "%s", err->message);
}

static void drop_pending(lua_State *L)
{
    ft_value *pending = &ft_lua_of(L)->pending;

    if (pending->kind != FT_VALUE_NIL)  // Called by every method, and mostly for nothing.
        ft_value_drop(pending);
}

// The address of its metatable, by which a userdata is known: no script can get at one.
static const void *type_of(lua_State *L, int index)
{
    if (!lua_getmetatable(L, index))
        return NULL;
    const void *type = lua_topointer(L, -1);
    lua_pop(L, 1);
    return type;
}

static handle *test_handle(lua_State *L, int index)
{
    const void *type = type_of(L, index);

    for (int kind = FT_VALUE_DICT; type && kind <= FT_VALUE_QUEUE; kind++)
        if (type == ft_lua_of(L)->shared_types[kind])
            return lua_touserdata(L, index);
    return NULL;
}

static void *check_handle(lua_State *L, ft_value_kind kind)
{
    if (type_of(L, 1) != ft_lua_of(L)->shared_types[kind])
        luaL_typeerror(L, 1, ft_value_kind_name(kind));
    drop_pending(L);
    return ((const handle *)lua_touserdata(L, 1))->object;
}

static void push_handle(lua_State *L, const ft_value *value)
{
    handle *h = lua_newuserdatauv(L, sizeof(*h), 0);

    *h = (handle){value->kind, NULL};
    lua_rawgeti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_SHARED);
    lua_rawgeti(L, -1, value->kind);
    lua_setmetatable(L, -3);
    lua_pop(L, 1);
    h->object = value->object;
    ft_object_ref(h->object);
}

void ft_lua_push_value(lua_State *L, const ft_value *value)
{
    switch (value->kind) {
    case FT_VALUE_NIL:
        lua_pushnil(L);
        break;
    case FT_VALUE_BOOL:
        lua_pushboolean(L, value->boolean);
        break;
    case FT_VALUE_INT:
        lua_pushinteger(L, value->integer);
        break;
    case FT_VALUE_FLOAT:
        lua_pushnumber(L, value->number);
        break;
    case FT_VALUE_STRING: {
        ft_slice text = ft_string_slice((const ft_string *)(const void *)value->object);
        lua_pushlstring(L, text.data, text.size);
        break;
    }
    case FT_VALUE_TENSOR: {
        ft_tensor *tensor = (ft_tensor *)(void *)value->object;
        ft_lua_push_tensor(L, tensor, tensor->data, tensor->dtype, tensor->rank, tensor->shape);
        break;
    }
    case FT_VALUE_DICT:
    case FT_VALUE_LIST:
    case FT_VALUE_SET:
    case FT_VALUE_COUNTER:
    case FT_VALUE_STACK:
    case FT_VALUE_QUEUE:
        push_handle(L, value);
        break;
    }
}

// Pushes the pending value and drops it.
static int push_pending(lua_State *L)
{
    ft_lua_push_value(L, &ft_lua_of(L)->pending);
    drop_pending(L);
    return 1;
}

// The part of the tensor that a script has, as a tensor of its own.
static void take_tensor(lua_State *L, const ft_lua_tensor *part, ft_value *out)
{
    ft_error err = FT_ERROR_INIT;
    ft_buffer *buffer = part->tensor->buffer;
    size_t offset = (size_t)(part->data - (char *)buffer->data);
    ft_tensor *view = ft_tensor_view(buffer, offset, part->dtype, part->rank, part->shape, &err);

    if (!view)
        raise(L, &err);
    *out = (ft_value){FT_VALUE_TENSOR, {.object = &view->object}};
}

static void take_string(lua_State *L, int index, ft_value *out)
{
    ft_error err = FT_ERROR_INIT;
    ft_slice text;

    text.data = lua_tolstring(L, index, &text.size);
    ft_string *string = ft_string_reserve(text, ft_lua_of(L)->account, &err);
    if (!string)
        raise(L, &err);
    *out = (ft_value){FT_VALUE_STRING, {.object = &string->object}};
}

// The value at `index` into `pending`, with a reference of its own.
static const ft_value *take_value(lua_State *L, int index)
{
    ft_value *out = &ft_lua_of(L)->pending;
    handle *h;

    drop_pending(L);
    switch (lua_type(L, index)) {
    case LUA_TNIL:
        break;
    case LUA_TBOOLEAN:
        *out = (ft_value){FT_VALUE_BOOL, {.boolean = lua_toboolean(L, index)}};
        break;
    case LUA_TNUMBER:
        if (lua_isinteger(L, index))
            *out = (ft_value){FT_VALUE_INT, {.integer = lua_tointeger(L, index)}};
        else
            *out = (ft_value){FT_VALUE_FLOAT, {.number = lua_tonumber(L, index)}};
        break;
    case LUA_TSTRING:
        take_string(L, index, out);
        break;
    default:
        h = test_handle(L, index);
        if (h) {
            ft_object_ref(h->object);
            *out = (ft_value){h->kind, {.object = h->object}};
        } else if (ft_lua_test_tensor(L, index)) {
            take_tensor(L, ft_lua_check_tensor(L, index), out);
        } else {
            luaL_argerror(L, index,
                          lua_pushfstring(L,
                                          "a %s cannot be shared: numbers, booleans, "
                                          "strings, tensors and shared collections can",
                                          luaL_typename(L, index)));
        }
    }
    return out;
}

// A scalar or string that outlives `pending`'s next use: for the second value of cas.
static ft_key check_key(lua_State *L, int index)
{
    ft_key key = {.is_int = false};

    if (lua_isinteger(L, index)) {
        key.is_int = true;
        key.integer = lua_tointeger(L, index);
    } else if (lua_type(L, index) == LUA_TNUMBER) {
        int exact;
        key.integer = lua_tointegerx(L, index, &exact);
        key.is_int = true;
        luaL_argcheck(L, exact, index, "a key is a string or an integer");
    } else {
        luaL_argexpected(L, lua_type(L, index) == LUA_TSTRING, index, "string or integer");
        key.text.data = lua_tolstring(L, index, &key.text.size);
    }
    return key;
}

// ---- dict ----

static int dict_get(lua_State *L)
{
    ft_dict *dict = check_handle(L, FT_VALUE_DICT);
    ft_key key = check_key(L, 2);

    if (!ft_dict_get(dict, &key, &ft_lua_of(L)->pending)) {
        lua_settop(L, 3);
        return 1;  // The default, or nil.
    }
    return push_pending(L);
}

static int dict_set(lua_State *L)
{
    ft_dict *dict = check_handle(L, FT_VALUE_DICT);
    ft_key key = check_key(L, 2);
    ft_error err = FT_ERROR_INIT;

    lua_settop(L, 3);
    bool ok = lua_isnil(L, 3) ? ft_dict_delete(dict, &key, NULL, &err)
                              : ft_dict_set(dict, &key, take_value(L, 3), &err);
    drop_pending(L);
    return ok ? 0 : raise(L, &err);
}

static int dict_delete(lua_State *L)
{
    ft_dict *dict = check_handle(L, FT_VALUE_DICT);
    ft_key key = check_key(L, 2);
    ft_error err = FT_ERROR_INIT;
    bool was;

    if (!ft_dict_delete(dict, &key, &was, &err))
        return raise(L, &err);
    lua_pushboolean(L, was);
    return 1;
}

static int dict_add(lua_State *L)
{
    ft_dict *dict = check_handle(L, FT_VALUE_DICT);
    ft_key key = check_key(L, 2);
    ft_value by = {FT_VALUE_INT, {.integer = 1}}, sum;
    ft_error err = FT_ERROR_INIT;

    if (!lua_isnoneornil(L, 3)) {
        luaL_argexpected(L, lua_type(L, 3) == LUA_TNUMBER, 3, "number");
        by = *take_value(L, 3);
    }
    if (!ft_dict_add(dict, &key, &by, &sum, &err))
        return raise(L, &err);
    ft_lua_push_value(L, &sum);
    return 1;
}

// What `cas` compares with: a string of the script's is made a counted one, kept by a userdata.
static ft_value hold_value(lua_State *L, int index)
{
    handle *h = lua_newuserdatauv(L, sizeof(*h), 0);

    *h = (handle){FT_VALUE_NIL, NULL};
    lua_rawgeti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_SHARED);
    lua_rawgeti(L, -1, FT_VALUE_STRING);  // Only its __gc matters.
    lua_setmetatable(L, -3);
    lua_pop(L, 1);
    ft_value value = *take_value(L, index);
    if (ft_value_has_object(value.kind))
        h->object = value.object;
    ft_lua_of(L)->pending = (ft_value){FT_VALUE_NIL, {0}};
    return value;
}

static int dict_cas(lua_State *L)
{
    ft_dict *dict = check_handle(L, FT_VALUE_DICT);
    ft_key key = check_key(L, 2);
    ft_error err = FT_ERROR_INIT;
    bool done;

    lua_settop(L, 4);
    ft_value expected = hold_value(L, 3);
    bool ok = ft_dict_cas(dict, &key, &expected, take_value(L, 4), &done, &err);
    drop_pending(L);
    if (!ok)
        return raise(L, &err);
    lua_pushboolean(L, done);
    return 1;
}

static int dict_get_or_set(lua_State *L)
{
    ft_dict *dict = check_handle(L, FT_VALUE_DICT);
    ft_key key = check_key(L, 2);
    ft_error err = FT_ERROR_INIT;
    ft_value got;

    luaL_argexpected(L, !lua_isnoneornil(L, 3), 3, "value");
    if (!ft_dict_get_or_set(dict, &key, take_value(L, 3), &got, &err)) {
        drop_pending(L);
        return raise(L, &err);
    }
    drop_pending(L);
    ft_lua_of(L)->pending = got;
    return push_pending(L);
}

// update(key, f): f gets what is there (nil) and returns what is to be there; it may be called more
// than once, and never under a lock.
static int dict_update(lua_State *L)
{
    ft_dict *dict = check_handle(L, FT_VALUE_DICT);
    ft_key key = check_key(L, 2);
    ft_error err = FT_ERROR_INIT;
    bool done = false;

    luaL_checktype(L, 3, LUA_TFUNCTION);
    while (!done) {
        lua_settop(L, 3);
        drop_pending(L);
        if (ft_dict_get(dict, &key, &ft_lua_of(L)->pending))
            push_pending(L);
        else
            lua_pushnil(L);
        lua_pushvalue(L, 3);
        lua_pushvalue(L, 4);
        lua_call(L, 1, 1);
        ft_value expected = hold_value(L, 4);
        bool ok = ft_dict_cas(dict, &key, &expected, take_value(L, 5), &done, &err);
        drop_pending(L);
        if (!ok)
            return raise(L, &err);
        ft_lua_steps(L, 64);
    }
    lua_settop(L, 5);
    return 1;
}

// ---- list ----

static int list_append(lua_State *L)
{
    ft_list *list = check_handle(L, FT_VALUE_LIST);
    ft_error err = FT_ERROR_INIT;
    int64_t index;

    luaL_checkany(L, 2);
    bool ok = ft_list_append(list, take_value(L, 2), &index, &err);
    drop_pending(L);
    if (!ok)
        return raise(L, &err);
    lua_pushinteger(L, index + 1);
    return 1;
}

static int list_get(lua_State *L)
{
    ft_list *list = check_handle(L, FT_VALUE_LIST);
    lua_Integer index = luaL_checkinteger(L, 2);

    if (index < 1 || !ft_list_get(list, index - 1, &ft_lua_of(L)->pending)) {
        lua_pushnil(L);
        return 1;
    }
    return push_pending(L);
}

// A list's __index, with its methods as upvalue: l[i] is l:get(i), which is what ipairs asks for.
// Lua alone calls it, with two arguments.
static int list_index(lua_State *L)
{
    if (lua_isinteger(L, 2))
        return list_get(L);
    lua_rawget(L, lua_upvalueindex(1));
    return 1;
}

static int list_set(lua_State *L)
{
    ft_list *list = check_handle(L, FT_VALUE_LIST);
    lua_Integer index = luaL_checkinteger(L, 2);
    ft_error err = FT_ERROR_INIT;

    luaL_checkany(L, 3);
    luaL_argcheck(L, index >= 1 && index <= ft_list_count(list), 2, "no item with this index");
    bool ok = ft_list_set(list, index - 1, take_value(L, 3), &err);
    drop_pending(L);
    return ok ? 0 : raise(L, &err);
}

static int list_pop(lua_State *L)
{
    ft_list *list = check_handle(L, FT_VALUE_LIST);

    if (!ft_list_pop(list, &ft_lua_of(L)->pending)) {
        lua_pushnil(L);
        return 1;
    }
    return push_pending(L);
}

// ---- set ----

static int set_add(lua_State *L)
{
    ft_set *set = check_handle(L, FT_VALUE_SET);
    ft_key key = check_key(L, 2);
    ft_error err = FT_ERROR_INIT;
    bool is_new;

    if (!ft_set_add(set, &key, &is_new, &err))
        return raise(L, &err);
    lua_pushboolean(L, is_new);
    return 1;
}

static int set_has(lua_State *L)
{
    ft_set *set = check_handle(L, FT_VALUE_SET);
    ft_key key = check_key(L, 2);

    lua_pushboolean(L, ft_set_has(set, &key));
    return 1;
}

static int set_delete(lua_State *L)
{
    ft_set *set = check_handle(L, FT_VALUE_SET);
    ft_key key = check_key(L, 2);
    ft_error err = FT_ERROR_INIT;
    bool was;

    if (!ft_set_delete(set, &key, &was, &err))
        return raise(L, &err);
    lua_pushboolean(L, was);
    return 1;
}

// ---- counter, stack, queue ----

static int counter_add(lua_State *L)
{
    ft_counter *counter = check_handle(L, FT_VALUE_COUNTER);

    ft_counter_add(counter, luaL_optinteger(L, 2, 1));
    return 0;
}

static int counter_get(lua_State *L)
{
    lua_pushinteger(L, ft_counter_sum(check_handle(L, FT_VALUE_COUNTER)));
    return 1;
}

static int stack_push(lua_State *L)
{
    ft_stack *stack = check_handle(L, FT_VALUE_STACK);
    ft_error err = FT_ERROR_INIT;

    luaL_checkany(L, 2);
    bool ok = ft_stack_push(stack, take_value(L, 2), &err);
    drop_pending(L);
    return ok ? 0 : raise(L, &err);
}

static int stack_pop(lua_State *L)
{
    ft_stack *stack = check_handle(L, FT_VALUE_STACK);

    if (!ft_stack_pop(stack, &ft_lua_of(L)->pending)) {
        lua_pushnil(L);
        return 1;
    }
    return push_pending(L);
}

static int queue_push(lua_State *L)
{
    ft_queue *queue = check_handle(L, FT_VALUE_QUEUE);
    ft_error err = FT_ERROR_INIT;
    bool done;

    luaL_checkany(L, 2);
    bool ok = ft_queue_push(queue, take_value(L, 2), &done, &err);
    drop_pending(L);
    if (!ok)
        return raise(L, &err);
    lua_pushboolean(L, done);
    return 1;
}

static int queue_pop(lua_State *L)
{
    ft_queue *queue = check_handle(L, FT_VALUE_QUEUE);

    if (!ft_queue_pop(queue, &ft_lua_of(L)->pending)) {
        lua_pushnil(L);
        return 1;
    }
    return push_pending(L);
}

// ---- all of them ----

static int shared_len(lua_State *L)
{
    const handle *h = test_handle(L, 1);
    int64_t count = 0;

    luaL_argexpected(L, h, 1, "shared collection");
    void *object = h->object;
    if (h->kind == FT_VALUE_DICT)
        count = ft_dict_count(object);
    else if (h->kind == FT_VALUE_LIST)
        count = ft_list_count(object);
    else if (h->kind == FT_VALUE_SET)
        count = ft_set_count(object);
    else if (h->kind == FT_VALUE_STACK)
        count = ft_stack_count(object);
    else if (h->kind == FT_VALUE_QUEUE)
        count = ft_queue_count(object);
    else
        return luaL_error(L, "a counter has no length: use get()");
    lua_pushinteger(L, count);
    return 1;
}

static int shared_pairs(lua_State *L)
{
    const handle *h = test_handle(L, 1);

    luaL_argexpected(L, h, 1, "shared collection");
    drop_pending(L);
    return ft_lua_shared_pairs(L, &(ft_value){h->kind, {.object = h->object}});
}

static int shared_gc(lua_State *L)
{
    handle *h = lua_touserdata(L, 1);

    if (h->object)
        ft_object_unref(h->object);
    h->object = NULL;
    return 0;
}

static int shared_eq(lua_State *L)
{
    const handle *a = test_handle(L, 1), *b = test_handle(L, 2);

    lua_pushboolean(L, a && b && a->object == b->object);
    return 1;
}

static const luaL_Reg dict_methods[] = {{"get", dict_get},       {"set", dict_set},
                                        {"delete", dict_delete}, {"add", dict_add},
                                        {"incr", dict_add},      {"cas", dict_cas},
                                        {"update", dict_update}, {"get_or_set", dict_get_or_set},
                                        {"len", shared_len},     {NULL, NULL}};
static const luaL_Reg list_methods[] = {
    {"append", list_append}, {"add", list_append}, {"get", list_get}, {"set", list_set},
    {"pop", list_pop},       {"len", shared_len},  {NULL, NULL}};
static const luaL_Reg set_methods[] = {
    {"add", set_add}, {"has", set_has}, {"delete", set_delete}, {"len", shared_len}, {NULL, NULL}};
static const luaL_Reg counter_methods[] = {
    {"add", counter_add}, {"incr", counter_add}, {"get", counter_get}, {NULL, NULL}};
static const luaL_Reg stack_methods[] = {
    {"push", stack_push}, {"pop", stack_pop}, {"len", shared_len}, {NULL, NULL}};
static const luaL_Reg queue_methods[] = {
    {"push", queue_push}, {"pop", queue_pop}, {"len", shared_len}, {NULL, NULL}};

static const struct {
    ft_value_kind kind;
    const luaL_Reg *methods;
} kinds[] = {
    {FT_VALUE_STRING, NULL},  // Holds what cas compares with; no script sees it.
    {FT_VALUE_DICT, dict_methods},   {FT_VALUE_LIST, list_methods},
    {FT_VALUE_SET, set_methods},     {FT_VALUE_COUNTER, counter_methods},
    {FT_VALUE_STACK, stack_methods}, {FT_VALUE_QUEUE, queue_methods},
};

void ft_lua_open_shared(lua_State *L)
{
    static const luaL_Reg metamethods[] = {
        {"__gc", shared_gc}, {"__len", shared_len}, {"__eq", shared_eq}, {NULL, NULL}};

    lua_newtable(L);  // [kind] = metatable.
    for (size_t i = 0; i < FT_COUNT_OF(kinds); i++) {
        luaL_newlib(L, metamethods);
        lua_pushstring(L, ft_value_kind_name(kinds[i].kind));
        lua_setfield(L, -2, "__name");
        lua_pushboolean(L, false);
        lua_setfield(L, -2, "__metatable");
        if (kinds[i].methods) {
            lua_newtable(L);
            luaL_setfuncs(L, kinds[i].methods, 0);
            if (kinds[i].kind == FT_VALUE_LIST)
                lua_pushcclosure(L, list_index, 1);
            lua_setfield(L, -2, "__index");
        }
        if (kinds[i].kind == FT_VALUE_DICT || kinds[i].kind == FT_VALUE_LIST ||
            kinds[i].kind == FT_VALUE_SET) {
            lua_pushcfunction(L, shared_pairs);
            lua_setfield(L, -2, "__pairs");
        }
        ft_lua_of(L)->shared_types[kinds[i].kind] = lua_topointer(L, -1);
        lua_rawseti(L, -2, kinds[i].kind);
    }
    lua_rawseti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_SHARED);
}

// ---- ctx.shared ----

static ft_object *create_counter(ft_account *account, ft_error *err)
{
    if (!ft_shared_reserve(account, sizeof(ft_counter), err))
        return NULL;
    ft_counter *counter = ft_counter_create(account, err);
    if (counter)
        return ft_counter_object(counter);
    ft_account_release(account, (int64_t)sizeof(ft_counter));
    return NULL;
}

static ft_object *create(ft_value_kind kind, int64_t cap, ft_account *account, ft_error *err)
{
    ft_dict *dict;
    ft_list *list;
    ft_set *set;
    ft_stack *stack;
    ft_queue *queue;

    switch (kind) {
    case FT_VALUE_DICT:
        dict = ft_dict_create(cap, account, err);
        return dict ? ft_dict_object(dict) : NULL;
    case FT_VALUE_LIST:
        list = ft_list_create(cap, account, err);
        return list ? ft_list_object(list) : NULL;
    case FT_VALUE_SET:
        set = ft_set_create(cap, account, err);
        return set ? ft_set_object(set) : NULL;
    case FT_VALUE_STACK:
        stack = ft_stack_create(cap, account, err);
        return stack ? ft_stack_object(stack) : NULL;
    case FT_VALUE_QUEUE:
        queue = ft_queue_create(cap, account, err);
        return queue ? ft_queue_object(queue) : NULL;
    case FT_VALUE_COUNTER:
        return create_counter(account, err);
    case FT_VALUE_NIL:
    case FT_VALUE_BOOL:
    case FT_VALUE_INT:
    case FT_VALUE_FLOAT:
    case FT_VALUE_STRING:
    case FT_VALUE_TENSOR:
        break;
    }
    FT_ASSERT(!"not a collection");
    return NULL;
}

// A new one, as `pending`.
static void make(lua_State *L, ft_value_kind kind, int64_t cap)
{
    ft_error err = FT_ERROR_INIT;
    ft_object *object = create(kind, cap, ft_lua_of(L)->account, &err);

    if (!object && err.code == FT_ERROR_LIMIT) {
        // Handles that the script has forgotten keep collections alive.
        lua_gc(L, LUA_GCCOLLECT);
        err = (ft_error)FT_ERROR_INIT;
        object = create(kind, cap, ft_lua_of(L)->account, &err);
    }
    if (!object)
        raise(L, &err);
    ft_lua_owe(L, object->type->size_bytes ? object->type->size_bytes(object) + SMALL_BYTES
                                           : SMALL_BYTES);
    ft_lua_of(L)->pending = (ft_value){kind, {.object = object}};
}

// dict(name, cap): the one of that name, made when it is first asked for; without a name a new one,
// to be put into another.
static int shared_make(lua_State *L)
{
    ft_value_kind kind = (ft_value_kind)lua_tointeger(L, lua_upvalueindex(1));
    ft_lua *lua = ft_lua_of(L);
    ft_error err = FT_ERROR_INIT;
    ft_value got;

    if (lua_istable(L, 1))
        lua_remove(L, 1);  // ctx.shared:dict(...) does as well.
    drop_pending(L);
    if (!lua->shared)
        return luaL_error(L, "ctx.shared is there only in a run");
    int64_t cap = luaL_optinteger(L, 2, kind == FT_VALUE_QUEUE ? QUEUE_CAP_DEFAULT : CAP_DEFAULT);
    luaL_argcheck(L, cap > 0 && cap <= INT64_C(1) << 32, 2, "a cap is 1 to 4294967296");
    if (lua_isnoneornil(L, 1)) {
        make(L, kind, cap);
        return push_pending(L);
    }
    ft_key name = {.text.data = luaL_checklstring(L, 1, &name.text.size)};
    if (!ft_dict_get(lua->shared->names, &name, &lua->pending)) {
        make(L, kind, cap);
        bool ok = ft_dict_get_or_set(lua->shared->names, &name, &lua->pending, &got, &err);
        drop_pending(L);
        if (!ok)
            return raise(L, &err);
        lua->pending = got;
    }
    if (lua->pending.kind != kind)
        return luaL_error(L, "ctx.shared has a %s named `%s` already, not a %s",
                          ft_value_kind_name(lua->pending.kind), lua_tostring(L, 1),
                          ft_value_kind_name(kind));
    return push_pending(L);
}

void ft_lua_push_shared(lua_State *L)
{
    lua_createtable(L, 0, (int)FT_COUNT_OF(kinds));
    for (size_t i = 0; i < FT_COUNT_OF(kinds); i++) {
        if (!kinds[i].methods)
            continue;
        lua_pushinteger(L, kinds[i].kind);
        if (ft_lua_of(L)->shared) {
            lua_pushcclosure(L, shared_make, 1);
        } else {  // In a process that has some of the instances only.
            lua_pop(L, 1);
            lua_pushliteral(L, "ctx.shared is shared within one process, and this script runs in "
                               "one of its own (`isolate`, `on_runaway: process`, `--processes`)");
            lua_pushcclosure(L, ft_lua_refuse, 1);
        }
        lua_setfield(L, -2, ft_value_kind_name(kinds[i].kind));
    }
}
