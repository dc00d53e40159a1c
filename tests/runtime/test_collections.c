// Shared collections: what they do alone, and that nothing is lost or repeated when three threads
// use them at once, while tables grow and queues are full and empty.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/concurrent/dict.h"
#include "runtime/concurrent/queue.h"
#include "runtime/concurrent/set.h"
#include "runtime/concurrent/shared_list.h"
#include "runtime/concurrent/stack.h"
#include "runtime/memory/alloc.h"
#include "runtime/memory/collector.h"
#include "runtime/system/thread.h"
#include "tests/check.h"

enum { THREADS = 3, KEYS = 64 };

static int64_t operations(void)
{
    const char *text = getenv("FT_TORTURE");
    return text ? atoll(text) / THREADS : 20000;
}

static ft_key int_key(int64_t key)
{
    return (ft_key){.is_int = true, .integer = key};
}

static ft_key text_key(const char *text)
{
    return (ft_key){.text = ft_slice_of(text)};
}

static ft_value int_value(int64_t value)
{
    return (ft_value){FT_VALUE_INT, {.integer = value}};
}

static ft_value text_value(const char *text)
{
    ft_error err = FT_ERROR_INIT;
    ft_string *string = ft_string_create(ft_slice_of(text), NULL, &err);

    check_true(string != NULL);
    return (ft_value){FT_VALUE_STRING, {.object = &string->object}};
}

static void run(void (*work)(void *), void *host)
{
    ft_thread threads[THREADS] = {{0}};
    ft_error err = FT_ERROR_INIT;

    for (int i = 0; i < THREADS; i++)
        check_ok(ft_thread_start(&threads[i], "work", work, host, &err), &err);
    for (int i = 0; i < THREADS; i++)
        ft_thread_join(&threads[i]);
}

// ---- values ----

TEST(words_keep_their_values)
{
    ft_error err = FT_ERROR_INIT;
    static const int64_t integers[] = {
        0, 1, -1, INT64_MAX, INT64_MIN, INT64_C(1) << 60, -(INT64_C(1) << 60) - 1};
    static const double numbers[] = {0, -0.0, 0.5, 0.1, 1e300, -3.25, 1e-320};
    ft_word word;

    for (size_t i = 0; i < FT_COUNT_OF(integers); i++) {
        ft_value value = int_value(integers[i]);
        check_ok(ft_word_make(&value, NULL, &word, &err), &err);
        check_int_eq(ft_word_borrow(word).kind, FT_VALUE_INT);
        check_int_eq(ft_word_borrow(word).integer, integers[i]);
        ft_word_drop(word);
    }
    for (size_t i = 0; i < FT_COUNT_OF(numbers); i++) {
        ft_value value = {FT_VALUE_FLOAT, {.number = numbers[i]}};
        check_ok(ft_word_make(&value, NULL, &word, &err), &err);
        double got = ft_word_borrow(word).number;
        check_true(memcmp(&got, &numbers[i], sizeof(got)) == 0);
        ft_word_drop(word);
    }
    for (int i = 0; i < 2; i++) {
        ft_value value = {FT_VALUE_BOOL, {.boolean = i == 1}};
        check_ok(ft_word_make(&value, NULL, &word, &err), &err);
        check_int_eq(ft_word_borrow(word).kind, FT_VALUE_BOOL);
        check_int_eq(ft_word_borrow(word).boolean, i);
    }
    ft_value one = int_value(1), same = {FT_VALUE_FLOAT, {.number = 1}};
    check_true(ft_value_equals(&one, &same));
}

// ---- dict ----

