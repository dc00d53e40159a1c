// Sharded counters: no increment is lost, whatever becomes of the leases that made it.
#include <stdlib.h>

#include "runtime/concurrent/counter.h"
#include "runtime/memory/alloc.h"
#include "runtime/system/thread.h"
#include "tests/check.h"

enum { THREADS = 3, ADDS = 10000 };

static int64_t operations(int64_t fallback)
{
    const char *text = getenv("FT_TORTURE");
    return text ? atoll(text) : fallback;
}

typedef struct {
    ft_counter *counter;
    int64_t adds;
} work;

static void add_many(void *host)
{
    const work *w = host;

    for (int64_t i = 0; i < w->adds; i++)
        ft_counter_add(w->counter, i % 3 == 0 ? 2 : 1);
}

// What add_many adds.
static int64_t sum_of(int64_t adds)
{
    return adds + (adds + 2) / 3;
}

static void run(ft_counter *counter, int64_t adds)
{
    ft_thread threads[THREADS] = {{0}};
    ft_error err = FT_ERROR_INIT;
    work w = {counter, adds};

    for (int i = 0; i < THREADS; i++)
        check_ok(ft_thread_start(&threads[i], "count", add_many, &w, &err), &err);
    for (int i = 0; i < THREADS; i++)
        ft_thread_join(&threads[i]);
}

TEST(every_add_counts)
{
    ft_error err = FT_ERROR_INIT;
    ft_counter *counter = ft_counter_create(NULL, &err);
    int64_t adds = operations(ADDS);

    run(counter, adds);
    check_int_eq(ft_counter_sum(counter), THREADS * sum_of(adds));
    ft_counter_add(counter, -5);
    check_int_eq(ft_counter_sum(counter), THREADS * sum_of(adds) - 5);
    ft_counter_unref(counter);
}

TEST(leases_come_and_go)
{
    ft_error err = FT_ERROR_INIT;
    ft_counter *counter = ft_counter_create(NULL, &err);

    for (int i = 0; i < 300; i++)
        run(counter, 10);
    check_int_eq(ft_counter_sum(counter), 300 * THREADS * sum_of(10));
    ft_counter_unref(counter);
}

TEST(exact_ones_too)
{
    ft_error err = FT_ERROR_INIT;
    ft_counter *counter = ft_counter_create_exact(NULL, &err);

    check_true(ft_counter_is_exact(counter));
    run(counter, ADDS);
    check_int_eq(ft_counter_sum(counter), THREADS * sum_of(ADDS));
    ft_counter_unref(counter);
}

TEST(without_memory_for_cells_nothing_is_lost)
{
    ft_error err = FT_ERROR_INIT;
    int64_t live = ft_alloc_get_stats().live_blocks;
    ft_counter *counter = ft_counter_create(NULL, &err);

    ft_alloc_fail_at(1, true);
    ft_counter_add(counter, 3);
    ft_alloc_fail_at(0, false);
    ft_counter_add(counter, 4);
    check_int_eq(ft_counter_sum(counter), 7);
    ft_counter_unref(counter);
    check_int_eq(ft_alloc_get_stats().live_blocks, live);
    ft_alloc_fail_at(1, true);
    check_true(ft_counter_create(NULL, &err) == NULL);
    ft_alloc_fail_at(0, false);
    check_int_eq(err.code, FT_ERROR_NOMEM);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
