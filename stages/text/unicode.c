// Look-ups in the generated tables that are too rare or too long to be inline.
#include "stages/text/unicode.h"

#include <assert.h>

typedef struct ft_unicode_pair {
    uint32_t second, composed;
} ft_unicode_pair;

#include "stages/text/unicode_tables.h"

// The Unicode Standard, section 3.12: Hangul syllables are composed by arithmetic.
enum {
    HANGUL_FIRST = 0xac00,
    LEAD = 0x1100,
    VOWEL = 0x1161,
    TRAIL = 0x11a7,
    LEADS = 19,
    VOWELS = 21,
    TRAILS = 28,
    SYLLABLES = LEADS * VOWELS * TRAILS,
};

static size_t split_hangul(uint32_t c, uint32_t out[3])
{
    uint32_t index = c - HANGUL_FIRST;

    out[0] = LEAD + index / (VOWELS * TRAILS);
    out[1] = VOWEL + index / TRAILS % VOWELS;
    out[2] = TRAIL + index % TRAILS;
    return out[2] == TRAIL ? 2 : 3;
}

uint32_t ft_unicode_previous(const uint8_t *text, size_t *at)
{
    size_t start = *at - 1;

    while (start > 0 && (text[start] & 0xc0) == 0x80)
        start--;
    *at = start;
    return ft_unicode_next(text, &start);
}

size_t ft_unicode_decompose(uint32_t c, const ft_code_point *record,
                            uint32_t out[FT_UNICODE_DECOMPOSED_MAX])
{
    if (record->flags & FT_UNICODE_HANGUL)
        return split_hangul(c, out);
    if (!(record->flags & FT_UNICODE_DECOMPOSES)) {
        out[0] = c;
        return 1;
    }
    for (size_t i = 0; i < record->pool_count; i++)
        out[i] = ft_unicode_pool[record->pool_at + i];
    return record->pool_count;
}

const ft_unicode_form *ft_unicode_form_of(uint32_t c)
{
    const ft_unicode_set_block *block =
        &ft_unicode_set_blocks[ft_unicode_set_block_of[c / FT_UNICODE_BLOCK]];
    uint64_t members = block->in[FT_UNICODE_FORMS], bit = UINT64_C(1) << c % FT_UNICODE_BLOCK;

    if (!(members & bit))
        return NULL;
    return &forms[block->form_at + FT_ONES_64(members & (bit - 1))];
}

size_t ft_unicode_parts(uint32_t c, bool compatible, uint32_t hangul[3], const uint32_t **out)
{
    if (c - HANGUL_FIRST < SYLLABLES) {
        *out = hangul;
        return split_hangul(c, hangul);
    }
    const ft_unicode_form *form = ft_unicode_form_of(c);
    if (!form)
        return 0;
    *out = ft_unicode_pool + (compatible ? form->compatible_at : form->canonical_at);
    return compatible ? form->compatible_count : form->canonical_count;
}

uint32_t ft_unicode_compose(uint32_t first, uint32_t second)
{
    if (first - LEAD < LEADS && second - VOWEL < VOWELS)
        return HANGUL_FIRST + ((first - LEAD) * VOWELS + (second - VOWEL)) * TRAILS;
    if (first - HANGUL_FIRST < SYLLABLES)
        return (first - HANGUL_FIRST) % TRAILS == 0 && second - (TRAIL + 1) < TRAILS - 1
                   ? first + (second - TRAIL)
                   : 0;
    const ft_unicode_form *form = ft_unicode_form_of(first);
    if (!form)
        return 0;
    const ft_unicode_pair *pairs = all_pairs + form->pair_at;
    for (size_t i = 0; i < form->pair_count && pairs[i].second <= second; i++) {
        if (pairs[i].second == second)
            return pairs[i].composed;
    }
    return 0;
}

