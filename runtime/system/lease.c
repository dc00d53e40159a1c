// Leases: a static table, a list of free ids, and a queue of strays each.
//
// Detaching and queueing meet like this: the owner goes to DETACHED, then looks at `stray_count`;
// whoever queues raises `stray_count`, then looks at the state. All four are sequentially
// consistent, so at least one of the two sees the other and no stray waits for a sleeper.
//
// Who merges on behalf of a sleeper holds the lease's lock all the while it is SUSPENDED, so the
// owner that wants to go on waits on that lock, not in a loop. Nothing is destroyed under a
// lease's lock: that runs code of stages.
#include "runtime/system/lease.h"

#include <string.h>

#include "runtime/error.h"
#include "runtime/memory/alloc.h"
#include "runtime/memory/collector.h"
#include "runtime/memory/epoch.h"
#include "runtime/memory/pool.h"
#include "runtime/memory/refcount.h"

enum { BATCH = FT_BOUND(32, 1) };

FT_THREAD_LOCAL ft_lease_own ft_own = {.id = FT_LEASE_NO_ID, .new_owner = FT_LEASE_NO_ID};

static ft_lease leases[FT_LEASES_MAX];
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;  // Guards the next four.
static uint16_t free_ids[FT_LEASES_MAX];
static uint32_t free_count;
static uint32_t made_count;
static bool has_key;
static pthread_key_t exit_key;  // Retires the leases of threads that attached themselves.
static ft_atomic_u32 highest_id;

ft_lease *ft_lease_get(uint32_t id)
{
    FT_ASSERT(id > 0 && id < FT_LEASES_MAX);
    return &leases[id];
}

uint32_t ft_lease_highest_id(void)
{
    // Acquire pairs with the release in ft_lease_reserve: the lease is ready.
    return ft_atomic_load(&highest_id, FT_ACQUIRE);
}

static void thread_ends(void *own)
{
    (void)own;
    ft_lease_retire();
}

ft_lease *ft_lease_reserve(void)
{
    ft_lease *lease = NULL;

    pthread_mutex_lock(&table_lock);
    if (!has_key) {
        has_key = pthread_key_create(&exit_key, thread_ends) == 0;
        ft_epoch_prepare();
    }
    if (free_count > 0)
        lease = &leases[free_ids[--free_count]];
    else if (made_count + 1 < FT_LEASES_MAX)
        lease = &leases[++made_count];
    if (lease && !lease->is_ready) {
        ft_mutex_init(&lease->lock);
        lease->id = (uint16_t)made_count;
        lease->strays = lease->inside;
        lease->stray_room = FT_LEASE_STRAYS_INSIDE;
        lease->is_ready = true;
        ft_atomic_store(&highest_id, made_count, FT_RELEASE);
    }
    pthread_mutex_unlock(&table_lock);
    return lease;
}

void ft_lease_give_back(ft_lease *lease)
{
    pthread_mutex_lock(&table_lock);
    free_ids[free_count++] = lease->id;
    pthread_mutex_unlock(&table_lock);
}

void ft_lease_adopt(ft_lease *lease)
{
    // Under the lock: whoever merges a stray of the retired lease has finished, and what the old
    // thread wrote is visible.
    ft_mutex_lock(&lease->lock);
    ft_atomic_store(&lease->state, FT_LEASE_RUNNING, FT_SEQ_CST);
    ft_mutex_unlock(&lease->lock);
    ft_own = (ft_lease_own){.lease = lease, .id = lease->id, .new_owner = lease->id};
    if (has_key)
        pthread_setspecific(exit_key, lease);
}

FT_NOINLINE ft_lease *ft_lease_attach(void)
{
    bool merged = ft_own.new_owner == FT_OWNER_NONE;
    ft_lease *lease = ft_lease_reserve();

    FT_ASSERT(lease && "more threads than leases");
    ft_lease_adopt(lease);
    if (merged)
        ft_own.new_owner = FT_OWNER_NONE;
    return lease;
}

// ---- strays ----

