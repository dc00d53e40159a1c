// Lists grow by doubling and travel whole: the packet that came in takes over the list that the
// turn filled and gives its own back, so along a line of stages nothing is allocated.
#include "engine/train.h"

#include "engine/gate.h"
#include "runtime/memory/alloc.h"

enum { ITEMS_MIN = 4 };

bool ft_batch_list_add_growing(ft_batch_list *list, ft_batch *batch, ft_error *err)
{
    size_t capacity = list->capacity ? 2 * list->capacity : ITEMS_MIN;
    ft_batch **items = ft_realloc((void *)list->items, capacity * sizeof(ft_batch *));

    if (!items) {
        ft_batch_unref(batch);
        return ft_fail_nomem(err, capacity * sizeof(ft_batch *));
    }
    list->items = items;
    list->capacity = capacity;
    list->items[list->count++] = batch;
    return true;
}

bool ft_batch_list_grow(ft_batch_list *list, uint32_t tickets, ft_error *err)
{
    uint32_t *ends = ft_realloc(list->ends, tickets * sizeof(*ends));
    if (!ends)
        return ft_fail_nomem(err, tickets * sizeof(*ends));
    list->ends = ends;
    list->ends_room = tickets;
    return true;
}

void ft_batch_list_drop(ft_batch_list *list, size_t from)
{
    while (list->count > from) {
        ft_batch *batch = list->items[--list->count];
        if (batch)
            ft_batch_unref(batch);
    }
    if (from == 0)
        list->is_counted = false;
}

void ft_batch_list_finish(ft_batch_list *list)
{
    ft_batch_list_drop(list, 0);
    ft_free((void *)list->items);
    ft_free(list->ends);
    *list = (ft_batch_list){0};
}

bool ft_batch_list_copy(ft_batch_list *to, const ft_batch_list *from, uint32_t tickets,
                        ft_error *err)
{
    if (tickets > 1 && !ft_batch_list_room(to, tickets, err))
        return false;
    for (size_t i = 0; i < from->count; i++)
        if (!ft_batch_list_add(to, ft_batch_ref(from->items[i]), err))
            return false;
    for (uint32_t i = 0; tickets > 1 && from->count > 0 && i < tickets; i++)
        to->ends[i] = from->ends[i];
    return true;
}

ft_packet *ft_packet_create(ft_error *err)
{
    ft_packet *packet = ft_alloc_zero(1, sizeof(*packet));

    if (!packet) {
        ft_ignore(ft_fail_nomem(err, sizeof(*packet)));
        return NULL;
    }
    packet->task.kind = FT_TASK_PACKET;
    packet->tickets = 1;
    return packet;
}

void ft_packet_hand_over(ft_packet *packet)
{
    for (size_t i = 0; packet->list.is_counted && i < packet->list.count; i++)
        if (packet->list.items[i])
            ft_batch_hand_over(packet->list.items[i]);
}

void ft_packet_receive(ft_packet *packet)
{
    for (size_t i = 0; packet->list.is_counted && i < packet->list.count; i++)
        if (packet->list.items[i])
            ft_batch_receive(packet->list.items[i]);
}

void ft_packet_destroy(ft_run *run, ft_packet *packet)
{
    ft_packet_receive(packet);
    ft_batch_list_finish(&packet->list);
    ft_flight_unref(run, packet->flight);
    ft_free(packet);
}

ft_packet *ft_packet_single(ft_packet *train, uint32_t ticket, ft_error *err)
{
    ft_packet *single = ft_packet_create(err);
    bool ok = single != NULL;

    if (!ok)
        return NULL;
    single->ticket = train->ticket;
    single->ticket.sequence += ticket;
    for (size_t i = ticket ? ft_packet_end(train, ticket - 1) : 0;
         ok && i < ft_packet_end(train, ticket); i++) {
        ft_batch *batch = train->list.items[i];
        train->list.items[i] = NULL;  // ft_batch_unref lets that pass.
        ok = ft_batch_list_add(&single->list, batch, err);
    }
    if (!ok) {
        ft_batch_list_finish(&single->list);
        ft_free(single);
        return NULL;
    }
    single->flight = train->flight;
    ft_flight_ref(single->flight, 1);
    return single;
}
