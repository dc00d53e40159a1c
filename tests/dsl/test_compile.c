// From text to plan: names, links, common keys, defaults, the marks of faults, and memory that runs
// out.
#include "tests/dsl/compile_text.h"

#include <stdio.h>

#include "dsl/compilation.h"
#include "runtime/memory/alloc.h"
#include "runtime/system/clock.h"

static compiled compile_good(const char *text)
{
    compiled done = compile_text(text);

    if (!done.plan)
        ft_diagnostics_print(done.diagnostics, FT_FORMAT_TEXT, false, stderr);
    check_true(done.plan != NULL);
    check_int_eq(ft_diagnostics_count(done.diagnostics, FT_SEVERITY_ERROR), 0);
    return done;
}

static void check_input(const compiled *done, size_t node, size_t input, uint32_t from,
                        uint32_t port)
{
    const ft_plan_node *one = done->plan->nodes[node];

    check_true(input < one->input_count);
    check_int_eq(one->inputs[input].node, from);
    check_int_eq(one->inputs[input].port, port);
}

TEST(names_and_nearest_inputs)
{
    compiled done = compile_good(
        "stages:\n  - read: a\n  - write: x\n    key: k\n  - filter: id > 1\n"
        "  - write: y\n    key: k\n  - {name: write_3, write: z, key: k}\n  - drop:\n");

    check_text_eq(done.plan->name, "test");
    check_text_eq(done.plan->nodes[0]->name, "read");
    check_text_eq(done.plan->nodes[1]->name, "write");
    check_text_eq(done.plan->nodes[3]->name, "write_2");
    check_text_eq(done.plan->nodes[4]->name, "write_3");
    check_input(&done, 1, 0, 0, FT_PORT_MAIN);
    check_input(&done, 2, 0, 0, FT_PORT_MAIN);
    check_input(&done, 3, 0, 2, FT_PORT_MAIN);
    check_input(&done, 5, 0, 2, FT_PORT_MAIN);
    check_true(done.plan->nodes[0]->input_count == 0);
    compiled_finish(&done);
}

TEST(given_inputs_merges_and_errors)
{
    compiled done = compile_good(
        "stages:\n  - {name: a, read: a}\n  - {name: b, read: b}\n"
        "  - {input: [a, b], tokenize: words}\n  - drop:\n"
        "  - {input: a.errors, write: x, key: k}\n  - {input: errors, write: y, key: k}\n");

    check_int_eq(done.plan->nodes[2]->input_count, 2);
    check_input(&done, 2, 0, 0, FT_PORT_MAIN);
    check_input(&done, 2, 1, 1, FT_PORT_MAIN);
    check_input(&done, 4, 0, 0, FT_PORT_ERRORS);
    check_int_eq(done.plan->nodes[5]->input_count, 4);
    check_input(&done, 5, 0, 1, FT_PORT_ERRORS);
    check_input(&done, 5, 3, 4, FT_PORT_ERRORS);
    check_true(done.plan->nodes[0]->errors_are_read);
    compiled_finish(&done);
}

TEST(common_keys_and_defaults)
{
    compiled done = compile_good(
        "defaults: {on_error: skip, workers: 3, batch: 1k}\nrun: {order: any, threads: 4, seed: "
        "9,\n"
        "  memory: 1GiB, max_errors: 5%, timeout: 2s}\n"
        "stages:\n  - read: a\n  - tokenize: words\n    when: id > 5\n    from: text\n    to: t\n"
        "    workers: 2\n    batch: {items: 7}\n    order: input\n    on_error: stop\n    class: "
        "short\n    budget: 2s\n    on_runaway: fail\n  - drop:\n");
    const ft_plan_node *node = done.plan->nodes[1];

    check_text_eq(node->when_text, "id > 5");
    check_text_eq(node->from, "text");
    check_text_eq(node->to, "t");
    check_int_eq(node->workers, 2);
    check_int_eq(node->batch_items, 7);
    check_int_eq(node->on_error, FT_ON_ERROR_STOP);
    check_int_eq(node->pace, FT_PACE_SHORT);
    check_int_eq(node->budget_ms, 2000);
    check_int_eq(node->on_runaway, FT_ON_RUNAWAY_FAIL);
    check_true(!node->order_any && done.plan->nodes[0]->order_any);
    check_int_eq(done.plan->nodes[2]->workers, 3);
    check_int_eq(done.plan->nodes[2]->batch_items, 1000);
    check_int_eq(done.plan->nodes[2]->on_error, FT_ON_ERROR_SKIP);
    check_int_eq(done.plan->run.threads, 4);
    check_int_eq((int64_t)done.plan->run.seed, 9);
    check_int_eq(done.plan->run.memory_bytes, 1 << 30);
    check_float_near(done.plan->run.max_errors_share, 0.05, 1e-12);
    check_int_eq(done.plan->run.timeout_ms, 2000);
    compiled_finish(&done);
}

