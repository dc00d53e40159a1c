// The regular expressions that byte-level tokenizers are published with, as hand-written matchers:
// GPT-2, cl100k (Llama 3), o200k, tekken, Qwen, DeepSeek V3, CLIP. Each is recognised by the exact
// text of its expression and matches what the reference's Oniguruma matches, in time linear in the
// text.
//
// All of them are one shape with a few choices (ft_grammar): contractions, then letters with
// something in front, numbers, other characters, white space. What differs is data.
#pragma once

#include "runtime/slice.h"
#include "stages/text/definition.h"

typedef enum ft_contractions {
    FT_CONTRACTIONS_NONE,
    FT_CONTRACTIONS_LOWER,   // 's 't 're 've 'm 'll 'd as a word of their own.
    FT_CONTRACTIONS_FOLDED,  // In either case; U+017F is an s then.
    FT_CONTRACTIONS_SUFFIX,  // In either case, at the end of a word of letters.
} ft_contractions;

typedef enum ft_letter_prefix {
    FT_PREFIX_NONE,
    FT_PREFIX_SPACE,  // " ?" before letters, numbers and others.
    FT_PREFIX_ANY,    // "[^\r\n\p{L}\p{N}]?" before letters, " ?" before others.
    FT_PREFIX_ASCII,  // DeepSeek V3: ASCII punctuation before ASCII letters, or
                      // "[^\r\n\p{L}\p{P}\p{S}]?" before letters.
} ft_letter_prefix;

typedef struct ft_grammar {
    const char *name;
    ft_contractions contractions;
    ft_letter_prefix prefix;
    unsigned letters;  // Sets of categories (category.h).
    unsigned others;
    unsigned number_max;  // \p{N}{1,max}; 0: any count.
    bool cased;           // A capital behind a small letter begins a word.
    bool slashes;         // [\r\n/]* behind others instead of [\r\n]*.
    bool lines;           // White space is cut behind its last line feed; [\r\n]* behind others.
    bool end_first;       // White space at the end of the text is one word before all else.
    bool skips;           // There are characters that match nothing.
    // Of a sequence of steps: the text was first cut at these, so that each is a word or a run of
    // its own and what is around ends there.
    unsigned cut_numbers;  // Categories, cut into pieces of number_max.
    bool cut_han;          // U+4E00-9FA5 and U+3040-30FF, in runs.
} ft_grammar;

// Those that have a name: gpt2, cl100k, o200k, tekken, qwen2, qwen3.5, deepseek-v3, clip,
// starcoder; cl100k-tiktoken (tiktoken's cl100k_base, which takes white space at the end as a
// whole). NULL: none such.
const ft_grammar *ft_grammar_named(const char *name);
// The grammar of a regular expression, by its exact text; NULL: unknown.
const ft_grammar *ft_grammar_of_regex(ft_slice source);
// The regular expression that the grammar of that name is published with; NULL: it is of steps, or
// none such.
const char *ft_grammar_regex(const char *name);
// The grammar whose words are what these steps cut a text into, when the last one is ByteLevel
// (without a space in front): the words of the raw text, each to be spelled in letters for bytes.
// NULL: there is none.
const ft_grammar *ft_grammar_of_steps(const ft_pre_step *steps, size_t count);

// Where the match at `at` (before the end) ends; `at` when there is none at this place. A match is
// never empty. Not for grammars with cut_numbers or cut_han.
size_t ft_grammar_match(const ft_grammar *grammar, ft_slice text, size_t at);
// Writes the ends of the next words of the text, valid UTF-8 of less than 4 GiB, from `from` on,
// which is 0 or the end of a word. What matches nothing is a word too. Returns how many; 0 only at
// the end of the text or without room. To go on, call it with the last end.
size_t ft_grammar_cut(const ft_grammar *grammar, ft_slice text, size_t from, uint32_t *ends,
                      size_t room);

// One for each instruction set; the plain one is the oracle of the others.
typedef size_t ft_grammar_cutter(const ft_grammar *grammar, ft_slice text, size_t from,
                                 uint32_t *ends, size_t room);
ft_grammar_cutter ft_grammar_cut_plain;
ft_grammar_cutter ft_grammar_cut_avx2;
ft_grammar_cutter ft_grammar_cut_avx512;
// The plain one, until a word ends at `until` or behind it.
size_t ft_grammar_cut_until(const ft_grammar *grammar, ft_slice text, size_t from, size_t until,
                            uint32_t *ends, size_t room);
