// Running stages: instances, turns, what they emit, and how packets move on.
#pragma once

#include "engine/graph.h"

// Runs a task to its end.
void ft_task_run(ft_worker *worker, ft_task *task);
// The instance of `node` for this worker, opened.
ft_instance *ft_instance_get(ft_worker *worker, ft_node *node, ft_error *err);
bool ft_instance_open(ft_node *node, size_t slot, ft_instance **out, ft_error *err) FT_MUST_CHECK;
void ft_instance_close(ft_instance *instance);

// A turn of one packet, or of the pieces of one ticket, in three steps. The first two are one
// worker's; the third may be another's, if the first one was replaced while the stage ran: all that
// it needs is here.
typedef struct ft_packet_turn {
    ft_node *node;
    ft_instance *instance;  // NULL: it could not be had.
    ft_packet *first;       // Others chained by next_piece.
    bool skip;              // Nothing of it is wanted any more.
    bool ok;
    ft_error err;
} ft_packet_turn;
void ft_packet_turn_begin(ft_worker *worker, ft_node *node, ft_packet *first, ft_packet_turn *out);
// Runs the stage. Touches the turn and its instance only.
void ft_packet_turn_process(ft_packet_turn *turn);
// Sends what came of it, puts the instance back and lets go of the packets.
void ft_packet_turn_finish(ft_worker *worker, ft_packet_turn *turn);
// What else the worker does behind a finished turn: the next packets of a serial node, or passing a
// capped node's instance on.
void ft_packet_turn_follow(ft_worker *worker, ft_node *node);
// The turn is `worker`'s from here on.
void ft_turn_move(ft_instance *instance, ft_worker *worker);

// A turn that opens tickets of `stream` for what is emitted (a source, a flush); NULL:
// ft_turn_packet does it.
void ft_turn_begin(ft_worker *worker, ft_instance *instance, ft_stream *stream);
// Sends what is gathered so far as one packet on every edge; for a stream only if there is
// something.
bool ft_turn_send(ft_instance *instance, ft_error *err) FT_MUST_CHECK;
void ft_turn_end(ft_instance *instance);
bool ft_batch_list_add(ft_batch_list *list, ft_batch *batch, ft_error *err) FT_MUST_CHECK;

// `count` of the things that `node` waits for are done: inputs that ended, packets. At 0 it ends.
void ft_node_release(ft_worker *worker, ft_node *node, int64_t count);

// Remembers the first error in the order of tickets and lets what comes before it finish; without a
// ticket, or without memory, stops at once.
void ft_run_fail(ft_run *run, ft_node *node, const ft_ticket *ticket, const ft_error *err);
void ft_run_stop(ft_run *run, ft_stop how);
// Wakes the thread that waits for the run. Safe in a signal handler.
void ft_run_ring(ft_run *run);
// The `done` of all lineages.
void ft_lineage_done(ft_lineage *lineage);
