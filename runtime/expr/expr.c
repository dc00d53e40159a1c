// Compiling and running: blocks of items through the tree, a node at a time, each node a loop over
// the block.
//
// Whether an item fails is noted in a byte each; the first failure of an item wins, as if its
// expression had been run from left to right. The message is made afterwards, by running the
// expression once more on that item alone: no kernel formats text unless somebody will read it.
// `and`, `or` and `c and a or b` run their right side for all items of the block, and let it fail
// only those that it decides about.
#include "runtime/expr/expr.h"

#include <string.h>

#include "runtime/expr/expr_parser.h"
#include "runtime/expr/expr_routine.h"
#include "runtime/expr/expr_typer.h"

bool ft_expr_compile(ft_arena *arena, ft_slice text, const ft_schema *schema, ft_expr_use use,
                     const ft_expr **out, ft_error *err)
{
    ft_expr_node *root;
    ft_expr *expr = ft_arena_zero(arena, 1, sizeof(*expr));

    if (!expr)
        return ft_fail_nomem(err, sizeof(*expr));
    expr->use = use;
    if (text.size <= FT_EXPR_BYTES_MAX) {
        const char *copy = ft_arena_text(arena, text);
        if (!copy)
            return ft_fail_nomem(err, text.size);
        text.data = copy;
    }
    expr->text = text;
    if (!ft_expr_parse(arena, text, &root, err) ||
        !ft_expr_type_tree(expr, arena, schema, root, err))
        return false;
    *out = expr;
    return true;
}

ft_type ft_expr_type(const ft_expr *expr)
{
    return expr->type;
}

bool ft_expr_reads(const ft_expr *expr, size_t field)
{
    return field < expr->field_count && expr->reads[field];
}

bool ft_expr_is_constant(const ft_expr *expr)
{
    return expr->is_constant;
}

enum { GUESS_TEXT_BYTES = 64, GUESS_WORD_BYTES = 6, GUESS_BYTES_MAX = 1 << 30 };

static size_t times(size_t bytes, const ft_expr_node *count)
{
    size_t product;
    bool is_known = count->op == FT_OP_LITERAL && count->int_value > 0;

    if (!is_known || FT_MUL_OVERFLOWS(bytes, (size_t)count->int_value, &product))
        return bytes;
    return product;
}

static size_t guess_node(const ft_expr_node *node)
{
    size_t most = 0, sum = 0;

    if (ft_expr_is(node->type, FT_KIND_BOOL) || ft_expr_is_number(node->type))
        return ft_vector_item_bytes(node->type);
    if (node->type.kind == FT_KIND_TENSOR && !node->type.list)
        return (size_t)ft_type_elements(node->type) * ft_dtype_size_bytes(node->type.dtype);
    if (node->op == FT_OP_LITERAL)
        return node->text.size;
    for (size_t k = 0; k < node->arg_count; k++) {
        size_t bytes = guess_node(node->args[k]);
        bytes = bytes < GUESS_BYTES_MAX ? bytes : GUESS_BYTES_MAX;
        most = bytes > most ? bytes : most;
        sum += bytes;
    }
    if (node->op == FT_OP_CONCAT)
        return sum;
    if (node->op == FT_OP_CALL && node->routine->kernel == ft_kernel_words)
        return times(GUESS_WORD_BYTES, node->args[1]);
    if (node->op == FT_OP_CALL && node->routine->kernel == ft_kernel_repeat)
        return times(guess_node(node->args[0]), node->args[1]);
    return most ? most : GUESS_TEXT_BYTES;
}

size_t ft_expr_guess_bytes(const ft_expr *expr)
{
    size_t bytes = guess_node(expr->root);

    return bytes < GUESS_BYTES_MAX ? bytes : GUESS_BYTES_MAX;
}

// ---- nodes ----