TEST(the_long_form_is_the_same)
{
    compiled done = compile_good("stages:\n  - type: read\n    path: a.jsonl\n  - type: drop\n");

    check_text_eq(((const fake_config *)done.plan->nodes[0]->config)->path, "a.jsonl");
    compiled_finish(&done);
}

TEST(options_of_all_types)
{
    compiled done = compile_good(
        "stages:\n  - read: a\n    types: {a: int, b: \"5\"}\n    mode: append\n  - tokenize: "
        "words\n"
        "    max_length: 0128\n    normalize: True\n    size: 64KiB\n    wait: 2s\n    score: 1.5\n"
        "  - write: x\n    key: \"\"\n    fields: id\n");
    const fake_config *tokenize = done.plan->nodes[1]->config, *write = done.plan->nodes[2]->config;

    check_int_eq(((const fake_config *)done.plan->nodes[0]->config)->mode, 2);
    check_int_eq(tokenize->max_length, 128);
    check_true(tokenize->normalize);
    check_int_eq(tokenize->size, 65536);
    check_int_eq(tokenize->wait, 2000);
    check_int_eq(write->fields.count, 1);
    compiled_finish(&done);
}

#define READ "stages:\n  - read: a\n"

TEST(faults_have_their_places)
{
    check_one_fault("", 101, 1, 1);
    check_one_fault("# nothing\n", 101, 1, 1);
    check_one_fault("- read: a\n", 101, 1, 1);
    check_one_fault("hello\n", 101, 1, 1);
    check_one_fault("name: x\n", 101, 1, 1);
    check_one_fault("stages:\n", 103, 1, 1);
    check_one_fault("stages: []\n", 101, 1, 9);
    check_one_fault("stages:\n  read: a\n", 103, 2, 3);
    check_one_fault("steps:\n  - read: a\n", 107, 1, 1);
    check_one_fault("tests: []\n" READ "  - drop:\n", 108, 1, 1);
    check_one_fault(READ "  - drop\n", 103, 3, 5);
    check_one_fault(READ "  - tokenize:words\n  - drop:\n", 20, 3, 5);
    check_one_fault(READ "  - tokenise: words\n  - drop:\n", 105, 3, 5);
    check_one_fault(READ "  - dedupe: 256\n  - drop:\n", 108, 3, 5);
    check_one_fault(READ "  - name: x\n  - drop:\n", 105, 3, 5);
    check_one_fault(READ "  - tokenize: words\n    drop:\n", 109, 4, 5);
    check_one_fault(READ "  - drop: 5\n", 104, 3, 11);
    check_one_fault(READ "  - tokenize: [words]\n  - drop:\n", 102, 3, 15);
    check_one_fault(READ "  - tokenize: words\n    max_length: 0\n  - drop:\n", 104, 4, 17);
    check_one_fault(READ "  - tokenize: words\n    max_length: #5\n  - drop:\n", 12, 4, 17);
    check_one_fault(READ "  - tokenize: words\n    normalize: yes\n  - drop:\n", 117, 4, 16);
    check_one_fault(READ "  - tokenize: words\n    batch_size: 3\n  - drop:\n", 107, 4, 5);
    check_one_fault(READ "  - tokenize: words\n    workers: {min: 1, max: 2}\n  - drop:\n", 108, 4,
                    14);
    check_one_fault(READ "  - tokenize: words\n    on_error: {retry: 3}\n  - drop:\n", 108, 4, 15);
    check_one_fault(READ "  - tokenize: no-such-model\n  - drop:\n", 604, 3, 15);
    check_one_fault(READ "  - write: x\n", 116, 3, 5);
    check_one_fault(READ "  - {name: a, drop: }\n  - {name: a, drop: }\n", 201, 4, 12);
    check_one_fault(READ "  - {name: errors, drop: }\n", 206, 3, 12);
    check_one_fault(READ "  - drop:\n    input: raed\n", 204, 4, 12);
    check_one_fault(READ "  - drop:\n    input: read.x\n", 209, 4, 12);
    check_one_fault(READ "  - drop:\n    input: drop\n", 210, 4, 12);
    check_one_fault(READ "  - drop:\n    input: [read, read]\n", 212, 4, 19);
    check_one_fault("stages:\n  - drop:\n", 202, 2, 5);
    check_one_fault(READ, 205, 2, 5);
    check_one_fault(READ "  - drop:\n  - drop:\n    input: drop\n", 208, 5, 12);
    check_one_fault(READ "  - embed: words\n  - drop:\n", 311, 3, 5);
    check_one_fault(READ "  - write: x\n    key: k\n    fields: [id, nope]\n", 311, 5, 18);
    check_one_fault(READ "  - filter: len(txt) > 5\n  - drop:\n", 402, 3, 17);
    check_one_fault(READ "  - filter: |\n      id > 3\n        or txt\n  - drop:\n", 402, 5, 12);
    check_one_fault("run: {memory: 3 bananas}\n" READ "  - drop:\n", 104, 1, 15);
    check_one_fault("run: {checkpoint: 5s}\n" READ "  - drop:\n", 108, 1, 7);
    check_one_fault("ftpipe: 2\n" READ "  - drop:\n", 114, 1, 9);
    check_one_fault("defaults: {name: x}\n" READ "  - drop:\n", 115, 1, 12);
}

