// Precedence climbing over the lexer's words, lowest first, as in Lua:
//
//   or   and   < > <= >= ~= ==   .. (to the right)   + -   * / // %   not - (unary)   ^ (to the
//   right)
//
// Bounds: FT_EXPR_BYTES_MAX bytes of text; nesting and the tree's height FT_EXPR_HEIGHT_MAX.
#include "runtime/expr/expr_parser.h"

#include <string.h>

#include "runtime/expr/expr_lexer.h"

typedef struct parser {
    ft_arena *arena;
    ft_lexer lexer;
    ft_word word;     // The one that is looked at.
    size_t last_end;  // Where the one before it ended.
    size_t depth;
    size_t calls;
} parser;

enum {
    LEVEL_OR = 1,
    LEVEL_AND,
    LEVEL_COMPARE,
    LEVEL_CONCAT,
    LEVEL_ADD,
    LEVEL_MULTIPLY,
    LEVEL_UNARY,
    LEVEL_POWER
};

static const struct {
    const char *sign;
    ft_expr_op op;
    int level;
    bool to_the_right;
} operators[] = {
    {"or", FT_OP_OR, LEVEL_OR, false},
    {"and", FT_OP_AND, LEVEL_AND, false},
    {"==", FT_OP_EQUAL, LEVEL_COMPARE, false},
    {"~=", FT_OP_NOT_EQUAL, LEVEL_COMPARE, false},
    {"!=", FT_OP_NOT_EQUAL, LEVEL_COMPARE, false},
    {"<", FT_OP_LESS, LEVEL_COMPARE, false},
    {"<=", FT_OP_LESS_EQUAL, LEVEL_COMPARE, false},
    {">", FT_OP_GREATER, LEVEL_COMPARE, false},
    {">=", FT_OP_GREATER_EQUAL, LEVEL_COMPARE, false},
    {"..", FT_OP_CONCAT, LEVEL_CONCAT, true},
    {"+", FT_OP_ADD, LEVEL_ADD, false},
    {"-", FT_OP_SUBTRACT, LEVEL_ADD, false},
    {"*", FT_OP_MULTIPLY, LEVEL_MULTIPLY, false},
    {"/", FT_OP_DIVIDE, LEVEL_MULTIPLY, false},
    {"//", FT_OP_FLOOR_DIVIDE, LEVEL_MULTIPLY, false},
    {"%", FT_OP_MODULO, LEVEL_MULTIPLY, false},
    {"^", FT_OP_POWER, LEVEL_POWER, true},
};

static bool parse_level(parser *p, int level, ft_expr_node **out, ft_error *err);

static bool fail_too_deep(ft_error *err, size_t offset, size_t length)
{
    ft_fail(err, FT_ERROR_USAGE, "this expression is nested more than %d deep",
            (int)FT_EXPR_HEIGHT_MAX);
    ft_hint(err, "Put parentheses around halves of a long chain, or split it over two stages.");
    err->number = 408;
    err->offset = offset;
    err->length = length;
    return false;
}

static bool advance(parser *p, ft_error *err)
{
    p->last_end = p->word.offset + p->word.length;
    return ft_lexer_next(&p->lexer, &p->word, err);
}

static bool is_sign(const parser *p, const char *sign)
{
    return p->word.kind == FT_WORD_SIGN && ft_slice_is(p->word.text, sign);
}

// A node over `args` whose text goes from `offset` to the last word read.
static bool make(parser *p, ft_expr_node node, size_t offset, ft_expr_node *const *args,
                 ft_expr_node **out, ft_error *err)
{
    node.offset = (uint32_t)offset;
    node.length = (uint32_t)(p->last_end - offset);
    node.height = 1;
    for (size_t i = 0; i < node.arg_count; i++)
        if (args[i]->height >= node.height)
            node.height = args[i]->height + 1;
    if (node.height > FT_EXPR_HEIGHT_MAX)
        return fail_too_deep(err, offset, node.length);
    ft_expr_node *made = ft_arena_alloc(p->arena, sizeof(*made));
    if (!made)
        return ft_fail_nomem(err, sizeof(*made));
    *made = node;
    made->args = NULL;
    if (node.arg_count) {
        made->args = ft_arena_alloc(p->arena, node.arg_count * sizeof(*args));
        if (!made->args)
            return ft_fail_nomem(err, node.arg_count * sizeof(*args));
        memcpy(made->args, args, node.arg_count * sizeof(*args));
    }
    *out = made;
    return true;
}

