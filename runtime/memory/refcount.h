// Shared ownership: the header of every counted object, and the two operations on it.
//
// Stages never see the header's fields: they call ft_batch_ref, ft_tensor_unref and so on, which
// end here. So the way of counting can change (owner-biased counts, immortal objects) without a
// stage noticing.
#pragma once

#include "runtime/concurrent/atomic.h"

typedef struct ft_object ft_object;

typedef struct ft_object_type {
    const char *name;
    void (*destroy)(
        ft_object *object);  // Called once, by whoever drops the last reference, on that thread.
} ft_object_type;

struct ft_object {
    ft_atomic_u32 count;
    uint32_t flags;  // FT_OBJECT_IMMORTAL or 0.
    const ft_object_type *type;
};

enum { FT_OBJECT_IMMORTAL = 1 };  // Never counted, never destroyed: lives in an arena.

static inline void ft_object_init(ft_object *object, const ft_object_type *type)
{
    ft_atomic_store(&object->count, 1, FT_RELAXED);
    object->flags = 0;
    object->type = type;
}

static inline void ft_object_ref(ft_object *object)
{
    // Relaxed: the caller holds a reference, so nothing is published by this one.
    if (!(object->flags & FT_OBJECT_IMMORTAL))
        ft_atomic_add(&object->count, 1, FT_RELAXED);
}

static inline void ft_object_unref(ft_object *object)
{
    if (object->flags & FT_OBJECT_IMMORTAL)
        return;
    // Release pairs with the acquire of whoever comes to 1 last: it must see all writes made under
    // other references.
    if (ft_atomic_sub(&object->count, 1, FT_ACQ_REL) == 1)
        object->type->destroy(object);
}

// True when the caller's reference is the only one, so that it may write in place.
static inline bool ft_object_is_unique(const ft_object *object)
{
    // Acquire pairs with the release in unref: writes made before the other references went are
    // visible.
    return !(object->flags & FT_OBJECT_IMMORTAL) && ft_atomic_load(&object->count, FT_ACQUIRE) == 1;
}
