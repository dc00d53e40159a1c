// Files that the program keeps in a folder for its next start, and can do without: compiled
// tokenizers, weights that were laid out.
#pragma once

#include "runtime/memory/arena.h"
#include "runtime/slice.h"

// Writes the parts end to end beside `place` and renames, so that there is a whole file or none,
// whoever else writes it at the same time. Nobody else may read or write it. Makes the folder.
bool ft_kept_write(const char *place, const ft_slice *parts, size_t count, ft_arena *arena,
                   ft_error *err) FT_MUST_CHECK;

// What is in a folder of files whose names have `mark` in them, also those left half written.
typedef struct ft_kept {
    size_t count;
    uint64_t size_bytes;
    const char *oldest;  // In the arena; NULL: there is none.
} ft_kept;
void ft_kept_look(const char *folder, const char *mark, ft_arena *arena, ft_kept *out);
// Removes the oldest ones until there are at most so many, of so many bytes.
void ft_kept_bound(const char *folder, const char *mark, size_t count, uint64_t size_bytes);
