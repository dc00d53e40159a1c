// Folding batches into one value: `sum(len(tokens)) / count()`.
//
// For a block, the arguments of every aggregate of every fold are evaluated first; items that one
// of them cannot take are told of and left out of all; then the rest is folded in, item after item
// in input order, so that sums of floats depend on neither threads nor batches. What an aggregate
// keeps of single items (first, last, arg_max, list, the largest text) is in a builder that is
// charged to the account. At the end each aggregate gives a column of one item, and the expression
// around them is evaluated as for any item.
#include "runtime/expr/expr.h"

#include <math.h>
#include <string.h>

#include "runtime/expr/expr_routine.h"
#include "runtime/memory/alloc.h"

typedef struct gathered {
    uint64_t items;     // That were folded in.
    int64_t int_value;  // Sum, or the best so far.
    double float_value;
    bool has_best;
    bool is_true;          // any, all.
    ft_builder kept;       // Items that are kept; list: elements.
    ft_builder best_text;  // The text that a text is compared with.
    bool has_kept, has_best_text;
} gathered;

struct ft_expr_fold {
    const ft_expr *expr;
    ft_account *account;
    uint64_t items;
    bool is_torn;      // It failed in the middle of a block: what it holds is not to be used.
    gathered *states;  // [expr->aggregate_count]
};

ft_expr_fold *ft_expr_fold_create(const ft_expr *expr, ft_account *account, ft_error *err)
{
    ft_expr_fold *fold = ft_alloc_zero(1, sizeof(*fold));

    if (!fold) {
        ft_fail_nomem(err, sizeof(*fold));
        return NULL;
    }
    fold->expr = expr;
    fold->account = account;
    fold->states = ft_alloc_zero(expr->aggregate_count + 1, sizeof(*fold->states));
    if (!fold->states) {
        ft_fail_nomem(err, (expr->aggregate_count + 1) * sizeof(*fold->states));
        ft_free(fold);
        return NULL;
    }
    for (size_t a = 0; a < expr->aggregate_count; a++)
        fold->states[a].is_true = expr->aggregates[a]->routine->gather == FT_GATHER_ALL;
    return fold;
}

void ft_expr_fold_destroy(ft_expr_fold *fold)
{
    if (!fold)
        return;
    for (size_t a = 0; a < fold->expr->aggregate_count; a++) {
        if (fold->states[a].has_kept)
            ft_builder_finish(&fold->states[a].kept);
        if (fold->states[a].has_best_text)
            ft_builder_finish(&fold->states[a].best_text);
    }
    ft_free(fold->states);
    ft_free(fold);
}

// ---- one aggregate, one block ----

static size_t count_taken(const ft_expr_context *context)
{
    size_t count = context->count;

    for (size_t i = 0; context->any_failed && i < context->count; i++)
        count -= context->failed[i];
    return count;
}

typedef struct folding {
    ft_expr_context *context;
    const ft_expr_node *node;
    const ft_vector *args;
    gathered *state;
    ft_account *account;
} folding;

static bool replace_kept(ft_builder *builder, bool *has, const folding *f, size_t arg, size_t i,
                         ft_error *err)
{
    ft_type type = f->node->args[arg]->type;

    if (*has)
        ft_builder_finish(builder);
    *has = false;
    if (!ft_builder_init(builder, type, f->account, 1, 0, err))
        return false;
    *has = true;
    if (ft_vector_is_null(&f->args[arg], i))
        return ft_builder_add_null(builder, err);
    return ft_vector_put(&f->args[arg], type, i, builder, err);
}

static bool fail_sum(const folding *f, ft_error *err)
{
    ft_slice text = ft_expr_node_text(f->context, f->node);

    ft_fail(err, FT_ERROR_DATA, "`%.*s` does not fit a whole number of 64 bits", (int)text.size,
            text.data);
    ft_hint(err, "Sum floats: `sum(number(x))`.");
    err->number = 409;
    err->offset = f->node->offset;
    err->length = f->node->length;
    return false;
}

static bool fold_sum(const folding *f, ft_error *err)
{
    const uint8_t *failed = f->context->failed;
    bool skips = f->context->any_failed;
    size_t count = f->context->count;
    const ft_vector *arg = &f->args[0];
    gathered *state = f->state;

    if (f->node->args[0]->type.kind == FT_KIND_FLOAT) {
        double sum = state->float_value;
        for (size_t i = 0; i < count; i++)
            if (!skips || !failed[i])
                sum += ft_vector_floats(arg)[i];
        state->float_value = sum;
        return true;
    }
    int64_t sum = state->int_value;
    int bad = 0;
    for (size_t i = 0; i < count; i++)
        if (!skips || !failed[i])
            bad |= FT_ADD_OVERFLOWS(sum, ft_vector_ints(arg)[i], &sum);
    state->int_value = sum;
    return !bad || fail_sum(f, err);
}

