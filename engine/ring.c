// The ring of Go's scheduler (runqput, runqget, runqgrab), which took it from Chase and Lev's deque
// and left out its fences: all who take move `head` forward by compare-and-swap, the owner as well,
// so there is no race for the last element. What is taken is read before the swap and thrown away
// if that fails. `head` and `tail` count on for ever and wrap; a thief would have to stand still
// for 2^32 tasks between its two looks at `head` to be fooled.
//
// Oldest first for the owner too: with more tasks than one waiting, none waits for ever.
#include "engine/ring.h"

#include "runtime/error.h"

enum { TRIES = 4 };

static ft_atomic_pointer *slot_of(ft_ring *ring, uint32_t number)
{
    return &ring->slots[number % FT_RING_SLOTS];
}

bool ft_ring_push(ft_ring *ring, void *task)
{
    uint32_t tail = ft_atomic_load(&ring->tail, FT_RELAXED);  // Its own.
    // Acquire pairs with the swap of whoever took: it has read the slot that is written now.
    uint32_t head = ft_atomic_load(&ring->head, FT_ACQUIRE);

    if (tail - head == FT_RING_SLOTS)
        return false;
    ft_atomic_store(slot_of(ring, tail), task, FT_RELAXED);
    // Release pairs with the acquire in grab: the slot, and what the task points to.
    ft_atomic_store(&ring->tail, tail + 1, FT_RELEASE);
    return true;
}

// Takes `*count` tasks, or as many of them as there are, into `out`. False when somebody was
// faster.
static bool grab(ft_ring *ring, bool half, void **out, uint32_t *count)
{
    // Acquire: `tail` is read after it, so it is not behind. Pairs with the swaps below.
    uint32_t head = ft_atomic_load(&ring->head, FT_ACQUIRE);
    uint32_t tail = ft_atomic_load(&ring->tail, FT_ACQUIRE);
    uint32_t there = tail - head;

    *count = half ? there - there / 2 : there > 0;
    if (*count > FT_RING_SLOTS / 2)  // Also when `head` has moved on between the two looks.
        *count = FT_RING_SLOTS / 2;
    for (uint32_t i = 0; i < *count; i++)
        out[i] = ft_atomic_load(slot_of(ring, head + i), FT_RELAXED);
    // Acquire and release: the owner may write the slots from here on.
    return *count == 0 || ft_atomic_cas(&ring->head, &head, head + *count, FT_ACQ_REL);
}

void *ft_ring_pop(ft_ring *ring)
{
    void *task[FT_RING_SLOTS / 2];
    uint32_t count;

    while (!grab(ring, false, task, &count))
        continue;
    return count > 0 ? task[0] : NULL;
}

uint32_t ft_ring_half(ft_ring *ring, void **out)
{
    uint32_t count;

    while (!grab(ring, true, out, &count))
        continue;
    return count;
}

void *ft_ring_steal(ft_ring *ring, ft_ring *own)
{
    void *tasks[FT_RING_SLOTS / 2];
    uint32_t count = 0;

    for (int i = 0; i < TRIES; i++) {
        if (!grab(ring, true, tasks, &count))
            continue;
        for (uint32_t j = 1; j < count; j++)
            FT_ASSERT(ft_ring_push(own, tasks[j]));
        return count > 0 ? tasks[0] : NULL;
    }
    return NULL;
}

bool ft_ring_is_empty(const ft_ring *ring)
{
    uint32_t head = ft_atomic_load(&ring->head, FT_ACQUIRE);

    return ft_atomic_load(&ring->tail, FT_ACQUIRE) == head;
}
