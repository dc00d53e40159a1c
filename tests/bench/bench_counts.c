// Counting and pools against what they replace, side by side in one process: the median of RUNS
// interleaved runs each, and the ratio.
//
//   bench_counts
//
//   own pair     ft_object_ref + ft_object_unref of an own object against an atomic add + sub
//   592 B, 4 MiB one thread allocates and one frees, through a ring: a pool (pages) against the
//                plain allocator; items a second, and what is resident beyond what is alive
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef FT_SANITIZED
#include <mimalloc.h>
#endif

#include "runtime/memory/buffer.h"
#include "runtime/memory/pages.h"
#include "runtime/memory/pool.h"
#include "runtime/system/clock.h"
#include "runtime/system/thread.h"

enum { RUNS = 9, PAIRS = 20000000, RING = 256, OBJECTS = 32, SMALL = 592, BIG = 4 << 20 };

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *values)
{
    qsort(values, RUNS, sizeof(*values), compare);
    return values[RUNS / 2];
}

// ---- pairs ----

static void no_destroy(ft_object *object)
{
    (void)object;
}

static const ft_object_type bench_type = {.name = "bench", .destroy = no_destroy};

// Of OBJECTS in turn, as the columns of a batch are: not the same word again at once.
static double own_pairs(ft_object *objects)
{
    int64_t from = ft_clock_ns();

    for (int i = 0; i < PAIRS / OBJECTS; i++)
        for (ft_object *object = objects; object < objects + OBJECTS; object++) {
            ft_object_ref(object);
            ft_object_unref(object);
        }
    return (double)(ft_clock_ns() - from) / PAIRS;
}

static double atomic_pairs(ft_atomic_u64 *counts)
{
    int64_t from = ft_clock_ns();

    for (int i = 0; i < PAIRS / OBJECTS; i++)
        for (ft_atomic_u64 *at = counts; at < counts + 3 * OBJECTS; at += 3) {  // 24 bytes apart.
            ft_atomic_add(at, 1, FT_RELAXED);
            if (ft_atomic_sub(at, 1, FT_ACQ_REL) == 1)
                return 0;
        }
    return (double)(ft_clock_ns() - from) / PAIRS;
}

static void bench_pairs(void)
{
    static ft_object objects[OBJECTS];
    static ft_atomic_u64 counts[3 * OBJECTS];
    double own[RUNS], atomic[RUNS];

    for (int i = 0; i < OBJECTS; i++) {
        ft_object_init(&objects[i], &bench_type);
        ft_atomic_store(&counts[3 * i], 1, FT_RELAXED);
    }
    for (int i = 0; i < RUNS; i++) {
        own[i] = own_pairs(objects);
        atomic[i] = atomic_pairs(counts);
    }
    double a = median(own), b = median(atomic);
    printf("own pair %.2f ns, atomic pair %.2f ns: 1/%.1f (goal 1/8)\n", a, b, b / a);
}

// ---- one allocates, one frees ----

typedef struct {
    void *block;
    uint16_t home;
} item;

typedef struct {
    item ring[RING];
    char padding[64];
    ft_atomic_u64 head;
    char padding2[64];
    ft_atomic_u64 tail;
    char padding3[64];
    size_t size_bytes;
    uint64_t items;
    bool ours;
} line;

static item item_make(const line *l)
{
    item made = {0};

    if (!l->ours)
#ifndef FT_SANITIZED
        made.block = mi_malloc(l->size_bytes);
#else
        made.block = malloc(l->size_bytes);
#endif
    else if (l->size_bytes < FT_PAGES_MIN)
        made.block = ft_pool_alloc(l->size_bytes, &made.home);
    else
        made.block = ft_pages_create(l->size_bytes);
    if (!made.block)
        abort();
    // Filled, as a tensor is.
    for (size_t i = 0; i < l->size_bytes; i += 64)
        ((volatile char *)made.block)[i] = 1;
    return made;
}

static void item_free(const line *l, item freed)
{
    if (!l->ours)
#ifndef FT_SANITIZED
        mi_free(freed.block);
#else
        free(freed.block);
#endif
    else if (l->size_bytes < FT_PAGES_MIN)
        ft_pool_free(freed.block, l->size_bytes, freed.home);
    else
        ft_pages_destroy(freed.block, l->size_bytes);
}

static void consume(void *host)
{
    line *l = host;

    for (uint64_t at = 0; at < l->items; at++) {
        while (ft_atomic_load(&l->head, FT_ACQUIRE) == at)
            continue;
        item_free(l, l->ring[at % RING]);
        ft_atomic_store(&l->tail, at + 1, FT_RELEASE);
        if (at % 64 == 0)
            ft_lease_turn_end();
    }
}

static double produce(line *l, uint64_t depth)
{
    ft_thread thread;
    ft_error err = FT_ERROR_INIT;

    ft_atomic_store(&l->head, 0, FT_RELAXED);
    ft_atomic_store(&l->tail, 0, FT_RELAXED);
    int64_t from = ft_clock_ns();
    if (!ft_thread_start(&thread, "free", consume, l, &err))
        abort();
    for (uint64_t at = 0; at < l->items; at++) {
        while (at - ft_atomic_load(&l->tail, FT_ACQUIRE) >= depth)
            continue;
        l->ring[at % RING] = item_make(l);
        ft_atomic_store(&l->head, at + 1, FT_RELEASE);
        if (at % 64 == 0)
            ft_lease_turn_end();
    }
    ft_thread_join(&thread);
    return (double)l->items * 1e9 / (double)(ft_clock_ns() - from);
}

static double resident_mib(void)
{
    long long size, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (file && fscanf(file, "%lld %lld", &size, &resident) != 2)
        resident = 0;
    if (file)
        fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

static void bench_line(size_t size_bytes, uint64_t items, uint64_t depth)
{
    static line l;
    double rates[2][RUNS], resident = 0;

    for (int i = 0; i < RUNS; i++)
        for (int ours = 1; ours >= 0; ours--) {
            l.size_bytes = size_bytes;
            l.items = items;
            l.ours = ours;
            rates[ours][i] = produce(&l, depth);
            if (i == 0 && ours)  // Before the plain allocator has kept any.
                resident = resident_mib();
        }
    double a = median(rates[1]), b = median(rates[0]);
    printf("%zu bytes: %.0f items/s, plain %.0f: %.2fx (goal 1.3x); resident %.1f MiB\n",
           size_bytes, a, b, a / b, resident);
}

int main(void)
{
    bench_pairs();
    bench_line(SMALL, 2000000, RING);
    bench_line(BIG + 4096, 3000, 8);
    return 0;
}
