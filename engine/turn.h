// Running stages: instances, turns, what they emit, and how packets move on.
#pragma once

#include "engine/instance.h"

// Runs a task to its end.
void ft_task_run(ft_worker *worker, ft_task *task);
// A turn of one packet, or of the pieces of one ticket, in three steps. The first two are one
// worker's; the third may be another's, if the first one was replaced while the stage ran: all that
// it needs is here.
typedef struct ft_packet_turn {
    ft_node *node;
    ft_instance *instance;  // NULL: it could not be had.
    ft_packet *first;       // Others chained by next_piece.
    bool ok;
    ft_ticket failed;  // Where, if not.
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

// A turn of at most `train` tickets; they are of `stream` if that is given (a source, a flush).
void ft_turn_begin(ft_worker *worker, ft_instance *instance, ft_stream *stream, uint32_t train);
// The ticket at work is done with.
bool ft_turn_close(ft_instance *instance, ft_error *err) FT_MUST_CHECK;
// A turn with a stream: what comes next, if `more`, is another ticket, if anything was given for
// this one.
bool ft_turn_next(ft_instance *instance, bool more, ft_error *err) FT_MUST_CHECK;
// Sends the tickets that are done with as one packet on every edge. `more`: the turn goes on.
bool ft_turn_send(ft_instance *instance, bool more, ft_error *err) FT_MUST_CHECK;
// The turn is about to wait: the same, if it is at a point where that can be.
void ft_turn_cut(ft_instance *instance);
void ft_turn_end(ft_instance *instance);

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
