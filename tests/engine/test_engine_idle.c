// No wake-up is lost: one thread puts work up, one piece at a time, others take it and go to sleep
// between; a watchdog says where it stands still. FT_TORTURE=n pieces (100,000).
#include "engine/idle.h"

#include <stdio.h>
#include <stdlib.h>

#include "runtime/system/thread.h"
#include "tests/check.h"

enum { WORKERS_MAX = 3, STANDSTILL_MS = 20000 };

typedef struct {
    ft_idle idle;
    ft_atomic_i64 pieces;  // Put up and not taken.
    ft_atomic_i64 taken;
    ft_mutex lock;  // For the one that waits until all are taken.
    ft_condition all_taken;
} yard;

static bool take(yard *y)
{
    int64_t pieces = ft_atomic_load(&y->pieces, FT_ACQUIRE);

    while (pieces > 0)
        if (ft_atomic_cas_weak(&y->pieces, &pieces, pieces - 1, FT_ACQ_REL))
            return true;
    return false;
}

static void work(yard *y)
{
    ft_mutex_lock(&y->lock);
    ft_atomic_add(&y->taken, 1, FT_RELAXED);
    ft_condition_wake_one(&y->all_taken);
    ft_mutex_unlock(&y->lock);
}

// As workers do: look, announce, look again, sleep; who is woken and finds more wakes the next.
static void worker(void *host)
{
    yard *y = host;

    for (;;) {
        while (take(y))
            work(y);
        ft_idle_announce(&y->idle);
        if (take(y)) {
            ft_ignore(ft_idle_retract(&y->idle));
            work(y);
        } else if (!ft_idle_sleep(&y->idle)) {
            return;
        } else if (take(y)) {
            if (ft_atomic_load(&y->pieces, FT_RELAXED) > 0)
                ft_idle_wake_one(&y->idle, NULL, NULL);
            work(y);
        }
    }
}

// False: it stands still.
static bool wait_taken(yard *y, int64_t upto)
{
    bool ok = true;

    ft_mutex_lock(&y->lock);
    while (ok && ft_atomic_load(&y->taken, FT_RELAXED) < upto)
        ok = ft_condition_wait_ms(&y->all_taken, &y->lock, STANDSTILL_MS);
    ft_mutex_unlock(&y->lock);
    return ok;
}

TEST(no_wake_up_is_lost)
{
    const char *text = getenv("FT_TORTURE");
    int64_t rounds = text ? strtoll(text, NULL, 10) : 100000;

    for (int workers = 1; workers <= WORKERS_MAX; workers++) {
        yard y = {0};
        ft_thread threads[WORKERS_MAX];
        ft_error err = FT_ERROR_INIT;
        int64_t put = 0;
        bool ok = true;

        ft_idle_init(&y.idle);
        ft_mutex_init(&y.lock);
        ft_condition_init(&y.all_taken);
        for (int i = 0; i < workers; i++)
            check_true(ft_thread_start(&threads[i], "worker", worker, &y, &err));
        for (; ok && put < rounds; ok = wait_taken(&y, put)) {
            int64_t pieces = 1 + put % workers;  // From one at a time to one for each.
            for (int64_t i = 0; i < pieces; i++, put++) {
                ft_atomic_add(&y.pieces, 1, FT_ACQ_REL);
                ft_idle_wake_one(&y.idle, NULL, NULL);
            }
        }
        if (!ok)
            printf("stands still after %lld of %lld pieces\n",
                   (long long)ft_atomic_load(&y.taken, FT_RELAXED), (long long)put);
        check_true(ok);
        ft_idle_close(&y.idle);
        for (int i = 0; i < workers; i++)
            ft_thread_join(&threads[i]);
        ft_idle_finish(&y.idle);
        ft_mutex_finish(&y.lock);
        ft_condition_finish(&y.all_taken);
    }
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
