// Instances: a stage with a state of its own, for one worker at a time.
#pragma once

#include "engine/graph.h"

// The instance of `node` for this worker, opened.
ft_instance *ft_instance_get(ft_worker *worker, ft_node *node, ft_error *err);
// `worker`: whose turn it is for, which may be left behind meanwhile (ft_watch_go_on); NULL: the
// caller watches over it.
bool ft_instance_open(ft_node *node, size_t slot, ft_worker *worker, ft_instance **out,
                      ft_error *err) FT_MUST_CHECK;
void ft_instance_close(ft_instance *instance);
// The turn is over: somebody else may have it.
void ft_instance_put(ft_instance *instance);
// What the stage sees of the node.
void ft_instance_fill(ft_stage *stage, const ft_node *node, size_t slot);
// False: a column is missing that something downstream reads.
bool ft_instance_check_live(const ft_node *node, const ft_batch *batch,
                            ft_error *err) FT_MUST_CHECK;
// Drops the columns that nothing downstream reads.
bool ft_instance_drop_dead(const ft_node *node, ft_batch **batch, ft_error *err) FT_MUST_CHECK;
// The run is being stopped at once.
static inline bool ft_run_is_stopped(const ft_run *run)
{
    return ft_atomic_load(&run->stop, FT_RELAXED) == FT_STOP_NOW;
}
