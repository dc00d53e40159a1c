// The kernels with AVX2, FMA and AVX-VNNI.
#include "stages/nn/kernel/kernels.h"

#if defined(__x86_64__)
#include "stages/nn/kernel/words_avx2.h"

#define BF16_ROWS 4
#define BYTES_ROWS TILE_ROWS

// In assembler: GCC 12 copies the sum to another register and back around its own intrinsic, which
// halves the rate.
#define v_dot_bytes v_dot_bytes
FT_ALWAYS_INLINE VI v_dot_bytes(VI sum, VI a, VI b)
{
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
    return sum;
}

#include "stages/nn/kernel/narrow_kernels.h"
#include "stages/nn/kernel/vector_kernels.h"

extern const ft_kernels ft_kernels_avx2_vnni;
const ft_kernels ft_kernels_avx2_vnni = VECTOR_KERNELS(FT_ISA_AVX2_VNNI);
#endif
