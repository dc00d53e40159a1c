// mmap, mremap and munmap behind a small cache. mremap needs _GNU_SOURCE: it moves page tables
// instead of copying, which is what makes a growing builder cheap.
#define _GNU_SOURCE
#include "runtime/memory/pages.h"

#include <string.h>
#include <sys/mman.h>

#include "runtime/concurrent/lock.h"
#include "runtime/memory/alloc.h"

enum {
    PAGE_BYTES = 4096,
    CACHE_BLOCKS = 16,
    CACHE_BYTES = 8 * 1024 * 1024,
    // From here on the kernel is asked for huge pages: a first touch costs a fifth. They lie within
    // the block, so that no more becomes resident than was asked for.
    HUGE_BYTES = 4 * 1024 * 1024,
};

bool ft_pages_round(size_t *size_bytes)
{
    size_t with_page;

    if (FT_ADD_OVERFLOWS(*size_bytes, (size_t)PAGE_BYTES - 1, &with_page))
        return false;
    *size_bytes = with_page / PAGE_BYTES * PAGE_BYTES;
    return true;
}

#ifdef FT_SANITIZED

void *ft_pages_create(size_t size_bytes)
{
    return ft_alloc_aligned(size_bytes, PAGE_BYTES);
}

void ft_pages_destroy(void *pages, size_t size_bytes)
{
    (void)size_bytes;
    ft_free(pages);
}

void *ft_pages_resize(void *pages, size_t old_bytes, size_t new_bytes)
{
    void *moved = ft_pages_create(new_bytes);

    if (!moved)
        return NULL;
    memcpy(moved, pages, old_bytes < new_bytes ? old_bytes : new_bytes);
    ft_free(pages);
    return moved;
}

#else

typedef struct {
    void *pages;
    size_t size_bytes;
} block;

static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;  // Guards the three below.
static block cache[CACHE_BLOCKS];
static size_t cache_count;
static size_t cache_bytes;

static void *cache_take(size_t size_bytes)
{
    void *found = NULL;

    pthread_mutex_lock(&cache_lock);
    for (size_t i = cache_count; i > 0 && !found; i--) {
        if (cache[i - 1].size_bytes != size_bytes)
            continue;
        found = cache[i - 1].pages;
        cache[i - 1] = cache[--cache_count];
        cache_bytes -= size_bytes;
    }
    pthread_mutex_unlock(&cache_lock);
    return found;
}

// Keeps the block if it may; the oldest ones make room for it.
static bool cache_keep(void *pages, size_t size_bytes)
{
    block evicted[CACHE_BLOCKS];
    size_t evicted_count = 0;

    if (size_bytes > CACHE_BYTES / 4)
        return false;
    pthread_mutex_lock(&cache_lock);
    while (cache_count == CACHE_BLOCKS ||
           (cache_count > 0 && cache_bytes + size_bytes > CACHE_BYTES)) {
        evicted[evicted_count++] = cache[0];
        cache_bytes -= cache[0].size_bytes;
        cache_count--;
        memmove(cache, cache + 1, cache_count * sizeof(cache[0]));
    }
    cache[cache_count++] = (block){pages, size_bytes};
    cache_bytes += size_bytes;
    pthread_mutex_unlock(&cache_lock);
    for (size_t i = 0; i < evicted_count; i++)
        munmap(evicted[i].pages, evicted[i].size_bytes);
    return true;
}

void *ft_pages_create(size_t size_bytes)
{
    if (ft_alloc_must_fail())
        return NULL;
    void *pages = cache_take(size_bytes);
    if (!pages) {
        // Small blocks are about to be filled: getting their pages at once costs a fraction of a
        // fault for each.
        int populate = size_bytes < HUGE_BYTES ? MAP_POPULATE : 0;
        pages = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | populate, -1, 0);
        if (pages == MAP_FAILED)
            return NULL;
        if (size_bytes >= HUGE_BYTES)
            madvise(pages, size_bytes, MADV_HUGEPAGE);
    }
    ft_alloc_count(false);
    return pages;
}

void ft_pages_destroy(void *pages, size_t size_bytes)
{
    ft_alloc_count(true);
    if (!cache_keep(pages, size_bytes))
        munmap(pages, size_bytes);
}

void *ft_pages_resize(void *pages, size_t old_bytes, size_t new_bytes)
{
    if (ft_alloc_must_fail())
        return NULL;
    void *moved = mremap(pages, old_bytes, new_bytes, MREMAP_MAYMOVE);
    if (moved == MAP_FAILED)
        return NULL;
    if (new_bytes >= HUGE_BYTES)
        madvise(moved, new_bytes, MADV_HUGEPAGE);
    return moved;
}

#endif
