// One collection: the steps of runtime/memory/collector.h, on candidates that are handed to it.
//
// Any thread may do it, several at a time on different objects: an object is looked at by who has
// claimed it, and one that somebody else has claimed counts as outside. Then the candidate is kept
// for another time, since a cycle that two hold half of is found by neither.
#pragma once

#include "runtime/memory/collector.h"

typedef struct ft_collection {
    uint16_t self;            // The lease's id, for `claim`.
    size_t bound;             // A larger subgraph is put aside.
    uint32_t first_group;     // Of this collection: the same object is not gone through twice.
    ft_cyclic *suspects;      // Subgraphs that are suspected, by `next`.
    size_t suspected;         // Their objects.
    ft_cyclic *kept, *large;  // Candidates to be looked at again; those put aside.
    uint64_t examined;
    // Of the subgraph under way.
    uint32_t group;
    ft_cyclic *first, *last;
    size_t count;
    bool is_over;     // It has passed the bound.
    bool met_others;  // Somebody else has claimed a part of it.
    ft_cyclic *live;  // Whose fields are still to be gone through.
} ft_collection;

void ft_collection_begin(ft_collection *collection, size_t bound);
// Steps 1 to 3. The caller's entry for the candidate is gone afterwards: it is free, released, or
// in `suspects`, `kept` or `large`.
void ft_collection_examine(ft_collection *collection, ft_cyclic *candidate);
// The same with all of a list (by `next`) as one subgraph: what they lead to together is gone
// through once. But if a part of it changes, all is given up.
void ft_collection_examine_all(ft_collection *collection, ft_cyclic *candidates);
// Tags what is suspected, so that it may be handed on, and gives it: NULL, there is none.
ft_cyclic *ft_collection_take_suspects(ft_collection *collection);

// Steps 5 and 6 on one suspected subgraph whose tag is past; on any thread. Returns how many
// objects were in it; 0: given up, and the candidate is noted again.
size_t ft_collection_finish(ft_cyclic *first);
uint64_t ft_collection_given_up(void);  // Subgraphs that changed, ever.

// The count of an unbuffered object came to 0, or that of one whose BUFFERED the caller holds.
// Destroys it after a grace period; what it leads to as well, without recursion.
void ft_cyclic_die(ft_cyclic *cyclic);
// Of collector.c: puts it, which is BUFFERED, into the list of the calling thread's lease.
void ft_collector_note(ft_cyclic *cyclic);
