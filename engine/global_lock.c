// The one lock of --global-lock.
#include "engine/global_lock.h"

enum { SWITCH_MS = 5 };  // CPython's sys.getswitchinterval().

struct ft_global_lock {
    ft_mutex lock;  // Guards is_held and takes.
    ft_condition left, taken;
    bool is_held;
    uint64_t takes;
    ft_atomic_u32 is_asked;
};

bool ft_global_lock_init(ft_run *run, ft_error *err)
{
    struct ft_global_lock *one;

    if (!run->settings.global_lock)
        return true;
    one = ft_arena_zero(run->arena, 1, sizeof(*one));
    if (!one)
        return ft_fail_nomem(err, sizeof(*one));
    ft_mutex_init(&one->lock);
    ft_condition_init(&one->left);
    ft_condition_init(&one->taken);
    run->one_lock = one;
    return true;
}

void ft_global_lock_finish(ft_run *run)
{
    if (!run->one_lock)
        return;
    ft_mutex_finish(&run->one_lock->lock);
    ft_condition_finish(&run->one_lock->left);
    ft_condition_finish(&run->one_lock->taken);
}

// Under one->lock.
static void take(struct ft_global_lock *one)
{
    while (one->is_held) {
        uint64_t takes = one->takes;
        // Asks only if nobody else has had it meanwhile: then the holder has had its time.
        if (!ft_condition_wait_ms(&one->left, &one->lock, SWITCH_MS) && one->takes == takes)
            ft_atomic_store(&one->is_asked, 1, FT_RELAXED);
    }
    one->is_held = true;
    one->takes++;
    ft_atomic_store(&one->is_asked, 0, FT_RELAXED);
    ft_condition_wake_all(&one->taken);
}

void ft_global_lock_take(ft_worker *worker)
{
    struct ft_global_lock *one = worker->run->one_lock;

    if (!one || worker->has_one_lock)
        return;
    ft_mutex_lock(&one->lock);
    take(one);
    ft_mutex_unlock(&one->lock);
    worker->has_one_lock = true;
}

void ft_global_lock_leave(ft_worker *worker)
{
    struct ft_global_lock *one = worker->run->one_lock;

    if (!one || !worker->has_one_lock)
        return;
    ft_mutex_lock(&one->lock);
    one->is_held = false;
    ft_condition_wake_one(&one->left);
    ft_mutex_unlock(&one->lock);
    worker->has_one_lock = false;
}

void ft_global_lock_yield(ft_worker *worker)
{
    struct ft_global_lock *one = worker->run->one_lock;

    // Relaxed: a request; it is served at the end of some turn.
    if (!one || !worker->has_one_lock || !ft_atomic_load(&one->is_asked, FT_RELAXED))
        return;
    ft_mutex_lock(&one->lock);
    uint64_t takes = one->takes;
    one->is_held = false;
    ft_condition_wake_one(&one->left);
    // Whoever asked is still there: it stops waiting only when it has the lock.
    while (one->takes == takes)
        ft_condition_wait(&one->taken, &one->lock);
    take(one);
    ft_mutex_unlock(&one->lock);
}
