// What a text becomes: the tokens of one text, before special ones are put around.
#pragma once

#include "runtime/slice.h"
#include "stages/text/ids.h"

// A range of the text that was given, in bytes; also where the text was normalised. A token of
// nothing (a space that was put in front) has start == end.
typedef struct ft_span {
    uint32_t start, end;
} ft_span;

// Columns side by side, since that is how they are asked for. `spans` is empty unless `has_places`,
// `words` unless `has_words`, `spaces` unless `has_spaces`; none of those without places.
typedef struct ft_tokens {
    ft_ids ids;
    ft_ids spans;   // Start and end of each: two numbers.
    ft_ids words;   // The word it is part of, from 0.
    ft_ids spaces;  // How many white characters it begins with (lower half) and ends with.
    bool has_places, has_words, has_spaces;
    ft_slice text;  // What it is the tokens of, where `has_spaces`.
} ft_tokens;

void ft_tokens_init(ft_tokens *tokens, ft_account *account);
void ft_tokens_clear(ft_tokens *tokens);
void ft_tokens_finish(ft_tokens *tokens);  // A zeroed one is fine.
// Room for `more` behind those there are, in all columns that it has, and in `words` for
// FT_TOKENS_SLACK that are written and do not count.
enum { FT_TOKENS_SLACK = 4 };
bool ft_tokens_reserve(ft_tokens *tokens, size_t more, ft_error *err) FT_MUST_CHECK;
// The columns of one token but for its id and spaces; there must be room.
static inline void ft_tokens_place(ft_tokens *tokens, ft_span span, int32_t word)
{
    int32_t *spans = ft_ids_data(&tokens->spans) + tokens->spans.count;

    spans[0] = (int32_t)span.start;
    spans[1] = (int32_t)span.end;
    tokens->spans.count += 2;
    if (tokens->has_words)
        ft_ids_data(&tokens->words)[tokens->words.count++] = word;
}
static inline ft_span ft_tokens_span(const ft_tokens *tokens, size_t index)
{
    const int32_t *spans = ft_ids_data(&tokens->spans) + 2 * index;

    return (ft_span){(uint32_t)spans[0], (uint32_t)spans[1]};
}

enum { FT_SPACES_HALF = 16, FT_SPACES_MOST = (1 << 15) - 1 };
static inline int32_t ft_spaces_pack(size_t leading, size_t trailing)
{
    leading = leading < FT_SPACES_MOST ? leading : FT_SPACES_MOST;
    trailing = trailing < FT_SPACES_MOST ? trailing : FT_SPACES_MOST;
    return (int32_t)(leading | trailing << FT_SPACES_HALF);
}
