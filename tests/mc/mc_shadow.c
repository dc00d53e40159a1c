// Memory: the target's allocator, which never gives an address twice in one execution, and the
// check of plain accesses. gcc -fsanitize=thread calls __tsan_read8 and its like before each of
// them; these are ours, not ThreadSanitizer's: they compare the vector clocks of the model.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/mc/mc_state.h"

enum {
    ARENA_BYTES = 64 << 20,
    UNIT = 16,
    GAP = 64,  // Between blocks: accesses there are beyond any block.
    BLOCKS_MAX = 8192,
    CELLS = 1 << 15,
};

typedef struct block {
    char *start;
    size_t size;
    bool is_freed;
} block;

// Who accessed the eight bytes at `at`: numbers of events, 0 for never. As long as all accesses are
// of all eight, only the first is kept.
typedef struct cell {
    uintptr_t at;
    uint32_t execution;
    bool is_split;
    uint8_t writer[8];
    uint32_t written[8];
    uint32_t read[8][THREADS];
} cell;

static char *arena;
static size_t arena_used;
static uint16_t *block_at;  // By units of the arena: 1 + index.
static block blocks[BLOCKS_MAX];
static int block_count, freed_count;
static cell *cells;
static uint32_t execution;
static int cell_count;

void mc_shadow_reset(void)
{
    if (!arena) {
        arena = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        block_at = calloc(ARENA_BYTES / UNIT, sizeof(*block_at));
        cells = calloc(CELLS, sizeof(*cells));
    }
    memset(block_at, 0, (arena_used / UNIT + 1) * sizeof(*block_at));
    arena_used = 0;
    block_count = freed_count = 0;
    cell_count = 0;
    execution++;
}

static bool in_arena(const void *at)
{
    return (const char *)at >= arena && (const char *)at < arena + ARENA_BYTES;
}

static block *find(const void *at)
{
    uint16_t number = block_at[(size_t)((const char *)at - arena) / UNIT];
    return number ? &blocks[number - 1] : NULL;
}

const char *mc_name(const void *at)
{
    static char names[4][160];
    static int turn;
    char *name = names[turn++ % 4];
    Dl_info known;

    if (in_arena(at) && find(at))
        snprintf(name, sizeof(names[0]), "block %d + %td", (int)(find(at) - blocks),
                 (const char *)at - find(at)->start);
    else if (dladdr(at, &known) && known.dli_sname)
        snprintf(name, sizeof(names[0]), "%s + %td", known.dli_sname,
                 (const char *)at - (const char *)known.dli_saddr);
    else if (dladdr(at, &known) && known.dli_fbase)
        snprintf(name, sizeof(names[0]), "target+%#tx", (const char *)at - (char *)known.dli_fbase);
    else
        snprintf(name, sizeof(names[0]), "%p", at);
    return name;
}

// NULL, or what is wrong with an access there.
static const char *fault_of(const void *at, size_t size)
{
    if ((uintptr_t)at < 65536)
        return "a null pointer is followed";
    if (!in_arena(at))
        return NULL;
    const block *b = find(at);
    if (!b || (const char *)at + size > b->start + b->size)
        return "beyond any block";
    return b->is_freed ? "used after it was freed" : NULL;
}

void mc_check_alive(const void *at, size_t size, const char *what)
{
    const char *fault = fault_of(at, size);

    if (fault)
        mc_fail("%s: %s: %s", what, mc_name(at), fault);
}

// ---- races ----

// NULL: there is none, and none is wanted.
static cell *cell_at(uintptr_t at, bool makes)
{
    size_t index = (at >> 3) * UINT64_C(0x9e3779b97f4a7c15) >> 49;

    for (;; index = (index + 1) % CELLS) {
        cell *c = &cells[index];
        if (c->execution != execution) {
            if (!makes)
                return NULL;
            if (++cell_count > CELLS * 3 / 4)
                mc_fail("more than %d places are accessed", CELLS * 3 / 4);
            memset(c, 0, sizeof(*c));
            c->execution = execution;
            c->at = at;
            return c;
        }
        if (c->at == at)
            return c;
    }
}

