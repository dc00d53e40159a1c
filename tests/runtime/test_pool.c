// Pools: sizes, the way home, and bounds.
#include <stdlib.h>
#include <string.h>

#include "runtime/data/tensor.h"
#include "runtime/memory/alloc.h"
#include "runtime/memory/pool.h"
#include "runtime/system/thread.h"
#include "tests/check.h"

enum { BLOCKS = 1000, SMALL = 592, BIG = 4 << 20, BIG_COUNT = 40 };

static void on_thread(void (*run)(void *host), void *host)
{
    ft_thread thread;
    ft_error err = FT_ERROR_INIT;

    FT_ASSERT(ft_thread_start(&thread, "test", run, host, &err));
    ft_thread_join(&thread);
}

TEST(a_class_holds_its_sizes_and_wastes_an_eighth)
{
    size_t before = 0;

    for (size_t size = 1; size <= FT_POOL_MAX; size += size < 5000 ? 1 : 37) {
        size_t bytes = ft_pool_round(size);
        check_true(bytes >= size && bytes >= before && bytes % FT_POOL_ALIGNMENT == 0);
        check_true(bytes - size < FT_POOL_ALIGNMENT || (bytes - size) * 8 <= bytes);
        check_int_eq(ft_pool_round(bytes), bytes);
        before = bytes;
    }
    check_int_eq(ft_pool_round(FT_POOL_MAX), FT_POOL_MAX);
    check_int_eq(ft_pool_round(FT_POOL_MAX + 1), FT_POOL_MAX + 1);
}

typedef struct {
    void *blocks[BLOCKS];
    uint16_t homes[BLOCKS];
    size_t size_bytes;
} lot;

static void lot_make(lot *l, size_t size_bytes)
{
    l->size_bytes = size_bytes;
    for (size_t i = 0; i < BLOCKS; i++) {
        l->blocks[i] = ft_pool_alloc(size_bytes, &l->homes[i]);
        check_true(l->blocks[i] && (uintptr_t)l->blocks[i] % FT_POOL_ALIGNMENT == 0);
        memset(l->blocks[i], (int)i, size_bytes);
    }
}

static void lot_free(void *host)
{
    lot *l = host;

    for (size_t i = 0; i < BLOCKS; i++) {
        const uint8_t *bytes = l->blocks[i];
        FT_ASSERT(bytes[0] == (uint8_t)i && bytes[l->size_bytes - 1] == (uint8_t)i);
        ft_pool_free(l->blocks[i], l->size_bytes, l->homes[i]);
    }
}

TEST(blocks_are_counted_and_do_not_overlap)
{
    static lot l;
    int64_t live = ft_alloc_get_stats().live_blocks;

    for (size_t size = 1; size <= FT_POOL_MAX; size = size * 5 + 3) {
        lot_make(&l, size);
        check_int_eq(ft_alloc_get_stats().live_blocks, live + BLOCKS);
        lot_free(&l);
        lot_make(&l, size);
        on_thread(lot_free, &l);
        check_int_eq(ft_alloc_get_stats().live_blocks, live);
    }
    lot_make(&l, FT_POOL_MAX + 1);
    on_thread(lot_free, &l);
    check_int_eq(ft_alloc_get_stats().live_blocks, live);
}

TEST(what_is_kept_is_bounded)
{
    static lot l;

    for (size_t size = 64; size <= FT_POOL_MAX; size *= 2) {
        lot_make(&l, size);
        lot_free(&l);
        check_true(ft_pool_lease_bytes(ft_lease_current()) <= FT_POOL_LEASE_BYTES);
        lot_make(&l, size);
        on_thread(lot_free, &l);
        check_true(ft_pool_shelf_bytes() <= FT_POOL_SHELF_BYTES);
    }
    ft_pool_trim();
    check_int_eq(ft_pool_shelf_bytes(), 0);
}

TEST(an_allocation_can_be_made_to_fail)
{
    uint16_t home;
    void *block = ft_pool_alloc(SMALL, &home);

    ft_pool_free(block, SMALL, home);
    ft_alloc_fail_at(1, false);
    check_true(ft_pool_alloc(SMALL, &home) == NULL);
    block = ft_pool_zero(SMALL, &home);
    check_true(block != NULL);
    ft_pool_free(block, SMALL, home);
    ft_alloc_fail_at(0, false);
}

