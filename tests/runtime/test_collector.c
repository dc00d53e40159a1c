// The cycle collector: all garbage goes, nothing that lives does.
//
// Most tests use nodes of a type of their own. A node that is destroyed is poisoned and kept, so
// that whoever still holds a pointer sees it, in every build.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/memory/alloc.h"
#include "runtime/memory/collector.h"
#include "runtime/memory/epoch.h"
#include "runtime/system/clock.h"
#include "runtime/system/thread.h"
#include "tests/check.h"

enum {
    FIELDS = 3,
    ALIVE = 0x1234,
    POISON = 0x5a5a,
    ROOTS = 16,
    THREADS = 3,
#ifdef FT_SANITIZED
    MANY = 100000,
    RING_STEP = 27,
#else
    MANY = 1500000,
    RING_STEP = 1,
#endif
};
#define SECOND_NS INT64_C(1000000000)

// ---- nodes ----

// Field 0 may be borrowed from by readers, as a dict's values; 1 and 2 give what is in them away
// without a grace period, as a stack does.
typedef struct node node;
struct node {
    ft_cyclic cyclic;
    ft_atomic_u32 state;
    uint32_t number;
    ft_atomic_pointer fields[FIELDS];
    node *next_dead;
};

static ft_atomic_i64 destroyed;
static ft_atomic_pointer dead_nodes;  // Poisoned; freed when the test is over.

static void node_clear(ft_object *object)
{
    node *n = (node *)(void *)object;

    for (int i = 0; i < FIELDS; i++) {
        node *child = ft_atomic_exchange(&n->fields[i], NULL, FT_RELAXED);
        if (child)
            ft_object_unref(&child->cyclic.object);
    }
}

static void node_destroy(ft_object *object)
{
    node *n = (node *)(void *)object;
    void *head = ft_atomic_load(&dead_nodes, FT_RELAXED);

    node_clear(object);
    check_int_eq(ft_atomic_exchange(&n->state, POISON, FT_RELAXED), ALIVE);
    do
        n->next_dead = head;
    while (!ft_atomic_cas_weak(&dead_nodes, &head, n, FT_ACQ_REL));
    ft_atomic_add(&destroyed, 1, FT_ACQ_REL);
}

static void node_trace(ft_object *object, void (*visit)(ft_object *child, void *host), void *host)
{
    const node *n = (const node *)(const void *)object;

    for (int i = 0; i < FIELDS; i++) {
        node *child = ft_atomic_load(&n->fields[i], FT_ACQUIRE);
        if (child)
            visit(&child->cyclic.object, host);
    }
}

static size_t node_bytes(const ft_object *object)
{
    (void)object;
    return sizeof(node);
}

static const ft_object_type node_type = {.name = "node",
                                         .destroy = node_destroy,
                                         .trace = node_trace,
                                         .is_cyclic = true,
                                         .clear = node_clear,
                                         .size_bytes = node_bytes};

static node *node_create(uint32_t number)
{
    node *n = ft_alloc_zero(1, sizeof(*n));

    check_true(n != NULL);
    ft_cyclic_init(&n->cyclic, &node_type);
    ft_atomic_store(&n->state, ALIVE, FT_RELAXED);
    n->number = number;
    return n;
}

static void node_ref(node *n)
{
    ft_object_ref(&n->cyclic.object);
}

static void node_unref(node *n)
{
    ft_object_unref(&n->cyclic.object);
}

static void unref_later(void *object)
{
    ft_object_unref(object);
}

static void check_alive(const node *n)
{
    check_int_eq(ft_atomic_load(&n->state, FT_RELAXED), ALIVE);
}

// The caller holds both; the field takes over the reference on `child` (may be NULL).
static void node_put(node *n, int field, node *child)
{
    node *old = ft_atomic_exchange(&n->fields[field], child, FT_ACQ_REL);

    ft_object_note_move(&n->cyclic.object);
    if (old && field == 0)
        ft_retire(old, unref_later, sizeof(node));
    else if (old)
        node_unref(old);
}

