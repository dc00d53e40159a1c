// Which instruction set the kernels use: found out once, or forced for tests and comparisons.
#pragma once

#include "runtime/error.h"

// Each has what those above it have, but that AVX-512 need not come with AVX-VNNI.
typedef enum ft_isa {
    FT_ISA_GENERIC,
    FT_ISA_AVX2,         // With FMA, F16C, BMI and BMI2.
    FT_ISA_AVX2_VNNI,    // vpdpbusd on 256 bits (AVX-VNNI).
    FT_ISA_AVX512,       // F, BW, VL and DQ.
    FT_ISA_AVX512_VNNI,  // vpdpbusd.
    FT_ISA_AVX512_BF16,  // vdpbf16ps.
} ft_isa;
enum { FT_ISA_COUNT = 6 };

const char *ft_isa_name(ft_isa isa);  // "generic", "avx2", "avx2-vnni": what ft_isa_force takes.
bool ft_isa_has(ft_isa isa);  // This processor, with an operating system that saves its registers.
ft_isa ft_isa_level(void);    // What runs: the forced level, else the best there is.
// Before threads start and before a model is loaded. NULL or "" or "auto": the best there is. Fails
// (USAGE) for a name that is none of these, or a level that this processor has not.
bool ft_isa_force(const char *name, ft_error *err) FT_MUST_CHECK;
