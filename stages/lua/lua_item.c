// The item proxy: a handle of a call and a slot. Names are looked up in one Lua table (name ->
// field), values come from the column or from what the call has written.
#include "stages/lua/lua_item.h"

#include <string.h>

#include "runtime/data/json.h"
#include "runtime/memory/alloc.h"
#include "stages/lua/lua_sandbox.h"
#include "stages/lua/lua_value.h"

typedef struct lua_item {
    uint64_t serial;
    size_t slot;
} lua_item;

// Upvalues of the metamethods.
enum { UP_NAMES = 1, UP_METHODS, UP_WRITES, UP_COUNT = UP_WRITES };

static ft_lua_work *check_work(lua_State *L, const lua_item *item)
{
    ft_lua_work *work = ft_lua_of(L)->work;

    if (!work || item->serial != work->serial)
        luaL_error(L,
                   "this item belongs to an earlier call: keep the values of its fields instead");
    return work;
}

void ft_lua_push_item(lua_State *L, ft_lua_work *work, size_t slot)
{
    lua_item *item = lua_newuserdatauv(L, sizeof(*item), 0);

    item->serial = work->serial;
    item->slot = slot;
    lua_rawgeti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_ITEM);
    lua_setmetatable(L, -2);
}

static const lua_item *test_item(lua_State *L, int index)
{
    const lua_item *item = lua_touserdata(L, index);

    if (!item || !lua_getmetatable(L, index))
        return NULL;
    lua_rawgeti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_ITEM);
    bool is_item = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return is_item ? item : NULL;
}

// ---- choosing ----

static bool add_row(ft_lua_rows *rows, size_t row)
{
    if (rows->count == rows->capacity) {
        size_t capacity = rows->capacity ? 2 * rows->capacity : 64;
        uint32_t *grown = ft_realloc(rows->rows, capacity * sizeof(*grown));
        if (!grown)
            return false;
        rows->rows = grown;
        rows->capacity = capacity;
    }
    rows->rows[rows->count++] = (uint32_t)row;
    return true;
}

static void choose(lua_State *L, ft_lua_work *work, size_t slot)
{
    if (work->chosen.count >= INT32_MAX)
        luaL_error(L, "a call may give at most %d items", INT32_MAX);
    // Counted as the script's memory: a list of one item, again and again, costs it nothing else.
    size_t bytes = work->chosen.count * 2 * sizeof(uint32_t);
    if (bytes > (size_t)ft_lua_of(L)->limits.memory_bytes) {
        ft_lua_of(L)->limit_refused = true;
        luaL_error(L, "not enough memory for the items that go on");
    }
    if (!add_row(&work->chosen, slot)) {
        ft_lua_of(L)->system_refused = true;
        luaL_error(L, "not enough memory");
    }
}

bool ft_lua_choose_item(lua_State *L, int index)
{
    int top = lua_gettop(L);

    index = lua_absindex(L, index);
    if (lua_istable(L, index)) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_MAKE);
        lua_pushvalue(L, index);
        lua_call(L, 1, 1);
        index = top + 1;
    }
    const lua_item *item = test_item(L, index);
    if (item)
        choose(L, check_work(L, item), item->slot);
    lua_settop(L, top);
    return item != NULL;
}

void ft_lua_choose_all(lua_State *L, ft_lua_work *work, size_t count)
{
    for (size_t slot = 0; slot < count; slot++)
        choose(L, work, slot);
}

// ---- reading ----

// A field that stands only in @raw: the value of that member, or nil.
static void push_from_raw(lua_State *L, const ft_lua_work *work, size_t row, const char *name)
{
    const ft_column *column = &work->batch->columns[work->fields->raw_in];
    ft_error err = FT_ERROR_INIT;
    ft_json_value key;
    ft_slice text = {NULL, 0};
    bool first = true, more = true, found = false, ok = true;
    ft_json json;

    if (!column->values || ft_column_is_null(column, row)) {
        lua_pushnil(L);
        return;
    }
    ft_json_init(&json, ft_column_text(column, row));
    ok = ft_json_read(&json, &key, &err) && key.kind == FT_JSON_OBJECT;
    while (ok && !found) {
        ok = ft_json_next_member(&json, &first, &more, &key, &err) && more &&
             ft_json_skip(&json, &text, &err);
        found = ok && ft_json_key_is(&key, name);
    }
    if (found)
        ft_lua_push_json(L, text);
    else
        lua_pushnil(L);
}

