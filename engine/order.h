// What waits in front of a node, and which of it is next. Every function is called under
// node->lock.
#pragma once

#include "engine/graph.h"

// A packet has come.
void ft_inbox_put(ft_node *node, ft_packet *packet);
// A serial node: the next packet, or the pieces of the next ticket chained by next_piece; NULL when
// it has not come yet.
ft_packet *ft_inbox_take(ft_node *node);
// A joining node: the pieces of `packet`'s ticket, in the order of inputs, if `packet` was the last
// of them to come.
ft_packet *ft_inbox_complete(ft_node *node, ft_packet *packet);
// Is ft_inbox_take going to give something?
bool ft_inbox_is_ready(ft_node *node);
// Is it going to give something, and is there no batch in it?
bool ft_inbox_is_hollow(ft_node *node);
// Takes whatever there is, for clearing up.
ft_packet *ft_inbox_drop(ft_node *node);
