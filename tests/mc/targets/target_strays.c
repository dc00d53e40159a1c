// runtime/system/lease.c with runtime/memory/refcount.c: the words `state` and `stray_count` of a
// lease. Several strays for one owner that sleeps, wakes and sleeps again, or ends, while two
// others merge on its behalf; two owners that sleep and drop each other's; what dies drops more.
// All is destroyed, each once, though an owner that sleeps never looks again. (target_counts.c: one
// object, and all ways that lead from lease to lease.)
//
// sources: CORE
#include "runtime/system/lease.c"
#include "tests/mc/mc.h"

enum { THINGS = 3 };

typedef struct thing {
    ft_object object;
    int which;
    struct thing *next;  // One reference, which dies with it.
} thing;

static thing *things[THINGS];
static int made, destroyed[THINGS];
static ft_lease *owner;

static void destroy(ft_object *object)
{
    thing *dead = (thing *)(void *)object;

    destroyed[dead->which]++;
    if (dead->next)
        ft_object_unref(&dead->next->object);
    ft_free(dead);
}

static const ft_object_type type = {.name = "thing", .destroy = destroy};

static void make(int references)
{
    thing *one = ft_alloc(sizeof(*one));

    ft_object_init(&one->object, &type);
    one->which = made;
    one->next = NULL;
    for (int i = 1; i < references; i++)
        ft_object_ref(&one->object);
    things[made++] = one;
}

static void drop(int which)
{
    mc_check(things[which]->which == which);
    ft_object_unref(&things[which]->object);
}

// ---- setup ----

static void adopt(void)
{
    ft_lease *lease = ft_lease_reserve();

    ft_lease_adopt(lease);
    mc_statistic(&lease->header_rmws, sizeof(lease->header_rmws));
    mc_statistic(&lease->strays_sent, sizeof(lease->strays_sent));
}

static void make_two(void)
{
    owner = ft_own.lease;
    make(2);
    make(2);
}

static void make_three(void)
{
    owner = ft_own.lease;
    for (int i = 0; i < THINGS; i++)
        make(1);
}

static void drop_two(void)
{
    drop(0);
    drop(1);
}

static void make_one(void)
{
    make(1);
}

static void make_one_each(void)
{
    owner = ft_own.lease;
    make(1);
    make(1);
}

// The first one has a reference on the second, which dies with it.
static void make_chain(void)
{
    owner = ft_own.lease;
    make(1);
    make(2);
    things[0]->next = things[1];
}

static void setup_with(void (*first)(void), void (*second)(void))
{
    adopt();
    for (int i = 1; i <= 3; i++)
        mc_as(i, adopt);
    mc_as(1, first);
    if (second)
        mc_as(2, second);
}

static void setup(void)
{
    setup_with(make_two, NULL);
}

static void setup_each(void)
{
    setup_with(make_one_each, NULL);
}

static void setup_many(void)
{
    setup_with(make_three, drop_two);
}

static void setup_chain(void)
{
    setup_with(make_chain, NULL);
}

static void setup_mutual(void)
{
    setup_with(make_one, make_one);
}

// ---- the end ----

static void check_gone(void)
{
    for (int i = 0; i < made; i++)
        mc_check(destroyed[i] == 1);
}

static void turn_end(void)
{
    ft_lease_turn_end();
}

// Of those who have a lease.
static void finish_awake(void)
{
    for (int i = 1; i <= 3; i++)
        mc_as(i, turn_end);
    check_gone();
}

// The owner waits still: others must have done everything.
static void finish_asleep(void)
{
    mc_check(ft_atomic_load(&owner->state, FT_RELAXED) == FT_LEASE_DETACHED);
    mc_check(ft_atomic_load(&owner->stray_count, FT_RELAXED) == 0);
    check_gone();
}

static void finish_all_asleep(void)
{
    for (uint32_t id = 2; id <= 3; id++) {
        mc_check(ft_atomic_load(&ft_lease_get(id)->state, FT_RELAXED) == FT_LEASE_DETACHED);
        mc_check(ft_atomic_load(&ft_lease_get(id)->stray_count, FT_RELAXED) == 0);
    }
    check_gone();
}

// ---- what they do ----

// Crosswise: two merge for the owner at the same time.
static void drop_both(int thread)
{
    drop(thread == 2);
    drop(thread != 2);
}

static void drop_own(int thread)
{
    drop(thread - 2);
}

static void sleeps_each(int thread)
{
    if (thread == 1)
        ft_lease_detach();
    else
        drop_own(thread);
}

static void wakes_each(int thread)
{
    if (thread > 1) {
        drop_own(thread);
        return;
    }
    ft_lease_detach();
    ft_lease_resume();
}

static void again_each(int thread)
{
    wakes_each(thread);
    if (thread == 1)
        ft_lease_detach();
}

static void again_pair(int thread)
{
    if (thread == 1) {
        again_each(1);
        return;
    }
    drop(0);
    drop(1);
}

static void sleeps(int thread)
{
    if (thread == 1)
        ft_lease_detach();
    else
        drop_both(thread);
}

static void wakes(int thread)
{
    if (thread == 1) {
        ft_lease_detach();
        ft_lease_resume();
    } else {
        drop_both(thread);
    }
}

static void ends(int thread)
{
    if (thread == 1)
        ft_lease_retire();
    else
        drop_both(thread);
}

// There is room for two in the lease, which two are in already.
static void one_more(int thread)
{
    if (thread == 1)
        ft_lease_detach();
    else
        drop(2);
}

// Each sleeps behind a drop of what the other one owns; the third does nothing but drop.
static void mutual(int thread)
{
    if (thread == 3)
        return;
    drop(thread == 1);
    ft_lease_detach();
}

// The id goes to another thread as soon as its owner has ended, and with it what carries the id.
static void passed_on(int thread)
{
    if (thread == 1) {
        ft_lease_retire();
    } else if (thread == 2) {
        drop_both(2);
    } else {
        ft_lease_retire();
        adopt();
        drop_both(3);
    }
}

const mc_target mc_targets[] = {
    {"strays-mutual", "drop, sleeps | drop, sleeps", 2, setup_mutual, mutual, finish_all_asleep,
     .is_long = false},
    {"strays-again", "sleeps, wakes, sleeps | drop drop", 2, setup_each, again_pair, finish_asleep,
     .is_long = false},
    {"strays-sleep", "sleeps | drop | drop", 3, setup_each, sleeps_each, finish_asleep,
     .is_long = false},
    {"strays-wake", "sleeps, wakes | drop | drop", 3, setup_each, wakes_each, finish_awake,
     .is_long = false},
    {"strays-again-3", "sleeps, wakes, sleeps | drop | drop", 3, setup_each, again_each,
     finish_asleep, .is_long = true},
    {"strays-end", "ends | drop drop | drop drop", 3, setup, ends, check_gone, .is_long = false},
    {"strays-passed-on", "ends | drop drop | ends, begins, drop drop", 3, setup, passed_on,
     finish_awake, .is_long = false},
    {"strays-many", "sleeps | drop, without room", 2, setup_many, one_more, finish_asleep,
     .is_long = false},
    {"strays-chain", "sleeps | drop | drop, one leads to the other", 3, setup_chain, sleeps_each,
     finish_asleep, .is_long = true},
    {"strays-sleep-3x2", "sleeps | drop drop | drop drop", 3, setup, sleeps, finish_asleep,
     .is_long = true},
    {"strays-wake-3x2", "sleeps, wakes | drop drop | drop drop", 3, setup, wakes, finish_awake,
     .is_long = true},
    {.name = NULL},
};
