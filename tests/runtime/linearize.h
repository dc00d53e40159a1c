// Linearizability of recorded histories (Herlihy and Wing, 1990): whether there is an order of the
// operations, each at one moment between its start and its end, in which a sequential specification
// gives the very results that were seen.
//
// The search is Wing and Gong's (1993) with Lowe's memory of what was tried ("Testing for
// linearizability", 2017): a set of operations and the state that they led to are looked at once.
// Where a history falls apart into independent ones (a dict's keys), each is searched alone, which
// is sound since linearizability is local.
#pragma once

#include "runtime/compiler.h"

enum { LIN_OPS_MAX = 64, LIN_CELLS = 128, LIN_PARTS_MAX = 32 };

typedef struct lin_op {
    int kind;        // As the specification numbers them.
    int64_t part;    // Operations on different parts are independent.
    int64_t a, b;    // Arguments,
    int64_t result;  // and results.
    bool ok;
    // May have had no effect and any result that its specification calls idle, since another
    // operation was under way; set by lin_mark_overlapping.
    bool may_be_idle;
    uint64_t start, end;  // Of a clock that all threads share.
} lin_op;

typedef struct lin_state {
    int32_t count;
    int32_t cells[LIN_CELLS];
} lin_state;

typedef struct lin_spec {
    const char *name;
    // Applies it; false when it cannot have given what it gave in this state.
    bool (*step)(lin_state *state, const lin_op *op);
    const char *(*op_name)(int kind);
} lin_spec;

typedef enum lin_verdict {
    LIN_YES,
    LIN_NO,
    LIN_GAVE_UP,  // The budget ran out: an error, never a pass.
} lin_verdict;

typedef struct lin_checker lin_checker;
lin_checker *lin_checker_create(uint64_t states_most);  // NULL without memory.
void lin_checker_destroy(lin_checker *checker);
// `first`: the state before. At most LIN_OPS_MAX operations a part.
lin_verdict lin_check(lin_checker *checker, const lin_spec *spec, const lin_state *first,
                      const lin_op *ops, size_t count);
uint64_t lin_states(const lin_checker *checker);  // Looked at so far, in all checks.

// For specifications that say "it is refused while another is under way": marks operations of
// `kind` that overlap one of `other`.
void lin_mark_overlapping(lin_op *ops, size_t count, int kind, int other);
// How many pairs of operations overlap: a history without any proves nothing.
size_t lin_overlaps(const lin_op *ops, size_t count);
void lin_print(const lin_spec *spec, const lin_op *ops, size_t count);
