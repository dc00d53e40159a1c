// Threads. _GNU_SOURCE for pthread_tryjoin_np, pthread_timedjoin_np, for CPU sets, and for
// pthread_setname_np, so that top, perf and gdb show what a thread is.
#define _GNU_SOURCE
#include "runtime/system/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "runtime/memory/alloc.h"
#include "runtime/system/clock.h"
#include "runtime/system/lease.h"

enum { STACK_BYTES = 1024 * 1024, NAME_BYTES = 16 };

typedef struct {
    void (*run)(void *host);
    void *host;
    ft_lease *lease;
    char name[NAME_BYTES];
} start;

static void *thread_main(void *argument)
{
    start own = *(start *)argument;

    ft_free(argument);
    pthread_setname_np(pthread_self(), own.name);
    ft_lease_adopt(own.lease);
    own.run(own.host);
    ft_lease_retire();
    return NULL;
}

static bool not_started(start *given, int errnum, ft_error *err)
{
    ft_fail_errno(err, errnum, "cannot start thread `%s`", given->name);
    ft_hint(err, "Lower `run.threads`, or raise the limit on processes (`ulimit -u`).");
    if (given->lease)
        ft_lease_give_back(given->lease);
    ft_free(given);
    return false;
}

bool ft_thread_start(ft_thread *thread, const char *name, void (*run)(void *host), void *host,
                     ft_error *err)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    start *given = ft_alloc(sizeof(*given));

    thread->started = false;
    if (!given)
        return ft_fail_nomem(err, sizeof(*given));
    *given = (start){.run = run, .host = host, .lease = ft_lease_reserve()};
    snprintf(given->name, sizeof(given->name), "%s", name);
    if (!given->lease)
        return not_started(given, EAGAIN, err);
    if (pthread_attr_init(&attributes) != 0)
        return not_started(given, ENOMEM, err);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    // A thread inherits the mask of its maker.
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = pthread_create(&thread->thread, &attributes, thread_main, given);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (result != 0)
        return not_started(given, result, err);
    thread->started = true;
    return true;
}

void ft_thread_join(ft_thread *thread)
{
    if (!thread->started)
        return;
    ft_lease_detach();
    FT_ASSERT(pthread_join(thread->thread, NULL) == 0);
    ft_lease_resume();
    thread->started = false;
}

bool ft_thread_try_join(ft_thread *thread)
{
    if (thread->started && pthread_tryjoin_np(thread->thread, NULL) != 0)
        return false;
    thread->started = false;
    return true;
}

bool ft_thread_join_until(ft_thread *thread, int64_t deadline_ns)
{
    // pthread_timedjoin_np knows wall time only.
    int64_t left_ms = (deadline_ns - ft_clock_ns()) / 1000000;
    int64_t until_ms = ft_clock_wall_ms() + (left_ms > 0 ? left_ms : 0);
    struct timespec until = {.tv_sec = (time_t)(until_ms / 1000),
                             .tv_nsec = (long)(until_ms % 1000) * 1000000};

    if (thread->started && pthread_timedjoin_np(thread->thread, NULL, &until) != 0)
        return false;
    thread->started = false;
    return true;
}

void ft_thread_detach(ft_thread *thread)
{
    FT_ASSERT(pthread_detach(thread->thread) == 0);
    thread->started = false;
}

int32_t ft_thread_clock(void)
{
    clockid_t clock;

    FT_ASSERT(pthread_getcpuclockid(pthread_self(), &clock) == 0);
    return clock;
}

void ft_thread_settle(size_t index, size_t count)
{
    cpu_set_t allowed, one;

    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0 ||
        (size_t)CPU_COUNT(&allowed) != count)
        return;
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && index-- == 0)
            CPU_SET(cpu, &one);
    // A hint: where it is refused the thread starts wherever the kernel likes.
    if (sched_setaffinity(0, sizeof(one), &one) == 0)
        ft_ignore(sched_setaffinity(0, sizeof(allowed), &allowed) == 0);
}
