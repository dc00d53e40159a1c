// Sixteen tables, chosen by the upper bits of the hash (those below choose the slot). The cap is
// for the whole. It is looked at only when a shard has its share, since adding the shards up
// touches all of them; so a large set may pass its cap by what the shards are uneven.
#include "runtime/concurrent/set.h"

#include "runtime/memory/alloc.h"

enum { SHARDS = 16, SHARD_BITS = 4, SHARD_SHIFT = 64 - SHARD_BITS, LINE_BYTES = 64 };

typedef struct {
    ft_table table;
    ft_atomic_u8 lock;
    char padding[LINE_BYTES];
} shard;

struct ft_set {
    ft_object object;
    int64_t cap;
    ft_account *account;
    shard shards[SHARDS];
};

static ft_lock_class set_lock = {.name = "set"};
static const ft_word member = FT_WORD_NIL;  // Any word that is no object.

static void set_destroy(ft_object *object)
{
    ft_set *set = (ft_set *)(void *)object;

    for (size_t i = 0; i < SHARDS; i++)
        ft_table_finish(&set->shards[i].table);
    ft_account_release(set->account, (int64_t)sizeof(*set));
    ft_free(set);
}

const ft_object_type ft_set_type = {.name = "set", .destroy = set_destroy};

ft_set *ft_set_create(int64_t cap, ft_account *account, ft_error *err)
{
    if (!ft_shared_reserve(account, sizeof(ft_set), err))
        return NULL;
    ft_set *set = ft_alloc_zero(1, sizeof(*set));
    if (!set) {
        ft_account_release(account, (int64_t)sizeof(*set));
        ft_ignore(ft_fail_nomem(err, sizeof(*set)));
        return NULL;
    }
    ft_object_init_shared(&set->object, &ft_set_type);
    set->cap = cap;
    set->account = account;
    for (size_t i = 0; i < SHARDS; i++)
        ft_table_init(&set->shards[i].table, &set->shards[i].lock, &set_lock, cap, SHARD_BITS,
                      account);
    return set;
}

int64_t ft_set_count(const ft_set *set)
{
    int64_t count = 0;

    for (size_t i = 0; i < SHARDS; i++)
        count += ft_table_count(&set->shards[i].table);
    return count;
}

bool ft_set_has(const ft_set *set, const ft_key *key)
{
    uint64_t hash = ft_key_hash(key);

    ft_read_begin();
    ft_word word = ft_table_find(&set->shards[hash >> SHARD_SHIFT].table, key, hash);
    ft_read_end();
    return word != FT_WORD_NONE;
}

static bool add_member(void *host, ft_word there, ft_word *out)
{
    *(bool *)host = there == FT_WORD_NONE;
    *out = member;
    return there == FT_WORD_NONE;
}

bool ft_set_add(ft_set *set, const ft_key *key, bool *out_new, ft_error *err)
{
    uint64_t hash = ft_key_hash(key);
    ft_table *table = &set->shards[hash >> SHARD_SHIFT].table;
    ft_table_result result;

    *out_new = false;
    if (ft_set_has(set, key))
        return true;
    if (ft_table_count(table) >= set->cap / SHARDS && ft_set_count(set) >= set->cap) {
        ft_fail(err, FT_ERROR_LIMIT, "a shared set holds its %lld members already",
                (long long)set->cap);
        ft_hint(err, "Delete what is no longer needed, or give it a larger cap when it is made.");
        return false;
    }
    bool ok = ft_table_update(table, key, hash, add_member, out_new, &result, err);
    while (!ok && ft_shared_make_room(set->account, err))
        ok = ft_table_update(table, key, hash, add_member, out_new, &result, err);
    return ok;
}

static bool delete_member(void *host, ft_word there, ft_word *out)
{
    *(bool *)host = there != FT_WORD_NONE;
    *out = FT_WORD_NONE;
    return true;
}

bool ft_set_delete(ft_set *set, const ft_key *key, bool *out_was, ft_error *err)
{
    uint64_t hash = ft_key_hash(key);
    ft_table_result result;

    return ft_table_update(&set->shards[hash >> SHARD_SHIFT].table, key, hash, delete_member,
                           out_was, &result, err);
}

bool ft_set_next(const ft_set *set, size_t *shard_at, size_t *at, ft_key *out_key)
{
    ft_word word;

    for (; *shard_at < SHARDS; ++*shard_at, *at = 0)
        if (ft_table_next(&set->shards[*shard_at].table, at, out_key, &word))
            return true;
    return false;
}