TEST(a_dict_keeps_what_it_is_given)
{
    ft_error err = FT_ERROR_INIT;
    ft_collector_drain();  // What the tests before have left.
    int64_t live = ft_alloc_get_stats().live_blocks;
    ft_dict *dict = ft_dict_create(1000, NULL, &err);
    ft_value got, text = text_value("hello"), nil = {FT_VALUE_NIL, {0}};
    ft_key a = text_key("a"), b = int_key(-7);
    bool was;

    check_true(!ft_dict_get(dict, &a, &got));
    check_ok(ft_dict_set(dict, &a, &text, &err), &err);
    check_ok(ft_dict_set(dict, &b, &nil, &err), &err);
    check_true(ft_dict_get(dict, &a, &got));
    check_slice_eq(ft_string_slice((ft_string *)(void *)got.object), "hello");
    ft_value_drop(&got);
    check_true(ft_dict_get(dict, &b, &got));
    check_int_eq(got.kind, FT_VALUE_NIL);
    check_int_eq(ft_dict_count(dict), 2);
    check_ok(ft_dict_delete(dict, &a, &was, &err), &err);
    check_true(was && !ft_dict_get(dict, &a, &got));
    check_ok(ft_dict_delete(dict, &a, &was, &err), &err);
    check_true(!was);
    check_ok(ft_dict_set(dict, &a, &text, &err), &err);  // Its slot is still its own.
    check_int_eq(ft_dict_count(dict), 2);
    ft_value_drop(&text);
    ft_object_unref(ft_dict_object(dict));
    ft_epoch_drain();
    check_int_eq(ft_alloc_get_stats().live_blocks, live);
}

TEST(a_dict_grows_and_forgets)
{
    ft_error err = FT_ERROR_INIT;
    ft_dict *dict = ft_dict_create(100000, NULL, &err);
    ft_value got;
    char text[32];

    for (int round = 0; round < 3; round++) {
        for (int64_t i = 0; i < 5000; i++) {
            ft_value value = int_value(i * round);
            snprintf(text, sizeof(text), "key %lld", (long long)i);
            ft_key key = i % 2 ? int_key(i) : text_key(text);
            check_ok(ft_dict_set(dict, &key, &value, &err), &err);
        }
        for (int64_t i = 0; i < 5000; i++) {
            snprintf(text, sizeof(text), "key %lld", (long long)i);
            ft_key key = i % 2 ? int_key(i) : text_key(text);
            check_true(ft_dict_get(dict, &key, &got));
            check_int_eq(got.integer, i * round);
            check_ok(ft_dict_delete(dict, &key, NULL, &err), &err);
        }
        check_int_eq(ft_dict_count(dict), 0);
    }
    ft_object_unref(ft_dict_object(dict));
    ft_epoch_drain();
}

TEST(a_dict_says_when_it_is_full)
{
    ft_error err = FT_ERROR_INIT;
    ft_dict *dict = ft_dict_create(2, NULL, &err);
    ft_value value = int_value(1), text = text_value("x"), sum;
    ft_key a = int_key(1), b = int_key(2), c = int_key(3);

    check_ok(ft_dict_set(dict, &a, &value, &err), &err);
    check_ok(ft_dict_set(dict, &b, &text, &err), &err);
    check_fails(ft_dict_set(dict, &c, &value, &err), &err, FT_ERROR_LIMIT);
    err = (ft_error)FT_ERROR_INIT;
    check_fails(ft_dict_add(dict, &b, &value, &sum, &err), &err, FT_ERROR_DATA);
    check_contains(err.message, "cannot add to a string");
    err = (ft_error)FT_ERROR_INIT;
    value = int_value(INT64_MAX);
    check_fails(ft_dict_add(dict, &a, &value, &sum, &err), &err, FT_ERROR_DATA);
    ft_value_drop(&text);
    ft_object_unref(ft_dict_object(dict));
    ft_epoch_drain();
}

