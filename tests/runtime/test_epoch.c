// Epochs: nothing is destroyed while a reader may hold it, everything is in the end.
#include <stdlib.h>

#include "runtime/concurrent/atomic.h"
#include "runtime/memory/alloc.h"
#include "runtime/memory/epoch.h"
#include "runtime/system/thread.h"
#include "tests/check.h"

enum { POISON = 0x5a5a5a5a, ALIVE = 1, READERS = 2, SLOTS = 8 };

static ft_atomic_i64 destroyed;

typedef struct {
    ft_atomic_u32 state;
    uint64_t value;
} node;

static void node_destroy(void *pointer)
{
    node *n = pointer;

    ft_atomic_store(&n->state, POISON, FT_RELAXED);
    ft_atomic_add(&destroyed, 1, FT_RELAXED);
    ft_free(n);
}

static node *node_create(uint64_t value)
{
    node *n = ft_alloc(sizeof(*n));

    check_true(n != NULL);
    ft_atomic_store(&n->state, ALIVE, FT_RELAXED);
    n->value = value;
    return n;
}

static int64_t operations(int64_t fallback)
{
    const char *text = getenv("FT_TORTURE");
    return text ? atoll(text) : fallback;
}

TEST(what_is_retired_is_destroyed_after_a_grace_period)
{
    int64_t before = ft_atomic_load(&destroyed, FT_RELAXED);

    for (int i = 0; i < 1000; i++)
        ft_retire(node_create(0), node_destroy, sizeof(node));
    ft_epoch_drain();
    check_int_eq(ft_atomic_load(&destroyed, FT_RELAXED) - before, 1000);
    check_int_eq(ft_epoch_get_stats().unreclaimed_bytes, 0);
}

// ---- a reader in a section ----

typedef struct {
    ft_atomic_u32 stage;  // 1: the reader is in; 2: it may leave.
    ft_atomic_pointer shared;
    ft_atomic_u32 seen;
} scene;

static void read_slowly(void *host)
{
    scene *s = host;

    ft_read_begin();
    ft_read_begin();  // They nest.
    node *n = ft_atomic_load(&s->shared, FT_ACQUIRE);
    ft_atomic_store(&s->stage, 1, FT_RELEASE);
    ft_read_end();
    while (ft_atomic_load(&s->stage, FT_ACQUIRE) != 2)
        FT_PAUSE();
    ft_atomic_store(&s->seen, ft_atomic_load(&n->state, FT_RELAXED), FT_RELAXED);
    ft_read_end();
}

TEST(a_reader_keeps_what_it_found)
{
    static scene s;
    ft_thread thread = {0};
    ft_error err = FT_ERROR_INIT;
    int64_t before = ft_atomic_load(&destroyed, FT_RELAXED);

    ft_atomic_store(&s.shared, node_create(7), FT_RELEASE);
    check_ok(ft_thread_start(&thread, "reader", read_slowly, &s, &err), &err);
    while (ft_atomic_load(&s.stage, FT_ACQUIRE) != 1)
        FT_PAUSE();
    node *old = ft_atomic_exchange(&s.shared, NULL, FT_ACQ_REL);
    ft_retire(old, node_destroy, 4 << 20);
    for (int i = 0; i < 10000; i++)
        ft_epoch_turn_end();
    check_int_eq(ft_atomic_load(&destroyed, FT_RELAXED), before);
    ft_atomic_store(&s.stage, 2, FT_RELEASE);
    ft_thread_join(&thread);
    check_int_eq(ft_atomic_load(&s.seen, FT_RELAXED), ALIVE);
    ft_epoch_drain();
    check_int_eq(ft_atomic_load(&destroyed, FT_RELAXED) - before, 1);
}

// ---- torture ----

typedef struct {
    ft_atomic_pointer slots[SLOTS];
    ft_atomic_u32 begun, over;
    ft_atomic_u64 reads, dead;
} board;

static void read_many(void *host)
{
    board *b = host;
    uint64_t reads = 0, dead = 0, at = 0;

    ft_atomic_add(&b->begun, 1, FT_RELAXED);
    do {  // Once at least.
        ft_read_begin();
        for (int i = 0; i < 4; i++) {
            node *n = ft_atomic_load(&b->slots[at++ % SLOTS], FT_ACQUIRE);
            dead += ft_atomic_load(&n->state, FT_RELAXED) != ALIVE;
            dead += n->value == UINT64_MAX;
            reads++;
        }
        ft_read_end();
    } while (!ft_atomic_load(&b->over, FT_ACQUIRE));
    ft_atomic_add(&b->reads, reads, FT_RELAXED);
    ft_atomic_add(&b->dead, dead, FT_RELAXED);
}

TEST(readers_never_see_what_was_destroyed)
{
    static board b;
    ft_thread threads[READERS] = {{0}};
    ft_error err = FT_ERROR_INIT;
    int64_t writes = operations(100000), before = ft_atomic_load(&destroyed, FT_RELAXED);

    for (int i = 0; i < SLOTS; i++)
        ft_atomic_store(&b.slots[i], node_create((uint64_t)i), FT_RELEASE);
    for (int i = 0; i < READERS; i++)
        check_ok(ft_thread_start(&threads[i], "reader", read_many, &b, &err), &err);
    while (ft_atomic_load(&b.begun, FT_RELAXED) < READERS)
        FT_PAUSE();
    for (int64_t i = 0; i < writes; i++) {
        node *old = ft_atomic_exchange(&b.slots[i % SLOTS], node_create((uint64_t)i), FT_ACQ_REL);
        ft_retire(old, node_destroy, 4096);
    }
    ft_atomic_store(&b.over, 1, FT_RELEASE);
    for (int i = 0; i < READERS; i++)
        ft_thread_join(&threads[i]);
    for (int i = 0; i < SLOTS; i++)
        ft_retire(ft_atomic_exchange(&b.slots[i], NULL, FT_ACQ_REL), node_destroy, sizeof(node));
    ft_epoch_drain();
    check_int_eq(ft_atomic_load(&b.dead, FT_RELAXED), 0);
    check_true(ft_atomic_load(&b.reads, FT_RELAXED) > 0);
    check_int_eq(ft_atomic_load(&destroyed, FT_RELAXED) - before, writes + SLOTS);
}

// ---- threads that end, and no memory ----

static void retire_some(void *host)
{
    (void)host;
    for (int i = 0; i < 100; i++)
        ft_retire(node_create(0), node_destroy, sizeof(node));
}

TEST(what_a_thread_leaves_is_destroyed_by_others)
{
    ft_error err = FT_ERROR_INIT;
    int64_t before = ft_atomic_load(&destroyed, FT_RELAXED);
    int64_t live = ft_alloc_get_stats().live_blocks;

    for (int i = 0; i < 5; i++) {
        ft_thread thread = {0};
        check_ok(ft_thread_start(&thread, "retire", retire_some, NULL, &err), &err);
        ft_thread_join(&thread);
    }
    ft_epoch_drain();
    check_int_eq(ft_atomic_load(&destroyed, FT_RELAXED) - before, 500);
    check_int_eq(ft_alloc_get_stats().live_blocks, live);
}

TEST(without_memory_it_waits_and_destroys_at_once)
{
    int64_t before = ft_atomic_load(&destroyed, FT_RELAXED);
    node *n = node_create(0);

    ft_epoch_drain();
    ft_alloc_fail_at(1, true);
    ft_retire(n, node_destroy, sizeof(node));
    ft_alloc_fail_at(0, false);
    check_int_eq(ft_atomic_load(&destroyed, FT_RELAXED) - before, 1);
    ft_epoch_drain();
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
