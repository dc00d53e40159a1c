// A step either cuts words, which changes the list of ranges only, or rewrites the text, word by
// word, into the spare one.
#include "stages/text/pretokenize.h"

#include "stages/text/byte_level.h"
#include "stages/text/category.h"
#include "stages/text/pattern.h"
#include "stages/text/word_grammar.h"

enum { WORDS_MIN = 64, ENDS = 512 };

bool ft_words_add(ft_words *words, ft_word_range range, ft_error *err)
{
    size_t capacity = words->buffer ? words->buffer->size_bytes / sizeof(range) : 0;

    if (words->count >= capacity) {
        size_t bytes = (capacity < WORDS_MIN ? WORDS_MIN : 2 * capacity) * sizeof(range);
        if (!words->buffer) {
            words->buffer = ft_buffer_create(words->text.account, bytes, err);
            if (!words->buffer)
                return false;
        } else if (!ft_buffer_resize(words->buffer, bytes, err)) {
            return false;
        }
    }
    ft_words_data(words)[words->count++] = range;
    return true;
}

void ft_words_finish(ft_words *words)
{
    ft_aligned_finish(&words->text);
    ft_buffer_unref(words->buffer);
    words->buffer = NULL;
    words->count = 0;
}

// A word being cut: pieces of it, matches and what is between them, go in in order; words come out
// as the behaviour says.
typedef struct cutting {
    const ft_aligned *text;
    ft_words *out;
    ft_word_range word;
    ft_split_behavior behavior;
    bool invert;
    bool holds, was_match;
    size_t from, to;  // Held back until it is known what joins it.
    ft_error *err;
} cutting;

static bool add_part(cutting *cut, size_t from, size_t to)
{
    ft_word_range part = {(uint32_t)from, (uint32_t)to, -1};

    return from == to || ft_words_add(cut->out, part, cut->err);
}

static bool flush(cutting *cut)
{
    bool held = cut->holds;

    cut->holds = false;
    return !held || add_part(cut, cut->from, cut->to);
}

// Does the piece join what is held?
static bool joins(const cutting *cut, bool is_match)
{
    switch (cut->behavior) {
    case FT_SPLIT_CONTIGUOUS:
        return is_match == cut->was_match;
    case FT_SPLIT_MERGED_WITH_PREVIOUS:
        return is_match && !cut->was_match;
    case FT_SPLIT_MERGED_WITH_NEXT:
        return !is_match && cut->was_match;
    case FT_SPLIT_REMOVED:
    case FT_SPLIT_ISOLATED:
        break;
    }
    return false;
}

static bool put_piece(cutting *cut, size_t from, size_t to, bool is_match)
{
    is_match = is_match != cut->invert;
    if (cut->behavior == FT_SPLIT_ISOLATED)
        return add_part(cut, from, to);
    if (cut->behavior == FT_SPLIT_REMOVED)
        return is_match || add_part(cut, from, to);
    if (cut->holds && joins(cut, is_match)) {
        cut->to = to;
    } else {
        if (!flush(cut))
            return false;
        cut->holds = true;
        cut->from = from;
        cut->to = to;
    }
    cut->was_match = is_match;
    return true;
}

typedef enum char_kind { CHAR_WHITE, CHAR_PUNCTUATION, CHAR_NUMBER, CHAR_IS } char_kind;

static bool is_kind(uint32_t c, char_kind kind, uint32_t wanted)
{
    switch (kind) {
    case CHAR_WHITE:
        return ft_unicode_get(c)->flags & FT_UNICODE_WHITE;
    case CHAR_PUNCTUATION:
        return ft_unicode_get(c)->flags & FT_UNICODE_PUNCTUATION;
    case CHAR_NUMBER:
        return ft_category_bit(c) & FT_SET_ANY_NUMBER;
    case CHAR_IS:
        break;
    }
    return c == wanted;
}

// At each character of a kind, which is a match of its own.
static bool cut_chars(cutting *cut, char_kind kind, uint32_t wanted)
{
    size_t end = cut->word.to, from = cut->word.from, at = from;

    while (at < end) {
        size_t start = at;
        uint32_t c = ft_unicode_next(cut->text->bytes, &at);
        if (!is_kind(c, kind, wanted))
            continue;
        if (from < start && !put_piece(cut, from, start, false))
            return false;
        if (!put_piece(cut, start, at, true))
            return false;
        from = at;
    }
    return (from == end || put_piece(cut, from, end, false)) && flush(cut);
}

static bool cut_grammar(cutting *cut, const ft_grammar *grammar)
{
    uint32_t ends[ENDS];
    ft_slice text = {(const char *)cut->text->bytes + cut->word.from,
                     cut->word.to - cut->word.from};
    size_t from = 0, count;

    while ((count = ft_grammar_cut(grammar, text, from, ends, ENDS)) > 0) {
        for (size_t i = 0; i < count; i++) {
            if (!add_part(cut, cut->word.from + from, cut->word.from + ends[i]))
                return false;
            from = ends[i];
        }
    }
    return true;
}