static void push_value(lua_State *L, ft_lua_work *work, size_t index, size_t slot)
{
    const ft_lua_field *field = &work->fields->fields[index];

    if (work->written[index]) {
        lua_rawgeti(L, lua_upvalueindex(UP_WRITES), (lua_Integer)index + 1);
        if (lua_rawgeti(L, -1, (lua_Integer)slot + 1) != LUA_TNIL) {
            ft_lua_push_seen(L, -1, field->out_type);
            return;
        }
        lua_pop(L, 2);
    }
    if (field->in == FT_FIELD_NONE)
        lua_pushnil(L);
    else if (!field->is_read)
        luaL_error(L, "the script does not say that it reads `%s`: add it to `input`", field->name);
    else
        ft_lua_push_field(L, &work->batch->columns[field->in], work->slots.rows[slot]);
}

static void push_source(lua_State *L, const ft_lua_work *work, size_t slot)
{
    const ft_lineage *lineage = work->batch->lineage;
    size_t row = ft_batch_row(work->batch, work->slots.rows[slot]);

    lua_createtable(L, 0, 3);
    if (!lineage)
        return;
    if (!lineage->positions) {
        lua_pushinteger(L, (lua_Integer)(lineage->first_index + row));
        lua_setfield(L, -2, "index");
        return;
    }
    ft_position position = lineage->positions[row];
    lua_pushinteger(L, (lua_Integer)position.offset);
    lua_setfield(L, -2, "offset");
    if (lineage->parts) {
        lua_pushstring(L, lineage->parts[position.part]);
        lua_setfield(L, -2, "file");
    }
}

// Not a field: a method, `source`, a member of @raw, or nothing.
static int index_other(lua_State *L, const ft_lua_work *work, const lua_item *item)
{
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : NULL;

    if (!name)
        return luaL_error(L, "a field's name is a text, not a %s", luaL_typename(L, 2));
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(UP_METHODS)) != LUA_TNIL)
        return 1;
    if (!strcmp(name, "source"))
        push_source(L, work, item->slot);
    else if (work->fields->raw_in != FT_FIELD_NONE)
        push_from_raw(L, work, work->slots.rows[item->slot], name);
    else
        return luaL_error(L, "there is no field `%s`: items have %s", name, work->fields->listing);
    return 1;
}

static int item_index(lua_State *L)
{
    const lua_item *item = lua_touserdata(L, 1);
    ft_lua_work *work = check_work(L, item);

    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(UP_NAMES)) != LUA_TNUMBER)
        return index_other(L, work, item);
    push_value(L, work, (size_t)lua_tointeger(L, -1), item->slot);
    return 1;
}

// ---- writing ----

// Keeps the final value on top of the stack, and pops it.
static void keep_write(lua_State *L, ft_lua_work *work, size_t index, size_t slot)
{
    if (lua_rawgeti(L, lua_upvalueindex(UP_WRITES), (lua_Integer)index + 1) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_rawseti(L, lua_upvalueindex(UP_WRITES), (lua_Integer)index + 1);
    }
    lua_insert(L, -2);
    lua_rawseti(L, -2, (lua_Integer)slot + 1);
    lua_pop(L, 1);
    work->written[index] = work->has_written = true;
}

// `field`: NULL when there is none of that name.
static void refuse_write(lua_State *L, int key, const ft_lua_field *field)
{
    const char *name = lua_type(L, key) == LUA_TSTRING ? lua_tostring(L, key) : NULL;
    char type[FT_TYPE_TEXT_BYTES];

    if (!name)
        luaL_error(L, "a field's name is a text, not a %s", luaL_typename(L, key));
    luaL_error(L,
               "field `%s` is not known to be written: declare it, `adds: {%s: %s}` in the "
               "pipeline or `output` in the script",
               name, name,
               field && field->in != FT_FIELD_NONE ? ft_type_print(field->in_type, type) : "any");
}

// The name stands at `key`, the value behind it.
static void assign(lua_State *L, ft_lua_work *work, size_t slot, int key)
{
    const ft_lua_field *field = NULL;
    size_t index = 0;

    lua_pushvalue(L, key);
    if (lua_rawget(L, lua_upvalueindex(UP_NAMES)) == LUA_TNUMBER) {
        index = (size_t)lua_tointeger(L, -1);
        field = &work->fields->fields[index];
    }
    if (!field || !field->is_written) {
        refuse_write(L, key, field);
        return;
    }
    ft_lua_push_final(L, key + 1, field->out_type, field->name);
    keep_write(L, work, index, slot);
}

static int item_newindex(lua_State *L)
{
    const lua_item *item = lua_touserdata(L, 1);
    ft_lua_work *work = check_work(L, item);

    assign(L, work, item->slot, 2);
    return 0;
}

