// Adds rows up, 64 numbers of all rows at a time, which stay in registers.
#include "stages/nn/static_model.h"

#if defined(__AVX2__)
#include <immintrin.h>

enum { LANES = 8, COLUMNS = 8 * LANES };

static inline __m256 load(const char *row, size_t at, bool is_half)
{
    return is_half ? _mm256_cvtph_ps(_mm_loadu_si128((const void *)(row + 2 * at)))
                   : _mm256_loadu_ps((const void *)(row + 4 * at));
}

static inline void add_columns(const ft_static_rows *rows, size_t first, size_t columns,
                               bool is_half, float *out)
{
    __m256 sums[COLUMNS / LANES];

    for (size_t j = 0; j < columns / LANES; j++)
        sums[j] = _mm256_loadu_ps(out + first + j * LANES);
    for (size_t i = 0; i < rows->count; i++) {
        const __m256 weight = _mm256_set1_ps(rows->weights[i]);
        for (size_t j = 0; j < columns / LANES; j++)
            sums[j] =
                _mm256_fmadd_ps(load(rows->at[i], first + j * LANES, is_half), weight, sums[j]);
    }
    for (size_t j = 0; j < columns / LANES; j++)
        _mm256_storeu_ps(out + first + j * LANES,
                         _mm256_div_ps(sums[j], _mm256_set1_ps(rows->divisor)));
}

// Returns where the numbers begin that are left over, fewer than LANES.
static inline size_t add_rows(const ft_static_rows *rows, size_t first, size_t size, bool is_half,
                              float *out)
{
    for (; first + COLUMNS <= size; first += COLUMNS)
        add_columns(rows, first, COLUMNS, is_half, out);
    for (; first + LANES <= size; first += LANES)
        add_columns(rows, first, LANES, is_half, out);
    return first;
}

void ft_static_add_f32_avx2(const ft_static_rows *rows, size_t first, size_t size, float *out)
{
    ft_static_add_f32(rows, add_rows(rows, first, size, false, out), size, out);
}

void ft_static_add_f16_avx2(const ft_static_rows *rows, size_t first, size_t size, float *out)
{
    ft_static_add_f16(rows, add_rows(rows, first, size, true, out), size, out);
}
#endif
