// Is a history of operations linearizable? (Wing and Gong 1993, with Lowe's memory of the pairs of
// done operations and state that led nowhere.)
#include <string.h>

#include "tests/mc/mc_state.h"

enum { MEMORY = 512 };

static mc_operation operations[MC_HISTORY_OPS];
static int operation_count;

typedef struct failure {
    unsigned done;
    char state[MC_HISTORY_STATE];
} failure;
static failure failures[MEMORY];
static int failure_count;

void mc_history_reset(void)
{
    operation_count = 0;
}

mc_operation *mc_begin(int kind, int64_t argument)
{
    if (operation_count == MC_HISTORY_OPS)
        mc_fail("more than %d operations", MC_HISTORY_OPS);
    mc_operation *o = &operations[operation_count++];
    *o = (mc_operation){.kind = kind, .argument = argument, .thread = mc->self};
    memcpy(o->begin, mc->threads[mc->self].clock.at, sizeof(o->begin));
    return o;
}

void mc_end(mc_operation *operation, int64_t result)
{
    operation->result = result;
    operation->end = mc->threads[mc->self].clock.at[mc->self];
    operation->done = true;
}

static bool must_wait(int i, unsigned done)
{
    for (int j = 0; j < operation_count; j++) {
        const mc_operation *before = &operations[j];
        bool is_before = before->thread == operations[i].thread
                             ? j < i
                             : before->end <= operations[i].begin[before->thread];
        if (!(done >> j & 1) && is_before)
            return true;
    }
    return false;
}

static bool try_all(unsigned done, const char *state,
                    bool (*apply)(void *state, const mc_operation *operation))
{
    if (done == (1u << operation_count) - 1)
        return true;
    for (int i = 0; i < failure_count; i++)
        if (failures[i].done == done && memcmp(failures[i].state, state, MC_HISTORY_STATE) == 0)
            return false;
    for (int i = 0; i < operation_count; i++) {
        _Alignas(16) char next[MC_HISTORY_STATE];
        if (done >> i & 1 || must_wait(i, done))
            continue;
        memcpy(next, state, sizeof(next));
        if (apply(next, &operations[i]) && try_all(done | 1u << i, next, apply))
            return true;
    }
    if (failure_count < MEMORY) {
        failures[failure_count].done = done;
        memcpy(failures[failure_count++].state, state, MC_HISTORY_STATE);
    }
    return false;
}

bool mc_is_linearizable(bool (*apply)(void *state, const mc_operation *operation))
{
    const _Alignas(16) char empty[MC_HISTORY_STATE] = {0};

    failure_count = 0;
    return try_all(0, empty, apply);
}
