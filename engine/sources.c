// Sources: what is in flight of each is bounded, and so is the memory at which a new batch is
// begun.
//
// A source runs when less than half of `run.memory` is used, nobody waits for memory, and fewer
// than max(8, 4 x threads) of its batches are in flight; so what is under way has at least the
// other half to grow into. A batch of more than a sixteenth of the memory travels alone: no other
// is begun before it is done. While its turn makes it, a source is the youngest in flight, so a
// huge item waits in the gate until it is the oldest, and then may use all there is.
#include "engine/sources.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/gate.h"
#include "engine/scheduler.h"
#include "engine/turn.h"

enum { IN_FLIGHT_MIN = 8, IN_FLIGHT_PER_THREAD = 4, ALONE_SHARE = 16 };

// How many items --limit still allows this source.
static uint64_t items_left(const ft_node *node)
{
    int64_t limit = node->run->settings.limit_items;
    // Relaxed: only the source's own turns, one at a time, change it.
    uint64_t read = ft_atomic_load(&node->source->items, FT_RELAXED);

    return limit <= 0 ? UINT64_MAX : (uint64_t)limit - read;
}

// It has nothing more to do than to end.
static bool must_end(const ft_node *node)
{
    const ft_run *run = node->run;

    return ft_atomic_load(&run->stop, FT_SEQ_CST) != FT_STOP_NONE ||
           ft_atomic_load(&node->source->told_to_stop, FT_SEQ_CST) || items_left(node) == 0;
}

// In an ordered merge the second source starts when all that comes before it has ended.
static bool is_its_time(const ft_node *node)
{
    const ft_source *source = node->source;

    for (size_t i = 0; i < source->waits_count; i++)
        // Pairs with the release of the one that ends that stream.
        if (ft_atomic_load(&node->run->streams[source->waits_for[i]].total, FT_SEQ_CST) ==
            UINT64_MAX)
            return false;
    return true;
}

// Sequentially consistent loads: they meet the changes in ft_source_landed and its like as
// `sleeping` meets `count`.
static bool is_ready(const ft_node *node)
{
    const ft_run *run = node->run;
    ft_source *source = node->source;

    if (ft_atomic_load(&source->state, FT_SEQ_CST) != FT_SOURCE_IDLE)
        return false;
    if (must_end(node))
        return true;
    int64_t most = IN_FLIGHT_PER_THREAD * (int64_t)run->threads;
    if (most < IN_FLIGHT_MIN)
        most = IN_FLIGHT_MIN;
    if (run->settings.stress & FT_STRESS_ONE_BATCH)
        most = 1;
    // While somebody waits for memory nothing new is begun, so that what is there can be given to
    // him.
    return is_its_time(node) && !ft_atomic_load(&source->alone, FT_SEQ_CST) &&
           !ft_atomic_load(&run->account.waiters, FT_SEQ_CST) &&
           ft_atomic_load(&source->in_flight, FT_SEQ_CST) < most &&
           ft_atomic_load(&run->account.used_bytes, FT_SEQ_CST) <= run->account.limit_bytes / 2;
}

static bool claim(ft_node *node)
{
    uint32_t idle = FT_SOURCE_IDLE;

    // Acquire and release: whoever runs it next sees what the last one left.
    return ft_atomic_cas(&node->source->state, &idle, FT_SOURCE_RUNNING, FT_SEQ_CST);
}

ft_task *ft_source_claim_any(ft_run *run)
{
    for (size_t i = 0; i < run->source_count; i++) {
        ft_node *node = run->sources[i];
        if (!node->plan->blocks && is_ready(node) && claim(node))
            return &node->serial_task;
    }
    return NULL;
}

bool ft_source_any_ready(const ft_run *run)
{
    for (size_t i = 0; i < run->source_count; i++)
        if (!run->sources[i]->plan->blocks && is_ready(run->sources[i]))
            return true;
    return false;
}

void ft_source_poke(ft_run *run)
{
    bool ready = false;

    for (size_t i = 0; i < run->source_count; i++) {
        ft_node *node = run->sources[i];
        if (!is_ready(node))
            continue;
        if (!node->plan->blocks)
            ready = true;
        else if (claim(node))
            ft_dispatch(NULL, &node->serial_task);
    }
    if (ready)
        ft_wake_one(run);
}

void ft_source_force(ft_run *run)
{
    bool is_running = false;

    for (size_t i = 0; i < run->source_count; i++) {
        ft_node *node = run->sources[i];
        if (is_its_time(node) && claim(node)) {
            ft_dispatch(NULL, &node->serial_task);
            return;
        }
        is_running =
            is_running || ft_atomic_load(&node->source->state, FT_SEQ_CST) == FT_SOURCE_RUNNING;
    }
    // Nothing runs, nothing waits, nothing can be started: all must be done.
    FT_ASSERT(is_running || ft_atomic_load(&run->unfinished, FT_ACQUIRE) == 0 ||
              ft_atomic_load(&run->stop, FT_SEQ_CST) == FT_STOP_NOW);
}

