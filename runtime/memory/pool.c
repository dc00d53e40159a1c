// Shelves of free blocks by size class: steps of 64 bytes up to 1 KiB, then eight to the doubling,
// so a block is at most an eighth too large. A shelf is a stack, so the block that was freed last,
// whose lines are in the cache, goes out first.
#include "runtime/memory/pool.h"

#include <string.h>

#include "runtime/concurrent/atomic.h"
#include "runtime/error.h"
#include "runtime/memory/alloc.h"
#include "runtime/memory/pages.h"
#include "runtime/system/lease.h"

enum {
    STEP = 64,
    SMALL_MAX = 1024,
    SMALL_CLASSES = SMALL_MAX / STEP,
    SMALL_MAX_LOG = 10,
    PER_DOUBLING = 8,
    CLASSES = SMALL_CLASSES + PER_DOUBLING * 8,
    TRAIN_BLOCKS = FT_BOUND(32, 2),
    TRAIN_BYTES = 64 * 1024,
    TRAINS = FT_BOUND(16, 1),
};

static uint32_t class_of(size_t size_bytes)
{
    if (size_bytes <= SMALL_MAX)
        return size_bytes ? (uint32_t)((size_bytes - 1) / STEP) : 0;
    unsigned log = 63 - FT_LEADING_ZEROS_64(size_bytes - 1);
    size_t eighth = ((size_bytes - 1) >> (log - 3)) & (PER_DOUBLING - 1);
    return SMALL_CLASSES + (log - SMALL_MAX_LOG) * PER_DOUBLING + (uint32_t)eighth;
}

static size_t class_bytes(uint32_t class)
{
    if (class < SMALL_CLASSES)
        return ((size_t)class + 1) * STEP;
    uint32_t above = class - SMALL_CLASSES;
    size_t base = (size_t)SMALL_MAX << (above / PER_DOUBLING);
    return base + base / PER_DOUBLING * (above % PER_DOUBLING + 1);
}

size_t ft_pool_round(size_t size_bytes)
{
    return size_bytes > FT_POOL_MAX ? size_bytes : class_bytes(class_of(size_bytes));
}

void *ft_pool_zero(size_t size_bytes, uint16_t *out_home)
{
    void *block = ft_pool_alloc(size_bytes, out_home);

    if (block)
        memset(block, 0, size_bytes);
    return block;
}

#ifdef FT_SANITIZED

void *ft_pool_alloc(size_t size_bytes, uint16_t *out_home)
{
    *out_home = 0;
    return ft_alloc_aligned(size_bytes, FT_POOL_ALIGNMENT);
}

void ft_pool_free(void *block, size_t size_bytes, uint16_t home)
{
    (void)size_bytes;
    (void)home;
    ft_free(block);
}

void ft_pool_turn_end(struct ft_lease *lease)
{
    (void)lease;
}

void ft_pool_detach(struct ft_lease *lease)
{
    (void)lease;
}

void ft_pool_rescue(struct ft_lease *lease)
{
    (void)lease;
}

void ft_pool_retire(struct ft_lease *lease)
{
    (void)lease;
}

int64_t ft_pool_lease_bytes(const struct ft_lease *lease)
{
    (void)lease;
    return 0;
}

int64_t ft_pool_shelf_bytes(void)
{
    return 0;
}

void ft_pool_trim(void)
{
}

#else

// A free block. The rest is of the first block of a train only.
typedef struct block {
    struct block *next;
    struct block *last, *next_train;
    uint32_t count, class;
} block;

typedef struct {
    block *first;
    uint32_t count;
} shelf;

// Blocks of one class on the way to one home.
typedef struct {
    block *first, *last;
    uint32_t count;
    uint16_t home, class;
} train;

struct ft_pool_lease {
    shelf shelves[CLASSES];
    ft_atomic_i64 bytes;  // On the shelves; written by the owner.
    uint32_t trains_used;
    train trains[TRAINS];
};

static pthread_mutex_t global_lock = PTHREAD_MUTEX_INITIALIZER;  // Guards the next two.
static shelf global[CLASSES];
static ft_atomic_i64 global_bytes;

static void add_bytes(ft_atomic_i64 *bytes, int64_t more)
{
    // Relaxed: one writer at a time; others read for reports.
    ft_atomic_store(bytes, ft_atomic_load(bytes, FT_RELAXED) + more, FT_RELAXED);
}

// ---- the global shelf ----

static void free_chain(block *first)
{
    for (block *next; first; first = next) {
        next = first->next;
        ft_free_raw(first);
    }
}

