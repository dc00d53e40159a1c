// Shared collections are linearizable: recorded histories of three threads with twelve operations
// each, with growth in the middle of every second one, all pass the checker (which is tested in
// test_linearize_checker.c). What is documented as less (counts while others change) is held to
// what it promises.
//
//   test_linearize [name] ; FT_HISTORIES=n for each collection, FTPIPE_SEED=n begins elsewhere.
// _GNU_SOURCE for CPU_SET: the kernel likes to put threads that wake each other on one core.
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/concurrent/dict.h"
#include "runtime/concurrent/queue.h"
#include "runtime/concurrent/set.h"
#include "runtime/concurrent/shared_list.h"
#include "runtime/concurrent/stack.h"
#include "runtime/random.h"
#include "runtime/system/thread.h"
#include "tests/check.h"
#include "tests/runtime/linearize_specs.h"

enum {
    THREADS = 3,
    OPS = 12,
    ALL_OPS = THREADS * OPS,
    BUSY_TIMES = 20,
    HISTORIES = 500,
    STATES_MOST = 200000,
    KEYS = 8,  // The seventh makes a table grow.
    FEW_KEYS = 2,
    GATE_SPINS = 1000,
    MEET_SPINS = 100,
    PAUSES_MOST = 3,
    LIST_GROWS_SOON = 6,    // Of 8.
    STACK_GROWS_SOON = 62,  // Of 64.
};
#define BOXED ((int64_t)1 << 61)  // Larger numbers do not fit a word: they are counted objects.

static int64_t number_of(const char *name, int64_t fallback)
{
    const char *text = getenv(name);

    return text ? atoll(text) : fallback;
}

// ---- recording ----

typedef struct {
    ft_dict *dict;
    ft_set *set;
    ft_list *list;
    ft_stack *stack;
    ft_queue *queue;
    ft_counter *counter;
} subject;

typedef void perform(subject *s, lin_op *op);

typedef struct {
    subject subject;
    perform *perform;
    pthread_barrier_t begin, end;
    ft_atomic_u64 clock;
    ft_atomic_u32 at_gate;
    ft_atomic_u32 reached[THREADS];  // How many operations each has begun.
    bool is_over;
    lin_op ops[ALL_OPS];  // Those of each thread together.
} recorder;

typedef struct {
    recorder *recorder;
    int number;
} recorder_thread;

// Waits a moment for another that is as far, so that operations meet: they are much shorter than
// the way from core to core.
static void meet(recorder *r, int thread, uint32_t number)
{
    // Relaxed: a matter of time only.
    ft_atomic_store(&r->reached[thread], number, FT_RELAXED);
    for (int spins = 0; spins < MEET_SPINS; spins++) {
        for (int i = 0; i < THREADS; i++)
            if (i != thread && ft_atomic_load(&r->reached[i], FT_RELAXED) == number)
                return;
        FT_PAUSE();
    }
}

static void record(recorder *r, int thread, ft_random *random)
{
    // All begin together, as far as there are cores.
    ft_atomic_add(&r->at_gate, 1, FT_ACQ_REL);
    for (int spins = 0; ft_atomic_load(&r->at_gate, FT_ACQUIRE) < THREADS; spins++)
        if (spins % GATE_SPINS == GATE_SPINS - 1)
            sched_yield();
    for (int i = 0; i < OPS; i++) {
        lin_op *op = &r->ops[thread * OPS + i];
        meet(r, thread, (uint32_t)i + 1);
        for (int64_t pauses = ft_random_between(random, 0, PAUSES_MOST); pauses > 0; pauses--)
            FT_PAUSE();
        if (ft_random_between(random, 0, 15) == 0)
            sched_yield();
        // Sequentially consistent: nothing of the operation lies outside.
        op->start = ft_atomic_add(&r->clock, 1, FT_SEQ_CST);
        r->perform(&r->subject, op);
        op->end = ft_atomic_add(&r->clock, 1, FT_SEQ_CST);
    }
    ft_lease_turn_end();
}

// The first threads each have a core of their own; the others go where there is room.
static void take_core(int number)
{
    cpu_set_t allowed, one;
    int left = number;

    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0 || number >= CPU_COUNT(&allowed))
        return;
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET((size_t)cpu, &allowed) && left-- == 0)
            CPU_SET((size_t)cpu, &one);
    sched_setaffinity(0, sizeof(one), &one);
}

