// A counter that many leases add to without disturbing each other: one cell for each, written by
// its holder only, by a plain load and store (Java's LongAdder; never indexed by thread modulo N,
// which loses updates again).
//
// The sum is monotone for adds of one sign and exact once the adders are done; while they add it is
// some value between: it is not linearizable, and two counters read together need not agree. Who
// needs the value at an instant takes ft_counter_create_exact: one atomic, at ten times the price.
#pragma once

#include "runtime/error.h"
#include "runtime/memory/refcount.h"

typedef struct ft_counter ft_counter;
extern const ft_object_type ft_counter_type;

// One reference; shared from the start. NULL without memory.
ft_counter *ft_counter_create(ft_error *err) FT_MUST_CHECK;
ft_counter *ft_counter_create_exact(ft_error *err) FT_MUST_CHECK;
ft_counter *ft_counter_ref(ft_counter *counter);
void ft_counter_unref(ft_counter *counter);  // NULL is fine.

// Any thread. Wraps as int64_t does in two's complement. Never fails: without memory for cells it
// adds atomically.
void ft_counter_add(ft_counter *counter, int64_t by);
int64_t ft_counter_sum(const ft_counter *counter);
bool ft_counter_is_exact(const ft_counter *counter);
static inline ft_object *ft_counter_object(ft_counter *counter)
{
    return (ft_object *)(void *)counter;
}
