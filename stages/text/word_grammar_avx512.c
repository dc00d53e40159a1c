// Classes of 64 bytes with comparisons that give bits.
#include "stages/text/word_grammar_scan.h"

#if defined(__AVX512BW__)
#include <immintrin.h>

// Bytes from `first` on, `count` of them.
static inline uint64_t in_range(__m512i bytes, char first, char count)
{
    return _mm512_cmplt_epu8_mask(_mm512_sub_epi8(bytes, _mm512_set1_epi8(first)),
                                  _mm512_set1_epi8(count));
}

static inline uint64_t equal(__m512i bytes, char c)
{
    return _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(c));
}

static inline void classify(const uint8_t *in, ft_byte_classes *out)
{
    __m512i bytes = _mm512_loadu_si512(in);
    __m512i lowered = _mm512_or_si512(bytes, _mm512_set1_epi8(0x20));

    out->letter = in_range(lowered, 'a', 26);
    out->upper = in_range(bytes, 'A', 26);
    out->digit = in_range(bytes, '0', 10);
    out->space = equal(bytes, ' ');
    out->line = equal(bytes, '\n') | equal(bytes, '\r');
    out->white = out->space | in_range(bytes, '\t', 5);
    out->quote = equal(bytes, '\'');
    out->slash = equal(bytes, '/');
    out->hard = (uint64_t)_mm512_movepi8_mask(bytes);
    out->control = (in_range(bytes, 0, ' ') | equal(bytes, 0x7f)) & ~out->white;
}

size_t ft_grammar_cut_avx512(const ft_grammar *grammar, ft_slice text, size_t from, uint32_t *ends,
                             size_t room)
{
    return ft_scan_cut(grammar, text, from, ends, room, classify);
}
#endif
