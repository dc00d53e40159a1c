// Sources: what is in flight of each is bounded, and so is the memory at which a new batch is
// begun.
//
// A source runs when less than half of `run.memory` is used, nobody waits for memory, and fewer
// than max(8, 4 x threads) of its trains are in flight, so what is under way has at least the other
// half to grow into. One of 64 KiB and more counts for two, since with one at work and one that
// waits for each thread none is idle; but not where stages are in processes of their own, to which
// some are on their way. A train of more than a sixteenth of the memory travels alone: no other is
// begun before it is done. While its turn makes it, a source is the youngest in flight, so a huge
// item waits in the gate until it is the oldest, and then may use all there is.
//
// Trains. A source's turn makes batches until there are enough for a train, 64 KiB, or 50 us of
// work. How many are enough is found as TCP finds its window: it starts at one, doubles when a full
// train has landed and no turn of it, in any stage, took more than 25 us, and is cut to what fits
// when one took more than 50 us. So empty stages get trains of FT_TRAIN_MAX, costly ones of one,
// and a slow stage is not handed more at once than it can share with other workers.
#include "engine/sources.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/gate.h"
#include "engine/global_lock.h"
#include "engine/runaway.h"
#include "engine/scheduler.h"
#include "engine/train.h"
#include "engine/turn.h"
#include "runtime/system/clock.h"

enum {
    IN_FLIGHT_MIN = 8,
    IN_FLIGHT_PER_THREAD = 4,
    ALONE_SHARE = 16,
    TURN_NS = 50000,
    TRAIN_BYTES = 64 << 10,
    CLOCK_EVERY = 32,
};

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
    most -= ft_atomic_load(&source->large, FT_SEQ_CST);
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

bool ft_source_any_running(const ft_run *run)
{
    for (size_t i = 0; i < run->source_count; i++)
        // Relaxed: a hint.
        if (!run->sources[i]->plan->blocks &&
            ft_atomic_load(&run->sources[i]->source->state, FT_RELAXED) == FT_SOURCE_RUNNING)
            return true;
    return false;
}

void ft_source_poke(ft_run *run)
{
    bool ready = false;

    // Acquire pairs with the end of the threads: what is dropped behind it starts nothing.
    if (ft_atomic_load(&run->over, FT_ACQUIRE))
        return;

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

bool ft_source_force(ft_run *run)
{
    bool is_running = false;

    for (size_t i = 0; i < run->source_count; i++) {
        ft_node *node = run->sources[i];
        if (is_its_time(node) && claim(node)) {
            ft_dispatch(NULL, &node->serial_task);
            return true;
        }
        is_running =
            is_running || ft_atomic_load(&node->source->state, FT_SEQ_CST) == FT_SOURCE_RUNNING;
    }
    return is_running || ft_atomic_load(&run->unfinished, FT_ACQUIRE) == 0 ||
           ft_atomic_load(&run->stop, FT_SEQ_CST) == FT_STOP_NOW;
}

size_t ft_source_measure(const ft_batch *batch)
{
    size_t bytes = batch->count * batch->width * sizeof(int64_t);

    for (size_t i = 0; i < batch->width; i++) {
        const ft_tensor *values = batch->columns[i].values;
        if (values)
            bytes += (size_t)(values->shape[0] * values->strides[0]) *
                     ft_dtype_size_bytes(values->dtype);
    }
    return bytes < TRAIN_BYTES ? bytes : ft_batch_size_bytes(batch);
}

void ft_source_started(ft_node *node, ft_flight *flight, const ft_turn *turn)
{
    ft_atomic_add(&node->source->in_flight, 1, FT_SEQ_CST);
    flight->is_large = turn->bytes >= TRAIN_BYTES && !node->run->zygote;
    if (flight->is_large)
        ft_atomic_add(&node->source->large, 1, FT_SEQ_CST);
    // Much memory: the source starts no other train until this one is done.
    flight->alone = turn->bytes > (size_t)node->run->account.limit_bytes / ALONE_SHARE;
    if (flight->alone)
        ft_atomic_store(&node->source->alone, 1, FT_SEQ_CST);
}

// Trains grow while every turn that they take is short, and shrink when one is long.
static void adapt(ft_source *source, const ft_flight *flight)
{
    // Relaxed: hints. All turns have ended (the references went), and of two trains that land at
    // once either may have its way.
    int64_t slowest = ft_atomic_load(&flight->slowest_ns, FT_RELAXED);
    uint32_t train = ft_atomic_load(&source->train, FT_RELAXED);

    if (slowest > TURN_NS) {
        uint32_t fits = (uint32_t)(flight->tickets * TURN_NS / slowest);
        if (fits < train)
            ft_atomic_store(&source->train, fits > 0 ? fits : 1, FT_RELAXED);
    } else if (2 * slowest <= TURN_NS && flight->tickets >= train && train < FT_TRAIN_MAX) {
        ft_atomic_store(&source->train, 2 * train, FT_RELAXED);
    }
}

void ft_source_landed(ft_node *node, const ft_flight *flight)
{
    if (!(node->run->settings.stress & FT_STRESS_LONG_TRAINS))
        adapt(node->source, flight);
    ft_atomic_sub(&node->source->in_flight, 1, FT_SEQ_CST);
    if (flight->is_large)
        ft_atomic_sub(&node->source->large, 1, FT_SEQ_CST);
    if (flight->alone)
        ft_atomic_store(&node->source->alone, 0, FT_SEQ_CST);
    ft_source_poke(node->run);
}

// ---- waiting for the outside ----

bool ft_source_init(ft_node *node, ft_error *err)
{
    ft_atomic_store(&node->source->train, 1, FT_RELAXED);
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
        ft_global_lock_leave(worker);
        ft_active_leave(node->run);
    }
    bool ok = node->plan->def->produce(&instance->stage, done, err);
    if (away) {
        ft_active_enter(node->run);
        ft_global_lock_take(worker);
        worker->is_away = false;
    }
    return ok;
}

