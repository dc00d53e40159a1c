// Backtracking over Lua's patterns. A single item of the pattern (a character, a class, a set) is
// tried against one byte by `fits`; repetitions and captures recurse for what stands behind them,
// at most DEPTH_MAX deep. Every byte tried is a step, and steps are reported to the clock.
#include "stages/lua/lua_matcher.h"

#include <ctype.h>
#include <string.h>

#include "stages/lua/lua_state.h"

enum { DEPTH_MAX = 200, STEPS_PER_REPORT = 4096 };

static const char *match(ft_lua_matcher *m, const char *s, const char *p);

void ft_lua_matcher_init(ft_lua_matcher *m, lua_State *L, const char *text, size_t text_size,
                         const char *pattern_end)
{
    m->L = L;
    m->text = text;
    m->text_end = text + text_size;
    m->pattern_end = pattern_end;
    m->steps = 0;
    m->level = 0;
    m->depth = DEPTH_MAX;
}

static void step(ft_lua_matcher *m)
{
    if (FT_LIKELY(++m->steps < STEPS_PER_REPORT))
        return;
    m->steps = 0;
    ft_lua_steps(m->L, STEPS_PER_REPORT);
}

// ---- single items ----

// Behind the item that starts at `p`.
static const char *item_end(ft_lua_matcher *m, const char *p)
{
    char first = *p++;

    if (first == '%') {
        if (p == m->pattern_end)
            luaL_error(m->L, "malformed pattern (ends with '%%')");
        return p + 1;
    }
    if (first != '[')
        return p;
    if (p < m->pattern_end && *p == '^')
        p++;
    // A `]` right behind the opening stands for itself.
    do {
        if (p == m->pattern_end)
            luaL_error(m->L, "malformed pattern (missing ']')");
        bool escaped = *p++ == '%';
        if (escaped) {
            if (p == m->pattern_end)
                luaL_error(m->L, "malformed pattern (missing ']')");
            p++;
        }
    } while (p == m->pattern_end || *p != ']');
    return p + 1;
}

static bool in_class(int c, int class_letter)
{
    bool in;

    switch (tolower(class_letter)) {
    case 'a':
        in = isalpha(c);
        break;
    case 'c':
        in = iscntrl(c);
        break;
    case 'd':
        in = isdigit(c);
        break;
    case 'g':
        in = isgraph(c);
        break;
    case 'l':
        in = islower(c);
        break;
    case 'p':
        in = ispunct(c);
        break;
    case 's':
        in = isspace(c);
        break;
    case 'u':
        in = isupper(c);
        break;
    case 'w':
        in = isalnum(c);
        break;
    case 'x':
        in = isxdigit(c);
        break;
    default:
        return class_letter == c;
    }
    return isupper(class_letter) ? !in : in;
}

// `p` at the `[`, `last` at its `]`.
static bool in_set(int c, const char *p, const char *last)
{
    bool found = true;

    p++;
    if (*p == '^') {
        found = false;
        p++;
    }
    while (p < last) {
        if (*p == '%') {
            if (in_class(c, (unsigned char)p[1]))
                return found;
            p += 2;
        } else if (p[1] == '-' && p + 2 < last) {
            if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2])
                return found;
            p += 3;
        } else if ((unsigned char)*p++ == c) {
            return found;
        }
    }
    return !found;
}

// Does the byte at `s` fit the item p..end?
static bool fits(ft_lua_matcher *m, const char *s, const char *p, const char *end)
{
    step(m);
    if (s >= m->text_end)
        return false;
    int c = (unsigned char)*s;

    switch (*p) {
    case '.':
        return true;
    case '%':
        return in_class(c, (unsigned char)p[1]);
    case '[':
        // A long set costs as much as it has members.
        m->steps += (unsigned)(end - p) >> 3;
        return in_set(c, p, end - 1);
    default:
        return (unsigned char)*p == c;
    }
}

// ---- repetitions ----

static const char *match_greedy(ft_lua_matcher *m, const char *s, const char *p, const char *end)
{
    ptrdiff_t count = 0;

    while (fits(m, s + count, p, end))
        count++;
    for (; count >= 0; count--) {
        const char *found = match(m, s + count, end + 1);
        if (found)
            return found;
    }
    return NULL;
}

static const char *match_lazy(ft_lua_matcher *m, const char *s, const char *p, const char *end)
{
    for (;; s++) {
        const char *found = match(m, s, end + 1);
        if (found)
            return found;
        if (!fits(m, s, p, end))
            return NULL;
    }
}

// ---- captures ----

static const char *open_capture(ft_lua_matcher *m, const char *s, const char *p, ptrdiff_t what)
{
    if (m->level >= FT_LUA_CAPTURES_MAX)
        luaL_error(m->L, "too many captures");
    m->captures[m->level].start = s;
    m->captures[m->level].size = what;
    m->level++;
    const char *found = match(m, s, p);
    if (!found)
        m->level--;
    return found;
}

static const char *close_capture(ft_lua_matcher *m, const char *s, const char *p)
{
    int open = m->level - 1;

    while (open >= 0 && m->captures[open].size != FT_LUA_CAPTURE_OPEN)
        open--;
    if (open < 0)
        luaL_error(m->L, "invalid pattern capture");
    m->captures[open].size = s - m->captures[open].start;
    const char *found = match(m, s, p);
    if (!found)
        m->captures[open].size = FT_LUA_CAPTURE_OPEN;
    return found;
}

