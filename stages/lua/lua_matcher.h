// The matcher behind lua_pattern.c: one pattern against one place of a text.
#pragma once

#include <lua.h>
#include <stddef.h>

enum { FT_LUA_CAPTURES_MAX = 32, FT_LUA_CAPTURE_OPEN = -1, FT_LUA_CAPTURE_PLACE = -2 };

typedef struct ft_lua_matcher {
    lua_State *L;
    const char *text, *text_end;
    const char *pattern_end;
    int depth;       // Recursion left.
    unsigned steps;  // Since the last report.
    int level;       // Captures, finished or open.
    struct {
        const char *start;
        ptrdiff_t size;  // Or FT_LUA_CAPTURE_OPEN, FT_LUA_CAPTURE_PLACE.
    } captures[FT_LUA_CAPTURES_MAX];
} ft_lua_matcher;

void ft_lua_matcher_init(ft_lua_matcher *matcher, lua_State *L, const char *text, size_t text_size,
                         const char *pattern_end);
// The end of the match of the pattern `p` that starts exactly at `s`, or NULL. Raises for a
// malformed pattern, one too complex, and at the deadline.
const char *ft_lua_matcher_run(ft_lua_matcher *matcher, const char *s, const char *p);