static void node_link(node *n, int field, node *child)
{
    node_ref(child);
    node_put(n, field, child);
}

// Gives what was in the field, with its reference.
static node *node_take(node *n, int field)
{
    node *child = ft_atomic_exchange(&n->fields[field], NULL, FT_ACQ_REL);

    ft_object_note_move(&n->cyclic.object);
    return child;
}

static int64_t count_destroyed(void)
{
    return ft_atomic_load(&destroyed, FT_ACQUIRE);
}

static void begin(void)
{
    ft_collector_drain();
    for (node *n = ft_atomic_exchange(&dead_nodes, NULL, FT_ACQ_REL), *next; n; n = next) {
        next = n->next_dead;
        ft_free(n);
    }
    ft_atomic_store(&destroyed, 0, FT_RELAXED);
}

static void wait_destroyed(int64_t count, int64_t limit_ns)
{
    int64_t until = ft_clock_ns() + limit_ns;

    while (count_destroyed() < count && ft_clock_ns() < until)
        FT_PAUSE();
    check_int_eq(count_destroyed(), count);
}

static void make_ring(int64_t size, int field)
{
    node *first = node_create(0), *last = first;

    for (int64_t i = 1; i < size; i++) {
        node *n = node_create((uint32_t)i);
        node_put(last, field, n);
        last = n;
    }
    node_link(last, field, first);
    node_unref(first);
}

// ---- what is garbage goes ----

TEST(a_ring_of_any_size_is_gone_within_a_second)
{
    int64_t made = 0;

    begin();
    for (int64_t size = 1; size <= 1000; size += RING_STEP) {
        make_ring(size, (int)(size % FIELDS));
        made += size;
    }
    wait_destroyed(made, SECOND_NS);
}

TEST(much_garbage_in_one_ring_goes)
{
    begin();
    make_ring(MANY, 0);
    int64_t from = ft_clock_ns();
    wait_destroyed(MANY, 60 * SECOND_NS);
    fprintf(stderr, "%d objects in one ring: %.2f s\n", MANY,
            (double)(ft_clock_ns() - from) / (double)SECOND_NS);
}

TEST(much_garbage_in_small_rings_goes)
{
    begin();
    for (int i = 0; i < MANY / 3; i++)
        make_ring(3, 1);
    int64_t from = ft_clock_ns();
    wait_destroyed(MANY / 3 * 3, 60 * SECOND_NS);
    fprintf(stderr, "%d objects in small rings: %.2f s more\n", MANY,
            (double)(ft_clock_ns() - from) / (double)SECOND_NS);
}

// Counting alone finds a chain; neither the C stack nor a grace period for each node is in its way.
TEST(a_long_chain_goes)
{
    begin();
    node *first = node_create(0);
    for (int64_t i = 1; i < MANY; i++) {
        node *n = node_create((uint32_t)i);
        node_put(n, 0, first);
        first = n;
    }
    node_unref(first);
    ft_epoch_drain();
    check_int_eq(count_destroyed(), MANY);
}

// A ring and a chain behind it: the chain hangs from garbage.
TEST(what_hangs_from_garbage_goes_with_it)
{
    begin();
    node *a = node_create(0), *b = node_create(1), *end = node_create(2);
    node_link(a, 0, b);
    node_link(b, 1, a);
    node_link(b, 2, end);
    node_unref(b);
    node_unref(a);
    wait_destroyed(2, SECOND_NS);
    check_alive(end);
    node_unref(end);
    ft_collector_drain();
    check_int_eq(count_destroyed(), 3);
}

TEST(immortal_objects_are_left_alone)
{
    begin();
    node *a = node_create(0), *immortal = node_create(1);
    ft_object_init_immortal(&immortal->cyclic.object, &node_type);
    node_link(a, 0, a);
    node_link(a, 1, immortal);
    node_link(immortal, 1, immortal);
    uint64_t word = ft_atomic_load(&immortal->cyclic.object.shared, FT_RELAXED);
    node_unref(a);
    wait_destroyed(1, SECOND_NS);
    check_alive(immortal);
    check_int_eq(ft_atomic_load(&immortal->cyclic.object.shared, FT_RELAXED), word);
    ft_free(immortal);
}

