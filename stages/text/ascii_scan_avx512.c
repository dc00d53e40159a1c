// The scanner with 64 bytes in a register and comparisons that give bits.
#include "stages/text/ascii_scan.h"

#if defined(__AVX512BW__)
#include <immintrin.h>

// Bytes from `first` on, `count` of them.
static uint64_t in_range(__m512i bytes, char first, char count)
{
    return _mm512_cmplt_epu8_mask(_mm512_sub_epi8(bytes, _mm512_set1_epi8(first)),
                                  _mm512_set1_epi8(count));
}

size_t ft_ascii_scan_avx512(ft_marked_text *text, const uint8_t *in, size_t size, bool lowercase)
{
    const __m512i case_bit = _mm512_set1_epi8(lowercase ? 0x20 : 0);
    size_t room = text->capacity - text->at;
    size_t at = 0;

    size = size < room ? size : room;
    while (at < size) {
        size_t left = size - at;
        uint64_t valid = left >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << left) - 1;
        __m512i bytes = _mm512_maskz_loadu_epi8(valid, in + at);
        uint64_t upper = in_range(bytes, 'A', 26);
        uint64_t letters = upper | in_range(bytes, 'a', 26) | in_range(bytes, '0', 10);
        // Signed: bytes above 0x7f are below all.
        uint64_t printed = _mm512_cmpgt_epi8_mask(bytes, _mm512_set1_epi8(' ')) &
                           ~_mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(0x7f));
        uint64_t white = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(' ')) |
                         _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\t')) |
                         _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\n')) |
                         _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\r'));
        uint64_t good = (printed | white) & valid;
        __m512i lowered = _mm512_or_si512(bytes, _mm512_maskz_mov_epi8(upper, case_bit));
        _mm512_storeu_si512(text->bytes + text->at, lowered);
        if (good == ~UINT64_C(0)) {
            ft_marked_put(text, letters, printed & ~letters, 64);
            at += 64;
            continue;
        }
        unsigned taken = FT_TRAILING_ZEROS_64(~good);
        uint64_t keep = (UINT64_C(1) << taken) - 1;
        if (taken > 0)
            ft_marked_put(text, letters & keep, printed & ~letters & keep, taken);
        return at + taken;
    }
    return at;
}
#endif
