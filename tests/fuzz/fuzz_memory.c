// Large blocks are kept for the next input: mapping them anew, as the sanitizer's allocator does,
// would take most of the time of a small tokenizer. What is behind a block, or is freed, is
// poisoned as elsewhere.
#define _DEFAULT_SOURCE  // MAP_ANONYMOUS
#include <sanitizer/asan_interface.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/memory/alloc.h"
#include "tests/fuzz/fuzz.h"

enum { SLOTS = 8, SLOT_BYTES = 1 << 21, LARGE = 1 << 17 };

static char *slots;  // [SLOTS * SLOT_BYTES]
static bool is_taken[SLOTS];
static size_t sizes[SLOTS];

void *__real_ft_alloc(size_t size_bytes);
void *__wrap_ft_alloc(size_t size_bytes);
void __real_ft_free(void *block);
void __wrap_ft_free(void *block);
void *__real_ft_realloc(void *block, size_t size_bytes);
void *__wrap_ft_realloc(void *block, size_t size_bytes);

static bool open_slots(void)
{
    if (slots)
        return true;
    void *mapped = mmap(NULL, (size_t)SLOTS * SLOT_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED)
        return false;
    slots = mapped;
    ASAN_POISON_MEMORY_REGION(slots, (size_t)SLOTS * SLOT_BYTES);
    return true;
}

void *__wrap_ft_alloc(size_t size_bytes)
{
    // The last 16 bytes stay poisoned.
    if (size_bytes < LARGE || size_bytes > SLOT_BYTES - 16 || !open_slots())
        return __real_ft_alloc(size_bytes);
    for (size_t i = 0; i < SLOTS; i++) {
        if (is_taken[i])
            continue;
        is_taken[i] = true;
        sizes[i] = size_bytes;
        ASAN_UNPOISON_MEMORY_REGION(slots + i * SLOT_BYTES, size_bytes);
        return slots + i * SLOT_BYTES;
    }
    return __real_ft_alloc(size_bytes);
}

static bool is_slot(const void *block)
{
    const char *at = block;

    return slots && at >= slots && at < slots + (size_t)SLOTS * SLOT_BYTES;
}

void __wrap_ft_free(void *block)
{
    if (!is_slot(block)) {
        __real_ft_free(block);
        return;
    }
    size_t at = (size_t)((char *)block - slots);
    FUZZ_CHECK(at % SLOT_BYTES == 0 && is_taken[at / SLOT_BYTES]);
    is_taken[at / SLOT_BYTES] = false;
    ASAN_POISON_MEMORY_REGION(block, SLOT_BYTES);
}

void *__wrap_ft_realloc(void *block, size_t size_bytes)
{
    if (!is_slot(block))
        return __real_ft_realloc(block, size_bytes);
    size_t size = sizes[(size_t)((char *)block - slots) / SLOT_BYTES];
    void *moved = __wrap_ft_alloc(size_bytes);
    if (!moved)
        return NULL;
    memcpy(moved, block, size < size_bytes ? size : size_bytes);
    __wrap_ft_free(block);
    return moved;
}
