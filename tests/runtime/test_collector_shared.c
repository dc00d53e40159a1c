// The cycle collector and the collections that scripts share: accounts, failing allocations,
// threads that push, pop, set and delete what holds itself.
#include <stdlib.h>
#include <string.h>

#include "runtime/concurrent/dict.h"
#include "runtime/concurrent/queue.h"
#include "runtime/concurrent/shared_list.h"
#include "runtime/concurrent/stack.h"
#include "runtime/memory/alloc.h"
#include "runtime/memory/collector.h"
#include "runtime/system/thread.h"
#include "tests/check.h"

enum { THREADS = 3, SHARED = 4 };

static ft_value value_of(ft_value_kind kind, void *object)
{
    return (ft_value){kind, {.object = object}};
}

static bool make_mixed_ring(ft_account *account, ft_error *err)
{
    ft_dict *dict = ft_dict_create(100, account, err);
    ft_list *list = dict ? ft_list_create(100, account, err) : NULL;
    ft_stack *stack = list ? ft_stack_create(100, account, err) : NULL;
    ft_queue *queue = stack ? ft_queue_create(4, account, err) : NULL;
    ft_key key = {.text = ft_slice_of("self")};
    ft_value d = value_of(FT_VALUE_DICT, dict), l = value_of(FT_VALUE_LIST, list);
    ft_value s = value_of(FT_VALUE_STACK, stack), q = value_of(FT_VALUE_QUEUE, queue);
    bool done;
    bool ok = queue && ft_dict_set(dict, &key, &l, err) && ft_list_append(list, &s, NULL, err) &&
              ft_list_append(list, &l, NULL, err) && ft_stack_push(stack, &q, err) &&
              ft_queue_push(queue, &d, &done, err) && ft_queue_push(queue, &s, &done, err);

    if (queue)
        ft_object_unref(ft_queue_object(queue));
    if (stack)
        ft_object_unref(ft_stack_object(stack));
    if (list)
        ft_object_unref(ft_list_object(list));
    if (dict)
        ft_object_unref(ft_dict_object(dict));
    return ok;
}

TEST(garbage_makes_room_before_an_account_is_full)
{
    ft_account account;
    ft_error err = FT_ERROR_INIT;

    ft_collector_drain();
    ft_account_init(&account, 1 << 20);
    for (int i = 0; i < 20000; i++)
        check_ok(make_mixed_ring(&account, &err), &err);
    check_true(ft_account_peak_bytes(&account) <= account.common_bytes);
    ft_collector_drain();
    check_int_eq(ft_account_used_bytes(&account), 0);
}

TEST(what_lives_fills_an_account)
{
    ft_account account;
    ft_error err = FT_ERROR_INIT;
    int64_t count = 0;

    ft_collector_drain();
    ft_account_init(&account, 1 << 20);
    ft_list *list = ft_list_create(1 << 20, &account, &err);
    for (bool ok = true; ok; count++) {
        ft_list *one = ft_list_create(10, &account, &err);
        ft_value value = value_of(FT_VALUE_LIST, one);
        ok = one && ft_list_append(list, &value, NULL, &err);
        ok = ok && ft_list_append(one, &value, NULL, &err);  // A cycle, but alive.
        if (one)
            ft_object_unref(ft_list_object(one));
    }
    check_int_eq(err.code, FT_ERROR_LIMIT);
    check_true(count > 1000);
    ft_object_unref(ft_list_object(list));
    ft_collector_drain();
    check_int_eq(ft_account_used_bytes(&account), 0);
}

TEST(without_memory_nothing_is_lost)
{
    ft_account account;
    ft_error err = FT_ERROR_INIT;

    ft_collector_drain();
    ft_account_init(&account, 1 << 20);
    int64_t live = ft_alloc_get_stats().live_blocks;
    for (uint64_t nth = 1; nth < 120; nth++) {
        ft_alloc_fail_at(nth, nth % 2 == 0);
        for (int i = 0; i < 3; i++) {
            err = (ft_error)FT_ERROR_INIT;
            bool ok = make_mixed_ring(&account, &err);
            check_int_eq(ok, err.code == FT_ERROR_NONE);
        }
        ft_collector_drain();  // While every allocation may fail.
        ft_alloc_fail_at(0, false);
        check_int_eq(ft_account_used_bytes(&account), 0);
        check_int_eq(ft_alloc_get_stats().live_blocks, live);
    }
}

// ---- collections under mutators ----

