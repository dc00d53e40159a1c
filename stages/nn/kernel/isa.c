// Which instruction set the kernels use.
//
// The forced level is the one piece of global state: it is written before threads start and only
// read after.
#include "stages/nn/kernel/isa.h"

#include <string.h>

static const char *const names[FT_ISA_COUNT] = {
    [FT_ISA_GENERIC] = "generic",         [FT_ISA_AVX2] = "avx2",
    [FT_ISA_AVX2_VNNI] = "avx2-vnni",     [FT_ISA_AVX512] = "avx512",
    [FT_ISA_AVX512_VNNI] = "avx512-vnni", [FT_ISA_AVX512_BF16] = "avx512-bf16",
};
static int forced = -1;

const char *ft_isa_name(ft_isa isa)
{
    return names[isa];
}

bool ft_isa_has(ft_isa isa)
{
#if defined(__x86_64__)
    // GCC asks the processor (cpuid) and whether the system saves the registers (xgetbv).
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                __builtin_cpu_supports("f16c") && __builtin_cpu_supports("bmi") &&
                __builtin_cpu_supports("bmi2");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    bool vnni = avx512 && __builtin_cpu_supports("avx512vnni");
    switch (isa) {
    case FT_ISA_GENERIC:
        return true;
    case FT_ISA_AVX2:
        return avx2;
    case FT_ISA_AVX2_VNNI:
        return avx2 && __builtin_cpu_supports("avxvnni");
    case FT_ISA_AVX512:
        return avx512;
    case FT_ISA_AVX512_VNNI:
        return vnni;
    case FT_ISA_AVX512_BF16:
        return vnni && __builtin_cpu_supports("avx512bf16");
    }
#endif
    return isa == FT_ISA_GENERIC;
}

ft_isa ft_isa_level(void)
{
    if (forced >= 0)
        return (ft_isa)forced;
    ft_isa best = FT_ISA_COUNT - 1;
    while (!ft_isa_has(best))
        best--;
    return best;
}

bool ft_isa_force(const char *name, ft_error *err)
{
    if (!name || !*name || strcmp(name, "auto") == 0) {
        forced = -1;
        return true;
    }
    for (int isa = 0; isa < FT_ISA_COUNT; isa++) {
        if (strcmp(name, names[isa]) != 0)
            continue;
        if (!ft_isa_has((ft_isa)isa))
            return ft_fail(err, FT_ERROR_USAGE, "this processor has no %s", name);
        forced = isa;
        return true;
    }
    ft_fail(err, FT_ERROR_USAGE, "unknown instruction set `%s`", name);
    ft_hint(err, "Use auto, avx512-bf16, avx512-vnni, avx512, avx2-vnni, avx2 or generic.");
    return false;
}
