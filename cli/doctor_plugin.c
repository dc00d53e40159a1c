// The parent's half: children are run one after the other with a time limit, their lines become
// facts, and what came of it is written as the verdict.
//
// ThreadSanitizer sees races only in code that was built with it: of the library itself only when
// it was (`-fsanitize=thread`), else only of what it shares through the program. A library built so
// can be loaded by ftpipe-tsan only, hence x.tsan.so beside x.so is taken there.
#define _POSIX_C_SOURCE 200809L
#include "cli/doctor_plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/verdict.h"
#include "runtime/system/clock.h"
#include "runtime/system/file.h"

enum {
    CHILD_MS = 60000,
    OUTPUT_BYTES_MAX = 1 << 20,
    PATH_BYTES = 4096,
    RACE_STATUS = 66,
    NOT_LOADED = 3
};

typedef struct {
    const char *program, *library;
    ft_text out;
    int status;
    bool late;
} child;

// ---- one child ----

FT_NORETURN static void become(const child *c, int output)
{
    dup2(output, STDOUT_FILENO);
    setenv("TSAN_OPTIONS", "exitcode=66:halt_on_error=0:report_signal_unsafe=0", 1);
    execl(c->program, c->program, "doctor", "--inside", "--plugin", c->library, (char *)NULL);
    _exit(127);
}

// Reads until the child closes its end; kills it when its time is over.
static void read_output(child *c, int input, pid_t pid)
{
    int64_t end = ft_clock_ns() + CHILD_MS * INT64_C(1000000);
    char bytes[4096];

    for (;;) {
        int64_t left = (end - ft_clock_ns()) / 1000000;
        struct pollfd wait = {.fd = input, .events = POLLIN};
        if (left <= 0) {
            c->late = true;
            kill(pid, SIGKILL);
            return;
        }
        int ready = poll(&wait, 1, (int)left);
        ssize_t got = ready > 0 ? read(input, bytes, sizeof(bytes)) : 0;
        if (ready > 0 && got == 0)
            return;
        if (got > 0)
            ft_text_append(&c->out, (ft_slice){bytes, (size_t)got});
    }
}

static bool run_child(child *c, ft_error *err)
{
    int ends[2];

    ft_text_init(&c->out, OUTPUT_BYTES_MAX);
    if (pipe(ends) != 0)
        return ft_fail_errno(err, errno, "cannot start the test");
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        become(c, ends[1]);
    }
    int saved = errno;
    close(ends[1]);
    if (pid > 0)
        read_output(c, ends[0], pid);
    close(ends[0]);
    if (pid < 0)
        return ft_fail_errno(err, saved, "cannot start the test");
    while (waitpid(pid, &c->status, 0) < 0)
        if (errno != EINTR)
            return ft_fail_errno(err, errno, "cannot wait for the test");
    return true;
}

// ---- its lines ----

typedef struct {
    ft_facts *facts;
    const char *stage;  // The last that was begun.
    bool poor;
    ft_text text;  // Of the verdict.
} reading;

static void add(reading *r, const char *name, ft_fact_state state, const char *value,
                const char *advice)
{
    ft_facts_add(r->facts, (ft_fact){"plugin", name, state, value, advice});
    ft_text_format(&r->text, "%s: %s\n", name, value);
    r->poor = r->poor || state == FT_FACT_POOR;
}

static void read_line(reading *r, ft_slice line)
{
    ft_slice name, state;

    if (!ft_slice_cut(&line, '\t', &name) || !ft_slice_cut(&line, '\t', &state))
        return;
    const char *stage = ft_facts_text(r->facts, "%.*s", (int)name.size, name.data);
    if (ft_slice_is(state, "begin")) {
        r->stage = stage;
        return;
    }
    ft_fact_state found = ft_slice_is(state, "good")   ? FT_FACT_GOOD
                          : ft_slice_is(state, "note") ? FT_FACT_NOTE
                                                       : FT_FACT_POOR;
    add(r, stage, found, ft_facts_text(r->facts, "%.*s", (int)line.size, line.data), NULL);
}

