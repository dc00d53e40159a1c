// Types from the leaves up. A value of type any is converted to what its place wants, item by item;
// two values of any in one comparison cannot be typed and are refused. int becomes float beside a
// float.
//
//   where a name is looked for        functions of use
//   ITEM, CONDITION                   ITEM
//   GENERATE                          GENERATE, then ITEM; `index` is a name
//   GATHER, outside of aggregates     GATHER, then ITEM; no fields
//   GATHER, inside of one             ITEM
#include "runtime/expr/expr_typer.h"

#include <stdio.h>
#include <string.h>

#include "runtime/expr/expr_routine.h"

bool ft_typer_fail(ft_error *err, const ft_expr_node *node, int number, const char *format, ...)
{
    char text[FT_ERROR_MESSAGE_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    ft_fail(err, FT_ERROR_USAGE, "%s", text);
    err->number = number;
    err->offset = node->offset;
    err->length = node->length;
    return false;
}

// The node's text, cut to what a message can show.
ft_slice ft_typer_text(const ft_typer *t, const ft_expr_node *node)
{
    ft_expr_context context = {.expr = t->expr};

    return ft_expr_node_text(&context, node);
}

const char *ft_typer_type_name(const ft_expr_node *node, char out[FT_TYPE_TEXT_BYTES])
{
    return node->is_nil ? "nil" : ft_type_print(node->type, out);
}

// A node over `args`, in the place of `like`.
static bool wrap(ft_typer *t, ft_expr_node made, const ft_expr_node *like,
                 ft_expr_node *const *args, ft_expr_node **out, ft_error *err)
{
    size_t bytes = made.arg_count * sizeof(*args);
    ft_expr_node *node = ft_arena_alloc(t->arena, sizeof(*node));
    ft_expr_node **copy = ft_arena_alloc(t->arena, bytes);

    if (!node || !copy)
        return ft_fail_nomem(err, sizeof(*node) + bytes);
    *node = made;
    node->offset = like->offset;
    node->length = like->length;
    node->height = like->height;
    memcpy(copy, args, bytes);
    node->args = copy;
    *out = node;
    return true;
}

bool ft_typer_convert(ft_typer *t, ft_expr_node **slot, ft_type type, ft_error *err)
{
    ft_expr_node made = {.op = FT_OP_CONVERT, .type = type, .arg_count = 1};

    if ((*slot)->is_nil) {
        (*slot)->type = type;
        return true;
    }
    if (ft_type_equal((*slot)->type, type))
        return true;
    return wrap(t, made, *slot, slot, slot, err);
}

// ---- what is wrong with an operand ----

static bool fail_operand(ft_typer *t, const ft_expr_node *node, const ft_expr_node *operand,
                         const char *wanted, ft_error *err)
{
    char type[FT_TYPE_TEXT_BYTES];
    ft_slice text = ft_typer_text(t, operand);
    bool is_list = operand->type.list || operand->type.kind == FT_KIND_TENSOR;

    (void)node;
    ft_typer_fail(err, operand, 404, "`%.*s` is %s, and %s is wanted here", (int)text.size,
                  text.data, ft_typer_type_name(operand, type), wanted);
    if (operand->is_nil)
        ft_hint(err, "Only `==`, `~=`, `not` and `default` take nil.");
    else if (is_list)
        ft_hint(err, "For its length write `len(%.*s)`.", (int)text.size, text.data);
    else if (operand->type.kind == FT_KIND_STRING && operand->op == FT_OP_LITERAL)
        ft_hint(err, "A number is written without quotes.");
    else if (operand->type.kind == FT_KIND_STRING)
        ft_hint(err, "Write `number(%.*s)` to read it as a number.", (int)text.size, text.data);
    return false;
}

static bool want_number(ft_typer *t, const ft_expr_node *node, ft_expr_node **slot, ft_error *err)
{
    if (ft_expr_is_number((*slot)->type) && !(*slot)->is_nil)
        return true;
    if (ft_expr_is_dynamic((*slot)->type) && !(*slot)->is_nil)
        return ft_typer_convert(t, slot, FT_TYPE(FLOAT), err);
    fail_operand(t, node, *slot, "a number", err);
    if (node->op == FT_OP_ADD && ft_expr_is((*slot)->type, FT_KIND_STRING)) {
        err->hint[0] = 0;
        ft_hint(err, "Texts are joined by `..`.");
    }
    return false;
}

static bool want_bool(ft_typer *t, const ft_expr_node *node, ft_expr_node **slot, ft_error *err)
{
    char type[FT_TYPE_TEXT_BYTES];
    const ft_expr_node *operand = *slot;
    ft_slice text = ft_typer_text(t, operand);

    if (ft_expr_is(operand->type, FT_KIND_BOOL))
        return true;
    if (ft_expr_is_dynamic(operand->type) && !operand->is_nil)
        return ft_typer_convert(t, slot, FT_TYPE(BOOL), err);
    const char *sign = node->op == FT_OP_AND ? "and" : node->op == FT_OP_OR ? "or" : "not";
    ft_typer_fail(err, operand, 404, "`%s` wants true or false, and `%.*s` is %s", sign,
                  (int)text.size, text.data, ft_typer_type_name(operand, type));
    if (ft_expr_is_number(operand->type))
        ft_hint(err, "Write `%.*s ~= 0`.", (int)text.size, text.data);
    else if (node->op == FT_OP_OR && operand->type.kind == FT_KIND_STRING)
        ft_hint(err, "Each side of `or` is a whole condition: `x == \"a\" or x == \"b\"`; for a "
                     "value where there "
                     "is none write `default(x, y)`.");
    else
        ft_hint(err, "Write what it is compared with, such as `%.*s ~= nil`.", (int)text.size,
                text.data);
    return false;
}

// ---- operators ----

static bool both_to_float(ft_typer *t, ft_expr_node **a, ft_expr_node **b, ft_error *err)
{
    if ((*a)->type.kind == (*b)->type.kind)
        return true;
    return ft_typer_convert(t, a, FT_TYPE(FLOAT), err) &&
           ft_typer_convert(t, b, FT_TYPE(FLOAT), err);
}

static bool type_arithmetic(ft_typer *t, ft_expr_node *node, ft_error *err)
{
    if (!want_number(t, node, &node->args[0], err) || !want_number(t, node, &node->args[1], err))
        return false;
    if (node->op == FT_OP_DIVIDE || node->op == FT_OP_POWER) {
        if (!ft_typer_convert(t, &node->args[0], FT_TYPE(FLOAT), err) ||
            !ft_typer_convert(t, &node->args[1], FT_TYPE(FLOAT), err))
            return false;
    }
    if (!both_to_float(t, &node->args[0], &node->args[1], err))
        return false;
    node->type = node->args[0]->type;
    return true;
}

static bool fail_comparison(ft_typer *t, const ft_expr_node *node, ft_error *err)
{
    char a_type[FT_TYPE_TEXT_BYTES], b_type[FT_TYPE_TEXT_BYTES];
    const ft_expr_node *a = node->args[0], *b = node->args[1];
    ft_slice a_text = ft_typer_text(t, a), b_text = ft_typer_text(t, b);
    bool a_number = ft_expr_is_number(a->type), b_number = ft_expr_is_number(b->type);
    const ft_expr_node *text = b_number ? a : b;

    ft_typer_fail(err, node, 404, "cannot compare `%.*s` (%s) with `%.*s` (%s)", (int)a_text.size,
                  a_text.data, ft_typer_type_name(a, a_type), (int)b_text.size, b_text.data,
                  ft_typer_type_name(b, b_type));
    if (a->type.list || a->type.kind == FT_KIND_TENSOR)
        ft_hint(err, "Compare its length: `len(%.*s)`.", (int)a_text.size, a_text.data);
    else if (b->type.list || b->type.kind == FT_KIND_TENSOR)
        ft_hint(err, "Compare its length: `len(%.*s)`.", (int)b_text.size, b_text.data);
    else if (a->op >= FT_OP_EQUAL && a->op <= FT_OP_GREATER_EQUAL)
        ft_hint(err, "Comparisons do not chain: write `1 < x and x < 5`.");
    else if (ft_expr_is_dynamic(a->type) && ft_expr_is_dynamic(b->type))
        ft_hint(err, "Say what they are: `number(x)` or `string(x)`.");
    else if ((a_number || b_number) && text->op == FT_OP_LITERAL &&
             text->type.kind == FT_KIND_STRING)
        ft_hint(err, "Leave the quotes away: a number is written without them.");
    else if ((a_number || b_number) && text->type.kind == FT_KIND_STRING)
        ft_hint(err, "Write `number(%.*s)` to compare numbers, or put the number in quotes.",
                (int)ft_typer_text(t, text).size, ft_typer_text(t, text).data);
    return false;
}

static bool is_comparable(ft_type type)
{
    return !type.list && type.kind != FT_KIND_TENSOR;
}

static bool type_equality(ft_typer *t, ft_expr_node *node, ft_error *err)
{
    ft_expr_node *a = node->args[0], *b = node->args[1];

    if (a->is_nil || b->is_nil) {
        node->args[0] = a->is_nil ? b : a;
        node->arg_count = 1;
        node->op = node->op == FT_OP_EQUAL ? FT_OP_IS_NULL : FT_OP_IS_NOT_NULL;
        return true;
    }
    if (!is_comparable(a->type) || !is_comparable(b->type))
        return fail_comparison(t, node, err);
    if (ft_expr_is_dynamic(a->type) || ft_expr_is_dynamic(b->type))
        return true;
    if (ft_expr_is_number(a->type) && ft_expr_is_number(b->type))
        return both_to_float(t, &node->args[0], &node->args[1], err);
    return a->type.kind == b->type.kind || fail_comparison(t, node, err);
}

static bool type_order(ft_typer *t, ft_expr_node *node, ft_error *err)
{
    ft_expr_node **a = &node->args[0], **b = &node->args[1];
    bool a_dynamic = ft_expr_is_dynamic((*a)->type), b_dynamic = ft_expr_is_dynamic((*b)->type);

    if ((*a)->is_nil || (*b)->is_nil || !is_comparable((*a)->type) || !is_comparable((*b)->type) ||
        (a_dynamic && b_dynamic))
        return fail_comparison(t, node, err);
    ft_type other = a_dynamic ? (*b)->type : (*a)->type;
    if (a_dynamic || b_dynamic)
        if (!ft_typer_convert(t, a_dynamic ? a : b,
                              ft_expr_is_number(other) ? FT_TYPE(FLOAT) : other, err))
            return false;
    if (ft_expr_is_number((*a)->type) && ft_expr_is_number((*b)->type))
        return both_to_float(t, a, b, err);
    if ((*a)->type.kind != (*b)->type.kind || other.kind == FT_KIND_BOOL)
        return fail_comparison(t, node, err);
    return true;
}

static const ft_expr_routine *find_routine(const char *name)
{
    const ft_expr_routine *routine = ft_expr_routines;

    while (strcmp(routine->name, name) != 0)
        routine++;
    return routine;
}

static bool type_concat(ft_typer *t, ft_expr_node *node, ft_error *err)
{
    for (size_t k = 0; k < 2; k++) {
        ft_expr_node **slot = &node->args[k];
        ft_type type = (*slot)->type;
        bool ok = true;
        if (ft_expr_is(type, FT_KIND_STRING))
            continue;
        if (ft_expr_is_number(type) && !(*slot)->is_nil) {
            ok = ft_typer_convert(t, slot, FT_TYPE(STRING), err);
        } else if (ft_expr_is_dynamic(type) && !(*slot)->is_nil) {
            ft_expr_node made = {.op = FT_OP_CALL,
                                 .type = FT_TYPE(STRING),
                                 .arg_count = 1,
                                 .routine = find_routine("string")};
            ok = wrap(t, made, *slot, slot, slot, err);
        } else {
            fail_operand(t, node, *slot, "a text or a number", err);
            if (type.list && type.kind == FT_KIND_STRING) {
                err->hint[0] = 0;
                ft_hint(err, "Write `join(list, \" \")`.");
            }
            return false;
        }
        if (!ok)
            return false;
    }
    node->type = FT_TYPE(STRING);
    return true;
}

bool ft_typer_unify(ft_typer *t, const ft_expr_node *node, ft_expr_node *pair[2],
                    bool any_gives_way, ft_error *err)
{
    ft_expr_node **a = &pair[0], **b = &pair[1];
    ft_type x = (*a)->type, y = (*b)->type;
    char x_name[FT_TYPE_TEXT_BYTES], y_name[FT_TYPE_TEXT_BYTES];

    if ((*a)->is_nil)
        return ft_typer_convert(t, a, y, err);
    if ((*b)->is_nil)
        return ft_typer_convert(t, b, x, err);
    if (ft_type_equal(x, y))
        return true;
    if (ft_expr_is_number(x) && ft_expr_is_number(y))
        return both_to_float(t, a, b, err);
    if (is_comparable(x) && is_comparable(y) && x.kind != FT_KIND_BYTES &&
        y.kind != FT_KIND_BYTES) {
        if (ft_expr_is_dynamic(x))
            return any_gives_way ? ft_typer_convert(t, a, y, err) : ft_typer_convert(t, b, x, err);
        if (ft_expr_is_dynamic(y))
            return any_gives_way ? ft_typer_convert(t, b, x, err) : ft_typer_convert(t, a, y, err);
    }
    return ft_typer_fail(err, node, 404, "the two values have different types: %s and %s",
                         ft_typer_type_name(*a, x_name), ft_typer_type_name(*b, y_name));
}

// `c and a or b`, Lua's way to choose a value, where a and b are not conditions.
static bool type_or(ft_typer *t, ft_expr_node *node, ft_error *err)
{
    ft_expr_node *both = node->args[0];

    if (both->op != FT_OP_AND) {
        if (!ft_typer_node(t, &node->args[0], err) || !ft_typer_node(t, &node->args[1], err))
            return false;
    } else {
        if (!ft_typer_node(t, &both->args[0], err) || !ft_typer_node(t, &both->args[1], err) ||
            !ft_typer_node(t, &node->args[1], err))
            return false;
        ft_expr_node *args[3] = {both->args[0], both->args[1], node->args[1]};
        bool is_condition =
            ft_expr_is(args[1]->type, FT_KIND_BOOL) || ft_expr_is(args[2]->type, FT_KIND_BOOL);
        if (!is_condition) {
            ft_expr_node made = {.op = FT_OP_SELECT, .arg_count = 3};
            if (!want_bool(t, both, &args[0], err) ||
                !ft_typer_unify(t, node, &args[1], false, err))
                return false;
            made.type = args[1]->type;
            made.is_nil = args[1]->is_nil && args[2]->is_nil;
            ft_expr_node *chosen;
            if (!wrap(t, made, node, args, &chosen, err))
                return false;
            *node = *chosen;
            return true;
        }
        both->type = FT_TYPE(BOOL);
        if (!want_bool(t, both, &both->args[0], err) || !want_bool(t, both, &both->args[1], err))
            return false;
    }
    node->type = FT_TYPE(BOOL);
    return want_bool(t, node, &node->args[0], err) && want_bool(t, node, &node->args[1], err);
}

static bool type_operator(ft_typer *t, ft_expr_node *node, ft_error *err)
{
    if (node->op == FT_OP_OR)
        return type_or(t, node, err);
    for (size_t k = 0; k < node->arg_count; k++)
        if (!ft_typer_node(t, &node->args[k], err))
            return false;
    if (node->op == FT_OP_NOT || node->op == FT_OP_AND) {
        node->type = FT_TYPE(BOOL);
        for (size_t k = 0; k < node->arg_count; k++) {
            bool is_not_nil = node->op == FT_OP_NOT && node->args[k]->is_nil;
            if (is_not_nil)
                node->args[k]->type = FT_TYPE(BOOL);
            else if (!want_bool(t, node, &node->args[k], err))
                return false;
        }
        return true;
    }
    if (node->op == FT_OP_NEGATE) {
        if (!want_number(t, node, &node->args[0], err))
            return false;
        node->type = node->args[0]->type;
        return true;
    }
    if (node->op == FT_OP_CONCAT)
        return type_concat(t, node, err);
    if (node->op < FT_OP_EQUAL)
        return type_arithmetic(t, node, err);
    node->type = FT_TYPE(BOOL);
    if (node->op == FT_OP_EQUAL || node->op == FT_OP_NOT_EQUAL)
        return type_equality(t, node, err);
    return type_order(t, node, err);
}

// ---- names ----

static bool fail_name(ft_typer *t, const ft_expr_node *node, ft_error *err)
{
    static const struct {
        const char *theirs, *ours;
    } words[] = {
        {"null", "nil"},  {"NULL", "nil"},  {"None", "nil"},    {"Null", "nil"},
        {"True", "true"}, {"TRUE", "true"}, {"False", "false"}, {"FALSE", "false"},
        {"AND", "and"},   {"OR", "or"},     {"NOT", "not"},
    };
    size_t count = 0;
    int size = (int)(node->text.size > 60 ? 60 : node->text.size);
    const char **names = ft_arena_zero(t->arena, t->schema->count + 2, sizeof(*names));

    if (!names)
        return ft_fail_nomem(err, (t->schema->count + 2) * sizeof(*names));
    for (size_t i = 0; i < t->schema->count; i++)
        if (!ft_field_is_hidden(&t->schema->fields[i]))
            names[count++] = t->schema->fields[i].name;
    bool has_fields = count > 0;
    if (t->expr->use == FT_EXPR_GENERATE)
        names[count++] = "index";
    ft_typer_fail(err, node, 402, "no field `%.*s` comes in", size, node->text.data);
    for (size_t i = 0; i < FT_COUNT_OF(words); i++)
        if (ft_slice_is(node->text, words[i].theirs))
            ft_hint(err, "Write `%s`.", words[i].ours);
    const char *near = ft_nearest(node->text, names);
    if (near)
        ft_hint(err, "Did you mean `%s`?", near);
    for (const ft_expr_function *f = ft_expr_functions; f->name; f++)
        if (ft_slice_is(node->text, f->name))
            ft_hint(err, "`%s` is a function: write `%s`.", f->name, f->signature);
    if (t->expr->use == FT_EXPR_GENERATE)
        ft_hint(
            err, "%s",
            "A text stands in quotes inside the expression, and in YAML in a second pair around "
            "it: '\"some text\"'.");
    const char *fields = has_fields ? ft_schema_print(t->schema, t->arena) : NULL;
    if (fields)
        ft_hint(err, "What comes in: %.160s%s.%s", fields, strlen(fields) > 160 ? " ..." : "",
                t->schema->open ? " Others must be named in `fields:` where they are read." : "");
    return false;
}

static bool type_name_node(ft_typer *t, ft_expr_node *node, ft_error *err)
{
    size_t field = ft_schema_find(t->schema, node->text);
    int size = (int)(node->text.size > 60 ? 60 : node->text.size);

    t->expr->is_constant = false;
    if (field == FT_FIELD_NONE && t->expr->use == FT_EXPR_GENERATE &&
        ft_slice_is(node->text, "index")) {
        node->op = FT_OP_INDEX;
        node->type = FT_TYPE(INT);
        return true;
    }
    if (field == FT_FIELD_NONE || ft_field_is_hidden(&t->schema->fields[field]))
        return fail_name(t, node, err);
    if (t->expr->use == FT_EXPR_GATHER && !t->in_aggregate) {
        ft_typer_fail(err, node, 407,
                      "`%.*s` has a value for each item, and here is one for all items", size,
                      node->text.data);
        ft_hint(err, "Say which: `first(%.*s)`, `max(%.*s)`, `sum(%.*s)`, `list(%.*s)`.", size,
                node->text.data, size, node->text.data, size, node->text.data, size,
                node->text.data);
        return false;
    }
    node->op = FT_OP_FIELD;
    node->field = field;
    node->type = ft_vector_loaded_type(t->schema->fields[field].type);
    t->expr->reads[field] = true;
    return true;
}

bool ft_typer_node(ft_typer *t, ft_expr_node **slot, ft_error *err)
{
    ft_expr_node *node = *slot;

    if (node->op == FT_OP_LITERAL)
        return true;
    if (node->op == FT_OP_NAME)
        return type_name_node(t, node, err);
    if (node->op == FT_OP_CALL)
        return ft_typer_call(t, node, err);
    return type_operator(t, node, err);
}

static bool check_condition(ft_typer *t, ft_expr_node **slot, ft_error *err)
{
    char type[FT_TYPE_TEXT_BYTES];
    const ft_expr_node *root = *slot;
    ft_slice text = ft_typer_text(t, root);

    if (ft_expr_is(root->type, FT_KIND_BOOL))
        return true;
    if (ft_expr_is_dynamic(root->type) && !root->is_nil)
        return ft_typer_convert(t, slot, FT_TYPE(BOOL), err);
    ft_typer_fail(err, root, 406, "a condition is true or false, and this is %s",
                  ft_typer_type_name(root, type));
    if (ft_expr_is_number(root->type))
        ft_hint(err, "Write `%.*s ~= 0`.", (int)text.size, text.data);
    else if (ft_expr_is(root->type, FT_KIND_STRING))
        ft_hint(err, "Write `%.*s ~= \"\"`.", (int)text.size, text.data);
    else if (root->type.list)
        ft_hint(err, "Write `len(%.*s) > 0`.", (int)text.size, text.data);
    return false;
}

bool ft_expr_type_tree(ft_expr *expr, ft_arena *arena, const ft_schema *schema, ft_expr_node *root,
                       ft_error *err)
{
    ft_typer t = {.expr = expr, .arena = arena, .schema = schema};

    expr->field_count = schema->count;
    expr->is_constant = true;
    expr->reads = ft_arena_zero(arena, schema->count + 1, sizeof(bool));
    expr->aggregates = ft_arena_zero(arena, FT_EXPR_AGGREGATES_MAX, sizeof(*expr->aggregates));
    if (!expr->reads || !expr->aggregates)
        return ft_fail_nomem(err,
                             schema->count + FT_EXPR_AGGREGATES_MAX * sizeof(*expr->aggregates));
    if (!ft_typer_node(&t, &root, err))
        return false;
    if (expr->use == FT_EXPR_CONDITION && !check_condition(&t, &root, err))
        return false;
    expr->root = root;
    expr->type = root->op == FT_OP_FIELD ? schema->fields[root->field].type : root->type;
    return true;
}
