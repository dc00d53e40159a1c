// Slots of 24 bytes, at most three quarters of them bound.
#include "runtime/concurrent/table.h"

#include <string.h>

#include "runtime/memory/alloc.h"

enum { SLOTS_MIN = FT_BOUND(8, 2) };
#ifndef FT_GROWS_EARLY
#define FT_GROWS_EARLY() false  // Chaos builds (tests/chaos) build tables anew at any insert.
#endif

typedef struct {
    ft_atomic_u64 hash;  // 0: free. Stored last, with release: then key and value are there.
    ft_word key;         // A string or an integer.
    ft_atomic_u64 value;
} slot;

struct ft_slots {
    size_t capacity;  // A power of two.
    size_t bound;     // Slots with a key; under the lock.
    ft_account *account;
    slot items[];
};

// A bijection of 64 bits (splitmix64).
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

uint64_t ft_key_hash(const ft_key *key)
{
    uint64_t hash = key->is_int ? mix((uint64_t)key->integer) : ft_hash(key->text, 0);
    return hash ? hash : 1;
}

static size_t slots_bytes(size_t capacity)
{
    return sizeof(ft_slots) + capacity * sizeof(slot);
}

static ft_slots *slots_create(size_t capacity, ft_account *account, ft_error *err)
{
    size_t bytes = slots_bytes(capacity);

    if (!ft_shared_charge(account, bytes, err))
        return NULL;
    ft_slots *made = ft_alloc_zero(1, bytes);
    if (!made) {
        ft_account_release(account, (int64_t)bytes);
        ft_ignore(ft_fail_nomem(err, bytes));
        return NULL;
    }
    made->capacity = capacity;
    made->account = account;
    return made;
}

static void slots_destroy(void *pointer)
{
    ft_slots *slots = pointer;

    ft_account_release(slots->account, (int64_t)slots_bytes(slots->capacity));
    ft_free(slots);
}

void ft_table_init(ft_table *table, ft_atomic_u8 *lock, ft_lock_class *class_of, int64_t cap,
                   ft_account *account)
{
    memset(table, 0, sizeof(*table));
    table->lock = lock;
    table->class_of = class_of;
    table->cap = cap;
    table->account = account;
}

void ft_table_clear(ft_table *table)
{
    ft_slots *slots = ft_atomic_load(&table->slots, FT_ACQUIRE);

    for (size_t i = 0; slots && i < slots->capacity; i++) {
        slot *s = &slots->items[i];
        if (ft_atomic_load(&s->hash, FT_RELAXED))
            ft_word_drop(ft_atomic_exchange(&s->value, FT_WORD_NONE, FT_RELAXED));
    }
}

size_t ft_table_bytes(const ft_table *table)
{
    const ft_slots *slots = ft_atomic_load(&table->slots, FT_ACQUIRE);
    return slots ? slots_bytes(slots->capacity) : 0;
}

void ft_table_finish(ft_table *table)
{
    ft_slots *slots = ft_atomic_load(&table->slots, FT_ACQUIRE);

    for (size_t i = 0; slots && i < slots->capacity; i++) {
        slot *s = &slots->items[i];
        if (!ft_atomic_load(&s->hash, FT_RELAXED))
            continue;
        ft_word_drop(ft_atomic_load(&s->value, FT_RELAXED));
        ft_word_drop(s->key);
    }
    if (slots)
        slots_destroy(slots);
    ft_atomic_store(&table->slots, NULL, FT_RELAXED);
}

// ---- finding ----

static bool is_key(const slot *s, const ft_key *key)
{
    if (key->is_int && ft_word_is_small_int(s->key))
        return ft_word_small_int(s->key) == key->integer;
    ft_value value = ft_word_borrow(s->key);
    if (key->is_int || value.kind != FT_VALUE_STRING)
        return key->is_int && value.kind == FT_VALUE_INT && value.integer == key->integer;
    ft_slice text = ft_string_slice((const ft_string *)(const void *)value.object);
    return text.size == key->text.size &&
           (text.size == 0 || memcmp(text.data, key->text.data, text.size) == 0);
}

