// A gap is the time between two looks at the clock of a thread that does nothing but look and read
// shared objects. They are counted in steps of a sixteenth, so what is found at p99.99 is at most
// so much too high.
#include "cli/bench_collector.h"

#include "runtime/concurrent/dict.h"
#include "runtime/concurrent/lock.h"
#include "runtime/concurrent/shared_list.h"
#include "runtime/memory/collector.h"
#include "runtime/memory/epoch.h"
#include "runtime/system/clock.h"
#include "runtime/system/thread.h"

enum {
    OBJECTS = 1500000,
    RING = 3,
    STEPS = 16,
    STEP_BITS = 4,
    BUCKETS = 40 * STEPS,
    KEYS = 1024,
    BASE_NS = 1000000000,
    TURN = 256,
    LISTS = 64,
    MUTATIONS = 5000000,
    LIMIT_BYTES = 1 << 30,
};

static ft_key int_key(int64_t key)
{
    return (ft_key){.is_int = true, .integer = key};
}

// ---- garbage ----

static bool link_to(ft_list *from, ft_list *to, ft_error *err)
{
    ft_value value = {FT_VALUE_LIST, {.object = ft_list_object(to)}};
    return ft_list_append(from, &value, NULL, err);
}

static bool make_ring(ft_list *keep, ft_account *account, ft_error *err)
{
    ft_list *ring[RING] = {NULL};
    bool ok = true;

    for (int i = 0; i < RING; i++) {
        ring[i] = ft_list_create(4, account, err);
        ok = ok && ring[i];
    }
    for (int i = 0; i < RING; i++)
        ok = ok && link_to(ring[i], ring[(i + 1) % RING], err);
    ok = ok && (!keep || link_to(keep, ring[0], err));
    for (int i = 0; i < RING; i++)
        if (ring[i])
            ft_object_unref(ft_list_object(ring[i]));
    return ok;
}

static ft_list *make_garbage(ft_error *err)
{
    ft_list *keep = ft_list_create(OBJECTS, NULL, err);
    bool ok = keep != NULL;

    for (int i = 0; ok && i < OBJECTS / RING; i++) {
        ok = make_ring(keep, NULL, err);
        if (i % TURN == 0)
            ft_lease_turn_end();
    }
    ft_collector_drain();  // Making them has made candidates, which are alive.
    return ok ? keep : NULL;
}

// ---- gaps ----

typedef struct {
    ft_dict *dict;
    ft_mutex lock;  // Guards `has_base`.
    ft_condition changed;
    bool has_base;
    ft_atomic_u32 is_over;
    uint64_t base[BUCKETS], busy[BUCKETS];
} scene;

static size_t bucket_of(uint64_t ns)
{
    if (ns < STEPS)
        return (size_t)ns;
    unsigned top = 63u - (unsigned)FT_LEADING_ZEROS_64(ns);
    size_t at = (top - STEP_BITS + 1) * STEPS + (size_t)(ns >> (top - STEP_BITS) & (STEPS - 1));
    return at < BUCKETS ? at : BUCKETS - 1;
}

// The upper end of the bucket above which are only 1 of `part` gaps (0: none).
static double high_gap(const uint64_t *buckets, uint64_t part)
{
    uint64_t sum = 0, seen = 0;
    size_t at = 0;

    for (size_t i = 0; i < BUCKETS; i++)
        sum += buckets[i];
    uint64_t below = part ? sum - sum / part : sum;
    for (; at + 1 < BUCKETS && (seen += buckets[at]) < below; at++)
        continue;
    if (at < STEPS)
        return (double)at;
    size_t row = at / STEPS;
    return (double)((uint64_t)(STEPS + at % STEPS + 1) << (row - 1));
}

static void count_gaps(scene *s, uint64_t *buckets, int64_t limit_ns)
{
    int64_t from = ft_clock_ns(), before = from;
    ft_key key = int_key(0);
    ft_value value;

    while (limit_ns ? before - from < limit_ns : !ft_atomic_load(&s->is_over, FT_ACQUIRE)) {
        ft_read_begin();
        key.integer = (key.integer + 7) % KEYS;
        ft_ignore(ft_dict_borrow(s->dict, &key, &value));
        ft_read_end();
        int64_t now = ft_clock_ns();
        buckets[bucket_of((uint64_t)(now - before))]++;
        before = now;
    }
}

static void work(void *host)
{
    scene *s = host;

    count_gaps(s, s->base, BASE_NS);
    ft_mutex_lock(&s->lock);
    s->has_base = true;
    ft_condition_wake_all(&s->changed);
    ft_mutex_unlock(&s->lock);
    count_gaps(s, s->busy, 0);
}