static bool fail_expected(const parser *p, const char *what, ft_error *err)
{
    if (p->word.kind == FT_WORD_END) {
        ft_expr_syntax_error(err, p->word.offset, 0, "the expression ends where %s is expected",
                             what);
        return false;
    }
    size_t shown = p->word.length > 60 ? 60 : p->word.length;
    return ft_expr_syntax_error(err, p->word.offset, p->word.length, "expected %s, not `%.*s`",
                                what, (int)shown, p->lexer.text.data + p->word.offset);
}

static bool parse_args(parser *p, const ft_word *name, ft_expr_node **args, size_t *out_count,
                       ft_error *err)
{
    size_t count = 0;
    size_t open_at = p->word.offset;

    if (!advance(p, err))
        return false;
    while (!is_sign(p, ")")) {
        if (count == FT_EXPR_ARGS_MAX) {
            ft_fail(err, FT_ERROR_USAGE, "`%.*s` has more than %d arguments",
                    (int)(name->text.size > 60 ? 60 : name->text.size), name->text.data,
                    (int)FT_EXPR_ARGS_MAX);
            err->number = 405;
            err->offset = name->offset;
            err->length = name->length;
            return false;
        }
        if (!parse_level(p, LEVEL_OR, &args[count++], err))
            return false;
        if (is_sign(p, ")"))
            break;
        if (p->word.kind == FT_WORD_END) {
            ft_expr_syntax_error(err, open_at, 1, "this `(` is never closed");
            return false;
        }
        if (!is_sign(p, ","))
            return fail_expected(p, "`,` or `)`", err);
        if (!advance(p, err))
            return false;
        if (is_sign(p, ")"))
            return fail_expected(p, "one more argument behind the `,`", err);
    }
    *out_count = count;
    return advance(p, err);
}

static bool parse_name(parser *p, ft_expr_node **out, ft_error *err)
{
    ft_word name = p->word;
    ft_expr_node node = {.op = FT_OP_NAME, .text = name.text};
    ft_expr_node *args[FT_EXPR_ARGS_MAX];

    if (!advance(p, err))
        return false;
    if (is_sign(p, "(")) {
        node.op = FT_OP_CALL;
        node.site = p->calls++;
        if (!parse_args(p, &name, args, &node.arg_count, err))
            return false;
        return make(p, node, name.offset, args, out, err);
    }
    if (ft_slice_is(name.text, "true") || ft_slice_is(name.text, "false")) {
        node.op = FT_OP_LITERAL;
        node.type = FT_TYPE(BOOL);
        node.int_value = ft_slice_is(name.text, "true");
    } else if (ft_slice_is(name.text, "nil")) {
        node.op = FT_OP_LITERAL;
        node.is_nil = true;
    } else if (p->word.kind == FT_WORD_NAME || p->word.kind == FT_WORD_STRING ||
               p->word.kind == FT_WORD_INT || p->word.kind == FT_WORD_FLOAT) {
        ft_expr_syntax_error(err, p->word.offset, p->word.length,
                             "expected an operator behind `%.*s`",
                             (int)(name.text.size > 60 ? 60 : name.text.size), name.text.data);
        ft_hint(err, "%s",
                "A text must stand in quotes inside the expression, and in YAML in a second "
                "pair around it: '\"some text\"'.");
        return false;
    }
    return make(p, node, name.offset, NULL, out, err);
}

static bool parse_parentheses(parser *p, ft_expr_node **out, ft_error *err)
{
    size_t open_at = p->word.offset;

    if (!advance(p, err))
        return false;
    if (!parse_level(p, LEVEL_OR, out, err))
        return false;
    if (p->word.kind == FT_WORD_END) {
        ft_expr_syntax_error(err, open_at, 1, "this `(` is never closed");
        return false;
    }
    if (!is_sign(p, ")"))
        return fail_expected(p, "an operator or `)`", err);
    return advance(p, err);
}

