// Slots of 16 bytes, so that none lies across two lines, at most three quarters of them bound.
//
// A string's key is its address with 16 bits of the hash above it, where user space has none (Linux
// gives out addresses of more than 47 bits only to those who ask for them); so a probe that passes
// other keys seldom looks at their bytes.
//
// How many keys have a value is counted in cells, chosen by lease, with the slots: building anew
// counts what it copies and starts afresh, so what comes late to an old cell is not missed.
#include "runtime/concurrent/table.h"

#include <string.h>

#include "runtime/memory/alloc.h"

enum { SLOTS_MIN = FT_BOUND(8, 2), CELLS = FT_BOUND(8, 2), CELLS_FROM = FT_BOUND(4096, 4) };
#define KEY_POINTER (((uint64_t)1 << FT_KEY_MARK_SHIFT) - 1)
#ifndef FT_GROWS_EARLY
#define FT_GROWS_EARLY() false  // Chaos builds (tests/chaos) build tables anew at any insert.
#endif

typedef struct {
    ft_atomic_i64 count;
    char padding[FT_TABLE_LINE - sizeof(ft_atomic_i64)];
} cell;

// ---- keys ----

static ft_word word_of_key(uint64_t key)
{
    return ft_word_is_small_int(key) ? key : key & KEY_POINTER;
}

static uint64_t hash_of_key(uint64_t key)
{
    ft_value value = ft_word_borrow(word_of_key(key));

    return value.kind == FT_VALUE_INT ? ft_key_hash_int(value.integer)
                                      : ((const ft_string *)(const void *)value.object)->hash;
}

static bool make_key(const ft_table *table, const ft_key *key, uint64_t hash, uint64_t *out,
                     ft_error *err)
{
    ft_value value = {FT_VALUE_INT, {.integer = key->integer}};

    if (!key->is_int)
        *out = (uintptr_t)ft_string_create(key->text, table->account, err);
    else if (!ft_word_make(&value, table->account, out, err))
        return false;
    if (!*out)
        return false;
    if (!ft_word_is_small_int(*out)) {
        FT_ASSERT((*out & ~KEY_POINTER) == 0);
        *out |= hash << FT_KEY_MARK_SHIFT;
    }
    return true;
}

static bool is_key(uint64_t there, const ft_key *key, uint64_t hash)
{
    if (ft_word_is_small_int(there) ||
        there >> FT_KEY_MARK_SHIFT != hash << FT_KEY_MARK_SHIFT >> FT_KEY_MARK_SHIFT)
        return false;
    ft_value value = ft_word_borrow(word_of_key(there));
    if (key->is_int || value.kind != FT_VALUE_STRING)
        return key->is_int && value.kind == FT_VALUE_INT && value.integer == key->integer;
    ft_slice text = ft_string_slice((const ft_string *)(const void *)value.object);
    return text.size == key->text.size &&
           (text.size == 0 || memcmp(text.data, key->text.data, text.size) == 0);
}

ft_slot *ft_table_probe_other(const ft_slots *slots, const ft_key *key, uint64_t hash)
{
    for (size_t at = (size_t)(hash >> slots->shift);; at++) {
        ft_slot *s = &slots->items[at & slots->mask];
        // Acquire pairs with the release of whoever bound it.
        uint64_t there = ft_atomic_load(&s->key, FT_ACQUIRE);
        if (there == 0)
            return NULL;
        if (is_key(there, key, hash))
            return s;
    }
}

// Under the lock, or of a table that nobody else has yet.
static ft_slot *free_slot(const ft_slots *slots, uint64_t hash)
{
    size_t at = (size_t)(hash >> slots->shift);

    while (ft_atomic_load(&slots->items[at & slots->mask].key, FT_RELAXED))
        at++;
    return &slots->items[at & slots->mask];
}

// ---- slots ----

static size_t cell_count(size_t capacity)
{
    return capacity < CELLS_FROM ? 1 : CELLS;
}

// One block: the head with its line, the cells, the slots.
static size_t slots_bytes(size_t capacity)
{
    return (1 + cell_count(capacity)) * sizeof(cell) + capacity * sizeof(ft_slot);
}

static ft_slots *slots_create(const ft_table *table, size_t capacity, ft_error *err)
{
    size_t bytes = slots_bytes(capacity), cells = cell_count(capacity);

    _Static_assert(sizeof(ft_slots) <= sizeof(cell), "the head has a line of its own");
    if (!ft_shared_charge(table->account, bytes, err))
        return NULL;
    ft_slots *made = ft_alloc_zero(1, bytes);
    if (!made) {
        ft_account_release(table->account, (int64_t)bytes);
        ft_ignore(ft_fail_nomem(err, bytes));
        return NULL;
    }
    made->mask = capacity - 1;
    made->shift = 64u - table->skip - FT_TRAILING_ZEROS_64(capacity);
    made->cell_mask = (uint32_t)cells - 1;
    made->most = capacity - (capacity + 3) / 4;
    made->is_tight = (int64_t)made->most > table->cap;
    made->account = table->account;
    made->cells = (cell *)(void *)made + 1;
    made->items = (ft_slot *)(void *)((cell *)(void *)made + 1 + cells);
    return made;
}

