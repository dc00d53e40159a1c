// YAML: types of scalars, marks, aliases and merge keys, bounds, and all cases of the YAML test
// suite, none of which is a pipeline.
#include "dsl/yaml.h"

#include <stdio.h>
#include <string.h>

#include "runtime/data/json.h"
#include "runtime/memory/alloc.h"
#include "runtime/system/clock.h"
#include "runtime/system/file.h"
#include "tests/dsl/compile_text.h"

typedef struct parsed {
    ft_source source;
    ft_arena *arena;
    ft_diagnostics *diagnostics;
    const ft_yaml_node *root;
    bool ok;
} parsed;

static parsed parse(const char *text)
{
    static parsed p;

    p = (parsed){.source = {"test.yaml", ft_slice_of(text)},
                 .arena = ft_arena_create(),
                 .diagnostics = ft_diagnostics_create()};
    check_true(p.arena && p.diagnostics);
    p.ok = ft_yaml_parse(&p.source, p.arena, p.diagnostics, &p.root);
    check_int_eq(p.ok, ft_diagnostics_count(p.diagnostics, FT_SEVERITY_ERROR) == 0);
    return p;
}

static void finish(parsed *p)
{
    ft_arena_destroy(p->arena);
    ft_diagnostics_destroy(p->diagnostics);
}

static void check_type(const char *text, ft_yaml_type want)
{
    check_int_eq(ft_yaml_type_of(ft_slice_of(text)), want);
}

TEST(types_are_those_of_yaml_1_2)
{
    check_type("", FT_YAML_NULL);
    check_type("~", FT_YAML_NULL);
    check_type("null", FT_YAML_NULL);
    check_type("nULL", FT_YAML_STRING);
    check_type("true", FT_YAML_BOOL);
    check_type("FALSE", FT_YAML_BOOL);
    check_type("yes", FT_YAML_STRING);
    check_type("on", FT_YAML_STRING);
    check_type("12", FT_YAML_INT);
    check_type("-12", FT_YAML_INT);
    check_type("0o17", FT_YAML_INT);
    check_type("0o18", FT_YAML_STRING);
    check_type("0xFF", FT_YAML_INT);
    check_type("1_000", FT_YAML_STRING);
    check_type("12:30", FT_YAML_STRING);
    check_type("1.5", FT_YAML_FLOAT);
    check_type(".5", FT_YAML_FLOAT);
    check_type("5.", FT_YAML_FLOAT);
    check_type("1e3", FT_YAML_FLOAT);
    check_type("1e", FT_YAML_STRING);
    check_type(".", FT_YAML_STRING);
    check_type("-", FT_YAML_STRING);
    check_type("-.INF", FT_YAML_FLOAT);
    check_type(".NaN", FT_YAML_FLOAT);
    check_type("+.nan", FT_YAML_STRING);
    check_type("2026-11-22", FT_YAML_STRING);
}

TEST(every_node_has_its_mark)
{
    parsed p = parse("a: 1\nbé:\n  - \"x\"\n  - {k: [v, ü, w]}\n");
    const ft_yaml_pair *b = ft_yaml_find(p.root, "bé");

    check_true(p.ok && b);
    check_int_eq(b->key->mark.line, 2);
    check_int_eq(b->key->mark.length, 2);
    check_int_eq(b->value->items[0]->mark.column, 5);
    check_int_eq(b->value->items[0]->mark.length, 3);
    const ft_yaml_node *map = b->value->items[1];
    check_int_eq(map->mark.line, 4);
    check_int_eq(map->mark.length, 14);
    const ft_yaml_node *w = ft_yaml_find(map, "k")->value->items[2];
    check_int_eq(w->mark.column, 16);
    check_true(p.source.text.data[w->mark.offset] == 'w');
    finish(&p);
}

TEST(marks_skip_a_byte_order_mark_and_count_crlf)
{
    parsed p = parse("\xEF\xBB\xBF"
                     "a: 1\r\nb: 2\r\n");

    check_true(p.ok);
    check_int_eq(p.root->pairs[0].key->mark.column, 1);
    check_int_eq(p.root->pairs[0].key->mark.offset, 3);
    check_int_eq(p.root->pairs[1].key->mark.line, 2);
    check_int_eq(p.root->pairs[1].value->mark.column, 4);
    finish(&p);
}

static void check_within(const char *text, const char *key, size_t offset, uint32_t line,
                         uint32_t column)
{
    parsed p = parse(text);
    ft_mark mark = ft_yaml_mark_within(&p.source, ft_yaml_find(p.root, key)->value, offset, 1);

    check_int_eq(mark.line, line);
    check_int_eq(mark.column, column);
    finish(&p);
}

