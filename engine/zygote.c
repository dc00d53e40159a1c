// Forking, from both sides. _GNU_SOURCE for close_range, which is called by number: not every libc
// has it.
#define _GNU_SOURCE
#include "engine/zygote.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/container_child.h"
#include "runtime/slice.h"
#include "runtime/system/lease.h"

struct ft_zygote {
    pid_t pid;
    int control;  // A socket of packets.
    int stop_fd;
    ft_mutex lock;  // Guards the socket: one request at a time.
};

enum { REQUEST_FORK = 1, REQUEST_END };

typedef struct {
    uint32_t kind;
    pid_t pid;
    uint64_t chain, slot;
    uint64_t fds;  // Descriptors that go with it.
} request;

typedef struct {
    int32_t failed;  // errno, or 0.
    pid_t pid;
    int status;
} reply;

// The first thing that the zygote says.
typedef struct {
    bool ok;
    size_t node;
    ft_error err;
} greeting;

// ---- packets ----

static bool send_packet(int fd, const void *data, size_t size_bytes, const int *fds, size_t count)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(FT_CHANNEL_FDS * sizeof(int))];
    } control = {0};
    struct iovec part = {(void *)(uintptr_t)data, size_bytes};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t sent;

    if (count > 0) {
        message.msg_control = control.room;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        control.head.cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(&control.head), fds, count * sizeof(int));
    }
    do
        sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)size_bytes;
}

// False: errno says why, and is 0 at the end of the socket.
static bool receive_packet(int fd, void *out, size_t size_bytes, int fds[FT_CHANNEL_FDS],
                           size_t *out_count)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(FT_CHANNEL_FDS * sizeof(int))];
    } control = {0};
    struct iovec part = {out, size_bytes};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof(control.room)};
    ssize_t got;

    do
        got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    // Without memory the kernel says so, and has some the next time.
    while (got < 0 && (errno == EINTR || errno == ENOMEM));
    if (got >= 0 && got != (ssize_t)size_bytes)
        errno = got == 0 ? 0 : EPROTO;
    // Where nothing came the head is not set either.
    const struct cmsghdr *head = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (out_count)
        *out_count = head ? (head->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
    if (head && fds)
        memcpy(fds, CMSG_DATA(head), head->cmsg_len - CMSG_LEN(0));
    return got == (ssize_t)size_bytes;
}

// ---- the zygote's side ----

// Closes all but the standard streams and `keep`.
static void close_others(int keep)
{
    struct dirent *entry;
    int64_t fd;

#ifdef SYS_close_range
    if ((keep <= 3 || syscall(SYS_close_range, 3, keep - 1, 0) == 0) &&
        syscall(SYS_close_range, keep + 1, ~0U, 0) == 0)
        return;
#endif
    DIR *folder = opendir("/proc/self/fd");
    while (folder && (entry = readdir(folder)))
        if (ft_parse_int(ft_slice_of(entry->d_name), &fd) && fd > STDERR_FILENO && fd != keep &&
            fd != dirfd(folder))
            close((int)fd);
    if (folder)
        closedir(folder);
}

// Ends with its parent, and leaves signals from the terminal to the root of all: what is in flight
// there is to be finished.
static void become_child(pid_t parent, const char *name)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, normal = {.sa_handler = SIG_DFL};
    static const int left_to_parent[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
    static const int usual[] = {SIGURG, SIGCHLD, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    sigset_t none;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)  // It has gone already.
        _exit(0);
    for (size_t i = 0; i < FT_COUNT_OF(left_to_parent); i++)
        sigaction(left_to_parent[i], &ignore, NULL);
#ifndef FT_SANITIZED  // There a report is made by the handlers.
    for (size_t i = 0; i < FT_COUNT_OF(usual); i++)
        sigaction(usual[i], &normal, NULL);
#else
    sigaction(usual[0], &normal, NULL);
    sigaction(usual[1], &normal, NULL);
#endif
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_NAME, name);
}

static void read_nothing(void)
{
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (nowhere < 0)
        return;
    dup2(nowhere, STDIN_FILENO);
    if (nowhere > STDERR_FILENO)
        close(nowhere);
}

static const ft_chain *find_chain(const ft_run *run, uint64_t index)
{
    const ft_chain *chain = run->chains;

    while (chain && chain->index != index)
        chain = chain->next;
    return chain;
}

static void fork_container(ft_run *run, const request *asked, const int *fds, size_t count,
                           reply *out)
{
    pid_t own = getpid();
    const ft_chain *chain = find_chain(run, asked->chain);
    char name[16];

    FT_ASSERT(chain);
    // The kernel drops what there is no room for in this process (unix(7), MSG_CTRUNC).
    if (count != asked->fds) {
        out->failed = EMFILE;
        return;
    }
    snprintf(name, sizeof(name), "ft:%s", chain->nodes[0]->plan->name);
    out->pid = fork();
    out->failed = out->pid < 0 ? errno : 0;
    if (out->pid != 0)
        return;
    become_child(own, name);
    ft_container_main(run, chain, (size_t)asked->slot, fds, count);
}

static void end_container(pid_t pid, reply *out)
{
    // It has not been waited for, so the number is its own; one that has ended stays as it ended.
    // Where it cannot be killed it is not waited for: it ends when its pipes do.
    if (kill(pid, SIGKILL) != 0) {
        out->failed = errno;
        return;
    }
    while (waitpid(pid, &out->status, 0) < 0)
        if (errno != EINTR) {
            out->failed = errno;
            return;
        }
}

