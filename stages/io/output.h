// Bytes into a file that appears under its name only when all of it is there and on the disk.
//
//   open      out/a.jsonl.part is made (and its folder), so nothing half-done has the name
//   put ...   packed on the way when the name ends in .gz or .zst
//   commit    flushed, synced, renamed to out/a.jsonl, the folder synced
//   close     without a commit the .part is removed, or what was appended is cut off again
//
// Standard output (`-`) and what is no regular file (a device, a pipe) are written as they are.
#pragma once

#include "runtime/error.h"
#include "runtime/slice.h"

typedef enum ft_output_mode {
    FT_OUTPUT_CREATE,  // Refuses a file that exists, also one that appears meanwhile.
    FT_OUTPUT_REPLACE,
    FT_OUTPUT_APPEND,  // In place; what was there stays.
} ft_output_mode;

typedef struct ft_output ft_output;

// `path` must live as long. `*out_existing` (may be NULL): bytes that an appended file has already.
ft_output *ft_output_open(const char *path, ft_output_mode mode, uint64_t *out_existing,
                          ft_error *err) FT_MUST_CHECK;
bool ft_output_put(ft_output *output, ft_slice bytes, ft_error *err) FT_MUST_CHECK;
// Writes over the beginning of a file that is not packed.
bool ft_output_rewrite(ft_output *output, ft_slice bytes, ft_error *err) FT_MUST_CHECK;
bool ft_output_commit(ft_output *output, ft_error *err) FT_MUST_CHECK;
void ft_output_close(ft_output *output);  // NULL is fine.

// Before a run: a file that CREATE would refuse, a folder in its place, a packing we lack.
bool ft_output_check(const char *path, ft_output_mode mode, ft_error *err) FT_MUST_CHECK;
// Whether the folder can be written in (or made).
bool ft_output_check_folder(const char *path, ft_error *err) FT_MUST_CHECK;
// A pipe or a terminal, which may make us wait.
bool ft_output_is_live(const char *path);