TEST(places_within_scalars)
{
    check_within("k: abcdef\n", "k", 3, 1, 7);
    check_within("k: 'a''bcd'\n", "k", 3, 1, 9);
    check_within("k: \"a\\tbc\"\n", "k", 3, 1, 9);
    check_within("k: \"\\u00e9bc\"\n", "k", 2, 1, 11);
    check_within("k: |\n  ab\n  cd\nm: 1\n", "k", 3, 3, 3);
    check_within("k: |\n\n    ab\n      cd\nm: 1\n", "k", 4, 4, 5);
    check_within("k: >\n  ab\n  cd\nm: 1\n", "k", 3, 1, 4);
    check_within("k: ab\n  cd\nm: 1\n", "k", 3, 1, 4);
}

TEST(aliases_and_merge_keys)
{
    parsed p =
        parse("x: &b {a: 1, c: 2}\ny: &d {a: 5, e: 6}\nz:\n  a: 9\n  <<: [*b, *d]\n  f: *b\n");
    const ft_yaml_node *z = ft_yaml_find(p.root, "z")->value;

    check_true(p.ok);
    check_int_eq(z->count, 4);
    check_slice_eq(ft_yaml_find(z, "a")->value->text, "9");
    check_slice_eq(ft_yaml_find(z, "c")->value->text, "2");
    check_slice_eq(ft_yaml_find(z, "e")->value->text, "6");
    check_int_eq(ft_yaml_find(z, "c")->key->mark.line, 1);
    check_true(ft_yaml_find(z, "f")->value == ft_yaml_find(p.root, "x")->value);
    finish(&p);
}

static void check_refused(const char *text, int number, uint32_t line, uint32_t column)
{
    parsed p = parse(text);
    const ft_diagnostic *fault = ft_diagnostics_get(p.diagnostics, 0);

    check_true(!p.ok && fault);
    check_int_eq(fault->number, number);
    check_int_eq(fault->mark.line, line);
    check_int_eq(fault->mark.column, column);
    finish(&p);
}

TEST(what_libyaml_lets_pass)
{
    check_refused("a: |# c\n  b\n", 23, 1, 5);
    check_refused("a: [-]\n", 22, 1, 5);
    check_refused("a: \"b\nc\"\n", 19, 2, 1);
    check_refused("a: \"b\n\tc\"\n", 4, 2, 1);
    check_refused("a: [b,\nc]\n", 19, 2, 1);
    check_refused("a: [b,#c\n d]\n", 12, 1, 7);
    check_refused("a: >\n  \n # c\n", 19, 2, 1);
    check_refused("a: {b: f(1, 2)}\n", 13, 1, 8);
    check_refused("a: [f(1, \"x\"), 2]\n", 13, 1, 5);
}

static void check_fine(const char *text)
{
    parsed p = parse(text);

    check_true(p.ok);
    finish(&p);
}

TEST(what_is_unusual_and_fine)
{
    check_fine("a: \"b\n c\"\nd: [\n  e, # f\n  \"g,#h\"\n]\ni: {j: k(l), m: (n)}\n");
    check_fine("a: &x\n  b: \"c\n   d\"\ne: !!map\n  f: 'g\n   h'\n");
    check_fine("a: |2\n    b\n   c\nd: >\n\n  e\n");
    check_fine("&k a: 1\nb:\n  c: [*k, 2]\n");
    check_fine("\"a\nb\"\n");
    check_fine("- - \"a\n    b\"\n  - |\n   c\n");
    check_fine("a:\n- \"b\n  c\"\n");
}

TEST(aliases_that_lead_nowhere)
{
    check_refused("a: *b\n", 14, 1, 4);
    check_refused("a: &a [*a]\n", 14, 1, 8);
    check_refused("a: {<<: 5}\n", 15, 1, 5);
    check_refused("a: *.errors\n", 14, 1, 4);
}

TEST(duplicate_keys_show_both_places)
{
    parsed p = parse("a: 1\nb: 2\na: 3\n");
    const ft_diagnostic *fault = ft_diagnostics_get(p.diagnostics, 0);

    check_int_eq(fault->number, 7);
    check_int_eq(fault->mark.line, 3);
    check_true(fault->has_other);
    check_int_eq(fault->other.line, 1);
    finish(&p);
}

