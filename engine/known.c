// What is known of a stage's call, as records on a wire:
//
//   head { events, counters, failed }   counters   [error]   event { kind, port, item ... }
//   [error]   [batch   [what the next stage makes of it]]   ...
#include "engine/known.h"

#include <string.h>

#include "engine/chain.h"
#include "runtime/memory/alloc.h"

enum { EVENTS_MIN = 4 };
#define BUSY_MAX_NS (UINT64_C(1) << 60)

// As it is written: nothing in it points anywhere.
typedef struct {
    uint32_t code;
    int32_t number, saved_errno;
    char message[FT_ERROR_MESSAGE_BYTES], hint[FT_ERROR_HINT_BYTES];
} error_record;

typedef struct {
    uint32_t events, counters, is_failed;
    uint64_t busy_ns;
} known_record;

typedef struct {
    uint32_t kind, port, has_batch, is_known;
    uint64_t item;
} event_record;

// ---- life ----

static void known_destroy(ft_object *object)
{
    ft_known *known = (ft_known *)(void *)object;

    for (size_t i = 0; i < known->count; i++) {
        ft_batch_unref(known->events[i].batch);
        ft_free(known->events[i].why);
    }
    ft_free(known->events);
    ft_free(known->counters);
    ft_free(known);
}

static const ft_object_type known_type = {.name = "known", .destroy = known_destroy};

ft_known *ft_known_create(size_t counter_count, ft_error *err)
{
    ft_known *known = ft_alloc_zero(1, sizeof(*known));

    if (!known) {
        ft_ignore(ft_fail_nomem(err, sizeof(*known)));
        return NULL;
    }
    // It goes with its batch from worker to worker.
    ft_object_init_shared(&known->object, &known_type);
    known->counters = ft_alloc_zero(counter_count + 1, sizeof(uint64_t));
    known->counter_count = counter_count;
    if (known->counters)
        return known;
    ft_object_unref(&known->object);
    ft_ignore(ft_fail_nomem(err, counter_count * sizeof(uint64_t)));
    return NULL;
}

bool ft_known_add(ft_known *known, const ft_known_event *event, ft_error *err)
{
    if (known->count == known->capacity) {
        size_t capacity = known->capacity ? 2 * known->capacity : EVENTS_MIN;
        ft_known_event *events = ft_realloc(known->events, capacity * sizeof(*events));
        if (!events) {
            ft_batch_unref(event->batch);
            ft_free(event->why);
            return ft_fail_nomem(err, capacity * sizeof(*events));
        }
        known->events = events;
        known->capacity = capacity;
    }
    known->events[known->count++] = *event;
    return true;
}

// ---- writing ----

static bool put_error(ft_wire *wire, const ft_error *error, ft_error *err)
{
    error_record record = {(uint32_t)error->code, error->number, error->saved_errno, "", ""};

    memcpy(record.message, error->message, sizeof(record.message));
    memcpy(record.hint, error->hint, sizeof(record.hint));
    return ft_wire_put(wire, &record, sizeof(record), err);
}

// The columns stay there.
static bool put_ghost(ft_wire *wire, const ft_batch *batch, const ft_batch *base, ft_error *err)
{
    return ft_wire_put_batch(wire, batch, base, 0, err);
}

static bool put_event(ft_wire *wire, const ft_known_event *event, const ft_chain *chain,
                      size_t link, const ft_batch *base, ft_error *err)
{
    const ft_batch *batch = event->batch;
    const ft_plan_node *plan = chain->nodes[link]->plan;
    bool is_known = batch && batch->known;
    event_record record = {(uint32_t)event->kind, (uint32_t)event->port, batch != NULL, is_known,
                           event->item};

    if (!ft_wire_put(wire, &record, sizeof(record), err) ||
        (event->why && !put_error(wire, event->why, err)))
        return false;
    if (is_known)
        return put_ghost(wire, batch, base, err) &&
               ft_known_put(wire, ft_known_of(batch), chain, link + 1, base, err);
    size_t width = event->kind == FT_KNOWN_FAIL ? plan->input.count : plan->output.count;
    return !batch || ft_wire_put_batch(wire, batch, base, width, err);
}

bool ft_known_put(ft_wire *wire, const ft_known *known, const ft_chain *chain, size_t link,
                  const ft_batch *base, ft_error *err)
{
    bool is_failed = known->error.code != FT_ERROR_NONE;
    known_record head = {(uint32_t)known->count, (uint32_t)known->counter_count, is_failed,
                         known->busy_ns};

    if (!ft_wire_put(wire, &head, sizeof(head), err) ||
        !ft_wire_put(wire, known->counters, known->counter_count * sizeof(uint64_t), err) ||
        (is_failed && !put_error(wire, &known->error, err)))
        return false;
    for (size_t i = 0; i < known->count; i++)
        if (!put_event(wire, &known->events[i], chain, link, base, err))
            return false;
    return true;
}

// ---- reading ----

bool ft_known_may_fail(const ft_run *run, uint32_t code)
{
    if (code == FT_ERROR_CANCELLED)
        return ft_atomic_load(&run->stop, FT_SEQ_CST) == FT_STOP_NOW;
    return code > FT_ERROR_NONE && code < FT_ERROR_CANCELLED;
}

static bool get_error(ft_wire_reader *reader, const ft_run *run, ft_error *out, ft_error *err)
{
    error_record record;

    if (!ft_wire_get(reader, &record, sizeof(record), err))
        return false;
    if (!ft_known_may_fail(run, record.code))
        return ft_wire_refuse(err, "an error");
    *out = (ft_error){.code = (ft_error_code)record.code,
                      .number = record.number,
                      .saved_errno = record.saved_errno};
    memcpy(out->message, record.message, sizeof(out->message));
    memcpy(out->hint, record.hint, sizeof(out->hint));
    out->message[sizeof(out->message) - 1] = '\0';
    out->hint[sizeof(out->hint) - 1] = '\0';
    return true;
}

