// Going through a subgraph, suspecting it, checking and freeing it. No memory is taken: lists run
// through the objects.
//
// An object that is come across is pinned: BUFFERED is set in its word unless it was, so that who
// drops its last reference leaves it alone. That happens inside the section in which the pointer
// was read, one section for each object that is gone through. Whoever sets BUFFERED, or has taken
// the object out of a list of candidates, holds the pin (state HOLDS_PIN) and must, once it has the
// claim as well, take BUFFERED away, put the object into a list, or destroy it.
#include "runtime/memory/collector_graph.h"

#include "runtime/memory/epoch.h"

enum { HOLDS_PIN = 1, ROOT = 2, LIVE = 4, OVERSIZED = 8 };  // In `state`.
enum { SUSPECTED = 0xFFFF };  // A claim: in a subgraph that waits for its grace period.

static ft_cyclic *cyclic_of(ft_object *object)
{
    return (ft_cyclic *)(void *)object;
}

static uint64_t word_of(const ft_cyclic *cyclic)
{
    // Acquire pairs with the release of drops and bumps: the fields are at least as new.
    return ft_atomic_load(&cyclic->object.shared, FT_ACQUIRE);
}

static bool is_counted(const ft_cyclic *cyclic, uint64_t word)
{
    return (word & FT_SHARED_FLAGS) == FT_SHARED_MERGED && ft_shared_count(word) > 0 &&
           !ft_object_is_immortal(&cyclic->object);
}

static bool try_claim(ft_cyclic *cyclic, uint16_t self)
{
    uint16_t nobody = 0;

    // Acquire pairs with the release of whoever had it: its notes are visible.
    return ft_atomic_load(&cyclic->claim, FT_RELAXED) == 0 &&
           ft_atomic_cas(&cyclic->claim, &nobody, self, FT_ACQUIRE);
}

static void drop_claim(ft_cyclic *cyclic)
{
    ft_atomic_store(&cyclic->claim, 0, FT_RELEASE);
}

// By the collection under way: nobody else changes that.
static bool is_claimed_by(const ft_cyclic *cyclic, uint16_t self)
{
    return ft_atomic_load(&cyclic->claim, FT_RELAXED) == self;
}

// ---- dying ----

static void destroy(void *pointer)
{
    ft_object *object = pointer;

    object->type->destroy(object);
}

void ft_cyclic_die(ft_cyclic *cyclic)
{
    ft_lease *lease = ft_lease_current();

    cyclic->next = lease->dying;
    lease->dying = cyclic;
    if (lease->is_clearing)
        return;
    lease->is_clearing = true;
    while (lease->dying) {
        ft_cyclic *one = lease->dying;
        ft_object *object = &one->object;
        lease->dying = one->next;
        size_t bytes = object->type->size_bytes(object);
        object->type->clear(object);  // May add to the list.
        // A collection that is going through what it was taken out of may have read the pointer.
        ft_retire(object, destroy, bytes);
    }
    lease->is_clearing = false;
}

// ---- letting go ----

// The claim's holder is done with it; `keep`: it is to be looked at again. Behind this the object
// may be gone.
static void release(ft_cyclic *cyclic, bool keep)
{
    bool holds_pin = cyclic->state & HOLDS_PIN;
    uint64_t word = word_of(cyclic), changed;
    bool is_dead, is_noted, is_free;

    // Inside a section: without BUFFERED anybody may destroy it, and the claim is given up behind.
    ft_read_begin();
    do {
        is_dead = holds_pin && ft_shared_count(word) == 0;  // It is nobody else's any more.
        // A drop in the meantime that left references would have made it a candidate, but for
        // BUFFERED.
        is_noted = holds_pin && !is_dead && (keep || (word & ~FT_SHARED_TENTATIVE) != cyclic->word);
        is_free = holds_pin && !is_dead && !is_noted;
        changed = word & ~FT_SHARED_TENTATIVE & ~(is_free ? FT_SHARED_BUFFERED : 0);
    } while (!ft_atomic_cas_weak(&cyclic->object.shared, &word, changed, FT_ACQ_REL));
    if (is_free)
        drop_claim(cyclic);
    ft_read_end();
    if (is_dead) {
        ft_cyclic_die(cyclic);
    } else if (!is_free) {
        if (is_noted) {
            cyclic->by = 0;  // Not known to this collection either, if it meets it again.
            ft_collector_note(cyclic);
        }
        drop_claim(cyclic);  // Whoever takes it out of the list leaves it alone until here.
    }
}

// `keep_roots`: the candidates are to be looked at again.
static void release_all(const ft_collection *c, bool keep_roots)
{
    for (ft_cyclic *v = c->first, *link; v; v = link) {
        link = v->link;
        release(v, keep_roots && (v->state & ROOT));
    }
}

// ---- step 1: going through ----

// In this collection, and it has not changed since.
static bool was_examined(const ft_collection *c, const ft_cyclic *v)
{
    const uint64_t bits = FT_SHARED_BUFFERED | FT_SHARED_TENTATIVE;

    return v->by == c->self && v->group - c->first_group < c->group - c->first_group &&
           ((word_of(v) ^ v->word) & ~bits) == 0;
}

