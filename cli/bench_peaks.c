// What the processor can do at most. Twelve chains of sums hide the latency of one; statements in
// assembler are what the compiler can neither fold nor turn into others.
#include "cli/bench_peaks.h"

#include "runtime/system/clock.h"

enum { CHAINS = 12, COUNT = 1000000, RUNS = 5 };

#if defined(__x86_64__)
#include <immintrin.h>

#define SPIN(name, vector, target_isa, text, kind)                                      \
    __attribute__((target(target_isa))) static void name(void)                          \
    {                                                                                   \
        vector sums[CHAINS] = {0};                                                      \
        const vector x = {0};                                                           \
        for (int i = 0; i < COUNT; i++)                                                 \
            _Pragma("GCC unroll 12") for (int k = 0; k < CHAINS; k++) __asm__ volatile( \
                text : "+" kind(sums[k]) : kind(x));                                    \
    }

SPIN(spin_avx2_f32, __m256, "avx2,fma", "vfmadd231ps %1, %1, %0", "x")
SPIN(spin_avx2_int8, __m256i, "avx2,fma", "%{vex%} vpdpbusd %1, %1, %0", "x")
SPIN(spin_avx512_f32, __m512, "avx512f", "vfmadd231ps %1, %1, %0", "v")
SPIN(spin_avx512_bf16, __m512i, "avx512f", "vdpbf16ps %1, %1, %0", "v")
SPIN(spin_avx512_int8, __m512i, "avx512f", "vpdpbusd %1, %1, %0", "v")

static void (*find_spin(ft_isa level, ft_precision precision))(void)
{
    const bool is_wide = level >= FT_ISA_AVX512;

    switch (precision) {
    case FT_PRECISION_F32:
        return is_wide ? spin_avx512_f32 : level >= FT_ISA_AVX2 ? spin_avx2_f32 : NULL;
    case FT_PRECISION_BF16:
        return level >= FT_ISA_AVX512_BF16 ? spin_avx512_bf16 : NULL;
    case FT_PRECISION_INT8:
        if (level >= FT_ISA_AVX512_VNNI)
            return spin_avx512_int8;
        return level == FT_ISA_AVX2_VNNI ? spin_avx2_int8 : NULL;
    }
    return NULL;
}
#else
static void (*find_spin(ft_isa level, ft_precision precision))(void)
{
    (void)level;
    (void)precision;
    return NULL;
}
#endif

double ft_bench_peak(ft_isa level, ft_precision precision)
{
    void (*spin)(void) = find_spin(level, precision);
    const double lanes = level >= FT_ISA_AVX512 ? 16 : 8;
    const double each = precision == FT_PRECISION_INT8 ? 8 : precision == FT_PRECISION_BF16 ? 4 : 2;
    double best = 0;

    for (int run = 0; spin && run < RUNS; run++) {
        const int64_t start = ft_clock_ns();
        spin();
        const double rate = CHAINS * lanes * each * COUNT / (double)(ft_clock_ns() - start);
        best = rate > best ? rate : best;
    }
    return best;
}
