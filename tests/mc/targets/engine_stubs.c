// What the engine's scheduler, gate and monitor need beside what is checked: stages, sources,
// packets and threads that do nothing. A target replaces those that matter to it.
#include <semaphore.h>
#include <signal.h>

#include "engine/abandon.h"
#include "engine/flow.h"
#include "engine/global_lock.h"
#include "engine/instance.h"
#include "engine/scheduler.h"
#include "engine/sources.h"
#include "engine/train.h"
#include "engine/turn.h"
#include "runtime/log.h"
#include "runtime/memory/alloc.h"
#include "runtime/system/clock.h"
#include "tests/mc/mc.h"

#define WEAK __attribute__((weak))

// ---- the system ----

// A semaphore is its count. Who waits in vain is found as an endless wait.
static ft_atomic_u32 *count_of(sem_t *semaphore)
{
    return (ft_atomic_u32 *)(void *)semaphore;
}

WEAK int mc_sem_init(sem_t *semaphore, int shared, unsigned value)
{
    (void)shared;
    ft_atomic_store(count_of(semaphore), value, FT_RELAXED);
    return 0;
}

WEAK int mc_sem_destroy(sem_t *semaphore)
{
    (void)semaphore;
    return 0;
}

WEAK int mc_sem_post(sem_t *semaphore)
{
    ft_atomic_add(count_of(semaphore), 1, FT_ACQ_REL);
    return 0;
}

static bool try_take(sem_t *semaphore)
{
    uint32_t there = ft_atomic_load(count_of(semaphore), FT_RELAXED);

    while (there > 0)
        if (ft_atomic_cas_weak(count_of(semaphore), &there, there - 1, FT_ACQ_REL))
            return true;
    return false;
}

WEAK int mc_sem_wait(sem_t *semaphore)
{
    while (!try_take(semaphore))
        FT_PAUSE();
    return 0;
}

WEAK int mc_sem_timedwait(sem_t *semaphore, const struct timespec *until)
{
    (void)until;
    return mc_sem_wait(semaphore);
}

WEAK int mc_kill(pthread_t thread, int number)
{
    (void)thread;
    (void)number;
    return 0;
}

WEAK int64_t ft_clock_wall_ms(void)
{
    return 1;
}

WEAK int64_t ft_clock_cpu_ns(int32_t clock)
{
    (void)clock;
    return 0;
}

WEAK void ft_log(ft_log_level level, const char *from, const char *format, ...)
{
    (void)level;
    (void)from;
    (void)format;
}

// ---- threads: a target's own are there from the start ----

WEAK bool ft_thread_start(ft_thread *thread, const char *name, void (*run)(void *host), void *host,
                          ft_error *err)
{
    (void)name;
    (void)run;
    (void)host;
    (void)err;
    thread->started = true;
    return true;
}

WEAK bool ft_thread_try_join(ft_thread *thread)
{
    (void)thread;
    return true;
}

WEAK bool ft_thread_join_until(ft_thread *thread, int64_t deadline_ns)
{
    (void)thread;
    (void)deadline_ns;
    return true;
}

WEAK void ft_thread_join(ft_thread *thread)
{
    (void)thread;
}

WEAK void ft_thread_detach(ft_thread *thread)
{
    (void)thread;
}

WEAK void ft_thread_settle(size_t index, size_t count)
{
    (void)index;
    (void)count;
}

WEAK int32_t ft_thread_clock(void)
{
    return 0;
}

// ---- the engine ----

WEAK void *ft_arena_zero(ft_arena *arena, size_t count, size_t size_bytes)
{
    (void)arena;
    (void)count;
    (void)size_bytes;
    return NULL;
}

WEAK void *ft_arena_aligned(ft_arena *arena, size_t size_bytes, size_t alignment)
{
    return ft_arena_zero(arena, size_bytes, alignment);
}

WEAK bool ft_global_lock_init(ft_run *run, ft_error *err)
{
    (void)run;
    (void)err;
    return true;
}

WEAK void ft_global_lock_finish(ft_run *run)
{
    (void)run;
}

WEAK void ft_global_lock_take(ft_worker *worker)
{
    (void)worker;
}

