// The kernels with AVX2 and FMA.
#include "stages/nn/kernel/kernels.h"

#if defined(__x86_64__)
#include "stages/nn/kernel/words_avx2.h"

// Four rows: the halves of a unit need registers of their own.
#define BF16_ROWS 4
#define BYTES_ROWS 4

#include "stages/nn/kernel/narrow_kernels.h"
#include "stages/nn/kernel/vector_kernels.h"

extern const ft_kernels ft_kernels_avx2;
const ft_kernels ft_kernels_avx2 = VECTOR_KERNELS(FT_ISA_AVX2);
#endif
