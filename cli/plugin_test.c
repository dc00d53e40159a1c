// The child's half of `ftpipe doctor --plugin`: each stage on one thread, then on 2, 4 and 8, round
// after round, and all that came of each batch compared.
//
//   as "any"   threads take batches as they come, each into an instance of its own: what came of a
//              batch must be what came of it on one thread
//   as "one"   every thread gives all batches, in order, to an instance of its own, as two stages
//              of one type in a pipeline do: each must get what one thread alone got
//
// A stage that declares nothing is tried as both, and told which of the two it could declare.
// Beside results: guards around each instance's state, the config and the input unchanged, and no
// block more alive after a round than before it. What is not seen: races that changed no result
// (ThreadSanitizer's work), and memory that the plug-in takes from elsewhere.
#include <stdio.h>
#include <string.h>

#include "cli/doctor_plugin.h"
#include "cli/plugin_test.h"
#include "runtime/memory/alloc.h"
#include "runtime/system/clock.h"
#include "runtime/system/plugin_library.h"
#include "runtime/system/thread.h"

enum { THREADS_MAX = 8, ROUNDS = 40, SOURCE_CALLS_MAX = 64, CONFIG_SEED = 7 };
static const int64_t stage_ns = INT64_C(3000000000);  // For all rounds of one way.

typedef struct {
    ft_test_subject *subject;
    ft_test_outcome outcomes[FT_TEST_BATCHES];
    ft_atomic_u32 next;  // ANY: the next batch.
    bool shares;         // ANY: the threads share the batches.
    const ft_test_outcome *reference;
    ft_atomic_u32 fault;  // First of the faults below.
    ft_atomic_u32 at;     // The batch at which it was seen.
} trial;

enum { FAULT_NONE, FAULT_RESULT, FAULT_GUARD, FAULT_OPEN, FAULT_CONFIG, FAULT_INPUT, FAULT_LEAK };
static const char *const fault_texts[] = {
    [FAULT_NONE] = "",
    [FAULT_RESULT] = "other results than on one thread",
    [FAULT_GUARD] = "it writes outside of its state",
    [FAULT_OPEN] = "an instance could not be opened",
    [FAULT_CONFIG] = "it changes its config while it runs",
    [FAULT_INPUT] = "it changes batches that others hold too: ft_batch_make_writable",
    [FAULT_LEAK] = "blocks of memory are left after close",
};

typedef struct {
    trial *trial;
    int number;
    ft_thread thread;
} thread_host;

static void say(const char *stage, const char *state, const char *text)
{
    printf("%s\t%s\t%s\n", stage, state, text);
    fflush(stdout);
}

// ---- one thread ----

static void note(trial *t, uint32_t fault, size_t at)
{
    uint32_t none = FAULT_NONE;

    // Relaxed: read after the threads were joined.
    if (ft_atomic_cas(&t->fault, &none, fault, FT_RELAXED))
        ft_atomic_store(&t->at, (uint32_t)at, FT_RELAXED);
}

static void process(ft_test_instance *instance, ft_batch *batch, ft_test_outcome *out)
{
    ft_error err = FT_ERROR_INIT;
    ft_batch *lent = ft_batch_ref(batch);

    *out = (ft_test_outcome){0};
    instance->outcome = out;
    ft_test_yield(instance);
    out->failed = !instance->stage.def->process(&instance->stage, &lent, &err);
    ft_batch_unref(lent);
    instance->outcome = NULL;
}

static void produce(ft_test_instance *instance, ft_test_outcome *outcomes)
{
    ft_error err = FT_ERROR_INIT;
    bool done = false;

    for (int i = 0; i < SOURCE_CALLS_MAX && !done; i++) {
        instance->outcome = &outcomes[i];
        outcomes[i] = (ft_test_outcome){0};
        ft_test_yield(instance);
        outcomes[i].failed = !instance->stage.def->produce(&instance->stage, &done, &err);
        done = done || outcomes[i].failed;
    }
    instance->outcome = NULL;
}

static bool is_equal(const ft_test_outcome *a, const ft_test_outcome *b)
{
    return a->digest == b->digest && a->items == b->items && a->failed == b->failed;
}

