// Batches and lineages: sharing, slices, selections, rows, totals, places; and what stages plan
// with.
#include <string.h>

#include "runtime/memory/alloc.h"
#include "runtime/stage.h"
#include "tests/check.h"

static ft_account account;
static ft_lineage_totals told;
static int done_calls;

static void lineage_done(ft_lineage *lineage)
{
    told = ft_lineage_sum(lineage);
    done_calls++;
}

static bool fill(ft_batch *batch, size_t count, ft_error *err)
{
    ft_builder b;
    ft_column column;
    bool ok = ft_builder_init(&b, FT_TYPE(INT), &account, count, 0, err);

    for (size_t i = 0; i < count && ok; i++)
        ok = ft_builder_add_int(&b, (int64_t)i, err);
    ok = ok && ft_builder_take(&b, &column, err);
    if (ok)
        ft_batch_set(batch, 0, &column);
    ft_builder_finish(&b);
    return ok;
}

static int64_t value_of(const ft_batch *batch, size_t item)
{
    return ft_tensor_i64(batch->columns[0].values)[item];
}

static bool play(ft_error *err)
{
    ft_batch *writable = NULL, *slice = NULL, *selected = NULL, *all = NULL, *derived = NULL;
    ft_lineage *lineage = ft_lineage_create(&account, 10, true, err);
    ft_batch *batch = lineage ? ft_batch_create(&account, 10, 2, lineage, err) : NULL;
    uint32_t some[4] = {7, 1, 1, 2}, few[3] = {0, 1, 2};
    bool ok = batch && fill(batch, 10, err);

    ok = ok && (slice = ft_batch_slice(batch, 4, 3, err)) != NULL;
    ok = ok && (selected = ft_batch_select(batch, some, 4, err)) != NULL;
    ok = ok && (all = ft_batch_select(slice, few, 3, err)) != NULL;
    ok = ok && (derived = ft_batch_derive(slice, few, 2, 5, err)) != NULL;
    writable = ok ? ft_batch_ref(batch) : NULL;
    ok = ok && ft_batch_make_writable(&writable, 4, err);
    if (ok) {
        check_true(all == slice && writable != batch && writable->width == 4);
        check_true(ft_batch_has(writable, 0) && !ft_batch_has(writable, 1) &&
                   !ft_batch_has(writable, 9));
        check_int_eq(value_of(writable, 9), 9);
        check_int_eq(value_of(slice, 2), 6);
        check_int_eq(ft_batch_row(slice, 2), 6);
        check_int_eq(value_of(selected, 0), 7);
        check_int_eq(ft_batch_row(selected, 2), 1);
        check_int_eq(derived->width, 5);
        check_int_eq(ft_batch_row(derived, 1), 5);
        check_true(ft_batch_size_bytes(selected) > 32);
        ft_batch *same = writable;
        check_ok(ft_batch_make_writable(&writable, 2, err), err);
        check_true(same == writable);
        ft_batch_assert_valid(selected);
        ft_batch_assert_valid(slice);
        ft_batch_assert_valid(writable);
        ft_lineage_mark(lineage, ft_batch_row(selected, 0), FT_ROW_WRITTEN);
        ft_lineage_mark(lineage, 2, FT_ROW_WRITTEN);
        ft_lineage_mark(lineage, 2, FT_ROW_FAILED);
        ft_lineage_mark(lineage, 3, FT_ROW_HELD);
        lineage->done = lineage_done;
    }
    ft_batch_unref(batch);
    ft_batch_unref(slice);
    ft_batch_unref(all);
    ft_batch_unref(derived);
    ft_batch_unref(writable);
    ft_lineage_unref(lineage);
    check_int_eq(done_calls, 0);
    ft_batch_unref(selected);
    return ok;
}

TEST(batches_share_and_account)
{
    for (uint64_t n = 0;; n++) {
        int64_t before = ft_alloc_get_stats().live_blocks;
        ft_error err = FT_ERROR_INIT;
        done_calls = 0;
        ft_account_init(&account, 1 << 20);
        ft_alloc_fail_at(n, false);
        bool ok = play(&err);
        ft_alloc_fail_at(0, false);
        check_int_eq(ft_alloc_get_stats().live_blocks, before);
        check_int_eq(ft_account_used_bytes(&account), 0);
        check_true(ok == (err.code == FT_ERROR_NONE));
        if (!ok)
            continue;
        check_int_eq(done_calls, 1);
        check_int_eq(told.written, 1);
        check_int_eq(told.failed, 1);
        check_int_eq(told.held, 1);
        check_int_eq(told.dropped, 7);
        if (n > 0)
            break;
    }
}

