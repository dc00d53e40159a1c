// runtime/concurrent/shared_list.c: appended, set, popped and read at once; the array grows under
// readers; what was replaced is freed when no reader has it.
//
// sources: runtime/concurrent/shared_value.c runtime/memory/account.c CORE
#include "runtime/concurrent/shared_list.c"
#include "tests/mc/targets/collections.h"

enum { APPEND, GET, SET, POP, COUNT };

static ft_list *list;

static void append(int64_t number)
{
    ft_value v = boxed(number);
    ft_error err = FT_ERROR_INIT;
    int64_t index;
    mc_operation *o = mc_begin(APPEND, number);

    mc_check(ft_list_append(list, &v, &index, &err));
    mc_end(o, index);
}

static void get(int64_t index)
{
    ft_value v;
    mc_operation *o = mc_begin(GET, index);
    bool there = ft_list_get(list, index, &v);

    mc_end(o, there ? number_of(&v) : 0);
}

static void set(int64_t index, int64_t number)
{
    ft_value v = boxed(number);
    ft_error err = FT_ERROR_INIT;
    mc_operation *o = mc_begin(SET, index << 8 | number);

    mc_end(o, ft_list_set(list, index, &v, &err));
}

static void pop(void)
{
    ft_value v;
    mc_operation *o = mc_begin(POP, 0);
    bool there = ft_list_pop(list, &v);

    mc_end(o, there ? number_of(&v) : 0);
}

static void count(void)
{
    mc_operation *o = mc_begin(COUNT, 0);

    mc_end(o, ft_list_count(list));
}

static bool apply(void *state, const mc_operation *o)
{
    int64_t *count = state, *items = count + 1;
    int64_t was = 0;

    switch (o->kind) {
    case APPEND:
        items[*count] = o->argument;
        return o->result == (*count)++;
    case GET:
        return o->result == (o->argument < *count ? items[o->argument] : 0);
    case SET:
        if (o->argument >> 8 >= *count)
            return o->result == 0;
        items[o->argument >> 8] = o->argument & 0xFF;
        return o->result == 1;
    case COUNT:
        return o->result == *count;
    default:
        if (*count > 0) {
            was = items[--*count];
            items[*count] = 0;
        }
        return o->result == was;
    }
}

static void setup(void)
{
    ft_error err = FT_ERROR_INIT;

    begin_leases();
    list = ft_list_create(100, NULL, &err);
    keep(&list->cyclic.object);
    append(1);
}

static void setup_fast(void)
{
    hurry_epochs();
    setup();
}

static void finish(void)
{
    for (int i = 0; i < 5; i++)
        get(i);
    mc_check(mc_is_linearizable(apply));
    list_destroy(&list->cyclic.object);
    end_leases();
}

static void appends(int thread)
{
    if (thread == 1) {
        append(2);
        append(3);
    } else if (thread == 2) {
        get(1);
        get(0);
    } else {
        get(2);
    }
}

static void replace(int thread)
{
    if (thread == 1) {
        set(0, 2);
        set(0, 3);
    } else {
        get(0);
    }
}

static void both_ends(int thread)
{
    if (thread == 1)
        append(2);
    else if (thread == 2)
        pop();
    else
        get(0);
}

// Who replaces an item that is taken out must not put it back.
static void replace_and_pop(int thread)
{
    if (thread == 1)
        set(0, 2);
    else if (thread == 2)
        pop();
    else
        append(3);
}

static void counts(int thread)
{
    if (thread == 1) {
        append(2);
    } else {
        get(1);
        count();
    }
}

static void all(int thread)
{
    if (thread == 1) {
        append(2);
        set(0, 4);
    } else if (thread == 2) {
        pop();
        append(3);
    } else {
        get(0);
        get(1);
    }
}

const mc_target mc_targets[] = {
    {"list-grow", "append append | get get | get", 3, setup, appends, finish, .is_long = false},
    {"list-replace", "set set | get", 2, setup_fast, replace, finish, .is_long = false},
    {"list-pop", "append | pop | get", 3, setup, both_ends, finish, .is_long = false},
    {"list-replace-pop", "set | pop | append", 3, setup, replace_and_pop, finish, .is_long = false},
    {"list-count", "append | get count", 2, setup, counts, finish, .is_long = false},
    {"list-replace-3", "set set | get | get", 3, setup_fast, replace, finish, .is_long = false},
    {"list-3x2", "append set | pop append | get get", 3, setup, all, finish, .is_long = true},
    {.name = NULL},
};
