// Ping-pong in both worlds: a mutex and a condition, two pipes.
#include "cli/bench_switch.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/concurrent/lock.h"
#include "runtime/system/clock.h"
#include "runtime/system/thread.h"

enum { ROUNDS = 20000 };

// ---- there and back ----

typedef struct {
    ft_mutex lock;
    ft_condition changed;
    bool is_there;  // The ball; under the lock.
} table;

static void hit(table *t, bool from)
{
    ft_mutex_lock(&t->lock);
    while (t->is_there != from)
        ft_condition_wait(&t->changed, &t->lock);
    t->is_there = !from;
    ft_condition_wake_one(&t->changed);
    ft_mutex_unlock(&t->lock);
}

static void other_side(void *host)
{
    for (int i = 0; i < ROUNDS; i++)
        hit(host, true);
}

static bool play_threads(double *out, ft_error *err)
{
    table t = {.is_there = false};
    ft_thread thread = {0};

    ft_mutex_init(&t.lock);
    ft_condition_init(&t.changed);
    bool ok = ft_thread_start(&thread, "ping-pong", other_side, &t, err);
    int64_t from = ft_clock_ns();
    for (int i = 0; ok && i < ROUNDS; i++)
        hit(&t, false);
    ft_thread_join(&thread);
    *out = (double)(ft_clock_ns() - from) * 1e-3 / ROUNDS;
    ft_condition_finish(&t.changed);
    ft_mutex_finish(&t.lock);
    return ok;
}

static bool move_byte(int from, int to)
{
    char byte;

    return read(from, &byte, 1) == 1 && write(to, &byte, 1) == 1;
}

// Two pipes: [0] to the child, [2] from it.
static bool make_pipes(int ends[4], ft_error *err)
{
    if (pipe(ends) != 0)
        return ft_fail_errno(err, errno, "cannot make a pipe");
    if (pipe(ends + 2) == 0)
        return true;
    int saved = errno;
    close(ends[0]);
    close(ends[1]);
    return ft_fail_errno(err, saved, "cannot make a pipe");
}

static void close_pipes(const int ends[4])
{
    for (int i = 0; i < 4; i++)
        close(ends[i]);
}

static bool play_processes(double *out, ft_error *err)
{
    int ends[4];

    if (!make_pipes(ends, err))
        return false;
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < ROUNDS; i++)
            if (!move_byte(ends[0], ends[3]))
                _exit(1);
        _exit(0);
    }
    bool ok = child > 0 || ft_fail_errno(err, errno, "cannot start a process");
    int64_t from = ft_clock_ns();
    char ball = '.';
    for (int i = 0; ok && i < ROUNDS; i++)
        ok = (write(ends[1], &ball, 1) == 1 && read(ends[2], &ball, 1) == 1) ||
             ft_fail(err, FT_ERROR_IO, "the other process has ended");
    *out = (double)(ft_clock_ns() - from) * 1e-3 / ROUNDS;
    close_pipes(ends);
    if (child > 0)
        waitpid(child, NULL, 0);
    return ok;
}

bool ft_bench_ping_pong(const void *host, double *out, ft_error *err)
{
    return *(const bool *)host ? play_processes(out, err) : play_threads(out, err);
}
