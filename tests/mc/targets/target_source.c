// engine/sources.c: a source that was held back begins again, once, when its turn has ended and
// what was in flight has landed, in whichever order, or it is told to stop; a worker that went to
// sleep meanwhile is woken for it (engine/idle.c).
//
// sources: CORE engine/idle.c tests/mc/targets/engine_stubs.c
#include "engine/sources.c"
#include "tests/mc/mc.h"

static ft_run run;
static ft_source source;
static ft_plan_node plan;
static ft_node node = {.run = &run, .plan = &plan, .source = &source, .mode = FT_MODE_SOURCE};
static ft_node *sources[] = {&node};
static ft_worker worker = {.run = &run};
static ft_flight flight;
static ft_atomic_u32 begun;

// ---- the engine ----

void ft_dispatch(ft_worker *by, ft_task *task)
{
    (void)by;
    mc_check(task == &node.serial_task);
    ft_atomic_add(&begun, 1, FT_RELAXED);
}

void ft_wake_one(ft_run *of)
{
    ft_idle_wake_one(&of->idle, NULL, NULL);
}

void ft_active_enter(ft_run *of)
{
    (void)of;
}

void ft_active_leave(ft_run *of)
{
    (void)of;
}

void ft_watch_enter(ft_worker *by, ft_node *of, int64_t now_ns)
{
    (void)by;
    (void)of;
    (void)now_ns;
}

bool ft_watch_leave(ft_worker *by)
{
    (void)by;
    return true;
}

void ft_runaway_hand_over(ft_worker *by, ft_watch_kind kind)
{
    (void)by;
    (void)kind;
}

ft_instance *ft_instance_get(ft_worker *by, ft_node *of, ft_error *err)
{
    (void)by;
    (void)of;
    (void)err;
    return NULL;
}

void ft_lineage_done(ft_lineage *lineage)
{
    (void)lineage;
}

void ft_turn_move(ft_instance *instance, ft_worker *to)
{
    (void)instance;
    (void)to;
}

bool ft_turn_next(ft_instance *instance, bool more, ft_error *err)
{
    (void)instance;
    (void)more;
    (void)err;
    return true;
}

bool ft_turn_send(ft_instance *instance, bool more, ft_error *err)
{
    return ft_turn_next(instance, more, err);
}

size_t ft_batch_size_bytes(const ft_batch *batch)
{
    (void)batch;
    return 0;
}

ft_batch *ft_batch_slice(const ft_batch *batch, size_t first, size_t count, ft_error *err)
{
    (void)batch;
    (void)first;
    (void)count;
    (void)err;
    return NULL;
}

size_t ft_dtype_size_bytes(ft_dtype dtype)
{
    (void)dtype;
    return 1;
}

bool ft_fail_errno(ft_error *err, int saved_errno, const char *format, ...)
{
    (void)saved_errno;
    return ft_fail(err, FT_ERROR_LIMIT, "%s", format);
}

// ---- setup ----

// Its turn is under way, and so many trains are; it may have one.
static void setup_with(int in_flight, bool blocks)
{
    run.sources = sources;
    run.source_count = 1;
    run.settings.stress = FT_STRESS_ONE_BATCH;
    run.account.limit_bytes = 10;
    plan.blocks = blocks;
    ft_idle_init(&run.idle);
    ft_atomic_store(&source.state, FT_SOURCE_RUNNING, FT_RELAXED);
    ft_atomic_store(&source.in_flight, in_flight, FT_RELAXED);
    mc_statistic(&source.train, sizeof(source.train));
    mc_statistic(&flight.slowest_ns, sizeof(flight.slowest_ns));
}

static void setup_one(void)
{
    setup_with(1, false);
}

static void setup_alone(void)
{
    setup_with(1, false);
    flight.alone = true;
    ft_atomic_store(&source.alone, 1, FT_RELAXED);
}

static void setup_two(void)
{
    setup_with(2, false);
}

static void setup_blocks(void)
{
    setup_with(2, true);
}

static void finish(void)
{
    mc_check(ft_atomic_load(&begun, FT_RELAXED) == 1);
    mc_check(ft_atomic_load(&source.state, FT_RELAXED) == FT_SOURCE_RUNNING);
    ft_idle_finish(&run.idle);
}

// ---- what they do ----

static void end_turn_of(void)
{
    ft_source_stay stay = {.node = &node, .ok = true};

    ft_source_stay_finish(&worker, &stay);
}

static void land(void)
{
    ft_source_landed(&node, &flight);
}

// Until it has the source.
static void work(void)
{
    ft_task *task = ft_source_claim_any(&run);

    while (!task) {
        ft_idle_announce(&run.idle);
        task = ft_source_claim_any(&run);
        if (task)
            ft_idle_retract(&run.idle);
        else if (ft_idle_sleep(&run.idle))
            task = ft_source_claim_any(&run);
    }
    ft_dispatch(&worker, task);
}

static void one_lands(int thread)
{
    if (thread == 1)
        end_turn_of();
    else if (thread == 2)
        land();
    else
        work();
}

static void two_land(int thread)
{
    if (thread == 1)
        end_turn_of();
    else if (thread == 2)
        land(), land();
    else
        work();
}

static void each_lands(int thread)
{
    if (thread == 1)
        end_turn_of();
    else
        land();
}

static void stop(int thread)
{
    if (thread != 2) {
        one_lands(thread);
        return;
    }
    ft_atomic_store(&source.told_to_stop, 1, FT_SEQ_CST);
    ft_source_poke(&run);
}

const mc_target mc_targets[] = {
    {"source-lands", "end of turn | land | worker", 3, setup_one, one_lands, finish,
     .is_long = false},
    {"source-alone", "end of turn | land | worker, a big train", 3, setup_alone, one_lands, finish,
     .is_long = false},
    {"source-stop", "end of turn | told to stop | worker", 3, setup_one, stop, finish,
     .is_long = false},
    {"source-blocks", "end of turn | land | land", 3, setup_blocks, each_lands, finish,
     .is_long = false},
    {"source-two", "end of turn | land land | worker", 3, setup_two, two_land, finish,
     .is_long = false},
    {.name = NULL},
};
