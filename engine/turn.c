// A turn: one worker inside one instance of a stage, from the packet that came in to the packets
// that go out.
#include "engine/turn.h"

#include <string.h>

#include "engine/abandon.h"
#include "engine/domain.h"
#include "engine/failure.h"
#include "engine/flow.h"
#include "engine/gate.h"
#include "engine/order.h"
#include "engine/runaway.h"
#include "engine/scheduler.h"
#include "engine/sources.h"
#include "engine/trace.h"
#include "engine/train.h"
#include "engine/when.h"
#include "runtime/memory/alloc.h"
#include "runtime/system/clock.h"
#include "runtime/system/lease.h"

enum { SERIAL_PACKETS_PER_TURN = 16 };

// ---- begin, send, end ----

void ft_turn_begin(ft_worker *worker, ft_instance *instance, ft_stream *stream, uint32_t train)
{
    ft_turn *turn = &instance->turn;
    ft_batch_list *out = turn->out;

    // One look at the clock a turn: what lies between two turns is little, and counts to the
    // second.
    int64_t now = worker->last_ns ? worker->last_ns : ft_clock_ns();
    *turn = (ft_turn){.worker = worker,
                      .stream = stream,
                      .train = train,
                      .out = out,
                      .started_ns = now,
                      .may_cut = true};
    if (stream)
        turn->birth = ft_gate_birth(instance->node->run);
    worker->at = instance;
    // What an instance keeps that other workers run too must not belong to one of them.
    ft_lease_create_merged(instance->node->mode != FT_MODE_PARALLEL);
    ft_lease_set_label(instance->node->plan->name);
    // Relaxed: statistics.
    ft_atomic_store(&instance->stats.is_running, 1, FT_RELAXED);
}

// What of the items that came for a ticket was dropped, or made of nothing.
static inline void count_ticket(ft_turn *turn)
{
    uint64_t balance = turn->items_in - turn->items_out - turn->items_failed;
    int64_t rest = (int64_t)(balance - turn->balance);

    if (FT_LIKELY(rest == 0))
        return;
    turn->balance = balance;
    if (rest > 0)
        turn->items_dropped += (uint64_t)rest;
    else
        turn->items_made += (uint64_t)-rest;
}

static inline bool close_ticket(ft_turn *turn, size_t ports, ft_error *err)
{
    count_ticket(turn);
    for (size_t i = 0; turn->train > 1 && i < ports; i++) {
        ft_batch_list *out = &turn->out[i];
        if (!ft_batch_list_room(out, turn->train, err))
            return false;
        out->ends[turn->tickets] = (uint32_t)out->count;
    }
    turn->tickets++;
    return true;
}

bool ft_turn_close(ft_instance *instance, ft_error *err)
{
    return close_ticket(&instance->turn, instance->node->open_ports, err);
}

bool ft_turn_next(ft_instance *instance, bool more, ft_error *err)
{
    ft_turn *turn = &instance->turn;

    if (!turn->is_open)
        return true;
    turn->is_open = false;
    return ft_turn_close(instance, err) &&
           (turn->tickets < turn->train || ft_turn_send(instance, more, err));
}

// Moves what the ticket that is at work has given so far out of the way.
static bool take_open(ft_instance *instance, ft_batch_list *open, ft_error *err)
{
    ft_turn *turn = &instance->turn;

    for (size_t i = 0; i < instance->node->open_ports; i++) {
        size_t from = ft_turn_open_from(turn, i);
        open[i] = (ft_batch_list){0};
        for (size_t j = from; j < turn->out[i].count; j++)
            if (!ft_batch_list_add(&open[i], ft_batch_ref(turn->out[i].items[j]), err)) {
                for (size_t k = 0; k <= i; k++)
                    ft_batch_list_finish(&open[k]);
                return false;
            }
    }
    for (size_t i = 0; i < instance->node->open_ports; i++)
        ft_batch_list_drop(&turn->out[i], ft_turn_open_from(turn, i));
    return true;
}

