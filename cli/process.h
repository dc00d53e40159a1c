// Runs another program and waits: curl, pip, sha256sum. No shell in between, so nothing needs
// quoting.
#pragma once

#include "runtime/error.h"
#include "runtime/slice.h"

typedef struct ft_process {
    const char *const *argv;  // NULL-terminated; argv[0] is looked up in PATH.
    const char *folder;       // Working directory, NULL: ours.
    ft_slice input;           // Its standard input.
    bool silent;  // Standard output and error thrown away; else both go to our standard error.
} ft_process;

// True when the program ended with status 0. Else `err` says which program and how it ended
// (FT_ERROR_IO); "not installed" when there is none. `*out_missing` (may be NULL) tells the two
// apart.
bool ft_process_run(const ft_process *process, bool *out_missing, ft_error *err) FT_MUST_CHECK;
