// A turn: one worker inside one instance of a stage, from the packet that came in to the packets
// that go out.
#include "engine/turn.h"

#include <string.h>

#include "engine/domain.h"
#include "engine/failure.h"
#include "engine/flow.h"
#include "engine/gate.h"
#include "engine/order.h"
#include "engine/scheduler.h"
#include "engine/sources.h"
#include "engine/trace.h"
#include "engine/when.h"
#include "runtime/memory/alloc.h"
#include "runtime/system/clock.h"

enum { SERIAL_PACKETS_PER_TURN = 16 };

// ---- what a stage may ask for ----

bool ft_batch_list_add(ft_batch_list *list, ft_batch *batch, ft_error *err)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 4;
        ft_batch **items = ft_realloc((void *)list->items, capacity * sizeof(ft_batch *));
        if (!items) {
            ft_batch_unref(batch);
            return ft_fail_nomem(err, capacity * sizeof(ft_batch *));
        }
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = batch;
    return true;
}

// Drops the columns that nothing downstream reads.
static bool drop_dead(const ft_node *node, ft_batch **batch, ft_error *err)
{
    const bool *live = node->plan->live;
    bool any = false;

    for (size_t i = 0; i < node->plan->output.count && i < (*batch)->width; i++)
        any = any || (!live[i] && (*batch)->columns[i].values);
    if (!any)
        return true;
    if (!ft_batch_make_writable(batch, (*batch)->width, err))
        return false;
    for (size_t i = 0; i < node->plan->output.count && i < (*batch)->width; i++)
        if (!live[i] && (*batch)->columns[i].values) {
            ft_type type = (*batch)->columns[i].type;
            ft_column_finish(&(*batch)->columns[i]);
            (*batch)->columns[i] = (ft_column){.type = type};
        }
    return true;
}

static bool is_stopped(const ft_run *run)
{
    return ft_atomic_load(&run->stop, FT_RELAXED) == FT_STOP_NOW;
}

static bool host_emit(ft_stage *self, size_t port, ft_batch *batch, ft_error *err)
{
    ft_instance *instance = (ft_instance *)(void *)self;
    ft_node *node = instance->node;
    ft_turn *turn = &instance->turn;

    FT_ASSERT(port < node->port_count - 1);
    bool ok =
        !is_stopped(node->run) || ft_fail(err, FT_ERROR_CANCELLED, "the run is being stopped");
    if (ok && turn->stream && node->source)
        ok = ft_source_trim(&batch, err);
#ifdef FT_DEBUG
    if (ok)
        ft_batch_assert_valid(batch);
#endif
    if (!ok || batch->count == 0 || node->ports[port].edge_count == 0) {
        ft_batch_unref(batch);
        return ok;
    }
    if (!drop_dead(node, &batch, err)) {
        ft_batch_unref(batch);
        return false;
    }
    if (turn->stream && !ft_turn_send(instance, err)) {
        ft_batch_unref(batch);
        return false;
    }
    turn->items_out += batch->count;
    return ft_batch_list_add(&turn->out[port], batch, err);
}

static bool host_cancelled(const ft_stage *self)
{
    const ft_instance *instance = (const ft_instance *)(const void *)self;
    const ft_run *run = instance->node->run;
    uint32_t stop = ft_atomic_load(&run->stop, FT_RELAXED);

    if (instance->node->source)
        return stop != FT_STOP_NONE ||
               ft_atomic_load(&instance->node->source->told_to_stop, FT_RELAXED);
    return stop == FT_STOP_NOW;
}

static bool host_start(ft_stage *self, ft_lineage *lineage, ft_error *err)
{
    return ft_source_begin((ft_instance *)(void *)self, lineage, err);
}

static void host_enough(ft_stage *self)
{
    ft_flow_enough(((ft_instance *)(void *)self)->node);
}

static bool host_port_is_read(const ft_stage *self, size_t port)
{
    const ft_node *node = ((const ft_instance *)(const void *)self)->node;
    return node->ports[port].edge_count > 0;
}

static void host_progress(ft_stage *self, double share)
{
    ft_node *node = ((ft_instance *)(void *)self)->node;

    if (node->source && share >= 0 && share <= 1)  // Relaxed: for display only.
        ft_atomic_store(&node->source->progress, (int64_t)(share * FT_PROGRESS_ALL) + 1,
                        FT_RELAXED);
}

static void host_wait_readable(ft_stage *self, int fd)
{
    ft_node *node = ((ft_instance *)(void *)self)->node;

    if (node->source)
        ft_source_wait_readable(node, fd);
}

static const ft_stage_host host = {
    .emit = host_emit,
    .item_fail = ft_item_failed,
    .enough = host_enough,
    .cancelled = host_cancelled,
    .start = host_start,
    .port_is_read = host_port_is_read,
    .progress = host_progress,
    .wait_readable = host_wait_readable,
};

