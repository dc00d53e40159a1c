// Torture: every concurrent structure under 1, 2, 3 and 8 threads (on two cores), with sums that
// come out exactly. FT_TORTURE=n operations for each structure, shared out over the four.
//
//   test_torture [structure]
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/ring.h"
#include "runtime/concurrent/dict.h"
#include "runtime/concurrent/parking.h"
#include "runtime/concurrent/queue.h"
#include "runtime/concurrent/set.h"
#include "runtime/concurrent/shared_list.h"
#include "runtime/concurrent/stack.h"
#include "runtime/memory/alloc.h"
#include "runtime/memory/pool.h"
#include "runtime/system/thread.h"
#include "tests/check.h"

enum {
    OPERATIONS = 20000,
    THREADS_MOST = 8,
    SLOTS = 64,
    KEYS = 512,
    TURN = 32,  // Operations between two ends of a turn.
    ALIVE = 0x600d,
    POISON = 0xdead,
    BLOCK_MOST = 2048,
    PRODUCER_SHIFT = 40,
};

typedef struct arena_of_war {
    int threads;
    int64_t each;  // Operations of a thread.
    ft_atomic_u32 next_number, over;
    ft_dict *dict;
    ft_set *set;
    ft_list *list;
    ft_stack *stack;
    ft_queue *queue;
    ft_counter *counter, *exact;
    ft_atomic_pointer slots[SLOTS], passed[SLOTS];
    ft_ring ring, own[THREADS_MOST];
    ft_atomic_u8 lock;
    int64_t guarded, twin;  // Under the lock; equal.
    // What went in and came out, added up: numbers and their squares.
    ft_atomic_u64 in, out, in_squares, out_squares;
    ft_atomic_u64 wrong;
} war;

typedef struct {
    war *war;
    int number;
    uint64_t random;
    uint64_t in, out, in_squares, out_squares, wrong;
    int64_t last[THREADS_MOST];  // Of each producer, what came last.
} fighter;

static uint64_t dice(fighter *f, uint64_t below)
{
    f->random ^= f->random << 13;
    f->random ^= f->random >> 7;
    f->random ^= f->random << 17;
    return (f->random >> 11) % below;
}

static void put_in(fighter *f, uint64_t number)
{
    f->in += number;
    f->in_squares += number * number;
}

static void take_out(fighter *f, uint64_t number)
{
    f->out += number;
    f->out_squares += number * number;
}

static ft_value int_value(int64_t value)
{
    return (ft_value){FT_VALUE_INT, {.integer = value}};
}

// ---- the frame ----

typedef void fight(fighter *f, int64_t i);

typedef struct {
    war *war;
    fight *fight;
} army;

static void fighter_main(void *host)
{
    const army *a = host;
    war *w = a->war;
    fighter f = {.war = w, .number = (int)ft_atomic_add(&w->next_number, 1, FT_RELAXED)};

    f.random = 88172645463325252u * (uint64_t)(f.number + 1);
    for (int64_t i = 0; i < w->each; i++) {
        a->fight(&f, i);
        if (i % TURN == 0)
            ft_lease_turn_end();
    }
    ft_atomic_add(&w->in, f.in, FT_RELAXED);
    ft_atomic_add(&w->out, f.out, FT_RELAXED);
    ft_atomic_add(&w->in_squares, f.in_squares, FT_RELAXED);
    ft_atomic_add(&w->out_squares, f.out_squares, FT_RELAXED);
    ft_atomic_add(&w->wrong, f.wrong, FT_RELAXED);
    ft_atomic_add(&w->over, 1, FT_RELEASE);
}

static void run(war *w, fight *what)
{
    ft_thread threads[THREADS_MOST] = {{0}};
    ft_error err = FT_ERROR_INIT;
    army a = {w, what};

    for (int i = 0; i < w->threads; i++)
        check_ok(ft_thread_start(&threads[i], "torture", fighter_main, &a, &err), &err);
    for (int i = 0; i < w->threads; i++)
        ft_thread_join(&threads[i]);
    check_int_eq(ft_atomic_load(&w->wrong, FT_RELAXED), 0);
}

static void check_sums(const war *w, uint64_t rest, uint64_t rest_squares)
{
    check_int_eq(ft_atomic_load(&w->out, FT_RELAXED) + rest, ft_atomic_load(&w->in, FT_RELAXED));
    check_int_eq(ft_atomic_load(&w->out_squares, FT_RELAXED) + rest_squares,
                 ft_atomic_load(&w->in_squares, FT_RELAXED));
}

