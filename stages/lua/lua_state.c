// The guarded state: allocator, clock, protected call, and errors made readable.
//
// Time. A count hook looks at the clock each `interval` instructions; C functions that may run long
// report their work by ft_lua_steps. Reading CPU time is a system call, so the cheap monotonic
// clock is asked first: CPU time cannot run ahead of it. Once the deadline has passed, the hook of
// whatever runs is set to fire at every instruction, so a script that catches the error gets the
// next one at once, and so on up to ft_lua_call. An instruction may take as long as the longest
// string is (a comparison), so `interval` shrinks as strings grow. Whether the run is being stopped
// is asked with each look, and then everything is as if the deadline had passed.
//
// Memory. The allocator refuses what passes the limit; Lua then collects everything, tries once
// more and raises. A refusal looks at the clock too: collecting a full heap again and again takes
// long.
#include "stages/lua/lua_state.h"

#include <lualib.h>
#include <stdio.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "runtime/system/clock.h"
#include "stages/lua/lua_sandbox.h"

enum {
    INTERVAL_MAX = 1000,
    CHARGE_STEP_BYTES = 256 * 1024,
    LARGE_BLOCK_BYTES = 64 * 1024,
    TRACE_LEVELS = 5,
};
// Bytes of text that the slowest instruction (a text read as a number) goes through in some 0.03 s.
#define TEXT_BYTES_PER_INTERVAL 30000000u

static void stop_hook(lua_State *L, lua_Debug *debug);

static int raise_expired(lua_State *L)
{
    if (ft_lua_of(L)->cancelled)
        return luaL_error(L, "the run is being stopped");
    return luaL_error(L, "the call took more than %d ms of CPU time (limits.time)",
                      (int)ft_lua_of(L)->limits.time_ms);
}

// True when the deadline of the call has passed, or the run is being stopped.
static bool look_at_clock(ft_lua *lua)
{
    if (lua->expired)
        return true;
    if (lua->stage && ft_is_cancelled(lua->stage)) {
        lua->cancelled = lua->expired = true;
        return true;
    }
    int64_t wall_ns = ft_clock_ns();
    if (lua->armed && wall_ns < lua->wall_check_ns)
        return false;

    int64_t cpu_ns = ft_clock_thread_cpu_ns();
    if (!lua->armed) {
        lua->armed = true;
        lua->cpu_start_ns = cpu_ns;
    }
    int64_t left_ns = lua->limit_ns - (cpu_ns - lua->cpu_start_ns);
    lua->expired = left_ns <= 0;
    // At most one system call in 50 us.
    lua->wall_check_ns = wall_ns + (left_ns > 50000 ? left_ns : 50000);
    return lua->expired;
}

static void count_hook(lua_State *L, lua_Debug *debug)
{
    ft_lua *lua = ft_lua_of(L);

    (void)debug;
    if (look_at_clock(lua)) {
        lua_sethook(L, stop_hook, LUA_MASKCOUNT, 1);
        raise_expired(L);
    }
    if (lua_gethookcount(L) != lua->interval)
        lua_sethook(L, count_hook, LUA_MASKCOUNT, lua->interval);
}

static void stop_hook(lua_State *L, lua_Debug *debug)
{
    ft_lua *lua = ft_lua_of(L);

    (void)debug;
    if (lua->expired)
        raise_expired(L);
    lua_sethook(L, count_hook, LUA_MASKCOUNT, lua->interval);  // A later call, with time left.
}

void ft_lua_poll(lua_State *L)
{
    if (look_at_clock(ft_lua_of(L))) {
        lua_sethook(L, stop_hook, LUA_MASKCOUNT, 1);
        raise_expired(L);
    }
}

// From within the allocator, where nothing may be raised: the next instruction does it.
static void poll_quietly(ft_lua *lua)
{
    if (lua->running && look_at_clock(lua))
        lua_sethook(lua->running, stop_hook, LUA_MASKCOUNT, 1);
}