// The slot of the key, or the free one where it would be; `*out_bound` says which.
static slot *probe(const ft_slots *slots, const ft_key *key, uint64_t hash, bool *out_bound)
{
    size_t mask = slots->capacity - 1;

    for (size_t at = (size_t)hash & mask;; at = (at + 1) & mask) {
        slot *s = (slot *)(uintptr_t)&slots->items[at];
        // Acquire pairs with the release of whoever bound it.
        uint64_t there = ft_atomic_load(&s->hash, FT_ACQUIRE);
        *out_bound = there != 0;
        if (there == 0 || (there == hash && is_key(s, key)))
            return s;
    }
}

ft_word ft_table_find(const ft_table *table, const ft_key *key, uint64_t hash)
{
    const ft_slots *slots = ft_atomic_load(&table->slots, FT_ACQUIRE);
    bool is_bound;

    if (!slots)
        return FT_WORD_NONE;
    // The slot's hash is looked at once: a free slot may be bound to another key a moment later.
    const slot *s = probe(slots, key, hash, &is_bound);
    // Acquire pairs with the exchange of whoever changed it.
    return is_bound ? ft_atomic_load(&s->value, FT_ACQUIRE) : FT_WORD_NONE;
}

// ---- changing ----

// Under the lock: a table twice as large as what lives needs, the old one retired outside of it.
static bool rebuild(ft_table *table, ft_slots **out_old, ft_error *err)
{
    ft_slots *old = ft_atomic_load(&table->slots, FT_RELAXED);
    size_t live = (size_t)ft_table_count(table), capacity = SLOTS_MIN;

    while (capacity < 2 * (live + 1))
        capacity *= 2;
    ft_slots *made = slots_create(capacity, table->account, err);
    if (!made)
        return false;
    for (size_t i = 0; old && i < old->capacity; i++) {
        const slot *s = &old->items[i];
        uint64_t hash = ft_atomic_load(&s->hash, FT_RELAXED);
        ft_word value = ft_atomic_load(&s->value, FT_RELAXED);
        if (!hash || value == FT_WORD_NONE)
            continue;
        size_t at = (size_t)hash & (capacity - 1);
        while (ft_atomic_load(&made->items[at].hash, FT_RELAXED))
            at = (at + 1) & (capacity - 1);
        made->items[at].key = s->key;
        ft_atomic_store(&made->items[at].value, value, FT_RELAXED);
        ft_atomic_store(&made->items[at].hash, hash, FT_RELAXED);
        made->bound++;
    }
    // Release: readers find what was put in.
    ft_atomic_store(&table->slots, made, FT_RELEASE);
    *out_old = old;
    return true;
}

// Keys of deleted slots are not in the new table: their references go with the old one.
static void retire_slots(ft_slots *old)
{
    if (!old)
        return;
    for (size_t i = 0; i < old->capacity; i++) {
        const slot *s = &old->items[i];
        if (ft_atomic_load(&s->hash, FT_RELAXED) &&
            ft_atomic_load(&s->value, FT_RELAXED) == FT_WORD_NONE)
            ft_word_retire(s->key);
    }
    ft_retire(old, slots_destroy, slots_bytes(old->capacity));
}

typedef struct {
    const ft_key *key;
    uint64_t hash;
    ft_table_change change;
    void *host;
    ft_slots *old_slots;
    ft_word old;
} update;

static bool make_key(const ft_table *table, const ft_key *key, ft_word *out, ft_error *err)
{
    if (key->is_int) {
        ft_value value = {FT_VALUE_INT, {.integer = key->integer}};
        return ft_word_make(&value, table->account, out, err);
    }
    *out = (uintptr_t)ft_string_create(key->text, table->account, err);
    return *out != FT_WORD_NONE;
}

static bool bind(ft_table *table, update *u, slot *s, ft_word value, ft_error *err)
{
    if (!make_key(table, u->key, &s->key, err))
        return false;
    ft_atomic_store(&s->value, value, FT_RELAXED);
    // Release: key and value are there for whoever sees the hash.
    ft_atomic_store(&s->hash, u->hash, FT_RELEASE);
    ((ft_slots *)ft_atomic_load(&table->slots, FT_RELAXED))->bound++;
    return true;
}

