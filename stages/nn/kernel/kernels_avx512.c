// The kernels with AVX-512.
#include "stages/nn/kernel/kernels.h"

#if defined(__x86_64__)
#include "stages/nn/kernel/words_avx512.h"

// Ten rows: the halves of a unit need registers of their own.
#define BF16_ROWS 10
#define BYTES_ROWS 10

#include "stages/nn/kernel/narrow_kernels.h"
#include "stages/nn/kernel/vector_kernels.h"

extern const ft_kernels ft_kernels_avx512;
const ft_kernels ft_kernels_avx512 = {
    .isa = FT_ISA_AVX512,
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
