// Kernels for numbers: operators, comparisons, and the functions of one or more numbers.
//
// Where an item can fail (overflow, division by zero) the loop first runs over all of the block
// without a branch and notes whether any did; only then is each item looked at.
#include "runtime/expr/expr_routine.h"

#include <math.h>
#include <string.h>

static void fail_overflow(ft_expr_context *context, const ft_expr_node *node, size_t i)
{
    ft_slice text = ft_expr_node_text(context, node);

    if (!ft_expr_counts(context, i))
        return;
    ft_expr_item_fail(context, node, i, "`%.*s` does not fit a whole number of 64 bits",
                      (int)text.size, text.data);
    ft_expr_item_hint(context, "Make one side a float: `number(x)`.");
}

static bool int_once(ft_expr_op op, int64_t a, int64_t b, int64_t *out)
{
    *out = 0;
    if (op == FT_OP_ADD)
        return !FT_ADD_OVERFLOWS(a, b, out);
    if (op == FT_OP_SUBTRACT)
        return !__builtin_sub_overflow(a, b, out);
    if (op == FT_OP_MULTIPLY)
        return !FT_MUL_OVERFLOWS(a, b, out);
    if (b == 0)
        return false;
    if (b == -1) {
        if (op == FT_OP_MODULO)
            return true;
        return !__builtin_sub_overflow((int64_t)0, a, out);
    }
    // Towards minus infinity, as in Lua.
    int64_t quotient = a / b, rest = a % b;
    bool down = rest != 0 && (rest ^ b) < 0;
    *out = op == FT_OP_MODULO ? rest + (down ? b : 0) : quotient - (down ? 1 : 0);
    return true;
}

static void int_arithmetic(ft_expr_context *context, const ft_expr_call *call)
{
    const int64_t *a = ft_vector_ints(&call->args[0]), *b = ft_vector_ints(&call->args[1]);
    int64_t *out = ft_vector_ints(call->out);
    ft_expr_op op = call->node->op;
    size_t count = context->count;
    int bad = 0;

    if (op == FT_OP_ADD) {
        for (size_t i = 0; i < count; i++)
            bad |= FT_ADD_OVERFLOWS(a[i], b[i], &out[i]);
    } else if (op == FT_OP_SUBTRACT) {
        for (size_t i = 0; i < count; i++)
            bad |= __builtin_sub_overflow(a[i], b[i], &out[i]);
    } else {
        for (size_t i = 0; i < count; i++)
            bad |= !int_once(op, a[i], b[i], &out[i]);
    }
    for (size_t i = 0; bad && i < count; i++) {
        int64_t unused;
        if (int_once(op, a[i], b[i], &unused))
            continue;
        if ((op == FT_OP_FLOOR_DIVIDE || op == FT_OP_MODULO) && b[i] == 0)
            ft_expr_item_fail(context, call->node, i, "division by zero in `%.*s`",
                              (int)ft_expr_node_text(context, call->node).size,
                              ft_expr_node_text(context, call->node).data);
        else
            fail_overflow(context, call->node, i);
    }
}