TEST(cas_and_get_or_set)
{
    ft_error err = FT_ERROR_INIT;
    ft_dict *dict = ft_dict_create(10, NULL, &err);
    ft_key key = text_key("k");
    ft_value nil = {FT_VALUE_NIL, {0}}, one = int_value(1), two = int_value(2), got;
    bool done;

    check_ok(ft_dict_cas(dict, &key, &one, &two, &done, &err), &err);
    check_true(!done);
    check_ok(ft_dict_cas(dict, &key, &nil, &one, &done, &err), &err);
    check_true(done);
    check_ok(ft_dict_get_or_set(dict, &key, &two, &got, &err), &err);
    check_int_eq(got.integer, 1);
    check_ok(ft_dict_cas(dict, &key, &one, &nil, &done, &err), &err);
    check_true(done && ft_dict_count(dict) == 0);
    check_ok(ft_dict_get_or_set(dict, &key, &two, &got, &err), &err);
    check_int_eq(got.integer, 2);
    ft_object_unref(ft_dict_object(dict));
    ft_epoch_drain();
}

// ---- three threads ----

typedef struct {
    ft_dict *dict;
    ft_set *set;
    ft_list *list;
    ft_stack *stack;
    ft_queue *queue;
    ft_atomic_u64 pushed, popped, added, wrong;
    ft_atomic_i64 next;
    ft_atomic_u32 number;
} shared_state;

static ft_atomic_u64 *counter_of(shared_state *s, bool push)
{
    return push ? &s->pushed : &s->popped;
}

static void use_dict(void *host)
{
    shared_state *s = host;
    ft_error err = FT_ERROR_INIT;
    int64_t count = operations();
    uint64_t wrong = 0;
    char text[32];

    for (int64_t i = 0; i < count; i++) {
        ft_value one = int_value(1), got;
        ft_key total = text_key("total"), key = int_key(i % KEYS);
        wrong += !ft_dict_add(s->dict, &total, &one, &got, &err);
        if (i % 4 == 0) {
            snprintf(text, sizeof(text), "%lld", (long long)(i % KEYS));
            ft_value value = text_value(text);
            wrong += !ft_dict_set(s->dict, &key, &value, &err);
            ft_value_drop(&value);
        } else if (i % 4 == 1) {
            wrong += !ft_dict_delete(s->dict, &key, NULL, &err);
        } else if (ft_dict_get(s->dict, &key, &got)) {
            snprintf(text, sizeof(text), "%lld", (long long)(i % KEYS));
            wrong += !ft_slice_is(ft_string_slice((ft_string *)(void *)got.object), text);
            ft_value_drop(&got);
        }
        if (i % 64 == 0)
            ft_lease_turn_end();
    }
    ft_atomic_add(&s->wrong, wrong, FT_RELAXED);
}

TEST(a_dict_loses_no_update)
{
    ft_error err = FT_ERROR_INIT;
    ft_collector_drain();  // What the tests before have left.
    int64_t live = ft_alloc_get_stats().live_blocks;
    static shared_state s;
    ft_value got;
    ft_key total = text_key("total");

    s.dict = ft_dict_create(1000, NULL, &err);
    run(use_dict, &s);
    check_int_eq(ft_atomic_load(&s.wrong, FT_RELAXED), 0);
    check_true(ft_dict_get(s.dict, &total, &got));
    check_int_eq(got.integer, THREADS * operations());
    ft_object_unref(ft_dict_object(s.dict));
    ft_epoch_drain();
    check_int_eq(ft_alloc_get_stats().live_blocks, live);
}

static void use_set(void *host)
{
    shared_state *s = host;
    ft_error err = FT_ERROR_INIT;
    int64_t count = operations();
    uint64_t added = 0, wrong = 0;

    for (int64_t i = 0; i < count; i++) {
        ft_key key = int_key(i);
        bool is_new;
        wrong += !ft_set_add(s->set, &key, &is_new, &err) || !ft_set_has(s->set, &key);
        added += is_new;
        if (i % 64 == 0)
            ft_lease_turn_end();
    }
    ft_atomic_add(&s->added, added, FT_RELAXED);
    ft_atomic_add(&s->wrong, wrong, FT_RELAXED);
}

