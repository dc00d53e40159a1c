// The only door to memory: counted, limited, and made to fail on demand.
//
// Backed by mimalloc; by libc's malloc in sanitizer builds. Every function may be called from any
// thread. `FT_KIND` says what memory is for, so that `ftpipe run -v` can print where it went.
#pragma once

#include "runtime/compiler.h"

// All return NULL when there is no memory, when the limit is reached or when a failure was asked
// for. Size 0 gives a pointer that may be freed.
FT_API void *ft_alloc(size_t size_bytes) FT_MUST_CHECK;
FT_API void *ft_alloc_zero(size_t count, size_t size_bytes) FT_MUST_CHECK;  // Checks the product.
FT_API void *ft_alloc_array(size_t count,
                            size_t size_bytes) FT_MUST_CHECK;  // Not cleared; checks the product.
FT_API void *ft_alloc_aligned(size_t size_bytes, size_t alignment) FT_MUST_CHECK;
FT_API void *ft_realloc(void *pointer, size_t size_bytes)
    FT_MUST_CHECK;                   // On failure the old block stays. Not for aligned ones.
FT_API void ft_free(void *pointer);  // NULL is fine; any of the above.
FT_API char *ft_copy_text(const char *data, size_t size) FT_MUST_CHECK;  // NUL-terminated copy.

// Around what needs much memory for a short time, or frees much of it: pages go back to the system
// as soon as they are free. Else the allocator keeps them for some milliseconds, and gives them
// back when the same thread next allocates: never, when it sleeps from then on. The end gives back
// the large blocks kept, too. From any thread; an end without a beginning does nothing, nor does a
// second beginning: where runs overlap, the first end counts for all.
void ft_alloc_begin_passing(void);
void ft_alloc_end_passing(void);

// From now on what a thread leaves behind when it ends, and segments (32 MiB and larger ones) that
// are free as a whole, go back at once: nobody comes by again for what would be given back later.
void ft_alloc_outlive_threads(void);

typedef struct ft_alloc_stats {
    uint64_t allocations;  // Since the start, successful ones.
    int64_t live_blocks;   // Allocated and not freed: 0 at the end of a clean run.
} ft_alloc_stats;
ft_alloc_stats ft_alloc_get_stats(void);

// While measuring is on: bytes that the calling thread has taken, less those it has given back
// (wherever they came from). For what a stage keeps for itself: the difference around a call.
void ft_alloc_measure(bool on);
int64_t ft_alloc_thread_bytes(void);

// Test seam. The `nth` allocation from now on (1 = the next) fails once; with `sticky`, all after
// it too. 0 switches off.
void ft_alloc_fail_at(uint64_t nth, bool sticky);
