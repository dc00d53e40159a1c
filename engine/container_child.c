// The child's end of a container. One thread, one question at a time.
//
// A question in shared memory is used where it lies: the batch is made of views of it. Who keeps
// such a view beyond the call (a stage may keep what it is given) gets a private copy of the memory
// in its place before the answer says that the memory is free again.
#include "engine/container_child.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/failure.h"
#include "engine/instance.h"
#include "engine/known.h"
#include "runtime/log.h"
#include "runtime/memory/alloc.h"
#include "runtime/system/channel.h"
#include "runtime/system/clock.h"
#include "runtime/system/lease.h"

enum { LOG_BYTES = 1200 };

typedef struct child child;

typedef struct {
    ft_stage stage;  // First.
    child *child;
    size_t link;
    bool was_opened;
    ft_known *into;         // What it does now goes here.
    const ft_batch *given;  // What it was given; NULL: a flush.
} inmate;

struct child {
    ft_run *run;
    const ft_chain *chain;
    ft_channel channel;
    ft_account account;
    ft_wire wire;
    ft_wire_names names;
    inmate *inmates;  // [chain->count]
    uint64_t question;
    const ft_lineage *lineage;  // Of the question's batch.
    bool is_refused;            // The question needs more memory than there is:
    ft_error refused;
};

// ---- the host ----

static bool child_cancelled(const ft_stage *self)
{
    const child *c = ((const inmate *)(const void *)self)->child;

    // Relaxed: a hint that may come late.
    return ft_atomic_load(&c->channel.page->cancelled, FT_RELAXED) != 0;
}

// The parent has let go of what it sent earlier, so where that came from is not known any more.
static bool check_lineage(const child *c, const ft_batch *batch, ft_error *err)
{
    if (!batch->lineage || batch->lineage == c->lineage)
        return true;
    ft_fail(err, FT_ERROR_USAGE,
            "it gives items of an earlier call, which a stage in a process of its own cannot");
    ft_hint(err, "Run it without `isolate: process`, `on_runaway: process` and `--processes`.");
    return false;
}

static bool child_emit(ft_stage *self, size_t port, ft_batch *batch, ft_error *err)
{
    inmate *own = (inmate *)(void *)self;
    const ft_node *node = own->child->chain->nodes[own->link];

    FT_ASSERT(port < node->port_count - 1);
    bool ok =
        (!child_cancelled(self) || ft_fail(err, FT_ERROR_CANCELLED, "the run is being stopped")) &&
        check_lineage(own->child, batch, err);
    if (!ok || batch->count == 0 || node->ports[port].edge_count == 0) {
        ft_batch_unref(batch);
        return ok;
    }
    if (!ft_instance_check_live(node, batch, err) || !ft_instance_drop_dead(node, &batch, err)) {
        ft_batch_unref(batch);
        return false;
    }
    return ft_known_add(
        own->into, &(ft_known_event){.kind = FT_KNOWN_EMIT, .port = port, .batch = batch}, err);
}

// The item alone, with the columns that it had when it came.
static ft_batch *cut_item(const ft_node *node, const ft_batch *batch, size_t item, ft_error *err)
{
    const ft_schema *input = &node->plan->input;
    ft_batch *one = ft_batch_slice(batch, item, 1, err);

    for (size_t i = 0; one && i < one->width && i < input->count; i++)
        if (!ft_type_equal(one->columns[i].type, input->fields[i].type)) {
            ft_column_finish(&one->columns[i]);
            one->columns[i].type = input->fields[i].type;
        }
    return one;
}

static bool child_item_fail(ft_stage *self, const ft_batch *batch, size_t item, const ft_error *why,
                            ft_error *err)
{
    inmate *own = (inmate *)(void *)self;
    const ft_node *node = own->child->chain->nodes[own->link];
    ft_known_event event = {.kind = FT_KNOWN_FAIL, .item = item};

    FT_ASSERT(item < batch->count);
    if (!check_lineage(own->child, batch, err))
        return false;
    if (own->link > 0 || batch != own->given) {
        event.batch = cut_item(node, batch, item, err);
        event.item = 0;
        if (!event.batch)
            return false;
    }
    event.why = ft_alloc(sizeof(*event.why));
    if (!event.why) {
        ft_batch_unref(event.batch);
        return ft_fail_nomem(err, sizeof(*event.why));
    }
    *event.why = *why;
    if (!ft_known_add(own->into, &event, err))
        return false;
    if (!ft_failure_stops(node))
        return true;
    *err = *why;
    return false;
}

