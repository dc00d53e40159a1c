// Random expressions and hostile ones. Those that compile give the same, item by item, for every
// way to cut the items into batches; none brings the compiler or the kernels down; and every
// allocation may fail.
#include "tests/runtime/expr_fixture.h"

#include "runtime/memory/alloc.h"
#include "runtime/random.h"

enum { TEXT_MAX = 400 };

static const char *const leaves[] = {
    "a",     "b",    "x",  "s",    "t",    "ok",    "tokens", "ids",   "vec",
    "score", "j",    "k",  "meta", "raw",  "lost",  "1",      "0",     "-7",
    "2.5",   "'He'", "''", "' '",  "true", "false", "nil",    "1e300", "9223372036854775807",
    "'12'",  "'ä'",
};
static const char *const unary[] = {
    "-",      "not ", "len",   "lower", "upper", "trim", "hash", "number", "int",
    "string", "abs",  "round", "floor", "ceil",  "sqrt", "norm", "argmax", "words",
    "join",   "sum",  "mean",  "min",   "max",   "exp",  "log",
};
static const char *const binary[] = {
    " + ",  " - ",  " * ", " / ",  " // ", " % ",  " ^ ",   " .. ",
    " == ", " ~= ", " < ", " <= ", " > ",  " >= ", " and ", " or ",
};
static const char *const calls[] = {
    "min",    "max", "starts", "ends", "contains", "split", "default",
    "repeat", "dot", "cosine", "top",  "sub",      "join",  "round",
};
static const char *const pattern_calls[] = {"match(%s, '[a-z]+')", "get(%s, 'n.m')",
                                            "replace(%s, 'a', 'bb')", "sub(%s, 2, -2)"};

static void grow(ft_random *random, ft_text *out, int depth)
{
    uint64_t pick = ft_random_next(random) % 12;
    ft_text inner;

    if (depth == 0 || pick < 3) {
        ft_text_append_string(out, leaves[ft_random_next(random) % FT_COUNT_OF(leaves)]);
        return;
    }
    ft_text_append_string(out, "(");
    if (pick < 5) {
        ft_text_append_string(out, unary[ft_random_next(random) % FT_COUNT_OF(unary)]);
        ft_text_append_string(out, "(");
        grow(random, out, depth - 1);
        ft_text_append_string(out, ")");
    } else if (pick < 9) {
        grow(random, out, depth - 1);
        ft_text_append_string(out, binary[ft_random_next(random) % FT_COUNT_OF(binary)]);
        grow(random, out, depth - 1);
    } else if (pick < 11) {
        ft_text_append_string(out, calls[ft_random_next(random) % FT_COUNT_OF(calls)]);
        ft_text_append_string(out, "(");
        grow(random, out, depth - 1);
        ft_text_append_string(out, ", ");
        grow(random, out, depth - 1);
        ft_text_append_string(out, ")");
    } else {
        const char *call = pattern_calls[ft_random_next(random) % FT_COUNT_OF(pattern_calls)];
        ft_text_init(&inner, 1 << 16);
        grow(random, &inner, depth - 1);
        const char *hole = strstr(call, "%s");
        ft_text_append(out, (ft_slice){call, (size_t)(hole - call)});
        ft_text_append(out, ft_text_get(&inner));
        ft_text_append_string(out, hole + 2);
        ft_text_finish(&inner);
    }
    ft_text_append_string(out, ")");
}

static failures noted;

static void eval_in_steps(const ft_expr *expr, const ft_batch *batch, size_t step, ft_text *out)
{
    ft_error err = FT_ERROR_INIT;
    ft_expr_run run = {.failed = note_failure, .host = &noted, .seed = 3};

    for (size_t from = 0; from < batch->count; from += step) {
        size_t count = batch->count - from < step ? batch->count - from : step;
        ft_batch *slice = ft_batch_slice(batch, from, count, &err);
        ft_column column = {0};
        noted = (failures){0};
        check_ok(ft_expr_eval(expr, slice, &run, &column, &err), &err);
        print_column(out, &column, count, &noted);
        if (noted.count)
            ft_text_append_string(out, noted.first.message);
        ft_text_append_string(out, "\n");
        ft_column_finish(&column);
        ft_batch_unref(slice);
    }
    ft_expr_free_scratch(&run);
}

