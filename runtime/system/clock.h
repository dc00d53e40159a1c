// Time, monotonic unless it says otherwise; a test may replace it.
#pragma once

#include <stdint.h>

int64_t ft_clock_ns(void);             // Monotonic.
int64_t ft_clock_thread_cpu_ns(void);  // CPU time of the calling thread.
int64_t ft_clock_wall_ms(void);        // Since 1970, for log lines.
