// Narrow weights as they were laid out for the kernels, kept in a folder: the next start maps them,
// and all processes share their pages.
//
// A file is named by what it was made of: a digest of the weights that went in, of how they were
// laid out and of the build of the program. A second, small file spares the reading of the weights:
// it is named by a digest of the model's files as the system lists them (device, inode, size, time
// of change) and holds the first one's name. Both are used only if they belong to this user and if
// nobody else can write to them; sizes and a checksum are compared, and of what a file holds
// nothing is followed: it is numbers. Whatever is wrong, the weights are laid out anew, and where
// nothing can be written, they are not kept.
#pragma once

#include "runtime/digest.h"
#include "stages/nn/weights.h"

// At most so many files, and so many bytes of them, are kept: the oldest goes.
enum { FT_PACKED_KEPT = 16 };
#define FT_PACKED_KEPT_BYTES (UINT64_C(4) << 30)

typedef struct ft_packed {
    const char *store;  // The folder, which need not exist; NULL: nothing is kept.
    const ft_weights *weights;
    size_t size_bytes;  // Of what is kept.
    // Adds everything that decides on its bytes. How the weights are to be laid out, which tells
    // different copies of one model's files apart, comes first and is cheap; `with_weights` adds
    // what they are.
    void (*describe)(const void *host, bool with_weights, ft_digest *digest);
    const void *host;
    ft_arena *arena;
    // Found by ft_packed_open; NULL: not known, or not to be kept.
    const char *record, *place;
} ft_packed;

// For `describe`: the weight's kind, and with its numbers. NULL: there is none.
void ft_packed_add_weight(const ft_weight *weight, bool with_numbers, ft_digest *digest);
// Mapped read-only for the life of the arena, at a multiple of 64; NULL: it must be made.
const char *ft_packed_open(ft_packed *packed);
// Keeps what was made, behind ft_packed_open. Returns it as ft_packed_open does; NULL: it was not
// kept.
const char *ft_packed_keep(ft_packed *packed, const char *bytes);

// How many models' weights are in the folder, of all builds, and how large they are together.
void ft_packed_look(const char *store, ft_arena *arena, size_t *out_count,
                    uint64_t *out_size_bytes);
