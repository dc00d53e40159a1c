// Bytes from a file or standard input, unpacked on the way when the name ends in .gz or .zst, or
// when they begin as such data does.
//
// gzip may have several members and zero bytes behind them, zstd several frames and skippable
// ones. Data that ends early or has something else behind it fails; what came before is given out.
#pragma once

#include "runtime/error.h"
#include "runtime/slice.h"

typedef enum ft_packing { FT_PACKING_NONE, FT_PACKING_GZIP, FT_PACKING_ZSTD } ft_packing;

typedef struct ft_stream ft_stream;

// By the end of the name; `*out_rest` (may be NULL) is the name without it.
ft_packing ft_packing_find(ft_slice path, ft_slice *out_rest);

// `path` must live as long as the stream; `-` is standard input.
ft_stream *ft_stream_open(const char *path, ft_error *err) FT_MUST_CHECK;
void ft_stream_close(ft_stream *stream);  // NULL is fine.
// Gives at least one byte, or 0 at the end. From a pipe it gives what is there.
bool ft_stream_read(ft_stream *stream, char *out, size_t capacity, size_t *out_size,
                    ft_error *err) FT_MUST_CHECK;
// A read will not block; files are always ready.
bool ft_stream_is_ready(ft_stream *stream);
int ft_stream_fd(const ft_stream *stream);  // To wait for.
// Bytes of the file that have been taken so far, packed ones if it is packed; 0 for a pipe.
int64_t ft_stream_taken_bytes(const ft_stream *stream);
// Not a file: a pipe, a terminal; waiting for more would hold back what is there.
bool ft_stream_is_live(const ft_stream *stream);
