// The walk: sorted by name, hidden folders and links to folders left out, no deeper than 32.
#include "cli/find_pipelines.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/system/file.h"

enum { DEPTH_MAX = 32, FILE_BYTES_MAX = 16 << 20, NAMES_FIRST = 64 };

static bool add(ft_arena *arena, ft_found_pipelines *out, ft_found_pipeline found, ft_error *err)
{
    if (out->count == out->capacity) {
        size_t capacity = out->capacity ? out->capacity * 2 : 16;
        ft_found_pipeline *items = ft_arena_zero(arena, capacity, sizeof(*items));
        if (!items)
            return ft_fail_nomem(err, capacity * sizeof(*items));
        if (out->count > 0)
            memcpy(items, out->items, out->count * sizeof(*items));
        out->items = items;
        out->capacity = capacity;
    }
    out->items[out->count++] = found;
    return true;
}

// Is there a line that begins with `stages:`, perhaps indented?
static bool has_stages(ft_slice text)
{
    ft_slice line;

    while (ft_slice_cut(&text, '\n', &line))
        if (ft_slice_starts_with(ft_slice_trim(line), FT_SLICE("stages:")))
            return true;
    return false;
}

// The fence that a line opens or closes: how many ` or ~; 0 for other lines. `*out_info` is what
// stands behind it.
static size_t read_fence(ft_slice line, char *out_mark, ft_slice *out_info)
{
    ft_slice text = ft_slice_trim(line);
    size_t count = 0;

    if (text.size < 3 || (text.data[0] != '`' && text.data[0] != '~'))
        return 0;
    *out_mark = text.data[0];
    while (count < text.size && text.data[count] == *out_mark)
        count++;
    *out_info = ft_slice_trim((ft_slice){text.data + count, text.size - count});
    return count >= 3 ? count : 0;
}

static bool is_yaml(ft_slice info)
{
    ft_slice word;

    return ft_slice_cut(&info, ' ', &word) &&
           (ft_slice_is(word, "yaml") || ft_slice_is(word, "yml"));
}

// A copy of the file with all but [from, end) blanked; line ends stay.
static bool add_block(ft_arena *arena, const ft_found_pipeline *file, size_t from, size_t end,
                      ft_found_pipelines *out, ft_error *err)
{
    ft_found_pipeline block = *file;
    ft_slice inside = {file->original.data + from, end - from};

    if (!has_stages(inside))
        return true;
    char *text = ft_arena_text(arena, file->original);
    if (!text)
        return ft_fail_nomem(err, file->original.size);
    for (size_t i = 0; i < file->original.size; i++)
        if ((i < from || i >= end) && text[i] != '\n')
            text[i] = ' ';
    block.text = (ft_slice){text, file->original.size};
    block.is_block = true;
    return add(arena, out, block, err);
}

static bool add_blocks(ft_arena *arena, const ft_found_pipeline *file, ft_found_pipelines *out,
                       ft_error *err)
{
    ft_slice rest = file->original, line, info;
    size_t open = 0, start = 0;
    char mark, open_mark = 0;
    bool wanted = false;

    while (ft_slice_cut(&rest, '\n', &line)) {
        size_t at = (size_t)(line.data - file->original.data);
        size_t fence = read_fence(line, &mark, &info);
        if (fence == 0)
            continue;
        if (open == 0) {
            open = fence;
            open_mark = mark;
            wanted = is_yaml(info);
            start = at + line.size + 1;
        } else if (mark == open_mark && fence >= open && info.size == 0) {
            if (wanted && start <= at && !add_block(arena, file, start, at, out, err))
                return false;
            open = 0;
        }
    }
    return true;
}

static bool add_file(const char *path, bool is_named, ft_arena *arena, ft_found_pipelines *out,
                     ft_error *err)
{
    ft_found_pipeline file = {.path = path};

    if (!ft_file_read(path, arena, FILE_BYTES_MAX, &file.original, err))
        return false;
    file.text = file.original;
    if (ft_slice_ends_with(ft_slice_of(path), FT_SLICE(".md")))
        return add_blocks(arena, &file, out, err);
    return (!is_named && !has_stages(file.text)) || add(arena, out, file, err);
}

static int compare_names(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

typedef struct {
    const char **names;
    size_t count, capacity;
} listing;

static bool list_folder(const char *path, ft_arena *arena, listing *out, ft_error *err)
{
    DIR *folder = opendir(path);
    bool ok = true;

    if (!folder)
        return ft_fail_errno(err, errno, "cannot read the folder `%s`", path);
    for (struct dirent *entry; ok && (entry = readdir(folder));) {
        if (entry->d_name[0] == '.')
            continue;
        if (out->count == out->capacity) {
            size_t capacity = out->capacity ? out->capacity * 2 : NAMES_FIRST;
            const char **names = ft_arena_zero(arena, capacity, sizeof(*names));
            ok = names != NULL;
            if (ok && out->count > 0)
                memcpy(names, out->names, out->count * sizeof(*names));
            out->names = ok ? names : out->names;
            out->capacity = ok ? capacity : out->capacity;
        }
        const char *name = ok ? ft_path_join(arena, path, entry->d_name) : NULL;
        ok = name != NULL;
        if (ok)
            out->names[out->count++] = name;
    }
    closedir(folder);
    if (!ok)
        return ft_fail_nomem(err, sizeof(char *));
    if (out->count > 0)
        qsort(out->names, out->count, sizeof(*out->names), compare_names);
    return true;
}

static bool is_of_interest(const char *path)
{
    ft_slice name = ft_slice_of(path);
    return ft_slice_ends_with(name, FT_SLICE(".yaml")) ||
           ft_slice_ends_with(name, FT_SLICE(".yml")) || ft_slice_ends_with(name, FT_SLICE(".md"));
}

// Folders still to be read, in place of recursion: a stack of listings.
typedef struct {
    listing listing;
    size_t at;
} level;

static bool walk(const char *path, ft_arena *arena, ft_found_pipelines *out, ft_error *err)
{
    level levels[DEPTH_MAX] = {{{0}}};
    size_t depth = 1;
    struct stat found;

    if (!list_folder(path, arena, &levels[0].listing, err))
        return false;
    while (depth > 0) {
        level *top = &levels[depth - 1];
        if (top->at == top->listing.count) {
            depth--;
            continue;
        }
        const char *name = top->listing.names[top->at++];
        if (lstat(name, &found) != 0)
            continue;
        if (S_ISDIR(found.st_mode) && depth < DEPTH_MAX) {
            levels[depth] = (level){{0}};
            if (!list_folder(name, arena, &levels[depth++].listing, err))
                return false;
        } else if (S_ISREG(found.st_mode) && is_of_interest(name) &&
                   !add_file(name, false, arena, out, err)) {
            return false;
        }
    }
    return true;
}

bool ft_find_pipelines(const char *path, ft_arena *arena, ft_found_pipelines *out, ft_error *err)
{
    ft_slice name = ft_slice_of(path);

    if (ft_slice_is(name, "-"))
        return add_file("/dev/stdin", true, arena, out, err);
    if (ft_slice_is(name, "...") || ft_slice_ends_with(name, FT_SLICE("/..."))) {
        name.size -= name.size == 3 ? 3 : 4;
        path = name.size ? ft_arena_text(arena, name) : path[0] == '/' ? "/" : ".";
        if (!path)
            return ft_fail_nomem(err, name.size);
    }
    return ft_file_find(path) == FT_FILE_FOLDER ? walk(path, arena, out, err)
                                                : add_file(path, true, arena, out, err);
}
