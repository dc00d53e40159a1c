// Each thread goes through its own part of the load of cli/bench_workload.h, which the
// peers use as well. The clock starts before the threads do, as theirs does.
#include "cli/bench_collections.h"

#include <string.h>

#include "cli/bench_workload.h"
#include "runtime/concurrent/counter.h"
#include "runtime/concurrent/dict.h"
#include "runtime/concurrent/queue.h"
#include "runtime/concurrent/set.h"
#include "runtime/concurrent/shared_list.h"
#include "runtime/concurrent/stack.h"
#include "runtime/system/clock.h"
#include "runtime/system/thread.h"

enum { THREADS_MAX = 64, TURN = 256 };

typedef struct {
    void *object;
    int64_t operations;
    ft_atomic_u64 in, out;  // Sums of what was put in and taken out.
    ft_atomic_u32 next_thread;
    ft_atomic_u32 failed;
    ft_atomic_i64 shared;  // The one atomic that counters are compared with.
} scene;

typedef struct {
    const char *name;
    void *(*create)(ft_error *err);
    void (*run)(scene *s, int thread);
} structure;

static ft_key int_key(int64_t key)
{
    return (ft_key){.is_int = true, .integer = key};
}

static ft_value int_value(int64_t value)
{
    return (ft_value){FT_VALUE_INT, {.integer = value}};
}

static void note(scene *s, uint64_t in, uint64_t out, bool failed)
{
    ft_atomic_add(&s->in, in, FT_RELAXED);
    ft_atomic_add(&s->out, out, FT_RELAXED);
    if (failed)
        ft_atomic_store(&s->failed, 1, FT_RELAXED);
}

// ---- dict, set ----

static void *create_dict(ft_error *err)
{
    ft_dict *dict = ft_dict_create(INT64_MAX, NULL, err);

    for (int64_t i = 0; dict && i < WORKLOAD_KEYS; i += 2) {
        ft_key key = int_key(i);
        ft_value value = int_value(i);
        if (!ft_dict_set(dict, &key, &value, err))
            return NULL;
    }
    return dict;
}

static void run_dict(scene *s, int thread)
{
    workload w = workload_start(thread);
    ft_error err = FT_ERROR_INIT;
    bool failed = false;
    int64_t at;

    for (int64_t i = 0; i < s->operations; i++) {
        workload_kind kind = workload_pick(&w, &at);
        ft_key key = int_key(at);
        ft_value value = int_value(at);
        if (kind == WORKLOAD_READ) {
            ft_read_begin();
            if (ft_dict_borrow(s->object, &key, &value))
                failed |= value.integer != at;
            ft_read_end();
        } else if (kind == WORKLOAD_WRITE) {
            failed |= !ft_dict_set(s->object, &key, &value, &err);
        } else {
            failed |= !ft_dict_delete(s->object, &key, NULL, &err);
        }
        if (i % TURN == 0)
            ft_lease_turn_end();
    }
    note(s, 0, 0, failed);
}

static void run_hot_key(scene *s, int thread)
{
    ft_key key = int_key(42);
    ft_value value;
    uint64_t sum = 0;

    (void)thread;
    for (int64_t i = 0; i < s->operations; i++) {
        ft_read_begin();
        if (ft_dict_borrow(s->object, &key, &value))
            sum += (uint64_t)value.integer;
        ft_read_end();
    }
    note(s, 0, 0, sum != 42 * (uint64_t)s->operations);
}

static void *create_set(ft_error *err)
{
    return ft_set_create(INT64_MAX, NULL, err);
}

static void run_set(scene *s, int thread)
{
    workload w = workload_start(thread);
    ft_error err = FT_ERROR_INIT;
    uint64_t added = 0;
    bool failed = false, is_new;
    int64_t at;

    for (int64_t i = 0; i < s->operations; i++) {
        bool reads = workload_pick(&w, &at) == WORKLOAD_READ;
        ft_key key = int_key(at);
        if (reads) {
            ft_set_has(s->object, &key);
        } else {
            failed |= !ft_set_add(s->object, &key, &is_new, &err);
            added += is_new;
        }
        if (i % TURN == 0)
            ft_lease_turn_end();
    }
    note(s, added, 0, failed);
}

