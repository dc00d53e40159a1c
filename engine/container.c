// The parent's end of a container. _GNU_SOURCE for sigdescr_np, which tells what a signal means on
// any thread.
#define _GNU_SOURCE
#include "engine/container.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/container_child.h"
#include "engine/failure.h"
#include "engine/known.h"
#include "engine/scheduler.h"
#include "engine/zygote.h"
#include "runtime/log.h"
#include "runtime/memory/alloc.h"
#include "runtime/system/clock.h"
#include "runtime/system/lease.h"

#define MS INT64_C(1000000)

static const int64_t short_ns = 1000 * MS;  // Of CPU time, as the monitor gives a stage that holds
static const int64_t compute_ns = 10000 * MS;  // up nobody.
// Beyond that: one that waits for so long is named. Waiting is no fault, so nobody ends it.
static const int64_t asleep_ns = 30000 * MS;
static const int64_t cancel_ns = 500 * MS;  // To notice that nobody wants the answer.
static const int64_t close_ns = 5000 * MS;
static const int64_t look_ms_min = 10;
enum {
    CRASHES_MAX = 64,        // In a row, without one call that ended well.
    KEPT_BYTES = 256 << 10,  // Of a memory, between calls.
    DRAIN_BYTES = 4096,
};

struct ft_container {
    ft_chain *chain;
    size_t slot;
    pid_t pid;  // 0: none.
    ft_channel channel;
    uint64_t question;
    ft_wire wire;
    int64_t charged_bytes;
    // Of the call under way:
    int64_t from_ns, cpu_from_ns, patience_ns, cancelled_ns;
    bool is_runaway, is_warned, is_closing;
};

typedef enum {
    ANSWERED,
    FAILED,     // `err` says why; the container goes on.
    LOST,       // The container has ended, with the question; `why` says how.
    UNTOUCHED,  // It had ended before it began with the question.
} outcome;

size_t ft_container_size_bytes(void)
{
    return sizeof(ft_container);
}

static ft_chain *chain_of(const ft_stage *self)
{
    return ((const ft_instance *)(const void *)self)->node->chain;
}

static const char *name_of(const ft_container *c, uint32_t link)
{
    return c->chain->nodes[link < c->chain->count ? link : 0]->plan->name;
}

// ---- waiting ----

static int64_t cpu_ns(const ft_container *c)
{
    clockid_t clock;

    return clock_getcpuclockid(c->pid, &clock) == 0 ? ft_clock_cpu_ns((int32_t)clock) : 0;
}

// `least_ns`: the CPU time that the stage may take whatever its budget says; -1: it is not at work.
static void begin_wait(ft_container *c, int64_t least_ns)
{
    const ft_plan_node *plan = c->chain->nodes[0]->plan;

    c->from_ns = ft_clock_ns();
    c->cancelled_ns = 0;
    c->is_runaway = c->is_warned = false;
    c->patience_ns = 0;
    if (least_ns < 0 || !c->chain->is_shared)
        return;
    c->patience_ns = plan->budget_ms * MS;
    if (c->patience_ns == 0)
        c->patience_ns = plan->pace == FT_PACE_COMPUTE ? compute_ns : short_ns;
    if (c->patience_ns < least_ns)
        c->patience_ns = least_ns;
    c->cpu_from_ns = cpu_ns(c);
}

// Milliseconds until there is something to decide; -1: nothing is.
static int next_look(const ft_container *c, int64_t now)
{
    int64_t ns = -1;

    if (c->is_closing)
        ns = c->from_ns + close_ns - now;
    else if (c->cancelled_ns)
        ns = c->cancelled_ns + cancel_ns - now;
    else if (c->patience_ns && (c->chain->kills || !c->is_warned))
        ns = c->patience_ns - (cpu_ns(c) - c->cpu_from_ns);
    else
        return -1;
    int64_t ms = ns / MS + 1;
    return (int)(ms < look_ms_min ? look_ms_min : ms);
}