// Takes a chain of blocks.
static void global_put(block *first, block *last, uint32_t count, uint32_t class)
{
    int64_t bytes = (int64_t)(count * class_bytes(class));

    pthread_mutex_lock(&global_lock);
    bool kept = ft_atomic_load(&global_bytes, FT_RELAXED) + bytes <= FT_POOL_SHELF_BYTES;
    if (kept) {
        last->next = global[class].first;
        global[class].first = first;
        global[class].count += count;
        add_bytes(&global_bytes, bytes);
    }
    pthread_mutex_unlock(&global_lock);
    if (!kept) {
        last->next = NULL;
        free_chain(first);
    }
}

// Moves up to a train's worth to the lease's own shelf.
static void global_take(ft_pool_lease *pool, uint32_t class)
{
    shelf *from = &global[class], *to = &pool->shelves[class];
    uint32_t most = (uint32_t)(TRAIN_BYTES / class_bytes(class));
    uint32_t count = 0;

    // Relaxed: nothing is lost by not seeing what comes now.
    if (ft_atomic_load(&global_bytes, FT_RELAXED) == 0)
        return;
    if (most > TRAIN_BLOCKS)
        most = TRAIN_BLOCKS;
    pthread_mutex_lock(&global_lock);
    while (from->first && count < most + (most == 0)) {
        block *taken = from->first;
        from->first = taken->next;
        taken->next = to->first;
        to->first = taken;
        count++;
    }
    from->count -= count;
    add_bytes(&global_bytes, -(int64_t)(count * class_bytes(class)));
    pthread_mutex_unlock(&global_lock);
    to->count += count;
    add_bytes(&pool->bytes, (int64_t)(count * class_bytes(class)));
}

void ft_pool_trim(void)
{
    for (uint32_t i = 0; i < CLASSES; i++) {
        pthread_mutex_lock(&global_lock);
        block *first = global[i].first;
        add_bytes(&global_bytes, -(int64_t)(global[i].count * class_bytes(i)));
        global[i] = (shelf){0};
        pthread_mutex_unlock(&global_lock);
        free_chain(first);
    }
}

int64_t ft_pool_shelf_bytes(void)
{
    return ft_atomic_load(&global_bytes, FT_RELAXED);
}

int64_t ft_pool_lease_bytes(const ft_lease *lease)
{
    // Acquire pairs with the release in own_pool.
    ft_pool_lease *pool = ft_atomic_load(&lease->pool, FT_ACQUIRE);

    return pool ? ft_atomic_load(&pool->bytes, FT_RELAXED) : 0;
}

// ---- a lease's own shelves ----

// NULL without memory: then nothing is kept. It stays with the lease's id for good.
static ft_pool_lease *own_pool(void)
{
    ft_lease *lease = ft_lease_current();
    ft_pool_lease *pool = ft_atomic_load(&lease->pool, FT_RELAXED);

    if (FT_LIKELY(pool != NULL))
        return pool;
    pool = ft_alloc_raw(sizeof(*pool), FT_LEASE_LINE_BYTES);
    if (pool) {
        memset(pool, 0, sizeof(*pool));
        ft_atomic_store(&lease->pool, pool, FT_RELEASE);
    }
    return pool;
}

// Gives the older half of a shelf away.
static void thin_out(ft_pool_lease *pool, uint32_t class)
{
    shelf *own = &pool->shelves[class];
    uint32_t keep = own->count / 2;
    uint32_t gone = own->count - keep;
    block **cut = &own->first;

    for (uint32_t i = 0; i < keep; i++)
        cut = &(*cut)->next;
    block *first = *cut, *last = first;
    while (last->next)
        last = last->next;
    *cut = NULL;
    own->count = keep;
    add_bytes(&pool->bytes, -(int64_t)(gone * class_bytes(class)));
    global_put(first, last, gone, class);
}

static void put_own(ft_pool_lease *pool, block *first, block *last, uint32_t count, uint32_t class)
{
    shelf *own = &pool->shelves[class];

    last->next = own->first;
    own->first = first;
    own->count += count;
    add_bytes(&pool->bytes, (int64_t)(count * class_bytes(class)));
    while (FT_UNLIKELY(ft_atomic_load(&pool->bytes, FT_RELAXED) > FT_POOL_LEASE_BYTES) &&
           own->count > 0)
        thin_out(pool, class);
}

// ---- home ----

static block *take_returned(ft_lease *lease)
{
    // Relaxed: what comes now is seen the next time.
    if (FT_LIKELY(!ft_atomic_load(&lease->returned, FT_RELAXED)))
        return NULL;
    // Acquire pairs with the release in deliver.
    return ft_atomic_exchange(&lease->returned, NULL, FT_ACQ_REL);
}

static void take_in(ft_lease *lease, ft_pool_lease *pool)
{
    for (block *first = take_returned(lease), *next; first; first = next) {
        next = first->next_train;
        put_own(pool, first, first->last, first->count, first->class);
    }
}

