// Chains: nodes whose stages run in containers, child processes that do the stage's work for the
// engine. All the rest stays where it is: order, `when`, retries, `on_error`, error ports, counts
// and memory are the engine's, which sees a stage like any other: its def has functions that ask
// the container (container.h).
//
//   isolate: process      a chain of one; frames in shared memory; what the stage loads is loaded
//   on_runaway: process   once, before the containers are forked, which share it
//   --processes N         consecutive parallel transforms; N containers for all of them; frames in
//                         pipes; each container loads for itself
//
// Turns that ask a container wait for it, so they run on the blocking pool: workers go on.
#pragma once

#include "engine/graph.h"

typedef struct ft_container ft_container;

struct ft_chain {
    ft_run *run;
    ft_chain *next;  // In the order of the graph's nodes.
    size_t index;
    ft_node **nodes;  // [count], upstream first; the first one asks, the others are told.
    size_t count;
    bool is_shared;            // Frames lie in shared memory.
    bool kills;                // A call that takes too long is ended.
    bool keeps_state;          // What a container has seen cannot be had again.
    ft_container *containers;  // [room], one for each instance of the first node.
    size_t room;
    ft_atomic_u32 crashes;  // In a row.
    uint64_t flushed;       // Bits: stages that have been.
};

// Does the stage run in a container?
bool ft_chain_is_contained(const ft_run *run, const ft_plan_node *plan);
// Finds the chains; before the nodes are built.
bool ft_chains_build(ft_run *run, ft_error *err) FT_MUST_CHECK;
// Gives a node that is in a chain its def; after its mode is set.
bool ft_chain_join(ft_node *node, ft_error *err) FT_MUST_CHECK;
// The node has ended: with the last one the containers end.
void ft_chain_node_ended(ft_node *node);
void ft_chains_close(ft_run *run);
size_t ft_chain_counters(const ft_node *node);
