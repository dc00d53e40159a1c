// ftpipe doctor: what the program stands on, what is active and what is not, and why; with a
// pipeline also its stages; with --plugin a test of a shared library from many threads.
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/doctor_plugin.h"
#include "cli/pipeline_file.h"
#include "runtime/data/json.h"

enum { OUTPUT_BYTES_MAX = 1 << 20 };

static const ft_flag flags[] = {
    {"plugin", 0, "FILE", NULL, "run a plug-in's stages from many threads before it is trusted"},
    {"param", 'p', "NAME=VALUE", NULL, "give a parameter of the pipeline"},
    {"json", 0, NULL, NULL, "one JSON object"},
    {"inside", 0, NULL, NULL, NULL},
    {"root", 0, "FOLDER", NULL, NULL},
    {NULL},
};

static const char *const state_names[] = {"good", "note", "poor"};
static const char *const marks[] = {"ok", "-", "!"};
static const char *const colors[] = {"\033[32m", "\033[33m", "\033[31m"};

// ---- output ----

static void print_text(const ft_facts *facts, bool color)
{
    const char *group = "";
    int width = 0;

    for (size_t i = 0; i < facts->count; i++)
        if ((int)strlen(facts->items[i].name) > width)
            width = (int)strlen(facts->items[i].name);
    for (size_t i = 0; i < facts->count; i++) {
        const ft_fact *fact = &facts->items[i];
        if (strcmp(group, fact->group) != 0)
            printf("%s%s\n", *group ? "\n" : "", fact->group);
        group = fact->group;
        printf("  %s%-2s%s %-*s  %s\n", color ? colors[fact->state] : "", marks[fact->state],
               color ? "\033[0m" : "", width, fact->name, fact->value);
        if (fact->advice)
            printf("     %-*s  %s\n", width, "", fact->advice);
    }
}

static void put_text(ft_text *out, const char *name, const char *value)
{
    ft_text_format(out, ",\"%s\":", name);
    if (value)
        ft_json_put_string(out, ft_slice_of(value));
    else
        ft_text_append_string(out, "null");
}

static bool print_json(const ft_facts *facts, ft_error *err)
{
    ft_text out;

    ft_text_init(&out, OUTPUT_BYTES_MAX);
    ft_text_append_string(&out, "{\"v\":1,\"facts\":[");
    for (size_t i = 0; i < facts->count; i++) {
        const ft_fact *fact = &facts->items[i];
        ft_text_append_string(&out, i ? ",\n{\"group\":" : "\n{\"group\":");
        ft_json_put_string(&out, ft_slice_of(fact->group));
        put_text(&out, "name", fact->name);
        put_text(&out, "state", state_names[fact->state]);
        put_text(&out, "value", fact->value);
        put_text(&out, "advice", fact->advice);
        ft_text_append_char(&out, '}');
    }
    ft_text_append_string(&out, "\n]}\n");
    bool ok = ft_text_check(&out, err);
    if (ok)
        fwrite(out.data, 1, out.size, stdout);
    ft_text_finish(&out);
    return ok;
}

static int show(const ft_arguments *arguments, const ft_facts *facts, int status)
{
    const char *color = ft_arguments_get(arguments, "color");
    bool always = color && strcmp(color, "always") == 0;
    ft_error err = FT_ERROR_INIT;

    if (facts->failed) {
        ft_fail_nomem(&err, 256);
        return ft_command_fail(FT_EXIT_FAILED, &err);
    }
    if (ft_arguments_has(arguments, "json"))
        return print_json(facts, &err) ? status : ft_command_fail(FT_EXIT_FAILED, &err);
    print_text(facts, always || (isatty(STDOUT_FILENO) && ft_terminal_find(color).color));
    return status;
}

// ---- what was asked for ----

// Compiles the pipeline and adds its stages. Returns the exit status.
static int add_pipeline(const ft_arguments *arguments, ft_facts *facts, ft_plan **out)
{
    ft_pipeline_file file;
    ft_error err = FT_ERROR_INIT;

    if (!ft_pipeline_file_read(&file, arguments->arena, arguments->operands[0], NULL, &err) ||
        !ft_pipeline_file_take_params(&file, arguments, &err))
        return ft_command_fail(FT_EXIT_USAGE, &err);
    ft_diagnostics *diagnostics = ft_diagnostics_create();
    if (!diagnostics) {
        ft_fail_nomem(&err, 4096);
        return ft_command_fail(FT_EXIT_FAILED, &err);
    }
    *out = ft_pipeline_file_compile(&file, diagnostics);
    if (*out)
        ft_doctor_plan(facts, *out);
    else
        ft_diagnostics_print(diagnostics, FT_FORMAT_TEXT,
                             ft_terminal_find(ft_arguments_get(arguments, "color")).color, stderr);
    ft_diagnostics_destroy(diagnostics);
    return *out ? FT_EXIT_DONE : FT_EXIT_INVALID;
}

static int examine_plugin(const ft_arguments *arguments, const char *path)
{
    ft_facts facts = {.arena = arguments->arena, .root = ""};
    ft_error err = FT_ERROR_INIT;
    bool passed = false;

    if (ft_arguments_has(arguments, "inside"))
        return ft_plugin_test(path, &err) ? FT_EXIT_DONE : ft_command_fail(FT_EXIT_INVALID, &err);
    if (!ft_doctor_plugin(&facts, path, &passed, &err))
        return ft_command_fail(FT_EXIT_FAILED, &err);
    return show(arguments, &facts, passed ? FT_EXIT_DONE : FT_EXIT_FAILED);
}

static int doctor(const ft_arguments *arguments)
{
    const char *plugin = ft_arguments_get(arguments, "plugin");
    const char *root = ft_arguments_get(arguments, "root");
    ft_facts facts = {.arena = arguments->arena, .root = root ? root : ""};
    ft_plan *plan = NULL;
    int status = FT_EXIT_DONE;

    if (plugin)
        return examine_plugin(arguments, plugin);
    ft_doctor_machine(&facts);
    ft_doctor_program(&facts);
    ft_doctor_stages(&facts);
    if (arguments->operand_count > 0)
        status = add_pipeline(arguments, &facts, &plan);
    if (status == FT_EXIT_DONE)
        status = show(arguments, &facts, status);
    ft_plan_destroy(plan);
    return status;
}

const ft_command ft_command_doctor = {
    .name = "doctor",
    .operands = "[FILE]",
    .summary = "what is active on this machine and what is not, and why",
    .details = "With a pipeline: also how many threads may be in each of its stages.\n"
               "With --plugin: runs the library's stages from 2 to 8 threads on made-up items and\n"
               "compares with one thread; looks for leaks, overruns and, if a ThreadSanitizer "
               "build\n"
               "of the program is beside it as `ftpipe-tsan`, races. What was found is kept for\n"
               "this very file. Exit status 1: something was found.\n",
    .flags = flags,
    .operands_max = 1,
    .run = doctor,
};
