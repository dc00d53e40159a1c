// Products with stored weights, with AVX-512.
#include "stages/nn/kernel/stored.h"

#if defined(__x86_64__)
#include "stages/nn/kernel/words_avx512.h"

#define SUMS_MAX 26
#define AHEAD 4096
#define i_load8(p) _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)(p)))
#define i_load16(p) _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)(p)))
#define v_load_half(p) _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)(p)))

#include "stages/nn/kernel/stored_kernels.h"

void ft_stored_multiply_avx512(const ft_stored_multiply *multiply)
{
    stored_multiply(multiply);
}
#endif
