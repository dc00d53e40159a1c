// YAML text to a checked plan: parse with marks, params and environment filled in, stages and
// options, links, types.
#pragma once

#include "dsl/diagnostic.h"
#include "engine/plan.h"

// What `ftpipe doctor --plugin` found out about a library, by its content.
typedef enum ft_plugin_verdict {
    FT_PLUGIN_UNTESTED,
    FT_PLUGIN_PASSED,
    FT_PLUGIN_FAILED,
} ft_plugin_verdict;

typedef struct ft_compile_settings {
    const ft_stage_def *const *stages;  // All there are; NULL-terminated.
    const ft_environment *environment;
    // -p k=v, in order; a later one wins.
    const char *const *param_names, *const *param_texts;
    size_t param_count;
    const char *(*environment_variable)(
        const char *name);  // For ${NAME:-default}; cli/ gives getenv.
    ft_plugin_verdict (*plugin_verdict)(const char *path);  // NULL: none is known.
    const ft_run_options *run;  // Of the command line: threads, memory and `order: any` before the
                                // file's; NULL: none.
} ft_compile_settings;

// The plan, checked; NULL when there is an error (in `diagnostics`). Warnings may come with a plan.
// The plan keeps what it needs of `source`; marks point into it, so it must outlive the
// diagnostics.
ft_plan *ft_compile(const ft_source *source, const ft_compile_settings *settings,
                    ft_diagnostics *diagnostics);

// 'read docs.jsonl ! tokenize ./m ! embed ./m pooling=mean ! write v.npy' to YAML text, in the
// arena.
bool ft_compile_line(ft_slice line, ft_arena *arena, ft_slice *out_yaml,
                     ft_error *err) FT_MUST_CHECK;