// The same, with what each item gives in a line of its own, by slices of the printed whole.
static void check_same(const ft_expr *expr, const ft_batch *batch, const char *text)
{
    ft_text whole, single;
    ft_error err = FT_ERROR_INIT;
    ft_expr_run run = {.failed = note_failure, .host = &noted, .seed = 3};
    ft_column column = {0};

    ft_text_init(&whole, 16 << 20);
    ft_text_init(&single, 16 << 20);
    noted = (failures){0};
    check_ok(ft_expr_eval(expr, batch, &run, &column, &err), &err);
    for (size_t i = 0; i < batch->count; i++) {
        if (noted.failed[i])
            ft_text_append_string(&whole, "!");
        else
            print_item(&whole, &column, i);
        ft_text_append_string(&whole, "\n");
    }
    ft_column_finish(&column);
    for (size_t i = 0; i < batch->count; i++) {
        ft_batch *one = ft_batch_slice(batch, i, 1, &err);
        noted = (failures){0};
        check_ok(ft_expr_eval(expr, one, &run, &column, &err), &err);
        if (noted.failed[0])
            ft_text_append_string(&single, "!");
        else
            print_item(&single, &column, 0);
        ft_text_append_string(&single, "\n");
        ft_column_finish(&column);
        ft_batch_unref(one);
    }
    check_true(!whole.failed && !single.failed);
    if (!ft_slice_equal(ft_text_get(&whole), ft_text_get(&single)))
        fprintf(stderr, "%s\n<%.200s>\n<%.200s>\n", text, whole.data, single.data);
    check_true(ft_slice_equal(ft_text_get(&whole), ft_text_get(&single)));
    ft_text_finish(&whole);
    ft_text_finish(&single);
    ft_expr_free_scratch(&run);
}

TEST(random_expressions_give_the_same_in_every_batch)
{
    ft_batch *batch = fixture_batch(NULL, 3);
    size_t compiled = 0;

    for (uint64_t seed = 0; seed < 20000; seed++) {
        ft_random random;
        ft_text text;
        ft_arena *arena = ft_arena_create();
        ft_error err = FT_ERROR_INIT;
        const ft_expr *expr;
        ft_random_init(&random, seed, 1);
        ft_text_init(&text, 1 << 16);
        grow(&random, &text, 1 + (int)(seed % 4));
        if (ft_expr_compile(arena, ft_text_get(&text), &fixture_schema, FT_EXPR_ITEM, &expr,
                            &err)) {
            compiled++;
            check_same(expr, batch, text.data);
        } else {
            check_true(err.number >= 401 && err.number <= 408 && err.message[0]);
            check_true(err.offset + err.length <= text.size);
        }
        ft_text_finish(&text);
        ft_arena_destroy(arena);
    }
    printf("%zu of 20000 random expressions compiled\n", compiled);
    check_true(compiled > 2000);
    ft_batch_unref(batch);
}

TEST(blocks_meet_without_a_seam)
{
    static const char *const all[] = {"a + b",    "s .. x",   "j == k", "a ~= nil and a or b",
                                      "words(s)", "upper(s)", "ok"};
    ft_batch *batch = fixture_batch(NULL, 900);

    for (size_t i = 0; i < FT_COUNT_OF(all); i++) {
        ft_arena *arena = ft_arena_create();
        ft_error err = FT_ERROR_INIT;
        const ft_expr *expr;
        check_ok(
            ft_expr_compile(arena, ft_slice_of(all[i]), &fixture_schema, FT_EXPR_ITEM, &expr, &err),
            &err);
        check_same(expr, batch, all[i]);
        ft_arena_destroy(arena);
    }
    ft_batch_unref(batch);
}

