// runtime/concurrent/counter.c: no add is lost, also when a lease ends and another thread goes on
// with its cell; a sum never goes back.
//
// sources: CORE runtime/memory/account.c
#include "runtime/concurrent/counter.c"
#include "tests/mc/mc.h"

static ft_counter *counter;

static void adopt(void)
{
    ft_lease_adopt(ft_lease_reserve());
}

static void setup(void)
{
    ft_error err = FT_ERROR_INIT;

    adopt();
    for (int i = 1; i <= 3; i++)
        mc_as(i, adopt);
    counter = ft_counter_create(NULL, &err);
}

// The third one has no lease yet.
static void setup_next(void)
{
    ft_error err = FT_ERROR_INIT;

    mc_as(1, adopt);
    mc_as(2, adopt);
    counter = ft_counter_create(NULL, &err);
}

static void finish_with(int64_t sum)
{
    mc_check(ft_counter_sum(counter) == sum);
    ft_counter_unref(counter);
}

static void finish2(void)
{
    finish_with(2);
}

static void finish4(void)
{
    finish_with(4);
}

static void add_and_sum(int thread)
{
    if (thread < 3) {
        ft_counter_add(counter, 1);
        return;
    }
    int64_t first = ft_counter_sum(counter), second = ft_counter_sum(counter);
    mc_check(first >= 0 && second <= 2 && first <= second);
}

static void add_twice(int thread)
{
    ft_counter_add(counter, 1);
    if (thread < 3)
        ft_counter_add(counter, 1);
    else
        mc_check(ft_counter_sum(counter) <= 5);
}

static void finish5(void)
{
    finish_with(5);
}

// The first one ends; the third one, which has none, takes the lease that is free: that one.
static void next_holder(int thread)
{
    if (thread == 3) {
        adopt();
    }
    ft_counter_add(counter, 1);
    if (thread != 2) {
        if (thread == 1)
            ft_counter_add(counter, 1);
        ft_lease_retire();
    }
}

const mc_target mc_targets[] = {
    {"counter", "add | add | sum sum", 3, setup, add_and_sum, finish2, .is_long = false},
    {"counter-next", "add add, ends | add | begins, add, ends", 3, setup_next, next_holder, finish4,
     .is_long = false},
    {"counter-3x2", "add add | add add | add sum", 3, setup, add_twice, finish5, .is_long = false},
    {.name = NULL},
};
