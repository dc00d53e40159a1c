// The zygote: a child that is forked before the run has threads or models, and from which
// containers are forked, and forked again after a crash. A process with threads cannot be forked
// safely (locks that some thread held stay held for ever in the child); the zygote never has any.
//
// It has the plan and the graph, loads what isolated stages share, and then answers requests on a
// socket, one at a time: fork a container, end one and say how it ended. Containers are its
// children, so it is the only one that may wait for them, and a process id that it sends a signal
// to cannot be another's. It ends with the parent, by the end of the socket or by the parent's
// death, and the containers end with it.
#pragma once

#include <sys/types.h>

#include "engine/chain.h"
#include "runtime/system/channel.h"

typedef struct ft_zygote ft_zygote;

// Forks it, if the run has chains; waits until it has loaded. `*out_node`: whose load failed.
bool ft_zygote_start(ft_run *run, const ft_plan_node **out_node, ft_error *err) FT_MUST_CHECK;
void ft_zygote_stop(ft_run *run);
// Any thread. A container for instance `slot` of the chain; its end of the channel is `far`.
bool ft_zygote_fork(ft_run *run, const ft_chain *chain, size_t slot, const int far[FT_CHANNEL_FDS],
                    size_t far_count, pid_t *out, ft_error *err) FT_MUST_CHECK;
// Any thread. Ends the container if it has not ended yet; `*out_status` as of waitpid. False: it
// cannot be ended, or the zygote is gone.
bool ft_zygote_end(ft_run *run, pid_t pid, int *out_status, ft_error *err) FT_MUST_CHECK;
// Readable from when the run is stopped at once.
int ft_zygote_stop_fd(const ft_run *run);
void ft_zygote_cancel(ft_run *run);