static ft_slice get_text(const ft_builder *builder)
{
    if (!builder->values_bytes)
        return (ft_slice){0};
    return (ft_slice){builder->values->data, builder->values_bytes};
}

// The block's best item by its last argument if it beats the state's, else SIZE_MAX. NaN beats
// nothing.
static size_t find_best(const folding *f, bool most)
{
    size_t arg = f->node->arg_count - 1, best = SIZE_MAX;
    const ft_vector *by = &f->args[arg];
    ft_kind kind = f->node->args[arg]->type.kind;
    gathered *state = f->state;
    ft_slice text = state->has_best_text ? get_text(&state->best_text) : (ft_slice){0};

    for (size_t i = 0; i < f->context->count; i++) {
        bool wins;
        if (f->context->failed[i])
            continue;
        if (kind == FT_KIND_INT) {
            int64_t value = ft_vector_ints(by)[i];
            wins = most ? value > state->int_value : value < state->int_value;
        } else if (kind == FT_KIND_FLOAT) {
            double value = ft_vector_floats(by)[i];
            if (isnan(value))
                continue;
            wins = most ? value > state->float_value : value < state->float_value;
        } else {
            int order = ft_slice_compare(ft_vector_texts(by)[i], text);
            wins = most ? order > 0 : order < 0;
        }
        if (state->has_best && !wins)
            continue;
        state->has_best = true;
        best = i;
        if (kind == FT_KIND_INT)
            state->int_value = ft_vector_ints(by)[i];
        else if (kind == FT_KIND_FLOAT)
            state->float_value = ft_vector_floats(by)[i];
        else
            text = ft_vector_texts(by)[i];
    }
    return best;
}

static bool fold_best(const folding *f, bool most, ft_error *err)
{
    size_t last = f->node->arg_count - 1;
    size_t best = find_best(f, most);

    if (best == SIZE_MAX)
        return true;
    if (ft_expr_is(f->node->args[last]->type, FT_KIND_STRING) &&
        !replace_kept(&f->state->best_text, &f->state->has_best_text, f, last, best, err))
        return false;
    return last == 0 || replace_kept(&f->state->kept, &f->state->has_kept, f, 0, best, err);
}

static bool fold_end(const folding *f, bool is_first, ft_error *err)
{
    size_t count = f->context->count, found = SIZE_MAX;

    if (is_first && f->state->has_kept)
        return true;
    for (size_t i = 0; i < count && !(is_first && found != SIZE_MAX); i++)
        if (!f->context->failed[i])
            found = i;
    return found == SIZE_MAX ||
           replace_kept(&f->state->kept, &f->state->has_kept, f, 0, found, err);
}

static bool fold_list(const folding *f, ft_error *err)
{
    ft_type type = f->node->args[0]->type;

    if (!f->state->has_kept) {
        if (!ft_builder_init(&f->state->kept, type, f->account, 0, 0, err))
            return false;
        f->state->has_kept = true;
    }
    for (size_t i = 0; i < f->context->count; i++)
        if (!f->context->failed[i] && !ft_vector_put(&f->args[0], type, i, &f->state->kept, err))
            return false;
    return true;
}

static void fold_truth(const folding *f, bool wanted)
{
    for (size_t i = 0; i < f->context->count; i++)
        if (!f->context->failed[i] && ft_vector_bools(&f->args[0])[i] == wanted)
            f->state->is_true = wanted;
}

static void fold_count(const folding *f)
{
    size_t count = count_taken(f->context);

    for (size_t i = 0; f->node->arg_count && f->args[0].nulls && i < f->context->count; i++)
        count -= !f->context->failed[i] && f->args[0].nulls[i];
    f->state->int_value += (int64_t)count;
}