void ft_lua_switch(ft_lua *lua, lua_State *to)
{
    lua->running = to;
    lua_sethook(to, lua->expired ? stop_hook : count_hook, LUA_MASKCOUNT,
                lua->expired ? 1 : lua->interval);
}

bool ft_lua_was_stopped(lua_State *L)
{
    return lua_gethook(L) == stop_hook;
}

void ft_lua_restart_clock(ft_lua *lua)
{
    lua->armed = false;
    lua->steps = 0;
    if (lua->expired) {
        lua->expired = lua->cancelled = false;
        ft_lua_switch(lua, lua->L);
    }
}

// ---- memory ----

static bool charge(ft_lua *lua, size_t wanted_bytes)
{
    if (!lua->account || wanted_bytes <= lua->charged_bytes)
        return true;
    size_t more = wanted_bytes - lua->charged_bytes;

    more = (more + CHARGE_STEP_BYTES - 1) / CHARGE_STEP_BYTES * CHARGE_STEP_BYTES;
    if (!ft_account_charge(lua->account, (int64_t)more, &lua->refusal)) {
        lua->account_refused = true;
        return false;
    }
    lua->charged_bytes += more;
    return true;
}

static void discharge(ft_lua *lua)
{
    if (!lua->account || lua->charged_bytes < lua->used_bytes + 4 * (size_t)CHARGE_STEP_BYTES)
        return;
    size_t keep = (lua->used_bytes / CHARGE_STEP_BYTES + 2) * CHARGE_STEP_BYTES;

    ft_account_release(lua->account, (int64_t)(lua->charged_bytes - keep));
    lua->charged_bytes = keep;
}

static void note_text(ft_lua *lua, size_t size_bytes)
{
    if (size_bytes <= lua->largest_text)
        return;
    lua->largest_text = size_bytes;
    size_t interval = TEXT_BYTES_PER_INTERVAL / size_bytes;
    int shorter = interval > INTERVAL_MAX ? INTERVAL_MAX : interval < 1 ? 1 : (int)interval;
    if (shorter == lua->interval)
        return;
    lua->interval = shorter;
    if (lua->running && !lua->expired)
        lua_sethook(lua->running, count_hook, LUA_MASKCOUNT, shorter);
}

static bool may_grow(ft_lua *lua, size_t more_bytes)
{
    size_t total = lua->used_bytes + lua->external_bytes;

    if (more_bytes > (size_t)lua->limits.memory_bytes ||
        total > (size_t)lua->limits.memory_bytes - more_bytes) {
        lua->limit_refused = true;
        return false;
    }
    return charge(lua, lua->used_bytes + more_bytes);
}

static void *allocate(void *host, void *block, size_t old_bytes, size_t new_bytes)
{
    ft_lua *lua = host;
    size_t had = block ? old_bytes : 0;

    if (new_bytes == 0) {
        ft_free(block);
        lua->used_bytes -= had;
        discharge(lua);
        return NULL;
    }
    if (new_bytes > had && !may_grow(lua, new_bytes - had)) {
        poll_quietly(lua);
        return NULL;
    }
    if (new_bytes >= LARGE_BLOCK_BYTES) {
        if (!block && old_bytes == LUA_TSTRING)
            note_text(lua, new_bytes);
        poll_quietly(lua);
    }
    void *moved = block ? ft_realloc(block, new_bytes) : ft_alloc(new_bytes);
    if (!moved && new_bytes <= had)
        moved = block;  // Lua relies on it that shrinking does not fail.
    if (!moved) {
        lua->system_refused = true;
        return NULL;
    }
    lua->used_bytes = lua->used_bytes - had + new_bytes;
    return moved;
}

void ft_lua_reserve(lua_State *L, size_t size_bytes)
{
    ft_lua *lua = ft_lua_of(L);

    for (int attempt = 0;; attempt++) {
        size_t total = lua->used_bytes + lua->external_bytes;
        size_t limit = (size_t)lua->limits.memory_bytes;

        if (size_bytes <= limit && total <= limit - size_bytes)
            break;
        if (attempt == 1) {
            lua->limit_refused = true;
            ft_lua_poll(L);
            luaL_error(L, "not enough memory");
        }
        lua_gc(L, LUA_GCCOLLECT);
    }
    lua->external_bytes += size_bytes;
    ft_lua_owe(L, size_bytes);
}

