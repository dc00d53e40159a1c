// Calls: finding the routine that is meant, fitting the arguments to its letters, and what it
// gives.
#include <string.h>

#include "runtime/expr/expr_routine.h"
#include "runtime/expr/expr_typer.h"

static void count_args(const char *spec, size_t *out_least, size_t *out_most)
{
    bool optional = false;

    *out_least = *out_most = 0;
    for (; *spec; spec++) {
        if (*spec == '?') {
            optional = true;
        } else if (*spec == '*') {
            *out_most = FT_EXPR_ARGS_MAX;
        } else {
            ++*out_most;
            *out_least += !optional;
        }
    }
}

static char arg_letter(const char *spec, size_t index)
{
    for (; *spec; spec++) {
        if (*spec == '?')
            continue;
        if (index-- == 0 || spec[1] == '*')
            return *spec;
    }
    return 0;
}

static bool is_visible(const ft_typer *t, ft_expr_use use)
{
    if (use == FT_EXPR_ITEM)
        return true;
    if (use == FT_EXPR_GATHER)
        return t->expr->use == FT_EXPR_GATHER && !t->in_aggregate;
    return use == t->expr->use;
}

static bool fail_call(ft_typer *t, const ft_expr_node *node, const ft_expr_routine *hidden,
                      const ft_expr_routine *other_arity, ft_error *err)
{
    int size = (int)(node->text.size > 60 ? 60 : node->text.size);

    if (other_arity) {
        ft_typer_fail(err, node, 405, "`%s` is given %zu argument%s", other_arity->name,
                      node->arg_count, node->arg_count == 1 ? "" : "s");
        ft_hint(err, "Write `%s`.", ft_expr_functions[other_arity - ft_expr_routines].signature);
        return false;
    }
    if (hidden && hidden->use == FT_EXPR_GATHER) {
        ft_typer_fail(err, node, 407, "`%s` is over all items, and cannot stand %s", hidden->name,
                      t->in_aggregate ? "inside of another such function" : "here");
        ft_hint(err, t->in_aggregate ? "What stands inside is done for each item."
                                     : "It is for the `fields:` of `gather`.");
        return false;
    }
    if (hidden) {
        ft_typer_fail(err, node, 403, "`%s` makes random values, which only `generate` has",
                      hidden->name);
        return false;
    }
    ft_typer_fail(err, node, 403, "there is no function `%.*s`", size, node->text.data);
    const char *names[sizeof(void *) * 16] = {NULL};
    size_t count = 0;
    for (const ft_expr_routine *r = ft_expr_routines; r->name && count + 1 < FT_COUNT_OF(names);
         r++)
        if (is_visible(t, r->use))
            names[count++] = r->name;
    const char *near = ft_nearest(node->text, names);
    static const struct {
        const char *theirs, *ours;
    } words[] = {
        {"length", "len"},        {"size", "len"},           {"strlen", "len"},
        {"tolower", "lower"},     {"toupper", "upper"},      {"strip", "trim"},
        {"tostring", "string"},   {"str", "string"},         {"tonumber", "number"},
        {"float", "number"},      {"substr", "sub"},         {"substring", "sub"},
        {"startswith", "starts"}, {"starts_with", "starts"}, {"endswith", "ends"},
        {"ends_with", "ends"},    {"coalesce", "default"},   {"ifnull", "default"},
        {"nvl", "default"},       {"avg", "mean"},           {"average", "mean"},
        {"regex", "match"},       {"matches", "match"},      {"test", "match"},
        {"includes", "contains"}, {"gsub", "replace"},       {"concat", ".."},
        {"argmin", "arg_min"},
    };
    for (size_t i = 0; i < FT_COUNT_OF(words); i++)
        if (ft_slice_is(node->text, words[i].theirs))
            ft_hint(err, "It is called `%s` here.", words[i].ours);
    if (ft_slice_is(node->text, "if"))
        ft_hint(err, "Write `condition and a or b`.");
    if (near)
        ft_hint(err, "Did you mean `%s`?", near);
    ft_hint(err, "`ftpipe explain functions` lists them all.");
    return false;
}