// Is it to be ended?
static bool is_overdue(ft_container *c, int64_t now)
{
    if (c->is_closing)
        return now - c->from_ns >= close_ns;
    if (c->cancelled_ns)
        return now - c->cancelled_ns >= cancel_ns;
    if (!c->patience_ns)
        return false;
    bool is_spent = cpu_ns(c) - c->cpu_from_ns >= c->patience_ns;
    c->is_runaway = is_spent && c->chain->kills;
    if (c->is_runaway || c->is_warned)
        return c->is_runaway;
    c->is_warned = is_spent || now - c->from_ns >= c->patience_ns + asleep_ns;
    if (c->is_warned)
        ft_log(FT_LOG_WARN, name_of(c, 0),
               "has not come back for %lld ms: it goes on in its process, and so does the rest; %s",
               (long long)((now - c->from_ns) / MS),
               is_spent ? "`on_runaway: process` would end it" : "it waits for something");
    return false;
}

// Sleeps until the pipe is ready, the run is stopped, or the stage has had its time.
static bool wait_ready(void *host, int fd, short events)
{
    ft_container *c = host;
    bool is_ready = false, gives_up = false;

    // What this thread holds is merged for it while it waits.
    ft_lease_detach();
    while (!is_ready && !gives_up) {
        struct pollfd wanted[2] = {{.fd = fd, .events = events},
                                   {.fd = ft_zygote_stop_fd(c->chain->run), .events = POLLIN}};
        bool minds = !c->is_closing && !c->cancelled_ns;
        int got = poll(wanted, minds ? 2 : 1, next_look(c, ft_clock_ns()));
        // Without memory the kernel says so, and has some the next time.
        FT_ASSERT(got >= 0 || errno == EINTR || errno == ENOMEM);
        if (got > 0 && wanted[1].revents) {
            c->cancelled_ns = ft_clock_ns();
            // Relaxed: a hint.
            ft_atomic_store(&c->channel.page->cancelled, 1, FT_RELAXED);
        }
        is_ready = got > 0 && wanted[0].revents;
        gives_up = !is_ready && is_overdue(c, ft_clock_ns());
    }
    ft_lease_resume();
    return is_ready;
}

// ---- the end of a container ----

static void describe_end(const ft_container *c, uint32_t link, int status, const char *when,
                         ft_error *why)
{
    const char *name = name_of(c, link), *said = c->channel.page->why;
    size_t size = strnlen(said, sizeof(c->channel.page->why));

    if (c->is_runaway) {
        ft_fail(why, FT_ERROR_LIMIT,
                "`%s` did not come back within %lld ms%s: its process was ended", name,
                (long long)(c->patience_ns / MS), when);
        ft_hint(why, "If its turns are long and honest, give it `class: compute` or a `budget:`.");
    } else if (WIFSIGNALED(status)) {
        const char *text = sigdescr_np(WTERMSIG(status));
        ft_fail(why, FT_ERROR_DATA, "`%s` crashed%s: signal %d (%s)", name, when, WTERMSIG(status),
                text ? text : "unknown");
    } else if (size > 0) {
        ft_fail(why, FT_ERROR_DATA, "`%s` ended its process%s: %.*s", name, when, (int)size, said);
    } else {
        ft_fail(why, FT_ERROR_DATA, "`%s` ended its process%s, with status %d", name, when,
                WEXITSTATUS(status));
    }
}

static void release(ft_container *c, int64_t down_to)
{
    if (c->charged_bytes <= down_to)
        return;
    ft_account_release(&c->chain->run->account, c->charged_bytes - down_to);
    c->charged_bytes = down_to;
}

// Ends it, if it has not ended, and says how; `damage` is why it is ended here, if anything is.
// Returns which stage was at work.
static uint32_t bury(ft_container *c, const char *when, const ft_error *damage, ft_error *why)
{
    uint32_t link = ft_atomic_load(&c->channel.page->stage, FT_RELAXED);
    ft_error unreachable = FT_ERROR_INIT;
    int status = 0;

    bool ended = ft_zygote_end(c->chain->run, c->pid, &status, &unreachable);
    if (damage->code != FT_ERROR_NONE && !c->is_runaway) {
        *why = *damage;
        ft_error_while(why, "the process of `%s`%s", name_of(c, link), when);
    } else if (!ended) {
        *why = unreachable;
        ft_error_while(why, "the process of `%s`%s", name_of(c, link), when);
    } else {
        describe_end(c, link, status, when, why);
    }
    c->pid = 0;
    ft_channel_close(&c->channel);
    release(c, 0);
    return link < c->chain->count ? link : 0;
}