void ft_lua_owe(lua_State *L, size_t size_bytes)
{
    ft_lua *lua = ft_lua_of(L);

    lua->external_debt += size_bytes;
    if (lua->external_debt >= LARGE_BLOCK_BYTES) {
        lua_gc(L, LUA_GCSTEP, (int)(lua->external_debt >> 10 & 0xfffff));
        lua->external_debt = 0;
    }
}

void ft_lua_release(ft_lua *lua, size_t size_bytes)
{
    lua->external_bytes -= size_bytes;
}

// ---- errors ----

int ft_lua_raise(lua_State *L, const ft_error *err)
{
    if (err->code == FT_ERROR_NOMEM)
        ft_lua_of(L)->system_refused = true;
    if (err->code == FT_ERROR_LIMIT) {
        ft_lua_of(L)->account_refused = true;
        ft_lua_of(L)->refusal = *err;
    }
    if (err->code == FT_ERROR_NOMEM || err->code == FT_ERROR_LIMIT)
        return luaL_error(L, "not enough memory: %s", err->message);
    return luaL_error(L, "%s", err->message);
}

// Adds who called whom: " (in `f`, called from x.lua:12, x.lua:20)". The failing line stands in
// front.
static void add_trace(lua_State *L, luaL_Buffer *text)
{
    lua_Debug frame;
    int shown = 0;
    bool opened = false;

    for (int level = 1; shown < TRACE_LEVELS && lua_getstack(L, level, &frame); level++) {
        if (!lua_getinfo(L, "Sln", &frame) || frame.currentline < 0)
            continue;
        if (shown++ == 0) {
            if (frame.name && *frame.namewhat) {
                lua_pushfstring(L, " (in `%s`", frame.name);
                luaL_addvalue(text);
                opened = true;
            }
            continue;
        }
        lua_pushfstring(L, "%s %s:%d",
                        !opened      ? " (called from"
                        : shown == 2 ? ", called from"
                                     : ",",
                        frame.short_src, frame.currentline);
        luaL_addvalue(text);
        opened = true;
    }
    if (opened)
        luaL_addchar(text, ')');
}

static int handle_error(lua_State *L)
{
    luaL_Buffer text;
    size_t size;
    const char *message;

    if (lua_type(L, 1) == LUA_TSTRING)
        message = lua_tolstring(L, 1, &size);
    else if (ft_lua_of(L)->expired || lua_isnil(L, 1))
        message = lua_pushliteral(L, "error without a message"), size = strlen(message);
    else
        message = luaL_tolstring(L, 1, &size);  // May call the script's __tostring.
    luaL_buffinit(L, &text);
    luaL_addlstring(&text, message, size < FT_ERROR_MESSAGE_BYTES ? size : FT_ERROR_MESSAGE_BYTES);
    add_trace(L, &text);
    luaL_pushresult(&text);
    return 1;
}

// Messages are one line: control characters become spaces.
static void flatten(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 32 || *text == 127)
            *text = ' ';
}

static bool fail_for_memory(ft_lua *lua, ft_error *err)
{
    if (lua->system_refused)
        return ft_fail_nomem(err, 0);
    if (lua->account_refused) {
        *err = lua->refusal;
        ft_error_while(err, "the script's memory");
        return false;
    }
    ft_fail(err, FT_ERROR_DATA,
            "the script needs more than its %lld bytes of memory (limits.memory)",
            (long long)lua->limits.memory_bytes);
    ft_hint(err, "Keep less in the script, or raise `limits: {memory: ...}`.");
    return false;
}

