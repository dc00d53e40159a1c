// Types a tree: names become fields, calls find their routines, conversions are put in where types differ.
#pragma once

#include "runtime/expr/expr_tree.h"

// Fills `expr->root`, `reads`, `aggregates` and `is_constant`; `expr->use` and `text` are set.
bool ft_expr_type_tree(ft_expr *expr, ft_arena *arena, const ft_schema *schema, ft_expr_node *root,
                       ft_error *err) FT_MUST_CHECK;
