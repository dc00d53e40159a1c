// From a checked plan to the graph that runs.
#pragma once

#include "engine/graph.h"

bool ft_graph_build(ft_run *run, ft_error *err) FT_MUST_CHECK;
void ft_graph_finish(ft_run *run);
