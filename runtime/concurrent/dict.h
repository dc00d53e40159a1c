// A dictionary that any thread may read and change: reads take no lock and write nothing, a change
// is one compare-and-swap, and only a key that was never there takes the dictionary's lock. No
// update is lost: what reads and writes at once (add, cas, get_or_set) is one step.
#pragma once

#include "runtime/concurrent/table.h"

typedef struct ft_dict ft_dict;

// One reference; shared from the start. At most `cap` entries; memory is charged to `account` (may
// be NULL).
ft_dict *ft_dict_create(int64_t cap, ft_account *account, ft_error *err) FT_MUST_CHECK;
static inline ft_object *ft_dict_object(ft_dict *dict)
{
    return (ft_object *)(void *)dict;
}

// The value, with a reference of the caller's own where it holds one; false: there is none.
bool ft_dict_get(const ft_dict *dict, const ft_key *key, ft_value *out);
// Inside a section: the same without counting; good to the section's end.
bool ft_dict_borrow(const ft_dict *dict, const ft_key *key, ft_value *out);
int64_t ft_dict_count(const ft_dict *dict);

bool ft_dict_set(ft_dict *dict, const ft_key *key, const ft_value *value,
                 ft_error *err) FT_MUST_CHECK;
// `*out_was` (may be NULL): there was one.
bool ft_dict_delete(ft_dict *dict, const ft_key *key, bool *out_was, ft_error *err) FT_MUST_CHECK;
// Adds to a number (0 where there is none) and gives the sum. Fails with DATA where something else
// is, and where an integer overflows.
bool ft_dict_add(ft_dict *dict, const ft_key *key, const ft_value *by, ft_value *out,
                 ft_error *err) FT_MUST_CHECK;
// Sets `wanted` if what is there equals `expected` (nil: nothing is there); nil as `wanted`
// deletes.
bool ft_dict_cas(ft_dict *dict, const ft_key *key, const ft_value *expected, const ft_value *wanted,
                 bool *out_done, ft_error *err) FT_MUST_CHECK;
// What is there; else `value`, which is then there.
bool ft_dict_get_or_set(ft_dict *dict, const ft_key *key, const ft_value *value, ft_value *out,
                        ft_error *err) FT_MUST_CHECK;

// Going through, inside a section: `*at` starts at 0; the value is borrowed.
bool ft_dict_next(const ft_dict *dict, size_t *at, ft_key *out_key, ft_value *out);
