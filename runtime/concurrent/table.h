// The hash table under dict and set: keys to words. Reads take no lock and write nothing; what is
// there is changed by one compare-and-swap; only a key that is new to the table takes the lock.
//
// Open addressing with linear probing. A slot's key is written once and never bound to another key
// in the same table, not even after a delete: slots that are rebound are where such tables went
// wrong (ck_ht, pelikan's segment cache). Deleted slots go when the table is built anew.
//
//   reader   table (acquire) -> slot's key (acquire) -> value (acquire)
//   change   the same, then the value by compare-and-swap (acquire and release)
//   bind     under the lock: value, then key (release)
//   rebuild  under the lock: every value is marked FT_WORD_MOVED and copied as it was then; the new
//            table is stored (release), the old one retired
//
// The mark refuses every change that comes late, so none is lost: who finds it takes the lock, and
// with it the new table. Readers need not wait: a marked value is what was there when the new table
// was stored, and who still sees the old table came before that. (Cliff Click's table, 2007, marks
// in the same way to let changes help with the copy; here they wait for it.)
//
// Readers and changes are inside a section (memory/epoch.h); a value that was replaced is retired.
#pragma once

#include "runtime/concurrent/parking.h"
#include "runtime/concurrent/shared_value.h"

enum {
    FT_TABLE_LINE = 64,
    FT_WORD_MOVED = FT_WORD_MARK,  // The value lives in the next table.
    FT_KEY_MARK_SHIFT = 48,
};

typedef struct ft_slot {
    // 0: free. A small integer's word, or a pointer below bits of the hash.
    ft_atomic_u64 key;
    ft_atomic_u64 value;  // ft_word, perhaps marked.
} ft_slot;

// Of one table, for as long as it is the one. Readers share its first line.
typedef struct ft_slots {
    size_t mask;         // Slots, a power of two, less 1.
    unsigned shift;      // Down from the hash to the slot's number.
    uint32_t cell_mask;  // Counting cells, a power of two, less 1.
    size_t most;         // So many slots are bound before it is built anew.
    bool is_tight;       // `most` passes the cap: putting in and taking out need the lock.
    ft_account *account;
    ft_slot *items;
    void *cells;  // Lines with a count each.
} ft_slots;

typedef struct ft_table {
    ft_atomic_u8 *lock;
    ft_lock_class *class_of;
    int64_t cap;  // At most so many keys with a value.
    ft_account *account;
    unsigned skip;  // Upper bits of the hash that say nothing here.
    size_t bound;   // Slots with a key; under the lock.
    char padding_a[FT_TABLE_LINE];
    ft_atomic_pointer slots;  // ft_slots; NULL while empty.
    char padding_b[FT_TABLE_LINE];
} ft_table;

// A key: a string or an integer, as the caller has it; nothing is kept of it.
typedef struct ft_key {
    bool is_int;
    int64_t integer;
    ft_slice text;
} ft_key;

void ft_table_init(ft_table *table, ft_atomic_u8 *lock, ft_lock_class *class_of, int64_t cap,
                   unsigned skip, ft_account *account);
void ft_table_finish(ft_table *table);  // Nobody reads it any more.
// Drops all values; nobody but ft_table_trace reads it any more.
void ft_table_clear(ft_table *table);
size_t ft_table_bytes(const ft_table *table);
int64_t ft_table_count(const ft_table *table);  // Keys with a value.

// Integers are spread by the golden ratio (Knuth, 6.4): neighbours come to lie far apart and
// evenly, and those that differ by a power of two still differ in the upper bits, which choose the
// slot.
static inline uint64_t ft_key_hash_int(int64_t integer)
{
    return (uint64_t)integer * UINT64_C(0x9e3779b97f4a7c15);
}
static inline uint64_t ft_key_hash(const ft_key *key)
{
    return key->is_int ? ft_key_hash_int(key->integer) : ft_hash(key->text, 0);
}

// The slot that is bound to the key; NULL: none is.
ft_slot *ft_table_probe_other(const ft_slots *slots, const ft_key *key, uint64_t hash);
static inline ft_slot *ft_table_probe(const ft_slots *slots, const ft_key *key, uint64_t hash)
{
    ft_word wanted;

    if (FT_UNLIKELY(!key->is_int || !ft_word_of_int(key->integer, &wanted)))
        return ft_table_probe_other(slots, key, hash);
    for (size_t at = (size_t)(hash >> slots->shift);; at++) {
        ft_slot *s = &slots->items[at & slots->mask];
        // Acquire pairs with the release of whoever bound it. Looked at once: a free slot may be
        // bound to another key a moment later.
        uint64_t there = ft_atomic_load(&s->key, FT_ACQUIRE);
        if (there == wanted)
            return s;
        if (there == 0)
            return NULL;
    }
}

