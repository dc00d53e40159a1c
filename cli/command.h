// The commands, one file each, and what they share: exit statuses and how a failure is told.
#pragma once

#include "cli/arguments.h"
#include "cli/terminal.h"

enum {
    FT_EXIT_DONE = 0,
    FT_EXIT_FAILED = 1,        // The run failed.
    FT_EXIT_USAGE = 2,         // The command line is wrong.
    FT_EXIT_INVALID = 3,       // The pipeline is not valid.
    FT_EXIT_ITEMS_FAILED = 4,  // Done, but items failed and --fail-on-errors was given.
    FT_EXIT_SIGNAL = 128,      // Plus the signal's number: stopped after a clean drain.
};

extern const ft_command ft_command_bench, ft_command_check, ft_command_doctor, ft_command_explain,
    ft_command_graph, ft_command_new, ft_command_pull, ft_command_run, ft_command_stages,
    ft_command_tokens, ft_command_version;

// "ftpipe: message" and the hint, on stderr. Returns `status`.
int ft_command_fail(int status, const ft_error *err);
