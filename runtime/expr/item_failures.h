// The items of a batch that an expression cannot take, for stages that evaluate several over one
// batch: each such item is told to the engine once and left out of what goes on.
#pragma once

#include "runtime/stage.h"

typedef struct ft_item_failures {
    ft_stage *stage;
    const ft_batch *batch;  // Of this call; NULL between calls.
    uint8_t *failed;        // [capacity]
    size_t capacity, count;
    ft_expr_run run;  // What to evaluate with.
} ft_item_failures;

void ft_item_failures_init(ft_item_failures *failures, ft_stage *stage);
void ft_item_failures_finish(ft_item_failures *failures);  // A zeroed one is fine.
bool ft_item_failures_start(ft_item_failures *failures, const ft_batch *batch,
                            ft_error *err) FT_MUST_CHECK;
// Leaves the failed items out of `*batch`, whose items are those of the batch that was started
// with. An empty batch may be left.
bool ft_item_failures_leave_out(const ft_item_failures *failures, ft_batch **batch,
                                ft_error *err) FT_MUST_CHECK;
