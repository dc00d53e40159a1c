// `require` for modules in Lua: the script's folder first, then `lua/` beside the pipeline. Names
// are words joined by dots ("text.clean" is text/clean.lua), so nothing outside of the two folders
// can be named. A module is loaded once a state; one that requires itself, directly or not, fails.
#include <string.h>

#include "runtime/system/file.h"
#include "stages/lua/lua_sandbox.h"
#include "stages/lua/lua_state.h"

enum { MODULE_NAME_BYTES = 100, MODULE_FILE_BYTES = 4 << 20 };

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

// "a.b" -> "a/b.lua"; false when it is not such a name.
static bool print_path(const char *name, size_t size, char *out)
{
    bool after_word = false;

    if (size >= MODULE_NAME_BYTES)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (name[i] == '.' && !after_word)
            return false;
        if (name[i] != '.' && !is_word(name[i]))
            return false;
        after_word = name[i] != '.';
        out[i] = after_word ? name[i] : '/';
    }
    memcpy(out + size, ".lua", 5);
    return after_word;
}

// The path of the module's file in the arena, or NULL.
static const char *find_file(ft_lua *lua, const char *relative)
{
    const char *folders[2] = {lua->place.script_folder, lua->place.pipeline_folder};

    for (size_t i = 0; i < FT_COUNT_OF(folders); i++) {
        if (!folders[i])
            continue;
        const char *folder = i == 0 ? folders[i] : ft_path_join(lua->arena, folders[i], "lua");
        const char *path = folder ? ft_path_join(lua->arena, folder, relative) : NULL;
        if (path && ft_file_find(path) == FT_FILE_REGULAR)
            return path;
    }
    return NULL;
}

static void load_module(lua_State *L, const char *name, size_t size)
{
    ft_lua *lua = ft_lua_of(L);
    char relative[MODULE_NAME_BYTES + 8];
    ft_error err = FT_ERROR_INIT;
    ft_slice text;

    if (!print_path(name, size, relative))
        luaL_error(L, "`%s` is not the name of a module: words joined by dots", name);
    const char *path = find_file(lua, relative);
    if (!path)
        luaL_error(L,
                   "no module `%s`: there is no `%s` beside the script, nor in `lua/` beside "
                   "the pipeline",
                   name, relative);
    if (!ft_file_read(path, lua->arena, MODULE_FILE_BYTES, &text, &err))
        ft_lua_raise(L, &err);
    lua_pushfstring(L, "@%s", relative);
    if (ft_lua_load_text(L, text.data, text.size, lua_tostring(L, -1)) != LUA_OK)
        lua_error(L);
    lua_remove(L, -2);
}

static int require_module(lua_State *L)
{
    size_t size;
    const char *name = luaL_checklstring(L, 1, &size);

    lua_settop(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_MODULES);
    lua_pushvalue(L, 1);
    if (lua_rawget(L, 2) != LUA_TNIL) {
        if (lua_islightuserdata(L, -1))
            return luaL_error(L, "module `%s` requires itself", name);
        return 1;
    }
    lua_pop(L, 1);
    load_module(L, name, size);
    lua_pushvalue(L, 1);
    lua_pushlightuserdata(L, NULL);
    lua_rawset(L, 2);
    lua_pushvalue(L, 1);
    // In protected mode, so that a module that fails can be required again.
    if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
        lua_pushvalue(L, 1);
        lua_pushnil(L);
        lua_rawset(L, 2);
        return lua_error(L);
    }
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushboolean(L, true);
    }
    lua_pushvalue(L, 1);
    lua_pushvalue(L, -2);
    lua_rawset(L, 2);
    return 1;
}

static void add_module(lua_State *L, const char *name)
{
    lua_getglobal(L, name);
    lua_setfield(L, -2, name);
}

void ft_lua_open_require(lua_State *L)
{
    static const char *const built_in[] = {"string", "table", "math", "utf8", "coroutine", "os"};

    lua_rawgeti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_MODULES);
    for (size_t i = 0; i < FT_COUNT_OF(built_in); i++)
        add_module(L, built_in[i]);
    lua_rawgeti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_FT);
    lua_pushvalue(L, -1);
    lua_setglobal(L, "ft");
    lua_setfield(L, -2, "ftpipe");
    lua_pop(L, 1);
    lua_pushcfunction(L, require_module);
    lua_setglobal(L, "require");
}
