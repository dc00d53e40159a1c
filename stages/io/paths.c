// Paths: see paths.h. A name that exists as it is written is no glob, whatever characters it has.
#include "stages/io/paths.h"

#include <errno.h>
#include <glob.h>
#include <string.h>

#include "runtime/system/file.h"
#include "stages/io/stream.h"

static int stop_at_error(const char *path, int number)
{
    (void)path;
    // A file where a folder is looked for, or none, is just not a match.
    return number != ENOTDIR && number != ENOENT;
}

static bool add_matches(const glob_t *matches, ft_arena *arena, ft_paths *out, ft_error *err)
{
    out->items = ft_arena_zero(arena, matches->gl_pathc + 1, sizeof(*out->items));
    if (!out->items)
        return ft_fail_nomem(err, matches->gl_pathc * sizeof(*out->items));
    for (size_t i = 0; i < matches->gl_pathc; i++) {
        const char *path = matches->gl_pathv[i];
        if (ft_file_find(path) == FT_FILE_FOLDER)
            continue;
        out->items[out->count] = ft_arena_text(arena, ft_slice_of(path));
        if (!out->items[out->count])
            return ft_fail_nomem(err, strlen(path));
        out->count++;
    }
    return true;
}

// In place: a heap, so that a million names take no quadratic time and no memory.
static void sort_names(const char **names, size_t count)
{
    for (size_t step = count / 2, end = count; end > 1;) {
        if (step > 0) {
            step--;
        } else {
            const char *largest = names[0];
            names[0] = names[--end];
            names[end] = largest;
        }
        for (size_t at = step, child; (child = 2 * at + 1) < end; at = child) {
            if (child + 1 < end && strcmp(names[child], names[child + 1]) < 0)
                child++;
            if (strcmp(names[at], names[child]) >= 0)
                break;
            const char *name = names[at];
            names[at] = names[child];
            names[child] = name;
        }
    }
}

static bool expand(const char *text, ft_arena *arena, ft_paths *out, ft_error *err)
{
    glob_t matches = {0};
    const int result = glob(text, GLOB_NOSORT, stop_at_error, &matches);
    const int saved = errno;
    bool ok;
    if (result == 0)
        ok = add_matches(&matches, arena, out, err);
    else if (result == GLOB_NOSPACE)
        ok = ft_fail_nomem(err, strlen(text));
    else if (result == GLOB_ABORTED)
        ok = ft_fail_errno(err, saved, "cannot look for `%s`", text);
    else
        ok = true;
    globfree(&matches);
    if (!ok)
        return false;
    if (out->count == 0) {
        ft_fail(err, FT_ERROR_IO, "no file matches `%s`", text);
        if (strstr(text, "**"))
            ft_hint(err, "`**` is not a depth of its own: name the levels, as in `a/*/*.txt`.");
        return false;
    }
    sort_names(out->items, out->count);
    return true;
}

bool ft_paths_find(const char *text, ft_arena *arena, ft_paths *out, ft_error *err)
{
    *out = (ft_paths){0};
    const ft_file_kind kind = strcmp(text, "-") == 0 ? FT_FILE_OTHER : ft_file_find(text);
    if (kind == FT_FILE_MISSING && strpbrk(text, "*?["))
        return expand(text, arena, out, err);
    if (kind == FT_FILE_MISSING)
        return ft_fail(err, FT_ERROR_IO, "there is no file `%s`", text);
    if (kind == FT_FILE_FOLDER) {
        ft_fail(err, FT_ERROR_IO, "`%s` is a directory, not a file", text);
        ft_hint(err, "To read all files in it, write `%s/*`.", text);
        return false;
    }
    out->items = ft_arena_zero(arena, 1, sizeof(*out->items));
    const char *path = ft_arena_text(arena, ft_slice_of(text));
    if (!out->items || !path)
        return ft_fail_nomem(err, strlen(text));
    out->items[out->count++] = path;
    return true;
}

ft_format ft_format_find(const char *path)
{
    static const struct {
        const char *ending;
        ft_format format;
    } endings[] = {{".jsonl", FT_FORMAT_JSONL}, {".ndjson", FT_FORMAT_JSONL},
                   {".csv", FT_FORMAT_CSV},     {".tsv", FT_FORMAT_TSV},
                   {".npy", FT_FORMAT_NPY},     {".txt", FT_FORMAT_TEXT},
                   {".md", FT_FORMAT_TEXT}};
    ft_slice name;
    ft_packing_find(ft_slice_of(path), &name);
    for (size_t i = 0; i < FT_COUNT_OF(endings); i++)
        if (ft_slice_ends_with(name, ft_slice_of(endings[i].ending)))
            return endings[i].format;
    return FT_FORMAT_AUTO;
}
