// The rule of `tokenize: words`: lower case, `.` and `,` deleted, cut at each single space, so that
// two spaces give an empty word between them and an empty text gives one empty word. Letter case is
// Python's str.lower(), final sigma too.
#pragma once

#include "runtime/slice.h"

// Where words go: their bytes end to end, and where each ends.
typedef struct ft_word_sink {
    uint8_t *bytes;
    int32_t *ends;
    size_t size;   // Bytes so far.
    size_t count;  // Words so far.
} ft_word_sink;

// Behind the last byte and the last end as much may be written (and is not used).
enum { FT_WORD_SINK_SLACK = 64 };

// How many words `text` gives, and how many bytes they take at most.
size_t ft_split_words_count(ft_slice text, size_t *out_bytes);
// Adds the words of one item, of valid UTF-8.
void ft_split_words(ft_word_sink *sink, ft_slice text);

// One item of ASCII text; false, with what it wrote to be forgotten, when it is not ASCII. One for
// each instruction set.
typedef bool ft_split_ascii(ft_word_sink *sink, const uint8_t *text, size_t size);
ft_split_ascii ft_split_ascii_plain;
ft_split_ascii ft_split_ascii_avx2;
ft_split_ascii ft_split_ascii_avx512vbmi2;
ft_split_ascii *ft_split_ascii_choose(void);
// Any text, character by character.
void ft_split_unicode(ft_word_sink *sink, ft_slice text);
