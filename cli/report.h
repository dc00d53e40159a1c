// What a person (or with --json a program) sees of a run on stderr: log lines, failed items,
// progress, the end.
//
// A thread of its own looks at the run: five times a second on a terminal, where it redraws a block
// in place; else when the next line is due, each ten seconds; with `quiet` never, so that an idle
// run stays asleep. A bell wakes it for signals and for the end. Whatever else is to be written
// takes the block away first and lets it come back.
#pragma once

#include "cli/terminal.h"
#include "engine/run.h"
#include "runtime/concurrent/lock.h"
#include "runtime/log.h"
#include "runtime/system/thread.h"

enum { FT_REPORT_ITEMS_SHOWN = 10, FT_REPORT_STAGES_MAX = 64 };

typedef struct ft_report {
    // Settings, before start.
    const char *name;  // Of the pipeline.
    const ft_plan *plan;
    ft_terminal terminal;
    bool quiet, json;
    // Guarded by `lock`, but for the thread's own.
    ft_mutex lock;
    bool stopping;
    int bell[2];           // A pipe: read end, write end; -1: there is none.
    int block_lines;       // Of the block that stands on the terminal; 0: none.
    uint64_t item_errors;  // That came.
    ft_text block;         // What stands there, to be put back.
    ft_run *run;
    ft_thread thread;
    // The thread's own: the last look, for rates.
    int64_t last_ns, last_line_ns;
    uint64_t last_done;
    double rate;
    int64_t last_busy_ns[FT_REPORT_STAGES_MAX];
    double share[FT_REPORT_STAGES_MAX];  // Busy, of what its instances could be.
    int told_interrupts;
} ft_report;

void ft_report_init(ft_report *report);
void ft_report_finish(ft_report *report);
// As a log sink and as ft_run_settings.on_item_error; `host` is the report.
void ft_report_log(void *host, ft_log_level level, const char *from, const char *line);
void ft_report_item_error(void *host, const ft_plan_node *node, const char *place, ft_slice text,
                          const ft_error *why);
// Watches the run until stop, which takes the block away. Without a thread (err is dropped) there
// is no progress.
void ft_report_start(ft_report *report, ft_run *run);
void ft_report_stop(ft_report *report);
// The end: a table and totals, or an `end` event.
void ft_report_end(ft_report *report, const ft_run_stats *stats, const char *outcome);
// The failure that ended the run, with the next command to try.
void ft_report_failure(ft_report *report, const char *file, const ft_plan_node *node,
                       const ft_error *err);