static bool find_call(ft_typer *t, ft_expr_node *node, ft_error *err)
{
    const ft_expr_routine *found = NULL, *hidden = NULL, *other_arity = NULL;

    for (const ft_expr_routine *r = ft_expr_routines; r->name; r++) {
        size_t least, most;
        if (!ft_slice_is(node->text, r->name))
            continue;
        count_args(r->args, &least, &most);
        bool fits = node->arg_count >= least && node->arg_count <= most;
        if (!is_visible(t, r->use))
            hidden = r;
        else if (!fits)
            other_arity = r;
        else if (!found || found->use == FT_EXPR_ITEM)
            found = r;
    }
    node->routine = found;
    return found || fail_call(t, node, hidden, other_arity, err);
}

static bool fail_arg(ft_typer *t, const ft_expr_node *node, size_t k, const char *wanted,
                     ft_error *err)
{
    char type[FT_TYPE_TEXT_BYTES];
    const ft_expr_node *arg = node->args[k];
    ft_slice text = ft_typer_text(t, arg);

    ft_typer_fail(err, arg, 404, "`%s` takes %s, and `%.*s` is %s", node->routine->name, wanted,
                  (int)text.size, text.data, ft_typer_type_name(arg, type));
    if (ft_expr_is(arg->type, FT_KIND_STRING) && strstr(wanted, "number"))
        ft_hint(err, "Write `number(%.*s)` to read it as a number.", (int)text.size, text.data);
    if (ft_expr_is_number(arg->type) && strcmp(wanted, "a text") == 0)
        ft_hint(err, "Write `string(%.*s)`.", (int)text.size, text.data);
    ft_hint(err, "It is `%s`: %s", ft_expr_functions[node->routine - ft_expr_routines].signature,
            ft_expr_functions[node->routine - ft_expr_routines].doc);
    return false;
}

static bool fit_scalar(ft_typer *t, ft_expr_node *node, size_t k, ft_kind kind, const char *wanted,
                       ft_error *err)
{
    ft_expr_node **slot = &node->args[k];
    bool is_promoted = kind == FT_KIND_FLOAT && ft_expr_is((*slot)->type, FT_KIND_INT);

    if (ft_expr_is((*slot)->type, kind))
        return true;
    if (is_promoted || ft_expr_is_dynamic((*slot)->type))
        return ft_typer_convert(t, slot, (ft_type){.kind = kind}, err);
    return fail_arg(t, node, k, wanted, err);
}

static bool fit_loose(ft_typer *t, ft_expr_node *node, size_t k, char letter, ft_error *err)
{
    ft_type type = node->args[k]->type;
    bool is_text = !type.list && (type.kind == FT_KIND_STRING || type.kind == FT_KIND_BYTES);
    bool is_vector = ft_expr_is_vector(type);

    switch (letter) {
    case 'o':
        if (ft_expr_is(type, FT_KIND_STRING))
            return true;
        return fit_scalar(t, node, k, type.kind == FT_KIND_INT ? FT_KIND_INT : FT_KIND_FLOAT,
                          "a number or a text", err);
    case 'v':
        return is_vector || fail_arg(t, node, k, "a list of numbers or a tensor", err);
    case 'l':
        return (type.list && type.kind == FT_KIND_STRING) ||
               fail_arg(t, node, k, "a list of texts", err);
    case 'c':
        if (type.list && type.kind == FT_KIND_STRING)
            return true;
        return fit_scalar(t, node, k, FT_KIND_STRING, "a text or a list of texts", err);
    case 'L':
        if (type.list || is_text || is_vector || ft_expr_is_dynamic(type))
            return true;
        return fail_arg(t, node, k, "a text, a list or a tensor", err);
    case 'j':
        return ft_expr_is_dynamic(type) ||
               fail_arg(t, node, k, "JSON (a field of type json or any)", err);
    case 'h':
        if (is_text || ft_expr_is_dynamic(type) || ft_expr_is(type, FT_KIND_BOOL) ||
            ft_expr_is_number(type))
            return true;
        return fail_arg(t, node, k, "a text, a number or a bool", err);
    default:
        return true;
    }
}

