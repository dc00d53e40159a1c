// The steps that take a text character by character, and the order of all of them.
//
// Each looks first for where it has something to do: most texts go through most steps untouched.
#include "stages/text/normalize.h"

#include "stages/text/byte_level.h"
#include "stages/text/normalize_steps.h"
#include "stages/text/pattern.h"

enum { DROPPED = UINT32_MAX, SPACE_LIKE_FIRST = 0x200b, SPACE_LIKE_LAST = 0x200f };

// What the reference's clean_text makes of a character.
static inline uint32_t clean(uint32_t c)
{
    unsigned flags = ft_unicode_get(c)->flags;

    return flags & FT_UNICODE_CONTROL ? DROPPED : flags & FT_UNICODE_WHITE ? ' ' : c;
}

static inline uint32_t nmt(uint32_t c)
{
    switch (c) {
    case '\t':
    case '\n':
    case '\f':
    case '\r':
    case 0x1680:
    case 0x2028:
    case 0x2029:
    case 0x2581:
    case 0xfeff:
    case 0xfffd:
        return ' ';
    case 0x7f:
    case 0x8f:
    case 0x9f:
        return DROPPED;
    default:
        if (c >= SPACE_LIKE_FIRST && c <= SPACE_LIKE_LAST)
            return ' ';
        return c > 0 && c < 0x20 ? DROPPED : c;
    }
}

static inline uint32_t drop_marks(uint32_t c)
{
    return ft_unicode_in(FT_UNICODE_MARKS, c) ? DROPPED : c;
}

// BERT's marks are those of category Mn, of Unicode 8.
static inline uint32_t drop_accents(uint32_t c)
{
    return ft_unicode_get(c)->flags & FT_UNICODE_MARK ? DROPPED : c;
}

// The eight bytes are printable ASCII, which no filter touches.
static inline bool is_printable(const uint8_t *bytes)
{
    static const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t word;

    memcpy(&word, bytes, sizeof(word));
    return !((word | (word - ones * 0x20) | (word + ones)) & (ones * 0x80));
}

// Drops characters and makes others spaces, in place: the rest keeps its spans. What the new spans
// are is written beside, in `spare`. Inline for each `becomes`.
FT_ALWAYS_INLINE void filter(ft_aligned *text, ft_aligned *spare, uint32_t (*becomes)(uint32_t))
{
    ft_origins *now = text->has_spans ? &spare->origins : NULL;
    uint8_t *bytes = text->bytes;
    size_t out = 0;

    ft_aligned_empty(spare, text);

    for (size_t at = 0; at < text->size;) {
        size_t start = at, width = sizeof(uint64_t);
        if (at + width <= text->size && is_printable(bytes + at)) {
            at += width;
        } else {
            uint32_t c = ft_unicode_next(bytes, &at), new = becomes(c);
            width = at - start;
            if (new == DROPPED)
                continue;
            if (new != c) {
                if (now && width > 1)
                    ft_origins_put(now, out, 1, ft_aligned_span(text, start));
                else if (now)
                    ft_origins_copy(now, out, &text->origins, start, at);
                bytes[out++] = (uint8_t)new;
                continue;
            }
        }
        if (now)
            ft_origins_copy(now, out, &text->origins, start, start + width);
        if (out != start)
            memmove(bytes + out, bytes + start, width);
        out += width;
    }
    text->size = out;
    if (now) {
        ft_origins old = text->origins;
        text->origins = *now;
        *now = old;
    }
}

