// Stages from a shared library: opened, checked, closed.
#pragma once

#include "runtime/plugin.h"

typedef struct ft_plugin_library ft_plugin_library;

// What was wrong, as numbers of the catalogue: in err->number.
enum {
    FT_PLUGIN_NOT_OPENED = 701,  // Not there, or not a library for this machine.
    FT_PLUGIN_NOT_ONE = 702,     // A library without FT_PLUGIN.
    FT_PLUGIN_OTHER_ABI = 703,   // Made with headers of another version.
    FT_PLUGIN_BAD_STAGE = 704,   // One of its definitions cannot be right.
    FT_PLUGIN_NO_STAGE = 705,    // It has no stage of that name, or several and none was named.
};

// Loads the library (which runs its constructors) and checks abi, layout and every definition,
// before anything of it is called. NULL with `err`. One file gives one loaded library however often
// it is opened, but each opening is closed singly. Any thread.
ft_plugin_library *ft_plugin_library_open(const char *path, ft_error *err) FT_MUST_CHECK;
// Unloads the library when this was its last opening, unless it `stays` or ft_plugin_library_keep
// was called. Nothing of it may be in use: no plan, no run. NULL is fine.
void ft_plugin_library_close(ft_plugin_library *library);
// From now on no library is unloaded: a thread that cannot be stopped may still be inside one.
void ft_plugin_library_keep(void);

const ft_plugin *ft_plugin_library_get(const ft_plugin_library *library);
// The stage `name`, or with an empty name the only one there is. NULL with `err` (705).
const ft_stage_def *ft_plugin_library_find(const ft_plugin_library *library, ft_slice name,
                                           ft_error *err) FT_MUST_CHECK;

// plugin_check.c: one definition. Bounds on everything that is walked, so that a table without an
// end is refused and not followed.
bool ft_plugin_check(const ft_stage_def *def, ft_error *err) FT_MUST_CHECK;