// ---- a reader in a section ----

typedef struct {
    ft_atomic_u32 stage;  // 1: the reader is in; 2: it may leave.
    ft_atomic_pointer root;
} section;

static void borrow_slowly(void *host)
{
    section *s = host;

    ft_read_begin();
    const node *a = ft_atomic_load(&s->root, FT_ACQUIRE);
    const node *b = ft_atomic_load(&a->fields[0], FT_ACQUIRE);
    ft_atomic_store(&s->stage, 1, FT_RELEASE);
    while (ft_atomic_load(&s->stage, FT_ACQUIRE) != 2)
        FT_PAUSE();
    check_alive(a);
    check_alive(b);
    ft_read_end();
}

TEST(a_borrowed_pointer_is_good_to_the_end_of_its_section)
{
    static section s;
    ft_thread thread;
    ft_error err = FT_ERROR_INIT;

    begin();
    node *a = node_create(0), *b = node_create(1);
    node_link(a, 0, b);
    node_link(b, 0, a);
    node_unref(b);
    ft_atomic_store(&s.root, a, FT_RELEASE);
    check_ok(ft_thread_start(&thread, "borrow", borrow_slowly, &s, &err), &err);
    while (ft_atomic_load(&s.stage, FT_ACQUIRE) != 1)
        FT_PAUSE();
    uint64_t passes = ft_collector_get_stats().passes;
    int64_t until = ft_clock_ns() + SECOND_NS / 5;
    node_unref(a);
    while (ft_collector_get_stats().passes == passes || ft_clock_ns() < until)
        FT_PAUSE();
    check_int_eq(count_destroyed(), 0);
    ft_atomic_store(&s.stage, 2, FT_RELEASE);
    ft_thread_join(&thread);
    wait_destroyed(2, SECOND_NS);
}

// ---- random graphs against reachability ----

enum { GRAPH = 300, STEPS = 40 };

typedef struct {
    node *nodes[GRAPH];  // By number; NULL: was found destroyed.
    int edges[GRAPH][FIELDS];
    bool held[GRAPH], reached[GRAPH];
} graph;

static uint64_t random_state = 88172645463325252u;
static uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32) % limit;
}

static void graph_link(graph *g, int from, int field, int to)
{
    if (to >= 0)
        node_link(g->nodes[from], field, g->nodes[to]);
    else
        node_put(g->nodes[from], field, NULL);
    g->edges[from][field] = to;
}

// The oracle: knows the edges as they were made, and nothing of counts.
static void graph_reach(graph *g)
{
    int stack[GRAPH * FIELDS + GRAPH], top = 0;

    memset(g->reached, 0, sizeof(g->reached));
    for (int i = 0; i < GRAPH; i++)
        if (g->held[i])
            stack[top++] = i;
    while (top > 0) {
        int at = stack[--top];
        if (g->reached[at])
            continue;
        g->reached[at] = true;
        for (int f = 0; f < FIELDS; f++)
            if (g->edges[at][f] >= 0)
                stack[top++] = g->edges[at][f];
    }
}

static void graph_check(graph *g)
{
    graph_reach(g);
    for (int i = 0; i < GRAPH; i++) {
        if (!g->nodes[i])
            continue;
        check_int_eq(ft_atomic_load(&g->nodes[i]->state, FT_RELAXED),
                     g->reached[i] ? ALIVE : POISON);
        if (!g->reached[i])
            g->nodes[i] = NULL;
    }
}

static void graph_step(graph *g)
{
    for (int i = 0; i < GRAPH / 4; i++) {
        int from = (int)random_below(GRAPH), to = (int)random_below(GRAPH);
        graph_reach(g);  // What cannot be reached may be gone.
        if (!g->reached[from])
            continue;
        graph_link(g, from, (int)random_below(FIELDS), g->reached[to] ? to : -1);
    }
    for (int i = 0; i < GRAPH / 10; i++) {
        int at = (int)random_below(GRAPH);
        if (!g->held[at])
            continue;
        g->held[at] = false;
        node_unref(g->nodes[at]);
    }
}

