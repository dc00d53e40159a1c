// Text of JSON strings, copied by instruction sets that not every processor has; json.c asks which.
#pragma once

#include "runtime/data/json.h"

// Copies a string's text from `*at` on to `out + *size`, where as much may be written as is left
// of the JSON text, and moves both behind it: escapes of one letter are resolved. Stops at
// whatever else cannot stand in a string as it is, and where fewer than 64 bytes are left.
// `*has_high` becomes true when it copies a byte above 0x7f.
void ft_json_copy_avx512vbmi2(const ft_json *json, size_t *at, char *out, size_t *size,
                              bool *has_high);
