// The memory model (mc.h): locations, what a load may read, where a store may come.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/concurrent/atomic.h"
#include "tests/mc/mc_state.h"

enum { BUCKETS = 4096, STORES_MAX = 16384, SC_MAX = 256, SC_WORDS = SC_MAX / 64 };

// Locations by address, of this execution; the structs are used again.
static location *table[BUCKETS];
static location *locations[BUCKETS / 2];
static int location_count, location_room;
static store stores[STORES_MAX];
static int store_count;

// The seq_cst operations of the threads, in the order in which they were done, and which of them
// must come behind which in S.
typedef struct sc_event {
    location *at;
    store *read, *written;  // Either may be NULL.
    uint32_t idx;
    int thread;
    uint64_t reaches[SC_WORDS];
} sc_event;
static sc_event sc_events[SC_MAX];
static int sc_count;

void mc_memory_reset(void)
{
    memset(table, 0, sizeof(table));
    location_count = store_count = sc_count = 0;
}

static store *new_store(location *l, int pos)
{
    if (store_count == STORES_MAX)
        mc_fail("more than %d stores in one execution", STORES_MAX);
    store *s = &stores[store_count++];
    memset(s, 0, sizeof(*s));
    if (l->mo_count == l->mo_room) {
        l->mo_room = 2 * l->mo_room + 8;
        l->mo = realloc(l->mo, (size_t)l->mo_room * sizeof(*l->mo));
    }
    for (int i = l->mo_count++; i > pos; i--) {
        l->mo[i] = l->mo[i - 1];
        l->mo[i]->pos = (uint16_t)i;
    }
    l->mo[pos] = s;
    s->location = l;
    s->pos = (uint16_t)pos;
    return s;
}

static uint64_t value_in(const void *at, size_t size)
{
    uint64_t value = 0;

    memcpy(&value, at, size);  // Little endian.
    return value;
}

static uint64_t cut(uint64_t value, size_t size)
{
    return size == 8 ? value : value & (((uint64_t)1 << 8 * size) - 1);
}

location *mc_location(void *at, location_kind kind, size_t size)
{
    size_t bucket = (uintptr_t)at / 2 * UINT64_C(0x9e3779b97f4a7c15) >> 52;

    for (; table[bucket]; bucket = (bucket + 1) % BUCKETS) {
        if (table[bucket]->at != at)
            continue;
        if (table[bucket]->kind != kind || table[bucket]->size != size)
            mc_fail("%s is used as two different things", mc_name(at));
        return table[bucket];
    }
    if (location_count == BUCKETS / 2)
        mc_fail("more than %d locations", BUCKETS / 2);
    if (location_count == location_room)
        locations[location_room++] = calloc(1, sizeof(location));
    location *l = table[bucket] = locations[location_count++];
    store **mo = l->mo;
    read_event *reads = l->reads;
    *l = (location){.at = at,
                    .kind = kind,
                    .size = (uint8_t)size,
                    .mo = mo,
                    .mo_room = l->mo_room,
                    .reads = reads,
                    .read_room = l->read_room};
    if (kind == AT_ATOMIC)  // What was there before, for everybody: idx 0 is of everybody's past.
        new_store(l, 0)->value = value_in(at, size);
    return l;
}

// ---- coherence ----

// The oldest store in mo that the thread may still read.
static int floor_of(const thread *t, const location *l)
{
    int lowest = 0;

    for (int i = l->mo_count - 1; i > 0; i--) {
        const store *s = l->mo[i];
        if (s->idx <= t->clock.at[s->thread]) {
            lowest = i;
            break;
        }
    }
    for (int i = 0; i < l->read_count; i++) {
        const read_event *r = &l->reads[i];
        if (r->source->pos > lowest && r->idx <= t->clock.at[r->thread])
            lowest = r->source->pos;
    }
    return lowest;
}

static bool is_taken(const location *l, int pos)
{
    return pos + 1 < l->mo_count && l->mo[pos + 1]->is_rmw;
}

// ---- seq_cst ----

// Where an event stands in its location's coherence order: stores at multiples of four, the loads
// of a store behind it.
static int key_of(const sc_event *e)
{
    return e->written ? 4 * e->written->pos : 4 * e->read->pos + 2;
}

