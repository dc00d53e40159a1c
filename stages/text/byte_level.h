// The letters that stand for bytes in byte-level vocabularies: printable Latin-1 for itself, what
// is left, in order, U+0100 and on. GPT-2 brought them, so that every byte can be written in a text
// file.
#pragma once

#include "runtime/slice.h"

enum { FT_BYTE_LETTERS_END = 0x144 };  // All letters are below.

typedef struct ft_byte_letter {
    uint8_t bytes[2];  // UTF-8.
    uint8_t size;
} ft_byte_letter;

extern const ft_byte_letter ft_byte_letters[256];

// The letter of a byte, as a code point.
uint32_t ft_byte_letter_of(uint8_t byte);
// The byte that a letter stands for, -1 for any other character.
int ft_byte_of_letter(uint32_t letter);
// Writes the letters of `bytes`, at most twice as many, into `out`; returns how many bytes.
size_t ft_byte_letters_put(const uint8_t *bytes, size_t size, uint8_t *out);
