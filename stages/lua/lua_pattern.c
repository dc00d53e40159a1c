// string.find, match, gmatch, gsub over the counted matcher.
#include "stages/lua/lua_pattern.h"

#include <string.h>

#include "stages/lua/lua_matcher.h"
#include "stages/lua/lua_state.h"

// ---- captures as Lua values ----

static void push_capture(ft_lua_matcher *m, int index, const char *s, const char *end)
{
    if (index >= m->level) {
        if (index != 0)
            luaL_error(m->L, "invalid capture index %%%d", index + 1);
        lua_pushlstring(m->L, s, (size_t)(end - s));  // Without captures: the whole match.
        return;
    }
    ptrdiff_t size = m->captures[index].size;
    if (size == FT_LUA_CAPTURE_OPEN)
        luaL_error(m->L, "unfinished capture");
    if (size == FT_LUA_CAPTURE_PLACE)
        lua_pushinteger(m->L, m->captures[index].start - m->text + 1);
    else
        lua_pushlstring(m->L, m->captures[index].start, (size_t)size);
}

// `s` NULL: only real captures.
static int push_captures(ft_lua_matcher *m, const char *s, const char *end)
{
    int count = m->level == 0 && s ? 1 : m->level;

    luaL_checkstack(m->L, count, "too many captures");
    for (int i = 0; i < count; i++)
        push_capture(m, i, s, end);
    return count;
}

// ---- find and match ----

static bool has_specials(const char *pattern, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (memchr("^$*+?.([%-", pattern[i], 10))
            return true;
    return false;
}

static const char *find_plain(lua_State *L, const char *text, size_t size, const char *part,
                              size_t part_size)
{
    if (part_size == 0)
        return text;
    while (size >= part_size) {
        const char *at = memchr(text, part[0], size - part_size + 1);
        if (!at)
            return NULL;
        ft_lua_steps(L, 1 + (size_t)(at - text) / 64 + part_size / 16);
        if (memcmp(at, part, part_size) == 0)
            return at;
        size -= (size_t)(at + 1 - text);
        text = at + 1;
    }
    return NULL;
}

// Where to start, from 0; more than `size` when behind the end.
static size_t start_of(lua_Integer init, size_t size)
{
    if (init > 0)
        return (size_t)init - 1;
    if (init == 0 || init < -(lua_Integer)size)
        return 0;
    return size + (size_t)init;
}

static int find_or_match(lua_State *L, bool is_find)
{
    size_t size, pattern_size;
    const char *text = luaL_checklstring(L, 1, &size);
    const char *p = luaL_checklstring(L, 2, &pattern_size);
    size_t start = start_of(luaL_optinteger(L, 3, 1), size);

    if (start > size) {
        luaL_pushfail(L);
        return 1;
    }
    if (is_find && (lua_toboolean(L, 4) || !has_specials(p, pattern_size))) {
        const char *at = find_plain(L, text + start, size - start, p, pattern_size);
        if (at) {
            lua_pushinteger(L, at - text + 1);
            lua_pushinteger(L, at - text + (lua_Integer)pattern_size);
            return 2;
        }
        luaL_pushfail(L);
        return 1;
    }
    ft_lua_matcher m;
    const char *s = text + start, *pattern_end = p + pattern_size, *end;
    bool anchored = pattern_size > 0 && *p == '^';

    ft_lua_matcher_init(&m, L, text, size, pattern_end);
    p += anchored;
    do {
        end = ft_lua_matcher_run(&m, s, p);
        if (end && is_find) {
            lua_pushinteger(L, s - text + 1);
            lua_pushinteger(L, end - text);
            return push_captures(&m, NULL, NULL) + 2;
        }
        if (end)
            return push_captures(&m, s, end);
    } while (s++ < m.text_end && !anchored);
    luaL_pushfail(L);
    return 1;
}

int ft_lua_find(lua_State *L)
{
    return find_or_match(L, true);
}

int ft_lua_match(lua_State *L)
{
    return find_or_match(L, false);
}

// ---- gmatch ----

