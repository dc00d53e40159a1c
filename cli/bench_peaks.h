// What the processor can do at most: instructions on registers alone, nothing read or written.
#pragma once

#include "stages/nn/kernel/kernels.h"

// Operations a nanosecond (a multiplication and an addition are two) with the instructions that
// `level` has for `precision`, on this thread; 0 where it has none.
double ft_bench_peak(ft_isa level, ft_precision precision);
