// Schemas: found by a walk, since a schema has a handful of fields and is asked only when the plan
// is made.
#include "runtime/data/schema.h"

#include <string.h>

enum { PRINTED_BYTES_MAX = 64 * 1024 };

size_t ft_schema_find(const ft_schema *schema, ft_slice name)
{
    for (size_t i = 0; i < schema->count; i++)
        if (ft_slice_is(name, schema->fields[i].name))
            return i;
    return FT_FIELD_NONE;
}

bool ft_field_is_hidden(const ft_field *field)
{
    return field->name[0] == '@';
}

const char *ft_schema_print(const ft_schema *schema, ft_arena *arena)
{
    char type[FT_TYPE_TEXT_BYTES];
    ft_text text;
    char *copy = NULL;

    ft_text_init(&text, PRINTED_BYTES_MAX);
    for (size_t i = 0; i < schema->count; i++) {
        const ft_field *field = &schema->fields[i];
        if (ft_field_is_hidden(field))
            continue;
        if (text.size > 0)
            ft_text_append_string(&text, ", ");
        ft_text_append_string(&text, field->name);
        ft_text_append_string(&text, ": ");
        ft_text_append_string(&text, ft_type_print(field->type, type));
    }
    if (!text.failed || text.at_bound)
        copy = ft_arena_text(arena, ft_text_get(&text));
    ft_text_finish(&text);
    return copy;
}
