// Text to an untyped tree.
#pragma once

#include "runtime/expr/expr_tree.h"

bool ft_expr_parse(ft_arena *arena, ft_slice text, ft_expr_node **out, ft_error *err) FT_MUST_CHECK;
