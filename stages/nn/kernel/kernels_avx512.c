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
const ft_kernels ft_kernels_avx512 = VECTOR_KERNELS(FT_ISA_AVX512);
#endif
