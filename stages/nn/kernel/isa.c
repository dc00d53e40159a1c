// Which instruction set the kernels use.
//
// The forced level is the one piece of global state: it is written before threads start and only
// read after.
#include "stages/nn/kernel/isa.h"

#include <string.h>

static const char *const names[FT_ISA_COUNT] = {"generic", "avx2", "avx512"};
static int forced = -1;

const char *ft_isa_name(ft_isa isa)
{
    return names[isa];
}

bool ft_isa_has(ft_isa isa)
{
#if defined(__x86_64__)
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                __builtin_cpu_supports("f16c") && __builtin_cpu_supports("bmi") &&
                __builtin_cpu_supports("bmi2");
    switch (isa) {
    case FT_ISA_GENERIC:
        return true;
    case FT_ISA_AVX2:
        return avx2;
    case FT_ISA_AVX512:
        return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    }
#endif
    return isa == FT_ISA_GENERIC;
}

ft_isa ft_isa_level(void)
{
    if (forced >= 0)
        return (ft_isa)forced;
    if (ft_isa_has(FT_ISA_AVX512))
        return FT_ISA_AVX512;
    return ft_isa_has(FT_ISA_AVX2) ? FT_ISA_AVX2 : FT_ISA_GENERIC;
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
    ft_hint(err, "Use auto, avx512, avx2 or generic.");
    return false;
}
