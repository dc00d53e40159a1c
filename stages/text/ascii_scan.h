// Normalised text with its words marked: the form between the normaliser, which writes it, and the
// word splitter, which reads it. One bit for each byte, so that 64 bytes are looked at together.
//
//   bytes    t h e   c a t ' s   h a t .
//   word     1 1 1 0 1 1 1 0 1 0 1 1 1 0      part of a word
//   single   0 0 0 0 0 0 0 1 0 0 0 0 0 1      a word of one byte by itself: ASCII punctuation
//
// Bits from `at` on are zero in the 64 that `at` falls into, anything behind those.
#pragma once

#include "stages/text/origins.h"

typedef struct ft_marked_text {
    uint8_t *bytes;
    uint64_t *word, *single;
    size_t at;            // Bytes written.
    size_t capacity;      // 64 bytes behind it may be written and read too.
    ft_origins *origins;  // Of the whole text, of which `base` bytes are gone; NULL: nobody asks.
    size_t base;
} ft_marked_text;

// Marks `count` (1..64) bytes from `at` on and moves `at`; bits from `count` on must be zero.
static inline void ft_marked_put(ft_marked_text *text, uint64_t word, uint64_t single, size_t count)
{
    size_t index = text->at / 64;
    unsigned shift = (unsigned)(text->at % 64);

    text->word[index] |= word << shift;
    text->single[index] |= single << shift;
    text->word[index + 1] = word >> 1 >> (63 - shift);
    text->single[index + 1] = single >> 1 >> (63 - shift);
    text->at += count;
}

// Takes ASCII text as long as it has neither controls (but tab, line feed, carriage return) nor
// bytes above 0x7f: copies it, in lower case with `lowercase`, and marks words and punctuation as
// BERT cuts them. Returns how many bytes it took; stops early when `text` is full. One function for
// each instruction set; ft_ascii_scan_choose gives the best there is.
typedef size_t ft_ascii_scan(ft_marked_text *text, const uint8_t *in, size_t size, bool lowercase);
ft_ascii_scan ft_ascii_scan_plain;
ft_ascii_scan ft_ascii_scan_avx2;
ft_ascii_scan ft_ascii_scan_avx512;
ft_ascii_scan *ft_ascii_scan_choose(void);
