// Adds rows of halves, eight at a time.
#include <immintrin.h>

#include "stages/nn/static_model.h"

void ft_static_add_f16_avx2(const char *row, size_t size, float weight, float *out)
{
    const __m256 by = _mm256_set1_ps(weight);
    size_t k = 0;

    for (; k + 8 <= size; k += 8) {
        const __m256 x = _mm256_cvtph_ps(_mm_loadu_si128((const void *)(row + 2 * k)));
        const __m256 product = weight == 1.0F ? x : _mm256_mul_ps(x, by);
        _mm256_storeu_ps(out + k, _mm256_add_ps(_mm256_loadu_ps(out + k), product));
    }
    if (k < size)
        ft_static_add_f16(row + 2 * k, size - k, weight, out + k);
}