static void race(const void *at, int other, const void *pc, bool is_write)
{
    mc_fail("data race on %s: %s by thread %c at %s, not ordered with %c's access before it",
            mc_name(at), is_write ? "written" : "read", 'a' + mc->self, mc_name(pc), 'a' + other);
}

static void check_byte(cell *c, int byte, bool is_write, const void *pc)
{
    const vclock *clock = &mc->threads[mc->self].clock;
    const void *at = (const void *)(c->at + (uintptr_t)byte);
    uint32_t now = clock->at[mc->self] + 1;

    if (c->written[byte] > clock->at[c->writer[byte]] && c->writer[byte] != mc->self)
        race(at, c->writer[byte], pc, is_write);
    for (int i = 0; i < THREADS && is_write; i++)
        if (i != mc->self && c->read[byte][i] > clock->at[i])
            race(at, i, pc, is_write);
    if (is_write) {
        c->writer[byte] = (uint8_t)mc->self;
        c->written[byte] = now;
    } else {
        c->read[byte][mc->self] = now;
    }
}

static void split(cell *c)
{
    for (int i = 1; i < 8 && !c->is_split; i++) {
        c->writer[i] = c->writer[0];
        c->written[i] = c->written[0];
        memcpy(c->read[i], c->read[0], sizeof(c->read[0]));
    }
    c->is_split = true;
}

static void access_plain(const void *pointer, size_t size, bool is_write, const void *pc)
{
    uintptr_t at = (uintptr_t)pointer;

    if ((const char *)pointer >= mc_image.tls &&
        (const char *)pointer < mc_image.tls + mc_image.tls_size)
        return;
    if (!mc->target)
        return;
    if (fault_of(pointer, size))
        mc_check_alive(pointer, size, mc_name(pc));
    for (size_t i = 0; i < size;) {
        cell *c = cell_at((at + i) & ~(uintptr_t)7, true);
        if (c->at == at + i && size - i >= 8 && !c->is_split) {
            check_byte(c, 0, is_write, pc);
            i += 8;
            continue;
        }
        split(c);
        for (; i < size && ((at + i) & ~(uintptr_t)7) == c->at; i++)
            check_byte(c, (int)((at + i) & 7), is_write, pc);
    }
}

// An atomic access conflicts with plain writes and with the end of the memory, like a read.
void mc_note_atomic(const void *at, size_t size)
{
    cell *c = cell_at((uintptr_t)at & ~(uintptr_t)7, true);
    uint32_t now = mc->threads[mc->self].clock.at[mc->self];

    if (size < 8)
        split(c);
    for (size_t i = 0; i < (c->is_split ? size : 1); i++)
        c->read[((uintptr_t)at + i) & 7][mc->self] = now;
}

// ---- what gcc -fsanitize=thread calls ----

#define PC __builtin_return_address(0)
#define ACCESS(size)                             \
    void __tsan_read##size(void *at);            \
    void __tsan_write##size(void *at);           \
    void __tsan_unaligned_read##size(void *at);  \
    void __tsan_unaligned_write##size(void *at); \
    void __tsan_read##size(void *at)             \
    {                                            \
        access_plain(at, size, false, PC);       \
    }                                            \
    void __tsan_write##size(void *at)            \
    {                                            \
        access_plain(at, size, true, PC);        \
    }                                            \
    void __tsan_unaligned_read##size(void *at)   \
    {                                            \
        access_plain(at, size, false, PC);       \
    }                                            \
    void __tsan_unaligned_write##size(void *at)  \
    {                                            \
        access_plain(at, size, true, PC);        \
    }
ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)

void __tsan_read_range(void *at, size_t size);
void __tsan_write_range(void *at, size_t size);
void __tsan_init(void);
void __tsan_func_entry(void *pc);
void __tsan_func_exit(void);
void *mc_copy(void *to, const void *from, size_t size);
void *mc_fill(void *at, int byte, size_t size);

