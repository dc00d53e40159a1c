// Runs a program and makes its system calls fail: a supervisor on seccomp's user notification.
//
//   fault_injector count FILE -- PROGRAM ...             writes "call occurrences" to FILE
//   fault_injector fail CALL N ERRNO FILE -- PROGRAM ... the N-th CALL (of all threads and
//                                                        children) fails; FILE: "hit" if it came
//   fault_injector storm SEED ONE_IN -- PROGRAM ...      calls that a signal may interrupt return
//                                                        EINTR, one in so many
//   fault_injector deny -- PROGRAM ...                   a container's profile: membarrier,
//                                                        io_uring, perf and the like give EPERM
//   fault_injector names                                 the calls it knows
//
// Ends with the program's status (128 + signal), or 125 when it cannot do its work; 124: this
// kernel or sandbox does not let it. A call that it does not know is not let through unnoticed: it
// is counted as "#NUMBER". _GNU_SOURCE for pipe2 and syscall.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NUMBERS = 1024, NOT_ALLOWED = 124, BROKEN = 125, BY_SIGNAL = 128 };

#if defined(__x86_64__)
#define OWN_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCH AUDIT_ARCH_AARCH64
#else
#define OWN_ARCH 0
#endif

typedef struct {
    const char *name;
    int number;
    enum { PLAIN, INTERRUPTIBLE, UNSEEN } kind;
} call;

static const call calls[] = {
#define CALL(name, kind) {#name, SYS_##name, kind},
#include "tests/faults/system_calls.h"
#undef CALL
};
enum { CALL_COUNT = sizeof(calls) / sizeof(*calls) };

static const int denied[] = {
    SYS_membarrier, SYS_io_uring_setup,   SYS_io_uring_enter, SYS_io_uring_register,
    SYS_bpf,        SYS_perf_event_open,  SYS_userfaultfd,    SYS_get_mempolicy,
    SYS_mbind,      SYS_set_mempolicy,    SYS_ptrace,         SYS_process_vm_readv,
    SYS_keyctl,     SYS_process_vm_writev};
enum { DENIED_COUNT = sizeof(denied) / sizeof(*denied) };

static unsigned seen[NUMBERS];

static const call *find_number(int number)
{
    for (size_t i = 0; i < CALL_COUNT; i++)
        if (calls[i].number == number)
            return &calls[i];
    return NULL;
}

static const call *find_name(const char *name)
{
    for (size_t i = 0; i < CALL_COUNT; i++)
        if (strcmp(calls[i].name, name) == 0)
            return &calls[i];
    return NULL;
}

// ---- the program's side ----

// A filter that gives `action` for the calls listed and `rest` for all others.
static int install(const int *numbers, size_t count, uint32_t action, uint32_t rest, unsigned flags)
{
    struct sock_filter code[NUMBERS];
    unsigned short at = 0;

    code[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                              (uint32_t)offsetof(struct seccomp_data, arch));
    code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCH, 1, 0);
    code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    code[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                              (uint32_t)offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < count; i++) {
        code[at++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)numbers[i], 0, 1);
        code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action);
    }
    code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, rest);
    struct sock_fprog program = {.len = at, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static int install_notifier(void)
{
    int unseen[CALL_COUNT];
    size_t count = 0;

    for (size_t i = 0; i < CALL_COUNT; i++)
        if (calls[i].kind == UNSEEN)
            unseen[count++] = calls[i].number;
    return install(unseen, count, SECCOMP_RET_ALLOW, SECCOMP_RET_USER_NOTIF,
                   SECCOMP_FILTER_FLAG_NEW_LISTENER);
}

static void send_descriptor(int socket, int descriptor)
{
    char byte = 0, control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &descriptor, sizeof(descriptor));
    if (sendmsg(socket, &message, 0) != 1)
        _exit(BROKEN);
}

static int receive_descriptor(int socket)
{
    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    int descriptor = -1;

    if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&message))
        memcpy(&descriptor, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(descriptor));
    return descriptor;
}

static void become_program(int socket, char **command)
{
    int listener = install_notifier();

    if (listener < 0)
        _exit(NOT_ALLOWED);
    send_descriptor(socket, listener);
    execv(command[0], command);
    _exit(BROKEN);
}

// ---- the supervisor's side ----

typedef struct {
    const char *command;
    int target;       // fail: the call,
    unsigned nth;     //       its occurrence,
    int error;        //       and what it gives. storm: EINTR,
    uint64_t random;  //        its dice,
    uint64_t one_in;  //        and their sides.
    int is_hit;
    uint64_t loader_from, loader_to;  // The loader's code.
    int is_started;                   // It has done its work.
} plan;

// The mapping that the address lies in, which is the loader's when it is the first call's.
static void find_loader(plan *p, pid_t pid, uint64_t address)
{
    char path[64], line[512];

    snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "r");
    while (maps && fgets(line, sizeof(line), maps)) {
        char *end;
        uint64_t from = strtoull(line, &end, 16), to = strtoull(end + 1, NULL, 16);
        if (from <= address && address < to) {
            p->loader_from = from;
            p->loader_to = to;
        }
    }
    if (maps)
        fclose(maps);
}

