// Inside a container: the child's end. Runs the stages of a chain on what it is sent, one batch
// after the other, and sends back what became of it.
#pragma once

#include "engine/chain.h"

// The frames. The child sends OPENED or RESULT for each question, and LOG at any time before.
typedef enum ft_frame_kind {
    FT_FRAME_BATCH = 1,  // A batch for the first stage.
    FT_FRAME_FLUSH,      // u32: which stage of the chain is to be flushed.
    FT_FRAME_CLOSE,      // Close and end.
    FT_FRAME_OPENED,     // u32 which stage failed, error; empty: all are open.
    FT_FRAME_RESULT,     // What is known of the first stage, or of the one that was flushed.
    FT_FRAME_REFUSED,    // error: the batch as a whole needs more memory than there is.
    FT_FRAME_LOG,        // u32 level, name\0, line\0
} ft_frame_kind;

// Loads what the stages of `chain` share; of all that are isolated if it is NULL.
bool ft_container_load(ft_run *run, const ft_chain *chain, const ft_plan_node **out_node,
                       ft_error *err) FT_MUST_CHECK;
FT_NORETURN void ft_container_main(ft_run *run, const ft_chain *chain, size_t slot, const int *fds,
                                   size_t count);
