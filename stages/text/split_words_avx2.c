// 32 bytes at a time: the bits of spaces, points and commas say where runs begin and end; a run is
// copied with one store, what is written behind its end is overwritten by the next.
#include "stages/text/split_words.h"

#if defined(__AVX2__)
#include <immintrin.h>
#include <string.h>

enum { STEP = 32 };

typedef struct step {
    uint32_t spaces, others;  // Bits of spaces, and of what is deleted.
    bool ascii;
} step;

// Lower case of 32 bytes into `lowered`, which has twice the room.
static step look(const uint8_t *text, uint8_t *lowered)
{
    __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)text);
    __m256i moved = _mm256_add_epi8(bytes, _mm256_set1_epi8((char)(-128 - 'A')));
    __m256i upper = _mm256_cmpgt_epi8(_mm256_set1_epi8(-128 + 26), moved);
    __m256i deleted = _mm256_or_si256(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('.')),
                                      _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(',')));
    __m256i spaces = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(' '));
    __m256i lower = _mm256_or_si256(bytes, _mm256_and_si256(upper, _mm256_set1_epi8(0x20)));

    _mm256_storeu_si256((__m256i *)(void *)lowered, lower);
    return (step){.spaces = (uint32_t)_mm256_movemask_epi8(spaces),
                  .others = (uint32_t)_mm256_movemask_epi8(deleted),
                  .ascii = _mm256_movemask_epi8(bytes) == 0};
}

static void copy_run(uint8_t *out, const uint8_t *from)
{
    _mm256_storeu_si256((__m256i *)(void *)out,
                        _mm256_loadu_si256((const __m256i *)(const void *)from));
}

bool ft_split_ascii_avx2(ft_word_sink *sink, const uint8_t *text, size_t size)
{
    uint8_t lowered[2 * STEP] = {0}, tail[STEP];
    uint8_t *out = sink->bytes + sink->size;
    int32_t *ends = sink->ends + sink->count;

    for (size_t at = 0; at < size; at += STEP) {
        unsigned count = size - at < STEP ? (unsigned)(size - at) : STEP;
        const uint8_t *from = text + at;
        if (count < STEP) {
            memset(tail, 0, sizeof(tail));
            memcpy(tail, from, count);
            from = tail;
        }
        step now = look(from, lowered);
        if (!now.ascii)
            return false;
        unsigned start = 0;
        for (uint32_t left = now.spaces | now.others; left; left &= left - 1) {
            unsigned stop = FT_TRAILING_ZEROS_64(left);
            copy_run(out, lowered + start);
            out += stop - start;
            start = stop + 1;
            *ends = (int32_t)(out - sink->bytes);
            ends += now.spaces >> stop & 1;
        }
        copy_run(out, lowered + start);
        out += count - start;
    }
    *ends++ = (int32_t)(out - sink->bytes);
    sink->size = (size_t)(out - sink->bytes);
    sink->count = (size_t)(ends - sink->ends);
    return true;
}
#endif