static void thread_main(void *host)
{
    recorder_thread *own = host;
    recorder *r = own->recorder;
    ft_random random;

    take_core(own->number);
    ft_random_init(&random, 99, (uint64_t)own->number);
    for (;;) {
        pthread_barrier_wait(&r->begin);
        if (r->is_over)
            return;
        record(r, own->number, &random);
        pthread_barrier_wait(&r->end);
    }
}

typedef struct {
    const lin_spec *spec;
    perform *perform;
    // Makes the collection and its first state; plans an operation.
    void (*prepare)(subject *s, lin_state *first, bool grows);
    void (*plan)(lin_op *op, ft_random *random, bool grows);
    void (*finish)(subject *s);
} experiment;

static void check_one(lin_checker *checker, const experiment *e, recorder *r,
                      const lin_state *first, uint64_t *overlaps)
{
    lin_mark_overlapping(r->ops, ALL_OPS, LIN_POP, LIN_PUSH);
    lin_mark_overlapping(r->ops, ALL_OPS, LIN_PUSH, LIN_POP);
    lin_verdict verdict = lin_check(checker, e->spec, first, r->ops, ALL_OPS);
    if (verdict == LIN_NO)
        lin_print(e->spec, r->ops, ALL_OPS);
    check_int_eq(verdict, LIN_YES);
    *overlaps += lin_overlaps(r->ops, ALL_OPS);
}

static void run(const experiment *e)
{
    static recorder r;
    ft_thread threads[THREADS] = {{0}};
    recorder_thread own[THREADS];
    ft_error err = FT_ERROR_INIT;
    int64_t histories = number_of("FT_HISTORIES", HISTORIES), seed = number_of("FTPIPE_SEED", 1);
    uint64_t overlaps = 0;
    lin_checker *checker = lin_checker_create(STATES_MOST);

    check_true(checker != NULL);
    memset(&r, 0, sizeof(r));
    r.perform = e->perform;
    pthread_barrier_init(&r.begin, NULL, THREADS + 1);
    pthread_barrier_init(&r.end, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++) {
        own[i] = (recorder_thread){&r, i};
        check_ok(ft_thread_start(&threads[i], "lin", thread_main, &own[i], &err), &err);
    }
    // On a machine that is busy threads meet less often: more histories then, up to so many times.
    int64_t most = histories * BUSY_TIMES;
    for (int64_t i = 0; i < histories || (overlaps <= (uint64_t)histories && i < most); i++) {
        ft_random random;
        lin_state first = {0};
        ft_random_init(&random, (uint64_t)(seed + i), 1);
        e->prepare(&r.subject, &first, i % 2 == 0);
        for (int at = 0; at < ALL_OPS; at++) {
            r.ops[at] = (lin_op){.ok = true};
            e->plan(&r.ops[at], &random, i % 2 == 0);
        }
        ft_atomic_store(&r.at_gate, 0, FT_RELAXED);
        for (int at = 0; at < THREADS; at++)
            ft_atomic_store(&r.reached[at], 0, FT_RELAXED);
        pthread_barrier_wait(&r.begin);
        pthread_barrier_wait(&r.end);
        check_one(checker, e, &r, &first, &overlaps);
        e->finish(&r.subject);
    }
    r.is_over = true;
    pthread_barrier_wait(&r.begin);
    for (int i = 0; i < THREADS; i++)
        ft_thread_join(&threads[i]);
    pthread_barrier_destroy(&r.begin);
    pthread_barrier_destroy(&r.end);
    printf("%s: %lld histories, %llu overlapping pairs, %llu states\n", e->spec->name,
           (long long)histories, (unsigned long long)overlaps,
           (unsigned long long)lin_states(checker));
    check_true(overlaps > (uint64_t)histories);
    lin_checker_destroy(checker);
    ft_epoch_drain();
}

// Distinct values, so that it can be told whose was seen.
static int64_t next_value(const ft_random *unused)
{
    static int64_t value;

    (void)unused;
    return value++ % 10000;
}

static int kind_of(ft_random *random, const int *kinds, size_t count)
{
    return kinds[ft_random_between(random, 0, (int64_t)count - 1)];
}

// ---- dict ----