// 10 levels of 10: ten thousand million values in 300 bytes.
TEST(alias_bomb_is_refused_at_once)
{
    char text[400];
    int size = snprintf(text, sizeof(text), "a: &a [1,1,1,1,1,1,1,1,1,1]\n");
    int64_t before = ft_clock_ns();

    for (char c = 'b'; c <= 'j'; c++)
        size +=
            snprintf(text + size, sizeof(text) - (size_t)size, "%c: &%c [*%c,*%c,*%c,*%c,*%c]\n", c,
                     c, c - 1, c - 1, c - 1, c - 1, c - 1);
    parsed p = parse(text);
    check_true(!p.ok);
    check_int_eq(ft_diagnostics_get(p.diagnostics, 0)->number, 9);
    check_true(ft_arena_size_bytes(p.arena) < (16u << 20));
    check_true(ft_clock_ns() - before < 50 * 1000 * 1000);
    finish(&p);
}

TEST(depth_is_bounded)
{
    char text[300];

    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    text[128] = '\0';
    parsed p = parse(text);
    check_true(p.ok);
    finish(&p);
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    text[130] = '\0';
    check_refused(text, 9, 1, 65);
    memset(text, '[', 299);
    text[299] = '\0';
    check_refused(text, 9, 1, 65);
}

TEST(count_is_bounded)
{
    size_t size = 0;
    char *text = ft_alloc(600000);

    check_true(text != NULL);
    for (int i = 0; i < 99999; i++, size += 4)
        memcpy(text + size, "- a\n", 5);
    parsed p = parse(text);
    check_true(p.ok);
    finish(&p);
    memcpy(text + size, "- a\n", 5);
    check_refused(text, 9, 100000, 3);
    ft_free(text);
}

TEST(bytes_that_are_no_text)
{
    check_refused("a: b\xff\n", 3, 1, 5);
    check_refused("a: b\x01\n", 3, 1, 5);
    check_refused("\xff\xfe"
                  "a",
                  3, 1, 1);
    compiled done = compile_slice_with((ft_slice){"\xff\xfe"
                                                  "a\0:\0",
                                                  6},
                                       NULL, NULL);
    check_int_eq(ft_diagnostics_get(done.diagnostics, 0)->number, 2);
    compiled_finish(&done);
    done = compile_slice_with((ft_slice){"\0\1\2\3\4\5\6\7", 8}, NULL, NULL);
    check_int_eq(ft_diagnostics_get(done.diagnostics, 0)->number, 3);
    compiled_finish(&done);
    done = compile_slice_with((ft_slice){"a\0:\0", 4}, NULL, NULL);
    check_int_eq(ft_diagnostics_get(done.diagnostics, 0)->number, 2);
    compiled_finish(&done);
    done = compile_slice_with((ft_slice){"abcd: \0c", 8}, NULL, NULL);
    check_int_eq(ft_diagnostics_get(done.diagnostics, 0)->number, 3);
    compiled_finish(&done);
}

// ---- the YAML test suite ----

typedef struct suite {
    int cases, invalid, missed;
} suite;

static void play_case(const ft_json_node *one, ft_arena *arena, suite *counts)
{
    const ft_json_node *yaml = ft_json_find(one, "yaml"), *id = ft_json_find(one, "id");
    const ft_json_node *error = ft_json_find(one, "error");

    check_true(yaml && id && error);
    const char *text = ft_arena_text(arena, yaml->text);
    compiled done = compile_slice_with((ft_slice){text, yaml->text.size}, NULL, NULL);
    const ft_diagnostic *fault = ft_diagnostics_get(done.diagnostics, 0);
    check_true(done.plan == NULL && fault);
    check_true(fault->mark.line >= 1 && fault->mark.column >= 1 && fault->message[0]);
    counts->cases++;
    if (error->kind == FT_JSON_TRUE) {
        counts->invalid++;
        if (fault->number >= 100) {
            counts->missed++;
            printf("  not refused as YAML: %.*s\n", (int)id->text.size, id->text.data);
        }
    }
    compiled_finish(&done);
}

TEST(no_case_of_the_suite_is_a_pipeline)
{
    const char *folder = check_data_folder();
    ft_arena *arena = ft_arena_create();
    ft_slice rest, line;
    ft_error err = FT_ERROR_INIT;
    suite counts = {0};

    check_true(arena != NULL);
    if (!folder) {
        ft_arena_destroy(arena);
        check_skip("no test data");
    }
    const char *path = ft_path_join(arena, folder, "conformance/yaml-test-suite/cases.jsonl");
    check_ok(ft_file_read(path, arena, 64 << 20, &rest, &err), &err);
    while (ft_slice_cut(&rest, '\n', &line)) {
        ft_json_node *one;
        if (line.size == 0)
            continue;
        check_ok(ft_json_parse(line, arena, &one, &err), &err);
        play_case(one, arena, &counts);
    }
    check_int_eq(counts.cases, 220);
    check_int_eq(counts.invalid, 47);
    check_int_eq(counts.missed, 0);
    ft_arena_destroy(arena);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