static bool fit_arg(ft_typer *t, ft_expr_node *node, size_t k, char letter, ft_error *err)
{
    const ft_expr_node *arg = node->args[k];
    bool is_literal = arg->op == FT_OP_LITERAL;

    if (letter == 'u')
        return true;
    if (arg->is_nil)
        return fail_arg(t, node, k, "no nil", err);
    switch (letter) {
    case 's':
        return fit_scalar(t, node, k, FT_KIND_STRING, "a text", err);
    case 'i':
        return fit_scalar(t, node, k, FT_KIND_INT, "a whole number", err);
    case 'f':
        return fit_scalar(t, node, k, FT_KIND_FLOAT, "a number", err);
    case 'n':
        return fit_scalar(t, node, k,
                          ft_expr_is(arg->type, FT_KIND_INT) ? FT_KIND_INT : FT_KIND_FLOAT,
                          "a number", err);
    case 'b':
        return fit_scalar(t, node, k, FT_KIND_BOOL, "true or false", err);
    case 'S':
        return (is_literal && arg->type.kind == FT_KIND_STRING) ||
               fail_arg(t, node, k, "a text in quotes", err);
    case 'I':
        return (is_literal && arg->type.kind == FT_KIND_INT) ||
               fail_arg(t, node, k, "a whole number as it stands", err);
    default:
        return fit_loose(t, node, k, letter, err);
    }
}

static ft_type element_type(ft_type vector)
{
    if (vector.kind != FT_KIND_TENSOR)
        return (ft_type){.kind = vector.kind};
    return ft_vector_loaded_type((ft_type){.kind = FT_KIND_TENSOR, .dtype = vector.dtype});
}

static ft_type tensor_type(const ft_expr_node *node)
{
    ft_type type = {
        .kind = FT_KIND_TENSOR, .dtype = FT_DTYPE_F32, .rank = (uint8_t)node->arg_count};

    for (size_t k = 0; k < node->arg_count; k++)
        type.shape[k] = node->args[k]->int_value;
    return type;
}

static ft_type result_type(const ft_expr_node *node)
{
    ft_type first = node->arg_count ? node->args[0]->type : FT_TYPE(ANY);

    switch (node->routine->result) {
    case 'b':
        return FT_TYPE(BOOL);
    case 'i':
        return FT_TYPE(INT);
    case 'f':
        return FT_TYPE(FLOAT);
    case 's':
        return FT_TYPE(STRING);
    case 'l':
        return FT_TYPE_LIST(STRING);
    case 'j':
        return FT_TYPE(ANY);
    case 'F':
        return element_type(first);
    case 'V':
        if (first.kind == FT_KIND_TENSOR)
            return (ft_type){.kind = FT_KIND_TENSOR, .dtype = first.dtype, .list = true};
        return (ft_type){.kind = first.kind, .list = true};
    case 'X':
        return (ft_type){.kind = first.kind, .list = true};
    case 'T':
        return tensor_type(node);
    default:
        return first;
    }
}

static bool add_aggregate(ft_typer *t, ft_expr_node *node, ft_error *err)
{
    ft_expr *expr = t->expr;

    if (expr->aggregate_count == FT_EXPR_AGGREGATES_MAX)
        return ft_typer_fail(err, node, 408,
                             "more than %d functions over all items in one expression",
                             (int)FT_EXPR_AGGREGATES_MAX);
    node->op = FT_OP_AGGREGATE;
    node->site = expr->aggregate_count;
    expr->aggregates[expr->aggregate_count++] = node;
    expr->is_constant = false;
    return true;
}

bool ft_typer_call(ft_typer *t, ft_expr_node *node, ft_error *err)
{
    bool is_float = false;

    if (!find_call(t, node, err))
        return false;
    const ft_expr_routine *routine = node->routine;
    t->in_aggregate = t->in_aggregate || routine->gather;
    for (size_t k = 0; k < node->arg_count; k++) {
        if (!ft_typer_node(t, &node->args[k], err) ||
            !fit_arg(t, node, k, arg_letter(routine->args, k), err))
            return false;
        is_float = is_float || ft_expr_is(node->args[k]->type, FT_KIND_FLOAT);
    }
    if (routine->gather)
        t->in_aggregate = false;
    for (size_t k = 0; k < node->arg_count && is_float; k++)
        if (arg_letter(routine->args, k) == 'n' &&
            !ft_typer_convert(t, &node->args[k], FT_TYPE(FLOAT), err))
            return false;
    if (routine->result == 'D' && !ft_typer_unify(t, node, node->args, true, err))
        return false;
    if (routine->varies)
        t->expr->is_constant = false;
    node->type = result_type(node);
    if (routine->prepare && !routine->prepare(t->arena, node, err))
        return false;
    return !routine->gather || add_aggregate(t, node, err);
}