TEST(exactly_what_cannot_be_reached_goes)
{
    static graph g;

    for (int round = 0; round < 20; round++) {
        begin();
        memset(&g, 0, sizeof(g));
        for (int i = 0; i < GRAPH; i++) {
            g.nodes[i] = node_create((uint32_t)i);
            g.held[i] = g.reached[i] = true;
            for (int f = 0; f < FIELDS; f++)
                g.edges[i][f] = -1;
        }
        for (int step = 0; step < STEPS; step++) {
            graph_step(&g);
            ft_collector_drain();
            graph_check(&g);
        }
        for (int i = 0; i < GRAPH; i++)
            if (g.held[i])
                node_unref(g.nodes[i]);
        memset(g.held, 0, sizeof(g.held));
        ft_collector_drain();
        graph_check(&g);
        check_int_eq(count_destroyed(), GRAPH);
    }
}

// ---- mutators ----

typedef struct {
    ft_atomic_pointer roots[ROOTS];  // Borrowed from, as field 0 is.
    int64_t rounds;
    ft_atomic_i64 created;
} world;

typedef struct {
    world *w;
    uint64_t random;
    node *held[4];
} mutator;

static uint32_t mutator_random(mutator *m, uint32_t limit)
{
    m->random = m->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(m->random >> 33) % limit;
}

// Follows fields from a root, inside a section; what it comes to it keeps if it can.
static node *borrow_and_keep(mutator *m)
{
    node *found = NULL;

    ft_read_begin();
    node *at = ft_atomic_load(&m->w->roots[mutator_random(m, ROOTS)], FT_ACQUIRE);
    for (uint32_t hops = mutator_random(m, 4); at && hops > 0; hops--) {
        check_alive(at);
        node *next = ft_atomic_load(&at->fields[0], FT_ACQUIRE);
        at = next ? next : at;
    }
    if (at) {
        check_alive(at);
        if (ft_object_try_ref(&at->cyclic.object))
            found = at;
    }
    ft_read_end();
    return found;
}

static void hold(mutator *m, node *n)
{
    node **slot = &m->held[mutator_random(m, 4)];

    if (*slot) {
        check_alive(*slot);
        node_unref(*slot);
    }
    *slot = n;
}

static void put_root(mutator *m, node *n)
{
    node *old = ft_atomic_exchange(&m->w->roots[mutator_random(m, ROOTS)], n, FT_ACQ_REL);

    if (old)
        ft_retire(old, unref_later, sizeof(node));
}

static void mutate(mutator *m)
{
    node *a = m->held[mutator_random(m, 4)], *b = m->held[mutator_random(m, 4)];
    int field = (int)mutator_random(m, FIELDS);

    switch (mutator_random(m, 8)) {
    case 0:
        ft_atomic_add(&m->w->created, 1, FT_RELAXED);
        hold(m, node_create(0));
        break;
    case 1:
    case 2:
        hold(m, borrow_and_keep(m));
        break;
    case 3:
        if (a && b)
            node_link(a, field, b);
        break;
    case 4:  // Moves: from one's field to another's, from a hand to a field.
        if (a && b && a != b)
            node_put(b, 2, node_take(a, 1));
        break;
    case 5:
        if (a)
            hold(m, node_take(a, 1 + (int)mutator_random(m, FIELDS - 1)));
        break;
    case 6:
        if (a)
            node_put(a, field, NULL);
        break;
    default:
        if (a)
            node_ref(a);
        put_root(m, a);
    }
}

static void run_mutator(void *host)
{
    mutator *m = host;

    for (int64_t i = 0; i < m->w->rounds; i++) {
        mutate(m);
        if (i % 16 == 0)
            ft_lease_turn_end();
    }
    for (int i = 0; i < 4; i++)
        if (m->held[i]) {
            check_alive(m->held[i]);
            node_unref(m->held[i]);
        }
}

