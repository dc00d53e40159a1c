// The search (mc.h): fibers, the path of steps, which steps are to be tried otherwise.
//
// A step is one operation on something shared, and the plain code behind it up to the next one. The
// path is kept from execution to execution; each execution runs from the start, takes the path's
// steps, goes on from there, and then the deepest step that has something left is changed.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/mc/mc_state.h"

enum { STACK_BYTES = 256 * 1024, MAX_STEPS = 5000, OUTCOMES = 4096 };

mc_state *mc;

static unsigned bit(int thread)
{
    return 1u << thread;
}

// ---- ends of executions ----

void mc_stop(verdict verdict)
{
    mc->verdict = verdict;
    _longjmp(mc->main_jump, 1);
}

void mc_fail(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vsnprintf(mc->message, sizeof(mc->message), format, list);
    va_end(list);
    mc_stop(FAILED);
}

int mc_argument(void)
{
    return mc->target->argument;
}

void mc_outcome(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vsnprintf(mc->outcome, sizeof(mc->outcome), format, list);
    va_end(list);
}

// Nobody can go on.
static verdict judge(void)
{
    bool waits = false, spins = false;

    for (int i = 1; i <= mc->target->threads; i++) {
        const thread *t = &mc->threads[i];
        waits |= t->state == T_WAITS || t->state == T_READY;
        spins |= t->state == T_SPINS;
        // It has read something old again and again: it may not, for ever.
        for (int j = 0; j < t->seen_count && t->state == T_SPINS; j++)
            if (t->seen[j].source->pos + 1 < t->seen[j].at->mo_count)
                return PRUNED;
    }
    if (!waits && !spins)
        return COMPLETE;
    snprintf(mc->message, sizeof(mc->message), "%s:", spins ? "waits without end" : "deadlock");
    for (int i = 1; i <= mc->target->threads; i++) {
        const thread *t = &mc->threads[i];
        size_t used = strlen(mc->message);
        if (t->state != T_DONE)
            snprintf(mc->message + used, sizeof(mc->message) - used, " %c at %s%s;", 'a' + i,
                     t->pending.place, t->state == T_WAITS ? " for a signal" : "");
    }
    return FAILED;
}

// ---- the path ----

static node *push_node(void)
{
    if (mc->node_count == mc->node_room) {
        mc->node_room = 2 * mc->node_room + 256;
        mc->nodes = realloc(mc->nodes, (size_t)mc->node_room * sizeof(*mc->nodes));
    }
    node *n = &mc->nodes[mc->node_count];
    memset(n, 0, offsetof(node, idx));
    if (mc->node_count > 0) {
        const node *parent = &mc->nodes[mc->node_count - 1];
        memcpy(n->slept, parent->slept, sizeof(n->slept));
        memset(&n->slept[parent->thread], 0, sizeof(n->slept[0]));
    }
    mc->node_count++;
    return n;
}

static bool is_slept(const slept *s, uint32_t id)
{
    for (int i = 0; i < s->count && !s->all; i++)
        if (s->ids[i] == id)
            return true;
    return s->all;
}

static void put_to_sleep(node *n)
{
    slept *s = &n->slept[n->thread];

    if (n->takes_all)
        s->all = true;
    // Without room some are awake, and done twice.
    for (int i = 0; i < n->choice_count && !s->all && s->count < SLEPT; i++)
        s->ids[s->count++] = n->ids[i];
}

// What it does commutes with all that others may do: nobody need be tried in its place.
static bool takes_all(op_kind kind)
{
    return kind == OP_STORE || kind == OP_CHOOSE;
}

// The choices of the node's thread that do not sleep. False: there are none.
static bool fill(node *n)
{
    choice all[CHOICES];
    const thread *t = &mc->threads[n->thread];
    int count = mc_choices(t, &t->pending, all);

    n->is_fresh = false;
    n->choice = n->choice_count = 0;
    n->takes_all = takes_all(t->pending.kind);
    for (int i = 0; i < count; i++) {
        if (!mc->options.naive && !n->takes_all && is_slept(&n->slept[n->thread], all[i].id))
            continue;
        n->indexes[n->choice_count] = all[i].index;
        n->ids[n->choice_count++] = all[i].id;
    }
    if (n->takes_all && n->slept[n->thread].all && !mc->options.naive)
        n->choice_count = 0;
    return n->choice_count > 0;
}

