// Frames between two processes of one run: a pipe each way, and where there is much to hand over,
// also a memory each way that both have mapped, so that pages change hands and not bytes.
//
//   pipe     frame: { magic, kind, size, where }   payload, if it goes by the pipe
//   memory   payload, from its beginning; whoever writes makes it larger when it is too small
//
// Both ends sleep in the kernel while they wait, and the end of either is seen by the other as the
// end of its pipe, so nothing polls and nobody is left behind. One frame each way is under way at a
// time: the answer says that the memory of the question is free again.
//
// The memory is sealed against shrinking, so a damaged process cannot make the other one fault;
// what it says of sizes is checked against the file.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include "runtime/concurrent/atomic.h"
#include "runtime/error.h"

enum {
    FT_CHANNEL_FDS = 5,  // In, out, the page, memory in, memory out; the last two may be missing.
    FT_CHANNEL_PIPE_BYTES = 256 << 10,  // What the kernel may hold of a pipe.
    FT_CHANNEL_WHY_BYTES = 512,
};

// A page that both see, whatever happens to the other: what it was at when it ended.
typedef struct ft_channel_page {
    ft_atomic_u64 begun;      // The number of the question that the child has begun with.
    ft_atomic_u32 stage;      // Which stage of its chain is at work.
    ft_atomic_u32 cancelled;  // The parent no longer wants the answer.
    // Why the child has ended by itself, where it could not say so by the pipe; empty: it did not.
    // Read when it has been waited for, and not trusted to be a string.
    char why[FT_CHANNEL_WHY_BYTES];
} ft_channel_page;

typedef struct ft_channel_memory {
    int fd;  // -1: none.
    char *data;
    size_t size_bytes;  // Mapped.
} ft_channel_memory;

typedef struct ft_channel {
    int in, out;  // -1: closed.
    int page_fd;
    ft_channel_page *page;
    ft_channel_memory in_memory, out_memory;
} ft_channel;

typedef struct ft_frame {
    uint32_t magic, kind;
    uint64_t number;      // Of the question.
    uint64_t size_bytes;  // Of the payload.
    uint32_t in_memory;   // It lies there.
    uint32_t reserved;
} ft_frame;

typedef enum ft_channel_result {
    FT_CHANNEL_OK,
    FT_CHANNEL_GONE,      // The other end has closed.
    FT_CHANNEL_GIVEN_UP,  // `wait` said so.
    FT_CHANNEL_FAILED,    // `err` is filled.
} ft_channel_result;

// How the parent waits: until `fd` is ready for `events` of poll. NULL: in the kernel, for ever.
typedef struct ft_channel_wait {
    bool (*wait)(void *host, int fd, short events);  // False: give up.
    void *host;
} ft_channel_wait;

// Both ends; `shared`: with memories. The fds of `far` are for the child, by SCM_RIGHTS.
bool ft_channel_create(bool shared, ft_channel *near, int far[FT_CHANNEL_FDS], size_t *far_count,
                       ft_error *err) FT_MUST_CHECK;
// The child's end, of the fds that it was given.
bool ft_channel_open(ft_channel *channel, const int *fds, size_t count,
                     ft_error *err) FT_MUST_CHECK;
void ft_channel_close(ft_channel *channel);

// Copies the payload into the memory, if the channel has one: then ft_channel_send needs the parts
// no longer. Sets the frame's size.
bool ft_channel_fill(ft_channel *channel, ft_frame *frame, const struct iovec *parts, size_t count,
                     ft_error *err) FT_MUST_CHECK;
// Sends a frame; its payload too, unless it was filled in. Sets the size then.
ft_channel_result ft_channel_send(ft_channel *channel, ft_frame *frame, const struct iovec *parts,
                                  size_t count, const ft_channel_wait *wait, ft_error *err);
// The head of the next frame. Its payload is then either received, or looked at in the memory.
ft_channel_result ft_channel_next(ft_channel *channel, ft_frame *out, const ft_channel_wait *wait,
                                  ft_error *err);
// Copies the payload of a frame to `out`, from wherever it lies.
ft_channel_result ft_channel_receive(ft_channel *channel, const ft_frame *frame, void *out,
                                     const ft_channel_wait *wait, ft_error *err);
// Where the payload of a frame lies that is in the memory; mapped as far as it goes.
bool ft_channel_look(ft_channel *channel, const ft_frame *frame, char **out,
                     ft_error *err) FT_MUST_CHECK;
// Whoever looked keeps what it saw: the memory is mapped elsewhere, and what stood there is private
// now, to be unmapped by ft_channel_unmap.
bool ft_channel_detach(ft_channel *channel, size_t size_bytes, ft_error *err) FT_MUST_CHECK;
void ft_channel_unmap(void *data, size_t size_bytes);
// Gives the pages behind the first `keep_bytes` of a memory back to the system.
void ft_channel_trim(ft_channel_memory *memory, size_t keep_bytes);