// The events that must come before (`in`) or behind (`out`) an event of the thread with that key.
static void sc_edges(const thread *t, const location *l, int key, uint64_t *in, uint64_t *out)
{
    memset(in, 0, SC_WORDS * sizeof(*in));
    memset(out, 0, SC_WORDS * sizeof(*out));
    for (int i = 0; i < sc_count; i++) {
        const sc_event *e = &sc_events[i];
        uint64_t bit = (uint64_t)1 << i % 64;
        // Strongly happens before: something behind it, of its own thread, happens before.
        if (&mc->threads[e->thread] == t || e->idx + 1 <= t->clock.at[e->thread] ||
            (e->at == l && key_of(e) < key))
            in[i / 64] |= bit;
        if (e->at == l && key_of(e) > key)
            out[i / 64] |= bit;
    }
}

static bool is_seq_cst(int order)
{
    return order == FT_SEQ_CST && !mc->sequential;
}

static bool sc_allows(const thread *t, const location *l, int key)
{
    uint64_t in[SC_WORDS], out[SC_WORDS];

    sc_edges(t, l, key, in, out);
    for (int i = 0; i < sc_count; i++) {
        if (!(out[i / 64] >> i % 64 & 1))
            continue;
        for (int j = 0; j < SC_WORDS; j++)
            if ((sc_events[i].reaches[j] | (j == i / 64 ? (uint64_t)1 << i % 64 : 0)) & in[j])
                return false;
    }
    return true;
}

// Before the store is put in: `key` is as sc_allows saw it.
static void sc_add(thread *t, location *l, store *read, int key, sc_event *e)
{
    uint64_t in[SC_WORDS], out[SC_WORDS];

    if (sc_count == SC_MAX)
        mc_fail("more than %d seq_cst operations in one execution", SC_MAX);
    sc_edges(t, l, key, in, out);
    *e = (sc_event){.at = l, .read = read, .thread = (int)(t - mc->threads)};
    for (int i = 0; i < sc_count; i++)
        if (out[i / 64] >> i % 64 & 1) {
            e->reaches[i / 64] |= (uint64_t)1 << i % 64;
            for (int j = 0; j < SC_WORDS; j++)
                e->reaches[j] |= sc_events[i].reaches[j];
        }
    for (int i = 0; i < sc_count; i++) {
        bool leads = in[i / 64] >> i % 64 & 1;
        for (int j = 0; j < SC_WORDS && !leads; j++)
            leads = (sc_events[i].reaches[j] & in[j]) != 0;
        if (!leads)
            continue;
        sc_events[i].reaches[sc_count / 64] |= (uint64_t)1 << sc_count % 64;
        for (int j = 0; j < SC_WORDS; j++)
            sc_events[i].reaches[j] |= e->reaches[j];
    }
    sc_count++;
}

// ---- choices ----

static int read_choices(const thread *t, const op *o, const location *l, choice *out)
{
    int count = 0, index = 0;

    // The newest first.
    for (int pos = l->mo_count - 1, lowest = floor_of(t, l); pos >= lowest; pos--) {
        bool writes = o->kind == OP_CHANGE ||
                      (o->kind == OP_CAS && l->mo[pos]->value == cut(o->expected, o->size));
        int order = o->kind == OP_CAS && !writes ? o->on_failure : o->order;
        if (writes && is_taken(l, pos))
            continue;
        if (is_seq_cst(order) && !sc_allows(t, l, writes ? 4 * pos + 3 : 4 * pos + 2))
            continue;
        if (count == CHOICES)
            mc_fail("more than %d choices", CHOICES);
        out[count++] =
            (choice){.id = l->mo[pos]->id, .source = l->mo[pos], .index = (uint16_t)index};
        index++;
    }
    return count;
}

static int store_choices(const thread *t, const op *o, const location *l, choice *out)
{
    int count = 0;

    for (int pos = l->mo_count, lowest = floor_of(t, l); pos > lowest; pos--) {
        if (is_taken(l, pos - 1))
            continue;
        if (is_seq_cst(o->order) && !sc_allows(t, l, 4 * pos - 1))
            continue;
        if (count == CHOICES)
            mc_fail("more than %d choices", CHOICES);
        out[count] = (choice){.id = (uint32_t)pos, .pos = (uint16_t)pos, .index = (uint16_t)count};
        count++;
    }
    return count;
}

int mc_choices(const thread *t, const op *o, choice *out)
{
    if (o->kind >= OP_LOCK)
        return mc_sync_choices(o, out);
    const location *l = mc_location(o->at, AT_ATOMIC, o->size);
    int count = o->kind == OP_STORE ? store_choices(t, o, l, out) : read_choices(t, o, l, out);
    if (mc->sequential && count > 1)
        count = 1;
    return count;
}

// ---- performing ----

