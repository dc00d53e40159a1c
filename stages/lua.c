// Runs a script for each item: inline text is the body of `function(item, ctx)`, a file gives a
// function or a table with `process` or `process_batch`, `init`, `finish` and what it declares.
//
// One Lua state per instance, so states share nothing but ctx.shared and need no locks. Every call
// has a deadline in CPU time and every state a memory limit; a script that breaks one fails the
// item, and the worker lives on. stages/lua/ holds the parts.
#include <lauxlib.h>

#include "runtime/memory/alloc.h"
#include "runtime/stage.h"
#include "stages/lua/lua_script.h"
#include "stages/lua/lua_shared.h"

enum { FLUSH_ITEMS = 16384 };

typedef struct lua_stage_state {
    ft_lua *lua;
    ft_lua_work work;
    bool takes_batches;  // process_batch
    bool has_finish;
    // Of the batch at hand:
    size_t next;  // Row of the next item.
    bool broken;  // `fault` is not the item's: the stage fails.
    ft_error fault;
} lua_stage_state;

static const ft_option options[] = {
    FT_OPT_STRING(ft_lua_config, script, .is_main = true, .required = true,
                  .doc =
                      "The body of `function(item, ctx)`, or a file that ends in .lua, looked for "
                      "beside the pipeline and then in the working directory."),
    FT_OPT_MAP(ft_lua_config, params, .doc = "Values for the script: `ctx.params.NAME`."),
    FT_OPT_MAP(ft_lua_config, adds,
               .doc =
                   "Types of the fields that the script sets: `adds: {lang: string}`. New fields "
                   "without a type here are any."),
    FT_OPT_MAP(ft_lua_config, limits,
               .doc = "`memory` of one state (256MiB) and `time`, CPU time of one call (1s)."),
    FT_OPT_END,
};

static bool lua_plan(ft_stage_plan *plan, void *config, ft_error *err)
{
    return ft_lua_plan_script(plan, config, err);
}

// ---- load, open ----

static bool load_stage(ft_stage_load *load, const void *config, void **out_shared, ft_error *err)
{
    (void)config;
    *out_shared = NULL;
    // What one process shares is not what all instances share.
    return load->is_contained ||
           ft_load_share(load, "lua: ctx.shared", ft_lua_shared_create, NULL, out_shared, err);
}

static int init_script(lua_State *L)
{
    ft_stage *self = lua_touserdata(L, 1);
    const ft_lua_config *config = self->config;
    lua_stage_state *state = self->state;
    ft_lua_context context = {config->values, config->value_count, self->instance};

    ft_lua_push_context(L, &context);
    lua_pushvalue(L, -1);
    lua_rawseti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_CONTEXT);
    ft_lua_push_script(L, config);
    if (lua_isfunction(L, -1)) {
        lua_rawseti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_PROCESS);
        return 0;
    }
    state->takes_batches = lua_getfield(L, -1, "process_batch") == LUA_TFUNCTION;
    if (!state->takes_batches) {
        lua_pop(L, 1);
        lua_getfield(L, -1, "process");
    }
    lua_rawseti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_PROCESS);
    state->has_finish = lua_getfield(L, -1, "finish") == LUA_TFUNCTION;
    lua_rawseti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_FINISH);
    if (lua_getfield(L, -1, "init") == LUA_TFUNCTION) {
        lua_pushvalue(L, 2);
        lua_call(L, 1, 1);
        lua_rawseti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_STATE);
    }
    return 0;
}

static bool lua_open(ft_stage *self, ft_error *err)
{
    const ft_lua_config *config = self->config;
    lua_stage_state *state = self->state;
    ft_lua_place place = {self->name, config->folder, config->pipeline_folder};
    uint64_t seed = self->seed ^ ft_hash(ft_slice_of(self->name), 0);

    state->lua = ft_lua_create(&config->bounds, &place, self->account, seed, err);
    if (!state->lua || !ft_lua_work_init(&state->work, self, &config->fields, err))
        return false;
    state->lua->stage = self;
    state->lua->shared = (struct ft_lua_shared *)(uintptr_t)self->shared;
    if (!ft_lua_call(state->lua, ft_lua_bind_fields, (void *)(uintptr_t)&config->fields, err))
        return false;
    if (!ft_lua_call(state->lua, init_script, self, err))
        return false;
    state->work.is_of_batch = state->takes_batches;
    return true;
}

// ---- results ----

