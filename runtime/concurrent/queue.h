// A bounded queue (FIFO) that any threads may put into and take from: a ring whose cells each carry
// a sequence number (Vyukov 2010). Who is interrupted between claiming a cell and filling it holds
// up only those who want that very cell, and they are told that it is full or empty rather than
// made to wait.
#pragma once

#include "runtime/concurrent/shared_value.h"

typedef struct ft_queue ft_queue;

// Room for `cap` values, rounded up to a power of two; at least 2.
ft_queue *ft_queue_create(int64_t cap, ft_account *account, ft_error *err) FT_MUST_CHECK;
static inline ft_object *ft_queue_object(ft_queue *queue)
{
    return (ft_object *)(void *)queue;
}
// `*out_done` false: it is full. Fails without memory.
bool ft_queue_push(ft_queue *queue, const ft_value *value, bool *out_done,
                   ft_error *err) FT_MUST_CHECK;
// The value comes with its reference; false: it is empty.
bool ft_queue_pop(ft_queue *queue, ft_value *out);
int64_t ft_queue_count(const ft_queue *queue);  // About.
