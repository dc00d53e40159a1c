// Types a tree: names become fields, calls find their routines, conversions are put in where types
// differ.
#pragma once

#include "runtime/expr/expr_tree.h"

// Fills `expr->root`, `reads`, `aggregates` and `is_constant`; `expr->use` and `text` are set.
bool ft_expr_type_tree(ft_expr *expr, ft_arena *arena, const ft_schema *schema, ft_expr_node *root,
                       ft_error *err) FT_MUST_CHECK;

// ---- inside of the typer ----

typedef struct ft_typer {
    ft_expr *expr;
    ft_arena *arena;
    const ft_schema *schema;
    bool in_aggregate;
} ft_typer;

bool ft_typer_node(ft_typer *t, ft_expr_node **slot, ft_error *err) FT_MUST_CHECK;
bool ft_typer_call(ft_typer *t, ft_expr_node *node, ft_error *err) FT_MUST_CHECK;
// Puts a conversion over `*slot` unless it has that type; nil becomes null of the type.
bool ft_typer_convert(ft_typer *t, ft_expr_node **slot, ft_type type, ft_error *err) FT_MUST_CHECK;
// Makes two values that may stand in one place alike: int beside float is float, nil is null of the
// other's type. any and a known type: `any_gives_way` converts the any, else the known one becomes
// any.
bool ft_typer_unify(ft_typer *t, const ft_expr_node *node, ft_expr_node *pair[2],
                    bool any_gives_way, ft_error *err) FT_MUST_CHECK;
bool ft_typer_fail(ft_error *err, const ft_expr_node *node, int number, const char *format, ...)
    FT_PRINTF(4, 5);
ft_slice ft_typer_text(const ft_typer *t,
                       const ft_expr_node *node);  // Cut to what a message can show.
const char *ft_typer_type_name(const ft_expr_node *node, char out[FT_TYPE_TEXT_BYTES]);
