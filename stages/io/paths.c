// Paths: see paths.h. A name that exists as it is written is no glob, whatever characters it has.
// _GNU_SOURCE for GLOB_ALTDIRFUNC: the C library's own glob takes a folder that cannot be read to
// its end for a short one, and files would be left out without a word.
#define _GNU_SOURCE
#include "stages/io/paths.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/system/file.h"
#include "stages/io/stream.h"

static int stop_at_error(const char *path, int number)
{
    (void)path;
    // A file where a folder is looked for, or none, is just not a match.
    return number != ENOTDIR && number != ENOENT;
}

static FT_THREAD_LOCAL int unread;  // errno of a folder that was not read to its end.

static void *open_folder(const char *path)
{
    return opendir(path);
}

static struct dirent *read_folder(void *folder)
{
    errno = 0;
    struct dirent *entry = readdir(folder);
    if (!entry && errno)
        unread = errno;
    return entry;
}

static void close_folder(void *folder)
{
    closedir(folder);
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
    glob_t matches = {.gl_opendir = open_folder,
                      .gl_readdir = read_folder,
                      .gl_closedir = close_folder,
                      .gl_stat = stat,
                      .gl_lstat = lstat};
    unread = 0;
    const int result = glob(text, GLOB_NOSORT | GLOB_ALTDIRFUNC, stop_at_error, &matches);
    const int saved = unread ? unread : errno;
    bool ok;
    if (unread)
        ok = ft_fail_errno(err, saved, "cannot look for `%s`", text);
    else if (result == 0)
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
    if (kind == FT_FILE_UNKNOWN)
        return ft_fail_errno(err, errno, "cannot look at `%s`", text);
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
