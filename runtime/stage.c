// What a stage may call while the plan is made and while models are loaded.
#include "runtime/stage.h"

#include <stdio.h>
#include <string.h>

// ---- reading fields ----

// Names of the visible fields, for "did you mean"; NULL without memory.
static const char **visible_names(const ft_schema *schema, ft_arena *arena)
{
    const char **names = ft_arena_zero(arena, schema->count + 1, sizeof(*names));
    size_t count = 0;

    for (size_t i = 0; names && i < schema->count; i++)
        if (!ft_field_is_hidden(&schema->fields[i]))
            names[count++] = schema->fields[i].name;
    return names;
}

static bool missing_field(ft_stage_plan *plan, const char *option, const char *name, ft_error *err)
{
    const char *given = ft_schema_print(plan->input, plan->arena);
    const char **names = visible_names(plan->input, plan->arena);

    if (!given || !names)
        return ft_fail_nomem(err, plan->input->count);
    ft_fail(err, FT_ERROR_USAGE, "needs `%s`, and no stage above makes it", name);
    err->number = 311;
    ft_error_at(err, option, 0, 0);
    const char *nearest = ft_nearest(ft_slice_of(name), names);
    if (strcmp(name, "tokens") == 0)
        ft_hint(err, "tokenise first: `- tokenize: MODEL`");
    else if (strcmp(name, "embedding") == 0)
        ft_hint(err, "embed first: `- embed: MODEL`");
    else if (nearest)
        ft_hint(err, "did you mean `%s`?", nearest);
    else if (plan->input->open)
        ft_hint(err, "if the items have it, name it and its type: `fields: {%s: string}` in `read`",
                name);
    else if (*given)
        ft_hint(err, "there is %s", given);
    return false;
}

static bool wrong_type(ft_stage_plan *plan, const char *option, const char *name, ft_type want,
                       ft_type have, ft_error *err)
{
    char wanted[FT_TYPE_TEXT_BYTES], given[FT_TYPE_TEXT_BYTES];

    (void)plan;
    ft_fail(err, FT_ERROR_USAGE, "reads `%s` as %s, but it is %s", name,
            ft_type_print(want, wanted), ft_type_print(have, given));
    err->number = 312;
    ft_error_at(err, option, 0, 0);
    if (strcmp(name, "tokens") == 0)
        ft_hint(err, "make them with the model's own tokenizer: `- tokenize: MODEL`");
    return false;
}

bool ft_plan_read(ft_stage_plan *plan, const char *option, const char *name, ft_type want,
                  size_t *out_index, ft_error *err)
{
    size_t index = ft_schema_find(plan->input, ft_slice_of(name));

    if (index == FT_FIELD_NONE && plan->missing)
        plan->missing(plan, name, want);
    if (index == FT_FIELD_NONE)
        return missing_field(plan, option, name, err);
    ft_type have = plan->input->fields[index].type;
    // A value of type any is looked at when the item comes.
    if (!ft_type_equal(have, FT_TYPE(ANY)) && !ft_type_accepts(want, have))
        return wrong_type(plan, option, name, want, have, err);
    plan->reads[index] = true;
    *out_index = index;
    return true;
}

void ft_plan_read_all(ft_stage_plan *plan)
{
    plan->reads_all = true;
    for (size_t i = 0; i < plan->input->count; i++)
        plan->reads[i] = true;
}

// ---- giving fields ----

static bool grow_output(ft_stage_plan *plan, ft_error *err)
{
    size_t capacity = plan->output_capacity < 8 ? 8 : plan->output_capacity * 2;
    ft_field *fields = ft_arena_zero(plan->arena, capacity, sizeof(*fields));

    if (!fields)
        return ft_fail_nomem(err, capacity * sizeof(*fields));
    if (plan->output_count > 0)
        memcpy(fields, plan->output_fields, plan->output_count * sizeof(*fields));
    plan->output_fields = fields;
    plan->output_capacity = capacity;
    return true;
}

bool ft_plan_add(ft_stage_plan *plan, const char *name, ft_type type, size_t *out_index,
                 ft_error *err)
{
    ft_schema output = {plan->output_count, plan->output_fields, false};
    size_t index = ft_schema_find(&output, ft_slice_of(name));

    if (index == FT_FIELD_NONE) {
        const char *copy = ft_arena_text(plan->arena, ft_slice_of(name));
        if (!copy)
            return ft_fail_nomem(err, strlen(name));
        if (plan->output_count == plan->output_capacity && !grow_output(plan, err))
            return false;
        index = plan->output_count++;
        plan->output_fields[index].name = copy;
    }
    plan->output_fields[index].type = type;
    plan->output_fields[index].in_raw = false;
    plan->output_fields[index].origin = NULL;
    if (out_index)
        *out_index = index;
    return true;
}

void ft_plan_clear(ft_stage_plan *plan)
{
    plan->output_count = 0;
    plan->output_open = false;
}

bool ft_plan_expr(ft_stage_plan *plan, const char *option, const char *text, ft_expr_use use,
                  const ft_expr **out, ft_error *err)
{
    const ft_expr *expr;

    if (!ft_expr_compile(plan->arena, ft_slice_of(text), plan->input, use, &expr, err)) {
        err->option = option;
        return false;
    }
    for (size_t i = 0; i < plan->input->count; i++)
        if (ft_expr_reads(expr, i))
            plan->reads[i] = true;
    *out = expr;
    return true;
}

// ---- loading ----

// What has been made so far, newest first; load->registry points at the newest.
typedef struct shared {
    struct shared *next;
    const char *key;
    void *object;
} shared;

bool ft_load_share(ft_stage_load *load, const char *key,
                   bool (*create)(ft_stage_load *load, const void *host, void **out, ft_error *err),
                   const void *host, void **out, ft_error *err)
{
    for (const shared *made = load->registry; made; made = made->next) {
        if (strcmp(made->key, key) != 0)
            continue;
        *out = made->object;
        return true;
    }
    shared *added = ft_arena_zero(load->arena, 1, sizeof(*added));
    if (!added || !(added->key = ft_arena_text(load->arena, ft_slice_of(key))))
        return ft_fail_nomem(err, sizeof(*added));
    // `create` may share things of its own, so the list is read again behind it.
    if (!create(load, host, &added->object, err))
        return false;
    added->next = load->registry;
    load->registry = added;
    *out = added->object;
    return true;
}
