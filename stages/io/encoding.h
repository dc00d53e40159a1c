// Invalid UTF-8 in what comes from outside.
#pragma once

#include "runtime/slice.h"

// Appends `text` with U+FFFD in place of each maximal part that is not UTF-8, as Unicode
// recommends and Python's errors="replace" does.
void ft_encoding_replace(ft_slice text, ft_text *out);
// Fails, and says where. `prefix` is the valid part.
bool ft_encoding_fail(size_t prefix, ft_error *err);