// ---- instances ----

static void fill_stage(ft_stage *stage, const ft_node *node, size_t slot)
{
    const ft_plan_node *plan = node->plan;
    const ft_run *run = node->run;
    bool one_item = node->source && (run->settings.stress & FT_STRESS_ONE_ITEM);

    stage->def = plan->def;
    stage->name = plan->name;
    stage->config = plan->config;
    stage->shared = node->shared;
    stage->account = &node->run->account;
    stage->input = &plan->input;
    stage->output = &plan->output;
    stage->live = plan->live;
    stage->input_width = plan->input.count;
    stage->output_width = plan->output.count;
    stage->instance = (int)slot;
    stage->threads = run->threads;
    stage->batch_items = one_item ? 1 : plan->batch_items;
    if (stage->batch_items == 0 && node->source)
        stage->batch_items = plan->batch_wish;
    stage->seed = run->plan->run.seed;
    stage->host = &host;
}

static size_t counter_count(const ft_stage_def *def)
{
    size_t count = 0;

    while (def->counters && def->counters[count])
        count++;
    return count;
}

static bool is_complete(const ft_instance *instance)
{
    return instance->turn.out && instance->stage.state && instance->stage.counters &&
           instance->counters;
}

bool ft_instance_open(ft_node *node, size_t slot, ft_instance **out, ft_error *err)
{
    const ft_stage_def *def = node->plan->def;
    // Relaxed: only the thread that has the slot makes its instance.
    ft_instance *instance = ft_atomic_load(&node->instances[slot], FT_RELAXED);

    if (!instance) {
        instance = ft_alloc_zero(1, sizeof(*instance));
        if (!instance)
            return ft_fail_nomem(err, sizeof(*instance));
        instance->node = node;
        instance->turn.out = ft_alloc_zero(node->port_count, sizeof(ft_batch_list));
        instance->stage.state = ft_alloc_zero(1, def->state_size ? def->state_size : 1);
        instance->counter_count = counter_count(def);
        instance->stage.counters = ft_alloc_zero(instance->counter_count + 1, sizeof(uint64_t));
        instance->counters =
            ft_alloc_zero(instance->counter_count + 1, sizeof(*instance->counters));
        fill_stage(&instance->stage, node, slot);
        // Release pairs with the acquire of those who read statistics or end the node.
        ft_atomic_store(&node->instances[slot], instance, FT_RELEASE);
        if (!is_complete(instance))
            return ft_fail_nomem(err, def->state_size);
    }
    *out = instance;
    if (instance->is_open)
        return true;
    if (instance->was_opened || !is_complete(instance))
        return ft_fail(err, FT_ERROR_CANCELLED, "the run is being stopped");
    instance->was_opened = true;
    instance->is_open = !def->open || def->open(&instance->stage, err);
    return instance->is_open;
}

void ft_instance_close(ft_instance *instance)
{
    if (instance->was_opened && instance->node->plan->def->close)
        instance->node->plan->def->close(&instance->stage);
    instance->was_opened = instance->is_open = false;
    for (size_t i = 0; instance->turn.out && i < instance->node->port_count; i++) {
        ft_flow_drop_list(&instance->turn.out[i], 0);
        ft_free((void *)instance->turn.out[i].items);
    }
    ft_expr_free_scratch(&instance->expr);
    ft_free(instance->turn.out);
    ft_free(instance->stage.state);
    ft_free(instance->conditions);
    instance->turn.out = NULL;
    instance->stage.state = NULL;
    instance->conditions = NULL;
    instance->condition_room = 0;
}

ft_instance *ft_instance_get(ft_worker *worker, ft_node *node, ft_error *err)
{
    ft_instance *instance = NULL;
    size_t slot = 0;

    if (node->mode == FT_MODE_PARALLEL) {
        slot = worker->slot;
    } else if (node->mode == FT_MODE_CAPPED) {
        ft_mutex_lock(&node->lock);
        instance = node->free_instance;
        if (instance)
            node->free_instance = instance->next_free;
        else
            slot = node->instances_made++;
        ft_mutex_unlock(&node->lock);
        if (instance)
            return instance;
        if (slot >=
            node->instance_room) {  // Some could not be opened: the run is being stopped for that.
            ft_ignore(ft_fail(err, FT_ERROR_CANCELLED, "the run is being stopped"));
            return NULL;
        }
    }
    return ft_instance_open(node, slot, &instance, err) ? instance : NULL;
}

