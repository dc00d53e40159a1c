// A cell with sequence s is free for the push number s and holds, when it says s + 1, what the pop
// number s takes. Positions go up for ever. The cells of neighbouring positions stand APART cells
// from each other, so that two threads in a nearly empty queue do not fight for one line.
#include "runtime/concurrent/queue.h"

#include "runtime/concurrent/backoff.h"
#include "runtime/memory/alloc.h"
#include "runtime/memory/collector.h"

enum { LINE_BYTES = 128, CAP_MIN = 2, APART_SHIFT = FT_BOUND(3, 1), APART = 1 << APART_SHIFT };

typedef struct {
    ft_atomic_u64 sequence;
    ft_atomic_u64 word;
} cell;

struct ft_queue {
    ft_cyclic cyclic;
    uint64_t mask;
    unsigned apart_shift;  // 0 in a small queue.
    unsigned round_shift;  // Bits of a position, less those.
    cell *cells;
    ft_account *account;
    char padding_a[LINE_BYTES];
    ft_atomic_u64 tail;  // Of pushes.
    char padding_b[LINE_BYTES];
    ft_atomic_u64 head;  // Of pops.
    char padding_c[LINE_BYTES];
};

// The position's bits, rotated.
static inline cell *cell_of(const ft_queue *queue, uint64_t position)
{
    uint64_t at = position & queue->mask;

    return &queue->cells[(at << queue->apart_shift & queue->mask) | at >> queue->round_shift];
}

static size_t queue_bytes(uint64_t capacity)
{
    return sizeof(ft_queue) + (size_t)capacity * sizeof(cell);
}

static void queue_clear(ft_object *object)
{
    ft_value value;

    while (ft_queue_pop((ft_queue *)(void *)object, &value))
        ft_value_drop(&value);
}

static void queue_destroy(ft_object *object)
{
    ft_queue *queue = (ft_queue *)(void *)object;
    queue_clear(object);
    ft_account_release(queue->account, (int64_t)queue_bytes(queue->mask + 1));
    ft_free(queue->cells);
    ft_free(queue);
}

static void queue_trace(ft_object *object, void (*visit)(ft_object *child, void *host), void *host)
{
    const ft_queue *queue = (const ft_queue *)(const void *)object;

    for (uint64_t i = 0; i <= queue->mask; i++) {
        ft_object *child = ft_word_cyclic(ft_atomic_load(&queue->cells[i].word, FT_ACQUIRE));
        if (child)
            visit(child, host);
    }
}

static size_t queue_size(const ft_object *object)
{
    return queue_bytes(((const ft_queue *)(const void *)object)->mask + 1);
}

const ft_object_type ft_queue_type = {.name = "queue",
                                      .destroy = queue_destroy,
                                      .trace = queue_trace,
                                      .is_cyclic = true,
                                      .clear = queue_clear,
                                      .size_bytes = queue_size};

ft_queue *ft_queue_create(int64_t cap, ft_account *account, ft_error *err)
{
    uint64_t capacity = CAP_MIN;

    while (capacity < (uint64_t)cap && capacity < (uint64_t)1 << 40)
        capacity *= 2;
    if (!ft_shared_reserve(account, queue_bytes(capacity), err))
        return NULL;
    ft_queue *queue = ft_alloc_zero(1, sizeof(*queue));
    cell *cells = ft_alloc_array((size_t)capacity, sizeof(*cells));
    if (!queue || !cells) {
        ft_free(queue);
        ft_free(cells);
        ft_account_release(account, (int64_t)queue_bytes(capacity));
        ft_ignore(ft_fail_nomem(err, queue_bytes(capacity)));
        return NULL;
    }
    ft_cyclic_init(&queue->cyclic, &ft_queue_type);
    queue->mask = capacity - 1;
    queue->apart_shift = capacity >= (uint64_t)APART * APART ? APART_SHIFT : 0;
    queue->round_shift = FT_TRAILING_ZEROS_64(capacity) - queue->apart_shift;
    queue->cells = cells;
    queue->account = account;
    for (uint64_t i = 0; i < capacity; i++) {
        cell *c = cell_of(queue, i);
        ft_atomic_store(&c->sequence, i, FT_RELAXED);
        ft_atomic_store(&c->word, FT_WORD_NONE, FT_RELAXED);
    }
    return queue;
}

// Claims the cell whose sequence is `ahead` before the position; false: the next one is not ready.
static cell *claim(ft_queue *queue, ft_atomic_u64 *position, uint64_t ahead, uint64_t *out_at)
{
    uint64_t at = ft_atomic_load(position, FT_RELAXED);
    unsigned pauses = FT_BACKOFF_FIRST;

    for (;;) {
        cell *c = cell_of(queue, at);
        // Acquire pairs with the release of whoever made the cell ready.
        int64_t apart = (int64_t)(ft_atomic_load(&c->sequence, FT_ACQUIRE) - (at + ahead));
        if (apart < 0)
            return NULL;
        // Relaxed: only positions are claimed by it; the data goes by the cell's sequence.
        if (apart == 0 && ft_atomic_cas_weak(position, &at, at + 1, FT_RELAXED)) {
            *out_at = at;
            return c;
        }
        ft_backoff(&pauses);
        at = ft_atomic_load(position, FT_RELAXED);
    }
}

bool ft_queue_push(ft_queue *queue, const ft_value *value, bool *out_done, ft_error *err)
{
    uint64_t at;
    ft_word word;

    *out_done = false;
    if (!ft_word_make(value, queue->account, &word, err))
        return false;
    cell *c = claim(queue, &queue->tail, 0, &at);
    if (!c) {
        ft_word_drop(word);
        return true;
    }
    // Release is for queue_trace, which does not look at sequences.
    ft_atomic_store(&c->word, word, FT_RELEASE);
    // Release: the word is there for the pop.
    ft_atomic_store(&c->sequence, at + 1, FT_RELEASE);
    ft_word_note_move(&queue->cyclic.object, word);
    *out_done = true;
    return true;
}

bool ft_queue_pop(ft_queue *queue, ft_value *out)
{
    uint64_t at;
    cell *c = claim(queue, &queue->head, 1, &at);

    if (!c)
        return false;
    ft_word word = ft_atomic_load(&c->word, FT_RELAXED);
    ft_atomic_store(&c->word, FT_WORD_NONE, FT_RELAXED);
    // Release: the cell is empty for the push of the next round.
    ft_atomic_store(&c->sequence, at + queue->mask + 1, FT_RELEASE);
    *out = ft_word_borrow(word);
    ft_word_note_move(&queue->cyclic.object, word);
    if (!ft_value_has_object(out->kind))  // What a box held has been copied.
        ft_word_drop(word);
    return true;
}

int64_t ft_queue_count(const ft_queue *queue)
{
    int64_t count = (int64_t)(ft_atomic_load(&queue->tail, FT_RELAXED) -
                              ft_atomic_load(&queue->head, FT_RELAXED));
    return count > 0 ? count : 0;
}
