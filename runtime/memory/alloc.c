// The door to memory. What is counted must cost next to nothing, so every thread counts in a shard
// of its own: the first SHARDS - 1 threads add without a locked instruction, all later ones share
// the last shard and add atomically.
#include "runtime/memory/alloc.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/concurrent/atomic.h"
#include "runtime/memory/pages.h"

#ifdef FT_SANITIZED
#include <malloc.h>
#else
#include <mimalloc.h>
#endif

enum { SHARDS = 256, LINE_BYTES = 64, ALIGNED_MIN = 16 };

typedef struct {
    ft_atomic_u64 made, freed;
    char padding[LINE_BYTES - 2 * sizeof(ft_atomic_u64)];
} shard;

static shard shards[SHARDS];
static ft_atomic_u32 threads_seen;
static FT_THREAD_LOCAL uint32_t own_shard;  // 1 + index; 0: not yet given.

// The failure that was asked for: `armed` is all that the hot path reads.
static ft_atomic_u32 armed;
static ft_atomic_i64 countdown;
static ft_atomic_u32 stays_failed;

FT_NOINLINE static uint32_t shard_assign(void)
{
    uint32_t index = ft_atomic_add(&threads_seen, 1u, FT_RELAXED);

    own_shard = 1 + (index < SHARDS - 1 ? index : SHARDS - 1);
    return own_shard;
}

static void count(bool is_free)
{
    uint32_t mine = FT_LIKELY(own_shard) ? own_shard : shard_assign();
    ft_atomic_u64 *counter = is_free ? &shards[mine - 1].freed : &shards[mine - 1].made;

    // Relaxed: pure statistics. A shard below the last has one writer, so load and store lose
    // nothing.
    if (FT_LIKELY(mine < SHARDS))
        ft_atomic_store(counter, ft_atomic_load(counter, FT_RELAXED) + 1, FT_RELAXED);
    else
        ft_atomic_add(counter, 1u, FT_RELAXED);
}

FT_NOINLINE static bool armed_failure(void)
{
    // Relaxed: the test arms it before the threads that it wants to hit are started.
    int64_t left = ft_atomic_sub(&countdown, 1, FT_RELAXED);

    return left == 1 || (left < 1 && ft_atomic_load(&stays_failed, FT_RELAXED));
}

bool ft_alloc_must_fail(void)
{
    return FT_UNLIKELY(ft_atomic_load(&armed, FT_RELAXED)) && armed_failure();
}

void ft_alloc_count(bool is_free)
{
    count(is_free);
}

void ft_alloc_fail_at(uint64_t nth, bool sticky)
{
    ft_atomic_store(&armed, 0u, FT_RELAXED);
    ft_atomic_store(&countdown, nth > INT64_MAX ? INT64_MAX : (int64_t)nth, FT_RELAXED);
    ft_atomic_store(&stays_failed, sticky ? 1u : 0u, FT_RELAXED);
    ft_atomic_store(&armed, nth > 0 ? 1u : 0u, FT_RELAXED);
}

ft_alloc_stats ft_alloc_get_stats(void)
{
    uint64_t made = 0, freed = 0;

    for (int i = 0; i < SHARDS; i++) {
        made += ft_atomic_load(&shards[i].made, FT_RELAXED);
        freed += ft_atomic_load(&shards[i].freed, FT_RELAXED);
    }
    return (ft_alloc_stats){.allocations = made, .live_blocks = (int64_t)(made - freed)};
}

// ---- measuring ----

static ft_atomic_u32 measures;  // Relaxed: switched before the threads are started.
static FT_THREAD_LOCAL int64_t own_bytes;

void ft_alloc_measure(bool on)
{
    ft_atomic_store(&measures, on ? 1u : 0u, FT_RELAXED);
}

int64_t ft_alloc_thread_bytes(void)
{
    return own_bytes;
}

static bool is_measuring(void)
{
    return FT_UNLIKELY(ft_atomic_load(&measures, FT_RELAXED));
}

#ifdef FT_SANITIZED
static size_t raw_size(void *pointer)
{
    return malloc_usable_size(pointer);
}
static void *raw_alloc(size_t size)
{
    return malloc(size);
}
static void *raw_zero(size_t size)
{
    return calloc(1, size);
}
static void *raw_realloc(void *old, size_t size)
{
    return realloc(old, size);
}
static void raw_free(void *pointer)
{
    free(pointer);
}
static void *raw_aligned(size_t size, size_t alignment)
{
    void *block = NULL;
    return posix_memalign(&block, alignment, size) == 0 ? block : NULL;
}
#else
static size_t raw_size(void *pointer)
{
    return mi_usable_size(pointer);
}
static void *raw_alloc(size_t size)
{
    return mi_malloc(size);
}
static void *raw_zero(size_t size)
{
    return mi_zalloc(size);
}
static void *raw_realloc(void *old, size_t size)
{
    return mi_realloc(old, size);
}
static void raw_free(void *pointer)
{
    mi_free(pointer);
}
static void *raw_aligned(size_t size, size_t alignment)
{
    return mi_malloc_aligned(size, alignment);
}
#endif

