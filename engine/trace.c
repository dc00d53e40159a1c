// Trace events are written one by one under a lock: tracing is asked for, and costs what it costs.
#include "engine/trace.h"

#include <inttypes.h>

#include "runtime/data/json.h"
#include "runtime/slice.h"

enum { EVENT_BYTES_MAX = 4096 };

void ft_trace_begin(ft_run *run)
{
    ft_mutex_init(&run->trace_lock);
    if (run->settings.trace)
        fwrite("[", 1, 1, run->settings.trace);
}

void ft_trace_turn(const ft_instance *instance, int64_t from_ns, int64_t to_ns)
{
    ft_run *run = instance->node->run;
    const ft_turn *turn = &instance->turn;
    ft_text text;

    ft_text_init(&text, EVENT_BYTES_MAX);
    ft_text_append_string(&text, "{\"ph\":\"X\",\"pid\":1,\"name\":");
    ft_json_put_string(&text, ft_slice_of(instance->node->plan->name));
    ft_text_format(&text, ",\"tid\":%u,\"ts\":%.3f,\"dur\":%.3f", (unsigned)turn->worker->slot,
                   (double)(from_ns - run->started_ns_own) / 1e3, (double)(to_ns - from_ns) / 1e3);
    ft_text_format(&text,
                   ",\"args\":{\"sequence\":%" PRIu64 ",\"batches\":%u,\"in\":%" PRIu64
                   ",\"out\":%" PRIu64 "}}",
                   turn->first.sequence, (unsigned)(turn->sent + turn->tickets), turn->items_in,
                   turn->items_out);
    ft_mutex_lock(&run->trace_lock);
    if (!text.failed) {
        fwrite(run->traced_any ? ",\n" : "\n", 1, run->traced_any ? 2 : 1, run->settings.trace);
        fwrite(text.data, 1, text.size, run->settings.trace);
        run->traced_any = true;
    }
    ft_mutex_unlock(&run->trace_lock);
    ft_text_finish(&text);
}

void ft_trace_end(ft_run *run)
{
    if (run->settings.trace) {
        fwrite("\n]\n", 1, 3, run->settings.trace);
        fflush(run->settings.trace);
    }
    ft_mutex_finish(&run->trace_lock);
}