// Sets BUFFERED if nobody has, and notes the word. False: it is dying, or nothing for us.
static bool pin(ft_cyclic *v)
{
    uint64_t word = word_of(v);

    v->state = 0;
    do {
        if (!is_counted(v, word))
            return false;
        if (word & FT_SHARED_BUFFERED)
            break;
    } while (!ft_atomic_cas_weak(&v->object.shared, &word, word | FT_SHARED_BUFFERED, FT_ACQ_REL));
    if (!(word & FT_SHARED_BUFFERED))
        v->state = HOLDS_PIN;
    v->word = word | FT_SHARED_BUFFERED;
    return true;
}

static void add(ft_collection *c, ft_cyclic *v, uint64_t inside)
{
    v->by = (unsigned)c->self & (FT_LEASES_MAX - 1);
    v->group = c->group;
    v->inside = inside;
    v->link = NULL;
    *(c->last ? &c->last->link : &c->first) = v;
    c->last = v;
    c->count++;
}

static void visit(ft_object *child, void *host)
{
    ft_collection *c = host;
    ft_cyclic *v = cyclic_of(child);

    if (c->is_over || ft_object_is_immortal(child))
        return;
    if (is_claimed_by(v, c->self)) {
        if (v->group == c->group)
            v->inside++;
        else
            c->met_others = true;  // Suspected with another, and may yet turn out alive.
        return;
    }
    if (!try_claim(v, c->self)) {
        c->met_others = true;
        return;
    }
    // Came upon what was too large a moment ago.
    bool is_known = (v->state & OVERSIZED) && was_examined(c, v);
    c->is_over = c->is_over || is_known;
    if (is_known || !pin(v)) {
        drop_claim(v);
        return;
    }
    add(c, v, 1);
    c->is_over = c->count > c->bound;
}

static void trace(ft_collection *c, ft_cyclic *v, void (*visitor)(ft_object *child, void *host))
{
    ft_read_begin();
    v->object.type->trace(&v->object, visitor, c);
    ft_read_end();
    c->examined++;
}

// ---- step 2: who lives ----

static bool is_member(const ft_collection *c, const ft_cyclic *v)
{
    return is_claimed_by(v, c->self) && v->group == c->group && !(v->state & LIVE);
}

static void mark_live(ft_collection *c, ft_cyclic *v)
{
    v->state |= LIVE;
    v->next_live = c->live;
    c->live = v;
}

static void visit_from_live(ft_object *child, void *host)
{
    if (!ft_object_is_immortal(child) && is_member(host, cyclic_of(child)))
        mark_live(host, cyclic_of(child));
}

static void visit_again(ft_object *child, void *host)
{
    if (!ft_object_is_immortal(child) && is_member(host, cyclic_of(child)))
        cyclic_of(child)->inside++;
}

static bool is_all_inside(const ft_cyclic *v)
{
    return (uint64_t)ft_shared_count(v->word) == v->inside;
}

// Marks what has references from outside, and what that leads to. True when there is any.
static bool find_live(ft_collection *c)
{
    bool any = false;

    c->live = NULL;
    for (ft_cyclic *v = c->first; v; v = v->link)
        if (!is_all_inside(v))
            mark_live(c, v);
    while (c->live) {
        ft_cyclic *v = c->live;
        c->live = v->next_live;
        trace(c, v, visit_from_live);
        any = true;
    }
    return any;
}

// Lets go of those alive. What was counted of their fields counts no more, so the others are
// counted again, from their own fields alone: that is what the proof is about. False: it does not
// come out.
static bool leave_live(ft_collection *c)
{
    ft_cyclic *members = c->first;
    bool ok = true;

    c->first = c->last = NULL;
    for (ft_cyclic *v = members, *link; v; v = link) {
        link = v->link;
        if (v->state & LIVE)
            release(v, c->met_others && (v->state & ROOT));
        else
            add(c, v, 0);
    }
    for (ft_cyclic *v = c->first; v; v = v->link)
        trace(c, v, visit_again);
    for (ft_cyclic *v = c->first; v; v = v->link)
        ok = ok && is_all_inside(v);
    return ok;
}

// ---- step 3 ----

// The words are what they were: read by a read-modify-write, which none that came before escapes.
static bool mark_tentative(const ft_collection *c)
{
    for (ft_cyclic *v = c->first; v; v = v->link) {
        uint64_t word = v->word;
        if (!ft_atomic_cas(&v->object.shared, &word, v->word | FT_SHARED_TENTATIVE, FT_ACQ_REL))
            return false;
    }
    return true;
}

// The first one is to be pinned by us, so that it is in no list and its `next` is free.
static bool find_first(ft_collection *c)
{
    ft_cyclic **at = &c->first;

    while (*at && !((*at)->state & HOLDS_PIN))
        at = &(*at)->link;
    if (!*at)
        return false;
    ft_cyclic *found = *at;
    *at = found->link;
    found->link = c->first;
    c->first = found;
    return true;
}

