// The order of packets is restored with one sorted list: by ticket, pieces of one ticket by input.
// Packets come nearly in order, so a place is found in a step or two from the end, and at most what
// is in flight stands in it.
//
// A serial node keeps a cursor (lane, sequence). A lane is over when the cursor has reached the
// total of its stream, which is known when that stream's source, or flush, has ended.
#include "engine/order.h"

static int compare(const ft_packet *a, const ft_packet *b)
{
    if (a->ticket.stream != b->ticket.stream)
        return a->ticket.stream < b->ticket.stream ? -1 : 1;
    if (a->ticket.sequence != b->ticket.sequence)
        return a->ticket.sequence < b->ticket.sequence ? -1 : 1;
    return a->input < b->input ? -1 : a->input > b->input;
}

static ft_packet *next_of(const ft_packet *packet)
{
    return (ft_packet *)packet->task.next;
}

static ft_packet *previous_of(const ft_packet *packet)
{
    return (ft_packet *)packet->task.prev;
}

static bool is_same(const ft_packet *a, const ft_packet *b)
{
    return a->ticket.stream == b->ticket.stream && a->ticket.sequence == b->ticket.sequence;
}

void ft_inbox_put(ft_node *node, ft_packet *packet)
{
    ft_packet *before = node->last;

    while (node->keeps_order && before && compare(before, packet) > 0)
        before = previous_of(before);
    packet->next_piece = NULL;
    packet->task.prev = before ? &before->task : NULL;
    ft_packet *after = before ? next_of(before) : node->first;
    packet->task.next = after ? &after->task : NULL;
    *(before ? &before->task.next : (ft_task **)(void *)&node->first) = &packet->task;
    *(after ? &after->task.prev : (ft_task **)(void *)&node->last) = &packet->task;
}

static uint32_t pieces_of(const ft_node *node, uint32_t stream)
{
    for (size_t i = 0; i < node->lane_count; i++)
        if (node->lanes[i].stream == stream)
            return node->lanes[i].pieces;
    FT_ASSERT(!"a packet of a stream that does not come here");
    return 1;
}

// Takes `count` packets that stand together out of the list and chains them.
static ft_packet *take_run(ft_node *node, ft_packet *first, uint32_t count)
{
    ft_packet *last = first;

    for (uint32_t i = 1; i < count; i++) {
        last->next_piece = next_of(last);
        last = next_of(last);
    }
    last->next_piece = NULL;
    ft_packet *before = previous_of(first), *after = next_of(last);
    if (before)
        before->task.next = after ? &after->task : NULL;
    else
        node->first = after;
    if (after)
        after->task.prev = before ? &before->task : NULL;
    else
        node->last = before;
    return first;
}

static uint32_t count_same(const ft_packet *first)
{
    uint32_t count = 1;

    for (const ft_packet *at = next_of(first); at && is_same(at, first); at = next_of(at))
        count++;
    return count;
}

bool ft_inbox_is_ready(ft_node *node)
{
    if (!node->first || !node->keeps_order)
        return node->first != NULL;
    while (node->lane < node->lane_count) {
        const ft_lane *lane = &node->lanes[node->lane];
        const ft_packet *first = node->first;
        if (first->ticket.stream == lane->stream && first->ticket.sequence == node->sequence)
            return count_same(first) == lane->pieces;
        // Pairs with the release of the one that ends the stream; it looks here afterwards.
        uint64_t total = ft_atomic_load(&node->run->streams[lane->stream].total, FT_ACQUIRE);
        if (node->sequence < total)
            return false;
        node->lane++;
        node->sequence = 0;
    }
    FT_ASSERT(!"a packet behind the end of all streams");
    return false;
}

bool ft_inbox_is_hollow(ft_node *node)
{
    if (!ft_inbox_is_ready(node))
        return false;
    uint32_t pieces = node->keeps_order ? node->lanes[node->lane].pieces : 1;
    const ft_packet *at = node->first;

    while (pieces > 0 && at->list.count == 0) {
        at = next_of(at);
        pieces--;
    }
    return pieces == 0;
}

ft_packet *ft_inbox_take(ft_node *node)
{
    if (!ft_inbox_is_ready(node))
        return NULL;
    if (!node->keeps_order)
        return take_run(node, node->first, 1);
    node->sequence += node->first->tickets;
    return take_run(node, node->first, node->lanes[node->lane].pieces);
}

ft_packet *ft_inbox_complete(ft_node *node, ft_packet *packet)
{
    uint32_t pieces = pieces_of(node, packet->ticket.stream);
    ft_packet *first = packet;

    while (previous_of(first) && is_same(previous_of(first), packet))
        first = previous_of(first);
    return count_same(first) == pieces ? take_run(node, first, pieces) : NULL;
}

ft_packet *ft_inbox_drop(ft_node *node)
{
    return node->first ? take_run(node, node->first, 1) : NULL;
}
