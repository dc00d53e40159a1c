// Option tables: every type parsed, bounds, defaults, messages, and failing allocations.
#include <string.h>

#include "runtime/memory/alloc.h"
#include "runtime/option.h"
#include "tests/check.h"

static const char *const modes[] = {"create", "replace", "append", NULL};

typedef struct {
    const char *path;
    int mode;
    bool header;
    int64_t threads, rows, buffer, wait;
    double share;
    ft_strings fields;
    ft_map params;
} sample_config;

static const ft_option options[] = {
    FT_OPT_PATH(sample_config, path, .is_main = true, .required = true, .doc = "Where."),
    FT_OPT_CHOICE(sample_config, mode, modes, .fallback = "replace", .doc = "How."),
    FT_OPT_BOOL(sample_config, header, .fallback = "true", .doc = "Whether."),
    FT_OPT_INT(sample_config, threads, .fallback = "4", .min = 1, .max = 64, .doc = "Threads."),
    FT_OPT_COUNT(sample_config, rows, .fallback = "10k", .min = 1, .max = 1000000, .doc = "Rows."),
    FT_OPT_SIZE(sample_config, buffer, .fallback = "64KiB", .min = 4096, .max = 1 << 30,
                .doc = "Bytes."),
    FT_OPT_DURATION(sample_config, wait, .fallback = "2s", .doc = "Time."),
    FT_OPT_FLOAT(sample_config, share, .fallback = "0.5", .min_float = 0, .max_float = 1,
                 .doc = "Share."),
    FT_OPT_FIELDS(sample_config, fields, .doc = "Fields."),
    FT_OPT_MAP(sample_config, params, .doc = "Params."),
    FT_OPT_END,
};

static bool set(const char *name, const char *text, sample_config *config, ft_arena *arena,
                ft_error *err)
{
    return ft_option_set(ft_option_find(options, ft_slice_of(name)), config, ft_slice_of(text),
                         arena, err);
}

TEST(defaults_and_values)
{
    ft_arena *arena = ft_arena_create();
    ft_error err = FT_ERROR_INIT;
    sample_config config = {0};

    check_int_eq(ft_option_count(options), 10);
    check_text_eq(ft_option_find_main(options)->name, "path");
    check_true(ft_option_find(options, FT_SLICE("pat")) == NULL);
    check_ok(ft_option_defaults(options, &config, arena, &err), &err);
    check_int_eq(config.mode, 1);
    check_true(config.header && config.path == NULL && config.fields.count == 0);
    check_int_eq(config.rows, 10000);
    check_int_eq(config.buffer, 65536);
    check_int_eq(config.wait, 2000);
    check_ok(set("path", "a b", &config, arena, &err), &err);
    check_text_eq(config.path, "a b");
    check_ok(set("mode", "append", &config, arena, &err), &err);
    check_int_eq(config.mode, 2);
    check_ok(set("share", "1", &config, arena, &err), &err);
    check_float_near(config.share, 1, 0);
    check_ok(set("fields", "id", &config, arena, &err), &err);
    check_int_eq(config.fields.count, 1);
    check_text_eq(config.fields.items[0], "id");
    ft_slice names[2] = {FT_SLICE("a"), FT_SLICE("b")}, texts[2] = {FT_SLICE("1"), FT_SLICE("x")};
    bool quoted[2] = {false, true};
    check_ok(ft_option_set_map(ft_option_find(options, FT_SLICE("params")), &config, names, texts,
                               quoted, 2, arena, &err),
             &err);
    check_text_eq(config.params.texts[1], "x");
    check_true(config.params.quoted[1] && !config.params.quoted[0]);
    ft_arena_destroy(arena);
}

TEST(wrong_values_are_named)
{
    static const struct {
        const char *name, *text, *message, *hint;
    } cases[] = {
        {"mode", "creat", "`mode` is create, replace or append, not `creat`",
         "Did you mean `create`?"},
        {"header", "yes", "`header` is true or false, not `yes`", "Write `header: true`."},
        {"threads", "65", "`threads` is between 1 and 64, not 65", ""},
        {"threads", "many", "`threads` is a whole number, not `many`", ""},
        {"rows", "2M", "`rows` is between 1 and 1M, not 2M", ""},
        {"buffer", "1 KiB", "`buffer` is between 4KiB and 1GiB, not 1 KiB", ""},
        {"wait", "5", "`wait` is a duration such as 200ms or 5s, not `5`", ""},
        {"share", "1.5", "`share` is between 0 and 1, not 1.5", ""},
        {"share", "nan", "`share` is a number, not `nan`", ""},
        {"params", "x", "`params` is a mapping of names to values, not `x`", ""},
    };
    ft_arena *arena = ft_arena_create();
    sample_config config = {0};

    for (size_t i = 0; i < FT_COUNT_OF(cases); i++) {
        ft_error err = FT_ERROR_INIT;
        check_fails(set(cases[i].name, cases[i].text, &config, arena, &err), &err, FT_ERROR_USAGE);
        check_text_eq(err.message, cases[i].message);
        check_text_eq(err.hint, cases[i].hint);
        check_text_eq(err.option, cases[i].name);
    }
    ft_error err = FT_ERROR_INIT;
    ft_slice nul = {"a\0b", 3};
    check_fails(ft_option_set(&options[0], &config, nul, arena, &err), &err, FT_ERROR_USAGE);
    ft_arena_destroy(arena);
}

TEST(types_in_words)
{
    ft_arena *arena = ft_arena_create();

    check_text_eq(ft_option_print_type(&options[1], arena), "create|replace|append");
    check_text_eq(ft_option_print_type(&options[3], arena), "integer 1..64");
    check_text_eq(ft_option_print_type(&options[4], arena), "count 1..1M");
    check_text_eq(ft_option_print_type(&options[6], arena), "duration");
    check_text_eq(ft_option_print_type(&options[7], arena), "number 0..1");
    ft_arena_destroy(arena);
}

TEST(defaults_without_memory)
{
    for (uint64_t n = 1;; n++) {
        int64_t before = ft_alloc_get_stats().live_blocks;
        ft_error err = FT_ERROR_INIT;
        sample_config config = {0};
        ft_alloc_fail_at(n, false);
        ft_arena *arena = ft_arena_create();
        bool ok = arena && ft_option_defaults(options, &config, arena, &err) &&
                  set("fields", "a", &config, arena, &err);
        ft_alloc_fail_at(0, false);
        ft_arena_destroy(arena);
        check_int_eq(ft_alloc_get_stats().live_blocks, before);
        check_true(ok || !arena || err.code == FT_ERROR_NOMEM);
        if (ok)
            break;
    }
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