void ft_pool_rescue(ft_lease *home)
{
    for (block *first = take_returned(home), *next; first; first = next) {
        next = first->next_train;
        global_put(first, first->last, first->count, first->class);
    }
}

static bool is_at_home(const ft_lease *home)
{
    return ft_atomic_load(&home->state, FT_SEQ_CST) == FT_LEASE_RUNNING;
}

static void deliver(train *sent)
{
    block *first = sent->first;

    if (sent->count == 0)
        return;
    ft_lease *home = ft_lease_get(sent->home);
    if (!is_at_home(home)) {
        global_put(first, sent->last, sent->count, sent->class);
        sent->count = 0;
        return;
    }
    first->last = sent->last;
    first->count = sent->count;
    first->class = sent->class;
    sent->count = 0;
    void *top = ft_atomic_load(&home->returned, FT_RELAXED);
    do {
        first->next_train = top;
        // Sequentially consistent with the look at the state behind it: the home goes to sleep,
        // then looks at `returned`.
    } while (!ft_atomic_cas_weak(&home->returned, &top, first, FT_SEQ_CST));
    if (FT_UNLIKELY(!is_at_home(home)))
        ft_pool_rescue(home);
}

static void send_home(ft_pool_lease *pool, block *freed, uint32_t class, uint16_t home)
{
    train *to = &pool->trains[(home * 7u + class) % TRAINS];

    if (to->count > 0 && (to->home != home || to->class != class))
        deliver(to);
    freed->next = to->first;
    if (to->count == 0) {
        freed->next = NULL;
        to->last = freed;
        to->home = home;
        to->class = (uint16_t)class;
    }
    to->first = freed;
    to->count++;
    if (to->count >= TRAIN_BLOCKS || to->count * class_bytes(class) >= TRAIN_BYTES)
        deliver(to);
}

// ---- allocation ----

FT_NOINLINE static void *alloc_slow(ft_pool_lease *pool, uint32_t class)
{
    shelf *own = &pool->shelves[class];

    take_in(ft_own.lease, pool);
    if (!own->first)
        global_take(pool, class);
    block *taken = own->first;
    if (!taken)
        return ft_alloc_raw(class_bytes(class), FT_POOL_ALIGNMENT);
    own->first = taken->next;
    own->count--;
    add_bytes(&pool->bytes, -(int64_t)class_bytes(class));
    return taken;
}

void *ft_pool_alloc(size_t size_bytes, uint16_t *out_home)
{
    ft_pool_lease *pool = size_bytes <= FT_POOL_MAX ? own_pool() : NULL;

    *out_home = 0;
    if (!pool)
        return ft_alloc_aligned(size_bytes, FT_POOL_ALIGNMENT);
    if (ft_alloc_must_fail())
        return NULL;
    uint32_t class = class_of(size_bytes);
    shelf *own = &pool->shelves[class];
    block *taken = own->first;
    if (FT_LIKELY(taken != NULL)) {
        own->first = taken->next;
        own->count--;
        add_bytes(&pool->bytes, -(int64_t)class_bytes(class));
    } else {
        taken = alloc_slow(pool, class);
        if (!taken)
            return NULL;
    }
    ft_alloc_count(false);
    *out_home = ft_own.id;
    return taken;
}

void ft_pool_free(void *freed, size_t size_bytes, uint16_t home)
{
    if (!freed)
        return;
    if (home == 0) {
        ft_free(freed);
        return;
    }
    uint32_t class = class_of(size_bytes);
    ft_pool_lease *pool = own_pool();
    ft_alloc_count(true);
    if (!pool)
        ft_free_raw(freed);
    else if (home == ft_own.id)
        put_own(pool, freed, freed, 1, class);
    else
        send_home(pool, freed, class, home);
}

// ---- of the lease ----

void ft_pool_turn_end(ft_lease *lease)
{
    ft_pool_lease *pool = ft_atomic_load(&lease->pool, FT_RELAXED);

    if (pool && FT_UNLIKELY(ft_atomic_load(&lease->returned, FT_RELAXED) != NULL))
        take_in(lease, pool);
}

void ft_pool_detach(ft_lease *lease)
{
    ft_pool_lease *pool = ft_atomic_load(&lease->pool, FT_RELAXED);

    if (!pool)
        return;
    for (uint32_t i = 0; i < TRAINS; i++)
        deliver(&pool->trains[i]);
    take_in(lease, pool);
}

void ft_pool_retire(ft_lease *lease)
{
    ft_pool_lease *pool = ft_atomic_load(&lease->pool, FT_RELAXED);

    if (!pool)
        return;
    ft_pool_detach(lease);
    for (uint32_t i = 0; i < CLASSES; i++)
        while (pool->shelves[i].count > 0)
            thin_out(pool, i);
}

#endif
