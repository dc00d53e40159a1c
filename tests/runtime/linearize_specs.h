// What each shared collection promises, as a step from state to state. A dict's and a set's keys
// are parts of their own; the others are wholes.
#pragma once

#include "tests/runtime/linearize.h"

typedef enum lin_kind {
    LIN_GET,         // a dict's or list's: result, ok when there is one
    LIN_SET,         // dict: a; list: index a becomes b, ok when it is long enough
    LIN_DELETE,      // ok: it was there
    LIN_ADD,         // dict and counter: by a, result the sum; set: ok when it was new
    LIN_CAS,         // from a to b, ok when done; LIN_NOTHING: nothing is there
    LIN_GET_OR_SET,  // a, result what is there then
    LIN_UPDATE,      // x becomes lin_updated(x), result that; nothing counts as 0
    LIN_APPEND,      // list: a, result its index
    LIN_PUSH,        // stack and queue: a; queue: ok when there was room
    LIN_POP,         // list, stack, queue: result, ok when there was one
    LIN_POP_ALL,     // stack: result mixes them all, in order
    LIN_COUNT,       // list: result
    LIN_SUM,         // counter: result
    LIN_KINDS,
} lin_kind;
enum { LIN_NOTHING = -1 };

extern const lin_spec lin_dict, lin_set, lin_list, lin_stack, lin_counter;
// cells[0] is the capacity, the rest the values, the oldest first.
extern const lin_spec lin_queue;

// Neither commutes with itself and add, nor grows.
static inline int64_t lin_updated(int64_t x)
{
    return (2 * x + 1) % 100003;
}

// What LIN_POP_ALL's result is made of: for each value, the first taken first.
static inline int64_t lin_mix(int64_t mixed, int64_t value)
{
    return (int64_t)((uint64_t)mixed * 1000003 + (uint64_t)value + 1);
}
