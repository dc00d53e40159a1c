// runtime/memory/refcount.c with runtime/system/lease.c: an object that one lease owns is dropped
// by others (strays), while the owner counts, waits (DETACHED, SUSPENDED) or ends; handed over,
// published, borrowed. It is destroyed once, when the last reference is gone, and not before; and
// nothing is left lying with an owner that waits.
//
// sources: CORE
#include "runtime/concurrent/parking.h"
#include "runtime/memory/refcount.c"
#include "tests/mc/mc.h"

typedef struct thing {
    ft_object object;
    int value;
} thing;

static thing *shared[2];
static ft_atomic_pointer queue;  // From hand to hand.
static ft_lease *owner;
static int destroyed;

static void destroy(ft_object *object)
{
    thing *dead = (thing *)(void *)object;

    mc_check(dead->value > 0);
    dead->value = 0;
    destroyed++;
    ft_free(dead);
}

static const ft_object_type type = {.name = "thing", .destroy = destroy};

static thing *make(void)
{
    thing *made = ft_alloc(sizeof(*made));

    ft_object_init(&made->object, &type);
    made->value = 1;
    return made;
}

static void adopt(void)
{
    ft_lease_adopt(ft_lease_reserve());
}

// Three references, of the first thread's object: one for each.
static void make_shared(void)
{
    owner = ft_own.lease;
    shared[0] = make();
    ft_object_ref(&shared[0]->object);
    ft_object_ref(&shared[0]->object);
}

static void setup(void)
{
    ft_atomic_u8 lock = {0};

    ft_lock_wake(&lock);  // Makes the table of waiters.
    adopt();
    for (int i = 1; i <= 3; i++)
        mc_as(i, adopt);
    mc_as(1, make_shared);
}

static void turn_end(void)
{
    ft_lease_turn_end();
}

static void finish(void)
{
    mc_as(1, turn_end);
    mc_check(destroyed == 1);
}

// The owner waits still: others must have done everything.
static void finish_asleep(void)
{
    mc_check(ft_atomic_load(&owner->state, FT_RELAXED) == FT_LEASE_DETACHED);
    mc_check(ft_atomic_load(&owner->stray_count, FT_RELAXED) == 0);
    mc_check(destroyed == 1);
}

static void finish_ended(void)
{
    mc_check(destroyed == 1);
}

static void drop(void)
{
    mc_check(shared[0]->value == 1);
    ft_object_unref(&shared[0]->object);
}

static void all_drop(int thread)
{
    (void)thread;
    drop();
}

// The others take more, and drop it.
static void count_more(int thread)
{
    ft_object_ref(&shared[0]->object);
    drop();
    drop();
    if (thread == 1)
        ft_lease_turn_end();
}

static void owner_sleeps(int thread)
{
    drop();
    if (thread == 1)
        ft_lease_detach();
}

static void owner_wakes(int thread)
{
    if (thread == 1) {
        ft_lease_detach();
        ft_lease_resume();
    }
    drop();
}

static void owner_ends(int thread)
{
    drop();
    if (thread == 1)
        ft_lease_retire();
}

// ---- published ----

// The first one publishes while another drops; the third borrows in a section.
static void make_two(void)
{
    owner = ft_own.lease;
    shared[0] = make();
    ft_object_ref(&shared[0]->object);
}

static void setup_two(void)
{
    adopt();
    for (int i = 1; i <= 3; i++)
        mc_as(i, adopt);
    mc_as(1, make_two);
}

static void publish(int thread)
{
    if (thread == 1) {
        ft_object_publish(&shared[0]->object);
        ft_atomic_store(&queue, shared[0], FT_RELEASE);
    } else if (thread == 2) {
        drop();
    } else {
        thing *found = ft_atomic_load(&queue, FT_ACQUIRE);
        if (found && ft_object_try_ref(&found->object)) {
            mc_check(found->value == 1);
            ft_object_unref(&found->object);
        }
    }
}

static void last_one(void)
{
    ft_object_unref(&shared[0]->object);
    ft_lease_turn_end();
}

static void finish_published(void)
{
    mc_check(destroyed == 0);
    mc_as(1, last_one);
    mc_check(destroyed == 1);
}

// ---- handed over ----

static void make_one(void)
{
    owner = ft_own.lease;
    shared[0] = make();
}

static void setup_one(void)
{
    adopt();
    for (int i = 1; i <= 3; i++)
        mc_as(i, adopt);
    mc_as(1, make_one);
}

static thing *take(void)
{
    return ft_atomic_exchange(&queue, NULL, FT_ACQUIRE);
}

// Whoever gets it has it alone, writes in it, and drops it or gives it on.
static void hand_over(int thread)
{
    thing *mine = shared[0];

    if (thread == 1) {
        mine->value++;
        ft_object_hand_over(&mine->object);
        ft_atomic_store(&queue, mine, FT_RELEASE);
        return;
    }
    mine = take();
    if (!mine)
        return;
    ft_object_receive(&mine->object);
    mc_check(ft_object_is_unique(&mine->object));
    mine->value++;
    ft_object_ref(&mine->object);
    ft_object_unref(&mine->object);
    ft_object_unref(&mine->object);
}

static void finish_queue(void)
{
    thing *left = take();

    if (left) {
        ft_object_receive(&left->object);
        ft_object_unref(&left->object);
    }
    mc_check(destroyed == 1);
}

// Two references: one goes down the queue while the other is dropped from outside.
static void hand_over_shared(int thread)
{
    if (thread == 1) {
        ft_object_hand_over(&shared[0]->object);
        ft_atomic_store(&queue, shared[0], FT_RELEASE);
    } else if (thread == 2) {
        drop();
    } else {
        thing *mine = take();
        if (mine) {
            ft_object_receive(&mine->object);
            mc_check(mine->value == 1);
            ft_object_unref(&mine->object);
        }
    }
}

static void finish_shared(void)
{
    thing *left = take();

    if (left) {
        ft_object_receive(&left->object);
        ft_object_unref(&left->object);
    }
    for (int i = 1; i <= 3; i++)
        mc_as(i, turn_end);
    mc_check(destroyed == 1);
}

static void wake_and_count(int thread)
{
    if (thread == 1) {
        ft_lease_detach();
        ft_lease_resume();
        ft_lease_turn_end();
    } else {
        ft_object_ref(&shared[0]->object);
        drop();
    }
    drop();
}

const mc_target mc_targets[] = {
    {"counts-drop", "drop | drop | drop", 3, setup, all_drop, finish, .is_long = false},
    {"counts-sleep", "drop, sleeps | drop | drop", 3, setup, owner_sleeps, finish_asleep,
     .is_long = false},
    {"counts-wake", "sleeps, wakes, drop | drop | drop", 3, setup, owner_wakes, finish,
     .is_long = false},
    {"counts-end", "drop, ends | drop | drop", 3, setup, owner_ends, finish_ended,
     .is_long = false},
    {"counts-publish", "publish | drop | borrow", 3, setup_two, publish, finish_published,
     .is_long = false},
    {"counts-hand-over", "hand over | receive | receive", 3, setup_one, hand_over, finish_queue,
     .is_long = false},
    {"counts-hand-shared", "hand over | drop | receive", 3, setup_two, hand_over_shared,
     finish_shared, .is_long = false},
    {"counts-3x3", "ref drop drop, three times", 3, setup, count_more, finish, .is_long = true},
    {"counts-wake-3x2", "sleeps, wakes, turn, drop | ref drop drop | ref drop drop", 3, setup,
     wake_and_count, finish, .is_long = true},
    {.name = NULL},
};