// A key that is not there must not be found while others are put where it would be.
static void use_sparse_dict(void *host)
{
    shared_state *s = host;
    ft_error err = FT_ERROR_INIT;
    int64_t count = operations();
    uint64_t wrong = 0, at = 88172645463325252u * (1 + ft_atomic_add(&s->number, 1, FT_RELAXED));

    for (int64_t i = 0; i < count; i++) {
        at ^= at << 13;
        at ^= at >> 7;
        at ^= at << 17;
        int64_t number = (int64_t)(at % 4096);
        ft_key key = int_key(number);
        ft_value value = int_value(number), got;
        if (i % 5 == 0)
            wrong += !ft_dict_set(s->dict, &key, &value, &err);
        else if (i % 5 == 1)
            wrong += !ft_dict_delete(s->dict, &key, NULL, &err);
        else if (ft_dict_get(s->dict, &key, &got))
            wrong += got.integer != number;
        if (i % 64 == 0)
            ft_lease_turn_end();
    }
    ft_atomic_add(&s->wrong, wrong, FT_RELAXED);
}

TEST(a_dict_never_gives_another_keys_value)
{
    ft_error err = FT_ERROR_INIT;
    static shared_state s;

    s.dict = ft_dict_create(10000, NULL, &err);
    run(use_sparse_dict, &s);
    check_int_eq(ft_atomic_load(&s.wrong, FT_RELAXED), 0);
    ft_object_unref(ft_dict_object(s.dict));
    ft_epoch_drain();
}

// Adds to keys that stay while keys come and go, so that the table is built anew every few steps: a
// change that comes while values are moved must be in the new table or be refused.
static void use_rebuilt_dict(void *host)
{
    shared_state *s = host;
    ft_error err = FT_ERROR_INIT;
    int64_t count = operations(), base = (1 + ft_atomic_add(&s->number, 1, FT_RELAXED)) * count;
    uint64_t wrong = 0;
    bool was;

    for (int64_t i = 0; i < count; i++) {
        // The sum of halves is boxed now and then, so old boxes are retired as well.
        ft_value by = {FT_VALUE_FLOAT, {.number = 0.1}}, one = int_value(1), got;
        ft_key number = int_key(-1 - i % 2), real = text_key("real"), fresh = int_key(base + i);
        wrong += !ft_dict_add(s->dict, &number, &one, &got, &err);
        wrong += !ft_dict_add(s->dict, &real, &by, &got, &err);
        wrong += !ft_dict_set(s->dict, &fresh, &one, &err);
        wrong += !ft_dict_get(s->dict, &fresh, &got) || got.integer != 1;
        wrong += !ft_dict_delete(s->dict, &fresh, &was, &err) || !was;
        wrong += ft_dict_get(s->dict, &fresh, &got);
        if (i % 64 == 0)
            ft_lease_turn_end();
    }
    ft_atomic_add(&s->wrong, wrong, FT_RELAXED);
}

TEST(a_dict_loses_no_update_while_it_is_built_anew)
{
    ft_error err = FT_ERROR_INIT;
    int64_t live = ft_alloc_get_stats().live_blocks, sum = 0;
    static shared_state s;
    ft_key real = text_key("real");
    ft_value got;

    s.dict = ft_dict_create(1000000, NULL, &err);
    run(use_rebuilt_dict, &s);
    check_int_eq(ft_atomic_load(&s.wrong, FT_RELAXED), 0);
    for (int64_t i = -2; i < 0; i++) {
        ft_key key = int_key(i);
        check_true(ft_dict_get(s.dict, &key, &got));
        sum += got.integer;
    }
    check_int_eq(sum, THREADS * operations());
    check_true(ft_dict_get(s.dict, &real, &got));
    double expected = 0.1 * (double)(THREADS * operations());
    check_true(got.number > expected * 0.9999 && got.number < expected * 1.0001);
    check_int_eq(ft_dict_count(s.dict), 3);
    ft_object_unref(ft_dict_object(s.dict));
    ft_epoch_drain();
    check_int_eq(ft_alloc_get_stats().live_blocks, live);
}

