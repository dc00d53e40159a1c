// Snapshots of what a run has done so far.
#pragma once

#include "engine/graph.h"

bool ft_stats_init(ft_run *run, ft_error *err) FT_MUST_CHECK;