static double float_modulo(double a, double b)
{
    double rest = fmod(a, b);

    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

static void float_arithmetic(ft_expr_context *context, const ft_expr_call *call)
{
    const double *a = ft_vector_floats(&call->args[0]), *b = ft_vector_floats(&call->args[1]);
    double *out = ft_vector_floats(call->out);
    size_t count = context->count;

#define EACH(value)                    \
    for (size_t i = 0; i < count; i++) \
        out[i] = (value);              \
    return
    switch ((int)call->node->op) {
    case FT_OP_ADD:
        EACH(a[i] + b[i]);
    case FT_OP_SUBTRACT:
        EACH(a[i] - b[i]);
    case FT_OP_MULTIPLY:
        EACH(a[i] * b[i]);
    case FT_OP_DIVIDE:
        EACH(a[i] / b[i]);
    case FT_OP_FLOOR_DIVIDE:
        EACH(floor(a[i] / b[i]));
    case FT_OP_MODULO:
        EACH(float_modulo(a[i], b[i]));
    default:
        EACH(pow(a[i], b[i]));
    }
#undef EACH
}

bool ft_kernel_arithmetic(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    (void)err;
    if (call->node->type.kind == FT_KIND_INT)
        int_arithmetic(context, call);
    else
        float_arithmetic(context, call);
    return true;
}

bool ft_kernel_negate(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    (void)err;
    if (call->node->type.kind == FT_KIND_FLOAT) {
        for (size_t i = 0; i < context->count; i++)
            ft_vector_floats(call->out)[i] = -ft_vector_floats(&call->args[0])[i];
        return true;
    }
    for (size_t i = 0; i < context->count; i++)
        if (__builtin_sub_overflow((int64_t)0, ft_vector_ints(&call->args[0])[i],
                                   &ft_vector_ints(call->out)[i]))
            fail_overflow(context, call->node, i);
    return true;
}

// ---- comparisons ----

#define COMPARE_EACH(a, b)                 \
    switch ((int)op) {                     \
    case FT_OP_EQUAL:                      \
        for (size_t i = 0; i < count; i++) \
            out[i] = (a)[i] == (b)[i];     \
        return;                            \
    case FT_OP_NOT_EQUAL:                  \
        for (size_t i = 0; i < count; i++) \
            out[i] = (a)[i] != (b)[i];     \
        return;                            \
    case FT_OP_LESS:                       \
        for (size_t i = 0; i < count; i++) \
            out[i] = (a)[i] < (b)[i];      \
        return;                            \
    case FT_OP_LESS_EQUAL:                 \
        for (size_t i = 0; i < count; i++) \
            out[i] = (a)[i] <= (b)[i];     \
        return;                            \
    case FT_OP_GREATER:                    \
        for (size_t i = 0; i < count; i++) \
            out[i] = (a)[i] > (b)[i];      \
        return;                            \
    default:                               \
        for (size_t i = 0; i < count; i++) \
            out[i] = (a)[i] >= (b)[i];     \
        return;                            \
    }

static void compare_ints(ft_expr_op op, const int64_t *a, const int64_t *b, size_t count, bool *out)
{
    COMPARE_EACH(a, b)
}

static void compare_floats(ft_expr_op op, const double *a, const double *b, size_t count, bool *out)
{
    COMPARE_EACH(a, b)
}

static void compare_bools(ft_expr_op op, const bool *a, const bool *b, size_t count, bool *out)
{
    COMPARE_EACH(a, b)
}

static void compare_texts(ft_expr_op op, const ft_slice *a, const ft_slice *b, size_t count,
                          bool *out)
{
    for (size_t i = 0; i < count; i++) {
        if (op == FT_OP_EQUAL || op == FT_OP_NOT_EQUAL) {
            bool is_equal = a[i].size == b[i].size &&
                            (a[i].size == 0 || memcmp(a[i].data, b[i].data, a[i].size) == 0);
            out[i] = is_equal == (op == FT_OP_EQUAL);
            continue;
        }
        int order = ft_slice_compare(a[i], b[i]);
        if (op == FT_OP_LESS)
            out[i] = order < 0;
        else if (op == FT_OP_LESS_EQUAL)
            out[i] = order <= 0;
        else
            out[i] = op == FT_OP_GREATER ? order > 0 : order >= 0;
    }
}

// One value of either side as a dynamic one.
static bool read_side(ft_expr_context *context, const ft_vector *side, ft_type type, size_t i,
                      ft_dynamic *out, ft_error *err)
{
    if (ft_vector_is_null(side, i)) {
        *out = (ft_dynamic){.kind = FT_KIND_ANY};
        return true;
    }
    if (ft_expr_is_dynamic(type))
        return ft_dynamic_read(context, ft_vector_texts(side)[i], out, err);
    *out = (ft_dynamic){.kind = type.kind};
    if (type.kind == FT_KIND_BOOL)
        out->bool_value = ft_vector_bools(side)[i];
    else if (type.kind == FT_KIND_INT)
        out->int_value = ft_vector_ints(side)[i];
    else if (type.kind == FT_KIND_FLOAT)
        out->float_value = ft_vector_floats(side)[i];
    else
        out->text = ft_vector_texts(side)[i];
    return true;
}

static bool dynamic_equal(const ft_dynamic *a, const ft_dynamic *b)
{
    bool both_numbers = (a->kind == FT_KIND_INT || a->kind == FT_KIND_FLOAT) &&
                        (b->kind == FT_KIND_INT || b->kind == FT_KIND_FLOAT);

    if (both_numbers && a->kind == FT_KIND_INT && b->kind == FT_KIND_INT)
        return a->int_value == b->int_value;
    if (both_numbers)
        return (a->kind == FT_KIND_INT ? (double)a->int_value : a->float_value) ==
               (b->kind == FT_KIND_INT ? (double)b->int_value : b->float_value);
    if (a->kind != b->kind)
        return false;
    if (a->kind == FT_KIND_BOOL)
        return a->bool_value == b->bool_value;
    return a->kind == FT_KIND_ANY || ft_slice_equal(a->text, b->text);
}

static bool compare_dynamic(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    const ft_expr_node *node = call->node;

    for (size_t i = 0; i < context->count; i++) {
        ft_dynamic a, b;
        if (!read_side(context, &call->args[0], node->args[0]->type, i, &a, err) ||
            !read_side(context, &call->args[1], node->args[1]->type, i, &b, err))
            return false;
        ft_vector_bools(call->out)[i] = dynamic_equal(&a, &b) == (node->op == FT_OP_EQUAL);
    }
    return true;
}

bool ft_kernel_compare(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    const ft_expr_node *node = call->node;
    const ft_vector *a = &call->args[0], *b = &call->args[1];
    ft_type type = node->args[0]->type;
    bool *out = ft_vector_bools(call->out);

    if (ft_expr_is_dynamic(type) || ft_expr_is_dynamic(node->args[1]->type))
        return compare_dynamic(context, call, err);
    if (type.kind == FT_KIND_INT)
        compare_ints(node->op, a->data, b->data, context->count, out);
    else if (type.kind == FT_KIND_FLOAT)
        compare_floats(node->op, a->data, b->data, context->count, out);
    else if (type.kind == FT_KIND_BOOL)
        compare_bools(node->op, a->data, b->data, context->count, out);
    else
        compare_texts(node->op, a->data, b->data, context->count, out);
    // Only == and ~= come here with nulls: null is equal to null and to nothing else.
    for (size_t i = 0; (a->nulls || b->nulls) && i < context->count; i++) {
        bool a_null = ft_vector_is_null(a, i), b_null = ft_vector_is_null(b, i);
        if (a_null || b_null)
            out[i] = (a_null && b_null) == (node->op == FT_OP_EQUAL);
    }
    return true;
}

// ---- functions of numbers ----

static bool least_or_most(ft_expr_context *context, const ft_expr_call *call, bool most)
{
    size_t count = context->count;

    memcpy(call->out->data, call->args[0].data, count * 8);
    for (size_t k = 1; k < call->node->arg_count; k++) {
        if (call->node->type.kind == FT_KIND_INT) {
            const int64_t *other = ft_vector_ints(&call->args[k]);
            int64_t *out = ft_vector_ints(call->out);
            for (size_t i = 0; i < count; i++)
                out[i] = (other[i] > out[i]) == most ? other[i] : out[i];
        } else {
            const double *other = ft_vector_floats(&call->args[k]);
            double *out = ft_vector_floats(call->out);
            for (size_t i = 0; i < count; i++)
                out[i] = (most ? other[i] > out[i] : other[i] < out[i]) ? other[i] : out[i];
        }
    }
    return true;
}

bool ft_kernel_min(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    (void)err;
    return least_or_most(context, call, false);
}

bool ft_kernel_max(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    (void)err;
    return least_or_most(context, call, true);
}

bool ft_kernel_abs(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    (void)err;
    for (size_t i = 0; i < context->count; i++) {
        if (call->node->type.kind == FT_KIND_FLOAT) {
            ft_vector_floats(call->out)[i] = fabs(ft_vector_floats(&call->args[0])[i]);
            continue;
        }
        int64_t value = ft_vector_ints(&call->args[0])[i];
        if (value == INT64_MIN)
            fail_overflow(context, call->node, i);
        ft_vector_ints(call->out)[i] = value < 0 && value != INT64_MIN ? -value : value;
    }
    return true;
}

static void to_whole(ft_expr_context *context, const ft_expr_call *call, double (*way)(double))
{
    for (size_t i = 0; i < context->count; i++) {
        double value = way(ft_vector_floats(&call->args[0])[i]);
        bool fits = value >= -0x1p63 && value < 0x1p63;
        if (!fits)
            fail_overflow(context, call->node, i);
        ft_vector_ints(call->out)[i] = fits ? (int64_t)value : 0;
    }
}

bool ft_kernel_floor(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    (void)err;
    to_whole(context, call, floor);
    return true;
}

bool ft_kernel_ceil(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    (void)err;
    to_whole(context, call, ceil);
    return true;
}

bool ft_kernel_round(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    (void)err;
    if (call->node->arg_count == 1) {
        to_whole(context, call, round);
        return true;
    }
    for (size_t i = 0; i < context->count; i++) {
        double value = ft_vector_floats(&call->args[0])[i];
        int64_t digits = ft_vector_ints(&call->args[1])[i];
        double scale = pow(10, (double)(digits > 300 ? 300 : digits < -300 ? -300 : digits));
        double scaled = value * scale;
        // Where the scaled value has no fraction left (or is not finite) there is nothing to round.
        bool is_whole = !(fabs(scaled) < 0x1p52);
        ft_vector_floats(call->out)[i] = is_whole ? value : round(scaled) / scale;
    }
    return true;
}

bool ft_kernel_sqrt(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    (void)err;
    for (size_t i = 0; i < context->count; i++)
        ft_vector_floats(call->out)[i] = sqrt(ft_vector_floats(&call->args[0])[i]);
    return true;
}

bool ft_kernel_exp(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    (void)err;
    for (size_t i = 0; i < context->count; i++)
        ft_vector_floats(call->out)[i] = exp(ft_vector_floats(&call->args[0])[i]);
    return true;
}

bool ft_kernel_log(ft_expr_context *context, const ft_expr_call *call, ft_error *err)
{
    (void)err;
    for (size_t i = 0; i < context->count; i++)
        ft_vector_floats(call->out)[i] = log(ft_vector_floats(&call->args[0])[i]);
    return true;
}