enum { SMALL_CAP = 9 };

// More keys than the cap, put in and taken out at once: never more than the cap are there.
static void use_full_dict(void *host)
{
    shared_state *s = host;
    int64_t count = operations(), inside = 0;
    uint64_t wrong = 0, at = 88172645463325252u * (1 + ft_atomic_add(&s->number, 1, FT_RELAXED));

    for (int64_t i = 0; i < count; i++) {
        ft_error err = FT_ERROR_INIT;
        at ^= at << 13;
        at ^= at >> 7;
        at ^= at << 17;
        ft_key key = int_key((int64_t)(at % 24));
        ft_value value = int_value(1), nil = {FT_VALUE_NIL, {0}};
        bool done;
        if (at >> 32 & 64) {
            bool ok = ft_dict_cas(s->dict, &key, &nil, &value, &done, &err);
            wrong += !ok && err.code != FT_ERROR_LIMIT;
            inside += ok && done;
        } else {
            wrong += !ft_dict_delete(s->dict, &key, &done, &err);
            inside -= done;
        }
        wrong += ft_dict_count(s->dict) > SMALL_CAP;
    }
    ft_atomic_add(&s->next, inside, FT_RELAXED);
    ft_atomic_add(&s->wrong, wrong, FT_RELAXED);
}

TEST(a_dict_never_passes_its_cap)
{
    ft_error err = FT_ERROR_INIT;
    static shared_state s;

    s.dict = ft_dict_create(SMALL_CAP, NULL, &err);
    run(use_full_dict, &s);
    check_int_eq(ft_atomic_load(&s.wrong, FT_RELAXED), 0);
    check_int_eq(ft_dict_count(s.dict), ft_atomic_load(&s.next, FT_RELAXED));
    ft_object_unref(ft_dict_object(s.dict));
    ft_epoch_drain();
}

TEST(a_set_tells_exactly_one_that_it_was_first)
{
    ft_error err = FT_ERROR_INIT;
    static shared_state s;

    s.set = ft_set_create(INT64_MAX, NULL, &err);
    run(use_set, &s);
    check_int_eq(ft_atomic_load(&s.wrong, FT_RELAXED), 0);
    check_int_eq(ft_atomic_load(&s.added, FT_RELAXED), operations());
    check_int_eq(ft_set_count(s.set), operations());
    ft_key key = int_key(3);
    bool was;
    check_ok(ft_set_delete(s.set, &key, &was, &err), &err);
    check_true(was && !ft_set_has(s.set, &key));
    ft_object_unref(ft_set_object(s.set));
    ft_epoch_drain();
}

static void use_list(void *host)
{
    shared_state *s = host;
    ft_error err = FT_ERROR_INIT;
    int64_t count = operations();
    uint64_t wrong = 0;

    for (int64_t i = 0; i < count; i++) {
        ft_value value = int_value(i), got;
        int64_t index;
        wrong += !ft_list_append(s->list, &value, &index, &err);
        wrong += ft_list_count(s->list) <= index;
        wrong += !ft_list_get(s->list, index, &got) || got.integer != i;
        wrong += !ft_list_get(s->list, index / 2, &got);
        if (i % 64 == 0)
            ft_lease_turn_end();
    }
    ft_atomic_add(&s->wrong, wrong, FT_RELAXED);
}

