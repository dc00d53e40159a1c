// The kernels with AVX-512 and VNNI.
#include "stages/nn/kernel/kernels.h"

#if defined(__x86_64__)
#include "stages/nn/kernel/words_avx512.h"

#define BF16_ROWS 10
#define BYTES_ROWS TILE_ROWS

// In assembler: GCC 12 copies the sum to another register and back around its own intrinsic, which
// halves the rate.
#define v_dot_bytes v_dot_bytes
FT_ALWAYS_INLINE VI v_dot_bytes(VI sum, VI a, VI b)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
}

#include "stages/nn/kernel/narrow_kernels.h"
#include "stages/nn/kernel/vector_kernels.h"

extern const ft_kernels ft_kernels_avx512_vnni;
const ft_kernels ft_kernels_avx512_vnni = {
    .isa = FT_ISA_AVX512_VNNI,
    .multiply = vector_multiply,
    .multiply_bf16 = vector_multiply_bf16,
    .multiply_int8 = vector_multiply_int8,
    .to_bf16 = vector_to_bf16,
    .to_bytes = vector_to_bytes,
    .activate = vector_activate,
    .gate = vector_gate,
    .norm = vector_norm_rows,
    .softmax = vector_softmax,
    .rotate = vector_rotate,
};
#endif