void mc_add_read(location *l, store *source, bool mark)
{
    if (mc->sequential)
        return;
    if (l->read_count == l->read_room) {
        l->read_room = 2 * l->read_room + 8;
        l->reads = realloc(l->reads, (size_t)l->read_room * sizeof(*l->reads));
    }
    l->reads[l->read_count++] = (read_event){source, mc->threads[mc->self].clock.at[mc->self],
                                             mc->depth, (uint8_t)mc->self, mark};
}

void mc_note_write(const location *l, const vclock *before, bool with_unlocks)
{
    for (int i = 0; i < l->read_count && !mc->sequential; i++) {
        const read_event *r = &l->reads[i];
        bool counts = l->kind != AT_MUTEX || with_unlocks || !r->mark;
        if (counts && r->thread != mc->self && r->idx > before->at[r->thread])
            mc_note_race(r);
    }
}

// A CAS that failed might have been first, and done, where an RMW took the store that it wanted.
static void note_failure(const location *l, const op *o, const vclock *before)
{
    for (int i = 0; i < l->read_count && !mc->sequential; i++) {
        const read_event *r = &l->reads[i];
        if (r->mark && r->thread != mc->self && r->idx > before->at[r->thread] &&
            r->source->value == cut(o->expected, o->size))
            mc_note_race(r);
    }
}

static bool releases(int order)
{
    return order == FT_RELEASE || order == FT_ACQ_REL || order == FT_SEQ_CST;
}

static void put_store(thread *t, location *l, int pos, uint64_t value, int order, store *rf)
{
    store *s = new_store(l, pos);

    s->value = cut(value, l->size);
    s->thread = (uint8_t)mc->self;
    s->idx = t->clock.at[mc->self];
    s->id = (uint32_t)mc->self << 24 | s->idx;
    s->rf = rf;
    s->is_rmw = rf != NULL;
    s->past = t->past;
    if (rf && rf->is_release) {  // The release sequence goes on.
        s->is_release = true;
        s->release = rf->release;
    }
    if (releases(order)) {
        s->is_release = true;
        clock_join(&s->release, &t->clock);
    }
    value = l->mo[l->mo_count - 1]->value;
    memcpy(l->at, &value, l->size);  // For debuggers, and for who clears or copies it plainly.
}

static void note_seen(thread *t, location *l, store *source, bool writes)
{
    if (writes || t->seen_count == SEEN) {
        t->has_news = true;
        return;
    }
    t->seen[t->seen_count].at = l;
    t->seen[t->seen_count++].source = source;
    t->trail = (t->trail ^ (uintptr_t)l ^ (uint64_t)source->id << 32) * UINT64_C(0x100000001b3);
}

static uint64_t changed(const op *o, uint64_t old)
{
    switch (o->how) {
    case FT_MODEL_ADD:
        return old + o->value;
    case FT_MODEL_SUB:
        return old - o->value;
    case FT_MODEL_OR:
        return old | o->value;
    default:
        return o->value;
    }
}

static void perform_atomic(thread *t, const op *o, const choice *c, const vclock *before)
{
    mc_check_alive(o->at, o->size, o->place);
    location *l = mc_location(o->at, AT_ATOMIC, o->size);
    store *source = c->source;
    bool writes =
        o->kind != OP_LOAD && (o->kind != OP_CAS || source->value == cut(o->expected, o->size));
    int order = o->kind == OP_CAS && !writes ? o->on_failure : o->order;
    int pos = source ? source->pos + 1 : c->pos;
    sc_event *e = NULL;

    if (is_seq_cst(order)) {
        e = &sc_events[sc_count];
        sc_add(t, l, source, !writes ? 4 * pos - 2 : 4 * pos - 1, e);
        e->idx = t->clock.at[mc->self];
    }
    if (source) {
        t->result = source->value;
        if (source->is_release &&
            (order == FT_ACQUIRE || order == FT_ACQ_REL || order == FT_SEQ_CST))
            clock_join(&t->clock, &source->release);
        clock_join(&t->past, &source->past);
        if (o->kind == OP_CAS && !writes)
            note_failure(l, o, before);
    }
    if (writes) {
        mc_note_write(l, before, false);
        put_store(t, l, pos, o->kind == OP_CHANGE ? changed(o, source->value) : o->value, order,
                  source);
        if (e)
            e->written = l->mo[pos];
    }
    if (source)
        mc_add_read(l, source, writes);
    note_seen(t, l, source, writes);
}

