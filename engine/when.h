// `when:`: which items a stage gets to see.
#pragma once

#include "engine/graph.h"

// Runs the items for which the condition holds through the stage; the others pass by. Takes
// `batch`.
bool ft_when_process(ft_instance *instance, ft_batch *batch, ft_error *err) FT_MUST_CHECK;
// A batch (or a slice of one) through the stage; in turn.c.
bool ft_turn_process(ft_instance *instance, ft_batch *batch, ft_error *err) FT_MUST_CHECK;
