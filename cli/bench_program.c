// Starts the program, watches it through /proc, and waits for its end.
#include "cli/bench_program.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/slice.h"
#include "runtime/system/clock.h"

enum { TEXT_BYTES = 8192, SETTLE_MS = 500, LOOK_MS = 5 };

// ---- /proc ----

static size_t read_file(const char *path, char *out, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read(fd, out, room - 1) : -1;

    if (fd >= 0)
        close(fd);
    out[size > 0 ? size : 0] = 0;
    return size > 0 ? (size_t)size : 0;
}

// The number behind `key` at the start of a line.
static int64_t number_after(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    int64_t value = 0;

    if (!at)
        return 0;
    at += strlen(key);
    at += strspn(at, " \t:");
    return ft_parse_int((ft_slice){at, strspn(at, "0123456789")}, &value) ? value : 0;
}

// How often its threads have been put on a CPU so far.
static int64_t switches_of(pid_t pid)
{
    char path[320], text[TEXT_BYTES];
    int64_t sum = 0;
    struct dirent *entry;

    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *folder = opendir(path);
    while (folder && (entry = readdir(folder))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "/proc/%d/task/%s/status", (int)pid, entry->d_name);
        read_file(path, text, sizeof(text));
        sum += number_after(text, "\nvoluntary_ctxt_switches");
        sum += number_after(text, "\nnonvoluntary_ctxt_switches");
    }
    if (folder)
        closedir(folder);
    return sum;
}

// Proportional set size of the process and of all that descend from it, in KiB: a page that n
// processes have counts as 1/n in each.
static int64_t pss_of(pid_t pid)
{
    char path[64], text[TEXT_BYTES];
    int64_t child;
    ft_slice rest, word;

    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
    read_file(path, text, sizeof(text));
    int64_t sum = number_after(text, "\nPss:");
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
    read_file(path, text, sizeof(text));
    rest = ft_slice_of(text);
    while (ft_slice_cut(&rest, ' ', &word))
        if (ft_parse_int(ft_slice_trim(word), &child))
            sum += pss_of((pid_t)child);
    return sum;
}

// Time goes by: this is what is measured, nothing is waited for.
static void let_pass(int ms)
{
    poll(NULL, 0, ms);
}

// ---- the run ----

FT_NORETURN static void become(const ft_bench_program *program, int input)
{
    union {
        const char *const *given;
        char *const *wanted;  // execvp's signature lacks a const that its contract has.
    } argv = {program->argv};
    int nowhere = open("/dev/null", O_RDWR);

    dup2(input >= 0 ? input : nowhere, STDIN_FILENO);
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
    if (program->folder && chdir(program->folder) != 0)
        _exit(126);
    execvp(argv.wanted[0], argv.wanted);
    _exit(127);
}

// MiB at the peak, looked at every few milliseconds until it has ended; its status is left to be
// asked for.
static double watch_memory(pid_t pid)
{
    siginfo_t info = {0};
    int64_t peak = 0;

    while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0) {
        int64_t now = pss_of(pid);
        if (now > peak)
            peak = now;
        let_pass(LOOK_MS);
    }
    return (double)peak / 1024;
}

static bool wait_for_end(const ft_bench_program *program, pid_t pid, ft_error *err)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return ft_fail_errno(err, errno, "cannot wait for `%s`", program->argv[0]);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    return ft_fail(err, FT_ERROR_IO, "`%s %s` ended with status %d", program->argv[0],
                   program->argv[1] ? program->argv[1] : "",
                   WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static double watch_idle(const ft_bench_program *program, pid_t pid)
{
    let_pass(SETTLE_MS);
    int64_t from = switches_of(pid), from_ns = ft_clock_ns();
    let_pass(program->idle_ms);
    int64_t to = switches_of(pid);
    return (double)(to - from) * 1e9 / (double)(ft_clock_ns() - from_ns);
}

static double cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_CHILDREN, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

bool ft_bench_run_program(const void *host, double *out, ft_error *err)
{
    const ft_bench_program *program = host;
    int ends[2] = {-1, -1};
    bool is_idle = program->what == FT_BENCH_IDLE;

    if (is_idle && pipe(ends) != 0)
        return ft_fail_errno(err, errno, "cannot make a pipe");
    if (program->output && unlink(program->output) != 0 && errno != ENOENT)
        return ft_fail_errno(err, errno, "cannot remove `%s`", program->output);
    double cpu = cpu_seconds();
    int64_t from = ft_clock_ns();
    pid_t pid = fork();
    if (pid < 0)
        return ft_fail_errno(err, errno, "cannot start `%s`", program->argv[0]);
    if (pid == 0) {
        close(ends[1]);
        become(program, ends[0]);
    }
    close(ends[0]);
    if (is_idle)
        *out = watch_idle(program, pid);
    else if (program->what == FT_BENCH_PSS)
        *out = watch_memory(pid);
    close(ends[1]);
    bool ok = wait_for_end(program, pid, err);
    if (program->what == FT_BENCH_WALL)
        *out = (double)(ft_clock_ns() - from) * 1e-9;
    else if (program->what == FT_BENCH_CPU)
        *out = cpu_seconds() - cpu;
    return ok;
}
