// The table at the end: what became of the items, per stage and in all; what limited the run; what
// was written.
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/report_shapes.h"

enum { NAME_COLUMNS_MIN = 8, FIGURE_COLUMNS = 13 };
static const int64_t worth_telling_ns =
    200 * INT64_C(1000000);  // Shorter runs have no bottleneck worth a line.

static void put_figure(ft_text *out, uint64_t count)
{
    char figure[FT_FIGURE_BYTES];
    ft_text_format(out, "%*s", FIGURE_COLUMNS, ft_figure_count(count, figure));
}

static void put_stage(ft_text *out, const ft_stage_stats *stage, int width, int64_t all_busy_ns)
{
    bool is_source = stage->def->kind == FT_STAGE_SOURCE,
         is_sink = stage->def->kind == FT_STAGE_SINK;
    double share = all_busy_ns > 0 ? (double)stage->busy_ns / (double)all_busy_ns : 0;

    ft_text_format(out, "  %-*s", width, stage->name);
    if (is_source)
        ft_text_format(out, "%*s", FIGURE_COLUMNS, "");
    else
        put_figure(out, stage->items_in);
    if (is_sink)
        ft_text_format(out, "%*s", FIGURE_COLUMNS, "");
    else
        put_figure(out, stage->items_out);
    // What a sink or a gathering stage takes does not go on, and is not lost: the line of totals
    // says what became of it.
    if (is_sink || stage->def->absorbs)
        ft_text_format(out, "%*s", FIGURE_COLUMNS, "");
    else
        put_figure(out, stage->items_dropped);
    put_figure(out, stage->items_failed);
    ft_text_format(out, "%7.0f %%", share * 100);
    for (size_t i = 0; stage->counters && stage->def->counters && stage->def->counters[i]; i++)
        if (stage->counters[i] > 0)
            ft_text_format(out, "  %s %llu", stage->def->counters[i],
                           (unsigned long long)stage->counters[i]);
    if (stage->runaways > 0)
        ft_text_format(out, "  RUNAWAY: left behind %llu times",
                       (unsigned long long)stage->runaways);
    ft_text_append_char(out, '\n');
}

static void put_limit(ft_text *out, const ft_run_stats *stats)
{
    double share[FT_REPORT_STAGES_MAX] = {0};

    if (stats->elapsed_ns < worth_telling_ns)
        return;
    for (size_t i = 0; i < stats->stage_count && i < FT_REPORT_STAGES_MAX; i++)
        share[i] = (double)stats->stages[i].busy_ns /
                   ((double)stats->elapsed_ns * ft_report_capacity(stats, i));
    int limit = ft_report_bottleneck(stats, share);
    if (limit < 0)
        return;
    double threads = ft_report_capacity(stats, (size_t)limit);
    ft_text_format(out, "  `%s` limits the run: %.0f %% busy on %.0f of %d threads%s\n",
                   stats->stages[limit].name, (share[limit] > 1 ? 1 : share[limit]) * 100, threads,
                   stats->threads, threads < stats->threads ? "; more threads will not help" : "");
}

// The stage of node `index` among those that are shown.
static const ft_stage_stats *stats_of(const ft_plan *plan, const ft_run_stats *stats, size_t index)
{
    size_t at = 0;

    for (size_t i = 0; i < index; i++)
        at += !plan->nodes[i]->is_hidden;
    return at < stats->stage_count ? &stats->stages[at] : NULL;
}

// What the lock domain of an undeclared plug-in cost: how much of the time one of its stages was at
// work, and by Amdahl's law how much faster more threads could make the whole.
static void put_domain(ft_text *out, const ft_plan *plan, const ft_run_stats *stats, size_t first,
                       int64_t all_busy_ns)
{
    const void *domain = plan->nodes[first]->domain;
    int64_t busy_ns = 0;

    for (size_t i = first; i < plan->node_count; i++) {
        const ft_stage_stats *stage = stats_of(plan, stats, i);
        if (plan->nodes[i]->domain == domain && !plan->nodes[i]->is_hidden && stage)
            busy_ns += stage->busy_ns;
    }
    if (busy_ns <= 0 || all_busy_ns <= 0)
        return;
    double serial = (double)busy_ns / (double)all_busy_ns;
    double use = (double)busy_ns / (double)stats->elapsed_ns;
    ft_text_format(out,
                   "  `%s` is undeclared: its library was at work %.0f %% of the run, one stage at "
                   "a time\n"
                   "    serial fraction %.2f: at most %.1fx one thread, however many there are\n",
                   plan->nodes[first]->name, (use > 1 ? 1 : use) * 100, serial, 1 / serial);
}

