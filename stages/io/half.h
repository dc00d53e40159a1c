// Numbers of 16 bits: IEEE half precision, and bfloat16, which is the upper half of an f32.
#pragma once

#include <stdint.h>

float ft_half_to_f32(uint16_t half);
float ft_bfloat_to_f32(uint16_t bfloat);