static bool is_cancelled(const ft_container *c, ft_error *err)
{
    if (!c->cancelled_ns)
        return false;
    ft_ignore(ft_fail(err, FT_ERROR_CANCELLED, "the run is being stopped"));
    return true;
}

// ---- frames ----

static void drain(ft_container *c, const ft_frame *frame, const ft_channel_wait *wait)
{
    char nothing[DRAIN_BYTES];
    ft_error err = FT_ERROR_INIT;

    for (uint64_t left = frame->in_memory ? 0 : frame->size_bytes; left > 0;) {
        ft_frame piece = {.size_bytes = left < sizeof(nothing) ? left : sizeof(nothing)};
        if (ft_channel_receive(&c->channel, &piece, nothing, wait, &err) != FT_CHANNEL_OK)
            return;  // The next question finds out.
        left -= piece.size_bytes;
    }
}

static ft_channel_result receive_log(ft_container *c, const ft_frame *frame,
                                     const ft_channel_wait *wait, ft_error *err)
{
    char text[2048];
    uint32_t level;

    if (frame->in_memory || frame->size_bytes > sizeof(text) ||
        frame->size_bytes < sizeof(level) + 2) {
        ft_ignore(ft_wire_refuse(err, "a log line"));
        return FT_CHANNEL_FAILED;
    }
    ft_channel_result result = ft_channel_receive(&c->channel, frame, text, wait, err);
    if (result != FT_CHANNEL_OK)
        return result;
    memcpy(&level, text, sizeof(level));
    text[frame->size_bytes - 1] = '\0';
    const char *from = text + sizeof(level);
    size_t room = (size_t)frame->size_bytes - sizeof(level), size = strnlen(from, room);
    if (level <= FT_LOG_DEBUG && size + 1 < room)
        ft_log((ft_log_level)level, from, "%s", from + size + 1);
    return FT_CHANNEL_OK;
}

// The next frame that is no log line.
static ft_channel_result next_answer(ft_container *c, ft_frame *frame, const ft_channel_wait *wait,
                                     ft_error *err)
{
    for (;;) {
        ft_channel_result result = ft_channel_next(&c->channel, frame, wait, err);
        if (result != FT_CHANNEL_OK || frame->kind != FT_FRAME_LOG)
            return result;
        result = receive_log(c, frame, wait, err);
        if (result != FT_CHANNEL_OK)
            return result;
    }
}

// ---- the beginning ----

typedef struct {
    uint32_t link;
    ft_error err;
} opened_record;

// Waits until its stages are open.
static bool wait_opened(ft_container *c, ft_error *err)
{
    ft_channel_wait wait = {wait_ready, c};
    ft_frame frame;
    opened_record record = {.err = FT_ERROR_INIT};
    ft_error damage = FT_ERROR_INIT, none = FT_ERROR_INIT;

    begin_wait(c, short_ns);  // A budget is one turn's.
    ft_channel_result result = next_answer(c, &frame, &wait, &damage);
    if (result == FT_CHANNEL_OK && frame.kind == FT_FRAME_OPENED && frame.size_bytes == 0)
        return true;
    if (result == FT_CHANNEL_OK && frame.kind == FT_FRAME_OPENED &&
        frame.size_bytes == sizeof(record))
        result = ft_channel_receive(&c->channel, &frame, &record, &wait, &damage);
    if (result == FT_CHANNEL_OK && ft_known_may_fail(c->chain->run, (uint32_t)record.err.code)) {
        ft_ignore(bury(c, "", &none, &damage));
        record.err.message[sizeof(record.err.message) - 1] = '\0';
        record.err.hint[sizeof(record.err.hint) - 1] = '\0';
        record.err.option = NULL;
        *err = record.err;
        if (record.link > 0)
            ft_error_while(err, "`%s`", name_of(c, record.link));
        return false;
    }
    if (result == FT_CHANNEL_OK)
        ft_ignore(ft_wire_refuse(&damage, "an answer"));
    ft_ignore(bury(c, " while it was opened", &damage, err));
    ft_ignore(is_cancelled(c, err));
    return false;
}

