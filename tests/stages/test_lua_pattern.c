// Our patterns against those of the Lua library that we link: the same results and the same errors,
// for chosen cases and for random ones.
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>

#include "runtime/random.h"
#include "stages/lua/lua_sandbox.h"
#include "stages/lua/lua_state.h"
#include "tests/check.h"

// Called with our state and the library's: runs `code`, which gives a text.
static const char compare_code[] =
    "local text, pattern = ...\n"
    "local out = {}\n"
    "local function note(...)\n"
    "  local all = table.pack(...)\n"
    "  for i = 1, all.n do out[#out + 1] = tostring(all[i]):gsub('^.-:%d+: ', '') end\n"
    "  out[#out + 1] = '|'\n"
    "end\n"
    "note(pcall(string.find, text, pattern))\n"
    "note(pcall(string.find, text, pattern, 3))\n"
    "note(pcall(string.find, text, pattern, -2))\n"
    "note(pcall(string.find, text, pattern, 1, true))\n"
    "note(pcall(string.match, text, pattern))\n"
    "note(pcall(string.match, text, pattern, 2))\n"
    "note(pcall(string.gsub, text, pattern, '<%0>'))\n"
    "note(pcall(string.gsub, text, pattern, '%1%%', 2))\n"
    "note(pcall(string.gsub, text, pattern, '%2'))\n"
    "note(pcall(string.gsub, text, pattern, '%'))\n"
    "note(pcall(string.gsub, text, pattern, {a = 'A', b = false, ab = 7}))\n"
    "note(pcall(string.gsub, text, pattern, function(...) return select('#', ...) .. (...) end))\n"
    "note(pcall(string.gsub, text, pattern, function() return {} end))\n"
    "note(pcall(function()\n"
    "  local n = 0\n"
    "  for a, b in string.gmatch(text, pattern) do note(a, b) n = n + 1 if n > 50 then break end "
    "end\n"
    "end))\n"
    "return table.concat(out, ' ')\n";

static lua_State *stock;
static ft_lua *ours;
static char stock_out[65536], our_out[65536];

typedef struct pair {
    ft_slice text, pattern;
} pair;

static void run_pair(lua_State *L, const pair *one, char *out, size_t out_bytes)
{
    size_t size;

    if (luaL_loadbufferx(L, compare_code, strlen(compare_code), "=compare", "t") != LUA_OK)
        lua_error(L);
    lua_pushlstring(L, one->text.data, one->text.size);
    lua_pushlstring(L, one->pattern.data, one->pattern.size);
    lua_call(L, 2, 1);
    const char *text = lua_tolstring(L, -1, &size);
    size = size < out_bytes - 1 ? size : out_bytes - 1;
    for (size_t i = 0; i < size; i++)
        out[i] = text[i] ? text[i] : '0';
    out[size] = '\0';
}

static int run_ours(lua_State *L)
{
    run_pair(L, lua_touserdata(L, 1), our_out, sizeof our_out);
    return 0;
}

static void start(void)
{
    static const ft_lua_limits limits = {64 << 20, 10000};
    static const ft_lua_place place = {"test", NULL, ""};
    ft_error err = FT_ERROR_INIT;

    stock = luaL_newstate();
    check_true(stock != NULL);
    luaL_openlibs(stock);
    ours = ft_lua_create(&limits, &place, NULL, 1, &err);
    check_text_eq(err.message, "");
}

static void stop(void)
{
    lua_close(stock);
    ft_lua_destroy(ours);
}

static void compare(ft_slice text, ft_slice pattern)
{
    pair one = {text, pattern};
    ft_error err = FT_ERROR_INIT;

    run_pair(stock, &one, stock_out, sizeof stock_out);
    lua_settop(stock, 0);
    check_ok(ft_lua_call(ours, run_ours, &one, &err), &err);
    if (strcmp(stock_out, our_out) != 0) {
        char what[200];
        snprintf(what, sizeof what, "text `%.*s`, pattern `%.*s`", (int)text.size, text.data,
                 (int)pattern.size, pattern.data);
        check_text_eq(our_out, stock_out);
        check_true_at(false, what, __FILE__, __LINE__);
    }
}

