// Shared ownership: the header of every counted object, and the operations on it.
//
// Biased counts (Choi, Shull, Torrellas, PACT 2018; CPython's free-threaded build). An object is
// either private to one lease, which counts in `local` with plain loads and stores, or merged:
// `owner` is FT_OWNER_NONE and everybody counts in `shared` with locked operations. It is made
// private and becomes merged once and for good when it is published.
//
// What is reachable from one lease only may be private (I1). Three ways lead from lease to lease:
//   hand over, receive   down a queue: what has a single reference changes its owner, without any
//                        locked operation; the rest is published
//   publish              into a place that several may read
//   a stray              any other way (a plug-in): correct but slow. The first foreign drop queues
//                        the object for its owner, who merges it (runtime/system/lease.h).
//
// The word `shared` is the sum of what others did: references taken less references dropped, so it
// may be negative while `local` covers it. An object is dead when `local` + `shared` is 0; only the
// owner or, once merged, whoever brings `shared` to 0 can find that out.
//
// Stages never see these fields: they call ft_batch_ref, ft_tensor_unref and so on.
#pragma once

#include "runtime/concurrent/atomic.h"
#include "runtime/system/lease.h"

typedef struct ft_object ft_object;

typedef struct ft_object_type {
    const char *name;
    // The last reference is gone. Called once, on any thread, never inside a read section.
    void (*destroy)(ft_object *object);
    // Calls `visit(child, host)` for every reference that it holds. NULL: none. Of a cyclic type:
    // for those on cyclic objects only, and it may be called inside a read section while others
    // change the object; so it touches nothing whose memory may go without a grace period.
    void (*trace)(ft_object *object, void (*visit)(ft_object *child, void *host), void *host);
    // May be part of a cycle: dropping it may make it the collector's candidate. Such objects begin
    // with an ft_cyclic (runtime/memory/collector.h) and are shared from the start.
    bool is_cyclic;
    // Of cyclic types. `clear` drops all references that it holds; nobody else holds the object,
    // but `trace` may still be reading it. `size_bytes`: what destroying it gives back, about.
    void (*clear)(ft_object *object);
    size_t (*size_bytes)(const ft_object *object);
} ft_object_type;

struct ft_object {
    ft_atomic_u32 local;   // Of the owner alone, plain. FT_LOCAL_IMMORTAL: never counted; no owner.
    ft_atomic_u16 owner;   // Id of a lease, or FT_OWNER_NONE: merged.
    ft_atomic_u8 gc;       // FT_OBJECT_PUBLISHED; the other bits are the collector's.
    ft_atomic_u8 lock;     // A parking byte lock (runtime/concurrent/lock.h).
    ft_atomic_u64 shared;  // seq:28 | tentative | buffered | count:32 signed | flags:2. By RMW.
    const ft_object_type *type;
};

enum {
    FT_OWNER_NONE = 0,
    // In `gc`: others may have borrowed it, so it can never be private again.
    FT_OBJECT_PUBLISHED = 1,
};
#define FT_LOCAL_IMMORTAL UINT32_MAX

// The parts of `shared`. Flags: none, (weak: not used), queued, merged. `seq` counts the changes of
// a cyclic merged object, for the collector. Increments of a count that is not negative never carry
// into it; the bits above the count mean something for cyclic types only, whose unmerged words are
// changed by compare-and-swap part by part.
#define FT_SHARED_QUEUED ((uint64_t)2)
#define FT_SHARED_MERGED ((uint64_t)3)
#define FT_SHARED_FLAGS ((uint64_t)3)
#define FT_SHARED_ONE ((uint64_t)1 << 2)
#define FT_SHARED_COUNTS (((uint64_t)1 << 34) - 1)  // Count and flags.
#define FT_SHARED_BUFFERED ((uint64_t)1 << 34)      // In a buffer of candidates.
#define FT_SHARED_TENTATIVE ((uint64_t)1 << 35)     // Under the collector's suspicion.
#define FT_SHARED_SEQ_ONE ((uint64_t)1 << 36)

static inline int32_t ft_shared_count(uint64_t word)
{
    return (int32_t)(uint32_t)((word & FT_SHARED_COUNTS) >> 2);
}

// ---- slow paths: refcount.c ----

void ft_object_ref_slow(ft_object *object);
void ft_object_unref_slow(ft_object *object);  // Not the owner's last one only: any other.
void ft_object_unref_last(ft_object *object);  // The owner's own count comes to 0.
uint32_t ft_object_new_owner(void);

// ---- life ----

// With one reference, merged from the start: for what several leases hold by nature.
static inline void ft_object_init_shared(ft_object *object, const ft_object_type *type)
{
    // Relaxed: the object is not reachable yet.
    ft_atomic_store(&object->local, 0, FT_RELAXED);
    ft_atomic_store(&object->owner, FT_OWNER_NONE, FT_RELAXED);
    ft_atomic_store(&object->gc, FT_OBJECT_PUBLISHED, FT_RELAXED);
    ft_atomic_store(&object->lock, 0, FT_RELAXED);
    ft_atomic_store(&object->shared, FT_SHARED_ONE | FT_SHARED_MERGED, FT_RELAXED);
    object->type = type;
}

