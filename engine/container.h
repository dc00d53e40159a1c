// Containers, from the engine's side: the functions of a stage whose work is done by a child
// process. A call is a question and an answer; what the answer says is told to the engine at the
// end (known.h), so a child that ends in the middle has changed nothing. Then another one is
// forked, and the batch is asked about item by item: one that ends its child alone has failed.
#pragma once

#include "engine/chain.h"

// Replaces the functions of a copy of a stage's def. `is_first`: of the first stage of a chain,
// which asks; the others are told.
void ft_container_take_def(ft_stage_def *def, bool is_first);
size_t ft_container_size_bytes(void);
// Ends all containers of the chain; those that are at work too.
void ft_containers_close(ft_chain *chain);
