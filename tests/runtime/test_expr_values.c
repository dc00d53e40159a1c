// What expressions give, item by item: four items, written as they print, `!` for an item that
// failed. The values are evident by hand or computed with Python.
#include "tests/runtime/expr_fixture.h"

typedef struct value {
    const char *text, *type, *items;
} value;

static const value operators[] = {
    {"a", "int", "7 | -3 | 0 | null"},
    {"x", "float", "1.5 | -0.25 | 2 | 1e300"},
    {"lost", "int", "null | null | null | null"},
    {"score", "f32", "0.5 | 2 | -1 | 0"},
    {"nil", "any", "null | null | null | null"},
    {"true", "bool", "true | true | true | true"},
    {"1", "int", "1 | 1 | 1 | 1"},
    {"0x1F", "int", "31 | 31 | 31 | 31"},
    {".5", "float", "0.5 | 0.5 | 0.5 | 0.5"},
    {"1e3", "float", "1000 | 1000 | 1000 | 1000"},
    {"'it\\'s'", "string", "it's | it's | it's | it's"},
    {"\"a\\tb\\u{20AC}\"", "string", "a\tb€ | a\tb€ | a\tb€ | a\tb€"},
    {"a + b", "int", "9 | 2 | 0 | !"},
    {"a - b", "int", "5 | -8 | 0 | !"},
    {"a * b", "int", "14 | -15 | 0 | !"},
    {"b / 2", "float", "1 | 2.5 | 0 | 2"},
    {"a // 2", "int", "3 | -2 | 0 | !"},
    {"a % 4", "int", "3 | 1 | 0 | !"},
    {"a % -4", "int", "-1 | -3 | 0 | !"},
    {"7 // b", "int", "3 | 1 | ! | 1"},
    {"7 % b", "int", "1 | 2 | ! | 3"},
    {"x // 0.5", "float", "3 | -1 | 4 | 2e300"},
    {"x % 0.4 < 0.4", "bool", "true | true | true | true"},
    {"-0.25 % 1", "float", "0.75 | 0.75 | 0.75 | 0.75"},
    {"2 ^ b", "float", "4 | 32 | 1 | 16"},
    {"2 ^ 3 ^ 2", "float", "512 | 512 | 512 | 512"},
    {"-2 ^ 2", "float", "-4 | -4 | -4 | -4"},
    {"2 ^ -1", "float", "0.5 | 0.5 | 0.5 | 0.5"},
    {"-a", "int", "-7 | 3 | 0 | !"},
    {"- -b", "int", "2 | 5 | 0 | 4"},
    {"a + x", "float", "8.5 | -3.25 | 2 | !"},
    {"b + score", "float", "2.5 | 7 | -1 | 4"},
    {"1 + 2 * 3 - 4", "int", "3 | 3 | 3 | 3"},
    {"(1 + 2) * 3", "int", "9 | 9 | 9 | 9"},
    {"10 - 4 - 3", "int", "3 | 3 | 3 | 3"},
    {"9223372036854775807 + b", "int", "! | ! | 9223372036854775807 | !"},
    {"-9223372036854775807 - b", "int", "! | ! | -9223372036854775807 | !"},
    {"4611686018427387904 * b", "int", "! | ! | 0 | !"},
    {"1 / 0 > 1e308", "bool", "true | true | true | true"},
    {"a == 7", "bool", "true | false | false | false"},
    {"a ~= 7", "bool", "false | true | true | true"},
    {"a != 7", "bool", "false | true | true | true"},
    {"a == nil", "bool", "false | false | false | true"},
    {"nil ~= a", "bool", "true | true | true | false"},
    {"lost == nil", "bool", "true | true | true | true"},
    {"a == lost", "bool", "false | false | false | true"},
    {"a < b", "bool", "false | true | false | !"},
    {"a >= 0", "bool", "true | false | true | !"},
    {"x > 1", "bool", "true | false | true | true"},
    {"b <= x", "bool", "false | false | true | true"},
    {"s == ''", "bool", "false | true | false | false"},
    {"s < 'I'", "bool", "true | true | false | true"},
    {"t > 'B'", "bool", "true | false | ! | true"},
    {"t <= '12'", "bool", "false | true | ! | false"},
    {"ok == true", "bool", "true | false | true | false"},
    {"not ok", "bool", "false | true | false | true"},
    {"not nil", "bool", "true | true | true | true"},
    {"ok and b > 1", "bool", "true | false | false | !"},
    {"ok or b > 4", "bool", "true | true | true | !"},
    {"a ~= nil and a > 0", "bool", "true | false | false | false"},
    {"a == nil or a > 0", "bool", "true | false | false | true"},
    {"b ~= 0 and 10 // b > 2", "bool", "true | false | false | false"},
    {"not (a == nil) and not (a < 0)", "bool", "true | false | true | false"},
    {"1 < 2 and 2 < 3 or false", "bool", "true | true | true | true"},
    {"b > 2 and 'big' or 'small'", "string", "small | big | small | big"},
    {"b == 0 and 0 or 10 // b", "int", "5 | 2 | 0 | 2"},
    {"a ~= nil and a or -1", "int", "7 | -3 | 0 | -1"},
    {"b > 0 and a or 1.5", "float", "7 | -3 | 1.5 | 1.5"},
    {"ok and t or 'none'", "string", "World | none | none | !"},
    {"b > 2 and nil or b", "int", "2 | 5 | 0 | 4"},
    {"b > 2 and j or 'z'", "any", "\"z\" | \"t\\u00e4t\" | \"z\" | \"z\""},
    {"s .. '!'", "string", "Hello, World! | ! | ÄÖÜ straße! |  a b  c !"},
    {"b .. ':' .. x", "string", "2:1.5 | 5:-0.25 | 0:2 | 4:1e300"},
    {"'<' .. t .. '>'", "string", "<World> | <12> | ! | <a>"},
    {"1 .. 2", "string", "12 | 12 | 12 | 12"},
};

