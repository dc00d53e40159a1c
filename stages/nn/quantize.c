// Vectors in smaller numbers: see quantize.h.
#include "stages/nn/quantize.h"

#include <math.h>
#include <string.h>

ft_dtype ft_vector_dtype(ft_vector_format format)
{
    static const ft_dtype dtypes[] = {
        [FT_VECTOR_F32] = FT_DTYPE_F32,   [FT_VECTOR_F16] = FT_DTYPE_F16,
        [FT_VECTOR_I8] = FT_DTYPE_I8,     [FT_VECTOR_U8] = FT_DTYPE_U8,
        [FT_VECTOR_BINARY] = FT_DTYPE_I8, [FT_VECTOR_UBINARY] = FT_DTYPE_U8,
    };
    return dtypes[format];
}

size_t ft_vector_numbers(ft_vector_format format, size_t size)
{
    return format == FT_VECTOR_BINARY || format == FT_VECTOR_UBINARY ? (size + 7) / 8 : size;
}

uint16_t ft_half_of(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    const uint32_t sign = bits >> 16 & 0x8000U;
    bits &= 0x7FFFFFFFU;
    if (bits > 0x7F800000U)
        return (uint16_t)(sign | 0x7E00U);
    if (bits >= 0x477FF000U)  // 65520 and more round to infinity.
        return (uint16_t)(sign | 0x7C00U);
    if (bits < 0x38800000U) {
        // Below 2^-14 a half counts in steps of 2^-24, which an addition of 0.5 rounds to.
        float size;
        memcpy(&size, &bits, sizeof(size));
        size += 0.5F;
        memcpy(&bits, &size, sizeof(bits));
        return (uint16_t)(sign | (bits - 0x3F000000U));
    }
    bits += 0xFFFU + (bits >> 13 & 1U);
    return (uint16_t)(sign | (bits - 0x38000000U) >> 13);
}

static int level_of(float value, ft_range range)
{
    const float step = (range.high - range.low) / 255;
    const float level = floorf((value - range.low) / step);

    return level > 0 ? level < 255 ? (int)level : 255 : 0;  // NaN is 0.
}

static unsigned bits_of(const float *vector, size_t size)
{
    unsigned bits = 0;

    for (size_t i = 0; i < 8; i++)
        bits = bits << 1 | (i < size && vector[i] > 0);
    return bits;
}

void ft_vector_write(ft_vector_format format, ft_range range, const float *vector, size_t size,
                     void *out)
{
    const size_t numbers = ft_vector_numbers(format, size);
    uint8_t *bytes = out;

    if (format == FT_VECTOR_F32)
        memcpy(out, vector, size * sizeof(*vector));
    for (size_t i = 0; i < numbers && format != FT_VECTOR_F32; i++) {
        const bool is_bits = format == FT_VECTOR_BINARY || format == FT_VECTOR_UBINARY;
        if (format == FT_VECTOR_F16) {
            const uint16_t half = ft_half_of(vector[i]);
            memcpy(bytes + 2 * i, &half, sizeof(half));
            continue;
        }
        // Less 128 flips the highest bit.
        const unsigned value =
            is_bits ? bits_of(vector + 8 * i, size - 8 * i) : (unsigned)level_of(vector[i], range);
        const bool is_signed = format == FT_VECTOR_I8 || format == FT_VECTOR_BINARY;
        bytes[i] = (uint8_t)(value ^ (is_signed ? 0x80U : 0));
    }
}
