// The batch at hand, the items that a script sees of it, and what it writes.
//
// A call of the script works on slots: slot i shows row slot_rows[i] of the batch, item:copy()
// makes one more. What is written to field f of slot i stands in the Lua table writes[f][i] until
// the call is over; then `ft_lua_work_commit` adds the slots that go on to the columns being built.
// An item is good for the call that got it.
#pragma once

#include "stages/lua/lua_state.h"

typedef struct ft_lua_field {
    const char *name;
    size_t in, out;  // Columns, or FT_FIELD_NONE.
    ft_type in_type, out_type;
    bool is_read;     // May be read from the batch.
    bool is_written;  // May be assigned.
    bool is_retyped;  // Goes out with another type than it comes in with.
} ft_lua_field;

typedef struct ft_lua_fields {
    size_t count;
    const ft_lua_field *fields;
    size_t raw_in;        // Column of @raw if fields beside these may be in it, else FT_FIELD_NONE.
    const char *listing;  // "id: int, text: string", for messages.
} ft_lua_fields;

typedef struct ft_lua_rows {
    uint32_t *rows;
    size_t count, capacity;
} ft_lua_rows;

struct ft_lua_work {
    ft_stage *stage;
    const ft_lua_fields *fields;
    const ft_batch *batch;
    bool is_of_batch;    // A call is about a whole batch: no item is the one at hand.
    uint64_t serial;     // Of the call; items of earlier ones are refused.
    ft_lua_rows slots;   // Of the call: rows of the batch.
    ft_lua_rows chosen;  // Of the call: slots that go on, in order.
    bool has_emitted;
    bool *written;  // [fields->count]: assigned in this call.
    bool has_written;
    // Of the batch so far:
    ft_lua_rows out;       // Rows of the items that go on.
    ft_builder *builders;  // [fields->count]
    bool *is_building;     // [fields->count]
};

bool ft_lua_work_init(ft_lua_work *work, ft_stage *stage, const ft_lua_fields *fields,
                      ft_error *err) FT_MUST_CHECK;
void ft_lua_work_finish(ft_lua_work *work);

// A new call on rows [from, from + count). Raises nothing.
bool ft_lua_work_begin(ft_lua_work *work, size_t from, size_t count, ft_error *err) FT_MUST_CHECK;
// Pushes the item of a slot.
void ft_lua_push_item(lua_State *L, ft_lua_work *work, size_t slot);
// Chooses the item at `index` to go on; a plain table is a copy of the item at hand, with what the
// table names assigned. False when it is neither. Raises for an item of another call.
bool ft_lua_choose_item(lua_State *L, int index);
// Chooses all slots that the call began with.
void ft_lua_choose_all(lua_State *L, ft_lua_work *work, size_t count);
// Gives chosen slots with retyped fields their new values. Raises.
void ft_lua_convert_retyped(lua_State *L, ft_lua_work *work);
// Adds what was chosen to the output; never raises.
bool ft_lua_work_commit(lua_State *L, ft_lua_work *work, ft_error *err) FT_MUST_CHECK;
// Forgets what the call wrote; after a commit and after a failure.
void ft_lua_work_clear(lua_State *L, ft_lua_work *work);
// The output so far as a batch, NULL when there is none; starts anew.
bool ft_lua_work_take(ft_lua_work *work, ft_batch **out, ft_error *err) FT_MUST_CHECK;

// Gives the state the names of the fields. To be called by ft_lua_call.
int ft_lua_bind_fields(lua_State *L);
