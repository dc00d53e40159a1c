// What `run --profile-locks` has to say at the end: contended locks, who holds them, whether one of
// them makes the run a queue; and what each stage keeps for every instance.
#pragma once

#include "cli/report.h"

// Before the run is created / when it is over.
void ft_report_locks_start(void);
void ft_report_locks_stop(void);
void ft_report_locks_put_text(const ft_run_stats *stats, ft_text *out);
// {"v":1,"locks":[...],"memory":[...],"bottleneck":...}
void ft_report_locks_put_json(const ft_run_stats *stats, ft_text *out);
