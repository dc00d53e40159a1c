// Threads, named, with a stack that Lua and deep parsers can live in (1 MiB unless said otherwise).
#pragma once

#include <pthread.h>

#include "runtime/error.h"

typedef struct ft_thread {
    pthread_t thread;
    bool started;
} ft_thread;

// `name` at most 15 bytes, shown by top -H and gdb. Signals are blocked in it, so that they reach
// the first thread.
bool ft_thread_start(ft_thread *thread, const char *name, void (*run)(void *host), void *host,
                     ft_error *err) FT_MUST_CHECK;
void ft_thread_join(ft_thread *thread);  // Does nothing for one that was not started.
// Joins a thread that has ended; false when it has not yet.
bool ft_thread_try_join(ft_thread *thread);
// Waits for it until that time of ft_clock_ns; false when it has not ended by then.
bool ft_thread_join_until(ft_thread *thread, int64_t deadline_ns);
void ft_thread_detach(ft_thread *thread);  // Nobody will wait for it.
// Where `count` is how many CPUs the calling thread may use: moves it to the one with number
// `index` among them. After that the kernel may move it as it likes. Threads that only compute are
// seen to stay for seconds on the one CPU where they were started, beside an idle one.
void ft_thread_settle(size_t index, size_t count);
// The clock of the calling thread's CPU time, for ft_clock_cpu_ns on any thread.
int32_t ft_thread_clock(void);