static const value dynamics[] = {
    {"j == 5", "bool", "true | false | false | false"},
    {"j ~= 5", "bool", "false | true | true | true"},
    {"j == 5.0", "bool", "true | false | false | false"},
    {"j == 'tät'", "bool", "false | true | false | false"},
    {"k == true", "bool", "true | false | false | false"},
    {"k == b", "bool", "false | true | false | false"},
    {"k == '5'", "bool", "false | false | false | true"},
    {"j == k", "bool", "false | false | false | false"},
    {"j == j", "bool", "true | true | true | true"},
    {"j == nil", "bool", "false | false | false | true"},
    {"j > 4", "bool", "true | ! | ! | !"},
    {"j + 1", "float", "6 | ! | ! | !"},
    {"k < 'x'", "bool", "! | ! | ! | true"},
    {"not k", "bool", "false | ! | ! | !"},
    {"k and ok", "bool", "true | ! | ! | !"},
    {"j .. '.'", "string", "5. | tät. | {\"k\":[10,20],\"n\":{\"m\":1.5}}. | !"},
    {"len(j)", "int", "! | 3 | 2 | !"},
    {"len(k)", "int", "! | ! | 3 | 1"},
    {"upper(j)", "string", "! | TÄT | ! | !"},
    {"default(j, 0)", "int", "5 | ! | ! | 0"},
    {"default(j, k)", "any", "5 | \"t\\u00e4t\" | {\"k\":[10,20],\"n\":{\"m\":1.5}} | \"5\""},
    {"get(j, 'n.m')", "any", "null | null | 1.5 | null"},
    {"get(meta, 'a.b')", "any", "1 | null | null | null"},
    {"get(meta, 'a.1.b')", "any", "null | \"x\" | null | null"},
    {"get(meta, 'a.2')", "any", "null | 2 | null | null"},
    {"get(meta, 'a.3') == nil", "bool", "true | true | true | true"},
    {"default(get(meta, 'a.b'), 9) + 1", "int", "2 | 10 | 10 | 10"},
    {"number(k)", "float", "1 | 5 | ! | 5"},
    {"int(k)", "int", "1 | 5 | ! | 5"},
    {"string(k)", "string", "true | 5.0 | [1,2,3] | 5"},
    {"string(j)", "string", "5 | tät | {\"k\":[10,20],\"n\":{\"m\":1.5}} | !"},
};