// ---- stack, queue, list ----

static void *create_stack(ft_error *err)
{
    return ft_stack_create(INT64_MAX, NULL, err);
}

static void run_stack(scene *s, int thread)
{
    ft_error err = FT_ERROR_INIT;
    uint64_t in = 0, out = 0;
    bool failed = false;

    for (int64_t i = 0; i < s->operations; i += 2) {
        ft_value value = int_value(i * 16 + thread);
        failed |= !ft_stack_push(s->object, &value, &err);
        in += (uint64_t)value.integer;
        if (ft_stack_pop(s->object, &value))
            out += (uint64_t)value.integer;
    }
    note(s, in, out, failed);
}

static void *create_queue(ft_error *err)
{
    return ft_queue_create(WORKLOAD_QUEUE, NULL, err);
}

static void run_queue(scene *s, int thread)
{
    ft_error err = FT_ERROR_INIT;
    uint64_t in = 0, out = 0;
    bool failed = false, done;

    for (int64_t i = 0; i < s->operations; i += 2) {
        ft_value value = int_value(i * 16 + thread);
        failed |= !ft_queue_push(s->object, &value, &done, &err);
        in += done ? (uint64_t)value.integer : 0;
        if (ft_queue_pop(s->object, &value))
            out += (uint64_t)value.integer;
    }
    note(s, in, out, failed);
}

static void *create_list(ft_error *err)
{
    return ft_list_create(INT64_MAX, NULL, err);
}

static void run_list(scene *s, int thread)
{
    ft_error err = FT_ERROR_INIT;
    bool failed = false;
    int64_t index;

    (void)thread;
    for (int64_t i = 0; i < s->operations; i += 3) {
        ft_value value = int_value(i), got;
        failed |= !ft_list_append(s->object, &value, &index, &err);
        failed |= !ft_list_get(s->object, index, &got) || got.integer != i;
        failed |= !ft_list_get(s->object, index / 2, &got);
        if (i % TURN == 0)
            ft_lease_turn_end();
    }
    note(s, 0, 0, failed);
}

// ---- counting ----

static void *create_counter(ft_error *err)
{
    return ft_counter_create(NULL, err);
}

static void run_counter(scene *s, int thread)
{
    (void)thread;
    for (int64_t i = 0; i < s->operations; i++)
        ft_counter_add(s->object, 1);
    note(s, (uint64_t)s->operations, 0, false);
}

static void run_atomic(scene *s, int thread)
{
    (void)thread;
    for (int64_t i = 0; i < s->operations; i++)
        ft_atomic_add(&s->shared, 1, FT_RELAXED);
}

static void free_nothing(ft_object *object)
{
    (void)object;
}

static const ft_object_type own_type = {.name = "own", .destroy = free_nothing};

// A pair of taking and dropping a reference on an object of one's own.
static void run_own(scene *s, int thread)
{
    ft_object object;

    (void)thread;
    ft_object_init(&object, &own_type);
    for (int64_t i = 0; i < s->operations; i++) {
        ft_object_ref(&object);
        FT_COMPILER_BARRIER();  // So that the pair is not taken apart.
        ft_object_unref(&object);
        FT_COMPILER_BARRIER();
    }
}

static void run_atomic_pair(scene *s, int thread)
{
    (void)thread;
    for (int64_t i = 0; i < s->operations; i++) {
        ft_atomic_add(&s->shared, 1, FT_RELAXED);
        ft_atomic_sub(&s->shared, 1, FT_ACQ_REL);
    }
}

// ---- the measurement ----

static const structure structures[] = {
    {"dict", create_dict, run_dict},
    {"hot-key", create_dict, run_hot_key},
    {"set", create_set, run_set},
    {"stack", create_stack, run_stack},
    {"queue", create_queue, run_queue},
    {"list", create_list, run_list},
    {"counter", create_counter, run_counter},
    {"atomic", NULL, run_atomic},
    {"count-own", NULL, run_own},
    {"count-atomic", NULL, run_atomic_pair},
};

