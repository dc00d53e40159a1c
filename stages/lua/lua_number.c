// Loads and stores through memcpy, so that no element need be aligned.
#include "stages/lua/lua_number.h"

#include <math.h>
#include <string.h>

static float bits_to_f32(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t f32_to_bits(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double load_f16(uint16_t half)
{
    int exponent = half >> 10 & 31, fraction = half & 1023;
    double value = exponent == 31  ? (fraction ? (double)NAN : (double)INFINITY)
                   : exponent == 0 ? ldexp(fraction, -24)
                                   : ldexp(fraction + 1024, exponent - 25);

    return half & 0x8000 ? -value : value;
}

static uint16_t store_f16(double value)
{
    uint16_t sign = signbit(value) ? 0x8000 : 0;
    double size = fabs(value);
    int exponent;

    if (isnan(value))
        return 0x7e00;
    if (size >= 65520)  // Half way between the largest and the next power of two: rounds away.
        return (uint16_t)(sign | 0x7c00);
    if (size < 0x1p-14)
        return (uint16_t)(sign | (uint16_t)rint(ldexp(size, 24)));
    double fraction = frexp(size, &exponent);             // [0.5, 1)
    unsigned bits = (unsigned)rint(ldexp(fraction, 11));  // 1024 .. 2048; 2048 carries over.
    return (uint16_t)((sign | (unsigned)(exponent + 13) << 10) + bits);
}

static uint16_t store_bf16(double value)
{
    uint32_t bits = f32_to_bits((float)value);

    if (isnan(value))
        return 0x7fc0;
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

#define LOAD(ctype, expression)                             \
    for (size_t i = 0; i < count; i++) {                    \
        ctype x;                                            \
        memcpy(&x, data + (from + i) * sizeof x, sizeof x); \
        out[i] = (expression);                              \
    }                                                       \
    break

void ft_lua_numbers_load(ft_dtype dtype, const char *data, size_t from, size_t count, double *out)
{
    switch (dtype) {
    case FT_DTYPE_U8:
        LOAD(uint8_t, x);
    case FT_DTYPE_I8:
        LOAD(int8_t, x);
    case FT_DTYPE_I32:
        LOAD(int32_t, x);
    case FT_DTYPE_I64:
        LOAD(int64_t, (double)x);
    case FT_DTYPE_F16:
        LOAD(uint16_t, load_f16(x));
    case FT_DTYPE_BF16:
        LOAD(uint16_t, (double)bits_to_f32((uint32_t)x << 16));
    case FT_DTYPE_F32:
        LOAD(float, (double)x);
    case FT_DTYPE_F64:
        LOAD(double, x);
    }
}

int64_t ft_lua_dtype_min(ft_dtype dtype)
{
    return dtype == FT_DTYPE_U8    ? 0
           : dtype == FT_DTYPE_I8  ? INT8_MIN
           : dtype == FT_DTYPE_I32 ? INT32_MIN
                                   : INT64_MIN;
}

int64_t ft_lua_dtype_max(ft_dtype dtype)
{
    return dtype == FT_DTYPE_U8    ? UINT8_MAX
           : dtype == FT_DTYPE_I8  ? INT8_MAX
           : dtype == FT_DTYPE_I32 ? INT32_MAX
                                   : INT64_MAX;
}

static int64_t to_integer(double value, ft_dtype dtype)
{
    if (isnan(value))
        return 0;
    value = rint(value);
    if (value <= (double)ft_lua_dtype_min(dtype))
        return ft_lua_dtype_min(dtype);
    if (value >= (double)ft_lua_dtype_max(dtype))
        return ft_lua_dtype_max(dtype);
    return (int64_t)value;
}

#define STORE(ctype, expression)                            \
    for (size_t i = 0; i < count; i++) {                    \
        double x = numbers[i];                              \
        ctype y = (ctype)(expression);                      \
        memcpy(data + (from + i) * sizeof y, &y, sizeof y); \
    }                                                       \
    break

void ft_lua_numbers_store(ft_dtype dtype, char *data, size_t from, size_t count,
                          const double *numbers)
{
    switch (dtype) {
    case FT_DTYPE_U8:
        STORE(uint8_t, to_integer(x, dtype));
    case FT_DTYPE_I8:
        STORE(int8_t, to_integer(x, dtype));
    case FT_DTYPE_I32:
        STORE(int32_t, to_integer(x, dtype));
    case FT_DTYPE_I64:
        STORE(int64_t, to_integer(x, dtype));
    case FT_DTYPE_F16:
        STORE(uint16_t, store_f16(x));
    case FT_DTYPE_BF16:
        STORE(uint16_t, store_bf16(x));
    case FT_DTYPE_F32:
        STORE(float, x);
    case FT_DTYPE_F64:
        STORE(double, x);
    }
}
