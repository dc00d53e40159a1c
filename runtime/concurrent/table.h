// The hash table under dict and set: keys to words, read without a lock.
//
// Open addressing with linear probing. A slot's key is written once and never bound to another key
// in the same table, not even after a delete: slots that are rebound are where such tables went
// wrong (ck_ht, pelikan's segment cache). Deleted slots go when the table is built anew.
//
//   reader   table (acquire) -> slot's hash (acquire) -> key -> value (acquire)
//   writer   under the lock: key, value, then hash (release); or the value alone by exchange
//   growth   under the lock: a new table is filled and stored (release), the old one retired
//
// Readers are inside a section (memory/epoch.h); a value that was replaced is retired.
#pragma once

#include "runtime/concurrent/parking.h"
#include "runtime/concurrent/shared_value.h"

typedef struct ft_slots ft_slots;

typedef struct ft_table {
    ft_atomic_u8 *lock;
    ft_lock_class *class_of;
    ft_atomic_pointer slots;  // ft_slots; NULL while empty.
    ft_atomic_i64 count;      // Keys with a value.
    int64_t cap;              // At most so many.
    ft_account *account;
} ft_table;

// A key: a string or an integer, as the caller has it; nothing is kept of it.
typedef struct ft_key {
    bool is_int;
    int64_t integer;
    ft_slice text;
} ft_key;

void ft_table_init(ft_table *table, ft_atomic_u8 *lock, ft_lock_class *class_of, int64_t cap,
                   ft_account *account);
void ft_table_finish(ft_table *table);  // Nobody reads it any more.
// Drops all values; nobody but ft_table_trace reads it any more.
void ft_table_clear(ft_table *table);
size_t ft_table_bytes(const ft_table *table);
uint64_t ft_key_hash(const ft_key *key);

// Inside a section: the word, or FT_WORD_NONE.
ft_word ft_table_find(const ft_table *table, const ft_key *key, uint64_t hash);
static inline int64_t ft_table_count(const ft_table *table)
{
    return ft_atomic_load(&table->count, FT_RELAXED);
}

// What a change does: gets the word there is (FT_WORD_NONE: none) and says what is to be there
// instead, with the reference that the table takes; false: nothing changes.
typedef bool (*ft_table_change)(void *host, ft_word there, ft_word *out);
// Runs `change` under the lock. `*out_old` (the word that was replaced, with its reference, to be
// retired) is FT_WORD_NONE when there was none or nothing changed.
bool ft_table_update(ft_table *table, const ft_key *key, uint64_t hash, ft_table_change change,
                     void *host, ft_word *out_old, ft_error *err) FT_MUST_CHECK;

// Goes through the slots: `*at` starts at 0. Inside a section. Keys that are there all the time are
// seen, at most once while the table is not built anew.
bool ft_table_next(const ft_table *table, size_t *at, ft_key *out_key, ft_word *out_word);
// For collections: visits the values that are cyclic.
void ft_table_trace(const ft_table *table, void (*visit)(ft_object *child, void *host), void *host);
