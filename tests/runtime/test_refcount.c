// Counts: who owns, who merges, and that nothing is freed twice or not at all.
#include <stdlib.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "runtime/memory/refcount.h"
#include "runtime/system/thread.h"
#include "tests/check.h"

typedef struct node {
    ft_object object;
    struct node *left, *right;
} node;

static ft_atomic_i64 destroyed;

static void node_destroy(ft_object *object)
{
    node *n = (node *)(void *)object;

    if (n->left)
        ft_object_unref(&n->left->object);
    if (n->right)
        ft_object_unref(&n->right->object);
    ft_atomic_add(&destroyed, 1, FT_RELAXED);
    ft_free(n);
}

static void node_trace(ft_object *object, void (*visit)(ft_object *child, void *host), void *host)
{
    node *n = (node *)(void *)object;

    if (n->left)
        visit(&n->left->object, host);
    if (n->right)
        visit(&n->right->object, host);
}

static const ft_object_type node_type = {"node", node_destroy, node_trace, false};
static const ft_object_type cyclic_type = {"cyclic", node_destroy, node_trace, true};

static node *node_new(node *left, node *right)
{
    node *n = ft_alloc_zero(1, sizeof(*n));

    FT_ASSERT(n);
    ft_object_init(&n->object, &node_type);
    n->left = left;
    n->right = right;
    return n;
}

static int64_t gone(void)
{
    return ft_atomic_exchange(&destroyed, 0, FT_ACQ_REL);
}

static uint64_t rmws(void)
{
    return ft_atomic_load(&ft_lease_current()->header_rmws, FT_RELAXED);
}

static uint32_t owner_of(const node *n)
{
    return ft_atomic_load(&n->object.owner, FT_RELAXED);
}

static bool is_merged(const node *n)
{
    return owner_of(n) == FT_OWNER_NONE &&
           (ft_atomic_load(&n->object.shared, FT_RELAXED) & FT_SHARED_FLAGS) == FT_SHARED_MERGED;
}

static int64_t operations(int64_t most)
{
    const char *text = getenv("FT_TORTURE");
    long long asked = text ? atoll(text) : 0;

    return asked > 0 ? asked : most;
}

static void on_thread(void (*run)(void *host), void *host)
{
    ft_thread thread;
    ft_error err = FT_ERROR_INIT;

    FT_ASSERT(ft_thread_start(&thread, "test", run, host, &err));
    ft_thread_join(&thread);
}

TEST(the_header_has_24_bytes)
{
    check_int_eq(sizeof(ft_object), 24);
}

TEST(an_own_object_needs_no_locked_operation)
{
    uint64_t before = rmws();
    node *n = node_new(NULL, NULL);

    gone();
    check_true(ft_object_is_unique(&n->object));
    ft_object_ref(&n->object);
    check_true(!ft_object_is_unique(&n->object));
    ft_object_unref(&n->object);
    check_true(ft_object_is_unique(&n->object));
    ft_object_unref(&n->object);
    check_int_eq(gone(), 1);
    check_int_eq(rmws(), before);
}

TEST(an_immortal_one_is_never_written)
{
    static node n;
    ft_object copy;

    ft_object_init_immortal(&n.object, &node_type);
    memcpy(&copy, &n.object, sizeof(copy));
    for (int i = 0; i < 3; i++)
        ft_object_ref(&n.object);
    for (int i = 0; i < 5; i++)
        ft_object_unref(&n.object);
    ft_object_publish(&n.object);
    ft_object_hand_over(&n.object);
    ft_object_receive(&n.object);
    check_true(ft_object_try_ref(&n.object));
    check_true(!ft_object_is_unique(&n.object));
    check_true(memcmp(&copy, &n.object, sizeof(copy)) == 0);
}

