// 64 bytes at a time: what stays is pressed together by one instruction, and so are the places of
// the spaces.
//
// In the text without points and commas the i-th space of a step stands at place p; i spaces before
// it go too, so its word ends p - i bytes behind the step's first.
#include "stages/text/split_words.h"

#if defined(__AVX512VBMI2__)
#include <immintrin.h>

enum { STEP = 64, LANES = 16 };

bool ft_split_ascii_avx512vbmi2(ft_word_sink *sink, const uint8_t *text, size_t size)
{
    const __m512i numbers = _mm512_set_epi8(
        63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41,
        40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18,
        17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    uint8_t *out = sink->bytes + sink->size;
    int32_t *ends = sink->ends + sink->count;

    for (size_t at = 0; at < size; at += STEP) {
        uint64_t valid = size - at >= STEP ? ~UINT64_C(0) : (UINT64_C(1) << (size - at)) - 1;
        __m512i bytes = _mm512_maskz_loadu_epi8(valid, text + at);
        if (_mm512_movepi8_mask(bytes))
            return false;
        uint64_t spaces = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(' '));
        uint64_t stays = valid & ~(_mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('.')) |
                                   _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(',')));
        uint64_t upper = _mm512_cmplt_epu8_mask(_mm512_sub_epi8(bytes, _mm512_set1_epi8('A')),
                                                _mm512_set1_epi8(26));
        __m512i lower =
            _mm512_or_si512(bytes, _mm512_maskz_mov_epi8(upper, _mm512_set1_epi8(0x20)));
        _mm512_storeu_si512(out, _mm512_maskz_compress_epi8(stays & ~spaces, lower));
        __m512i places = _mm512_maskz_compress_epi8(_pext_u64(spaces, stays), numbers);
        places = _mm512_sub_epi8(places, numbers);
        const __m512i base = _mm512_set1_epi32((int)(out - sink->bytes));
        unsigned count = (unsigned)_mm_popcnt_u64(spaces);
        for (unsigned done = 0; done < count; done += LANES) {
            __m512i wide = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(places));
            _mm512_storeu_si512(ends + done, _mm512_add_epi32(wide, base));
            // The next sixteen come to the front.
            places = _mm512_maskz_compress_epi8(~UINT64_C(0) << LANES, places);
        }
        ends += count;
        out += _mm_popcnt_u64(stays & ~spaces);
    }
    *ends++ = (int32_t)(out - sink->bytes);
    sink->size = (size_t)(out - sink->bytes);
    sink->count = (size_t)(ends - sink->ends);
    return true;
}
#endif
