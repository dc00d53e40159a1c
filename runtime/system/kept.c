// Files of a folder, looked at by their names and times alone.
#define _XOPEN_SOURCE 700  // mkstemp
#include "runtime/system/kept.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/system/file.h"

static bool write_all(int fd, ft_slice bytes)
{
    while (bytes.size > 0) {
        ssize_t written = write(fd, bytes.data, bytes.size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes = (ft_slice){bytes.data + written, bytes.size - (size_t)written};
    }
    return true;
}

bool ft_kept_write(const char *place, const ft_slice *parts, size_t count, ft_arena *arena,
                   ft_error *err)
{
    char *beside = ft_arena_format(arena, "%s.XXXXXX", place);
    bool ok = true;

    if (!beside)
        return ft_fail_nomem(err, strlen(place));
    ft_file_make_folders(beside);
    int fd = mkstemp(beside);
    if (fd < 0)
        return ft_fail_errno(err, errno, "cannot write `%s`", place);
    for (size_t i = 0; ok && i < count; i++)
        ok = write_all(fd, parts[i]);
    int saved = errno;
    if (close(fd) != 0 && ok) {
        saved = errno;
        ok = false;
    }
    if (ok && rename(beside, place) == 0)
        return true;
    saved = ok ? errno : saved;
    unlink(beside);
    return ft_fail_errno(err, saved, "cannot write `%s`", place);
}

void ft_kept_look(const char *folder, const char *mark, ft_arena *arena, ft_kept *out)
{
    DIR *files = opendir(folder);
    struct timespec oldest = {0};

    *out = (ft_kept){0};
    for (struct dirent *entry; files && (entry = readdir(files));) {
        struct stat found;
        const char *path =
            strstr(entry->d_name, mark) ? ft_path_join(arena, folder, entry->d_name) : NULL;
        if (!path || stat(path, &found) != 0)
            continue;
        out->count++;
        out->size_bytes += (uint64_t)found.st_size;
        if (!out->oldest || found.st_mtim.tv_sec < oldest.tv_sec ||
            (found.st_mtim.tv_sec == oldest.tv_sec && found.st_mtim.tv_nsec < oldest.tv_nsec)) {
            out->oldest = path;
            oldest = found.st_mtim;
        }
    }
    if (files)
        closedir(files);
}

void ft_kept_bound(const char *folder, const char *mark, size_t count, uint64_t size_bytes)
{
    ft_arena *arena = ft_arena_create();
    ft_kept kept;

    if (!arena)
        return;
    do
        ft_kept_look(folder, mark, arena, &kept);
    while ((kept.count > count || kept.size_bytes > size_bytes) && kept.oldest &&
           unlink(kept.oldest) == 0);
    ft_arena_destroy(arena);
}