static bool start(ft_container *c, ft_error *err)
{
    int far[FT_CHANNEL_FDS];
    size_t count;

    if (!ft_channel_create(c->chain->is_shared, &c->channel, far, &count, err))
        return false;
    bool ok = ft_zygote_fork(c->chain->run, c->chain, c->slot, far, count, &c->pid, err);
    close(far[0]);
    close(far[1]);
    if (!ok) {
        ft_channel_close(&c->channel);
        return false;
    }
    return wait_opened(c, err);
}

// ---- questions ----

// The memory that the question lies in is the run's.
static bool charge(ft_container *c, ft_error *err)
{
    int64_t wanted = (int64_t)c->wire.size_bytes;

    if (wanted < KEPT_BYTES)
        wanted = KEPT_BYTES;
    if (wanted <= c->charged_bytes)
        return true;
    if (!ft_account_charge(&c->chain->run->account, wanted - c->charged_bytes, err))
        return false;
    c->charged_bytes = wanted;
    return true;
}

// Between questions.
static void keep_little(ft_container *c)
{
    ft_channel_trim(&c->channel.out_memory, KEPT_BYTES);
    ft_channel_trim(&c->channel.in_memory, KEPT_BYTES);
    release(c, KEPT_BYTES);
}

static bool read_refusal(ft_container *c, const ft_frame *frame, const ft_channel_wait *wait,
                         ft_error *err)
{
    ft_error said;

    if (frame->size_bytes != sizeof(said) || frame->in_memory)
        return ft_wire_refuse(err, "an error");
    if (ft_channel_receive(&c->channel, frame, &said, wait, err) != FT_CHANNEL_OK)
        return false;
    if (!ft_known_may_fail(c->chain->run, (uint32_t)said.code))
        return ft_wire_refuse(err, "an error");
    said.message[sizeof(said.message) - 1] = '\0';
    said.hint[sizeof(said.hint) - 1] = '\0';
    said.option = NULL;
    *err = said;
    return true;
}

// Its own memory or the run's account may refuse, which says nothing about the container.
static bool is_own(const ft_error *err)
{
    return err->code == FT_ERROR_LIMIT || err->code == FT_ERROR_NOMEM ||
           err->code == FT_ERROR_CANCELLED;
}

// Copies the answer here, where nobody else can change it, and reads it.
static outcome read_answer(ft_container *c, const ft_frame *frame, size_t link, ft_batch *base,
                           const ft_channel_wait *wait, ft_known **out, ft_error *err)
{
    ft_account *account = &c->chain->run->account;
    ft_wire_reader reader = {.end = (size_t)frame->size_bytes};

    if (frame->number == c->question && frame->kind == FT_FRAME_REFUSED)
        return read_refusal(c, frame, wait, err) ? FAILED : LOST;
    if (frame->number != c->question || frame->kind != FT_FRAME_RESULT) {
        ft_ignore(ft_wire_refuse(err, "an answer"));
        return LOST;
    }
    if ((int64_t)frame->size_bytes > account->limit_bytes) {
        ft_fail(err, FT_ERROR_LIMIT, "%llu bytes more do not fit into `run.memory`",
                (unsigned long long)frame->size_bytes);
        drain(c, frame, wait);
        return FAILED;
    }
    reader.buffer = ft_buffer_create(account, reader.end, err);
    if (!reader.buffer) {
        drain(c, frame, wait);
        return FAILED;
    }
    bool ok =
        ft_channel_receive(&c->channel, frame, reader.buffer->data, wait, err) == FT_CHANNEL_OK &&
        ft_known_get(&reader, c->chain, link, base, account, out, err);
    ft_buffer_unref(reader.buffer);
    return ok ? ANSWERED : is_own(err) ? FAILED : LOST;
}

