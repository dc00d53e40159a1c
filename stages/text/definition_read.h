// Readers of tokenizer files: each makes an ft_definition. For stages/text alone.
#pragma once

#include "runtime/data/json.h"
#include "stages/text/definition.h"

enum { FT_TOKENIZER_ERROR = 605, FT_TOKENIZER_ID_MAX = (1 << 24) - 1 };
// A tokenizer file is read whole.
enum { FT_TOKENIZER_FILE_MAX = 1 << 28 };

typedef struct ft_definition_reader {
    const char *path;      // For messages.
    bool with_vocabulary;  // False: all but the pieces and merges, quick, for `check`.
    bool is_version_2;     // Of a tokenizer.json: 2.0, else 1.0.
    ft_arena *scratch;     // May go afterwards.
    ft_arena *arena;       // What the definition points to.
    ft_definition *out;    // Zeroed before.
} ft_definition_reader;

// tokenizer.json, versions 1.0 and 2.0 (definition_json.c), and the parts of it.
bool ft_definition_read_json(const ft_definition_reader *r, ft_slice text,
                             ft_error *err) FT_MUST_CHECK;
bool ft_definition_read_normalizer(const ft_definition_reader *r, const ft_json_node *node,
                                   ft_error *err) FT_MUST_CHECK;
bool ft_definition_read_pre_tokenizer(const ft_definition_reader *r, const ft_json_node *node,
                                      ft_error *err) FT_MUST_CHECK;
bool ft_definition_read_post_processor(const ft_definition_reader *r, const ft_json_node *node,
                                       ft_error *err) FT_MUST_CHECK;
bool ft_definition_read_decoder(const ft_definition_reader *r, const ft_json_node *node,
                                ft_error *err) FT_MUST_CHECK;
// `*out_byte_level`: of version 2.0, the vocabulary has letters for bytes.
bool ft_definition_read_model(const ft_definition_reader *r, ft_slice text, bool *out_byte_level,
                              ft_error *err) FT_MUST_CHECK;

// Fails with number 605: "`FILE`, at `place`: ...". `place` NULL: of the whole file.
bool ft_tokenizer_fault(ft_error *err, const char *path, const char *place, const char *format, ...)
    FT_PRINTF(4, 5);
// Says that a component is not read, by its name.
bool ft_definition_refuse(const ft_definition_reader *r, const char *place,
                          const ft_json_node *type, ft_error *err);
// Says that version 2.0 spells this otherwise.
bool ft_definition_refuse_old(const ft_definition_reader *r, const char *place, const char *what,
                              ft_error *err);

// Notes the texts of those members of the object `text` that `names` lists; empty where absent or
// null. `place` is where the object is, or NULL.
bool ft_definition_note_members(const ft_definition_reader *r, ft_slice text, const char *place,
                                const char *const *names, size_t count, ft_slice *out,
                                ft_error *err) FT_MUST_CHECK;

// Members of a component; `place` is the component's, messages name the member behind it. A member
// that is absent or null gives the fallback where there is one, else it fails.
typedef struct ft_component {
    const ft_definition_reader *reader;
    const ft_json_node *node;
    const char *place;
} ft_component;

typedef enum ft_member_rule { FT_MEMBER_REQUIRED, FT_MEMBER_OPTIONAL } ft_member_rule;

const ft_json_node *ft_member(const ft_component *c, const char *name);  // NULL: absent or null.
bool ft_member_fault(const ft_component *c, const char *name, const char *what, ft_error *err);
// OPTIONAL leaves `*out` as it is.
bool ft_member_bool(const ft_component *c, const char *name, ft_member_rule rule, bool *out,
                    ft_error *err) FT_MUST_CHECK;
bool ft_member_size(const ft_component *c, const char *name, ft_member_rule rule, size_t *out,
                    ft_error *err) FT_MUST_CHECK;
// Copied to the arena.
bool ft_member_text(const ft_component *c, const char *name, ft_member_rule rule, ft_slice *out,
                    ft_error *err) FT_MUST_CHECK;
bool ft_member_char(const ft_component *c, const char *name, ft_member_rule rule, ft_slice *out,
                    ft_error *err) FT_MUST_CHECK;
// The place of the text in `choices`, which ends with NULL.
bool ft_member_choice(const ft_component *c, const char *name, const char *const *choices,
                      ft_member_rule rule, int *out, ft_error *err) FT_MUST_CHECK;
// {"String": "x"} or {"Regex": "x"}.
bool ft_member_pattern(const ft_component *c, const char *name, const ft_pattern **out,
                       ft_error *err) FT_MUST_CHECK;
bool ft_member_id(const ft_definition_reader *r, const ft_json_node *node, const char *place,
                  int32_t *out, ft_error *err) FT_MUST_CHECK;

// The components of a list, flattened: those of type `Sequence` stand for what their member
// `member` lists. Calls `read` for each; it counts and fills `context`.
typedef bool ft_component_read(const ft_component *c, void *context, ft_error *err);
bool ft_definition_flatten(const ft_definition_reader *r, const ft_json_node *node,
                           const char *place, const char *member, ft_component_read *read,
                           void *context, ft_error *err) FT_MUST_CHECK;
