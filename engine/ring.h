// A worker's queue: a ring of tasks with one owner, from which others steal half.
#pragma once

#include "runtime/concurrent/atomic.h"

#ifndef FT_RING_SLOTS  // Chaos builds (tests/chaos) have fewer.
#define FT_RING_SLOTS FT_BOUND(256, 4)
#endif

typedef struct ft_ring {
    ft_atomic_u32 head;  // The oldest. Moved by whoever takes, with compare-and-swap.
    char padding[60];
    ft_atomic_u32 tail;                      // Behind the newest. The owner's.
    ft_atomic_pointer slots[FT_RING_SLOTS];  // Number n is in slots[n % FT_RING_SLOTS].
} ft_ring;

// Of the owner only. push: false when it is full. pop: the oldest, NULL when it is empty. half:
// takes the older half (at least one) into `out`, which has room for FT_RING_SLOTS / 2; returns how
// many.
bool ft_ring_push(ft_ring *ring, void *task);
void *ft_ring_pop(ft_ring *ring);
uint32_t ft_ring_half(ft_ring *ring, void **out);
// Of anybody else: takes the older half. Returns the oldest of them and puts the others into `own`,
// the caller's, which must be empty. NULL when there is nothing, or somebody was faster each time.
void *ft_ring_steal(ft_ring *ring, ft_ring *own);
// A hint, but exact for who has synchronised with the one that pushed.
bool ft_ring_is_empty(const ft_ring *ring);
