// The scanner with twice 32 bytes; ranges are compared as signed bytes shifted to the low end.
#include "stages/text/ascii_scan.h"

#if defined(__AVX2__)
#include <immintrin.h>
#include <string.h>

// 0xff where a byte is one of the `count` from `first` on.
static __m256i in_range(__m256i bytes, char first, char count)
{
    __m256i moved = _mm256_add_epi8(bytes, _mm256_set1_epi8((char)(-128 - first)));

    return _mm256_cmpgt_epi8(_mm256_set1_epi8((char)(-128 + count)), moved);
}

static uint64_t bits_of(__m256i mask)
{
    return (uint32_t)_mm256_movemask_epi8(mask);
}

typedef struct half {
    uint64_t letters, printed, good;
} half;

static half classify(__m256i bytes, uint8_t *out, bool lowercase)
{
    __m256i upper = in_range(bytes, 'A', 26);
    __m256i letters =
        _mm256_or_si256(upper, _mm256_or_si256(in_range(bytes, 'a', 26), in_range(bytes, '0', 10)));
    __m256i printed = _mm256_andnot_si256(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(0x7f)),
                                          _mm256_cmpgt_epi8(bytes, _mm256_set1_epi8(' ')));
    __m256i white =
        _mm256_or_si256(_mm256_or_si256(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(' ')),
                                        _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\t'))),
                        _mm256_or_si256(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\n')),
                                        _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\r'))));
    __m256i case_bit = _mm256_and_si256(upper, _mm256_set1_epi8(lowercase ? 0x20 : 0));

    _mm256_storeu_si256((__m256i *)(void *)out, _mm256_or_si256(bytes, case_bit));
    return (half){bits_of(letters), bits_of(printed), bits_of(_mm256_or_si256(printed, white))};
}

size_t ft_ascii_scan_avx2(ft_marked_text *text, const uint8_t *in, size_t size, bool lowercase)
{
    size_t room = text->capacity - text->at;
    size_t at = 0;

    size = size < room ? size : room;
    while (at < size) {
        uint8_t tail[64] = {0};  // NUL stops the scan behind the end.
        const uint8_t *from = in + at;
        if (size - at < 64) {
            memcpy(tail, from, size - at);
            from = tail;
        }
        uint8_t *out = text->bytes + text->at;
        half low =
            classify(_mm256_loadu_si256((const __m256i *)(const void *)from), out, lowercase);
        half high = classify(_mm256_loadu_si256((const __m256i *)(const void *)(from + 32)),
                             out + 32, lowercase);
        uint64_t letters = low.letters | high.letters << 32;
        uint64_t printed = low.printed | high.printed << 32;
        uint64_t good = low.good | high.good << 32;
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
