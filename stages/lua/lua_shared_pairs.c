// Copies are made key by key, each in a read section of its own. They are bounded by what the
// collection held at the beginning and a few more, and by the state's memory and time.
#include "stages/lua/lua_shared_pairs.h"

#include <lauxlib.h>
#include <string.h>

#include "runtime/concurrent/set.h"
#include "stages/lua/lua_sandbox.h"
#include "stages/lua/lua_shared.h"
#include "stages/lua/lua_state.h"

enum { SHORT_BYTES = 256 };

typedef struct {
    size_t shard, at;
} cursor;

static bool next_key(const ft_value *collection, cursor *at, ft_key *key)
{
    ft_value value;

    if (collection->kind == FT_VALUE_SET)
        return ft_set_next((const ft_set *)(const void *)collection->object, &at->shard, &at->at,
                           key);
    return ft_dict_next((const ft_dict *)(const void *)collection->object, &at->at, key, &value);
}

// Pushes the next key, and fills `*out` with it; its text is Lua's then. The section is left before
// Lua allocates, since an error must not leave it open: a text that is longer than the room for it
// is looked for again, at the same place, with more.
static bool push_next_key(lua_State *L, const ft_value *collection, cursor *at, ft_key *out)
{
    char short_text[SHORT_BYTES], *text = short_text;
    size_t room = sizeof(short_text);

    lua_pushnil(L);  // Keeps a long text.
    for (;;) {
        cursor from = *at;
        ft_read_begin();
        bool more = next_key(collection, at, out);
        size_t size = more && !out->is_int ? out->text.size : 0;
        if (size > 0 && size <= room)
            memcpy(text, out->text.data, size);
        ft_read_end();
        if (!more)
            return false;
        if (out->is_int) {
            lua_pushinteger(L, out->integer);
            break;
        }
        if (size <= room) {
            out->text.data = lua_pushlstring(L, text, size);
            break;
        }
        *at = from;
        text = lua_newuserdatauv(L, size, 0);
        room = size;
        lua_replace(L, -2);
    }
    lua_remove(L, -2);
    return true;
}

static int copied_pairs(lua_State *L, const ft_value *collection)
{
    ft_value *pending = &ft_lua_of(L)->pending;
    ft_dict *dict = (ft_dict *)(void *)collection->object;
    bool is_set = collection->kind == FT_VALUE_SET;
    size_t count = (size_t)(is_set ? ft_set_count((ft_set *)(void *)dict) : ft_dict_count(dict));
    cursor at = {0};
    ft_key key;

    lua_getglobal(L, "next");
    lua_newtable(L);
    int table = lua_gettop(L);
    for (size_t left = count + 16; left > 0 && push_next_key(L, collection, &at, &key); left--) {
        if (is_set) {
            lua_pushboolean(L, true);
        } else if (ft_dict_get(dict, &key, pending)) {
            ft_lua_push_value(L, pending);
            ft_value_drop(pending);
        } else {
            lua_pushnil(L);  // Deleted meanwhile.
        }
        lua_rawset(L, table);
        ft_lua_steps(L, 16);
    }
    lua_settop(L, table);
    lua_pushnil(L);
    return 3;
}

static int list_next(lua_State *L)
{
    lua_Integer index = luaL_checkinteger(L, 2);

    luaL_argcheck(L, index >= 0 && index < LUA_MAXINTEGER, 2, "no item with this index");
    lua_pushinteger(L, index + 1);
    return lua_geti(L, 1, index + 1) == LUA_TNIL ? 1 : 2;
}

int ft_lua_shared_pairs(lua_State *L, const ft_value *collection)
{
    if (collection->kind != FT_VALUE_LIST)
        return copied_pairs(L, collection);
    lua_pushcfunction(L, list_next);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, 0);
    return 3;
}