// Calls `battle` with each number of threads; nothing may be left of it.
static void each_war(void (*battle)(war *w))
{
    static const int threads[] = {1, 2, 3, 8};
    static war w;
    const char *text = getenv("FT_TORTURE");
    int64_t operations = text ? atoll(text) : OPERATIONS;
    int64_t live = ft_alloc_get_stats().live_blocks;

    for (size_t i = 0; i < FT_COUNT_OF(threads); i++) {
        memset(&w, 0, sizeof(w));
        w.threads = threads[i];
        w.each = operations / (int64_t)FT_COUNT_OF(threads) / threads[i] + 1;
        battle(&w);
        ft_epoch_drain();
        check_int_eq(ft_alloc_get_stats().live_blocks, live);
    }
}

// ---- counts ----

typedef struct {
    ft_object object;
    uint64_t number, state;
} soldier;

static ft_atomic_u64 buried;  // Sum of the numbers of those that were destroyed.

static void soldier_destroy(ft_object *object)
{
    soldier *s = (soldier *)(void *)object;

    FT_ASSERT(s->state == ALIVE);
    s->state = POISON;
    ft_atomic_add(&buried, s->number, FT_RELAXED);
    ft_free(s);
}

static const ft_object_type soldier_type = {.name = "soldier", .destroy = soldier_destroy};

// Made here; handed over to whoever takes it next, or dropped abroad as a stray.
static void fight_counts(fighter *f, int64_t i)
{
    bool is_passed = i % 2 == 0;
    soldier *s = ft_alloc(sizeof(*s));
    uint64_t at = dice(f, SLOTS);

    ft_object_init(&s->object, &soldier_type);
    s->number = (uint64_t)i + 1;
    s->state = ALIVE;
    f->in += s->number;
    for (uint64_t more = dice(f, 3); more > 0 && !is_passed; more--) {
        ft_object_ref(&s->object);
        ft_object_unref(&s->object);
    }
    if (is_passed)
        ft_object_hand_over(&s->object);
    s = ft_atomic_exchange(is_passed ? &f->war->passed[at] : &f->war->slots[at], s, FT_ACQ_REL);
    if (!s)
        return;
    if (is_passed)
        ft_object_receive(&s->object);
    f->wrong += s->state != ALIVE;
    if (dice(f, 2)) {
        ft_object_ref(&s->object);
        ft_object_unref(&s->object);
    }
    if (dice(f, 8) == 0 && is_passed) {
        ft_object_publish(&s->object);
        ft_object_ref(&s->object);
        ft_object_unref(&s->object);
    }
    ft_object_unref(&s->object);
}

static void counts_battle(war *w)
{
    ft_atomic_store(&buried, 0, FT_RELAXED);
    run(w, fight_counts);
    for (int i = 0; i < SLOTS; i++) {
        soldier *left = ft_atomic_exchange(&w->slots[i], NULL, FT_ACQ_REL);
        soldier *passed = ft_atomic_exchange(&w->passed[i], NULL, FT_ACQ_REL);
        if (left)
            ft_object_unref(&left->object);
        if (passed) {
            ft_object_receive(&passed->object);
            ft_object_unref(&passed->object);
        }
    }
    ft_lease_turn_end();
    check_int_eq(ft_atomic_load(&buried, FT_RELAXED), ft_atomic_load(&w->in, FT_RELAXED));
}

TEST(reference_counts)
{
    each_war(counts_battle);
}

// ---- dict and set ----

static void fight_dict(fighter *f, int64_t i)
{
    ft_error err = FT_ERROR_INIT;
    int64_t number = (int64_t)dice(f, KEYS);
    ft_key total = {.text = FT_SLICE("total")}, key = {.is_int = true, .integer = number};
    ft_value one = int_value(1), value = int_value(number * 3), got;

    if (i % 4 == 0)
        f->wrong += !ft_dict_add(f->war->dict, &total, &one, &got, &err);
    else if (i % 4 == 1)
        f->wrong += !ft_dict_set(f->war->dict, &key, &value, &err);
    else if (i % 16 == 2)
        f->wrong += !ft_dict_delete(f->war->dict, &key, NULL, &err);
    else if (ft_dict_get(f->war->dict, &key, &got))
        f->wrong += got.integer != number * 3;
}