static int preemptions_with(int depth, int thread)
{
    if (depth == 0)
        return 0;
    const node *before = &mc->nodes[depth - 1];
    bool preempts = before->thread != thread && mc_is_enabled(&mc->threads[before->thread]);
    return before->preemptions + preempts;
}

static bool within_bound(int depth, int thread)
{
    if (mc->options.preemptions < 0 || preemptions_with(depth, thread) <= mc->options.preemptions)
        return true;
    mc->bound_hit = true;
    return false;
}

static bool try_thread(node *n, int thread)
{
    n->thread = (uint8_t)thread;
    if (!(n->enabled & bit(thread)) || !within_bound(mc->depth, thread) || !fill(n))
        return false;
    n->preemptions = (uint16_t)preemptions_with(mc->depth, thread);
    n->backtrack |= (uint8_t)bit(thread);
    return true;
}

// Who goes first: one whose step commutes with everything, else who went last, else any.
static bool choose_thread(node *n)
{
    int last = mc->depth > 0 ? mc->nodes[mc->depth - 1].thread : 1;

    for (int i = 1; i <= mc->target->threads && !mc->options.naive; i++)
        if ((takes_all(mc->threads[i].pending.kind) || mc->threads[i].pending.kind == OP_UNLOCK) &&
            try_thread(n, i))
            return true;
    if (try_thread(n, last))
        return true;
    for (int i = 1; i <= mc->target->threads; i++)
        if (try_thread(n, i))
            return true;
    return false;
}

// Whether another one, which is like it, has to begin before it.
static int begins_before(int thread)
{
    return mc->target->alike > 0 && thread > mc->target->alike ? thread - 1 : 0;
}

static bool may_begin(int thread)
{
    int other = begins_before(thread);

    return other == 0 || mc->threads[other].has_begun;
}

static uint8_t enabled_threads(void)
{
    unsigned enabled = 0;

    for (int i = 1; i <= mc->target->threads; i++)
        if (mc_is_enabled(&mc->threads[i]) && may_begin(i))
            enabled |= bit(i);
    return (uint8_t)enabled;
}

// The choices of a thread that is tried in place of others; or of the next one.
static bool refill(node *n)
{
    for (;;) {
        if (within_bound(mc->depth, n->thread) && fill(n)) {
            n->preemptions = (uint16_t)preemptions_with(mc->depth, n->thread);
            return true;
        }
        n->done |= (uint8_t)bit(n->thread);
        unsigned left = n->backtrack & ~(unsigned)n->done;
        if (!left)
            return false;
        n->thread = (uint8_t)__builtin_ctz(left);
    }
}

static void replay_step(node *n)
{
    const char *at = mc->replay_at;

    if (*at < 'b' || *at > 'a' + mc->target->threads)
        mc_fail("the replay ends or differs at `%s`", at);
    n->thread = (uint8_t)(*at++ - 'a');
    unsigned long index = strtoul(at, (char **)(uintptr_t)&mc->replay_at, 10);
    if (!(n->enabled & bit(n->thread)) || !fill(n))
        mc_fail("the replay differs: %c cannot go on", 'a' + n->thread);
    while (n->choice < n->choice_count && n->indexes[n->choice] != index)
        n->choice++;
    if (n->choice == n->choice_count)
        mc_fail("the replay differs: %c has no choice %lu", 'a' + n->thread, index);
}

// Decides this step: who takes it, and its choice.
static int pick(void)
{
    uint8_t enabled = enabled_threads();
    int max = mc->target->max_steps ? (int)mc->target->max_steps : MAX_STEPS;
    choice all[CHOICES];

    if (!enabled)
        mc_stop(judge());
    if (mc->depth >= max)
        mc_fail("more than %d steps in one execution", max);
    if (mc->depth == mc->node_count) {
        node *n = push_node();
        n->enabled = enabled;
        if (mc->replay_at) {
            replay_step(n);
        } else if (!choose_thread(n)) {
            mc->node_count--;
            mc_stop(PRUNED);
        }
        if (mc->options.naive && !mc->replay_at)
            n->backtrack = enabled;
    } else if (mc->nodes[mc->depth].is_fresh && !refill(&mc->nodes[mc->depth])) {
        mc_stop(PRUNED);
    }
    node *n = &mc->nodes[mc->depth];
    thread *t = &mc->threads[n->thread];
    int count = mc_choices(t, &t->pending, all);
    for (int i = 0; i < count; i++)
        if (all[i].index == n->indexes[n->choice])
            t->chosen = all[i];
    return n->thread;
}

