// The kernels with AVX-512, VNNI and BF16.
#include "stages/nn/kernel/kernels.h"

#if defined(__x86_64__)
#include "stages/nn/kernel/words_avx512vnni.h"

#define BF16_ROWS TILE_ROWS
#define BYTES_ROWS TILE_ROWS

// In assembler: see words_avx512vnni.h.
#define v_dot_bf16 v_dot_bf16
FT_ALWAYS_INLINE VI v_dot_bf16(VI sum, VI a, VI b)
{
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
}

// Denormal numbers become 0, which the product takes them for.
#define v_store_bf16(to, x) \
    _mm256_storeu_si256((__m256i *)(void *)(to), (__m256i)_mm512_cvtneps_pbh(x))

#include "stages/nn/kernel/narrow_kernels.h"
#include "stages/nn/kernel/vector_kernels.h"

extern const ft_kernels ft_kernels_avx512_bf16;
const ft_kernels ft_kernels_avx512_bf16 = VECTOR_KERNELS(FT_ISA_AVX512_BF16);
#endif