static bool pad_chinese(ft_aligned *text, ft_aligned *spare, ft_error *err)
{
    enum { PADDED_BYTES = 6 };
    ft_rewrite rewrite;
    size_t at = 0, kept = 0;

    ft_rewrite_begin(&rewrite, text, spare);
    while (at < text->size) {
        size_t start = at;
        uint32_t c = ft_unicode_next(text->bytes, &at);
        if (c < 0x80 || !(ft_unicode_get(c)->flags & FT_UNICODE_CJK))
            continue;
        if (!ft_rewrite_room(&rewrite, start - kept + PADDED_BYTES, err))
            return false;
        rewrite.at = kept;
        ft_rewrite_keep(&rewrite, start);
        ft_rewrite_put(&rewrite, ' ', FT_CHANGE_REPLACES);
        ft_rewrite_put(&rewrite, c, FT_CHANGE_ADDS);
        ft_rewrite_put(&rewrite, ' ', FT_CHANGE_ADDS);
        kept = at;
    }
    if (kept == 0)
        return true;
    if (!ft_rewrite_room(&rewrite, text->size - kept, err))
        return false;
    rewrite.at = kept;
    ft_rewrite_keep(&rewrite, text->size);
    ft_aligned_swap(text, spare);
    return true;
}

// Lowers ASCII in place; returns where the first other character begins that changes.
static size_t lower_ascii(ft_aligned *text)
{
    uint8_t *bytes = text->bytes;
    size_t at = 0;

    while (at < text->size) {
        uint8_t byte = bytes[at];
        if (byte < 0x80) {
            bytes[at++] = (uint8_t)(byte + ((byte >= 'A' && byte <= 'Z') ? 'a' - 'A' : 0));
            continue;
        }
        size_t start = at;
        if (ft_unicode_in(FT_UNICODE_CASE, ft_unicode_next(bytes, &at)))
            return start;
    }
    return at;
}

static bool lower(ft_aligned *text, ft_aligned *spare, ft_error *err)
{
    size_t at = lower_ascii(text), grown;
    ft_rewrite rewrite;

    if (at == text->size)
        return true;
    // Two bytes may become three, never one two.
    if (FT_ADD_OVERFLOWS(text->size, text->size / 2 + 2, &grown) ||
        !ft_aligned_reserve(spare, grown, err))
        return false;
    ft_rewrite_begin(&rewrite, text, spare);
    ft_rewrite_keep(&rewrite, at);
    while (at < text->size) {
        uint32_t c = ft_unicode_next(text->bytes, &at);
        const ft_code_point *record = ft_unicode_get(c);
        if (record->flags & FT_UNICODE_LOWERS_TO_MANY) {
            ft_rewrite_put(&rewrite, 'i', FT_CHANGE_REPLACES);
            ft_rewrite_put(&rewrite, 0x0307, FT_CHANGE_ADDS);
        } else {
            ft_rewrite_put(&rewrite, (uint32_t)((int32_t)c + record->lower), FT_CHANGE_REPLACES);
        }
    }
    ft_aligned_swap(text, spare);
    return true;
}

static bool bert(ft_bert_rules rules, ft_aligned *text, ft_aligned *spare, ft_error *err)
{
    if (rules.clean_text)
        filter(text, spare, clean);
    if (rules.handle_chinese_chars && !pad_chinese(text, spare, err))
        return false;
    if (rules.strip_accents) {
        if (!ft_normalize_form(FT_UNICODE_NFD, text, spare, err))
            return false;
        filter(text, spare, drop_accents);
    }
    return !rules.lowercase || lower(text, spare, err);
}

static void strip(bool left, bool right, ft_aligned *text)
{
    size_t from = 0, to = text->size;

    while (left && from < to) {
        size_t next = from;
        if (!(ft_unicode_get(ft_unicode_next(text->bytes, &next))->flags & FT_UNICODE_WHITE))
            break;
        from = next;
    }
    while (right && to > from) {
        size_t before = to;
        if (!(ft_unicode_get(ft_unicode_previous(text->bytes, &before))->flags & FT_UNICODE_WHITE))
            break;
        to = before;
    }
    text->size = to - from;
    ft_origins_cut(&text->origins, to);
    if (from == 0)
        return;
    memmove(text->bytes, text->bytes + from, text->size);
    ft_origins_shift(&text->origins, from);
}

