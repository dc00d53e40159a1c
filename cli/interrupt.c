// The handler only stores and calls ft_run_cancel, which is made for it. Other threads block all
// signals, so it runs on the first thread, which waits in ft_run_wait.
#include "cli/interrupt.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "runtime/concurrent/atomic.h"

static ft_run *volatile watched;
static volatile sig_atomic_t first_signal, bell = -1;
static ft_atomic_u32 signal_count;  // Relaxed: the report's thread only shows it.

static void handle(int number)
{
    if (!first_signal)
        first_signal = number;
    if (ft_atomic_add(&signal_count, 1, FT_RELAXED) >= 2)
        _exit(128 + number);
    if (watched)
        ft_run_cancel(watched);
    if (bell >= 0) {
        int saved = errno;
        // A full pipe wakes the reader as well as one more byte would.
        ssize_t ignored = write(bell, "!", 1);
        (void)ignored;
        errno = saved;
    }
}

void ft_interrupt_watch(ft_run *run)
{
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};

    watched = run;
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGINT);
    sigaddset(&action.sa_mask, SIGTERM);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void ft_interrupt_end(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    watched = NULL;
}

void ft_interrupt_set_bell(int fd)
{
    bell = fd;
}

int ft_interrupt_signal(void)
{
    return first_signal;
}

int ft_interrupt_count(void)
{
    return (int)ft_atomic_load(&signal_count, FT_RELAXED);
}
