// Pipes and shared memory. _GNU_SOURCE for pipe2, memfd_create and its seals.
#define _GNU_SOURCE
#include "runtime/system/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAGIC = 0x66747066,
    PAGE_BYTES = 4096,
    MEMORY_MIN = 64 << 10,
    PARTS_MAX = 64,
    TAIL_BYTES = 64
};
#define MEMORY_MAX ((size_t)1 << 40)

// ---- life ----

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static bool set_size(int fd, size_t size_bytes)
{
    int result;

    do
        result = ftruncate(fd, (off_t)size_bytes);
    while (result != 0 && errno == EINTR);
    return result == 0;
}

static bool memory_create(int *out, ft_error *err)
{
    *out = memfd_create("ftpipe", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    // Nobody can take away what the other has mapped.
    if (*out >= 0 && fcntl(*out, F_ADD_SEALS, F_SEAL_SHRINK) == 0)
        return true;
    return ft_fail_errno(err, errno, "cannot make shared memory");
}

static bool map_page(ft_channel *channel, ft_error *err)
{
    void *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, channel->page_fd, 0);

    if (page == MAP_FAILED)
        return ft_fail_errno(err, errno, "cannot map shared memory");
    channel->page = page;
    return true;
}

static void channel_init(ft_channel *channel)
{
    *channel = (ft_channel){.in = -1, .out = -1, .page_fd = -1};
    channel->in_memory.fd = channel->out_memory.fd = -1;
}

static bool make_pipe(int ends[2], ft_error *err)
{
    if (pipe2(ends, O_CLOEXEC) != 0)
        return ft_fail_errno(err, errno, "cannot make a pipe");
    // Larger is faster; where the system refuses, it is as it was.
    fcntl(ends[1], F_SETPIPE_SZ, FT_CHANNEL_PIPE_BYTES);
    return true;
}

// The parent must be able to stop waiting, in the middle of a frame too.
static void set_nonblocking(int fd)
{
    fcntl(fd, F_SETFL, O_NONBLOCK);
}

bool ft_channel_create(bool shared, ft_channel *near, int far[FT_CHANNEL_FDS], size_t *far_count,
                       ft_error *err)
{
    int down[2] = {-1, -1}, up[2] = {-1, -1};

    channel_init(near);
    *far_count = 0;
    bool ok = make_pipe(down, err) && make_pipe(up, err) && memory_create(&near->page_fd, err);
    if (ok && !set_size(near->page_fd, PAGE_BYTES))
        ok = ft_fail_errno(err, errno, "cannot make shared memory");
    ok = ok && map_page(near, err) &&
         (!shared ||
          (memory_create(&near->out_memory.fd, err) && memory_create(&near->in_memory.fd, err)));
    near->in = up[0];
    near->out = down[1];
    if (!ok) {
        close_fd(&up[1]);
        close_fd(&down[0]);
        ft_channel_close(near);
        return false;
    }
    set_nonblocking(near->in);
    set_nonblocking(near->out);
    far[(*far_count)++] = down[0];
    far[(*far_count)++] = up[1];
    far[(*far_count)++] = near->page_fd;
    if (shared) {
        far[(*far_count)++] = near->out_memory.fd;
        far[(*far_count)++] = near->in_memory.fd;
    }
    return true;
}

bool ft_channel_open(ft_channel *channel, const int *fds, size_t count, ft_error *err)
{
    channel_init(channel);
    channel->in = fds[0];
    channel->out = fds[1];
    channel->page_fd = fds[2];
    if (count == FT_CHANNEL_FDS) {
        channel->in_memory.fd = fds[3];
        channel->out_memory.fd = fds[4];
    }
    return map_page(channel, err);
}

static void memory_finish(ft_channel_memory *memory)
{
    ft_channel_unmap(memory->data, memory->size_bytes);
    close_fd(&memory->fd);
    *memory = (ft_channel_memory){.fd = -1};
}

void ft_channel_close(ft_channel *channel)
{
    close_fd(&channel->in);
    close_fd(&channel->out);
    memory_finish(&channel->in_memory);
    memory_finish(&channel->out_memory);
    if (channel->page)
        munmap(channel->page, PAGE_BYTES);
    channel->page = NULL;
    close_fd(&channel->page_fd);
}