static void read_lines(reading *r, const child *c, const char *how)
{
    ft_slice rest = ft_text_get(&c->out), line;

    r->stage = "library";
    while (ft_slice_cut(&rest, '\n', &line))
        read_line(r, line);
    const char *name = r->stage;
    if (c->late)
        add(r, name, FT_FACT_POOR,
            ft_facts_text(r->facts, "%s: it did not end within %d s", how, CHILD_MS / 1000),
            "A stage asks ft_is_cancelled now and then, and takes no lock that it keeps.");
    else if (WIFSIGNALED(c->status))
        add(r, name, FT_FACT_POOR,
            ft_facts_text(r->facts, "%s: it crashed with signal %d", how, WTERMSIG(c->status)),
            "Run it in gdb: gdb --args ftpipe doctor --inside --plugin FILE");
    else if (WEXITSTATUS(c->status) == RACE_STATUS)
        add(r, name, FT_FACT_POOR, ft_facts_text(r->facts, "%s: data races, see above", how),
            "Every pair of accesses that it shows must be atomic, or under one lock.");
    else if (WEXITSTATUS(c->status) != 0)
        add(r, name, FT_FACT_POOR,
            ft_facts_text(r->facts, "%s: it ended with status %d", how, WEXITSTATUS(c->status)),
            NULL);
}

// ---- both children ----

// "x.tsan.so" for "x.so" if it is there, else the library itself.
static const char *find_instrumented(ft_facts *facts, const char *path)
{
    size_t size = strlen(path);

    if (size < 3 || strcmp(path + size - 3, ".so") != 0)
        return path;
    const char *beside = ft_facts_text(facts, "%.*s.tsan.so", (int)size - 3, path);
    return *beside && ft_file_find(beside) == FT_FILE_REGULAR ? beside : path;
}

static bool run_under_tsan(reading *r, const char *self, const char *path, ft_error *err)
{
    const char *slash = strrchr(self, '/');
    const char *program =
        ft_facts_text(r->facts, "%.*sftpipe-tsan", (int)(slash ? slash + 1 - self : 0), self);
    const char *library = find_instrumented(r->facts, path);

    if (ft_file_find(program) != FT_FILE_REGULAR) {
        add(r, "races", FT_FACT_NOTE, "not looked for: no `ftpipe-tsan` beside the program",
            "cmake -B build/tsan -DFTPIPE_SANITIZE=thread, build, copy its ftpipe to ftpipe-tsan; "
            "build the plug-in with -fsanitize=thread as x.tsan.so.");
        return true;
    }
    child c = {.program = program, .library = library};
    bool ok = run_child(&c, err);
    if (ok) {
        bool before = r->poor;
        r->poor = false;
        read_lines(r, &c, "under ThreadSanitizer");
        if (!r->poor)
            add(r, "races", library == path ? FT_FACT_NOTE : FT_FACT_GOOD,
                library == path ? "none seen, but only the program's own code was watched"
                                : "none seen by ThreadSanitizer",
                library == path ? "Build the plug-in with -fsanitize=thread as x.tsan.so beside it."
                                : NULL);
        r->poor = r->poor || before;
    }
    ft_text_finish(&c.out);
    return ok;
}

bool ft_doctor_plugin(ft_facts *facts, const char *path, bool *out_passed, ft_error *err)
{
    char self[PATH_BYTES];
    ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
    reading r = {.facts = facts};

    if (size < 0)
        return ft_fail_errno(err, errno, "cannot find this program");
    self[size] = 0;
    ft_text_init(&r.text, OUTPUT_BYTES_MAX);
    child c = {.program = self, .library = path};
    bool ok = run_child(&c, err);
    if (ok)
        read_lines(&r, &c, "with many threads");
    ft_text_finish(&c.out);
    if (ok && WIFEXITED(c.status) && WEXITSTATUS(c.status) == NOT_LOADED)
        ok = ft_fail(err, FT_ERROR_USAGE, "`%s` was not tested", path);
    ok = ok && run_under_tsan(&r, self, path, err);
    *out_passed = !r.poor;
    if (ok)
        ok = ft_text_check(&r.text, err) &&
             ft_verdict_write(path, r.poor ? FT_PLUGIN_FAILED : FT_PLUGIN_PASSED,
                              ft_text_get(&r.text), err);
    ft_text_finish(&r.text);
    return ok;
}
