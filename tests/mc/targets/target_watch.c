// engine/monitor.c and engine/runaway.c, with engine/abandon.c and the scheduler's part in it: a
// worker's turn is left behind or comes back, and is finished once, by the worker or by who takes
// it over; only the turn that the monitor has looked at is; the monitor hears of what begins while
// it goes to sleep, and of what comes back; a turn whose items have failed lets go of what it held
// once both its parts are done.
//
// The monitor's thread runs as it is. Its clock runs fast, so whatever it sees twice is overdue,
// and time passes for it a few times only, while there is something to see; else it must be rung.
//
// sources: CORE runtime/memory/account.c engine/gate.c engine/idle.c engine/ring.c
// sources: engine/runaway.c engine/abandon.c tests/mc/targets/engine_stubs.c
#include "engine/monitor.c"
#include "engine/scheduler.c"
#include "tests/mc/mc.h"

enum { WORKERS = 4, TURNS = 2, TICKS = 2 };

static ft_run run;
static struct ft_monitor monitor;
static ft_plan_node plan = {.name = "stage"};
static ft_atomic_pointer slots[1];
static ft_node node = {.run = &run, .plan = &plan, .instances = slots, .instance_room = 1};
static ft_instance instance, second, fresh;
static ft_flight flight;
static ft_worker workers[WORKERS];
static ft_watch watches[WORKERS];
static ft_ring rings[WORKERS];
static int turns, ticks, done[TURNS], closed;
static bool is_endless;
static ft_atomic_u32 finished, ended, inside;

// ---- instead of the stubs ----

int mc_sem_timedwait(sem_t *bell, const struct timespec *until)
{
    ft_atomic_u32 *count = (ft_atomic_u32 *)(void *)bell;

    (void)until;
    for (;;) {
        if (ft_atomic_load(count, FT_RELAXED) > 0)
            return mc_sem_wait(bell);
        if (ticks > 0 && ft_atomic_load(&inside, FT_ACQUIRE)) {
            ticks--;
            errno = ETIMEDOUT;
            return -1;
        }
        FT_PAUSE();
    }
}

int mc_kill(pthread_t thread, int number)
{
    (void)thread;
    (void)number;
    for (int i = 0; i < 2; i++)
        ft_atomic_store(&watches[i].is_traced, 1, FT_RELEASE);
    return 0;
}

bool ft_thread_try_join(ft_thread *thread)
{
    (void)thread;
    return ft_atomic_load(&ended, FT_ACQUIRE) != 0;
}

void ft_packet_turn_finish(ft_worker *worker, ft_packet_turn *turn)
{
    const ft_turn *own = &turn->instance->turn;

    (void)worker;
    mc_check(own->items_out == own->items_in && !workers[0].is_free);
    done[own->items_in]++;
    ft_atomic_add(&finished, 1, FT_ACQ_REL);
}

bool ft_instance_open(ft_node *of, size_t slot, ft_worker *worker, ft_instance **out, ft_error *err)
{
    (void)worker;
    (void)err;
    fresh.node = of;
    *out = &fresh;
    ft_atomic_store(&of->instances[slot], &fresh, FT_RELEASE);
    return true;
}

void ft_instance_close(ft_instance *lost)
{
    mc_check(lost == &instance && lost->turn.items_out == lost->turn.items_in);
    closed++;
    ft_atomic_add(&finished, TURNS, FT_ACQ_REL);
}

// ---- setup ----

static void setup_with(int active)
{
    run.monitor = &monitor;
    run.workers = workers;
    run.watches = watches;
    run.rings = rings;
    run.worker_room = WORKERS;
    run.threads = 2;
    ft_gate_init(&run, 10);
    ft_mutex_init(&run.idle_lock);
    ft_mutex_init(&run.injected.lock);
    ft_condition_init(&run.spare_wake);
    ft_idle_init(&run.idle);
    sem_init(&monitor.bell, 0, 0);
    ft_atomic_store(&run.active, active, FT_RELAXED);
    ft_atomic_store(&run.workers_started, 2, FT_RELAXED);
    for (int i = 0; i < 2; i++) {
        workers[i] =
            (ft_worker){.run = &run, .ring = &rings[i], .watch = &watches[i], .slot = (uint32_t)i};
        watches[i].worker = &workers[i];
    }
    instance.node = &node;
    mc_statistic(&monitor.left_ever, sizeof(monitor.left_ever));
    mc_statistic(&node.runaways, sizeof(node.runaways));
    mc_statistic(&node.patience_ns, sizeof(node.patience_ns));
    for (int i = 0; i < 2; i++)
        mc_statistic(&watches[i].is_traced, sizeof(watches[i].is_traced));
    // Nobody sleeps there.
    mc_statistic(&run.idle.sleeping, sizeof(run.idle.sleeping));
    mc_let_clock_run(2000 * MS);
    ticks = TICKS;
    turns = TURNS;
}

