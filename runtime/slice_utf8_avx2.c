// Two bytes side by side have three nibbles that decide: the first byte's both and the second's
// upper one. A table for each says which faults it may be part of; where all three agree on one, it
// is there. What the third and fourth byte of a character must be follows from those two and three
// before.
//
// Keiser, Lemire: Validating UTF-8 In Less Than One Instruction Per Byte, 2021.
#include "runtime/slice_utf8.h"

#if defined(__x86_64__)
#include <immintrin.h>

enum {
    STEP = 32,
    // Faults, by the two bytes that show them.
    TOO_SHORT = 1 << 0,       // 11______ 0_______, 11______ 11______
    TOO_LONG = 1 << 1,        // 0_______ 10______
    OVERLONG_3 = 1 << 2,      // 11100000 100_____
    TOO_LARGE = 1 << 3,       // 11110100 1001____ and more
    SURROGATE = 1 << 4,       // 11101101 101_____
    OVERLONG_2 = 1 << 5,      // 1100000_ 10______
    TOO_LARGE_1000 = 1 << 6,  // 11110101 1000____ and more
    OVERLONG_4 = 1 << 6,      // 11110000 1000____
    TWO_CONTINUE = 1 << 7,    // 10______ 10______: right where a third byte must be
    ANY = TOO_SHORT | TOO_LONG | TWO_CONTINUE,
    LARGE = ANY | TOO_LARGE | TOO_LARGE_1000,
    FOURTH = TOO_SHORT | TOO_LARGE | TOO_LARGE_1000,
    CONTINUES = TOO_LONG | OVERLONG_2 | TWO_CONTINUE,
};

static const unsigned char first_high[16] = {
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TWO_CONTINUE,
    TWO_CONTINUE,
    TWO_CONTINUE,
    TWO_CONTINUE,
    TOO_SHORT | OVERLONG_2,
    TOO_SHORT,
    TOO_SHORT | OVERLONG_3 | SURROGATE,
    FOURTH | OVERLONG_4,
};
static const unsigned char first_low[16] = {
    ANY | OVERLONG_3 | OVERLONG_2 | OVERLONG_4,
    ANY | OVERLONG_2,
    ANY,
    ANY,
    ANY | TOO_LARGE,
    LARGE,
    LARGE,
    LARGE,
    LARGE,
    LARGE,
    LARGE,
    LARGE,
    LARGE,
    LARGE | SURROGATE,
    LARGE,
    LARGE,
};
static const unsigned char second_high[16] = {
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    CONTINUES | OVERLONG_3 | TOO_LARGE_1000 | OVERLONG_4,
    CONTINUES | OVERLONG_3 | TOO_LARGE,
    CONTINUES | SURROGATE | TOO_LARGE,
    CONTINUES | SURROGATE | TOO_LARGE,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
};

static inline __m256i table_of(const unsigned char table[16])
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)table));
}

static inline __m256i look_up(const unsigned char table[16], __m256i nibbles)
{
    return _mm256_shuffle_epi8(table_of(table), nibbles);
}

static inline __m256i high_nibbles(__m256i bytes)
{
    return _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(0x0f));
}

// Not zero where a byte cannot stand behind those before it, the last of which are in `before`.
static inline __m256i find_faults(__m256i bytes, __m256i before)
{
    const __m256i seam = _mm256_permute2x128_si256(before, bytes, 0x21);
    const __m256i first = _mm256_alignr_epi8(bytes, seam, 15);
    const __m256i second = _mm256_alignr_epi8(bytes, seam, 14);
    const __m256i third = _mm256_alignr_epi8(bytes, seam, 13);
    const __m256i low = _mm256_and_si256(first, _mm256_set1_epi8(0x0f));
    const __m256i faults = _mm256_and_si256(
        _mm256_and_si256(look_up(first_high, high_nibbles(first)), look_up(first_low, low)),
        look_up(second_high, high_nibbles(bytes)));
    // The top bit: two before begins a character of three bytes, or three before one of four.
    const __m256i wanted =
        _mm256_or_si256(_mm256_subs_epu8(second, _mm256_set1_epi8((char)(0xe0 - 0x80))),
                        _mm256_subs_epu8(third, _mm256_set1_epi8((char)(0xf0 - 0x80))));
    return _mm256_xor_si256(_mm256_and_si256(wanted, _mm256_set1_epi8((char)0x80)), faults);
}

size_t ft_utf8_skip_avx2(ft_slice text)
{
    const unsigned char *bytes = (const unsigned char *)text.data;
    __m256i before = _mm256_setzero_si256();
    size_t at = 0;

    for (; text.size - at >= STEP; at += STEP) {
        const __m256i now = _mm256_loadu_si256((const __m256i *)(const void *)(bytes + at));
        // Of ASCII behind ASCII nothing can be wrong.
        if (_mm256_movemask_epi8(_mm256_or_si256(now, before))) {
            const __m256i faults = find_faults(now, before);
            if (!_mm256_testz_si256(faults, faults))
                break;
        }
        before = now;
    }
    // The last character may go on, or be what is wrong: it is looked at again.
    while (at > 0 && (bytes[at - 1] & 0xc0) == 0x80)
        at--;
    return at > 0 && bytes[at - 1] >= 0xc0 ? at - 1 : at;
}
#endif
