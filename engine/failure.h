// What happens when an item, or a stage, fails.
#pragma once

#include "engine/graph.h"

// The host's `item_fail`: counts the item, tells who wants to know, and routes it, skips it or
// stops the run.
bool ft_item_failed(ft_stage *self, const ft_batch *batch, size_t item, const ft_error *why,
                    ft_error *err);
// An item that fails here stops the run.
bool ft_failure_stops(const ft_node *node);
// Takes back that `count` items failed: their batch is done again in halves.
void ft_failure_undo(ft_run *run, uint64_t count);
// The run fails, and what has `ticket` comes at or behind the place where.
bool ft_failure_is_before(ft_run *run, ft_ticket ticket);
// At the end of the run: more failed than run.max_errors allows as a share.
bool ft_failure_check_share(ft_run *run, ft_error *err) FT_MUST_CHECK;
