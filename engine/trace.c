// Every worker notes its turns as records in a buffer of its own, which only it writes; when that
// is full it makes text of them and takes the file's lock to write it, once in a thousand turns. So
// a traced run is the run that was to be seen: a note is some forty nanoseconds and no lock.
//
// Counters are noted with a turn, at most once a millisecond on each track; their values are the
// whole run's at that time.
#include "engine/trace.h"

#include <inttypes.h>
#include <stdio.h>

#include "runtime/data/json.h"
#include "runtime/memory/alloc.h"
#include "runtime/slice.h"

enum {
    RECORDS = 1024,
    TEXT_BYTES_MAX = 2 << 20,  // Of one buffer: a name may take 600 bytes a record and more fits.
    POOL_TRACKS = 10000,       // Track of the pool's first thread; workers have theirs below.
    COUNTER_NS = 1000000,
};

typedef struct {
    const ft_plan_node *node;
    int64_t from_ns, to_ns;
    uint64_t sequence, items_in, items_out;
    uint32_t batches;
    int64_t memory_bytes, in_flight;  // memory_bytes -1: no counters with this one.
} record;

struct ft_trace_buffer {
    ft_trace_buffer *next;
    uint32_t track;
    size_t count;
    int64_t counted_ns;  // When counters were noted last.
    uint64_t lost;       // Records whose text did not fit, or had no memory.
    record records[RECORDS];
};

void ft_trace_begin(ft_run *run)
{
    ft_mutex_init(&run->trace_lock);
    if (run->settings.trace)
        fwrite("[", 1, 1, run->settings.trace);
}

// Under the lock, or when no thread is left.
static void write_events(ft_run *run, ft_slice events)
{
    if (events.size == 0)
        return;
    fwrite(run->traced_any ? ",\n" : "\n", 1, run->traced_any ? 2 : 1, run->settings.trace);
    fwrite(events.data, 1, events.size, run->settings.trace);
    run->traced_any = true;
}

static double micros(const ft_run *run, int64_t ns)
{
    return (double)(ns - run->started_ns_own) / 1e3;
}

static void put_record(const ft_run *run, const record *r, uint32_t track, ft_text *out)
{
    ft_text_append_string(out, out->size ? ",\n{\"ph\":\"X\",\"pid\":1,\"name\":"
                                         : "{\"ph\":\"X\",\"pid\":1,\"name\":");
    ft_json_put_string(out, ft_slice_of(r->node->name));
    ft_text_format(out, ",\"tid\":%u,\"ts\":%.3f,\"dur\":%.3f", (unsigned)track,
                   micros(run, r->from_ns), (double)(r->to_ns - r->from_ns) / 1e3);
    ft_text_format(out,
                   ",\"args\":{\"sequence\":%" PRIu64 ",\"batches\":%u,\"in\":%" PRIu64
                   ",\"out\":%" PRIu64 "}}",
                   r->sequence, (unsigned)r->batches, r->items_in, r->items_out);
    if (r->memory_bytes < 0)
        return;
    ft_text_format(out,
                   ",\n{\"ph\":\"C\",\"pid\":1,\"name\":\"memory\",\"ts\":%.3f,\"args\":{\"bytes\":"
                   "%" PRId64 "}}",
                   micros(run, r->to_ns), r->memory_bytes);
    ft_text_format(out,
                   ",\n{\"ph\":\"C\",\"pid\":1,\"name\":\"in flight\",\"ts\":%.3f,\"args\":{"
                   "\"batches\":%" PRId64 "}}",
                   micros(run, r->to_ns), r->in_flight);
}

static void flush(ft_run *run, ft_trace_buffer *buffer)
{
    ft_text text;

    ft_text_init(&text, TEXT_BYTES_MAX);
    for (size_t i = 0; i < buffer->count; i++)
        put_record(run, &buffer->records[i], buffer->track, &text);
    if (text.failed)
        buffer->lost += buffer->count;
    buffer->count = 0;
    ft_mutex_lock(&run->trace_lock);
    if (!text.failed)
        write_events(run, ft_text_get(&text));
    ft_mutex_unlock(&run->trace_lock);
    ft_text_finish(&text);
}

// A track begins with its name.
static void put_name(ft_run *run, const ft_worker *worker, uint32_t track)
{
    const char *kind = !worker->ring ? "blocking" : worker->is_spare ? "spare" : "worker";
    unsigned number = (unsigned)(worker->ring ? track : track - POOL_TRACKS);
    char name[160];

    int size = snprintf(name, sizeof(name),
                        "{\"ph\":\"M\",\"pid\":1,\"tid\":%u,\"name\":\"thread_name\",\"args\":{"
                        "\"name\":\"%s %u\"}}",
                        (unsigned)track, kind, number);
    write_events(run, (ft_slice){name, (size_t)size});
}

// NULL without memory: then the turn is not in the trace.
static ft_trace_buffer *buffer_of(ft_run *run, ft_worker *worker)
{
    if (worker->trace)
        return worker->trace;
    ft_trace_buffer *buffer = ft_alloc(sizeof(*buffer));
    if (!buffer)
        return NULL;
    buffer->count = 0;
    buffer->counted_ns = 0;
    buffer->lost = 0;
    buffer->track =
        worker->ring ? worker->slot : POOL_TRACKS + (uint32_t)(worker - run->pool.workers);
    worker->trace = buffer;
    ft_mutex_lock(&run->trace_lock);
    buffer->next = run->traces;
    run->traces = buffer;
    put_name(run, worker, buffer->track);
    ft_mutex_unlock(&run->trace_lock);
    return buffer;
}

static int64_t in_flight(const ft_run *run)
{
    int64_t sum = 0;

    for (size_t i = 0; i < run->source_count; i++)  // Relaxed: for display.
        sum += ft_atomic_load(&run->sources[i]->source->in_flight, FT_RELAXED);
    return sum;
}

void ft_trace_turn(const ft_instance *instance, int64_t from_ns, int64_t to_ns)
{
    ft_run *run = instance->node->run;
    const ft_turn *turn = &instance->turn;
    ft_trace_buffer *buffer = buffer_of(run, turn->worker);

    if (!buffer)
        return;
    record *r = &buffer->records[buffer->count++];
    *r = (record){.node = instance->node->plan,
                  .from_ns = from_ns,
                  .to_ns = to_ns,
                  .sequence = turn->first.sequence,
                  .batches = (uint32_t)(turn->sent + turn->tickets),
                  .items_in = turn->items_in,
                  .items_out = turn->items_out,
                  .memory_bytes = -1};
    if (to_ns - buffer->counted_ns >= COUNTER_NS) {
        buffer->counted_ns = to_ns;
        r->memory_bytes = ft_account_used_bytes(&run->account);
        r->in_flight = in_flight(run);
    }
    if (buffer->count == RECORDS)
        flush(run, buffer);
}

void ft_trace_end(ft_run *run)
{
    uint64_t lost = 0;
    char text[96];

    while (run->traces) {
        ft_trace_buffer *buffer = run->traces;
        flush(run, buffer);
        lost += buffer->lost;
        run->traces = buffer->next;
        ft_free(buffer);
    }
    if (lost) {
        int size = snprintf(
            text, sizeof(text),
            "{\"ph\":\"M\",\"pid\":1,\"name\":\"lost_turns\",\"args\":{\"turns\":%" PRIu64 "}}",
            lost);
        write_events(run, (ft_slice){text, (size_t)size});
    }
    if (run->settings.trace) {
        fwrite("\n]\n", 1, 3, run->settings.trace);
        fflush(run->settings.trace);
    }
    ft_mutex_finish(&run->trace_lock);
}