static void dict_battle(war *w)
{
    ft_error err = FT_ERROR_INIT;
    ft_key total = {.text = FT_SLICE("total")};
    ft_value got;

    w->dict = ft_dict_create(INT64_MAX, NULL, &err);
    check_true(w->dict != NULL);
    run(w, fight_dict);
    check_true(ft_dict_get(w->dict, &total, &got));
    check_int_eq(got.integer, w->threads * ((w->each + 3) / 4));
    ft_object_unref(ft_dict_object(w->dict));
}

TEST(dict)
{
    each_war(dict_battle);
}

static void fight_set(fighter *f, int64_t i)
{
    ft_error err = FT_ERROR_INIT;
    ft_key key = {.is_int = true, .integer = (int64_t)dice(f, KEYS)};
    bool changed = false;

    if (i % 2 == 0) {
        f->wrong += !ft_set_add(f->war->set, &key, &changed, &err);
        f->in += changed;
    } else if (i % 4 == 1) {
        f->wrong += !ft_set_delete(f->war->set, &key, &changed, &err);
        f->out += changed;
    } else {
        ft_ignore(ft_set_has(f->war->set, &key));
    }
}

static void set_battle(war *w)
{
    ft_error err = FT_ERROR_INIT;

    w->set = ft_set_create(INT64_MAX, NULL, &err);
    check_true(w->set != NULL);
    run(w, fight_set);
    // Every time that it came and went, somebody was told so.
    check_int_eq(ft_set_count(w->set),
                 ft_atomic_load(&w->in, FT_RELAXED) - ft_atomic_load(&w->out, FT_RELAXED));
    ft_object_unref(ft_set_object(w->set));
}

TEST(set)
{
    each_war(set_battle);
}

// ---- list, stack, queue ----

static uint64_t number_at(const fighter *f, int64_t i)
{
    return (uint64_t)i * THREADS_MOST + (uint64_t)f->number;
}

static void fight_list(fighter *f, int64_t i)
{
    ft_error err = FT_ERROR_INIT;
    ft_value value = int_value((int64_t)number_at(f, i)), got;

    if (i % 3 == 0) {
        f->wrong += !ft_list_append(f->war->list, &value, NULL, &err);
        put_in(f, (uint64_t)value.integer);
    } else if (i % 3 == 1) {
        if (ft_list_pop(f->war->list, &got))
            take_out(f, (uint64_t)got.integer);
    } else if (ft_list_get(f->war->list, (int64_t)dice(f, 4), &got)) {
        f->wrong += got.integer % THREADS_MOST >= f->war->threads;
    }
}

static void list_battle(war *w)
{
    ft_error err = FT_ERROR_INIT;
    fighter rest = {0};
    ft_value got;

    w->list = ft_list_create(INT64_MAX, NULL, &err);
    check_true(w->list != NULL);
    run(w, fight_list);
    while (ft_list_pop(w->list, &got))
        take_out(&rest, (uint64_t)got.integer);
    check_sums(w, rest.out, rest.out_squares);
    ft_object_unref(ft_list_object(w->list));
}

TEST(list)
{
    each_war(list_battle);
}

static void take_value(ft_value *value, void *host)
{
    take_out(host, (uint64_t)value->integer);
}

static void fight_stack(fighter *f, int64_t i)
{
    ft_error err = FT_ERROR_INIT;
    ft_value value = int_value((int64_t)number_at(f, i)), got;

    if (i % 2 == 0) {
        f->wrong += !ft_stack_push(f->war->stack, &value, &err);
        put_in(f, (uint64_t)value.integer);
    } else if (dice(f, 64) == 0) {
        ft_stack_pop_all(f->war->stack, take_value, f);
    } else if (ft_stack_pop(f->war->stack, &got)) {
        take_out(f, (uint64_t)got.integer);
    }
}

static void stack_battle(war *w)
{
    ft_error err = FT_ERROR_INIT;
    fighter rest = {0};

    w->stack = ft_stack_create(INT64_MAX, NULL, &err);
    check_true(w->stack != NULL);
    run(w, fight_stack);
    ft_stack_pop_all(w->stack, take_value, &rest);
    check_sums(w, rest.out, rest.out_squares);
    check_int_eq(ft_stack_count(w->stack), 0);
    ft_object_unref(ft_stack_object(w->stack));
}