typedef struct {
    scene scene;
    const structure *what;
} stage;

static void run_thread(void *host)
{
    stage *st = host;

    st->what->run(&st->scene, (int)ft_atomic_add(&st->scene.next_thread, 1, FT_RELAXED));
}

// What the thread did to each key last: nothing (0), a write, a delete. By going through its load
// again.
static void replay(int thread, int64_t operations, uint8_t *last)
{
    workload w = workload_start(thread);
    int64_t at;

    for (int64_t i = 0; i < operations; i++) {
        workload_kind kind = workload_pick(&w, &at);
        if (kind != WORKLOAD_READ)
            last[at] = (uint8_t)kind;
    }
}

// The last operation on a key was the last of one of the threads: it decides whether the key is
// there.
static bool is_dict_exact(const scene *s, int threads)
{
    static uint8_t last[THREADS_MAX][WORKLOAD_KEYS];
    bool ok = true;

    for (int i = 0; i < threads; i++)
        replay(i, s->operations, last[i]);
    for (int64_t at = 0; at < WORKLOAD_KEYS; at++) {
        bool may[2] = {false, false}, is_touched = false;
        ft_key key = int_key(at);
        ft_value value;
        for (int i = 0; i < threads; i++) {
            is_touched |= last[i][at] != 0;
            may[last[i][at] == WORKLOAD_WRITE] |= last[i][at] != 0;
        }
        if (!is_touched)
            may[at % 2 == 0] = true;  // As it was made.
        ft_read_begin();
        bool is_there = ft_dict_borrow(s->object, &key, &value);
        ft_read_end();
        ok = ok && may[is_there] && (!is_there || value.integer == at);
    }
    return ok;
}

// What went in is what came out and what is left.
static bool is_exact(stage *st, int threads)
{
    scene *s = &st->scene;
    uint64_t left = 0;
    ft_value value;

    if (ft_atomic_load(&s->failed, FT_RELAXED))
        return false;
    if (st->what->run == run_stack)
        while (ft_stack_pop(s->object, &value))
            left += (uint64_t)value.integer;
    else if (st->what->run == run_queue)
        while (ft_queue_pop(s->object, &value))
            left += (uint64_t)value.integer;
    else if (st->what->run == run_set)
        left = (uint64_t)ft_set_count(s->object);
    else if (st->what->run == run_counter)
        left = (uint64_t)ft_counter_sum(s->object);
    else if (st->what->run == run_dict)
        return is_dict_exact(s, threads);
    else if (st->what->run == run_list)
        return ft_list_count(s->object) == threads * ((s->operations + 2) / 3);
    return ft_atomic_load(&s->in, FT_RELAXED) == ft_atomic_load(&s->out, FT_RELAXED) + left;
}

bool ft_bench_collection(const void *host, double *out, ft_error *err)
{
    const ft_bench_load *load = host;
    static stage st;
    ft_thread threads[THREADS_MAX] = {{0}};
    bool ok = true;

    for (size_t i = 0; i < FT_COUNT_OF(structures); i++)
        if (strcmp(structures[i].name, load->what) == 0)
            st.what = &structures[i];
    FT_ASSERT(st.what && load->threads <= THREADS_MAX);
    st.scene.operations = load->operations;
    if (st.what->create && !(st.scene.object = st.what->create(err)))
        return false;
    int64_t from = ft_clock_ns();
    for (int i = 0; ok && i < load->threads; i++)
        ok = ft_thread_start(&threads[i], "bench", run_thread, &st, err);
    for (int i = 0; i < load->threads; i++)
        ft_thread_join(&threads[i]);
    *out = (double)(ft_clock_ns() - from) / ((double)load->operations * load->threads);
    return ok && (is_exact(&st, load->threads) ||
                  ft_fail(err, FT_ERROR_DATA, "%s: a value was lost or came twice", load->what));
}
