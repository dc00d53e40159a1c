// Ping-pong and counting, in both worlds, each with the fastest means that it has: memory that two
// processes share, and pipes, as a pool of worker processes has them.
#define _GNU_SOURCE  // MAP_ANONYMOUS
#include "cli/bench_switch.h"

#include <errno.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/concurrent/atomic.h"
#include "runtime/concurrent/counter.h"
#include "runtime/system/clock.h"
#include "runtime/system/thread.h"

enum {
    ROUNDS = 20000,
    THREAD_ADDS = 20000000,
    ATOMIC_ADDS = 5000000,
    MESSAGE_ADDS = 200000,
    CHUNK = 65536
};

static void *map_shared(size_t size_bytes, ft_error *err)
{
    void *memory =
        mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory != MAP_FAILED)
        return memory;
    ft_ignore(ft_fail_errno(err, errno, "cannot share memory"));
    return NULL;
}

// ---- there and back ----

typedef struct {
    sem_t there, back;
} table;

static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        continue;  // EINTR.
}

static void other_side(void *host)
{
    table *t = host;

    for (int i = 0; i < ROUNDS; i++) {
        wait_for(&t->there);
        sem_post(&t->back);
    }
}

static double this_side(table *t)
{
    int64_t from = ft_clock_ns();

    for (int i = 0; i < ROUNDS; i++) {
        sem_post(&t->there);
        wait_for(&t->back);
    }
    return (double)(ft_clock_ns() - from) * 1e-3 / ROUNDS;
}

static bool play_threads(table *t, double *out, ft_error *err)
{
    ft_thread thread = {0};

    if (!ft_thread_start(&thread, "ping-pong", other_side, t, err))
        return false;
    *out = this_side(t);
    ft_thread_join(&thread);
    return true;
}

static bool play_memory(table *t, double *out, ft_error *err)
{
    pid_t child = fork();

    if (child == 0) {
        other_side(t);
        _exit(0);
    }
    if (child < 0)
        return ft_fail_errno(err, errno, "cannot start a process");
    *out = this_side(t);
    waitpid(child, NULL, 0);
    return true;
}

// The same semaphores for both, so that what differs is the address space alone.
static bool play_semaphores(ft_bench_world world, double *out, ft_error *err)
{
    table *t = map_shared(sizeof(*t), err);

    if (!t)
        return false;
    sem_init(&t->there, world != FT_BENCH_THREADS, 0);
    sem_init(&t->back, world != FT_BENCH_THREADS, 0);
    bool ok = world == FT_BENCH_THREADS ? play_threads(t, out, err) : play_memory(t, out, err);
    sem_destroy(&t->there);
    sem_destroy(&t->back);
    munmap(t, sizeof(*t));
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

static bool play_pipes(double *out, ft_error *err)
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
    ft_bench_world world = *(const ft_bench_world *)host;

    return world == FT_BENCH_PIPES ? play_pipes(out, err) : play_semaphores(world, out, err);
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

// Two processes and an atomic that both have.
static bool count_in_memory(double *out, ft_error *err)
{
    ft_atomic_i64 *number = map_shared(sizeof(*number), err);
    pid_t children[2];

    if (!number)
        return false;
    int64_t from = ft_clock_ns();
    for (int i = 0; i < 2; i++) {
        children[i] = fork();
        if (children[i] != 0)
            continue;
        for (int k = 0; k < ATOMIC_ADDS; k++)
            ft_atomic_add(number, 1, FT_RELAXED);  // Read by who has waited for the end.
        _exit(0);
    }
    for (int i = 0; i < 2; i++)
        if (children[i] > 0)
            waitpid(children[i], NULL, 0);
    *out = (double)(ft_clock_ns() - from) / (2.0 * ATOMIC_ADDS);
    bool ok = ft_atomic_load(number, FT_RELAXED) == 2 * (int64_t)ATOMIC_ADDS ||
              ft_fail(err, FT_ERROR_DATA, "increments were lost");
    munmap(number, sizeof(*number));
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
static bool count_by_messages(double *out, ft_error *err)
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
    switch (*(const ft_bench_world *)host) {
    case FT_BENCH_MEMORY:
        return count_in_memory(out, err);
    case FT_BENCH_PIPES:
        return count_by_messages(out, err);
    case FT_BENCH_THREADS:
        break;
    }
    return count_in_threads(out, err);
}