static bool fold_one(const folding *f, ft_error *err)
{
    f->state->items += count_taken(f->context);
    switch (f->node->routine->gather) {
    case FT_GATHER_NONE:
        return true;
    case FT_GATHER_SUM:
    case FT_GATHER_MEAN:
        return fold_sum(f, err);
    case FT_GATHER_MIN:
    case FT_GATHER_ARG_MIN:
        return fold_best(f, false, err);
    case FT_GATHER_MAX:
    case FT_GATHER_ARG_MAX:
        return fold_best(f, true, err);
    case FT_GATHER_COUNT:
        fold_count(f);
        return true;
    case FT_GATHER_FIRST:
        return fold_end(f, true, err);
    case FT_GATHER_LAST:
        return fold_end(f, false, err);
    case FT_GATHER_ANY:
        fold_truth(f, true);
        return true;
    case FT_GATHER_ALL:
        fold_truth(f, false);
        return true;
    case FT_GATHER_LIST:
        return fold_list(f, err);
    }
    return true;
}

// ---- all of them, block by block ----

enum { ARGS_MAX = 2 };

typedef struct fold_args {
    ft_vector args[ARGS_MAX];
} fold_args;

static bool eval_args(ft_expr_context *context, ft_expr_fold *const *folds, size_t count,
                      fold_args *all, ft_error *err)
{
    for (size_t n = 0; n < count; n++) {
        context->expr = folds[n]->expr;
        for (size_t a = 0; a < folds[n]->expr->aggregate_count; a++, all++) {
            const ft_expr_node *node = folds[n]->expr->aggregates[a];
            for (size_t k = 0; k < node->arg_count; k++) {
                if (!ft_expr_node_eval(context, node->args[k], &all->args[k], err))
                    return false;
                if (!node->routine->takes_null)
                    ft_expr_fail_nulls(context, node->args[k], &all->args[k]);
            }
        }
    }
    return true;
}

static bool fold_block(ft_expr_context *context, ft_expr_fold *const *folds, size_t count,
                       fold_args *all, ft_error *err)
{
    const ft_expr *exprs[FT_EXPR_FOLDS_MAX];

    for (size_t n = 0; n < count; n++)
        exprs[n] = folds[n]->expr;
    if (!eval_args(context, folds, count, all, err) ||
        !ft_expr_report_failed(context, exprs, count, err))
        return false;
    for (size_t n = 0; n < count; n++) {
        context->expr = folds[n]->expr;
        folds[n]->items += count_taken(context);
        for (size_t a = 0; a < folds[n]->expr->aggregate_count; a++, all++) {
            folding f = {context, folds[n]->expr->aggregates[a], all->args, &folds[n]->states[a],
                         folds[n]->account};
            if (!fold_one(&f, err))
                return !(folds[n]->is_torn = true);
        }
    }
    return true;
}

bool ft_expr_folds_add(ft_expr_fold *const *folds, size_t count, const ft_batch *batch,
                       ft_expr_run *run, ft_error *err)
{
    ft_expr_context context = {.batch = batch, .run = run};
    size_t aggregates = 0;
    bool ok = true;

    FT_ASSERT(count <= FT_EXPR_FOLDS_MAX);
    if (!ft_expr_scratch_get(run, &context.scratch, err))
        return false;
    for (size_t n = 0; n < count; n++) {
        if (folds[n]->is_torn)
            return ft_fail(err, FT_ERROR_LIMIT,
                           "what is gathered does not fit the memory of the run");
        aggregates += folds[n]->expr->aggregate_count;
    }
    fold_args *all = ft_alloc_zero(aggregates + 1, sizeof(*all));
    if (!all)
        return ft_fail_nomem(err, (aggregates + 1) * sizeof(*all));
    for (size_t first = 0; ok && first < batch->count; first += FT_EXPR_BLOCK) {
        size_t left = batch->count - first;
        context.first = first;
        context.count = left < FT_EXPR_BLOCK ? left : FT_EXPR_BLOCK;
        context.any_failed = false;
        memset(context.failed, 0, context.count);
        ok = fold_block(&context, folds, count, all, err);
        for (size_t a = 0; a < aggregates * ARGS_MAX; a++)
            ft_vector_give(&context, &all[a / ARGS_MAX].args[a % ARGS_MAX]);
        ft_expr_scratch_reset(context.scratch);
    }
    ft_free(all);
    return ok;
}

bool ft_expr_fold_add(ft_expr_fold *fold, const ft_batch *batch, ft_expr_run *run, ft_error *err)
{
    return ft_expr_folds_add(&fold, 1, batch, run, err);
}

// ---- the end ----

