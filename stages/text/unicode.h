// What a code point is and what it becomes, as the reference tokenizers have it (Unicode 8
// categories, Unicode 9 decompositions, the newest letter case). Tables: unicode_tables.h, made by
// tools/make_unicode_tables.py.
#pragma once

#include "runtime/slice.h"

enum {
    FT_UNICODE_CONTROL = 1,  // Removed by BERT's cleaning: controls, formats, private use, U+FFFD.
    FT_UNICODE_WHITE = 2,    // White space.
    FT_UNICODE_CJK = 4,      // In BERT's ranges of Chinese characters.
    FT_UNICODE_MARK = 8,     // A nonspacing mark: stripped as an accent.
    FT_UNICODE_PUNCTUATION = 16,  // A word of its own for BERT; ASCII symbols too.
    FT_UNICODE_WORD = 32,         // \w for added tokens with `single_word`.
    FT_UNICODE_CASED = 64,        // For final sigma; CASED says nothing where IGNORABLE is set.
    FT_UNICODE_IGNORABLE = 128,
    FT_UNICODE_HANGUL = 256,           // A syllable, decomposed by rule.
    FT_UNICODE_DECOMPOSES = 512,       // Fully decomposed form in the pool.
    FT_UNICODE_LOWERS = 1024,          // Lower case is code point + `lower`.
    FT_UNICODE_LOWERS_TO_MANY = 2048,  // Only U+0130, which becomes i and U+0307.
};

typedef struct ft_code_point {
    int32_t lower;
    uint16_t flags;
    uint16_t pool_at;         // Of the decomposition.
    uint8_t combining_class;  // Order of marks behind one letter; 0 for all else.
    uint8_t pool_count;
} ft_code_point;

enum { FT_UNICODE_BLOCK = 64, FT_UNICODE_DECOMPOSED_MAX = 4 };

extern const ft_code_point ft_unicode_records[];
extern const uint32_t ft_unicode_pool[];
extern const uint16_t ft_unicode_block_of[];
extern const uint16_t ft_unicode_blocks[];

// `c` is at most U+10FFFF.
static inline const ft_code_point *ft_unicode_get(uint32_t c)
{
    size_t block = ft_unicode_block_of[c / FT_UNICODE_BLOCK];

    return &ft_unicode_records[ft_unicode_blocks[block * FT_UNICODE_BLOCK + c % FT_UNICODE_BLOCK]];
}

// Decodes the code point at `*at` of valid UTF-8 and moves behind it. Inline: once a character.
static inline uint32_t ft_unicode_next(const uint8_t *text, size_t *at)
{
    const uint8_t *p = text + *at;

    if (p[0] < 0x80) {
        *at += 1;
        return p[0];
    }
    if (p[0] < 0xe0) {
        *at += 2;
        return (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
    }
    if (p[0] < 0xf0) {
        *at += 3;
        return (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
    }
    *at += 4;
    return (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12 |
           (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3f);
}

// The code point that ends before `at`; moves `*at` to its start. `*at` is not 0.
uint32_t ft_unicode_previous(const uint8_t *text, size_t *at);
// Full decomposition of `c` into `out`; returns how many code points (1 when it has none).
size_t ft_unicode_decompose(uint32_t c, const ft_code_point *record,
                            uint32_t out[FT_UNICODE_DECOMPOSED_MAX]);