TEST(errors_that_nobody_reads_are_a_lint)
{
    compiled done = compile_text("run: {max_errors: 1%}\n" READ "  - drop:\n");

    check_true(done.plan != NULL);
    check_int_eq(ft_diagnostics_count(done.diagnostics, FT_SEVERITY_WARNING), 1);
    check_int_eq(ft_diagnostics_get(done.diagnostics, 0)->number, 901);
    compiled_finish(&done);
    done = compile_text("run: {max_errors: 1%}\n" READ "  - drop:\n  - {input: errors, drop: }\n");
    check_int_eq(ft_diagnostics_count(done.diagnostics, FT_SEVERITY_WARNING), 0);
    compiled_finish(&done);
}

TEST(one_mistake_gives_one_message)
{
    check_one_fault(
        READ "  - tokenise: words\n  - embed: words\n  - filter: len(embedding) > 1\n  - drop:\n",
        105, 3, 5);
    check_one_fault(
        READ "  - tokenize: nope\n  - embed: words\n  - filter: len(embedding) > 1\n  - drop:\n",
        604, 3, 15);
}

TEST(fifty_stages_take_no_time)
{
    ft_text text;

    ft_text_init(&text, 1 << 20);
    ft_text_append_string(&text, READ);
    for (int i = 0; i < 48; i++)
        ft_text_format(
            &text, "  - name: t%d\n    tokenize: words\n    max_length: %d\n    when: id > %d\n", i,
            i + 1, i);
    ft_text_append_string(&text, "  - drop:\n");
    int64_t start = ft_clock_ns();
    compiled done = compile_good(text.data);
    int64_t took_us = (ft_clock_ns() - start) / 1000;
    printf("  50 stages: %lld us\n", (long long)took_us);
    check_true(took_us < 200 * 1000);
    compiled_finish(&done);
    ft_text_finish(&text);
}

// ---- one-liners ----

static void check_line(const char *line, const char *want)
{
    ft_arena *arena = ft_arena_create();
    ft_error err = FT_ERROR_INIT;
    ft_slice yaml;

    check_true(arena != NULL);
    check_ok(ft_compile_line(ft_slice_of(line), arena, &yaml, &err), &err);
    check_slice_eq(yaml, want);
    ft_arena_destroy(arena);
}

static void check_no_line(const char *line, const char *want)
{
    ft_arena *arena = ft_arena_create();
    ft_error err = FT_ERROR_INIT;
    ft_slice yaml;

    check_true(arena != NULL);
    check_fails(ft_compile_line(ft_slice_of(line), arena, &yaml, &err), &err, FT_ERROR_USAGE);
    check_contains(err.message, want);
    ft_arena_destroy(arena);
}

TEST(one_liners)
{
    check_line("read docs.jsonl ! tokenize ./m ! embed ./m pooling=mean ! write v.npy",
               "stages:\n  - read: docs.jsonl\n  - tokenize: ./m\n  - embed: ./m\n    pooling: "
               "mean\n  - write: v.npy\n");
    check_line("read - ! drop", "stages:\n  - read: '-'\n  - drop:\n");
    check_line("filter 'len(text) > 5 and a != \"b\"'",
               "stages:\n  - filter: 'len(text) > 5 and a != \"b\"'\n");
    check_line("filter x==3", "stages:\n  - filter: 'x==3'\n");
    check_line("write a fields=[id, text] mode=append",
               "stages:\n  - write: a\n    fields: [id, text]\n    mode: append\n");
    check_line("read \"it's: {a}\"", "stages:\n  - read: 'it''s: {a}'\n");
    check_line("read a\\ b", "stages:\n  - read: 'a b'\n");
    check_line("generate 5 fields={x: index} ! gather fields={n: count()} ! print",
               "stages:\n  - generate: 5\n    fields: {x: index}\n  - gather:\n    fields: {n: "
               "count()}\n  - print:\n");
    check_line("map {a: \"x ! }\", b: 'it''s', c: [1, {d: 2}]} x=[\"a, b\", c]",
               "stages:\n  - map: {a: \"x ! }\", b: 'it''s', c: [1, {d: 2}]}\n    x: [\"a, b\", "
               "c]\n");
    check_line("read {a,b}.txt x='{a: b}'", "stages:\n  - read: '{a,b}.txt'\n    x: '{a: b}'\n");
    check_line("write x fields=[@raw, id]", "stages:\n  - write: x\n    fields: ['@raw', id]\n");
    check_no_line("map {y: x*2", "`{` is not closed");
    check_no_line("map {y: \"x} ! drop", "quote is not closed");
    check_no_line("map x=[a, b", "`[` is not closed");
    check_no_line("", "missing");
    check_no_line("read a !", "missing");
    check_no_line("! read a", "missing");
    check_no_line("read a b", "second setting");
    check_no_line("read 'a", "not closed");
    check_no_line("read a ! 5x y", "no name of a stage");
    check_no_line("read \xff", "UTF-8");
}

