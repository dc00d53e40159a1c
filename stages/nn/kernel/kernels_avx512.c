// The kernels with AVX-512: 14 rows by 32 columns are 28 of the 32 registers.
#include "stages/nn/kernel/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>

#define LANES 16
#define TILE_ROWS 14
#define TILE_VECTORS 2
typedef __m512 V;

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

#include "stages/nn/kernel/vector_kernels.h"

extern const ft_kernels ft_kernels_avx512;
const ft_kernels ft_kernels_avx512 = {
    .isa = FT_ISA_AVX512,
    .multiply = vector_multiply,
    .activate = vector_activate,
    .gate = vector_gate,
    .norm = vector_norm_rows,
    .softmax = vector_softmax,
    .rotate = vector_rotate,
};
#endif
