// YAML text to nodes that know where they stand. libyaml finds the tokens; composing, aliases,
// merge keys, duplicate keys, the types of scalars (YAML 1.2 core schema) and every message are
// ours.
//
// Bounds: 4 MiB of text, 64 levels, 100,000 nodes where an alias counts as all that it stands for,
// 1,000 anchors.
#pragma once

#include "dsl/diagnostic.h"

enum {
    FT_YAML_BYTES_MAX = 4 << 20,
    FT_YAML_DEPTH_MAX = 64,
    FT_YAML_NODES_MAX = 100000,
    FT_YAML_ANCHORS_MAX = 1000,
};

typedef enum ft_yaml_kind { FT_YAML_SCALAR, FT_YAML_LIST, FT_YAML_MAP } ft_yaml_kind;

typedef enum ft_yaml_type {
    FT_YAML_STRING,  // First, so that lists and maps are nothing else by mistake.
    FT_YAML_NULL,
    FT_YAML_BOOL,
    FT_YAML_INT,
    FT_YAML_FLOAT,
} ft_yaml_type;

typedef enum ft_yaml_style {
    FT_YAML_PLAIN,
    FT_YAML_SINGLE_QUOTED,
    FT_YAML_DOUBLE_QUOTED,
    FT_YAML_LITERAL,  // |
    FT_YAML_FOLDED,   // >
    FT_YAML_FILLED,   // Made of a `${...}`: what it holds is not what stands in the file.
} ft_yaml_style;

typedef struct ft_yaml_node ft_yaml_node;

typedef struct ft_yaml_pair {
    const ft_yaml_node *key;  // Always a scalar.
    const ft_yaml_node *value;
} ft_yaml_pair;

// Read-only once made; an alias shares the node of its anchor.
struct ft_yaml_node {
    ft_yaml_kind kind;
    ft_yaml_type type;    // Of a scalar.
    ft_yaml_style style;  // Of a scalar.
    bool quoted;          // A scalar in quotes: text, whatever it looks like.
    bool is_flow;         // A list or map in [ ] or { }.
    ft_mark mark;         // Up to its end or the end of its first line.
    size_t end_offset;    // Of a scalar or flow collection: behind its last byte.
    ft_slice text;        // Of a scalar: its value.
    size_t count;         // Of items or pairs.
    const ft_yaml_node **items;
    ft_yaml_pair *pairs;
    size_t weight;  // Nodes that it stands for, itself included.
};

// Parses the one document in `source` into the arena. `*out` is NULL for an empty file. False when
// it was refused (the diagnostic is added) or without memory.
bool ft_yaml_parse(const ft_source *source, ft_arena *arena, ft_diagnostics *diagnostics,
                   const ft_yaml_node **out) FT_MUST_CHECK;

// The value of a plain scalar's text by YAML 1.2's core schema: `yes` and `12:30` are strings.
ft_yaml_type ft_yaml_type_of(ft_slice text);
// NULL when the map has no such key.
const ft_yaml_pair *ft_yaml_find(const ft_yaml_node *map, const char *key);
bool ft_yaml_is_text(const ft_yaml_node *node, const char *text);  // A scalar with that value.
// "a list", "a map", "nothing", "the number `5`": for messages. In the arena; NULL without memory.
const char *ft_yaml_describe(const ft_yaml_node *node, ft_arena *arena);
// The place of the bytes `start..end`, which are at or behind `base`; counts only from there.
ft_mark ft_yaml_mark_from(ft_slice text, ft_mark base, size_t start, size_t end);
// The place of bytes `offset..offset+length` of a scalar's value: exact for scalars on one line and
// for `|` blocks, else the whole scalar.
ft_mark ft_yaml_mark_within(const ft_source *source, const ft_yaml_node *node, size_t offset,
                            size_t length);

// yaml_syntax.c: what libyaml or the eye finds wrong with the text itself.
struct yaml_parser_s;
bool ft_yaml_check_text(const ft_source *source, ft_diagnostics *diagnostics) FT_MUST_CHECK;
void ft_yaml_explain_problem(const struct yaml_parser_s *parser, const ft_source *source,
                             ft_diagnostics *diagnostics);
// yaml_strict.c: what libyaml lets pass and YAML does not, and commas within calls. False when
// refused. `indent` is the column of the block list or map around it, from 0; -1: none.
bool ft_yaml_check_scalar(const ft_source *source, const ft_yaml_node *node, int indent,
                          ft_diagnostics *diagnostics) FT_MUST_CHECK;
bool ft_yaml_check_flow_child(const ft_source *source, const ft_yaml_node *child, int indent,
                              ft_diagnostics *diagnostics) FT_MUST_CHECK;
bool ft_yaml_check_split(const ft_source *source, const ft_yaml_node *value,
                         const ft_yaml_node *next, ft_diagnostics *diagnostics) FT_MUST_CHECK;
size_t ft_yaml_bom_bytes(ft_slice text);  // 3 when it starts with UTF-8's byte order mark.
