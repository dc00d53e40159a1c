// The progress block and the progress line.
//
//   embed-docs  1:12   412,338 items   41 %   5,727/s   ETA 1:43
//     read      ▏            1 %
//     embed     ██████████  99 %  ◀ bottleneck: 2 of 2 busy, 41 batches waiting
//     memory 1.1 of 2.0 GiB · 3 failed
//
// Lines are cut at the terminal's width, in code points: a line that wrapped could not be taken
// away again.
#include <stdio.h>
#include <string.h>

#include "cli/report_shapes.h"

enum { BAR_CELLS = 10, NAME_COLUMNS_MAX = 20, STAGES_SHOWN = 12, LINE_BYTES_MAX = 4096 };
static const double busy_enough = 0.5;

double ft_report_capacity(const ft_run_stats *stats, size_t stage)
{
    int64_t instances = stats->stages[stage].instances;

    if (instances < 1)
        instances = 1;
    return (double)(instances < stats->threads || stats->threads < 1 ? instances : stats->threads);
}

int ft_report_bottleneck(const ft_run_stats *stats, const double *share)
{
    int best = -1;
    double most = busy_enough;

    for (size_t i = 0; i < stats->stage_count && i < FT_REPORT_STAGES_MAX; i++) {
        if (share[i] < most)
            continue;
        most = share[i];
        best = (int)i;
    }
    return best;
}

// Appends `line`, cut at `columns` code points, and an end of line.
static void put_cut(ft_text *out, const ft_text *line, int columns)
{
    ft_slice text = ft_text_get(line);
    size_t at = 0;

    for (int column = 0; at < text.size && column < columns; column++)
        ft_utf8_next(text, &at);
    ft_text_append(out, (ft_slice){text.data, at});
    ft_text_append_char(out, '\n');
}

static void put_bar(ft_text *line, double share)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int filled = (int)(share * BAR_CELLS * 8 + 0.5);
    int cells = 0;

    if (filled < 1)
        filled = 1;
    for (; filled >= 8 && cells < BAR_CELLS; filled -= 8, cells++)
        ft_text_append_string(line, "█");
    if (cells < BAR_CELLS && filled > 0) {
        ft_text_append_string(line, eighths[filled % 8]);
        cells++;
    }
    for (; cells < BAR_CELLS; cells++)
        ft_text_append_char(line, ' ');
}

static int name_columns(const ft_run_stats *stats)
{
    size_t widest = 6;

    for (size_t i = 0; i < stats->stage_count; i++)
        if (strlen(stats->stages[i].name) > widest)
            widest = strlen(stats->stages[i].name);
    return widest < NAME_COLUMNS_MAX ? (int)widest : NAME_COLUMNS_MAX;
}

static void put_progress(ft_text *line, const ft_report *report, const ft_run_stats *stats)
{
    char figure[FT_FIGURE_BYTES];
    uint64_t done = stats->items_written + stats->items_dropped + stats->items_failed;
    // What is done of all there will be: the share that was read, less what is still on its way.
    double share = stats->items_read
                       ? stats->source_share * (double)done / (double)stats->items_read
                       : stats->source_share;

    ft_text_format(line, "%s   ", ft_figure_time(stats->elapsed_ns, figure));
    ft_text_format(line, "%s items", ft_figure_count(done, figure));
    if (share >= 0)
        ft_text_format(line, "   %s", ft_figure_share(share > 1 ? 1 : share, figure));
    ft_text_format(line, "   %s/s", ft_figure_count((uint64_t)(report->rate + 0.5), figure));
    if (share > 0.01 && share < 1)
        ft_text_format(
            line, "   ETA %s",
            ft_figure_time((int64_t)((double)stats->elapsed_ns * (1 - share) / share), figure));
}

static void put_stage(const ft_report *report, const ft_run_stats *stats, size_t index,
                      ft_text *line)
{
    const ft_stage_stats *stage = &stats->stages[index];
    int width = name_columns(stats);

    ft_text_format(line, "  %-*.*s  ", width, width, stage->name);
    put_bar(line, report->share[index]);
    ft_text_format(line, " %3.0f %%", report->share[index] * 100);
    if (ft_report_bottleneck(stats, report->share) == (int)index)
        ft_text_format(line, "  ◀ bottleneck: %lld of %.0f busy, %lld batches waiting",
                       (long long)stage->running, ft_report_capacity(stats, index),
                       (long long)stage->waiting_batches);
}

void ft_report_put_block(const ft_report *report, const ft_run_stats *stats, ft_text *out)
{
    int columns = report->terminal.columns - 1;
    char used[FT_FIGURE_BYTES], limit[FT_FIGURE_BYTES];
    ft_text line;

    ft_text_init(&line, LINE_BYTES_MAX);
    ft_text_format(&line, "%s   ", report->name);
    put_progress(&line, report, stats);
    put_cut(out, &line, columns);
    for (size_t i = 0; i < stats->stage_count && i < FT_REPORT_STAGES_MAX; i++) {
        ft_text_clear(&line);
        if (i == STAGES_SHOWN) {
            ft_text_format(&line, "  and %zu more stages", stats->stage_count - i);
            put_cut(out, &line, columns);
            break;
        }
        put_stage(report, stats, i, &line);
        put_cut(out, &line, columns);
    }
    ft_text_clear(&line);
    ft_text_format(&line, "  memory %s of %s", ft_figure_bytes(stats->memory_used_bytes, used),
                   ft_figure_bytes(stats->memory_limit_bytes, limit));
    if (stats->items_failed > 0)
        ft_text_format(&line, " · %llu failed", (unsigned long long)stats->items_failed);
    put_cut(out, &line, columns);
    if (line.failed)
        out->failed = true;
    ft_text_finish(&line);
}

void ft_report_put_line(const ft_report *report, const ft_run_stats *stats, ft_text *out)
{
    int bottleneck = ft_report_bottleneck(stats, report->share);

    ft_text_format(out, "ftpipe: %s: ", report->name);
    put_progress(out, report, stats);
    if (bottleneck >= 0)
        ft_text_format(out, "   `%s` is the bottleneck, %.0f %% busy",
                       stats->stages[bottleneck].name, report->share[bottleneck] * 100);
    if (stats->items_failed > 0)
        ft_text_format(out, "   %llu failed", (unsigned long long)stats->items_failed);
    ft_text_append_char(out, '\n');
}
