// The words of a grammar from bits: 64 bytes are classified together into one bit a byte and class,
// and where words begin follows by shifts and boolean algebra, without a branch for each word. For
// ASCII; around other bytes, and at the end of the text, the plain matcher takes over.
//
// The expressions look at nothing before a match, so that each round may begin at the word that
// was found last, as if it were the beginning of the text: no state goes from round to round. A
// round decides all words that begin three bytes before its end or earlier; white space that
// reaches its end is decided in the next one.
//
// The idea of classes as bit masks and of runs by carries is that of Parabix (Cameron, Herdy, Lin:
// High performance XML parsing using parallel bit stream technology, CASCON 2008).
#pragma once

#include "stages/text/word_grammar.h"

// A bit for each of 64 bytes.
typedef struct ft_byte_classes {
    uint64_t letter, upper, digit, white;
    uint64_t space, line;  // Of the white space: U+0020; line feed and carriage return.
    uint64_t quote, slash;
    uint64_t hard;     // Not ASCII.
    uint64_t control;  // ASCII that is in none of the above and not printed.
} ft_byte_classes;

typedef struct ft_scan {
    const ft_grammar *grammar;
    const uint8_t *bytes;   // Of the round; 64 of them may be read.
    ft_byte_classes in;     // Cut down to the bytes that count.
    uint64_t other, solid;  // Neither letter, digit nor white; not white.
} ft_scan;

// The length of a contraction whose apostrophe is at `at`, at most 61; 0: none.
static inline unsigned ft_scan_contraction(const ft_scan *scan, unsigned at, bool folded)
{
    uint8_t case_bit = folded ? 0x20 : 0;
    uint8_t first = scan->bytes[at + 1] | case_bit, second = scan->bytes[at + 2] | case_bit;

    if (first == 's' || first == 't' || first == 'm' || first == 'd')
        return 2;
    return ((first == 'r' || first == 'v') && second == 'e') || (first == 'l' && second == 'l') ? 3
                                                                                                : 0;
}

// Where contractions stand, of the `candidates`; their inner letters begin no word (`*inner`), what
// is behind them does (`*behind`).
static inline uint64_t ft_scan_contractions(const ft_scan *scan, uint64_t candidates,
                                            uint64_t *inner, uint64_t *behind)
{
    bool folded = scan->grammar->contractions != FT_CONTRACTIONS_LOWER;
    bool suffix = scan->grammar->contractions == FT_CONTRACTIONS_SUFFIX;
    uint64_t found = 0;

    *inner = *behind = 0;
    candidates &= (UINT64_C(1) << 61) - 1;
    while (candidates) {
        unsigned at = FT_TRAILING_ZEROS_64(candidates);
        uint64_t bit = UINT64_C(1) << at;
        candidates &= candidates - 1;
        // As a suffix it needs a letter in front that is not a suffix's own.
        unsigned length = suffix && (*behind & bit) ? 0 : ft_scan_contraction(scan, at, folded);
        if (length == 0)
            continue;
        found |= bit;
        *inner |= length == 3 ? bit << 1 | bit << 2 : bit << 1;
        *behind |= bit << length;
    }
    return found;
}

static inline uint64_t ft_scan_numbers(const ft_scan *scan)
{
    uint64_t digit = scan->in.digit;

    if (scan->grammar->number_max == 1)
        return digit;
    uint64_t starts = digit & ~(digit << 1);
    if (scan->grammar->number_max == 0)
        return starts;
    // Every third digit of a run.
    uint64_t third = digit & digit << 1 & digit << 2 & digit << 3;
    for (uint64_t at = starts << 3 & third; at; at = at << 3 & third)
        starts |= at;
    return starts;
}

// GPT-2.
static inline uint64_t ft_scan_plain(const ft_scan *scan)
{
    const ft_byte_classes *in = &scan->in;
    bool cut = scan->grammar->cut_numbers != 0;
    uint64_t letter = in->letter, digit = in->digit, other = scan->other;
    uint64_t inside = (letter & letter << 1) | (digit & digit << 1) | (other & other << 1);
    uint64_t starts = scan->solid & ~inside & ~(in->space << 1);
    uint64_t inner, behind;

    starts |= in->white & ~(in->white << 1);
    starts |= in->white & (cut ? scan->solid & ~digit : scan->solid) >> 1;
    if (cut)
        starts |= digit;
    uint64_t candidates = starts & in->quote & letter >> 1;
    if (candidates) {
        ft_scan_contractions(scan, candidates, &inner, &behind);
        starts = (starts & ~inner) | behind;
    }
    return starts;
}

// Words of white space where lines are cut; `lead` is white space that belongs to what is before.
static inline uint64_t ft_scan_white(const ft_scan *scan, uint64_t lead)
{
    const ft_byte_classes *in = &scan->in;
    uint64_t white = in->white & ~lead;
    uint64_t blank = white & ~in->line;
    uint64_t solid = scan->grammar->cut_numbers ? scan->solid & ~in->digit : scan->solid;
    // Behind the last line end of its run: blanks that no line end follows.
    uint64_t tails = blank & (white & in->line) << 1;

    if (tails) {
        uint64_t ends = (tails + blank) & ~blank;
        for (uint64_t lines = ends & in->line; lines; lines &= lines - 1) {
            uint64_t below = tails & ((lines & -lines) - 1);
            tails &= ~(UINT64_C(1) << (63 - FT_LEADING_ZEROS_64(below)));
        }
    }
    return (white & ~(white << 1)) | tails | (blank & solid >> 1);
}

