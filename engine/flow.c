// Edges at work. A packet that comes to a node raises `open` there before the sender lowers its
// own, and a node lowers the `open` of its readers only when it has ended; so `open` is 0 exactly
// once, when nothing can come any more.
#include "engine/flow.h"

#include "engine/chain.h"
#include "engine/gate.h"
#include "engine/order.h"
#include "engine/runaway.h"
#include "engine/scheduler.h"
#include "engine/sources.h"
#include "engine/train.h"
#include "engine/turn.h"

// ---- along an edge ----

// A batch as the reader's columns have it: those that the sender does not have are null.
static bool map_batch(const ft_edge *edge, ft_batch **batch, ft_error *err)
{
    const ft_schema *want = &edge->to->plan->input;
    ft_batch *from = *batch;
    ft_batch *mapped = ft_batch_derive(from, NULL, from->count, want->count, err);

    for (size_t i = 0; mapped && i < want->count; i++) {
        ft_column column = {.type = want->fields[i].type};
        size_t at = edge->map[i];
        bool ok = true;
        if (at != FT_FIELD_NONE && ft_batch_has(from, at))
            ok = ft_flow_convert(&from->columns[at], from->count, want->fields[i].type,
                                 from->account, &column, err);
        else if (at == FT_FIELD_NONE)
            ok = ft_column_nulls(column.type, from->count, from->account, &column, err);
        if (ok) {
            ft_batch_set(mapped, i, &column);
        } else {
            ft_batch_unref(mapped);
            mapped = NULL;
        }
    }
    ft_batch_unref(from);
    *batch = mapped;
    return mapped != NULL;
}

// Under node->lock: a packet that may run now; for a serial node the node's own task.
static ft_task *receive(ft_node *node, ft_packet *packet)
{
    if (node->mode == FT_MODE_SERIAL || node->joins)
        ft_inbox_put(node, packet);
    if (node->mode == FT_MODE_SERIAL) {
        if (node->scheduled || !ft_inbox_is_ready(node))
            return NULL;
        node->scheduled = true;
        return &node->serial_task;
    }
    if (node->joins)
        packet = ft_inbox_complete(node, packet);
    if (!packet || node->mode == FT_MODE_PARALLEL)
        return packet ? &packet->task : NULL;
    if (node->running < node->cap) {
        node->running++;
        return &packet->task;
    }
    packet->task.next = NULL;
    *(node->ready_last ? &node->ready_last->next : &node->ready_first) = &packet->task;
    node->ready_last = &packet->task;
    return NULL;
}

// Of tickets that nothing is left of a stage hears nothing, once it is open; so where its turns are
// another thread's, which would have to be woken, whoever brings such a ticket passes it on. False:
// the node's task has nothing to do any more.
static bool pass_hollow(ft_worker *worker, ft_node *node)
{
    // The node is scheduled and nobody has its task but us, so the instance is still.
    const ft_instance *instance = ft_atomic_load(&node->instances[0], FT_ACQUIRE);

    if (node->chain || node->domain || !instance || !instance->is_open)
        return true;
    for (;;) {
        ft_mutex_lock(&node->lock);
        bool stopped = ft_run_is_stopped(node->run);
        ft_packet *packet = !stopped && ft_inbox_is_hollow(node) ? ft_inbox_take(node) : NULL;
        bool is_left = stopped || ft_inbox_is_ready(node);
        node->scheduled = packet || is_left;
        ft_mutex_unlock(&node->lock);
        if (!packet)
            return is_left;
        ft_packet_turn turn = {.node = node, .first = packet, .ok = true, .err = FT_ERROR_INIT};
        ft_packet_turn_finish(worker, &turn);
    }
}

static void arrive(ft_worker *worker, const ft_edge *edge, ft_packet *packet)
{
    ft_node *node = edge->to;
    ft_task *task = &packet->task;

    packet->task = (ft_task){.kind = FT_TASK_PACKET, .node = node};
    packet->next_piece = NULL;
    packet->input = edge->input;
    ft_packet_hand_over(packet);
    // Relaxed: the sender's own `open`, which it lowers afterwards with release, keeps this from
    // being 0.
    ft_atomic_add(&node->open, packet->tickets, FT_RELAXED);
    if (node->mode != FT_MODE_PARALLEL || node->joins) {
        ft_mutex_lock(&node->lock);
        task = receive(node, packet);
        ft_mutex_unlock(&node->lock);
        if (task == &node->serial_task && node->on_pool && !pass_hollow(worker, node))
            task = NULL;
    }
    if (task)
        ft_dispatch(worker, task);
}

