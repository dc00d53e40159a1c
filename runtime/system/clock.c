// Clocks, as numbers.
#include "runtime/system/clock.h"

#include <time.h>

static int64_t read_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t ft_clock_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

int64_t ft_clock_thread_cpu_ns(void)
{
    return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

int64_t ft_clock_cpu_ns(int32_t clock)
{
    struct timespec now;

    if (clock_gettime(clock, &now) != 0)
        return -1;
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t ft_clock_wall_ms(void)
{
    return read_ns(CLOCK_REALTIME) / 1000000;
}