#ifndef FT_SANITIZED
// mimalloc 2.1 calls them by other names.
#if MI_MALLOC_VERSION < 210
static const mi_option_t delay = mi_option_decommit_delay;
static const mi_option_t gives_back_abandoned = mi_option_abandoned_page_decommit;
#else
static const mi_option_t delay = mi_option_purge_delay;
static const mi_option_t gives_back_abandoned = mi_option_abandoned_page_purge;
#endif
static pthread_mutex_t passing_lock = PTHREAD_MUTEX_INITIALIZER;  // Of these two and of `delay`.
static long usual_delay_ms;
static bool is_passing;
#endif

void ft_alloc_outlive_threads(void)
{
#ifndef FT_SANITIZED
    mi_option_enable(gives_back_abandoned);
#if MI_MALLOC_VERSION < 210
    mi_option_set(mi_option_segment_decommit_delay, 0);
#endif
#endif
}

void ft_alloc_begin_passing(void)
{
#ifndef FT_SANITIZED
    pthread_mutex_lock(&passing_lock);
    if (!is_passing)
        usual_delay_ms = mi_option_get(delay);
    is_passing = true;
    mi_option_set(delay, 0);
    pthread_mutex_unlock(&passing_lock);
#endif
}

void ft_alloc_end_passing(void)
{
#ifndef FT_SANITIZED
    pthread_mutex_lock(&passing_lock);
    if (is_passing) {
        ft_pages_trim();
        // Not by force: that takes over what ended threads have left, and holds more each run.
        mi_collect(false);
        mi_option_set(delay, usual_delay_ms);
    }
    is_passing = false;
    pthread_mutex_unlock(&passing_lock);
#endif
}

// Size 0 takes one byte; nothing may pass PTRDIFF_MAX, as the C library has it.
static bool may_alloc(size_t *size)
{
    if (*size == 0)
        *size = 1;
    return *size <= PTRDIFF_MAX && !ft_alloc_must_fail();
}

static void *counted(void *block)
{
    if (FT_LIKELY(block != NULL)) {
        count(false);
        if (is_measuring())
            own_bytes += (int64_t)raw_size(block);
    }
    return block;
}

void *ft_alloc(size_t size_bytes)
{
    return may_alloc(&size_bytes) ? counted(raw_alloc(size_bytes)) : NULL;
}

void *ft_alloc_zero(size_t items, size_t size_bytes)
{
    size_t total;

    if (FT_MUL_OVERFLOWS(items, size_bytes, &total) || !may_alloc(&total))
        return NULL;
    return counted(raw_zero(total));
}

void *ft_alloc_array(size_t items, size_t size_bytes)
{
    size_t total;

    return FT_MUL_OVERFLOWS(items, size_bytes, &total) ? NULL : ft_alloc(total);
}

void *ft_alloc_aligned(size_t size_bytes, size_t alignment)
{
    if (alignment < ALIGNED_MIN)
        alignment = ALIGNED_MIN;
    return may_alloc(&size_bytes) ? counted(raw_aligned(size_bytes, alignment)) : NULL;
}

void *ft_alloc_raw(size_t size_bytes, size_t alignment)
{
    return raw_aligned(size_bytes, alignment);
}

void ft_free_raw(void *pointer)
{
    raw_free(pointer);
}

void *ft_realloc(void *pointer, size_t size_bytes)
{
    if (!pointer)
        return ft_alloc(size_bytes);
    if (!may_alloc(&size_bytes))
        return NULL;
    int64_t before = is_measuring() ? (int64_t)raw_size(pointer) : 0;
    void *block = raw_realloc(pointer, size_bytes);
    if (block && is_measuring())
        own_bytes += (int64_t)raw_size(block) - before;
    return block;
}

void ft_free(void *pointer)
{
    if (!pointer)
        return;
    count(true);
    if (is_measuring())
        own_bytes -= (int64_t)raw_size(pointer);
    raw_free(pointer);
}

char *ft_copy_text(const char *data, size_t size)
{
    char *copy = size < SIZE_MAX ? ft_alloc(size + 1) : NULL;

    if (!copy)
        return NULL;
    if (size > 0)
        memcpy(copy, data, size);
    copy[size] = 0;
    return copy;
}
