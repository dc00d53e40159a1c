// Files: whole reads with a bound, read-only maps. Errors name the path and errno's text.
#pragma once

#include "runtime/error.h"
#include "runtime/memory/arena.h"
#include "runtime/slice.h"

// The whole file into the arena, NUL behind its end. A directory, or more than `bound_bytes`,
// fails.
bool ft_file_read(const char *path, ft_arena *arena, size_t bound_bytes, ft_slice *out,
                  ft_error *err) FT_MUST_CHECK;
// Maps it read-only for the life of the arena. An empty file gives an empty slice.
bool ft_file_map(const char *path, ft_arena *arena, ft_slice *out, ft_error *err) FT_MUST_CHECK;
// The same of a regular file that belongs to this user and that nobody else can write to: what the
// program has written for itself. A link is not followed.
bool ft_file_map_own(const char *path, ft_arena *arena, ft_slice *out, ft_error *err) FT_MUST_CHECK;
// Lets go of the pages of a map that was looked through to check it: those that are needed come
// back from the system's cache of files when they are touched. `map` is whole, as it was given.
void ft_file_map_release(ft_slice map);
// Makes the folders above `path` that are missing; `path` is changed meanwhile. That one cannot be
// made shows when the file is.
void ft_file_make_folders(char *path);
typedef enum ft_file_kind {
    FT_FILE_MISSING,
    FT_FILE_REGULAR,
    FT_FILE_FOLDER,
    FT_FILE_OTHER,
    FT_FILE_UNKNOWN,  // It cannot be looked at; errno says why, and so does opening it.
} ft_file_kind;
ft_file_kind ft_file_find(const char *path);
// "a/b" + "c" = "a/b/c"; an absolute `name` stays. In the arena; NULL without memory.
const char *ft_path_join(ft_arena *arena, const char *folder, const char *name);