TEST(stack)
{
    each_war(stack_battle);
}

// One taker sees what one producer put in the order in which it did.
static void fight_queue(fighter *f, int64_t i)
{
    ft_error err = FT_ERROR_INIT;
    ft_value value = int_value((int64_t)f->number << PRODUCER_SHIFT | (i + 1)), got;
    bool done;

    if (i % 2 == 0) {
        f->wrong += !ft_queue_push(f->war->queue, &value, &done, &err);
        if (done)
            put_in(f, (uint64_t)value.integer);
    } else if (ft_queue_pop(f->war->queue, &got)) {
        int64_t *last = &f->last[got.integer >> PRODUCER_SHIFT];
        int64_t sequence = got.integer & (((int64_t)1 << PRODUCER_SHIFT) - 1);
        f->wrong += sequence <= *last;
        *last = sequence;
        take_out(f, (uint64_t)got.integer);
    }
}

static void queue_battle(war *w)
{
    ft_error err = FT_ERROR_INIT;
    fighter rest = {0};
    ft_value got;

    w->queue = ft_queue_create(4, NULL, &err);
    check_true(w->queue != NULL);
    run(w, fight_queue);
    while (ft_queue_pop(w->queue, &got))
        take_out(&rest, (uint64_t)got.integer);
    check_sums(w, rest.out, rest.out_squares);
    ft_object_unref(ft_queue_object(w->queue));
}

TEST(queue)
{
    each_war(queue_battle);
}

// ---- counter, lock ----

static void fight_counter(fighter *f, int64_t i)
{
    ft_counter_add(f->war->counter, i % 3 - 1);
    ft_counter_add(f->war->exact, i % 3 - 1);
    f->in += (uint64_t)(i % 3 - 1);
    if (i % 1024 == 0)
        f->wrong += ft_counter_sum(f->war->exact) > f->war->each * f->war->threads;
}

static void counter_battle(war *w)
{
    ft_error err = FT_ERROR_INIT;

    w->counter = ft_counter_create(NULL, &err);
    w->exact = ft_counter_create_exact(NULL, &err);
    check_true(w->counter && w->exact);
    run(w, fight_counter);
    check_int_eq(ft_counter_sum(w->counter), ft_atomic_load(&w->in, FT_RELAXED));
    check_int_eq(ft_counter_sum(w->exact), ft_atomic_load(&w->in, FT_RELAXED));
    ft_counter_unref(w->counter);
    ft_counter_unref(w->exact);
}

TEST(counter)
{
    each_war(counter_battle);
}

static ft_lock_class war_lock = {.name = "war"};

static void fight_lock(fighter *f, int64_t i)
{
    war *w = f->war;

    if (i % 4 == 3) {
        if (!ft_lock_try(&w->lock))
            return;
    } else {
        ft_lock_acquire(&w->lock, &war_lock);
    }
    f->wrong += w->guarded != w->twin;
    w->guarded++;
    f->in++;
    if (dice(f, 256) == 0)
        for (int pauses = 0; pauses < 200; pauses++)
            FT_PAUSE();
    w->twin++;
    ft_lock_release(&w->lock);
}

static void lock_battle(war *w)
{
    run(w, fight_lock);
    check_int_eq(w->guarded, ft_atomic_load(&w->in, FT_RELAXED));
    check_int_eq(w->twin, w->guarded);
    check_int_eq(ft_atomic_load(&w->lock, FT_RELAXED), 0);
}

TEST(lock)
{
    each_war(lock_battle);
}

// ---- pool, epochs ----

typedef struct {
    size_t size;
    uint16_t home;
    uint8_t fill;
} block;

static void block_free(fighter *f, block *b)
{
    const uint8_t *bytes = (const uint8_t *)(b + 1);
    size_t payload = b->size - sizeof(*b);

    f->wrong +=
        bytes[0] != b->fill || bytes[payload / 2] != b->fill || bytes[payload - 1] != b->fill;
    f->out += b->size;
    ft_pool_free(b, b->size, b->home);
}

static void fight_pool(fighter *f, int64_t i)
{
    size_t size = sizeof(block) + 1 + (size_t)dice(f, BLOCK_MOST);
    uint16_t home;
    block *b = ft_pool_alloc(size, &home);

    if (!b) {
        f->wrong++;
        return;
    }
    *b = (block){size, home, (uint8_t)i};
    memset(b + 1, b->fill, size - sizeof(*b));
    f->in += size;
    b = ft_atomic_exchange(&f->war->slots[dice(f, SLOTS)], b, FT_ACQ_REL);
    if (b)
        block_free(f, b);
}