static ft_value encode(int64_t value)
{
    if (value == LIN_NOTHING)
        return (ft_value){FT_VALUE_NIL, {0}};
    return (ft_value){FT_VALUE_INT, {.integer = value}};
}

// Boxed numbers are counted as what they are without the box.
static int64_t decode(const ft_value *value)
{
    return value->integer >= BOXED ? value->integer - BOXED : value->integer;
}

static void update_key(ft_dict *dict, const ft_key *key, lin_op *op, int64_t box)
{
    ft_error err = FT_ERROR_INIT;
    bool done = false;

    while (!done) {
        ft_value now;
        bool is_there = ft_dict_get(dict, key, &now);
        op->result = lin_updated(is_there ? decode(&now) : 0);
        ft_value next = encode(box + op->result), nil = encode(LIN_NOTHING);
        FT_ASSERT(ft_dict_cas(dict, key, is_there ? &now : &nil, &next, &done, &err));
    }
}

static void perform_dict(subject *s, lin_op *op)
{
    ft_error err = FT_ERROR_INIT;
    ft_key key = {.is_int = true, .integer = op->part % KEYS};
    int64_t box = op->part >= KEYS ? BOXED : 0;
    ft_value a = encode(op->a == LIN_NOTHING ? op->a : op->a + box), b = encode(op->b + box), got;

    switch (op->kind) {
    case LIN_GET:
        op->ok = ft_dict_get(s->dict, &key, &got);
        op->result = op->ok ? decode(&got) : 0;
        break;
    case LIN_SET:
        FT_ASSERT(ft_dict_set(s->dict, &key, &a, &err));
        break;
    case LIN_DELETE:
        FT_ASSERT(ft_dict_delete(s->dict, &key, &op->ok, &err));
        break;
    case LIN_ADD:
        FT_ASSERT(ft_dict_add(s->dict, &key, &a, &got, &err));
        op->result = decode(&got);
        break;
    case LIN_CAS:
        FT_ASSERT(ft_dict_cas(s->dict, &key, &a, &b, &op->ok, &err));
        break;
    case LIN_GET_OR_SET:
        FT_ASSERT(ft_dict_get_or_set(s->dict, &key, &a, &got, &err));
        op->result = decode(&got);
        break;
    default:
        update_key(s->dict, &key, op, box);
    }
}

static void prepare_dict(subject *s, lin_state *first, bool grows)
{
    ft_error err = FT_ERROR_INIT;

    (void)first;
    (void)grows;
    s->dict = ft_dict_create(INT64_MAX, NULL, &err);
    check_true(s->dict != NULL);
}

// Keys from KEYS on have boxed values, which cannot be added to without leaving the box.
static void plan_dict(lin_op *op, ft_random *random, bool grows)
{
    static const int plain[] = {LIN_GET, LIN_GET, LIN_SET,        LIN_DELETE,
                                LIN_ADD, LIN_CAS, LIN_GET_OR_SET, LIN_UPDATE};
    static const int boxed[] = {LIN_GET, LIN_GET, LIN_SET, LIN_DELETE, LIN_CAS, LIN_UPDATE};

    int64_t key = ft_random_between(random, 0, (grows ? KEYS : FEW_KEYS) - 1);
    op->part = key % 2 ? KEYS + key : key;
    op->kind = key % 2 ? kind_of(random, boxed, FT_COUNT_OF(boxed))
                       : kind_of(random, plain, FT_COUNT_OF(plain));
    op->a = op->kind == LIN_CAS && ft_random_between(random, 0, 1) ? LIN_NOTHING
            : op->kind == LIN_CAS                                  ? 1
                                                                   : next_value(random);
    op->b = op->kind == LIN_CAS ? 1 : 0;
}

static void finish_dict(subject *s)
{
    ft_object_unref(ft_dict_object(s->dict));
}

TEST(a_dict_is_linearizable)
{
    run(&(experiment){&lin_dict, perform_dict, prepare_dict, plan_dict, finish_dict});
}

// ---- set ----

static int64_t same_shard[KEYS];  // Keys that meet in one table, so that it grows.

static void perform_set(subject *s, lin_op *op)
{
    ft_error err = FT_ERROR_INIT;
    ft_key key = {.is_int = true, .integer = same_shard[op->part]};

    if (op->kind == LIN_GET)
        op->ok = ft_set_has(s->set, &key);
    else if (op->kind == LIN_ADD)
        FT_ASSERT(ft_set_add(s->set, &key, &op->ok, &err));
    else
        FT_ASSERT(ft_set_delete(s->set, &key, &op->ok, &err));
}

