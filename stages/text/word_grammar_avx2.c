// Classes of 64 bytes, in two halves.
#include "stages/text/word_grammar_scan.h"

#if defined(__AVX2__)
#include <immintrin.h>

typedef struct halves {
    __m256i low, high;
} halves;

static inline uint64_t bits(__m256i low, __m256i high)
{
    return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high)
                                                     << 32;
}

// Bytes from `first` on, `count` of them: unsigned comparison by the lesser of two.
static inline uint64_t in_range(halves in, char first, char count)
{
    __m256i from = _mm256_set1_epi8(first), most = _mm256_set1_epi8((char)(count - 1));
    __m256i low = _mm256_sub_epi8(in.low, from), high = _mm256_sub_epi8(in.high, from);

    return bits(_mm256_cmpeq_epi8(_mm256_min_epu8(low, most), low),
                _mm256_cmpeq_epi8(_mm256_min_epu8(high, most), high));
}

static inline uint64_t equal(halves in, char c)
{
    __m256i all = _mm256_set1_epi8(c);

    return bits(_mm256_cmpeq_epi8(in.low, all), _mm256_cmpeq_epi8(in.high, all));
}

static inline void classify(const uint8_t *in, ft_byte_classes *out)
{
    halves bytes = {_mm256_loadu_si256((const __m256i *)(const void *)in),
                    _mm256_loadu_si256((const __m256i *)(const void *)(in + 32))};
    __m256i case_bit = _mm256_set1_epi8(0x20);
    halves lowered = {_mm256_or_si256(bytes.low, case_bit), _mm256_or_si256(bytes.high, case_bit)};

    out->letter = in_range(lowered, 'a', 26);
    out->upper = in_range(bytes, 'A', 26);
    out->digit = in_range(bytes, '0', 10);
    out->space = equal(bytes, ' ');
    out->line = equal(bytes, '\n') | equal(bytes, '\r');
    out->white = out->space | in_range(bytes, '\t', 5);
    out->quote = equal(bytes, '\'');
    out->slash = equal(bytes, '/');
    out->hard = bits(bytes.low, bytes.high);
    out->control = (in_range(bytes, 0, ' ') | equal(bytes, 0x7f)) & ~out->white;
}

size_t ft_grammar_cut_avx2(const ft_grammar *grammar, ft_slice text, size_t from, uint32_t *ends,
                           size_t room)
{
    return ft_scan_cut(grammar, text, from, ends, room, classify);
}
#endif
