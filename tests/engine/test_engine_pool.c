// A thread that cannot be started: the run goes on without it or fails and says why, but no task is
// left lying and nothing waits for ever. _GNU_SOURCE for RTLD_NEXT: pthread_create is ours here.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "tests/engine/toy_stages.h"

enum { ITEMS = 300, THREADS_TRIED = 14, WATCHDOG_SECONDS = 60 };

static ft_atomic_i64 until_failure;  // Threads that may still be started.

typedef int (*creator)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *argument);
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *argument)
{
    creator real;
    void *symbol = dlsym(RTLD_NEXT, "pthread_create");

    if (ft_atomic_sub(&until_failure, 1, FT_RELAXED) <= 0)
        return EAGAIN;
    memcpy(&real, &symbol, sizeof(real));
    return real(thread, attributes, run, argument);
}

static void run_with(int64_t threads, int64_t most, bool blocking_source)
{
    toy t;
    toy_count_config *source;
    toy_scatter_config *work;
    toy_record_config *sink;
    toy_record got = {0};

    toy_init(&t, threads);
    int at = toy_add(&t, blocking_source ? &toy_count_blocking : &toy_count, -1, &source);
    *source = (toy_count_config){.items = ITEMS, .batch_most = 3};
    at = toy_add(&t, &toy_scatter_blocking, at, &work);
    toy_add(&t, &toy_recorder_blocking, at, &sink);
    sink->record = &got;
    ft_atomic_store(&until_failure, most, FT_RELAXED);
    bool ok = toy_run(&t);
    ft_atomic_store(&until_failure, INT64_MAX, FT_RELAXED);
    if (ok) {
        check_int_eq(got.count, ITEMS);
        for (size_t i = 0; i < got.count; i++)
            check_int_eq(got.ids[i], i);
        toy_check_accounts(&t);
    } else {
        check_contains(t.err.message, "cannot start thread");
        check_int_eq(got.commits, 0);
    }
    // With a thread for each task that may be at work nothing fails.
    if (most == INT64_MAX)
        check_ok(ok, &t.err);
    toy_finish(&t);
    toy_record_finish(&got);
}

TEST(no_task_is_left_lying)
{
    for (int64_t threads = 1; threads <= 3; threads++)
        for (int blocking = 0; blocking < 2; blocking++) {
            for (int64_t most = 0; most < THREADS_TRIED; most++)
                run_with(threads, most, blocking);
            run_with(threads, INT64_MAX, blocking);
        }
}

int main(int argc, char **argv)
{
    alarm(WATCHDOG_SECONDS);
    return check_main(argc, argv);
}
