// What the regular expressions of published tokenizers ask of a code point: its Unicode category,
// as the reference's Oniguruma has it (Unicode 16), and its script, as `UnicodeScripts` tells them
// apart. Tables: category_tables.h, made by tools/make_category_table.py.
#pragma once

#include "stages/text/unicode.h"

// No code point is in two of them, so that a set of categories is a set of bits.
typedef enum ft_category {
    FT_CATEGORY_OTHER,
    FT_CATEGORY_LU,
    FT_CATEGORY_LL,
    FT_CATEGORY_LT,
    FT_CATEGORY_LM,
    FT_CATEGORY_LO,
    FT_CATEGORY_M,
    FT_CATEGORY_N,
    FT_CATEGORY_P,
    FT_CATEGORY_S,
    FT_CATEGORY_WHITE,       // \s
    FT_CATEGORY_NEW_NUMBER,  // A number for `Digits`, whose Unicode is newer, but not for \p{N}.
} ft_category;

#define FT_CATEGORY_BIT(name) (1u << FT_CATEGORY_##name)
enum {
    FT_SET_LETTER = 0x3e,  // LU to LO
    FT_SET_MARK = FT_CATEGORY_BIT(M),
    FT_SET_NUMBER = FT_CATEGORY_BIT(N),
    FT_SET_ANY_NUMBER = FT_CATEGORY_BIT(N) | FT_CATEGORY_BIT(NEW_NUMBER),
    FT_SET_SYMBOL = FT_CATEGORY_BIT(P) | FT_CATEGORY_BIT(S),
    FT_SET_WHITE = FT_CATEGORY_BIT(WHITE),
    FT_SET_ALL = 0xfff,
};

enum { FT_CATEGORY_BLOCK = 64 };
extern const uint16_t ft_category_block_of[], ft_script_block_of[];
extern const uint8_t ft_category_blocks[], ft_script_blocks[];

// `c` is at most U+10FFFF.
static inline ft_category ft_category_get(uint32_t c)
{
    size_t block = ft_category_block_of[c / FT_CATEGORY_BLOCK];

    return (ft_category)ft_category_blocks[block * FT_CATEGORY_BLOCK + c % FT_CATEGORY_BLOCK];
}

// The category as a set of one.
static inline unsigned ft_category_bit(uint32_t c)
{
    return 1u << ft_category_get(c);
}

// A number for each script; 0: none, it goes with any. Space is such a one.
static inline unsigned ft_script_get(uint32_t c)
{
    size_t block = ft_script_block_of[c / FT_CATEGORY_BLOCK];

    return ft_script_blocks[block * FT_CATEGORY_BLOCK + c % FT_CATEGORY_BLOCK];
}
