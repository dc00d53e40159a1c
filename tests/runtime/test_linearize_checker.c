// The checker of linearizability passes what is linearizable, finds what is not (a stale read, a
// lost update, a queue out of order), and does not pass what it gave up.
#include "tests/check.h"
#include "tests/runtime/linearize_specs.h"

enum { STATES_MOST = 200000 };

#define OP(...) (&(lin_op){.ok = true, __VA_ARGS__})
#define NO(...) (&(lin_op){__VA_ARGS__})  // There was none, or it was refused.

static lin_verdict verdict_of(const lin_spec *spec, const lin_state *first,
                              const lin_op *const *ops, size_t count, uint64_t most)
{
    lin_op copy[LIN_OPS_MAX];
    lin_checker *checker = lin_checker_create(most);

    check_true(checker != NULL);
    for (size_t i = 0; i < count; i++)
        copy[i] = *ops[i];
    lin_mark_overlapping(copy, count, LIN_POP, LIN_PUSH);
    lin_verdict verdict = lin_check(checker, spec, first, copy, count);
    lin_checker_destroy(checker);
    return verdict;
}

#define check_history(spec, first, want, ...)                                                  \
    do {                                                                                       \
        const lin_op *const ops[] = {__VA_ARGS__};                                             \
        check_int_eq(verdict_of(&(spec), &(first), ops, FT_COUNT_OF(ops), STATES_MOST), want); \
    } while (0)

static const lin_state nothing;
static const lin_state zero = {.count = 1};

TEST(the_checker_passes_what_is_linearizable)
{
    // The read lies in both writes and may see either, or nothing.
    for (int seen = -1; seen <= 2; seen++)
        check_history(
            lin_dict, nothing, seen == 0 ? LIN_NO : LIN_YES,
            OP(.kind = LIN_SET, .a = 1, .start = 1, .end = 10),
            OP(.kind = LIN_SET, .a = 2, .start = 2, .end = 11),
            &(lin_op){.kind = LIN_GET, .ok = seen >= 0, .result = seen, .start = 3, .end = 9});
    // The second read began after the first, so the write cannot lie behind it.
    check_history(lin_dict, nothing, LIN_YES, OP(.kind = LIN_SET, .a = 5, .start = 1, .end = 10),
                  NO(.kind = LIN_GET, .start = 2, .end = 3),
                  OP(.kind = LIN_GET, .result = 5, .start = 4, .end = 5));
    // Pushes overlap: either order.
    check_history(lin_stack, nothing, LIN_YES, OP(.kind = LIN_PUSH, .a = 1, .start = 1, .end = 4),
                  OP(.kind = LIN_PUSH, .a = 2, .start = 2, .end = 3),
                  OP(.kind = LIN_POP, .result = 1, .start = 5, .end = 6),
                  OP(.kind = LIN_POP, .result = 2, .start = 7, .end = 8));
    // Different keys do not see each other.
    check_history(lin_dict, nothing, LIN_YES,
                  OP(.kind = LIN_SET, .part = 1, .a = 5, .start = 1, .end = 2),
                  NO(.kind = LIN_GET, .part = 2, .start = 3, .end = 4));
}

TEST(the_checker_finds_a_stale_read)
{
    check_history(lin_dict, nothing, LIN_NO, OP(.kind = LIN_SET, .a = 5, .start = 1, .end = 2),
                  NO(.kind = LIN_GET, .start = 3, .end = 4));
    // Seen and then not seen any more.
    check_history(lin_dict, nothing, LIN_NO, OP(.kind = LIN_SET, .a = 5, .start = 1, .end = 10),
                  OP(.kind = LIN_GET, .result = 5, .start = 2, .end = 3),
                  NO(.kind = LIN_GET, .start = 4, .end = 5));
    check_history(lin_list, nothing, LIN_NO, OP(.kind = LIN_APPEND, .a = 5, .start = 1, .end = 9),
                  OP(.kind = LIN_GET, .a = 0, .result = 5, .start = 2, .end = 3),
                  OP(.kind = LIN_COUNT, .result = 0, .start = 4, .end = 5));
}

