// Base64 (RFC 4648, the plain alphabet, padded).
#pragma once

#include "runtime/slice.h"

// Writes at most text.size / 4 * 3 bytes. False: `*out_at` is the letter that is wrong (text.size
// when it is cut off).
bool ft_base64_decode(ft_slice text, uint8_t *out, size_t *out_size, size_t *out_at);
