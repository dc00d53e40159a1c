// The words of vector_kernels.h and narrow_kernels.h in AVX-512: 14 rows by 32 columns are 28 of
// the 32 registers. What includes this says how units of narrow numbers are multiplied.
#pragma once

#include <immintrin.h>
#include <math.h>

#include "stages/nn/kernel/stored.h"

#define LANES 16
#define TILE_ROWS 14
#define TILE_VECTORS 2
#define STORED_MULTIPLY ft_stored_multiply_avx512
typedef __m512 V;
typedef __m512i VI;

#define v_load(p) _mm512_loadu_ps(p)
#define v_store(p, x) _mm512_storeu_ps(p, x)
#define v_set(x) _mm512_set1_ps(x)
#define v_zero() _mm512_setzero_ps()
#define v_add(a, b) _mm512_add_ps(a, b)
#define v_sub(a, b) _mm512_sub_ps(a, b)
#define v_mul(a, b) _mm512_mul_ps(a, b)
#define v_div(a, b) _mm512_div_ps(a, b)
#define v_fma(a, b, c) _mm512_fmadd_ps(a, b, c)
#define v_max(a, b) _mm512_max_ps(a, b)
#define v_abs(x) _mm512_abs_ps(x)
#define v_round(x) _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
#define v_scale(x, n) _mm512_scalef_ps(x, n)
#define v_below(x, limit, value) \
    _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, _mm512_set1_ps(limit), _CMP_LT_OQ), value)
#define v_choose(x, y, a, b) _mm512_mask_mov_ps(b, _mm512_cmp_ps_mask(x, y, _CMP_LT_OQ), a)
#define v_sum(x) _mm512_reduce_add_ps(x)

#define i_zero() _mm512_setzero_si512()
#define i_load(p) _mm512_loadu_si512(p)
#define i_set(x) _mm512_set1_epi32(x)
#define i_add(a, b) _mm512_add_epi32(a, b)
#define i_sub(a, b) _mm512_sub_epi32(a, b)
#define i_mul(a, b) _mm512_mullo_epi32(a, b)
#define i_and(a, b) _mm512_and_si512(a, b)
#define i_max(a, b) _mm512_max_epi32(a, b)
#define i_left(a, n) _mm512_slli_epi32(a, n)
#define i_right(a, n) _mm512_srli_epi32(a, n)
#define i_left16(a, n) _mm512_slli_epi16(a, n)
#define i_right16(a, n) _mm512_srli_epi16(a, n)
#define i_signed_right16(a, n) _mm512_srai_epi16(a, n)
#define i_multiply_pairs16(a, b) _mm512_madd_epi16(a, b)
#define i_of(x) _mm512_cvtps_epi32(x)
#define v_of(x) _mm512_cvtepi32_ps(x)
#define i_cast(x) _mm512_castps_si512(x)
#define v_cast(x) _mm512_castsi512_ps(x)
#define v_is_nan(x) _mm512_movm_epi32(_mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q))
#define v_min(a, b) _mm512_min_ps(a, b)
#define v_most(x) _mm512_reduce_max_ps(x)
// The lower halves, and the lowest bytes by unsigned saturation, of lanes that are at least 0.
#define i_store16(to, x) _mm256_storeu_si256((__m256i *)(void *)(to), _mm512_cvtepi32_epi16(x))
#define i_store8(to, x) _mm_storeu_si128((__m128i *)(void *)(to), _mm512_cvtusepi32_epi8(x))
