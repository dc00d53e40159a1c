// The slow paths of counting: whatever is not the owner's own.
//
// Orders: taking a reference is relaxed (the taker holds one), dropping one is acquire and release
// (who finds the object dead must see what was written under the other references).
//
// Two rules that were bugs elsewhere: `local` and `owner` are written before the compare-and-swap
// that makes the object merged, since from then on somebody else may free it (cpython#119999,
// #121794); and an object that may be in a queue is never made immortal (cpython#152276).
#include "runtime/memory/refcount.h"

#include <string.h>

#include "runtime/error.h"
#include "runtime/memory/alloc.h"

enum { PENDING_INSIDE = 64, COUNT_MAX = 1 << 30 };

static ft_atomic_pointer collector;  // const ft_object_collector *

void ft_object_set_collector(const ft_object_collector *given)
{
    // Release pairs with the acquire in get_collector.
    ft_atomic_store(&collector, (void *)(uintptr_t)given, FT_RELEASE);
}

static const ft_object_collector *get_collector(void)
{
    return ft_atomic_load(&collector, FT_ACQUIRE);
}

uint32_t ft_object_new_owner(void)
{
    ft_lease_current();
    return ft_own.new_owner;
}

// Every locked operation on a header is counted, so that a test can prove that there was none.
static void count_rmw(void)
{
    ft_lease *lease = ft_own.lease;

    // Relaxed: one writer.
    if (lease)
        ft_atomic_store(&lease->header_rmws, ft_atomic_load(&lease->header_rmws, FT_RELAXED) + 1,
                        FT_RELAXED);
}

static bool change_shared(ft_object *object, uint64_t *old, uint64_t changed)
{
    count_rmw();
    return ft_atomic_cas_weak(&object->shared, old, changed, FT_ACQ_REL);
}

static uint64_t flags_of(uint64_t word)
{
    return word & FT_SHARED_FLAGS;
}

// The word with another count and flags; `seq` goes on.
static uint64_t word_with(uint64_t word, int32_t count, uint64_t flags)
{
    uint64_t counts = (uint64_t)(uint32_t)count << 2 | flags;

    return ((word & ~FT_SHARED_COUNTS) + FT_SHARED_SEQ_ONE) | counts;
}

void ft_object_destroy(ft_object *object)
{
    const ft_object_collector *hooks = object->type->is_cyclic ? get_collector() : NULL;

    if (hooks)
        hooks->dead(object);
    else
        object->type->destroy(object);
}

// ---- taking ----

// So many references that something is wrong: it leaks rather than wraps. Nobody counts it any
// more; those that are about to are few against what is missing to 0.
static void saturate(ft_object *object)
{
    ft_atomic_store(&object->owner, FT_OWNER_NONE, FT_RELAXED);
    ft_atomic_store(&object->local, FT_LOCAL_IMMORTAL, FT_RELAXED);
}

void ft_object_ref_slow(ft_object *object)
{
    uint64_t word = ft_atomic_load(&object->shared, FT_RELAXED);

    if (ft_atomic_load(&object->owner, FT_RELAXED) == ft_own.id) {
        saturate(object);  // The owner's own count is full.
        return;
    }
    if (FT_LIKELY(flags_of(word) == FT_SHARED_MERGED)) {
        // Merged for good, and the count is positive: no carry.
        count_rmw();
        word = ft_atomic_add(&object->shared, FT_SHARED_SEQ_ONE + FT_SHARED_ONE, FT_RELAXED);
        if (FT_UNLIKELY(ft_shared_count(word) >= COUNT_MAX))
            saturate(object);
        return;
    }
    while (
        !change_shared(object, &word, word_with(word, ft_shared_count(word) + 1, flags_of(word))))
        continue;
}

bool ft_object_try_ref(ft_object *object)
{
    if (ft_object_is_immortal(object))
        return true;
    // Acquire: what its maker wrote is visible.
    uint64_t word = ft_atomic_load(&object->shared, FT_ACQUIRE);
    do {
        if (flags_of(word) != FT_SHARED_MERGED || ft_shared_count(word) <= 0)
            return false;
    } while (!change_shared(object, &word,
                            word_with(word, ft_shared_count(word) + 1, FT_SHARED_MERGED)));
    if (FT_UNLIKELY(ft_shared_count(word) >= COUNT_MAX))
        saturate(object);
    return true;
}

