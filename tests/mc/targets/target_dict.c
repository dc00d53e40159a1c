// runtime/concurrent/table.c through dict.c: one key set, deleted and read at once, two keys in
// one chain of slots, growth under a reader; what was replaced is freed when no reader has it.
//
// sources: runtime/concurrent/table.c runtime/concurrent/shared_value.c
// sources: runtime/memory/account.c CORE
#include "runtime/concurrent/dict.c"
#include "tests/mc/targets/collections.h"

enum { SET, GET, DELETE, ADD, KEYS = 4 };

static ft_dict *dict;

static ft_key key_of_int(int key)
{
    return (ft_key){.is_int = true, .integer = key};
}

static int64_t pair(int key, int64_t value)
{
    return key << 8 | value;
}

static void set(int key, int64_t number)
{
    ft_key k = key_of_int(key);
    ft_value v = boxed(number);
    ft_error err = FT_ERROR_INIT;
    mc_operation *o = mc_begin(SET, pair(key, number));

    mc_check(ft_dict_set(dict, &k, &v, &err));
    mc_end(o, 0);
}

static void get(int key)
{
    ft_key k = key_of_int(key);
    ft_value v;
    mc_operation *o = mc_begin(GET, key);
    bool there = ft_dict_get(dict, &k, &v);

    mc_end(o, there ? number_of(&v) : 0);
}

static void delete(int key)
{
    ft_key k = key_of_int(key);
    ft_error err = FT_ERROR_INIT;
    bool was;
    mc_operation *o = mc_begin(DELETE, key);

    mc_check(ft_dict_delete(dict, &k, &was, &err));
    mc_end(o, was);
}

static void add(int key)
{
    ft_key k = key_of_int(key);
    ft_value one = {FT_VALUE_INT, {.integer = 1}}, sum;
    ft_error err = FT_ERROR_INIT;
    mc_operation *o = mc_begin(ADD, key);

    mc_check(ft_dict_add(dict, &k, &one, &sum, &err));
    mc_end(o, sum.integer);
}

static bool apply(void *state, const mc_operation *o)
{
    int64_t *values = state;
    int key = (int)(o->kind == SET ? o->argument >> 8 : o->argument);
    int64_t before = values[key];

    switch (o->kind) {
    case SET:
        values[key] = o->argument & 0xFF;
        return true;
    case GET:
        return o->result == before;
    case ADD:
        return o->result == ++values[key];
    default:
        values[key] = 0;
        return o->result == (before != 0);
    }
}

static void setup(void)
{
    ft_error err = FT_ERROR_INIT;

    begin_leases();
    dict = ft_dict_create(100, NULL, &err);
    keep(&dict->cyclic.object);
    set(1, 1);
}

static void setup_fast(void)
{
    hurry_epochs();
    setup();
}

static void finish(void)
{
    for (int key = 0; key < KEYS; key++)
        get(key);
    mc_check(mc_is_linearizable(apply));
    dict_destroy(&dict->cyclic.object);
    end_leases();
}

static void replace(int thread)
{
    if (thread == 1)
        set(1, 2);
    else
        get(1);
}

static void remove_and_put(int thread)
{
    if (thread == 1) {
        delete (1);
        set(2, 3);
    } else {
        get(thread - 1);
    }
}

static void freed(int thread)
{
    if (thread == 1) {
        set(1, 2);
        delete (1);
        ft_epoch_turn_end();
        ft_epoch_turn_end();
    } else {
        get(1);
        if (mc_argument())
            get(1);
    }
}

static void grow(int thread)
{
    if (thread == 1) {
        set(2, 2);
        set(3, 3);
    } else {
        get(1);
        get(3);
    }
}

// A key that is not there, where another one is bound to the slot in which it would be.
static void setup_absent(void)
{
    setup();
    delete (1);
}

static void absent(int thread)
{
    if (thread == 1)
        set(2, 2);
    else
        get(0);
}

// A value is changed, and taken out, while the table is built anew for others.
static void move(int thread)
{
    if (thread == 1) {
        set(2, 2);
    } else {
        set(1, 3);
        delete (1);
    }
}

static void move_and_read(int thread)
{
    if (thread == 1)
        set(2, 2);
    else if (thread == 2)
        set(1, 4);
    else
        get(1);
}

static void adders(int thread)
{
    (void)thread;
    add(2);
}

static void all(int thread)
{
    if (thread == 1) {
        set(2, 2);
        delete (1);
    } else if (thread == 2) {
        set(1, 4);
        get(2);
    } else {
        get(1);
        get(2);
    }
}

const mc_target mc_targets[] = {
    {"dict-replace", "set | get", 2, setup_fast, replace, finish, .is_long = false},
    {"dict-delete", "delete set | get | get", 3, setup, remove_and_put, finish, .is_long = false},
    {"dict-freed", "set delete | get get", 2, setup_fast, freed, finish, .argument = 1},
    {"dict-grow", "set set | get get | get get", 3, setup, grow, finish, .is_long = false},
    {"dict-absent", "set | get another | get another", 3, setup_absent, absent, finish,
     .is_long = false},
    {"dict-move", "set | set delete", 2, setup_fast, move, finish, .is_long = false},
    {"dict-move-3", "set | set | get", 3, setup_fast, move_and_read, finish, .is_long = false},
    {"dict-add", "add | add | add", 3, setup, adders, finish, .is_long = false},
    {"dict-replace-3", "set | get | get", 3, setup_fast, replace, finish, .is_long = false},
    {"dict-freed-3", "set delete | get | get", 3, setup_fast, freed, finish, .is_long = true},
    {"dict-3x2", "set delete | set get | get get", 3, setup, all, finish, .is_long = false},
    {.name = NULL},
};
