// A counter that many leases add to without disturbing each other: one cell for each, written by
// its holder only, by a plain load and store (Java's LongAdder; never indexed by thread modulo N,
// which loses updates again).
//
// The sum is monotone for adds of one sign and exact once the adders are done; while they add it is
// some value between: it is not linearizable, and two counters read together need not agree. Who
// needs the value at an instant takes ft_counter_create_exact: one atomic, at ten times the price.
#pragma once

#include "runtime/error.h"
#include "runtime/memory/account.h"
#include "runtime/memory/refcount.h"

typedef struct ft_counter ft_counter;
extern const ft_object_type ft_counter_type;

// One reference; shared from the start. NULL without memory. `account` (may be NULL): the caller
// has charged sizeof(ft_counter) to it, which the counter gives back at its end; cells are charged
// as they are made, and what does not fit is no memory.
ft_counter *ft_counter_create(ft_account *account, ft_error *err) FT_MUST_CHECK;
ft_counter *ft_counter_create_exact(ft_account *account, ft_error *err) FT_MUST_CHECK;
ft_counter *ft_counter_ref(ft_counter *counter);
void ft_counter_unref(ft_counter *counter);  // NULL is fine.

// Any thread. Wraps as int64_t does in two's complement. Never fails: without memory for cells it
// adds atomically.
static inline void ft_counter_add(ft_counter *counter, int64_t by);
int64_t ft_counter_sum(const ft_counter *counter);
bool ft_counter_is_exact(const ft_counter *counter);

// ---- what is inline ----

enum {
    FT_COUNTER_CELLS = FT_BOUND(32, 4),  // In a block.
    FT_COUNTER_BLOCKS = FT_LEASES_MAX / FT_COUNTER_CELLS,
    FT_COUNTER_CELL_BYTES = 128,
};

typedef struct ft_counter_cell {
    ft_atomic_i64 value;
    char padding[FT_COUNTER_CELL_BYTES - sizeof(ft_atomic_i64)];
} ft_counter_cell;

struct ft_counter {
    ft_object object;
    ft_account *account;
    bool is_exact;
    ft_atomic_i64 rest;                           // Exact counters, and adds that found no memory.
    ft_atomic_pointer blocks[FT_COUNTER_BLOCKS];  // ft_counter_cell[FT_COUNTER_CELLS]; NULL until
                                                  // somebody adds; all NULL in exact ones.
};

void ft_counter_add_slow(ft_counter *counter, int64_t by);

static inline void ft_counter_add(ft_counter *counter, int64_t by)
{
    const ft_lease *lease = ft_own.lease;
    ft_counter_cell *block = NULL;

    // Acquire pairs with the release of whoever made the block.
    if (FT_LIKELY(lease != NULL))
        block = ft_atomic_load(&counter->blocks[lease->id / FT_COUNTER_CELLS], FT_ACQUIRE);
    if (FT_UNLIKELY(!block)) {
        ft_counter_add_slow(counter, by);
        return;
    }
    // Relaxed, and no locked operation: only this lease writes the cell.
    ft_atomic_i64 *value = &block[lease->id % FT_COUNTER_CELLS].value;
    uint64_t sum = (uint64_t)ft_atomic_load(value, FT_RELAXED) + (uint64_t)by;
    ft_atomic_store(value, (int64_t)sum, FT_RELAXED);
}

static inline ft_object *ft_counter_object(ft_counter *counter)
{
    return (ft_object *)(void *)counter;
}