static void check_no_port(lua_State *L, int index)
{
    if (!lua_isnoneornil(L, index))
        luaL_error(L, "named ports of a script are not available in this version: items go to the "
                      "main output, or fail");
}

static void choose_list(lua_State *L, int list)
{
    lua_Integer count = luaL_len(L, list);

    if (count == 0) {
        lua_pushnil(L);
        if (lua_next(L, list)) {  // One plain table, not a list of them.
            lua_pop(L, 2);
            ft_lua_choose_item(L, list);
        }
        return;
    }
    for (lua_Integer i = 1; i <= count; i++) {
        lua_geti(L, list, i);
        if (!ft_lua_choose_item(L, -1))
            luaL_error(L,
                       "element %I of the list that the script returned is a %s: it must be an "
                       "item or a table of fields",
                       (LUAI_UACINT)i, luaL_typename(L, -1));
        lua_pop(L, 1);
        ft_lua_steps(L, 8);
    }
}

// What the script gave back stands from `first` on. `count`: items that the call was about.
static void choose_results(lua_State *L, ft_lua_work *work, int first, size_t count)
{
    int results = lua_gettop(L) - first + 1;

    if (ft_lua_of(L)->expired)
        ft_lua_poll(L);  // The script caught the deadline as its last act.
    if (results == 0) {
        if (!work->has_emitted)
            ft_lua_choose_all(L, work, count);
    } else if (lua_isnil(L, first)) {
        if (results == 1)
            luaL_error(L, "the script returned nil: return nothing to let the item go on, false to "
                          "drop it, or nil and a reason to fail it");
        lua_pushvalue(L, first + 1);
        lua_error(L);
    } else if (lua_type(L, first) == LUA_TBOOLEAN && !lua_toboolean(L, first)) {
        check_no_port(L, first + 1);
    } else if (lua_istable(L, first)) {
        check_no_port(L, first + 1);
        choose_list(L, first);
    } else if (lua_isuserdata(L, first) && ft_lua_choose_item(L, first)) {
        check_no_port(L, first + 1);
    } else {
        luaL_error(L,
                   "the script returned a %s: it must be an item, a list of items, false or "
                   "nothing",
                   luaL_typename(L, first));
    }
    ft_lua_convert_retyped(L, work);
}

// ---- process ----

// Items of one source row draw different numbers, the same for any batch size and thread count.
static uint64_t seed_of_item(const ft_batch *batch, size_t item)
{
    const ft_lineage *lineage = batch->lineage;
    size_t row = ft_batch_row(batch, item), sibling = 0;

    if (!lineage)
        return item;
    while (sibling < item && sibling < 1000 && ft_batch_row(batch, item - sibling - 1) == row)
        sibling++;
    uint64_t place[4] = {lineage->source, lineage->first_index + row, 0, sibling};
    if (lineage->positions) {
        place[1] = lineage->positions[row].offset;
        place[2] = lineage->positions[row].part;
    }
    return ft_hash((ft_slice){(const char *)place, sizeof place}, 0);
}

// Emits what has been made so far.
static bool send(ft_stage *self, ft_error *err)
{
    lua_stage_state *state = self->state;
    ft_batch *out;

    if (!ft_lua_work_take(&state->work, &out, err))
        return false;
    return !out || ft_emit(self, out, err);
}

static bool begin(lua_stage_state *state, size_t from, size_t count)
{
    ft_lua *lua = state->lua;

    lua->item_seed = seed_of_item(state->work.batch, from);
    lua->random_is_ready = false;
    state->broken = !ft_lua_work_begin(&state->work, from, count, &state->fault);
    return !state->broken;
}

static bool commit(lua_State *L, lua_stage_state *state)
{
    state->broken = !ft_lua_work_commit(L, &state->work, &state->fault);
    ft_lua_work_clear(L, &state->work);
    return !state->broken;
}

