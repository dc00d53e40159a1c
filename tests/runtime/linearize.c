// See linearize.h. Sets of operations are 64-bit masks; what was tried is in a hash table.
#include "tests/runtime/linearize.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/error.h"
#include "runtime/slice.h"

typedef struct {
    uint64_t done;  // The operations so far; never 0 in a slot that is used.
    lin_state state;
} tried;

struct lin_checker {
    uint64_t most, used, all;
    uint64_t mask;
    tried *table;
    uint32_t *stamps;  // A slot is used when its stamp is `stamp`: clearing costs nothing.
    uint32_t stamp;
    // Of the part that is being searched.
    const lin_spec *spec;
    lin_op ops[LIN_OPS_MAX];
    size_t count;
};

lin_checker *lin_checker_create(uint64_t states_most)
{
    lin_checker *made = calloc(1, sizeof(*made));
    uint64_t slots = 64;

    while (slots < 2 * states_most)
        slots *= 2;
    if (!made)
        return NULL;
    made->most = states_most;
    made->mask = slots - 1;
    made->table = malloc((size_t)slots * sizeof(*made->table));
    made->stamps = calloc((size_t)slots, sizeof(*made->stamps));
    if (made->table && made->stamps)
        return made;
    lin_checker_destroy(made);
    return NULL;
}

void lin_checker_destroy(lin_checker *checker)
{
    if (!checker)
        return;
    free(checker->table);
    free(checker->stamps);
    free(checker);
}

uint64_t lin_states(const lin_checker *checker)
{
    return checker->all;
}

static size_t state_bytes(const lin_state *state)
{
    return offsetof(lin_state, cells) + (size_t)state->count * sizeof(state->cells[0]);
}

static bool is_same(const lin_state *a, const lin_state *b)
{
    return a->count == b->count && memcmp(a, b, state_bytes(a)) == 0;
}

// Notes it down; LIN_NO: it was tried before.
static lin_verdict note(lin_checker *c, uint64_t done, const lin_state *state)
{
    uint64_t hash = ft_hash((ft_slice){(const char *)state, state_bytes(state)}, done);

    for (uint64_t at = hash & c->mask;; at = (at + 1) & c->mask) {
        if (c->stamps[at] != c->stamp) {
            if (c->used == c->most)
                return LIN_GAVE_UP;
            c->used++;
            c->all++;
            c->stamps[at] = c->stamp;
            c->table[at].done = done;
            memcpy(&c->table[at].state, state, state_bytes(state));
            return LIN_YES;
        }
        if (c->table[at].done == done && is_same(&c->table[at].state, state))
            return LIN_NO;
    }
}

// An operation may be the next one if none that is left ended before it began.
static lin_verdict search(lin_checker *c, uint64_t done, const lin_state *state)
{
    uint64_t first_end = UINT64_MAX,
             all = c->count == 64 ? UINT64_MAX : (UINT64_C(1) << c->count) - 1;

    if (done == all)
        return LIN_YES;
    for (size_t i = 0; i < c->count; i++)
        if (!(done >> i & 1) && c->ops[i].end < first_end)
            first_end = c->ops[i].end;
    for (size_t i = 0; i < c->count; i++) {
        if (done >> i & 1 || c->ops[i].start > first_end)
            continue;
        lin_state next = *state;
        uint64_t with = done | UINT64_C(1) << i;
        if (!c->spec->step(&next, &c->ops[i]))
            continue;
        lin_verdict is_new = note(c, with, &next);
        lin_verdict below = is_new == LIN_YES ? search(c, with, &next) : is_new;
        if (below != LIN_NO)
            return below;
    }
    return LIN_NO;
}

lin_verdict lin_check(lin_checker *checker, const lin_spec *spec, const lin_state *first,
                      const lin_op *ops, size_t count)
{
    int64_t parts[LIN_PARTS_MAX];
    size_t part_count = 0;

    checker->spec = spec;
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;
        while (at < part_count && parts[at] != ops[i].part)
            at++;
        if (at < part_count)
            continue;
        FT_ASSERT(part_count < LIN_PARTS_MAX);
        parts[part_count++] = ops[i].part;
        checker->count = 0;
        for (size_t j = i; j < count; j++) {
            if (ops[j].part != ops[i].part)
                continue;
            FT_ASSERT(checker->count < LIN_OPS_MAX);
            checker->ops[checker->count++] = ops[j];
        }
        checker->stamp++;
        checker->used = 0;
        lin_verdict verdict = search(checker, 0, first);
        if (verdict != LIN_YES)
            return verdict;
    }
    return LIN_YES;
}

// ---- histories ----

static bool overlap(const lin_op *a, const lin_op *b)
{
    return a->start < b->end && b->start < a->end;
}

void lin_mark_overlapping(lin_op *ops, size_t count, int kind, int other)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++)
            if (i != j && ops[i].kind == kind && ops[j].kind == other && overlap(&ops[i], &ops[j]))
                ops[i].may_be_idle = true;
}

size_t lin_overlaps(const lin_op *ops, size_t count)
{
    size_t pairs = 0;

    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            pairs += overlap(&ops[i], &ops[j]);
    return pairs;
}

void lin_print(const lin_spec *spec, const lin_op *ops, size_t count)
{
    fprintf(stderr, "a history of %s that is not linearizable:\n", spec->name);
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, "  %6llu..%-6llu %s(%lld: %lld, %lld) = %lld%s\n",
                (unsigned long long)ops[i].start, (unsigned long long)ops[i].end,
                spec->op_name(ops[i].kind), (long long)ops[i].part, (long long)ops[i].a,
                (long long)ops[i].b, (long long)ops[i].result, ops[i].ok ? "" : " (no)");
}
