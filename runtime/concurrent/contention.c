// A table of 128 entries that only grows: a pair of names gets its place by compare-and-swap on the
// way of linear probing, and its figures are atomic sums. When it is full, what has no place is
// counted under the last entry that was found. Contention is what it must not add to, and it does
// not: entries are touched only by those who have waited already.
#include "runtime/concurrent/contention.h"

#include <string.h>

enum { ENTRIES = 128 };

typedef struct {
    ft_atomic_pointer lock;    // Set first; NULL: free.
    ft_atomic_pointer holder;  // Set right behind it; a reader in between sees "no stage".
    ft_atomic_u32 is_ready;
    ft_atomic_u64 waits, wait_ns, max_wait_ns, hold_ns, timed;
} entry;

static entry entries[ENTRIES];
static ft_atomic_u32 is_on;

void ft_contention_start(void)
{
    memset(entries, 0, sizeof(entries));
    ft_atomic_store(&is_on, 1, FT_RELAXED);  // Relaxed: before the threads are started.
}

void ft_contention_stop(void)
{
    ft_atomic_store(&is_on, 0, FT_RELAXED);
}

bool ft_contention_is_on(void)
{
    return ft_atomic_load(&is_on, FT_RELAXED);  // Relaxed: a little late does not matter.
}

static bool is_entry(entry *e, const char *lock, const char *holder)
{
    // Acquire pairs with the release in find: the names are there.
    while (!ft_atomic_load(&e->is_ready, FT_ACQUIRE))
        FT_PAUSE();
    return ft_atomic_load(&e->lock, FT_RELAXED) == lock &&
           ft_atomic_load(&e->holder, FT_RELAXED) == holder;
}

static void *unconst(const char *text)
{
    return (void *)(uintptr_t)text;
}

static entry *find(const char *lock, const char *holder)
{
    size_t at = ((uintptr_t)lock / 8 * 31 + (uintptr_t)holder / 8) % ENTRIES;
    entry *e = NULL;

    for (size_t i = 0; i < ENTRIES; i++) {
        void *none = NULL;
        e = &entries[(at + i) % ENTRIES];
        if (ft_atomic_cas(&e->lock, &none, unconst(lock), FT_RELAXED)) {
            ft_atomic_store(&e->holder, unconst(holder), FT_RELAXED);
            ft_atomic_store(&e->is_ready, 1, FT_RELEASE);  // Pairs with the acquire in is_entry.
            return e;
        }
        if (is_entry(e, lock, holder))
            return e;
    }
    return e;
}

void ft_contention_note_wait(const char *lock, const char *holder, int64_t wait_ns)
{
    uint64_t ns = wait_ns > 0 ? (uint64_t)wait_ns : 0;
    entry *e = find(lock, holder);
    uint64_t most = ft_atomic_load(&e->max_wait_ns, FT_RELAXED);  // Relaxed: statistics.

    ft_atomic_add(&e->waits, 1, FT_RELAXED);
    ft_atomic_add(&e->wait_ns, ns, FT_RELAXED);
    while (ns > most && !ft_atomic_cas_weak(&e->max_wait_ns, &most, ns, FT_RELAXED)) {
    }
}

void ft_contention_note_hold(const char *lock, const char *holder, int64_t hold_ns, int times)
{
    if (hold_ns <= 0)
        return;
    entry *e = find(lock, holder);
    ft_atomic_add(&e->hold_ns, (uint64_t)hold_ns * (uint64_t)times, FT_RELAXED);
    ft_atomic_add(&e->timed, 1, FT_RELAXED);
}

size_t ft_contention_get(ft_contention *out, size_t room)
{
    size_t count = 0;

    for (size_t i = 0; i < ENTRIES; i++) {
        const entry *e = &entries[i];
        ft_contention found = {.lock = ft_atomic_load(&e->lock, FT_RELAXED)};
        if (!found.lock || !ft_atomic_load(&e->is_ready, FT_ACQUIRE))
            continue;
        found.holder = ft_atomic_load(&e->holder, FT_RELAXED);
        found.waits = ft_atomic_load(&e->waits, FT_RELAXED);
        found.wait_ns = ft_atomic_load(&e->wait_ns, FT_RELAXED);
        found.max_wait_ns = ft_atomic_load(&e->max_wait_ns, FT_RELAXED);
        found.hold_ns = ft_atomic_load(&e->hold_ns, FT_RELAXED);
        found.timed = ft_atomic_load(&e->timed, FT_RELAXED);
        size_t at = count < room ? count++ : room;
        for (; at > 0 && out[at - 1].wait_ns < found.wait_ns; at--)
            if (at < room)
                out[at] = out[at - 1];
        if (at < room)
            out[at] = found;
    }
    return count;
}