TEST(the_checker_finds_a_lost_update)
{
    check_history(lin_counter, zero, LIN_NO, OP(.kind = LIN_ADD, .a = 1, .start = 1, .end = 4),
                  OP(.kind = LIN_ADD, .a = 1, .start = 2, .end = 3),
                  OP(.kind = LIN_SUM, .result = 1, .start = 5, .end = 6));
    check_history(lin_dict, nothing, LIN_NO,
                  OP(.kind = LIN_ADD, .a = 1, .result = 1, .start = 1, .end = 4),
                  OP(.kind = LIN_ADD, .a = 1, .result = 1, .start = 2, .end = 3));
    check_history(lin_dict, nothing, LIN_NO,
                  OP(.kind = LIN_GET_OR_SET, .a = 1, .result = 1, .start = 1, .end = 4),
                  OP(.kind = LIN_GET_OR_SET, .a = 2, .result = 2, .start = 2, .end = 3));
    check_history(lin_dict, nothing, LIN_NO,
                  OP(.kind = LIN_CAS, .a = LIN_NOTHING, .b = 1, .start = 1, .end = 4),
                  OP(.kind = LIN_CAS, .a = LIN_NOTHING, .b = 2, .start = 2, .end = 3));
    check_history(lin_dict, nothing, LIN_NO,
                  OP(.kind = LIN_UPDATE, .result = 1, .start = 1, .end = 4),
                  OP(.kind = LIN_UPDATE, .result = 1, .start = 2, .end = 3));
    check_history(lin_set, nothing, LIN_NO, OP(.kind = LIN_ADD, .start = 1, .end = 4),
                  OP(.kind = LIN_ADD, .start = 2, .end = 3));
}

TEST(the_checker_finds_a_wrong_order)
{
    static const lin_state two = {.count = 1, .cells = {2}};

    check_history(lin_queue, two, LIN_NO, OP(.kind = LIN_PUSH, .a = 1, .start = 1, .end = 2),
                  OP(.kind = LIN_PUSH, .a = 2, .start = 3, .end = 4),
                  OP(.kind = LIN_POP, .result = 2, .start = 5, .end = 6));
    // More than there is room for.
    check_history(lin_queue, two, LIN_NO, OP(.kind = LIN_PUSH, .a = 1, .start = 1, .end = 2),
                  OP(.kind = LIN_PUSH, .a = 2, .start = 1, .end = 2),
                  OP(.kind = LIN_PUSH, .a = 3, .start = 1, .end = 2));
    // "Empty" behind a push that was over, with and without one that is under way.
    check_history(lin_queue, two, LIN_NO, OP(.kind = LIN_PUSH, .a = 1, .start = 1, .end = 2),
                  NO(.kind = LIN_POP, .start = 3, .end = 4));
    check_history(lin_queue, two, LIN_YES, OP(.kind = LIN_PUSH, .a = 1, .start = 1, .end = 2),
                  OP(.kind = LIN_PUSH, .a = 2, .start = 1, .end = 9),
                  NO(.kind = LIN_POP, .start = 3, .end = 4));
    check_history(lin_stack, nothing, LIN_NO, OP(.kind = LIN_PUSH, .a = 1, .start = 1, .end = 2),
                  OP(.kind = LIN_PUSH, .a = 2, .start = 3, .end = 4),
                  OP(.kind = LIN_POP, .result = 1, .start = 5, .end = 6));
    // Twice the same value.
    check_history(lin_stack, nothing, LIN_NO, OP(.kind = LIN_PUSH, .a = 1, .start = 1, .end = 2),
                  OP(.kind = LIN_POP, .result = 1, .start = 3, .end = 5),
                  OP(.kind = LIN_POP, .result = 1, .start = 4, .end = 6));
}

TEST(the_checker_does_not_pass_what_it_gave_up)
{
    lin_op ops[24];
    const lin_op *pointers[FT_COUNT_OF(ops)];

    // All overlap, and no order gives the last result: 2^23 states.
    for (size_t i = 0; i < FT_COUNT_OF(ops); i++) {
        ops[i] = (lin_op){.kind = LIN_ADD, .a = INT64_C(1) << i, .ok = true, .start = 1, .end = 9};
        pointers[i] = &ops[i];
    }
    ops[23] = (lin_op){.kind = LIN_SUM, .result = -7, .ok = true, .start = 10, .end = 11};
    check_int_eq(verdict_of(&lin_counter, &zero, pointers, FT_COUNT_OF(ops), 1000), LIN_GAVE_UP);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