static void setup(void)
{
    setup_with(2);
    ft_atomic_store(&inside, 1, FT_RELAXED);
}

static void setup_one(void)
{
    setup();
    turns = 1;
}

// Nothing runs at first.
static void setup_endless(void)
{
    setup_with(0);
    turns = 1;
    is_endless = true;
}

// ---- the worker ----

static void begin_turn(int turn)
{
    ft_watch *watch = &watches[0];

    watch->packet.node = &node;
    watch->packet.instance = &instance;
    instance.turn.items_in = (uint64_t)turn;
    if (watch->packet.first)
        ft_abandon_keep(watch);
    ft_watch_enter(&workers[0], &node, 0);
}

static void be_in_stage(int turn)
{
    instance.turn.items_out = (uint64_t)turn;
    if (!is_endless)
        return;
    // Release: what the monitor sees in time it sees now.
    ft_atomic_store(&inside, 1, FT_RELEASE);
    while ((ft_atomic_load(&watches[0].word, FT_RELAXED) & STATE_MASK) != FT_WATCH_LEFT)
        FT_PAUSE();
}

static void work(void)
{
    ft_watch *watch = &watches[0];

    for (int turn = 0; turn < turns; turn++) {
        begin_turn(turn);
        be_in_stage(turn);
        if (!ft_watch_leave(&workers[0])) {
            mc_check(watch->seen == (watch->number << 2 | FT_WATCH_STAGE));
            ft_atomic_add(&finished, (uint32_t)(turns - 1 - turn), FT_RELAXED);
            ft_runaway_hand_over(&workers[0], FT_WATCH_PACKET);
            ft_atomic_store(&ended, 1, FT_RELEASE);
            return;
        }
        ft_packet_turn_finish(&workers[0], &watch->packet);
    }
    ft_active_leave(&run);
}

// ---- who takes over ----

static void run_task(ft_task *task)
{
    if (task->kind == FT_TASK_RETURNED)
        ft_runaway_finish(&workers[1], task);
    else
        ft_abandon_close(&workers[1], task);
}

static void take_over(void)
{
    while (ft_atomic_load(&finished, FT_ACQUIRE) < (uint32_t)turns) {
        ft_task *task = list_pop(&run.injected, false);
        if (task)
            run_task(task);
        else
            FT_PAUSE();
    }
}

// Either of the two parts.
static void take_part(void)
{
    ft_task *task = NULL;

    while (!task) {
        task = list_pop(&run.injected, false);
        if (!task)
            FT_PAUSE();
    }
    run_task(task);
}

// ---- configurations ----

static void three(int thread)
{
    if (thread == 1) {
        if (is_endless)
            ft_active_enter(&run);
        work();
    } else if (thread == 2) {
        monitor_main(&run);
    } else {
        take_over();
        if (thread == 3)
            ft_monitor_stop(&run);
    }
}

// The monitor hears of what begins; the rest is done by the first thread.
static void wake(int thread)
{
    if (thread < 3) {
        three(thread);
        return;
    }
    while (!ft_atomic_load(&ended, FT_ACQUIRE))
        FT_PAUSE();
    ft_monitor_stop(&run);
}

static void begin_first(void)
{
    begin_turn(0);
}

static void leave_first(void)
{
    const ft_watch *watch = &watches[0];

    leave_behind(&run, &watches[0], watch->number << 2 | FT_WATCH_STAGE);
}

