// The report's thread and its one lock. Everything is written with one fwrite, so that lines of
// several threads never mix.
#define _GNU_SOURCE  // pipe2
#include "cli/report.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/interrupt.h"
#include "cli/report_shapes.h"
#include "runtime/system/clock.h"

enum { TICK_MS = 200, OUTPUT_BYTES_MAX = 256 * 1024 };
static const int64_t block_after_ns = 600 * INT64_C(1000000);  // Short runs show no block.
static const int64_t line_every_ns = 10 * INT64_C(1000000000);
static const int64_t event_every_ns = INT64_C(1000000000);

void ft_report_init(ft_report *report)
{
    ft_mutex_init(&report->lock);
    if (pipe2(report->bell, O_CLOEXEC | O_NONBLOCK) != 0)
        report->bell[0] = report->bell[1] = -1;
    ft_text_init(&report->block, OUTPUT_BYTES_MAX);
}

void ft_report_finish(ft_report *report)
{
    ft_text_finish(&report->block);
    for (int i = 0; i < 2; i++)
        if (report->bell[i] >= 0)
            close(report->bell[i]);
    ft_mutex_finish(&report->lock);
}

static void write_text(const ft_text *text)
{
    if (text->size > 0)
        fwrite(text->data, 1, text->size, stderr);
}

// Takes the block away; the caller holds the lock.
static void clear_block(ft_report *report)
{
    if (report->block_lines > 0)
        fprintf(stderr, "\r\033[%dA\033[J", report->block_lines);
    report->block_lines = 0;
}

static void draw_block(ft_report *report)
{
    if (report->block.failed || report->block.size == 0)
        return;
    write_text(&report->block);
    for (size_t i = 0; i < report->block.size; i++)
        report->block_lines += report->block.data[i] == '\n';
}

// Writes lines above the block.
static void say(ft_report *report, ft_text *lines)
{
    ft_mutex_lock(&report->lock);
    bool had_block = report->block_lines > 0;
    clear_block(report);
    write_text(lines);
    if (had_block)
        draw_block(report);
    ft_mutex_unlock(&report->lock);
    ft_text_finish(lines);
}

void ft_report_log(void *host, ft_log_level level, const char *from, const char *line)
{
    static const char *const words[] = {"error", "warning", "info", "debug"};
    ft_report *report = host;
    ft_text text;

    ft_text_init(&text, OUTPUT_BYTES_MAX);
    if (report->json)
        ft_report_put_log_event(level, from, line, &text);
    else
        ft_text_format(&text, "ftpipe: %s: `%s`: %s\n", words[level], from, line);
    say(report, &text);
}

// The item's text on one line, for people: what does not print is a dot.
static void put_excerpt(ft_text *out, ft_slice text)
{
    ft_text_append_string(out, "    ");
    for (size_t i = 0; i < text.size;) {
        size_t left = text.size - i < 4 ? text.size - i : 4, size = 0;
        if ((unsigned char)text.data[i] >= 0x20 && text.data[i] != 0x7f &&
            ft_utf8_valid_prefix((ft_slice){text.data + i, left}) > 0)
            ft_utf8_next((ft_slice){text.data + i, left}, &size);
        if (size > 0)
            ft_text_append(out, (ft_slice){text.data + i, size});
        else
            ft_text_append_char(out, '.');
        i += size > 0 ? size : 1;
    }
    ft_text_append_char(out, '\n');
}

void ft_report_item_error(void *host, const ft_plan_node *node, const char *place, ft_slice text,
                          const ft_error *why)
{
    ft_report *report = host;
    ft_text lines;

    ft_mutex_lock(&report->lock);
    uint64_t number = ++report->item_errors;
    ft_mutex_unlock(&report->lock);
    if (!report->json && (number > FT_REPORT_ITEMS_SHOWN || report->quiet))
        return;
    ft_text_init(&lines, OUTPUT_BYTES_MAX);
    if (report->json) {
        ft_report_put_item_event(node, place, text, why, &lines);
    } else {
        ft_text_format(&lines, "ftpipe: `%s`: %s: %s\n", node->name, place, why->message);
        if (text.size > 0)
            put_excerpt(&lines, text);
        if (why->hint[0])
            ft_text_format(&lines, "  hint: %s\n", why->hint);
        if (number == FT_REPORT_ITEMS_SHOWN)
            ft_text_append_string(&lines, "ftpipe: more failed items are only counted\n");
    }
    say(report, &lines);
}

// Brings rates and shares up to date.
static void look(ft_report *report, const ft_run_stats *stats)
{
    int64_t now = stats->elapsed_ns, passed = now - report->last_ns;
    uint64_t done = stats->items_written + stats->items_dropped + stats->items_failed;

    if (passed < INT64_C(1000000) * TICK_MS / 2)
        return;
    double fresh = (double)(done - report->last_done) / ((double)passed * 1e-9);
    // The rate of about the last three seconds; the first look has nothing to blend with.
    double weight = report->last_ns == 0 ? 1 : (double)passed / ((double)passed + 3e9);
    report->rate += weight * (fresh - report->rate);
    for (size_t i = 0; i < stats->stage_count && i < FT_REPORT_STAGES_MAX; i++) {
        double busy = (double)(stats->stages[i].busy_ns - report->last_busy_ns[i]);
        double share = busy / ((double)passed * ft_report_capacity(stats, i));
        report->share[i] += weight * ((share > 1 ? 1 : share) - report->share[i]);
        report->last_busy_ns[i] = stats->stages[i].busy_ns;
    }
    report->last_ns = now;
    report->last_done = done;
}

