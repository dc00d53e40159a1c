// Floats of two bytes, exactly as floats of four: IEEE 754 binary16, and bfloat16, which is the
// upper half of a float.
#pragma once

#include <stdint.h>
#include <string.h>

static inline float ft_float_of_half(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000U) << 16;
    const uint32_t exponent = half >> 10 & 31U, fraction = half & 0x3FFU;
    // Below 2^-14, and 0: so many times 2^-24.
    float value = (float)fraction * 0x1p-24F;
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    if (exponent > 0)
        bits = (exponent == 31 ? 0xFFU : exponent + 112) << 23 | fraction << 13;
    bits |= sign;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static inline float ft_float_of_bfloat(uint16_t bfloat)
{
    const uint32_t bits = (uint32_t)bfloat << 16;
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}