// ---- what is to be tried otherwise ----

// `later` of them: the events behind `from` that this step follows from, this step last. Returns
// the threads that could begin with them, and who does here in `*first`.
static unsigned initials(int from, int *first)
{
    const vclock *before = &mc->nodes[mc->depth].before;
    uint32_t begins[THREADS] = {0};
    unsigned found = 0;

    *first = 0;
    for (int i = from + 1; i <= mc->depth; i++) {
        const node *n = &mc->nodes[i];
        int thread = n->thread;
        if (i < mc->depth && n->idx > before->at[thread])
            continue;
        const vclock *past = i < mc->depth ? &n->past : before;
        bool is_initial = !begins[thread];
        for (int j = 0; j < THREADS && is_initial; j++)
            is_initial = j == thread || !begins[j] || past->at[j] < begins[j];
        if (!begins[thread])
            begins[thread] = n->idx;
        if (is_initial)
            found |= bit(thread);
        if (!*first)
            *first = thread;
    }
    return found;
}

void mc_note_race(const read_event *read)
{
    node *n = &mc->nodes[read->step];
    int first;
    unsigned found = initials(read->step, &first);

    if (mc->options.naive || (n->backtrack & found))
        return;
    n->backtrack |= (uint8_t)(n->enabled & bit(first) ? bit(first) : n->enabled);
}

// Changes the deepest step that has something left. False: there is none.
static bool next_path(void)
{
    for (; mc->node_count > 0; mc->node_count--) {
        node *n = &mc->nodes[mc->node_count - 1];
        if (n->choice + 1 < n->choice_count) {
            n->choice++;
            return true;
        }
        put_to_sleep(n);
        n->done |= (uint8_t)bit(n->thread);
        n->choice = n->choice_count = 0;
        unsigned left = n->backtrack & ~(unsigned)n->done;
        if (left) {
            n->thread = (uint8_t)__builtin_ctz(left);
            n->is_fresh = true;
            return true;
        }
    }
    return false;
}

// ---- fibers ----

static void load_tls(int thread)
{
    memcpy(mc_image.tls, mc->threads[thread].tls, mc_image.tls_size);
}

static void save_tls(int thread)
{
    memcpy(mc->threads[thread].tls, mc_image.tls, mc_image.tls_size);
}

static void resume(int thread)
{
    struct thread *t = &mc->threads[thread];

    load_tls(thread);
    mc->self = thread;
    if (t->is_started)
        _longjmp(t->jump, 1);
    t->is_started = true;
    setcontext(&t->context);
}

// Lets the next one go on; comes back when it is this one's turn.
static void give_way(void)
{
    thread *own = &mc->threads[mc->self];

    if (!mc->starting && pick() == mc->self)
        return;
    save_tls(mc->self);
    if (_setjmp(own->jump) != 0)
        return;
    if (mc->starting)
        _longjmp(mc->main_jump, 2);
    resume(mc->nodes[mc->depth].thread);
}

static void fiber_main(void)
{
    mc->target->run(mc->self);
    thread *own = &mc->threads[mc->self];
    own->state = T_DONE;
    own->pending.kind = OP_NONE;
    give_way();
}

void mc_block(thread_state state)
{
    mc->threads[mc->self].state = state;
    mc->threads[mc->self].pending.kind = OP_NONE;
    give_way();
}

