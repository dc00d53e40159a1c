// How packets move: along edges, into nodes, to the end of the stream.
#pragma once

#include "engine/graph.h"

// One packet on every edge of `node`, with the tickets of `packet`, which is used up; `out` (NULL:
// all empty) gives the batches for each port and is emptied.
bool ft_flow_send(ft_worker *worker, ft_node *node, ft_batch_list *out, ft_packet *packet,
                  ft_error *err) FT_MUST_CHECK;
// A column of `type` with the same values: another reference, or JSON text when `type` is any.
bool ft_flow_convert(const ft_column *column, size_t count, ft_type type, ft_account *account,
                     ft_column *out, ft_error *err) FT_MUST_CHECK;
// Puts a serial node's task up again, for whoever comes.
void ft_flow_again(ft_worker *worker, ft_task *task);
// The end of a node: flushes its instances, closes them and tells those downstream. Where a thread
// was left behind in one of them another goes on, from the worker's watch.
typedef struct ft_node_end {
    ft_node *node;
    ft_instance *instance;  // Whose flush has begun; NULL: none's.
    size_t next;            // The instance behind it.
    bool ok;
    ft_error err;
} ft_node_end;
void ft_flow_end(ft_worker *worker, ft_node *node);
void ft_flow_end_go_on(ft_worker *worker);
// `node` wants nothing more.
void ft_flow_enough(ft_node *node);
