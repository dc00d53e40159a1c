// What a script may call. Kept: assert error getmetatable ipairs pcall rawequal rawget rawlen
// rawset select tonumber tostring type, math, table, string, utf8, coroutine, os.time/clock/date/
// difftime. Replaced here or beside: load (text only), next and pairs (a table of removed entries
// is scanned without an instruction), print (to the log), setmetatable (no __gc: finalizers run
// with hooks off), xpcall (the same of message handlers), collectgarbage, math.random (seeded by
// item). Gone: io, debug, package, dofile, loadfile.
#include "stages/lua/lua_sandbox.h"

#include <lualib.h>
#include <string.h>

#include "runtime/log.h"
#include "stages/lua/lua_random.h"
#include "stages/lua/lua_state.h"

enum {
    LOAD_PIECE_BYTES = 16 * 1024,
    LOG_LINE_BYTES = 4000,
};

int ft_lua_refuse(lua_State *L)
{
    return luaL_error(L, "%s", lua_tostring(L, lua_upvalueindex(1)));
}

// ---- load ----

typedef struct text_reader {
    const char *text;
    size_t left;
} text_reader;

static const char *read_text(lua_State *L, void *host, size_t *out_size)
{
    text_reader *reader = host;
    const char *piece = reader->text;

    ft_lua_poll(L);
    *out_size = reader->left < LOAD_PIECE_BYTES ? reader->left : LOAD_PIECE_BYTES;
    reader->text += *out_size;
    reader->left -= *out_size;
    return *out_size ? piece : NULL;
}

int ft_lua_load_text(lua_State *L, const char *text, size_t size, const char *chunk_name)
{
    text_reader reader = {text, size};

    return lua_load(L, read_text, &reader, chunk_name, "t");
}

// Calls the script's reader function; its last piece is kept at `RESERVED_SLOT` so that it lives.
enum { RESERVED_SLOT = 5 };

static const char *read_pieces(lua_State *L, void *host, size_t *out_size)
{
    (void)host;
    luaL_checkstack(L, 2, "too many nested functions");
    lua_pushvalue(L, 1);
    lua_call(L, 0, 1);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        *out_size = 0;
        return NULL;
    }
    if (!lua_isstring(L, -1))
        luaL_error(L, "reader function must return a string");
    lua_replace(L, RESERVED_SLOT);
    return lua_tolstring(L, RESERVED_SLOT, out_size);
}

static int base_load(lua_State *L)
{
    size_t size;
    int status;
    const char *mode = luaL_optstring(L, 3, "bt");
    bool has_environment = !lua_isnone(L, 4);

    if (!strchr(mode, 't'))
        return luaL_error(L, "only text can be loaded (bytecode is refused)");
    if (lua_isstring(L, 1)) {
        const char *text = lua_tolstring(L, 1, &size);
        status = ft_lua_load_text(L, text, size, luaL_optstring(L, 2, text));
    } else {
        const char *name = luaL_optstring(L, 2, "=(load)");
        luaL_checktype(L, 1, LUA_TFUNCTION);
        lua_settop(L, RESERVED_SLOT);
        status = lua_load(L, read_pieces, NULL, name, "t");
    }
    if (status != LUA_OK) {
        luaL_pushfail(L);
        lua_insert(L, -2);
        return 2;
    }
    if (has_environment) {
        lua_pushvalue(L, 4);
        if (!lua_setupvalue(L, -2, 1))
            lua_pop(L, 1);
    }
    return 1;
}

// ---- base ----

static int base_next(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    ft_lua_steps(L, FT_LUA_NEXT_STEPS);
    if (lua_next(L, 1))
        return 2;
    lua_pushnil(L);
    return 1;
}

static int base_pairs(lua_State *L)
{
    luaL_checkany(L, 1);
    if (luaL_getmetafield(L, 1, "__pairs") == LUA_TNIL) {
        lua_pushcfunction(L, base_next);
        lua_pushvalue(L, 1);
        lua_pushnil(L);
    } else {
        lua_pushvalue(L, 1);
        lua_call(L, 1, 3);
    }
    return 3;
}

static int base_setmetatable(lua_State *L)
{
    int type = lua_type(L, 2);

    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return luaL_error(L, "cannot change a protected metatable");
    if (type == LUA_TTABLE) {
        lua_pushliteral(L, "__gc");
        if (lua_rawget(L, 2) != LUA_TNIL)
            return luaL_error(L, "`__gc` is not allowed in a metatable: use `<close>` or `finish`");
        lua_pop(L, 1);
    }
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

// The deadline raises from within a hook, and a message handler runs before anything is unwound:
// with hooks off, so that nothing could stop it. It is left out then.
static int call_handler(lua_State *L)
{
    if (ft_lua_of(L)->expired)
        return 1;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

static int end_xpcall(lua_State *L, int status, lua_KContext extra)
{
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_pushboolean(L, false);
        lua_pushvalue(L, -2);
        return 2;
    }
    return lua_gettop(L) - (int)extra;
}

static int base_xpcall(lua_State *L)
{
    int count = lua_gettop(L);

    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, call_handler, 1);
    lua_replace(L, 2);
    lua_pushboolean(L, true);
    lua_pushvalue(L, 1);
    lua_rotate(L, 3, 2);
    int status = lua_pcallk(L, count - 2, LUA_MULTRET, 2, 2, end_xpcall);
    return end_xpcall(L, status, 2);
}