static void prepare_set(subject *s, lin_state *first, bool grows)
{
    ft_error err = FT_ERROR_INIT;
    int found = 0;

    (void)first;
    (void)grows;
    for (int64_t i = 0; found < KEYS; i++) {
        ft_key key = {.is_int = true, .integer = i};
        if (ft_key_hash(&key) >> 60 == 0)
            same_shard[found++] = i;
    }
    s->set = ft_set_create(INT64_MAX, NULL, &err);
    check_true(s->set != NULL);
}

static void plan_set(lin_op *op, ft_random *random, bool grows)
{
    static const int kinds[] = {LIN_GET, LIN_ADD, LIN_ADD, LIN_DELETE};

    op->part = ft_random_between(random, 0, (grows ? KEYS : FEW_KEYS) - 1);
    op->kind = kind_of(random, kinds, FT_COUNT_OF(kinds));
}

static void finish_set(subject *s)
{
    ft_object_unref(ft_set_object(s->set));
}

TEST(a_set_is_linearizable)
{
    run(&(experiment){&lin_set, perform_set, prepare_set, plan_set, finish_set});
}

// ---- list ----

static void perform_list(subject *s, lin_op *op)
{
    ft_error err = FT_ERROR_INIT;
    ft_value got, a = encode(op->a), b = encode(op->b);

    switch (op->kind) {
    case LIN_GET:
        op->ok = ft_list_get(s->list, op->a, &got);
        op->result = op->ok ? decode(&got) : 0;
        break;
    case LIN_SET:
        op->ok = ft_list_set(s->list, op->a, &b, &err);
        break;
    case LIN_APPEND:
        FT_ASSERT(ft_list_append(s->list, &a, &op->result, &err));
        break;
    case LIN_POP:
        op->ok = ft_list_pop(s->list, &got);
        op->result = op->ok ? decode(&got) : 0;
        break;
    default:
        op->result = ft_list_count(s->list);
    }
}

static void prepare_list(subject *s, lin_state *first, bool grows)
{
    ft_error err = FT_ERROR_INIT;

    s->list = ft_list_create(INT64_MAX, NULL, &err);
    check_true(s->list != NULL);
    first->count = grows ? LIST_GROWS_SOON : 1;
    for (int32_t i = 0; i < first->count; i++) {
        ft_value value = encode(first->cells[i] = 20000 + i);
        check_ok(ft_list_append(s->list, &value, NULL, &err), &err);
    }
}

static void plan_list(lin_op *op, ft_random *random, bool grows)
{
    static const int kinds[] = {LIN_GET,    LIN_GET, LIN_SET,  LIN_APPEND,
                                LIN_APPEND, LIN_POP, LIN_COUNT};

    op->kind = kind_of(random, kinds, FT_COUNT_OF(kinds));
    op->a = next_value(random);
    if (op->kind == LIN_GET || op->kind == LIN_SET) {
        op->a = ft_random_between(random, 0, 2) + (grows ? LIST_GROWS_SOON - 1 : 0);
        op->b = next_value(random);
    }
}

static void finish_list(subject *s)
{
    ft_object_unref(ft_list_object(s->list));
}

TEST(a_list_is_linearizable)
{
    run(&(experiment){&lin_list, perform_list, prepare_list, plan_list, finish_list});
}

// An item that was seen is counted from then on, also while its append is still under way: the gap
// is two instructions wide, so it gets a test that does nothing else.
typedef struct {
    ft_list *list;
    ft_atomic_i64 appended;  // The latest whose append is over; it may be popped behind that.
    ft_atomic_u32 over;
} last_item;

static void append_and_pop(void *host)
{
    last_item *l = host;
    ft_error err = FT_ERROR_INIT;

    for (int64_t i = 1; !ft_atomic_load(&l->over, FT_ACQUIRE); i++) {
        ft_value value = encode(i);
        FT_ASSERT(ft_list_append(l->list, &value, NULL, &err));
        ft_atomic_store(&l->appended, i, FT_SEQ_CST);
        FT_ASSERT(ft_list_pop(l->list, &value));
        if (i % 64 == 0)
            ft_lease_turn_end();
    }
}