// Fills a packet for an edge from the list of its port; the last edge takes the batches, the others
// share them.
static bool fill(const ft_edge *edge, ft_batch_list *out, bool is_last, ft_packet *packet,
                 ft_error *err)
{
    if (!out)
        return true;
    if (is_last) {
        ft_batch_list own = packet->list;
        packet->list = *out;
        *out = own;
    } else if (!ft_batch_list_copy(&packet->list, out, packet->tickets, err)) {
        return false;
    }
    if (edge->map)
        packet->list.is_counted = true;  // They are new.
    for (size_t i = 0; edge->map && i < packet->list.count; i++)
        if (!map_batch(edge, &packet->list.items[i], err))
            return false;
    return true;
}

// Where pieces of tickets are put together each ticket comes alone, as the trains of two branches
// need not be cut in the same places.
static bool arrive_singly(ft_worker *worker, const ft_edge *edge, ft_packet *train, ft_error *err)
{
    bool ok = true;

    for (uint32_t i = 0; ok && i < train->tickets; i++) {
        ft_packet *single = ft_packet_single(train, i, err);
        ok = single != NULL;
        if (ok)
            arrive(worker, edge, single);
    }
    ft_packet_destroy(edge->to->run, train);
    return ok;
}

typedef struct {
    ft_worker *worker;
    ft_node *node;
    ft_packet *spare;  // The packet that came in, until somebody uses it.
    ft_ticket ticket;
    uint32_t tickets;
    ft_flight *flight;
} sending;

static bool send_edge(sending *send, const ft_edge *edge, ft_batch_list *out, bool is_last,
                      ft_error *err)
{
    ft_packet *packet = ft_take(&send->spare);

    if (!packet) {
        packet = ft_packet_create(err);
        if (!packet)
            return false;
        packet->ticket = send->ticket;
        packet->tickets = send->tickets;
        packet->flight = send->flight;
        ft_flight_ref(send->flight, 1);
    }
    if (!fill(edge, out, is_last, packet, err)) {
        ft_packet_destroy(send->node->run, packet);
        return false;
    }
    if (packet->tickets > 1 && edge->to->is_met)
        return arrive_singly(send->worker, edge, packet, err);
    arrive(send->worker, edge, packet);
    return true;
}

bool ft_flow_send(ft_worker *worker, ft_node *node, ft_batch_list *out, ft_packet *packet,
                  ft_error *err)
{
    sending send = {worker, node, packet, packet->ticket, packet->tickets, packet->flight};
    bool ok = true;

    // The spare packet may have gone down the pipeline and been freed before the last edge is
    // served.
    ft_flight *flight = packet->flight;
    bool many = node->edge_count > 1;
    if (many)
        ft_flight_ref(flight, 1);
    for (size_t i = 0; ok && i < node->port_count; i++)
        for (size_t j = 0; ok && j < node->ports[i].edge_count; j++)
            ok = send_edge(&send, &node->ports[i].edges[j], out ? &out[i] : NULL,
                           j + 1 == node->ports[i].edge_count, err);
    for (size_t i = 0; out && i < node->port_count; i++)
        ft_batch_list_drop(&out[i], 0);
    if (send.spare)
        ft_packet_destroy(node->run, send.spare);
    if (many)
        ft_flight_unref(node->run, flight);
    return ok;
}

void ft_flow_again(ft_worker *worker, ft_task *task)
{
    bool before = worker->publishes;

    worker->publishes = true;
    ft_dispatch(worker, task);
    worker->publishes = before;
}

// ---- the end ----

void ft_node_release(ft_worker *worker, ft_node *node, int64_t count)
{
    // Release: what was done for it; acquire: the one that ends it sees all of that.
    if (ft_atomic_sub(&node->open, count, FT_ACQ_REL) == count)
        ft_dispatch(worker, &node->end_task);
}

static bool is_ending_well(const ft_run *run)
{
    return !ft_atomic_load(&run->failing, FT_ACQUIRE) &&
           ft_atomic_load(&run->stop, FT_ACQUIRE) != FT_STOP_NOW;
}

// Opens an instance if there is none: a file with nothing in it is a file too.
static void open_any(ft_worker *worker, ft_node_end *end)
{
    ft_node *node = end->node;
    const ft_stage_def *def = node->def;
    ft_instance *made;
    bool any = false;

    for (size_t i = 0; i < node->instance_room && !any; i++)
        any = ft_atomic_load(&node->instances[i], FT_ACQUIRE) != NULL;
    if (!any && (def->flush || def->commit || def->kind == FT_STAGE_SINK))
        end->ok = ft_instance_open(node, 0, worker, &made, &end->err);
}

// The next instance that is to be flushed, in their order; NULL: none.
static ft_instance *next_instance(ft_node_end *end)
{
    ft_node *node = end->node;

    while (end->ok && node->def->flush && end->next < node->instance_room) {
        ft_instance *instance = ft_atomic_load(&node->instances[end->next++], FT_ACQUIRE);
        if (instance && instance->is_open)
            return instance;
    }
    return NULL;
}

