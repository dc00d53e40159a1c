// Products with stored weights, with AVX2 and F16C.
#include "stages/nn/kernel/stored.h"

#if defined(__x86_64__)
#include "stages/nn/kernel/words_avx2.h"

#define SUMS_MAX 12
#define AHEAD 1024
#define i_load8(p) _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(p)))
#define i_load16(p) _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)(p)))
#define v_load_half(p) _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p)))

#include "stages/nn/kernel/stored_kernels.h"

void ft_stored_multiply_avx2(const ft_stored_multiply *multiply)
{
    stored_multiply(multiply);
}
#endif
