// What the compiler of expressions refuses: number, place and words of each message. The caret's
// text is written out, so that a wrong place shows.
#include "tests/runtime/expr_fixture.h"

typedef struct wrong {
    const char *text;
    int number;
    const char *at;       // What the caret marks; "" for the end.
    const char *message;  // Is in it.
    const char *hint;     // Is in it; "" for any.
    ft_expr_use use;
} wrong;

static const wrong all[] = {
    // Syntax.
    {"", 401, "", "is empty", "comment", 0},
    {"   ", 401, "   ", "is empty", "len(x)", 0},
    {"a +", 401, "", "ends where a value", "", 0},
    {"+ a", 401, "+", "expected a value", "", 0},
    {"a b", 401, "b", "expected an operator behind `a`", "quotes", 0},
    {"a 5", 401, "5", "expected an operator", "", 0},
    {"5 a", 401, "a", "expected an operator", "", 0},
    {"(a + b", 401, "(", "never closed", "", 0},
    {"a + b)", 401, ")", "closes nothing", "", 0},
    {"len(s", 401, "(", "never closed", "", 0},
    {"max(a,)", 401, ")", "one more argument", "", 0},
    {"max(a b)", 401, "b", "expected an operator behind `a`", "", 0},
    {"()", 401, ")", "expected a value", "", 0},
    {"a && b", 401, "&&", "`&&` is not an operator", "`and`", 0},
    {"a || b", 401, "||", "`||` is not an operator", "`or`", 0},
    {"!ok", 401, "!", "`!` is not an operator", "`not`", 0},
    {"a & b", 401, "&", "`&` is not an operator", "`and`", 0},
    {"a | b", 401, "|", "`|` is not an operator", "`or`", 0},
    {"a = 5", 401, "=", "`=` is not an operator", "`==`", 0},
    {"a === 5", 401, "===", "`===`", "`==`", 0},
    {"a <> 5", 401, "<>", "`<>`", "`~=`", 0},
    {"a => 5", 401, "=>", "`=>`", "`>=`", 0},
    {"a =< 5", 401, "=<", "`=<`", "`<=`", 0},
    {"a ** 2", 401, "**", "`**`", "`^`", 0},
    {"a ?? 2", 401, "??", "`??`", "default(x, y)", 0},
    {"a << 2", 401, "<<", "`<<`", "", 0},
    {"ok ? a : b", 401, "?", "`?` cannot stand here", "condition and a or b", 0},
    {"#tokens > 5", 401, "#", "`#` cannot stand here", "len(x)", 0},
    {"tokens[1]", 401, "[", "`[` cannot stand here", "", 0},
    {"j.k", 401, ".", "`.` cannot stand here", "get(field", 0},
    {"s:sub(1, 2)", 401, ":", "`:` cannot stand here", "sub(text, 1, 60)", 0},
    {"${params.x}", 401, "$", "`$` cannot stand here", "filled in", 0},
    {"a ~ b", 401, "~", "`~` cannot stand here", "~=", 0},
    {"s == “x”", 401, "“", "cannot stand here", "straight quotes", 0},
    {"s == `x`", 401, "`", "cannot stand here", "quotes", 0},
    {"s == \"x", 401, "\"x", "no closing", "YAML", 0},
    {"s == 'x\\q'", 401, "\\q", "unrecognized escape", "\\\\", 0},
    {"'\\u{110000}'", 401, "\\u", "code point", "20AC", 0},
    {"'\\u{D800}'", 401, "\\u", "code point", "", 0},
    {"99999999999999999999", 401, "99999999999999999999", "is not a number", "point", 0},
    {"0x", 401, "0x", "is not a number", "", 0},
    {"1.2.3", 401, "1.2.3", "is not a number", "", 0},
    {"12abc", 401, "12abc", "is not a number", "", 0},
    {"a \x01 b", 401, "\x01", "control character", "", 0},
    {"not", 401, "", "ends where a value", "", 0},
    {"a and", 401, "", "ends where a value", "", 0},
    {"and a", 401, "and", "expected a value, not `and`", "", 0},
    {"a, b", 401, ",", "expected an operator", "", 0},
    // Names.
    {"tokns == nil", 402, "tokns", "no field `tokns`", "`tokens`?", 0},
    {"socre > 1", 402, "socre", "no field `socre`", "`score`?", 0},
    {"hello == 1", 402, "hello", "no field `hello`", "a: int", 0},
    {"s == None", 402, "None", "no field `None`", "Write `nil`", 0},
    {"s == null", 402, "null", "no field `null`", "Write `nil`", 0},
    {"ok == True", 402, "True", "no field `True`", "Write `true`", 0},
    {"lower == s", 402, "lower", "no field `lower`", "lower(text)", 0},
    {"index + 1", 402, "index", "no field `index`", "", 0},
    {"indx + 1", 402, "indx", "no field `indx`", "", FT_EXPR_GENERATE},
    {"hello", 402, "hello", "no field", "quotes", FT_EXPR_GENERATE},
    {"lenn(s)", 403, "lenn(s)", "no function `lenn`", "`len`?", 0},
    {"length(s)", 403, "length(s)", "no function `length`", "`len`", 0},
    {"startswith(s, 'a')", 403, "startswith(s, 'a')", "no function", "`starts`", 0},
    {"if(ok, a, b)", 403, "if(ok, a, b)", "no function `if`", "condition and a or b", 0},
    {"frobnicate(s)", 403, "frobnicate(s)", "no function `frobnicate`", "lists them", 0},
    {"normal(3)", 403, "normal(3)", "only `generate`", "", 0},
    // Types.
    {"s + 1", 404, "s", "`s` is string, and a number", "`..`", 0},
    {"s * 2", 404, "s", "`s` is string, and a number", "number(s)", 0},
    {"'5' * 2", 404, "'5'", "is string", "without quotes", 0},
    {"tokens * 2", 404, "tokens", "is string[*]", "len(tokens)", 0},
    {"nil + 1", 404, "nil", "is nil", "default", 0},
    {"-s", 404, "s", "is string, and a number", "", 0},
    {"ok + 1", 404, "ok", "is bool", "", 0},
    {"a == 'x'", 404, "a == 'x'", "cannot compare `a` (int) with `'x'` (string)", "quotes away", 0},
    {"s > 5", 404, "s > 5", "cannot compare `s` (string) with `5` (int)", "number(s)", 0},
    {"tokens > 5", 404, "tokens > 5", "cannot compare `tokens` (string[*])", "len(tokens)", 0},
    {"5 < ids", 404, "5 < ids", "cannot compare", "len(ids)", 0},
    {"vec == vec", 404, "vec == vec", "cannot compare", "len(vec)", 0},
    {"1 < a < 5", 404, "1 < a < 5", "cannot compare", "do not chain", 0},
    {"ok < ok", 404, "ok < ok", "cannot compare", "", 0},
    {"ok == 1", 404, "ok == 1", "cannot compare", "", 0},
    {"j < k", 404, "j < k", "cannot compare", "number(x)", 0},
    {"a < nil", 404, "a < nil", "cannot compare", "", 0},
    {"a and ok", 404, "a", "`and` wants true or false, and `a` is int", "a ~= 0", 0},
    {"s == 'a' or 'b'", 404, "'b'", "`or` wants true or false", "Each side", 0},
    {"not a", 404, "a", "`not` wants true or false", "a ~= 0", 0},
    {"s .. tokens", 404, "tokens", "a text or a number is wanted", "join", 0},
    {"s .. ok", 404, "ok", "a text or a number is wanted", "", 0},
    {"ok and a or s", 404, "ok and a or s", "different types: int and string", "", 0},
    {"default(a, 'x')", 404, "default(a, 'x')", "different types", "", 0},
    {"lower(5)", 404, "5", "`lower` takes a text, and `5` is int", "string(5)", 0},
    {"abs('5')", 404, "'5'", "`abs` takes a number", "number('5')", 0},
    {"len(a)", 404, "a", "`len` takes a text, a list or a tensor", "len(x)", 0},
    {"norm(s)", 404, "s", "`norm` takes a list of numbers", "", 0},
    {"join(s, ' ')", 404, "s", "`join` takes a list of texts", "", 0},
    {"get(s, 'a')", 404, "s", "`get` takes JSON", "", 0},
    {"get(j, s)", 404, "s", "`get` takes a text in quotes", "", 0},
    {"match(s, t)", 404, "t", "`match` takes a text in quotes", "", 0},
    {"lower(nil)", 404, "nil", "no nil", "", 0},
    {"sub(s, 1.5)", 404, "1.5", "a whole number", "", 0},
    {"normal(0)", 404, "0", "cannot be made", "", FT_EXPR_GENERATE},
    {"normal(4096, 4097)", 404, "4097", "cannot be made", "", FT_EXPR_GENERATE},
    {"match(s, '(')", 401, "'('", "not one that `match` takes", "POSIX", 0},
    {"match(s, '\\\\d')", 401, "'\\\\d'", "backslash", "[0-9]+", 0},
    {"match(s, '((a{100}){100})')", 401, "'((a{100}){100})'", "multiply", "", 0},
    // Numbers of arguments.
    {"len()", 405, "len()", "`len` is given 0 arguments", "len(x)", 0},
    {"len(s, t)", 405, "len(s, t)", "`len` is given 2 arguments", "len(x)", 0},
    {"max()", 405, "max()", "`max` is given 0 arguments", "", 0},
    {"max(1,2,3,4,5,6,7,8,9)", 405, "max", "more than 8", "", 0},
    {"replace(s, t)", 405, "replace(s, t)", "given 2 arguments", "replace(text, old, new)", 0},
    // Conditions.
    {"a", 406, "a", "this is int", "a ~= 0", FT_EXPR_CONDITION},
    {"s", 406, "s", "this is string", "~= \"\"", FT_EXPR_CONDITION},
    {"tokens", 406, "tokens", "this is string[*]", "len(tokens) > 0", FT_EXPR_CONDITION},
    {"nil", 406, "nil", "this is nil", "", FT_EXPR_CONDITION},
    // Aggregates.
    {"count()", 407, "count()", "`count` is over all items", "gather", 0},
    {"first(a)", 407, "first(a)", "`first` is over all items", "", FT_EXPR_CONDITION},
    {"a", 407, "a", "`a` has a value for each item", "first(a)", FT_EXPR_GATHER},
    {"sum(a) + b", 407, "b", "`b` has a value for each item", "sum(b)", FT_EXPR_GATHER},
    {"max(a, b)", 407, "a", "has a value for each item", "", FT_EXPR_GATHER},
    {"sum(count())", 407, "count()", "inside of another", "each item", FT_EXPR_GATHER},
    {"sum(s)", 404, "s", "`sum` takes a number", "", FT_EXPR_GATHER},
    {"mean(tokens)", 404, "tokens", "`mean` takes a number", "", FT_EXPR_GATHER},
    {"sum(tokns)", 402, "tokns", "no field", "`tokens`", FT_EXPR_GATHER},
};