// A packet for the tickets that are done with.
static ft_packet *pack(ft_instance *instance, ft_error *err)
{
    ft_node *node = instance->node;
    ft_turn *turn = &instance->turn;
    ft_packet *packet = ft_packet_create(err);

    if (!packet)
        return NULL;
    packet->tickets = turn->tickets;
    if (!turn->stream) {
        packet->ticket = turn->first;
        packet->ticket.sequence += turn->sent;
        packet->flight = turn->flight;
        ft_flight_ref(packet->flight, 1);
        return packet;
    }
    packet->flight = ft_flight_create(node->run, node->source ? node : NULL, turn->birth, err);
    if (!packet->flight) {
        ft_free(packet);
        return NULL;
    }
    packet->flight->tickets = turn->tickets;
    ft_atomic_store(&packet->flight->slowest_ns,
                    turn->ended_ns ? turn->ended_ns - turn->started_ns - turn->waited_ns : 0,
                    FT_RELAXED);
    packet->ticket = (ft_ticket){.stream = turn->stream->rank, .sequence = turn->stream->made};
    turn->stream->made += turn->tickets;
    if (node->source) {
        ft_source_started(node, packet->flight, turn);
        turn->birth = ft_gate_birth(node->run);
    }
    return packet;
}

bool ft_turn_send(ft_instance *instance, bool more, ft_error *err)
{
    ft_node *node = instance->node;
    ft_run *run = node->run;
    ft_turn *turn = &instance->turn;
    ft_worker *worker = turn->worker;
    ft_batch_list open[FT_PORTS_MAX];

    if (turn->tickets == 0)
        return true;
    if (!take_open(instance, open, err))
        return false;
    bool paused = ft_watch_pause(worker);
    if (!more && !worker->is_away)
        turn->ended_ns = ft_clock_ns();
    ft_packet *packet = pack(instance, err);
    bool ok = packet != NULL;
    if (ok) {
        turn->may_cut = false;
        worker->publishes = more;  // It does not come to them itself.
        if (worker->is_away)
            ft_active_enter(run);  // It makes work now, from a thread that is not counted.
        ok = ft_flow_send(worker, node, turn->out, packet, err);
        if (worker->is_away)
            ft_active_leave(run);
        worker->publishes = false;
        turn->may_cut = true;
    }
    for (size_t i = 0; i < node->open_ports; i++) {
        ft_batch_list_drop(&turn->out[i], 0);
        if (open[i].count == 0)
            continue;
        ft_batch_list_finish(&turn->out[i]);
        turn->out[i] = open[i];
    }
    turn->sent += turn->tickets;
    turn->tickets = 0;
    turn->bytes = 0;
    if (paused)
        ft_watch_resume(worker);
    return ok;
}

void ft_turn_cut(ft_instance *instance)
{
    ft_error err = FT_ERROR_INIT;

    if (instance->turn.may_cut && !ft_turn_send(instance, true, &err))
        ft_run_fail(instance->node->run, instance->node, NULL, &err);
}

void ft_turn_move(ft_instance *instance, ft_worker *worker)
{
    ft_worker *before = instance->turn.worker;

    if (before == worker)
        return;
    if (before->at == instance)
        before->at = NULL;
    worker->at = instance;
    instance->turn.worker = worker;
}

// Only the worker that runs the instance writes its statistics, so a load and a store do.
static void count_up(ft_atomic_u64 *counter, uint64_t by)
{
    if (by)
        ft_atomic_store(counter, ft_atomic_load(counter, FT_RELAXED) + by, FT_RELAXED);
}

