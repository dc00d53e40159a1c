// Time, monotonic unless it says otherwise; a test may replace it.
#pragma once

#include <stdint.h>

int64_t ft_clock_ns(void);             // Monotonic.
int64_t ft_clock_thread_cpu_ns(void);  // CPU time of the calling thread.
// CPU time that another thread of this process has used so far, by the clock that ft_thread_clock
// gave there; -1 when the thread is gone.
int64_t ft_clock_cpu_ns(int32_t clock);
int64_t ft_clock_wall_ms(void);  // Since 1970, for log lines.
