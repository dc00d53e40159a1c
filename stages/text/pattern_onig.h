// Regular expressions by Oniguruma, for those that have no matcher of ours.
#pragma once

#include "runtime/memory/arena.h"
#include "runtime/slice.h"

// `*out` is freed with the arena. Without the library at build time it fails (USAGE).
bool ft_onig_compile(ft_slice source, const char *path, const char *place, ft_arena *arena,
                     void **out, ft_error *err) FT_MUST_CHECK;
bool ft_onig_next(void *regex, ft_slice text, size_t from, bool *found, size_t *out_start,
                  size_t *out_end, ft_error *err) FT_MUST_CHECK;