static void child_enough(ft_stage *self)
{
    inmate *own = (inmate *)(void *)self;
    ft_error err = FT_ERROR_INIT;

    // Without memory it is only said once more.
    ft_ignore(ft_known_add(own->into, &(ft_known_event){.kind = FT_KNOWN_ENOUGH}, &err));
}

static bool child_port_is_read(const ft_stage *self, size_t port)
{
    const inmate *own = (const inmate *)(const void *)self;

    return own->child->chain->nodes[own->link]->ports[port].edge_count > 0;
}

static bool child_start(ft_stage *self, ft_lineage *lineage, ft_error *err)
{
    (void)self, (void)lineage;
    return ft_fail(err, FT_ERROR_USAGE, "only a source starts lineages");
}

static const ft_stage_host child_host = {
    .emit = child_emit,
    .item_fail = child_item_fail,
    .enough = child_enough,
    .cancelled = child_cancelled,
    .start = child_start,
    .port_is_read = child_port_is_read,
};

// ---- sending ----

// The parent is gone: there is nobody to tell. Or the pipe does not work, as `err` says: the page
// still does.
FT_NORETURN static void leave(child *c, const ft_error *err)
{
    if (err->code != FT_ERROR_NONE && c->channel.page)
        snprintf(c->channel.page->why, sizeof(c->channel.page->why), "%s", err->message);
    _exit(0);
}

static void send_frame(child *c, ft_frame_kind kind, const void *data, size_t size_bytes)
{
    ft_frame frame = {.kind = kind, .number = c->question};
    struct iovec part = {(void *)(uintptr_t)data, size_bytes};
    ft_error err = FT_ERROR_INIT;

    if (ft_channel_send(&c->channel, &frame, &part, size_bytes > 0, NULL, &err) != FT_CHANNEL_OK)
        leave(c, &err);
}

static void send_log(void *host, ft_log_level level, const char *from, const char *line)
{
    char text[LOG_BYTES] = {0};
    uint32_t number = (uint32_t)level;
    int size;

    memcpy(text, &number, sizeof(number));
    size =
        snprintf(text + sizeof(number), sizeof(text) - sizeof(number), "%s%c%s", from, '\0', line);
    if (size < 0 || (size_t)size >= sizeof(text) - sizeof(number))
        size = (int)(sizeof(text) - sizeof(number)) - 1;
    send_frame(host, FT_FRAME_LOG, text, sizeof(number) + (size_t)size + 1);
}

// ---- running ----

static bool run_rest(child *c, ft_known *known, size_t link, ft_error *err);

// Ends a call of the stage: what it counted, how it ended, and what the stages behind it make of
// what it gave. NULL: the question cannot be answered, see `refused`.
static ft_known *end_call(child *c, inmate *own, bool ok, const ft_error *why)
{
    ft_known *known = ft_take(&own->into);
    ft_error err = FT_ERROR_INIT;

    own->given = NULL;
    for (size_t i = 0; i < known->counter_count; i++) {
        known->counters[i] = own->stage.counters[i];
        own->stage.counters[i] = 0;
    }
    if (!ok)
        known->error = *why;
    // Too little memory is nothing that the stage decides: the parent asks again with less.
    bool fits = ok || why->code != FT_ERROR_LIMIT;
    if (fits && run_rest(c, known, own->link, &err))
        return known;
    if (!c->is_refused) {
        c->is_refused = true;
        c->refused = fits ? err : *why;
    }
    ft_object_unref(&known->object);
    return NULL;
}

