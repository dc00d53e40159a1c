// When a source may run, and its turns.
#pragma once

#include "engine/graph.h"

bool ft_source_init(ft_node *node, ft_error *err) FT_MUST_CHECK;
void ft_source_finish(ft_node *node);
// A source that may run and does not block, claimed for the caller; NULL when there is none.
ft_task *ft_source_claim_any(ft_run *run);
bool ft_source_any_ready(const ft_run *run);
// Does a worker give a turn to one?
bool ft_source_any_running(const ft_run *run);
// Something changed that a source may have waited for.
void ft_source_poke(ft_run *run);
// Nothing else can go on: starts a source that was held back, if there is one. False: there is
// none, no source is at work, and the run is not done either.
bool ft_source_force(ft_run *run);
// Wakes a source that waits for the outside: it is to stop.
void ft_source_wake(ft_node *node);
// The host's `wait_readable`.
void ft_source_wait_readable(ft_node *node, int fd);
// About the bytes of a batch that it made: exact where they are many.
size_t ft_source_measure(const ft_batch *batch);
// A train of it is sent: `turn` made it.
void ft_source_started(ft_node *node, ft_flight *flight, const ft_turn *turn);
// The train is done.
void ft_source_landed(ft_node *node, const ft_flight *flight);
// A turn of a source, from where it has produced to where what it made is on its way; another
// worker's, if the one that produced was left behind.
typedef struct ft_source_stay {
    ft_node *node;
    ft_instance *instance;  // NULL: there was no turn.
    bool done, ok;
    ft_error err;
} ft_source_stay;
void ft_source_stay_finish(ft_worker *worker, ft_source_stay *stay);
// One turn: produces a train of batches, or ends.
void ft_source_turn(ft_worker *worker, ft_node *node);
// The host's `start`.
bool ft_source_begin(ft_instance *instance, ft_lineage *lineage, ft_error *err) FT_MUST_CHECK;
// Cuts a batch to what --limit leaves of its lineage.
bool ft_source_trim(ft_batch **batch, ft_error *err) FT_MUST_CHECK;
