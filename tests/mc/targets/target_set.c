// runtime/concurrent/set.c: of those who add the same member exactly one is told that it was new;
// two members of one shard, deletes, growth under readers.
//
// sources: runtime/concurrent/table.c runtime/concurrent/shared_value.c
// sources: runtime/memory/account.c CORE
#include "runtime/concurrent/set.c"
#include "tests/mc/targets/collections.h"

enum { ADD, HAS, DELETE };

static ft_set *set;
static int64_t members[2];  // Of one shard.

static ft_key key_of(int which)
{
    return (ft_key){.is_int = true, .integer = members[which]};
}

static void add(int which)
{
    ft_key key = key_of(which);
    ft_error err = FT_ERROR_INIT;
    bool is_new;
    mc_operation *o = mc_begin(ADD, which);

    mc_check(ft_set_add(set, &key, &is_new, &err));
    mc_end(o, is_new);
}

static void has(int which)
{
    ft_key key = key_of(which);
    mc_operation *o = mc_begin(HAS, which);

    mc_end(o, ft_set_has(set, &key));
}

static void delete(int which)
{
    ft_key key = key_of(which);
    ft_error err = FT_ERROR_INIT;
    bool was;
    mc_operation *o = mc_begin(DELETE, which);

    mc_check(ft_set_delete(set, &key, &was, &err));
    mc_end(o, was);
}

static bool apply(void *state, const mc_operation *o)
{
    bool *in = (bool *)state + o->argument, was = *in;

    *in = o->kind == ADD || (o->kind == HAS && was);
    return o->result == (o->kind == ADD ? !was : was);
}

static void setup(void)
{
    ft_error err = FT_ERROR_INIT;

    begin_leases();
    set = ft_set_create(100, NULL, &err);
    keep(&set->object);
    uint64_t shard = ft_key_hash(&(ft_key){.is_int = true}) >> SHARD_SHIFT;
    for (members[1] = 1;; members[1]++) {
        ft_key key = key_of(1);
        if (ft_key_hash(&key) >> SHARD_SHIFT == shard)
            break;
    }
}

static void setup_one(void)
{
    setup();
    add(0);
}

static void finish(void)
{
    has(0);
    has(1);
    mc_check(mc_is_linearizable(apply));
    set_destroy(&set->object);
    end_leases();
}

static void same(int thread)
{
    if (thread < 3)
        add(0);
    else
        has(0);
}

static void delete_and_add(int thread)
{
    if (thread == 1) {
        delete (0);
        add(0);
    } else if (thread == 2) {
        add(1);
    } else {
        has(0);
    }
}

static void all(int thread)
{
    if (thread == 1) {
        delete (0);
        add(1);
    } else if (thread == 2) {
        add(1);
        add(0);
    } else {
        has(1);
        has(0);
    }
}

const mc_target mc_targets[] = {
    {"set-same", "add | add | has", 3, setup, same, finish, .is_long = false},
    {"set-delete", "delete add | add other | has", 3, setup_one, delete_and_add, finish,
     .is_long = false},
    {"set-3x2", "delete add | add add | has has", 3, setup_one, all, finish, .is_long = true},
    {.name = NULL},
};