// Inside a section: the word, or FT_WORD_NONE.
static inline ft_word ft_table_find(const ft_table *table, const ft_key *key, uint64_t hash)
{
    // Acquire pairs with the release of the rebuild.
    const ft_slots *slots = ft_atomic_load(&table->slots, FT_ACQUIRE);
    const ft_slot *s = FT_LIKELY(slots != NULL) ? ft_table_probe(slots, key, hash) : NULL;

    // Acquire pairs with the compare-and-swap of whoever changed it.
    return s ? ft_atomic_load(&s->value, FT_ACQUIRE) & ~(ft_word)FT_WORD_MOVED : FT_WORD_NONE;
}

// What a change does: gets the word there is (FT_WORD_NONE: none) and offers what is to be there
// instead, with the reference that the table takes; false: nothing changes. It is asked again when
// somebody else was faster; what it offered before is then its own still. Inside a section, or
// under the lock.
typedef bool (*ft_table_change)(void *host, ft_word there, ft_word *out);
typedef struct ft_table_result {
    bool has_taken;  // The table has the word that was offered last.
    ft_word old;     // What it replaced, with its reference, to be retired; or FT_WORD_NONE.
} ft_table_result;

// What comes of changing the slot without the lock, inside a section.
typedef enum ft_table_step { FT_TABLE_DONE, FT_TABLE_NEEDS_LOCK } ft_table_step;
void ft_table_add_count(const ft_slots *slots, int64_t by);
FT_ALWAYS_INLINE ft_table_step ft_table_change_slot(const ft_slots *slots, ft_slot *s,
                                                    bool has_lock, ft_table_change change,
                                                    void *host, ft_table_result *out)
{
    // Acquire pairs with whoever put it there; `change` looks at what it points to.
    ft_word there = ft_atomic_load(&s->value, FT_ACQUIRE), wanted;

    do {
        wanted = FT_WORD_NONE;
        if (FT_UNLIKELY(there & FT_WORD_MOVED))
            return FT_TABLE_NEEDS_LOCK;
        if (!change(host, there, &wanted) || (!there && !wanted))
            return FT_TABLE_DONE;
        if (!there != !wanted && slots->is_tight && !has_lock)
            return FT_TABLE_NEEDS_LOCK;
        // Acquire and release: readers see what the new word points to, and we the old one's.
    } while (!ft_atomic_cas_weak_acquire(&s->value, &there, wanted));
    *out = (ft_table_result){.has_taken = true, .old = there};
    if (!there != !wanted)
        ft_table_add_count(slots, wanted ? 1 : -1);
    return FT_TABLE_DONE;
}

bool ft_table_update_locked(ft_table *table, const ft_key *key, uint64_t hash,
                            ft_table_change change, void *host, ft_table_result *out,
                            ft_error *err) FT_MUST_CHECK;
// Changes what is there in one step. Outside of sections.
FT_MUST_CHECK FT_ALWAYS_INLINE bool ft_table_update(ft_table *table, const ft_key *key,
                                                    uint64_t hash, ft_table_change change,
                                                    void *host, ft_table_result *out, ft_error *err)
{
    ft_table_step step;
    ft_word wanted = FT_WORD_NONE;

    *out = (ft_table_result){.has_taken = false};
    ft_read_begin();
    const ft_slots *slots = ft_atomic_load(&table->slots, FT_ACQUIRE);
    ft_slot *s = FT_LIKELY(slots != NULL) ? ft_table_probe(slots, key, hash) : NULL;
    if (FT_LIKELY(s != NULL))
        step = ft_table_change_slot(slots, s, false, change, host, out);
    else  // What wants nothing where nothing is, is done.
        step = change(host, FT_WORD_NONE, &wanted) && wanted ? FT_TABLE_NEEDS_LOCK : FT_TABLE_DONE;
    ft_read_end();
    return FT_LIKELY(step == FT_TABLE_DONE) ||
           ft_table_update_locked(table, key, hash, change, host, out, err);
}

// Goes through the slots: `*at` starts at 0. Inside a section. Keys that are there all the time are
// seen, at most once while the table is not built anew.
bool ft_table_next(const ft_table *table, size_t *at, ft_key *out_key, ft_word *out_word);
// For collections: visits the values that are cyclic.
void ft_table_trace(const ft_table *table, void (*visit)(ft_object *child, void *host), void *host);
