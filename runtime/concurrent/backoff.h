// Waiting after a lost race. Every look at a contended line takes it away from those who are using
// it, so who has lost stays away for some hundreds of nanoseconds, and ever longer, while the
// others go on with the line in their cache. (Anderson, TPDS 1990, for locks; Treiber's stack and
// rings gain as much: with a first wait of one pause, two threads on a stack take more than twice
// as long, since each race is lost once and won the next time.)
#pragma once

#include "runtime/compiler.h"

enum { FT_BACKOFF_FIRST = FT_BOUND(32, 1), FT_BACKOFF_MAX = FT_BOUND(128, 1) };  // Pauses.

// `*pauses` starts at FT_BACKOFF_FIRST, or lower where waits are short.
static inline void ft_backoff(unsigned *pauses)
{
    for (unsigned i = 0; i < *pauses; i++)
        FT_PAUSE();
    if (*pauses < FT_BACKOFF_MAX)
        *pauses *= 2;
}