void mc_perform(thread *t, const op *o, const choice *c)
{
    vclock before = t->past;

    t->clock.at[mc->self]++;
    t->past.at[mc->self]++;
    if (!mc->sequential) {
        mc->nodes[mc->depth].before = before;
        mc->nodes[mc->depth].idx = t->clock.at[mc->self];
    }
    if (o->kind >= OP_LOCK) {
        t->has_news = true;
        mc_sync_perform(t, o, c);
    } else {
        perform_atomic(t, o, c, &before);
        mc_note_atomic(o->at, o->size);
    }
    if (!mc->sequential)
        mc->nodes[mc->depth].past = t->past;
}

void mc_describe(const op *o, const choice *c, uint64_t result, char *out, size_t room)
{
    static const char *const names[] = {"",     "load",   "store",     "change",
                                        "cas",  "lock",   "try lock",  "unlock",
                                        "wait", "signal", "broadcast", "choose"};
    static const char *const orders[] = {"relaxed", "consume", "acquire",
                                         "release", "acq_rel", "seq_cst"};
    static const char *const hows[] = {"add", "sub", "or", "exchange"};
    long long value = (long long)o->value, was = (long long)result;

    if (o->kind >= OP_LOCK) {
        snprintf(out, room, "%s %s", names[o->kind], mc_name(o->at));
        return;
    }
    const char *name = o->kind == OP_CHANGE ? hows[o->how] : names[o->kind];
    int n = snprintf(out, room, "%s %s %s", name, orders[o->order], mc_name(o->at));
    if (n < 0 || (size_t)n >= room)
        return;
    out += n;
    room -= (size_t)n;
    if (o->kind == OP_STORE)
        snprintf(out, room, " = %#llx%s", value, c->index ? " (not the last in mo)" : "");
    else if (o->kind == OP_LOAD)
        snprintf(out, room, " -> %#llx%s", was, c->index ? " (not the newest)" : "");
    else if (o->kind == OP_CHANGE)
        snprintf(out, room, " by %#llx: was %#llx%s", value, was,
                 c->index ? " (not the newest)" : "");
    else
        snprintf(out, room, " %#llx to %#llx: %s, was %#llx%s", (long long)o->expected, value,
                 was == (long long)cut(o->expected, o->size) ? "done" : "failed", was,
                 c->index ? " (not the newest)" : "");
}

// ---- the door: runtime/concurrent/atomic.h ----

// True: a statistic, to be done at once.
static bool is_aside(void *at, size_t size, const char *place)
{
    mc_check_alive(at, size, place);
    return mc_location(at, AT_ATOMIC, size)->is_statistic;
}

static uint64_t act(op *o)
{
    mc_visible(o);
    return mc->threads[mc->self].result;
}

uint64_t ft_model_load(const void *at, size_t size, ft_order order, const char *place)
{
    void *p = (void *)(uintptr_t)at;

    if (is_aside(p, size, place))
        return value_in(at, size);
    return act(&(op){
        .kind = OP_LOAD, .size = (uint8_t)size, .order = (int)order, .at = p, .place = place});
}

void ft_model_store(void *at, size_t size, uint64_t value, ft_order order, const char *place)
{
    if (is_aside(at, size, place))
        memcpy(at, &value, size);
    else
        act(&(op){.kind = OP_STORE,
                  .size = (uint8_t)size,
                  .order = (int)order,
                  .at = at,
                  .value = cut(value, size),
                  .place = place});
}

uint64_t ft_model_change(void *at, size_t size, ft_model_how how, uint64_t by, ft_order order,
                         const char *place)
{
    op o = {.kind = OP_CHANGE,
            .size = (uint8_t)size,
            .how = (uint8_t)how,
            .order = (int)order,
            .at = at,
            .value = cut(by, size),
            .place = place};

    if (!is_aside(at, size, place))
        return act(&o);
    uint64_t old = value_in(at, size), now = changed(&o, old);
    memcpy(at, &now, size);
    return old;
}

bool ft_model_cas(void *at, size_t size, void *expected, uint64_t desired, ft_order order,
                  ft_order on_failure, const char *place)
{
    uint64_t wanted = value_in(expected, size), was;

    if (is_aside(at, size, place)) {
        was = value_in(at, size);
        if (was == wanted)
            memcpy(at, &desired, size);
    } else {
        was = act(&(op){.kind = OP_CAS,
                        .size = (uint8_t)size,
                        .order = (int)order,
                        .on_failure = (int)on_failure,
                        .at = at,
                        .value = cut(desired, size),
                        .expected = wanted,
                        .place = place});
    }
    if (was != wanted)
        memcpy(expected, &was, size);
    return was == wanted;
}

void mc_statistic(const void *at, size_t size)
{
    mc_location((void *)(uintptr_t)at, AT_ATOMIC, size)->is_statistic = true;
}
