// What a stage makes of a batch, found out in another process: what it emitted, which items failed,
// what it counted, how it ended. Written there, read here, and then told to the engine as if the
// stage had done it here (ft_known_tell). Nothing is told before all of it has come, so a process
// that ends in the middle has done nothing.
//
// Where the other process holds a chain of stages, what goes from one to the next does not come
// over: the batch that comes has rows and lineage, no columns, and knows what the next stage makes
// of it (ft_batch.known). So it travels through the graph as any other, and the next stage's turn
// only tells.
#pragma once

#include "engine/graph.h"
#include "runtime/data/wire.h"

typedef enum ft_known_kind { FT_KNOWN_EMIT, FT_KNOWN_FAIL, FT_KNOWN_ENOUGH } ft_known_kind;

typedef struct ft_known_event {
    ft_known_kind kind;
    size_t port;      // EMIT.
    ft_batch *batch;  // EMIT; FAIL: NULL if it is the batch that the stage was given.
    size_t item;      // FAIL: of the batch.
    ft_error *why;    // FAIL.
} ft_known_event;

typedef struct ft_known {
    ft_object object;
    ft_known_event *events;  // [count]
    size_t count, capacity;
    uint64_t *counters;  // [counter_count]: what to add.
    size_t counter_count;
    uint64_t busy_ns;  // How long the call took.
    ft_error error;    // Of the stage's call; NONE: it ended well.
} ft_known;

ft_known *ft_known_create(size_t counter_count, ft_error *err);
static inline ft_known *ft_known_of(const ft_batch *batch)
{
    return (ft_known *)(void *)batch->known;
}
// Takes event->batch and event->why, whether or not it succeeds.
bool ft_known_add(ft_known *known, const ft_known_event *event, ft_error *err) FT_MUST_CHECK;
// `link`: which stage of the chain it is of; `base`: the batch that was sent, or NULL.
bool ft_known_put(ft_wire *wire, const ft_known *known, const ft_chain *chain, size_t link,
                  const ft_batch *base, ft_error *err) FT_MUST_CHECK;
bool ft_known_get(ft_wire_reader *reader, const ft_chain *chain, size_t link, ft_batch *base,
                  ft_account *account, ft_known **out, ft_error *err) FT_MUST_CHECK;
// Whether a container may say so. CANCELLED is what a stage says when the engine stops; nobody else
// may end a run with it.
bool ft_known_may_fail(const ft_run *run, uint32_t code);
// Does what is known in the name of `self`, which was given `batch` (NULL for a flush). Returns
// what the stage's call returns.
bool ft_known_tell(const ft_known *known, ft_stage *self, const ft_batch *batch,
                   ft_error *err) FT_MUST_CHECK;
