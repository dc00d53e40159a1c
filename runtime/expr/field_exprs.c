// Names are those of the fields that are made; an error's option is `fields.NAME`, so that the
// caret stands under the expression.
#include "runtime/expr/field_exprs.h"

#include <string.h>

static bool check_name(const char *name, const char *option, ft_error *err)
{
    if (*name && *name != '@')
        return true;
    ft_fail(err, FT_ERROR_USAGE, "a field cannot be called `%s`", name);
    ft_hint(err, "Names of fields are not empty and do not begin with `@`.");
    err->option = option;
    return false;
}

bool ft_plan_fields(ft_stage_plan *plan, const ft_map *fields, ft_expr_use use, ft_field_exprs *out,
                    ft_error *err)
{
    out->count = 0;
    out->exprs = ft_arena_zero(plan->arena, fields->count + 1, sizeof(*out->exprs));
    out->columns = ft_arena_zero(plan->arena, fields->count + 1, sizeof(*out->columns));
    if (!out->exprs || !out->columns)
        return ft_fail_nomem(err, fields->count * sizeof(*out->exprs));
    for (; out->count < fields->count; out->count++) {
        size_t i = out->count;
        const char *option = ft_arena_format(plan->arena, "fields.%s", fields->names[i]);
        if (!option)
            return ft_fail_nomem(err, strlen(fields->names[i]));
        if (!check_name(fields->names[i], option, err) ||
            !ft_plan_expr(plan, option, fields->texts[i], use, &out->exprs[i], err))
            return false;
    }
    for (size_t i = 0; i < fields->count; i++)
        if (!ft_plan_add(plan, fields->names[i], ft_expr_type(out->exprs[i]), &out->columns[i],
                         err))
            return false;
    return true;
}