static const value texts[] = {
    {"len(s)", "int", "12 | 0 | 10 | 8"},
    {"len(raw)", "int", "2 | 2 | 0 | 1"},
    {"lower(s)", "string", "hello, world |  | äöü straße |  a b  c "},
    {"upper(s)", "string", "HELLO, WORLD |  | ÄÖÜ STRAßE |  A B  C "},
    {"upper('ǆ ÿ ⱥ ꭰ')", "string", "Ǆ Ÿ Ⱥ Ꭰ | Ǆ Ÿ Ⱥ Ꭰ | Ǆ Ÿ Ⱥ Ꭰ | Ǆ Ÿ Ⱥ Ꭰ"},
    {"lower('İ Ⱥ Σ Ω')", "string", "i ⱥ σ ω | i ⱥ σ ω | i ⱥ σ ω | i ⱥ σ ω"},
    {"trim(s)", "string", "Hello, World |  | ÄÖÜ straße | a b  c"},
    {"starts(s, 'He')", "bool", "true | false | false | false"},
    {"ends(s, t)", "bool", "true | false | ! | false"},
    {"contains(s, t)", "bool", "true | false | ! | true"},
    {"contains(s, '')", "bool", "true | true | true | true"},
    {"contains(tokens, t)", "bool", "false | false | ! | true"},
    {"match(s, '^H.*d$')", "bool", "true | false | false | false"},
    {"match(s, '[aeiou]{1}')", "bool", "true | false | true | true"},
    {"match(t, '^[0-9]+$')", "bool", "false | true | ! | false"},
    {"replace(s, 'l', 'LL')", "string", "HeLLLLo, WorLLd |  | ÄÖÜ straße |  a b  c "},
    {"replace(s, ' ', '')", "string", "Hello,World |  | ÄÖÜstraße | abc"},
    {"replace('aaa', 'aa', 'b')", "string", "ba | ba | ba | ba"},
    {"sub(s, 1, 5)", "string", "Hello |  | ÄÖÜ s |  a b "},
    {"sub(s, 2)", "string", "ello, World |  | ÖÜ straße | a b  c "},
    {"sub(s, -3)", "string", "rld |  | aße |  c "},
    {"sub(s, 2, -2)", "string", "ello, Worl |  | ÖÜ straß | a b  c"},
    {"sub(s, 3, 2)", "string", " |  |  | "},
    {"sub(s, 0, b)", "string", "He |  |  |  a b"},
    {"sub(s, -100, 1)", "string", "H |  | Ä |  "},
    {"repeat(t, b)", "string", "WorldWorld | 1212121212 | ! | aaaa"},
    {"repeat(t, -1)", "string", " |  | ! | "},
    {"split(s, ' ')", "string[*]", "[Hello,,World] | [] | [ÄÖÜ,straße] | [,a,b,,c,]"},
    {"len(split(s, ' '))", "int", "2 | 1 | 2 | 6"},
    {"split(s, t)", "string[*]", "[Hello, ,] | [] | ! | [ , b  c ]"},
    {"words(s)", "string[*]", "[Hello,,World] | [] | [ÄÖÜ,straße] | [a,b,c]"},
    {"len(words(s))", "int", "2 | 0 | 2 | 3"},
    {"join(tokens, '-')", "string", "the-cat |  | x | a-b-c"},
    {"join(tokens)", "string", "the cat |  | x | a b c"},
    {"join(split(s, ' '), '_')", "string", "Hello,_World |  | ÄÖÜ_straße | _a_b__c_"},
    {"join(split(s, ''), '_')", "string", "! | ! | ! | !"},
    {"hash(s) == hash(s .. '')", "bool", "true | true | true | true"},
    {"hash(a) >= 0", "bool", "true | true | true | !"},
    {"hash(s) == hash('')", "bool", "false | true | false | false"},
    {"string(a)", "string", "7 | -3 | 0 | !"},
    {"string(x)", "string", "1.5 | -0.25 | 2 | 1e300"},
    {"string(ok)", "string", "true | false | true | !"},
    {"string(raw)", "string", "ab | ! |  | z"},
    {"number(t)", "float", "! | 12 | ! | !"},
    {"number('1e2')", "float", "100 | 100 | 100 | 100"},
    {"number(' 7 ')", "float", "7 | 7 | 7 | 7"},
    {"number(ok)", "float", "1 | 0 | 1 | !"},
    {"int(t)", "int", "! | 12 | ! | !"},
    {"int(x)", "int", "! | ! | 2 | !"},
    {"default(t, '-')", "string", "World | 12 | - | a"},
    {"default(a, 1.5)", "float", "7 | -3 | 0 | 1.5"},
    {"default(default(lost, a), 3)", "int", "7 | -3 | 0 | 3"},
    {"default(nil, 3)", "int", "3 | 3 | 3 | 3"},
    {"default(10 // b, 1)", "int", "5 | 2 | ! | 2"},
};

