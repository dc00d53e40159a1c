// What `gather` makes of many items: values by hand, the same for every way to cut the items into
// batches.
#include "tests/runtime/expr_fixture.h"

typedef struct total {
    const char *text, *type, *value;
    size_t failures;
} total;

// Over the four items; `failures` of them cannot be taken and are left out.
static const total totals[] = {
    {"count()", "int", "4", 0},
    {"count(a)", "int", "3", 0},
    {"count(lost)", "int", "0", 0},
    {"sum(b)", "int", "11", 0},
    {"sum(a)", "int", "4", 1},
    {"sum(default(a, 100))", "int", "104", 0},
    {"sum(score)", "float", "1.5", 0},
    {"mean(b)", "float", "2.75", 0},
    {"mean(a)", "float", "1.3333333333333333", 1},
    {"min(b)", "int", "0", 0},
    {"max(b)", "int", "5", 0},
    {"max(x)", "float", "1e300", 0},
    {"min(s)", "string", "", 0},
    {"max(s)", "string", "ÄÖÜ straße", 0},
    {"max(default(t, ''))", "string", "a", 0},
    {"first(a)", "int", "7", 0},
    {"last(a)", "int", "null", 0},
    {"last(b)", "int", "4", 0},
    {"first(s)", "string", "Hello, World", 0},
    {"last(s)", "string", " a b  c ", 0},
    {"first(tokens)", "string[*]", "[the,cat]", 0},
    {"last(vec)", "f32[3]", "<0,0,0>", 0},
    {"first(j)", "any", "5", 0},
    {"arg_max(s, b)", "string", "", 0},
    {"arg_min(s, b)", "string", "ÄÖÜ straße", 0},
    {"arg_max(tokens, len(tokens))", "string[*]", "[a,b,c]", 0},
    {"arg_max(b, s)", "int", "0", 0},
    {"arg_max(b, b > 0 and 1 or 0)", "int", "2", 0},
    {"any(b > 4)", "bool", "true", 0},
    {"any(b > 5)", "bool", "false", 0},
    {"all(b >= 0)", "bool", "true", 0},
    {"all(b > 0)", "bool", "false", 0},
    {"any(a > 5)", "bool", "true", 1},
    {"list(b)", "int[*]", "[2,5,0,4]", 0},
    {"list(s)", "string[*]", "[Hello, World,,ÄÖÜ straße, a b  c ]", 0},
    {"list(a)", "int[*]", "[7,-3,0]", 1},
    {"list(x * 2)", "float[*]", "[3,-0.5,4,2e300]", 0},
    {"sum(len(tokens))", "int", "6", 0},
    {"sum(len(tokens)) / count()", "float", "1.5", 0},
    {"sum(max(ids))", "int", "14", 1},
    {"max(b) - min(b)", "int", "5", 0},
    {"max(max(b), 7)", "int", "7", 0},
    {"'n=' .. count()", "string", "n=4", 0},
    {"count() > 3 and 'many' or 'few'", "string", "many", 0},
    {"1 + 1", "int", "2", 0},
    {"sum(number(j))", "float", "5", 3},
    {"join(list(s), '|')", "string", "Hello, World||ÄÖÜ straße| a b  c ", 0},
    {"len(list(b))", "int", "4", 0},
    {"round(mean(score), 2)", "float", "0.38", 0},
};

static failures noted;

static void print_fold(ft_expr_fold *fold, const ft_expr *expr, ft_text *out)
{
    ft_error err = FT_ERROR_INIT;
    ft_builder builder = {0};
    ft_column column = {0};
    static failures none;

    check_ok(ft_builder_init(&builder, ft_expr_type(expr), NULL, 1, 0, &err), &err);
    check_ok(ft_expr_fold_end(fold, &builder, &err), &err);
    check_int_eq(builder.count, 1);
    check_ok(ft_builder_take(&builder, &column, &err), &err);
    print_column(out, &column, 1, &none);
    ft_column_finish(&column);
    ft_builder_finish(&builder);
}

