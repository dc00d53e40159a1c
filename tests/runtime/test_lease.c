// Leases: who has one, for how long, and what becomes of what it owned.
#include <stdlib.h>

#include "runtime/memory/alloc.h"
#include "runtime/memory/refcount.h"
#include "runtime/system/thread.h"
#include "tests/check.h"

typedef struct {
    ft_object object;
    ft_atomic_i64 *gone;
} thing;

static void thing_destroy(ft_object *object)
{
    thing *t = (thing *)(void *)object;

    ft_atomic_add(t->gone, 1, FT_RELAXED);
    ft_free(t);
}

static const ft_object_type thing_type = {.name = "thing", .destroy = thing_destroy};

static thing *thing_new(ft_atomic_i64 *gone)
{
    thing *t = ft_alloc_zero(1, sizeof(*t));

    FT_ASSERT(t);
    ft_object_init(&t->object, &thing_type);
    t->gone = gone;
    return t;
}

static void on_thread(void (*run)(void *host), void *host)
{
    ft_thread thread;
    ft_error err = FT_ERROR_INIT;

    FT_ASSERT(ft_thread_start(&thread, "test", run, host, &err));
    ft_thread_join(&thread);
}

static ft_lease_state state_of(uint32_t id)
{
    return (ft_lease_state)ft_atomic_load(&ft_lease_get(id)->state, FT_ACQUIRE);
}

TEST(a_thread_has_one_lease_and_keeps_it)
{
    ft_lease *own = ft_lease_current();

    check_true(own == ft_lease_current());
    check_true(own->id > 0 && own->id < FT_LEASES_MAX);
    check_true(ft_lease_get(own->id) == own);
    check_true(own->id <= ft_lease_highest_id());
    check_int_eq(state_of(own->id), FT_LEASE_RUNNING);
}

static void note_id(void *host)
{
    *(uint32_t *)host = ft_lease_current()->id;
    FT_ASSERT(state_of(ft_lease_current()->id) == FT_LEASE_RUNNING);
}

static void *note_id_main(void *host)
{
    note_id(host);
    return NULL;
}

TEST(an_id_is_given_out_again_when_its_thread_has_ended)
{
    uint32_t first = 0, second = 0, foreign = 0;
    pthread_t thread;

    on_thread(note_id, &first);
    check_int_eq(state_of(first), FT_LEASE_RETIRED);
    check_true(first != ft_lease_current()->id);
    on_thread(note_id, &second);
    check_int_eq(second, first);
    // A thread that attached itself retires by itself.
    FT_ASSERT(pthread_create(&thread, NULL, note_id_main, &foreign) == 0);
    FT_ASSERT(pthread_join(thread, NULL) == 0);
    check_int_eq(foreign, first);
    check_int_eq(state_of(foreign), FT_LEASE_RETIRED);
}

typedef struct {
    thing *made;
    ft_atomic_i64 gone;
    uint32_t id;
} heirloom;

static void leave_behind(void *host)
{
    heirloom *h = host;

    h->id = ft_lease_current()->id;
    h->made = thing_new(&h->gone);
}

static void inherit(void *host)
{
    heirloom *h = host;

    FT_ASSERT(ft_lease_current()->id == h->id);
    FT_ASSERT(ft_object_is_unique(&h->made->object));
    uint64_t before = ft_atomic_load(&ft_lease_current()->header_rmws, FT_RELAXED);
    ft_object_ref(&h->made->object);
    ft_object_unref(&h->made->object);
    ft_object_unref(&h->made->object);
    FT_ASSERT(ft_atomic_load(&ft_lease_current()->header_rmws, FT_RELAXED) == before);
}

TEST(the_next_holder_of_an_id_owns_what_the_last_one_left)
{
    heirloom h = {0};

    on_thread(leave_behind, &h);
    on_thread(inherit, &h);
    check_int_eq(ft_atomic_load(&h.gone, FT_ACQUIRE), 1);
}

TEST(waiting_is_seen_and_ends)
{
    uint32_t own = ft_lease_current()->id;

    ft_lease_detach();
    check_int_eq(state_of(own), FT_LEASE_DETACHED);
    ft_lease_resume();
    check_int_eq(state_of(own), FT_LEASE_RUNNING);
    check_true(ft_lease_try_detach());
    ft_lease_resume();
}

static void *drop(void *host)
{
    ft_object_unref(host);
    return NULL;
}

TEST(under_a_lock_strays_are_left_for_later)
{
    ft_atomic_i64 gone = {0};
    thing *t = thing_new(&gone);
    pthread_t thread;

    FT_ASSERT(pthread_create(&thread, NULL, drop, t) == 0);
    FT_ASSERT(pthread_join(thread, NULL) == 0);
    check_true(!ft_lease_try_detach());
    check_int_eq(ft_atomic_load(&gone, FT_RELAXED), 0);
    check_int_eq(state_of(ft_lease_current()->id), FT_LEASE_RUNNING);
    ft_lease_turn_end();
    check_int_eq(ft_atomic_load(&gone, FT_RELAXED), 1);
    check_true(ft_lease_try_detach());
    ft_lease_resume();
}

TEST(what_runs_has_a_name)
{
    check_true(ft_lease_set_label("tokenize") == NULL);
    check_text_eq(ft_lease_set_label(NULL), "tokenize");
}

static void nothing(void *host)
{
    (void)host;
}

TEST(no_more_threads_than_leases)
{
    static ft_lease *taken[FT_LEASES_MAX];
    ft_error err = FT_ERROR_INIT;
    ft_thread thread;
    size_t count = 0;

    for (ft_lease *lease; (lease = ft_lease_reserve());)
        taken[count++] = lease;
    check_true(count > 0 && count < FT_LEASES_MAX);
    check_true(!ft_thread_start(&thread, "test", nothing, NULL, &err));
    check_contains(err.message, "cannot start thread");
    while (count > 0)
        ft_lease_give_back(taken[--count]);
    on_thread(nothing, NULL);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
