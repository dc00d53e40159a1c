// The only door to atomics. Every operation names its memory order; the comment at the call says
// what it pairs with.
//
// Two builds: plain, and ThreadSanitizer (the same operations, fully visible to it, since there are
// no fences). A third, for a model checker that schedules at every operation, needs only this
// header changed.
#pragma once

#include <stdatomic.h>

#include "runtime/compiler.h"

typedef struct ft_atomic_i64 {
    _Atomic(int64_t) value;
} ft_atomic_i64;
typedef struct ft_atomic_u64 {
    _Atomic(uint64_t) value;
} ft_atomic_u64;
typedef struct ft_atomic_u32 {
    _Atomic(uint32_t) value;
} ft_atomic_u32;
typedef struct ft_atomic_u16 {
    _Atomic(uint16_t) value;
} ft_atomic_u16;
typedef struct ft_atomic_u8 {
    _Atomic(uint8_t) value;
} ft_atomic_u8;
typedef struct ft_atomic_pointer {
    _Atomic(void *) value;
} ft_atomic_pointer;

typedef enum ft_order {
    FT_RELAXED = memory_order_relaxed,
    FT_ACQUIRE = memory_order_acquire,
    FT_RELEASE = memory_order_release,
    FT_ACQ_REL = memory_order_acq_rel,
    FT_SEQ_CST = memory_order_seq_cst,
} ft_order;

#define ft_atomic_load(a, order) atomic_load_explicit(&(a)->value, (memory_order)(order))
#define ft_atomic_store(a, v, order) atomic_store_explicit(&(a)->value, (v), (memory_order)(order))
#define ft_atomic_add(a, v, order) \
    atomic_fetch_add_explicit(&(a)->value, (v), (memory_order)(order))
#define ft_atomic_sub(a, v, order) \
    atomic_fetch_sub_explicit(&(a)->value, (v), (memory_order)(order))
#define ft_atomic_or(a, v, order) atomic_fetch_or_explicit(&(a)->value, (v), (memory_order)(order))
#define ft_atomic_exchange(a, v, order) \
    atomic_exchange_explicit(&(a)->value, (v), (memory_order)(order))
#define ft_atomic_cas(a, expected, desired, order)                                                 \
    atomic_compare_exchange_strong_explicit(&(a)->value, expected, desired, (memory_order)(order), \
                                            memory_order_relaxed)
#define ft_atomic_cas_weak(a, expected, desired, order)                                          \
    atomic_compare_exchange_weak_explicit(&(a)->value, expected, desired, (memory_order)(order), \
                                          memory_order_relaxed)
// The same for lists: a failure reads anew what others released, so it acquires as well.
#define ft_atomic_cas_weak_acquire(a, expected, desired)                                        \
    atomic_compare_exchange_weak_explicit(&(a)->value, expected, desired, memory_order_acq_rel, \
                                          memory_order_acquire)
