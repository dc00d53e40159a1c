// The fields of the items on an edge: names and types, known before the first item. A field's index
// in its schema is the index of its column in every batch of that edge; nothing is looked up by
// name per item.
#pragma once

#include "runtime/data/type.h"
#include "runtime/memory/arena.h"

// A hidden field: the item as the source read it (one JSONL line, without its end). Writers copy
// from it what no stage has changed. Hidden names begin with '@' and never show in messages,
// expressions or Lua.
#define FT_FIELD_RAW "@raw"

// Whose token ids a field holds. It goes on with the field until a stage gives that a new value.
typedef struct ft_token_origin {
    const char *tokenizer;  // Its path.
    bool has_special;       // With the ids that it puts around each text.
} ft_token_origin;

typedef struct ft_field {
    const char *name;
    ft_type type;
    bool in_raw;                    // The value is also, unchanged, in @raw.
    const ft_token_origin *origin;  // Of token ids, where one tokenizer made them all; or NULL.
} ft_field;

typedef struct ft_schema {
    size_t count;
    const ft_field *fields;
    bool open;  // Items may have more fields than these; they ride along inside @raw.
} ft_schema;

enum { FT_FIELD_NONE = SIZE_MAX };

FT_API size_t ft_schema_find(const ft_schema *schema, ft_slice name);  // Index, or FT_FIELD_NONE.
FT_API bool ft_field_is_hidden(const ft_field *field);
// "id: int, text: string", without hidden fields; in the arena. NULL without memory.
FT_API const char *ft_schema_print(const ft_schema *schema, ft_arena *arena);
