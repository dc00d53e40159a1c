// An array that is replaced when it is full. The length is stored behind the item (release), so a
// reader that sees the length finds the item; it checks the index against the array that it has as
// well, since the array and the length are two loads. A reader that began before a growth may see
// the old array: what that says was so when it loaded it. Operations take effect when the length
// changes, so a reader looks at it again behind the item: else it might show what was appended
// behind a pop before that counts, and the next reader would not find it.
#include "runtime/concurrent/shared_list.h"

#include <string.h>

#include "runtime/concurrent/parking.h"
#include "runtime/memory/alloc.h"
#include "runtime/memory/collector.h"

enum { ITEMS_MIN = FT_BOUND(8, 1) };
#ifndef FT_GROWS_EARLY
#define FT_GROWS_EARLY() false  // Chaos builds (tests/chaos) make arrays anew at any append.
#endif

typedef struct {
    int64_t capacity;
    ft_account *account;
    ft_atomic_u64 items[];  // ft_word; NONE behind the end.
} array;

struct ft_list {
    ft_cyclic cyclic;
    ft_atomic_pointer items;  // array; NULL while empty.
    ft_atomic_i64 count;
    int64_t cap;
    ft_account *account;
};

static ft_lock_class list_lock = {.name = "list"};

static size_t array_bytes(int64_t capacity)
{
    return sizeof(array) + (size_t)capacity * sizeof(ft_atomic_u64);
}

static void array_destroy(void *pointer)
{
    array *a = pointer;

    ft_account_release(a->account, (int64_t)array_bytes(a->capacity));
    ft_free(a);
}

static void list_destroy(ft_object *object)
{
    ft_list *list = (ft_list *)(void *)object;
    array *a = ft_atomic_load(&list->items, FT_ACQUIRE);

    for (int64_t i = 0; a && i < a->capacity; i++)
        ft_word_drop(ft_atomic_load(&a->items[i], FT_RELAXED));
    if (a)
        array_destroy(a);
    ft_account_release(list->account, (int64_t)sizeof(*list));
    ft_free(list);
}

static void list_trace(ft_object *object, void (*visit)(ft_object *child, void *host), void *host)
{
    const ft_list *list = (const ft_list *)(const void *)object;
    const array *a = ft_atomic_load(&list->items, FT_ACQUIRE);

    for (int64_t i = 0; a && i < a->capacity; i++) {
        ft_object *child = ft_word_cyclic(ft_atomic_load(&a->items[i], FT_ACQUIRE));
        if (child)
            visit(child, host);
    }
}

static void list_clear(ft_object *object)
{
    array *a = ft_atomic_load(&((ft_list *)(void *)object)->items, FT_ACQUIRE);

    for (int64_t i = 0; a && i < a->capacity; i++)
        ft_word_drop(ft_atomic_exchange(&a->items[i], FT_WORD_NONE, FT_RELAXED));
}

static size_t list_bytes(const ft_object *object)
{
    const array *a = ft_atomic_load(&((const ft_list *)(const void *)object)->items, FT_ACQUIRE);
    return sizeof(ft_list) + (a ? array_bytes(a->capacity) : 0);
}

const ft_object_type ft_list_type = {.name = "list",
                                     .destroy = list_destroy,
                                     .trace = list_trace,
                                     .is_cyclic = true,
                                     .clear = list_clear,
                                     .size_bytes = list_bytes};

ft_list *ft_list_create(int64_t cap, ft_account *account, ft_error *err)
{
    if (!ft_shared_reserve(account, sizeof(ft_list), err))
        return NULL;
    ft_list *list = ft_alloc_zero(1, sizeof(*list));
    if (!list) {
        ft_account_release(account, (int64_t)sizeof(*list));
        ft_ignore(ft_fail_nomem(err, sizeof(*list)));
        return NULL;
    }
    ft_cyclic_init(&list->cyclic, &ft_list_type);
    list->cap = cap;
    list->account = account;
    return list;
}

int64_t ft_list_count(const ft_list *list)
{
    return ft_atomic_load(&list->count, FT_ACQUIRE);
}

bool ft_list_get(const ft_list *list, int64_t index, ft_value *out)
{
    ft_word word = FT_WORD_NONE;

    ft_read_begin();
    do {
        // Acquire pairs with the release of an append: the item is there.
        int64_t count = ft_atomic_load(&list->count, FT_ACQUIRE);
        const array *a = ft_atomic_load(&list->items, FT_ACQUIRE);
        bool inside = index >= 0 && index < count && a && index < a->capacity;
        word = inside ? ft_atomic_load(&a->items[index], FT_ACQUIRE) : FT_WORD_NONE;
    } while (word != FT_WORD_NONE &&
             (ft_atomic_load(&list->count, FT_ACQUIRE) <= index || !ft_word_keep(word, out)));
    ft_read_end();
    return word != FT_WORD_NONE;
}