TEST(a_count_that_is_full_stays)
{
    node *n = node_new(NULL, NULL);

    gone();
    ft_atomic_store(&n->object.local, UINT32_MAX - 1, FT_RELAXED);
    ft_object_ref(&n->object);
    check_true(ft_object_is_immortal(&n->object));
    for (int i = 0; i < 3; i++)
        ft_object_unref(&n->object);
    check_int_eq(gone(), 0);
    ft_free(n);

    n = node_new(NULL, NULL);
    ft_object_publish(&n->object);
    uint64_t full = (uint64_t)(1 << 30) << 2 | FT_SHARED_MERGED;
    ft_atomic_store(&n->object.shared, full, FT_RELAXED);
    ft_object_ref(&n->object);
    check_true(ft_object_is_immortal(&n->object));
    ft_free(n);
}

TEST(publishing_merges_what_it_leads_to)
{
    node *leaf = node_new(NULL, NULL);
    node *shared_leaf = node_new(NULL, NULL);
    node *top = node_new(leaf, shared_leaf);

    gone();
    ft_object_ref(&shared_leaf->object);
    ft_object_publish(&top->object);
    check_true(is_merged(top) && is_merged(leaf) && is_merged(shared_leaf));
    check_int_eq(ft_shared_count(ft_atomic_load(&shared_leaf->object.shared, FT_RELAXED)), 2);
    ft_object_unref(&top->object);
    check_int_eq(gone(), 2);
    ft_object_unref(&shared_leaf->object);
    check_int_eq(gone(), 1);
}

TEST(publishing_ends_on_a_cycle_and_a_long_chain)
{
    node *a = node_new(NULL, NULL);
    node *b = node_new(a, NULL);
    ft_object_ref(&b->object);
    a->left = b;
    gone();
    ft_object_publish(&a->object);
    check_true(is_merged(a) && is_merged(b));
    a->left = NULL;
    ft_object_unref(&b->object);
    ft_object_unref(&b->object);
    check_int_eq(gone(), 2);

    node *top = NULL;
    for (int i = 0; i < 3000; i++)
        top = node_new(top, node_new(NULL, NULL));
    ft_alloc_fail_at(1, true);  // The list of what is left to visit cannot grow.
    ft_object_publish(&top->object);
    ft_alloc_fail_at(0, false);
    int64_t merged = 0;
    for (node *n = top; n; n = n->left)
        merged += is_merged(n) && is_merged(n->right);
    check_int_eq(merged, 3000);
    ft_object_unref(&top->object);
    check_int_eq(gone(), 6000);
}

static void receive_and_drop(void *host)
{
    node *n = host;
    uint64_t before = rmws();

    ft_object_receive(&n->object);
    FT_ASSERT(owner_of(n) == ft_lease_current()->id && owner_of(n->left) == owner_of(n));
    FT_ASSERT(ft_object_is_unique(&n->object) && ft_object_is_unique(&n->left->object));
    ft_object_ref(&n->object);
    ft_object_unref(&n->object);
    ft_object_unref(&n->object);
    FT_ASSERT(rmws() == before);
}

TEST(what_is_unique_changes_hands_without_a_locked_operation)
{
    uint64_t before = rmws();
    node *n = node_new(node_new(NULL, NULL), NULL);

    gone();
    ft_object_hand_over(&n->object);
    on_thread(receive_and_drop, n);
    check_int_eq(gone(), 2);
    check_int_eq(rmws(), before);
}

static void receive_shared_child(void *host)
{
    node *n = host;

    ft_object_receive(&n->object);
    FT_ASSERT(ft_object_is_unique(&n->object) && !ft_object_is_unique(&n->left->object));
    FT_ASSERT(is_merged(n->left));
    ft_object_unref(&n->object);
}

TEST(what_is_shared_is_merged_when_handed_over)
{
    node *kept = node_new(NULL, NULL);
    node *n = node_new(kept, NULL);

    gone();
    ft_object_ref(&kept->object);
    ft_object_hand_over(&n->object);
    on_thread(receive_shared_child, n);
    check_int_eq(gone(), 1);
    check_true(ft_object_is_unique(&kept->object));
    ft_object_unref(&kept->object);
    check_int_eq(gone(), 1);
}

