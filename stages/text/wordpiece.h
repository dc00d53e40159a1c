// WordPiece: the longest vocabulary entry that a word begins with, then the longest continuation,
// to its end; a word that cannot be cut so, or is too long, is the unknown token as a whole.
#pragma once

#include "stages/text/trie.h"

typedef struct ft_wordpiece {
    ft_trie words;   // Every entry as it is written.
    ft_trie pieces;  // What stands behind the continuation prefix, of entries that begin with it.
    int32_t unknown;
    size_t max_chars;    // Longer words, in code points, are unknown.
    size_t prefix_size;  // Bytes of the continuation prefix.
} ft_wordpiece;

// Ids of one word of valid UTF-8 (not empty) into `out`, which has room for `size` of them, and
// where each ends, in bytes; `ends` may be NULL. Returns how many.
size_t ft_wordpiece_split(const ft_wordpiece *model, const uint8_t *word, size_t size, int32_t *out,
                          uint32_t *ends);
