// runtime/memory/epoch.c: what a reader got in its section stays until it leaves, whoever retires
// and whoever advances. (The entry by an exchange; the one with membarrier has the same scan, and
// the system call in the place of the order.)
//
// sources: CORE
#include "runtime/memory/epoch.c"
#include "tests/mc/mc.h"

typedef struct thing {
    int value;
} thing;

static ft_atomic_pointer place, second;

static void adopt(void)
{
    ft_lease_adopt(ft_lease_reserve());
}

static thing *make(int value)
{
    thing *made = ft_alloc(sizeof(*made));

    made->value = value;
    return made;
}

static void destroy(void *pointer)
{
    ((thing *)pointer)->value = 0;
    ft_free(pointer);
}

static void setup(void)
{
    adopt();
    for (int i = 1; i <= 3; i++)
        mc_as(i, adopt);
    ft_atomic_store(&place, make(1), FT_RELAXED);
    ft_atomic_store(&second, make(2), FT_RELAXED);
}

static void finish(void)
{
    ft_free(ft_atomic_load(&place, FT_RELAXED));
    ft_free(ft_atomic_load(&second, FT_RELAXED));
    for (int i = 1; i <= 3; i++)
        mc_as(i, ft_epoch_drain);
    ft_epoch_drain();
    mc_check(ft_epoch_get_stats().unreclaimed_bytes == 0);
}

// As much as makes each retirement push the epoch on.
static void replace(ft_atomic_pointer *at, int value)
{
    void *old = ft_atomic_exchange(at, make(value), FT_ACQ_REL);
    ft_retire(old, destroy, FT_EPOCH_BYTES);
}

static void advance(void)
{
    try_advance(0);
}

static void look(ft_atomic_pointer *at)
{
    ft_read_begin();
    const thing *seen = ft_atomic_load(at, FT_ACQUIRE);
    mc_check(seen->value > 0);
    ft_read_end();
}

static void one_reader(int thread)
{
    if (thread == 1) {
        replace(&place, 3);
        ft_epoch_turn_end();
    } else {
        look(&place);
        look(&place);
    }
}

// One retires, another advances.
static void other_advances(int thread)
{
    if (thread == 1) {
        replace(&place, 3);
        collect(ft_own.lease->retired);
    } else if (thread == 2) {
        advance();
        advance();
    } else {
        look(&place);
    }
}

static void two_retire(int thread)
{
    if (thread == 3)
        look(&place);
    else
        replace(&place, 2 + thread);
}

// What a thread that ends has left is destroyed by another.
static void left_behind(int thread)
{
    if (thread == 1) {
        replace(&place, 3);
        ft_lease_retire();
    } else if (thread == 2) {
        replace(&second, 4);
        ft_epoch_turn_end();
    } else {
        look(&place);
    }
}

static void two_readers(int thread)
{
    if (thread == 1) {
        replace(&place, 3);
        ft_epoch_turn_end();
    } else {
        look(&place);
        if (thread == 3)
            look(&place);
    }
}

const mc_target mc_targets[] = {
    {"epoch", "retire turn | read read", 2, setup, one_reader, finish, .is_long = false},
    {"epoch-advance", "retire collect | advance advance | read", 3, setup, other_advances, finish,
     .is_long = false},
    {"epoch-two-retire", "retire | retire | read", 3, setup, two_retire, finish, .is_long = true},
    {"epoch-left", "retire, ends | retire turn | read", 3, setup, left_behind, finish,
     .is_long = true},
    {"epoch-3x2", "retire turn | read | read read", 3, setup, two_readers, finish, .is_long = true},
    {.name = NULL},
};