static void check_total(const total *t, const ft_batch *batch, size_t step)
{
    ft_arena *arena = ft_arena_create();
    ft_error err = FT_ERROR_INIT;
    ft_expr_run run = {.failed = note_failure, .host = &noted};
    const ft_expr *expr;
    char type[FT_TYPE_TEXT_BYTES];
    size_t failed = 0;
    ft_text got;

    ft_text_init(&got, 65536);
    if (!ft_expr_compile(arena, ft_slice_of(t->text), &fixture_schema, FT_EXPR_GATHER, &expr, &err))
        fprintf(stderr, "%s: %s\n", t->text, err.message);
    check_true(err.code == FT_ERROR_NONE);
    check_text_eq(ft_type_print(ft_expr_type(expr), type), t->type);
    ft_expr_fold *fold = ft_expr_fold_create(expr, NULL, &err);
    check_true(fold);
    for (size_t from = 0; from < batch->count; from += step) {
        size_t count = batch->count - from < step ? batch->count - from : step;
        ft_batch *slice = ft_batch_slice(batch, from, count, &err);
        noted = (failures){0};
        check_ok(ft_expr_fold_add(fold, slice, &run, &err), &err);
        failed += noted.count;
        ft_batch_unref(slice);
    }
    print_fold(fold, expr, &got);
    if (strcmp(got.data ? got.data : "", t->value) != 0 || failed != t->failures)
        fprintf(stderr, "%s, %zu failed\n", t->text, failed);
    check_text_eq(got.data ? got.data : "", t->value);
    check_int_eq(failed, t->failures);
    ft_text_finish(&got);
    ft_expr_fold_destroy(fold);
    ft_expr_free_scratch(&run);
    ft_arena_destroy(arena);
}

TEST(totals_do_not_depend_on_batches)
{
    ft_batch *batch = fixture_batch(NULL, 1);

    for (size_t i = 0; i < FT_COUNT_OF(totals); i++)
        for (size_t step = 1; step <= ROWS; step++)
            check_total(&totals[i], batch, step);
    ft_batch_unref(batch);
}

static const struct {
    const char *text, *value;
} of_nothing[] = {
    {"count()", "0"},
    {"sum(b)", "0"},
    {"sum(x)", "0"},
    {"mean(b)", "null"},
    {"min(b)", "null"},
    {"max(s)", "null"},
    {"first(a)", "null"},
    {"arg_max(s, b)", "null"},
    {"any(ok)", "false"},
    {"all(ok)", "true"},
    {"list(b)", "[]"},
    {"list(s)", "[]"},
    {"max(b) + 1", "null"},
    {"default(mean(b), 0)", "0"},
    {"sum(b) / count()", "nan"},
};

TEST(totals_of_no_items)
{
    for (size_t i = 0; i < FT_COUNT_OF(of_nothing); i++) {
        ft_arena *arena = ft_arena_create();
        ft_error err = FT_ERROR_INIT;
        const ft_expr *expr;
        ft_text got;
        ft_text_init(&got, 65536);
        check_ok(ft_expr_compile(arena, ft_slice_of(of_nothing[i].text), &fixture_schema,
                                 FT_EXPR_GATHER, &expr, &err),
                 &err);
        ft_expr_fold *fold = ft_expr_fold_create(expr, NULL, &err);
        check_true(fold);
        print_fold(fold, expr, &got);
        const char *value = got.data[0] == '-' ? got.data + 1 : got.data;
        check_text_eq(value, of_nothing[i].value);
        ft_text_finish(&got);
        ft_expr_fold_destroy(fold);
        ft_arena_destroy(arena);
    }
}

TEST(a_sum_of_ints_that_overflows_is_an_error)
{
    ft_batch *batch = fixture_batch(NULL, 1);
    ft_arena *arena = ft_arena_create();
    ft_error err = FT_ERROR_INIT;
    ft_expr_run run = {.failed = note_failure, .host = &noted};
    const ft_expr *expr;

    noted = (failures){0};
    check_ok(ft_expr_compile(arena, FT_SLICE("sum(9223372036854775807)"), &fixture_schema,
                             FT_EXPR_GATHER, &expr, &err),
             &err);
    ft_expr_fold *fold = ft_expr_fold_create(expr, NULL, &err);
    check_fails(ft_expr_fold_add(fold, batch, &run, &err), &err, FT_ERROR_DATA);
    check_contains(err.message, "64 bits");
    check_contains(err.hint, "number(x)");
    ft_expr_fold_destroy(fold);
    ft_expr_free_scratch(&run);
    ft_arena_destroy(arena);
    ft_batch_unref(batch);
}

