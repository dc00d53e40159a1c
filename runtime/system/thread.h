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