static inmate *begin_call(child *c, size_t link, const ft_batch *given, ft_error *err)
{
    inmate *own = &c->inmates[link];

    own->into = ft_known_create(ft_chain_counters(c->chain->nodes[link]), err);
    own->given = given;
    // Relaxed: read by the parent after this process has ended.
    ft_atomic_store(&c->channel.page->stage, (uint32_t)link, FT_RELAXED);
    return own->into ? own : NULL;
}

// Takes `batch`.
static ft_known *run_stage(child *c, size_t link, ft_batch *batch, ft_error *err)
{
    ft_error why = FT_ERROR_INIT;
    inmate *own = begin_call(c, link, batch, err);

    if (!own) {
        ft_batch_unref(batch);
        return NULL;
    }
    int64_t from = ft_clock_ns();
    bool ok = own->stage.def->process(&own->stage, &batch, &why);
    own->into->busy_ns = (uint64_t)(ft_clock_ns() - from);
    ft_batch_unref(batch);
    ft_known *known = end_call(c, own, ok, &why);
    if (!known)
        *err = c->refused;
    return known;
}

static bool run_rest(child *c, ft_known *known, size_t link, ft_error *err)
{
    for (size_t i = 0; link + 1 < c->chain->count && i < known->count; i++) {
        ft_known_event *event = &known->events[i];
        if (event->kind != FT_KNOWN_EMIT || event->port != 0)
            continue;
        // Its rows go over; the batch itself may be what the next stage passes on.
        ft_batch *rows = ft_batch_derive(event->batch, NULL, event->batch->count, 1, err);
        if (!rows)
            return false;
        ft_batch *batch = event->batch;
        event->batch = rows;
        ft_known *next = run_stage(c, link + 1, batch, err);
        if (!next)
            return false;
        rows->known = &next->object;
    }
    return true;
}

static ft_known *run_flush(child *c, size_t link, ft_error *err)
{
    ft_error why = FT_ERROR_INIT;
    inmate *own = begin_call(c, link, NULL, err);

    if (!own)
        return NULL;
    const ft_stage_def *def = own->stage.def;
    ft_known *known = end_call(c, own, !def->flush || def->flush(&own->stage, &why), &why);
    if (!known)
        *err = c->refused;
    return known;
}

// ---- questions ----

typedef struct {
    ft_buffer *buffer;
    void *data;  // In the memory; NULL: it came by the pipe.
    size_t size_bytes, mapped_bytes;
    bool is_released, is_detached;
} question;

static void release_question(void *host, void *data, size_t size_bytes)
{
    question *q = host;

    (void)size_bytes;
    q->is_released = true;
    if (!q->is_detached)
        return;
    ft_channel_unmap(data, q->mapped_bytes);
    ft_free(q);
}

static question *receive_question(child *c, const ft_frame *frame, ft_error *err)
{
    question *q = ft_alloc_zero(1, sizeof(*q));
    char *data = NULL;

    if (!q) {
        ft_ignore(ft_fail_nomem(err, sizeof(*q)));
        return NULL;
    }
    q->size_bytes = (size_t)frame->size_bytes;
    if (frame->in_memory) {
        if (ft_channel_look(&c->channel, frame, &data, err)) {
            q->data = data;
            q->mapped_bytes = c->channel.in_memory.size_bytes;
            q->buffer = ft_buffer_borrow(data, q->size_bytes, release_question, q, err);
        }
    } else {
        q->buffer = ft_buffer_create(NULL, q->size_bytes, err);
        if (q->buffer &&
            ft_channel_receive(&c->channel, frame, q->buffer->data, NULL, err) != FT_CHANNEL_OK)
            leave(c, err);
    }
    if (q->buffer)
        return q;
    ft_free(q);
    return NULL;
}

// What still looks at the question's memory gets it.
static bool let_go(child *c, question *q, ft_error *err)
{
    bool in_memory = q->data != NULL;

    ft_buffer_unref(q->buffer);
    if (!in_memory || q->is_released) {
        ft_free(q);
        return true;
    }
    q->is_detached = true;
    return ft_channel_detach(&c->channel, q->size_bytes, err);
}

