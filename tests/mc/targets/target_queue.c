// runtime/concurrent/queue.c with two cells: threads push and pop at both ends at once, round and
// round.
//
// sources: runtime/concurrent/shared_value.c runtime/memory/account.c CORE
#include "runtime/concurrent/queue.c"
#include "tests/mc/mc.h"

enum { PUSH, POP, CAPACITY = 2 };

static ft_queue *queue;

static void push(int64_t number)
{
    ft_value v = {FT_VALUE_INT, {.integer = number}};
    ft_error err = FT_ERROR_INIT;
    bool done;
    mc_operation *o = mc_begin(PUSH, number);

    mc_check(ft_queue_push(queue, &v, &done, &err));
    mc_end(o, done);
}

static void pop(void)
{
    ft_value v;
    mc_operation *o = mc_begin(POP, 0);
    bool there = ft_queue_pop(queue, &v);

    mc_end(o, there ? v.integer : 0);
}

// Elements in order of the pushes that were done. Full and empty are not of one instant (queue.h:
// who was interrupted in a cell makes others turn back), so a refusal is always right; what is
// taken is the oldest.
static bool apply(void *state, const mc_operation *o)
{
    int64_t *count = state, *items = count + 1;

    if (o->result == 0)
        return true;
    if (o->kind == PUSH) {
        if (*count == CAPACITY)
            return false;
        items[(*count)++] = o->argument;
        return true;
    }
    if (*count == 0 || items[0] != o->result)
        return false;
    items[0] = items[1];
    items[--*count] = 0;
    return true;
}

static void setup(void)
{
    ft_error err = FT_ERROR_INIT;

    queue = ft_queue_create(CAPACITY, NULL, &err);
    // Without the collector's note of each change, one more word that all would meet at.
    ft_atomic_store(&queue->cyclic.object.local, FT_LOCAL_IMMORTAL, FT_RELAXED);
}

static void setup_one(void)
{
    setup();
    push(9);
}

static void finish(void)
{
    while (ft_queue_count(queue) > 0)
        pop();
    pop();
    mc_check(mc_is_linearizable(apply));
    // Nobody is in a cell any more: there is room again for all of it.
    for (int i = 0; i < CAPACITY; i++) {
        ft_value v = {FT_VALUE_INT, {.integer = 7}};
        ft_error err = FT_ERROR_INIT;
        bool done;
        mc_check(ft_queue_push(queue, &v, &done, &err) && done);
    }
    queue_destroy(&queue->cyclic.object);
}

static void mixed(int thread)
{
    if (thread == 1) {
        push(1);
        push(2);
    } else if (thread == 2) {
        pop();
        pop();
    } else {
        push(3);
    }
}

static void round_trip(int thread)
{
    push(thread);
    pop();
}

static void long_mixed(int thread)
{
    if (thread == 1) {
        push(1);
        push(2);
    } else if (thread == 2) {
        pop();
        pop();
    } else {
        push(3);
        pop();
    }
}

static void two_round(int thread)
{
    push(thread);
    pop();
    push(4 + thread);
    pop();
}

const mc_target mc_targets[] = {
    {"queue", "push push | pop pop | push", 3, setup, mixed, finish, .is_long = false},
    {"queue-round", "push pop push pop, twice", 2, setup_one, two_round, finish, .is_long = false},
    {"queue-3x2", "push push | pop pop | push pop", 3, setup, long_mixed, finish, .is_long = false},
    {"queue-round-3x2", "push pop, three times", 3, setup_one, round_trip, finish, .is_long = true},
    {.name = NULL},
};
