// Preloaded: the C library's allocations, which libraries make past runtime/memory/alloc.h, are
// numbered, and number FT_FAIL_MALLOC fails. At the end their count is written to FT_COUNT_MALLOC.
// _GNU_SOURCE for RTLD_NEXT.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Atomic(unsigned long) count;
static unsigned long failing;
static _Atomic(int) is_started;

static int fails(void)
{
    if (!atomic_load_explicit(&is_started, memory_order_relaxed) ||
        atomic_fetch_add_explicit(&count, 1, memory_order_relaxed) + 1 != failing)
        return 0;
    errno = ENOMEM;
    return 1;
}

static void find_next(const char *name, void *out_function)
{
    void *symbol = dlsym(RTLD_NEXT, name);

    memcpy(out_function, &symbol, sizeof(symbol));
}

void *malloc(size_t size)
{
    static void *(*next)(size_t);

    if (!next)
        find_next("malloc", &next);
    return fails() ? NULL : next(size);
}

void *calloc(size_t items, size_t size)
{
    static void *(*next)(size_t, size_t);

    if (!next)
        find_next("calloc", &next);
    return fails() ? NULL : next(items, size);
}

void *realloc(void *pointer, size_t size)
{
    static void *(*next)(void *, size_t);

    if (!next)
        find_next("realloc", &next);
    return fails() ? NULL : next(pointer, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    static int (*next)(void **, size_t, size_t);

    if (!next)
        find_next("posix_memalign", &next);
    return fails() ? ENOMEM : next(out, alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    static void *(*next)(size_t, size_t);

    if (!next)
        find_next("aligned_alloc", &next);
    return fails() ? NULL : next(alignment, size);
}

__attribute__((constructor)) static void start(void)
{
    const char *number = getenv("FT_FAIL_MALLOC");

    failing = number ? strtoul(number, NULL, 10) : 0;
    atomic_store_explicit(&is_started, 1, memory_order_relaxed);
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("FT_COUNT_MALLOC");
    FILE *file = path ? fopen(path, "w") : NULL;

    if (file) {
        fprintf(file, "%lu\n", atomic_load_explicit(&count, memory_order_relaxed));
        fclose(file);
    }
}