static void slots_destroy(void *pointer)
{
    ft_slots *slots = pointer;

    ft_account_release(slots->account, (int64_t)slots_bytes(slots->mask + 1));
    ft_free(slots);
}

void ft_table_add_count(const ft_slots *slots, int64_t by)
{
    cell *cells = slots->cells;

    // Relaxed: a sum. Several leases may have the same cell.
    ft_atomic_add(&cells[ft_own.id & slots->cell_mask].count, by, FT_RELAXED);
}

static int64_t count_of(const ft_slots *slots)
{
    const cell *cells = slots->cells;
    int64_t sum = 0;

    for (size_t i = 0; i <= slots->cell_mask; i++)
        sum += ft_atomic_load(&cells[i].count, FT_RELAXED);
    return sum > 0 ? sum : 0;
}

int64_t ft_table_count(const ft_table *table)
{
    ft_read_begin();
    const ft_slots *slots = ft_atomic_load(&table->slots, FT_ACQUIRE);
    int64_t count = slots ? count_of(slots) : 0;
    ft_read_end();
    return count;
}

// ---- life ----

void ft_table_init(ft_table *table, ft_atomic_u8 *lock, ft_lock_class *class_of, int64_t cap,
                   unsigned skip, ft_account *account)
{
    memset(table, 0, sizeof(*table));
    table->lock = lock;
    table->class_of = class_of;
    table->cap = cap;
    table->skip = skip;
    table->account = account;
}

void ft_table_clear(ft_table *table)
{
    ft_slots *slots = ft_atomic_load(&table->slots, FT_ACQUIRE);

    for (size_t i = 0; slots && i <= slots->mask; i++)
        ft_word_drop(ft_atomic_exchange(&slots->items[i].value, FT_WORD_NONE, FT_RELAXED));
}

size_t ft_table_bytes(const ft_table *table)
{
    const ft_slots *slots = ft_atomic_load(&table->slots, FT_ACQUIRE);
    return slots ? slots_bytes(slots->mask + 1) : 0;
}

void ft_table_finish(ft_table *table)
{
    ft_slots *slots = ft_atomic_load(&table->slots, FT_ACQUIRE);

    for (size_t i = 0; slots && i <= slots->mask; i++) {
        ft_word_drop(ft_atomic_load(&slots->items[i].value, FT_RELAXED));
        ft_word_drop(word_of_key(ft_atomic_load(&slots->items[i].key, FT_RELAXED)));
    }
    if (slots)
        slots_destroy(slots);
    ft_atomic_store(&table->slots, NULL, FT_RELAXED);
}

// ---- changing, under the lock ----

// From here on nobody changes a value. Returns how many there are.
static size_t mark_slots(const ft_slots *slots)
{
    size_t live = 0;

    for (size_t i = 0; i <= slots->mask; i++) {
        ft_slot *s = &slots->items[i];
        // Acquire pairs with whoever put it there: the store of the new table passes it on.
        if (ft_atomic_load(&s->key, FT_RELAXED))
            live += ft_atomic_or(&s->value, FT_WORD_MOVED, FT_ACQ_REL) != FT_WORD_NONE;
    }
    return live;
}

// Without memory: all is as it was.
static void unmark_slots(const ft_slots *slots)
{
    for (size_t i = 0; i <= slots->mask; i++) {
        ft_slot *s = &slots->items[i];
        ft_word value = ft_atomic_load(&s->value, FT_RELAXED);
        // A store will do: marked values are the rebuild's alone. Release: as it was put there.
        if (value & FT_WORD_MOVED)
            ft_atomic_store(&s->value, value & ~(ft_word)FT_WORD_MOVED, FT_RELEASE);
    }
}

static void copy_slots(const ft_slots *old, const ft_slots *made)
{
    for (size_t i = 0; i <= old->mask; i++) {
        const ft_slot *s = &old->items[i];
        uint64_t key = ft_atomic_load(&s->key, FT_RELAXED);
        ft_word value = ft_atomic_load(&s->value, FT_RELAXED) & ~(ft_word)FT_WORD_MOVED;
        if (value == FT_WORD_NONE)
            continue;
        ft_slot *to = free_slot(made, hash_of_key(key));
        ft_atomic_store(&to->value, value, FT_RELAXED);
        ft_atomic_store(&to->key, key, FT_RELAXED);
    }
}