static bool eval_literal(ft_expr_context *context, const ft_expr_node *node, ft_vector *out,
                         ft_error *err)
{
    size_t count = context->count;

    if (!ft_vector_take(context, out, err))
        return false;
    if (node->is_nil) {
        memset(out->data, 0, count * ft_vector_item_bytes(node->type));
        memset(ft_vector_add_nulls(context, out), 1, count);
    } else if (node->type.kind == FT_KIND_BOOL) {
        memset(out->data, node->int_value != 0, count);
    } else if (node->type.kind == FT_KIND_INT) {
        for (size_t i = 0; i < count; i++)
            ft_vector_ints(out)[i] = node->int_value;
    } else if (node->type.kind == FT_KIND_FLOAT) {
        for (size_t i = 0; i < count; i++)
            ft_vector_floats(out)[i] = node->float_value;
    } else {
        for (size_t i = 0; i < count; i++)
            ft_vector_texts(out)[i] = node->text;
    }
    return true;
}

static bool eval_field(ft_expr_context *context, const ft_expr_node *node, ft_vector *out,
                       ft_error *err)
{
    const ft_batch *batch = context->batch;

    if (ft_batch_has(batch, node->field))
        return ft_vector_load(context, &batch->columns[node->field], context->first, out, err);
    ft_column absent = {.type = node->type};
    return ft_vector_load(context, &absent, 0, out, err);
}

static bool eval_index(ft_expr_context *context, ft_vector *out, ft_error *err)
{
    const ft_batch *batch = context->batch;
    uint64_t first = batch->lineage ? batch->lineage->first_index : 0;

    if (!ft_vector_take(context, out, err))
        return false;
    for (size_t i = 0; i < context->count; i++)
        ft_vector_ints(out)[i] = (int64_t)(first + ft_batch_row(batch, context->first + i));
    return true;
}

// Evaluates `node` so that only the items of `mask` can fail.
static bool eval_masked(ft_expr_context *context, const ft_expr_node *node, const ft_vector *mask,
                        ft_vector *out, ft_error *err)
{
    const uint8_t *outer = context->active;

    context->active = mask->data;
    bool ok = ft_expr_node_eval(context, node, out, err);
    context->active = outer;
    return ok;
}

// mask[i]: item i counts and has `values[i] == wanted`.
static bool make_mask(ft_expr_context *context, const bool *values, bool wanted, ft_vector *out,
                      ft_error *err)
{
    if (!ft_vector_take(context, out, err))
        return false;
    for (size_t i = 0; i < context->count; i++)
        ft_vector_bools(out)[i] = values[i] == wanted && ft_expr_counts(context, i);
    return true;
}

static bool eval_logic(ft_expr_context *context, const ft_expr_node *node, ft_vector *out,
                       ft_error *err)
{
    ft_vector left, right = {0}, mask = {0};
    bool is_and = node->op == FT_OP_AND;

    if (!ft_vector_take(context, out, err))
        return false;
    bool ok = ft_expr_node_eval(context, node->args[0], &left, err);
    if (ok) {
        ft_expr_fail_nulls(context, node->args[0], &left);
        memcpy(out->data, left.data, context->count);
    }
    ft_vector_give(context, &left);
    ok = ok && make_mask(context, out->data, is_and, &mask, err);
    // Nothing is left to decide: the right side need not be looked at.
    if (ok && memchr(mask.data, 1, context->count)) {
        ok = eval_masked(context, node->args[1], &mask, &right, err);
        if (ok) {
            const uint8_t *outer = context->active;
            context->active = mask.data;
            ft_expr_fail_nulls(context, node->args[1], &right);
            context->active = outer;
            for (size_t i = 0; i < context->count; i++)
                ft_vector_bools(out)[i] = ft_vector_bools(&mask)[i] ? ft_vector_bools(&right)[i]
                                                                    : ft_vector_bools(out)[i];
        }
    }
    ft_vector_give(context, &right);
    ft_vector_give(context, &mask);
    return ok;
}