void mc_visible(const op *o)
{
    thread *own = &mc->threads[mc->sequential ? 0 : mc->self];

    own->pending = *o;
    if (mc->sequential) {
        choice only[CHOICES];
        if (mc_choices(own, o, only) == 0 || !mc_is_enabled(own))
            mc_fail("%s: blocked, and nobody else is there", o->place);
        mc_perform(own, o, &only[0]);
        if (own->state != T_READY)
            mc_fail("%s: waits, and nobody else is there", o->place);
        return;
    }
    give_way();
    bool begins = !own->has_begun;
    // As if the other one had started it: for the search, not for the memory model.
    if (begins && begins_before(mc->self))
        clock_join(&own->past, &mc->threads[begins_before(mc->self)].begun);
    mc_perform(own, o, &own->chosen);
    own->has_begun = true;
    if (begins)
        own->begun = own->past;
    if (mc->options.trace) {
        char text[400];
        mc_describe(o, &own->chosen, own->result, text, sizeof(text));
        printf("  %4d %c %-42s %s\n", mc->depth, 'a' + mc->self, o->place, text);
        fflush(stdout);
    }
    mc->depth++;
    mc->steps++;
}

void mc_as(int thread, void (*body)(void))
{
    save_tls(0);
    load_tls(thread);
    body();
    save_tls(thread);
    load_tls(0);
}

// ---- one execution ----

static void reset(void)
{
    memcpy(mc_image.data, mc_image.data_copy, mc_image.data_size);
    memcpy(mc_image.tls, mc_image.tls_copy, mc_image.tls_size);
    for (int i = 0; i < THREADS; i++) {
        thread *t = &mc->threads[i];
        if (!t->tls)
            t->tls = malloc(mc_image.tls_size + 1);
        memcpy(t->tls, mc_image.tls_copy, mc_image.tls_size);
        t->is_started = false;
        t->state = T_READY;
        t->pending.kind = OP_NONE;
        t->seen_count = 0;
        t->has_news = true;
        t->clock_calls = 0;
        t->has_begun = false;
        t->trail = 1;
        t->last_trail = 0;
        memset(&t->clock, 0, sizeof(t->clock));
        memset(&t->past, 0, sizeof(t->past));
    }
    mc_memory_reset();
    mc_shadow_reset();
    mc_history_reset();
    mc->self = mc->depth = 0;
    mc->sequential = true;
    mc->starting = 0;
    mc->clock_jump_ns = mc->clock_run_ns = 0;
    mc->outcome[0] = 0;
    mc->replay_at = mc->options.replay;
}

static void make_threads(void)
{
    mc->threads[0].clock.at[0]++;
    save_tls(0);
    for (int i = 1; i <= mc->target->threads; i++) {
        thread *t = &mc->threads[i];
        if (!t->stack)
            t->stack = malloc(STACK_BYTES);
        getcontext(&t->context);
        t->context.uc_stack.ss_sp = t->stack;
        t->context.uc_stack.ss_size = STACK_BYTES;
        t->context.uc_link = NULL;
        makecontext(&t->context, fiber_main, 0);
        t->clock = t->past = mc->threads[0].clock;
    }
}

static void finish(void)
{
    thread *first = &mc->threads[0];

    for (int i = 1; i <= mc->target->threads; i++) {
        mc->threads[i].clock.at[i]++;
        clock_join(&first->clock, &mc->threads[i].clock);
    }
    clock_join(&first->past, &first->clock);
    mc->self = 0;
    mc->sequential = true;
    load_tls(0);
    mc->target->finish();
    if (mc_live_blocks() != 0)
        mc_fail("%d blocks are never freed", mc_live_blocks());
}

static void start_next(void)
{
    resume(mc->starting);
}

static void go_on(void)
{
    resume(pick());
}

// Runs `body` until it returns or somebody jumps back here.
static bool guarded(void (*body)(void))
{
    mc->verdict = GOES_ON;
    if (_setjmp(mc->main_jump) == 0)
        body();
    return mc->verdict == GOES_ON;
}

static void execute(void)
{
    reset();
    if (!guarded(mc->target->setup))
        return;
    make_threads();
    mc->sequential = false;
    for (mc->starting = 1; mc->starting <= mc->target->threads; mc->starting++)
        if (!guarded(start_next))
            return;
    mc->starting = 0;
    guarded(go_on);
    if (mc->verdict == COMPLETE && guarded(finish))
        mc->verdict = COMPLETE;
}

// ---- all of them ----

static void print_replay(void)
{
    printf("  replay: --only %s --replay ", mc->target->name);
    for (int i = 0; i < mc->node_count; i++) {
        const node *n = &mc->nodes[i];
        printf("%c", 'a' + n->thread);
        if (n->choice_count > 0 && n->indexes[n->choice])
            printf("%d", n->indexes[n->choice]);
    }
    printf("\n");
}