static void show(ft_report *report, const ft_run_stats *stats)
{
    bool is_block = report->terminal.is_terminal && !report->json;
    int64_t every = report->json ? event_every_ns : line_every_ns;
    ft_text text;

    if (report->quiet && !report->json)
        return;
    if (is_block) {
        if (stats->elapsed_ns < block_after_ns)
            return;
        report->terminal.columns = ft_terminal_columns();
        ft_mutex_lock(&report->lock);
        ft_text_clear(&report->block);
        ft_report_put_block(report, stats, &report->block);
        clear_block(report);
        draw_block(report);
        ft_mutex_unlock(&report->lock);
        return;
    }
    if (stats->elapsed_ns - report->last_line_ns < every)
        return;
    report->last_line_ns = stats->elapsed_ns;
    ft_text_init(&text, OUTPUT_BYTES_MAX);
    if (report->json)
        ft_report_put_progress_event(report, stats, &text);
    else
        ft_report_put_line(report, stats, &text);
    say(report, &text);
}

static void tell_interrupt(ft_report *report)
{
    ft_text text;

    if (ft_interrupt_count() <= report->told_interrupts)
        return;
    report->told_interrupts = ft_interrupt_count();
    if (report->json)
        return;
    ft_text_init(&text, OUTPUT_BYTES_MAX);
    ft_text_append_string(
        &text, report->told_interrupts == 1
                   ? "ftpipe: stopping: what is in flight is finished; once more: at once\n"
                   : "ftpipe: stopping at once\n");
    say(report, &text);
}

// For how long there is nothing to show; -1: for ever.
static int quiet_ms(const ft_report *report)
{
    if (report->terminal.is_terminal && !report->json && !report->quiet)
        return TICK_MS;
    if (report->json)
        return (int)(event_every_ns / 1000000);
    return report->quiet ? -1 : (int)(line_every_ns / 1000000);
}

static void wait_for_bell(const ft_report *report)
{
    struct pollfd wanted = {.fd = report->bell[0], .events = POLLIN};
    char bytes[16];
    int ms = quiet_ms(report);

    // Without a bell the next tick must do.
    poll(&wanted, 1, report->bell[0] < 0 ? TICK_MS : ms);
    while (report->bell[0] >= 0 && read(report->bell[0], bytes, sizeof(bytes)) > 0)
        continue;
}

static void ring(const ft_report *report)
{
    // A full pipe has rung already.
    ssize_t ignored = report->bell[1] >= 0 ? write(report->bell[1], "!", 1) : 0;
    (void)ignored;
}

static void watch(void *host)
{
    ft_report *report = host;
    ft_run_stats stats;

    while (true) {
        wait_for_bell(report);
        ft_mutex_lock(&report->lock);
        bool stopping = report->stopping;
        ft_mutex_unlock(&report->lock);
        if (stopping)
            return;
        ft_run_get_stats(report->run, &stats);
        look(report, &stats);
        tell_interrupt(report);
        show(report, &stats);
    }
}

void ft_report_start(ft_report *report, ft_run *run)
{
    ft_error ignored = FT_ERROR_INIT;
    ft_text text;

    report->run = run;
    if (report->json) {
        ft_text_init(&text, OUTPUT_BYTES_MAX);
        ft_report_put_start_event(report, &text);
        say(report, &text);
    }
    ft_interrupt_set_bell(report->bell[1]);
    ft_ignore(ft_thread_start(&report->thread, "ftpipe-report", watch, report, &ignored));
}

void ft_report_stop(ft_report *report)
{
    ft_mutex_lock(&report->lock);
    report->stopping = true;
    ft_mutex_unlock(&report->lock);
    ring(report);
    ft_thread_join(&report->thread);
    ft_interrupt_set_bell(-1);
    ft_mutex_lock(&report->lock);
    clear_block(report);
    ft_mutex_unlock(&report->lock);
}

void ft_report_end(ft_report *report, const ft_run_stats *stats, const char *outcome)
{
    ft_text text;

    if (report->quiet && !report->json)
        return;
    ft_text_init(&text, OUTPUT_BYTES_MAX);
    if (report->json) {
        ft_report_put_end_event(report, stats, outcome, &text);
    } else {
        if (report->item_errors > FT_REPORT_ITEMS_SHOWN)
            ft_text_format(&text, "ftpipe: %llu more items failed\n",
                           (unsigned long long)(report->item_errors - FT_REPORT_ITEMS_SHOWN));
        ft_report_put_table(report, stats, outcome, &text);
    }
    say(report, &text);
}

// What to type now. The error's own hint says what to change.
static void put_next(ft_text *out, const char *file, const ft_error *err)
{
    if (strcmp(file, "-e") == 0)
        ft_text_append_string(out, "next: mend the line, and run it again\n");
    else if (err->code == FT_ERROR_DATA)
        ft_text_format(out,
                       "next: write `on_error: skip` in the stage, or read its `errors`; then "
                       "ftpipe run %s\n",
                       file);
    else
        ft_text_format(out, "next: ftpipe check --deep %s\n", file);
}

void ft_report_failure(ft_report *report, const char *file, const ft_plan_node *node,
                       const ft_error *err)
{
    ft_text text;

    ft_text_init(&text, OUTPUT_BYTES_MAX);
    if (report->json) {
        ft_report_put_error_event(node, err, &text);
    } else {
        ft_text_format(&text, "ftpipe: %s: ", file);
        if (node)
            ft_text_format(&text, "`%s`: ", node->name);
        ft_text_format(&text, "%s\n", err->message);
        if (err->hint[0])
            ft_text_format(&text, "  %s\n", err->hint);
        put_next(&text, file, err);
    }
    if (text.failed)  // Not even this much memory: the message itself needs none.
        fprintf(stderr, "ftpipe: %s: %s\n", file, err->message);
    else
        say(report, &text);
    ft_text_finish(&text);
}