// Items from `next` on, until one fails (it raises), the output is large, the stage is broken, or
// the run is being stopped (which the caller asks too).
static int process_items(lua_State *L)
{
    lua_stage_state *state = lua_touserdata(L, 1);
    ft_lua_work *work = &state->work;
    enum { PROCESS = 2, STATE, CONTEXT };

    lua_rawgeti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_PROCESS);
    lua_rawgeti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_STATE);
    lua_rawgeti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_CONTEXT);
    const ft_stage *self = work->stage;
    bool is_inline = ((const ft_lua_config *)self->config)->is_inline;

    while (state->next < work->batch->count && work->out.count < FLUSH_ITEMS &&
           !ft_is_cancelled(self)) {
        ft_lua_restart_clock(state->lua);
        if (!begin(state, state->next, 1))
            return 0;
        lua_pushvalue(L, PROCESS);
        ft_lua_push_item(L, work, 0);
        if (!is_inline)
            lua_pushvalue(L, STATE);
        lua_pushvalue(L, CONTEXT);
        lua_call(L, is_inline ? 2 : 3, LUA_MULTRET);
        choose_results(L, work, CONTEXT + 1, 1);
        lua_settop(L, CONTEXT);
        if (!commit(L, state))
            return 0;
        state->next++;
    }
    return 0;
}

static int process_all(lua_State *L)
{
    lua_stage_state *state = lua_touserdata(L, 1);
    ft_lua_work *work = &state->work;
    size_t count = work->batch->count;

    if (!begin(state, 0, count))
        return 0;
    lua_rawgeti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_PROCESS);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        ft_lua_push_item(L, work, i);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_STATE);
    lua_rawgeti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_CONTEXT);
    lua_call(L, 3, LUA_MULTRET);
    choose_results(L, work, 2, count);
    if (commit(L, state))
        state->next = count;
    return 0;
}

// The script failed for the items [next, next + count).
static bool fail_items(ft_stage *self, size_t count, const ft_error *why, ft_error *err)
{
    lua_stage_state *state = self->state;

    ft_lua_work_clear(state->lua->L, &state->work);
    if (why->code == FT_ERROR_NOMEM || why->code == FT_ERROR_CANCELLED) {
        *err = *why;
        return false;
    }
    for (; count > 0; count--, state->next++)
        if (!ft_item_fail(self, state->work.batch, state->next, why, err))
            return false;
    return true;
}

static bool run_batch(ft_stage *self, ft_error *err)
{
    lua_stage_state *state = self->state;
    const ft_batch *batch = state->work.batch;
    bool ok = true;

    state->next = 0;
    while (ok && state->next < batch->count) {
        ft_error why = FT_ERROR_INIT;
        lua_CFunction function = state->takes_batches ? process_all : process_items;

        state->broken = false;
        if (!ft_lua_call(state->lua, function, state, &why))
            ok = fail_items(self, state->takes_batches ? batch->count : 1, &why, err);
        else if (state->broken) {
            *err = state->fault;
            ok = false;
        }
        if (ok && ft_is_cancelled(self))
            ok = ft_fail(err, FT_ERROR_CANCELLED, "cancelled");
        if (ok && (state->next == batch->count || state->work.out.count >= FLUSH_ITEMS))
            ok = send(self, err);
    }
    return ok;
}

static bool lua_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    lua_stage_state *state = self->state;

    state->work.batch = *in;
    state->lua->work = &state->work;
    bool ok = run_batch(self, err);
    state->lua->work = NULL;
    state->work.batch = NULL;
    return ok;
}

// ---- the end ----

static int finish_script(lua_State *L)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_FINISH);
    lua_rawgeti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_STATE);
    lua_rawgeti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_CONTEXT);
    lua_call(L, 2, 0);
    return 0;
}

static bool lua_flush(ft_stage *self, ft_error *err)
{
    lua_stage_state *state = self->state;

    if (!state->has_finish || ft_lua_call(state->lua, finish_script, NULL, err))
        return true;
    ft_error_while(err, "`finish`");
    return false;
}

static void lua_close_stage(ft_stage *self)
{
    lua_stage_state *state = self->state;

    ft_lua_destroy(state->lua);
    ft_lua_work_finish(&state->work);
    state->lua = NULL;
}

const ft_stage_def ft_stage_lua = {
    .abi = FT_STAGE_ABI,
    .name = "lua",
    .summary = "run a script in Lua for each item",
    .example = "- lua: |\n"
               "    item.title = item.title or item.text:sub(1, 60)\n"
               "    item.words = select(2, item.text:gsub('%S+', ''))\n"
               "  adds: {title: string, words: int}\n",
    .kind = FT_STAGE_TRANSFORM,
    .concurrency = FT_CONCURRENCY_ANY,
    .options = options,
    .config_size = sizeof(ft_lua_config),
    .state_size = sizeof(lua_stage_state),
    .plan = lua_plan,
    .load = load_stage,
    .open = lua_open,
    .process = lua_process,
    .flush = lua_flush,
    .close = lua_close_stage,
};