// `c and a or b`: b where c is false, and where a is null or (of type any) false, as in Lua.
static bool eval_select(ft_expr_context *context, const ft_expr_node *node, ft_vector *out,
                        ft_error *err)
{
    size_t bytes = ft_vector_item_bytes(node->type);
    ft_vector choice = {0}, mask = {0}, a = {0}, b = {0};

    bool ok = ft_vector_take(context, out, err) &&
              ft_expr_node_eval(context, node->args[0], &choice, err);
    if (ok)
        ft_expr_fail_nulls(context, node->args[0], &choice);
    ok = ok && make_mask(context, choice.data, true, &mask, err) &&
         eval_masked(context, node->args[1], &mask, &a, err);
    for (size_t i = 0; ok && i < context->count; i++) {
        bool is_false = ft_expr_is_dynamic(node->type) && !ft_vector_is_null(&a, i) &&
                        ft_slice_is(ft_vector_texts(&a)[i], "false");
        bool takes_a = ft_vector_bools(&choice)[i] && !ft_vector_is_null(&a, i) && !is_false;
        ft_vector_bools(&mask)[i] = !takes_a && ft_expr_counts(context, i);
    }
    ok = ok && eval_masked(context, node->args[2], &mask, &b, err);
    for (size_t i = 0; ok && i < context->count; i++) {
        const ft_vector *from = ft_vector_bools(&mask)[i] ? &b : &a;
        memcpy((char *)out->data + i * bytes, (const char *)from->data + i * bytes, bytes);
        if (ft_vector_is_null(from, i))
            ft_vector_add_nulls(context, out)[i] = 1;
    }
    ft_vector_give(context, &choice);
    ft_vector_give(context, &mask);
    ft_vector_give(context, &a);
    ft_vector_give(context, &b);
    return ok;
}

static bool eval_null_test(ft_expr_context *context, const ft_expr_node *node, ft_vector *out,
                           ft_error *err)
{
    ft_vector arg;
    bool wanted = node->op == FT_OP_IS_NULL;

    if (!ft_vector_take(context, out, err))
        return false;
    bool ok = ft_expr_node_eval(context, node->args[0], &arg, err);
    for (size_t i = 0; ok && i < context->count; i++)
        ft_vector_bools(out)[i] = ft_vector_is_null(&arg, i) == wanted;
    ft_vector_give(context, &arg);
    return ok;
}

static bool eval_not(ft_expr_context *context, const ft_expr_node *node, ft_vector *out,
                     ft_error *err)
{
    ft_vector arg;

    if (!ft_vector_take(context, out, err))
        return false;
    bool ok = ft_expr_node_eval(context, node->args[0], &arg, err);
    for (size_t i = 0; ok && i < context->count; i++)
        ft_vector_bools(out)[i] = ft_vector_is_null(&arg, i) || !ft_vector_bools(&arg)[i];
    ft_vector_give(context, &arg);
    return ok;
}

static ft_expr_kernel *get_kernel(const ft_expr_node *node)
{
    if (node->op == FT_OP_CALL)
        return node->routine->kernel;
    if (node->op == FT_OP_CONVERT)
        return ft_kernel_convert;
    if (node->op == FT_OP_NEGATE)
        return ft_kernel_negate;
    if (node->op == FT_OP_CONCAT)
        return ft_kernel_concat;
    return node->op < FT_OP_CONCAT ? ft_kernel_arithmetic : ft_kernel_compare;
}

static bool takes_null(const ft_expr_node *node)
{
    if (node->op == FT_OP_CALL)
        return node->routine->takes_null;
    return node->op == FT_OP_EQUAL || node->op == FT_OP_NOT_EQUAL || node->op == FT_OP_CONVERT;
}

static bool eval_kernel(ft_expr_context *context, const ft_expr_node *node, ft_vector *out,
                        ft_error *err)
{
    ft_vector args[FT_EXPR_ARGS_MAX] = {{0}};
    ft_expr_call call = {.node = node, .args = args, .out = out};
    bool ok = ft_vector_take(context, out, err);

    for (size_t k = 0; ok && k < node->arg_count; k++) {
        ok = ft_expr_node_eval(context, node->args[k], &args[k], err);
        if (ok && !takes_null(node))
            ft_expr_fail_nulls(context, node->args[k], &args[k]);
    }
    ok = ok && get_kernel(node)(context, &call, err);
    for (size_t k = 0; k < node->arg_count; k++)
        ft_vector_give(context, &args[k]);
    return ok;
}

// len(field) of a list is the difference of two offsets; no spans are needed for it.
static bool eval_list_length(ft_expr_context *context, const ft_expr_node *node, ft_vector *out,
                             ft_error *err)
{
    const ft_column *column = &context->batch->columns[node->args[0]->field];
    const int32_t *offsets = ft_tensor_i32(column->offsets) + context->first;

    if (!ft_vector_take(context, out, err))
        return false;
    for (size_t i = 0; i < context->count; i++)
        ft_vector_ints(out)[i] = offsets[i + 1] - offsets[i];
    return true;
}

