// Progress: while a thread stands still in the middle of an operation on a lock-free structure, the
// others go on. Threads are stopped at random moments by a signal whose handler waits (what SIGSTOP
// does to a process, for one thread), again and again, until each structure has been caught inside.
// A lock cannot have this property: the last test shows that the harness would notice.
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/concurrent/dict.h"
#include "runtime/concurrent/parking.h"
#include "runtime/concurrent/queue.h"
#include "runtime/concurrent/stack.h"
#include "runtime/system/clock.h"
#include "runtime/system/thread.h"
#include "tests/check.h"

enum {
    STOPS = 200,
    OPERATIONS = 2000,  // That another has to get done meanwhile.
    PATIENCE_MS = 5000,
    BUSY_SPINS = 3000,
    KEYS = 16,
};

typedef struct {
    ft_stack *stack;
    ft_queue *queue;
    ft_dict *dict;
    ft_counter *counter;
    ft_atomic_u8 lock;
    void (*operate)(int64_t i);
    ft_atomic_u32 is_inside, over;
    int64_t stopped_inside;
} scene;

static scene s;
static sem_t stopped, go_on;
static ft_atomic_u32 caught_inside;

static void stand_still(int number)
{
    (void)number;
    // What it was interrupted in: operations are marked by their thread.
    ft_atomic_store(&caught_inside, ft_atomic_load(&s.is_inside, FT_RELAXED), FT_RELAXED);
    sem_post(&stopped);
    while (sem_wait(&go_on) != 0)
        continue;
}

static void victim_main(void *host)
{
    sigset_t set;

    (void)host;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    for (int64_t i = 0; !ft_atomic_load(&s.over, FT_ACQUIRE); i++) {
        ft_atomic_store(&s.is_inside, 1, FT_RELAXED);
        s.operate(i);
        ft_atomic_store(&s.is_inside, 0, FT_RELAXED);
    }
}

// ---- the one who must get on ----

typedef struct {
    ft_atomic_i64 wanted, done;
} runner;

static runner other;

static void runner_main(void *host)
{
    (void)host;
    while (!ft_atomic_load(&s.over, FT_ACQUIRE)) {
        int64_t done = ft_atomic_load(&other.done, FT_RELAXED);
        if (done == ft_atomic_load(&other.wanted, FT_ACQUIRE))
            continue;
        s.operate(done);
        ft_atomic_store(&other.done, done + 1, FT_RELEASE);
    }
}

static bool gets_on(int64_t patience_ms)
{
    int64_t wanted = ft_atomic_add(&other.wanted, OPERATIONS, FT_RELEASE) + OPERATIONS;
    int64_t deadline = ft_clock_ns() + patience_ms * 1000000;

    while (ft_atomic_load(&other.done, FT_ACQUIRE) < wanted)
        if (ft_clock_ns() > deadline)
            return false;
    return true;
}

// Stops the victim until it was caught inside so often, and says whether the other got on each
// time.
static bool all_get_on(void (*operate)(int64_t i), int64_t patience_ms)
{
    ft_thread victim = {0}, runs = {0};
    ft_error err = FT_ERROR_INIT;
    struct sigaction action = {.sa_handler = stand_still};
    bool ok = true;

    s.operate = operate;
    s.stopped_inside = 0;
    ft_atomic_store(&s.over, 0, FT_RELEASE);
    ft_atomic_store(&other.wanted, 0, FT_RELAXED);
    ft_atomic_store(&other.done, 0, FT_RELAXED);
    sem_init(&stopped, 0, 0);
    sem_init(&go_on, 0, 0);
    sigaction(SIGUSR1, &action, NULL);
    check_ok(ft_thread_start(&victim, "victim", victim_main, NULL, &err), &err);
    check_ok(ft_thread_start(&runs, "runner", runner_main, NULL, &err), &err);
    for (int i = 0; i < STOPS && ok; i++) {
        for (int spins = 0; spins < BUSY_SPINS + i; spins++)
            FT_PAUSE();
        pthread_kill(victim.thread, SIGUSR1);
        while (sem_wait(&stopped) != 0)
            continue;
        s.stopped_inside += ft_atomic_load(&caught_inside, FT_RELAXED);
        ok = gets_on(patience_ms);
        sem_post(&go_on);
    }
    ft_atomic_store(&s.over, 1, FT_RELEASE);
    ft_thread_join(&victim);
    ft_thread_join(&runs);
    return ok;
}

