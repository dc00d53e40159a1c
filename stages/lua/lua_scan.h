// Which fields of `item` a script names: found in its text, by Lua's own rules for words.
#pragma once

#include "runtime/memory/arena.h"
#include "runtime/slice.h"

typedef struct ft_lua_scan {
    ft_slice *written;  // item.NAME = ..., item["NAME"] = ...
    size_t written_count;
    ft_slice *read;  // item.NAME in any other place; methods are not among them.
    size_t read_count;
    ft_slice *keys;  // {NAME = ...}: fields of an item, if the table becomes one.
    size_t key_count;
    bool reads_any;   // `item` is used as a whole: passed on, indexed by a variable ...
    bool has_inner;   // item.NAME.INNER = ..., which changes a copy:
    ft_slice inner;   // NAME,
    size_t inner_at;  // and where, in bytes.
} ft_lua_scan;

// The text need not be valid Lua: what is no word is skipped. The slices point into `text`.
bool ft_lua_scan_text(ft_slice text, ft_arena *arena, ft_lua_scan *out,
                      ft_error *err) FT_MUST_CHECK;
