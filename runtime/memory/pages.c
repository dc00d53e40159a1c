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
    CACHE_BYTES_MAX = 40 * 1024 * 1024,
    // What is in use and what is kept together are at most this, or a sixteenth if that is more,
    // beyond what was in use lately: a stream of large tensors then goes round in a few blocks,
    // instead of being mapped, cleared and unmapped each time.
    CACHE_BYTES = 5 * 1024 * 1024,
    CACHE_PEAK_SHARE = 16,
    CACHE_PEAK_FADES = 1024,  // Each block freed takes so small a part off an old peak.
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

void *ft_pages_zero(size_t size_bytes)
{
    void *pages = ft_pages_create(size_bytes);

    if (pages)
        memset(pages, 0, size_bytes);
    return pages;
}

void ft_pages_destroy(void *pages, size_t size_bytes)
{
    (void)size_bytes;
    ft_free(pages);
}

void ft_pages_discard(void *pages, size_t size_bytes)
{
    ft_pages_destroy(pages, size_bytes);
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

void ft_pages_trim(void)
{
}

#else

typedef struct {
    void *pages;
    size_t size_bytes;
} block;

// Guards the five below. Adaptive: it is held for some tens of instructions, so who finds it taken
// tries again before it sleeps.
static pthread_mutex_t cache_lock = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
static block cache[CACHE_BLOCKS];
static size_t cache_count;
static size_t cache_bytes;
static size_t live_bytes;  // Blocks in use.
static size_t peak_bytes;  // The most of them lately.

// Under the lock.
static void add_live(size_t more, size_t less)
{
    live_bytes = live_bytes + more - less;
    if (live_bytes > peak_bytes)
        peak_bytes = live_bytes;
    else if (less > 0)
        peak_bytes -= (peak_bytes - live_bytes) / CACHE_PEAK_FADES;
}

// Under the lock: how much may be kept.
static size_t cache_most(void)
{
    const size_t share = peak_bytes / CACHE_PEAK_SHARE;
    const size_t most = peak_bytes + (share > CACHE_BYTES ? share : CACHE_BYTES) - live_bytes;

    return most < CACHE_BYTES_MAX ? most : CACHE_BYTES_MAX;
}

// Blocks that were kept, and are not any more: unmapped without the lock.
typedef struct {
    block blocks[CACHE_BLOCKS];
    size_t count;
} evicted;

// Under the lock. The oldest go until another of `more` bytes may be kept.
static void cache_evict(size_t more, size_t most, evicted *out)
{
    while (cache_count > 0 &&
           (cache_bytes + more > most || (more > 0 && cache_count == CACHE_BLOCKS))) {
        out->blocks[out->count++] = cache[0];
        cache_bytes -= cache[0].size_bytes;
        cache_count--;
        memmove(cache, cache + 1, cache_count * sizeof(cache[0]));
    }
}

static void unmap(const evicted *blocks)
{
    for (size_t i = 0; i < blocks->count; i++)
        munmap(blocks->blocks[i].pages, blocks->blocks[i].size_bytes);
}

static void *cache_take(size_t size_bytes)
{
    evicted gone = {.count = 0};
    void *found = NULL;

    pthread_mutex_lock(&cache_lock);
    for (size_t i = cache_count; i > 0 && !found; i--) {
        if (cache[i - 1].size_bytes != size_bytes)
            continue;
        found = cache[i - 1].pages;
        cache[i - 1] = cache[--cache_count];
        cache_bytes -= size_bytes;
    }
    add_live(size_bytes, 0);
    cache_evict(0, cache_most(), &gone);
    pthread_mutex_unlock(&cache_lock);
    unmap(&gone);
    return found;
}

// Keeps the block if it may; the oldest ones make room for it.
static bool cache_keep(void *pages, size_t size_bytes)
{
    evicted gone = {.count = 0};

    pthread_mutex_lock(&cache_lock);
    add_live(0, size_bytes);
    const size_t most = cache_most();
    const bool fits = size_bytes <= most;
    cache_evict(fits ? size_bytes : 0, most, &gone);
    if (fits) {
        cache[cache_count++] = (block){pages, size_bytes};
        cache_bytes += size_bytes;
    }
    pthread_mutex_unlock(&cache_lock);
    unmap(&gone);
    return fits;
}

// What is kept makes room for what grows.
static void note_live(size_t more, size_t less)
{
    evicted gone = {.count = 0};

    pthread_mutex_lock(&cache_lock);
    add_live(more, less);
    cache_evict(0, cache_most(), &gone);
    pthread_mutex_unlock(&cache_lock);
    unmap(&gone);
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
        if (pages == MAP_FAILED) {
            note_live(0, size_bytes);
            return NULL;
        }
        if (size_bytes >= HUGE_BYTES)
            madvise(pages, size_bytes, MADV_HUGEPAGE);
    }
    ft_alloc_count(false);
    return pages;
}

void *ft_pages_zero(size_t size_bytes)
{
    if (ft_alloc_must_fail())
        return NULL;
    void *pages =
        mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return NULL;
    note_live(size_bytes, 0);
    ft_alloc_count(false);
    return pages;
}

void ft_pages_destroy(void *pages, size_t size_bytes)
{
    ft_alloc_count(true);
    if (!cache_keep(pages, size_bytes))
        munmap(pages, size_bytes);
}

void ft_pages_discard(void *pages, size_t size_bytes)
{
    ft_alloc_count(true);
    note_live(0, size_bytes);
    munmap(pages, size_bytes);
}

void ft_pages_trim(void)
{
    block kept[CACHE_BLOCKS];

    pthread_mutex_lock(&cache_lock);
    size_t count = cache_count;
    memcpy(kept, cache, sizeof(kept));
    cache_count = cache_bytes = 0;
    peak_bytes = live_bytes;
    pthread_mutex_unlock(&cache_lock);
    for (size_t i = 0; i < count; i++)
        munmap(kept[i].pages, kept[i].size_bytes);
}

void *ft_pages_resize(void *pages, size_t old_bytes, size_t new_bytes)
{
    if (ft_alloc_must_fail())
        return NULL;
    void *moved = mremap(pages, old_bytes, new_bytes, MREMAP_MAYMOVE);
    if (moved == MAP_FAILED)
        return NULL;
    note_live(new_bytes, old_bytes);
    if (new_bytes >= HUGE_BYTES)
        madvise(moved, new_bytes, MADV_HUGEPAGE);
    return moved;
}

#endif