typedef struct {
    ft_dict *top;  // 0 to SHARED - 1: a dict, list, stack, queue each.
    ft_account account;
    int64_t rounds;
} shelf;

typedef struct {
    shelf *s;
    uint64_t seed;
} shelf_user;

static uint32_t below(shelf_user *u, uint32_t limit)
{
    u->seed = u->seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(u->seed >> 33) % limit;
}

static int64_t operations(int64_t fallback)
{
    const char *text = getenv("FT_TORTURE");
    return text ? atoll(text) : fallback;
}

static bool make_any(uint32_t kind, ft_account *account, ft_value *out, ft_error *err)
{
    void *made;

    if (kind == 0)
        made = ft_dict_create(100, account, err), out->kind = FT_VALUE_DICT;
    else if (kind == 1)
        made = ft_list_create(100, account, err), out->kind = FT_VALUE_LIST;
    else if (kind == 2)
        made = ft_stack_create(100, account, err), out->kind = FT_VALUE_STACK;
    else
        made = ft_queue_create(8, account, err), out->kind = FT_VALUE_QUEUE;
    out->object = made;
    return made != NULL;
}

static void put_any(const ft_value *into, uint32_t key, const ft_value *what)
{
    ft_error err = FT_ERROR_INIT;
    void *object = into->object;
    ft_key at = {.is_int = true, .integer = key};
    bool done;

    // Full ones refuse.
    if (into->kind == FT_VALUE_DICT)
        ft_ignore(ft_dict_set(object, &at, what, &err));
    else if (into->kind == FT_VALUE_LIST)
        ft_ignore(ft_list_append(object, what, NULL, &err));
    else if (into->kind == FT_VALUE_STACK)
        ft_ignore(ft_stack_push(object, what, &err));
    else if (into->kind == FT_VALUE_QUEUE)
        ft_ignore(ft_queue_push(object, what, &done, &err));
}

static bool take_any(const ft_value *from, uint32_t key, ft_value *out)
{
    void *object = from->object;
    ft_key at = {.is_int = true, .integer = key};

    if (from->kind == FT_VALUE_DICT)
        return ft_dict_get(object, &at, out);
    if (from->kind == FT_VALUE_LIST)
        return ft_list_pop(object, out);
    if (from->kind == FT_VALUE_STACK)
        return ft_stack_pop(object, out);
    return from->kind == FT_VALUE_QUEUE && ft_queue_pop(object, out);
}

static void use_shelf(void *host)
{
    shelf_user *u = host;
    ft_error err = FT_ERROR_INIT;

    for (int64_t i = 0; i < u->s->rounds; i++) {
        ft_key key = {.is_int = true, .integer = below(u, SHARED)};
        ft_value top = {FT_VALUE_NIL, {0}}, other = top, made = top;
        if (below(u, 4) == 0 && make_any(below(u, 4), &u->s->account, &made, &err)) {
            put_any(&made, 1, &made);
            check_ok(ft_dict_set(u->s->top, &key, &made, &err), &err);
        }
        key.integer = below(u, SHARED);
        if (ft_dict_get(u->s->top, &key, &top)) {
            put_any(&top, below(u, 30), &made);
            if (take_any(&top, below(u, 30), &other)) {
                put_any(&other, below(u, 30), &top);
                ft_value_drop(&other);
            }
        }
        ft_value_drop(&top);
        ft_value_drop(&made);
        if (i % 16 == 0)
            ft_lease_turn_end();
    }
}

TEST(collections_keep_the_rules)
{
    static shelf s;
    static shelf_user users[THREADS];
    ft_thread threads[THREADS];
    ft_error err = FT_ERROR_INIT;

    ft_collector_drain();
    int64_t live = ft_alloc_get_stats().live_blocks;
    ft_account_init(&s.account, 64 << 20);
    s.rounds = operations(60000);
    s.top = ft_dict_create(100, &s.account, &err);
    for (int i = 0; i < THREADS; i++) {
        users[i] = (shelf_user){&s, (uint64_t)i * 31 + 7};
        check_ok(ft_thread_start(&threads[i], "shelf", use_shelf, &users[i], &err), &err);
    }
    for (int i = 0; i < THREADS; i++)
        ft_thread_join(&threads[i]);
    ft_object_unref(ft_dict_object(s.top));
    ft_collector_drain();
    check_int_eq(ft_account_used_bytes(&s.account), 0);
    check_int_eq(ft_alloc_get_stats().live_blocks, live);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
