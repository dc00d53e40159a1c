// From a pipeline's file (or a one-liner) to a checked plan, and what was found wrong on the way.
#pragma once

#include "cli/command.h"
#include "dsl/compile.h"

typedef struct ft_pipeline_file {
    ft_arena *arena;  // The caller's.
    ft_source source;
    ft_environment environment;
    const char **param_names, **param_texts;
    size_t param_count;
    const ft_run_options *run;  // Of the command line, or NULL.
} ft_pipeline_file;

// Reads `path` ("-": stdin), or, when it is NULL, makes YAML of `line`.
bool ft_pipeline_file_read(ft_pipeline_file *file, ft_arena *arena, const char *path,
                           const char *line, ft_error *err) FT_MUST_CHECK;
// Fills the environment only, for a pipeline that was read elsewhere.
bool ft_pipeline_file_place(ft_pipeline_file *file, ft_arena *arena, const char *path,
                            ft_error *err) FT_MUST_CHECK;
// Takes -p NAME=VALUE from the arguments.
bool ft_pipeline_file_take_params(ft_pipeline_file *file, const ft_arguments *arguments,
                                  ft_error *err) FT_MUST_CHECK;
// NULL when it is not valid: see `diagnostics`.
ft_plan *ft_pipeline_file_compile(const ft_pipeline_file *file, ft_diagnostics *diagnostics);
// The same for another source, which must outlive the diagnostics.
ft_plan *ft_pipeline_file_compile_source(const ft_pipeline_file *file, const ft_source *source,
                                         ft_diagnostics *diagnostics);