// A table twice as large as what lives needs; the old one is to be retired outside of the lock.
static bool rebuild(ft_table *table, ft_slots **out_old, ft_error *err)
{
    ft_slots *old = ft_atomic_load(&table->slots, FT_RELAXED);
    size_t live = old ? mark_slots(old) : 0, capacity = SLOTS_MIN;

    while (capacity < 2 * (live + 1))
        capacity *= 2;
    ft_slots *made = slots_create(table, capacity, err);
    if (!made) {
        if (old)
            unmark_slots(old);
        return false;
    }
    if (old)
        copy_slots(old, made);
    ft_table_add_count(made, (int64_t)live);
    table->bound = live;
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
    for (size_t i = 0; i <= old->mask; i++)
        if (ft_atomic_load(&old->items[i].value, FT_RELAXED) == FT_WORD_MOVED)
            ft_word_retire(word_of_key(ft_atomic_load(&old->items[i].key, FT_RELAXED)));
    ft_retire(old, slots_destroy, slots_bytes(old->mask + 1));
}

static bool is_full(const ft_table *table, const ft_slots *slots, ft_error *err)
{
    // Where it is not tight, not even all slots together pass the cap.
    if (!slots->is_tight || count_of(slots) < table->cap)
        return false;
    ft_fail(err, FT_ERROR_LIMIT, "a shared collection holds its %lld entries already",
            (long long)table->cap);
    ft_hint(err, "Delete what is no longer needed, or give it a larger cap when it is made.");
    return true;
}

typedef struct {
    const ft_key *key;
    uint64_t hash;
    ft_table_change change;
    void *host;
    ft_table_result *result;
    ft_slots *old_slots;
} update;

// A key that is not bound.
static bool bind(ft_table *table, update *u, ft_error *err)
{
    ft_slots *slots = ft_atomic_load(&table->slots, FT_RELAXED);
    ft_word wanted = FT_WORD_NONE;
    uint64_t key;

    if (!u->change(u->host, FT_WORD_NONE, &wanted) || !wanted)
        return true;
    if (!slots || table->bound + 1 > slots->most || FT_GROWS_EARLY()) {
        if (!rebuild(table, &u->old_slots, err))
            return false;
        slots = ft_atomic_load(&table->slots, FT_RELAXED);
    }
    if (is_full(table, slots, err) || !make_key(table, u->key, u->hash, &key, err))
        return false;
    ft_slot *s = free_slot(slots, u->hash);
    // Release is for ft_table_trace, which does not look at keys.
    ft_atomic_store(&s->value, wanted, FT_RELEASE);
    // Release: the value is there for whoever sees the key.
    ft_atomic_store(&s->key, key, FT_RELEASE);
    table->bound++;
    ft_table_add_count(slots, 1);
    u->result->has_taken = true;
    return true;
}

static bool update_locked(ft_table *table, update *u, ft_error *err)
{
    const ft_slots *slots = ft_atomic_load(&table->slots, FT_RELAXED);
    ft_slot *s = slots ? ft_table_probe(slots, u->key, u->hash) : NULL;
    ft_word wanted = FT_WORD_NONE;

    if (!s)
        return bind(table, u, err);
    // In a tight table nobody but the holder of the lock puts in and takes out.
    if (slots->is_tight && ft_atomic_load(&s->value, FT_RELAXED) == FT_WORD_NONE &&
        u->change(u->host, FT_WORD_NONE, &wanted) && wanted && is_full(table, slots, err))
        return false;
    ft_read_begin();  // Others replace and retire what is there.
    ft_table_step step = ft_table_change_slot(slots, s, true, u->change, u->host, u->result);
    ft_read_end();
    FT_ASSERT(step == FT_TABLE_DONE);
    return true;
}

bool ft_table_update_locked(ft_table *table, const ft_key *key, uint64_t hash,
                            ft_table_change change, void *host, ft_table_result *out, ft_error *err)
{
    update u = {.key = key, .hash = hash, .change = change, .host = host, .result = out};

    ft_lock_acquire(table->lock, table->class_of);
    bool ok = update_locked(table, &u, err);
    ft_lock_release(table->lock);
    retire_slots(u.old_slots);
    return ok;
}

// ---- going through ----

bool ft_table_next(const ft_table *table, size_t *at, ft_key *out_key, ft_word *out_word)
{
    const ft_slots *slots = ft_atomic_load(&table->slots, FT_ACQUIRE);

    for (; slots && *at <= slots->mask; ++*at) {
        const ft_slot *s = &slots->items[*at];
        uint64_t there = ft_atomic_load(&s->key, FT_ACQUIRE);
        *out_word =
            there ? ft_atomic_load(&s->value, FT_ACQUIRE) & ~(ft_word)FT_WORD_MOVED : FT_WORD_NONE;
        if (*out_word == FT_WORD_NONE)
            continue;
        ft_value key = ft_word_borrow(word_of_key(there));
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
    for (size_t at = 0; slots && at <= slots->mask; at++) {
        // Acquire pairs with whoever put it there, also where the key is not seen yet.
        ft_word word = ft_atomic_load(&slots->items[at].value, FT_ACQUIRE);
        ft_object *child = ft_word_cyclic(word & ~(ft_word)FT_WORD_MOVED);
        if (child)
            visit(child, host);
    }
}