static void report_failure(void)
{
    printf("FAILED %s after %llu executions: %s\n", mc->target->name,
           (unsigned long long)mc->executions, mc->message);
    print_replay();
    if (!mc->options.trace) {
        mc->options.trace = true;
        execute();
        printf("  then: %s\n", mc->message);
        mc->options.trace = false;
    }
}

typedef struct outcome_set {
    char texts[OUTCOMES][64];
    int count;
} outcome_set;

static bool is_compared(const mc_target *target)
{
    return target->outcomes && strcmp(target->outcomes, "*") == 0;
}

static void add_outcome(outcome_set *set, const char *text)
{
    int at = 0;

    while (at < set->count && strcmp(set->texts[at], text) < 0)
        at++;
    if (at < set->count && strcmp(set->texts[at], text) == 0)
        return;
    if (set->count == OUTCOMES)
        mc_fail("more than %d outcomes", OUTCOMES);
    memmove(set->texts[at + 1], set->texts[at], (size_t)(set->count - at) * sizeof(set->texts[0]));
    snprintf(set->texts[at], sizeof(set->texts[0]), "%s", text);
    set->count++;
}

static const char *text_of(const outcome_set *set, char *out, size_t room)
{
    *out = 0;
    for (int i = 0; i < set->count; i++)
        snprintf(out + strlen(out), room - strlen(out), "%s%s", i ? " " : "", set->texts[i]);
    return out;
}

static bool check_outcomes(const outcome_set *found, const outcome_set *naive)
{
    static char all[OUTCOMES * 64], wanted[OUTCOMES * 64];
    const char *outcomes = mc->target->outcomes;

    if (!outcomes)
        return true;
    if (is_compared(mc->target))
        outcomes = text_of(naive, wanted, sizeof(wanted));
    if (strcmp(text_of(found, all, sizeof(all)), outcomes) == 0)
        return true;
    printf("FAILED %s: the outcomes are\n    %s\n  instead of\n    %s\n", mc->target->name, all,
           outcomes);
    return false;
}

// The loop of the search. False: it found something.
static bool search(outcome_set *outcomes, double begin, bool *out_cut)
{
    do {
        execute();
        mc->executions += mc->verdict == COMPLETE;
        mc->pruned += mc->verdict == PRUNED;
        if (mc->verdict == FAILED) {
            report_failure();
            return false;
        }
        if (mc->verdict == COMPLETE && mc->target->outcomes)
            add_outcome(outcomes, mc->outcome);
        if (mc->options.replay)
            break;
        if (mc->options.seconds > 0 && (mc->executions + mc->pruned) % 1024 == 0 &&
            mc_seconds() - begin > mc->options.seconds) {
            *out_cut = true;
            break;
        }
    } while (next_path());
    return true;
}

static bool search_all(outcome_set *outcomes, double begin, bool *out_cut)
{
    mc->node_count = 0;
    mc->executions = mc->pruned = mc->steps = 0;
    mc->bound_hit = false;
    outcomes->count = 0;
    return search(outcomes, begin, out_cut);
}

bool mc_run_target(const mc_target *target)
{
    static outcome_set outcomes, naive;
    double begin = mc_seconds();
    bool is_cut = false;

    mc->target = target;
    if (is_compared(target)) {
        mc->options.naive = true;
        if (!search_all(&naive, begin, &is_cut))
            return false;
        mc->options.naive = false;
    }
    bool ok = search_all(&outcomes, begin, &is_cut);
    if (!ok || mc->options.replay)
        return ok;
    const char *extent = is_cut          ? "NOT exhaustive: out of time"
                         : mc->bound_hit ? "NOT exhaustive: bound of preemptions"
                                         : "exhaustive";
    printf("%s%-28s %9llu executions, %9llu cut short, %7.2f s, %s\n", is_cut ? "FAILED " : "",
           target->name, (unsigned long long)mc->executions, (unsigned long long)mc->pruned,
           mc_seconds() - begin, extent);
    fflush(stdout);
    return check_outcomes(&outcomes, &naive) && !is_cut;
}
