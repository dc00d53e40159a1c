// What the targets of shared collections begin and end with.
#pragma once

#include "runtime/concurrent/parking.h"
#include "runtime/concurrent/shared_value.h"
#include "runtime/system/lease.h"
#include "tests/mc/mc.h"

enum { LEASES = 3 };  // Of threads 1 to 3; the first thread has one more.

// A number that is boxed: an object of its own, retired when it is replaced.
static inline ft_value boxed(int64_t number)
{
    return (ft_value){FT_VALUE_INT, {.integer = INT64_MAX - 100 + number}};
}

// The number of a box, or one that is small.
static inline int64_t number_of(const ft_value *value)
{
    return value->integer > 1000 ? value->integer - INT64_MAX + 100 : value->integer;
}

static void adopt_lease(void)
{
    ft_lease_adopt(ft_lease_reserve());
}

static inline void begin_leases(void)
{
    ft_atomic_u8 lock = {0};

    ft_lock_wake(&lock);  // Makes the table of waiters.
    adopt_lease();
    for (int i = 1; i <= LEASES; i++)
        mc_as(i, adopt_lease);
}

// The collection is dropped by `finish` alone: no step looks at its counts.
static inline void keep(ft_object *object)
{
    ft_atomic_store(&object->local, FT_LOCAL_IMMORTAL, FT_RELAXED);
}

// Every change tries to advance the epoch: what was replaced goes while others read.
static inline void hurry_epochs(void)
{
    mc_let_clock_run(10 * 1000 * 1000);
}

// What waits for the end of sections goes.
static inline void end_leases(void)
{
    for (int i = 1; i <= LEASES; i++)
        mc_as(i, ft_epoch_drain);
    ft_epoch_drain();
}
