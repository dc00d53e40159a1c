/* The load under which collections are compared, the same for ours and the peers': every thread
 * goes through its own sequence of keys and kinds of operation, which depends on its number only.
 *
 *   dict    80 % get, 10 % put, 10 % delete, of 65,536 keys
 *   set     the same with has and add
 *   stack, queue    push, then pop
 *   list    append, then two reads
 *
 * For C and C++. */
#pragma once

#include <stdint.h>

enum { WORKLOAD_KEYS = 65536, WORKLOAD_QUEUE = 1024 };

typedef struct workload {
    uint64_t state;
} workload;

static inline workload workload_start(int thread)
{
    workload w = {UINT64_C(0x9e3779b97f4a7c15) * (uint64_t)(thread + 1)};
    return w;
}

/* xorshift64 (Marsaglia 2003). */
static inline uint64_t workload_next(workload *w)
{
    w->state ^= w->state << 13;
    w->state ^= w->state >> 7;
    w->state ^= w->state << 17;
    return w->state;
}

typedef enum workload_kind { WORKLOAD_READ, WORKLOAD_WRITE, WORKLOAD_DELETE } workload_kind;

static inline workload_kind workload_pick(workload *w, int64_t *key)
{
    uint64_t x = workload_next(w);
    unsigned percent = (unsigned)(x >> 32) % 100;

    *key = (int64_t)(x % WORKLOAD_KEYS);
    return percent < 80 ? WORKLOAD_READ : percent < 90 ? WORKLOAD_WRITE : WORKLOAD_DELETE;
}

/* Work that takes the same time wherever and whenever it is done: so many rounds of a calculation
 * in which each needs the one before it. A loop until the clock says so would do none while another
 * thread has the CPU. */
static inline uint64_t workload_spin(int64_t rounds)
{
    workload w = workload_start(0);
    int64_t i;

    for (i = 0; i < rounds; i++)
        workload_next(&w);
    __asm__ volatile("" : : "r"(w.state));
    return w.state;
}