TEST(a_list_keeps_every_item)
{
    ft_error err = FT_ERROR_INIT;
    static shared_state s;
    int64_t sum = 0, count = operations();
    ft_value got, nine = int_value(9);

    s.list = ft_list_create(INT64_MAX, NULL, &err);
    run(use_list, &s);
    check_int_eq(ft_atomic_load(&s.wrong, FT_RELAXED), 0);
    check_int_eq(ft_list_count(s.list), THREADS * count);
    check_ok(ft_list_set(s.list, 0, &nine, &err), &err);
    check_true(ft_list_get(s.list, 0, &got) && got.integer == 9);
    nine = int_value(0);
    check_ok(ft_list_set(s.list, 0, &nine, &err), &err);
    check_fails(ft_list_set(s.list, THREADS * count, &nine, &err), &err, FT_ERROR_DATA);
    while (ft_list_pop(s.list, &got))
        sum += got.integer;
    // The first item is 0 whoever appended it: a thread's first number is 0.
    check_int_eq(sum, THREADS * (count * (count - 1) / 2));
    ft_object_unref(ft_list_object(s.list));
    ft_epoch_drain();
}

// Items are replaced while the last ones are taken out and put in: nothing is put behind the end,
// and every string is freed once.
static void use_short_list(void *host)
{
    shared_state *s = host;
    int64_t count = operations(), left = 0;
    uint64_t wrong = 0;
    ft_value got;

    for (int64_t i = 0; i < count; i++) {
        ft_error err = FT_ERROR_INIT;
        ft_value value = text_value("item");
        if (i % 3 == 0) {
            wrong += !ft_list_append(s->list, &value, NULL, &err);
            left++;
        } else if (i % 3 == 1) {
            wrong += !ft_list_set(s->list, i / 3 % 4, &value, &err) && err.code != FT_ERROR_DATA;
        } else if (ft_list_pop(s->list, &got)) {
            left--;
            ft_value_drop(&got);
        }
        ft_value_drop(&value);
        if (ft_list_get(s->list, i % 4, &got)) {
            wrong += !ft_slice_is(ft_string_slice((ft_string *)(void *)got.object), "item");
            ft_value_drop(&got);
        }
        if (i % 64 == 0)
            ft_lease_turn_end();
    }
    ft_atomic_add(&s->next, left, FT_RELAXED);
    ft_atomic_add(&s->wrong, wrong, FT_RELAXED);
}

TEST(a_list_has_nothing_behind_its_end)
{
    ft_error err = FT_ERROR_INIT;
    int64_t live = ft_alloc_get_stats().live_blocks;
    static shared_state s;
    ft_value got;

    s.list = ft_list_create(INT64_MAX, NULL, &err);
    run(use_short_list, &s);
    check_int_eq(ft_atomic_load(&s.wrong, FT_RELAXED), 0);
    check_int_eq(ft_list_count(s.list), ft_atomic_load(&s.next, FT_RELAXED));
    while (ft_list_pop(s.list, &got))
        ft_value_drop(&got);
    check_int_eq(ft_list_count(s.list), 0);
    ft_object_unref(ft_list_object(s.list));
    ft_epoch_drain();
    check_int_eq(ft_alloc_get_stats().live_blocks, live);
}

// Sums of what went in and came out, so that a lost or repeated value shows.
static void move_values(shared_state *s, bool is_stack)
{
    ft_error err = FT_ERROR_INIT;
    int64_t count = operations();
    uint64_t in = 0, out = 0, wrong = 0;
    ft_value got;

    for (int64_t i = 0; i < count; i++) {
        int64_t number = ft_atomic_add(&s->next, 1, FT_RELAXED);
        ft_value value = int_value(number);
        bool done = true;
        bool ok = is_stack ? ft_stack_push(s->stack, &value, &err)
                           : ft_queue_push(s->queue, &value, &done, &err);
        wrong += !ok;
        in += ok && done ? (uint64_t)number * (uint64_t)number : 0;
        if (i % 3 != 0) {
            ok = is_stack ? ft_stack_pop(s->stack, &got) : ft_queue_pop(s->queue, &got);
            out += ok ? (uint64_t)got.integer * (uint64_t)got.integer : 0;
        }
    }
    ft_atomic_add(counter_of(s, true), in, FT_RELAXED);
    ft_atomic_add(counter_of(s, false), out, FT_RELAXED);
    ft_atomic_add(&s->wrong, wrong, FT_RELAXED);
}