// How many tickets the next train may have. What a source gives that waits for the outside is not
// held back.
static uint32_t train_of(const ft_node *node)
{
    unsigned stress = node->run->settings.stress;

    if (node->plan->blocks || (stress & FT_STRESS_ONE_BATCH))
        return 1;
    if (stress & FT_STRESS_LONG_TRAINS)
        return FT_TRAIN_MAX;
    return ft_atomic_load(&node->source->train, FT_RELAXED);  // A hint.
}

// Looks at the clock only now and then: trains grow while turns are short.
static bool is_long(const ft_turn *turn, uint32_t made)
{
    return (made == 1 || made % CLOCK_EVERY == 0) && ft_clock_ns() - turn->started_ns > TURN_NS;
}

static bool produce_train(ft_worker *worker, ft_instance *instance, bool *done, ft_error *err)
{
    const ft_turn *turn = &instance->turn;
    const ft_node *node = instance->node;
    bool ok = produce(worker, instance, done, err);

    for (uint32_t made = 1; ok && !*done && made < turn->train; made++) {
        if (turn->bytes >= TRAIN_BYTES || is_long(turn, made) || must_end(node))
            break;
        ok = ft_turn_next(instance, true, err) && produce(worker, instance, done, err);
    }
    return ok;
}

// Sends what was produced. What came before a failure goes on its way too.
static void end_turn(ft_worker *worker, ft_source_stay *stay)
{
    ft_instance *instance = stay->instance;
    ft_error why = FT_ERROR_INIT;

    ft_turn_move(instance, worker);
    for (size_t i = 0; !stay->ok && i < stay->node->open_ports; i++)
        ft_batch_list_drop(&instance->turn.out[i], ft_turn_open_from(&instance->turn, i));
    if (!stay->ok)
        instance->turn.is_open = false;
    bool sent = ft_turn_next(instance, false, &why) && ft_turn_send(instance, false, &why);
    if (stay->ok && !sent)
        stay->err = why;
    ft_turn_end(instance);
    stay->ok = stay->ok && sent;
}

void ft_source_stay_finish(ft_worker *worker, ft_source_stay *stay)
{
    ft_node *node = stay->node;

    if (stay->instance)
        end_turn(worker, stay);
    if (!stay->ok) {
        ft_ticket at = {node->flushed->rank, UINT64_MAX};
        ft_run_fail(node->run, node, &at, &stay->err);
    }
    if (stay->done || !stay->ok) {
        ft_atomic_store(&node->source->state, FT_SOURCE_ENDED, FT_SEQ_CST);
        ft_node_release(worker, node, 1);
        return;
    }
    ft_atomic_store(&node->source->state, FT_SOURCE_IDLE, FT_SEQ_CST);
    ft_source_poke(node->run);
}

void ft_source_turn(ft_worker *worker, ft_node *node)
{
    ft_source_stay *stay = &worker->watch->source;

    *stay = (ft_source_stay){.node = node, .err = FT_ERROR_INIT};
    stay->done = must_end(node);
    stay->ok = true;
    if (!stay->done) {
        stay->instance = ft_instance_get(worker, node, &stay->err);
        stay->ok = stay->instance != NULL;
    }
    if (worker->watch->is_inside) {  // Left behind in `open`.
        ft_runaway_hand_over(worker, FT_WATCH_SOURCE);
        return;
    }
    if (stay->instance) {
        ft_turn_begin(worker, stay->instance, node->flushed, train_of(node));
        ft_watch_enter(worker, node, stay->instance->turn.started_ns);
        stay->ok = produce_train(worker, stay->instance, &stay->done, &stay->err);
        if (!ft_watch_leave(worker)) {
            ft_runaway_hand_over(worker, FT_WATCH_SOURCE);
            return;
        }
    }
    ft_source_stay_finish(worker, stay);
}
