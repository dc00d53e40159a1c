// engine/idle.c, the way engine/scheduler.c uses it: workers that find nothing announce it, look
// again, and sleep; who puts work up wakes one. Work left behind by sleepers is a deadlock here.
//
// sources: CORE
#include "engine/idle.c"
#include "tests/mc/mc.h"

static ft_idle idle;
static ft_atomic_u32 work[2];  // Each one place where work can be: 1 while there is some.
static ft_atomic_u32 left;     // Not done yet; 0: everybody may go home.

static void setup(void)
{
    ft_idle_init(&idle);
    ft_atomic_store(&left, 2, FT_RELAXED);
}

static void setup_one(void)
{
    setup();
    ft_atomic_store(&left, 1, FT_RELAXED);
}

static void finish(void)
{
    mc_check(ft_atomic_load(&left, FT_RELAXED) == 0);
    mc_check(ft_atomic_load(&work[0], FT_RELAXED) == 0);
    mc_check(ft_atomic_load(&work[1], FT_RELAXED) == 0);
    ft_idle_finish(&idle);
}

static bool has_work(void)
{
    return ft_atomic_load(&work[0], FT_RELAXED) || ft_atomic_load(&work[1], FT_RELAXED);
}

// Relaxed: the protocol itself must bring it along.
static void put_up(int place)
{
    ft_atomic_store(&work[place], 1, FT_RELAXED);
    ft_idle_wake_one(&idle, NULL, NULL);
}

static bool take(int place)
{
    uint32_t there = 1;

    return ft_atomic_load(&work[place], FT_RELAXED) &&
           ft_atomic_cas(&work[place], &there, 0, FT_RELAXED);
}

static bool work_once(void)
{
    if (!take(0) && !take(1))
        return false;
    if (ft_atomic_sub(&left, 1, FT_ACQ_REL) == 1)
        ft_idle_close(&idle);
    return true;
}

// Until all is done.
static void work_or_sleep(void)
{
    for (;;) {
        if (work_once()) {
            // A woken one that found work wakes the next.
            if (has_work())
                ft_idle_wake_one(&idle, NULL, NULL);
            continue;
        }
        ft_idle_announce(&idle);
        if (has_work()) {
            ft_idle_retract(&idle);
            continue;
        }
        if (!ft_idle_sleep(&idle))
            return;
    }
}

static void one_and_one(int thread)
{
    if (thread == 1)
        put_up(0);
    else
        work_or_sleep();
}

static void two_and_one(int thread)
{
    if (thread < 3)
        put_up(thread - 1);
    else
        work_or_sleep();
}

// Who has work to do is busy with it for ever: for what else there is another one must wake up.
static void work_for_ever(void)
{
    while (!take(0) && !take(1)) {
        ft_idle_announce(&idle);
        if (has_work())
            ft_idle_retract(&idle);
        else
            mc_check(ft_idle_sleep(&idle));
    }
    if (has_work())
        ft_idle_wake_one(&idle, NULL, NULL);
}

static void busy(int thread)
{
    if (thread > 1) {
        work_for_ever();
        return;
    }
    put_up(0);
    put_up(1);
}

static void busy_four(int thread)
{
    if (thread > 2)
        work_for_ever();
    else
        put_up(thread - 1);
}

static void finish_busy(void)
{
    mc_check(!has_work());
    mc_check(ft_idle_sleepers(&idle) == 0);
    mc_check(ft_atomic_load(&idle.tokens, FT_RELAXED) == 0);
    ft_idle_finish(&idle);
}

const mc_target mc_targets[] = {
    {"idle", "put | worker", 2, setup_one, one_and_one, finish, .is_long = false},
    {"idle-two-put", "put | put | worker", 3, setup, two_and_one, finish, .is_long = false},
    {"idle-two-sleep", "put | worker | worker", 3, setup_one, one_and_one, finish,
     .is_long = false},
    {"idle-busy", "put put | busy worker | busy worker", 3, setup, busy, finish_busy,
     .is_long = false},
    {"idle-busy-4", "put | put | busy worker | busy worker", 4, setup, busy_four, finish_busy,
     .is_long = true},
    {.name = NULL},
};
