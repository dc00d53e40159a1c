// The words of words_avx512.h with the product that VNNI adds.
#pragma once

#include "stages/nn/kernel/words_avx512.h"

// In assembler: GCC 12 copies the sum to another register and back around its own intrinsic, which
// halves the rate.
#define v_dot_bytes v_dot_bytes
FT_ALWAYS_INLINE VI v_dot_bytes(VI sum, VI a, VI b)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
}