// A new slot like slot `from`.
static size_t copy_slot(lua_State *L, ft_lua_work *work, size_t from)
{
    size_t slot = work->slots.count;
    int top = lua_gettop(L);

    if (slot >= INT32_MAX || !add_row(&work->slots, work->slots.rows[from])) {
        ft_lua_of(L)->system_refused = true;
        luaL_error(L, "not enough memory");
    }
    for (size_t i = 0; i < work->fields->count; i++) {
        if (!work->written[i])
            continue;
        lua_rawgeti(L, lua_upvalueindex(UP_WRITES), (lua_Integer)i + 1);
        if (lua_rawgeti(L, -1, (lua_Integer)from + 1) != LUA_TNIL)
            keep_write(L, work, i, slot);
        lua_settop(L, top);
    }
    return slot;
}

static int item_copy(lua_State *L)
{
    const lua_item *item = test_item(L, 1);

    luaL_argexpected(L, item, 1, "item");
    ft_lua_work *work = check_work(L, item);
    ft_lua_push_item(L, work, copy_slot(L, work, item->slot));
    return 1;
}

// The item for a plain table: a copy of the item at hand, with what the table names assigned.
static int item_make(lua_State *L)
{
    ft_lua_work *work = ft_lua_of(L)->work;
    enum { TABLE = 1, KEY };

    if (!work)
        return luaL_error(L, "there is no item here");
    if (work->is_of_batch)
        return luaL_error(L, "a plain table is no item of a batch: copy the one that it comes "
                             "from, `local new = item:copy()`, and set its fields");
    size_t slot = copy_slot(L, work, 0);
    lua_pushnil(L);
    while (lua_next(L, TABLE)) {
        assign(L, work, slot, KEY);
        lua_settop(L, KEY);
        ft_lua_steps(L, FT_LUA_NEXT_STEPS);
    }
    ft_lua_push_item(L, work, slot);
    return 1;
}

// ---- pairs ----

static int item_next(lua_State *L)
{
    const lua_item *item = test_item(L, 1);
    size_t index = 0;

    luaL_argexpected(L, item, 1, "item");
    ft_lua_work *work = check_work(L, item);
    lua_settop(L, 2);
    if (!lua_isnil(L, 2)) {
        lua_pushvalue(L, 2);
        lua_rawget(L, lua_upvalueindex(UP_NAMES));
        index = (size_t)luaL_checkinteger(L, -1) + 1;
    }
    for (; index < work->fields->count; index++) {
        const ft_lua_field *field = &work->fields->fields[index];
        lua_settop(L, 1);
        if (!work->written[index] && !field->is_read)
            continue;
        push_value(L, work, index, item->slot);
        if (lua_isnil(L, -1))
            continue;
        lua_pushstring(L, field->name);
        lua_insert(L, -2);
        return 2;
    }
    lua_pushnil(L);
    return 1;
}

static int item_pairs(lua_State *L)
{
    for (int i = 1; i <= UP_COUNT; i++)
        lua_pushvalue(L, lua_upvalueindex(i));
    lua_pushcclosure(L, item_next, UP_COUNT);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

// ---- binding ----

void ft_lua_open_item(lua_State *L)
{
    static const luaL_Reg metamethods[] = {
        {"__index", item_index},
        {"__newindex", item_newindex},
        {"__pairs", item_pairs},
        {NULL, NULL},
    };
    static const luaL_Reg methods[] = {{"copy", item_copy}, {NULL, NULL}};

    lua_newtable(L);
    lua_pushliteral(L, "item");
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_newtable(L);  // Names; filled by ft_lua_bind_fields.
    lua_newtable(L);  // Methods.
    lua_newtable(L);  // Writes.
    int names = lua_gettop(L) - 2;
    lua_pushvalue(L, names);
    lua_setfield(L, names - 1, "names");
    lua_pushvalue(L, names + 2);
    lua_rawseti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_WRITES);
    lua_pushvalue(L, names + 1);
    for (int i = 0; i < UP_COUNT; i++)
        lua_pushvalue(L, names + i);
    luaL_setfuncs(L, methods, UP_COUNT);
    lua_settop(L, names + 2);
    for (int i = 0; i < UP_COUNT; i++)
        lua_pushvalue(L, names + i);
    lua_pushcclosure(L, item_make, UP_COUNT);
    lua_rawseti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_MAKE);
    luaL_setfuncs(L, metamethods, UP_COUNT);
    lua_rawseti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_ITEM);
}

