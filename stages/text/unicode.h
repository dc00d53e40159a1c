// What a code point is and what it becomes, as the reference tokenizers have it (Unicode 8
// categories, Unicode 9 normal forms, Unicode 17 grapheme clusters, the newest letter case).
// Tables: unicode_tables.h, made by tools/make_unicode_tables.py.
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

// Sets of code points, of which a step of normalisation asks where its work begins. Outside of a
// form's set are the letters that the form leaves alone whatever stands before and behind them: all
// classes 0, no decomposition, nothing that joins what is before.
typedef enum ft_unicode_set {
    FT_UNICODE_NFC,
    FT_UNICODE_NFD,
    FT_UNICODE_NFKC,
    FT_UNICODE_NFKD,
    FT_UNICODE_MARKS,  // Category M, of Unicode 9.
    FT_UNICODE_CASE,   // Changed by lower case.
    FT_UNICODE_FORMS,  // Has an ft_unicode_form.
    FT_UNICODE_SETS,
} ft_unicode_set;

typedef struct ft_unicode_set_block {
    uint64_t in[FT_UNICODE_SETS];  // A bit for each code point of the block.
    uint64_t form_at;              // How many forms there are before this block.
} ft_unicode_set_block;

extern const ft_unicode_set_block ft_unicode_set_blocks[];
extern const uint16_t ft_unicode_set_block_of[];

static inline bool ft_unicode_in(ft_unicode_set set, uint32_t c)
{
    const ft_unicode_set_block *block =
        &ft_unicode_set_blocks[ft_unicode_set_block_of[c / FT_UNICODE_BLOCK]];

    return block->in[set] >> c % FT_UNICODE_BLOCK & 1;
}

typedef struct ft_unicode_form {
    uint16_t canonical_at, compatible_at;       // Full decompositions, in the pool.
    uint16_t pair_at;                           // The first of those that begin with it.
    uint8_t canonical_count, compatible_count;  // 0: none.
    uint8_t pair_count;
    uint8_t combining_class;
} ft_unicode_form;

// NULL for what has no class, no decomposition and begins no pair; and for Hangul.
const ft_unicode_form *ft_unicode_form_of(uint32_t c);
// The full decomposition, canonical or compatible, in the pool or, of Hangul, in `hangul`; returns
// how many code points: 0 when it has none.
size_t ft_unicode_parts(uint32_t c, bool compatible, uint32_t hangul[3], const uint32_t **out);
// What the two become, 0 when they stay two.
uint32_t ft_unicode_compose(uint32_t first, uint32_t second);

// How a code point takes part in grapheme clusters: a class (Unicode Standard Annex 29, table 2)
// and its part in Indic conjuncts.
enum {
    FT_GRAPHEME_OTHER,
    FT_GRAPHEME_CR,
    FT_GRAPHEME_LF,
    FT_GRAPHEME_CONTROL,
    FT_GRAPHEME_EXTEND,
    FT_GRAPHEME_ZWJ,
    FT_GRAPHEME_SPACING_MARK,
    FT_GRAPHEME_PREPEND,
    FT_GRAPHEME_L,
    FT_GRAPHEME_V,
    FT_GRAPHEME_T,
    FT_GRAPHEME_LV,
    FT_GRAPHEME_LVT,
    FT_GRAPHEME_REGIONAL,
    FT_GRAPHEME_PICTOGRAPHIC,
    FT_GRAPHEME_INCB_CONSONANT,
    FT_GRAPHEME_CLASS = 15,  // Mask.
    FT_GRAPHEME_LINKER = 16,
    FT_GRAPHEME_INCB_EXTEND = 32,
};

// Where the extended grapheme cluster ends that begins at `at` of valid UTF-8 (`at` < size).
size_t ft_unicode_cluster_end(const uint8_t *text, size_t size, size_t at);

// How many of the 8 bytes are printed ASCII and no space, up to the first that is not.
static inline size_t ft_ascii_count_printed(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    // A borrow or a carry only reaches bytes behind one that is marked already.
    uint64_t others = (word | (word - ones * '!') | (word + ones)) & (ones * 0x80);

    return others ? FT_TRAILING_ZEROS_64(others) / 8 : sizeof(word);
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
