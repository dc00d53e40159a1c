// Picks the kernels of a level.
#include "stages/nn/kernel/kernels.h"

extern const ft_kernels ft_kernels_generic;
#if defined(__x86_64__)
extern const ft_kernels ft_kernels_avx2, ft_kernels_avx2_vnni, ft_kernels_avx512,
    ft_kernels_avx512_vnni, ft_kernels_avx512_bf16;
#endif

const ft_kernels *ft_kernels_find(ft_isa isa)
{
    static const ft_kernels *const levels[FT_ISA_COUNT] = {
        [FT_ISA_GENERIC] = &ft_kernels_generic,
#if defined(__x86_64__)
        [FT_ISA_AVX2] = &ft_kernels_avx2,
        [FT_ISA_AVX2_VNNI] = &ft_kernels_avx2_vnni,
        [FT_ISA_AVX512] = &ft_kernels_avx512,
        [FT_ISA_AVX512_VNNI] = &ft_kernels_avx512_vnni,
        [FT_ISA_AVX512_BF16] = &ft_kernels_avx512_bf16,
#endif
    };
    return ft_isa_has(isa) ? levels[isa] : NULL;
}

const ft_kernels *ft_kernels_get(void)
{
    return ft_kernels_find(ft_isa_level());
}
