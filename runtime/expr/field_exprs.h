// The option `fields:` of map, gather and generate: names, and the expressions that give their
// values.
#pragma once

#include "runtime/stage.h"

typedef struct ft_field_exprs {
    size_t count;
    const ft_expr **exprs;  // [count]
    size_t *columns;        // [count] Where they are in the output.
} ft_field_exprs;

// Compiles all expressions against the input, then gives their fields. On failure `out->count` is
// the index of the one at fault.
bool ft_plan_fields(ft_stage_plan *plan, const ft_map *fields, ft_expr_use use, ft_field_exprs *out,
                    ft_error *err) FT_MUST_CHECK;