static bool fill_dict(ft_dict *dict, ft_error *err)
{
    bool ok = dict != NULL;

    for (int64_t i = 0; ok && i < KEYS; i++) {
        ft_list *list = ft_list_create(4, NULL, err);
        ft_value value = {FT_VALUE_LIST, {.object = list ? ft_list_object(list) : NULL}};
        ft_key key = int_key(i);
        ok = list && ft_dict_set(dict, &key, &value, err);
        if (list)
            ft_object_unref(ft_list_object(list));
    }
    return ok;
}

// The gap, in us, beyond the one of the same loop without garbage.
static double gap_beyond(const scene *s, uint64_t part)
{
    double beyond = (high_gap(s->busy, part) - high_gap(s->base, part)) / 1e3;

    return beyond > 0 ? beyond : 0;
}

static bool measure_gap(ft_bench_collecting what, double *out, ft_error *err)
{
    static scene s;
    ft_thread thread;
    ft_list *garbage = make_garbage(err);

    s.dict = ft_dict_create(KEYS, NULL, err);
    ft_mutex_init(&s.lock);
    ft_condition_init(&s.changed);
    if (!garbage || !fill_dict(s.dict, err) || !ft_thread_start(&thread, "work", work, &s, err))
        return false;
    ft_mutex_lock(&s.lock);
    while (!s.has_base)
        ft_condition_wait(&s.changed, &s.lock);
    ft_mutex_unlock(&s.lock);
    uint64_t before = ft_collector_get_stats().collected;
    ft_object_unref(ft_list_object(garbage));
    int64_t from = ft_clock_ns();
    ft_collector_drain();
    double seconds = (double)(ft_clock_ns() - from) / 1e9;
    ft_atomic_store(&s.is_over, 1, FT_RELEASE);
    ft_thread_join(&thread);
    if (ft_collector_get_stats().collected - before < OBJECTS)
        return ft_fail(err, FT_ERROR_DATA, "garbage was left");
    *out = what == FT_BENCH_COLLECT ? seconds : gap_beyond(&s, what == FT_BENCH_GAP ? 10000 : 0);
    return true;
}

// ---- mutators ----

// Takes lists out of a shared dict, counts them for a while, and links some of them.
static bool measure_mutator(bool is_on, double *out, ft_error *err)
{
    ft_dict *dict = ft_dict_create(KEYS, NULL, err);
    bool ok = fill_dict(dict, err);

    if (!is_on)
        ft_object_set_collector(NULL);
    int64_t from = ft_clock_ns();
    for (int64_t i = 0; ok && i < MUTATIONS; i++) {
        ft_key key = int_key(i * 7 % KEYS);
        ft_value value;
        ok = ft_dict_get(dict, &key, &value);
        ft_list *list = (ft_list *)(void *)value.object;
        if (i % 8 == 0)
            ok = ok && (ft_list_count(list)
                            ? ft_list_pop(list, &(ft_value){FT_VALUE_NIL, {0}})
                            : ft_list_append(list, &(ft_value){FT_VALUE_INT, {0}}, NULL, err));
        ft_value_drop(&value);
        if (i % TURN == 0)
            ft_lease_turn_end();
    }
    *out = (double)(ft_clock_ns() - from) / MUTATIONS;
    return ok || ft_fail(err, FT_ERROR_DATA, "a list was lost");
}

// The most that rings hold that are dropped as soon as they are made.
static bool measure_unreclaimed(double *out, ft_error *err)
{
    ft_account account;
    bool ok = true;

    ft_account_init(&account, LIMIT_BYTES);
    for (int i = 0; ok && i < OBJECTS / RING; i++) {
        ok = make_ring(NULL, &account, err);
        if (i % TURN == 0)
            ft_lease_turn_end();
    }
    ft_collector_drain();
    *out = (double)ft_account_peak_bytes(&account) / (1 << 20);
    if (ok && ft_account_used_bytes(&account) != 0)
        return ft_fail(err, FT_ERROR_DATA, "garbage was left");
    return ok;
}

bool ft_bench_collector(const void *host, double *out, ft_error *err)
{
    ft_bench_collecting what = *(const ft_bench_collecting *)host;

    switch (what) {
    case FT_BENCH_GAP:
    case FT_BENCH_LONGEST_GAP:
    case FT_BENCH_COLLECT:
        return measure_gap(what, out, err);
    case FT_BENCH_MUTATE:
        return measure_mutator(true, out, err);
    case FT_BENCH_MUTATE_OFF:
        return measure_mutator(false, out, err);
    case FT_BENCH_UNRECLAIMED:
        return measure_unreclaimed(out, err);
    }
    return false;
}