static const char *const corpus[] = {
    "a + b * (x - 2.5) // 3 % 4 ^ 2",
    "not ok and len(tokens) > 1 or contains(s, 'He') and t ~= nil",
    "lower(s) .. ' ' .. default(t, \"none\") .. 0x1F",
    "match(s, '^([a-z]+|[0-9]{1,3})*$') or get(meta, 'a.1.b') == 'x'",
    "round(cosine(vec, vec), 3) >= 1e-3 and argmax(ids) ~= -1",
    "b > 2 and top(ids, 2) or ids",
    "join(split(replace(s, 'l', 'LL'), ' '), '\\u{20AC}\\n')",
    "sum(len(tokens)) / count() + max(b) - arg_max(b, x)",
    "words(2, 5) .. index % 7 .. uniform(0, 1)",
    "number(string(a)) == int(k) and hash(raw) ~= min(a, b, 3)",
};

static void mutate(ft_random *random, char *text, size_t *size)
{
    static const char bytes[] = "()+-*/%^<>=~.,'\"\\#&|!?:[]{}$ \n\tabxstokens019eE_\xC3\xA4\xFF";
    size_t count = 1 + ft_random_next(random) % 4;

    for (size_t k = 0; k < count; k++) {
        size_t at = *size ? ft_random_next(random) % *size : 0;
        uint64_t how = ft_random_next(random) % 4;
        if (how == 0 && *size) {
            memmove(text + at, text + at + 1, --*size - at);
        } else if (how == 1 && *size) {
            text[at] = bytes[ft_random_next(random) % (sizeof(bytes) - 1)];
        } else if (how == 2 && *size < TEXT_MAX) {
            memmove(text + at + 1, text + at, (*size)++ - at);
            text[at] = bytes[ft_random_next(random) % (sizeof(bytes) - 1)];
        } else if (*size && *size < TEXT_MAX / 2) {
            // A piece of it once more.
            size_t length = ft_random_next(random) % (*size - at) + 1;
            memcpy(text + *size, text + at, length);
            *size += length;
        }
    }
}

static void try_text(ft_slice text, ft_expr_use use, const ft_batch *batch)
{
    static const ft_schema none;
    ft_arena *arena = ft_arena_create();
    ft_error err = FT_ERROR_INIT;
    const ft_expr *expr;
    ft_text out;

    bool ok = ft_expr_compile(arena, text, use == FT_EXPR_GENERATE ? &none : &fixture_schema, use,
                              &expr, &err);
    check_true(ok == (err.code == FT_ERROR_NONE));
    if (!ok) {
        check_true(err.number >= 401 && err.number <= 408);
        check_true(err.offset + err.length <= text.size);
    } else if (use != FT_EXPR_GATHER) {
        ft_text_init(&out, 1 << 20);
        eval_in_steps(expr, batch, batch->count, &out);
        ft_text_finish(&out);
    } else {
        ft_expr_run run = {.failed = note_failure, .host = &noted};
        ft_expr_fold *fold = ft_expr_fold_create(expr, NULL, &err);
        noted = (failures){0};
        ft_ignore(ft_expr_fold_add(fold, batch, &run, &err));  // A sum may overflow.
        ft_expr_fold_destroy(fold);
        ft_expr_free_scratch(&run);
    }
    ft_arena_destroy(arena);
}

TEST(mutated_expressions_do_no_harm)
{
    static const ft_expr_use uses[] = {FT_EXPR_ITEM, FT_EXPR_GATHER, FT_EXPR_GENERATE,
                                       FT_EXPR_CONDITION};
    ft_batch *batch = fixture_batch(NULL, 1);
    char text[TEXT_MAX * 2];
    ft_random random;

    ft_random_init(&random, 1, 2);
    for (size_t n = 0; n < 100000; n++) {
        const char *from = corpus[n % FT_COUNT_OF(corpus)];
        size_t size = strlen(from);
        memcpy(text, from, size);
        mutate(&random, text, &size);
        try_text((ft_slice){text, size}, uses[n / FT_COUNT_OF(corpus) % FT_COUNT_OF(uses)], batch);
    }
    ft_batch_unref(batch);
}