// Sends the wire and waits for the answer. LOST: `why` says how the container has ended, `out_link`
// at which stage.
static outcome ask(ft_container *c, ft_frame_kind kind, size_t link, ft_batch *base, ft_known **out,
                   ft_error *why, uint32_t *out_link, ft_error *err)
{
    ft_channel_wait wait = {wait_ready, c};
    ft_frame frame = {.kind = kind, .number = ++c->question};
    ft_error damage = FT_ERROR_INIT;

    if (!c->pid && !start(c, err))
        return FAILED;
    if (!charge(c, err))
        return FAILED;
    if (!ft_channel_fill(&c->channel, &frame, c->wire.parts, c->wire.count, err)) {
        keep_little(c);
        return FAILED;
    }
    begin_wait(c, 0);
    ft_channel_result sent =
        ft_channel_send(&c->channel, &frame, c->wire.parts, c->wire.count, &wait, &damage);
    ft_wire_clear(&c->wire);
    int64_t asked = c->from_ns;
    // One that has ended may have left an answer, or log lines: they are read all the same. One
    // that did not get the whole question waits for the rest of it, and has none.
    outcome result = LOST;
    if ((sent == FT_CHANNEL_OK || sent == FT_CHANNEL_GONE) &&
        next_answer(c, &frame, &wait, &damage) == FT_CHANNEL_OK)
        result = read_answer(c, &frame, link, base, &wait, out, &damage);
    if (base)  // What it took there is told by what is known.
        ft_worker_current()->at->turn.waited_ns += ft_clock_ns() - asked;
    if (result == FAILED)
        *err = damage;
    if (result == ANSWERED || result == FAILED) {
        keep_little(c);
        return result;
    }
    bool begun = ft_atomic_load(&c->channel.page->begun, FT_RELAXED) == c->question;
    *out_link = bury(c, "", &damage, why);
    if (is_cancelled(c, err))
        return FAILED;
    return begun || c->is_runaway ? LOST : UNTOUCHED;
}

static outcome ask_batch(ft_container *c, ft_batch *batch, ft_known **out, ft_error *why,
                         uint32_t *out_link, ft_error *err)
{
    size_t width = c->chain->nodes[0]->plan->input.count;

    ft_wire_clear(&c->wire);
    if (!ft_wire_put_batch(&c->wire, batch, NULL, width, err))
        return FAILED;
    return ask(c, FT_FRAME_BATCH, 0, batch, out, why, out_link, err);
}

// ---- after a crash ----

// Whether another container may take over.
static bool may_go_on(ft_container *c, const ft_error *why, ft_error *err)
{
    // Relaxed: a bound, not a count.
    uint32_t crashes = ft_atomic_add(&c->chain->crashes, 1, FT_RELAXED) + 1;

    *err = *why;
    err->code = FT_ERROR_IO;
    if (c->chain->keeps_state) {
        ft_hint(err, "What it kept of earlier items is lost, so the run cannot go on without it.");
        return false;
    }
    if (crashes >= CRASHES_MAX) {
        ft_error_while(err, "%d times in a row", CRASHES_MAX);
        return false;
    }
    *err = (ft_error)FT_ERROR_INIT;
    return true;
}

// The item as the stage `link` would have got it, as far as it is known: by the names of fields.
static ft_batch *guess_input(const ft_chain *chain, size_t link, const ft_batch *one, ft_error *err)
{
    const ft_schema *have = &chain->nodes[0]->plan->input, *want = &chain->nodes[link]->plan->input;
    ft_batch *guess = ft_batch_derive(one, NULL, 1, want->count, err);

    for (size_t i = 0; guess && i < want->count; i++) {
        size_t at = ft_schema_find(have, ft_slice_of(want->fields[i].name));
        ft_column column = {.type = want->fields[i].type};
        if (at != FT_FIELD_NONE && ft_batch_has(one, at) &&
            ft_type_equal(one->columns[at].type, column.type))
            column = ft_column_ref(&one->columns[at]);
        ft_batch_set(guess, i, &column);
    }
    return guess;
}