void __tsan_read_range(void *at, size_t size)
{
    access_plain(at, size, false, PC);
}

void __tsan_write_range(void *at, size_t size)
{
    access_plain(at, size, true, PC);
}

void __tsan_init(void)
{
}

void __tsan_func_entry(void *pc)
{
    (void)pc;
}

void __tsan_func_exit(void)
{
}

void *mc_copy(void *to, const void *from, size_t size)
{
    access_plain(from, size, false, PC);
    access_plain(to, size, true, PC);
    return memmove(to, from, size);
}

void *mc_fill(void *at, int byte, size_t size)
{
    access_plain(at, size, true, PC);
    return memset(at, byte, size);
}

// ---- runtime/memory/alloc.h and pages.h ----

static void *make(size_t size, int fill)
{
    size_t room = (size + GAP + UNIT - 1) / UNIT * UNIT + GAP;

    if (block_count == BLOCKS_MAX || arena_used + room > ARENA_BYTES)
        mc_fail("the target allocates too much");
    // Aligned to 128, as cells of counters are.
    arena_used = (arena_used + GAP + 127) / 128 * 128;
    char *start = arena + arena_used;
    arena_used += (size + UNIT - 1) / UNIT * UNIT;
    blocks[block_count++] = (block){.start = start, .size = size ? size : 1};
    for (size_t i = 0; i < (size + UNIT - 1) / UNIT; i++)
        block_at[(size_t)(start - arena) / UNIT + i] = (uint16_t)block_count;
    memset(start, fill, size);
    return start;
}

// What is freed must not be in use by anybody, at any moment that the model allows.
static void release(void *pointer, const void *pc)
{
    if (!pointer)
        return;
    if (fault_of(pointer, 1))
        mc_check_alive(pointer, 1, mc_name(pc));
    block *b = find(pointer);
    if (b->start != pointer)
        mc_fail("%s: freed in the middle", mc_name(pc));
    for (uintptr_t at = (uintptr_t)b->start; at < (uintptr_t)b->start + b->size; at += 8) {
        cell *c = cell_at(at, false);
        for (int i = 0; c && i < (c->is_split ? 8 : 1); i++)
            check_byte(c, i, true, pc);
    }
    b->is_freed = true;
    freed_count++;
}

int mc_live_blocks(void)
{
    return block_count - freed_count;
}

void *ft_alloc(size_t size);
void *ft_alloc_zero(size_t count, size_t size);
void *ft_alloc_array(size_t count, size_t size);
void *ft_alloc_aligned(size_t size, size_t alignment);
void *ft_alloc_raw(size_t size, size_t alignment);
void *ft_realloc(void *old, size_t size);
void ft_free(void *pointer);
void ft_free_raw(void *pointer);
bool ft_alloc_must_fail(void);
void ft_alloc_count(bool is_free);

void *ft_alloc(size_t size)
{
    return make(size, 0xA5);
}

void *ft_alloc_zero(size_t count, size_t size)
{
    return make(count * size, 0);
}

void *ft_alloc_array(size_t count, size_t size)
{
    return make(count * size, 0xA5);
}

void *ft_alloc_aligned(size_t size, size_t alignment)
{
    return alignment > 128 ? NULL : make(size, 0xA5);
}

void *ft_alloc_raw(size_t size, size_t alignment)
{
    return ft_alloc_aligned(size, alignment);
}

void *ft_realloc(void *old, size_t size)
{
    void *made = make(size, 0xA5);

    if (old) {
        size_t before = find(old)->size;
        mc_copy(made, old, before < size ? before : size);
        release(old, PC);
    }
    return made;
}

void ft_free(void *pointer)
{
    release(pointer, PC);
}

void ft_free_raw(void *pointer)
{
    release(pointer, PC);
}

bool ft_alloc_must_fail(void)
{
    return false;
}

void ft_alloc_count(bool is_free)
{
    (void)is_free;
}
