// --json: one object a line, each with "v":1 and "event". Field names are the promise; new ones may
// come.
#include "cli/report_shapes.h"
#include "runtime/data/json.h"
#include "runtime/memory/alloc.h"

static void put_open(ft_text *out, const char *event)
{
    ft_text_format(out, "{\"v\":1,\"event\":\"%s\"", event);
}

static void put_string(ft_text *out, const char *name, const char *value)
{
    ft_text_format(out, ",\"%s\":", name);
    if (value)
        ft_json_put_string(out, ft_slice_of(value));
    else
        ft_text_append_string(out, "null");
}

static void put_close(ft_text *out)
{
    ft_text_append_string(out, "}\n");
}

static void put_totals(ft_text *out, const ft_run_stats *stats)
{
    ft_text_format(
        out,
        ",\"elapsed_s\":%.3f,\"read\":%llu,\"written\":%llu,\"dropped\":%llu,\"failed\":%llu,"
        "\"unfinished\":%llu,\"memory_bytes\":%lld,\"memory_peak_bytes\":%lld,\"memory_limit_"
        "bytes\":%lld,\"threads\":%"
        "d",
        (double)stats->elapsed_ns * 1e-9, (unsigned long long)stats->items_read,
        (unsigned long long)stats->items_written, (unsigned long long)stats->items_dropped,
        (unsigned long long)stats->items_failed, (unsigned long long)stats->items_unfinished,
        (long long)stats->memory_used_bytes, (long long)stats->memory_peak_bytes,
        (long long)stats->memory_limit_bytes, stats->threads);
}

static void put_stage(ft_text *out, const ft_stage_stats *stage)
{
    ft_text_append_string(out, "{\"name\":");
    ft_json_put_string(out, ft_slice_of(stage->name));
    put_string(out, "type", stage->def->name);
    ft_text_format(
        out,
        ",\"in\":%llu,\"made\":%llu,\"out\":%llu,\"dropped\":%llu,\"failed\":%llu,\"batches\":%llu,"
        "\"busy_s\":%.3f,\"runaways\":%llu,\"counters\":{",
        (unsigned long long)stage->items_in, (unsigned long long)stage->items_made,
        (unsigned long long)stage->items_out, (unsigned long long)stage->items_dropped,
        (unsigned long long)stage->items_failed, (unsigned long long)stage->batches,
        (double)stage->busy_ns * 1e-9, (unsigned long long)stage->runaways);
    for (size_t i = 0; stage->counters && stage->def->counters && stage->def->counters[i]; i++)
        ft_text_format(out, "%s\"%s\":%llu", i ? "," : "", stage->def->counters[i],
                       (unsigned long long)stage->counters[i]);
    ft_text_append_string(out, "}}");
}

static void put_stages(ft_text *out, const ft_run_stats *stats)
{
    ft_text_append_string(out, ",\"stages\":[");
    for (size_t i = 0; i < stats->stage_count; i++) {
        ft_text_append_string(out, i ? "," : "");
        put_stage(out, &stats->stages[i]);
    }
    ft_text_append_char(out, ']');
}

void ft_report_put_start_event(const ft_report *report, ft_text *out)
{
    bool first = true;

    put_open(out, "start");
    put_string(out, "pipeline", report->name);
    ft_text_append_string(out, ",\"stages\":[");
    for (size_t i = 0; i < report->plan->node_count; i++) {
        const ft_plan_node *node = report->plan->nodes[i];
        if (node->is_hidden)
            continue;
        ft_text_append_string(out, first ? "{\"name\":" : ",{\"name\":");
        ft_json_put_string(out, ft_slice_of(node->name));
        put_string(out, "type", node->def->name);
        ft_text_append_char(out, '}');
        first = false;
    }
    ft_text_append_char(out, ']');
    put_close(out);
}

void ft_report_put_progress_event(const ft_report *report, const ft_run_stats *stats, ft_text *out)
{
    int bottleneck = ft_report_bottleneck(stats, report->share);

    put_open(out, "progress");
    put_totals(out, stats);
    ft_text_format(out, ",\"rate\":%.1f,\"source_share\":", report->rate);
    ft_json_put_float(out, stats->source_share);
    put_string(out, "bottleneck", bottleneck >= 0 ? stats->stages[bottleneck].name : NULL);
    put_stages(out, stats);
    put_close(out);
}

void ft_report_put_end_event(const ft_report *report, const ft_run_stats *stats,
                             const char *outcome, ft_text *out)
{
    put_open(out, "end");
    put_string(out, "pipeline", report->name);
    put_string(out, "outcome", outcome);
    put_totals(out, stats);
    ft_text_format(out, ",\"allocations\":%llu",
                   (unsigned long long)ft_alloc_get_stats().allocations);
    put_stages(out, stats);
    put_close(out);
}

// A text that may hold anything: what is not UTF-8 is replaced.
static void put_any_text(ft_text *out, const char *name, ft_slice text)
{
    ft_text clean;

    ft_text_init(&clean, text.size * 3 + 1);
    while (text.size > 0) {
        size_t valid = ft_utf8_valid_prefix(text);
        ft_text_append(&clean, (ft_slice){text.data, valid});
        if (valid < text.size) {
            ft_text_append_string(&clean, "\xef\xbf\xbd");
            valid++;
        }
        text.data += valid;
        text.size -= valid;
    }
    ft_text_format(out, ",\"%s\":", name);
    ft_json_put_string(out, ft_text_get(&clean));
    ft_text_finish(&clean);
}

static void put_error(ft_text *out, const ft_error *err)
{
    put_string(out, "code", ft_error_code_name(err->code));
    put_any_text(out, "message", ft_slice_of(err->message));
    put_any_text(out, "hint", ft_slice_of(err->hint));
}

void ft_report_put_item_event(const ft_plan_node *node, const char *place, ft_slice text,
                              const ft_error *why, ft_text *out)
{
    put_open(out, "item_error");
    put_string(out, "stage", node->name);
    put_any_text(out, "place", ft_slice_of(place));
    put_error(out, why);
    put_any_text(out, "item", text);
    put_close(out);
}

void ft_report_put_log_event(ft_log_level level, const char *from, const char *line, ft_text *out)
{
    static const char *const events[] = {"error", "warning", "info", "debug"};

    put_open(out, events[level]);
    put_string(out, "from", from);
    put_any_text(out, "message", ft_slice_of(line));
    put_close(out);
}

void ft_report_put_error_event(const ft_plan_node *node, const ft_error *err, ft_text *out)
{
    put_open(out, "error");
    put_string(out, "stage", node ? node->name : NULL);
    put_error(out, err);
    put_close(out);
}