// Item 3 fails in `sum(a)`, item 2 in `max(t)`: neither is in either of them, and each is told of
// once.
TEST(an_item_that_one_field_cannot_take_is_in_none)
{
    static const char *const all[] = {"sum(a)", "max(t)", "count()", "sum(b)"};
    static const char *const values[] = {"4", "World", "2", "7"};
    ft_batch *batch = fixture_batch(NULL, 1);
    ft_arena *arena = ft_arena_create();
    ft_error err = FT_ERROR_INIT;
    ft_expr_run run = {.failed = note_failure, .host = &noted};
    const ft_expr *exprs[FT_COUNT_OF(all)];
    ft_expr_fold *folds[FT_COUNT_OF(all)];

    noted = (failures){0};
    for (size_t i = 0; i < FT_COUNT_OF(all); i++) {
        check_ok(ft_expr_compile(arena, ft_slice_of(all[i]), &fixture_schema, FT_EXPR_GATHER,
                                 &exprs[i], &err),
                 &err);
        folds[i] = ft_expr_fold_create(exprs[i], NULL, &err);
    }
    check_ok(ft_expr_folds_add(folds, FT_COUNT_OF(all), batch, &run, &err), &err);
    check_int_eq(noted.count, 2);
    check_true(noted.failed[2] && noted.failed[3]);
    check_contains(noted.first.message, "`t` is null");
    for (size_t i = 0; i < FT_COUNT_OF(all); i++) {
        ft_text got;
        ft_text_init(&got, 1024);
        print_fold(folds[i], exprs[i], &got);
        check_text_eq(got.data, values[i]);
        ft_text_finish(&got);
        ft_expr_fold_destroy(folds[i]);
    }
    ft_expr_free_scratch(&run);
    ft_arena_destroy(arena);
    ft_batch_unref(batch);
}

TEST(many_items_fold_alike_in_every_batch_size)
{
    static const char *const all[] = {"sum(x / 3)",    "mean(score)", "max(x)",
                                      "arg_max(s, b)", "list(b)",     "sum(len(s))"};
    static const size_t steps[] = {1, 3, 1023, 1024, 1025, 100000};
    ft_batch *batch = fixture_batch(NULL, 1000);

    for (size_t i = 0; i < FT_COUNT_OF(all); i++) {
        ft_text first;
        ft_text_init(&first, 1 << 20);
        for (size_t k = 0; k < FT_COUNT_OF(steps); k++) {
            ft_arena *arena = ft_arena_create();
            ft_error err = FT_ERROR_INIT;
            ft_expr_run run = {.failed = note_failure, .host = &noted};
            const ft_expr *expr;
            ft_text got;
            ft_text_init(&got, 1 << 20);
            check_ok(ft_expr_compile(arena, ft_slice_of(all[i]), &fixture_schema, FT_EXPR_GATHER,
                                     &expr, &err),
                     &err);
            ft_expr_fold *fold = ft_expr_fold_create(expr, NULL, &err);
            for (size_t from = 0; from < batch->count; from += steps[k]) {
                size_t count = batch->count - from < steps[k] ? batch->count - from : steps[k];
                ft_batch *slice = ft_batch_slice(batch, from, count, &err);
                noted = (failures){0};
                check_ok(ft_expr_fold_add(fold, slice, &run, &err), &err);
                ft_batch_unref(slice);
            }
            print_fold(fold, expr, &got);
            if (k == 0)
                ft_text_append(&first, ft_text_get(&got));
            check_true(ft_slice_equal(ft_text_get(&first), ft_text_get(&got)));
            ft_text_finish(&got);
            ft_expr_fold_destroy(fold);
            ft_expr_free_scratch(&run);
            ft_arena_destroy(arena);
        }
        ft_text_finish(&first);
    }
    ft_batch_unref(batch);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
