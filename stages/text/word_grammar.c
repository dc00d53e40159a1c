// The list of grammars and how they are found.
#include "stages/text/word_grammar.h"

#include "stages/nn/kernel/isa.h"
#include "stages/text/category.h"
#include "stages/text/pattern.h"

// White space is in none of them.
enum {
    LETTERS = FT_SET_LETTER,
    LETTERS_MARKS = FT_SET_LETTER | FT_SET_MARK,
    NOT_WHITE = FT_SET_ALL & ~FT_SET_WHITE,
    OTHERS = NOT_WHITE & ~(LETTERS | FT_SET_NUMBER),
    OTHERS_NO_MARKS = OTHERS & ~FT_SET_MARK,
};

static const ft_grammar gpt2 = {"gpt2", FT_CONTRACTIONS_LOWER, FT_PREFIX_SPACE, LETTERS, OTHERS};
static const ft_grammar starcoder = {
    "starcoder",     FT_CONTRACTIONS_LOWER,           FT_PREFIX_SPACE, LETTERS, OTHERS,
    .number_max = 1, .cut_numbers = FT_SET_ANY_NUMBER};
static const ft_grammar cl100k = {"cl100k", FT_CONTRACTIONS_FOLDED, FT_PREFIX_ANY, LETTERS,
                                  OTHERS,   .number_max = 3,        .lines = true};
static const ft_grammar cl100k_tiktoken = {
    "cl100k-tiktoken", FT_CONTRACTIONS_FOLDED, FT_PREFIX_ANY,    LETTERS, OTHERS,
    .number_max = 3,   .lines = true,          .end_first = true};
static const ft_grammar qwen2 = {"qwen2", FT_CONTRACTIONS_FOLDED, FT_PREFIX_ANY, LETTERS,
                                 OTHERS,  .number_max = 1,        .lines = true};
static const ft_grammar qwen35 = {"qwen3.5",     FT_CONTRACTIONS_FOLDED, FT_PREFIX_ANY,
                                  LETTERS_MARKS, OTHERS_NO_MARKS,        .number_max = 1,
                                  .lines = true};
static const ft_grammar o200k = {
    "o200k",         FT_CONTRACTIONS_SUFFIX, FT_PREFIX_ANY,   LETTERS_MARKS, OTHERS,
    .number_max = 3, .cased = true,          .slashes = true, .lines = true};
static const ft_grammar tekken = {
    "tekken",        FT_CONTRACTIONS_NONE, FT_PREFIX_ANY,   LETTERS_MARKS, OTHERS,
    .number_max = 1, .cased = true,        .slashes = true, .lines = true};
// DeepSeek V3 splits by three expressions, one after the other: the last of them, and all three.
static const ft_grammar deepseek_last = {"deepseek-v3-last", FT_CONTRACTIONS_NONE, FT_PREFIX_ASCII,
                                         LETTERS_MARKS,      FT_SET_SYMBOL,        .lines = true,
                                         .skips = true};
static const ft_grammar deepseek = {"deepseek-v3",   FT_CONTRACTIONS_NONE,
                                    FT_PREFIX_ASCII, LETTERS_MARKS,
                                    FT_SET_SYMBOL,   .number_max = 3,
                                    .lines = true,   .skips = true,
                                    .cut_han = true, .cut_numbers = FT_SET_NUMBER};
static const ft_grammar clip = {"clip", FT_CONTRACTIONS_LOWER, FT_PREFIX_NONE, LETTERS,
                                OTHERS, .number_max = 1,       .skips = true};

static const ft_grammar *const named[] = {&gpt2,          &starcoder, &cl100k, &cl100k_tiktoken,
                                          &qwen2,         &qwen35,    &o200k,  &tekken,
                                          &deepseek_last, &deepseek,  &clip};

#define FOLDED "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define LINES_END "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define CASED(suffix)                                                                            \
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"   \
    "+" suffix "|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{" \
    "Lo}\\p{M}]*" suffix

