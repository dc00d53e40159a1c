// The words of vector_kernels.h and narrow_kernels.h in AVX2 and FMA: 6 rows by 16 columns are 12
// of the 16 registers. What includes this says how units of narrow numbers are multiplied.
#pragma once

#include <immintrin.h>
#include <math.h>

#include "stages/nn/kernel/stored.h"

#define LANES 8
#define TILE_ROWS 6
#define TILE_VECTORS 2
#define STORED_MULTIPLY ft_stored_multiply_avx2
typedef __m256 V;
typedef __m256i VI;

#define v_load(p) _mm256_loadu_ps(p)
#define v_store(p, x) _mm256_storeu_ps(p, x)
#define v_set(x) _mm256_set1_ps(x)
#define v_zero() _mm256_setzero_ps()
#define v_add(a, b) _mm256_add_ps(a, b)
#define v_sub(a, b) _mm256_sub_ps(a, b)
#define v_mul(a, b) _mm256_mul_ps(a, b)
#define v_div(a, b) _mm256_div_ps(a, b)
#define v_fma(a, b, c) _mm256_fmadd_ps(a, b, c)
#define v_max(a, b) _mm256_max_ps(a, b)
#define v_abs(x) _mm256_andnot_ps(_mm256_set1_ps(-0.0F), x)
#define v_round(x) _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
#define v_below(x, limit, value) \
    _mm256_and_ps(_mm256_cmp_ps(x, _mm256_set1_ps(limit), _CMP_LT_OQ), value)
#define v_choose(x, y, a, b) _mm256_blendv_ps(b, a, _mm256_cmp_ps(x, y, _CMP_LT_OQ))

// x 2^n by adding n to the exponent: x is near 1 and n from -126 to 127.
static inline V v_scale(V x, V n)
{
    const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), exponent));
}

static inline float v_sum(V x)
{
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

#define i_zero() _mm256_setzero_si256()
#define i_load(p) _mm256_loadu_si256((const VI *)(const void *)(p))
#define i_set(x) _mm256_set1_epi32(x)
#define i_add(a, b) _mm256_add_epi32(a, b)
#define i_sub(a, b) _mm256_sub_epi32(a, b)
#define i_mul(a, b) _mm256_mullo_epi32(a, b)
#define i_and(a, b) _mm256_and_si256(a, b)
#define i_max(a, b) _mm256_max_epi32(a, b)
#define i_left(a, n) _mm256_slli_epi32(a, n)
#define i_right(a, n) _mm256_srli_epi32(a, n)
#define i_left16(a, n) _mm256_slli_epi16(a, n)
#define i_right16(a, n) _mm256_srli_epi16(a, n)
#define i_signed_right16(a, n) _mm256_srai_epi16(a, n)
#define i_multiply_pairs16(a, b) _mm256_madd_epi16(a, b)
#define i_of(x) _mm256_cvtps_epi32(x)
#define v_of(x) _mm256_cvtepi32_ps(x)
#define i_cast(x) _mm256_castps_si256(x)
#define v_cast(x) _mm256_castsi256_ps(x)
#define v_is_nan(x) _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q))
#define v_min(a, b) _mm256_min_ps(a, b)

static inline float v_most(V x)
{
    __m128 half = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    half = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

// The lower halves, and the lowest bytes by unsigned saturation, of lanes that are at least 0.
static inline void i_store16(void *to, VI x)
{
    const __m128i low = _mm256_castsi256_si128(x), high = _mm256_extracti128_si256(x, 1);
    _mm_storeu_si128((__m128i *)to, _mm_packus_epi32(low, high));
}

static inline void i_store8(void *to, VI x)
{
    const __m128i low = _mm256_castsi256_si128(x), high = _mm256_extracti128_si256(x, 1);
    const __m128i half = _mm_packus_epi32(low, high);
    _mm_storel_epi64((__m128i *)to, _mm_packus_epi16(half, half));
}
