// Where a text may be cut so that sentences, words or at least characters stay whole.
//
// A sentence ends behind one of the terminators below and the quotes and brackets that close behind
// it, where white space follows (behind those of Chinese and Japanese nothing need follow), and at
// an empty line. Behind a full stop or an ellipsis a small letter goes on with the sentence
// (Unicode Standard Annex 29, rule SB8). Abbreviations before a capital are taken for ends: there
// is no list of words. A word ends at white space and beside a Chinese character.
#pragma once

#include "runtime/slice.h"

// Each is one of those before it too.
typedef enum ft_border {
    FT_BORDER_NONE,  // Inside a character.
    FT_BORDER_TOKEN,
    FT_BORDER_WORD,
    FT_BORDER_SENTENCE,
} ft_border;

// Asks of one place after the other: a walk over valid UTF-8, linear in the text. Zeroed but for
// the text it stands at the beginning.
typedef struct ft_border_walk {
    ft_slice text;
    size_t at;
    // Of what is before `at`:
    uint32_t last;                 // Code point; 0: none.
    bool ended, is_wide, is_stop;  // A terminator and what closes; which needs no white space;
                                   // which is a full stop.
    bool white;                    // White space since,
    size_t lines;                  // with so many line feeds.
    // Of the white space from `at` on, or in which `at` stands:
    size_t run_end, run_lines;
    bool has_run;
} ft_border_walk;

// What a cut at byte `at` would be, which is not before the last one.
ft_border ft_border_find(ft_border_walk *walk, size_t at);
