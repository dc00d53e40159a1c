// The functions of token_scan.h, for files that are compiled for one instruction set each: `scan`
// at the end has them.
#pragma once

#include <string.h>

#include "stages/text/token_scan.h"

static inline uint64_t load_word(const uint8_t *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof(word));
    return word;
}

static inline uint64_t mix_words(uint64_t a, uint64_t b)
{
    uint64_t high, low = ft_mul_wide(a, b, &high);

    return low ^ high;
}

// In eight lanes, since a multiplication takes several times as long as there is between two.
static uint64_t sum(const uint8_t *bytes, size_t stripes, uint64_t seed)
{
    static const uint64_t keys[8] = {0xa0761d6478bd642fu, 0xe7037ed1a0b428dbu, 0x8ebc6af09c88c6e3u,
                                     0x589965cc75374cc3u, 0x1d8e4e27c47d124fu, 0xeb44accab455d165u,
                                     0x9c6e6877736c46e3u, 0xd07fc1b4a2ee3b19u};
    uint64_t a = seed, b = seed ^ keys[1], c = seed ^ keys[2], d = seed ^ keys[3];
    uint64_t e = seed ^ keys[4], f = seed ^ keys[5], g = seed ^ keys[6], h = seed ^ keys[7];

    for (const uint8_t *at = bytes, *end = bytes + stripes * FT_TOKEN_SCAN_STRIPE; at < end;
         at += FT_TOKEN_SCAN_STRIPE) {
        a = mix_words(load_word(at) ^ a, load_word(at + 8) ^ keys[0]);
        b = mix_words(load_word(at + 16) ^ b, load_word(at + 24) ^ keys[1]);
        c = mix_words(load_word(at + 32) ^ c, load_word(at + 40) ^ keys[2]);
        d = mix_words(load_word(at + 48) ^ d, load_word(at + 56) ^ keys[3]);
        e = mix_words(load_word(at + 64) ^ e, load_word(at + 72) ^ keys[4]);
        f = mix_words(load_word(at + 80) ^ f, load_word(at + 88) ^ keys[5]);
        g = mix_words(load_word(at + 96) ^ g, load_word(at + 104) ^ keys[6]);
        h = mix_words(load_word(at + 112) ^ h, load_word(at + 120) ^ keys[7]);
    }
    a = mix_words(a ^ keys[1], b ^ keys[0]) ^ mix_words(c ^ keys[3], d ^ keys[2]);
    e = mix_words(e ^ keys[5], f ^ keys[4]) ^ mix_words(g ^ keys[7], h ^ keys[6]);
    return mix_words(a ^ keys[2], e ^ keys[6]);
}

// The top bit of what comes back: the byte is at least `least`, which is above 0x80.
static inline uint8_t at_least(uint8_t byte, uint8_t least)
{
    const uint8_t below = (uint8_t)(least - 0x80);

    return (uint8_t)((byte > below ? byte : below) - below);
}

static bool is_utf8(const uint8_t *bytes, size_t blocks)
{
    uint8_t faults = 0, others = 0;

    for (size_t block = 0; block < blocks; block++) {
        const uint8_t *at = bytes + block * FT_TOKEN_SCAN_BLOCK;
        for (int i = 0; i < FT_TOKEN_SCAN_BLOCK; i++) {
            const uint8_t b = at[i], b1 = at[i - 1], b2 = at[i - 2], b3 = at[i - 3];
            // Behind the first byte of a character of 2, 3 or 4 come so many 10xxxxxx, nowhere
            // else.
            uint8_t wanted =
                (uint8_t)(at_least(b1, 0xc0) | at_least(b2, 0xe0) | at_least(b3, 0xf0));
            faults |= (uint8_t)((wanted ^ (b & ~(b << 1))) | at_least(b, 0xf5));
            // Overlong ones, surrogates, beyond U+10FFFF.
            others |= (b & 0xfe) == 0xc0;
            others |= (b1 == 0xe0) & (b < 0xa0);
            others |= (b1 == 0xf0) & (b < 0x90);
            others |= (b1 == 0xed) & (b >= 0xa0);
            others |= (b1 == 0xf4) & (b >= 0x90);
        }
    }
    return ((faults & 0x80) | others) == 0;
}

// What is out of range has a sign in one of the terms, as signed numbers.
static bool are_inside(const ft_trie_node *nodes, size_t count, size_t count_most,
                       int32_t value_most)
{
    const uint32_t last = (uint32_t)count_most - 1, most = (uint32_t)value_most;
    uint32_t signs = 0;

    for (size_t i = 0; i < count; i++) {
        uint32_t base = (uint32_t)nodes[i].base, value = (uint32_t)nodes[i].value;
        signs |= base | (last - base) | (value + 1) | (most - value);
    }
    return signs >> 31 == 0;
}

static bool are_slots(const ft_vocab_slot *slots, size_t count, size_t records)
{
    const uint32_t last = (uint32_t)records - 1;
    uint32_t signs = 0;

    for (size_t i = 0; i < count; i++)
        signs |= (slots[i].record + 1) | (last - slots[i].record);
    return signs >> 31 == 0;
}

#define FT_TOKEN_SCAN_ALL {sum, is_utf8, are_inside, are_slots}