TEST(places_are_in_the_sources_words)
{
    static const char *const parts[] = {"a.jsonl", "b.jsonl"};
    ft_error err = FT_ERROR_INIT;
    char place[64];

    ft_account_init(&account, 1 << 20);
    ft_lineage *lineage = ft_lineage_create(&account, 3, true, &err);
    lineage->positions[2] = (ft_position){1, 5120};
    lineage->parts = parts;
    ft_batch *batch = ft_batch_create(&account, 3, 0, lineage, &err);
    check_text_eq(ft_batch_print_place(batch, 2, place, sizeof(place)), "b.jsonl, byte 5120");
    ft_lineage_unref(lineage);
    ft_batch_unref(batch);
    lineage = ft_lineage_create(&account, 3, false, &err);
    lineage->first_index = 40;
    batch = ft_batch_create(&account, 3, 0, lineage, &err);
    check_text_eq(ft_batch_print_place(batch, 1, place, sizeof(place)), "item 42");
    ft_lineage_unref(lineage);
    ft_batch_unref(batch);
    batch = ft_batch_create(&account, 1, 0, NULL, &err);
    check_text_eq(ft_batch_print_place(batch, 0, place, sizeof(place)),
                  "a result of several items");
    ft_batch_unref(batch);
    check_int_eq(ft_account_used_bytes(&account), 0);
}

static ft_stage_plan make_plan(ft_arena *arena, const ft_schema *input)
{
    ft_stage_plan plan = {.arena = arena, .input = input};

    plan.reads = ft_arena_zero(arena, input->count, sizeof(bool));
    plan.output_fields = ft_arena_zero(arena, input->count, sizeof(ft_field));
    memcpy(plan.output_fields, input->fields, input->count * sizeof(ft_field));
    plan.output_count = plan.output_capacity = input->count;
    return plan;
}

TEST(plans_read_and_add_fields)
{
    static const ft_field fields[] = {{"@raw", {.kind = FT_KIND_BYTES}, false},
                                      {"id", {.kind = FT_KIND_INT}, true},
                                      {"text", {.kind = FT_KIND_STRING}, true},
                                      {"extra", {.kind = FT_KIND_ANY}, true}};
    static const ft_schema input = {4, fields, true};
    ft_arena *arena = ft_arena_create();
    ft_stage_plan plan = make_plan(arena, &input);
    ft_error err = FT_ERROR_INIT;
    size_t index = 99;

    check_text_eq(ft_schema_print(&input, arena), "id: int, text: string, extra: any");
    check_ok(ft_plan_read(&plan, "from", "text", FT_TYPE(STRING), &index, &err), &err);
    check_true(index == 2 && plan.reads[2] && !plan.reads[1]);
    check_ok(ft_plan_read(&plan, "from", "extra", FT_TYPE_IDS, &index, &err), &err);
    check_fails(ft_plan_read(&plan, "from", "id", FT_TYPE(STRING), &index, &err), &err,
                FT_ERROR_USAGE);
    check_int_eq(err.number, 312);
    check_text_eq(err.message, "reads `id` as string, but it is int");
    check_text_eq(err.option, "from");
    check_fails(ft_plan_read(&plan, NULL, "tokens", FT_TYPE_IDS, &index, &err), &err,
                FT_ERROR_USAGE);
    check_int_eq(err.number, 311);
    check_text_eq(err.message, "needs `tokens`, and no stage above makes it");
    check_text_eq(err.hint, "tokenise first: `- tokenize: MODEL`");
    check_fails(ft_plan_read(&plan, NULL, "txet", FT_TYPE(STRING), &index, &err), &err,
                FT_ERROR_USAGE);
    check_text_eq(err.hint, "did you mean `text`?");
    err = (ft_error)FT_ERROR_INIT;
    check_ok(ft_plan_add(&plan, "text", FT_TYPE(JSON), &index, &err), &err);
    check_true(index == 2 && !plan.output_fields[2].in_raw && plan.output_fields[1].in_raw);
    for (int i = 0; i < 20; i++) {
        char name[2] = {(char)('a' + i), 0};
        check_ok(ft_plan_add(&plan, name, FT_TYPE(INT), &index, &err), &err);
        check_int_eq(index, 4 + i);
    }
    check_text_eq(plan.output_fields[23].name, "t");
    check_text_eq(plan.output_fields[1].name, "id");
    ft_plan_read_all(&plan);
    check_true(plan.reads_all && plan.reads[0] && plan.reads[1]);
    ft_plan_clear(&plan);
    check_ok(ft_plan_add(&plan, "sum", FT_TYPE(INT), &index, &err), &err);
    check_true(index == 0 && plan.output_count == 1);
    ft_arena_destroy(arena);
}

static int made;

static bool make(ft_stage_load *load, const void *host, void **out, ft_error *err)
{
    (void)host;
    (void)err;
    *out = ft_arena_zero(load->arena, 1, 16);
    made++;
    return true;
}

static bool make_two(ft_stage_load *load, const void *host, void **out, ft_error *err)
{
    made++;
    return ft_load_share(load, "tokenizer /a", make, host, out, err);
}

TEST(loads_share_by_key)
{
    ft_error err = FT_ERROR_INIT;
    ft_stage_load load = {.arena = ft_arena_create()};
    void *a, *b, *c;

    check_ok(ft_load_share(&load, "model /a", make_two, NULL, &a, &err), &err);
    check_ok(ft_load_share(&load, "tokenizer /a", make, NULL, &b, &err), &err);
    check_ok(ft_load_share(&load, "tokenizer /b", make, NULL, &c, &err), &err);
    check_true(a == b && c != b && made == 3);
    ft_arena_destroy(load.arena);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