// Sends what is known, or that there is too little memory. Frees all of it before the parent may go
// on.
static void answer(child *c, ft_known *known, size_t link, ft_batch *base, question *q,
                   ft_error *err)
{
    ft_frame frame = {.kind = FT_FRAME_RESULT, .number = c->question};
    bool ok = known && ft_known_put(&c->wire, known, c->chain, link, base, err) &&
              ft_channel_fill(&c->channel, &frame, c->wire.parts, c->wire.count, err);

    if (!frame.in_memory && ok &&
        ft_channel_send(&c->channel, &frame, c->wire.parts, c->wire.count, NULL, err) !=
            FT_CHANNEL_OK)
        leave(c, err);
    ft_wire_clear(&c->wire);
    if (known)
        ft_object_unref(&known->object);
    ft_batch_unref(base);
    if (!let_go(c, q, err))
        leave(c, err);
    if (!ok)
        send_frame(c, FT_FRAME_REFUSED, err, sizeof(*err));
    else if (frame.in_memory &&
             ft_channel_send(&c->channel, &frame, NULL, 0, NULL, err) != FT_CHANNEL_OK)
        leave(c, err);
}

static void answer_batch(child *c, question *q)
{
    ft_wire_reader reader = {.buffer = q->buffer, .end = q->size_bytes};
    ft_wire_scope scope = {
        .account = &c->account, .schema = &c->chain->nodes[0]->plan->input, .names = &c->names};
    ft_batch *batch = NULL;
    ft_known *known = NULL;
    ft_error err = FT_ERROR_INIT;

    c->lineage = NULL;
    if (ft_wire_get_batch(&reader, &scope, &batch, &err)) {
        c->lineage = batch->lineage;
        known = run_stage(c, 0, ft_batch_ref(batch), &err);
    }
    answer(c, known, 0, batch, q, &err);
}

static void answer_flush(child *c, question *q)
{
    ft_wire_reader reader = {.buffer = q->buffer, .end = q->size_bytes};
    ft_known *known = NULL;
    ft_error err = FT_ERROR_INIT;
    uint32_t link = 0;

    c->lineage = NULL;
    if (ft_wire_get(&reader, &link, sizeof(link), &err)) {
        FT_ASSERT(link < c->chain->count);
        known = run_flush(c, link, &err);
    }
    answer(c, known, link, NULL, q, &err);
}

FT_NORETURN static void close_all(child *c)
{
    for (size_t i = 0; c->inmates && i < c->chain->count; i++) {
        const ft_stage_def *def = c->inmates[i].stage.def;
        ft_atomic_store(&c->channel.page->stage, (uint32_t)i, FT_RELAXED);
        if (c->inmates[i].was_opened && def && def->close)
            def->close(&c->inmates[i].stage);
    }
    _exit(0);
}

FT_NORETURN static void serve(child *c)
{
    for (;;) {
        ft_frame frame;
        ft_error err = FT_ERROR_INIT;
        if (ft_channel_next(&c->channel, &frame, NULL, &err) != FT_CHANNEL_OK)
            leave(c, &err);
        if (frame.kind == FT_FRAME_CLOSE)
            close_all(c);
        question *q = receive_question(c, &frame, &err);
        if (!q)
            leave(c, &err);
        c->question = frame.number;
        c->is_refused = false;
        // Relaxed: read by the parent after this process has ended.
        ft_atomic_store(&c->channel.page->begun, frame.number, FT_RELAXED);
        if (frame.kind == FT_FRAME_BATCH)
            answer_batch(c, q);
        else
            answer_flush(c, q);
    }
}

// ---- the beginning ----

