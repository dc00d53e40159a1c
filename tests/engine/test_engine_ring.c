// The ring and the sleeping of workers, from real threads: nothing is lost, nothing comes twice,
// nobody sleeps for ever. FT_TORTURE=n does n operations.
#include <stdlib.h>

#include "engine/idle.h"
#include "engine/ring.h"
#include "runtime/system/thread.h"
#include "tests/check.h"

enum { THIEVES = 3, OPERATIONS = 300000 };

static int64_t operations(void)
{
    const char *text = getenv("FT_TORTURE");

    return text ? atoll(text) : OPERATIONS;
}

// ---- the ring ----

typedef struct {
    ft_ring ring;
    ft_ring own[THIEVES];
    ft_atomic_u8 *seen;  // [count]: how often each came out.
    int64_t count;
    ft_atomic_u32 over;
    ft_atomic_u32 next_thief;
} contest;

// Number n travels as the pointer n + 1.
static void take(contest *c, void *task)
{
    if (task)
        ft_atomic_add(&c->seen[(int64_t)(intptr_t)task - 1], 1, FT_RELAXED);
}

static void thief_main(void *host)
{
    contest *c = host;
    ft_ring *own = &c->own[ft_atomic_add(&c->next_thief, 1, FT_RELAXED)];
    bool over = false;

    while (!over) {
        over = ft_atomic_load(&c->over, FT_ACQUIRE);
        take(c, ft_ring_steal(&c->ring, own));
        for (void *task; (task = ft_ring_pop(own));)
            take(c, task);
    }
}

static void own_turn(contest *c, int64_t *made)
{
    void *half[FT_RING_SLOTS / 2];

    for (int64_t burst = 1 + *made % 7; burst > 0 && *made < c->count; burst--) {
        void *task = (void *)(intptr_t)(*made + 1);
        while (!ft_ring_push(&c->ring, task)) {
            uint32_t count = ft_ring_half(&c->ring, half);
            check_true(count <= FT_RING_SLOTS / 2);
            for (uint32_t i = 0; i < count; i++)
                take(c, half[i]);
        }
        ++*made;
    }
    if (*made % 3 == 0)
        take(c, ft_ring_pop(&c->ring));
}

TEST(each_comes_out_once)
{
    contest *c = calloc(1, sizeof(*c));
    ft_thread threads[THIEVES] = {0};
    ft_error err = FT_ERROR_INIT;
    int64_t made = 0, wrong = 0;

    check_true(c != NULL);
    c->count = operations();
    c->seen = calloc((size_t)c->count, sizeof(*c->seen));
    check_true(c->seen != NULL);
    for (int i = 0; i < THIEVES; i++)
        check_ok(ft_thread_start(&threads[i], "thief", thief_main, c, &err), &err);
    while (made < c->count)
        own_turn(c, &made);
    for (void *task; (task = ft_ring_pop(&c->ring));)
        take(c, task);
    ft_atomic_store(&c->over, 1, FT_RELEASE);
    for (int i = 0; i < THIEVES; i++)
        ft_thread_join(&threads[i]);
    for (int64_t i = 0; i < c->count; i++)
        wrong += ft_atomic_load(&c->seen[i], FT_RELAXED) != 1;
    check_int_eq(wrong, 0);
    free(c->seen);
    free(c);
}

TEST(oldest_first_and_half)
{
    ft_ring ring = {0}, own = {0};
    void *half[FT_RING_SLOTS / 2];
    static int things[FT_RING_SLOTS + 1];

    check_true(ft_ring_pop(&ring) == NULL && ft_ring_is_empty(&ring));
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < FT_RING_SLOTS; i++)
            check_true(ft_ring_push(&ring, &things[i]));
        check_true(!ft_ring_push(&ring, &things[FT_RING_SLOTS]));
        check_int_eq(ft_ring_half(&ring, half), FT_RING_SLOTS / 2);
        check_true(half[0] == &things[0]);
        check_true(ft_ring_steal(&ring, &own) == &things[FT_RING_SLOTS / 2]);
        check_true(ft_ring_pop(&own) == &things[FT_RING_SLOTS / 2 + 1]);
        while (ft_ring_pop(&own) || ft_ring_pop(&ring))
            continue;
    }
}

// ---- sleeping ----

enum { SLEEPERS = 2 };

typedef struct {
    ft_idle idle;
    ft_atomic_i64 work;  // Put up and not taken.
    ft_atomic_i64 taken;
    ft_atomic_i64 woken;  // Calls of on_wake.
} bedroom;

static void note_wake(void *host)
{
    ft_atomic_add(&((bedroom *)host)->woken, 1, FT_RELAXED);
}

static bool take_work(bedroom *b)
{
    int64_t there = ft_atomic_load(&b->work, FT_ACQUIRE);

    while (there > 0)
        if (ft_atomic_cas_weak(&b->work, &there, there - 1, FT_ACQ_REL)) {
            ft_atomic_add(&b->taken, 1, FT_RELEASE);
            return true;
        }
    return false;
}

static void sleeper_main(void *host)
{
    bedroom *b = host;

    for (;;) {
        if (take_work(b))
            continue;
        ft_idle_announce(&b->idle);
        if (take_work(b)) {
            if (ft_idle_retract(&b->idle))
                ft_atomic_sub(&b->woken, 1, FT_RELAXED);
            continue;
        }
        if (!ft_idle_sleep(&b->idle))
            return;
        // A woken one that finds work wakes the next.
        if (take_work(b) && ft_atomic_load(&b->work, FT_RELAXED) > 0)
            ft_idle_wake_one(&b->idle, note_wake, b);
    }
}

// One piece of work at a time, so that a wake-up that is lost stops everything.
TEST(no_wake_up_is_lost)
{
    bedroom b = {0};
    ft_thread threads[SLEEPERS] = {0};
    ft_error err = FT_ERROR_INIT;
    int64_t rounds = operations() / 10;

    ft_idle_init(&b.idle);
    for (int i = 0; i < SLEEPERS; i++)
        check_ok(ft_thread_start(&threads[i], "sleeper", sleeper_main, &b, &err), &err);
    for (int64_t i = 0; i < rounds; i++) {
        ft_atomic_add(&b.work, 1, FT_RELEASE);
        ft_idle_wake_one(&b.idle, note_wake, &b);
        while (ft_atomic_load(&b.taken, FT_ACQUIRE) <= i)
            FT_PAUSE();
    }
    ft_idle_close(&b.idle);
    for (int i = 0; i < SLEEPERS; i++)
        ft_thread_join(&threads[i]);
    check_int_eq(ft_atomic_load(&b.taken, FT_RELAXED), rounds);
    ft_idle_finish(&b.idle);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
