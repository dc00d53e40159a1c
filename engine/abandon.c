// Turns that fail because they do not come back.
#include "engine/abandon.h"

#include "engine/failure.h"
#include "engine/flow.h"
#include "engine/monitor.h"
#include "engine/scheduler.h"
#include "engine/train.h"
#include "runtime/memory/alloc.h"
#include "runtime/system/clock.h"

enum { PARTS = 2, NS_PER_MS = 1000000 };

// ---- what is kept ----

static size_t count_batches(const ft_packet *first)
{
    size_t count = 0;

    for (const ft_packet *piece = first; piece; piece = piece->next_piece)
        count += piece->list.count;
    return count;
}

void ft_abandon_keep(ft_watch *watch)
{
    ft_packet_turn *turn = &watch->packet;
    ft_abandoned *kept = &watch->abandoned;
    size_t count = count_batches(turn->first);

    *kept = (ft_abandoned){0};
    // A stage that keeps state, and one that must never be at work twice, end the run instead.
    if (turn->node->plan->on_runaway != FT_ON_RUNAWAY_FAIL || turn->node->mode == FT_MODE_SERIAL ||
        turn->node->domain)
        return;
    kept->items = ft_alloc_zero(count + 1, sizeof(*kept->items));
    if (!kept->items)
        return;  // Then it is left behind as others are.
    kept->tickets = turn->first->tickets;
    for (uint32_t i = 0; i < kept->tickets; i++)
        for (const ft_packet *piece = turn->first; piece; piece = piece->next_piece) {
            size_t at = i ? ft_packet_end(piece, i - 1) : 0;
            for (; at < ft_packet_end(piece, i); at++)
                if (piece->list.items[at])
                    kept->items[kept->count++] =
                        (ft_kept_batch){.batch = ft_batch_ref(piece->list.items[at]), .ticket = i};
        }
    // Nothing of it is sent ahead of the end.
    turn->instance->turn.may_cut = false;
}

void ft_abandon_unkeep(ft_watch *watch)
{
    ft_abandoned *kept = &watch->abandoned;

    for (size_t i = 0; i < kept->count; i++)
        ft_batch_unref(kept->items[i].batch);
    ft_free(kept->items);
    *kept = (ft_abandoned){0};
}

// ---- failing ----

static void fail_run(ft_node *node, const char *call, int64_t age_ms)
{
    ft_error err = FT_ERROR_INIT;

    ft_fail(&err, FT_ERROR_LIMIT, "`%s` has not come back%s%s for %lld ms", node->plan->name,
            call ? " from " : "", call ? call : "", (long long)age_ms);
    ft_hint(&err, call ? "No item is to blame, so the run cannot go on without it (`on_runaway`)."
                       : "It sees all items in order, so the run cannot go on without it "
                         "(`on_runaway`).");
    ft_run_fail(node->run, node, NULL, &err);
}

bool ft_abandon_begin(ft_run *run, ft_watch *watch, const char *call)
{
    ft_node *node = ft_atomic_load(&watch->node, FT_RELAXED);

    if (node->plan->on_runaway != FT_ON_RUNAWAY_FAIL || node->source)
        return false;
    if (call || !watch->abandoned.items) {
        if (call || node->mode == FT_MODE_SERIAL || node->domain)
            fail_run(node, call,
                     (ft_clock_ns() - ft_atomic_load(&watch->started_ns, FT_RELAXED)) / NS_PER_MS);
        return false;
    }
    watch->abandoned.is_begun = true;
    // Published by the queue that the task goes through.
    ft_atomic_store(&watch->abandoned.parts, PARTS, FT_RELAXED);
    watch->abandoned.closing =
        (ft_closing){.task = {.kind = FT_TASK_ABANDONED, .node = node}, .watch = watch};
    ft_active_enter(run);
    ft_atomic_sub(&run->monitor->left, 1, FT_ACQ_REL);  // Nobody waits for it.
    ft_dispatch(NULL, &watch->abandoned.closing.task);
    ft_active_leave(run);
    return true;
}

// The instance stays with the thread; another takes its place, with its figures.
static ft_instance *replace_instance(ft_worker *worker, ft_instance *lost, ft_error *err)
{
    ft_node *node = lost->node;
    size_t slot = (size_t)lost->stage.instance;
    ft_instance *made = NULL;

    // Release pairs with the acquire of those who read statistics: they find none for a moment.
    ft_atomic_store(&node->instances[slot], NULL, FT_RELEASE);
    ft_watch_bind(worker->watch, node, "`open`");
    bool ok = ft_instance_open(node, slot, NULL, &made, err);
    ft_watch_unbind(worker->watch, node->run);
    if (!ok && !made) {
        ft_atomic_store(&node->instances[slot], lost, FT_RELEASE);
        return NULL;
    }
    ft_instance_stats *to = &made->stats, *from = &lost->stats;
    ft_atomic_u64 *const pairs[][2] = {
        {&to->items_in, &from->items_in},           {&to->items_out, &from->items_out},
        {&to->items_dropped, &from->items_dropped}, {&to->items_failed, &from->items_failed},
        {&to->items_made, &from->items_made},       {&to->batches, &from->batches},
    };
    for (size_t i = 0; i < FT_COUNT_OF(pairs); i++)
        ft_atomic_store(pairs[i][0], ft_atomic_load(pairs[i][1], FT_RELAXED), FT_RELAXED);
    ft_atomic_store(&to->busy_ns, ft_atomic_load(&from->busy_ns, FT_RELAXED), FT_RELAXED);
    made->replaced = lost;
    return ok ? made : NULL;
}