bool ft_container_load(ft_run *run, const ft_chain *chain, const ft_plan_node **out_node,
                       ft_error *err)
{
    ft_stage_load load = {.arena = run->immortal,
                          .environment = &run->plan->environment,
                          .account = &run->account,
                          .threads = 1,
                          .is_contained = true};
    bool before = ft_lease_create_merged(true), ok = true;

    ft_alloc_begin_passing();
    for (size_t i = 0; ok && i < run->node_count; i++) {
        ft_node *node = &run->nodes[i];
        bool is_wanted = node->chain && (chain ? node->chain == chain : node->chain->is_shared);
        void *shared = NULL;
        if (!is_wanted || !node->plan->def->load)
            continue;
        ok = node->plan->def->load(&load, node->plan->config, &shared, err);
        node->shared = shared;
        if (!ok)
            *out_node = node->plan;
    }
    ft_lease_create_merged(before);
    ft_alloc_end_passing();
    return ok;
}

static bool open_inmate(child *c, size_t link, size_t slot, ft_error *err)
{
    inmate *own = &c->inmates[link];
    ft_node *node = c->chain->nodes[link];
    const ft_stage_def *def = node->plan->def;

    own->child = c;
    own->link = link;
    ft_instance_fill(&own->stage, node, slot);
    own->stage.def = def;  // The stage itself, not what asks for it.
    own->stage.account = &c->account;
    own->stage.host = &child_host;
    own->stage.state = ft_alloc_zero(1, def->state_size ? def->state_size : 1);
    own->stage.counters = ft_alloc_zero(ft_chain_counters(node) + 1, sizeof(uint64_t));
    if (!own->stage.state || !own->stage.counters)
        return ft_fail_nomem(err, def->state_size);
    ft_atomic_store(&c->channel.page->stage, (uint32_t)link, FT_RELAXED);
    own->was_opened = true;
    return !def->open || def->open(&own->stage, err);
}

// The stages cannot be opened, `link` for one, or the container itself cannot.
FT_NORETURN static void refuse_to_open(child *c, uint32_t link, const ft_error *err)
{
    struct {
        uint32_t link;
        ft_error err;
    } failed = {link, *err};

    failed.err.option = NULL;
    send_frame(c, FT_FRAME_OPENED, &failed, sizeof(failed));
    close_all(c);
}

// Says whether all stages are open; ends if they are not.
static void open_all(child *c, size_t slot)
{
    ft_error err = FT_ERROR_INIT;
    uint32_t failed = 0;
    const ft_plan_node *node = NULL;
    bool ok = c->chain->is_shared || ft_container_load(c->run, c->chain, &node, &err);

    for (uint32_t i = 0; !ok && node && i < c->chain->count; i++)
        if (c->chain->nodes[i]->plan == node)
            failed = i;
    for (uint32_t i = 0; ok && i < c->chain->count; i++) {
        ok = open_inmate(c, i, slot, &err);
        failed = i;
    }
    ft_arena_protect(c->run->immortal, true);
    if (!ok)
        refuse_to_open(c, failed, &err);
    send_frame(c, FT_FRAME_OPENED, NULL, 0);
}

static ft_log_level log_level(void)
{
    ft_log_level level = FT_LOG_DEBUG;

    while (level > FT_LOG_ERROR && !ft_log_is_on(level))
        level--;
    return level;
}

void ft_container_main(ft_run *run, const ft_chain *chain, size_t slot, const int *fds,
                       size_t count)
{
    child own = {.run = run, .chain = chain}, *c = &own;
    ft_error err = FT_ERROR_INIT;

    // What is said of a page that cannot be had goes by the pipe, and needs none.
    bool ok = ft_channel_open(&c->channel, fds, count, &err);
    c->inmates = ok ? ft_alloc_zero(chain->count, sizeof(inmate)) : NULL;
    c->names.arena = ok ? ft_arena_create() : NULL;
    if (ok && (!c->inmates || !c->names.arena))
        ok = ft_fail_nomem(&err, chain->count * sizeof(inmate));
    if (!ok)
        refuse_to_open(c, 0, &err);
    // All containers together may hold what the run may hold.
    size_t containers = 0;
    for (const ft_chain *each = run->chains; each; each = each->next)
        containers += each->room;
    ft_account_init(&c->account, run->account.limit_bytes / (int64_t)containers);
    if (ft_log_is_on(FT_LOG_ERROR))
        ft_log_install(send_log, c, log_level());
    open_all(c, slot);
    serve(c);
}