static void instance_put(ft_instance *instance)
{
    ft_node *node = instance->node;

    if (node->mode != FT_MODE_CAPPED)
        return;
    ft_mutex_lock(&node->lock);
    instance->next_free = node->free_instance;
    node->free_instance = instance;
    ft_mutex_unlock(&node->lock);
}

// ---- begin, send, end ----

void ft_turn_begin(ft_worker *worker, ft_instance *instance, ft_stream *stream)
{
    ft_turn *turn = &instance->turn;
    ft_batch_list *out = turn->out;

    // One look at the clock a turn: what lies between two turns is little, and counts to the
    // second.
    int64_t now = worker->last_ns ? worker->last_ns : ft_clock_ns();
    *turn = (ft_turn){.worker = worker, .stream = stream, .out = out, .started_ns = now};
    if (stream)
        turn->birth = ft_gate_birth(instance->node->run);
    worker->at = instance;
    worker->publishes = stream != NULL && !instance->node->source;
    // Relaxed: statistics.
    ft_atomic_store(&instance->stats.is_running, 1, FT_RELAXED);
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
    int64_t now = ft_clock_ns();
    uint64_t gone = turn->items_out + turn->items_failed;

    count_up(&stats->items_in, turn->items_in);
    count_up(&stats->items_out, turn->items_out);
    count_up(&stats->items_failed, turn->items_failed);
    count_up(&stats->items_dropped, turn->items_in > gone ? turn->items_in - gone : 0);
    count_up(&stats->items_made, gone > turn->items_in ? gone - turn->items_in : 0);
    count_up(&stats->batches, 1);
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
        ft_flow_drop_list(&turn->out[i], 0);
    turn->worker->at = NULL;
    turn->worker->publishes = false;
    turn->worker = NULL;
    instance_put(instance);
}

// ---- processing ----

// All items of a batch that a sink took are written, but for those that failed: a lineage counts
// failed first.
static void mark_rows(const ft_batch *batch, ft_row_state state, ft_atomic_u32 *loose)
{
    if (!batch->lineage) {
        ft_atomic_store(loose, 1, FT_RELAXED);
        return;
    }
    for (size_t i = 0; i < batch->count; i++)
        ft_lineage_mark(batch->lineage, ft_batch_row(batch, i), state);
}

