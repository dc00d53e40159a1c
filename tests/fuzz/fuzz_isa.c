// In place of stages/nn/kernel/isa.c, which clang 14 refuses: its __builtin_cpu_supports knows no
// f16c, and no processor has AVX2 without.
#include "stages/nn/kernel/isa.h"
#include "tests/fuzz/fuzz.h"

ft_isa ft_isa_level(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return FT_ISA_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2"))
        return FT_ISA_AVX2;
#endif
    return FT_ISA_GENERIC;
}