static void check_wrong(const wrong *w)
{
    ft_arena *arena = ft_arena_create();
    ft_error err = FT_ERROR_INIT;
    const ft_expr *expr;
    static const ft_schema none;
    const ft_schema *schema = w->use == FT_EXPR_GENERATE ? &none : &fixture_schema;
    char what[600];

    bool ok = ft_expr_compile(arena, ft_slice_of(w->text), schema, w->use, &expr, &err);
    snprintf(what, sizeof(what), "[%s] %s", w->text, err.message);
    if (ok)
        fprintf(stderr, "accepted: %s\n", w->text);
    check_fails(ok, &err, FT_ERROR_USAGE);
    if (err.number != w->number || !strstr(what, w->message))
        fprintf(stderr, "%s: E%04d, wanted E%04d %s\n", what, err.number, w->number, w->message);
    check_int_eq(err.number, w->number);
    check_contains(what, w->message);
    check_true(err.offset + err.length <= strlen(w->text));
    ft_slice at = {w->text + err.offset, err.length};
    if (!ft_slice_is(at, w->at))
        fprintf(stderr, "%s\n", what);
    check_slice_eq(at, w->at);
    if (!strstr(err.hint, w->hint))
        fprintf(stderr, "%s\n", what);
    check_contains(err.hint, w->hint);
    ft_arena_destroy(arena);
}