int ft_lua_bind_fields(lua_State *L)
{
    const ft_lua_fields *fields = lua_touserdata(L, 1);

    lua_rawgeti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_ITEM);
    lua_getfield(L, -1, "names");
    for (size_t i = 0; i < fields->count; i++) {
        lua_pushinteger(L, (lua_Integer)i);
        lua_setfield(L, -2, fields->fields[i].name);
    }
    return 0;
}

// ---- the call ----

bool ft_lua_work_begin(ft_lua_work *work, size_t from, size_t count, ft_error *err)
{
    work->serial++;
    work->slots.count = work->chosen.count = 0;
    work->has_emitted = false;
    for (size_t i = 0; i < count; i++)
        if (!add_row(&work->slots, from + i))
            return ft_fail_nomem(err, (from + i) * sizeof(uint32_t));
    return true;
}

void ft_lua_convert_retyped(lua_State *L, ft_lua_work *work)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_WRITES);
    int writes = lua_gettop(L);

    for (size_t i = 0; i < work->fields->count; i++) {
        const ft_lua_field *field = &work->fields->fields[i];
        if (!field->is_retyped)
            continue;
        if (lua_rawgeti(L, writes, (lua_Integer)i + 1) == LUA_TNIL) {
            lua_newtable(L);
            lua_pushvalue(L, -1);
            lua_rawseti(L, writes, (lua_Integer)i + 1);
            lua_replace(L, -2);
        }
        int column = lua_gettop(L);
        for (size_t c = 0; c < work->chosen.count; c++) {
            size_t slot = work->chosen.rows[c];
            lua_settop(L, column);
            if (lua_rawgeti(L, column, (lua_Integer)slot + 1) != LUA_TNIL)
                continue;
            ft_lua_push_field(L, &work->batch->columns[field->in], work->slots.rows[slot]);
            ft_lua_push_final(L, -1, field->out_type, field->name);
            lua_rawseti(L, column, (lua_Integer)slot + 1);
        }
        work->written[i] = work->has_written = true;
        lua_settop(L, writes);
    }
    lua_settop(L, writes - 1);
}

