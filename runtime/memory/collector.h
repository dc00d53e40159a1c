// The cycle collector: finds garbage that counts cannot find, beside the program that makes it. It
// stops nobody and takes no lock that others take.
//
// Candidates are cyclic objects that lost a reference and have some left. The collector follows
// what a candidate leads to and counts how many references on each object come from inside; where
// all of them do, the whole is suspected, and freed if nothing has changed a grace period later:
//
//   1  go through the subgraph S of the candidate; w[v] = v's word, read before v's fields
//   2  v has as many references as were seen from S? else v lives, and what it leads to
//   3  mark the rest: compare-and-swap w[v] -> w[v] | TENTATIVE; a failure gives S up
//   4  wait for a grace period: whoever had borrowed a pointer into S has let go of it
//   5  every word still w[v] | TENTATIVE? else give S up
//   6  drop all references that members of S hold: their counts come to 0; free them
//
// (Bacon and Rajan 2001, whose sigma test is 2 and delta test 5. Here, `seq` in the word does for
// their colours and buffers of increments.)
//
// Why it is right. Every word is unchanged from before its object's fields were read until 5, so
// no reference on a member was made or dropped in that time. What was taken out of a member's field
// and seen again in another would be counted twice; but who takes something out bumps the
// container's seq first (ft_object_note_move). So all references that were seen are different
// ones, and as many as there are: each was in a member's field when it was seen. Could one have
// been taken out since? Whoever did it first held a counted reference on the container while it
// did, one that it kept until behind the bump; but all of those were in fields, and nobody took any
// out before. And a reader that borrowed a pointer by another way began before the last reference
// came into S, so step 4 has waited for it, and what it made of its pointer changed a word. Three
// rules carry this:
//
//   - who changes the fields of an object holds a counted reference on it, and bumps behind it
//   - a borrowed pointer becomes a reference by ft_object_try_ref alone
//   - what is traced may be read at any time inside a section (ft_object_type.trace)
//
// tests/model/collector.pml is the algorithm in every state that it can reach, and what happens
// without each of its steps.
//
// All of the collector's own notes are in the objects (ft_cyclic), so it needs no memory to free
// some. FT_SHARED_BUFFERED in an object's word says that somebody will look at it, a list of
// candidates or a collection, and frees it when it is dead. `claim` says which lease is looking
// at it now; only its holder takes BUFFERED away.
#pragma once

#include "runtime/memory/account.h"
#include "runtime/memory/refcount.h"

// How every cyclic object begins. What follows the object is the collector's.
typedef struct ft_cyclic ft_cyclic;
struct ft_cyclic {
    ft_object object;
    ft_cyclic *next;  // Of a list: of candidates, of suspected subgraphs, of those dying.
    ft_cyclic *link;  // Of the subgraph.
    uint64_t word;    // w[v].
    union {
        uint64_t inside;  // References seen from the subgraph.
        ft_cyclic *next_live;
        uint64_t tag;  // Of a suspected subgraph's first: the epoch.
    };
    ft_atomic_u16 claim;  // Id of a lease; 0: nobody is looking at it. Guards all but `next`.
    uint16_t by : 12;     // Which lease went through it last,
    uint16_t state : 4;   // as what,
    uint32_t group;       // and in which of its subgraphs.
};

extern ft_atomic_u32 ft_collector_is_ready;
void ft_collector_make_ready(void);

// With one reference, shared from the start.
static inline void ft_cyclic_init(ft_cyclic *cyclic, const ft_object_type *type)
{
    // Relaxed: making it ready twice does no harm.
    if (FT_UNLIKELY(!ft_atomic_load(&ft_collector_is_ready, FT_RELAXED)))
        ft_collector_make_ready();
    ft_object_init_shared(&cyclic->object, type);
    // Relaxed: the object is not reachable yet.
    ft_atomic_store(&cyclic->claim, 0, FT_RELAXED);
    cyclic->by = cyclic->state = 0;
}

// Somebody takes memory for what may be garbage soon: much of it wakes the collector early.
void ft_collector_owe(size_t size_bytes);
// A charge of `size_bytes` did not fit: collects at once and waits for it, at most some seconds.
// True when there is room for it, or at least more than before. Not under a lock.
bool ft_collector_make_room(ft_account *account, size_t size_bytes) FT_MUST_CHECK;
// Collects until there is nothing left to look at, and destroys what was retired: at the end of a
// run.
void ft_collector_drain(void);
// Between two turns: does a share of the collecting when the lease makes candidates faster than
// they are looked at.
void ft_collector_turn_end(ft_lease *lease);

typedef struct ft_collector_stats {
    uint64_t passes;     // Times that the collector's thread looked for candidates.
    uint64_t examined;   // Objects that were gone through.
    uint64_t collected;  // Objects in cycles that were freed.
    uint64_t given_up;   // Subgraphs that changed meanwhile.
    uint64_t assists;    // Shares done by others.
} ft_collector_stats;
ft_collector_stats ft_collector_get_stats(void);
