// The state of one compilation, shared by the files compile*.c and params.c, and what they call of
// each other.
#pragma once

#include "dsl/compile.h"
#include "dsl/words.h"
#include "dsl/yaml.h"

typedef struct ft_param {
    const char *name;
    const ft_yaml_node *key;
    const ft_yaml_node *value;  // What it stands for in this run; NULL when there was a fault.
} ft_param;

// One entry of `stages:`.
typedef struct ft_stage_entry {
    const ft_yaml_node *yaml;
    const ft_yaml_pair
        *type;  // The pair whose key (or, in the long form, value) is the type; NULL: none found.
    const ft_yaml_node *type_at;  // Where the type is written.
    bool is_long;  // `type: read`, `plugin: x.so`: the main option stands under its own name.
    const ft_stage_def *def;      // NULL: unknown, already reported.
    const char *name;             // Given or made; NULL: none.
    const ft_yaml_node *name_at;  // NULL when made.
    const char *library;          // Its file, of a plug-in; NULL: built in.
    const void *domain;           // Of an undeclared plug-in; NULL: none.
    ft_plan_node *node;           // NULL: not in the plan.
    uint32_t index;
    bool failed;               // Something about it was reported.
    bool errors_read_by_name;  // By `input: NAME.errors`.
    bool main_read;
} ft_stage_entry;

typedef struct ft_compiler {
    const ft_source *source;
    const ft_compile_settings *settings;
    ft_diagnostics *diagnostics;
    ft_arena *arena;  // Dies with the compilation; what the plan keeps is in plan->arena.
    ft_plan *plan;
    const ft_yaml_node *root;
    const ft_yaml_node *defaults;
    const char **stage_names;   // Of all types, NULL-terminated.
    const char **common_names;  // Of all common keys, NULL-terminated.
    ft_param *params;
    size_t param_count;
    const char **param_names;  // Scratch of params.c.
    const char **entry_names;  // Scratch of compile_link.c.
    ft_stage_entry *entries;
    size_t entry_count;
    bool
        links_uncertain;  // A stage or link is missing, so that "nobody reads this" cannot be said.
    bool reads_errors;    // Some stage reads an errors port.
} ft_compiler;

#define FT_SAY(c, ...) ft_arena_format(ft_diagnostics_arena((c)->diagnostics), __VA_ARGS__)

// Adds it with the source filled in. Returns false.
bool ft_compiler_refuse(ft_compiler *c, const ft_diagnostic *fault);
bool ft_compiler_nomem(ft_compiler *c);  // Returns false.
const char *ft_compiler_quote(ft_compiler *c, ft_slice text);
const char *
ft_compiler_help(ft_compiler *c,
                 const char *sentence);  // A hint in the style of help; NULL for an empty one.
// So many errors that what costs time to say is left out: ten are shown.
bool ft_compiler_has_enough(const ft_compiler *c);
// ft_words_nearest for the first mistakes of a file; NULL for those behind.
const char *ft_compiler_nearest(ft_compiler *c, ft_slice word, const char *const *names,
                                const char **out_best);
// Reports what a runtime function said about the value of an option, at that value.
bool ft_compiler_refuse_value(ft_compiler *c, int number, const ft_yaml_node *at,
                              const ft_error *err);

// params.c
bool ft_params_read(ft_compiler *c);
// `node` with its `${...}` filled in: itself when it has none. A scalar that is one whole
// `${params.x}` becomes what the parameter is, a list too. NULL when that was refused (and
// reported).
const ft_yaml_node *ft_params_fill(ft_compiler *c, const ft_yaml_node *node);

bool ft_params_is_used(const ft_yaml_node *node);  // A scalar with a `${`.
// A value that is one whole `${params.x}`: shows where that is, and what it is worth in this run.
void ft_params_add_origin(ft_compiler *c, const ft_yaml_node *node, ft_diagnostic *fault);

// compile_run.c: the `run:` section.
void ft_compile_run(ft_compiler *c, const ft_yaml_node *run);

// compile_stage.c
bool ft_compile_stages(ft_compiler *c, const ft_yaml_node *stages);
// A key that is none of `names`: by the table of words, else by its nearest names.
bool ft_compile_unknown_key(ft_compiler *c, ft_word_place place, const ft_yaml_pair *pair,
                            const char *const *names, const char *where);

// compile_plugin.c: `plugin: PATH#STAGE`. The library stays as long as the plan.
#define FT_PLUGIN_KEY "plugin"
bool ft_compile_plugin(ft_compiler *c, ft_stage_entry *entry, const ft_yaml_pair *pair);

// compile_option.c
bool ft_compile_option(ft_compiler *c, ft_stage_entry *entry, const ft_option *option,
                       const ft_yaml_pair *pair);
bool ft_compile_common(ft_compiler *c, ft_stage_entry *entry, const ft_yaml_pair *pair,
                       bool is_default);
const char *ft_compile_type_words(ft_compiler *c, const ft_option *option);  // "a list of texts"
extern const char *const ft_common_keys[];                                   // NULL-terminated.

// compile_link.c
bool ft_compile_names(ft_compiler *c);
void ft_compile_links(ft_compiler *c);

// compile_shared.c: what only one stage may have, standard input and a file to write.
void ft_compile_shared(ft_compiler *c);

// compile_check.c
void ft_compile_check(ft_compiler *c);
