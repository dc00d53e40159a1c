// Whether lock elision would win anything for the locks of shared collections: nanoseconds a
// section, of one thread and of two, the median of RUNS interleaved runs.
//
//   bench_elide
//
//   changes   a word is added to: under the byte that collections have (parking.h), by
//             ft_elide_run, and as a writer of a sequence
//   reads     a pair of words that a writer may be changing: in a read section as collections do
//             it (epoch.h; the pair behind a pointer), and by the sequence
#include <stdio.h>
#include <stdlib.h>

#include "runtime/concurrent/elide.h"
#include "runtime/concurrent/parking.h"
#include "runtime/memory/epoch.h"
#include "runtime/system/clock.h"
#include "runtime/system/thread.h"

enum { RUNS = 7, SECTIONS = 2000000, THREADS_MAX = 2 };

typedef struct {
    ft_atomic_u64 first, second;
} pair;

static ft_atomic_u8 byte_lock;
static ft_lock_class byte_class = {.name = "bench"};
static ft_elide_lock elided;
static pair pairs[2];
static ft_atomic_pointer current;
static ft_atomic_u64 odd_pairs;

static void add_one(void *argument)
{
    pair *p = argument;
    // Relaxed: under a lock, or in a transaction.
    ft_atomic_store(&p->first, ft_atomic_load(&p->first, FT_RELAXED) + 1, FT_RELAXED);
}

static void change_locked(void)
{
    ft_lock_acquire(&byte_lock, &byte_class);
    add_one(&pairs[0]);
    ft_lock_release(&byte_lock);
}

static void change_elided(void)
{
    ft_elide_run(&elided, add_one, &pairs[0]);
}

static void change_sequenced(void)
{
    ft_elide_write_begin(&elided);
    uint64_t next = ft_atomic_load(&pairs[0].first, FT_RELAXED) + 1;
    // Release: whoever sees one of them sees the odd sequence.
    ft_atomic_store(&pairs[0].first, next, FT_RELEASE);
    ft_atomic_store(&pairs[0].second, next, FT_RELEASE);
    ft_elide_write_end(&elided);
}

static void read_section(void)
{
    ft_read_begin();
    // Acquire pairs with whoever would publish another pair.
    const pair *p = ft_atomic_load(&current, FT_ACQUIRE);
    uint64_t first = ft_atomic_load(&p->first, FT_RELAXED);
    uint64_t second = ft_atomic_load(&p->second, FT_RELAXED);
    ft_read_end();
    if (first != second)
        ft_atomic_add(&odd_pairs, 1, FT_RELAXED);
}

static void read_sequenced(void)
{
    uint64_t first = 0, second = 0;

    for (ft_elide_reader r = ft_elide_read_begin(&elided); ft_elide_read_more(&r);) {
        first = ft_atomic_load(&pairs[0].first, FT_ACQUIRE);
        second = ft_atomic_load(&pairs[0].second, FT_ACQUIRE);
    }
    if (first != second)
        ft_atomic_add(&odd_pairs, 1, FT_RELAXED);
}

static const struct {
    const char *what;
    void (*section)(void);
} sides[] = {
    {"change, byte lock", change_locked},   {"change, elided", change_elided},
    {"change, sequence", change_sequenced}, {"read, section", read_section},
    {"read, sequence", read_sequenced},
};

static void thread_main(void *host)
{
    void (*const *section)(void) = host;

    for (int i = 0; i < SECTIONS; i++)
        (*section)();
}

static double ns_of(size_t side, int threads)
{
    void (*section)(void) = sides[side].section;
    ft_thread started[THREADS_MAX] = {0};
    ft_error err = FT_ERROR_INIT;

    ft_atomic_store(&pairs[0].first, 0, FT_RELAXED);
    ft_atomic_store(&pairs[0].second, 0, FT_RELAXED);
    int64_t from = ft_clock_ns();
    for (int i = 0; i < threads; i++)
        if (!ft_thread_start(&started[i], "bench", thread_main, &section, &err)) {
            fprintf(stderr, "%s\n", err.message);
            exit(1);
        }
    for (int i = 0; i < threads; i++)
        ft_thread_join(&started[i]);
    return (double)(ft_clock_ns() - from) / SECTIONS / threads;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

int main(void)
{
    static double ns[FT_COUNT_OF(sides)][THREADS_MAX][RUNS];

    ft_elide_init(&elided);
    ft_atomic_store(&current, &pairs[0], FT_RELEASE);
    for (int run = 0; run < RUNS; run++)
        for (size_t side = 0; side < FT_COUNT_OF(sides); side++)
            for (int threads = 1; threads <= THREADS_MAX; threads++)
                ns[side][threads - 1][run] = ns_of(side, threads);
    printf("transactions: %s\n", ft_elide_get_ops() ? "rtm" : "none");
    printf("%-20s %10s %10s\n", "ns a section", "1 thread", "2 threads");
    for (size_t side = 0; side < FT_COUNT_OF(sides); side++) {
        for (int i = 0; i < THREADS_MAX; i++)
            qsort(ns[side][i], RUNS, sizeof(double), compare);
        printf("%-20s %10.1f %10.1f\n", sides[side].what, ns[side][0][RUNS / 2],
               ns[side][1][RUNS / 2]);
    }
    ft_elide_finish(&elided);
    return ft_atomic_load(&odd_pairs, FT_RELAXED) != 0;
}