// A batch without columns that stage `link` gives, and that the next one makes `*known` of; takes
// it.
static ft_batch *make_ghost(const ft_chain *chain, size_t link, const ft_batch *one,
                            ft_known **known, ft_error *err)
{
    ft_batch *ghost = ft_batch_derive(one, NULL, 1, chain->nodes[link]->plan->output.count, err);

    if (ghost)
        ghost->known = &ft_take(known)->object;
    return ghost;
}

// Item 0 of `one` fails at stage `link`: it comes there through the stages before it.
static bool fail_item(ft_stage *self, ft_batch *one, size_t link, const ft_error *why,
                      ft_error *err)
{
    const ft_chain *chain = chain_of(self);

    if (link == 0)
        return ft_item_fail(self, one, 0, why, err);
    ft_known *known = ft_known_create(ft_chain_counters(chain->nodes[link]), err);
    ft_known_event event = {.kind = FT_KNOWN_FAIL};
    bool ok = known != NULL;
    if (ok) {
        event.batch = guess_input(chain, link, one, err);
        event.why = event.batch ? ft_alloc(sizeof(*why)) : NULL;
        ok = event.batch && (event.why || ft_fail_nomem(err, sizeof(*why)));
    }
    if (event.why)
        *event.why = *why;
    if (ok)
        ok = ft_known_add(known, &event, err);
    else
        ft_batch_unref(event.batch);
    while (ok && --link > 0) {
        event = (ft_known_event){.kind = FT_KNOWN_EMIT};
        event.batch = make_ghost(chain, link, one, &known, err);
        known = event.batch ? ft_known_create(ft_chain_counters(chain->nodes[link]), err) : NULL;
        ok = known && ft_known_add(known, &event, err);
        if (!known)
            ft_batch_unref(event.batch);
    }
    ft_batch *ghost = ok ? make_ghost(chain, 0, one, &known, err) : NULL;
    if (known)
        ft_object_unref(&known->object);
    return ghost && ft_emit(self, ghost, err);
}

// What the answer says happens now.
static bool tell(ft_container *c, ft_known *known, ft_stage *self, const ft_batch *batch,
                 ft_error *err)
{
    // Relaxed: a bound, not a count.
    ft_atomic_store(&c->chain->crashes, 0, FT_RELAXED);
    bool ok = ft_known_tell(known, self, batch, err);
    ft_object_unref(&known->object);
    return ok;
}

// One batch, until there is an answer, or it is known to end its container.
static outcome ask_until(ft_container *c, ft_batch *batch, ft_known **known, ft_error *why,
                         uint32_t *link, ft_error *err)
{
    for (;;) {
        *why = (ft_error)FT_ERROR_INIT;
        outcome result = ask_batch(c, batch, known, why, link, err);
        if (result == ANSWERED || result == FAILED)
            return result;
        if (!may_go_on(c, why, err))
            return FAILED;
        if (result == LOST)
            return LOST;
    }
}

static bool ask_singly(ft_container *c, ft_stage *self, ft_batch *batch, ft_error *err)
{
    bool ok = true;

    for (size_t i = 0; ok && i < batch->count; i++) {
        ft_batch *one = ft_batch_slice(batch, i, 1, err);
        ft_known *known;
        ft_error why;
        uint32_t link;
        if (!one)
            return false;
        outcome result = ask_until(c, one, &known, &why, &link, err);
        if (result == ANSWERED)
            ok = tell(c, known, self, one, err);
        else
            ok = result == LOST && fail_item(self, one, link, &why, err);
        ft_batch_unref(one);
    }
    return ok;
}

// ---- the stage's functions ----

static ft_container *container_of(const ft_stage *self)
{
    return &chain_of(self)->containers[self->instance];
}

static bool container_open(ft_stage *self, ft_error *err)
{
    ft_container *c = container_of(self);

    c->chain = chain_of(self);
    c->slot = (size_t)self->instance;
    return start(c, err);
}