static void suspect(ft_collection *c)
{
    c->first->next = c->suspects;
    c->suspects = c->first;
    for (ft_cyclic *v = c->first; v; v = v->link)
        c->suspected++;
}

static ft_atomic_u64 given_up;

static void put(ft_cyclic **list, ft_cyclic *cyclic)
{
    cyclic->next = *list;
    *list = cyclic;
}

// Larger than the bound: its candidates are put aside.
static void put_aside(ft_collection *c)
{
    for (ft_cyclic *v = c->first, *link; v; v = link) {
        link = v->link;
        v->state |= OVERSIZED;
        if (v->state & ROOT) {
            put(&c->large, v);
            drop_claim(v);
        } else {
            release(v, false);
        }
    }
}

static void begin_subgraph(ft_collection *c)
{
    c->first = c->last = NULL;
    c->count = 0;
    c->is_over = c->met_others = false;
}

// What the candidates that were added lead to.
static void go_through(ft_collection *c)
{
    bool ok = true;

    for (ft_cyclic *v = c->first; v && !c->is_over; v = v->link)
        trace(c, v, visit);
    if (c->is_over) {
        put_aside(c);
    } else {
        if (find_live(c))
            ok = leave_live(c);
        if (c->first && ok && find_first(c) && mark_tentative(c)) {
            suspect(c);
        } else if (c->first) {
            ft_atomic_add(&given_up, 1, FT_RELAXED);
            release_all(c, true);
        }
    }
    c->group++;
}

// ---- candidates ----

// Takes over the entry of a list. False: there is nothing more to do about it.
static bool add_root(ft_collection *c, ft_cyclic *candidate)
{
    if (is_claimed_by(candidate, c->self)) {
        // It was reached from another one; this entry is its pin.
        candidate->state |= HOLDS_PIN | ROOT;
        return false;
    }
    if (!try_claim(candidate, c->self)) {
        put(&c->kept, candidate);
        return false;
    }
    uint64_t word = word_of(candidate);
    bool is_known = was_examined(c, candidate), is_large = candidate->state & OVERSIZED;
    candidate->state = HOLDS_PIN | ROOT;
    if (is_known && is_large) {
        candidate->state |= OVERSIZED;
        put(&c->large, candidate);
        drop_claim(candidate);
        return false;
    }
    candidate->word = word;
    if (!is_known && is_counted(candidate, word)) {
        add(c, candidate, 0);
        return true;
    }
    // It was found alive from another one and has not changed; or it is dead.
    release(candidate, false);
    return false;
}

void ft_collection_examine(ft_collection *c, ft_cyclic *candidate)
{
    begin_subgraph(c);
    if (add_root(c, candidate))
        go_through(c);
}

void ft_collection_examine_all(ft_collection *c, ft_cyclic *candidates)
{
    begin_subgraph(c);
    for (ft_cyclic *next; candidates; candidates = next) {
        next = candidates->next;
        add_root(c, candidates);
    }
    go_through(c);
}

void ft_collection_begin(ft_collection *c, size_t bound)
{
    ft_lease *lease = ft_lease_current();

    *c = (ft_collection){.self = lease->id, .bound = bound};
    c->group = c->first_group = lease->collector_group;
}

ft_cyclic *ft_collection_take_suspects(ft_collection *c)
{
    ft_cyclic *taken = c->suspects;
    uint64_t tag = taken ? ft_epoch_tag() : 0;

    for (ft_cyclic *first = taken; first; first = first->next) {
        for (ft_cyclic *v = first; v; v = v->link)
            ft_atomic_store(&v->claim, SUSPECTED, FT_RELEASE);
        first->tag = tag;
    }
    c->suspects = NULL;
    c->suspected = 0;
    ft_lease_current()->collector_group = c->group;
    return taken;
}

// ---- steps 5 and 6 ----

static bool is_unchanged(const ft_cyclic *first)
{
    for (const ft_cyclic *v = first; v; v = v->link)
        if (word_of(v) != (v->word | FT_SHARED_TENTATIVE))
            return false;
    return true;
}

static size_t free_all(ft_cyclic *first)
{
    size_t count = 0;

    for (ft_cyclic *v = first; v; v = v->link)
        v->object.type->clear(&v->object);
    for (ft_cyclic *v = first, *link; v; v = link, count++) {
        link = v->link;
        FT_ASSERT(ft_shared_count(word_of(v)) == 0);
        if (v->state & HOLDS_PIN)
            v->object.type->destroy(&v->object);
        else  // A list of candidates has it, and will find it dead.
            drop_claim(v);
    }
    return count;
}

size_t ft_collection_finish(ft_cyclic *first)
{
    if (is_unchanged(first))
        return free_all(first);
    ft_atomic_add(&given_up, 1, FT_RELAXED);
    ft_collection gone = {.first = first};
    release_all(&gone, true);
    return 0;
}

uint64_t ft_collection_given_up(void)
{
    return ft_atomic_load(&given_up, FT_RELAXED);
}