static int base_print(lua_State *L)
{
    ft_lua *lua = ft_lua_of(L);
    int count = lua_gettop(L);

    ft_text_clear(&lua->scratch);
    for (int i = 1; i <= count; i++) {
        size_t size;
        const char *text = luaL_tolstring(L, i, &size);
        size_t room = LOG_LINE_BYTES - lua->scratch.size;
        if (i > 1)
            ft_text_append_char(&lua->scratch, ' ');
        ft_text_append(&lua->scratch, (ft_slice){text, size < room ? size : room});
        lua_pop(L, 1);
        if (lua->scratch.size >= LOG_LINE_BYTES)
            break;
    }
    ft_slice line = ft_text_get(&lua->scratch);
    ft_log(FT_LOG_INFO, lua->place.stage_name, "%.*s", (int)line.size, line.size ? line.data : "");
    return 0;
}

static int base_collectgarbage(lua_State *L)
{
    const char *what = luaL_optstring(L, 1, "collect");

    if (!strcmp(what, "count")) {
        ft_lua *lua = ft_lua_of(L);
        lua_pushnumber(L, (lua_Number)(lua->used_bytes + lua->external_bytes) / 1024);
        return 1;
    }
    if (!strcmp(what, "step"))
        lua_pushboolean(L, lua_gc(L, LUA_GCSTEP, 0));
    else if (!strcmp(what, "collect"))
        lua_pushinteger(L, lua_gc(L, LUA_GCCOLLECT));
    else
        return luaL_error(L, "collectgarbage: only `count`, `step` and `collect` are allowed");
    ft_lua_poll(L);
    return 1;
}

void ft_lua_open_base(lua_State *L)
{
    static const luaL_Reg replaced[] = {
        {"collectgarbage", base_collectgarbage},
        {"load", base_load},
        {"next", base_next},
        {"pairs", base_pairs},
        {"print", base_print},
        {"setmetatable", base_setmetatable},
        {"xpcall", base_xpcall},
        {NULL, NULL},
    };
    static const char *const gone[] = {"dofile", "loadfile", "io", "debug"};

    lua_pushglobaltable(L);
    luaL_setfuncs(L, replaced, 0);
    for (size_t i = 0; i < FT_COUNT_OF(gone); i++) {
        lua_pushnil(L);
        lua_setfield(L, -2, gone[i]);
    }
    lua_pushnil(L);
    lua_setfield(L, -2, "warn");
    lua_pop(L, 1);
}

// Leaves of a library's table only what `kept` names.
static void keep_only(lua_State *L, const char *library, const char *const *kept)
{
    lua_newtable(L);
    lua_getglobal(L, library);
    for (; *kept; kept++) {
        lua_getfield(L, -1, *kept);
        lua_setfield(L, -3, *kept);
    }
    lua_pop(L, 1);
    lua_setglobal(L, library);
}

int ft_lua_open_sandbox(lua_State *L)
{
    static const luaL_Reg libraries[] = {
        {LUA_GNAME, luaopen_base},
        {LUA_TABLIBNAME, luaopen_table},
        {LUA_STRLIBNAME, luaopen_string},
        {LUA_MATHLIBNAME, luaopen_math},
        {LUA_UTF8LIBNAME, luaopen_utf8},
        {LUA_OSLIBNAME, luaopen_os},
        {NULL, NULL},
    };
    static const char *const os_kept[] = {"time", "clock", "date", "difftime", NULL};

    for (const luaL_Reg *library = libraries; library->func; library++) {
        luaL_requiref(L, library->name, library->func, 1);
        lua_pop(L, 1);
    }
    keep_only(L, LUA_OSLIBNAME, os_kept);
    lua_newtable(L);
    lua_rawseti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_MODULES);
    lua_newtable(L);
    lua_rawseti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_FT);
    lua_newtable(L);
    lua_rawseti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_OBJECT);
    ft_lua_open_base(L);
    ft_lua_open_coroutine(L);
    ft_lua_open_table(L);
    ft_lua_open_string(L);
    ft_lua_open_random(L);
    ft_lua_open_tensor(L);
    ft_lua_open_list(L);
    ft_lua_open_item(L);
    ft_lua_open_shared(L);
    ft_lua_open_require(L);
    // The registry's table of loaded libraries would give back what was taken out.
    lua_pushnil(L);
    lua_setfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    return 0;
}