static bool is_full(const ft_table *table, ft_error *err)
{
    if (ft_table_count(table) < table->cap)
        return false;
    ft_fail(err, FT_ERROR_LIMIT, "a shared collection holds its %lld entries already",
            (long long)table->cap);
    ft_hint(err, "Delete what is no longer needed, or give it a larger cap when it is made.");
    return true;
}

// Under the lock: the slot for the key, with room for one more.
static bool find_slot(ft_table *table, update *u, slot **out, ft_error *err)
{
    ft_slots *slots = ft_atomic_load(&table->slots, FT_RELAXED);

    bool is_bound = false;

    *out = slots ? probe(slots, u->key, u->hash, &is_bound) : NULL;
    if (is_bound)
        return true;
    if (slots && !FT_GROWS_EARLY() && (slots->bound + 1) * 4 <= slots->capacity * 3)
        return true;
    if (!rebuild(table, &u->old_slots, err))
        return false;
    *out = probe(ft_atomic_load(&table->slots, FT_RELAXED), u->key, u->hash, &is_bound);
    return true;
}

static bool update_locked(ft_table *table, update *u, ft_error *err)
{
    slot *s;
    ft_word wanted = FT_WORD_NONE, there = FT_WORD_NONE;

    if (!find_slot(table, u, &s, err))
        return false;
    bool is_bound = ft_atomic_load(&s->hash, FT_RELAXED) != 0;
    if (is_bound)
        there = ft_atomic_load(&s->value, FT_RELAXED);
    if (!u->change(u->host, there, &wanted) || (!there && !wanted))
        return true;
    bool ok = there || !is_full(table, err);
    if (ok && is_bound)
        // Acquire and release: readers see what the new word points to.
        u->old = ft_atomic_exchange(&s->value, wanted, FT_ACQ_REL);
    else if (ok)
        ok = bind(table, u, s, wanted, err);
    if (!ok) {
        ft_word_drop(wanted);
        return false;
    }
    if (!there != !wanted)  // Only under the lock: a load and a store do.
        ft_atomic_store(&table->count, ft_table_count(table) + (wanted ? 1 : -1), FT_RELAXED);
    return true;
}

bool ft_table_update(ft_table *table, const ft_key *key, uint64_t hash, ft_table_change change,
                     void *host, ft_word *out_old, ft_error *err)
{
    update u = {.key = key, .hash = hash, .change = change, .host = host};

    ft_lock_acquire(table->lock, table->class_of);
    bool ok = update_locked(table, &u, err);
    ft_lock_release(table->lock);
    retire_slots(u.old_slots);
    *out_old = u.old;
    return ok;
}

// ---- going through ----

bool ft_table_next(const ft_table *table, size_t *at, ft_key *out_key, ft_word *out_word)
{
    const ft_slots *slots = ft_atomic_load(&table->slots, FT_ACQUIRE);

    for (; slots && *at < slots->capacity; ++*at) {
        const slot *s = &slots->items[*at];
        uint64_t hash = ft_atomic_load(&s->hash, FT_ACQUIRE);
        *out_word = hash ? ft_atomic_load(&s->value, FT_ACQUIRE) : FT_WORD_NONE;
        if (*out_word == FT_WORD_NONE)
            continue;
        ft_value key = ft_word_borrow(s->key);
        *out_key = (ft_key){.is_int = key.kind == FT_VALUE_INT};
        if (out_key->is_int)
            out_key->integer = key.integer;
        else
            out_key->text = ft_string_slice((const ft_string *)(const void *)key.object);
        ++*at;
        return true;
    }
    return false;
}

void ft_table_trace(const ft_table *table, void (*visit)(ft_object *child, void *host), void *host)
{
    const ft_slots *slots = ft_atomic_load(&table->slots, FT_ACQUIRE);

    // Keys are not looked at: they lead nowhere.
    for (size_t at = 0; slots && at < slots->capacity; at++) {
        const slot *s = &slots->items[at];
        ft_object *child = NULL;
        if (ft_atomic_load(&s->hash, FT_ACQUIRE))
            child = ft_word_cyclic(ft_atomic_load(&s->value, FT_ACQUIRE));
        if (child)
            visit(child, host);
    }
}
