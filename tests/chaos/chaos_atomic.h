// Included before everything else in the chaos builds (tests/CMakeLists.txt): every operation of
// runtime/concurrent/atomic.h becomes a point where the thread may lose the CPU. Lock edges are
// among them, since locks are made of these operations.
#pragma once

#include "runtime/concurrent/atomic.h"

// Does nothing unless FT_CHAOS is set to a seed.
void ft_chaos_point(void);
// Whether an insert makes its table or array anew without need: with odd seeds always, with even
// ones every fourth time.
bool ft_chaos_grows(void);
#define FT_GROWS_EARLY() ft_chaos_grows()

#undef ft_atomic_load
#undef ft_atomic_store
#undef ft_atomic_add
#undef ft_atomic_sub
#undef ft_atomic_or
#undef ft_atomic_exchange
#undef ft_atomic_cas
#undef ft_atomic_cas_weak
#undef ft_atomic_cas_weak_acquire

#define ft_atomic_load(a, order) \
    (ft_chaos_point(), atomic_load_explicit(&(a)->value, (memory_order)(order)))
#define ft_atomic_store(a, v, order) \
    (ft_chaos_point(), atomic_store_explicit(&(a)->value, (v), (memory_order)(order)))
#define ft_atomic_add(a, v, order) \
    (ft_chaos_point(), atomic_fetch_add_explicit(&(a)->value, (v), (memory_order)(order)))
#define ft_atomic_sub(a, v, order) \
    (ft_chaos_point(), atomic_fetch_sub_explicit(&(a)->value, (v), (memory_order)(order)))
#define ft_atomic_or(a, v, order) \
    (ft_chaos_point(), atomic_fetch_or_explicit(&(a)->value, (v), (memory_order)(order)))
#define ft_atomic_exchange(a, v, order) \
    (ft_chaos_point(), atomic_exchange_explicit(&(a)->value, (v), (memory_order)(order)))
#define ft_atomic_cas(a, expected, desired, order)                           \
    (ft_chaos_point(),                                                       \
     atomic_compare_exchange_strong_explicit(&(a)->value, expected, desired, \
                                             (memory_order)(order), memory_order_relaxed))
#define ft_atomic_cas_weak(a, expected, desired, order)                                           \
    (ft_chaos_point(),                                                                            \
     atomic_compare_exchange_weak_explicit(&(a)->value, expected, desired, (memory_order)(order), \
                                           memory_order_relaxed))
#define ft_atomic_cas_weak_acquire(a, expected, desired)                                         \
    (ft_chaos_point(),                                                                           \
     atomic_compare_exchange_weak_explicit(&(a)->value, expected, desired, memory_order_acq_rel, \
                                           memory_order_acquire))