TEST(a_one_liner_compiles)
{
    ft_arena *arena = ft_arena_create();
    ft_error err = FT_ERROR_INIT;
    ft_slice yaml;

    check_ok(ft_compile_line(
                 FT_SLICE("read a ! tokenize words max_length=5 ! write x key='a: b' fields=[id]"),
                 arena, &yaml, &err),
             &err);
    compiled done = compile_slice_with(yaml, NULL, NULL);
    check_true(done.plan != NULL);
    check_text_eq(((const fake_config *)done.plan->nodes[2]->config)->key, "a: b");
    compiled_finish(&done);
    ft_arena_destroy(arena);
}

// ---- memory ----

// Fails each allocation in turn: a plan, or at least one error, and nothing is left over.
static void check_every_allocation(const char *text)
{
    for (uint64_t n = 1;; n++) {
        int64_t before = ft_alloc_get_stats().live_blocks;
        ft_alloc_fail_at(n, false);
        ft_diagnostics *diagnostics = ft_diagnostics_create();
        bool created = diagnostics != NULL;
        ft_plan *plan = NULL;
        if (created) {
            ft_source source = {"test.yaml", ft_slice_of(text)};
            ft_compile_settings settings = {.stages = fake_stages,
                                            .environment_variable = fake_variable};
            plan = ft_compile(&source, &settings, diagnostics);
            check_true(plan != NULL || ft_diagnostics_count(diagnostics, FT_SEVERITY_ERROR) > 0);
        }
        bool told = created && ft_diagnostics_get(diagnostics, 0) != NULL && !plan;
        ft_plan_destroy(plan);
        ft_diagnostics_destroy(diagnostics);
        // Had it been reached, the failure would be used up.
        ft_alloc_fail_at(0, false);
        check_int_eq(ft_alloc_get_stats().live_blocks, before);
        if (created && !told && plan)
            return;
        check_true(n < 100000);
    }
}

static uint64_t allocations_of(const char *text)
{
    uint64_t before = ft_alloc_get_stats().allocations;
    compiled done = compile_text(text);

    compiled_finish(&done);
    return ft_alloc_get_stats().allocations - before;
}

TEST(every_allocation_may_fail)
{
    static const char text[] = "params: {n: 5, f: [id]}\nx-a: &a {max_length: 3}\nrun: {memory: "
                               "1GiB}\nstages:\n  - read: a\n"
                               "  - tokenize: words\n    <<: *a\n    when: id > 5\n  - write: "
                               "x${HOST}\n    key: ${params.n}\n    fields: ${params.f}\n"
                               "  - {input: errors, drop: }\n";

    printf("  allocations: %llu\n", (unsigned long long)allocations_of(text));
    check_every_allocation(text);
}

// As above for a file with faults: it never becomes a plan.
TEST(every_allocation_may_fail_in_a_broken_file)
{
    static const char text[] = "params: {docs: a}\nstages:\n  - read: ${params.dosc}\n    "
                               "batch_size: 3\n  - tokenize: nope\n"
                               "  - write: x\n    when: #a\n    input: raed\n";
    uint64_t count = allocations_of(text);

    for (uint64_t n = 1; n <= count + 1; n++) {
        int64_t before = ft_alloc_get_stats().live_blocks;
        ft_alloc_fail_at(n, n % 2 == 0);
        ft_diagnostics *diagnostics = ft_diagnostics_create();
        if (diagnostics) {
            ft_source source = {"test.yaml", ft_slice_of(text)};
            ft_compile_settings settings = {.stages = fake_stages,
                                            .environment_variable = fake_variable};
            check_true(ft_compile(&source, &settings, diagnostics) == NULL);
            check_true(ft_diagnostics_count(diagnostics, FT_SEVERITY_ERROR) > 0);
        }
        ft_diagnostics_destroy(diagnostics);
        ft_alloc_fail_at(0, false);
        check_int_eq(ft_alloc_get_stats().live_blocks, before);
    }
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
