// Files in memory, in place of those of runtime/system/file.h.
#include <string.h>

#include "runtime/memory/alloc.h"
#include "runtime/system/file.h"
#include "tests/fuzz/fuzz.h"

enum { FILES_MAX = 8 };

static struct {
    const char *name;
    ft_slice bytes;
} files[FILES_MAX];
static size_t file_count;

// The linker calls these where the program calls ft_file_read and so on.
bool __wrap_ft_file_read(const char *path, ft_arena *arena, size_t bound_bytes, ft_slice *out,
                         ft_error *err);
bool __wrap_ft_file_map(const char *path, ft_arena *arena, ft_slice *out, ft_error *err);
ft_file_kind __wrap_ft_file_find(const char *path);

ft_slice fuzz_cut(ft_slice *rest)
{
    const size_t mark = strlen(FUZZ_BESIDE);
    ft_slice whole = *rest;

    for (size_t at = 0; whole.data && at + mark <= whole.size; at++) {
        const char *found = memchr(whole.data + at, '\n', whole.size - at - mark + 1);
        if (!found)
            break;
        at = (size_t)(found - whole.data);
        if (memcmp(found, FUZZ_BESIDE, mark) == 0) {
            *rest = (ft_slice){found + mark, whole.size - at - mark};
            return (ft_slice){whole.data, at};
        }
    }
    *rest = (ft_slice){0};
    return whole;
}

void fuzz_set_files(const char *const *names, ft_slice input)
{
    if (!input.data)
        input.data = "";
    for (file_count = 0; names[file_count] && input.data; file_count++) {
        FUZZ_CHECK(file_count < FILES_MAX);
        files[file_count].name = names[file_count];
        files[file_count].bytes = fuzz_cut(&input);
    }
}

static const ft_slice *find_file(const char *path)
{
    const size_t folder = strlen(FUZZ_FOLDER);

    for (size_t i = 0; i < file_count && strncmp(path, FUZZ_FOLDER, folder) == 0; i++) {
        if (strcmp(path + folder, files[i].name) == 0)
            return &files[i].bytes;
    }
    return NULL;
}

ft_file_kind __wrap_ft_file_find(const char *path)
{
    const size_t folder = strlen(FUZZ_FOLDER) - 1;

    if (strncmp(path, FUZZ_FOLDER, folder) == 0 && path[folder] == '\0')
        return FT_FILE_FOLDER;
    return find_file(path) ? FT_FILE_REGULAR : FT_FILE_MISSING;
}

// A copy of its own, so that a sanitizer sees a read behind the NUL.
bool __wrap_ft_file_read(const char *path, ft_arena *arena, size_t bound_bytes, ft_slice *out,
                         ft_error *err)
{
    const ft_slice *file = find_file(path);

    if (!file)
        return ft_fail_errno(err, 2, "cannot open `%s`", path);
    FUZZ_CHECK(file->size <= bound_bytes);
    char *copy = ft_alloc(file->size + 1);
    FUZZ_CHECK(copy && ft_arena_defer(arena, ft_free, copy));
    if (file->size > 0)
        memcpy(copy, file->data, file->size);
    copy[file->size] = '\0';
    *out = (ft_slice){copy, file->size};
    return true;
}

bool __wrap_ft_file_map(const char *path, ft_arena *arena, ft_slice *out, ft_error *err)
{
    const ft_slice *file = find_file(path);

    (void)arena;
    if (!file)
        return ft_fail_errno(err, 2, "cannot open `%s`", path);
    *out = *file;
    return true;
}