void ft_turn_end(ft_instance *instance)
{
    ft_turn *turn = &instance->turn;
    ft_instance_stats *stats = &instance->stats;
    int64_t now = turn->ended_ns ? turn->ended_ns : ft_clock_ns();

    count_ticket(turn);
    count_up(&stats->items_in, turn->items_in);
    count_up(&stats->items_out, turn->items_out);
    count_up(&stats->items_failed, turn->items_failed);
    count_up(&stats->items_dropped, turn->items_dropped);
    count_up(&stats->items_made, turn->items_made);
    count_up(&stats->batches, turn->sent + turn->tickets);
    ft_atomic_store(&stats->busy_ns,
                    ft_atomic_load(&stats->busy_ns, FT_RELAXED) +
                        (now - turn->started_ns - turn->waited_ns),
                    FT_RELAXED);
    turn->worker->last_ns = now;
    ft_atomic_store(&stats->is_running, 0, FT_RELAXED);
    for (size_t i = 0; i < instance->counter_count; i++)
        ft_atomic_store(&instance->counters[i], instance->stage.counters[i], FT_RELAXED);
    if (instance->node->run->settings.trace)
        ft_trace_turn(instance, turn->started_ns, now);
    for (size_t i = 0; turn->out && i < instance->node->port_count; i++)
        ft_batch_list_drop(&turn->out[i], 0);
    ft_lease_create_merged(false);
    ft_lease_set_label(NULL);
    ft_lease_turn_end();
    turn->worker->at = NULL;
    turn->worker->publishes = false;
    turn->worker = NULL;
    ft_instance_put(instance);
}

// ---- processing ----

// All items of a batch that a sink took are written, but for those that failed: a lineage counts
// failed first.
static void mark_rows(const ft_batch *batch, ft_row_state state, ft_atomic_u32 *loose)
{
    if (!batch->lineage) {
        // Looked at first: a line that is only read is no worker's alone.
        if (!ft_atomic_load(loose, FT_RELAXED))
            ft_atomic_store(loose, 1, FT_RELAXED);
        return;
    }
    for (size_t i = 0; i < batch->count; i++)
        ft_lineage_mark(batch->lineage, ft_batch_row(batch, i), state);
}

// How much the ticket at work had given, so that an attempt can be undone. Counted from where the
// ticket begins: what is before it may be sent meanwhile.
typedef struct {
    uint64_t items_out, items_failed;
    bool is_first;  // All counts are 0, and not set.
    size_t counts[FT_PORTS_MAX];
} mark;

// `is_first`: nothing was given for the ticket yet.
static inline void set_mark(const ft_instance *instance, bool is_first, mark *out)
{
    const ft_turn *turn = &instance->turn;

    out->items_out = turn->items_out;
    out->items_failed = turn->items_failed;
    out->is_first = is_first;
    for (size_t i = 0; !is_first && i < instance->node->open_ports; i++)
        out->counts[i] = turn->out[i].count - ft_turn_open_from(turn, i);
}

static void undo(ft_instance *instance, const mark *before)
{
    ft_turn *turn = &instance->turn;

    for (size_t i = 0; i < instance->node->open_ports; i++)
        ft_batch_list_drop(&turn->out[i],
                           ft_turn_open_from(turn, i) + (before->is_first ? 0 : before->counts[i]));
    ft_failure_undo(instance->node->run, turn->items_failed - before->items_failed);
    turn->items_out = before->items_out;
    turn->items_failed = before->items_failed;
}

static bool process_one(ft_instance *instance, ft_batch *batch, ft_error *err);

// The batch needed more memory than there is: its halves may not, and at the end one item that is
// too big fails alone.
static bool process_halves(ft_instance *instance, ft_batch *batch, ft_error *err)
{
    if (batch->count == 1) {
        ft_error why = *err;
        *err = (ft_error)FT_ERROR_INIT;
        return ft_item_failed(&instance->stage, batch, 0, &why, err);
    }
    *err = (ft_error)FT_ERROR_INIT;
    size_t half = batch->count / 2;
    ft_batch *first = ft_batch_slice(batch, 0, half, err);
    if (!first || !process_one(instance, first, err))
        return false;
    ft_batch *second = ft_batch_slice(batch, half, batch->count - half, err);
    return second && process_one(instance, second, err);
}