FT_NORETURN static void serve(ft_run *run, int control)
{
    int fds[FT_CHANNEL_FDS];
    size_t count;
    request asked;

    while (receive_packet(control, &asked, sizeof(asked), fds, &count)) {
        reply answer = {0};
        if (asked.kind == REQUEST_FORK)
            fork_container(run, &asked, fds, count, &answer);
        else
            end_container(asked.pid, &answer);
        for (size_t i = 0; i < count; i++)
            close(fds[i]);
        if (!send_packet(control, &answer, sizeof(answer), NULL, 0))
            break;
    }
    _exit(0);
}

FT_NORETURN static void zygote_main(ft_run *run, pid_t parent, int control)
{
    greeting hello = {.err = FT_ERROR_INIT};
    const ft_plan_node *failed = NULL;

    become_child(parent, "ft:zygote");
    close_others(control);
    read_nothing();
    hello.ok = ft_container_load(run, NULL, &failed, &hello.err);
    for (size_t i = 0; failed && i < run->node_count; i++)
        if (run->nodes[i].plan == failed)
            hello.node = i;
    hello.err.option = NULL;
    if (!send_packet(control, &hello, sizeof(hello), NULL, 0) || !hello.ok)
        _exit(0);
    serve(run, control);
}

// ---- the parent's side ----

static bool greet(ft_run *run, const ft_plan_node **out_node, ft_error *err)
{
    greeting hello = {.err = FT_ERROR_INIT};

    if (!receive_packet(run->zygote->control, &hello, sizeof(hello), NULL, NULL)) {
        int failed = errno;
        if (failed && failed != ECONNRESET)
            return ft_fail_errno(err, failed, "cannot hear from the process that starts others");
        return ft_fail(err, FT_ERROR_IO,
                       "a process has ended while it loaded what isolated stages need");
    }
    if (hello.ok)
        return true;
    *err = hello.err;
    if (out_node)
        *out_node = run->nodes[hello.node].plan;
    return false;
}

bool ft_zygote_start(ft_run *run, const ft_plan_node **out_node, ft_error *err)
{
    int ends[2];
    pid_t own = getpid();

    if (!run->chains)
        return true;
    ft_zygote *zygote = ft_arena_zero(run->arena, 1, sizeof(*zygote));
    if (!zygote)
        return ft_fail_nomem(err, sizeof(*zygote));
    zygote->control = -1;
    zygote->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ft_mutex_init(&zygote->lock);
    run->zygote = zygote;
    if (zygote->stop_fd < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return ft_fail_errno(err, errno, "cannot make a socket");
    // What is buffered would be written twice.
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        zygote_main(run, own, ends[1]);
    int failed = errno;
    close(ends[1]);
    zygote->control = ends[0];
    zygote->pid = pid;
    if (pid < 0)
        return ft_fail_errno(err, failed, "cannot start a process");
    return greet(run, out_node, err);
}

void ft_zygote_stop(ft_run *run)
{
    ft_zygote *zygote = run->zygote;
    int status;

    if (!zygote)
        return;
    if (zygote->control >= 0) {
        shutdown(zygote->control, SHUT_RDWR);  // The end for the zygote, whatever close says.
        close(zygote->control);
    }
    if (zygote->stop_fd >= 0)
        close(zygote->stop_fd);
    while (zygote->pid > 0 && waitpid(zygote->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    ft_mutex_finish(&zygote->lock);
    run->zygote = NULL;
}

static bool ask(ft_zygote *zygote, const request *asked, const int *fds, size_t count, reply *out,
                ft_error *err)
{
    ft_mutex_lock(&zygote->lock);
    bool ok = send_packet(zygote->control, asked, sizeof(*asked), fds, count) &&
              receive_packet(zygote->control, out, sizeof(*out), NULL, NULL);
    int failed = ok ? 0 : errno;
    ft_mutex_unlock(&zygote->lock);
    if (failed && failed != EPIPE && failed != ECONNRESET)
        return ft_fail_errno(err, failed, "cannot reach the process that starts others");
    return ok || ft_fail(err, FT_ERROR_IO, "the process that starts others has ended");
}

bool ft_zygote_fork(ft_run *run, const ft_chain *chain, size_t slot, const int far[FT_CHANNEL_FDS],
                    size_t far_count, pid_t *out, ft_error *err)
{
    request asked = {.kind = REQUEST_FORK, .chain = chain->index, .slot = slot, .fds = far_count};
    reply answer;

    if (!ask(run->zygote, &asked, far, far_count, &answer, err))
        return false;
    if (answer.failed)
        return ft_fail_errno(err, answer.failed, "cannot start a process");
    *out = answer.pid;
    return true;
}

bool ft_zygote_end(ft_run *run, pid_t pid, int *out_status, ft_error *err)
{
    request asked = {.kind = REQUEST_END, .pid = pid};
    reply answer;

    if (!ask(run->zygote, &asked, NULL, 0, &answer, err))
        return false;
    if (answer.failed)
        return ft_fail_errno(err, answer.failed, "cannot end a process");
    *out_status = answer.status;
    return true;
}

int ft_zygote_stop_fd(const ft_run *run)
{
    return run->zygote->stop_fd;
}

void ft_zygote_cancel(ft_run *run)
{
    uint64_t one = 1;

    // It fails only when the event is full: then it has long been readable.
    if (run->zygote && write(run->zygote->stop_fd, &one, sizeof(one)) < 0)
        FT_ASSERT(errno == EAGAIN);
}