static bool cut_pattern(cutting *cut, const ft_pattern *pattern)
{
    const ft_grammar *grammar = ft_pattern_grammar(pattern);
    size_t base = cut->word.from;
    ft_slice text = {(const char *)cut->text->bytes + base, cut->word.to - base};
    ft_matches matches = {0};
    size_t before = 0, start, end;
    bool found;

    if (grammar && !grammar->skips &&
        (cut->behavior == FT_SPLIT_ISOLATED || (cut->behavior == FT_SPLIT_REMOVED && cut->invert)))
        return cut_grammar(cut, grammar);
    for (;;) {
        if (!ft_pattern_step(pattern, text, &matches, &found, &start, &end, cut->err))
            return false;
        if (!found)
            break;
        if (before != start && !put_piece(cut, base + before, base + start, false))
            return false;
        if (!put_piece(cut, base + start, base + end, true))
            return false;
        before = end;
    }
    return (before == text.size || put_piece(cut, base + before, base + text.size, false)) &&
           flush(cut);
}

// \w+|[^\w\s]+
static bool cut_whitespace(cutting *cut)
{
    enum { NOTHING, WORD, SIGN } kind = NOTHING;
    size_t end = cut->word.to, from = cut->word.from, at = from;

    while (at < end) {
        size_t start = at;
        unsigned flags = ft_unicode_get(ft_unicode_next(cut->text->bytes, &at))->flags;
        int now = flags & FT_UNICODE_WORD ? WORD : flags & FT_UNICODE_WHITE ? NOTHING : SIGN;
        if (now == (int)kind)
            continue;
        if (kind != NOTHING && !add_part(cut, from, start))
            return false;
        kind = now == WORD ? WORD : now == SIGN ? SIGN : NOTHING;
        from = start;
    }
    return kind == NOTHING || add_part(cut, from, end);
}

// What has no script goes with what is before, and is lost where nothing is.
static bool cut_scripts(cutting *cut)
{
    size_t end = cut->word.to, at = cut->word.from, from = end;
    unsigned last = 0;

    while (at < end) {
        size_t start = at;
        unsigned script = ft_script_get(ft_unicode_next(cut->text->bytes, &at));
        if (script == 0 || script == last)
            continue;
        if (from < end && !add_part(cut, from, start))
            return false;
        from = start;
        last = script;
    }
    return from == end || add_part(cut, from, end);
}

static bool cut_length(cutting *cut, size_t length)
{
    size_t end = cut->word.to, at = cut->word.from;

    if (length == 0)
        return ft_fail(cut->err, FT_ERROR_DATA, "words of 0 characters (FixedLength)");
    while (at < end) {
        size_t from = at;
        for (size_t i = 0; i < length && at < end; i++)
            ft_unicode_next(cut->text->bytes, &at);
        if (!add_part(cut, from, at))
            return false;
    }
    return true;
}

static bool cut_word(cutting *cut, const ft_pre_step *step)
{
    switch (step->kind) {
    case FT_PRE_CHAR_DELIMITER:
        cut->behavior = FT_SPLIT_REMOVED;
        return cut_chars(cut, CHAR_IS, step->delimiter);
    case FT_PRE_WHITESPACE:
        return cut_whitespace(cut);
    case FT_PRE_BERT:  // The first half.
    case FT_PRE_WHITESPACE_SPLIT:
        cut->behavior = FT_SPLIT_REMOVED;
        return cut_chars(cut, CHAR_WHITE, 0);
    case FT_PRE_SPLIT:
        cut->behavior = step->split.behavior;
        cut->invert = step->split.invert;
        return cut_pattern(cut, step->split.pattern);
    case FT_PRE_PUNCTUATION:
        cut->behavior = step->punctuation;
        return cut_chars(cut, CHAR_PUNCTUATION, 0);
    case FT_PRE_DIGITS:
        cut->behavior = step->individual_digits ? FT_SPLIT_ISOLATED : FT_SPLIT_CONTIGUOUS;
        return cut_chars(cut, CHAR_NUMBER, 0);
    case FT_PRE_UNICODE_SCRIPTS:
        return cut_scripts(cut);
    case FT_PRE_FIXED_LENGTH:
        return cut_length(cut, step->length);
    case FT_PRE_METASPACE:
        cut->behavior = FT_SPLIT_MERGED_WITH_NEXT;
        return cut_chars(cut, CHAR_IS, ft_utf8_next(step->metaspace.replacement, &(size_t){0}));
    case FT_PRE_BYTE_LEVEL:
        break;
    }
    return cut_grammar(cut, ft_grammar_named("gpt2"));
}

static bool cut_words(const ft_pre_step *step, ft_words *words, ft_words *spare, ft_error *err)
{
    const ft_word_range *ranges = ft_words_data(words);

    spare->count = 0;
    for (size_t i = 0; i < words->count; i++) {
        cutting cut = {.text = &words->text, .out = spare, .word = ranges[i], .err = err};
        if (!(ranges[i].id >= 0 ? ft_words_add(spare, ranges[i], err) : cut_word(&cut, step)))
            return false;
    }
    ft_buffer *old = words->buffer;
    words->buffer = spare->buffer;
    words->count = spare->count;
    spare->buffer = old;
    return true;
}