// A batch that did not fit into memory may be tried again, in halves or to fail its only item. Not
// where the stage sees all items in order and has seen some of them already, and not in a sink,
// which may have written some.
static inline bool may_retry(const ft_node *node, const ft_batch *batch)
{
    return node->retries || (node->retries_one && batch->count == 1);
}

// Where the batch comes from, for the log if this call does not come back: the stage may let go of
// the batch, but names of parts live as long as the run.
static void note_place(ft_turn *turn, const ft_batch *batch)
{
    const ft_lineage *lineage = batch->lineage;

    turn->part = NULL;
    turn->place = 0;
    if (!lineage || batch->count == 0)
        return;
    size_t row = ft_batch_row(batch, 0);
    if (lineage->positions && lineage->parts) {
        turn->part = lineage->parts[lineage->positions[row].part];
        turn->place = lineage->positions[row].offset + 1;
    } else {
        turn->place = lineage->first_index + row + 2;
    }
}

// One call of the stage; takes `batch`.
static bool attempt(ft_instance *instance, ft_batch *batch, bool retry, ft_error *err)
{
    ft_turn *turn = &instance->turn;

    note_place(turn, batch);
    turn->may_undo = retry;
    bool ok = instance->stage.def->process(&instance->stage, &batch, err);
    turn->may_undo = false;
    if (batch)
        ft_batch_unref(batch);
    return ok;
}

// An attempt failed that can be made again, because an older turn needed the memory that this one
// had, or because there is too little of it. Does not take `kept`.
static bool try_again(ft_instance *instance, ft_batch *kept, const mark *before, ft_error *err)
{
    ft_turn *turn = &instance->turn;
    bool ok = false;

    while (!ok && turn->is_undone && !turn->stops) {
        undo(instance, before);
        *err = (ft_error)FT_ERROR_INIT;
        turn->is_undone = false;
        ok = ft_gate_retry(turn->worker, err) && attempt(instance, ft_batch_ref(kept), true, err);
    }
    turn->is_undone = false;
    if (ok || err->code != FT_ERROR_LIMIT || turn->stops)
        return ok;
    undo(instance, before);
    return process_halves(instance, kept, err);
}

// Takes `batch`.
FT_ALWAYS_INLINE bool process_inline(const ft_node *node, ft_instance *instance, ft_batch *batch,
                                     bool is_first, ft_error *err)
{
    // Kept to be marked, or to be tried again. So a stage that writes values in place finds them
    // shared, and copies.
    bool retry = may_retry(node, batch);
    ft_batch *kept = retry || node->keeps ? batch : NULL;
    // What is immortal need not be held to be kept.
    ft_batch *held = kept && !ft_object_is_immortal(&kept->object) ? kept : NULL;
    mark before;

    if (held)
        ft_object_ref(&held->object);
    if (retry)
        set_mark(instance, is_first, &before);
    if (FT_UNLIKELY(instance->stage.def->absorbs) && batch->lineage)
        mark_rows(batch, FT_ROW_HELD, NULL);
    bool ok = attempt(instance, batch, retry, err);
    if (FT_UNLIKELY(!ok) && retry)
        ok = try_again(instance, kept, &before, err);
    if (ok && node->is_last && !instance->stage.def->discards)
        mark_rows(kept, FT_ROW_WRITTEN, &node->run->loose_written);
    if (FT_UNLIKELY(!ok))  // Before the batch goes: what is left of it was not dropped by a stage.
        ft_atomic_store(&node->run->ends_badly, 1, FT_RELAXED);
    if (held)
        ft_object_unref(&held->object);
    return ok;
}

static bool process_one(ft_instance *instance, ft_batch *batch, ft_error *err)
{
    return process_inline(instance->node, instance, batch, false, err);
}