static const value numbers[] = {
    {"abs(a)", "int", "7 | 3 | 0 | !"},
    {"abs(x)", "float", "1.5 | 0.25 | 2 | 1e300"},
    {"min(a, b)", "int", "2 | -3 | 0 | !"},
    {"max(b, x, 3)", "float", "3 | 5 | 3 | 1e300"},
    {"max(b, 3)", "int", "3 | 5 | 3 | 4"},
    {"round(x)", "int", "2 | 0 | 2 | !"},
    {"round(2.5)", "int", "3 | 3 | 3 | 3"},
    {"round(-2.5)", "int", "-3 | -3 | -3 | -3"},
    {"round(2.345678, 2)", "float", "2.35 | 2.35 | 2.35 | 2.35"},
    {"round(1234.5, -2)", "float", "1200 | 1200 | 1200 | 1200"},
    {"round(x, 1)", "float", "1.5 | -0.3 | 2 | 1e300"},
    {"floor(x)", "int", "1 | -1 | 2 | !"},
    {"ceil(x)", "int", "2 | 0 | 2 | !"},
    {"sqrt(b * b)", "float", "2 | 5 | 0 | 4"},
    {"exp(0 * b)", "float", "1 | 1 | 1 | 1"},
    {"log(exp(b)) - b < 0.000001", "bool", "true | true | true | true"},
    {"len(tokens)", "int", "2 | 0 | 1 | 3"},
    {"len(ids)", "int", "3 | 0 | 1 | 2"},
    {"len(vec)", "int", "3 | 3 | 3 | 3"},
    {"norm(vec)", "float", "5 | 1 | 0.8660254037844386 | 0"},
    {"dot(vec, vec)", "float", "25 | 1 | 0.75 | 0"},
    {"cosine(vec, vec) > 0.999", "bool", "true | true | true | false"},
    {"dot(ids, vec)", "float", "19 | ! | ! | !"},
    {"argmax(vec)", "int", "1 | 0 | 0 | 0"},
    {"argmax(ids)", "int", "2 | ! | 0 | 0"},
    {"top(ids, 2)", "i32[*]", "[9,5] | [] | [3] | [2,2]"},
    {"top(vec, 2)", "f32[*]", "[4,3] | [1,0] | [0.5,0.5] | [0,0]"},
    {"top(ids, 0)", "i32[*]", "[] | [] | [] | []"},
    {"max(ids)", "int", "9 | ! | 3 | 2"},
    {"min(ids)", "int", "1 | ! | 3 | 2"},
    {"max(vec)", "float", "4 | 1 | 0.5 | 0"},
    {"sum(ids)", "int", "15 | 0 | 3 | 4"},
    {"sum(vec)", "float", "7 | 1 | 1.5 | 0"},
    {"mean(ids)", "float", "5 | ! | 3 | 2"},
    {"len(top(ids, 2)) == 2", "bool", "true | false | false | true"},
    {"now() > 1000000000", "bool", "true | true | true | true"},
    {"tokens", "string[*]", "[the,cat] | [] | [x] | [a,b,c]"},
    {"b > 2 and tokens or nil", "string[*]", "null | [] | null | [a,b,c]"},
    {"b > 2 and vec or nil", "f32[3]", "null | <1,0,0> | null | <0,0,0>"},
};

