// Output files: see output.h. Bytes are not buffered here, as the writer hands over large pieces.
// A lock on the .part keeps two runs from writing one file.
//
// A run that fails or is stopped closes without a commit: the .part is unlinked, and an appended
// file is cut to its old size. What a killed process leaves (a .part, which no one has locked any
// more) is overwritten by the next run.
#include "stages/io/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/memory/alloc.h"
#include "stages/io/packer.h"

// How the bytes come to their place, which says what a commit and a failure have to do.
typedef enum output_way {
    WAY_STREAM,    // A pipe, a device, standard output: what is written is gone.
    WAY_PART,      // A new file under the name of .part, renamed at the commit.
    WAY_APPENDED,  // A file that was there, or is made, grows in place.
} output_way;

struct ft_output {
    const char *path;
    ft_output_mode mode;
    output_way way;
    char *part;  // WAY_PART: the name while it is written.
    int fd;
    bool is_committed;
    uint64_t existing;  // Bytes before ours, in an appended file.
    ft_packer *packer;  // NULL when not packed.
};

// ---- looks at the outside ----

static bool is_standard(const char *path)
{
    return strcmp(path, "-") == 0;
}

static bool fail_exists(const char *path, ft_error *err)
{
    ft_fail(err, FT_ERROR_IO, "`%s` exists", path);
    ft_hint(err, "`mode: replace` overwrites it, `mode: append` adds to it.");
    return false;
}

bool ft_output_check(const char *path, ft_output_mode mode, ft_error *err)
{
    struct stat found;
    if (!ft_packer_check(path, err))
        return false;
    if (is_standard(path) || stat(path, &found) != 0)
        return true;
    if (S_ISDIR(found.st_mode))
        return ft_fail(err, FT_ERROR_IO, "`%s` is a directory, not a file", path);
    return mode != FT_OUTPUT_CREATE || !S_ISREG(found.st_mode) || fail_exists(path, err);
}

bool ft_output_check_folder(const char *path, ft_error *err)
{
    const size_t size = strlen(path);
    char *folder = ft_alloc(size + 3);
    if (!folder)
        return ft_fail_nomem(err, size + 3);
    // The nearest folder that is there: those below it will be made.
    struct stat found;
    memcpy(folder, "./", 3);
    memcpy(folder + (path[0] == '/' ? 0 : 2), path, size + 1);
    do
        *strrchr(folder, '/') = '\0';
    while (folder[0] && stat(folder, &found) != 0 && strchr(folder, '/'));
    const char *shown = folder[0] ? folder : "/";
    const bool ok = is_standard(path) || access(shown, W_OK | X_OK) == 0 ||
                    ft_fail_errno(err, errno, "cannot write in the folder `%s`", shown);
    ft_free(folder);
    return ok;
}

bool ft_output_is_live(const char *path)
{
    struct stat found;
    const int result = is_standard(path) ? fstat(STDOUT_FILENO, &found) : stat(path, &found);
    return result == 0 && !S_ISREG(found.st_mode);
}

// Makes the folders that `path` stands in.
static bool make_folders(const char *path, ft_error *err)
{
    char *folder = ft_copy_text(path, strlen(path));
    bool ok = folder != NULL || ft_fail_nomem(err, strlen(path));
    for (char *at = folder; ok && (at = strchr(at + 1, '/')) != NULL;) {
        *at = '\0';
        if (mkdir(folder, 0777) != 0 && errno != EEXIST)
            ok = ft_fail_errno(err, errno, "cannot make the folder `%s`", folder);
        *at = '/';
    }
    ft_free(folder);
    return ok;
}

// ---- opening ----

static bool open_stream(ft_output *output, ft_error *err)
{
    output->fd = open(output->path, O_WRONLY | O_CLOEXEC);
    return output->fd >= 0 || ft_fail_errno(err, errno, "cannot write `%s`", output->path);
}

static bool cut(int fd, uint64_t size)
{
    int result;
    do
        result = ftruncate(fd, (off_t)size);
    while (result != 0 && errno == EINTR);
    return result == 0;
}

