// Trains of tickets: the lists of batches that turns fill and packets carry.
#pragma once

#include "engine/graph.h"

bool ft_batch_list_add_growing(ft_batch_list *list, ft_batch *batch, ft_error *err) FT_MUST_CHECK;
// Takes `batch`, whether or not it succeeds.
static inline bool ft_batch_list_add(ft_batch_list *list, ft_batch *batch, ft_error *err)
{
    list->is_counted = list->is_counted || !ft_object_is_immortal(&batch->object);
    if (FT_UNLIKELY(list->count == list->capacity))
        return ft_batch_list_add_growing(list, batch, err);
    list->items[list->count++] = batch;
    return true;
}
// Room for the ends of so many tickets.
bool ft_batch_list_grow(ft_batch_list *list, uint32_t tickets, ft_error *err) FT_MUST_CHECK;
static inline bool ft_batch_list_room(ft_batch_list *list, uint32_t tickets, ft_error *err)
{
    return FT_LIKELY(list->ends_room >= tickets) || ft_batch_list_grow(list, tickets, err);
}
// Lets go of the batches from `from` on.
void ft_batch_list_drop(ft_batch_list *list, size_t from);
void ft_batch_list_finish(ft_batch_list *list);
// Makes `to` hold references on all that `from` holds.
bool ft_batch_list_copy(ft_batch_list *to, const ft_batch_list *from, uint32_t tickets,
                        ft_error *err) FT_MUST_CHECK;

// An empty packet of one ticket, without a flight; NULL with `err` filled.
ft_packet *ft_packet_create(ft_error *err);
// Before it is put where another worker may take it, and when a worker begins with it: what it
// alone holds changes its owner without a locked operation, and nothing is written if it stays.
void ft_packet_hand_over(ft_packet *packet);
void ft_packet_receive(ft_packet *packet);
// Lets go of its batches and of its flight.
void ft_packet_destroy(ft_run *run, ft_packet *packet);
// Behind the last batch of the packet's ticket number `ticket`.
static inline size_t ft_packet_end(const ft_packet *packet, uint32_t ticket)
{
    if (packet->tickets == 1 || packet->list.count == 0)
        return packet->list.count;
    return packet->list.ends[ticket];
}
// Ticket number `ticket` of the train as a packet of its own, which gets its batches.
ft_packet *ft_packet_single(ft_packet *train, uint32_t ticket, ft_error *err) FT_MUST_CHECK;

// Where the output of the ticket that is at work begins.
static inline size_t ft_turn_open_from(const ft_turn *turn, size_t port)
{
    const ft_batch_list *out = &turn->out[port];

    if (turn->tickets == 0 || out->count == 0)
        return 0;
    return turn->train == 1 ? out->count : out->ends[turn->tickets - 1];
}