// What is put has the span of the end of what it stands for.
static bool replace(const ft_pattern *pattern, ft_slice content, ft_aligned *text,
                    ft_aligned *spare, ft_error *err)
{
    ft_slice bytes = {(const char *)text->bytes, text->size};
    ft_matches matches = {0};
    ft_rewrite rewrite;
    bool found = text->size > 0, is_changed = false;
    size_t start, end;

    ft_rewrite_begin(&rewrite, text, spare);
    while (found) {
        if (!ft_pattern_step(pattern, bytes, &matches, &found, &start, &end, err))
            return false;
        if (!found)
            break;
        if (!ft_rewrite_room(&rewrite, start - rewrite.at + content.size, err))
            return false;
        ft_rewrite_keep(&rewrite, start);
        rewrite.at = end;
        ft_span origin = {0};
        if (text->has_spans)
            origin = ft_rewrite_span(&rewrite, FT_CHANGE_ADDS);
        ft_aligned_put(spare, (const uint8_t *)content.data, content.size, origin);
        is_changed = true;
    }
    if (!is_changed)
        return true;
    if (!ft_rewrite_room(&rewrite, text->size - rewrite.at, err))
        return false;
    ft_rewrite_keep(&rewrite, text->size);
    ft_aligned_swap(text, spare);
    return true;
}

static bool prepend(ft_slice content, ft_aligned *text, ft_error *err)
{
    size_t size;

    if (text->size == 0)
        return true;
    if (FT_ADD_OVERFLOWS(text->size, content.size, &size))
        size = SIZE_MAX;
    if (!ft_aligned_reserve(text, size, err))
        return false;
    if (text->has_spans && content.size > 0) {
        ft_origins_prepend(&text->origins, content.size, ft_aligned_span(text, 0));
    } else if (text->has_spans) {
        // The first character is what the reference adds then.
        size_t width = 0;
        ft_unicode_next(text->bytes, &width);
        ft_origins_shift(&text->origins, width);
        ft_origins_prepend(&text->origins, width, (ft_span){text->start, text->start});
    }
    memmove(text->bytes + content.size, text->bytes, text->size);
    if (content.size > 0)
        memcpy(text->bytes, content.data, content.size);
    text->size = size;
    return true;
}

// The sign, with the span of what is at the rewriting's place.
static bool put_sign(ft_rewrite *rewrite, ft_slice sign, ft_error *err)
{
    ft_span origin = {0};

    if (!ft_rewrite_room(rewrite, sign.size, err))
        return false;
    if (rewrite->in->has_spans)
        origin = ft_aligned_span(rewrite->in, rewrite->at);
    ft_aligned_put(rewrite->out, (const uint8_t *)sign.data, sign.size, origin);
    return true;
}

static bool keep_until(ft_rewrite *rewrite, size_t end, ft_error *err)
{
    if (!ft_rewrite_room(rewrite, end - rewrite->at, err))
        return false;
    ft_rewrite_keep(rewrite, end);
    return true;
}

static bool begins_with(const ft_aligned *text, size_t at, ft_slice what)
{
    return text->size - at >= what.size && memcmp(text->bytes + at, what.data, what.size) == 0;
}

// Each word, its sign in front, and nothing between them.
static bool join_words(const ft_normalize_step *step, ft_rewrite *rewrite, ft_error *err)
{
    const ft_aligned *in = rewrite->in;
    bool opens = in->start == 0, is_white = false;

    for (size_t at = 0, from = 0; from < in->size;) {
        size_t end = at;
        if (at < in->size)
            is_white = ft_unicode_get(ft_unicode_next(in->bytes, &end))->flags & FT_UNICODE_WHITE;
        if (at < in->size && !is_white) {
            at = end;
            continue;
        }
        // A word, maybe empty, ends at `at`; white space at the start takes its place too.
        bool is_signed = step->metaspace.scheme == FT_PREPEND_ALWAYS ||
                         (step->metaspace.scheme == FT_PREPEND_FIRST && opens);
        rewrite->at = from;
        if (from < at && ((is_signed && !begins_with(in, from, step->metaspace.replacement) &&
                           !put_sign(rewrite, step->metaspace.replacement, err)) ||
                          !keep_until(rewrite, at, err)))
            return false;
        opens = false;
        from = at = end > at ? end : in->size;
    }
    return true;
}