static void put_domains(ft_text *out, const ft_plan *plan, const ft_run_stats *stats,
                        int64_t all_busy_ns)
{
    for (size_t i = 0; i < plan->node_count; i++) {
        bool is_first = plan->nodes[i]->domain != NULL;
        for (size_t j = 0; j < i && is_first; j++)
            is_first = plan->nodes[j]->domain != plan->nodes[i]->domain;
        if (is_first && stats->elapsed_ns >= worth_telling_ns)
            put_domain(out, plan, stats, i, all_busy_ns);
    }
}

// The path that a sink writes to, or NULL.
static const char *output_path(const ft_plan_node *node)
{
    const ft_option *option = ft_option_find_main(node->def->options);
    const char *path;

    if (node->def->kind != FT_STAGE_SINK || !option || option->type != FT_OPTION_PATH)
        return NULL;
    memcpy(&path, (const char *)node->config + option->offset, sizeof(path));
    return path && strcmp(path, "-") != 0 ? path : NULL;
}

static void put_outputs(ft_text *out, const ft_plan *plan)
{
    char figure[FT_FIGURE_BYTES];
    struct stat found;

    for (size_t i = 0; i < plan->node_count; i++) {
        const char *path = output_path(plan->nodes[i]);
        if (path && stat(path, &found) == 0 && S_ISREG(found.st_mode))
            ft_text_format(out, "  %s  %s\n", path, ft_figure_bytes(found.st_size, figure));
    }
}

void ft_report_put_table(const ft_report *report, const ft_run_stats *stats, const char *outcome,
                         ft_text *out)
{
    char a[FT_FIGURE_BYTES], b[FT_FIGURE_BYTES], c[FT_FIGURE_BYTES], d[FT_FIGURE_BYTES];
    int width = NAME_COLUMNS_MIN;
    int64_t all_busy_ns = 0;

    for (size_t i = 0; i < stats->stage_count; i++) {
        all_busy_ns += stats->stages[i].busy_ns;
        if ((int)strlen(stats->stages[i].name) > width)
            width = (int)strlen(stats->stages[i].name);
    }
    ft_text_format(out, "%s: %s in %s on %d threads\n", report->name, outcome,
                   ft_figure_time(stats->elapsed_ns, a), stats->threads);
    ft_text_format(out, "  %-*s%*s%*s%*s%*s%9s\n", width, "stage", FIGURE_COLUMNS, "in",
                   FIGURE_COLUMNS, "out", FIGURE_COLUMNS, "dropped", FIGURE_COLUMNS, "failed",
                   "busy");
    for (size_t i = 0; i < stats->stage_count; i++)
        put_stage(out, &stats->stages[i], width, all_busy_ns);
    ft_text_format(out, "  %s read = %s written + %s dropped + %s failed",
                   ft_figure_count(stats->items_read, a), ft_figure_count(stats->items_written, b),
                   ft_figure_count(stats->items_dropped, c),
                   ft_figure_count(stats->items_failed, d));
    if (stats->items_unfinished)
        ft_text_format(out, " + %s not finished", ft_figure_count(stats->items_unfinished, a));
    ft_text_append_char(out, '\n');
    ft_text_format(out, "  memory: %s at most, of %s\n",
                   ft_figure_bytes(stats->memory_peak_bytes, a),
                   ft_figure_bytes(stats->memory_limit_bytes, b));
    put_limit(out, stats);
    put_domains(out, report->plan, stats, all_busy_ns);
    if (stats->items_unfinished == 0)  // Else nothing was committed.
        put_outputs(out, report->plan);
}