#ifndef FT_SANITIZED

typedef struct {
    lot l;
    ft_atomic_u32 made, freed;
} errand;

static void free_when_made(void *host)
{
    errand *e = host;

    while (!ft_atomic_load(&e->made, FT_ACQUIRE))
        continue;
    lot_free(&e->l);
    ft_lease_detach();  // Sends off what is left of the trains.
    ft_lease_resume();
    ft_atomic_store(&e->freed, 1, FT_RELEASE);
}

TEST(blocks_that_another_lease_frees_come_home)
{
    static errand e;
    static lot again;
    ft_thread thread;
    ft_error err = FT_ERROR_INIT;
    size_t found = 0;

    ft_pool_trim();
    check_ok(ft_thread_start(&thread, "free", free_when_made, &e, &err), &err);
    lot_make(&e.l, SMALL);
    ft_atomic_store(&e.made, 1, FT_RELEASE);
    while (!ft_atomic_load(&e.freed, FT_ACQUIRE))  // Running, not waiting: it is at home.
        continue;
    ft_lease_turn_end();
    check_true(ft_pool_lease_bytes(ft_lease_current()) >= BLOCKS * SMALL);
    lot_make(&again, SMALL);
    for (size_t i = 0; i < BLOCKS; i++)
        for (size_t j = 0; j < BLOCKS; j++)
            found += again.blocks[i] == e.l.blocks[j];
    check_int_eq(found, BLOCKS);
    lot_free(&again);
    ft_thread_join(&thread);
}

TEST(blocks_of_a_home_that_waits_go_to_the_shelf)
{
    static lot l;

    ft_pool_trim();
    lot_make(&l, SMALL);
    int64_t before = ft_pool_shelf_bytes();
    on_thread(lot_free, &l);
    check_true(ft_pool_shelf_bytes() - before >= BLOCKS * SMALL);
    ft_pool_trim();
}

#endif

// ---- the owner is blocked, and its tensors are dropped elsewhere ----

typedef struct {
    ft_account account;
    ft_tensor *tensors[BIG_COUNT];
    bool received;
    int64_t most_left;
} blocked;

static void drop_all(void *host)
{
    blocked *b = host;
    uint32_t owner = ft_atomic_load(&b->tensors[0]->object.owner, FT_RELAXED);

    // It is about an owner that waits: not before it does.
    while (!b->received && owner != FT_OWNER_NONE && owner != ft_lease_current()->id &&
           ft_atomic_load(&ft_lease_get(owner)->state, FT_ACQUIRE) != FT_LEASE_DETACHED)
        FT_PAUSE();
    for (size_t i = 0; i < BIG_COUNT; i++) {
        if (b->received)
            ft_object_receive(&b->tensors[i]->object);
        ft_tensor_unref(b->tensors[i]);
        int64_t left = ft_account_used_bytes(&b->account);
        int64_t live = (int64_t)(BIG_COUNT - 1 - i) * (BIG + 4096);
        if (left - live > b->most_left)
            b->most_left = left - live;
    }
}

static void check_blocked(bool received, bool abroad)
{
    static blocked b;
    ft_error err = FT_ERROR_INIT;
    int64_t live = ft_alloc_get_stats().live_blocks;

    b = (blocked){.received = received, .most_left = INT64_MIN};
    ft_account_init(&b.account, 400 << 20);
    for (size_t i = 0; i < BIG_COUNT; i++) {
        b.tensors[i] = ft_tensor_create_1d(&b.account, FT_DTYPE_U8, BIG, &err);
        check_true(b.tensors[i] != NULL);
        if (received)
            ft_object_hand_over(&b.tensors[i]->object);
    }
    if (abroad)
        on_thread(drop_all, &b);  // Joining is waiting.
    else
        drop_all(&b);
    check_int_eq(b.most_left, 0);
    check_int_eq(ft_account_used_bytes(&b.account), 0);
    check_int_eq(ft_account_peak_bytes(&b.account), BIG_COUNT * (BIG + 4096));
    check_int_eq(ft_alloc_get_stats().live_blocks, live);
}

TEST(tensors_of_a_blocked_owner_go_as_soon_as_they_are_dropped)
{
    check_blocked(false, false);  // One thread.
    check_blocked(true, true);    // Handed over.
    check_blocked(false, true);   // Strays.
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
