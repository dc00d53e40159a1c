// A lock-free stack (LIFO) of values: Treiber's, with a version in the head.
//
// The head is one word {tag:40, index:24} over nodes that stay nodes for the stack's life, so a
// compare-and-swap of 64 bits does, everywhere. Every change of the head raises the tag, also the
// one that takes all: where it did not, the ABA problem came back (ck_stack until 2026, Argobots).
// 40 bits come round in six hours at 50 million changes a second; the 16 spare bits of a pointer,
// in a millisecond.
#pragma once

#include "runtime/concurrent/shared_value.h"

typedef struct ft_stack ft_stack;

ft_stack *ft_stack_create(int64_t cap, ft_account *account, ft_error *err) FT_MUST_CHECK;
static inline ft_object *ft_stack_object(ft_stack *stack)
{
    return (ft_object *)(void *)stack;
}
// Fails with LIMIT when `cap` values are in it.
bool ft_stack_push(ft_stack *stack, const ft_value *value, ft_error *err) FT_MUST_CHECK;
// The value comes with its reference; false: it is empty.
bool ft_stack_pop(ft_stack *stack, ft_value *out);
// Takes all out, in one step, the last first: `visit` gets each with its reference. Returns how
// many.
int64_t ft_stack_pop_all(ft_stack *stack, void (*visit)(ft_value *value, void *host), void *host);
// Exact when nobody else is at it.
int64_t ft_stack_count(const ft_stack *stack);
