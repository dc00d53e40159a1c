// runtime/concurrent/stack.c: three threads that push, pop and take all, on the values and, below
// them, on the list of free nodes.
//
// sources: runtime/concurrent/shared_value.c runtime/memory/account.c CORE
#include "runtime/concurrent/stack.c"
#include "tests/mc/mc.h"

enum { PUSH, POP, POP_ALL, PUSH_FULL };

static ft_stack *stack;

static void push(int64_t value)
{
    ft_value v = {FT_VALUE_INT, {.integer = value}};
    ft_error err = FT_ERROR_INIT;
    mc_operation *o = mc_begin(PUSH, value);

    mc_check(ft_stack_push(stack, &v, &err));
    mc_end(o, 0);
}

static void pop(void)
{
    ft_value v;
    mc_operation *o = mc_begin(POP, 0);
    bool there = ft_stack_pop(stack, &v);

    mc_end(o, there ? v.integer : 0);
}

static void gather(ft_value *value, void *host)
{
    *(int64_t *)host = *(int64_t *)host * 10 + value->integer;
}

static void pop_all(void)
{
    int64_t all = 0;
    mc_operation *o = mc_begin(POP_ALL, 0);

    ft_stack_pop_all(stack, gather, &all);
    mc_end(o, all);
}

// A stack that was made by one thread.
static bool apply(void *state, const mc_operation *o)
{
    int64_t *top = state, *items = top + 1;
    int64_t all = 0;

    switch (o->kind) {
    case PUSH:
        items[(*top)++] = o->argument;
        return true;
    case POP:
        if (*top > 0)
            all = items[--*top];
        items[*top] = 0;
        return all == o->result;
    case PUSH_FULL:
        // Full, or the node of a pop that is under way is on none of the lists yet.
        if (o->result == 0)
            return *top >= 1;
        items[(*top)++] = o->argument;
        return *top <= 2;
    default:
        for (; *top > 0; items[*top] = 0)
            all = all * 10 + items[--*top];
        return all == o->result;
    }
}

static void setup_of(int64_t cap)
{
    ft_error err = FT_ERROR_INIT;

    stack = ft_stack_create(cap, NULL, &err);
    // Without counting references to it, which nobody does here.
    ft_atomic_store(&stack->cyclic.object.local, FT_LOCAL_IMMORTAL, FT_RELAXED);
}

static void setup(void)
{
    setup_of(100);
    push(1);
    push(2);
    push(3);
}

static void setup_short(void)
{
    setup();
    pop();
}

static void finish(void)
{
    pop_all();
    mc_check(mc_is_linearizable(apply));
    ft_stack_pop_all(stack, NULL, NULL);
    stack_destroy(&stack->cyclic.object);
}

// While the first has read the head and what comes behind it, the others can take both, give them
// back in the other order, and put the first of them in front again.
static void four(int thread)
{
    pop();
    if (thread == 2)
        push(4);
}

static void five(int thread)
{
    four(thread);
    if (thread == 1)
        pop();
}

static void pop_push(int thread)
{
    if (thread == 1) {
        push(4);
        push(5);
    } else {
        pop();
        pop();
    }
}

static void two_each(int thread)
{
    pop();
    if (thread == 1)
        pop();
    else
        push(3 + thread);
}

// A stack with room for two: a third push must find no node, and the node of a pop wherever it is.
static void push_full(int64_t value)
{
    ft_value v = {FT_VALUE_INT, {.integer = value}};
    ft_error err = FT_ERROR_INIT;
    mc_operation *o = mc_begin(PUSH_FULL, value);

    mc_end(o, ft_stack_push(stack, &v, &err));
}

static void setup_full(void)
{
    setup_of(2);
    push(1);
    push(2);
}

static void full(int thread)
{
    if (thread == 1)
        pop();
    else
        push_full(1 + thread);
}

static void take_all(int thread)
{
    if (thread == 1) {
        pop();
    } else if (thread == 2) {
        pop_all();
        push(4);
    } else {
        push(5);
    }
}

static void take_all_five(int thread)
{
    take_all(thread);
    if (thread == 1)
        push(6);
}

static void take_all_long(int thread)
{
    if (thread == 1) {
        pop();
        push(6);
    } else if (thread == 2) {
        pop_all();
        push(4);
    } else {
        push(5);
        pop();
    }
}

const mc_target mc_targets[] = {
    {"stack-pop", "pop | pop push | pop", 3, setup, four, finish, .is_long = false},
    {"stack-all", "pop | pop_all push | push", 3, setup_short, take_all, finish, .is_long = false},
    {"stack-pop-5", "pop pop | pop push | pop", 3, setup, five, finish, .is_long = true},
    {"stack-all-5", "pop push | pop_all push | push", 3, setup_short, take_all_five, finish,
     .is_long = true},
    {"stack-push-3x2", "push push | pop pop | pop pop", 3, setup_short, pop_push, finish,
     .is_long = true},
    {"stack-pop-3x2", "pop pop | pop push | pop push", 3, setup, two_each, finish, .is_huge = true},
    {"stack-all-3x2", "pop push | pop_all push | push pop", 3, setup_short, take_all_long, finish,
     .is_huge = true},
    {"stack-full", "pop | push | push, cap 2", 3, setup_full, full, finish, .is_long = false},
    {.name = NULL},
};
