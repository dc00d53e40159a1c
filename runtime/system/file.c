// Whole files, read or mapped, and paths. _GNU_SOURCE for madvise: posix_madvise leaves the pages
// where they are.
#define _GNU_SOURCE
#include "runtime/system/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/memory/alloc.h"

ft_file_kind ft_file_find(const char *path)
{
    struct stat found;

    if (stat(path, &found) != 0)
        return errno == ENOENT || errno == ENOTDIR ? FT_FILE_MISSING : FT_FILE_UNKNOWN;
    return S_ISREG(found.st_mode)   ? FT_FILE_REGULAR
           : S_ISDIR(found.st_mode) ? FT_FILE_FOLDER
                                    : FT_FILE_OTHER;
}

static int open_to_read(const char *path, int flags, struct stat *found, ft_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | flags);

    if (fd < 0) {
        ft_fail_errno(err, errno, "cannot open `%s`", path);
        return -1;
    }
    if (fstat(fd, found) != 0) {
        ft_fail_errno(err, errno, "cannot look at `%s`", path);
    } else if (S_ISDIR(found->st_mode)) {
        ft_fail(err, FT_ERROR_IO, "`%s` is a directory, not a file", path);
    } else {
        return fd;
    }
    close(fd);
    return -1;
}

// Reads to the end of the file or until `capacity` bytes are there. -1: `err` is filled.
static ssize_t read_whole(int fd, const char *path, char *out, size_t capacity, ft_error *err)
{
    size_t size = 0;

    while (size < capacity) {
        ssize_t got = read(fd, out + size, capacity - size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            ft_fail_errno(err, errno, "cannot read `%s`", path);
            return -1;
        }
        if (got == 0)
            break;
        size += (size_t)got;
    }
    return (ssize_t)size;
}

static bool too_large(const char *path, size_t bound_bytes, ft_error *err)
{
    return ft_fail(err, FT_ERROR_LIMIT, "`%s` is larger than %zu bytes", path, bound_bytes);
}

// A file without a size that can be trusted (a pipe, /proc): read into a growing block, then moved
// to the arena.
static bool read_unsized(int fd, const char *path, ft_arena *arena, size_t bound_bytes,
                         ft_slice *out, ft_error *err)
{
    char *data = NULL, *grown;
    size_t size = 0, capacity = 0;
    ssize_t got;

    do {
        size_t wanted = capacity ? capacity * 2 : 16 * 1024;
        if (wanted > bound_bytes + 1)
            wanted = bound_bytes + 1;
        grown = ft_realloc(data, wanted);
        got = grown ? read_whole(fd, path, grown + size, wanted - size, err) : -1;
        data = grown ? grown : data;
        if (!grown)
            ft_fail_nomem(err, wanted);
        if (got < 0)
            break;
        size += (size_t)got;
        capacity = wanted;
    } while (size == capacity && size <= bound_bytes);
    char *text = NULL;
    if (got >= 0 && size > bound_bytes)
        too_large(path, bound_bytes, err);
    else if (got >= 0 && !(text = ft_arena_text(arena, (ft_slice){data, size})))
        ft_fail_nomem(err, size);
    ft_free(data);
    *out = (ft_slice){text, text ? size : 0};
    return text != NULL;
}

bool ft_file_read(const char *path, ft_arena *arena, size_t bound_bytes, ft_slice *out,
                  ft_error *err)
{
    struct stat found;
    int fd = open_to_read(path, 0, &found, err);
    bool ok = false;

    if (fd < 0)
        return false;
    if (!S_ISREG(found.st_mode) || found.st_size == 0) {
        ok = read_unsized(fd, path, arena, bound_bytes < SIZE_MAX ? bound_bytes : SIZE_MAX - 1, out,
                          err);
    } else if ((uintmax_t)found.st_size > bound_bytes) {
        too_large(path, bound_bytes, err);
    } else {
        size_t size = (size_t)found.st_size;
        char *data = ft_arena_aligned(arena, size + 1, 1);
        ssize_t got = data ? read_whole(fd, path, data, size, err) : -1;
        if (!data)
            ft_fail_nomem(err, size);
        if (got >= 0) {
            data[got] = 0;  // A file that shrank meanwhile is what it is now.
            *out = (ft_slice){data, (size_t)got};
            ok = true;
        }
    }
    close(fd);
    return ok;
}

typedef struct {
    void *data;
    size_t size;
} mapping;

static void unmap(void *object)
{
    mapping *map = object;
    munmap(map->data, map->size);
}

// Closes `fd`.
static bool map_file(int fd, const struct stat *file, const char *path, ft_arena *arena,
                     ft_slice *out, ft_error *err)
{
    const struct stat found = *file;

    if (!S_ISREG(found.st_mode)) {
        close(fd);
        return ft_fail(err, FT_ERROR_IO, "`%s` is not a regular file", path);
    }
    if (found.st_size == 0) {
        close(fd);
        *out = (ft_slice){"", 0};
        return true;
    }
    size_t size = (size_t)found.st_size;
    mapping *map = ft_arena_alloc(arena, sizeof(*map));
    void *data = map ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    int saved = errno;
    close(fd);
    if (!map)
        return ft_fail_nomem(err, sizeof(*map));
    if (data == MAP_FAILED)
        return ft_fail_errno(err, saved, "cannot map `%s`", path);
    *map = (mapping){data, size};
    if (!ft_arena_defer(arena, unmap, map)) {
        munmap(data, size);
        return ft_fail_nomem(err, sizeof(*map));
    }
    *out = (ft_slice){data, size};
    return true;
}

bool ft_file_map(const char *path, ft_arena *arena, ft_slice *out, ft_error *err)
{
    struct stat found;
    int fd = open_to_read(path, 0, &found, err);

    return fd >= 0 && map_file(fd, &found, path, arena, out, err);
}

bool ft_file_map_own(const char *path, ft_arena *arena, ft_slice *out, ft_error *err)
{
    struct stat found;
    int fd = open_to_read(path, O_NOFOLLOW, &found, err);

    if (fd < 0)
        return false;
    if (found.st_uid == geteuid() && (found.st_mode & (S_IWGRP | S_IWOTH)) == 0)
        return map_file(fd, &found, path, arena, out, err);
    close(fd);
    return ft_fail(err, FT_ERROR_IO, "`%s` is somebody else's, or others can write to it", path);
}

void ft_file_map_release(ft_slice map)
{
    union {
        const char *given;
        void *wanted;
    } data = {map.data};

    // Advice: where it is not taken, the pages stay.
    if (map.size > 0)
        ft_ignore(madvise(data.wanted, map.size, MADV_DONTNEED) == 0);
}

void ft_file_make_folders(char *path)
{
    for (char *at = path + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = 0;
        mkdir(path, 0777);
        *at = '/';
    }
}

const char *ft_path_join(ft_arena *arena, const char *folder, const char *name)
{
    if (name[0] == '/' || !folder[0])
        return ft_arena_text(arena, ft_slice_of(name));
    bool ends = folder[strlen(folder) - 1] == '/';
    return ft_arena_format(arena, "%s%s%s", folder, ends ? "" : "/", name);
}