static int64_t operations(int64_t fallback)
{
    const char *text = getenv("FT_TORTURE");
    return text ? atoll(text) : fallback;
}

TEST(nothing_that_lives_is_freed_under_mutators)
{
    static world w;
    static mutator mutators[THREADS];
    ft_thread threads[THREADS];
    ft_error err = FT_ERROR_INIT;
    uint64_t before = ft_collector_get_stats().collected;

    begin();
    memset(&w, 0, sizeof(w));
    memset(mutators, 0, sizeof(mutators));
    w.rounds = operations(300000);
    for (int i = 0; i < THREADS; i++) {
        mutators[i] = (mutator){.w = &w, .random = (uint64_t)i * 977 + 5};
        check_ok(ft_thread_start(&threads[i], "mutate", run_mutator, &mutators[i], &err), &err);
    }
    for (int i = 0; i < THREADS; i++)
        ft_thread_join(&threads[i]);
    for (int i = 0; i < ROOTS; i++) {
        node *root = ft_atomic_exchange(&w.roots[i], NULL, FT_ACQ_REL);
        if (root)
            node_unref(root);
    }
    ft_collector_drain();
    ft_collector_stats stats = ft_collector_get_stats();
    fprintf(stderr, "%lld nodes, %llu of them in cycles, %llu subgraphs given up, %llu assists\n",
            (long long)ft_atomic_load(&w.created, FT_RELAXED),
            (unsigned long long)(stats.collected - before), (unsigned long long)stats.given_up,
            (unsigned long long)stats.assists);
    check_true(stats.collected > before);
    check_int_eq(count_destroyed(), ft_atomic_load(&w.created, FT_RELAXED));
}

// ---- leases ----

static void make_and_end(void *host)
{
    (void)host;
    for (int i = 0; i < 100; i++)
        make_ring(10, 0);
}

TEST(candidates_of_a_lease_that_is_retired_are_looked_at)
{
    ft_thread thread;
    ft_error err = FT_ERROR_INIT;

    begin();
    check_ok(ft_thread_start(&thread, "ends", make_and_end, NULL, &err), &err);
    ft_thread_join(&thread);
    wait_destroyed(1000, SECOND_NS);
}

typedef struct {
    ft_atomic_u32 made, over;
} scene;

static void make_and_stay(void *host)
{
    scene *s = host;

    make_and_end(NULL);
    ft_atomic_store(&s->made, 1, FT_RELEASE);
    while (!ft_atomic_load(&s->over, FT_ACQUIRE))
        FT_PAUSE();
}

// It never comes to the end of its turn.
TEST(candidates_of_a_thread_that_is_left_behind_are_looked_at)
{
    static scene s;
    ft_thread thread;
    ft_error err = FT_ERROR_INIT;

    begin();
    check_ok(ft_thread_start(&thread, "stays", make_and_stay, &s, &err), &err);
    while (!ft_atomic_load(&s.made, FT_ACQUIRE))
        FT_PAUSE();
    wait_destroyed(1000, SECOND_NS);
    ft_atomic_store(&s.over, 1, FT_RELEASE);
    ft_thread_join(&thread);
}

#ifndef __SANITIZE_THREAD__  // It allows no new threads behind a fork.
// The collector's thread stays with the parent.
TEST(a_child_has_a_collector_of_its_own)
{
    enum { LIMIT_S = 60 };
    int status = -1;

    begin();
    make_ring(10, 0);
    wait_destroyed(10, SECOND_NS);  // So the thread is there.
    pid_t pid = fork();
    if (pid == 0) {
        alarm(LIMIT_S);
        make_ring(10, 1);
        ft_collector_drain();
        _exit(count_destroyed() == 20 ? 0 : 1);
    }
    check_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    check_int_eq(status, 0);
    make_ring(10, 2);
    wait_destroyed(20, SECOND_NS);
}
#endif

int main(int argc, char **argv)
{
    int status = check_main(argc, argv);

    begin();
    return status;
}