typedef struct {
    ft_wire_reader *reader;
    const ft_chain *chain;
    ft_batch *base;
    ft_account *account;
} reading;

static bool get_known(const reading *r, size_t link, ft_known **out, ft_error *err);

static bool get_batch(const reading *r, size_t link, const event_record *record, ft_batch **out,
                      ft_error *err)
{
    const ft_plan_node *plan = r->chain->nodes[link]->plan;
    bool is_failure = record->kind == FT_KNOWN_FAIL;
    ft_wire_scope scope = {.account = r->account,
                           .schema = is_failure ? &plan->input : &plan->output,
                           .base = r->base};
    ft_known *known;

    if (record->is_known && (is_failure || record->port != 0 || link + 1 == r->chain->count))
        return ft_wire_refuse(err, "a batch");
    if (!ft_wire_get_batch(r->reader, &scope, out, err))
        return false;
    if (!record->is_known)
        return true;
    if (!get_known(r, link + 1, &known, err))
        return false;
    (*out)->known = &known->object;
    return true;
}

// A record that makes sense for that stage.
static bool check_event(const reading *r, size_t link, const event_record *record, ft_error *err)
{
    const ft_node *node = r->chain->nodes[link];
    bool has_batch = record->has_batch != 0;
    bool ok = false;

    if (record->kind == FT_KNOWN_EMIT)
        ok = has_batch && record->port < node->port_count - 1 &&
             (record->port != 0 || link + 1 == r->chain->count || record->is_known);
    else if (record->kind == FT_KNOWN_FAIL)
        ok = has_batch || (link == 0 && r->base && record->item < r->base->count);
    else if (record->kind == FT_KNOWN_ENOUGH)
        ok = !has_batch;
    return ok || ft_wire_refuse(err, "an event");
}

static bool get_event(const reading *r, size_t link, ft_known *known, ft_error *err)
{
    event_record record;
    ft_known_event event = {0};

    if (!ft_wire_get(r->reader, &record, sizeof(record), err) ||
        !check_event(r, link, &record, err))
        return false;
    event.kind = (ft_known_kind)record.kind;
    event.port = record.port;
    event.item = (size_t)record.item;
    bool ok = true;
    if (event.kind == FT_KNOWN_FAIL) {
        event.why = ft_alloc_zero(1, sizeof(*event.why));
        ok = event.why ? get_error(r->reader, r->chain->run, event.why, err)
                       : ft_fail_nomem(err, sizeof(*event.why));
    }
    ok = ok && (!record.has_batch || get_batch(r, link, &record, &event.batch, err));
    if (ok && event.kind == FT_KNOWN_FAIL && event.batch && event.item >= event.batch->count)
        ok = ft_wire_refuse(err, "an item");
    if (ok)
        return ft_known_add(known, &event, err);
    ft_batch_unref(event.batch);
    ft_free(event.why);
    return false;
}

static bool get_known(const reading *r, size_t link, ft_known **out, ft_error *err)
{
    known_record head;
    size_t counters = ft_chain_counters(r->chain->nodes[link]);

    if (!ft_wire_get(r->reader, &head, sizeof(head), err))
        return false;
    if (head.counters != counters)
        return ft_wire_refuse(err, "counters");
    ft_known *known = ft_known_create(counters, err);
    bool ok = known && ft_wire_get(r->reader, known->counters, counters * sizeof(uint64_t), err) &&
              (!head.is_failed || get_error(r->reader, r->chain->run, &known->error, err));
    if (known)
        known->busy_ns = head.busy_ns;
    for (uint32_t i = 0; ok && i < head.events; i++)
        ok = get_event(r, link, known, err);
    if (ok) {
        *out = known;
        return true;
    }
    if (known)
        ft_object_unref(&known->object);
    return false;
}

bool ft_known_get(ft_wire_reader *reader, const ft_chain *chain, size_t link, ft_batch *base,
                  ft_account *account, ft_known **out, ft_error *err)
{
    reading r = {reader, chain, base, account};

    if (!get_known(&r, link, out, err))
        return false;
    if (reader->at == reader->end)
        return true;
    ft_object_unref(&(*out)->object);
    return ft_wire_refuse(err, "there is more than was said");
}

// ---- telling ----

bool ft_known_tell(const ft_known *known, ft_stage *self, const ft_batch *batch, ft_error *err)
{
    ft_instance *instance = (ft_instance *)(void *)self;
    bool ok = true;

    // The stage was at work for so long, if not here. A wrong number is no more than that.
    if (known->busy_ns < BUSY_MAX_NS)
        instance->turn.waited_ns -= (int64_t)known->busy_ns;
    for (size_t i = 0; i < known->counter_count; i++)
        self->counters[i] += known->counters[i];
    for (size_t i = 0; ok && i < known->count; i++) {
        const ft_known_event *event = &known->events[i];
        if (event->kind == FT_KNOWN_EMIT)
            ok = ft_emit_port(self, event->port, ft_batch_ref(event->batch), err);
        else if (event->kind == FT_KNOWN_FAIL)
            ok = ft_item_fail(self, event->batch ? event->batch : batch, event->item, event->why,
                              err);
        else
            ft_enough(self);
    }
    if (ok && known->error.code != FT_ERROR_NONE) {
        *err = known->error;
        return false;
    }
    return ok;
}
