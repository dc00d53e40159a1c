// ftpipe check: compiles, moves no data; with --fix writes what has only one meaning. _XOPEN_SOURCE
// for realpath.
#define _XOPEN_SOURCE 700
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/find_pipelines.h"
#include "cli/pipeline_file.h"
#include "cli/surroundings.h"

static const char *const formats[] = {"text", "json", "github", NULL};

static const ft_flag flags[] = {
    {"deep", 0, NULL, NULL, "also look whether outputs can be written"},
    {"fix", 0, NULL, NULL, "write the fixes that have only one meaning"},
    {"deny-warnings", 0, NULL, NULL, "exit with 3 for warnings too"},
    {"format", 0, "FORMAT", formats, "text (on stderr), json or github (on stdout)"},
    {"param", 'p', "NAME=VALUE", NULL, "give a parameter of the pipelines"},
    {"quiet", 'q', NULL, NULL, "say nothing when all is well"},
    {NULL},
};

typedef struct {
    const ft_arguments *arguments;
    ft_found_pipelines found;
    ft_diagnostics *diagnostics;
    ft_source *sources;  // [found.count]: the diagnostics point at them.
    size_t stages;       // Of the last pipeline that was valid.
} checker;

static bool find_all(checker *c, ft_error *err)
{
    const ft_arguments *a = c->arguments;

    for (size_t i = 0; i < a->operand_count; i++)
        if (strcmp(a->operands[i], "-") == 0 && ft_arguments_has(a, "fix"))
            return ft_fail(err, FT_ERROR_USAGE, "`--fix` needs a file, not standard input");
    c->found = (ft_found_pipelines){0};
    if (a->operand_count == 0)
        return ft_find_pipelines("...", a->arena, &c->found, err);
    for (size_t i = 0; i < a->operand_count; i++)
        if (!ft_find_pipelines(a->operands[i], a->arena, &c->found, err))
            return false;
    return true;
}

static bool check_one(checker *c, size_t index, ft_error *err)
{
    const ft_found_pipeline *found = &c->found.items[index];
    ft_pipeline_file file = {.arena = c->arguments->arena};

    c->sources[index] = (ft_source){found->path, found->text};
    if (!ft_pipeline_file_place(&file, file.arena, found->path, err) ||
        !ft_pipeline_file_take_params(&file, c->arguments, err))
        return false;
    file.environment.deep = ft_arguments_has(c->arguments, "deep");
    // The source must be the one that stays: diagnostics are told apart by it.
    ft_plan *plan = ft_pipeline_file_compile_source(&file, &c->sources[index], c->diagnostics);
    for (size_t i = 0; plan && i < plan->node_count; i++)
        c->stages += !plan->nodes[i]->is_hidden;
    ft_plan_destroy(plan);
    return true;
}

static bool check_all(checker *c, ft_error *err)
{
    ft_diagnostics_destroy(c->diagnostics);
    c->stages = 0;
    c->diagnostics = ft_diagnostics_create();
    c->sources = ft_arena_zero(c->arguments->arena, c->found.count, sizeof(*c->sources));
    if (!c->diagnostics || !c->sources)
        return ft_fail_nomem(err, 4096);
    for (size_t i = 0; i < c->found.count; i++)
        if (!check_one(c, i, err))
            return false;
    return true;
}

// ---- --fix ----

static size_t mark_end(const ft_source *source, const ft_mark *mark)
{
    size_t at = mark->offset;

    for (uint32_t i = 0; i < mark->length && at < source->text.size; i++)
        ft_utf8_next(source->text, &at);
    return at < source->text.size ? at : source->text.size;
}

// The first diagnostic of `path` with a replacement that begins at or behind `from`.
static const ft_diagnostic *next_fix(const checker *c, const char *path, size_t from)
{
    size_t count = ft_diagnostics_count(c->diagnostics, FT_SEVERITY_ERROR) +
                   ft_diagnostics_count(c->diagnostics, FT_SEVERITY_WARNING);
    const ft_diagnostic *best = NULL;

    for (size_t i = 0; i < count; i++) {
        const ft_diagnostic *d = ft_diagnostics_get(c->diagnostics, i);
        bool usable = d && d->replacement && d->source && strcmp(d->source->path, path) == 0 &&
                      d->mark.offset >= from;
        if (usable && (!best || d->mark.offset < best->mark.offset))
            best = d;
    }
    return best;
}