static bool fail_items(ft_instance *instance, const ft_watch *watch, ft_ticket *at, ft_error *err)
{
    const ft_abandoned *kept = &watch->abandoned;
    ft_error why = FT_ERROR_INIT;
    size_t next = 0;

    ft_fail(&why, FT_ERROR_LIMIT, "`%s` did not come back in time", instance->node->plan->name);
    ft_hint(&why, "If its turns are long and honest, give it `class: compute` or a `budget:`.");
    for (uint32_t i = 0; i < kept->tickets; i++, at->sequence++) {
        for (; next < kept->count && kept->items[next].ticket == i; next++) {
            const ft_batch *batch = kept->items[next].batch;
            instance->turn.items_in += batch->count;
            for (size_t j = 0; j < batch->count; j++)
                if (!ft_item_failed(&instance->stage, batch, j, &why, err))
                    return false;
        }
        if (!ft_turn_close(instance, err))
            return false;
    }
    return true;
}

// The part that comes second lets go of what the thread held.
static void part_done(ft_watch *watch)
{
    // Acquire and release: the second sees what the first did.
    if (ft_atomic_sub(&watch->abandoned.parts, 1, FT_ACQ_REL) != 1)
        return;
    ft_instance *lost = watch->abandoned.lost;  // Not before: the close may be about to write it.
    ft_runaway_pass(watch, true);
    for (ft_packet *packet = watch->packet.first, *next; packet; packet = next) {
        next = packet->next_piece;
        ft_packet_destroy(lost->node->run, packet);
    }
    ft_instance_close(lost);
    ft_abandon_unkeep(watch);
    // Release pairs with the acquire of the monitor, which lets the slot be used again.
    ft_atomic_store(&watch->is_finished, 1, FT_RELEASE);
}

void ft_abandon_close(ft_worker *worker, ft_task *task)
{
    ft_watch *watch = ((ft_closing *)task)->watch;
    ft_packet *first = watch->packet.first;
    ft_node *node = task->node;
    ft_error err = FT_ERROR_INIT;
    ft_ticket at = first->ticket;
    int64_t tickets = 0;

    // The thread does not look at these while it is in the stage, nor afterwards.
    for (const ft_packet *piece = first; piece; piece = piece->next_piece)
        tickets += piece->tickets;
    watch->abandoned.lost = watch->packet.instance;
    ft_packet *packet = ft_packet_create(&err);
    ft_instance *instance = packet ? replace_instance(worker, watch->packet.instance, &err) : NULL;
    if (!instance) {
        ft_free(packet);
        ft_run_fail(node->run, node, NULL, &err);  // Stops at once.
        part_done(watch);
        return;
    }
    packet->ticket = first->ticket;
    packet->tickets = first->tickets;
    packet->flight = ft_take(&first->flight);
    ft_turn_begin(worker, instance, NULL, packet->tickets);
    instance->turn.first = packet->ticket;
    instance->turn.flight = packet->flight;
    instance->turn.birth = packet->flight->birth;
    instance->turn.may_cut = false;
    if (!fail_items(instance, watch, &at, &err)) {
        ft_run_fail(node->run, node, &at, &err);
        for (size_t i = 0; i < node->port_count; i++)
            ft_batch_list_drop(&instance->turn.out[i], 0);
    }
    err = (ft_error)FT_ERROR_INIT;
    if (!ft_flow_send(worker, node, instance->turn.out, packet, &err))
        ft_run_fail(node->run, node, NULL, &err);
    ft_turn_end(instance);
    ft_node_release(worker, node, tickets);
    ft_packet_turn_follow(worker, node);
    part_done(watch);
}

void ft_abandon_returned(ft_watch *watch)
{
    part_done(watch);
}

// ---- the end ----

void ft_abandon_settle(ft_run *run)
{
    for (size_t i = 0; i < run->worker_room; i++) {
        const ft_abandoned *kept = &run->watches[i].abandoned;
        for (size_t j = 0; kept->is_begun && j < kept->count; j++) {
            ft_lineage *lineage = kept->items[j].batch->lineage;
            if (!lineage || !lineage->done)
                continue;
            lineage->done(lineage);
            lineage->done = NULL;  // Once, though the thread keeps it.
        }
    }
}
