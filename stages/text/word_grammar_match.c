// The matchers, character by character, in the order of the expressions' alternatives.
//
// Where an expression backtracks, the place it comes back to is known beforehand: \s*[\r\n]+ ends
// behind the last line feed of the white space, \s+(?!\S) leaves one character, and the words with
// capitals first (o200k) end behind the last letter that is neither capital nor small. So nothing
// is read more than a few times.
#include "stages/text/category.h"
#include "stages/text/word_grammar.h"

typedef struct reader {
    const ft_grammar *grammar;
    const uint8_t *bytes;
    size_t size;
    bool han;  // With cut_han: where the match began.
} reader;

enum {
    UPPER = FT_CATEGORY_BIT(LU) | FT_CATEGORY_BIT(LT) | FT_CATEGORY_BIT(LM) | FT_CATEGORY_BIT(LO) |
            FT_SET_MARK,
    LOWER = FT_CATEGORY_BIT(LL) | FT_CATEGORY_BIT(LM) | FT_CATEGORY_BIT(LO) | FT_SET_MARK,
};

static bool is_han(uint32_t c)
{
    return (c >= 0x4e00 && c <= 0x9fa5) || (c >= 0x3040 && c <= 0x30ff);
}

// The category, as a set of one, of the character at `at`, and where the next one begins. Nothing
// (0) where the text ends, or a piece of it that was cut before.
FT_ALWAYS_INLINE unsigned look(const reader *in, size_t at, size_t *next)
{
    *next = at;
    if (at >= in->size)
        return 0;
    uint32_t c = in->bytes[at];
    unsigned set;
    if (c < 0x80) {
        set = 1u << ft_category_blocks[c];  // The first two blocks are those of ASCII.
        *next = at + 1;
    } else {
        c = ft_unicode_next(in->bytes, next);
        set = ft_category_bit(c);
    }
    if (in->grammar->cut_numbers) {
        if ((set & in->grammar->cut_numbers) || (in->grammar->cut_han && is_han(c) != in->han)) {
            *next = at;
            return 0;
        }
    }
    return set;
}

// Behind the characters of `set` from `at` on.
FT_ALWAYS_INLINE size_t skip(const reader *in, unsigned set, size_t at)
{
    size_t next;

    while (look(in, at, &next) & set)
        at = next;
    return at;
}

static bool is_line_end(const reader *in, size_t at)
{
    return in->bytes[at] == '\n' || in->bytes[at] == '\r';
}

// The bytes of a contraction at `at`; 0: none.
static size_t contraction(const reader *in, size_t at, bool folded)
{
    size_t left = in->size - at;

    if (left < 2 || in->bytes[at] != '\'')
        return 0;
    uint8_t case_bit = folded ? 0x20 : 0;
    uint8_t first = in->bytes[at + 1] | case_bit;
    uint8_t second = left > 2 ? in->bytes[at + 2] | case_bit : 0;
    if (first == 's' || first == 't' || first == 'm' || first == 'd')
        return 2;
    if (((first == 'r' || first == 'v') && second == 'e') || (first == 'l' && second == 'l'))
        return 3;
    // The long s, whose simple case folding is s.
    return folded && left > 2 && in->bytes[at + 1] == 0xc5 && in->bytes[at + 2] == 0xbf ? 3 : 0;
}

// \s*[\r\n]+ (with `lines`), \s+(?!\S) or \s+: `at` is white space.
static size_t match_white(const reader *in, size_t at)
{
    size_t end = at, last = at, behind_line = 0, next;

    while (look(in, end, &next) & FT_SET_WHITE) {
        if (is_line_end(in, end))
            behind_line = next;
        last = end;
        end = next;
    }
    if (in->grammar->end_first && end == in->size)
        return end;
    if (in->grammar->lines && behind_line)
        return behind_line;
    bool at_end = next == end;  // Nothing was there to look at.
    return at_end || last == at ? end : last;
}

static size_t match_numbers(const reader *in, size_t at)
{
    unsigned max = in->grammar->number_max;
    size_t next;

    for (unsigned i = 0; (i < max || max == 0) && look(in, at, &next) & FT_SET_NUMBER; i++)
        at = next;
    return at;
}

// " ?" others, and the line ends behind.
static size_t match_others(const reader *in, size_t at)
{
    size_t end = skip(in, in->grammar->others, at);

    // Line ends are cut off from what is Han.
    if (in->grammar->lines && !in->han) {
        while (end < in->size &&
               (is_line_end(in, end) || (in->grammar->slashes && in->bytes[end] == '/')))
            end++;
    }
    return end;
}

// GPT-2 and CLIP.
static size_t match_plain(const reader *in, size_t at)
{
    bool spaced = in->grammar->prefix == FT_PREFIX_SPACE;
    size_t length = contraction(in, at, false), next;

    if (length)
        return at + length;
    unsigned set = look(in, at, &next);
    size_t start = at;
    if (spaced && in->bytes[at] == ' ') {
        size_t behind;
        unsigned second = look(in, next, &behind);
        if (second & ~(unsigned)FT_SET_WHITE) {
            start = next;
            set = second;
        }
    }
    if (set & in->grammar->letters)
        return skip(in, in->grammar->letters, start);
    if (set & FT_SET_NUMBER)
        return match_numbers(in, start);
    if (set & in->grammar->others)
        return skip(in, in->grammar->others, start);
    return spaced ? match_white(in, at) : at;
}