static bool sign_spaces(const ft_normalize_step *step, ft_rewrite *rewrite, ft_error *err)
{
    const ft_slice sign = step->metaspace.replacement;
    const ft_aligned *in = rewrite->in;
    bool is_signed = step->metaspace.scheme == FT_PREPEND_ALWAYS ||
                     (step->metaspace.scheme == FT_PREPEND_FIRST && in->start == 0);
    const uint8_t *space;

    if (is_signed && in->bytes[0] != ' ' && !begins_with(in, 0, sign) &&
        !put_sign(rewrite, sign, err))
        return false;
    while ((space = memchr(in->bytes + rewrite->at, ' ', in->size - rewrite->at)) != NULL) {
        if (!keep_until(rewrite, (size_t)(space - in->bytes), err) || !put_sign(rewrite, sign, err))
            return false;
        rewrite->at++;
    }
    return keep_until(rewrite, in->size, err);
}

static bool metaspace(const ft_normalize_step *step, ft_aligned *text, ft_aligned *spare,
                      ft_error *err)
{
    ft_rewrite rewrite;

    if (text->size == 0)
        return true;
    if (!ft_aligned_reserve(spare, text->size, err))
        return false;
    ft_rewrite_begin(&rewrite, text, spare);
    if (!(step->metaspace.drop_whitespace ? join_words(step, &rewrite, err)
                                          : sign_spaces(step, &rewrite, err)))
        return false;
    ft_aligned_swap(text, spare);
    return true;
}

static bool byte_level(ft_aligned *text, ft_aligned *spare, ft_error *err)
{
    size_t size = text->size;

    if (!ft_aligned_reserve(spare, 2 * size + 1, err))
        return false;
    ft_aligned_empty(spare, text);
    if (text->has_spans) {
        for (size_t i = 0; i < size; i++)
            ft_aligned_put_letter(spare, text, i);
    } else {
        spare->size = ft_byte_letters_put(text->bytes, size, spare->bytes);
    }
    ft_aligned_swap(text, spare);
    return true;
}

static bool run_step(const ft_normalize_step *step, ft_aligned *text, ft_aligned *spare,
                     ft_error *err)
{
    switch (step->kind) {
    case FT_NORMALIZE_BERT:
        return bert(step->bert, text, spare, err);
    case FT_NORMALIZE_STRIP:
        strip(step->strip.left, step->strip.right, text);
        return true;
    case FT_NORMALIZE_STRIP_ACCENTS:
        filter(text, spare, drop_marks);
        return true;
    case FT_NORMALIZE_NFC:
        return ft_normalize_form(FT_UNICODE_NFC, text, spare, err);
    case FT_NORMALIZE_NFD:
        return ft_normalize_form(FT_UNICODE_NFD, text, spare, err);
    case FT_NORMALIZE_NFKC:
        return ft_normalize_form(FT_UNICODE_NFKC, text, spare, err);
    case FT_NORMALIZE_NFKD:
        return ft_normalize_form(FT_UNICODE_NFKD, text, spare, err);
    case FT_NORMALIZE_LOWERCASE:
        return lower(text, spare, err);
    case FT_NORMALIZE_NMT:
        filter(text, spare, nmt);
        return true;
    case FT_NORMALIZE_PRECOMPILED:
        return ft_normalize_precompiled(step->charsmap, text, spare, err);
    case FT_NORMALIZE_REPLACE:
        return replace(step->replace.pattern, step->replace.content, text, spare, err);
    case FT_NORMALIZE_PREPEND:
        return prepend(step->prepend, text, err);
    case FT_NORMALIZE_BYTE_LEVEL:
        return byte_level(text, spare, err);
    case FT_NORMALIZE_METASPACE:
        return metaspace(step, text, spare, err);
    case FT_NORMALIZE_SENTENCEPIECE:
        return ft_normalize_sentencepiece(step, text, spare, err);
    }
    FT_ASSERT(false);
}

bool ft_normalize(const ft_normalize_step *steps, size_t count, ft_aligned *text, ft_aligned *spare,
                  ft_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!run_step(&steps[i], text, spare, err))
            return false;
    }
    return ft_origins_check(&text->origins, err);
}
