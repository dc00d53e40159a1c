// Which fields of each edge are read by something downstream, so that the others need not be made
// or carried.
#pragma once

#include "engine/plan.h"

// What one node reads of its input, as its `plan` and its `when` say.
typedef struct ft_node_reads {
    bool *reads;  // [input.count]
    bool all;     // Every field, @raw too.
} ft_node_reads;

// Fills `live` of every node; `order` lists the nodes upstream first. Adds to `reads` what leaves
// through errors ports.
bool ft_plan_find_live(ft_plan *plan, ft_node_reads *reads, const uint32_t *order,
                       ft_error *err) FT_MUST_CHECK;
