// runtime/memory/collector.c with runtime/memory/collector_graph.c: a look for cycles beside those
// who move, borrow and drop references. What somebody holds or can reach is never freed, and all
// garbage is freed by the end. Every execution of small programs, with the memory order, the pins,
// the claims and several collectors, which tests/model/collector.pml leaves out; that has every
// program and every graph up to its bounds, one step at a time.
//
// The waits for a grace period are cut to as many looks at the clock as it may take: what is not
// past then is left for the end, as an assist leaves it for the collector.
//
// sources: CORE runtime/memory/account.c runtime/memory/collector_graph.c
#include "runtime/memory/alloc.h"
#include "runtime/memory/collector.c"
#include "tests/mc/mc.h"

enum { THINGS = 3, FIELDS = 2 };

typedef struct thing {
    ft_cyclic cyclic;
    int value, which;
    ft_atomic_pointer fields[FIELDS];
} thing;

static thing *things[THINGS];
static int made, destroyed[THINGS];
static bool traced[THINGS];
static ft_atomic_pointer root;
static bool gets_thread;

bool ft_thread_start(ft_thread *thread, const char *name, void (*run)(void *host), void *host,
                     ft_error *err)
{
    (void)name;
    (void)run;
    (void)host;
    (void)err;
    thread->started = gets_thread;
    return gets_thread;
}

void ft_thread_detach(ft_thread *thread)
{
    (void)thread;
}

// ---- things ----

static void thing_trace(ft_object *object, void (*visit)(ft_object *child, void *host), void *host)
{
    thing *one = (thing *)(void *)object;

    traced[one->which] = true;
    for (int i = 0; i < FIELDS; i++) {
        ft_object *child = ft_atomic_load(&one->fields[i], FT_ACQUIRE);
        if (child)
            visit(child, host);
    }
}

static void thing_clear(ft_object *object)
{
    thing *one = (thing *)(void *)object;

    for (int i = 0; i < FIELDS; i++) {
        ft_object *child = ft_atomic_exchange(&one->fields[i], NULL, FT_ACQ_REL);
        if (child)
            ft_object_unref(child);
    }
}

static void thing_destroy(ft_object *object)
{
    thing *one = (thing *)(void *)object;

    mc_check(one->value == 1);
    one->value = 0;
    destroyed[one->which]++;
    ft_free(one);
}

static size_t thing_size(const ft_object *object)
{
    (void)object;
    return sizeof(thing);
}

static const ft_object_type thing_type = {.name = "thing",
                                          .destroy = thing_destroy,
                                          .trace = thing_trace,
                                          .is_cyclic = true,
                                          .clear = thing_clear,
                                          .size_bytes = thing_size};

static thing *make(void)
{
    thing *one = ft_alloc_zero(1, sizeof(*one));

    ft_cyclic_init(&one->cyclic, &thing_type);
    one->value = 1;
    one->which = made;
    things[made++] = one;
    return one;
}

static ft_object *object_of(thing *one)
{
    return &one->cyclic.object;
}

static void check_alive(const thing *one)
{
    mc_check(one->value == 1);
}

// Takes over a reference; the caller holds one on `to` besides. Returns what was there.
static thing *put_in(thing *to, int field, thing *what)
{
    thing *before = ft_atomic_exchange(&to->fields[field], what, FT_ACQ_REL);

    ft_object_note_move(object_of(to));
    return before;
}

static void ref_into(thing *to, int field, thing *what)
{
    ft_object_ref(object_of(what));
    ft_atomic_store(&to->fields[field], what, FT_RELAXED);
}

static void drop(thing *one)
{
    check_alive(one);
    ft_object_unref(object_of(one));
}

// It has lost a reference and has some left.
static void make_candidate(thing *one)
{
    ft_object_ref(object_of(one));
    ft_object_unref(object_of(one));
}

// ---- setup ----

static void adopt(void)
{
    ft_lease *lease = ft_lease_reserve();

    ft_lease_adopt(lease);
    mc_statistic(&lease->header_rmws, sizeof(lease->header_rmws));
}