// Upvalues of the iterator: text, pattern, next place, end of the last match (from 0; -1: none).
static int gmatch_next(lua_State *L)
{
    size_t size, pattern_size;
    const char *text = lua_tolstring(L, lua_upvalueindex(1), &size);
    const char *p = lua_tolstring(L, lua_upvalueindex(2), &pattern_size);
    lua_Integer at = lua_tointeger(L, lua_upvalueindex(3));
    lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
    ft_lua_matcher m;

    ft_lua_matcher_init(&m, L, text, size, p + pattern_size);
    for (; at <= (lua_Integer)size; at++) {
        const char *end = ft_lua_matcher_run(&m, text + at, p);
        if (!end || end - text == last)
            continue;
        lua_pushinteger(L, end - text);
        lua_copy(L, -1, lua_upvalueindex(3));
        lua_replace(L, lua_upvalueindex(4));
        return push_captures(&m, text + at, end);
    }
    lua_pushinteger(L, (lua_Integer)size + 1);
    lua_replace(L, lua_upvalueindex(3));
    return 0;
}

int ft_lua_gmatch(lua_State *L)
{
    size_t size;

    luaL_checklstring(L, 1, &size);
    luaL_checkstring(L, 2);
    size_t start = start_of(luaL_optinteger(L, 3, 1), size);
    lua_settop(L, 2);
    lua_pushinteger(L, (lua_Integer)(start > size ? size + 1 : start));
    lua_pushinteger(L, -1);
    lua_pushcclosure(L, gmatch_next, 4);
    return 1;
}

// ---- gsub ----

// Appends the replacement text (argument 3) with %0 .. %9 and %% filled in.
static void add_text(ft_lua_matcher *m, luaL_Buffer *out, const char *s, const char *end)
{
    size_t size;
    const char *text = lua_tolstring(m->L, 3, &size), *text_end = text + size;

    while (text < text_end) {
        const char *percent = memchr(text, '%', (size_t)(text_end - text));
        if (!percent)
            percent = text_end;
        luaL_addlstring(out, text, (size_t)(percent - text));
        if (percent == text_end)
            return;
        char letter = percent + 1 < text_end ? percent[1] : '\0';
        text = percent + 2;
        if (letter == '%') {
            luaL_addchar(out, '%');
        } else if (letter == '0') {
            luaL_addlstring(out, s, (size_t)(end - s));
        } else if (letter >= '1' && letter <= '9') {
            push_capture(m, letter - '1', s, end);
            luaL_tolstring(m->L, -1, NULL);
            lua_remove(m->L, -2);
            luaL_addvalue(out);
        } else {
            luaL_error(m->L, "invalid use of '%%' in replacement string");
        }
    }
}

// Appends what the match s..end is replaced by; false when it stays.
static bool add_replacement(ft_lua_matcher *m, luaL_Buffer *out, const char *s, const char *end)
{
    lua_State *L = m->L;
    int type = lua_type(L, 3);

    if (type == LUA_TFUNCTION) {
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(m, s, end), 1);
    } else if (type == LUA_TTABLE) {
        push_capture(m, 0, s, end);
        lua_gettable(L, 3);
    } else {
        add_text(m, out, s, end);
        return true;
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        luaL_addlstring(out, s, (size_t)(end - s));
        return false;
    }
    if (!lua_isstring(L, -1))
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    luaL_addvalue(out);
    return true;
}

int ft_lua_gsub(lua_State *L)
{
    size_t size, pattern_size;
    const char *s = luaL_checklstring(L, 1, &size);
    const char *p = luaL_checklstring(L, 2, &pattern_size), *pattern_end = p + pattern_size;
    int type = lua_type(L, 3);
    lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)size + 1), count = 0;
    bool anchored = pattern_size > 0 && *p == '^', changed = false;
    const char *last = NULL;
    ft_lua_matcher m;
    luaL_Buffer out;

    luaL_argexpected(L,
                     type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION ||
                         type == LUA_TTABLE,
                     3, "string/function/table");
    ft_lua_matcher_init(&m, L, s, size, pattern_end);
    p += anchored;
    luaL_buffinit(L, &out);
    while (count < most) {
        const char *end = ft_lua_matcher_run(&m, s, p);
        if (end && end != last) {
            count++;
            changed |= add_replacement(&m, &out, s, end);
            s = last = end;
        } else if (s < m.text_end) {
            luaL_addchar(&out, *s++);
        } else {
            break;
        }
        if (anchored)
            break;
    }
    if (!changed) {
        lua_pushvalue(L, 1);
    } else {
        luaL_addlstring(&out, s, (size_t)(m.text_end - s));
        luaL_pushresult(&out);
    }
    lua_pushinteger(L, count);
    return 2;
}