static bool add_list(ft_builder *out, gathered *state, ft_type element, ft_error *err)
{
    ft_column kept = {0};
    size_t count = state->has_kept ? state->kept.count : 0;
    bool ok = true;

    if (state->has_kept && !ft_builder_take(&state->kept, &kept, err))
        return false;
    if (element.kind == FT_KIND_STRING) {
        for (size_t i = 0; ok && i < count; i++)
            ok = ft_builder_add_element(out, ft_column_text(&kept, i), err);
        ok = ok && ft_builder_end_list(out, err);
    } else {
        ok = ft_builder_add_numbers(out, count ? kept.values->data : NULL, count, err);
    }
    ft_column_finish(&kept);
    return ok;
}

static bool add_result(ft_builder *out, gathered *state, const ft_expr_node *node, ft_error *err)
{
    bool is_float = ft_expr_is(node->type, FT_KIND_FLOAT);

    switch (node->routine->gather) {
    case FT_GATHER_ANY:
    case FT_GATHER_ALL:
        return ft_builder_add_bool(out, state->is_true, err);
    case FT_GATHER_COUNT:
        return ft_builder_add_int(out, state->int_value, err);
    case FT_GATHER_SUM:
        return is_float ? ft_builder_add_float(out, state->float_value, err)
                        : ft_builder_add_int(out, state->int_value, err);
    case FT_GATHER_MEAN:
        if (!state->items)
            return ft_builder_add_null(out, err);
        return ft_builder_add_float(out, state->float_value / (double)state->items, err);
    case FT_GATHER_MIN:
    case FT_GATHER_MAX:
        if (!state->has_best)
            return ft_builder_add_null(out, err);
        if (state->has_best_text)
            return ft_builder_add_text(out, get_text(&state->best_text), err);
        return is_float ? ft_builder_add_float(out, state->float_value, err)
                        : ft_builder_add_int(out, state->int_value, err);
    case FT_GATHER_LIST:
        return add_list(out, state, node->args[0]->type, err);
    case FT_GATHER_NONE:
    case FT_GATHER_FIRST:
    case FT_GATHER_LAST:
    case FT_GATHER_ARG_MAX:
    case FT_GATHER_ARG_MIN:
        break;
    }
    return ft_builder_add_null(out, err);
}

static bool make_result(gathered *state, const ft_expr_node *node, ft_account *account,
                        ft_column *out, ft_error *err)
{
    ft_builder builder = {0};
    ft_gather_kind kind = node->routine->gather;
    bool keeps = kind == FT_GATHER_FIRST || kind == FT_GATHER_LAST || kind == FT_GATHER_ARG_MAX ||
                 kind == FT_GATHER_ARG_MIN;

    if (keeps && state->has_kept)
        return ft_builder_take(&state->kept, out, err);
    bool ok = ft_builder_init(&builder, node->type, account, 1, 0, err) &&
              add_result(&builder, state, node, err) && ft_builder_take(&builder, out, err);
    ft_builder_finish(&builder);
    return ok;
}

static bool eval_result(ft_expr_fold *fold, const ft_column *results, ft_builder *out,
                        ft_error *err)
{
    ft_batch none = {.count = 1};
    ft_expr_run run = {.account = fold->account};
    ft_error why = FT_ERROR_INIT;
    ft_expr_context context = {.expr = fold->expr,
                               .batch = &none,
                               .run = &run,
                               .count = 1,
                               .aggregates = results,
                               .why = &why};
    ft_vector value = {0};

    bool ok = ft_expr_scratch_get(&run, &context.scratch, err) &&
              ft_expr_node_eval(&context, fold->expr->root, &value, err);
    if (ok && (context.failed[0] || ft_vector_is_null(&value, 0))) {
        // Of no items at all there is no mean and no largest: null, and no fault.
        ok = !context.failed[0] || !fold->items ? ft_builder_add_null(out, err)
                                                : (*err = why, false);
    } else if (ok) {
        ok = ft_vector_put(&value, fold->expr->root->type, 0, out, err);
    }
    if (context.scratch)
        ft_vector_give(&context, &value);
    ft_expr_free_scratch(&run);
    return ok;
}

bool ft_expr_fold_end(ft_expr_fold *fold, ft_builder *out, ft_error *err)
{
    size_t count = fold->expr->aggregate_count;
    ft_column *results = ft_alloc_zero(count + 1, sizeof(*results));
    bool ok = true;

    if (!results)
        return ft_fail_nomem(err, (count + 1) * sizeof(*results));
    for (size_t a = 0; ok && a < count; a++)
        ok = make_result(&fold->states[a], fold->expr->aggregates[a], fold->account, &results[a],
                         err);
    ok = ok && eval_result(fold, results, out, err);
    for (size_t a = 0; a < count; a++)
        ft_column_finish(&results[a]);
    ft_free(results);
    return ok;
}