static uint8_t grapheme_of(uint32_t c)
{
    size_t block = grapheme_block_of[c / FT_UNICODE_BLOCK];

    return grapheme_blocks[block * FT_UNICODE_BLOCK + c % FT_UNICODE_BLOCK];
}

// What the rules remember of the cluster so far.
typedef struct cluster {
    unsigned before;                                         // Class of the last character.
    enum { NO_PICTURE, PICTURE, PICTURE_JOINER } picture;    // GB11
    enum { NO_CONJUNCT, CONSONANT, CONSONANT_LINKER } incb;  // GB9c
    bool odd_regional;                                       // GB12
} cluster;

static void cluster_take(cluster *so_far, uint8_t grapheme)
{
    unsigned class = grapheme & FT_GRAPHEME_CLASS;

    if (class == FT_GRAPHEME_PICTOGRAPHIC)
        so_far->picture = PICTURE;
    else if (class == FT_GRAPHEME_ZWJ && so_far->picture == PICTURE)
        so_far->picture = PICTURE_JOINER;
    else if (class != FT_GRAPHEME_EXTEND || so_far->picture != PICTURE)
        so_far->picture = NO_PICTURE;
    if (class == FT_GRAPHEME_INCB_CONSONANT)
        so_far->incb = CONSONANT;
    else if ((grapheme & FT_GRAPHEME_LINKER) && so_far->incb != NO_CONJUNCT)
        so_far->incb = CONSONANT_LINKER;
    else if (!(grapheme & (FT_GRAPHEME_INCB_EXTEND | FT_GRAPHEME_LINKER)))
        so_far->incb = NO_CONJUNCT;
    so_far->odd_regional = class == FT_GRAPHEME_REGIONAL && !so_far->odd_regional;
    so_far->before = class;
}

// Annex 29, rules GB3 to GB999, for what follows inside of a cluster.
static bool joins(const cluster *so_far, unsigned after)
{
    unsigned before = so_far->before;

    if (before == FT_GRAPHEME_CR || before == FT_GRAPHEME_LF || before == FT_GRAPHEME_CONTROL)
        return before == FT_GRAPHEME_CR && after == FT_GRAPHEME_LF;
    switch (after) {
    case FT_GRAPHEME_CR:
    case FT_GRAPHEME_LF:
    case FT_GRAPHEME_CONTROL:
        return false;
    case FT_GRAPHEME_EXTEND:
    case FT_GRAPHEME_ZWJ:
    case FT_GRAPHEME_SPACING_MARK:
        return true;
    default:
        break;
    }
    if (before == FT_GRAPHEME_PREPEND)
        return true;
    switch (after) {
    case FT_GRAPHEME_L:
    case FT_GRAPHEME_LV:
    case FT_GRAPHEME_LVT:
        return before == FT_GRAPHEME_L;
    case FT_GRAPHEME_V:
        return before == FT_GRAPHEME_L || before == FT_GRAPHEME_LV || before == FT_GRAPHEME_V;
    case FT_GRAPHEME_T:
        return before >= FT_GRAPHEME_V && before <= FT_GRAPHEME_LVT;
    case FT_GRAPHEME_INCB_CONSONANT:
        return so_far->incb == CONSONANT_LINKER;
    case FT_GRAPHEME_PICTOGRAPHIC:
        return so_far->picture == PICTURE_JOINER;
    case FT_GRAPHEME_REGIONAL:
        return so_far->odd_regional;
    default:
        return false;
    }
}

size_t ft_unicode_cluster_end(const uint8_t *text, size_t size, size_t at)
{
    cluster so_far = {.before = FT_GRAPHEME_OTHER};

    cluster_take(&so_far, grapheme_of(ft_unicode_next(text, &at)));
    while (at < size) {
        size_t next = at;
        uint8_t grapheme = grapheme_of(ft_unicode_next(text, &next));
        if (!joins(&so_far, grapheme & FT_GRAPHEME_CLASS))
            break;
        cluster_take(&so_far, grapheme);
        at = next;
    }
    return at;
}