// Where the outputs stood, so that an attempt can be undone.
static void undo(ft_instance *instance, const size_t *counts, const ft_turn *before)
{
    ft_turn *turn = &instance->turn;

    for (size_t i = 0; i < instance->node->port_count; i++)
        ft_flow_drop_list(&turn->out[i], counts[i]);
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
static bool may_retry(const ft_node *node, const ft_batch *batch)
{
    return !node->is_last && (node->mode != FT_MODE_SERIAL || batch->count == 1);
}

// One call of the stage; takes `batch`. `undone`: an older turn needed the memory that this one
// had.
static bool attempt(ft_instance *instance, ft_batch *batch, bool retry, bool *undone, ft_error *err)
{
    ft_turn *turn = &instance->turn;

    turn->may_undo = retry;
    bool ok = instance->node->plan->def->process(&instance->stage, &batch, err);
    ft_batch_unref(batch);
    *undone = !ok && turn->is_undone;
    turn->may_undo = turn->is_undone = false;
    return ok;
}

// Takes `batch`.
static bool process_one(ft_instance *instance, ft_batch *batch, ft_error *err)
{
    ft_node *node = instance->node;
    // Kept to be marked, or to be tried again. So a stage that writes values in place finds them
    // shared, and copies.
    bool retry = may_retry(node, batch);
    bool shared = node->is_last || (node->run->settings.stress & FT_STRESS_SHARED);
    ft_batch *kept = retry || shared ? ft_batch_ref(batch) : NULL;
    size_t counts[FT_PORTS_MAX];
    ft_turn before = instance->turn;
    bool undone;

    for (size_t i = 0; i < node->port_count; i++)
        counts[i] = before.out[i].count;
    if (node->plan->def->absorbs && batch->lineage)
        mark_rows(batch, FT_ROW_HELD, NULL);
    bool ok = attempt(instance, batch, retry, &undone, err);
    while (undone && !instance->turn.stops) {
        undo(instance, counts, &before);
        *err = (ft_error)FT_ERROR_INIT;
        undone = false;
        ok = ft_gate_retry(instance->turn.worker, err) &&
             attempt(instance, ft_batch_ref(kept), retry, &undone, err);
    }
    if (ok && node->is_last && !node->plan->def->discards)
        mark_rows(kept, FT_ROW_WRITTEN, &node->run->loose_written);
    if (!ok && err->code == FT_ERROR_LIMIT && retry && !instance->turn.stops) {
        undo(instance, counts, &before);
        ok = process_halves(instance, kept, err);
    }
    if (!ok)  // Before the batch goes: what is left of it was not dropped by a stage.
        ft_atomic_store(&node->run->ends_badly, 1, FT_RELAXED);
    ft_batch_unref(kept);
    return ok;
}

bool ft_turn_process(ft_instance *instance, ft_batch *batch, ft_error *err)
{
    size_t most = (size_t)instance->node->plan->batch_items;
    bool ok = true;

    if (most == 0 || batch->count <= most)
        return process_one(instance, batch, err);
    for (size_t at = 0; ok && at < batch->count; at += most) {
        size_t count = batch->count - at < most ? batch->count - at : most;
        ft_batch *slice = ft_batch_slice(batch, at, count, err);
        ok = slice && process_one(instance, slice, err);
    }
    ft_batch_unref(batch);
    return ok;
}

static bool run_piece(ft_instance *instance, ft_packet *packet, bool skip, ft_error *err)
{
    ft_turn *turn = &instance->turn;
    bool ok = true;

    for (uint32_t i = 0; i < packet->count; i++) {
        ft_batch *batch = ft_take(&packet->batches[i]);
        turn->items_in += batch->count;
        if (skip || !ok)
            ft_batch_unref(batch);
        else if (instance->node->plan->when)
            ok = ft_when_process(instance, batch, err);
        else
            ok = ft_turn_process(instance, batch, err);
    }
    packet->count = 0;
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
    out->skip = is_skipped(node, first->ticket);
    out->instance = ft_instance_get(worker, node, &out->err);
    out->ok = out->instance != NULL;
    if (!out->ok)
        return;
    ft_turn_begin(worker, out->instance, NULL);
    out->instance->turn.ticket = first->ticket;
    out->instance->turn.flight = first->flight;
    out->instance->turn.birth = first->flight->birth;
}

void ft_packet_turn_process(ft_packet_turn *turn)
{
    for (ft_packet *piece = turn->first; turn->ok && piece; piece = piece->next_piece)
        turn->ok = run_piece(turn->instance, piece, turn->skip, &turn->err);
}

// Lets go of what is left of the packets that came, but for the first; returns how many there were.
static int64_t use_up(ft_run *run, ft_packet *first)
{
    int64_t pieces = 0;

    for (ft_packet *piece = first, *next; piece; piece = next) {
        next = piece->next_piece;
        pieces++;
        for (uint32_t i = 0; i < piece->count; i++)
            ft_batch_unref(piece->batches[i]);
        piece->count = 0;
        if (piece != first)
            ft_flow_free_packet(run, piece);
    }
    return pieces;
}

void ft_packet_turn_finish(ft_worker *worker, ft_packet_turn *turn)
{
    ft_node *node = turn->node;
    ft_instance *instance = turn->instance;

    if (instance)
        ft_turn_move(instance, worker);
    if (!turn->ok) {
        ft_run_fail(node->run, node, &turn->first->ticket, &turn->err);
        for (size_t i = 0; instance && i < node->port_count; i++)
            ft_flow_drop_list(&instance->turn.out[i], 0);
        turn->err = (ft_error)FT_ERROR_INIT;
    }
    int64_t pieces = use_up(node->run, turn->first);
    if (!ft_flow_send(worker, node, instance ? instance->turn.out : NULL, turn->first, &turn->err))
        ft_run_fail(node->run, node, NULL, &turn->err);
    if (instance)
        ft_turn_end(instance);
    ft_node_release(worker, node, pieces);
}

// Runs the pieces of one ticket through the stage and sends what came of it.
static void run_pieces(ft_worker *worker, ft_node *node, ft_packet *first)
{
    ft_packet_turn turn;

    ft_packet_turn_begin(worker, node, first, &turn);
    ft_packet_turn_process(&turn);
    ft_packet_turn_finish(worker, &turn);
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
        bool again = i == SERIAL_PACKETS_PER_TURN || worker->next || is_stopped(node->run);
        ft_packet *packet = again ? NULL : ft_inbox_take(node);
        bool ready = again && ft_inbox_is_ready(node) && !is_stopped(node->run);
        node->scheduled = packet || ready;
        ft_mutex_unlock(&node->lock);
        if (ready) {
            ft_flow_again(worker, &node->serial_task);
            return;
        }
        if (!packet)
            return;
        run_pieces(worker, node, packet);
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
    run_pieces(worker, node, packet);
    if (node->mode == FT_MODE_CAPPED)
        pass_on(worker, node);
}

void ft_task_run(ft_worker *worker, ft_task *task)
{
    ft_node *node = task->node;
    ft_domain *domain = node->domain;

    if (domain && !ft_domain_enter(domain, task))
        return;
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
    }
    ft_task *next = domain ? ft_domain_leave(domain) : NULL;
    if (next)
        ft_dispatch(worker, next);
}