void ft_object_note_move(ft_object *object)
{
    if (!object->type->is_cyclic || ft_object_is_immortal(object) ||
        ft_atomic_load(&object->owner, FT_RELAXED) != FT_OWNER_NONE)
        return;
    count_rmw();
    // Release: pairs with the collector's acquire of the word, before it reads the fields. The
    // acquire keeps what the caller does with a reference that it took out behind this.
    ft_atomic_add(&object->shared, FT_SHARED_SEQ_ONE, FT_ACQ_REL);
}

// ---- dropping ----

// What a drop that leaves `count` references makes of the word. A merged cyclic object becomes a
// candidate in the same step: with two, somebody else could free it in between (scheme-rs#328).
static uint64_t dropped_word(const ft_object *object, uint64_t word, int32_t count, uint64_t flags,
                             bool *candidate)
{
    uint64_t changed = word_with(word, count, flags);

    *candidate = flags == FT_SHARED_MERGED && count > 0 && object->type->is_cyclic &&
                 !(word & FT_SHARED_BUFFERED) && get_collector() != NULL;
    return *candidate ? changed | FT_SHARED_BUFFERED : changed;
}

static void note_candidate(ft_object *object)
{
    get_collector()->candidate(object);
}

// Nobody else has it, and nobody can have borrowed it.
static bool is_sole(const ft_object *object, uint64_t word)
{
    return (word & FT_SHARED_COUNTS) == (FT_SHARED_ONE | FT_SHARED_MERGED) &&
           !object->type->is_cyclic &&
           !(ft_atomic_load(&object->gc, FT_RELAXED) & FT_OBJECT_PUBLISHED);
}

// `owner` says merged; the flags may say so a moment later, and until then it is for the old owner
// to find it dead. True when it is dead here.
static bool drop_merged(ft_object *object)
{
    // Acquire pairs with the release of the others' drops.
    uint64_t word = ft_atomic_load(&object->shared, FT_ACQUIRE);
    bool candidate;
    int32_t count;

    if (is_sole(object, word))
        return true;  // No locked operation.
    if (!object->type->is_cyclic) {
        count_rmw();
        word = ft_atomic_sub(&object->shared, FT_SHARED_ONE, FT_ACQ_REL);
        return (word & FT_SHARED_COUNTS) == (FT_SHARED_ONE | FT_SHARED_MERGED);
    }
    do {
        count = ft_shared_count(word) - 1;
    } while (!change_shared(object, &word,
                            dropped_word(object, word, count, flags_of(word), &candidate)));
    if (candidate)
        note_candidate(object);
    // What is BUFFERED is destroyed by whoever takes that bit away. It is told from the word that
    // this step replaced: a moment later the object may be gone.
    return count == 0 && flags_of(word) == FT_SHARED_MERGED && !(word & FT_SHARED_BUFFERED);
}

// A drop of another lease's private object. True when it was merged meanwhile and is dead.
static bool drop_foreign(ft_object *object, uint32_t owner)
{
    uint64_t word = ft_atomic_load(&object->shared, FT_ACQUIRE);
    uint64_t changed;
    bool queue;

    do {
        if (flags_of(word) == FT_SHARED_MERGED)
            return drop_merged(object);
        // The first one does not count down: the queue holds the reference from here.
        queue = (word & FT_SHARED_COUNTS) == 0;
        changed = queue ? word_with(word, 0, FT_SHARED_QUEUED)
                        : word_with(word, ft_shared_count(word) - 1, flags_of(word));
    } while (!change_shared(object, &word, changed));
    if (queue) {
        ft_lease *own = ft_own.lease;
        if (own)  // Relaxed: one writer, for reports.
            ft_atomic_store(&own->strays_sent, ft_atomic_load(&own->strays_sent, FT_RELAXED) + 1,
                            FT_RELAXED);
        ft_lease_queue_stray(owner, object);
    }
    return false;
}

void ft_object_unref_slow(ft_object *object)
{
    uint32_t owner = ft_atomic_load(&object->owner, FT_RELAXED);

    if (owner == FT_OWNER_NONE ? drop_merged(object) : drop_foreign(object, owner))
        ft_object_destroy(object);
}

// ---- merging ----