static void begin_flush(ft_worker *worker, ft_node_end *end)
{
    ft_turn_begin(worker, end->instance, end->node->flushed, 1);
    ft_watch_begin(worker, end->node, "`flush`");
    end->ok = end->node->def->flush(&end->instance->stage, &end->err);
}

static void finish_flush(ft_worker *worker, ft_node_end *end)
{
    ft_instance *instance = ft_take(&end->instance);

    ft_turn_move(instance, worker);
    end->ok = end->ok && ft_turn_next(instance, true, &end->err);
    ft_turn_end(instance);
}

// The stream's length is known now: serial nodes that waited for more of it go on.
static void end_stream(ft_worker *worker, ft_run *run, ft_stream *stream)
{
    // Release pairs with the acquire in ft_inbox_is_ready.
    ft_atomic_store(&stream->total, stream->made, FT_SEQ_CST);
    for (size_t i = 0; i < run->node_count; i++) {
        ft_node *node = &run->nodes[i];
        if (node->mode != FT_MODE_SERIAL || !node->keeps_order)
            continue;
        ft_mutex_lock(&node->lock);
        bool ready = !node->scheduled && ft_inbox_is_ready(node);
        node->scheduled = node->scheduled || ready;
        ft_mutex_unlock(&node->lock);
        if (ready)
            ft_dispatch(worker, &node->serial_task);
    }
}

// Behind the last flush.
static void end_node(ft_worker *worker, const ft_node_end *end)
{
    ft_node *node = end->node;
    ft_run *run = node->run;

    if (!end->ok) {
        ft_ticket at = {node->flushed->rank, UINT64_MAX};
        ft_run_fail(run, node, &at, &end->err);
        ft_atomic_store(&run->loose_failed, 1, FT_RELAXED);
    }
    end_stream(worker, run, node->flushed);
    for (size_t i = 0; i < node->instance_room && !node->plan->def->commit; i++) {
        ft_instance *instance = ft_atomic_load(&node->instances[i], FT_ACQUIRE);
        if (instance)
            ft_instance_close(instance);
    }
    ft_chain_node_ended(node);
    for (size_t i = 0; i < node->port_count; i++)
        for (size_t j = 0; j < node->ports[i].edge_count; j++)
            ft_node_release(worker, node->ports[i].edges[j].to, 1);
    ft_source_poke(run);
    // Acquire and release: the last one rings for all.
    if (ft_atomic_sub(&run->unfinished, 1, FT_ACQ_REL) == 1)
        ft_run_ring(run);
}

// Flushes one instance after the other. The thread may be left behind in each of them, and in the
// `open` before the first.
static void flush_rest(ft_worker *worker, ft_node_end *end)
{
    bool any;

    do {
        end->instance = next_instance(end);
        any = end->instance != NULL;
        if (any)
            begin_flush(worker, end);
        if (!ft_watch_end(worker)) {
            ft_runaway_hand_over(worker, FT_WATCH_END);
            return;
        }
        if (any)
            finish_flush(worker, end);
    } while (any);
    end_node(worker, end);
}

void ft_flow_end(ft_worker *worker, ft_node *node)
{
    ft_node_end *end = &worker->watch->end;

    *end = (ft_node_end){.node = node, .ok = true, .err = FT_ERROR_INIT};
    if (is_ending_well(node->run))
        open_any(worker, end);
    else
        end->next = node->instance_room;
    flush_rest(worker, end);
}

void ft_flow_end_go_on(ft_worker *worker)
{
    ft_node_end *end = &worker->watch->end;

    if (end->instance)
        finish_flush(worker, end);
    flush_rest(worker, end);
}

// ---- enough ----

static bool is_enough(const ft_node *node)
{
    size_t readers = 0;

    if (node->said_enough)
        return true;
    for (size_t i = 0; i < node->port_count; i++)
        for (size_t j = 0; j < node->ports[i].edge_count; j++) {
            readers++;
            if (!ft_atomic_load(&node->ports[i].edges[j].to->enough, FT_RELAXED))
                return false;
        }
    return readers > 0;
}

void ft_flow_enough(ft_node *node)
{
    ft_run *run = node->run;

    ft_mutex_lock(&run->enough_lock);
    node->said_enough = true;
    for (size_t at = run->node_count; at-- > 0;) {
        ft_node *each = &run->nodes[run->order[at]];
        if (!is_enough(each))
            continue;
        ft_atomic_store(&each->enough, 1, FT_RELAXED);
        if (each->source) {
            ft_atomic_store(&each->source->told_to_stop, 1, FT_SEQ_CST);
            ft_source_wake(each);
        }
    }
    ft_mutex_unlock(&run->enough_lock);
    ft_source_poke(run);
}
