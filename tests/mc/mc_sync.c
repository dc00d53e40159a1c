// Mutexes, conditions and once, under pthread's names (mc_intercept.h gives the target these). A
// lock is a step that can be taken while the mutex is free; who waits for a condition can go on
// once it was signalled and the mutex is free. Conditions do not wake without a cause: where a
// missed signal is a bug, a wake-up by chance would hide it. Which waiter a signal wakes is a
// choice.
#include <errno.h>
#include <string.h>

#include "tests/mc/mc_state.h"

static location *mutex_of(void *at)
{
    return mc_location(at, AT_MUTEX, 0);
}

static location *condition_of(void *at)
{
    return mc_location(at, AT_CONDITION, 0);
}

bool mc_is_enabled(const thread *t)
{
    if (t->state != T_READY)
        return false;
    return t->pending.kind != OP_LOCK || mutex_of(t->pending.at)->holder == 0;
}

int mc_sync_choices(const op *o, choice *out)
{
    int count = 0;

    if (o->kind == OP_CHOOSE) {
        for (; count < (int)o->count && count < CHOICES && (count == 0 || !mc->sequential); count++)
            out[count] = (choice){.id = (uint32_t)count, .index = (uint16_t)count};
        return count;
    }
    bool is_mutex = o->kind == OP_LOCK || o->kind == OP_TRY_LOCK || o->kind == OP_UNLOCK;
    const location *l = is_mutex ? mutex_of(o->at) : condition_of(o->at);
    if (o->kind != OP_SIGNAL || l->waiter_count == 0) {
        *out = (choice){.id = l->tail << 3};
        return 1;
    }
    for (; count < l->waiter_count; count++)
        out[count] = (choice){.id = l->tail << 3 | l->waiters[count], .index = (uint16_t)count};
    return count;
}

// It comes behind all that was done to the same mutex or condition before, and might have come
// earlier: a lock not before an unlock, but an attempt, which then would have failed.
static void come_behind(thread *t, location *l, op_kind kind)
{
    vclock before = t->past;

    mc_note_write(l, &before, kind == OP_TRY_LOCK);
    mc_add_read(l, NULL, kind == OP_UNLOCK);
    clock_join(&t->past, &l->tail_past);
    l->tail_past = t->past;
    l->tail = (uint32_t)mc->self << 24 | t->clock.at[mc->self];
}

static void hold(thread *t, location *mutex)
{
    mutex->holder = 1 + mc->self;
    clock_join(&t->clock, &mutex->tail_clock);
}

static void let_go(thread *t, location *mutex, const char *place)
{
    if (mutex->holder != 1 + mc->self)
        mc_fail("%s: a mutex is let go by who does not hold it", place);
    mutex->holder = 0;
    mutex->tail_clock = t->clock;
}

static void wake(const thread *t, location *condition, int at)
{
    thread *woken = &mc->threads[condition->waiters[at]];

    condition->waiter_count--;
    memmove(condition->waiters + at, condition->waiters + at + 1,
            (size_t)(condition->waiter_count - at));
    woken->state = T_READY;
    clock_join(&woken->past, &t->past);
}

void mc_sync_perform(thread *t, const op *o, const choice *c)
{
    t->result = 0;
    if (o->kind == OP_CHOOSE) {
        t->result = c->id;
        return;
    }
    location *l = o->kind <= OP_UNLOCK ? mutex_of(o->at) : condition_of(o->at);
    come_behind(t, l, o->kind);
    switch (o->kind) {
    case OP_LOCK:
        hold(t, l);
        break;
    case OP_TRY_LOCK:
        t->result = l->holder ? EBUSY : 0;
        if (!l->holder)
            hold(t, l);
        break;
    case OP_UNLOCK:
        let_go(t, l, o->place);
        break;
    case OP_WAIT:
        come_behind(t, mutex_of(o->mutex), OP_UNLOCK);
        let_go(t, mutex_of(o->mutex), o->place);
        l->waiters[l->waiter_count++] = (uint8_t)mc->self;
        t->state = T_WAITS;
        break;
    case OP_SIGNAL:
        if (l->waiter_count > 0)
            wake(t, l, c->index);
        break;
    default:
        while (l->waiter_count > 0)
            wake(t, l, 0);
    }
}