// ---- memory ----

void ft_channel_unmap(void *data, size_t size_bytes)
{
    if (data)
        munmap(data, size_bytes);
}

// Maps at least `size_bytes` of the file, which must be that large.
static bool map(ft_channel_memory *memory, size_t size_bytes, ft_error *err)
{
    struct stat now;

    if (size_bytes <= memory->size_bytes)
        return true;
    if (fstat(memory->fd, &now) != 0)
        return ft_fail_errno(err, errno, "cannot look at shared memory");
    if (now.st_size < 0 || (size_t)now.st_size < size_bytes)
        return ft_fail(err, FT_ERROR_IO, "the other process names memory that is not there");
    ft_channel_unmap(memory->data, memory->size_bytes);
    memory->data = NULL;
    memory->size_bytes = 0;
    void *data = mmap(NULL, (size_t)now.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, memory->fd, 0);
    if (data == MAP_FAILED)
        return ft_fail_errno(err, errno, "cannot map shared memory");
    memory->data = data;
    memory->size_bytes = (size_t)now.st_size;
    return true;
}

// Makes it large enough for `size_bytes`, and what kernels may read behind them.
static bool grow(ft_channel_memory *memory, size_t size_bytes, ft_error *err)
{
    size_t size = memory->size_bytes ? memory->size_bytes : MEMORY_MIN;

    if (size_bytes > MEMORY_MAX)
        return ft_fail_nomem(err, size_bytes);
    while (size < size_bytes + TAIL_BYTES)
        size *= 2;
    if (size == memory->size_bytes)
        return true;
    if (!set_size(memory->fd, size))
        return ft_fail_errno(err, errno, "cannot grow shared memory to %zu bytes", size);
    return map(memory, size, err);
}

void ft_channel_trim(ft_channel_memory *memory, size_t keep_bytes)
{
    if (memory->fd >= 0 && memory->size_bytes > keep_bytes)
        fallocate(memory->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)keep_bytes,
                  (off_t)(memory->size_bytes - keep_bytes));
}

bool ft_channel_look(ft_channel *channel, const ft_frame *frame, char **out, ft_error *err)
{
    size_t bytes;

    if (FT_ADD_OVERFLOWS((size_t)frame->size_bytes, (size_t)TAIL_BYTES, &bytes) ||
        channel->in_memory.fd < 0)
        return ft_fail(err, FT_ERROR_IO, "the other process names memory that is not there");
    if (!map(&channel->in_memory, bytes, err))
        return false;
    *out = channel->in_memory.data;
    return true;
}

