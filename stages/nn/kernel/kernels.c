// Picks the kernels of a level.
#include "stages/nn/kernel/kernels.h"

extern const ft_kernels ft_kernels_generic;
#if defined(__x86_64__)
extern const ft_kernels ft_kernels_avx2, ft_kernels_avx512;
#endif

const ft_kernels *ft_kernels_find(ft_isa isa)
{
    if (!ft_isa_has(isa))
        return NULL;
#if defined(__x86_64__)
    if (isa == FT_ISA_AVX512)
        return &ft_kernels_avx512;
    if (isa == FT_ISA_AVX2)
        return &ft_kernels_avx2;
#endif
    return &ft_kernels_generic;
}

const ft_kernels *ft_kernels_get(void)
{
    return ft_kernels_find(ft_isa_level());
}
