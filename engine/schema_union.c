// Unions of schemas: a walk by name for each field, once when the plan is made.
#include "engine/schema_union.h"

#include <string.h>

const char *const ft_error_field_names[FT_ERROR_FIELDS] = {"error", "stage", "place", "code"};

static bool is_same_origin(const ft_token_origin *a, const ft_token_origin *b)
{
    return a == b ||
           (a && b && a->has_special == b->has_special && strcmp(a->tokenizer, b->tokenizer) == 0);
}

static bool add_field(ft_field *fields, size_t *count, const ft_union_part *parts, size_t at,
                      const ft_field *field, bool mixed_is_any, ft_error *err)
{
    ft_schema so_far = {.count = *count, .fields = fields};
    size_t found = ft_schema_find(&so_far, ft_slice_of(field->name));
    if (found == FT_FIELD_NONE) {
        fields[(*count)++] = *field;
        return true;
    }
    fields[found].in_raw = fields[found].in_raw && field->in_raw;
    if (!is_same_origin(fields[found].origin, field->origin))
        fields[found].origin = NULL;
    if (ft_type_equal(fields[found].type, field->type))
        return true;
    if (mixed_is_any) {
        fields[found].type = FT_TYPE(ANY);
        fields[found].in_raw = false;
        return true;
    }
    const char *first = parts[0].name;
    for (size_t i = at; i-- > 0;)
        if (ft_schema_find(parts[i].schema, ft_slice_of(field->name)) != FT_FIELD_NONE)
            first = parts[i].name;
    char here[FT_TYPE_TEXT_BYTES], there[FT_TYPE_TEXT_BYTES];
    ft_fail(err, FT_ERROR_USAGE, "`%s` is %s from `%s` and %s from `%s`", field->name,
            ft_type_print(fields[found].type, there), first, ft_type_print(field->type, here),
            parts[at].name);
    err->number = 313;
    ft_hint(err, "Give both the same type, or one of them another name, before they meet.");
    return ft_error_at(err, "input", 0, 0);
}

// A field that some part lacks is not in the @raw of that part's items.
static void clear_in_raw(ft_field *fields, size_t count, const ft_union_part *parts,
                         size_t part_count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t part = 0; part < part_count; part++) {
            const ft_schema *schema = parts[part].schema;
            if (ft_schema_find(schema, ft_slice_of(fields[i].name)) == FT_FIELD_NONE ||
                ft_schema_find(schema, FT_SLICE(FT_FIELD_RAW)) == FT_FIELD_NONE)
                fields[i].in_raw = false;
        }
}

bool ft_schema_unite(ft_arena *arena, const ft_union_part *parts, size_t part_count,
                     bool mixed_is_any, ft_schema *out, ft_error *err)
{
    if (part_count == 1) {
        *out = *parts[0].schema;
        return true;
    }
    size_t room = 0;
    for (size_t i = 0; i < part_count; i++)
        room += parts[i].schema->count;
    ft_field *fields = ft_arena_zero(arena, room ? room : 1, sizeof(*fields));
    if (!fields)
        return ft_fail_nomem(err, room * sizeof(*fields));
    *out = (ft_schema){.fields = fields};
    for (size_t i = 0; i < part_count; i++) {
        out->open = out->open || parts[i].schema->open;
        for (size_t j = 0; j < parts[i].schema->count; j++)
            if (!add_field(fields, &out->count, parts, i, &parts[i].schema->fields[j], mixed_is_any,
                           err))
                return false;
    }
    clear_in_raw(fields, out->count, parts, part_count);
    return true;
}

bool ft_schema_of_errors(ft_arena *arena, const ft_schema *input, ft_schema *out, ft_error *err)
{
    ft_field *fields = ft_arena_zero(arena, input->count + FT_ERROR_FIELDS, sizeof(*fields));
    if (!fields)
        return ft_fail_nomem(err, (input->count + FT_ERROR_FIELDS) * sizeof(*fields));
    *out = (ft_schema){.count = input->count, .fields = fields, .open = input->open};
    for (size_t i = 0; i < input->count; i++)
        fields[i] = input->fields[i];
    for (size_t i = 0; i < FT_ERROR_FIELDS; i++) {
        size_t found = ft_schema_find(out, ft_slice_of(ft_error_field_names[i]));
        if (found == FT_FIELD_NONE)
            found = out->count++;
        fields[found] = (ft_field){.name = ft_error_field_names[i], .type = FT_TYPE(STRING)};
    }
    return true;
}
