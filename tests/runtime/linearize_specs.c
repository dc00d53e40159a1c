// See linearize_specs.h.
#include "tests/runtime/linearize_specs.h"

#include <string.h>

static const char *op_name(int kind)
{
    static const char *const names[LIN_KINDS] = {
        [LIN_GET] = "get",       [LIN_SET] = "set",         [LIN_DELETE] = "delete",
        [LIN_ADD] = "add",       [LIN_CAS] = "cas",         [LIN_GET_OR_SET] = "get_or_set",
        [LIN_UPDATE] = "update", [LIN_APPEND] = "append",   [LIN_PUSH] = "push",
        [LIN_POP] = "pop",       [LIN_POP_ALL] = "pop_all", [LIN_COUNT] = "count",
        [LIN_SUM] = "sum",
    };
    return names[kind];
}

// ---- one key of a dict, of a set ----

static int32_t there(const lin_state *state)
{
    return state->count ? state->cells[0] : LIN_NOTHING;
}

static bool put(lin_state *state, int64_t value)
{
    state->count = value != LIN_NOTHING;
    state->cells[0] = (int32_t)value;
    return true;
}

static bool dict_step(lin_state *state, const lin_op *op)
{
    int64_t now = there(state), sum = (now == LIN_NOTHING ? 0 : now) + op->a;

    switch (op->kind) {
    case LIN_GET:
        return op->ok ? now == op->result : now == LIN_NOTHING;
    case LIN_SET:
        return put(state, op->a);
    case LIN_DELETE:
        return op->ok == (now != LIN_NOTHING) && put(state, LIN_NOTHING);
    case LIN_ADD:
        return op->result == sum && put(state, sum);
    case LIN_CAS:
        return op->ok == (now == op->a) && (!op->ok || put(state, op->b));
    case LIN_GET_OR_SET:
        return now == LIN_NOTHING ? op->result == op->a && put(state, op->a) : op->result == now;
    case LIN_UPDATE:
        sum = lin_updated(now == LIN_NOTHING ? 0 : now);
        return op->result == sum && put(state, sum);
    default:
        return false;
    }
}

static bool set_step(lin_state *state, const lin_op *op)
{
    bool is_member = state->count > 0;

    switch (op->kind) {
    case LIN_GET:
        return op->ok == is_member;
    case LIN_ADD:
        return op->ok == !is_member && put(state, 1);
    case LIN_DELETE:
        return op->ok == is_member && put(state, LIN_NOTHING);
    default:
        return false;
    }
}

// ---- sequences ----

static bool append(lin_state *state, int64_t value)
{
    state->cells[state->count++] = (int32_t)value;
    return state->count < LIN_CELLS;
}

static bool pop_last(lin_state *state, const lin_op *op)
{
    if (!op->ok)
        return state->count == 0;
    return state->count > 0 && state->cells[--state->count] == op->result;
}

static bool list_step(lin_state *state, const lin_op *op)
{
    bool inside = op->a >= 0 && op->a < state->count;

    switch (op->kind) {
    case LIN_APPEND:
        return op->result == state->count && append(state, op->a);
    case LIN_GET:
        return op->ok ? inside && state->cells[op->a] == op->result : !inside;
    case LIN_SET:
        if (op->ok && inside)
            state->cells[op->a] = (int32_t)op->b;
        return op->ok == inside;
    case LIN_POP:
        return pop_last(state, op);
    case LIN_COUNT:
        return op->result == state->count;
    default:
        return false;
    }
}

static bool stack_step(lin_state *state, const lin_op *op)
{
    int64_t mixed = 0;

    switch (op->kind) {
    case LIN_PUSH:
        return append(state, op->a);
    case LIN_POP:
        return pop_last(state, op);
    case LIN_POP_ALL:
        while (state->count > 0)
            mixed = lin_mix(mixed, state->cells[--state->count]);
        return op->result == mixed;
    default:
        return false;
    }
}

// Full and empty may be said as well while another takes or puts (queue.h).
static bool queue_step(lin_state *state, const lin_op *op)
{
    int32_t room = state->cells[0], count = state->count - 1;

    if (!op->ok && op->may_be_idle)
        return true;
    switch (op->kind) {
    case LIN_PUSH:
        return op->ok ? count < room && append(state, op->a) : count == room;
    case LIN_POP:
        if (!op->ok || count == 0)
            return !op->ok && count == 0;
        if (state->cells[1] != op->result)
            return false;
        memmove(&state->cells[1], &state->cells[2], (size_t)(count - 1) * sizeof(state->cells[0]));
        state->count--;
        return true;
    default:
        return false;
    }
}

static bool counter_step(lin_state *state, const lin_op *op)
{
    if (op->kind == LIN_ADD)
        state->cells[0] += (int32_t)op->a;
    return op->kind == LIN_ADD || op->result == state->cells[0];
}

const lin_spec lin_dict = {"dict", dict_step, op_name};
const lin_spec lin_set = {"set", set_step, op_name};
const lin_spec lin_list = {"list", list_step, op_name};
const lin_spec lin_stack = {"stack", stack_step, op_name};
const lin_spec lin_queue = {"queue", queue_step, op_name};
const lin_spec lin_counter = {"exact counter", counter_step, op_name};