static void prepare(int threads)
{
    pthread_once(&once, make_lock);
    ft_collector_make_ready();
    ft_atomic_store(&wanted, ALL, FT_RELAXED);  // A look is on its way.
    mc_statistic(&pays, sizeof(pays));
    mc_statistic(&collected, sizeof(collected));
    mc_statistic(&examined, sizeof(examined));
    mc_statistic(&passes, sizeof(passes));
    mc_let_clock_run(2 * NS_PER_MS);
    adopt();
    for (int i = 1; i <= threads; i++)
        mc_as(i, adopt);
}

static void make_self(void)
{
    thing *one = make();

    ref_into(one, 0, one);
    make_candidate(one);
}

// One on another and back; the caller has a reference on the first.
static void make_pair(void)
{
    thing *one = make(), *other = make();

    ref_into(other, 0, one);
    ft_atomic_store(&one->fields[0], other, FT_RELAXED);
    make_candidate(one);
}

// A pair that is garbage and has a reference on something that somebody else has too.
static void make_garbage(void)
{
    make_pair();
    thing *outside = make();
    ref_into(things[1], 1, outside);
    ft_object_unref(object_of(things[0]));
}

// The caller's is the root's.
static void make_rooted(void)
{
    make_pair();
    ft_atomic_store(&root, things[0], FT_RELAXED);
}

static void setup_self(void)
{
    prepare(2);
    mc_as(1, make_self);
}

static void setup_pair(void)
{
    prepare(3);
    mc_as(1, make_pair);
}

// One leads to another.
static void make_chain(void)
{
    thing *one = make(), *other = make();

    ft_atomic_store(&one->fields[0], other, FT_RELAXED);
    make_candidate(one);
}

static void setup_chain(void)
{
    prepare(2);
    mc_as(1, make_chain);
}

// Nobody has wanted a look yet, and the second thread is the one that does it.
static void make_two(void)
{
    make();
    make();
}

static void setup_wanted(void)
{
    prepare(3);
    ft_atomic_store(&wanted, NOTHING, FT_RELAXED);
    mc_let_clock_run(2 * (int64_t)PAUSE_MAX_MS * NS_PER_MS);
    gets_thread = true;
    mc_as(1, make_two);
}

// The last look found nothing: then only the first candidate behind a look wants another.
static void setup_unpaid(void)
{
    setup_wanted();
    ft_atomic_store(&pays, 0, FT_RELAXED);
}

static void setup_garbage(void)
{
    prepare(3);
    mc_as(1, make_garbage);
}

static void setup_rooted(void)
{
    prepare(3);
    mc_as(1, make_rooted);
}

// ---- the end ----

static void check_gone(void)
{
    for (int i = 0; i < made; i++)
        mc_check(destroyed[i] == 1);
}

static void drain(void)
{
    if (ft_own.lease)
        ft_epoch_drain();
}

static void finish(void)
{
    ft_collector_drain();
    for (int i = 1; i <= 3; i++)
        mc_as(i, drain);
    ft_collector_drain();
    check_gone();
}

// ---- what they do ----

static void look_once(void)
{
    ft_collection c;

    ft_collection_begin(&c, BOUND);
    for (uint32_t id = 1; id <= ft_lease_highest_id(); id++)
        examine_list(&c, take_all(&ft_lease_get(id)->candidates));
    ft_cyclic *suspects = ft_collection_take_suspects(&c);
    put_back(&c);
    if (!suspects)
        return;
    ft_epoch_push_on();
    ft_epoch_push_on();
    finish_list(suspects, &ft_lease_current()->suspects);
}

// Of two references on itself one goes from field to field, and is gone then.
static void move(int thread)
{
    thing *one = things[0];

    if (thread > 1) {
        look_once();
        return;
    }
    thing *own = put_in(one, 0, NULL);
    put_in(one, 1, own);
    drop(one);
}

// Out of the cycle, which then hangs from what came out.
static void take_out(int thread)
{
    if (thread > 1) {
        look_once();
        return;
    }
    thing *other = put_in(things[0], 0, NULL);
    drop(things[0]);
    check_alive(other);
    check_alive(ft_atomic_load(&other->fields[0], FT_ACQUIRE));
    if (mc_argument())
        drop(other);
}

static void drop_second(void)
{
    drop(things[1]);
}

static void finish_taken(void)
{
    mc_as(1, drop_second);
    finish();
}

static void let_go(int thread)
{
    if (thread == 1)
        drop(things[0]);
    else
        look_once();
}

