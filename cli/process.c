// Runs another program: fork, a pipe for its input, execvp, wait. The input (a list of checksums)
// is far smaller than a pipe holds, but a short write is handled all the same, since SIGPIPE is
// ignored by cli/main.c.
#include "cli/process.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STATUS_NO_FOLDER = 126, STATUS_NO_PROGRAM = 127 };

// The child's half: never returns.
FT_NORETURN static void become(const ft_process *process, int input)
{
    union {
        const char *const *given;
        char *const *wanted;  // execvp's signature lacks a const that its contract has.
    } argv = {process->argv};

    dup2(input, STDIN_FILENO);
    if (process->silent) {
        int nowhere = open("/dev/null", O_WRONLY);
        dup2(nowhere, STDERR_FILENO);
    }
    dup2(STDERR_FILENO, STDOUT_FILENO);
    if (process->folder && chdir(process->folder) != 0)
        _exit(STATUS_NO_FOLDER);
    execvp(argv.wanted[0], argv.wanted);
    _exit(STATUS_NO_PROGRAM);
}

static void feed(int output, ft_slice input)
{
    while (input.size > 0) {
        ssize_t written = write(output, input.data, input.size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            break;  // It ended without reading all: its status says why.
        input.data += written;
        input.size -= (size_t)written;
    }
}

static bool tell_status(const ft_process *process, int status, bool *out_missing, ft_error *err)
{
    const char *name = process->argv[0];

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    if (WIFEXITED(status) && WEXITSTATUS(status) == STATUS_NO_PROGRAM) {
        if (out_missing)
            *out_missing = true;
        return ft_fail(err, FT_ERROR_IO, "`%s` is not installed", name);
    }
    if (WIFSIGNALED(status))
        return ft_fail(err, FT_ERROR_IO, "`%s` was ended by signal %d", name, WTERMSIG(status));
    return ft_fail(err, FT_ERROR_IO, "`%s` ended with status %d", name, WEXITSTATUS(status));
}

bool ft_process_run(const ft_process *process, bool *out_missing, ft_error *err)
{
    int ends[2];
    int status = 0;

    if (out_missing)
        *out_missing = false;
    if (pipe(ends) != 0)
        return ft_fail_errno(err, errno, "cannot start `%s`", process->argv[0]);
    pid_t child = fork();
    if (child < 0) {
        int saved = errno;
        close(ends[0]);
        close(ends[1]);
        return ft_fail_errno(err, saved, "cannot start `%s`", process->argv[0]);
    }
    if (child == 0) {
        close(ends[1]);
        become(process, ends[0]);
    }
    close(ends[0]);
    feed(ends[1], process->input);
    close(ends[1]);
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return ft_fail_errno(err, errno, "cannot wait for `%s`", process->argv[0]);
    return tell_status(process, status, out_missing, err);
}
