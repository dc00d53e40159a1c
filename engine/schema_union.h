// What comes in where several inputs meet: the union of their fields by name, and for the error
// port the fields that it adds.
#pragma once

#include "runtime/data/schema.h"

// One end of a union; `name` is for messages.
typedef struct ft_union_part {
    const ft_schema *schema;
    const char *name;
} ft_union_part;

// Fields in the order in which they are met first. Types that disagree fail with E0313, unless
// `mixed_is_any`: then the field is `any` (used for error ports, whose items come from anywhere). A
// field counts as unchanged in @raw only where every part says so, and has an origin only where all
// parts that have the field have the same.
bool ft_schema_unite(ft_arena *arena, const ft_union_part *parts, size_t part_count,
                     bool mixed_is_any, ft_schema *out, ft_error *err) FT_MUST_CHECK;

// `input` with error, stage, place and code (text) behind it; a field that has one of these names
// is replaced.
bool ft_schema_of_errors(ft_arena *arena, const ft_schema *input, ft_schema *out,
                         ft_error *err) FT_MUST_CHECK;

enum {
    FT_ERROR_FIELD_ERROR,
    FT_ERROR_FIELD_STAGE,
    FT_ERROR_FIELD_PLACE,
    FT_ERROR_FIELD_CODE,
    FT_ERROR_FIELDS
};
extern const char *const ft_error_field_names[FT_ERROR_FIELDS];