// ---- every allocation fails once, and then all from there on ----

static bool run_all(ft_slice text, ft_expr_use use, const ft_batch *batch, ft_error *err)
{
    static const ft_schema none;
    ft_arena *arena = ft_arena_create();
    ft_expr_run run = {.failed = note_failure, .host = &noted};
    const ft_expr *expr;
    ft_column column = {0};
    bool ok = arena || ft_fail_nomem(err, 1);

    noted = (failures){0};
    ok = ok && ft_expr_compile(arena, text, use == FT_EXPR_GENERATE ? &none : &fixture_schema, use,
                               &expr, err);
    if (ok && use == FT_EXPR_GATHER) {
        ft_builder builder = {0};
        ft_expr_fold *fold = ft_expr_fold_create(expr, NULL, err);
        ok = fold && ft_expr_fold_add(fold, batch, &run, err) &&
             ft_builder_init(&builder, ft_expr_type(expr), NULL, 1, 0, err) &&
             ft_expr_fold_end(fold, &builder, err) && ft_builder_take(&builder, &column, err);
        ft_builder_finish(&builder);
        ft_expr_fold_destroy(fold);
    } else if (ok) {
        ok = ft_expr_eval(expr, batch, &run, &column, err);
    }
    ft_column_finish(&column);
    ft_expr_free_scratch(&run);
    ft_arena_destroy(arena);
    return ok;
}

static void fail_each(const char *text, ft_expr_use use, const ft_batch *batch, bool sticky)
{
    int64_t before = ft_alloc_get_stats().live_blocks;

    for (uint64_t nth = 1;; nth++) {
        ft_error err = FT_ERROR_INIT;
        ft_alloc_fail_at(nth, sticky);
        bool ok = run_all(ft_slice_of(text), use, batch, &err);
        ft_alloc_fail_at(0, false);
        check_true(ok == (err.code == FT_ERROR_NONE));
        check_int_eq(ft_alloc_get_stats().live_blocks, before);
        if (ok)
            break;
        if (err.code != FT_ERROR_NOMEM)
            fprintf(stderr, "%s: %s\n", text, err.message);
        check_int_eq(err.code, FT_ERROR_NOMEM);
        check_true(nth < 2000);
    }
}

TEST(every_allocation_may_fail)
{
    static const struct {
        const char *text;
        ft_expr_use use;
    } all[] = {
        {"a + b * x - default(a, 3) // 2", FT_EXPR_ITEM},
        {"upper(s) .. repeat(s, 3) .. replace(s, 'l', t) .. string(x)", FT_EXPR_ITEM},
        {"ok ~= nil and ok and words(s) or tokens", FT_EXPR_ITEM},
        {"match(s, 'a+') and j == k or get(meta, 'a.b') == 1", FT_EXPR_ITEM},
        {"top(ids, 2)", FT_EXPR_ITEM},
        {"'constant text'", FT_EXPR_ITEM},
        {"join(split(s, ' '), repeat('-', 30000))", FT_EXPR_ITEM},
        {"normal(3)", FT_EXPR_GENERATE},
        {"words(2, 4) .. index", FT_EXPR_GENERATE},
        {"sum(len(tokens)) / count() + max(b)", FT_EXPR_GATHER},
        {"join(list(s), first(s)) .. max(s) .. arg_max(s, b) .. len(list(b))", FT_EXPR_GATHER},
        {"last(tokens)", FT_EXPR_GATHER},
    };
    ft_batch *batch = fixture_batch(NULL, 1);

    for (size_t i = 0; i < FT_COUNT_OF(all); i++) {
        fail_each(all[i].text, all[i].use, batch, false);
        fail_each(all[i].text, all[i].use, batch, true);
    }
    ft_batch_unref(batch);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