void ft_source_landed(ft_node *node, bool alone)
{
    ft_atomic_sub(&node->source->in_flight, 1, FT_SEQ_CST);
    if (alone)
        ft_atomic_store(&node->source->alone, 0, FT_SEQ_CST);
    ft_source_poke(node->run);
}

// ---- waiting for the outside ----

bool ft_source_init(ft_node *node, ft_error *err)
{
    node->source->wake_fd = -1;
    if (!node->plan->blocks)
        return true;
    node->source->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return node->source->wake_fd >= 0 || ft_fail_errno(err, errno, "cannot make an event");
}

void ft_source_finish(ft_node *node)
{
    if (node->source->wake_fd >= 0)
        close(node->source->wake_fd);
    node->source->wake_fd = -1;
}

void ft_source_wake(ft_node *node)
{
    uint64_t one = 1;

    // It fails only when the event is full: then it has long been readable.
    if (node->source->wake_fd >= 0 && write(node->source->wake_fd, &one, sizeof(one)) < 0)
        FT_ASSERT(errno == EAGAIN);
}

void ft_source_wait_readable(ft_node *node, int fd)
{
    struct pollfd wanted[2] = {{.fd = fd, .events = POLLIN},
                               {.fd = node->source->wake_fd, .events = POLLIN}};

    // Whoever tells it to stop does so before it wakes it, so no stop is missed.
    while (poll(wanted, 2, -1) < 0 && errno == EINTR)
        continue;
}

// ---- what a source calls ----

bool ft_source_begin(ft_instance *instance, ft_lineage *lineage, ft_error *err)
{
    ft_node *node = instance->node;
    ft_run *run = node->run;

    if (!node->source)
        return ft_fail(err, FT_ERROR_USAGE, "only a source starts lineages");
    if (lineage->count > items_left(node))
        lineage->count = (size_t)items_left(node);
    lineage->source = node->index;
    lineage->sequence = node->source->sequence++;
    lineage->first_index = ft_atomic_load(&node->source->items, FT_RELAXED);
    lineage->host = run;
    lineage->done = ft_lineage_done;
    ft_atomic_add(&node->source->items, lineage->count, FT_RELAXED);
    ft_atomic_add(&run->items_read, lineage->count, FT_RELAXED);
    return true;
}

bool ft_source_trim(ft_batch **batch, ft_error *err)
{
    const ft_lineage *lineage = (*batch)->lineage;
    size_t count = 0;

    if (!lineage || ((*batch)->count <= lineage->count && !(*batch)->rows))
        return true;
    // Rows ascend in what a source makes: the items of the first `lineage->count` rows stand in
    // front.
    while (count < (*batch)->count && ft_batch_row(*batch, count) < lineage->count)
        count++;
    if (count == (*batch)->count)
        return true;
    ft_batch *cut = ft_batch_slice(*batch, 0, count, err);
    ft_batch_unref(*batch);
    *batch = cut;
    return cut != NULL;
}

// ---- a turn ----

static bool produce(ft_worker *worker, ft_instance *instance, bool *done, ft_error *err)
{
    ft_node *node = instance->node;
    bool away = node->plan->blocks;

    if (away) {
        worker->is_away = true;
        ft_active_leave(node->run);
    }
    bool ok = node->plan->def->produce(&instance->stage, done, err);
    if (away) {
        ft_active_enter(node->run);
        worker->is_away = false;
    }
    return ok;
}

void ft_source_turn(ft_worker *worker, ft_node *node)
{
    ft_run *run = node->run;
    ft_error err = FT_ERROR_INIT;
    bool done = must_end(node);
    bool ok = true;

    if (!done) {
        ft_instance *instance = ft_instance_get(worker, node, &err);
        ok = instance != NULL;
        if (ok) {
            ft_turn_begin(worker, instance, node->flushed);
            ok = produce(worker, instance, &done, &err) && ft_turn_send(instance, &err);
            ft_turn_end(instance);
        }
        if (!ok) {
            ft_ticket at = {node->flushed->rank, UINT64_MAX};
            ft_run_fail(run, node, &at, &err);
        }
    }
    if (done || !ok) {
        ft_atomic_store(&node->source->state, FT_SOURCE_ENDED, FT_SEQ_CST);
        ft_node_release(worker, node, 1);
        return;
    }
    ft_atomic_store(&node->source->state, FT_SOURCE_IDLE, FT_SEQ_CST);
    ft_source_poke(run);
}
