// Added tokens: strings of the tokenizer's file that are found in a text before anything else is
// done with it.
//
// The leftmost is taken, of those that begin there the longest, as the reference's automaton does.
// Two sets: one looks at the text as it is, one at the normalised text between what the first has
// found.
#pragma once

#include "stages/text/trie.h"

typedef struct ft_added_token {
    ft_slice content;  // What is looked for: normalised when `normalized`.
    int32_t id;
    bool single_word, lstrip, rstrip, normalized, special;
} ft_added_token;

typedef struct ft_added_set {
    ft_trie trie;                  // Values are indices of `tokens`.
    const ft_added_token *tokens;  // [count]
    size_t count;
    uint8_t first;  // The byte that all begin with, when `first_count` is 1.
    unsigned first_count;
    uint64_t firsts[4];  // One bit for each byte that a token begins with.
} ft_added_set;

// Makes the set of the tokens with `normalized` as given; copies them to the arena. Of equal
// contents the first stays.
bool ft_added_set_build(const ft_added_token *tokens, size_t count, bool normalized,
                        ft_arena *arena, ft_added_set *out, ft_error *err) FT_MUST_CHECK;

// A walk through a text: what stands before a token, and the token.
typedef struct ft_added_walk {
    const ft_added_set *set;
    ft_slice text;
    bool skip_special;   // Special tokens are text like any other.
    size_t search_at;    // Where the next search begins.
    size_t taken;        // Up to where the text has been given out: where the last token ends.
    size_t token_start;  // Where it begins: before that, where the one before took white space.
} ft_added_walk;

// The next part: `*out_before` is text (may be empty), `*out_token` what follows it, NULL at the
// end. False when all has been given out.
bool ft_added_next(ft_added_walk *walk, ft_slice *out_before, const ft_added_token **out_token);
