// The kernels with AVX-512 and VNNI.
#include "stages/nn/kernel/kernels.h"

#if defined(__x86_64__)
#include "stages/nn/kernel/words_avx512vnni.h"

#define BF16_ROWS 10
#define BYTES_ROWS TILE_ROWS

#include "stages/nn/kernel/narrow_kernels.h"
#include "stages/nn/kernel/vector_kernels.h"

extern const ft_kernels ft_kernels_avx512_vnni;
const ft_kernels ft_kernels_avx512_vnni = VECTOR_KERNELS(FT_ISA_AVX512_VNNI);
#endif