static void check_progress(const char *what, void (*operate)(int64_t i))
{
#ifdef __SANITIZE_THREAD__
    check_skip("ThreadSanitizer holds signals back to the next system call");
#endif
    check_true(all_get_on(operate, PATIENCE_MS));
    printf("%s: others went on in %d of %d stops, %lld of them inside an operation\n", what, STOPS,
           STOPS, (long long)s.stopped_inside);
    check_true(s.stopped_inside > STOPS / 4);
}

// ---- operations ----

static void use_stack(int64_t i)
{
    ft_error err = FT_ERROR_INIT;
    ft_value value = {FT_VALUE_INT, {.integer = i}}, got;

    if (ft_stack_push(s.stack, &value, &err))
        ft_ignore(ft_stack_pop(s.stack, &got));
}

TEST(a_stack_goes_on)
{
    ft_error err = FT_ERROR_INIT;

    s.stack = ft_stack_create(INT64_MAX, NULL, &err);
    check_true(s.stack != NULL);
    check_progress("stack", use_stack);
    ft_object_unref(ft_stack_object(s.stack));
}

// Who stands still in a cell holds up those who want that cell only: they are told that the queue
// is full or empty, and come back.
static void use_queue(int64_t i)
{
    ft_error err = FT_ERROR_INIT;
    ft_value value = {FT_VALUE_INT, {.integer = i}}, got;
    bool done;

    if (ft_queue_push(s.queue, &value, &done, &err))
        ft_ignore(ft_queue_pop(s.queue, &got));
}

TEST(a_queue_answers)
{
    ft_error err = FT_ERROR_INIT;

    s.queue = ft_queue_create(64, NULL, &err);
    check_true(s.queue != NULL);
    check_progress("queue", use_queue);
    ft_object_unref(ft_queue_object(s.queue));
}

static void read_dict(int64_t i)
{
    ft_key key = {.is_int = true, .integer = i % KEYS};
    ft_value got;

    FT_ASSERT(ft_dict_get(s.dict, &key, &got) && got.integer == key.integer);
}

TEST(readers_of_a_dict_go_on)
{
    ft_error err = FT_ERROR_INIT;

    s.dict = ft_dict_create(INT64_MAX, NULL, &err);
    for (int64_t i = 0; i < KEYS; i++) {
        ft_key key = {.is_int = true, .integer = i};
        ft_value value = {FT_VALUE_INT, {.integer = i}};
        check_ok(ft_dict_set(s.dict, &key, &value, &err), &err);
    }
    check_progress("dict reads", read_dict);
    ft_object_unref(ft_dict_object(s.dict));
    ft_epoch_drain();
}

static void use_counter(int64_t i)
{
    ft_counter_add(s.counter, 1);
    if (i % 64 == 0)
        FT_ASSERT(ft_counter_sum(s.counter) > 0);
}

TEST(a_counter_goes_on)
{
    ft_error err = FT_ERROR_INIT;

    s.counter = ft_counter_create(NULL, &err);
    check_true(s.counter != NULL);
    check_progress("counter", use_counter);
    ft_counter_unref(s.counter);
}

static ft_lock_class scene_lock = {.name = "scene"};

static void use_lock(int64_t i)
{
    ft_lock_acquire(&s.lock, &scene_lock);
    for (int64_t pauses = 20 + i % 2; pauses > 0; pauses--)
        FT_PAUSE();
    ft_lock_release(&s.lock);
}

TEST(a_lock_does_not_and_that_shows)
{
#ifdef __SANITIZE_THREAD__
    check_skip("ThreadSanitizer holds signals back to the next system call");
#endif
    check_true(!all_get_on(use_lock, 100));
    check_int_eq(ft_atomic_load(&s.lock, FT_RELAXED), 0);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
