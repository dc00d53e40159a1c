// runtime/memory/pool.c: blocks that others free come home once, or reach the global shelf when
// the home sleeps or ends; none is lost, none comes twice, none lies with a sleeper.
//
// sources: CORE
#include "runtime/memory/pool.c"
#include "tests/mc/mc.h"

enum { SIZE = 64, BLOCKS = 6 };

static void *blocks[BLOCKS];
static uint16_t homes[BLOCKS];
static ft_lease *home;

static void adopt(void)
{
    ft_lease_adopt(ft_lease_reserve());
}

static void make_blocks(void)
{
    home = ft_own.lease;
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = ft_pool_alloc(SIZE, &homes[i]);
}

static void make_pool(void)
{
    uint16_t at;
    ft_pool_free(ft_pool_alloc(SIZE, &at), SIZE, at);
}

static void setup(void)
{
    adopt();
    for (int i = 1; i <= 3; i++)
        mc_as(i, adopt);
    mc_as(1, make_blocks);
    mc_as(2, make_pool);
    mc_as(3, make_pool);
}

// Everything back to the allocator; what was freed or kept twice shows there.
static void give_all(void)
{
    ft_lease *lease = ft_own.lease;

    if (lease && ft_atomic_load(&lease->state, FT_RELAXED) == FT_LEASE_DETACHED)
        ft_lease_resume();
    ft_lease_retire();
}

static void finish(void)
{
    for (int i = 1; i <= 3; i++)
        mc_as(i, give_all);
    for (uint32_t id = 1; id <= ft_lease_highest_id(); id++) {
        ft_pool_lease *pool = ft_atomic_load(&ft_lease_get(id)->pool, FT_RELAXED);
        mc_check(!ft_atomic_load(&ft_lease_get(id)->returned, FT_RELAXED));
        if (pool)
            mc_check(ft_atomic_load(&pool->bytes, FT_RELAXED) == 0);
        ft_free_raw(pool);
    }
    ft_pool_trim();
    mc_check(ft_pool_shelf_bytes() == 0);
}

static void finish_asleep(void)
{
    mc_check(ft_atomic_load(&home->state, FT_RELAXED) == FT_LEASE_DETACHED);
    mc_check(!ft_atomic_load(&home->returned, FT_RELAXED));
    finish();
}

// Two make a train, which is delivered.
static void free_two(int from)
{
    for (int i = from; i < from + 2; i++) {
        memset(blocks[i], 1, SIZE);
        ft_pool_free(blocks[i], SIZE, homes[i]);
    }
}

static void take_one(void)
{
    uint16_t at;
    char *taken = ft_pool_alloc(SIZE, &at);

    memset(taken, 2, SIZE);
    ft_pool_free(taken, SIZE, at);
}

static void come_home(int thread)
{
    if (thread == 1) {
        free_two(0);
        ft_lease_turn_end();
        take_one();
    } else {
        free_two(2 * thread - 2);
    }
}

static void home_sleeps(int thread)
{
    if (thread == 1) {
        free_two(0);
        ft_lease_detach();
    } else {
        free_two(2 * thread - 2);
    }
}

static void home_ends(int thread)
{
    if (thread == 1) {
        free_two(0);
        ft_lease_retire();
    } else {
        free_two(2 * thread - 2);
    }
}

static void all(int thread)
{
    if (thread == 1) {
        free_two(0);
        ft_lease_detach();
        ft_lease_resume();
        take_one();
    } else {
        free_two(2 * thread - 2);
        take_one();
    }
}

const mc_target mc_targets[] = {
    {"pool", "free turn alloc | free two | free two", 3, setup, come_home, finish,
     .is_long = false},
    {"pool-sleep", "free, sleeps | free two | free two", 3, setup, home_sleeps, finish_asleep,
     .is_long = false},
    {"pool-end", "free, ends | free two | free two", 3, setup, home_ends, finish, .is_long = false},
    {"pool-3x2", "sleep wake alloc | free two, alloc | free two, alloc", 3, setup, all, finish,
     .is_long = false},
    {.name = NULL},
};
