// Cuts files into items: lines, paragraphs or CSV records, as blocks of text with offsets.
//
//   file bytes     a\r\nbc\n\nd          block.values   abcd
//   lines          "a" "bc" "" "d"       block.offsets  0 1 3 3 4
//
// A block is read into one buffer and the line ends are squeezed out in place, so that it is a
// column of bytes from which batches are sliced without a copy. What is left of an unfinished line
// moves to the next block. A line that is longer than a block makes the buffer grow by a quarter
// at a time; it is charged to the account, which sets the only limit (besides 2 GiB).
#pragma once

#include "runtime/data/column.h"
#include "runtime/data/lineage.h"
#include "stages/io/stream.h"

typedef enum ft_cut { FT_CUT_LINES, FT_CUT_PARAGRAPHS, FT_CUT_CSV } ft_cut;

typedef struct ft_block {
    size_t count;          // Items.
    ft_column column;      // Type bytes.
    ft_buffer *positions;  // ft_position[count]: file and byte offset of each.
} ft_block;

typedef struct ft_cutter {
    // Set by the caller, before the first call; the rest is zero.
    const char *const *paths;
    size_t path_count;
    ft_cut cut;
    char delimiter;   // CSV.
    bool skip_blank;  // Lines without text are no items.
    size_t block_bytes;
    ft_account *account;
    // The first record of each file is a header: checked, and no item. May be NULL.
    bool (*on_header)(const void *host, size_t path, ft_slice record, ft_error *err);
    const void *host;
    // Its own.
    ft_stream *stream;
    size_t path;         // Of the open file, or of the next one.
    uint64_t file_base;  // Index in the buffer + file_base = offset in the file (mod 2^64).
    bool at_file_start, header_is_next, in_quotes;
    ft_buffer *rest;  // The unfinished item that the last block ended with.
    ft_buffer *values, *offsets, *positions;
    size_t count;    // Items in them.
    size_t written;  // Bytes of finished items.
    size_t start;    // First byte of the unfinished item.
    size_t scanned;  // Up to here it has no end.
    size_t filled;   // Bytes in `values`.
} ft_cutter;

// The next block, or `*out_more` false when all files are done. A block may be empty of items only
// when `*out_wait`: a pipe has nothing for the moment (wait for ft_cutter_fd, look at cancellation,
// call again).
bool ft_cutter_next(ft_cutter *cutter, ft_block *out, bool *out_more, bool *out_wait,
                    ft_error *err) FT_MUST_CHECK;
int ft_cutter_fd(const ft_cutter *cutter);  // Of the open file; -1 when none is.
void ft_cutter_finish(ft_cutter *cutter);
void ft_block_finish(ft_block *block);  // A zeroed one is fine.
