// The command line, from one table for each command: what it takes comes from it, and so do
// `--help` and "did you mean".
#pragma once

#include "runtime/memory/arena.h"

typedef struct ft_arguments ft_arguments;

typedef struct ft_flag {
    const char *name;            // Without the dashes.
    char letter;                 // -p; 0: none.
    const char *value;           // What stands behind it in the help: "FILE"; NULL: a switch.
    const char *const *choices;  // What the value may be, NULL-terminated; NULL: anything.
    const char *help;            // NULL: hidden, for tests.
    bool is_optional;            // The value may be left out; given only as --name=VALUE.
} ft_flag;

typedef struct ft_command {
    const char *name;
    const char *operands;  // As shown in the help: "FILE..."; "" for none.
    const char *summary;   // No full stop.
    const char *details;   // Lines below the flags: examples; NULL: none.
    const ft_flag *flags;  // Ends with a NULL name.
    size_t operands_min, operands_max;
    int (*run)(const ft_arguments *arguments);  // Returns the exit status.
} ft_command;

typedef struct ft_argument {
    const ft_flag *flag;  // NULL: an operand.
    const char *text;     // The value or operand; NULL for a switch.
} ft_argument;

struct ft_arguments {
    ft_arena *arena;
    const ft_command *command;
    size_t count;
    ft_argument *items;
    size_t operand_count;
    const char **operands;
    bool wants_help;
};

// Flags that every command takes.
extern const ft_flag ft_common_flags[];

// `argv` behind the command's name. The operands may stand before, between and behind the flags;
// `--` ends the flags.
bool ft_arguments_parse(ft_arguments *arguments, int argc, char **argv,
                        ft_error *err) FT_MUST_CHECK;
// The value of the last flag `name`, or NULL; "" for a switch that is there.
const char *ft_arguments_get(const ft_arguments *arguments, const char *name);
bool ft_arguments_has(const ft_arguments *arguments, const char *name);
// A count or size; false with `err` when it is there and wrong. Leaves `*out` when it is not there.
bool ft_arguments_get_count(const ft_arguments *arguments, const char *name, int64_t min,
                            int64_t *out, ft_error *err) FT_MUST_CHECK;
bool ft_arguments_get_size(const ft_arguments *arguments, const char *name, int64_t min,
                           int64_t *out, ft_error *err) FT_MUST_CHECK;
// Prints usage, flags and details to stdout.
void ft_command_print_help(const ft_command *command);