static bool fail(ft_lua *lua, int status, ft_error *err)
{
    bool is_memory = status == LUA_ERRMEM;

    if (!lua->expired && (lua->system_refused || lua->limit_refused || lua->account_refused)) {
        const char *said = lua_type(lua->L, -1) == LUA_TSTRING ? lua_tostring(lua->L, -1) : "";
        is_memory = is_memory || strstr(said, "not enough memory");
    }
    if (lua->cancelled) {
        ft_fail(err, FT_ERROR_CANCELLED, "cancelled");
    } else if (lua->expired) {
        const char *text = lua_type(lua->L, -1) == LUA_TSTRING ? lua_tostring(lua->L, -1) : NULL;
        ft_fail(err, FT_ERROR_DATA, "%s",
                text && strstr(text, "CPU time") ? text : "the call took too much CPU time");
        ft_hint(err, "An endless loop? Else raise `limits: {time: ...}`.");
    } else if (is_memory) {
        fail_for_memory(lua, err);
    } else {
        const char *text = lua_type(lua->L, -1) == LUA_TSTRING ? lua_tostring(lua->L, -1)
                                                               : "an error in an error handler";
        ft_fail(err, FT_ERROR_DATA, "%s", text);
    }
    flatten(err->message);
    return false;
}

bool ft_lua_call(ft_lua *lua, lua_CFunction function, void *host, ft_error *err)
{
    lua_State *L = lua->L;
    int top = lua_gettop(L);

    lua->limit_refused = lua->account_refused = lua->system_refused = false;
    ft_lua_restart_clock(lua);
    ft_lua_switch(lua, L);
    // Light functions and userdata: none of these three allocates. FT_LUA_STACK slots are reserved.
    lua_pushcfunction(L, handle_error);
    lua_pushcfunction(L, function);
    lua_pushlightuserdata(L, host);
    int status = lua_pcall(L, 1, 0, top + 1);
    lua->running = L;
    // A script may have caught the deadline as its last act.
    bool ok = (status == LUA_OK && !lua->expired) || fail(lua, status, err);
    lua_settop(L, top);
    if (!ok) {
        // What the failed call left is garbage: the next one starts with room.
        ft_lua_restart_clock(lua);
        if (err->code != FT_ERROR_CANCELLED)
            lua_gc(L, LUA_GCCOLLECT);
    }
    return ok;
}

// ---- life ----

static int panic(lua_State *L)
{
    (void)L;
    FT_ASSERT(!"a Lua error outside of ft_lua_call");
    return 0;
}

ft_lua *ft_lua_create(const ft_lua_limits *limits, const ft_lua_place *place, ft_account *account,
                      uint64_t seed, ft_error *err)
{
    ft_lua *lua = ft_alloc_zero(1, sizeof(*lua));

    if (!lua) {
        ft_fail_nomem(err, sizeof(*lua));
        return NULL;
    }
    lua->limits = *limits;
    lua->limit_ns = limits->time_ms * 1000000;
    lua->place = *place;
    lua->account = account;
    lua->seed = seed;
    lua->interval = INTERVAL_MAX;
    ft_text_init(&lua->scratch, (size_t)limits->memory_bytes);
    lua->arena = ft_arena_create();
    lua->L = lua->arena ? lua_newstate(allocate, lua) : NULL;
    if (!lua->L) {
        bool refused = lua->limit_refused || lua->account_refused;
        if (refused)
            fail_for_memory(lua, err);
        else
            ft_fail_nomem(err, sizeof(*lua));
        ft_lua_destroy(lua);
        return NULL;
    }
    *(ft_lua **)lua_getextraspace(lua->L) = lua;
    lua_atpanic(lua->L, panic);
    if (!ft_lua_call(lua, ft_lua_open_sandbox, NULL, err)) {
        ft_error_while(err, "starting Lua");
        ft_lua_destroy(lua);
        return NULL;
    }
    return lua;
}

void ft_lua_destroy(ft_lua *lua)
{
    if (!lua)
        return;
    if (lua->L) {
        lua->running = NULL;
        lua_close(lua->L);
    }
    ft_value_drop(&lua->pending);
    if (lua->account && lua->charged_bytes)
        ft_account_release(lua->account, (int64_t)lua->charged_bytes);
    ft_text_finish(&lua->scratch);
    ft_arena_destroy(lua->arena);
    ft_free(lua);
}