static failures noted;

static void check_value(const value *v, const ft_batch *batch)
{
    ft_arena *arena = ft_arena_create();
    ft_error err = FT_ERROR_INIT;
    ft_expr_run run = {.failed = note_failure, .host = &noted, .seed = 7};
    const ft_expr *expr;
    ft_column column = {0};
    char type[FT_TYPE_TEXT_BYTES];
    ft_text got;

    noted = (failures){0};
    ft_text_init(&got, 65536);
    if (!ft_expr_compile(arena, ft_slice_of(v->text), &fixture_schema, FT_EXPR_ITEM, &expr, &err))
        fprintf(stderr, "%s: %s\n", v->text, err.message);
    check_true(err.code == FT_ERROR_NONE);
    check_text_eq(ft_type_print(ft_expr_type(expr), type), v->type);
    check_ok(ft_expr_eval(expr, batch, &run, &column, &err), &err);
    check_true(ft_type_equal(column.type, ft_expr_type(expr)));
    print_column(&got, &column, batch->count, &noted);
    if (strcmp(got.data ? got.data : "", v->items) != 0)
        fprintf(stderr, "%s\n", v->text);
    check_text_eq(got.data ? got.data : "", v->items);
    ft_text_finish(&got);
    ft_column_finish(&column);
    ft_expr_free_scratch(&run);
    ft_arena_destroy(arena);
}

static void check_values(const value *values, size_t count)
{
    ft_batch *batch = fixture_batch(NULL, 1);

    for (size_t i = 0; i < count; i++)
        check_value(&values[i], batch);
    ft_batch_unref(batch);
}

TEST(operators_give_their_values)
{
    check_values(operators, FT_COUNT_OF(operators));
}

TEST(values_of_any_are_taken_item_by_item)
{
    check_values(dynamics, FT_COUNT_OF(dynamics));
}

TEST(functions_of_text_give_their_values)
{
    check_values(texts, FT_COUNT_OF(texts));
}

TEST(functions_of_numbers_and_lists_give_their_values)
{
    check_values(numbers, FT_COUNT_OF(numbers));
}

// ---- what is said of items that fail ----

static const struct {
    const char *text, *at, *message, *hint;
} item_errors[] = {
    {"1 + a", "a", "`a` is null", "default(a, ...)"},
    {"b * 9223372036854775807", "b * 9223372036854775807", "does not fit a whole number",
     "number(x)"},
    {"7 // (b - 2)", "7 // (b - 2)", "division by zero", ""},
    {"j + 1", "j", "`j` is a string in this item, and a number is wanted", ""},
    {"upper(k)", "k", "`k` is a bool in this item, and a string is wanted", ""},
    {"number(s)", "number(s)", "\"Hello, World\" is not a number", ""},
    {"dot(ids, vec)", "dot(ids, vec)", "one side has 0 elements, the other 3", ""},
    {"max(ids)", "max(ids)", "`ids` is empty", ""},
    {"split(s, '')", "split(s, '')", "cannot cut at an empty text", "white space"},
    {"floor(x)", "floor(x)", "does not fit", ""},
};

