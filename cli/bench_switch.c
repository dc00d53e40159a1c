// Ping-pong and counting, in both worlds. A process that owns a number reads its increments from a
// pipe, up to 64 KiB at a time, as a pool of worker processes would send them.
#include "cli/bench_switch.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/concurrent/counter.h"
#include "runtime/concurrent/lock.h"
#include "runtime/system/clock.h"
#include "runtime/system/thread.h"

enum { ROUNDS = 20000, THREAD_ADDS = 20000000, MESSAGE_ADDS = 200000, CHUNK = 65536 };

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

// ---- one number ----

static void add_many(void *host)
{
    for (int i = 0; i < THREAD_ADDS; i++)
        ft_counter_add(host, 1);
}

static bool count_in_threads(double *out, ft_error *err)
{
    ft_counter *counter = ft_counter_create(NULL, err);
    ft_thread threads[2] = {{0}};
    bool ok = counter != NULL;

    int64_t from = ft_clock_ns();
    for (int i = 0; ok && i < 2; i++)
        ok = ft_thread_start(&threads[i], "count", add_many, counter, err);
    for (int i = 0; i < 2; i++)
        ft_thread_join(&threads[i]);
    *out = (double)(ft_clock_ns() - from) / (2.0 * THREAD_ADDS);
    if (ok && ft_counter_sum(counter) != 2 * (int64_t)THREAD_ADDS)
        ok = ft_fail(err, FT_ERROR_DATA, "increments were lost");
    ft_counter_unref(counter);
    return ok;
}

FT_NORETURN static void send_increments(int to)
{
    static const int64_t one = 1;

    for (int i = 0; i < MESSAGE_ADDS; i++)
        if (write(to, &one, sizeof(one)) != (ssize_t)sizeof(one))
            _exit(1);
    _exit(0);
}

// Two processes send, this one owns the number.
static bool count_in_processes(double *out, ft_error *err)
{
    static int64_t chunk[CHUNK / sizeof(int64_t)];
    int ends[2];
    pid_t children[2];
    int64_t sum = 0, from = ft_clock_ns();
    ssize_t got;

    if (pipe(ends) != 0)
        return ft_fail_errno(err, errno, "cannot make a pipe");
    for (int i = 0; i < 2; i++) {
        children[i] = fork();
        if (children[i] == 0)
            send_increments(ends[1]);
    }
    close(ends[1]);
    // Writes of 8 bytes are whole, so reads end between two of them.
    while ((got = read(ends[0], chunk, sizeof(chunk))) > 0)
        for (size_t i = 0; i < (size_t)got / sizeof(chunk[0]); i++)
            sum += chunk[i];
    close(ends[0]);
    for (int i = 0; i < 2; i++)
        if (children[i] > 0)
            waitpid(children[i], NULL, 0);
    *out = (double)(ft_clock_ns() - from) / (2.0 * MESSAGE_ADDS);
    return sum == 2 * (int64_t)MESSAGE_ADDS || ft_fail(err, FT_ERROR_DATA, "increments were lost");
}

bool ft_bench_shared_count(const void *host, double *out, ft_error *err)
{
    return *(const bool *)host ? count_in_processes(out, err) : count_in_threads(out, err);
}
