// The matrix product of an OpenBLAS that is installed, for processors that have no kernels of ours.
//
// Loaded when first asked for and never linked: its start costs as much as reading a small model.
#pragma once

#include "stages/nn/kernels.h"

// False when there is none. One thread at a time: while a model is loaded.
bool ft_blas_load(void);
// C = A B of `multiply` (row-major A; bias, scale and add are not looked at). After a successful
// load, any thread.
void ft_blas_multiply(const ft_multiply *multiply);
