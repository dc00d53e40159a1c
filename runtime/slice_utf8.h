// UTF-8 by instruction sets that not every processor has; slice_utf8.c asks which.
#pragma once

#include "runtime/slice.h"

// How many bytes of the text are valid UTF-8, as far as it looks: in steps of 32 bytes, up to where
// a character begins that it has not seen as a whole, or a step that is not valid.
size_t ft_utf8_skip_avx2(ft_slice text);
