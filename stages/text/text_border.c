// The state is what is before the place; what is behind it is looked at as far as white space goes,
// once for each run of it.
#include "stages/text/text_border.h"

#include "stages/text/unicode.h"

// Of the property Sentence_Terminal (Unicode's PropList.txt) those of scripts in wide use, and the
// ellipsis.
static const struct {
    uint32_t code_point;
    bool is_wide;  // No space stands behind it.
    bool is_stop;  // May be in a sentence: before a small letter it is.
} terminators[] = {
    {'.', false, true},     {'!', false, false},    {'?', false, false},
    {0x2026, false, true},                           // ...
    {0x203c, false, false}, {0x203d, false, false},  // !! and interrobang
    {0x2047, false, false}, {0x2048, false, false}, {0x2049, false, false},
    {0x3002, true, false},  {0xff01, true, false},  {0xff0e, true, false},
    {0xff1f, true, false},  {0xff61, true, false},                           // Chinese, Japanese
    {0x0589, false, false},                                                  // Armenian
    {0x061f, false, false}, {0x06d4, false, false},                          // Arabic, Urdu
    {0x0964, false, false}, {0x0965, false, false},                          // danda
    {0x104a, false, false}, {0x104b, false, false},                          // Myanmar
    {0x1362, false, false}, {0x1367, false, false}, {0x1368, false, false},  // Ethiopic
    {0x17d4, false, false}, {0x17d5, false, false},                          // Khmer
};

static const uint32_t closers[] = {
    '"',    '\'',   ')',    ']',    '}',    0xbb,   0x2019, 0x201d, 0x203a, 0x3009,
    0x300b, 0x300d, 0x300f, 0x3011, 0x3015, 0x3017, 0xff09, 0xff3d, 0xff5d, 0xff63,
};

static bool is_white(uint32_t c)
{
    return ft_unicode_get(c)->flags & FT_UNICODE_WHITE;
}

static bool is_closer(uint32_t c)
{
    for (size_t i = 0; i < FT_COUNT_OF(closers); i++)
        if (closers[i] == c)
            return true;
    return false;
}

// Its place in the table, or FT_COUNT_OF(terminators).
static size_t find_terminator(uint32_t c)
{
    size_t i = 0;

    while (i < FT_COUNT_OF(terminators) && terminators[i].code_point != c)
        i++;
    return i;
}

static void pass(ft_border_walk *walk, uint32_t c)
{
    walk->last = c;
    if (is_white(c)) {
        walk->lines += c == '\n';
        walk->white = true;
        return;
    }
    size_t terminator = find_terminator(c);
    if (terminator < FT_COUNT_OF(terminators)) {
        walk->ended = true;
        walk->is_wide = terminators[terminator].is_wide;
        walk->is_stop = terminators[terminator].is_stop;
    } else {
        walk->ended = walk->ended && !walk->white && is_closer(c);
    }
    walk->white = false;
    walk->lines = 0;
    walk->has_run = false;
}

// The white space in which, or before which, the walk stands.
static void find_run(ft_border_walk *walk)
{
    const uint8_t *bytes = (const uint8_t *)walk->text.data;
    size_t at = walk->at;

    if (walk->has_run)
        return;
    walk->run_lines = walk->lines;
    walk->run_end = at;
    while (at < walk->text.size) {
        uint32_t c = ft_unicode_next(bytes, &at);
        if (!is_white(c))
            break;
        walk->run_lines += c == '\n';
        walk->run_end = at;
    }
    walk->has_run = true;
}

static bool is_small_letter(uint32_t c)
{
    // Capitals have a small letter; what is cased and has none is small.
    const ft_code_point *record = ft_unicode_get(c);
    return (record->flags & FT_UNICODE_CASED) &&
           !(record->flags & (FT_UNICODE_LOWERS | FT_UNICODE_LOWERS_TO_MANY));
}

ft_border ft_border_find(ft_border_walk *walk, size_t at)
{
    const uint8_t *bytes = (const uint8_t *)walk->text.data;
    uint32_t next = 0;

    while (walk->at < at) {
        uint32_t c = ft_unicode_next(bytes, &walk->at);
        pass(walk, c);
    }
    if (walk->at > at)
        return FT_BORDER_NONE;
    find_run(walk);
    size_t behind = walk->run_end;
    if (behind < walk->text.size)
        next = ft_unicode_next(bytes, &behind);
    bool white = walk->white || walk->run_end > walk->at;
    bool goes_on =
        (walk->is_stop && is_small_letter(next)) ||
        (!white && (is_closer(next) || find_terminator(next) < FT_COUNT_OF(terminators)));
    if (walk->run_lines >= 2 || (walk->ended && (white || walk->is_wide) && !goes_on))
        return FT_BORDER_SENTENCE;
    bool is_chinese = (ft_unicode_get(walk->last)->flags & FT_UNICODE_CJK) ||
                      (ft_unicode_get(next)->flags & FT_UNICODE_CJK);
    return white || is_chinese ? FT_BORDER_WORD : FT_BORDER_TOKEN;
}