static void use_stack(void *host)
{
    move_values(host, true);
}

static void use_queue(void *host)
{
    move_values(host, false);
}

static void add_square(ft_value *value, void *host)
{
    *(uint64_t *)host += (uint64_t)value->integer * (uint64_t)value->integer;
}

TEST(a_stack_loses_and_repeats_nothing)
{
    ft_error err = FT_ERROR_INIT;
    static shared_state s;
    uint64_t rest = 0;

    s.stack = ft_stack_create(INT64_MAX, NULL, &err);
    run(use_stack, &s);
    check_int_eq(ft_atomic_load(&s.wrong, FT_RELAXED), 0);
    ft_stack_pop_all(s.stack, add_square, &rest);
    check_int_eq(ft_atomic_load(&s.popped, FT_RELAXED) + rest,
                 ft_atomic_load(&s.pushed, FT_RELAXED));
    check_int_eq(ft_stack_count(s.stack), 0);
    ft_object_unref(ft_stack_object(s.stack));
}

// Free nodes lie on several lists: a stack must find them all before it says that it is full, and
// never hold more than its cap.
static void use_full_stack(void *host)
{
    shared_state *s = host;
    int64_t count = operations();
    uint64_t in = 0, out = 0, wrong = 0;
    ft_value got;

    for (int64_t i = 0; i < count; i++) {
        ft_error err = FT_ERROR_INIT;
        ft_value value = int_value(i);
        if (ft_stack_push(s->stack, &value, &err))
            in += (uint64_t)i;
        else
            wrong += err.code != FT_ERROR_LIMIT;
        wrong += ft_stack_count(s->stack) > THREADS - 1;
        if (i % 4 && ft_stack_pop(s->stack, &got))
            out += (uint64_t)got.integer;
    }
    ft_atomic_add(&s->pushed, in, FT_RELAXED);
    ft_atomic_add(&s->popped, out, FT_RELAXED);
    ft_atomic_add(&s->wrong, wrong, FT_RELAXED);
}

TEST(a_stack_never_passes_its_cap)
{
    ft_error err = FT_ERROR_INIT;
    static shared_state s;
    ft_value got = int_value(1);
    uint64_t rest = 0;

    s.stack = ft_stack_create(THREADS - 1, NULL, &err);
    run(use_full_stack, &s);
    check_int_eq(ft_atomic_load(&s.wrong, FT_RELAXED), 0);
    while (ft_stack_pop(s.stack, &got))
        rest += (uint64_t)got.integer;
    check_int_eq(ft_atomic_load(&s.popped, FT_RELAXED) + rest,
                 ft_atomic_load(&s.pushed, FT_RELAXED));
    for (int i = 0; i < THREADS - 1; i++)  // Whoever popped the nodes.
        check_ok(ft_stack_push(s.stack, &got, &err), &err);
    check_fails(ft_stack_push(s.stack, &got, &err), &err, FT_ERROR_LIMIT);
    check_int_eq(ft_stack_count(s.stack), THREADS - 1);
    ft_object_unref(ft_stack_object(s.stack));
}

TEST(a_stack_is_last_in_first_out)
{
    ft_error err = FT_ERROR_INIT;
    ft_stack *stack = ft_stack_create(200, NULL, &err);
    ft_value got, text = text_value("deep");

    check_ok(ft_stack_push(stack, &text, &err), &err);
    for (int64_t i = 0; i < 199; i++) {
        ft_value value = int_value(i);
        check_ok(ft_stack_push(stack, &value, &err), &err);
    }
    check_fails(ft_stack_push(stack, &text, &err), &err, FT_ERROR_LIMIT);
    for (int64_t i = 199; i-- > 0;)
        check_true(ft_stack_pop(stack, &got) && got.integer == i);
    check_true(ft_stack_pop(stack, &got));
    check_slice_eq(ft_string_slice((ft_string *)(void *)got.object), "deep");
    ft_value_drop(&got);
    check_true(!ft_stack_pop(stack, &got));
    ft_value_drop(&text);
    ft_object_unref(ft_stack_object(stack));
}