// Capitals first, then small letters: [upper]*[lower]+, with `capitals` [upper]+[lower]*. Returns
// `at` when there is none.
static size_t match_cased(const reader *in, size_t at, bool capitals)
{
    size_t end = at, behind_both = at, next;
    unsigned set;

    while ((set = look(in, end, &next)) & UPPER) {
        end = next;
        if (set & LOWER)
            behind_both = end;
    }
    if (set & LOWER)
        return skip(in, LOWER, end);
    return capitals ? end : behind_both;
}

// The words of letters of o200k and tekken; `second` is behind the first character when that may
// stand in front.
static size_t match_cased_word(const reader *in, size_t at, bool prefixed, size_t second)
{
    size_t end = at;

    for (int capitals = 0; capitals < 2 && end == at; capitals++) {
        if (prefixed) {
            end = match_cased(in, second, capitals);
            end = end == second ? at : end;
        }
        if (end == at)
            end = match_cased(in, at, capitals);
    }
    if (end > at && in->grammar->contractions == FT_CONTRACTIONS_SUFFIX)
        end += contraction(in, end, true);
    return end;
}

static bool is_ascii_letter(uint8_t c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

// "[^\r\n\p{L}\p{N}]?" letters, and their kin.
static size_t match_letters(const reader *in, size_t at, unsigned set, size_t second)
{
    const ft_grammar *grammar = in->grammar;
    unsigned never =
        FT_SET_LETTER | (grammar->prefix == FT_PREFIX_ASCII ? FT_SET_SYMBOL : FT_SET_NUMBER);
    bool prefixed = !(set & never) && !is_line_end(in, at);

    if (grammar->cased)
        return match_cased_word(in, at, prefixed, second);
    if (grammar->prefix == FT_PREFIX_ASCII && (set & FT_SET_SYMBOL) && in->bytes[at] < 0x80 &&
        second < in->size && is_ascii_letter(in->bytes[second])) {
        while (second < in->size && is_ascii_letter(in->bytes[second]))
            second++;
        return second;
    }
    if (prefixed) {
        size_t end = skip(in, grammar->letters, second);
        if (end > second)
            return end;
    }
    return skip(in, grammar->letters, at);
}

// All the others.
static size_t match_lines(const reader *in, size_t at)
{
    const ft_grammar *grammar = in->grammar;
    size_t next;
    unsigned set = look(in, at, &next);

    if (grammar->contractions == FT_CONTRACTIONS_FOLDED) {
        size_t length = contraction(in, at, true);
        if (length)
            return at + length;
    }
    size_t end = match_letters(in, at, set, next);
    if (end > at)
        return end;
    if (grammar->number_max && (set & FT_SET_NUMBER))
        return match_numbers(in, at);
    size_t start = in->bytes[at] == ' ' ? next : at, behind;
    if (look(in, start, &behind) & grammar->others)
        return match_others(in, start);
    return set & FT_SET_WHITE ? match_white(in, at) : at;
}

static size_t match(const reader *in, size_t at)
{
    return in->grammar->prefix <= FT_PREFIX_SPACE ? match_plain(in, at) : match_lines(in, at);
}

size_t ft_grammar_match(const ft_grammar *grammar, ft_slice text, size_t at)
{
    reader in = {grammar, (const uint8_t *)text.data, text.size, false};

    return match(&in, at);
}

// A word, or what matches nothing up to the next match.
static size_t next_end(reader *in, size_t at)
{
    const ft_grammar *grammar = in->grammar;
    size_t next = at, end;

    if (grammar->cut_numbers) {
        uint32_t c = ft_unicode_next(in->bytes, &next);
        unsigned taken = 1;
        if (ft_category_bit(c) & grammar->cut_numbers) {
            for (end = next; taken < grammar->number_max && next < in->size; taken++) {
                c = ft_unicode_next(in->bytes, &next);
                if (!(ft_category_bit(c) & grammar->cut_numbers))
                    break;
                end = next;
            }
            return end;
        }
        in->han = grammar->cut_han && is_han(c);
    }
    end = match(in, at);
    if (end > at)
        return end;
    while (look(in, end, &next)) {
        if (end > at && match(in, end) > end)
            break;
        end = next;
    }
    return end;
}

size_t ft_grammar_cut_until(const ft_grammar *grammar, ft_slice text, size_t from, size_t until,
                            uint32_t *ends, size_t room)
{
    reader in = {grammar, (const uint8_t *)text.data, text.size, false};
    size_t count = 0;

    while (from < until && count < room) {
        from = next_end(&in, from);
        ends[count++] = (uint32_t)from;
    }
    return count;
}

size_t ft_grammar_cut_plain(const ft_grammar *grammar, ft_slice text, size_t from, uint32_t *ends,
                            size_t room)
{
    return ft_grammar_cut_until(grammar, text, from, text.size, ends, room);
}
