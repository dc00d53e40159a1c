// What C17 does not spell, in one place: the only header that uses compiler extensions.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FT_MUST_CHECK __attribute__((warn_unused_result))
#define FT_PRINTF(text_at, first_at) __attribute__((format(printf, text_at, first_at)))
// What plug-ins may call: the program exports exactly these.
#define FT_API __attribute__((visibility("default")))
#define FT_NOINLINE __attribute__((noinline))
#define FT_ALWAYS_INLINE static inline __attribute__((always_inline))
#define FT_NORETURN __attribute__((noreturn))
#define FT_UNUSED __attribute__((unused))
#define FT_LIKELY(x) __builtin_expect(!!(x), 1)
#define FT_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define FT_PREFETCH(p) __builtin_prefetch(p)
// Keeps the compiler, and only it, from moving accesses across.
#define FT_COMPILER_BARRIER() __asm__ volatile("" ::: "memory")
// Inside a loop that waits for another core: lets go of the pipeline for a moment.
#if defined(FT_MODEL)
void ft_model_pause(void);  // Of the model checker (tests/mc).
#define FT_PAUSE() ft_model_pause()
#elif defined(__x86_64__)
#define FT_PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define FT_PAUSE() __asm__ volatile("yield")
#else
#define FT_PAUSE() ((void)0)
#endif
#define FT_THREAD_LOCAL _Thread_local
// A bound; under the model checker a smaller one, so that a few steps meet it.
#ifdef FT_MODEL
#define FT_BOUND(full, small) (small)
#else
#define FT_BOUND(full, small) (full)
#endif

// True when the sum or the product does not fit `*out`; every size that comes from a file goes
// through these.
#define FT_ADD_OVERFLOWS(a, b, out) __builtin_add_overflow(a, b, out)
#define FT_MUL_OVERFLOWS(a, b, out) __builtin_mul_overflow(a, b, out)

// 64 x 64 bits in full: number printing, hashing.
__extension__ typedef unsigned __int128 ft_u128;
// Index of the lowest set bit, and how many bits above the highest one; `x` must not be 0.
#define FT_TRAILING_ZEROS_64(x) ((unsigned)__builtin_ctzll(x))
#define FT_LEADING_ZEROS_64(x) ((unsigned)__builtin_clzll(x))
#define FT_ONES_64(x) ((unsigned)__builtin_popcountll(x))

// The full product of two 64-bit numbers; returns its low half.
static inline uint64_t ft_mul_wide(uint64_t a, uint64_t b, uint64_t *out_high)
{
    ft_u128 product = (ft_u128)a * b;
    *out_high = (uint64_t)(product >> 64);
    return (uint64_t)product;
}

#define FT_COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

// Drops a result on purpose; the reason stands beside the call.
static inline void ft_ignore(bool result)
{
    (void)result;
}

// Moves a pointer out and leaves NULL, so that a move can be seen at the call: ft_emit(self,
// ft_take(&batch), err).
#define ft_take(pointer) ((__typeof__(*(pointer)))ft_take_pointer((void *)(pointer)))

static inline void *ft_take_pointer(void *pointer)
{
    void *taken;

    __builtin_memcpy(&taken, pointer, sizeof(taken));
    __builtin_memset(pointer, 0, sizeof(taken));
    return taken;
}