TEST(a_queue_loses_and_repeats_nothing)
{
    ft_error err = FT_ERROR_INIT;
    static shared_state s;
    uint64_t rest = 0;
    ft_value got;

    s.queue = ft_queue_create(16, NULL, &err);
    run(use_queue, &s);
    check_int_eq(ft_atomic_load(&s.wrong, FT_RELAXED), 0);
    while (ft_queue_pop(s.queue, &got))
        add_square(&got, &rest);
    check_int_eq(ft_atomic_load(&s.popped, FT_RELAXED) + rest,
                 ft_atomic_load(&s.pushed, FT_RELAXED));
    ft_object_unref(ft_queue_object(s.queue));
}

TEST(a_queue_is_first_in_first_out)
{
    ft_error err = FT_ERROR_INIT;
    ft_queue *queue = ft_queue_create(3, NULL, &err);
    ft_value got;
    bool done;

    for (int round = 0; round < 5; round++) {
        for (int64_t i = 0; i < 5; i++) {
            ft_value value = int_value(i);
            check_ok(ft_queue_push(queue, &value, &done, &err), &err);
            check_int_eq(done, i < 4);  // Three round up to four.
        }
        check_int_eq(ft_queue_count(queue), 4);
        for (int64_t i = 0; i < 4; i++)
            check_true(ft_queue_pop(queue, &got) && got.integer == i);
        check_true(!ft_queue_pop(queue, &got));
    }
    ft_object_unref(ft_queue_object(queue));
}

// ---- the lock ----

typedef struct {
    ft_atomic_u8 lock;
    int64_t sum;  // Under the lock.
} guarded;

static ft_lock_class test_lock = {.name = "test"};

static void add_under_lock(void *host)
{
    guarded *g = host;
    int64_t count = operations();

    for (int64_t i = 0; i < count; i++) {
        ft_lock_acquire(&g->lock, &test_lock);
        g->sum++;
        ft_lock_release(&g->lock);
    }
}

TEST(a_byte_lock_excludes)
{
    static guarded g;

    ft_lock_profile_enable(true);
    run(add_under_lock, &g);
    ft_lock_profile_enable(false);
    check_int_eq(g.sum, THREADS * operations());
    check_true(ft_lock_try(&g.lock));
    check_true(!ft_lock_try(&g.lock));
    ft_lock_release(&g.lock);
    check_int_eq(ft_atomic_load(&g.lock, FT_RELAXED), 0);
}

// ---- memory ----

TEST(without_memory_nothing_is_half_done)
{
    ft_error err = FT_ERROR_INIT;
    ft_collector_drain();  // What the tests before have left.
    int64_t live = ft_alloc_get_stats().live_blocks;

    for (uint64_t nth = 1; nth < 60; nth++) {
        ft_alloc_fail_at(nth, false);
        ft_dict *dict = ft_dict_create(100, NULL, &err);
        for (int64_t i = 0; dict && i < 20; i++) {
            ft_value value = {FT_VALUE_FLOAT, {.number = 0.1}};
            char text[16];
            snprintf(text, sizeof(text), "k%d", (int)i);
            ft_key key = text_key(text);
            err = (ft_error)FT_ERROR_INIT;
            bool ok = ft_dict_set(dict, &key, &value, &err);
            check_int_eq(ok, err.code == FT_ERROR_NONE);
            check_int_eq(ft_dict_get(dict, &key, &value), ok);
        }
        ft_alloc_fail_at(0, false);
        if (dict)
            ft_object_unref(ft_dict_object(dict));
        ft_epoch_drain();
        check_int_eq(ft_alloc_get_stats().live_blocks, live);
    }
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
