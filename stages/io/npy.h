// NumPy's file format, version 1.0: a header of 128 bytes, which has room for any number of rows,
// and the rows behind it, row-major.
#pragma once

#include "runtime/data/type.h"

enum { FT_NPY_HEADER_BYTES = 128 };

// Whether an array can have rows of this type: a tensor of fixed shape, or a number; of a list, its
// elements. Fills how many bytes a row takes.
bool ft_npy_can_hold(ft_type type, size_t *out_row_bytes, ft_error *err) FT_MUST_CHECK;
// The header for `rows` rows.
void ft_npy_print_header(ft_type type, uint64_t rows, char out[FT_NPY_HEADER_BYTES]);
