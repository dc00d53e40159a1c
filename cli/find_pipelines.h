// Which pipelines a path names: a file; all of a folder and below (`folder`, `folder/...`); in a
// Markdown file every
// ```yaml block that has `stages:`.
#pragma once

#include "runtime/memory/arena.h"

typedef struct ft_found_pipeline {
    const char *path;
    ft_slice text;  // Of a block: as long as the whole file, with all else blanked, so that places
                    // are the file's own.
    ft_slice original;  // The whole file.
    bool is_block;
} ft_found_pipeline;

typedef struct ft_found_pipelines {
    size_t count, capacity;
    ft_found_pipeline *items;  // In the arena.
} ft_found_pipelines;

// Appends. A file that is named is taken whatever is in it; in folders, *.yaml and *.yml that have
// `stages:`, and *.md.
bool ft_find_pipelines(const char *path, ft_arena *arena, ft_found_pipelines *out,
                       ft_error *err) FT_MUST_CHECK;
