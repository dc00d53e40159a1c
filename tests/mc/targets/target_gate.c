// engine/gate.c with runtime/memory/account.c: who gives memory back and who waits for some. Nobody
// waits while what it waits for is free, the limit is never passed, and a run that stands still
// goes on: the oldest gets what is left, or a younger turn is undone for it. Threads count as
// active as the scheduler has it; one that is endlessly at something else stays so, and saves
// nobody.
//
// sources: CORE runtime/memory/account.c engine/idle.c engine/ring.c engine/monitor.c
// sources: engine/runaway.c engine/abandon.c tests/mc/targets/engine_stubs.c
#include "engine/gate.c"
#include "engine/scheduler.c"
#include "tests/mc/mc.h"

enum { LIMIT = 10 };  // Nine are for all.

static ft_run run;
static ft_node nodes[4];
static ft_watch watches[4];
static ft_worker workers[4];      // By thread.
static ft_instance instances[4];  // Its turn, where it has one.
static ft_flight *flights[4];
static int undone;
static ft_atomic_u32 done;  // Threads.

static void become_1(void)
{
    current_worker = &workers[1];
}

static void become_2(void)
{
    current_worker = &workers[2];
}

static void become_3(void)
{
    current_worker = &workers[3];
}

static void setup_with(int threads)
{
    ft_gate_init(&run, LIMIT);
    mc_statistic(&run.account.peak_bytes, sizeof(run.account.peak_bytes));
    for (int i = 1; i < 4; i++) {
        nodes[i].run = &run;
        nodes[i].index = (uint32_t)i;
        instances[i].node = &nodes[i];
        instances[i].turn.birth = (uint64_t)i;
        watches[i].worker = &workers[i];
        workers[i] = (ft_worker){.run = &run, .watch = &watches[i], .at = &instances[i]};
    }
    mc_as(1, become_1);
    mc_as(2, become_2);
    mc_as(3, become_3);
    ft_atomic_store(&run.active, threads, FT_RELAXED);
}

static void charge(int bytes)
{
    ft_error err = FT_ERROR_INIT;

    mc_check(ft_account_charge(&run.account, bytes, &err));
}

static void release(int bytes)
{
    ft_account_release(&run.account, bytes);
}

static void setup_two(void)
{
    setup_with(2);
    charge(8);
}

static void setup_three(void)
{
    setup_with(3);
    charge(9);
}

static void setup_free(void)
{
    setup_with(3);
}

static void setup_flight(void)
{
    ft_error err = FT_ERROR_INIT;

    setup_with(3);
    for (int i = 1; i < 4; i++)
        flights[i] = ft_flight_create(&run, NULL, (uint64_t)i, &err);
    ft_flight_unref(&run, flights[3]);
    charge(5);
}

// The two that will want more have some each.
static void setup_stuck(void)
{
    setup_with(3);
    instances[1].turn.may_undo = instances[2].turn.may_undo = true;
    charge(9);
}

static void setup_stuck_two(void)
{
    setup_with(2);
    instances[1].turn.may_undo = instances[2].turn.may_undo = true;
    charge(8);
}

static void finish(void)
{
    mc_check(ft_account_used_bytes(&run.account) == 0);
    mc_check(ft_atomic_load(&run.account.waiters, FT_RELAXED) == 0);
    mc_check(ft_atomic_load(&run.active, FT_RELAXED) == 0);
    mc_check(!run.gate.waiters && !run.gate.oldest && !run.gate.youngest);
    ft_gate_finish(&run);
}

// It cannot be helped.
static void finish_stuck(void)
{
    mc_outcome("%d", undone);
    finish();
}

static void end(void)
{
    ft_active_leave(&run);
}

// At something else, for as long as so many are not done.
static void await(uint32_t threads)
{
    while (ft_atomic_load(&done, FT_ACQUIRE) < threads)
        FT_PAUSE();
}

static void use(int bytes)
{
    charge(bytes);
    release(bytes);
}

static void use_and_end(int bytes)
{
    use(bytes);
    ft_atomic_add(&done, 1, FT_ACQ_REL);
    end();
}

static void one_waits(int thread)
{
    if (thread == 1) {
        release(8);
        await(1);
        end();
    } else {
        use_and_end(8);
    }
}

static void two_wait(int thread)
{
    if (thread == 1) {
        release(5);
        release(4);
        await(2);
        end();
    } else {
        use_and_end(5);
    }
}

static void two_release(int thread)
{
    if (thread == 3) {
        use_and_end(9);
        return;
    }
    release(thread == 1 ? 4 : 5);
    await(1);
    end();
}

static void one_for_two(int thread)
{
    if (thread == 1) {
        release(9);
        await(2);
        end();
    } else {
        use_and_end(4);
    }
}

static void all_use(int thread)
{
    (void)thread;
    use(5);
    end();
}

// The tenth is for the oldest, which the second is as soon as the first has landed.
static void lands(int thread)
{
    if (thread == 1) {
        ft_flight_unref(&run, flights[1]);
        await(1);
        release(5);
        end();
    } else if (thread == 2) {
        use(5);
        ft_flight_unref(&run, flights[2]);
        ft_atomic_add(&done, 1, FT_ACQ_REL);
        end();
    } else {
        await(1);
        end();
    }
}

// Each has four and wants four more; a turn that is undone gives its own back, and begins again.
static void want_more(int thread)
{
    ft_error err = FT_ERROR_INIT;

    if (ft_account_charge(&run.account, 4, &err)) {
        release(8);
        return;
    }
    mc_check(thread == 2 && instances[2].turn.is_undone);
    undone++;
    release(4);
    mc_check(ft_gate_retry(&workers[2], &err));
    charge(8);
    release(8);
}

static void stuck(int thread)
{
    if (thread == 3)
        release(1);
    else
        want_more(thread);
    end();
}

// It would not fit beside what is held, whoever comes back.
static void cancelled(int thread)
{
    ft_error err = FT_ERROR_INIT;

    if (thread == 1) {
        await(1);
        release(9);
    } else if (thread == 2) {
        mc_check(!ft_account_charge(&run.account, 5, &err));
        mc_check(err.code == FT_ERROR_CANCELLED);
        ft_atomic_add(&done, 1, FT_ACQ_REL);
    } else {
        ft_atomic_store(&run.stop, FT_STOP_NOW, FT_SEQ_CST);
        ft_gate_cancel(&run);
    }
    end();
}

const mc_target mc_targets[] = {
    {"gate", "release | charge release", 2, setup_two, one_waits, finish, .is_long = false},
    {"gate-stuck", "charge release | charge, undone", 2, setup_stuck_two, stuck, finish_stuck,
     .outcomes = "1"},
    {"gate-cancel", "busy | charge | cancel", 3, setup_three, cancelled, finish, .is_long = false},
    {"gate-lands", "land | charge release, land | busy", 3, setup_flight, lands, finish,
     .is_long = false},
    {"gate-two-release", "release | release | charge release", 3, setup_three, two_release, finish,
     .is_long = false},
    {"gate-one-for-two", "release | charge release | charge release", 3, setup_three, one_for_two,
     finish, .is_long = false},
    {"gate-stuck-3", "charge release | charge, undone | release", 3, setup_stuck, stuck,
     finish_stuck, .outcomes = "1", .is_long = true},
    {"gate-two-wait", "release release | charge release | charge release", 3, setup_three, two_wait,
     finish, .is_long = true},
    {"gate-3x2", "charge release, each", 3, setup_free, all_use, finish, .is_long = true},
    {.name = NULL},
};