// ---- pthread's names ----

int mc_mutex_init(void *mutex, const void *attributes);
int mc_mutex_destroy(void *mutex);
int mc_mutex_lock(void *mutex, const char *place);
int mc_mutex_trylock(void *mutex, const char *place);
int mc_mutex_unlock(void *mutex, const char *place);
int mc_cond_init(void *condition, const void *attributes);
int mc_cond_destroy(void *condition);
int mc_cond_wait(void *condition, void *mutex, const char *place);
int mc_cond_timedwait(void *condition, void *mutex, const void *until, const char *place);
int mc_cond_signal(void *condition, const char *place);
int mc_cond_broadcast(void *condition, const char *place);
int mc_once(int *once, void (*body)(void));
int mc_nothing(const void *argument, ...);
void ft_model_pause(void);

static int act(op_kind kind, void *at, void *mutex, const char *place)
{
    mc_check_alive(at, 1, place);
    mc_visible(&(op){.kind = kind, .at = at, .mutex = mutex, .place = place});
    mc_note_atomic(at, 1);
    return (int)mc->threads[mc->self].result;
}

int mc_mutex_init(void *mutex, const void *attributes)
{
    (void)attributes;
    mutex_of(mutex)->holder = 0;
    return 0;
}

int mc_mutex_destroy(void *mutex)
{
    return mutex_of(mutex)->holder ? EBUSY : 0;
}

int mc_mutex_lock(void *mutex, const char *place)
{
    return act(OP_LOCK, mutex, NULL, place);
}

int mc_mutex_trylock(void *mutex, const char *place)
{
    return act(OP_TRY_LOCK, mutex, NULL, place);
}

int mc_mutex_unlock(void *mutex, const char *place)
{
    return act(OP_UNLOCK, mutex, NULL, place);
}

int mc_cond_init(void *condition, const void *attributes)
{
    (void)attributes;
    condition_of(condition)->waiter_count = 0;
    return 0;
}

int mc_cond_destroy(void *condition)
{
    return condition_of(condition)->waiter_count ? EBUSY : 0;
}

int mc_cond_wait(void *condition, void *mutex, const char *place)
{
    act(OP_WAIT, condition, mutex, place);
    return act(OP_LOCK, mutex, NULL, place);
}

// The time runs out at once.
int mc_cond_timedwait(void *condition, void *mutex, const void *until, const char *place)
{
    (void)condition;
    (void)until;
    act(OP_UNLOCK, mutex, NULL, place);
    ft_model_pause();
    act(OP_LOCK, mutex, NULL, place);
    return ETIMEDOUT;
}

int mc_cond_signal(void *condition, const char *place)
{
    return act(OP_SIGNAL, condition, NULL, place);
}

int mc_cond_broadcast(void *condition, const char *place)
{
    return act(OP_BROADCAST, condition, NULL, place);
}

int mc_once(int *once, void (*body)(void))
{
    if (*once)
        return 0;
    if (!mc->sequential)
        mc_fail("pthread_once for the first time beside others: do it in setup");
    *once = 1;
    body();
    return 0;
}

int mc_nothing(const void *argument, ...)
{
    (void)argument;
    return 0;
}

unsigned mc_choose(unsigned count)
{
    mc_visible(&(op){.kind = OP_CHOOSE, .count = count, .place = "mc_choose"});
    return (unsigned)mc->threads[mc->self].result;
}

// ---- endless waits ----

void ft_model_pause(void)
{
    thread *t = &mc->threads[mc->self];

    if (!t->has_news && t->trail == t->last_trail) {
        if (mc->sequential)
            mc_fail("waits for others who are gone");
        mc_block(T_SPINS);
    }
    t->last_trail = t->has_news ? 0 : t->trail;
    t->trail = 1;
    t->seen_count = 0;
    t->has_news = false;
}
