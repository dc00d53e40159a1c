// Epoch-based reclamation: memory that readers may still look at is freed when they cannot any
// more.
//
// A reader announces the global epoch when it enters a section and takes that back when it leaves;
// it writes nothing else. Whoever unlinks something retires it with the epoch of that moment. The
// epoch advances when every reader that is in a section has announced the current one, so two
// advances later nobody can hold what was retired: it is destroyed, by its lease, between turns.
//
// Entering is asymmetric: a plain store for the reader, and the reclaimer pays with
// membarrier(PRIVATE_EXPEDITED), at most once a millisecond. Where the kernel refuses it (seccomp),
// and under ThreadSanitizer and the model checker, entering is one locked exchange.
// (Fraser 2004; liburcu; ck_epoch; crossbeam-epoch.)
//
// What is unreclaimed is bounded by bytes, not by items: at FT_EPOCH_BYTES a lease pushes the epoch
// on. A section never blocks and never calls a stage or a script, so an endless stage holds nothing
// back.
#pragma once

#include "runtime/system/lease.h"

enum { FT_EPOCH_BYTES = 1 << 20 };

// A section. They nest. Inside: no waiting, no ft_retire, no ft_epoch_wait, no code of others.
static inline void ft_read_begin(void);
static inline void ft_read_end(void);

// `destroy(pointer)` runs when no reader can have the pointer any more: on this thread between two
// turns, or on another when this lease is retired. Call it behind the store that unlinked it.
// `size_bytes`: what that frees. Never fails: without memory to note it down it waits and destroys
// at once.
void ft_retire(void *pointer, void (*destroy)(void *pointer), size_t size_bytes);
// Waits until every section that is open now has ended.
void ft_epoch_wait(void);
// The same without waiting: a tag, which is past when every section that was open then has ended.
uint64_t ft_epoch_tag(void);
bool ft_epoch_is_past(uint64_t tag);
void ft_epoch_push_on(void);  // Pushes the epoch on, if it may, at most once a millisecond.
// Destroys what can be; pushes the epoch on if much is waiting. The engine calls it between turns.
void ft_epoch_turn_end(void);

// Waits until all that this lease and retired ones have retired is destroyed: at the end of a run.
void ft_epoch_drain(void);

// Of lease.c, with the first lease: asks the kernel for membarrier while the process has one
// thread; with more, asking takes some 10 ms.
void ft_epoch_prepare(void);
// Of lease.c, when a thread ends: what still waits goes to whoever looks next.
struct ft_lease;
void ft_epoch_lease_retire(struct ft_lease *lease);

typedef struct ft_epoch_stats {
    uint64_t epoch, advances, membarriers;
    int64_t unreclaimed_bytes;  // Of all leases, about.
    bool is_asymmetric;         // Entering is a plain store.
} ft_epoch_stats;
ft_epoch_stats ft_epoch_get_stats(void);

// ---- what is inline ----

extern ft_atomic_u64 ft_epoch_current;
extern ft_atomic_u32 ft_epoch_entry;  // 0: not known yet, 1: a plain store, 2: an exchange.
void ft_read_begin_slow(void);

static inline void ft_read_begin(void)
{
    ft_lease *lease = ft_own.lease;

    if (FT_UNLIKELY(!lease || ft_atomic_load(&ft_epoch_entry, FT_RELAXED) != 1)) {
        ft_read_begin_slow();
    } else if (lease->read_depth++ == 0) {
        // Acquire: who announces an epoch sees what was unlinked before it began. An old one only
        // holds back the next advance.
        ft_atomic_store(&lease->epoch, ft_atomic_load(&ft_epoch_current, FT_ACQUIRE) << 1 | 1,
                        FT_RELAXED);
        FT_COMPILER_BARRIER();  // The CPU's half is the reclaimer's membarrier.
    }
}

static inline void ft_read_end(void)
{
    ft_lease *lease = ft_own.lease;

    if (--lease->read_depth == 0)
        // Release pairs with the scan's acquire: what was read was read before it is freed.
        ft_atomic_store(&lease->epoch, 0, FT_RELEASE);
}
