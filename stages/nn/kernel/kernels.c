// Picks the kernels of a level.
#include "stages/nn/kernel/kernels.h"

#include <math.h>

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

ft_byte_group ft_byte_group_of(float least, float most)
{
    const float scale = (most - least) / 255.0F;

    // Below that the inverse is not finite; and infinities and NaN have no scale.
    if (!(scale > 1e-36F && scale < 1e36F))
        return (ft_byte_group){scale < 1e36F ? 0.0F : NAN, 0};
    return (ft_byte_group){scale, (int32_t)lrintf(-least / scale)};
}

float ft_byte_group_inverse(ft_byte_group group)
{
    return group.scale > 0 ? 1.0F / group.scale : 0.0F;
}

uint8_t ft_byte_of(float x, float inverse, int32_t zero)
{
    const float value = rintf(x * inverse) + (float)zero;
    return (uint8_t)(value > 0 ? value < 255 ? value : 255 : 0);
}