// Beside the file and then in its place, so that a full disk leaves the old one. Through links to
// the file itself.
static bool write_file(ft_arena *arena, const char *path, const ft_text *text, ft_error *err)
{
    char real[PATH_MAX];
    struct stat found;

    if (!realpath(path, real) || stat(real, &found) != 0)
        return ft_fail_errno(err, errno, "cannot look at `%s`", path);
    if (!S_ISREG(found.st_mode))
        return ft_fail(err, FT_ERROR_USAGE, "`%s` is no file that could be fixed", path);
    const char *beside = ft_arena_format(arena, "%s.fix-%ld", real, (long)getpid());
    if (!beside)
        return ft_fail_nomem(err, strlen(real));
    FILE *file = fopen(beside, "we");
    if (!file)
        return ft_fail_errno(err, errno, "cannot write beside `%s`", path);
    bool ok = fwrite(text->data, 1, text->size, file) == text->size;
    ok = fchmod(fileno(file), found.st_mode & 07777) == 0 && ok;
    ok = fclose(file) == 0 && ok;
    if (ok && rename(beside, real) == 0)
        return true;
    int saved = errno;
    unlink(beside);
    return ft_fail_errno(err, saved, "cannot write `%s`", path);
}

// Applies all fixes of one file; counts them.
static bool fix_file(const checker *c, const ft_found_pipeline *found, size_t *out_count,
                     ft_error *err)
{
    ft_text text;
    size_t at = 0, count = 0;

    ft_text_init(&text, SIZE_MAX / 2);
    for (const ft_diagnostic *d; (d = next_fix(c, found->path, at)); count++) {
        size_t end = mark_end(d->source, &d->mark);
        ft_text_append(&text, (ft_slice){found->original.data + at, d->mark.offset - at});
        ft_text_append_string(&text, d->replacement);
        at = end > d->mark.offset ? end : d->mark.offset + 1;
    }
    if (at < found->original.size)
        ft_text_append(&text, (ft_slice){found->original.data + at, found->original.size - at});
    bool ok = ft_text_check(&text, err);
    if (ok && count > 0)
        ok = write_file(c->arguments->arena, found->path, &text, err);
    ft_text_finish(&text);
    *out_count += count;
    return ok;
}

static bool fix_all(checker *c, ft_error *err)
{
    size_t count = 0;

    for (size_t i = 0; i < c->found.count; i++) {
        // The blocks of a Markdown file stand one behind the other: the file is fixed once.
        bool again = i > 0 && strcmp(c->found.items[i].path, c->found.items[i - 1].path) == 0;
        if (!again && !fix_file(c, &c->found.items[i], &count, err))
            return false;
    }
    if (count == 0)
        return true;
    fprintf(stderr, "ftpipe: %zu fixed\n", count);
    return find_all(c, err) && check_all(c, err);
}

// ---- the end ----

static int tell(const checker *c)
{
    const char *format = ft_arguments_get(c->arguments, "format");
    size_t errors = ft_diagnostics_count(c->diagnostics, FT_SEVERITY_ERROR);
    size_t warnings = ft_diagnostics_count(c->diagnostics, FT_SEVERITY_WARNING);
    ft_terminal terminal = ft_terminal_find(ft_arguments_get(c->arguments, "color"));

    if (format && strcmp(format, "json") == 0)
        ft_diagnostics_print(c->diagnostics, FT_FORMAT_JSON, false, stdout);
    else if (format && strcmp(format, "github") == 0)
        ft_diagnostics_print(c->diagnostics, FT_FORMAT_GITHUB, false, stdout);
    else if (errors + warnings > 0)
        ft_diagnostics_print(c->diagnostics, FT_FORMAT_TEXT, terminal.color, stderr);
    if (errors > 0 || (warnings > 0 && ft_arguments_has(c->arguments, "deny-warnings")))
        return FT_EXIT_INVALID;
    if (format || ft_arguments_has(c->arguments, "quiet"))
        return FT_EXIT_DONE;
    if (c->found.count == 1)
        fprintf(stderr, "%s: valid, %zu stage%s\n", c->found.items[0].path, c->stages,
                c->stages == 1 ? "" : "s");
    else
        fprintf(stderr, "%zu pipelines, all valid\n", c->found.count);
    return FT_EXIT_DONE;
}

static int check(const ft_arguments *arguments)
{
    checker c = {.arguments = arguments};
    ft_error err = FT_ERROR_INIT;

    bool ok = find_all(&c, &err) && check_all(&c, &err);
    if (ok && ft_arguments_has(arguments, "fix"))
        ok = fix_all(&c, &err);
    int status = ok ? tell(&c) : ft_command_fail(FT_EXIT_USAGE, &err);
    ft_diagnostics_destroy(c.diagnostics);
    return status;
}

const ft_command ft_command_check = {
    .name = "check",
    .operands = "[FILE|FOLDER|FOLDER/...]",
    .summary = "find what is wrong with a pipeline, without running it",
    .details = "Without a path: all pipelines of this folder and below. In Markdown files, the "
               "```yaml blocks\n"
               "that have `stages:` are checked.\n",
    .flags = flags,
    .operands_max = 4096,
    .run = check,
};