// With one reference, private to the calling lease (merged while ft_lease_create_merged).
static inline void ft_object_init(ft_object *object, const ft_object_type *type)
{
    uint32_t owner = ft_own.new_owner;

    if (FT_UNLIKELY(owner == FT_LEASE_NO_ID))
        owner = ft_object_new_owner();
    ft_object_init_shared(object, type);
    ft_atomic_store(&object->gc, 0, FT_RELAXED);
    if (FT_LIKELY(owner != FT_OWNER_NONE)) {
        ft_atomic_store(&object->local, 1, FT_RELAXED);
        ft_atomic_store(&object->owner, (uint16_t)owner, FT_RELAXED);
        ft_atomic_store(&object->shared, 0, FT_RELAXED);
    }
}

// Never counted, never destroyed, never written: for what lives in an arena that is dropped as a
// whole.
static inline void ft_object_init_immortal(ft_object *object, const ft_object_type *type)
{
    ft_object_init_shared(object, type);
    ft_atomic_store(&object->local, FT_LOCAL_IMMORTAL, FT_RELAXED);
}

static inline void ft_object_ref(ft_object *object)
{
    // Relaxed: the caller holds a reference, so nothing is published by this one.
    uint32_t local = ft_atomic_load(&object->local, FT_RELAXED);

    // An immortal one has no owner.
    if (FT_LIKELY(ft_atomic_load(&object->owner, FT_RELAXED) == ft_own.id &&
                  local < FT_LOCAL_IMMORTAL - 1))
        ft_atomic_store(&object->local, local + 1, FT_RELAXED);
    else if (local != FT_LOCAL_IMMORTAL)
        ft_object_ref_slow(object);
}

static inline void ft_object_unref(ft_object *object)
{
    uint32_t local = ft_atomic_load(&object->local, FT_RELAXED);

    if (FT_LIKELY(ft_atomic_load(&object->owner, FT_RELAXED) == ft_own.id)) {
        if (FT_LIKELY(local > 1))
            ft_atomic_store(&object->local, local - 1, FT_RELAXED);
        else
            ft_object_unref_last(object);
    } else if (local != FT_LOCAL_IMMORTAL) {
        ft_object_unref_slow(object);
    }
}

// True when the caller's reference is the only one, so that it may write in place. False for
// another lease's private object: it was not received.
static inline bool ft_object_is_unique(const ft_object *object)
{
    uint32_t local = ft_atomic_load(&object->local, FT_RELAXED);
    uint32_t owner = ft_atomic_load(&object->owner, FT_RELAXED);
    // Acquire pairs with the release of other drops: writes made before them are visible.
    uint64_t counts = ft_atomic_load(&object->shared, FT_ACQUIRE) & FT_SHARED_COUNTS;

    if (owner == ft_own.id)
        return local == 1 && counts == 0;
    return owner == FT_OWNER_NONE && local == 0 && counts == (FT_SHARED_ONE | FT_SHARED_MERGED);
}

// Neither counts nor writes.
static inline bool ft_object_is_immortal(const ft_object *object)
{
    return ft_atomic_load(&object->local, FT_RELAXED) == FT_LOCAL_IMMORTAL;
}

// ---- from lease to lease ----

// Before it is stored where another lease can reach it: merges it, and all private objects that it
// leads to.
void ft_object_publish(ft_object *object);
// Before it goes into a queue whose taker calls ft_object_receive; the caller's reference goes with
// it. Objects with a single reference, and what they alone lead to, are left as they are: the
// receiver takes them over. The others are published.
void ft_object_hand_over(ft_object *object);
// After it came out of the queue: what has a single reference becomes the caller's by plain stores
// (merged ones too, unless they were published; or merged, while ft_lease_create_merged). Writes
// nothing when it comes back to the same lease.
void ft_object_receive(ft_object *object);

// The two for one object without its children, for who walks them itself. _pass: true when it has a
// single reference; else it and its children are published. _take: as above; false when what it
// leads to needs no look, since it did not change hands.
bool ft_object_pass_one(ft_object *object);
bool ft_object_take_one(ft_object *object);

// Inside a read section: turns a borrowed pointer into a reference. False when it is dying. Merged
// (or immortal) objects only.
bool ft_object_try_ref(ft_object *object) FT_MUST_CHECK;
// The fields of `object`, which is merged, have changed. To be called behind the change, before
// what came out of a field goes anywhere else, and while the caller holds a counted reference on
// `object` that is not the one it moves (runtime/memory/collector.h says why).
void ft_object_note_move(ft_object *object);

// ---- the cycle collector's side ----

typedef struct ft_object_collector {
    // A drop left references of a cyclic object, and set FT_SHARED_BUFFERED in the same step; the
    // memory stays until the collector clears it.
    void (*candidate)(ft_object *object);
    // The last reference of a cyclic object that is not BUFFERED is gone. Destroys it when no
    // reader can hold it.
    void (*dead)(ft_object *object);
} ft_object_collector;
// Before any cyclic object is shared. Without one they are destroyed at once and cycles leak.
void ft_object_set_collector(const ft_object_collector *collector);

// ---- of lease.c ----

// The caller acts for the owner. True when the object is dead: ft_object_destroy it.
bool ft_object_merge_stray(ft_object *object);
void ft_object_destroy(ft_object *object);