// Under the lease's lock.
static size_t take_strays(ft_lease *lease, ft_object **taken)
{
    uint32_t count = ft_atomic_load(&lease->stray_count, FT_RELAXED);
    uint32_t take = count < BATCH ? count : BATCH;

    memcpy((void *)taken, (void *)&lease->strays[count - take], take * sizeof(*taken));
    ft_atomic_store(&lease->stray_count, count - take, FT_SEQ_CST);
    if (count == take && lease->strays != lease->inside) {
        ft_free((void *)lease->strays);
        lease->strays = lease->inside;
        lease->stray_room = FT_LEASE_STRAYS_INSIDE;
    }
    return take;
}

// Under the lease's lock.
static bool add_stray(ft_lease *lease, ft_object *object)
{
    uint32_t count = ft_atomic_load(&lease->stray_count, FT_RELAXED);

    if (count == lease->stray_room) {
        bool inside = lease->strays == lease->inside;
        ft_object **more = ft_alloc_array(2 * (size_t)count, sizeof(*more));
        if (!more)
            return false;
        memcpy((void *)more, (void *)lease->strays, count * sizeof(*more));
        if (!inside)
            ft_free((void *)lease->strays);
        lease->strays = more;
        lease->stray_room = 2 * count;
    }
    lease->strays[count] = object;
    ft_atomic_store(&lease->stray_count, count + 1, FT_SEQ_CST);
    return true;
}

static bool has_strays(const ft_lease *lease)
{
    return ft_atomic_load(&lease->stray_count, FT_SEQ_CST) > 0;
}

// By the owner, or with the owner out of the way. Leaves those that are dead at the front.
static size_t merge_taken(ft_object **taken, size_t count)
{
    size_t dead = 0;

    for (size_t i = 0; i < count; i++)
        if (ft_object_merge_stray(taken[i]))
            taken[dead++] = taken[i];
    return dead;
}

static void destroy_dead(ft_object **taken, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ft_object_destroy(taken[i]);
}

static void drain_own(ft_lease *lease)
{
    ft_object *taken[BATCH];

    while (has_strays(lease)) {
        ft_mutex_lock(&lease->lock);
        size_t count = take_strays(lease, taken);
        ft_mutex_unlock(&lease->lock);
        destroy_dead(taken, merge_taken(taken, count));
    }
}

// Merges for an owner that waits. Gives up when it has come back: it drains by itself.
static void drain_for(ft_lease *lease)
{
    ft_object *taken[BATCH];

    while (has_strays(lease)) {
        uint32_t detached = FT_LEASE_DETACHED;
        ft_mutex_lock(&lease->lock);
        // Acquire pairs with the owner's detach: what it wrote to its objects is visible.
        if (!ft_atomic_cas(&lease->state, &detached, FT_LEASE_SUSPENDED, FT_SEQ_CST)) {
            ft_mutex_unlock(&lease->lock);
            return;
        }
        size_t dead = merge_taken(taken, take_strays(lease, taken));
        // Release pairs with the owner's resume.
        ft_atomic_store(&lease->state, FT_LEASE_DETACHED, FT_SEQ_CST);
        ft_mutex_unlock(&lease->lock);
        destroy_dead(taken, dead);
    }
}

void ft_lease_queue_stray(uint32_t owner, ft_object *object)
{
    ft_lease *lease = ft_lease_get(owner);

    ft_mutex_lock(&lease->lock);
    if (ft_atomic_load(&lease->state, FT_SEQ_CST) == FT_LEASE_RETIRED) {
        // The lock keeps the id from being given out meanwhile.
        bool dead = ft_object_merge_stray(object);
        ft_mutex_unlock(&lease->lock);
        if (dead)
            ft_object_destroy(object);
        return;
    }
    // Without memory for an entry the object leaks: the alternative is to free what is in use.
    bool added = add_stray(lease, object);
    ft_mutex_unlock(&lease->lock);
    if (added && ft_atomic_load(&lease->state, FT_SEQ_CST) == FT_LEASE_DETACHED)
        drain_for(lease);
}