static bool is_list_length(const ft_expr_context *context, const ft_expr_node *node)
{
    if (node->routine->kernel != ft_kernel_len || node->args[0]->op != FT_OP_FIELD ||
        !node->args[0]->type.list || !ft_batch_has(context->batch, node->args[0]->field))
        return false;
    return !context->batch->columns[node->args[0]->field].validity;
}

bool ft_expr_node_eval(ft_expr_context *context, const ft_expr_node *node, ft_vector *out,
                       ft_error *err)
{
    *out = (ft_vector){0};
    switch ((int)node->op) {
    case FT_OP_LITERAL:
        return eval_literal(context, node, out, err);
    case FT_OP_FIELD:
        return eval_field(context, node, out, err);
    case FT_OP_INDEX:
        return eval_index(context, out, err);
    case FT_OP_AGGREGATE:
        return ft_vector_load(context, &context->aggregates[node->site], 0, out, err);
    case FT_OP_SELECT:
        return eval_select(context, node, out, err);
    case FT_OP_NOT:
        return eval_not(context, node, out, err);
    case FT_OP_AND:
    case FT_OP_OR:
        return eval_logic(context, node, out, err);
    case FT_OP_IS_NULL:
    case FT_OP_IS_NOT_NULL:
        return eval_null_test(context, node, out, err);
    case FT_OP_CALL:
        if (is_list_length(context, node))
            return eval_list_length(context, node, out, err);
        return eval_kernel(context, node, out, err);
    default:
        return eval_kernel(context, node, out, err);
    }
}

// ---- what failed ----

// Runs all that the expression does for each item, until an item fails.
static bool eval_for_failure(ft_expr_context *context, const ft_expr *expr, ft_error *err)
{
    ft_vector value;

    context->expr = expr;
    if (expr->use != FT_EXPR_GATHER) {
        bool ok = ft_expr_node_eval(context, expr->root, &value, err);
        if (ok && expr->use == FT_EXPR_CONDITION)
            ft_expr_fail_nulls(context, expr->root, &value);
        ft_vector_give(context, &value);
        return ok;
    }
    for (size_t a = 0; a < expr->aggregate_count; a++) {
        const ft_expr_node *node = expr->aggregates[a];
        for (size_t k = 0; k < node->arg_count && !context->any_failed; k++) {
            bool ok = ft_expr_node_eval(context, node->args[k], &value, err);
            if (ok && !node->routine->takes_null)
                ft_expr_fail_nulls(context, node->args[k], &value);
            ft_vector_give(context, &value);
            if (!ok)
                return false;
        }
    }
    return true;
}

static bool report_one(ft_expr_context *context, size_t i, const ft_expr *const *exprs,
                       size_t count, ft_error *err)
{
    ft_error why = FT_ERROR_INIT;
    ft_expr_context alone = {.batch = context->batch,
                             .run = context->run,
                             .scratch = context->scratch,
                             .first = context->first + i,
                             .count = 1,
                             .why = &why};

    for (size_t k = 0; k < count && !alone.any_failed; k++)
        if (!eval_for_failure(&alone, exprs[k], err))
            return false;
    // A clock may have moved on since.
    if (why.code == FT_ERROR_NONE)
        ft_fail(&why, FT_ERROR_DATA, "the expression could not be computed");
    if (context->run->failed)
        return context->run->failed(context->run->host, context->first + i, &why, err);
    *err = why;
    return false;
}

bool ft_expr_report_failed(ft_expr_context *context, const ft_expr *const *exprs, size_t count,
                           ft_error *err)
{
    for (size_t i = 0; context->any_failed && i < context->count; i++)
        if (context->failed[i] && !report_one(context, i, exprs, count, err))
            return false;
    return true;
}

// ---- columns ----

// The column that is made, block by block: numbers are written where they stay, all else goes
// through a builder.
typedef struct maker {
    ft_column column;
    ft_builder builder;
    ft_account *account;
    size_t total;
    bool is_number;
} maker;

