// The only door to atomics. Every operation names its memory order; the comment at the call says
// what it pairs with.
//
// Three builds: plain; ThreadSanitizer (the same operations, fully visible to it, since there are
// no fences); and FT_MODEL, where every operation is a call into the model checker (tests/mc),
// which decides there who goes on and what a load reads.
#pragma once

#include <stdatomic.h>

#include "runtime/compiler.h"

#ifdef FT_MODEL
#define FT_ATOMIC(type) type
#else
#define FT_ATOMIC(type) _Atomic(type)
#endif

typedef struct ft_atomic_i64 {
    FT_ATOMIC(int64_t) value;
} ft_atomic_i64;
typedef struct ft_atomic_u64 {
    FT_ATOMIC(uint64_t) value;
} ft_atomic_u64;
typedef struct ft_atomic_u32 {
    FT_ATOMIC(uint32_t) value;
} ft_atomic_u32;
typedef struct ft_atomic_u16 {
    FT_ATOMIC(uint16_t) value;
} ft_atomic_u16;
typedef struct ft_atomic_u8 {
    FT_ATOMIC(uint8_t) value;
} ft_atomic_u8;
typedef struct ft_atomic_pointer {
    FT_ATOMIC(void *) value;
} ft_atomic_pointer;

typedef enum ft_order {
    FT_RELAXED = memory_order_relaxed,
    FT_ACQUIRE = memory_order_acquire,
    FT_RELEASE = memory_order_release,
    FT_ACQ_REL = memory_order_acq_rel,
    FT_SEQ_CST = memory_order_seq_cst,
} ft_order;

#ifndef FT_MODEL

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

#else

typedef enum ft_model_how { FT_MODEL_ADD, FT_MODEL_SUB, FT_MODEL_OR, FT_MODEL_SWAP } ft_model_how;

// Of tests/mc. `size` in bytes; values are passed in their low bytes; `place` is "file:line".
uint64_t ft_model_load(const void *at, size_t size, ft_order order, const char *place);
void ft_model_store(void *at, size_t size, uint64_t value, ft_order order, const char *place);
uint64_t ft_model_change(void *at, size_t size, ft_model_how how, uint64_t by, ft_order order,
                         const char *place);
bool ft_model_cas(void *at, size_t size, void *expected, uint64_t desired, ft_order order,
                  ft_order on_failure, const char *place);

#define FT_MODEL_TEXT(x) #x
#define FT_MODEL_LINE(x) FT_MODEL_TEXT(x)
#define FT_MODEL_PLACE __FILE__ ":" FT_MODEL_LINE(__LINE__)
#define FT_MODEL_AT(a) &(a)->value, sizeof((a)->value)
#define FT_MODEL_CHANGE(a, how, v, order)                                               \
    ((__typeof__((a)->value))ft_model_change(FT_MODEL_AT(a), how, (uint64_t)(v), order, \
                                             FT_MODEL_PLACE))

#define ft_atomic_load(a, order) \
    ((__typeof__((a)->value))ft_model_load(FT_MODEL_AT(a), order, FT_MODEL_PLACE))
#define ft_atomic_store(a, v, order) \
    ft_model_store(FT_MODEL_AT(a), (uint64_t)(v), order, FT_MODEL_PLACE)
#define ft_atomic_add(a, v, order) FT_MODEL_CHANGE(a, FT_MODEL_ADD, v, order)
#define ft_atomic_sub(a, v, order) FT_MODEL_CHANGE(a, FT_MODEL_SUB, v, order)
#define ft_atomic_or(a, v, order) FT_MODEL_CHANGE(a, FT_MODEL_OR, v, order)
#define ft_atomic_exchange(a, v, order) FT_MODEL_CHANGE(a, FT_MODEL_SWAP, v, order)
#define ft_atomic_cas(a, expected, desired, order) \
    ft_model_cas(FT_MODEL_AT(a), expected, (uint64_t)(desired), order, FT_RELAXED, FT_MODEL_PLACE)
#define ft_atomic_cas_weak ft_atomic_cas
#define ft_atomic_cas_weak_acquire(a, expected, desired)                                \
    ft_model_cas(FT_MODEL_AT(a), expected, (uint64_t)(desired), FT_ACQ_REL, FT_ACQUIRE, \
                 FT_MODEL_PLACE)

#endif
