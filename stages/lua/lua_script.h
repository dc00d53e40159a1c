// A script: its text, how it becomes functions, and what it declares.
#pragma once

#include "stages/lua/lua_context.h"
#include "stages/lua/lua_item.h"

typedef struct ft_lua_config {
    const char *script;  // Option: inline text, or the path of a file.
    ft_map params, adds, limits;
    // ---- made by ft_lua_plan_script ----
    bool is_inline;
    ft_slice text;  // As it is loaded.
    const char *chunk_name;
    const char *folder;  // Of the file; NULL when inline.
    const char *pipeline_folder;
    ft_lua_limits bounds;
    ft_lua_param *values;  // Of ctx.params.
    size_t value_count;
    ft_lua_fields fields;
} ft_lua_config;

// Pushes what the script gives: a function, or a table. Raises.
void ft_lua_push_script(lua_State *L, const ft_lua_config *config);
// Only compiles: pushes the chunk. Raises the syntax error.
void ft_lua_push_chunk(lua_State *L, const ft_lua_config *config);

// Compile time: finds and compiles the script, reads what it declares, decides fields and
// parameters.
bool ft_lua_plan_script(ft_stage_plan *plan, ft_lua_config *config, ft_error *err) FT_MUST_CHECK;

// ---- parts of planning ----

typedef struct ft_lua_planner {
    ft_stage_plan *plan;
    ft_lua_config *config;
    ft_error *err;
    int phase;    // Number of the error if the script raises now.
    bool failed;  // `err` is filled.
    bool declares_input, declares_output, declares_params;
    ft_lua_field *fields;  // [capacity] Being collected.
    size_t count, capacity;
} ft_lua_planner;

enum { FT_LUA_SYNTAX = 501, FT_LUA_PARAM = 502, FT_LUA_DECLARATION = 503, FT_LUA_AT_LOAD = 504 };

// Reads M.params, input, output, parallel of the table on top of the stack. Raises, or sets
// `failed`.
void ft_lua_plan_declarations(lua_State *L, ft_lua_planner *planner);
// Params of a script that declares none: typed as YAML reads them.
bool ft_lua_plan_plain_params(ft_lua_planner *planner) FT_MUST_CHECK;
// A field that is read or written, once each.
ft_lua_field *ft_lua_plan_field(ft_lua_planner *planner, const char *name, ft_error *err);
bool ft_lua_plan_reads(ft_lua_planner *planner, const char *name, ft_type want) FT_MUST_CHECK;
bool ft_lua_plan_writes(ft_lua_planner *planner, const char *option, const char *name,
                        ft_type type) FT_MUST_CHECK;
// A type as Lua and YAML write it; "f32[d]" gives -1 for a size that is a word.
bool ft_lua_parse_type(ft_slice text, ft_type *out, ft_error *err) FT_MUST_CHECK;