// The caller is the owner or acts for it; `local` references are added to those in `shared`.
// `drops`: one was dropped, so what is left may be a candidate. Returns how many are left.
static int32_t merge(ft_object *object, int32_t local, bool drops)
{
    uint64_t word = ft_atomic_load(&object->shared, FT_ACQUIRE);
    uint64_t changed;
    bool candidate = false;
    int32_t count;

    // Before the exchange: behind it the object may be gone.
    ft_atomic_store(&object->owner, FT_OWNER_NONE, FT_RELAXED);
    ft_atomic_store(&object->local, 0, FT_RELAXED);
    do {
        count = ft_shared_count(word) + local;
        changed = drops ? dropped_word(object, word, count, FT_SHARED_MERGED, &candidate)
                        : word_with(word, count, FT_SHARED_MERGED);
    } while (!change_shared(object, &word, changed));
    if (candidate)
        note_candidate(object);
    return count;
}

void ft_object_unref_last(ft_object *object)
{
    // Acquire pairs with the release of foreign drops. Never shared: no locked operation at all.
    if (FT_LIKELY((ft_atomic_load(&object->shared, FT_ACQUIRE) & FT_SHARED_COUNTS) == 0))
        object->type->destroy(object);
    else if (merge(object, 0, true) == 0)
        ft_object_destroy(object);
}

bool ft_object_merge_stray(ft_object *object)
{
    uint32_t local = ft_atomic_load(&object->local, FT_RELAXED);

    if (local == FT_LOCAL_IMMORTAL)  // It saturated.
        return false;
    if (ft_atomic_load(&object->owner, FT_RELAXED) == FT_OWNER_NONE)
        return drop_merged(object);
    return merge(object, (int32_t)local - 1, true) == 0;
}

// The owner's: its count becomes the merged one.
static void merge_own(ft_object *object)
{
    uint32_t local = ft_atomic_load(&object->local, FT_RELAXED);
    uint64_t word = ft_atomic_load(&object->shared, FT_ACQUIRE);

    if (local >= COUNT_MAX) {
        // No count of a merged object is so high, and nobody else counts it yet or it leaks anyway.
        saturate(object);
    } else if (local == 1 && (word & FT_SHARED_COUNTS) == 0) {
        // The caller's reference is the only one: nobody else can reach it.
        ft_atomic_store(&object->owner, FT_OWNER_NONE, FT_RELAXED);
        ft_atomic_store(&object->local, 0, FT_RELAXED);
        ft_atomic_store(&object->shared, word_with(word, 1, FT_SHARED_MERGED), FT_RELAXED);
    } else {
        merge(object, (int32_t)local, false);
    }
}

// ---- from lease to lease ----

// Objects whose children are still to be visited: no recursion, as long as there is memory.
typedef struct {
    ft_object **items;
    size_t count, room;
    void (*expand)(ft_object *object);  // Without memory: does one at once, on the C stack.
    ft_object *inside[PENDING_INSIDE];
} pending;

static void pending_add(pending *list, ft_object *object)
{
    if (!object->type->trace)
        return;
    if (list->count == list->room) {
        ft_object **more = ft_alloc_array(2 * list->room, sizeof(*more));
        if (!more) {
            list->expand(object);
            return;
        }
        memcpy((void *)more, (void *)list->items, list->count * sizeof(*more));
        if (list->items != list->inside)
            ft_free((void *)list->items);
        list->items = more;
        list->room *= 2;
    }
    list->items[list->count++] = object;
}

// Visits the children of `root`, and of all that `visit` adds.
static void walk(ft_object *root, void (*visit)(ft_object *child, void *host),
                 void (*expand)(ft_object *object))
{
    pending list = {.room = PENDING_INSIDE, .expand = expand};

    list.items = list.inside;
    pending_add(&list, root);
    while (list.count > 0) {
        ft_object *object = list.items[--list.count];
        object->type->trace(object, visit, &list);
    }
    if (list.items != list.inside)
        ft_free((void *)list.items);
}

static bool is_own(const ft_object *object)
{
    return ft_atomic_load(&object->owner, FT_RELAXED) == ft_own.id &&
           !ft_object_is_immortal(object);
}

static void publish_children(ft_object *object);

