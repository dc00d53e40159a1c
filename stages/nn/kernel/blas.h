// The matrix product of an OpenBLAS that is installed, for processors that have no kernels of ours.
//
// Loaded when first asked for and never linked: its start costs as much as reading a small model.
#pragma once

#include "stages/nn/kernel/kernels.h"

enum { FT_BLAS_ROWS_MAX = 48 };

// False when there is none. Any thread; all but the first wait for that one and get its answer.
bool ft_blas_load(void);
// What was loaded, in its own words ("OpenBLAS 0.3.21 DYNAMIC_ARCH Zen ..."). After a successful
// load.
const char *ft_blas_describe(void);
// C = A B of `multiply` (row-major A; bias, scale and add are not looked at). After a successful
// load, any thread.
void ft_blas_multiply(const ft_multiply *multiply);
// How many rows every product must have, so that a row's result does not depend on its place among
// them. After a successful load; at most FT_BLAS_ROWS_MAX.
size_t ft_blas_rows(void);
