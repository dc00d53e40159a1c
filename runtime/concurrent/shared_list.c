// Chunks of items, each as large as all before it, so that items never move: growing copies nothing
// and holds nobody up, and what has been found stays where it is. (Dechev, Pirkelbauer and
// Stroustrup, OPODIS 2006; oneTBB's concurrent_vector.)
//
// The list's length is the number of items in front of the first NONE: an append happens when its
// item is stored, a pop when NONE is, both under the lock. So a reader looks at nothing but the
// chunk (acquire) and the item (acquire), and shares no line with what appending writes. `count` is
// the writers' own and at most one behind: it is raised after the item is stored, and lowered
// before it is taken out. Replacing an item is one compare-and-swap, refused where NONE is.
#include "runtime/concurrent/shared_list.h"

#include "runtime/concurrent/parking.h"
#include "runtime/memory/alloc.h"
#include "runtime/memory/collector.h"

enum { CHUNK_SHIFT = FT_BOUND(3, 0), CHUNK_FIRST = 1 << CHUNK_SHIFT, CHUNKS = 40, LINE_BYTES = 64 };

struct ft_list {
    ft_cyclic cyclic;
    ft_atomic_i64 count;  // Changed under the lock, and beside it.
    int64_t cap;
    ft_account *account;
    char padding[LINE_BYTES];
    ft_atomic_pointer chunks[CHUNKS];  // ft_atomic_u64[CHUNK_FIRST << i] of words.
};

static ft_lock_class list_lock = {.name = "list"};

static size_t chunk_items(size_t chunk)
{
    return (size_t)CHUNK_FIRST << chunk;
}

static size_t chunk_bytes(size_t chunk)
{
    return chunk_items(chunk) * sizeof(ft_atomic_u64);
}

// The chunk of an index, and where it stands in it.
static inline size_t chunk_of(uint64_t index, uint64_t *out_at)
{
    uint64_t from_first = index + CHUNK_FIRST;
    unsigned top = 63u - FT_LEADING_ZEROS_64(from_first);

    *out_at = from_first - ((uint64_t)1 << top);
    return top - CHUNK_SHIFT;
}

// NULL: there is none so far out.
static inline ft_atomic_u64 *item_at(const ft_list *list, int64_t index)
{
    uint64_t at;

    if (FT_UNLIKELY((uint64_t)index >= chunk_items(CHUNKS) - CHUNK_FIRST))
        return NULL;
    // Acquire pairs with the release of whoever made the chunk.
    ft_atomic_u64 *items =
        ft_atomic_load(&list->chunks[chunk_of((uint64_t)index, &at)], FT_ACQUIRE);
    return items ? &items[at] : NULL;
}

// The word there, or NONE.
static inline ft_word word_at(const ft_list *list, int64_t index)
{
    const ft_atomic_u64 *item = item_at(list, index);

    // Acquire pairs with the release of whoever put it there.
    return FT_LIKELY(item != NULL) ? ft_atomic_load(item, FT_ACQUIRE) : FT_WORD_NONE;
}

// ---- life ----

static void list_destroy(ft_object *object)
{
    ft_list *list = (ft_list *)(void *)object;

    for (size_t i = 0; i < CHUNKS; i++) {
        ft_atomic_u64 *items = ft_atomic_load(&list->chunks[i], FT_ACQUIRE);
        if (!items)
            break;
        // Not beyond the last: pages that were never touched are not there.
        for (size_t k = 0; k < chunk_items(i); k++) {
            ft_word word = ft_atomic_load(&items[k], FT_RELAXED);
            if (word == FT_WORD_NONE)
                break;
            ft_word_drop(word);
        }
        ft_account_release(list->account, (int64_t)chunk_bytes(i));
        ft_free(items);
    }
    ft_account_release(list->account, (int64_t)sizeof(*list));
    ft_free(list);
}

static void list_trace(ft_object *object, void (*visit)(ft_object *child, void *host), void *host)
{
    const ft_list *list = (const ft_list *)(const void *)object;
    const ft_atomic_u64 *items;

    // Acquire pairs with the release of whoever made the chunk, and of whoever put the item there.
    for (size_t i = 0; i < CHUNKS && (items = ft_atomic_load(&list->chunks[i], FT_ACQUIRE)); i++)
        for (size_t k = 0; k < chunk_items(i); k++) {
            ft_word word = ft_atomic_load(&items[k], FT_ACQUIRE);
            if (word == FT_WORD_NONE)
                return;
            if (ft_word_cyclic(word))
                visit(ft_word_cyclic(word), host);
        }
}

static void list_clear(ft_object *object)
{
    ft_list *list = (ft_list *)(void *)object;
    ft_atomic_u64 *items;

    // Relaxed, and no exchange: nobody else changes it, and who traces sees the one or the other.
    for (size_t i = 0; i < CHUNKS && (items = ft_atomic_load(&list->chunks[i], FT_ACQUIRE)); i++)
        for (size_t k = 0; k < chunk_items(i); k++) {
            ft_word word = ft_atomic_load(&items[k], FT_RELAXED);
            if (word == FT_WORD_NONE)
                return;
            ft_atomic_store(&items[k], FT_WORD_NONE, FT_RELAXED);
            ft_word_drop(word);
        }
}

