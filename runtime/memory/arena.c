// A bump allocator over a list of blocks, each twice the last up to 1 MiB; what does not fit a
// fresh block gets one of its own. The arena's own struct lives on the heap, so that an empty arena
// costs one small block.
#include "runtime/memory/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/memory/alloc.h"
#include "runtime/memory/pages.h"

enum {
    FIRST_BLOCK = 4096,
    FIRST_PAGES = 65536,  // Of an immortal arena.
    LAST_BLOCK = 1024 * 1024,
    ALIGNMENT = 16,
    ALIGNMENT_MAX = 4096
};

// What has not been handed out is poisoned under AddressSanitizer, and so is a gap behind each
// object, so that a read behind one is seen there too.
#if defined(__SANITIZE_ADDRESS__)
#define FT_ARENA_GUARDED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FT_ARENA_GUARDED 1
#endif
#endif
#ifdef FT_ARENA_GUARDED
#include <sanitizer/asan_interface.h>
enum { GAP = 16 };
#else
#define ASAN_POISON_MEMORY_REGION(start, size) ((void)(start), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(start, size) ((void)(start), (void)(size))
enum { GAP = 0 };
#endif

typedef struct block {
    struct block *next;
    size_t size_bytes;  // With this header.
} block;

typedef struct deferred {
    struct deferred *next;
    void (*finish)(void *object);
    void *object;
} deferred;

struct ft_arena {
    block *blocks;  // Newest first; `at` and `end` lie in the newest that is not an object's own.
    char *at, *end;
    size_t next_block, size_bytes;
    deferred *deferred;
    bool in_pages, is_protected;
};

ft_arena *ft_arena_create(void)
{
    ft_arena *arena = ft_alloc_zero(1, sizeof(*arena));

    if (arena)
        arena->next_block = FIRST_BLOCK;
    return arena;
}

ft_arena *ft_arena_create_immortal(void)
{
    ft_arena *arena = ft_arena_create();

    if (arena) {
        arena->next_block = FIRST_PAGES;
        arena->in_pages = true;
    }
    return arena;
}

// False when the kernel refuses for some block, for want of mappings or of memory.
static bool set_access(ft_arena *arena, int access)
{
    bool ok = true;

    for (block *b = arena->blocks, *next; b; b = next) {
        next = b->next;
        ok = mprotect(b, b->size_bytes, access) == 0 && ok;
    }
    return ok;
}

void ft_arena_protect(ft_arena *arena, bool read_only)
{
    FT_ASSERT(arena->in_pages);
    if (arena->is_protected == read_only)
        return;
    arena->is_protected = read_only;
    if (read_only)
        ft_ignore(set_access(arena, PROT_READ));  // Else there is a guard less.
    else
        FT_ASSERT(set_access(arena, PROT_READ | PROT_WRITE));
}

void ft_arena_destroy(ft_arena *arena)
{
    if (!arena)
        return;
    // Where memory is not overcommitted, a page that is to be writable again may find none left.
    bool writable = !arena->is_protected || set_access(arena, PROT_READ | PROT_WRITE);
    for (deferred *d = arena->deferred; d; d = d->next)
        d->finish(d->object);
    for (block *b = arena->blocks, *next; b; b = next) {
        next = b->next;
        ASAN_UNPOISON_MEMORY_REGION(b, b->size_bytes);
        if (arena->in_pages && !writable)
            ft_pages_discard(b, b->size_bytes);
        else if (arena->in_pages)
            ft_pages_destroy(b, b->size_bytes);
        else
            ft_free(b);
    }
    ft_free(arena);
}

static char *align_up(char *at, size_t alignment)
{
    size_t past = (uintptr_t)at & (alignment - 1);
    return past ? at + (alignment - past) : at;
}

static block *add_block(ft_arena *arena, size_t size_bytes)
{
    block *added = NULL;

    FT_ASSERT(!arena->is_protected);
    if (!arena->in_pages)
        added = ft_alloc(size_bytes);
    else if (ft_pages_round(&size_bytes))
        added = ft_pages_create(size_bytes);
    if (!added)
        return NULL;
    *added = (block){arena->blocks, size_bytes};
    ASAN_POISON_MEMORY_REGION(added + 1, size_bytes - sizeof(*added));
    arena->blocks = added;
    arena->size_bytes += size_bytes;
    return added;
}

static void *hand_out(char *start, size_t size_bytes)
{
    ASAN_UNPOISON_MEMORY_REGION(start, size_bytes);
    return start;
}

static void *alloc_in_new_block(ft_arena *arena, size_t size_bytes, size_t alignment)
{
    size_t needed;

    if (FT_ADD_OVERFLOWS(size_bytes, sizeof(block) + alignment + GAP, &needed))
        return NULL;
    if (needed > arena->next_block / 2) {
        block *own = add_block(arena, needed);
        return own ? hand_out(align_up((char *)(own + 1), alignment), size_bytes) : NULL;
    }
    block *added = add_block(arena, arena->next_block);
    if (!added)
        return NULL;
    arena->end = (char *)added + arena->next_block;
    if (arena->next_block < LAST_BLOCK)
        arena->next_block *= 2;
    char *start = align_up((char *)(added + 1), alignment);
    arena->at = start + size_bytes + GAP;
    return hand_out(start, size_bytes);
}

void *ft_arena_aligned(ft_arena *arena, size_t size_bytes, size_t alignment)
{
    FT_ASSERT(alignment <= ALIGNMENT_MAX && (alignment & (alignment - 1)) == 0);
    if (alignment < ALIGNMENT)
        alignment = ALIGNMENT;
    if (arena->at) {
        size_t past = (uintptr_t)arena->at & (alignment - 1);
        size_t padding = past ? alignment - past : 0;
        size_t room = (size_t)(arena->end - arena->at);
        if (padding + GAP <= room && size_bytes <= room - padding - GAP) {
            char *start = arena->at + padding;
            arena->at = start + size_bytes + GAP;
            return hand_out(start, size_bytes);
        }
    }
    return alloc_in_new_block(arena, size_bytes, alignment);
}

void *ft_arena_alloc(ft_arena *arena, size_t size_bytes)
{
    return ft_arena_aligned(arena, size_bytes, ALIGNMENT);
}

void *ft_arena_zero(ft_arena *arena, size_t count, size_t size_bytes)
{
    size_t total;

    if (FT_MUL_OVERFLOWS(count, size_bytes, &total))
        return NULL;
    void *object = ft_arena_alloc(arena, total);
    if (object)
        memset(object, 0, total);
    return object;
}

char *ft_arena_text(ft_arena *arena, ft_slice text)
{
    char *copy = text.size < SIZE_MAX ? ft_arena_aligned(arena, text.size + 1, 1) : NULL;

    if (!copy)
        return NULL;
    if (text.size > 0)
        memcpy(copy, text.data, text.size);
    copy[text.size] = 0;
    return copy;
}

char *ft_arena_format(ft_arena *arena, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (size < 0)
        return NULL;
    char *text = ft_arena_alloc(arena, (size_t)size + 1);
    if (!text)
        return NULL;
    va_start(args, format);
    vsnprintf(text, (size_t)size + 1, format, args);
    va_end(args);
    return text;
}

bool ft_arena_defer(ft_arena *arena, void (*finish)(void *object), void *object)
{
    deferred *added = ft_arena_alloc(arena, sizeof(*added));

    if (!added)
        return false;
    *added = (deferred){arena->deferred, finish, object};
    arena->deferred = added;
    return true;
}

size_t ft_arena_size_bytes(const ft_arena *arena)
{
    return arena->size_bytes;
}
