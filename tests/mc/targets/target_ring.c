// engine/ring.c with four slots: the owner pushes, pops and takes half while two others steal.
#include "engine/ring.c"
#include "tests/mc/mc.h"

static ft_ring ring, others[2];
static int tasks[8];  // What a task points to: written by who pushes it.
static int seen[8];   // By whoever took it: each once, and by one only.

static void *task(int number)
{
    tasks[number] = number;
    return &tasks[number];
}

static void push(int number)
{
    mc_check(ft_ring_push(&ring, task(number)));
}

static void took(void *pointer)
{
    const int *number = pointer;

    if (!number)
        return;
    mc_check(number >= tasks && number < tasks + 8 && *number == (int)(number - tasks));
    seen[*number]++;
}

static void setup(void)
{
    push(1);
    push(2);
}

// Full after the next two, and round the end.
static void setup_round(void)
{
    for (int i = 0; i < 3; i++) {
        push(0);
        mc_check(ft_ring_pop(&ring) != NULL);
    }
    push(1);
    push(2);
    push(3);
}

static void finish_with(int first, int last)
{
    for (int i = 0; i < 2; i++)
        for (void *t; (t = ft_ring_pop(&others[i]));)
            took(t);
    for (void *t; (t = ft_ring_pop(&ring));)
        took(t);
    for (int i = first; i <= last; i++)
        mc_check(seen[i] == 1);
}

static void finish(void)
{
    finish_with(1, 3);
}

static void finish_round(void)
{
    finish_with(1, 5);
}

static void steal(int thread)
{
    took(ft_ring_steal(&ring, &others[thread - 2]));
}

static void run(int thread)
{
    if (thread == 1) {
        took(ft_ring_pop(&ring));
        push(3);
    } else {
        steal(thread);
    }
}

static void run_round(int thread)
{
    void *half[FT_RING_SLOTS / 2];

    if (thread > 1) {
        steal(thread);
        return;
    }
    push(4);
    if (!ft_ring_push(&ring, task(5))) {
        uint32_t count = ft_ring_half(&ring, half);
        for (uint32_t i = 0; i < count; i++)
            took(half[i]);
        push(5);
    }
}

static void run_long(int thread)
{
    if (thread == 1) {
        took(ft_ring_pop(&ring));
        push(3);
    } else {
        steal(thread);
        took(ft_ring_pop(&others[thread - 2]));
    }
}

static void run_twice(int thread)
{
    run_long(thread);
    if (thread > 1)
        steal(thread);
}

const mc_target mc_targets[] = {
    {"ring", "pop push | steal | steal", 3, setup, run, finish, .is_long = false},
    {"ring-full", "push push half | steal", 2, setup_round, run_round, finish_round,
     .is_long = false},
    {"ring-full-3", "push push half | steal | steal", 3, setup_round, run_round, finish_round,
     .is_long = false},
    {"ring-3x2", "pop push | steal pop | steal pop", 3, setup, run_long, finish, .is_long = false},
    {"ring-3x3", "pop push | steal pop steal | steal pop steal", 3, setup, run_twice, finish,
     .is_long = false},
    {.name = NULL},
};