static bool take_lock(ft_output *output, ft_error *err)
{
    int result;
    do
        result = flock(output->fd, LOCK_EX | LOCK_NB);
    while (result != 0 && errno == EINTR);
    if (result == 0 || errno != EWOULDBLOCK)
        return true;  // Some file systems have no locks.
    ft_fail(err, FT_ERROR_IO, "`%s` is being written by another stage or run", output->path);
    return false;
}

// Until the lock is held, the size may still change, and the file's end is not ours to cut.
static bool open_appended(ft_output *output, ft_error *err)
{
    struct stat found;
    output->fd = open(output->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (output->fd < 0)
        return ft_fail_errno(err, errno, "cannot write `%s`", output->path);
    if (!take_lock(output, err))
        return false;
    if (fstat(output->fd, &found) != 0)
        return ft_fail_errno(err, errno, "cannot look at `%s`", output->path);
    output->existing = (uint64_t)found.st_size;
    output->way = WAY_APPENDED;
    return true;
}

static bool open_part(ft_output *output, ft_error *err)
{
    const size_t size = strlen(output->path);
    output->part = ft_alloc(size + sizeof(".part"));
    if (!output->part)
        return ft_fail_nomem(err, size + sizeof(".part"));
    memcpy(output->part, output->path, size);
    memcpy(output->part + size, ".part", sizeof(".part"));
    output->fd = open(output->part, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    const int saved = errno;
    if (output->fd < 0 || !take_lock(output, err)) {
        if (output->fd < 0)
            ft_fail_errno(err, saved, "cannot write `%s`", output->part);
        ft_free(output->part);  // Not ours: nothing to remove.
        output->part = NULL;
        return false;
    }
    output->way = WAY_PART;
    if (!cut(output->fd, 0))
        return ft_fail_errno(err, errno, "cannot write `%s`", output->part);
    return true;
}

static bool open_any(ft_output *output, ft_error *err)
{
    struct stat found;
    if (is_standard(output->path)) {
        output->fd = STDOUT_FILENO;
        return true;
    }
    if (!ft_output_check(output->path, output->mode, err) || !make_folders(output->path, err))
        return false;
    if (stat(output->path, &found) == 0 && !S_ISREG(found.st_mode))
        return open_stream(output, err);
    if (output->mode == FT_OUTPUT_APPEND)
        return open_appended(output, err);
    return open_part(output, err);
}

ft_output *ft_output_open(const char *path, ft_output_mode mode, uint64_t *out_existing,
                          ft_error *err)
{
    ft_output *output = ft_alloc_zero(1, sizeof(*output));
    if (!output) {
        ft_fail_nomem(err, sizeof(*output));
        return NULL;
    }
    output->path = path;
    output->mode = mode;
    output->fd = -1;
    if (open_any(output, err) && ft_packer_open(path, &output->packer, err)) {
        if (out_existing)
            *out_existing = output->existing;
        return output;
    }
    ft_output_close(output);
    return NULL;
}

// A failed run leaves nothing behind. A fault in doing so has no one to be told to.
static void undo(const ft_output *output)
{
    switch (output->way) {
    case WAY_STREAM:
        return;
    case WAY_PART:
        unlink(output->part);
        return;
    case WAY_APPENDED:
        if (output->fd >= 0)
            ft_ignore(cut(output->fd, output->existing));
        return;
    }
}

void ft_output_close(ft_output *output)
{
    if (!output)
        return;
    if (!output->is_committed)
        undo(output);
    if (output->fd > STDERR_FILENO)
        close(output->fd);
    ft_packer_close(output->packer);
    ft_free(output->part);
    ft_free(output);
}

// ---- writing ----

static bool fail_write(const ft_output *output, int saved, ft_error *err)
{
    if (is_standard(output->path))
        ft_fail_errno(err, saved, "cannot write to standard output");
    else
        ft_fail_errno(err, saved, "cannot write `%s`", output->path);
    if (saved == EPIPE)
        ft_hint(err, "The program that reads it has ended.");
    return false;
}

static bool write_all(void *host, ft_slice bytes, ft_error *err)
{
    const ft_output *output = host;
    while (bytes.size > 0) {
        const ssize_t done = write(output->fd, bytes.data, bytes.size);
        if (done < 0 && errno == EAGAIN) {
            struct pollfd wanted = {.fd = output->fd, .events = POLLOUT};
            if (poll(&wanted, 1, -1) < 0 && errno != EINTR)
                return fail_write(output, errno, err);
            continue;
        }
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return fail_write(output, errno, err);
        bytes = (ft_slice){bytes.data + done, bytes.size - (size_t)done};
    }
    return true;
}

bool ft_output_put(ft_output *output, ft_slice bytes, ft_error *err)
{
    if (output->packer)
        return ft_packer_put(output->packer, bytes, write_all, output, err);
    return write_all(output, bytes, err);
}

bool ft_output_rewrite(ft_output *output, ft_slice bytes, ft_error *err)
{
    size_t at = 0;
    while (at < bytes.size) {
        const ssize_t done = pwrite(output->fd, bytes.data + at, bytes.size - at, (off_t)at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return fail_write(output, errno, err);
        at += (size_t)done;
    }
    return true;
}

// ---- committing ----

static bool sync_file(int fd)
{
    int result;
    do
        result = fsync(fd);
    while (result != 0 && errno == EINTR);
    return result == 0;
}

static bool close_file(ft_output *output, ft_error *err)
{
    if (output->way != WAY_STREAM && !sync_file(output->fd))
        return fail_write(output, errno, err);
    if (output->fd <= STDERR_FILENO)
        return true;
    const int result = close(output->fd), saved = errno;
    output->fd = -1;
    // Interrupted or not, Linux has closed it, and what was written was synced before.
    return result == 0 || saved == EINTR || fail_write(output, saved, err);
}

// A new name that must not be there yet: a link says so without a race. Where links are not
// possible, a look has to do.
static bool link_name(const ft_output *output, ft_error *err)
{
    if (link(output->part, output->path) == 0) {
        unlink(output->part);
        return true;
    }
    struct stat found;
    if (errno == EEXIST || stat(output->path, &found) == 0)
        return fail_exists(output->path, err);
    return rename(output->part, output->path) == 0 ||
           ft_fail_errno(err, errno, "cannot rename `%s` to `%s`", output->part, output->path);
}

static bool sync_folder(const ft_output *output, ft_error *err)
{
    const char *slash = strrchr(output->path, '/');
    char *folder = slash ? ft_copy_text(output->path, (size_t)(slash - output->path) + 1)
                         : ft_copy_text(".", 1);
    if (!folder)
        return ft_fail_nomem(err, strlen(output->path));
    const int fd = open(folder, O_RDONLY | O_CLOEXEC);
    bool ok = true;
    // Some file systems cannot sync folders; a real fault is EIO.
    if (fd >= 0 && !sync_file(fd) && errno == EIO)
        ok = ft_fail_errno(err, errno, "cannot sync the folder `%s`", folder);
    if (fd >= 0)
        close(fd);
    ft_free(folder);
    return ok;
}

// Gives the .part its name.
static bool rename_part(const ft_output *output, ft_error *err)
{
    if (output->mode == FT_OUTPUT_CREATE)
        return link_name(output, err);
    return rename(output->part, output->path) == 0 ||
           ft_fail_errno(err, errno, "cannot rename `%s` to `%s`", output->part, output->path);
}

bool ft_output_commit(ft_output *output, ft_error *err)
{
    if (output->packer && !ft_packer_end(output->packer, write_all, output, err))
        return false;
    if (!close_file(output, err))
        return false;
    if (output->way == WAY_PART && !rename_part(output, err))
        return false;
    output->is_committed = true;
    return output->way != WAY_PART || sync_folder(output, err);
}