// What the garbage leads to is counted by somebody else meanwhile.
static void disturb(int thread)
{
    if (thread > 1) {
        look_once();
        return;
    }
    ft_object_ref(object_of(things[2]));
    drop(things[2]);
    drop(things[2]);
}

// What was taken out is freed as soon as nobody can be reading it.
static void take_and_free(int thread)
{
    if (thread > 1) {
        look_once();
        return;
    }
    drop(put_in(things[0], 0, NULL));
    ft_epoch_turn_end();
}

static void drop_first(void)
{
    drop(things[0]);
}

static void finish_held(void)
{
    mc_as(1, drop_first);
    finish();
}

// The collector's thread: it sleeps while nothing is wanted.
static void look_at_both(void)
{
    ft_mutex_lock(&lock);
    while (!traced[0] || !traced[1]) {
        int64_t since = ft_clock_ns();
        while (wait_ms(since) != 0)
            ft_condition_wait(&changed, &lock);
        look_alone();
    }
    ft_mutex_unlock(&lock);
}

// Each becomes a candidate, of the lease of who dropped a reference on it.
static void note_two(int thread)
{
    if (thread == 2) {
        look_at_both();
        return;
    }
    make_candidate(things[0]);
    make_candidate(things[1]);
}

static void note_each(int thread)
{
    if (thread == 2)
        look_at_both();
    else
        make_candidate(things[thread == 3]);
}

static void finish_wanted(void)
{
    has_thread = false;
    gets_thread = false;
    drop(things[0]);
    drop(things[1]);
    finish();
}

// Its own lease does a share of the looking, twice: what it suspects first may be past then.
static void assist(int thread)
{
    if (thread > 1) {
        look_once();
        return;
    }
    drop(things[0]);
    ft_lease_turn_end();
    if (mc_argument())
        ft_lease_turn_end();
}

static void borrow(void)
{
    ft_read_begin();
    thing *found = ft_atomic_load(&root, FT_ACQUIRE);
    bool ok = found && ft_object_try_ref(object_of(found));
    ft_read_end();
    if (!ok)
        return;
    check_alive(found);
    check_alive(ft_atomic_load(&found->fields[0], FT_ACQUIRE));
    drop(found);
}

static void unroot(void)
{
    drop(ft_atomic_exchange(&root, NULL, FT_ACQ_REL));
}

static void borrow_beside(int thread)
{
    if (thread == 1)
        unroot();
    else if (thread == 2)
        look_once();
    else
        borrow();
}

const mc_target mc_targets[] = {
    {"collector-move", "move, drop | look", 2, setup_self, move, finish, .is_long = false},
    {"collector-wanted", "candidate, candidate | looks when it is wanted", 2, setup_wanted,
     note_two, finish_wanted, .is_long = false},
    {"collector-wanted-3", "candidate | looks when it is wanted | candidate", 3, setup_wanted,
     note_each, finish_wanted, .is_long = false},
    {"collector-unpaid", "candidate, candidate | looks when it is wanted, which does not pay", 2,
     setup_unpaid, note_two, finish_wanted, .is_long = false},
    {"collector-disturbed", "ref, drop, drop | look", 2, setup_garbage, disturb, finish,
     .is_long = false},
    {"collector-two-looks", "drop | look | look", 3, setup_pair, let_go, finish, .is_long = false},
    {"collector-borrow", "drop | look | borrow, drop", 3, setup_rooted, borrow_beside, finish,
     .is_long = false},
    {"collector-take-out", "take out, drop | look", 2, setup_pair, take_out, finish_taken,
     .is_long = false},
    {"collector-freed", "take out, drop, free | look", 2, setup_chain, take_and_free, finish_held,
     .is_long = false},
    {"collector-assist", "drop, assist | look", 2, setup_pair, assist, finish, .is_long = false},
    {"collector-assist-2", "drop, assist, assist | look", 2, setup_pair, assist, finish,
     .argument = 1},
    {"collector-assist-3", "drop, assist | look | look", 3, setup_pair, assist, finish,
     .is_long = true},
    {"collector-take-out-3", "take out, drop | look | look", 3, setup_pair, take_out, finish_taken,
     .is_long = false},
    {"collector-drop-out", "take out, drop, drop | look", 2, setup_pair, take_out, finish,
     .is_long = true, .argument = 1},
    {.name = NULL},
};