WEAK void ft_global_lock_leave(ft_worker *worker)
{
    (void)worker;
}

WEAK void ft_global_lock_yield(ft_worker *worker)
{
    (void)worker;
}

WEAK ft_task *ft_source_claim_any(ft_run *run)
{
    (void)run;
    return NULL;
}

WEAK bool ft_source_any_ready(const ft_run *run)
{
    (void)run;
    return false;
}

WEAK bool ft_source_force(ft_run *run)
{
    (void)run;
    return true;
}

WEAK void ft_source_landed(ft_node *node, const ft_flight *flight)
{
    (void)node;
    (void)flight;
}

WEAK void ft_source_stay_finish(ft_worker *worker, ft_source_stay *stay)
{
    (void)worker;
    (void)stay;
}

WEAK void ft_task_run(ft_worker *worker, ft_task *task)
{
    (void)worker;
    (void)task;
}

WEAK void ft_packet_turn_finish(ft_worker *worker, ft_packet_turn *turn)
{
    (void)worker;
    (void)turn;
}

WEAK void ft_packet_turn_follow(ft_worker *worker, ft_node *node)
{
    (void)worker;
    (void)node;
}

WEAK void ft_turn_begin(ft_worker *worker, ft_instance *instance, ft_stream *stream, uint32_t train)
{
    (void)worker;
    (void)instance;
    (void)stream;
    (void)train;
}

WEAK bool ft_turn_close(ft_instance *instance, ft_error *err)
{
    (void)instance;
    (void)err;
    return true;
}

WEAK void ft_turn_cut(ft_instance *instance)
{
    (void)instance;
}

WEAK void ft_turn_end(ft_instance *instance)
{
    (void)instance;
}

WEAK void ft_node_release(ft_worker *worker, ft_node *node, int64_t count)
{
    (void)worker;
    (void)node;
    (void)count;
}

WEAK bool ft_instance_open(ft_node *node, size_t slot, ft_worker *worker, ft_instance **out,
                           ft_error *err)
{
    (void)worker;
    (void)node;
    (void)slot;
    (void)err;
    *out = NULL;
    return false;
}

WEAK void ft_instance_close(ft_instance *instance)
{
    (void)instance;
}

WEAK bool ft_item_failed(ft_stage *stage, const ft_batch *batch, size_t row, const ft_error *why,
                         ft_error *err)
{
    (void)stage;
    (void)batch;
    (void)row;
    (void)why;
    (void)err;
    return true;
}

WEAK bool ft_flow_send(ft_worker *worker, ft_node *node, ft_batch_list *out, ft_packet *packet,
                       ft_error *err)
{
    (void)node;
    (void)out;
    (void)err;
    ft_packet_destroy(worker->run, packet);
    return true;
}

WEAK void ft_run_fail(ft_run *run, ft_node *node, const ft_ticket *ticket, const ft_error *err)
{
    (void)run;
    (void)node;
    (void)ticket;
    mc_check(err == NULL);
}

WEAK ft_packet *ft_packet_create(ft_error *err)
{
    (void)err;
    return ft_alloc_zero(1, sizeof(ft_packet));
}

WEAK void ft_packet_destroy(ft_run *run, ft_packet *packet)
{
    (void)run;
    ft_free(packet);
}

WEAK void ft_packet_hand_over(ft_packet *packet)
{
    (void)packet;
}

WEAK void ft_packet_receive(ft_packet *packet)
{
    (void)packet;
}

WEAK void ft_batch_list_drop(ft_batch_list *list, size_t from)
{
    (void)list;
    (void)from;
}

WEAK ft_batch *ft_batch_ref(ft_batch *batch)
{
    return batch;
}

WEAK void ft_batch_unref(ft_batch *batch)
{
    (void)batch;
}

WEAK void ft_batch_hand_over(ft_batch *batch)
{
    (void)batch;
}

WEAK void ft_batch_receive(ft_batch *batch)
{
    (void)batch;
}

WEAK void ft_flow_end_go_on(ft_worker *worker)
{
    (void)worker;
}

WEAK bool ft_source_any_running(const ft_run *run)
{
    (void)run;
    return false;
}
