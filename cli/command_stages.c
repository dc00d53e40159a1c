// ftpipe stages: the catalogue, printed from the same tables that the parser reads.
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "runtime/data/json.h"
#include "stages/builtin.h"

enum { OUTPUT_BYTES_MAX = 1 << 20, NAMES_MAX = 128 };

static const ft_flag flags[] = {
    {"json", 0, NULL, NULL, "everything as one JSON array"},
    {NULL},
};

static const char *kind_name(const ft_stage_def *def)
{
    return def->kind == FT_STAGE_SOURCE ? "source"
           : def->kind == FT_STAGE_SINK ? "sink"
                                        : "transform";
}

static const ft_stage_def *find_stage(const char *name)
{
    for (size_t i = 0; ft_builtin_stages[i]; i++)
        if (strcmp(ft_builtin_stages[i]->name, name) == 0)
            return ft_builtin_stages[i];
    return NULL;
}

static const char *print_default(const ft_option *option)
{
    return option->required ? "required" : option->fallback ? option->fallback : NULL;
}

// `text` with line ends; every line indented.
static void print_indented(const char *text)
{
    while (*text) {
        size_t size = strcspn(text, "\n");
        printf("  %.*s\n", (int)size, text);
        text += size + (text[size] == '\n');
    }
}

static bool print_option(const ft_option *option, int width, ft_arena *arena)
{
    const char *type = ft_option_print_type(option, arena);
    const char *fallback = print_default(option);

    if (!type)
        return false;
    printf("  %-*s %s%s", width, option->name, option->is_main ? "(main) " : "", type);
    if (fallback)
        printf(option->required ? ", %s" : ", default %s", fallback);
    printf("\n  %-*s %s\n", width, "", option->doc ? option->doc : "");
    return true;
}

static void print_names(const char *title, const char *const *names)
{
    if (!names || !names[0])
        return;
    printf("\n%s\n ", title);
    for (; *names; names++)
        printf(" %s", *names);
    printf("\n");
}

static bool print_stage(const ft_stage_def *def, ft_arena *arena)
{
    int width = 0;

    printf("%s - %s (%s)\n", def->name, def->summary, kind_name(def));
    for (const ft_option *option = def->options; option && option->name; option++)
        if ((int)strlen(option->name) > width)
            width = (int)strlen(option->name);
    if (ft_option_count(def->options) > 0)
        printf("\noptions\n");
    for (const ft_option *option = def->options; option && option->name; option++)
        if (!print_option(option, width + 2, arena))
            return false;
    print_names("outputs beside the main one", def->ports);
    print_names("counters", def->counters);
    if (def->example) {
        printf("\nexample\n");
        print_indented(def->example);
    }
    return true;
}

static void list_stages(void)
{
    static const ft_stage_kind kinds[] = {FT_STAGE_SOURCE, FT_STAGE_TRANSFORM, FT_STAGE_SINK};
    static const char *const titles[] = {"sources:", "transforms:", "sinks:"};

    for (size_t k = 0; k < FT_COUNT_OF(kinds); k++) {
        printf("%s%s\n", k ? "\n" : "", titles[k]);
        for (size_t i = 0; ft_builtin_stages[i]; i++)
            if (ft_builtin_stages[i]->kind == kinds[k])
                printf("  %-10s %s\n", ft_builtin_stages[i]->name, ft_builtin_stages[i]->summary);
    }
}

static void put_member(ft_text *out, const char *name, const char *value)
{
    ft_text_format(out, ",\"%s\":", name);
    if (value)
        ft_json_put_string(out, ft_slice_of(value));
    else
        ft_text_append_string(out, "null");
}

static void put_names(ft_text *out, const char *title, const char *const *names)
{
    ft_text_format(out, ",\"%s\":[", title);
    for (size_t i = 0; names && names[i]; i++) {
        ft_text_append_string(out, i ? "," : "");
        ft_json_put_string(out, ft_slice_of(names[i]));
    }
    ft_text_append_char(out, ']');
}

static void put_stage(ft_text *out, const ft_stage_def *def, ft_arena *arena)
{
    ft_text_append_string(out, "{\"name\":");
    ft_json_put_string(out, ft_slice_of(def->name));
    put_member(out, "kind", kind_name(def));
    put_member(out, "summary", def->summary);
    put_member(out, "example", def->example);
    put_names(out, "ports", def->ports);
    put_names(out, "counters", def->counters);
    ft_text_append_string(out, ",\"options\":[");
    for (const ft_option *option = def->options; option && option->name; option++) {
        ft_text_append_string(out, option == def->options ? "{\"name\":" : ",{\"name\":");
        ft_json_put_string(out, ft_slice_of(option->name));
        put_member(out, "type", ft_option_print_type(option, arena));
        put_member(out, "default", option->fallback);
        put_member(out, "doc", option->doc);
        ft_text_format(out, ",\"main\":%s,\"required\":%s}", option->is_main ? "true" : "false",
                       option->required ? "true" : "false");
    }
    ft_text_append_string(out, "]}");
}

static int print_json(const ft_stage_def *only, ft_arena *arena)
{
    ft_error err = FT_ERROR_INIT;
    ft_text out;
    bool first = true;

    ft_text_init(&out, OUTPUT_BYTES_MAX);
    ft_text_append_char(&out, '[');
    for (size_t i = 0; ft_builtin_stages[i]; i++) {
        if (only && ft_builtin_stages[i] != only)
            continue;
        ft_text_append_string(&out, first ? "" : ",\n");
        put_stage(&out, ft_builtin_stages[i], arena);
        first = false;
    }
    ft_text_append_string(&out, "]\n");
    bool ok = ft_text_check(&out, &err);
    if (ok)
        fwrite(out.data, 1, out.size, stdout);
    ft_text_finish(&out);
    return ok ? FT_EXIT_DONE : ft_command_fail(FT_EXIT_FAILED, &err);
}

static int unrecognized(const char *name)
{
    const char *names[NAMES_MAX];
    ft_error err = FT_ERROR_INIT;
    size_t count = 0;

    while (ft_builtin_stages[count] && count < NAMES_MAX - 1) {
        names[count] = ft_builtin_stages[count]->name;
        count++;
    }
    names[count] = NULL;
    ft_fail(&err, FT_ERROR_USAGE, "there is no stage `%s`", name);
    const char *nearest = ft_nearest(ft_slice_of(name), names);
    if (nearest)
        ft_hint(&err, "Did you mean `%s`?", nearest);
    ft_hint(&err, "`ftpipe stages` lists all of them.");
    return ft_command_fail(FT_EXIT_USAGE, &err);
}

static int stages(const ft_arguments *arguments)
{
    ft_error err = FT_ERROR_INIT;
    const ft_stage_def *only = NULL;

    if (arguments->operand_count > 0 && !(only = find_stage(arguments->operands[0])))
        return unrecognized(arguments->operands[0]);
    if (ft_arguments_has(arguments, "json"))
        return print_json(only, arguments->arena);
    if (!only) {
        list_stages();
        return FT_EXIT_DONE;
    }
    if (print_stage(only, arguments->arena))
        return FT_EXIT_DONE;
    ft_fail_nomem(&err, 256);
    return ft_command_fail(FT_EXIT_FAILED, &err);
}

const ft_command ft_command_stages = {
    .name = "stages",
    .operands = "[TYPE]",
    .summary = "the stages there are; with a type, its options",
    .flags = flags,
    .operands_max = 1,
    .run = stages,
};
