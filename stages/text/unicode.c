// Look-ups in the generated tables that are too rare or too long to be inline.
#include "stages/text/unicode.h"

#include <assert.h>

#include "stages/text/unicode_tables.h"

// The Unicode Standard, section 3.12: Hangul syllables are composed by arithmetic.
enum {
    HANGUL_FIRST = 0xac00,
    LEAD = 0x1100,
    VOWEL = 0x1161,
    TRAIL = 0x11a7,
    VOWELS = 21,
    TRAILS = 28
};

uint32_t ft_unicode_previous(const uint8_t *text, size_t *at)
{
    size_t start = *at - 1;

    while (start > 0 && (text[start] & 0xc0) == 0x80)
        start--;
    *at = start;
    return ft_unicode_next(text, &start);
}

size_t ft_unicode_decompose(uint32_t c, const ft_code_point *record,
                            uint32_t out[FT_UNICODE_DECOMPOSED_MAX])
{
    if (record->flags & FT_UNICODE_HANGUL) {
        uint32_t index = c - HANGUL_FIRST;
        out[0] = LEAD + index / (VOWELS * TRAILS);
        out[1] = VOWEL + index / TRAILS % VOWELS;
        out[2] = TRAIL + index % TRAILS;
        return out[2] == TRAIL ? 2 : 3;
    }
    if (!(record->flags & FT_UNICODE_DECOMPOSES)) {
        out[0] = c;
        return 1;
    }
    for (size_t i = 0; i < record->pool_count; i++)
        out[i] = ft_unicode_pool[record->pool_at + i];
    return record->pool_count;
}