static size_t list_bytes(const ft_object *object)
{
    const ft_list *list = (const ft_list *)(const void *)object;
    size_t bytes = sizeof(*list);

    for (size_t i = 0; i < CHUNKS && ft_atomic_load(&list->chunks[i], FT_RELAXED); i++)
        bytes += chunk_bytes(i);
    return bytes;
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

// ---- reading ----

int64_t ft_list_count(const ft_list *list)
{
    // Acquire pairs with the release of whoever changed it: the items are as that change left them.
    int64_t count = ft_atomic_load(&list->count, FT_ACQUIRE);

    return count + (word_at(list, count) != FT_WORD_NONE);
}

bool ft_list_get(const ft_list *list, int64_t index, ft_value *out)
{
    ft_word word;

    ft_read_begin();
    // What is dying has been replaced or taken out: look again.
    do
        word = word_at(list, index);
    while (word != FT_WORD_NONE && !ft_word_keep(word, out));
    ft_read_end();
    return word != FT_WORD_NONE;
}

// ---- changing ----

// Under the lock: the place behind the last item. NULL without memory.
static ft_atomic_u64 *place_for(ft_list *list, int64_t count, ft_error *err)
{
    ft_atomic_u64 *item = item_at(list, count);
    uint64_t at;

    if (FT_LIKELY(item != NULL))
        return item;
    size_t chunk = chunk_of((uint64_t)count, &at), bytes = chunk_bytes(chunk);
    if (!ft_shared_charge(list->account, bytes, err))
        return NULL;
    ft_atomic_u64 *made = ft_alloc_zero(1, bytes);
    if (!made) {
        ft_account_release(list->account, (int64_t)bytes);
        ft_ignore(ft_fail_nomem(err, bytes));
        return NULL;
    }
    // Release: readers find it full of NONE.
    ft_atomic_store(&list->chunks[chunk], made, FT_RELEASE);
    return &made[at];
}

static bool append_locked(ft_list *list, ft_word word, int64_t *out_index, ft_error *err)
{
    int64_t count = ft_atomic_load(&list->count, FT_RELAXED);

    if (count >= list->cap || (uint64_t)count >= chunk_items(CHUNKS) - CHUNK_FIRST) {
        ft_fail(err, FT_ERROR_LIMIT, "a shared list holds its %lld items already",
                (long long)count);
        ft_hint(err, "Take some out, or give it a larger cap when it is made.");
        return false;
    }
    ft_atomic_u64 *item = place_for(list, count, err);
    if (!item)
        return false;
    // Release: who sees the item finds what it points to. From here on it is in the list.
    ft_atomic_store(item, word, FT_RELEASE);
    // Release: who sees the count finds the item.
    ft_atomic_store(&list->count, count + 1, FT_RELEASE);
    *out_index = count;
    return true;
}

static bool append_value(ft_list *list, const ft_value *value, int64_t *out_index, ft_error *err)
{
    int64_t index = 0;
    ft_word word;

    if (!ft_word_make(value, list->account, &word, err))
        return false;
    ft_lock_acquire(&list->cyclic.object.lock, &list_lock);
    bool ok = append_locked(list, word, &index, err);
    ft_lock_release(&list->cyclic.object.lock);
    if (ok)
        ft_word_note_move(&list->cyclic.object, word);
    else
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
    ft_atomic_u64 *item = item_at(list, index);
    if (item)
        old = ft_atomic_load(item, FT_RELAXED);
    // Acquire and release: readers see what the new word points to, and we the old one's.
    while (old != FT_WORD_NONE && !ft_atomic_cas_weak(item, &old, word, FT_ACQ_REL))
        continue;
    if (old != FT_WORD_NONE) {
        ft_word_note_move(&list->cyclic.object, word);
        ft_word_note_move(&list->cyclic.object, old);
        ft_word_retire(old);
        return true;
    }
    ft_word_drop(word);
    return ft_fail(err, FT_ERROR_DATA, "the list has %lld items: there is none with index %lld",
                   (long long)ft_list_count(list), (long long)index);
}

bool ft_list_pop(ft_list *list, ft_value *out)
{
    ft_word word = FT_WORD_NONE;

    ft_lock_acquire(&list->cyclic.object.lock, &list_lock);
    int64_t count = ft_atomic_load(&list->count, FT_RELAXED);
    if (count > 0) {
        // Release pairs with the acquire of ft_list_count.
        ft_atomic_store(&list->count, count - 1, FT_RELEASE);
        // Acquire and release: who sees NONE finds the count lowered, and we what the word points
        // to.
        word = ft_atomic_exchange(item_at(list, count - 1), FT_WORD_NONE, FT_ACQ_REL);
    }
    ft_lock_release(&list->cyclic.object.lock);
    if (word == FT_WORD_NONE)
        return false;
    ft_word_note_move(&list->cyclic.object, word);
    *out = ft_word_borrow(word);
    if (ft_value_has_object(out->kind))
        ft_object_ref(out->object);
    ft_word_retire(word);
    return true;
}