static bool maker_init(maker *m, ft_type type, size_t total, ft_account *account, ft_error *err)
{
    *m = (maker){.account = account, .total = total};
    m->is_number = ft_expr_is_number(type) || ft_expr_is(type, FT_KIND_BOOL);
    if (!m->is_number)
        return ft_builder_init(&m->builder, type, account, total, 0, err);
    ft_dtype dtype = type.kind == FT_KIND_BOOL  ? FT_DTYPE_U8
                     : type.kind == FT_KIND_INT ? FT_DTYPE_I64
                                                : FT_DTYPE_F64;
    m->column.type = type;
    m->column.values = ft_tensor_create_1d(account, dtype, total, err);
    return m->column.values;
}

static bool maker_add_nulls(maker *m, const ft_expr_context *context, const ft_vector *value,
                            ft_error *err)
{
    for (size_t i = 0; i < context->count; i++) {
        if (!context->failed[i] && !ft_vector_is_null(value, i))
            continue;
        if (!m->column.validity) {
            m->column.validity =
                ft_tensor_create_1d(m->account, FT_DTYPE_U8, (m->total + 7) / 8, err);
            if (!m->column.validity)
                return false;
            memset(m->column.validity->data, 0xFF, (m->total + 7) / 8);
        }
        size_t at = context->first + i;
        m->column.validity->data[at / 8] &= (char)~(1U << (at % 8));
    }
    return true;
}

bool ft_vector_put(const ft_vector *value, ft_type type, size_t i, ft_builder *builder,
                   ft_error *err)
{
    if (ft_expr_is(type, FT_KIND_BOOL))
        return ft_builder_add_bool(builder, ft_vector_bools(value)[i], err);
    if (ft_expr_is(type, FT_KIND_INT))
        return ft_builder_add_int(builder, ft_vector_ints(value)[i], err);
    if (ft_expr_is(type, FT_KIND_FLOAT))
        return ft_builder_add_float(builder, ft_vector_floats(value)[i], err);
    if (!type.list && type.kind != FT_KIND_TENSOR)
        return ft_builder_add_text(builder, ft_vector_texts(value)[i], err);
    const ft_span *span = &ft_vector_spans(value)[i];
    if (type.kind == FT_KIND_TENSOR || !ft_type_is_text((ft_type){.kind = type.kind}))
        return ft_builder_add_numbers(builder, span->base, span->count, err);
    for (size_t j = 0; j < span->count; j++) {
        ft_slice element = {span->base + span->inner[j],
                            (size_t)(span->inner[j + 1] - span->inner[j])};
        if (!ft_builder_add_element(builder, element, err))
            return false;
    }
    return ft_builder_end_list(builder, err);
}

static bool maker_add(maker *m, const ft_expr_context *context, const ft_vector *value,
                      ft_error *err)
{
    ft_type type = context->expr->root->type;

    if (m->is_number) {
        size_t bytes = ft_vector_item_bytes(type);
        memcpy(m->column.values->data + context->first * bytes, value->data,
               context->count * bytes);
        return (!value->nulls && !context->any_failed) || maker_add_nulls(m, context, value, err);
    }
    for (size_t i = 0; i < context->count; i++) {
        bool ok = context->failed[i] || ft_vector_is_null(value, i)
                      ? ft_builder_add_null(&m->builder, err)
                      : ft_vector_put(value, type, i, &m->builder, err);
        if (!ok)
            return false;
    }
    return true;
}

static bool eval_blocks(const ft_expr *expr, const ft_batch *batch, ft_expr_run *run, maker *m,
                        ft_error *err)
{
    ft_expr_context context = {.expr = expr, .batch = batch, .run = run};

    if (!ft_expr_scratch_get(run, &context.scratch, err))
        return false;
    for (size_t first = 0; first < batch->count; first += FT_EXPR_BLOCK) {
        ft_vector value;
        size_t left = batch->count - first;
        context.first = first;
        context.count = left < FT_EXPR_BLOCK ? left : FT_EXPR_BLOCK;
        context.any_failed = false;
        memset(context.failed, 0, context.count);
        bool ok = ft_expr_node_eval(&context, expr->root, &value, err) &&
                  ft_expr_report_failed(&context, &expr, 1, err) &&
                  maker_add(m, &context, &value, err);
        ft_vector_give(&context, &value);
        ft_expr_scratch_reset(context.scratch);
        if (!ok)
            return false;
    }
    return true;
}