// It has been left behind, and its items fail.
static void setup_fails(void)
{
    ft_packet *packet = ft_alloc_zero(1, sizeof(*packet));

    setup_one();
    plan.on_runaway = FT_ON_RUNAWAY_FAIL;
    packet->flight = &flight;
    watches[0].packet.first = packet;
    mc_as(1, begin_first);
    mc_as(2, leave_first);
}

static void fails(int thread)
{
    if (thread == 1) {
        be_in_stage(0);
        mc_check(!ft_watch_leave(&workers[0]));
        ft_runaway_hand_over(&workers[0], FT_WATCH_PACKET);
        ft_atomic_store(&ended, 1, FT_RELEASE);
    } else if (thread == 2) {
        sem_wait(&monitor.bell);
        ft_monitor_collect(&run);
        ft_monitor_collect(&run);
    } else {
        take_part();
    }
}

static void begin_second(void)
{
    watches[1].packet = (ft_packet_turn){.node = &node, .instance = &second};
    second.turn.items_in = 1;
    ft_watch_enter(&workers[1], &node, 0);
}

// Both have been left behind.
static void setup_both(void)
{
    setup_one();
    turns = 2;
    second.node = &node;
    mc_as(1, begin_first);
    mc_as(2, begin_second);
    leave_behind(&run, &watches[0], watches[0].number << 2 | FT_WATCH_STAGE);
    leave_behind(&run, &watches[1], watches[1].number << 2 | FT_WATCH_STAGE);
}

static void both(int thread)
{
    if (thread == 3) {
        sem_wait(&monitor.bell);
        collect_returned(&run);
        sem_wait(&monitor.bell);
        collect_returned(&run);
        return;
    }
    (thread == 1 ? &instance : &second)->turn.items_out = (uint64_t)thread - 1;
    mc_check(!ft_watch_leave(&workers[thread - 1]));
    ft_runaway_hand_over(&workers[thread - 1], FT_WATCH_PACKET);
}

// ---- the end ----

static void finish_rest(void)
{
    ft_task *task;

    ft_monitor_collect(&run);
    while ((task = list_pop(&run.injected, true)))
        run_task(task);
}

static void finish(void)
{
    bool was_left = ft_atomic_load(&ended, FT_RELAXED) != 0;

    finish_rest();
    ft_monitor_collect(&run);
    for (int i = 0; i < turns; i++)
        mc_check(done[i] == (closed == 0 && (!was_left || i <= (int)instance.turn.items_in)));
    mc_check(closed == (was_left && plan.on_runaway == FT_ON_RUNAWAY_FAIL));
    mc_check(ft_atomic_load(&monitor.left, FT_RELAXED) == 0);
    mc_check(!ft_atomic_load(&monitor.returned, FT_RELAXED) && monitor.leaving == 0);
    mc_check((ft_atomic_load(&watches[0].word, FT_RELAXED) & STATE_MASK) == FT_WATCH_ENGINE);
    mc_check(workers[0].is_free == was_left && workers[2].is_spare >= was_left);
    mc_check(!is_endless || was_left);
    mc_outcome("%d", was_left);
}

static void finish_both(void)
{
    ft_task *task;

    while ((task = list_pop(&run.injected, true)))
        run_task(task);
    mc_check(done[0] == 1 && done[1] == 1 && monitor.leaving == 2);
    mc_check(ft_atomic_load(&monitor.left, FT_RELAXED) == 0);
}

const mc_target mc_targets[] = {
    {"watch-turn", "turn | monitor | who takes over", 3, setup_one, three, finish,
     .outcomes = "0 1"},
    {"watch-turns", "turn turn | monitor | who takes over", 3, setup, three, finish,
     .outcomes = "0 1"},
    {"watch-wake", "endless turn | monitor | stop", 3, setup_endless, wake, finish,
     .outcomes = "1"},
    {"watch-fails", "comes back | monitor | close or finish | close or finish", 4, setup_fails,
     fails, finish, .outcomes = "1"},
    {"watch-both", "comes back | comes back | monitor", 3, setup_both, both, finish_both,
     .is_long = false},
    {"watch-endless", "endless turn | monitor | who takes over", 3, setup_endless, three, finish,
     .outcomes = "1", .is_long = true},
    {.name = NULL},
};