// ---- states ----

bool ft_lease_try_detach(void)
{
    ft_lease *lease = ft_own.lease;

    if (!lease)
        return true;
    FT_ASSERT(ft_atomic_load(&lease->state, FT_RELAXED) == FT_LEASE_RUNNING);
    ft_pool_detach(lease);
    // A store will do: nobody else changes the state of a running lease.
    ft_atomic_store(&lease->state, FT_LEASE_DETACHED, FT_SEQ_CST);
    if (FT_UNLIKELY(ft_atomic_load(&lease->returned, FT_SEQ_CST) != NULL))
        ft_pool_rescue(lease);
    if (FT_LIKELY(!has_strays(lease)))
        return true;
    ft_lease_resume();
    return false;
}

void ft_lease_detach(void)
{
    while (!ft_lease_try_detach())
        drain_own(ft_own.lease);
}

void ft_lease_resume(void)
{
    ft_lease *lease = ft_own.lease;
    uint32_t expected = FT_LEASE_DETACHED;

    if (!lease)
        return;
    while (!ft_atomic_cas(&lease->state, &expected, FT_LEASE_RUNNING, FT_SEQ_CST)) {
        FT_ASSERT(expected == FT_LEASE_SUSPENDED);
        ft_mutex_lock(&lease->lock);  // Until whoever merges is done.
        ft_mutex_unlock(&lease->lock);
        expected = FT_LEASE_DETACHED;
    }
}

void ft_lease_turn_end(void)
{
    ft_lease *lease = ft_own.lease;

    // Relaxed: a stray that comes now is seen the next time.
    if (lease && FT_UNLIKELY(ft_atomic_load(&lease->stray_count, FT_RELAXED) > 0))
        drain_own(lease);
    if (lease && FT_UNLIKELY(lease->candidate_debt > 0))
        ft_collector_turn_end(lease);
    if (lease && FT_UNLIKELY(lease->retired != NULL))
        ft_epoch_turn_end();
    if (lease)
        ft_pool_turn_end(lease);
}

void ft_lease_retire(void)
{
    ft_lease *lease = ft_own.lease;
    bool done = false;

    if (!lease)
        return;
    while (!done) {
        drain_own(lease);
        // What is destroyed now may retire more. Candidates stay where they are: the collector
        // looks into all leases.
        while (lease->retired)
            ft_epoch_lease_retire(lease);
        ft_pool_retire(lease);
        ft_mutex_lock(&lease->lock);
        done = !has_strays(lease);
        if (done)
            ft_atomic_store(&lease->state, FT_LEASE_RETIRED, FT_SEQ_CST);
        ft_mutex_unlock(&lease->lock);
    }
    // Sequentially consistent, as in detach: whoever has returned a block meanwhile has found the
    // lease running, and then it is seen here, or finds it retired.
    if (FT_UNLIKELY(ft_atomic_load(&lease->returned, FT_SEQ_CST) != NULL))
        ft_pool_rescue(lease);
    // Relaxed: for reports.
    ft_atomic_store(&lease->label, NULL, FT_RELAXED);
    ft_own = (ft_lease_own){.id = FT_LEASE_NO_ID, .new_owner = FT_LEASE_NO_ID};
    if (has_key)
        pthread_setspecific(exit_key, NULL);
    ft_lease_give_back(lease);
}

// ---- what is made ----

bool ft_lease_create_merged(bool merged)
{
    bool before = ft_own.new_owner == FT_OWNER_NONE;

    ft_own.new_owner = merged ? (uint16_t)FT_OWNER_NONE : ft_own.id;
    return before;
}

const char *ft_lease_set_label(const char *label)
{
    ft_lease *lease = ft_lease_current();
    const char *before = ft_atomic_load(&lease->label, FT_RELAXED);

    // Relaxed: for reports; the text lives as long as the run.
    ft_atomic_store(&lease->label, (void *)(uintptr_t)label, FT_RELAXED);
    return before;
}
