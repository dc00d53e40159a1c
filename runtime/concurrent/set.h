// A set of strings and integers that any thread may read and change. Members are spread over shards
// with a lock each, by their hash, so that those who add seldom meet; reads take no lock.
#pragma once

#include "runtime/concurrent/table.h"

typedef struct ft_set ft_set;

ft_set *ft_set_create(int64_t cap, ft_account *account, ft_error *err) FT_MUST_CHECK;
static inline ft_object *ft_set_object(ft_set *set)
{
    return (ft_object *)(void *)set;
}
bool ft_set_has(const ft_set *set, const ft_key *key);
// `*out_new`: it was not there; of several that add the same at once exactly one is told so.
bool ft_set_add(ft_set *set, const ft_key *key, bool *out_new, ft_error *err) FT_MUST_CHECK;
bool ft_set_delete(ft_set *set, const ft_key *key, bool *out_was, ft_error *err) FT_MUST_CHECK;
int64_t ft_set_count(const ft_set *set);
// Going through, inside a section; `*shard` and `*at` start at 0.
bool ft_set_next(const ft_set *set, size_t *shard, size_t *at, ft_key *out_key);
