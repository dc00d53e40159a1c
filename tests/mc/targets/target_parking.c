// runtime/concurrent/parking.c: the lock of one byte excludes, and nobody sleeps for ever: with one
// waiter, with two, handed over or not, two locks in one bucket.
//
// sources: CORE
#include "runtime/concurrent/parking.c"
#include "tests/mc/mc.h"

static ft_atomic_u8 locks[2];
static ft_lock_class class_of = {.name = "test"};
static int inside[2];  // Plain: the lock's acquire and release must order it.

static void setup(void)
{
    pthread_once(&once, make_buckets);
}

// Who is woken may have waited for long: then the lock is handed over.
static void setup_late(void)
{
    setup();
    mc_let_clock_jump(2 * PATIENCE_NS);
}

static void finish_with(int first, int second)
{
    mc_check(inside[0] == first && inside[1] == second);
    for (int i = 0; i < 2; i++)
        mc_check(ft_atomic_load(&locks[i], FT_RELAXED) == 0);
    mc_check(!buckets[0].first && !buckets[0].last);
}

static void finish2(void)
{
    finish_with(2, 0);
}

static void finish3(void)
{
    finish_with(3, 0);
}

static void finish4(void)
{
    finish_with(4, 0);
}

static void finish5(void)
{
    finish_with(5, 0);
}

static void finish6(void)
{
    finish_with(6, 0);
}

static void finish_both(void)
{
    finish_with(2, 2);
}

static void enter(int which)
{
    ft_lock_acquire(&locks[which], &class_of);
    inside[which]++;
    ft_lock_release(&locks[which]);
}

static void once_each(int thread)
{
    (void)thread;
    enter(0);
}

static void twice_each(int thread)
{
    (void)thread;
    enter(0);
    enter(0);
}

static void twice_first(int thread)
{
    enter(0);
    if (thread == 1)
        enter(0);
}

static void twice_but_first(int thread)
{
    enter(0);
    if (thread > 1)
        enter(0);
}

static void both(int thread)
{
    if (thread < 3)
        enter(thread - 1);
    else
        enter(0), enter(1);
}

static void try_or_wait(int thread)
{
    if (thread == 1 && ft_lock_try(&locks[0])) {
        inside[0]++;
        ft_lock_release(&locks[0]);
    } else {
        enter(0);
    }
}

const mc_target mc_targets[] = {
    {"parking", "lock | lock", 2, setup, once_each, finish2, .is_long = false},
    {"parking-try", "try | lock", 2, setup, try_or_wait, finish2, .is_long = false},
    {"parking-2x2", "lock, twice each", 2, setup, twice_each, finish4, .is_long = false},
    {"parking-handed", "lock | lock, late", 2, setup_late, once_each, finish2, .is_long = false},
    {"parking-3", "lock | lock | lock", 3, setup, once_each, finish3, .is_long = false},
    {"parking-handed-3", "lock | lock | lock, late", 3, setup_late, once_each, finish3,
     .is_long = false},
    {"parking-two", "lock a | lock b | lock a, b", 3, setup, both, finish_both, .is_long = false},
    {"parking-4", "lock lock | lock | lock", 3, setup, twice_first, finish4, .is_long = true},
    {"parking-5", "lock | lock lock | lock lock", 3, setup, twice_but_first, finish5,
     .is_long = true, .alike = 2},
    {"parking-3x2", "lock, twice each", 3, setup, twice_each, finish6, .is_huge = true, .alike = 1},
    {.name = NULL},
};