TEST(what_a_list_showed_is_counted)
{
    static last_item l;
    ft_error err = FT_ERROR_INIT;
    ft_thread thread = {0};
    int64_t looks = 100 * number_of("FT_HISTORIES", HISTORIES), unseen = 0;

    l.list = ft_list_create(INT64_MAX, NULL, &err);
    check_true(l.list != NULL);
    check_ok(ft_thread_start(&thread, "append", append_and_pop, &l, &err), &err);
    for (int64_t i = 0; i < looks; i++) {
        ft_value got;
        if (!ft_list_get(l.list, 0, &got))
            continue;
        int64_t count = ft_list_count(l.list);
        // Its append is not over, so nobody has popped it.
        unseen += count == 0 && ft_atomic_load(&l.appended, FT_SEQ_CST) < got.integer;
    }
    ft_atomic_store(&l.over, 1, FT_RELEASE);
    ft_thread_join(&thread);
    check_int_eq(unseen, 0);
    ft_object_unref(ft_list_object(l.list));
    ft_epoch_drain();
}

// ---- stack ----

static void mix_value(ft_value *value, void *host)
{
    int64_t *mixed = host;

    *mixed = lin_mix(*mixed, value->integer);
}

static void perform_stack(subject *s, lin_op *op)
{
    ft_error err = FT_ERROR_INIT;
    ft_value got, a = encode(op->a);

    if (op->kind == LIN_PUSH) {
        FT_ASSERT(ft_stack_push(s->stack, &a, &err));
    } else if (op->kind == LIN_POP) {
        op->ok = ft_stack_pop(s->stack, &got);
        op->result = op->ok ? got.integer : 0;
    } else {
        ft_stack_pop_all(s->stack, mix_value, &op->result);
    }
}

static void prepare_stack(subject *s, lin_state *first, bool grows)
{
    ft_error err = FT_ERROR_INIT;

    s->stack = ft_stack_create(INT64_MAX, NULL, &err);
    check_true(s->stack != NULL);
    first->count = grows ? STACK_GROWS_SOON : 0;
    for (int32_t i = 0; i < first->count; i++) {
        ft_value value = encode(first->cells[i] = 20000 + i);
        check_ok(ft_stack_push(s->stack, &value, &err), &err);
    }
}

static void plan_stack(lin_op *op, ft_random *random, bool grows)
{
    static const int kinds[] = {LIN_PUSH, LIN_PUSH, LIN_PUSH,   LIN_PUSH,
                                LIN_POP,  LIN_POP,  LIN_POP_ALL};

    op->kind = kind_of(random, kinds, FT_COUNT_OF(kinds) - (grows ? 1 : 0));
    op->a = next_value(random);
}

static void finish_stack(subject *s)
{
    ft_object_unref(ft_stack_object(s->stack));
}

TEST(a_stack_is_linearizable)
{
    run(&(experiment){&lin_stack, perform_stack, prepare_stack, plan_stack, finish_stack});
}

// ---- queue ----

static void perform_queue(subject *s, lin_op *op)
{
    ft_error err = FT_ERROR_INIT;
    ft_value got, a = encode(op->a);

    if (op->kind == LIN_PUSH) {
        FT_ASSERT(ft_queue_push(s->queue, &a, &op->ok, &err));
    } else {
        op->ok = ft_queue_pop(s->queue, &got);
        op->result = op->ok ? got.integer : 0;
    }
}

static void prepare_queue(subject *s, lin_state *first, bool grows)
{
    ft_error err = FT_ERROR_INIT;

    // It does not grow; half of them are full most of the time.
    *first = (lin_state){.count = 1, .cells = {grows ? 2 : 8}};
    s->queue = ft_queue_create(first->cells[0], NULL, &err);
    check_true(s->queue != NULL);
}

static void plan_queue(lin_op *op, ft_random *random, bool grows)
{
    static const int kinds[] = {LIN_PUSH, LIN_POP};

    (void)grows;
    op->kind = kind_of(random, kinds, FT_COUNT_OF(kinds));
    op->a = next_value(random);
}

static void finish_queue(subject *s)
{
    ft_object_unref(ft_queue_object(s->queue));
}

TEST(a_queue_is_linearizable_but_for_full_and_empty)
{
    run(&(experiment){&lin_queue, perform_queue, prepare_queue, plan_queue, finish_queue});
}

