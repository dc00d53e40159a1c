// BERT's normaliser and pre-tokenizer, character by character, in one pass: clean, pad Chinese
// characters, decompose and strip accents, lower case, and mark words. ASCII is faster through
// ft_ascii_scan; this is for all else.
//
// Only the order of marks behind a letter needs memory: they are held until the next letter. Of a
// run of more than FT_BERT_HELD such marks the order stays as it is; the word is longer than any
// that models know.
#pragma once

#include "runtime/memory/buffer.h"
#include "stages/text/ascii_scan.h"
#include "stages/text/unicode.h"

typedef struct ft_bert_rules {
    bool clean_text, handle_chinese_chars, strip_accents, lowercase;
} ft_bert_rules;

enum { FT_BERT_HELD = 1024, FT_BERT_ROOM = 128 };

typedef struct ft_bert {
    ft_bert_rules rules;
    // Where it writes. With `word` NULL only the bytes: the normalised text itself, its white space
    // as it is.
    ft_marked_text *out;
    bool wrote_nul;    // A NUL byte is part of a word.
    bool moved_marks;  // Marks were held: where they come from is not known.
    size_t given;      // With origins: where in the given text what it takes begins.
    size_t held_count;
    uint64_t held[FT_BERT_HELD];  // Combining class, number, code point: sorted as numbers.
} ft_bert;

// Takes characters from `in` while `out` has room; with marks, returns early when ASCII follows.
// Returns the bytes taken: 0 only when there is no room.
size_t ft_bert_take(ft_bert *bert, const uint8_t *in, size_t size);
// Writes held marks, at the end of a text. `out` must have ft_bert_room.
void ft_bert_flush(ft_bert *bert);
// What ft_bert_take and ft_bert_flush need in `out`.
static inline size_t ft_bert_room(const ft_bert *bert)
{
    return FT_BERT_ROOM + 4 * bert->held_count;
}
// A whole text, normalised, into `buffer` (of FT_BERT_ROOM bytes at least), which grows.
bool ft_bert_normalize(ft_bert *bert, ft_bert_rules rules, ft_slice text, ft_buffer *buffer,
                       size_t *out_size, ft_error *err) FT_MUST_CHECK;