TEST(wrong_expressions_are_told_with_place_and_hint)
{
    for (size_t i = 0; i < FT_COUNT_OF(all); i++)
        check_wrong(&all[i]);
}

static void check_number(const char *text, int number)
{
    ft_arena *arena = ft_arena_create();
    ft_error err = FT_ERROR_INIT;
    const ft_expr *expr;

    check_fails(
        ft_expr_compile(arena, ft_slice_of(text), &fixture_schema, FT_EXPR_ITEM, &expr, &err), &err,
        FT_ERROR_USAGE);
    check_int_eq(err.number, number);
    ft_arena_destroy(arena);
}

TEST(length_and_depth_are_bounded)
{
    static char text[80 * 1024];

    memset(text, ' ', 65537);
    check_number(text, 408);
    memset(text, '(', 5000);
    text[5000] = 0;
    check_number(text, 408);
    memset(text, '-', 5000);
    check_number(text, 408);
    for (size_t i = 0; i < 5000; i++)
        memcpy(text + 2 * i, "1^", 3);
    check_number(text, 408);
    for (size_t i = 0; i < 5000; i++)
        memcpy(text + 2 * i, "a+", 3);
    memcpy(text + 10000, "a", 2);
    check_number(text, 408);
    for (size_t i = 0; i < 5000; i++)
        memcpy(text + 4 * i, "not ", 5);
    check_number(text, 408);
    for (size_t i = 0; i < 1000; i++)
        memcpy(text + 4 * i, "abs(", 5);
    check_number(text, 408);
}

TEST(invalid_utf8_is_refused)
{
    check_number("s == '\xff'", 401);
    check_number("\xc3", 401);
}

TEST(hidden_fields_are_not_seen)
{
    check_number("@raw", 401);
}

TEST(open_schemas_say_where_to_name_a_field)
{
    ft_schema open = fixture_schema;
    ft_arena *arena = ft_arena_create();
    ft_error err = FT_ERROR_INIT;
    const ft_expr *expr;

    open.open = true;
    check_fails(ft_expr_compile(arena, FT_SLICE("zzzzzz == 1"), &open, FT_EXPR_ITEM, &expr, &err),
                &err, FT_ERROR_USAGE);
    check_contains(err.hint, "fields:");
    ft_arena_destroy(arena);
}

TEST(functions_have_signature_and_doc)
{
    size_t count = 0;

    for (const ft_expr_function *f = ft_expr_functions; f->name; f++, count++) {
        size_t size = strlen(f->name);
        check_true(strncmp(f->signature, f->name, size) == 0 && f->signature[size] == '(');
        check_true(strlen(f->doc) > 8 && f->doc[strlen(f->doc) - 1] == '.');
        // No two functions are told in the same words.
        for (const ft_expr_function *g = ft_expr_functions; g < f; g++)
            check_true(strcmp(f->doc, g->doc) != 0);
    }
    check_true(count > 40);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