// True when its children are to be published too: once for each object.
static bool publish_one(ft_object *object)
{
    uint32_t owner = ft_atomic_load(&object->owner, FT_RELAXED);
    unsigned gc = ft_atomic_load(&object->gc, FT_RELAXED);

    if (ft_object_is_immortal(object) || (gc & FT_OBJECT_PUBLISHED) ||
        (owner != ft_own.id && owner != FT_OWNER_NONE))  // A stray: its owner will merge it.
        return false;
    if (owner == FT_OWNER_NONE) {
        count_rmw();
        ft_atomic_or(&object->gc, FT_OBJECT_PUBLISHED, FT_RELAXED);
    } else {  // Relaxed, plain: nobody else touches a private object's byte.
        ft_atomic_store(&object->gc, (uint8_t)(gc | FT_OBJECT_PUBLISHED), FT_RELAXED);
        merge_own(object);
    }
    return true;
}

static void publish_visit(ft_object *child, void *host)
{
    if (publish_one(child))
        pending_add(host, child);
}

static void publish_children(ft_object *object)
{
    walk(object, publish_visit, publish_children);
}

void ft_object_publish(ft_object *object)
{
    if (publish_one(object) && object->type->trace)
        publish_children(object);
}

// Merges what others share with the receiver, without calling it published.
static void share_children(ft_object *object);

static void share_visit(ft_object *child, void *host)
{
    if (is_own(child)) {
        merge_own(child);
        pending_add(host, child);
    }
}

static void share_children(ft_object *object)
{
    walk(object, share_visit, share_children);
}

bool ft_object_pass_one(ft_object *object)
{
    if (ft_object_is_unique(object))
        return true;
    if (is_own(object))
        merge_own(object);
    // Also when it was merged before: it may have got private children while it was unique. Not
    // for cyclic ones, which publish what is put into them.
    if (object->type->trace && !object->type->is_cyclic)
        share_children(object);
    return false;
}

static void hand_over_children(ft_object *object);

static void hand_over_visit(ft_object *child, void *host)
{
    if (ft_object_pass_one(child))
        pending_add(host, child);
}

static void hand_over_children(ft_object *object)
{
    walk(object, hand_over_visit, hand_over_children);
}

void ft_object_hand_over(ft_object *object)
{
    if (ft_object_pass_one(object) && object->type->trace)
        hand_over_children(object);
}

static void set_owner(ft_object *object, uint64_t word, uint32_t owner)
{
    bool merged = owner == FT_OWNER_NONE;

    ft_atomic_store(&object->owner, (uint16_t)owner, FT_RELAXED);
    ft_atomic_store(&object->local, merged ? 0 : 1, FT_RELAXED);
    ft_atomic_store(&object->shared, word_with(word, merged, merged ? FT_SHARED_MERGED : 0),
                    FT_RELAXED);
}

bool ft_object_take_one(ft_object *object)
{
    uint32_t local = ft_atomic_load(&object->local, FT_RELAXED);
    uint32_t owner = ft_atomic_load(&object->owner, FT_RELAXED);
    uint32_t becomes = ft_own.new_owner;

    if (FT_UNLIKELY(becomes == FT_LEASE_NO_ID))
        becomes = ft_object_new_owner();
    if (local > 1 || (owner == becomes && owner != FT_OWNER_NONE))  // Shared, immortal, own.
        return false;
    // Acquire pairs with the release of the drops before the last one.
    uint64_t word = ft_atomic_load(&object->shared, FT_ACQUIRE);
    if (owner == FT_OWNER_NONE) {
        if (becomes != FT_OWNER_NONE && is_sole(object, word))
            set_owner(object, word, becomes);
        return (word & FT_SHARED_COUNTS) == (FT_SHARED_ONE | FT_SHARED_MERGED);
    }
    if ((word & FT_SHARED_COUNTS) != 0)
        return false;
    set_owner(object, word, becomes);  // The caller holds the only reference: plain stores.
    return true;
}

static void receive_children(ft_object *object);

static void receive_visit(ft_object *child, void *host)
{
    if (ft_object_take_one(child))
        pending_add(host, child);
}

static void receive_children(ft_object *object)
{
    walk(object, receive_visit, receive_children);
}

void ft_object_receive(ft_object *object)
{
    if (ft_object_take_one(object) && object->type->trace)
        receive_children(object);
}
