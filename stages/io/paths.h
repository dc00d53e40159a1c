// Which files a path means, and what is in them by the end of their name.
#pragma once

#include "runtime/memory/arena.h"
#include "runtime/slice.h"

typedef enum ft_format {
    FT_FORMAT_AUTO,
    FT_FORMAT_TEXT,
    FT_FORMAT_JSONL,
    FT_FORMAT_CSV,
    FT_FORMAT_TSV,
    FT_FORMAT_NPY,
} ft_format;

typedef struct ft_paths {
    size_t count;
    const char **items;
} ft_paths;

// A file, a glob (its matches, sorted by bytes, without folders) or `-`. At least one, and none
// that is a directory or missing; else it fails.
bool ft_paths_find(const char *text, ft_arena *arena, ft_paths *out, ft_error *err) FT_MUST_CHECK;
// By the ending before .gz or .zst; AUTO when the ending says nothing.
ft_format ft_format_find(const char *path);
