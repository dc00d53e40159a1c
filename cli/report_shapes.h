// Shapes of the report: each fills a text. Used by report.c only.
#pragma once

#include "cli/report.h"

// Index of the stage that limits the run, by `share`; -1 when none is busy enough to say so.
int ft_report_bottleneck(const ft_run_stats *stats, const double *share);
// How many of its threads a stage may use at once.
double ft_report_capacity(const ft_run_stats *stats, size_t stage);

void ft_report_put_block(const ft_report *report, const ft_run_stats *stats, ft_text *out);
void ft_report_put_line(const ft_report *report, const ft_run_stats *stats, ft_text *out);
void ft_report_put_table(const ft_report *report, const ft_run_stats *stats, const char *outcome,
                         ft_text *out);

void ft_report_put_start_event(const ft_report *report, ft_text *out);
void ft_report_put_progress_event(const ft_report *report, const ft_run_stats *stats, ft_text *out);
void ft_report_put_end_event(const ft_report *report, const ft_run_stats *stats,
                             const char *outcome, ft_text *out);
void ft_report_put_item_event(const ft_plan_node *node, const char *place, ft_slice text,
                              const ft_error *why, ft_text *out);
void ft_report_put_log_event(ft_log_level level, const char *from, const char *line, ft_text *out);
void ft_report_put_error_event(const ft_plan_node *node, const ft_error *err, ft_text *out);