TEST(code_that_moves_between_leases_gets_merged_objects)
{
    node *in = node_new(NULL, NULL);
    bool before = ft_lease_create_merged(true);
    node *n = node_new(NULL, NULL);

    ft_object_receive(&in->object);
    check_true(!before && is_merged(n) && is_merged(in));
    check_true(ft_lease_create_merged(before));
    gone();
    uint64_t locked = rmws();
    ft_object_unref(&in->object);  // Unique, never published: no locked operation.
    ft_object_receive(&n->object);
    check_true(owner_of(n) == ft_lease_current()->id);  // And private again.
    ft_object_unref(&n->object);
    check_int_eq(rmws(), locked);
    check_int_eq(gone(), 2);
    n = node_new(NULL, NULL);
    ft_object_publish(&n->object);
    ft_object_receive(&n->object);
    check_true(is_merged(n));  // Somebody may have borrowed it.
    ft_object_unref(&n->object);
    check_int_eq(gone(), 1);
}

TEST(a_borrowed_pointer_becomes_a_reference_only_while_it_lives)
{
    node *n = node_new(NULL, NULL);

    check_true(!ft_object_try_ref(&n->object));  // Private.
    ft_object_publish(&n->object);
    check_true(ft_object_try_ref(&n->object));
    ft_object_unref(&n->object);
    ft_atomic_store(&n->object.shared, FT_SHARED_MERGED, FT_RELAXED);
    check_true(!ft_object_try_ref(&n->object));
    ft_free(n);
}

// ---- strays ----

static void drop(void *host)
{
    ft_object_unref(host);
}

static void *drop_main(void *host)
{
    ft_object_unref(host);
    return NULL;
}

// The owner runs on meanwhile: it is not seen to wait. The other thread attaches itself.
static void drop_abroad(node *n)
{
    pthread_t thread;

    FT_ASSERT(pthread_create(&thread, NULL, drop_main, n) == 0);
    FT_ASSERT(pthread_join(thread, NULL) == 0);
}

TEST(a_stray_is_merged_by_its_owner_at_the_end_of_the_turn)
{
    node *n = node_new(NULL, NULL);
    node *kept = node_new(NULL, NULL);

    gone();
    ft_object_ref(&kept->object);
    drop_abroad(n);
    drop_abroad(kept);
    check_int_eq(gone(), 0);
    ft_lease_turn_end();
    check_int_eq(gone(), 1);
    check_true(ft_object_is_unique(&kept->object));
    ft_object_unref(&kept->object);
    check_int_eq(gone(), 1);
}

TEST(more_strays_than_there_is_room_for_wait_all_the_same)
{
    gone();
    for (int i = 0; i < 100; i++)
        drop_abroad(node_new(NULL, NULL));
    check_int_eq(gone(), 0);
    ft_lease_turn_end();
    check_int_eq(gone(), 100);
}

TEST(a_stray_of_a_waiting_owner_is_merged_by_who_drops_it)
{
    node *n[3];

    for (int i = 0; i < 3; i++)
        n[i] = node_new(NULL, NULL);
    gone();
    for (int i = 0; i < 3; i++) {
        on_thread(drop, n[i]);  // Joining is waiting.
        check_int_eq(gone(), 1);
    }
}

static void make(void *host)
{
    node **made = host;

    for (int i = 0; i < 100; i++)
        made[i] = node_new(NULL, NULL);
}

TEST(strays_of_a_lease_that_is_gone_die_at_once)
{
    node *made[100];

    gone();
    on_thread(make, made);
    for (int i = 0; i < 100; i++)
        ft_object_unref(&made[i]->object);
    check_int_eq(gone(), 100);
}

TEST(a_reference_taken_and_dropped_abroad_changes_nothing)
{
    node *made[100];

    on_thread(make, made);
    gone();
    for (int i = 0; i < 100; i++) {
        ft_object_ref(&made[i]->object);
        ft_object_unref(&made[i]->object);
        ft_object_unref(&made[i]->object);
    }
    check_int_eq(gone(), 100);
}

// ---- storm ----

enum { SLOTS = 64 };

typedef struct {
    ft_atomic_pointer slots[SLOTS];
    ft_atomic_u32 over;
    int64_t rounds;
    bool waits;
} storm;