// All grammars that cut lines.
static inline uint64_t ft_scan_lines(const ft_scan *scan)
{
    const ft_byte_classes *in = &scan->in;
    ft_contractions kind = scan->grammar->contractions;
    uint64_t letter = in->letter, other = scan->other;
    uint64_t inner = 0, behind = 0, contractions = 0, lead = 0;

    // Line ends directly behind others belong to them.
    uint64_t marks = in->line & other << 1;
    if (marks) {
        uint64_t through = in->line | (scan->grammar->slashes ? in->slash : 0);
        lead = (((marks + through) ^ through) | marks) & through;
        other &= ~lead;
    }
    uint64_t begins = other & ~(other << 1) & ~(in->space << 1);
    if (kind == FT_CONTRACTIONS_FOLDED)
        contractions = in->quote & begins & letter >> 1;
    else if (kind == FT_CONTRACTIONS_SUFFIX)
        contractions = in->quote & letter << 1 & letter >> 1;
    if (contractions)
        contractions = ft_scan_contractions(scan, contractions, &inner, &behind);
    // One character in front of letters is part of the word.
    uint64_t front = (begins & letter >> 1 & ~contractions) | (in->white & ~in->line);
    uint64_t words = letter & ~(letter << 1) & ~(front << 1);
    if (scan->grammar->cased)
        words |= in->upper & (letter & ~in->upper) << 1;
    if (kind == FT_CONTRACTIONS_SUFFIX)
        begins &= ~contractions;
    uint64_t starts = words | begins | ft_scan_numbers(scan) | ft_scan_white(scan, lead);
    return (starts & ~inner) | behind;
}

// `classify` is inlined.
typedef void ft_classify(const uint8_t *bytes, ft_byte_classes *out);

// Begins of words in the next 64 bytes, but for the first; `*known` is how many bytes were looked
// at: up to the first that is not ASCII, or that nothing matches.
FT_ALWAYS_INLINE uint64_t ft_scan_round(const ft_grammar *grammar, const uint8_t *bytes,
                                        ft_classify *classify, unsigned *known)
{
    ft_scan scan = {.grammar = grammar, .bytes = bytes};
    ft_byte_classes *in = &scan.in;

    classify(bytes, in);
    uint64_t hard = in->hard | (grammar->skips ? in->control : 0);
    *known = hard ? FT_TRAILING_ZEROS_64(hard) : 64;
    if (*known < 8)
        return 0;
    uint64_t all = ~UINT64_C(0) >> (64 - *known);
    in->letter &= all;
    in->upper &= all;
    in->digit &= all;
    in->white &= all;
    in->space &= all;
    in->line &= all;
    in->quote &= all;
    in->slash &= all;
    scan.solid = all & ~in->white;
    scan.other = scan.solid & ~(in->letter | in->digit);
    uint64_t starts = grammar->lines ? ft_scan_lines(&scan) : ft_scan_plain(&scan);
    // Up to three bytes before the end, and up to the first byte of white space that reaches it.
    uint64_t decided = all >> 3;
    if (in->white >> (*known - 1) & 1) {
        uint64_t gap = scan.solid;
        unsigned white_at = gap ? 64 - FT_LEADING_ZEROS_64(gap) : 0;
        decided &= white_at >= 63 ? all : (UINT64_C(2) << white_at) - 1;
    }
    return starts & decided & ~UINT64_C(1);
}

FT_ALWAYS_INLINE size_t ft_scan_cut(const ft_grammar *grammar, ft_slice text, size_t from,
                                    uint32_t *ends, size_t room, ft_classify *classify)
{
    const uint8_t *bytes = (const uint8_t *)text.data;
    // The algebra knows white space as words, and others as all that is neither letter nor digit.
    bool vectors = !grammar->skips || grammar->cut_han;
    size_t count = 0;

    while (vectors && text.size - from >= 64 && room - count >= 64) {
        unsigned known;
        uint64_t starts = ft_scan_round(grammar, bytes + from, classify, &known);
        size_t begin = from;
        while (starts) {
            from = begin + FT_TRAILING_ZEROS_64(starts);
            ends[count++] = (uint32_t)from;
            starts &= starts - 1;
        }
        if (known == 64 && from > begin)
            continue;
        // A long word, or over the byte that is not ASCII; where they stand close, all of the 64.
        size_t until = known == 64 ? from + 1 : begin + (known < 16 ? 64 : known + 1);
        size_t more = ft_grammar_cut_until(grammar, text, from, until, ends + count, room - count);
        count += more;
        from = more > 0 ? ends[count - 1] : from;
    }
    // Where there is more than the last few bytes, the next call goes on.
    if (count > 0 && vectors && text.size - from >= 64)
        return count;
    return count + ft_grammar_cut_plain(grammar, text, from, ends + count, room - count);
}