// Under the lock: room for one more. The old array is to be retired outside of it.
static bool grow(ft_list *list, int64_t count, array **out_old, ft_error *err)
{
    array *old = ft_atomic_load(&list->items, FT_RELAXED);
    int64_t capacity = !old ? ITEMS_MIN : count < old->capacity ? old->capacity : 2 * old->capacity;

    if (!ft_shared_charge(list->account, array_bytes(capacity), err))
        return false;
    array *made = ft_alloc_zero(1, array_bytes(capacity));
    if (!made) {
        ft_account_release(list->account, (int64_t)array_bytes(capacity));
        return ft_fail_nomem(err, array_bytes(capacity));
    }
    made->capacity = capacity;
    made->account = list->account;
    for (int64_t i = 0; old && i < old->capacity; i++)
        ft_atomic_store(&made->items[i], ft_atomic_load(&old->items[i], FT_RELAXED), FT_RELAXED);
    // Release: readers find the items.
    ft_atomic_store(&list->items, made, FT_RELEASE);
    *out_old = old;
    return true;
}

static bool append_locked(ft_list *list, ft_word word, int64_t *out_index, array **out_old,
                          ft_error *err)
{
    int64_t count = ft_atomic_load(&list->count, FT_RELAXED);
    const array *a = ft_atomic_load(&list->items, FT_RELAXED);

    if (count >= list->cap) {
        ft_fail(err, FT_ERROR_LIMIT, "a shared list holds its %lld items already",
                (long long)list->cap);
        ft_hint(err, "Take some out, or give it a larger cap when it is made.");
        return false;
    }
    if ((!a || count == a->capacity || FT_GROWS_EARLY()) && !grow(list, count, out_old, err))
        return false;
    array *now = ft_atomic_load(&list->items, FT_RELAXED);
    ft_atomic_store(&now->items[count], word, FT_RELEASE);
    // Release: who sees the length finds the item.
    ft_atomic_store(&list->count, count + 1, FT_RELEASE);
    *out_index = count;
    return true;
}

static bool append_value(ft_list *list, const ft_value *value, int64_t *out_index, ft_error *err)
{
    array *old = NULL;
    int64_t index = 0;
    ft_word word;

    if (!ft_word_make(value, list->account, &word, err))
        return false;
    ft_lock_acquire(&list->cyclic.object.lock, &list_lock);
    bool ok = append_locked(list, word, &index, &old, err);
    ft_lock_release(&list->cyclic.object.lock);
    ft_object_note_move(&list->cyclic.object);
    if (old)
        ft_retire(old, array_destroy, array_bytes(old->capacity));
    if (!ok)
        ft_word_drop(word);
    if (out_index)
        *out_index = index;
    return ok;
}

bool ft_list_append(ft_list *list, const ft_value *value, int64_t *out_index, ft_error *err)
{
    bool ok = append_value(list, value, out_index, err);

    while (!ok && ft_shared_make_room(list->account, err))
        ok = append_value(list, value, out_index, err);
    return ok;
}

bool ft_list_set(ft_list *list, int64_t index, const ft_value *value, ft_error *err)
{
    ft_word word, old = FT_WORD_NONE;

    if (!ft_word_make(value, list->account, &word, err))
        return false;
    ft_lock_acquire(&list->cyclic.object.lock, &list_lock);
    int64_t count = ft_atomic_load(&list->count, FT_RELAXED);
    array *a = ft_atomic_load(&list->items, FT_RELAXED);
    bool ok = index >= 0 && index < count;
    if (ok)
        old = ft_atomic_exchange(&a->items[index], word, FT_ACQ_REL);
    ft_lock_release(&list->cyclic.object.lock);
    ft_object_note_move(&list->cyclic.object);
    ft_word_retire(ok ? old : FT_WORD_NONE);
    if (ok)
        return true;
    ft_word_drop(word);
    return ft_fail(err, FT_ERROR_DATA, "the list has %lld items: there is none with index %lld",
                   (long long)count, (long long)index);
}

bool ft_list_pop(ft_list *list, ft_value *out)
{
    ft_word word = FT_WORD_NONE;

    ft_lock_acquire(&list->cyclic.object.lock, &list_lock);
    int64_t count = ft_atomic_load(&list->count, FT_RELAXED);
    array *a = ft_atomic_load(&list->items, FT_RELAXED);
    if (count > 0) {
        ft_atomic_store(&list->count, count - 1, FT_RELEASE);
        word = ft_atomic_exchange(&a->items[count - 1], FT_WORD_NONE, FT_ACQ_REL);
    }
    ft_lock_release(&list->cyclic.object.lock);
    if (word == FT_WORD_NONE)
        return false;
    ft_object_note_move(&list->cyclic.object);
    *out = ft_word_borrow(word);
    if (ft_value_has_object(out->kind))
        ft_object_ref(out->object);
    ft_word_retire(word);
    return true;
}
