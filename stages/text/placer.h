// From words and their tokens to the place of each token. The fast paths make ids without places,
// through caches; how many bytes of a word each token stands for follows from the vocabulary, and
// where the word stands from how the text was changed. Where a vocabulary does not say (a second
// unknown token in a word) the model cuts the word again, with places.
#pragma once

#include "stages/text/aligned.h"
#include "stages/text/token_model.h"
#include "stages/text/tokenizer.h"

typedef struct ft_placer {
    const ft_tokenizer *tokenizer;
    ft_model_scratch *scratch;  // For words that are cut again.
    ft_account *account;
    ft_buffer *found;  // Their tokens.
    ft_tokens *out;    // Of the text at work; its ids are those that are placed.
    int32_t word;      // How many words there were.
    bool is_one_word;  // What comes is cut for the model's sake, and one word.
    // Where the coder's text comes from; NULL: it is the given one, from `start` on.
    ft_origins *origins;
    const ft_aligned *text;  // The coder's text, where tokens may be parts of characters.
    uint32_t start;
} ft_placer;

// Begins a text: what it has becomes columns of `out`, whose ids come first.
void ft_placer_begin(ft_placer *placer, const ft_tokenizer *tokenizer, ft_tokens *out);
void ft_placer_finish(ft_placer *placer);

// A word as a coder gives it to the model, `at` of its bytes: `head` bytes that were put in front
// and have the span of the `head_size` bytes at `head_at`, then the bytes [from, to) of the coder's
// text.
typedef struct ft_placed_word {
    uint32_t at, from, to, head_at;
    uint8_t head, head_size;
} ft_placed_word;

// Places the tokens of words, counts[i] of each, which are the next of `out` that have no place. 64
// bytes behind `bytes` may be read.
bool ft_placer_add(ft_placer *placer, const uint8_t *bytes, const ft_placed_word *words,
                   const uint32_t *counts, size_t count, ft_error *err) FT_MUST_CHECK;
// The same for words that stand side by side in the coder's text from `from` on, and were given to
// the model as bytes: word i ends `ends[i]` behind that.
bool ft_placer_add_cut(ft_placer *placer, const uint8_t *bytes, size_t from, const uint32_t *ends,
                       const uint32_t *counts, size_t count, ft_error *err) FT_MUST_CHECK;
// The same for words that were given with a space for each sign (ft_token_model_adds_up), of the
// given text from `from` on; a space that is not there is in front of `bytes` where `has_front`.
// `*out_fits` false: the text has signs of its own, which a token takes for spaces.
bool ft_placer_add_spaced(ft_placer *placer, const uint8_t *bytes, size_t from, bool has_front,
                          const uint32_t *ends, const uint32_t *counts, size_t count,
                          bool *out_fits, ft_error *err) FT_MUST_CHECK;
// Only the first `count` tokens have places; the word at work stays the same.
void ft_placer_forget(ft_placer *placer, size_t count);
// For a coder that writes places itself, into the columns of `out`, for which it makes room.
// The bytes [from, to) of its text are this far behind their place in the given text; `*out_kept`
// false, 0 returned: that differs.
uint32_t ft_placer_start(const ft_placer *placer, size_t from, size_t to, bool *out_kept);
// Makes places in the coder's text, from that of token `from` on, to places in the given one.
void ft_placer_resolve(ft_placer *placer, size_t from);
// All ids have a place by now; only then columns count what was written.
void ft_placer_took(ft_placer *placer);
// An added token, whose id has been added.
bool ft_placer_add_token(ft_placer *placer, ft_span given, ft_error *err) FT_MUST_CHECK;

// What spaces the tokens of a text have (ft_tokens.spaces), by the vocabulary.
int32_t ft_tokenizer_spaces(const ft_tokenizer *tokenizer, int32_t id);
