// What `Split` and `Replace` look for: a literal, one of the regular expressions that tokenizers
// are published with, for which there is a hand-written matcher with the Unicode version of the
// reference (16), or any other by Oniguruma, in the reference's syntax. The Oniguruma of the
// distribution is older (6.9.8): its Unicode is 14, so that newer characters are of no category
// there, and its [[:punct:]] is without the symbols $+<=>^`|~.
#pragma once

#include "runtime/memory/arena.h"
#include "runtime/slice.h"

typedef struct ft_pattern ft_pattern;
struct ft_grammar;

enum { FT_PATTERN_BYTES_MAX = 1 << 16 };

// Lives in the arena; what Oniguruma allocates is freed with it. `path` and `place` name it in
// messages ("pre_tokenizer.pretokenizers[0].pattern").
bool ft_pattern_literal(ft_slice text, ft_arena *arena, const ft_pattern **out,
                        ft_error *err) FT_MUST_CHECK;
bool ft_pattern_regex(ft_slice source, const char *path, const char *place, ft_arena *arena,
                      const ft_pattern **out, ft_error *err) FT_MUST_CHECK;

typedef struct ft_image ft_image;
// To or from an image (token_image.h), as its source: an expression is compiled again.
void ft_pattern_transfer(const ft_pattern **pattern, ft_image *image);

// The first match at or behind `from`, which may be empty: `*found` false when there is none. Fails
// (DATA) when the expression needs more steps than are allowed (catastrophic backtracking). Any
// threads.
bool ft_pattern_next(const ft_pattern *pattern, ft_slice text, size_t from, bool *found,
                     size_t *out_start, size_t *out_end, ft_error *err) FT_MUST_CHECK;

// All matches of a text, one after the other, as the reference finds them: an empty match directly
// behind the match before is none. Begins zeroed.
typedef struct ft_matches {
    size_t at;
    size_t last_end;
    bool any;
} ft_matches;
bool ft_pattern_step(const ft_pattern *pattern, ft_slice text, ft_matches *matches, bool *found,
                     size_t *out_start, size_t *out_end, ft_error *err) FT_MUST_CHECK;

// The grammar that matches it; NULL: it is none of the known ones.
const struct ft_grammar *ft_pattern_grammar(const ft_pattern *pattern);
// Is it this regular expression, letter by letter?
bool ft_pattern_is(const ft_pattern *pattern, ft_slice source);
bool ft_pattern_is_literal(const ft_pattern *pattern, ft_slice text);
