// The options of a stage: one table that says name, type, default, bounds and help, and the only
// place that does. Parser, `ftpipe stages`, completion, man page and docs/stages.md are made from
// it.
//
// The table's member name is the option's name; a member of the wrong C type does not compile.
#pragma once

#include "runtime/memory/arena.h"
#include "runtime/slice.h"

typedef enum ft_option_type {
    FT_OPTION_STRING,    // const char *      any text
    FT_OPTION_PATH,      // const char *      a file, folder or URL
    FT_OPTION_MODEL,     // const char *      a model: a folder or file, else a name in the model
                         // store; resolved before `plan`
    FT_OPTION_FIELD,     // const char *      a field's name
    FT_OPTION_EXPR,      // const char *      an expression; its stage compiles it in `plan`
    FT_OPTION_CHOICE,    // int               one of `choices`
    FT_OPTION_BOOL,      // bool
    FT_OPTION_INT,       // int64_t           min..max
    FT_OPTION_COUNT,     // int64_t           10, 10k, 1M
    FT_OPTION_SIZE,      // int64_t           bytes: 64KiB, 1MB
    FT_OPTION_DURATION,  // int64_t           milliseconds: 10ms, 2s
    FT_OPTION_FLOAT,     // double
    FT_OPTION_STRINGS,   // ft_strings        a list of texts; one text alone is a list of one
    FT_OPTION_FIELDS,    // ft_strings        a list of fields' names; the same
    FT_OPTION_MAP,       // ft_map            name: text pairs, in the file's order
} ft_option_type;

typedef struct ft_strings {
    size_t count;
    const char **items;
} ft_strings;

typedef struct ft_map {
    size_t count;
    const char **names;
    const char **texts;  // Scalars as written, without quotes.
    const bool *quoted;  // The scalar stood in quotes (so "20" is text, 20 a number).
} ft_map;

typedef struct ft_option {
    ft_option_type type;
    const char *name;  // The member's name.
    size_t offset;     // In the config struct.
    bool is_main;      // The value of the stage's own key: read: FILE. At most one in a table.
    bool required;
    const char *fallback;  // As a user would type it; NULL: zero, NULL or empty.
    int64_t min, max;      // INT, COUNT, SIZE, DURATION; both 0: no bounds.
    double min_float, max_float;
    const char *const *choices;  // CHOICE: NULL-terminated. MODEL: texts that are taken literally
                                 // (tokenize: words).
    const char *doc;             // A sentence or two.
} ft_option;

#define FT_OFFSET(config, member, ctype) \
    (offsetof(config, member) + 0 * sizeof(_Generic(&((config *)0)->member, ctype *: 1)))
#define FT_OPTION_ENTRY(kind, ctype, config, member, ...) \
    {.type = FT_OPTION_##kind,                            \
     .name = #member,                                     \
     .offset = FT_OFFSET(config, member, ctype),          \
     __VA_ARGS__}

#define FT_OPT_STRING(config, member, ...) \
    FT_OPTION_ENTRY(STRING, const char *, config, member, __VA_ARGS__)
#define FT_OPT_PATH(config, member, ...) \
    FT_OPTION_ENTRY(PATH, const char *, config, member, __VA_ARGS__)
#define FT_OPT_MODEL(config, member, ...) \
    FT_OPTION_ENTRY(MODEL, const char *, config, member, __VA_ARGS__)
#define FT_OPT_FIELD(config, member, ...) \
    FT_OPTION_ENTRY(FIELD, const char *, config, member, __VA_ARGS__)
#define FT_OPT_EXPR(config, member, ...) \
    FT_OPTION_ENTRY(EXPR, const char *, config, member, __VA_ARGS__)
#define FT_OPT_CHOICE(config, member, names, ...) \
    FT_OPTION_ENTRY(CHOICE, int, config, member, .choices = (names), __VA_ARGS__)
#define FT_OPT_BOOL(config, member, ...) FT_OPTION_ENTRY(BOOL, bool, config, member, __VA_ARGS__)
#define FT_OPT_INT(config, member, ...) FT_OPTION_ENTRY(INT, int64_t, config, member, __VA_ARGS__)
#define FT_OPT_COUNT(config, member, ...) \
    FT_OPTION_ENTRY(COUNT, int64_t, config, member, __VA_ARGS__)
#define FT_OPT_SIZE(config, member, ...) FT_OPTION_ENTRY(SIZE, int64_t, config, member, __VA_ARGS__)
#define FT_OPT_DURATION(config, member, ...) \
    FT_OPTION_ENTRY(DURATION, int64_t, config, member, __VA_ARGS__)
#define FT_OPT_FLOAT(config, member, ...) \
    FT_OPTION_ENTRY(FLOAT, double, config, member, __VA_ARGS__)
#define FT_OPT_STRINGS(config, member, ...) \
    FT_OPTION_ENTRY(STRINGS, ft_strings, config, member, __VA_ARGS__)
#define FT_OPT_FIELDS(config, member, ...) \
    FT_OPTION_ENTRY(FIELDS, ft_strings, config, member, __VA_ARGS__)
#define FT_OPT_MAP(config, member, ...) FT_OPTION_ENTRY(MAP, ft_map, config, member, __VA_ARGS__)
#define FT_OPT_END {.name = NULL}

// Walks a table that ends with FT_OPT_END; NULL is an empty one.
size_t ft_option_count(const ft_option *options);
const ft_option *ft_option_find(const ft_option *options,
                                ft_slice name);  // NULL when there is none.
const ft_option *ft_option_find_main(const ft_option *options);

// Writes the defaults into a zeroed config. Fails only without memory (a wrong default is our
// fault: it aborts).
bool ft_option_defaults(const ft_option *options, void *config, ft_arena *arena,
                        ft_error *err) FT_MUST_CHECK;
// Parses one scalar into its member: range, unit and choice checked. STRINGS and FIELDS: makes a
// list of one.
bool ft_option_set(const ft_option *option, void *config, ft_slice text, ft_arena *arena,
                   ft_error *err) FT_MUST_CHECK;
bool ft_option_set_strings(const ft_option *option, void *config, const ft_slice *items,
                           size_t count, ft_arena *arena, ft_error *err) FT_MUST_CHECK;
// Duplicate names are the caller's to refuse.
bool ft_option_set_map(const ft_option *option, void *config, const ft_slice *names,
                       const ft_slice *texts, const bool *quoted, size_t count, ft_arena *arena,
                       ft_error *err) FT_MUST_CHECK;
// "integer 1..4294967296", "keep|drop|fail", "list of texts": for help and messages. In the arena.
const char *ft_option_print_type(const ft_option *option, ft_arena *arena);