// Before the first call that is not the loader's everything is let through: a program that cannot
// be loaded says so without having run.
static int is_started(plan *p, const struct seccomp_notif *request)
{
    uint64_t address = request->data.instruction_pointer;

    if (!p->loader_to)
        find_loader(p, (pid_t)request->pid, address);
    if (address < p->loader_from || address >= p->loader_to)
        p->is_started = 1;
    return p->is_started;
}

// Some calls give no error that a program could meet, or that is its own to handle: a futex's
// wake-up, and an interruption of stdio's own standard error (our handlers restart it).
static int is_counted(const plan *p, const struct seccomp_data *data)
{
    int operation = (int)data->args[1] & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);

    if (data->nr == SYS_futex)
        return operation == FUTEX_WAIT || operation == FUTEX_WAIT_BITSET;
    return data->nr != SYS_write || data->args[0] != STDERR_FILENO ||
           strcmp(p->command, "storm") != 0;
}

// The errno that this call is to give, or 0.
static int judge(plan *p, const struct seccomp_data *data)
{
    const call *which = find_number(data->nr);

    if (data->nr < 0 || data->nr >= NUMBERS || !is_counted(p, data))
        return 0;
    seen[data->nr]++;
    if (strcmp(p->command, "fail") == 0 && data->nr == p->target && seen[data->nr] == p->nth) {
        p->is_hit = 1;
        return p->error;
    }
    if (strcmp(p->command, "storm") == 0 && which && which->kind == INTERRUPTIBLE) {
        p->random = p->random * UINT64_C(6364136223846793005) + 1442695040888963407;
        return (p->random >> 33) % p->one_in == 0 ? EINTR : 0;
    }
    return 0;
}

static void supervise(int listener, plan *p)
{
    for (;;) {
        struct seccomp_notif request = {0};
        struct seccomp_notif_resp response = {0};
        struct pollfd ready = {.fd = listener, .events = POLLIN};

        if (poll(&ready, 1, -1) < 0 && errno == EINTR)
            continue;
        if (!(ready.revents & POLLIN))
            return;  // Nobody has the filter any more.
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) != 0)
            continue;  // The thread was killed in between.
        int error = is_started(p, &request) ? judge(p, &request.data) : 0;
        response.id = request.id;
        response.error = -error;
        response.flags = error ? 0 : (uint32_t)SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response) != 0 && errno != ENOENT)
            exit(BROKEN);
    }
}

static int write_result(const plan *p, const char *path)
{
    FILE *file = path ? fopen(path, "w") : NULL;

    if (!file)
        return path != NULL;
    if (strcmp(p->command, "fail") == 0)
        fputs(p->is_hit ? "hit\n" : "missed\n", file);
    for (int i = 0; i < NUMBERS && strcmp(p->command, "count") == 0; i++) {
        const call *which = find_number(i);
        if (seen[i] && which)
            fprintf(file, "%s %u\n", which->name, seen[i]);
        else if (seen[i])
            fprintf(file, "#%d %u\n", i, seen[i]);
    }
    return fclose(file) != 0;
}

static int run(plan *p, const char *path, char **command)
{
    int ends[2], status;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return BROKEN;
    pid_t child = fork();
    if (child == 0)
        become_program(ends[1], command);
    close(ends[1]);
    int listener = receive_descriptor(ends[0]);
    if (listener >= 0)
        supervise(listener, p);
    if (child < 0 || waitpid(child, &status, 0) != child || write_result(p, path))
        return BROKEN;
    return WIFEXITED(status) ? WEXITSTATUS(status) : BY_SIGNAL + WTERMSIG(status);
}

static int deny(char **command)
{
    uint32_t refuse = SECCOMP_RET_ERRNO | (EPERM & SECCOMP_RET_DATA);

    if (install(denied, DENIED_COUNT, refuse, SECCOMP_RET_ALLOW, 0) != 0)
        return NOT_ALLOWED;
    execv(command[0], command);
    return BROKEN;
}

int main(int argc, char **argv)
{
    plan p = {.command = argc > 1 ? argv[1] : "", .error = EINTR};
    int at = 2;

    while (at < argc && strcmp(argv[at], "--") != 0)
        at++;
    int given = at - 2;
    char **command = argv + at + 1;
    if (strcmp(p.command, "names") == 0) {
        for (size_t i = 0; i < CALL_COUNT; i++)
            if (calls[i].kind != UNSEEN)
                puts(calls[i].name);
        return 0;
    }
    if (at + 1 >= argc)
        return BROKEN;
    if (strcmp(p.command, "deny") == 0 && given == 0)
        return deny(command);
    if (strcmp(p.command, "count") == 0 && given == 1)
        return run(&p, argv[2], command);
    if (strcmp(p.command, "storm") == 0 && given == 2) {
        p.random = strtoull(argv[2], NULL, 10);
        p.one_in = strtoull(argv[3], NULL, 10);
        return p.one_in ? run(&p, NULL, command) : BROKEN;
    }
    const call *target = strcmp(p.command, "fail") == 0 && given == 4 ? find_name(argv[2]) : NULL;
    if (!target)
        return BROKEN;
    p.target = target->number;
    p.nth = (unsigned)strtoul(argv[3], NULL, 10);
    p.error = (int)strtol(argv[4], NULL, 10);
    return run(&p, argv[5], command);
}
