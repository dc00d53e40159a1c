// Products with weights as a file has them (ft_stored_multiply): one for each width of vectors,
// which all levels of that width share.
#pragma once

#include "stages/nn/kernel/kernels.h"

void ft_stored_multiply_generic(const ft_stored_multiply *multiply);
#if defined(__x86_64__)
void ft_stored_multiply_avx2(const ft_stored_multiply *multiply);
void ft_stored_multiply_avx512(const ft_stored_multiply *multiply);
#endif