void ft_lua_work_clear(lua_State *L, ft_lua_work *work)
{
    if (!work->has_written)
        return;
    lua_rawgeti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_WRITES);
    for (size_t i = 0; i < work->fields->count; i++) {
        if (!work->written[i])
            continue;
        work->written[i] = false;
        if (lua_rawgeti(L, -1, (lua_Integer)i + 1) == LUA_TTABLE) {
            for (size_t slot = 0; slot < work->slots.count; slot++) {
                lua_pushnil(L);  // Assigning nil allocates nothing and cannot raise.
                lua_rawseti(L, -2, (lua_Integer)slot + 1);
            }
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    work->has_written = false;
}

static bool is_live(const ft_lua_work *work, const ft_lua_field *field)
{
    return field->out != FT_FIELD_NONE && (!work->stage->live || work->stage->live[field->out]);
}

// Adds the value that row `row` came with.
static bool add_original(const ft_lua_work *work, size_t index, size_t row, ft_error *err)
{
    const ft_lua_field *field = &work->fields->fields[index];

    if (field->in == FT_FIELD_NONE || !ft_batch_has(work->batch, field->in) ||
        !ft_type_equal(field->in_type, field->out_type))
        return ft_builder_add_null(&work->builders[index], err);
    return ft_builder_add_item(&work->builders[index], &work->batch->columns[field->in], row, err);
}

// The first write to a field in this batch: what went on before gets its column too.
static bool start_building(ft_lua_work *work, size_t index, ft_error *err)
{
    if (!ft_builder_init(&work->builders[index], work->fields->fields[index].out_type,
                         work->stage->account, work->batch->count, 0, err))
        return false;
    work->is_building[index] = true;
    for (size_t i = 0; i < work->out.count; i++)
        if (!add_original(work, index, work->out.rows[i], err))
            return false;
    return true;
}

static bool commit_field(lua_State *L, ft_lua_work *work, size_t index, ft_error *err)
{
    if (!work->is_building[index] && !work->written[index])
        return true;
    if (!is_live(work, &work->fields->fields[index]))
        return true;
    if (!work->is_building[index] && !start_building(work, index, err))
        return false;
    bool is_written = work->written[index], ok = true;
    if (is_written)
        lua_rawgeti(L, -1, (lua_Integer)index + 1);
    for (size_t c = 0; ok && c < work->chosen.count; c++) {
        size_t slot = work->chosen.rows[c];
        if (is_written && lua_rawgeti(L, -1, (lua_Integer)slot + 1) != LUA_TNIL)
            ok = ft_lua_add_final(L, -1, &work->builders[index], err);
        else
            ok = add_original(work, index, work->slots.rows[slot], err);
        if (is_written)
            lua_pop(L, 1);
    }
    if (is_written)
        lua_pop(L, 1);
    return ok;
}

bool ft_lua_work_commit(lua_State *L, ft_lua_work *work, ft_error *err)
{
    int top = lua_gettop(L);
    bool ok = true;

    lua_rawgeti(L, LUA_REGISTRYINDEX, FT_LUA_KEY_WRITES);
    for (size_t i = 0; ok && i < work->fields->count; i++)
        ok = commit_field(L, work, i, err);
    lua_settop(L, top);
    for (size_t c = 0; ok && c < work->chosen.count; c++)
        if (!add_row(&work->out, work->slots.rows[work->chosen.rows[c]]))
            ok = ft_fail_nomem(err, work->out.count * sizeof(uint32_t));
    return ok;
}

// ---- the batch ----

bool ft_lua_work_init(ft_lua_work *work, ft_stage *stage, const ft_lua_fields *fields,
                      ft_error *err)
{
    *work = (ft_lua_work){.stage = stage, .fields = fields, .serial = 1};
    work->written = ft_alloc_zero(fields->count + 1, sizeof(bool));
    work->is_building = ft_alloc_zero(fields->count + 1, sizeof(bool));
    work->builders = ft_alloc_zero(fields->count + 1, sizeof(ft_builder));
    if (!work->written || !work->is_building || !work->builders)
        return ft_fail_nomem(err, fields->count * sizeof(ft_builder));
    return true;
}

void ft_lua_work_finish(ft_lua_work *work)
{
    for (size_t i = 0; work->builders && work->fields && i < work->fields->count; i++)
        ft_builder_finish(&work->builders[i]);
    ft_free(work->written);
    ft_free(work->is_building);
    ft_free(work->builders);
    ft_free(work->slots.rows);
    ft_free(work->chosen.rows);
    ft_free(work->out.rows);
    *work = (ft_lua_work){0};
}

static bool is_every_row(const ft_lua_work *work)
{
    if (work->out.count != work->batch->count)
        return false;
    for (size_t i = 0; i < work->out.count; i++)
        if (work->out.rows[i] != i)
            return false;
    return true;
}

// A field that goes on as it came.
static bool pass_column(ft_lua_work *work, size_t column, bool all, ft_column *out, ft_error *err)
{
    const ft_column *in = &work->batch->columns[column];

    if (all || !in->values) {
        *out = ft_column_ref(in);
        return true;
    }
    return ft_column_select(in, work->out.rows, work->out.count, work->stage->account, out, err);
}

static bool take_built(ft_lua_work *work, size_t index, ft_column *out, ft_error *err)
{
    if (work->is_building[index])
        return ft_builder_take(&work->builders[index], out, err);
    return ft_column_nulls(work->fields->fields[index].out_type, work->out.count,
                           work->stage->account, out, err);
}

static bool fill_columns(ft_lua_work *work, ft_batch *made, bool all, ft_error *err)
{
    const ft_stage *stage = work->stage;
    size_t passed = stage->input_width < made->width ? stage->input_width : made->width;
    ft_column column;

    for (size_t i = 0; i < passed && i < work->batch->width; i++) {
        if (stage->live && !stage->live[i])
            continue;
        if (!pass_column(work, i, all, &column, err))
            return false;
        ft_batch_set(made, i, &column);
    }
    for (size_t i = 0; i < work->fields->count; i++) {
        const ft_lua_field *field = &work->fields->fields[i];
        if (!field->is_written || !is_live(work, field))
            continue;
        if (!work->is_building[i] && field->in != FT_FIELD_NONE && !field->is_retyped)
            continue;
        if (!take_built(work, i, &column, err))
            return false;
        ft_batch_set(made, field->out, &column);
    }
    return true;
}

bool ft_lua_work_take(ft_lua_work *work, ft_batch **out, ft_error *err)
{
    *out = NULL;
    if (work->out.count == 0)
        return true;
    bool all = is_every_row(work), ok;
    ft_batch *made = ft_batch_derive(work->batch, all ? NULL : work->out.rows, work->out.count,
                                     work->stage->output_width, err);
    if (!made)
        return false;
    ok = fill_columns(work, made, all, err);
    for (size_t i = 0; i < work->fields->count; i++) {
        ft_builder_finish(&work->builders[i]);
        work->is_building[i] = false;
    }
    work->out.count = 0;
    if (!ok) {
        ft_batch_unref(made);
        return false;
    }
    *out = made;
    return true;
}
