// A Lua state that cannot get out of hand: every byte is counted against a limit, every call has a
// deadline in CPU time that no script can catch, and nothing raised in it leaves `ft_lua_call`.
//
// One state belongs to one stage instance and one thread at a time. What C code keeps for a script
// hangs in `ft_lua` or in userdata, never on the C stack alone, because a Lua error is a longjmp.
#pragma once

#include <lauxlib.h>
#include <lua.h>

#include "runtime/concurrent/shared_value.h"
#include "runtime/random.h"
#include "runtime/slice.h"
#include "runtime/stage.h"

typedef struct ft_lua_work ft_lua_work;

typedef struct ft_lua_limits {
    int64_t memory_bytes;
    int64_t time_ms;  // CPU time of one call.
} ft_lua_limits;

// Where a script comes from and what it may look at.
typedef struct ft_lua_place {
    const char *stage_name;
    const char *script_folder;    // First place for `require`; NULL for inline scripts.
    const char *pipeline_folder;  // Then its folder `lua`. "" for the working directory.
} ft_lua_place;

typedef struct ft_lua {
    lua_State *L;
    lua_State *running;  // The coroutine that runs now; `L` or one of its descendants.
    ft_lua_limits limits;
    ft_lua_place place;
    // Memory.
    ft_account *account;    // NULL: not charged.
    size_t used_bytes;      // By Lua's own objects.
    size_t external_bytes;  // Tensors that userdata hold.
    size_t external_debt;   // Of those, what the collector has not been told of.
    size_t charged_bytes;   // To the account, in whole steps.
    size_t largest_text;    // The longest string there ever was.
    bool limit_refused;     // The last allocation that failed failed at the limit,
    bool account_refused;   // at `run.memory` (why: `refusal`),
    bool system_refused;    // or in the system.
    ft_error refusal;
    // Time.
    bool armed;      // The two below are set for the call that runs.
    bool expired;    // The deadline has passed, or the run stops: every further instruction raises.
    bool cancelled;  // The run stops.
    const ft_stage *stage;  // Asked whether it does; NULL: nobody is.
    int64_t cpu_start_ns;
    int64_t wall_check_ns;  // Before this moment the CPU time cannot have been used up.
    int64_t limit_ns;
    uint32_t steps;  // Work of C functions since the last look at the clock.
    int interval;    // Instructions between two looks at the clock.
    // What runs.
    ft_lua_work *work;  // The batch at hand; NULL outside of `process`.
    uint64_t seed;
    uint64_t item_seed;  // Of `ctx.rng`, for the item at hand.
    bool random_is_ready;
    ft_random random;
    ft_text scratch;               // For C functions that build text; kept between calls.
    ft_arena *arena;               // For names of modules being read; emptied with the state.
    struct ft_lua_shared *shared;  // Of the run; NULL: there is none.
    const void *shared_types[FT_VALUE_QUEUE + 1];  // Addresses of their metatables, by kind.
    ft_value pending;  // What a method of a shared collection holds for a moment.
} ft_lua;

// Keys of the registry, each with what stands there.
enum {
    FT_LUA_KEY_FT = 100,  // The table `ft`.
    FT_LUA_KEY_MODULES,   // Loaded modules by name.
    FT_LUA_KEY_TENSOR,    // Metatables.
    FT_LUA_KEY_LIST,
    FT_LUA_KEY_ITEM,
    FT_LUA_KEY_MAKE,    // The function that makes an item of a plain table.
    FT_LUA_KEY_OBJECT,  // Marks an empty table that was a JSON object.
    FT_LUA_KEY_WRITES,  // [field] -> table [slot] -> value.
    FT_LUA_KEY_CONTEXT,
    FT_LUA_KEY_PROCESS,
    FT_LUA_KEY_FINISH,
    FT_LUA_KEY_STATE,
    FT_LUA_KEY_SHARED,  // Metatables of shared collections, by kind.
};

// `account` may be NULL. The state has the libraries of the sandbox and nothing else.
ft_lua *ft_lua_create(const ft_lua_limits *limits, const ft_lua_place *place, ft_account *account,
                      uint64_t seed, ft_error *err) FT_MUST_CHECK;
void ft_lua_destroy(ft_lua *lua);  // NULL is fine.

// Runs `function(L)` with `host` as light userdata, under a new deadline; catches everything. On
// failure `err` says what and where: DATA for the script's errors and for its own limits, LIMIT
// when the run's memory is used up, NOMEM when the system has none, CANCELLED when the run is being
// stopped. The stack is as before.
bool ft_lua_call(ft_lua *lua, lua_CFunction function, void *host, ft_error *err) FT_MUST_CHECK;
// Inside `function`: a new deadline for the next call into the script.
void ft_lua_restart_clock(ft_lua *lua);

static inline ft_lua *ft_lua_of(lua_State *L)
{
    return *(ft_lua **)lua_getextraspace(L);
}
// A call of `next` may go through a large table of removed entries: sixteen of them between two
// looks at the clock.
enum { FT_LUA_NEXT_STEPS = 4096 };
// Looks at the clock; raises when the deadline has passed.
void ft_lua_poll(lua_State *L);
// A C function has done `count` units of work of some nanoseconds each.
static inline void ft_lua_steps(lua_State *L, size_t count)
{
    ft_lua *lua = ft_lua_of(L);

    lua->steps += count < 65536 ? (uint32_t)count : 65536;
    if (FT_UNLIKELY(lua->steps >= 65536)) {
        lua->steps = 0;
        ft_lua_poll(L);
    }
}
// A coroutine is about to run, or the one that resumed it goes on.
void ft_lua_switch(ft_lua *lua, lua_State *to);
// The coroutine was ended by the deadline: its pending variables must not be closed.
bool ft_lua_was_stopped(lua_State *L);
// Userdata takes or gives back memory outside of Lua. Raises at the limit, before anything is
// taken.
void ft_lua_reserve(lua_State *L, size_t size_bytes);
void ft_lua_release(ft_lua *lua, size_t size_bytes);
// A userdata keeps so much alive that is not the script's own: Lua's collector does a share of work
// for it.
void ft_lua_owe(lua_State *L, size_t size_bytes);
// Raises `err` as a Lua error; failures for lack of memory keep their kind.
int ft_lua_raise(lua_State *L, const ft_error *err);
