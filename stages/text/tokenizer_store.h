// Compiled tokenizers, kept in a folder so that the next start needs not compile them: each is a
// file that is mapped, whose pages all processes share.
//
// One file for each tokenizer's path and build of the program. It holds what the files were that it
// was made of (device, inode, size, time of change) and is used only while they are the same, if it
// belongs to this user, if nobody else can write to it, and if it is whole. Anything else makes it
// anew. That it cannot be written is no failure.
#pragma once

#include "stages/text/tokenizer.h"

// At most so many files are kept: the oldest goes.
enum { FT_TOKENIZERS_KEPT = 32 };

// As ft_tokenizer_load, by way of the folder `store`, which need not exist; NULL: without.
bool ft_tokenizer_open(const char *path, const char *store, ft_arena *arena,
                       const ft_tokenizer **out, ft_error *err) FT_MUST_CHECK;

// What is in the folder, of all builds: how many compiled tokenizers, and how large they are
// together.
typedef struct ft_tokenizers_kept {
    size_t count;
    uint64_t size_bytes;
} ft_tokenizers_kept;
void ft_tokenizer_store_look(const char *store, ft_arena *arena, ft_tokenizers_kept *out);

// Where the compiled form of the tokenizer at `path` is or would be; NULL: nowhere. In the arena.
const char *ft_tokenizer_stored_path(const char *path, const char *store, ft_arena *arena);