// The texts that tokenizer.json files of the families have.
static const struct {
    const char *source;
    const ft_grammar *grammar;
} expressions[] = {
    {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", &gpt2},
    {"'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", &gpt2},
    {"'(?:[sdmt]|ll|ve|re)| ?\\p{L}++| ?\\p{N}++| ?[^\\s\\p{L}\\p{N}]++|\\s++$|\\s+(?!\\S)|\\s",
     &gpt2},
    {FOLDED "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" LINES_END,
     &cl100k},
    {"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,3}|"
     " ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
     &cl100k},
    // tiktoken's: `$`, the end of a line in Oniguruma, is that of the text here, since a line feed
    // is white space.
    {"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}|"
     " ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|\\s++$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s",
     &cl100k_tiktoken},
    {FOLDED "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" LINES_END,
     &qwen2},
    {FOLDED "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}|"
            " ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" LINES_END,
     &qwen35},
    {CASED(FOLDED "?") "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" LINES_END, &o200k},
    {CASED("") "|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" LINES_END, &tekken},
    // With a carriage return and a line feed themselves in the brackets.
    {"[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|"
     "[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|"
     "\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
     &deepseek_last},
    {"'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+", &clip},
};

const ft_grammar *ft_grammar_named(const char *name)
{
    for (size_t i = 0; i < FT_COUNT_OF(named); i++) {
        if (ft_slice_is(ft_slice_of(named[i]->name), name))
            return named[i];
    }
    return NULL;
}

const ft_grammar *ft_grammar_of_regex(ft_slice source)
{
    for (size_t i = 0; i < FT_COUNT_OF(expressions); i++) {
        if (ft_slice_is(source, expressions[i].source))
            return expressions[i].grammar;
    }
    return NULL;
}

const char *ft_grammar_regex(const char *name)
{
    for (size_t i = 0; i < FT_COUNT_OF(expressions); i++) {
        if (ft_slice_is(ft_slice_of(expressions[i].grammar->name), name))
            return expressions[i].source;
    }
    return NULL;
}

// Every piece is kept, match or not.
static bool keeps_all(const ft_pre_step *step, const ft_grammar *grammar)
{
    if (step->split.behavior == FT_SPLIT_ISOLATED)
        return true;
    return step->split.behavior == FT_SPLIT_REMOVED && step->split.invert && grammar &&
           !grammar->skips;
}

const ft_grammar *ft_grammar_of_steps(const ft_pre_step *steps, size_t count)
{
    const ft_pre_step *last = count > 0 ? &steps[count - 1] : NULL;

    if (!last || last->kind != FT_PRE_BYTE_LEVEL || last->byte_level.add_prefix_space)
        return NULL;
    if (last->byte_level.use_regex) {
        if (count == 1)
            return &gpt2;
        bool digits = count == 2 && steps[0].kind == FT_PRE_DIGITS && steps[0].individual_digits;
        return digits ? &starcoder : NULL;
    }
    const ft_grammar *grammar = NULL;
    for (size_t i = 0; i + 1 < count; i++) {
        if (steps[i].kind != FT_PRE_SPLIT)
            return NULL;
        grammar = ft_pattern_grammar(steps[i].split.pattern);
        if (!keeps_all(&steps[i], grammar))
            return NULL;
    }
    if (count == 2)
        return grammar;
    if (count == 4 && grammar == &deepseek_last &&
        ft_pattern_is(steps[0].split.pattern, FT_SLICE("\\p{N}{1,3}")) &&
        ft_pattern_is(steps[1].split.pattern,
                      FT_SLICE("[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+")))
        return &deepseek;
    return NULL;
}

size_t ft_grammar_cut(const ft_grammar *grammar, ft_slice text, size_t from, uint32_t *ends,
                      size_t room)
{
#if defined(__x86_64__)
    if (ft_isa_level() >= FT_ISA_AVX512)
        return ft_grammar_cut_avx512(grammar, text, from, ends, room);
    if (ft_isa_level() >= FT_ISA_AVX2)
        return ft_grammar_cut_avx2(grammar, text, from, ends, room);
#endif
    return ft_grammar_cut_plain(grammar, text, from, ends, room);
}