TEST(failed_items_are_told_with_place)
{
    ft_batch *batch = fixture_batch(NULL, 1);

    for (size_t i = 0; i < FT_COUNT_OF(item_errors); i++) {
        ft_arena *arena = ft_arena_create();
        ft_error err = FT_ERROR_INIT;
        ft_expr_run run = {.failed = note_failure, .host = &noted};
        const ft_expr *expr;
        ft_column column = {0};
        noted = (failures){0};
        check_ok(ft_expr_compile(arena, ft_slice_of(item_errors[i].text), &fixture_schema,
                                 FT_EXPR_ITEM, &expr, &err),
                 &err);
        check_ok(ft_expr_eval(expr, batch, &run, &column, &err), &err);
        check_true(noted.count > 0);
        check_contains(noted.first.message, item_errors[i].message);
        check_contains(noted.first.hint, item_errors[i].hint);
        ft_slice at = {item_errors[i].text + noted.first.offset, noted.first.length};
        check_slice_eq(at, item_errors[i].at);
        ft_column_finish(&column);
        ft_expr_free_scratch(&run);
        ft_arena_destroy(arena);
    }
    ft_batch_unref(batch);
}

// ---- conditions ----

TEST(conditions_are_tested)
{
    static const struct {
        const char *text, *passes;
    } all[] = {
        {"ok", "1010"},       {"a > 0", "1000"},
        {"a == nil", "0001"}, {"not ok", "0101"},
        {"k", "1000"},        {"len(tokens) > 1", "1001"},
        {"true", "1111"},     {"b > 1 and contains(s, t)", "1001"},
    };
    ft_batch *batch = fixture_batch(NULL, 1);

    for (size_t i = 0; i < FT_COUNT_OF(all); i++)
        for (int use = 0; use < 2; use++) {
            ft_arena *arena = ft_arena_create();
            ft_error err = FT_ERROR_INIT;
            ft_expr_run run = {.failed = note_failure, .host = &noted};
            const ft_expr *expr;
            uint8_t passes[ROWS];
            char got[ROWS + 1] = {0};
            noted = (failures){0};
            check_ok(ft_expr_compile(arena, ft_slice_of(all[i].text), &fixture_schema,
                                     use ? FT_EXPR_CONDITION : FT_EXPR_ITEM, &expr, &err),
                     &err);
            check_ok(ft_expr_test(expr, batch, &run, passes, &err), &err);
            for (size_t k = 0; k < ROWS; k++)
                got[k] = passes[k] ? '1' : '0';
            check_text_eq(got, all[i].passes);
            ft_expr_free_scratch(&run);
            ft_arena_destroy(arena);
        }
    ft_batch_unref(batch);
}

TEST(an_expression_knows_what_it_reads)
{
    ft_arena *arena = ft_arena_create();
    ft_error err = FT_ERROR_INIT;
    const ft_expr *expr;

    check_ok(
        ft_expr_compile(arena, FT_SLICE("len(s) + a"), &fixture_schema, FT_EXPR_ITEM, &expr, &err),
        &err);
    check_true(ft_expr_reads(expr, 0) && ft_expr_reads(expr, 3) && !ft_expr_reads(expr, 1));
    check_true(!ft_expr_reads(expr, 1000) && !ft_expr_is_constant(expr));
    check_ok(ft_expr_compile(arena, FT_SLICE("upper('x') .. 1"), &fixture_schema, FT_EXPR_ITEM,
                             &expr, &err),
             &err);
    check_true(ft_expr_is_constant(expr));
    check_ok(ft_expr_compile(arena, FT_SLICE("now()"), &fixture_schema, FT_EXPR_ITEM, &expr, &err),
             &err);
    check_true(!ft_expr_is_constant(expr));
    ft_arena_destroy(arena);
}