// ---- exact counter ----

static void perform_counter(subject *s, lin_op *op)
{
    if (op->kind == LIN_ADD)
        ft_counter_add(s->counter, op->a);
    else
        op->result = ft_counter_sum(s->counter);
}

static void prepare_counter(subject *s, lin_state *first, bool grows)
{
    ft_error err = FT_ERROR_INIT;

    (void)grows;
    first->count = 1;
    s->counter = ft_counter_create_exact(NULL, &err);
    check_true(s->counter != NULL);
}

static void plan_counter(lin_op *op, ft_random *random, bool grows)
{
    static const int kinds[] = {LIN_ADD, LIN_SUM};

    (void)grows;
    op->kind = kind_of(random, kinds, FT_COUNT_OF(kinds));
    op->a = ft_random_between(random, -5, 50);
}

static void finish_counter(subject *s)
{
    ft_counter_unref(s->counter);
}

TEST(an_exact_counter_is_linearizable)
{
    run(&(experiment){&lin_counter, perform_counter, prepare_counter, plan_counter,
                      finish_counter});
}

// ---- what is not linearizable, and what it promises all the same ----

// Two add, one looks: what is seen lies between what was done before and what had been begun, and
// never goes back.
enum { ADDERS = 2, ADDS_PER_HISTORY = 20 };

typedef struct {
    subject subject;
    int64_t adds;  // Of each.
    void (*add)(subject *s, int64_t number);
    ft_atomic_i64 begun, done;
    ft_atomic_u32 number, over;
} bounds;

static void add_sharded(subject *s, int64_t number)
{
    (void)number;
    ft_counter_add(s->counter, 1);
}

static void add_to_set(subject *s, int64_t number)
{
    ft_error err = FT_ERROR_INIT;
    ft_key key = {.is_int = true, .integer = number};
    bool is_new;

    FT_ASSERT(ft_set_add(s->set, &key, &is_new, &err) && is_new);
}

static void adder_main(void *host)
{
    bounds *b = host;
    int64_t first = (int64_t)ft_atomic_add(&b->number, 1, FT_RELAXED) * b->adds;

    for (int64_t i = 0; i < b->adds; i++) {
        ft_atomic_add(&b->begun, 1, FT_SEQ_CST);
        b->add(&b->subject, first + i);
        ft_atomic_add(&b->done, 1, FT_SEQ_CST);
    }
    ft_atomic_add(&b->over, 1, FT_RELEASE);
}

static int64_t look(const bounds *b)
{
    return b->subject.counter ? ft_counter_sum(b->subject.counter) : ft_set_count(b->subject.set);
}

static void check_bounds(bounds *b)
{
    ft_thread threads[ADDERS] = {{0}};
    ft_error err = FT_ERROR_INIT;
    int64_t before = 0;

    b->adds = ADDS_PER_HISTORY * number_of("FT_HISTORIES", HISTORIES);
    for (int i = 0; i < ADDERS; i++)
        check_ok(ft_thread_start(&threads[i], "adder", adder_main, b, &err), &err);
    while (ft_atomic_load(&b->over, FT_ACQUIRE) < ADDERS) {
        int64_t least = ft_atomic_load(&b->done, FT_SEQ_CST), seen = look(b);
        int64_t most = ft_atomic_load(&b->begun, FT_SEQ_CST);
        check_true(least <= seen && seen <= most && before <= seen);
        before = seen;
    }
    for (int i = 0; i < ADDERS; i++)
        ft_thread_join(&threads[i]);
    check_int_eq(look(b), ADDERS * b->adds);
}

TEST(a_sharded_counter_stays_between_its_bounds)
{
    static bounds b = {.add = add_sharded};
    ft_error err = FT_ERROR_INIT;

    b.subject.counter = ft_counter_create(NULL, &err);
    check_true(b.subject.counter != NULL);
    check_bounds(&b);
    ft_counter_unref(b.subject.counter);
}

TEST(the_count_of_a_set_stays_between_its_bounds)
{
    static bounds b = {.add = add_to_set};
    ft_error err = FT_ERROR_INIT;

    b.subject.set = ft_set_create(INT64_MAX, NULL, &err);
    check_true(b.subject.set != NULL);
    check_bounds(&b);
    ft_object_unref(ft_set_object(b.subject.set));
    ft_epoch_drain();
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