bool ft_turn_process(ft_instance *instance, ft_batch *batch, ft_error *err)
{
    size_t most = (size_t)instance->node->plan->batch_items;
    bool ok = true;

    if (FT_LIKELY(most == 0 || batch->count <= most))
        return process_one(instance, batch, err);
    for (size_t at = 0; ok && at < batch->count; at += most) {
        size_t count = batch->count - at < most ? batch->count - at : most;
        ft_batch *slice = ft_batch_slice(batch, at, count, err);
        ok = slice && process_one(instance, slice, err);
    }
    ft_batch_unref(batch);
    return ok;
}

// The batches of one ticket. Takes them, and also those that it has no more use for.
static bool run_piece(ft_instance *instance, ft_packet *packet, uint32_t ticket, bool skip,
                      ft_error *err)
{
    ft_turn *turn = &instance->turn;
    size_t end = ft_packet_end(packet, ticket);
    bool ok = true;

    for (size_t i = ticket ? ft_packet_end(packet, ticket - 1) : 0; i < end; i++) {
        ft_batch *batch = ft_take(&packet->list.items[i]);
        if (!batch)
            continue;
        turn->items_in += batch->count;
        if (FT_UNLIKELY(skip || !ok))
            ft_batch_unref(batch);
        else if (FT_UNLIKELY(instance->node->plan->when != NULL))
            ok = ft_when_process(instance, batch, err);
        else
            ok = ft_turn_process(instance, batch, err);
    }
    return ok;
}

// What is not done any more: its packets still say so downstream.
static bool is_skipped(const ft_node *node, ft_ticket ticket)
{
    // Relaxed: it may come a little late. Acquire pairs with the release in ft_run_fail.
    if (FT_UNLIKELY(ft_atomic_load(&node->enough, FT_RELAXED)))
        return true;
    return FT_UNLIKELY(ft_atomic_load(&node->run->failing, FT_ACQUIRE)) &&
           ft_failure_is_before(node->run, ticket);
}

void ft_packet_turn_begin(ft_worker *worker, ft_node *node, ft_packet *first, ft_packet_turn *out)
{
    *out = (ft_packet_turn){.node = node, .first = first, .err = FT_ERROR_INIT};
    out->failed = first->ticket;
    out->instance = ft_instance_get(worker, node, &out->err);
    out->ok = out->instance != NULL;
    if (!out->ok)
        return;
    ft_turn_begin(worker, out->instance, NULL, first->tickets);
    ft_turn *turn = &out->instance->turn;
    turn->first = first->ticket;
    turn->flight = first->flight;
    turn->birth = first->flight->birth;
    for (ft_packet *piece = first; piece; piece = piece->next_piece)
        ft_packet_receive(piece);
}

static FT_NOINLINE void fail_ticket(ft_packet_turn *turn, ft_ticket ticket)
{
    ft_instance *instance = turn->instance;

    turn->ok = false;
    turn->failed = ticket;
    for (size_t i = 0; i < turn->node->open_ports; i++)
        ft_batch_list_drop(&instance->turn.out[i], ft_turn_open_from(&instance->turn, i));
}

// Ticket number `number`, whatever it needs. False without memory for its end.
static bool run_ticket(ft_packet_turn *turn, uint32_t number)
{
    ft_ticket ticket = turn->first->ticket;
    ft_error none = FT_ERROR_INIT;
    bool ok = true;

    ticket.sequence += number;
    bool skip = !turn->ok || is_skipped(turn->node, ticket);
    for (ft_packet *piece = turn->first; ok && piece; piece = piece->next_piece)
        ok = run_piece(turn->instance, piece, number, skip, skip ? &none : &turn->err);
    if (!ok)
        fail_ticket(turn, ticket);
    return ft_turn_close(turn->instance, &none);
}