// What a rewriting does: each byte that is a space becomes `content`, or every byte its letter, or
// nothing changes; `prefix` comes in front of words that do not begin with it.
typedef struct rewriting {
    ft_slice content, prefix;
    bool letters, first_only;
} rewriting;

static void rewrite_word(const rewriting *rules, ft_aligned *in, ft_word_range word,
                         ft_aligned *out)
{
    size_t kept = word.from;

    for (size_t at = word.from; at < word.to; at++) {
        if (rules->letters) {
            ft_aligned_put_letter(out, in, at);
        } else if (in->bytes[at] == ' ' && rules->content.data) {
            ft_aligned_copy(out, in, kept, at);
            ft_aligned_put(out, (const uint8_t *)rules->content.data, rules->content.size,
                           in->has_spans ? ft_aligned_span(in, at) : (ft_span){0});
            kept = at + 1;
        }
    }
    if (!rules->letters)
        ft_aligned_copy(out, in, kept, word.to);
}

static bool needs_prefix(const rewriting *rules, ft_aligned *in, ft_word_range word)
{
    ft_slice text = {(const char *)in->bytes + word.from, word.to - word.from};

    if (rules->prefix.size == 0 || text.size == 0)
        return false;
    size_t begins = in->has_spans ? ft_aligned_span(in, word.from).start : in->start + word.from;
    if (rules->first_only && begins != 0)
        return false;
    // A space in front becomes the prefix.
    return !ft_slice_starts_with(text, rules->prefix) &&
           !(rules->content.data && ft_slice_starts_with(text, FT_SLICE(" ")));
}

static bool rewrite_words(const rewriting *rules, ft_words *words, ft_words *spare, ft_error *err)
{
    const ft_word_range *ranges = ft_words_data(words);
    ft_aligned *in = &words->text, *out = &spare->text;
    size_t longest = rules->letters ? 2 : rules->content.size > 1 ? rules->content.size : 1;

    ft_aligned_empty(out, in);
    spare->count = 0;
    for (size_t i = 0; i < words->count; i++) {
        ft_word_range word = ranges[i];
        size_t most = (word.to - word.from) * (word.id < 0 ? longest : 1) + rules->prefix.size;
        if (!ft_aligned_reserve(out, out->size + most, err))
            return false;
        size_t from = out->size;
        if (word.id >= 0) {
            rewrite_word(&(rewriting){0}, in, word, out);
        } else {
            if (needs_prefix(rules, in, word))
                ft_aligned_put(out, (const uint8_t *)rules->prefix.data, rules->prefix.size,
                               in->has_spans ? ft_aligned_span(in, word.from) : (ft_span){0});
            rewrite_word(rules, in, word, out);
        }
        word.from = (uint32_t)from;
        word.to = (uint32_t)out->size;
        if (!ft_words_add(spare, word, err))
            return false;
    }
    ft_words old = *words;
    *words = *spare;
    *spare = old;
    return true;
}

static bool run_metaspace(const ft_pre_step *step, ft_words *words, ft_words *spare, ft_error *err)
{
    rewriting rules = {.content = step->metaspace.replacement,
                       .first_only = step->metaspace.scheme == FT_PREPEND_FIRST};

    if (step->metaspace.scheme != FT_PREPEND_NEVER)
        rules.prefix = step->metaspace.replacement;
    return rewrite_words(&rules, words, spare, err) &&
           (!step->metaspace.split || cut_words(step, words, spare, err));
}

static bool run_byte_level(const ft_pre_step *step, ft_words *words, ft_words *spare, ft_error *err)
{
    rewriting space = {.prefix = FT_SLICE(" ")};

    if (step->byte_level.add_prefix_space && !rewrite_words(&space, words, spare, err))
        return false;
    if (step->byte_level.use_regex && !cut_words(step, words, spare, err))
        return false;
    return rewrite_words(&(rewriting){.letters = true}, words, spare, err);
}

bool ft_pretokenize(const ft_pre_step *steps, size_t count, ft_words *words, ft_words *spare,
                    ft_error *err)
{
    const ft_pre_step signs = {.kind = FT_PRE_PUNCTUATION, .punctuation = FT_SPLIT_ISOLATED};

    for (size_t i = 0; i < count; i++) {
        bool ok;
        if (steps[i].kind == FT_PRE_METASPACE)
            ok = run_metaspace(&steps[i], words, spare, err);
        else if (steps[i].kind == FT_PRE_BYTE_LEVEL)
            ok = run_byte_level(&steps[i], words, spare, err);
        else
            ok = cut_words(&steps[i], words, spare, err);
        if (ok && steps[i].kind == FT_PRE_BERT)
            ok = cut_words(&signs, words, spare, err);
        if (!ok)
            return false;
    }
    return ft_origins_check(&words->text.origins, err);
}
