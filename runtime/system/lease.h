// Leases: what one attached thread holds of everything that is kept "per worker".
//
// A lease belongs to a thread, never to a worker's slot: when a slot goes on with another thread,
// the thread that was left behind keeps its lease, so no counter, pool or count ever gets a second
// writer. There is a fixed table of them, addressed by a 16-bit id which counted objects carry as
// their owner. A thread gets one when it starts (ft_thread_start) or when it first needs one, and
// retires it when it ends.
//
// States: RUNNING, DETACHED while the thread waits, SUSPENDED while somebody merges strays on its
// behalf, RETIRED when nobody has it. An id is given out again only after its thread has ended; its
// next holder owns every object that still carries the id, which is safe, as the old one has
// stopped.
//
// Strays: objects of this lease whose reference another lease dropped. They wait in the lease's
// queue, and are merged by the owner at the end of its turn, by whoever queued them while the owner
// waits, or at once when the lease is retired. (Choi, Shull, Torrellas, PACT 2018; CPython's brc.c,
// which learned the second case from tensors held by a blocked thread.)
#pragma once

#include "runtime/concurrent/atomic.h"
#include "runtime/concurrent/lock.h"

struct ft_object;
typedef struct ft_pool_lease ft_pool_lease;  // runtime/memory/pool.c

enum {
    FT_LEASES_MAX = FT_BOUND(4096, 8),  // Ids 1 to FT_LEASES_MAX - 1.
    FT_LEASE_NO_ID = 0xFFFF,            // Of a thread that has no lease yet.
    FT_LEASE_LINE_BYTES = 64,
    FT_LEASE_STRAYS_INSIDE = FT_BOUND(32, 2),
};

typedef enum ft_lease_state {
    FT_LEASE_RETIRED,  // Also: never used.
    FT_LEASE_RUNNING,
    FT_LEASE_DETACHED,
    FT_LEASE_SUSPENDED,
} ft_lease_state;

typedef struct ft_lease {
    // What others touch.
    _Alignas(FT_LEASE_LINE_BYTES) ft_atomic_u32 state;  // ft_lease_state
    ft_atomic_u32 stray_count;                          // Changed under `lock`, read by anyone.
    uint16_t id;
    bool is_ready;  // The lock is made; under the table's lock.
    ft_mutex lock;  // Guards the strays, and is held while SUSPENDED and to leave RETIRED.
    uint32_t stray_room;
    struct ft_object **strays;  // [stray_room]: `inside`, or on the heap.
    struct ft_object *inside[FT_LEASE_STRAYS_INSIDE];
    ft_atomic_pointer returned;  // Blocks that others freed: runtime/memory/pool.c.

    // Epochs (runtime/memory/epoch.c): written by the owner, read by the reclaimer.
    _Alignas(FT_LEASE_LINE_BYTES) ft_atomic_u64 epoch;
    uint32_t read_depth;
    void *retired;  // What it has retired; the owner's.

    // The cycle collector's (runtime/memory/collector.c). The owner puts into the lists, anyone may
    // take them out.
    _Alignas(FT_LEASE_LINE_BYTES) ft_atomic_pointer candidates;  // ft_cyclic
    ft_atomic_pointer suspects;                                  // Those handed on.
    ft_atomic_u32 candidate_count;  // Since they were last taken by the collector.
    uint32_t collector_group;       // The owner's, as all that follows.
    uint32_t candidate_debt;        // Noted since the last assist.
    bool is_clearing, is_collecting;
    size_t owed_bytes;
    void *dying;  // ft_cyclic

    // Written by the owner only; others read for reports (relaxed).
    _Alignas(FT_LEASE_LINE_BYTES) ft_atomic_pointer label;  // const char *: what runs, a stage's
                                                            // name; lives as long as the run.
    ft_atomic_u64 header_rmws;  // Locked operations on headers of counted objects, for good.
    ft_atomic_u64 strays_sent;  // Foreign drops that had to be queued.
    ft_atomic_pointer pool;     // ft_pool_lease; NULL until it first allocates.
} ft_lease;

// The calling thread's own. In the executable only: plug-ins go through functions.
typedef struct ft_lease_own {
    ft_lease *lease;     // NULL: not attached.
    uint16_t id;         // FT_LEASE_NO_ID: not attached.
    uint16_t new_owner;  // Owner of objects made now: `id`, or 0 while it creates them merged.
} ft_lease_own;
extern FT_THREAD_LOCAL ft_lease_own ft_own __attribute__((tls_model("initial-exec")));

ft_lease *ft_lease_attach(void);  // Called by ft_lease_current; aborts when the table is full.
static inline ft_lease *ft_lease_current(void)
{
    return FT_LIKELY(ft_own.lease != NULL) ? ft_own.lease : ft_lease_attach();
}
ft_lease *ft_lease_get(uint32_t id);  // 1 <= id < FT_LEASES_MAX.
// No lease has had an id beyond it so far: to walk all, look at 1 to this.
uint32_t ft_lease_highest_id(void);

// For the starter of a thread: takes a lease out of the table (NULL: it is full), which the new
// thread adopts, or which is given back when the thread could not be started.
ft_lease *ft_lease_reserve(void);
void ft_lease_adopt(ft_lease *lease);
void ft_lease_give_back(ft_lease *lease);
// At the end of the thread: merges its strays, gives its memory back. A thread that attached itself
// does so by itself. Does nothing without a lease.
void ft_lease_retire(void);

// Around every wait. In between the thread touches no counted object. Nothing without a lease.
// Detaching merges strays first, which may run any destructor: not under a lock. Under a lock
// `_try_` says false when there are some; then leave the lock, end the turn, and come again.
void ft_lease_detach(void);
bool ft_lease_try_detach(void) FT_MUST_CHECK;
void ft_lease_resume(void);
// Between two turns: merges strays, takes home what others freed, and helps the cycle collector if
// it is behind.
void ft_lease_turn_end(void);

// While set, objects that the thread makes or receives are merged from the start: for code whose
// state may go on under another lease (serial stages, sources, what is loaded for all). Returns
// what was set before.
bool ft_lease_create_merged(bool merged);

// What the reports call the thread's work; NULL: nothing. Returns what it was.
const char *ft_lease_set_label(const char *label);

// Of refcount.c: hands a stray to its owner, who merges it; the queue takes over the reference.
void ft_lease_queue_stray(uint32_t owner, struct ft_object *object);
