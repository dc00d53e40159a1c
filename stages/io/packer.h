// Packing of output by the end of its name: .gz with zlib, .zst with zstd, both at their defaults.
#pragma once

#include "runtime/error.h"
#include "runtime/slice.h"

typedef struct ft_packer ft_packer;
typedef bool ft_packer_sink(void *host, ft_slice bytes, ft_error *err);

// Whether what the name asks for was built in. False with `err`.
bool ft_packer_check(const char *path, ft_error *err) FT_MUST_CHECK;
// NULL in `*out` when the name asks for none.
bool ft_packer_open(const char *path, ft_packer **out, ft_error *err) FT_MUST_CHECK;
bool ft_packer_put(ft_packer *packer, ft_slice bytes, ft_packer_sink *sink, void *host,
                   ft_error *err) FT_MUST_CHECK;
// The end of the member or frame; an empty one when nothing was put.
bool ft_packer_end(ft_packer *packer, ft_packer_sink *sink, void *host,
                   ft_error *err) FT_MUST_CHECK;
void ft_packer_close(ft_packer *packer);  // NULL is fine.