static void compare(trial *t, const ft_test_outcome *got, size_t at)
{
    if (t->reference && !is_equal(got, &t->reference[at]))
        note(t, FAULT_RESULT, at);
}

// Gives the instance its share of the batches: those it can get, or all.
static void feed(trial *t, ft_test_instance *instance, ft_test_outcome *own)
{
    size_t count = t->subject->batch_count;

    if (t->subject->def->kind == FT_STAGE_SOURCE) {
        produce(instance, own);
        for (size_t i = 0; i < SOURCE_CALLS_MAX; i++)
            compare(t, &own[i], i);
        return;
    }
    for (size_t mine = 0; mine < count && !instance->has_enough; mine++) {
        // Relaxed: a ticket.
        size_t at = t->shares ? ft_atomic_add(&t->next, 1, FT_RELAXED) : mine;
        if (at >= count)
            break;
        process(instance, t->subject->batches[at], &own[at]);
        compare(t, &own[at], at);
        if (!ft_test_instance_is_whole(instance))
            note(t, FAULT_GUARD, at);
        if (own[at].failed)
            break;
    }
}

static void flush(ft_test_instance *instance)
{
    ft_error err = FT_ERROR_INIT;

    if (instance->stage.def->flush)
        ft_ignore(instance->stage.def->flush(&instance->stage, &err));  // Its results are not
                                                                        // those of one batch.
}

static void thread_main(void *data)
{
    thread_host *host = data;
    ft_test_outcome own[FT_TEST_BATCHES] = {{0}};
    ft_test_instance instance;
    ft_error err = FT_ERROR_INIT;

    if (ft_test_instance_open(&instance, host->trial->subject, host->number, &err)) {
        feed(host->trial, &instance, own);
        flush(&instance);
        if (!ft_test_instance_is_whole(&instance))
            note(host->trial, FAULT_GUARD, 0);
    } else {
        note(host->trial, FAULT_OPEN, 0);
    }
    ft_test_instance_close(&instance);
    if (!host->trial->reference)
        memcpy(host->trial->outcomes, own, sizeof(own));
}

// ---- rounds ----

static bool run_round(trial *t, int threads, ft_error *err)
{
    thread_host hosts[THREADS_MAX] = {{0}};
    bool ok = true;

    ft_atomic_store(&t->next, 0, FT_RELAXED);  // Relaxed: before the threads are started.
    for (int i = 0; ok && i < threads; i++) {
        hosts[i] = (thread_host){.trial = t, .number = i};
        ok = ft_thread_start(&hosts[i].thread, "ftpipe-test", thread_main, &hosts[i], err);
    }
    for (int i = 0; i < threads; i++)
        ft_thread_join(&hosts[i].thread);
    return ok;
}

static void check_after(trial *t, int64_t blocks_before)
{
    const ft_test_subject *s = t->subject;

    if (ft_hash((ft_slice){s->config, s->def->config_size}, CONFIG_SEED) != s->config_digest)
        note(t, FAULT_CONFIG, 0);
    if (ft_test_digest_inputs(s) != s->input_digest)
        note(t, FAULT_INPUT, 0);
    if (ft_alloc_get_stats().live_blocks > blocks_before)
        note(t, FAULT_LEAK, 0);
}

// The first round may leave what a stage keeps for good (a table made once); later ones nothing.
static bool run_rounds(trial *t, int *out_threads, ft_error *err)
{
    static const int counts[] = {2, 4, 8};
    int64_t end = ft_clock_ns() + stage_ns;

    for (int round = 0; round < ROUNDS && ft_clock_ns() < end; round++)
        for (size_t i = 0; i < FT_COUNT_OF(counts); i++) {
            int64_t blocks = ft_alloc_get_stats().live_blocks;
            if (!run_round(t, counts[i], err))
                return false;
            *out_threads = counts[i];
            check_after(t, round == 0 && i == 0 ? INT64_MAX : blocks);
            if (ft_atomic_load(&t->fault, FT_RELAXED) != FAULT_NONE)
                return true;
        }
    return true;
}

// ---- one stage ----