static bool container_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    ft_container *c = container_of(self);
    ft_known *known;
    ft_error why;
    uint32_t link;

    switch (ask_until(c, *in, &known, &why, &link, err)) {
    case ANSWERED:
        return tell(c, known, self, *in, err);
    case FAILED:
        return false;
    case LOST:
    case UNTOUCHED:
        break;
    }
    if ((*in)->count == 1)
        return fail_item(self, *in, link, &why, err);
    ft_log(FT_LOG_WARN, name_of(c, link),
           "%s; its batch of %zu items is tried again in a new process, one by one", why.message,
           (*in)->count);
    return ask_singly(c, self, *in, err);
}

// All containers of the chain, in the order of instances, as instances are flushed.
static bool flush_one(ft_container *c, ft_stage *self, uint32_t link, ft_error *err)
{
    ft_error why = FT_ERROR_INIT;
    ft_known *known;
    uint32_t lost;

    ft_wire_clear(&c->wire);
    if (!ft_wire_put(&c->wire, &link, sizeof(link), err))
        return false;
    switch (ask(c, FT_FRAME_FLUSH, link, NULL, &known, &why, &lost, err)) {
    case ANSWERED:
        return tell(c, known, self, NULL, err);
    case FAILED:
        return false;
    case LOST:
    case UNTOUCHED:
        break;
    }
    *err = why;
    err->code = FT_ERROR_IO;
    ft_error_while(err, "at the end of the input");
    return false;
}

static bool container_flush(ft_stage *self, ft_error *err)
{
    ft_chain *chain = chain_of(self);
    const ft_node *node = ((const ft_instance *)(const void *)self)->node;
    bool any = false;

    // Once for all of them, by the first instance that is flushed.
    if (chain->flushed & (UINT64_C(1) << node->link))
        return true;
    chain->flushed |= UINT64_C(1) << node->link;
    for (size_t i = 0; i < chain->room; i++)
        any = any || chain->containers[i].pid;
    for (size_t i = 0; i < chain->room; i++) {
        ft_container *c = &chain->containers[i];
        c->chain = chain;
        c->slot = i;
        if ((c->pid || (!any && i == 0)) && !flush_one(c, self, node->link, err))
            return false;
    }
    return true;
}

static bool told_process(ft_stage *self, ft_batch **in, ft_error *err)
{
    const ft_known *known = ft_known_of(*in);

    FT_ASSERT(known);
    return ft_known_tell(known, self, *in, err);
}

void ft_container_take_def(ft_stage_def *def, bool is_first)
{
    def->state_size = 0;
    def->load = NULL;
    def->open = is_first ? container_open : NULL;
    def->process = is_first ? container_process : told_process;
    def->flush = def->flush ? container_flush : NULL;
    def->close = NULL;  // ft_containers_close.
}

// ---- closing ----

static void close_one(ft_container *c)
{
    ft_channel_wait wait = {wait_ready, c};
    ft_frame frame = {.kind = FT_FRAME_CLOSE};
    ft_error err = FT_ERROR_INIT, why = FT_ERROR_INIT;
    int status = 0;

    begin_wait(c, -1);
    c->is_closing = true;
    if (ft_channel_send(&c->channel, &frame, NULL, 0, &wait, &err) == FT_CHANNEL_OK)
        while (next_answer(c, &frame, &wait, &err) == FT_CHANNEL_OK)
            drain(c, &frame, &wait);
    uint32_t link = ft_atomic_load(&c->channel.page->stage, FT_RELAXED);
    if (ft_zygote_end(c->chain->run, c->pid, &status, &err) && status != 0) {
        describe_end(c, link, status, " while it was closed", &why);
        ft_log(FT_LOG_WARN, name_of(c, link), "%s", why.message);
    }
    c->pid = 0;
    ft_channel_close(&c->channel);
    release(c, 0);
}

void ft_containers_close(ft_chain *chain)
{
    for (size_t i = 0; chain->containers && i < chain->room; i++) {
        if (chain->containers[i].pid)
            close_one(&chain->containers[i]);
        ft_wire_finish(&chain->containers[i].wire);
    }
}