static const char *const texts[] = {"",
                                    "a",
                                    "ab",
                                    "abab  ab12",
                                    "key = value",
                                    "(a(b)c) d)",
                                    "a\nb\tc",
                                    "\xc3\xa4x]^-%.",
                                    "THE (quick) fox",
                                    "aaaaaaaaaaaaab"};

// Each on a line.
static const char patterns[] =
    "\na\n.\n^a\na$\n^$\n$\na*\na+\na-\na?\n.-b\n(a)(b)\n()\n(a*)()\n((a)b)\n%a+\n%A+\n"
    "%w%s\n%S+\n[ab]+\n[^ab]+\n[a-c]+\n[%a_]+\n[]]\n[^]]+\n[a-]\n[%-]\n%b()\n%b\n%bx\n"
    "%f[%w]%w+\n%f\n%f[\n%f[%A]\n(.)%1\n%1\n(%1)\n(a\na)\n%\n[\n[a\n[%\n[^\n[]\n(()\n%0\n"
    "%2(a)\n^^\na^\na$b\n%d*$\n^%s*(.-)%s*$\n(%w+) = (%w+)\n%x%x\n%p\n%c\n%g+\n%z\n%l%u\n"
    "%%\n[%w.-]+\n[a-%%]\n[+-a]\n(.-)%s\nx*y-z?\n[%a-z]\n[a-a-c]\n(((((a)))))\n.*.*.*b\n"
    "a**\na+-\na??\n--\n-\n*a\n+\n?\n[^%s]+\n[[]\n";

TEST(lua_patterns_that_were_chosen)
{
    char chosen[40];

    start();
    for (size_t t = 0; t < FT_COUNT_OF(texts); t++) {
        ft_slice rest = ft_slice_of(patterns), pattern;
        while (ft_slice_cut(&rest, '\n', &pattern)) {
            check_true(pattern.size < sizeof chosen);
            memcpy(chosen, pattern.data, pattern.size);  // NUL behind it, as a Lua string has.
            chosen[pattern.size] = '\0';
            compare(ft_slice_of(texts[t]), ft_slice_of(chosen));
        }
    }
    compare((ft_slice){"a\0b\0", 4}, (ft_slice){"\0", 1});
    compare((ft_slice){"a\0b\0", 4}, (ft_slice){"[^\0]+", 5});
    compare((ft_slice){"a\0b\0", 4}, (ft_slice){"%f[\0]", 5});
    stop();
}

TEST(lua_patterns_at_random)
{
    static const char alphabet[] = "aab.%%[]^$()*+-?1sdwbf,";
    ft_random random;

    start();
    ft_random_init(&random, 20, 1);
    for (int round = 0; round < 6000; round++) {
        char text[12], pattern[10];
        int64_t text_size = ft_random_between(&random, 0, sizeof text);
        int64_t pattern_size = ft_random_between(&random, 0, sizeof pattern);
        for (int64_t i = 0; i < text_size; i++)
            text[i] = "aabb(1) ,"[ft_random_between(&random, 0, 8)];
        for (int64_t i = 0; i < pattern_size; i++)
            pattern[i] = alphabet[ft_random_between(&random, 0, sizeof alphabet - 2)];
        compare((ft_slice){text, (size_t)text_size}, (ft_slice){pattern, (size_t)pattern_size});
    }
    stop();
}

TEST(lua_patterns_at_their_bounds)
{
    static char many[2000];

    start();
    for (int count = 30; count <= 34; count++) {  // 32 captures.
        for (int i = 0; i < count; i++)
            memcpy(many + 3 * i, "(a)", 3);
        compare(ft_slice_of("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
                (ft_slice){many, (size_t)count * 3});
    }
    for (int count = 190; count <= 210; count++) {  // 200 levels.
        for (int i = 0; i < count; i++)
            memcpy(many + 2 * i, "a?", 2);
        memset(many + 1000, 'a', 400);
        compare((ft_slice){many + 1000, 400}, (ft_slice){many, (size_t)count * 2});
        compare(ft_slice_of("bbb"), (ft_slice){many, (size_t)count * 2});
    }
    stop();
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