// The same for the usual case, with as little as can be: a message through an empty stage is a few
// dozen instructions. Returns the number of the first ticket that it left.
static uint32_t run_plain(ft_packet_turn *turn)
{
    const ft_node *node = turn->node;
    ft_instance *instance = turn->instance;
    const ft_packet *packet = turn->first;
    ft_batch **items = packet->list.items;
    size_t at = 0;
    uint32_t i = 0;

    if (packet->next_piece || node->plan->when || node->plan->batch_items || packet->tickets == 1 ||
        packet->list.count == 0)
        return 0;
    for (; i < packet->tickets; i++) {
        // As in is_skipped.
        if (ft_atomic_load(&node->enough, FT_RELAXED) ||
            ft_atomic_load(&node->run->failing, FT_ACQUIRE))
            return i;
        size_t first = at;
        for (size_t end = packet->list.ends[i]; at < end; at++) {
            ft_batch *batch = ft_take(&items[at]);
            instance->turn.items_in += batch->count;
            if (FT_LIKELY(process_inline(node, instance, batch, at == first, &turn->err)))
                continue;
            fail_ticket(turn, (ft_ticket){packet->ticket.stream, packet->ticket.sequence + i});
            return run_ticket(turn, i) ? i + 1 : UINT32_MAX;  // What is left of it is let go.
        }
        if (FT_UNLIKELY(!close_ticket(&instance->turn, node->open_ports, &turn->err)))
            return UINT32_MAX;
    }
    return i;
}

void ft_packet_turn_process(ft_packet_turn *turn)
{
    if (!turn->instance)
        return;
    uint32_t at = run_plain(turn);
    while (at < turn->first->tickets)
        at = run_ticket(turn, at) ? at + 1 : UINT32_MAX;
    if (at != UINT32_MAX)
        return;
    turn->ok = false;
    ft_ignore(ft_fail_nomem(&turn->err, FT_TRAIN_MAX * sizeof(uint32_t)));
    for (size_t i = 0; i < turn->node->port_count; i++)
        ft_batch_list_drop(&turn->instance->turn.out[i], 0);
}

// Lets go of what is left of the packets that came, but for the first; returns how many tickets
// came in all of them.
static int64_t use_up(ft_run *run, ft_packet *first)
{
    int64_t tickets = 0;

    for (ft_packet *piece = first, *next; piece; piece = next) {
        next = piece->next_piece;
        tickets += piece->tickets;
        ft_batch_list_drop(&piece->list, 0);
        if (piece != first)
            ft_packet_destroy(run, piece);
    }
    return tickets;
}

// The longest turn of a train tells its source how many tickets the next one may have.
static void note_time(ft_turn *turn)
{
    turn->ended_ns = ft_clock_ns();
    int64_t took = turn->ended_ns - turn->started_ns - turn->waited_ns;
    // Relaxed: a hint. One of two that run at once may be lost.
    if (took > ft_atomic_load(&turn->flight->slowest_ns, FT_RELAXED))
        ft_atomic_store(&turn->flight->slowest_ns, took, FT_RELAXED);
}

void ft_packet_turn_finish(ft_worker *worker, ft_packet_turn *turn)
{
    ft_node *node = turn->node;
    ft_instance *instance = turn->instance;
    ft_packet *packet = turn->first;

    if (instance) {
        ft_turn_move(instance, worker);
        note_time(&instance->turn);
        instance->turn.may_cut = false;
    }
    if (!turn->ok)
        ft_run_fail(node->run, node, &turn->failed, &turn->err);
    turn->err = (ft_error)FT_ERROR_INIT;
    int64_t tickets = use_up(node->run, packet);
    if (instance) {
        packet->ticket.sequence += instance->turn.sent;
        packet->tickets -= instance->turn.sent;
    }
    if (!ft_flow_send(worker, node, instance ? instance->turn.out : NULL, packet, &turn->err))
        ft_run_fail(node->run, node, NULL, &turn->err);
    if (instance)
        ft_turn_end(instance);
    ft_node_release(worker, node, tickets);
}

