// The kernels with AVX2 and FMA: 6 rows by 16 columns are 12 of the 16 registers.
#include "stages/nn/kernel/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>

#define LANES 8
#define TILE_ROWS 6
#define TILE_VECTORS 2
typedef __m256 V;

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

#include "stages/nn/kernel/vector_kernels.h"

extern const ft_kernels ft_kernels_avx2;
const ft_kernels ft_kernels_avx2 = {
    .isa = FT_ISA_AVX2,
    .multiply = vector_multiply,
    .activate = vector_activate,
    .gate = vector_gate,
    .norm = vector_norm_rows,
    .softmax = vector_softmax,
    .rotate = vector_rotate,
};
#endif
