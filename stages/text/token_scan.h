// What is done with every byte of a compiled tokenizer when it is opened, once for each instruction
// set. It is plain C that compilers turn into vector operations (token_scan_body.h).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stages/text/trie.h"
#include "stages/text/vocabulary.h"

// Before a text that is looked at, so many bytes may be read.
enum { FT_TOKEN_SCAN_BEFORE = 3, FT_TOKEN_SCAN_BLOCK = 32, FT_TOKEN_SCAN_STRIPE = 128 };

typedef struct ft_token_scan {
    // A checksum of whole stripes; not for who means harm. The same for each instruction set.
    uint64_t (*sum)(const uint8_t *bytes, size_t stripes, uint64_t seed);
    // Whether whole blocks are a part of valid UTF-8, given what is before them; what is cut off at
    // their end is the next block's.
    bool (*is_utf8)(const uint8_t *bytes, size_t blocks);
    // Whether bases are 0 to count_most - 1, values -1 to value_most.
    bool (*are_inside)(const ft_trie_node *nodes, size_t count, size_t count_most,
                       int32_t value_most);
    // Whether records are none or below `records`.
    bool (*are_slots)(const ft_vocab_slot *slots, size_t count, size_t records);
} ft_token_scan;

extern const ft_token_scan ft_token_scan_plain, ft_token_scan_avx2;
// The best for this processor.
const ft_token_scan *ft_token_scan_choose(void);