// Runs one way; true when nothing was found. `text` says what was.
static bool try_way(ft_test_subject *s, const ft_test_outcome *reference, bool shares, char *text,
                    size_t text_bytes)
{
    trial t = {.subject = s, .shares = shares, .reference = reference};
    ft_error err = FT_ERROR_INIT;
    int threads = 0;

    if (!run_rounds(&t, &threads, &err)) {
        snprintf(text, text_bytes, "threads cannot be started: %.200s", err.message);
        return false;
    }
    uint32_t fault = ft_atomic_load(&t.fault, FT_RELAXED);
    if (fault == FAULT_RESULT)
        snprintf(text, text_bytes, "%s, at batch %u on %d threads", fault_texts[fault],
                 (unsigned)ft_atomic_load(&t.at, FT_RELAXED) + 1, threads);
    else
        snprintf(text, text_bytes, "%s", fault_texts[fault]);
    return fault == FAULT_NONE;
}

static void judge(ft_test_subject *s, const ft_test_outcome *reference)
{
    char any[256] = "", one[256] = "", text[700];
    const char *name = s->def->name;
    ft_concurrency declared = s->def->concurrency;
    bool is_source = s->def->kind == FT_STAGE_SOURCE;
    bool one_ok = try_way(s, reference, false, one, sizeof(one));
    bool any_ok = !is_source && declared != FT_CONCURRENCY_ONE &&
                  try_way(s, reference, true, any, sizeof(any));

    if (declared == FT_CONCURRENCY_ANY && !is_source)
        snprintf(text, sizeof(text),
                 any_ok && one_ok ? "declared any: verified%s" : "declared any, but: %s",
                 any_ok && one_ok ? ""
                 : any_ok         ? one
                                  : any);
    else if (declared == FT_CONCURRENCY_UNDECLARED && one_ok)
        snprintf(text, sizeof(text), "undeclared: it could declare %s%s%s%s",
                 any_ok ? "any" : "one",
                 any_ok || is_source ? "" : " (as any: ", any_ok || is_source ? "" : any,
                 any_ok || is_source ? "" : ")");
    else if (declared == FT_CONCURRENCY_UNDECLARED)
        snprintf(text, sizeof(text), "undeclared, and must stay so: %s", one);
    else
        snprintf(text, sizeof(text), one_ok ? "declared one: verified%s" : "declared one, but: %s",
                 one_ok ? "" : one);
    bool good = one_ok && (any_ok || declared != FT_CONCURRENCY_ANY || is_source);
    say(name, good ? (declared == FT_CONCURRENCY_UNDECLARED ? "note" : "good") : "poor", text);
}

static void test_stage(const ft_stage_def *def)
{
    ft_test_subject subject;
    ft_error err = FT_ERROR_INIT;
    char text[FT_ERROR_MESSAGE_BYTES + 64];

    say(def->name, "begin", "");
    if (def->kind == FT_STAGE_SINK) {
        say(def->name, "note", "not run: a sink acts on the outside");
        return;
    }
    trial first = {.subject = &subject};
    bool ok = ft_test_subject_open(&subject, def, &err) && run_round(&first, 1, &err);
    bool failed = ok && first.outcomes[0].failed;
    if (ok)
        check_after(&first, INT64_MAX);
    if (ok && !failed && ft_atomic_load(&first.fault, FT_RELAXED) == FAULT_NONE) {
        judge(&subject, first.outcomes);
    } else if (ok && !failed) {
        say(def->name, "poor", fault_texts[ft_atomic_load(&first.fault, FT_RELAXED)]);
    } else {
        snprintf(text, sizeof(text), "not tested: %s",
                 failed ? "it fails on made-up items; an `example` would help" : err.message);
        say(def->name, "note", text);
    }
    ft_test_subject_close(&subject);
}

bool ft_plugin_test(const char *path, ft_error *err)
{
    ft_plugin_library *library = ft_plugin_library_open(path, err);

    if (!library)
        return false;
    const ft_plugin *plugin = ft_plugin_library_get(library);
    for (size_t i = 0; plugin->stages[i]; i++)
        test_stage(plugin->stages[i]);
    ft_plugin_library_close(library);
    return true;
}