// One text for all items, made once and then copied in doubling pieces.
static bool repeat_text(ft_slice text, size_t count, ft_account *account, ft_column *out,
                        ft_error *err)
{
    size_t size;

    if (FT_MUL_OVERFLOWS(text.size, count, &size) || size > INT32_MAX)
        return ft_fail(err, FT_ERROR_LIMIT, "%zu texts of %zu bytes do not fit one batch", count,
                       text.size);
    *out = (ft_column){.type = FT_TYPE(STRING)};
    out->values = ft_tensor_create_1d(account, FT_DTYPE_U8, size, err);
    out->offsets = out->values ? ft_tensor_create_1d(account, FT_DTYPE_I32, count + 1, err) : NULL;
    if (!out->offsets) {
        ft_column_finish(out);
        return false;
    }
    int32_t *offsets = (int32_t *)(void *)out->offsets->data;
    for (size_t i = 0; i <= count; i++)
        offsets[i] = (int32_t)(i * text.size);
    size_t done = size < text.size ? size : text.size;
    if (done)
        memcpy(out->values->data, text.data, done);
    while (done < size) {
        size_t more = done < size - done ? done : size - done;
        memcpy(out->values->data + done, out->values->data, more);
        done += more;
    }
    return true;
}

bool ft_expr_eval(const ft_expr *expr, const ft_batch *batch, ft_expr_run *run, ft_column *out,
                  ft_error *err)
{
    const ft_expr_node *root = expr->root;
    maker m;

    if (root->op == FT_OP_FIELD && ft_batch_has(batch, root->field)) {
        *out = ft_column_ref(&batch->columns[root->field]);
        return true;
    }
    if (root->op == FT_OP_FIELD)
        return ft_column_nulls(expr->type, batch->count, run->account, out, err);
    if (root->op == FT_OP_LITERAL && ft_expr_is(root->type, FT_KIND_STRING))
        return repeat_text(root->text, batch->count, run->account, out, err);
    bool ok = maker_init(&m, expr->type, batch->count, run->account, err) &&
              eval_blocks(expr, batch, run, &m, err) &&
              (m.is_number || ft_builder_take(&m.builder, &m.column, err));
    ft_builder_finish(&m.builder);
    if (ok)
        *out = m.column;
    else
        ft_column_finish(&m.column);
    return ok;
}

bool ft_expr_test(const ft_expr *expr, const ft_batch *batch, ft_expr_run *run, uint8_t *out,
                  ft_error *err)
{
    ft_expr_node *inner = expr->root;
    ft_expr_node as_bool = {.op = FT_OP_CONVERT,
                            .type = FT_TYPE(BOOL),
                            .offset = inner->offset,
                            .length = inner->length,
                            .arg_count = 1,
                            .args = &inner};
    ft_expr condition = *expr;
    ft_expr_context context = {.expr = &condition, .batch = batch, .run = run};

    // Compiled as ITEM it may still be of type any.
    condition.use = FT_EXPR_CONDITION;
    if (ft_expr_is_dynamic(expr->root->type))
        condition.root = &as_bool;
    expr = &condition;
    FT_ASSERT(ft_expr_is(condition.root->type, FT_KIND_BOOL));
    if (!ft_expr_scratch_get(run, &context.scratch, err))
        return false;
    for (size_t first = 0; first < batch->count; first += FT_EXPR_BLOCK) {
        ft_vector value;
        size_t left = batch->count - first;
        context.first = first;
        context.count = left < FT_EXPR_BLOCK ? left : FT_EXPR_BLOCK;
        context.any_failed = false;
        memset(context.failed, 0, context.count);
        bool ok = ft_expr_node_eval(&context, expr->root, &value, err);
        if (ok) {
            ft_expr_fail_nulls(&context, expr->root, &value);
            for (size_t i = 0; i < context.count; i++)
                out[first + i] = ft_vector_bools(&value)[i] && !context.failed[i];
            ok = ft_expr_report_failed(&context, &expr, 1, err);
        }
        ft_vector_give(&context, &value);
        ft_expr_scratch_reset(context.scratch);
        if (!ok)
            return false;
    }
    return true;
}