// ---- generate ----

static void check_generated(const char *text, const char *type_wanted, size_t count)
{
    static const size_t sizes[] = {1, 7, 1024, 3000};
    static const ft_schema none;
    ft_arena *arena = ft_arena_create();
    ft_error err = FT_ERROR_INIT;
    ft_expr_run run = {.failed = note_failure, .host = &noted, .seed = 42};
    const ft_expr *expr;
    char type[FT_TYPE_TEXT_BYTES];
    ft_text whole, pieces;

    check_ok(ft_expr_compile(arena, ft_slice_of(text), &none, FT_EXPR_GENERATE, &expr, &err), &err);
    check_text_eq(ft_type_print(ft_expr_type(expr), type), type_wanted);
    ft_text_init(&whole, 64 << 20);
    for (size_t k = 0; k < FT_COUNT_OF(sizes); k++) {
        ft_text_init(&pieces, 64 << 20);
        for (size_t from = 0; from < count; from += sizes[k]) {
            size_t items = count - from < sizes[k] ? count - from : sizes[k];
            ft_lineage *lineage = ft_lineage_create(NULL, items, false, &err);
            check_true(lineage);
            lineage->first_index = from;
            ft_batch *batch = ft_batch_create(NULL, items, 0, lineage, &err);
            ft_column column = {0};
            noted = (failures){0};
            check_ok(ft_expr_eval(expr, batch, &run, &column, &err), &err);
            print_column(&pieces, &column, items, &noted);
            ft_text_append_string(&pieces, " | ");
            ft_column_finish(&column);
            ft_batch_unref(batch);
            ft_lineage_unref(lineage);
        }
        if (k == 0)
            ft_text_append(&whole, ft_text_get(&pieces));
        check_true(ft_slice_equal(ft_text_get(&whole), ft_text_get(&pieces)));
        ft_text_finish(&pieces);
    }
    ft_text_finish(&whole);
    ft_expr_free_scratch(&run);
    ft_arena_destroy(arena);
}

TEST(generated_values_depend_on_the_index_alone)
{
    check_generated("index", "int", 3000);
    check_generated("words(0, 9)", "string", 3000);
    check_generated("words(3, 3)", "string", 100);
    check_generated("normal(5)", "f32[5]", 3000);
    check_generated("normal(1, 4)", "f32[1,4]", 3000);
    check_generated("uniform(-1, 1)", "float", 3000);
    check_generated("integer(1, 6)", "int", 3000);
    check_generated("'id-' .. index .. ': ' .. words(1, 3)", "string", 3000);
    check_generated("index % 2 == 0 and 'even' or 'odd'", "string", 3000);
    check_generated("words(5, index % 7)", "string", 3000);
    check_generated("'The Global Interpreter Lock is finally optional in CPython.'", "string",
                    3000);
}

TEST(random_calls_in_one_expression_differ)
{
    static const ft_schema none;
    ft_arena *arena = ft_arena_create();
    ft_error err = FT_ERROR_INIT;
    ft_expr_run run = {.seed = 1};
    const ft_expr *expr;
    ft_batch *batch = ft_batch_create(NULL, 1000, 0, NULL, &err);
    static uint8_t passes[1000];
    size_t equal = 0;

    check_ok(ft_expr_compile(arena, FT_SLICE("integer(1, 1000) == integer(1, 1000)"), &none,
                             FT_EXPR_GENERATE, &expr, &err),
             &err);
    check_ok(ft_expr_test(expr, batch, &run, passes, &err), &err);
    for (size_t i = 0; i < 1000; i++)
        equal += passes[i];
    check_true(equal < 20);
    ft_expr_free_scratch(&run);
    ft_batch_unref(batch);
    ft_arena_destroy(arena);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