static bool parse_operand(parser *p, ft_expr_node **out, ft_error *err)
{
    ft_word word = p->word;
    ft_expr_node node = {.op = FT_OP_LITERAL,
                         .text = word.text,
                         .int_value = word.int_value,
                         .float_value = word.float_value};

    switch (word.kind) {
    case FT_WORD_NAME:
        return parse_name(p, out, err);
    case FT_WORD_INT:
        node.type = FT_TYPE(INT);
        break;
    case FT_WORD_FLOAT:
        node.type = FT_TYPE(FLOAT);
        break;
    case FT_WORD_STRING:
        node.type = FT_TYPE(STRING);
        break;
    case FT_WORD_SIGN:
        if (is_sign(p, "("))
            return parse_parentheses(p, out, err);
        return fail_expected(p, "a value", err);
    case FT_WORD_END:
        return fail_expected(p, "a value", err);
    }
    return advance(p, err) && make(p, node, word.offset, NULL, out, err);
}

// not and - , which bind less than ^ on their right: -x^2 is -(x^2).
static bool parse_unary(parser *p, ft_expr_node **out, ft_error *err)
{
    bool is_not = is_sign(p, "not");
    size_t offset = p->word.offset;
    ft_expr_node *operand;

    if (!is_not && !is_sign(p, "-"))
        return parse_operand(p, out, err);
    if (!advance(p, err) || !parse_level(p, LEVEL_UNARY, &operand, err))
        return false;
    bool is_literal = operand->op == FT_OP_LITERAL && !operand->is_nil;
    if (!is_not && is_literal && ft_expr_is_number(operand->type)) {
        operand->int_value = -operand->int_value;
        operand->float_value = -operand->float_value;
        operand->length += operand->offset - (uint32_t)offset;
        operand->offset = (uint32_t)offset;
        *out = operand;
        return true;
    }
    ft_expr_node node = {.op = is_not ? FT_OP_NOT : FT_OP_NEGATE, .arg_count = 1};
    return make(p, node, offset, &operand, out, err);
}

static bool parse_chain(parser *p, int level, ft_expr_node **out, ft_error *err)
{
    size_t offset = p->word.offset;
    ft_expr_node *pair[2];

    if (!parse_unary(p, &pair[0], err))
        return false;
    for (;;) {
        size_t i = 0;
        while (i < FT_COUNT_OF(operators) && !is_sign(p, operators[i].sign))
            i++;
        if (i == FT_COUNT_OF(operators) || operators[i].level < level)
            break;
        int right_level = operators[i].level + (operators[i].to_the_right ? 0 : 1);
        if (!advance(p, err) || !parse_level(p, right_level, &pair[1], err))
            return false;
        ft_expr_node node = {.op = operators[i].op, .arg_count = 2};
        if (!make(p, node, offset, pair, &pair[0], err))
            return false;
    }
    *out = pair[0];
    return true;
}

static bool parse_level(parser *p, int level, ft_expr_node **out, ft_error *err)
{
    if (p->depth == FT_EXPR_HEIGHT_MAX)
        return fail_too_deep(err, p->word.offset, p->word.length);
    p->depth++;
    bool ok = parse_chain(p, level, out, err);
    p->depth--;
    return ok;
}

static bool check_text(ft_slice text, ft_error *err)
{
    if (text.size > FT_EXPR_BYTES_MAX) {
        ft_fail(err, FT_ERROR_USAGE, "this expression has %zu bytes; the bound is %d", text.size,
                (int)FT_EXPR_BYTES_MAX);
        err->number = 408;
        return false;
    }
    size_t valid = ft_utf8_valid_prefix(text);
    if (valid < text.size)
        return ft_expr_syntax_error(err, valid, 1, "this expression is not valid UTF-8");
    if (ft_slice_trim(text).size == 0) {
        ft_expr_syntax_error(err, 0, text.size, "this expression is empty");
        ft_hint(err, "In YAML ` #` starts a comment: write `len(x)`, not `#x`.");
        return false;
    }
    return true;
}

bool ft_expr_parse(ft_arena *arena, ft_slice text, ft_expr_node **out, ft_error *err)
{
    parser p = {.arena = arena, .lexer = {.text = text, .arena = arena}};

    if (!check_text(text, err) || !advance(&p, err) || !parse_level(&p, LEVEL_OR, out, err))
        return false;
    if (p.word.kind == FT_WORD_END)
        return true;
    if (is_sign(&p, ")"))
        return ft_expr_syntax_error(err, p.word.offset, 1, "this `)` closes nothing");
    return fail_expected(&p, "an operator", err);
}
