// The tree of an expression: what the parser makes, the typer types and the kernels run. Inside of
// runtime/expr only.
//
// Heights are bounded by FT_EXPR_HEIGHT_MAX when a node is made, so every walk over a tree may
// recurse.
#pragma once

#include "runtime/expr/expr.h"

enum {
    FT_EXPR_BYTES_MAX = 64 * 1024,
    FT_EXPR_HEIGHT_MAX = 200,
    FT_EXPR_ARGS_MAX = 8,
    FT_EXPR_AGGREGATES_MAX = 64,
};

typedef enum ft_expr_op {
    FT_OP_LITERAL,
    FT_OP_NAME,  // Until typed: a field, or `index`.
    FT_OP_FIELD,
    FT_OP_INDEX,
    FT_OP_AGGREGATE,  // args: what is gathered; `site` is its number.
    FT_OP_CALL,
    FT_OP_CONVERT,  // args[0] as this node's type.
    FT_OP_SELECT,   // `a and b or c`: args condition, b, c.
    FT_OP_NOT,
    FT_OP_AND,
    FT_OP_OR,
    FT_OP_NEGATE,
    FT_OP_ADD,
    FT_OP_SUBTRACT,
    FT_OP_MULTIPLY,
    FT_OP_DIVIDE,
    FT_OP_FLOOR_DIVIDE,
    FT_OP_MODULO,
    FT_OP_POWER,
    FT_OP_CONCAT,
    FT_OP_EQUAL,
    FT_OP_NOT_EQUAL,
    FT_OP_LESS,
    FT_OP_LESS_EQUAL,
    FT_OP_GREATER,
    FT_OP_GREATER_EQUAL,
    FT_OP_IS_NULL,
    FT_OP_IS_NOT_NULL,
} ft_expr_op;

typedef struct ft_expr_routine ft_expr_routine;
typedef struct ft_expr_node ft_expr_node;

struct ft_expr_node {
    ft_expr_op op;
    ft_type type;             // Of its value, once typed.
    bool is_nil;              // The literal `nil`; its type is any.
    uint32_t offset, length;  // Its text.
    uint32_t height;
    size_t field;   // FIELD.
    size_t site;    // CALL: number of the call in the text, for random streams; AGGREGATE: of the
                    // aggregate.
    ft_slice text;  // LITERAL of text, NAME and CALL: without quotes, escapes undone.
    int64_t int_value;
    double float_value;
    const ft_expr_routine *routine;
    const void
        *prepared;  // What the routine made of a literal argument: a compiled pattern, a path.
    size_t arg_count;
    ft_expr_node **args;
};

struct ft_expr {
    ft_expr_use use;
    ft_slice text;
    ft_expr_node *root;
    ft_type type;  // Of the value; a field alone keeps its own.
    size_t field_count;
    bool *reads;  // [field_count]
    bool is_constant;
    size_t aggregate_count;
    ft_expr_node **aggregates;  // [aggregate_count]
};

static inline bool ft_expr_is_dynamic(ft_type type)
{
    return !type.list && (type.kind == FT_KIND_ANY || type.kind == FT_KIND_JSON);
}
static inline bool ft_expr_is_number(ft_type type)
{
    return !type.list && (type.kind == FT_KIND_INT || type.kind == FT_KIND_FLOAT);
}
static inline bool ft_expr_is(ft_type type, ft_kind kind)
{
    return !type.list && type.kind == kind;
}
// A list of numbers or a tensor with at least one axis.
static inline bool ft_expr_is_vector(ft_type type)
{
    if (type.kind == FT_KIND_TENSOR)
        return type.list || type.rank > 0;
    return type.list && (type.kind == FT_KIND_INT || type.kind == FT_KIND_FLOAT);
}
