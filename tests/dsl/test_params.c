// Parameters, -p, the environment, and what `${...}` may be.
#include "tests/dsl/compile_text.h"

#include <stdio.h>

#define TAIL "\n  - drop:\n"

static const fake_config *config_of(const compiled *done, size_t node)
{
    check_true(done->plan != NULL);
    return done->plan->nodes[node]->config;
}

static void check_path(const char *text, const char *param, const char *value, const char *want)
{
    compiled done = compile_with(text, param, value);

    if (!done.plan)
        ft_diagnostics_print(done.diagnostics, FT_FORMAT_TEXT, false, stderr);
    check_text_eq(config_of(&done, 0)->path, want);
    compiled_finish(&done);
}

TEST(defaults_and_the_command_line)
{
    const char *text = "params: {docs: a.jsonl, n: {default: 5, help: how many}}\n"
                       "stages:\n  - read: \"${params.docs}\"" TAIL;

    check_path(text, NULL, NULL, "a.jsonl");
    check_path(text, "docs", "b.jsonl", "b.jsonl");
    check_path(text, "n", "7", "a.jsonl");
}

TEST(values_stay_within_their_scalar)
{
    check_path("params: {docs: a}\nstages:\n  - read: ${params.docs}" TAIL, "docs",
               "b\n  - drop: [x", "b\n  - drop: [x");
    check_path("params: {docs: a}\nstages:\n  - read: x/${params.docs}.y" TAIL, "docs", "${HOST}",
               "x/${HOST}.y");
}

TEST(the_environment_and_its_defaults)
{
    check_path("stages:\n  - read: nats://${HOST}:4222/docs.>" TAIL, NULL, NULL,
               "nats://db.example:4222/docs.>");
    check_path("stages:\n  - read: ${NONE:-a b.txt}" TAIL, NULL, NULL, "a b.txt");
    check_path("stages:\n  - read: ${HOST:-x}/${NONE:-}y" TAIL, NULL, NULL, "db.example/y");
    check_path("params: {h: \"${HOST}/z\"}\nstages:\n  - read: ${params.h}" TAIL, NULL, NULL,
               "db.example/z");
}

TEST(two_dollars_are_one)
{
    check_path("stages:\n  - read: a$${HOST}b" TAIL, NULL, NULL, "a${HOST}b");
    check_path("stages:\n  - read: $${HOST}" TAIL, NULL, NULL, "${HOST}");
    check_path("stages:\n  - read: a$b" TAIL, NULL, NULL, "a$b");
}

TEST(a_whole_reference_keeps_its_type)
{
    compiled done =
        compile_text("params: {f: [id, text], t: {id: int, s: \"5\"}, n: 9}\n"
                     "stages:\n  - read: x\n    types: ${params.t}\n"
                     "  - tokenize: words\n    max_length: ${params.n}\n    score: ${FIVE}\n"
                     "  - write: y\n    key: z\n    fields: ${params.f}\n");

    if (!done.plan)
        ft_diagnostics_print(done.diagnostics, FT_FORMAT_TEXT, false, stderr);
    check_int_eq(config_of(&done, 0)->types.count, 2);
    check_true(!config_of(&done, 0)->types.quoted[0] && config_of(&done, 0)->types.quoted[1]);
    check_int_eq(config_of(&done, 1)->max_length, 9);
    check_float_near(config_of(&done, 1)->score, 5, 0);
    check_int_eq(config_of(&done, 2)->fields.count, 2);
    check_text_eq(config_of(&done, 2)->fields.items[1], "text");
    compiled_finish(&done);
}

TEST(names_that_are_nothing)
{
    check_one_fault("params: {docs: a}\nstages:\n  - read: x/${params.dosc}" TAIL, 111, 3, 13);
    check_one_fault("params: {docs: a}\nstages:\n  - read: ${docs}" TAIL, 111, 3, 11);
    check_one_fault("stages:\n  - read: ${secrets.x}" TAIL, 111, 2, 11);
    check_one_fault("stages:\n  - read: ${}" TAIL, 111, 2, 11);
    check_one_fault("stages:\n  - read: ${a b}" TAIL, 111, 2, 11);
    check_one_fault("stages:\n  - read: a${HOST" TAIL, 111, 2, 12);
    check_one_fault("stages:\n  - read: ${NONE}" TAIL, 601, 2, 11);
    check_one_fault("params: {f: [a]}\nstages:\n  - read: a${params.f}" TAIL, 111, 3, 12);
    check_one_fault("params: {docs: }\nstages:\n  - read: ${params.docs}" TAIL, 112, 1, 10);
    check_one_fault("params: [a]\nstages:\n  - read: x" TAIL, 102, 1, 9);
    check_one_fault("params: {a b: 1}\nstages:\n  - read: x" TAIL, 110, 1, 10);
}

static void check_given(const char *param, const char *value, int number)
{
    compiled done = compile_with(
        "params: {n: 5, f: [a], x: 1.5, b: true}\nstages:\n  - read: x" TAIL, param, value);
    const ft_diagnostic *fault = ft_diagnostics_get(done.diagnostics, 0);

    check_int_eq(fault ? fault->number : 0, number);
    compiled_finish(&done);
}

TEST(the_command_line_keeps_to_the_types)
{
    check_given("n", "many", 113);
    check_given("n", "1.5", 113);
    check_given("n", "-3", 0);
    check_given("x", "2", 0);
    check_given("b", "yes", 113);
    check_given("b", "false", 0);
    check_given("f", "b", 113);
    check_given("nn", "1", 113);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
