// runtime/concurrent/elide.c: the sequence lock's readers see both halves of one write, also when
// they end up taking the lock.
//
// sources: CORE
#include "runtime/concurrent/elide.c"
#include "tests/mc/mc.h"

static ft_elide_lock lock;
static ft_atomic_u32 a, b;  // Equal, but while somebody writes.
static uint32_t last[4];    // What a reader saw: it never goes back.

static void setup(void)
{
    ft_elide_init(&lock);
}

static void finish(void)
{
    mc_check(ft_atomic_load(&lock.sequence, FT_RELAXED) % 2 == 0);
    ft_elide_finish(&lock);
}

static void write_value(uint32_t value)
{
    ft_elide_write_begin(&lock);
    uint32_t before = ft_atomic_load(&a, FT_RELAXED);
    mc_check(before == ft_atomic_load(&b, FT_RELAXED));
    ft_atomic_store(&a, before + value, FT_RELEASE);
    ft_atomic_store(&b, before + value, FT_RELEASE);
    ft_elide_write_end(&lock);
}

static void read_value(int thread)
{
    uint32_t x = 0, y = 0;

    for (ft_elide_reader r = ft_elide_read_begin(&lock); ft_elide_read_more(&r);) {
        x = ft_atomic_load(&a, FT_ACQUIRE);
        y = ft_atomic_load(&b, FT_ACQUIRE);
    }
    mc_check(x == y);
    mc_check(x >= last[thread]);
    last[thread] = x;
}

static void one_of_each(int thread)
{
    if (thread == 1)
        write_value(1);
    else
        read_value(thread);
}

static void two_writers(int thread)
{
    if (thread < 3)
        write_value(1);
    else
        read_value(thread);
}

static void twice(int thread)
{
    if (thread < 3) {
        write_value(1);
        write_value(1);
    } else {
        read_value(thread);
        read_value(thread);
    }
}

static void pairs(int thread)
{
    if (thread == 1) {
        write_value(1);
        write_value(1);
    } else {
        read_value(thread);
        read_value(thread);
    }
}

const mc_target mc_targets[] = {
    {"elide", "write | read | read", 3, setup, one_of_each, finish, .is_long = false},
    {"elide-writers", "write | write | read", 3, setup, two_writers, finish, .is_long = false},
    {"elide-2x2", "write write | read read", 2, setup, pairs, finish, .is_long = false},
    {"elide-3x2", "write write | write write | read read", 3, setup, twice, finish,
     .is_long = true},
    {.name = NULL},
};