static void pool_battle(war *w)
{
    fighter rest = {0};

    run(w, fight_pool);
    for (int i = 0; i < SLOTS; i++) {
        block *b = ft_atomic_exchange(&w->slots[i], NULL, FT_ACQ_REL);
        if (b)
            block_free(&rest, b);
    }
    check_int_eq(rest.wrong, 0);
    check_int_eq(ft_atomic_load(&w->out, FT_RELAXED) + rest.out,
                 ft_atomic_load(&w->in, FT_RELAXED));
    ft_lease_turn_end();
    ft_pool_trim();
}

TEST(pool)
{
    each_war(pool_battle);
}

typedef struct {
    ft_atomic_u64 state;
    uint64_t number;
} leaflet;

static void leaflet_destroy(void *pointer)
{
    leaflet *l = pointer;

    ft_atomic_store(&l->state, POISON, FT_RELAXED);
    ft_atomic_add(&buried, l->number, FT_RELAXED);
    ft_free(l);
}

static void fight_epoch(fighter *f, int64_t i)
{
    ft_atomic_pointer *slot = &f->war->slots[dice(f, SLOTS)];

    if (i % 4 != 0) {
        ft_read_begin();
        const leaflet *seen = ft_atomic_load(slot, FT_ACQUIRE);
        f->wrong += seen && ft_atomic_load(&seen->state, FT_RELAXED) != ALIVE;
        ft_read_end();
        return;
    }
    leaflet *l = ft_alloc(sizeof(*l));
    ft_atomic_store(&l->state, ALIVE, FT_RELAXED);
    l->number = (uint64_t)i + 1;
    f->in += l->number;
    l = ft_atomic_exchange(slot, l, FT_ACQ_REL);
    if (l)
        ft_retire(l, leaflet_destroy, FT_EPOCH_BYTES / 64);
}

static void epoch_battle(war *w)
{
    ft_atomic_store(&buried, 0, FT_RELAXED);
    run(w, fight_epoch);
    for (int i = 0; i < SLOTS; i++) {
        leaflet *l = ft_atomic_exchange(&w->slots[i], NULL, FT_ACQ_REL);
        if (l)
            ft_retire(l, leaflet_destroy, sizeof(*l));
    }
    ft_epoch_drain();
    check_int_eq(ft_atomic_load(&buried, FT_RELAXED), ft_atomic_load(&w->in, FT_RELAXED));
}

TEST(epochs)
{
    each_war(epoch_battle);
}

// ---- the ring ----

static void take_task(fighter *f, void *task)
{
    if (task)
        take_out(f, (uint64_t)(uintptr_t)task);
}

// The first thread owns it; the others steal into their own, and from each other's.
static void fight_ring(fighter *f, int64_t i)
{
    war *w = f->war;
    void *half[FT_RING_SLOTS / 2];

    if (f->number == 0) {
        if (ft_ring_push(&w->ring, (void *)(uintptr_t)(i + 1)))
            put_in(f, (uint64_t)i + 1);
        else
            for (uint32_t n = ft_ring_half(&w->ring, half); n > 0; n--)
                take_task(f, half[n - 1]);
        if (dice(f, 4) == 0)
            take_task(f, ft_ring_pop(&w->ring));
        return;
    }
    int from = (int)dice(f, (uint64_t)w->threads);
    if (from != f->number)
        take_task(f, ft_ring_steal(from == 0 ? &w->ring : &w->own[from], &w->own[f->number]));
    while (dice(f, 4) || !ft_ring_is_empty(&w->own[f->number])) {
        void *task = ft_ring_pop(&w->own[f->number]);
        take_task(f, task);
        if (!task)
            break;
    }
}

static void ring_battle(war *w)
{
    fighter rest = {0};

    run(w, fight_ring);
    for (int i = 0; i < w->threads; i++)
        for (void *task; (task = ft_ring_pop(i == 0 ? &w->ring : &w->own[i])) != NULL;)
            take_task(&rest, task);
    check_sums(w, rest.out, rest.out_squares);
}

TEST(ring)
{
    each_war(ring_battle);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