// %1 ...: the same text again.
static const char *match_back(ft_lua_matcher *m, const char *s, char digit)
{
    int index = digit - '1';

    if (index < 0 || index >= m->level || m->captures[index].size == FT_LUA_CAPTURE_OPEN)
        luaL_error(m->L, "invalid capture index %%%d", index + 1);
    // A capture of a place has no text; as in Lua's own matcher it never fits.
    size_t size = (size_t)m->captures[index].size;
    if ((size_t)(m->text_end - s) < size || memcmp(m->captures[index].start, s, size) != 0)
        return NULL;
    m->steps += size < 65536 ? (unsigned)size >> 4 : 4096;
    return s + size;
}

// ---- the two special items ----

// %bxy: from x to the y that balances it.
static const char *match_balance(ft_lua_matcher *m, const char *s, const char *p)
{
    if (m->pattern_end - p < 2)
        luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
    if (s >= m->text_end || *s != p[0])
        return NULL;
    ptrdiff_t open = 1;

    while (++s < m->text_end) {
        step(m);
        if (*s == p[1]) {
            if (--open == 0)
                return s + 1;
        } else if (*s == p[0]) {
            open++;
        }
    }
    return NULL;
}

// %f[set]: between a byte outside of the set and one inside of it; both ends of the text count as
// \0.
static bool match_frontier(ft_lua_matcher *m, const char *s, const char *p, const char **out_end)
{
    if (p >= m->pattern_end || *p != '[')
        luaL_error(m->L, "missing '[' after '%%f' in pattern");
    const char *end = item_end(m, p);
    int before = s == m->text ? 0 : (unsigned char)s[-1];
    int here = s < m->text_end ? (unsigned char)*s : 0;

    step(m);
    m->steps += (unsigned)(end - p) >> 3;
    *out_end = end;
    return !in_set(before, p, end - 1) && in_set(here, p, end - 1);
}

// ---- the whole ----

// An item that is no capture, with what repeats it. True: go on at *s, *p. False: *s is the result.
static bool match_item(ft_lua_matcher *m, const char **s, const char **p)
{
    const char *end = item_end(m, *p), *found;
    char suffix = end < m->pattern_end ? *end : '\0';

    if (!fits(m, *s, *p, end)) {
        if (suffix == '*' || suffix == '?' || suffix == '-') {
            *p = end + 1;
            return true;
        }
        *s = NULL;
        return false;
    }
    switch (suffix) {
    case '?':
        found = match(m, *s + 1, end + 1);
        if (!found) {
            *p = end + 1;
            return true;
        }
        *s = found;
        return false;
    case '+':
        *s = match_greedy(m, *s + 1, *p, end);
        return false;
    case '*':
        *s = match_greedy(m, *s, *p, end);
        return false;
    case '-':
        *s = match_lazy(m, *s, *p, end);
        return false;
    default:
        *s += 1;
        *p = end;
        return true;
    }
}

// `%b`, `%f`, `%1`: as match_item; *is_special says whether it was one.
static bool match_special(ft_lua_matcher *m, const char **s, const char **p, bool *is_special)
{
    char letter = *p + 1 < m->pattern_end ? (*p)[1] : '\0';

    *is_special = true;
    if (letter == 'b') {
        *s = match_balance(m, *s, *p + 2);
        *p += 4;
        return *s != NULL;
    }
    if (letter == 'f') {
        const char *end;
        if (!match_frontier(m, *s, *p + 2, &end)) {
            *s = NULL;
            return false;
        }
        *p = end;
        return true;
    }
    if (letter >= '0' && letter <= '9') {
        *s = match_back(m, *s, letter);
        *p += 2;
        return *s != NULL;
    }
    *is_special = false;
    return true;
}

static const char *match_here(ft_lua_matcher *m, const char *s, const char *p)
{
    bool go_on = true;

    while (go_on && p != m->pattern_end) {
        bool is_special = false;

        if (*p == '(') {
            if (p + 1 < m->pattern_end && p[1] == ')')
                return open_capture(m, s, p + 2, FT_LUA_CAPTURE_PLACE);
            return open_capture(m, s, p + 1, FT_LUA_CAPTURE_OPEN);
        }
        if (*p == ')')
            return close_capture(m, s, p + 1);
        if (*p == '$' && p + 1 == m->pattern_end)
            return s == m->text_end ? s : NULL;
        if (*p == '%')
            go_on = match_special(m, &s, &p, &is_special);
        if (!is_special)
            go_on = match_item(m, &s, &p);
    }
    return s;
}

static const char *match(ft_lua_matcher *m, const char *s, const char *p)
{
    if (m->depth-- == 0)
        luaL_error(m->L, "pattern too complex");
    step(m);
    const char *found = match_here(m, s, p);
    m->depth++;
    return found;
}

const char *ft_lua_matcher_run(ft_lua_matcher *m, const char *s, const char *p)
{
    m->level = 0;
    m->depth = DEPTH_MAX;
    return match(m, s, p);
}