bool ft_channel_detach(ft_channel *channel, size_t size_bytes, ft_error *err)
{
    ft_channel_memory *memory = &channel->in_memory;
    void *copy =
        mmap(NULL, memory->size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (copy == MAP_FAILED)
        return ft_fail_nomem(err, memory->size_bytes);
    memcpy(copy, memory->data, size_bytes);
    // The copy takes the place of what it is a copy of: pointers into it stay good.
    if (mremap(copy, memory->size_bytes, memory->size_bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
               memory->data) == MAP_FAILED)
        return ft_fail_errno(err, errno, "cannot move memory");
    memory->data = NULL;
    memory->size_bytes = 0;
    return true;
}

// ---- frames ----

static bool wait_for(const ft_channel_wait *wait, int fd, short events)
{
    struct pollfd one = {.fd = fd, .events = events};

    if (wait)
        return wait->wait(wait->host, fd, events);
    while (poll(&one, 1, -1) < 0 && errno == EINTR)
        continue;
    return true;
}

// Moves the parts on by what was written.
static void advance(struct iovec **parts, size_t *count, size_t written)
{
    while (*count > 0 && written >= (*parts)->iov_len) {
        written -= (*parts)->iov_len;
        (*parts)++;
        (*count)--;
    }
    if (*count > 0) {
        (*parts)->iov_base = (char *)(*parts)->iov_base + written;
        (*parts)->iov_len -= written;
    }
}

// Changes the parts.
static ft_channel_result write_all(int fd, struct iovec *parts, size_t count,
                                   const ft_channel_wait *wait, ft_error *err)
{
    while (count > 0) {
        ssize_t written = writev(fd, parts, count < PARTS_MAX ? (int)count : PARTS_MAX);
        if (written >= 0) {
            advance(&parts, &count, (size_t)written);
        } else if (errno == EPIPE) {
            return FT_CHANNEL_GONE;
        } else if (errno == EAGAIN) {
            if (!wait_for(wait, fd, POLLOUT))
                return FT_CHANNEL_GIVEN_UP;
        } else if (errno != EINTR) {
            ft_fail_errno(err, errno, "cannot write to another process");
            return FT_CHANNEL_FAILED;
        }
    }
    return FT_CHANNEL_OK;
}

static ft_channel_result read_all(int fd, void *out, size_t size_bytes, const ft_channel_wait *wait,
                                  ft_error *err)
{
    char *at = out;

    while (size_bytes > 0) {
        ssize_t got = read(fd, at, size_bytes);
        if (got > 0) {
            at += got;
            size_bytes -= (size_t)got;
        } else if (got == 0) {
            return FT_CHANNEL_GONE;
        } else if (errno == EAGAIN) {
            if (!wait_for(wait, fd, POLLIN))
                return FT_CHANNEL_GIVEN_UP;
        } else if (errno != EINTR) {
            ft_fail_errno(err, errno, "cannot read from another process");
            return FT_CHANNEL_FAILED;
        }
    }
    return FT_CHANNEL_OK;
}

static size_t size_of(const struct iovec *parts, size_t count)
{
    size_t size = 0;

    for (size_t i = 0; i < count; i++)
        size += parts[i].iov_len;
    return size;
}

bool ft_channel_fill(ft_channel *channel, ft_frame *frame, const struct iovec *parts, size_t count,
                     ft_error *err)
{
    ft_channel_memory *memory = &channel->out_memory;
    size_t at = 0;

    if (memory->fd < 0)
        return true;
    frame->size_bytes = size_of(parts, count);
    frame->in_memory = true;
    if (!grow(memory, (size_t)frame->size_bytes, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        memcpy(memory->data + at, parts[i].iov_base, parts[i].iov_len);
        at += parts[i].iov_len;
    }
    return true;
}

ft_channel_result ft_channel_send(ft_channel *channel, ft_frame *frame, const struct iovec *parts,
                                  size_t count, const ft_channel_wait *wait, ft_error *err)
{
    struct iovec own[PARTS_MAX] = {{frame, sizeof(*frame)}};
    size_t at = 0;

    frame->magic = MAGIC;
    if (frame->in_memory)
        count = 0;
    else
        frame->size_bytes = size_of(parts, count);
    // The head goes with the first parts, in one call.
    for (size_t used = 1;; used = 0) {
        size_t more = count - at < PARTS_MAX - used ? count - at : PARTS_MAX - used;
        for (size_t i = 0; i < more; i++)
            own[used + i] = parts[at + i];
        at += more;
        ft_channel_result result = write_all(channel->out, own, used + more, wait, err);
        if (result != FT_CHANNEL_OK || at == count)
            return result;
    }
}

ft_channel_result ft_channel_next(ft_channel *channel, ft_frame *out, const ft_channel_wait *wait,
                                  ft_error *err)
{
    ft_channel_result result = read_all(channel->in, out, sizeof(*out), wait, err);

    if (result == FT_CHANNEL_OK && (out->magic != MAGIC || out->size_bytes > MEMORY_MAX)) {
        ft_fail(err, FT_ERROR_IO, "what came from the other process is damaged: no frame");
        return FT_CHANNEL_FAILED;
    }
    return result;
}

ft_channel_result ft_channel_receive(ft_channel *channel, const ft_frame *frame, void *out,
                                     const ft_channel_wait *wait, ft_error *err)
{
    char *data = NULL;

    if (!frame->in_memory)
        return read_all(channel->in, out, (size_t)frame->size_bytes, wait, err);
    if (!ft_channel_look(channel, frame, &data, err))
        return FT_CHANNEL_FAILED;
    memcpy(out, data, (size_t)frame->size_bytes);
    return FT_CHANNEL_OK;
}