static void storm_drop(void *host)
{
    storm *s = host;
    uint32_t at = 0;

    while (!ft_atomic_load(&s->over, FT_ACQUIRE)) {
        for (int i = 0; i < SLOTS; i++) {
            node *n = ft_atomic_exchange(&s->slots[at++ % SLOTS], NULL, FT_ACQ_REL);
            if (!n)
                continue;
            if (at % 3 == 0) {
                ft_object_ref(&n->object);
                ft_object_unref(&n->object);
            }
            ft_object_unref(&n->object);
        }
        ft_lease_turn_end();
    }
    for (int i = 0; i < SLOTS; i++) {
        node *n = ft_atomic_exchange(&s->slots[i], NULL, FT_ACQ_REL);
        if (n)
            ft_object_unref(&n->object);
    }
}

// Half of the objects are also held and dropped by their maker, before or after.
static void storm_make(void *host)
{
    storm *s = host;
    node *held[SLOTS] = {NULL};

    for (int64_t i = 0; i < s->rounds; i++) {
        node *n = node_new(NULL, NULL);
        node **mine = &held[i % SLOTS];
        if (*mine)
            ft_object_unref(&(*mine)->object);
        *mine = i % 2 ? n : NULL;
        if (*mine)
            ft_object_ref(&n->object);
        node *before = ft_atomic_exchange(&s->slots[i % SLOTS], n, FT_ACQ_REL);
        if (before)
            ft_object_unref(&before->object);
        if (i % 16 == 0)
            ft_lease_turn_end();
        if (i % 64 == 0) {  // The other one merges now and then.
            ft_lease_detach();
            ft_lease_resume();
        }
    }
    for (int i = 0; i < SLOTS; i++)
        if (held[i])
            ft_object_unref(&held[i]->object);
    ft_atomic_store(&s->over, 1, FT_RELEASE);
}

TEST(a_storm_of_foreign_drops_is_exact)
{
    storm s = {.rounds = operations(200000)};
    ft_thread makers[1], droppers[1];
    ft_error err = FT_ERROR_INIT;

    gone();
    check_ok(ft_thread_start(&droppers[0], "drop", storm_drop, &s, &err), &err);
    check_ok(ft_thread_start(&makers[0], "make", storm_make, &s, &err), &err);
    ft_thread_join(&makers[0]);
    ft_thread_join(&droppers[0]);
    check_int_eq(gone(), s.rounds);
}

// ---- the collector's hooks ----

static int64_t candidates, dead;
static void on_candidate(ft_object *object)
{
    (void)object;
    candidates++;
}
static void on_dead(ft_object *object)
{
    dead++;
    object->type->destroy(object);
}

TEST(drops_of_cyclic_objects_are_told_to_the_collector)
{
    static const ft_object_collector hooks = {on_candidate, on_dead};
    node *n = node_new(NULL, NULL);

    n->object.type = &cyclic_type;
    gone();
    ft_object_set_collector(&hooks);
    candidates = dead = 0;
    ft_object_ref(&n->object);
    ft_object_ref(&n->object);
    ft_object_publish(&n->object);
    ft_object_unref(&n->object);
    check_int_eq(candidates, 1);
    check_true(ft_atomic_load(&n->object.shared, FT_RELAXED) & FT_SHARED_BUFFERED);
    ft_object_unref(&n->object);
    check_int_eq(candidates, 1);
    uint64_t before = ft_atomic_load(&n->object.shared, FT_RELAXED);
    ft_object_note_move(&n->object);
    check_int_eq(ft_atomic_load(&n->object.shared, FT_RELAXED), before + FT_SHARED_SEQ_ONE);
    // Who has it in a list finds it dead; nobody else frees it.
    ft_object_unref(&n->object);
    check_int_eq(dead, 0);
    check_int_eq(gone(), 0);
    n->object.type->destroy(&n->object);
    check_int_eq(gone(), 1);
    // Where nobody has it in a list, the collector is told.
    n = node_new(NULL, NULL);
    n->object.type = &cyclic_type;
    ft_object_publish(&n->object);
    ft_object_unref(&n->object);
    check_int_eq(dead, 1);
    check_int_eq(gone(), 1);
    ft_object_set_collector(NULL);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