// Runs a train through the stage and sends what came of it. False: the thread was left behind
// meanwhile, and somebody else does the rest.
static bool run_pieces(ft_worker *worker, ft_node *node, ft_packet *first)
{
    ft_packet_turn *turn = &worker->watch->packet;

    ft_packet_turn_begin(worker, node, first, turn);
    if (FT_UNLIKELY(worker->watch->is_inside) && (!turn->instance || !worker->ring)) {
        ft_runaway_hand_over(worker, FT_WATCH_PACKET);  // Left behind in `open`.
        return false;
    }
    if (turn->instance) {
        bool may_fail = node->plan->on_runaway == FT_ON_RUNAWAY_FAIL && worker->ring &&
                        !worker->watch->is_inside;
        if (FT_UNLIKELY(may_fail))
            ft_abandon_keep(worker->watch);
        ft_watch_enter(worker, node, turn->instance->turn.started_ns);
        ft_packet_turn_process(turn);
        if (!ft_watch_leave(worker)) {
            ft_runaway_hand_over(worker, FT_WATCH_PACKET);
            return false;
        }
        if (FT_UNLIKELY(may_fail))
            ft_abandon_unkeep(worker->watch);
    }
    ft_packet_turn_finish(worker, turn);
    return true;
}

// CAPPED: the instance is free for the next packet that waits for one.
static void pass_on(ft_worker *worker, ft_node *node)
{
    ft_mutex_lock(&node->lock);
    ft_task *next = node->ready_first;
    if (next) {
        node->ready_first = next->next;
        if (!node->ready_first)
            node->ready_last = NULL;
    } else {
        node->running--;
    }
    ft_mutex_unlock(&node->lock);
    if (next)
        ft_dispatch(worker, next);
}

static void run_serial(ft_worker *worker, ft_node *node)
{
    for (int i = 0;; i++) {
        ft_mutex_lock(&node->lock);
        bool again = i == SERIAL_PACKETS_PER_TURN || worker->next || ft_run_is_stopped(node->run);
        ft_packet *packet = again ? NULL : ft_inbox_take(node);
        bool ready = again && ft_inbox_is_ready(node) && !ft_run_is_stopped(node->run);
        node->scheduled = packet || ready;
        ft_mutex_unlock(&node->lock);
        if (ready) {
            ft_flow_again(worker, &node->serial_task);
            return;
        }
        if (!packet)
            return;
        if (!run_pieces(worker, node, packet))
            return;
    }
}

void ft_packet_turn_follow(ft_worker *worker, ft_node *node)
{
    if (node->mode == FT_MODE_CAPPED)
        pass_on(worker, node);
    else if (node->mode == FT_MODE_SERIAL)
        run_serial(worker, node);
}

static void run_packet(ft_worker *worker, ft_node *node, ft_packet *packet)
{
    if (run_pieces(worker, node, packet) && node->mode == FT_MODE_CAPPED)
        pass_on(worker, node);
}

static void run_task(ft_worker *worker, ft_task *task)
{
    ft_node *node = task->node;

    switch (task->kind) {
    case FT_TASK_PACKET:
        run_packet(worker, node, (ft_packet *)task);
        break;
    case FT_TASK_SERIAL:
        run_serial(worker, node);
        break;
    case FT_TASK_SOURCE:
        ft_source_turn(worker, node);
        break;
    case FT_TASK_END:
        ft_flow_end(worker, node);
        break;
    case FT_TASK_ABANDONED:
        ft_abandon_close(worker, task);
        break;
    case FT_TASK_RETURNED:
        ft_runaway_finish(worker, task);
        break;
    }
}

void ft_task_run(ft_worker *worker, ft_task *task)
{
    ft_domain *domain = task->node->domain;

    // A turn that has come back is in its domain still.
    if (domain && task->kind != FT_TASK_RETURNED && !ft_domain_enter(domain, task))
        return;
    run_task(worker, task);
    if (worker->is_left)
        return;
    ft_task *next = domain ? ft_domain_leave(domain) : NULL;
    if (next)
        ft_dispatch(worker, next);
}
