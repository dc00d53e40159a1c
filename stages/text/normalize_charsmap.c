// What a charsmap does to a text, in two ways: the reference's for a tokenizer.json, grapheme
// cluster by grapheme cluster, and SentencePiece's own, the longest rule at each place.
#include "stages/text/charsmap.h"
#include "stages/text/normalize_steps.h"

enum { CLUSTER_BYTES = 6 };  // Shorter clusters are looked up as a whole.

typedef struct clusters {
    ft_rewrite rewrite;
    size_t read_at;   // Up to where the text has been looked at.
    size_t kept_at;   // From where on nothing is written yet: it stays as it is.
    bool has_last;    // Something has been written ...
    bool last_added;  // ... its last character as one more.
    ft_error *err;
} clusters;

// Writes what stays as it is, up to `to`.
static bool put_kept(clusters *state, size_t to)
{
    ft_rewrite *rewrite = &state->rewrite;
    ft_aligned *in = rewrite->in;
    size_t at = state->kept_at;

    if (at == to)
        return true;
    if (!ft_rewrite_room(rewrite, to - at, state->err))
        return false;
    state->has_last = true;
    state->last_added = false;
    if (!in->has_spans || rewrite->at == at) {
        rewrite->at = at;
        ft_rewrite_keep(rewrite, to);
        return true;
    }
    // What was dropped at the very start put the spans behind the text for good.
    while (at < to)
        ft_rewrite_put(rewrite, ft_unicode_next(in->bytes, &at), FT_CHANGE_REPLACES);
    return true;
}

// The last character written stands for `count` more. With none written yet the reference forgets
// them: its spans lag from here on.
static void extend_last(clusters *state, size_t count)
{
    ft_aligned *out = state->rewrite.out;
    size_t at = out->size;

    if (!state->has_last)
        return;
    if (!state->last_added) {
        ft_rewrite_drop(&state->rewrite, count);
        return;
    }
    // Its change was 1: it now stands for the next character of the old text and those behind.
    ft_span span = ft_rewrite_span(&state->rewrite, 1 - (int64_t)count);
    ft_unicode_previous(out->bytes, &at);
    ft_origins_cut(&out->origins, at);
    ft_origins_put(&out->origins, at, out->size - at, span);
    state->last_added = false;
}

// The part [from, to) becomes `becomes`.
static bool put_rule(clusters *state, size_t from, size_t to, ft_slice becomes)
{
    ft_rewrite *rewrite = &state->rewrite;
    ft_aligned *in = rewrite->in;

    if (!put_kept(state, from) || !ft_rewrite_room(rewrite, becomes.size, state->err))
        return false;
    state->kept_at = to;
    if (!in->has_spans) {
        ft_aligned_put(rewrite->out, (const uint8_t *)becomes.data, becomes.size, (ft_span){0});
        return true;
    }
    size_t old_count = ft_utf8_count((ft_slice){(const char *)in->bytes + from, to - from});
    size_t at = 0, number = 0;
    while (at < becomes.size) {
        uint32_t c = ft_unicode_next((const uint8_t *)becomes.data, &at);
        state->last_added = number++ >= old_count;
        state->has_last = true;
        ft_rewrite_put(rewrite, c, state->last_added ? FT_CHANGE_ADDS : FT_CHANGE_REPLACES);
    }
    if (number < old_count)
        extend_last(state, old_count - number);
    return true;
}

// One cluster, as a whole if it is short and a rule begins in it, else character by character.
static bool put_cluster(clusters *state, const ft_charsmap *map, size_t from, size_t to)
{
    const uint8_t *bytes = state->rewrite.in->bytes;
    size_t next = from;
    ft_slice becomes;

    if (to - from < CLUSTER_BYTES && ft_charsmap_shortest(map, bytes + from, to - from, &becomes))
        return put_rule(state, from, to, becomes);
    ft_unicode_next(bytes, &next);
    if (next == to)
        return true;  // A single character, which has been looked up.
    for (; from < to; from = next) {
        next = from;
        ft_unicode_next(bytes, &next);
        if (ft_charsmap_shortest(map, bytes + from, next - from, &becomes) &&
            !put_rule(state, from, next, becomes))
            return false;
    }
    return true;
}

bool ft_normalize_precompiled(const ft_charsmap *map, ft_aligned *text, ft_aligned *spare,
                              ft_error *err)
{
    const uint8_t *bytes = text->bytes;
    size_t size = text->size, at = 0;
    clusters state = {.err = err};

    ft_rewrite_begin(&state.rewrite, text, spare);
    for (;;) {
        size_t run = at;
        while (at < size && bytes[at] < 0x80 && map->is_plain[bytes[at]])
            at++;
        if (at == size)
            break;
        // The last one may belong to a cluster with what follows.
        if (bytes[at] >= 0x80 && at > run)
            at--;
        size_t end = ft_unicode_cluster_end(bytes, size, at);
        if (!put_cluster(&state, map, at, end))
            return false;
        at = end;
    }
    if (state.kept_at == 0)
        return true;
    if (!put_kept(&state, size))
        return false;
    ft_aligned_swap(text, spare);
    return true;
}

typedef struct pieces {
    const ft_normalize_step *step;
    const ft_aligned *in;
    ft_aligned *out;
    bool after_space;  // White space is not wanted here.
    size_t end;        // Of the old text: where what was put last ends so far.
    ft_error *err;
} pieces;

static const ft_slice escaped_space = {"\xe2\x96\x81", 3};

// What the text at `at` becomes; returns how many bytes of it.
static size_t next_prefix(const pieces *state, size_t at, ft_slice *out)
{
    const ft_trie *user_defined = state->step->sentencepiece.user_defined;
    const ft_charsmap *map = state->step->sentencepiece.charsmap;
    const uint8_t *text = state->in->bytes + at;
    size_t size = state->in->size - at, length = 0;

    if (user_defined && ft_trie_longest(user_defined, text, size, &length) != FT_TRIE_NONE) {
        *out = (ft_slice){(const char *)text, length};
        return length;
    }
    if (map)
        length = ft_charsmap_longest(map, text, size, out);
    if (length > 0)
        return length;
    ft_unicode_next(text, &length);
    *out = (ft_slice){(const char *)text, length};
    return length;
}

// SentencePiece knows where each byte begins; where it ends is where the next one begins. So what
// was put last ends at `end` of the old text.
static void close_last(pieces *state, size_t end)
{
    ft_aligned *out = state->out;
    ft_origins *origins = &out->origins;
    const uint32_t base = state->in->start;

    if (!out->has_spans || out->size == 0 || state->end == end || origins->count == 0)
        return;
    ft_origins_cut(origins, out->size);
    ft_change *last = origins->changes + origins->count - 1;
    if (last->at + last->size == out->size) {
        last->span.end = base + (uint32_t)end;
        return;
    }
    size_t at = out->size;
    ft_unicode_previous(out->bytes, &at);
    uint32_t start = ft_origins_start(origins, at);
    ft_origins_cut(origins, at);
    ft_origins_put(origins, at, out->size - at, (ft_span){start, base + (uint32_t)end});
}

// What the `length` bytes at `at` of the old text become.
static bool put_text(pieces *state, ft_slice text, size_t at, size_t length)
{
    ft_aligned *out = state->out;
    const uint32_t base = state->in->start;
    bool escapes = state->step->sentencepiece.escape_whitespaces;
    // A space may become three bytes.
    size_t room = out->size + escaped_space.size * text.size, before = out->size;

    if (room > out->capacity && !ft_aligned_reserve(out, room, state->err))
        return false;
    close_last(state, at);
    for (size_t i = 0; i < text.size; i++) {
        bool is_space = escapes && text.data[i] == ' ';
        size_t size = is_space ? escaped_space.size : 1;
        memcpy(out->bytes + out->size, is_space ? escaped_space.data : text.data + i, size);
        out->size += size;
    }
    state->end = at + length;
    if (!out->has_spans)
        return true;
    // Most characters stand for themselves. A piece of the user's is one even of many characters.
    size_t width = 0;
    if (text.data == (const char *)state->in->bytes + at)
        ft_unicode_next(state->in->bytes + at, &width);
    if (text.size == width && length == width && out->size - before == width)
        ft_origins_keep(&out->origins, before, base + at);
    else
        ft_origins_put(&out->origins, before, out->size - before,
                       (ft_span){base + (uint32_t)at, base + (uint32_t)(at + length)});
    return true;
}

// The `size` bytes that are put at `to` stand for those at `at` of the old text.
static inline void keep_plain(pieces *state, const uint8_t *to, size_t at, size_t size)
{
    ft_aligned *out = state->out;

    if (FT_UNLIKELY(state->end != at) || out->size == 0) {
        out->size = (size_t)(to - out->bytes);
        close_last(state, at);
        ft_origins_keep(&out->origins, out->size, state->in->start + at);
    }
    state->end = at + size;
}

// The sign that is put at `to` stands for the space at `at`.
static inline void put_sign(pieces *state, const uint8_t *to, size_t at)
{
    ft_aligned *out = state->out;
    uint32_t start = state->in->start + (uint32_t)at;

    out->size = (size_t)(to - out->bytes);
    close_last(state, at);
    ft_origins_put(&out->origins, out->size, escaped_space.size, (ft_span){start, start + 1});
    state->end = at + 1;
}

// Puts ASCII that stands for itself, spaces by the flags, as far as there is any; returns where it
// ends. Most of a text goes through here. What is read is in variables of its own, since a byte
// that is written may be anything's for the compiler.
static size_t put_plain(pieces *state, size_t at)
{
    const ft_normalize_step *step = state->step;
    const uint8_t *bytes = state->in->bytes;
    const bool *plain =
        step->sentencepiece.charsmap ? step->sentencepiece.charsmap->is_plain : NULL;
    const ft_trie *user_defined = step->sentencepiece.user_defined;
    const bool by_words = !user_defined && (!plain || step->sentencepiece.charsmap->keeps_letters);
    const bool removes = step->sentencepiece.remove_extra_whitespaces;
    const bool escapes = step->sentencepiece.escape_whitespaces;
    const size_t size = state->in->size;
    uint8_t *to = state->out->bytes + state->out->size;
    ft_origins *origins = state->out->has_spans ? &state->out->origins : NULL;
    bool after_space = state->after_space;

    for (; at < size; at++) {
        uint64_t word;
        while (by_words && at + sizeof(word) < size) {
            memcpy(&word, bytes + at, sizeof(word));
            size_t letters = ft_ascii_count_printed(word);
            letters -= letters > 0 && bytes[at + letters] >= 0x80;
            if (letters == 0)
                break;
            memcpy(to, &word, sizeof(word));
            if (origins)
                keep_plain(state, to, at, letters);
            to += letters;
            at += letters;
            after_space = false;
        }
        uint8_t byte = bytes[at];
        size_t count = 1;
        // What is not ASCII may belong to a rule with what is before it.
        if (byte >= 0x80 || (at + 1 < size && bytes[at + 1] >= 0x80) || (plain && !plain[byte]) ||
            (user_defined && ft_trie_step(user_defined, FT_TRIE_ROOT, byte) != FT_TRIE_NONE))
            break;
        if (byte != ' ') {
            if (origins)
                keep_plain(state, to, at, 1);
            *to = byte;
            after_space = false;
        } else if (after_space) {
            continue;
        } else {
            after_space = removes;
            count = escapes ? escaped_space.size : 1;
            if (origins && !escapes)
                keep_plain(state, to, at, 1);
            else if (origins)
                put_sign(state, to, at);
            memcpy(to, escapes ? "\xe2\x96\x81" : "   ", escaped_space.size);
        }
        to += count;
    }
    state->out->size = (size_t)(to - state->out->bytes);
    state->after_space = after_space;
    return at;
}

static bool put_pieces(pieces *state, size_t at)
{
    bool removes = state->step->sentencepiece.remove_extra_whitespaces;
    ft_slice becomes;

    state->after_space = removes;
    for (;;) {
        size_t room = state->out->size + escaped_space.size * (state->in->size - at);
        if (room > state->out->capacity && !ft_aligned_reserve(state->out, room, state->err))
            return false;
        at = put_plain(state, at);
        if (at == state->in->size)
            return true;
        size_t length = next_prefix(state, at, &becomes);
        while (state->after_space && becomes.size > 0 && becomes.data[0] == ' ') {
            becomes.data++;
            becomes.size--;
        }
        if (becomes.size > 0) {
            if (!put_text(state, becomes, at, length))
                return false;
            state->after_space = removes && becomes.data[becomes.size - 1] == ' ';
        }
        at += length;
    }
}

bool ft_normalize_sentencepiece(const ft_normalize_step *step, ft_aligned *text, ft_aligned *spare,
                                ft_error *err)
{
    pieces state = {.step = step, .in = text, .out = spare, .end = SIZE_MAX, .err = err};
    bool removes = step->sentencepiece.remove_extra_whitespaces;
    bool dummy = step->sentencepiece.add_dummy_prefix;
    bool as_suffix = step->sentencepiece.treat_whitespace_as_suffix;
    ft_slice space = step->sentencepiece.escape_whitespaces ? escaped_space : FT_SLICE(" ");
    size_t at = 0;
    ft_slice becomes;

    while (removes && at < text->size) {
        size_t length = next_prefix(&state, at, &becomes);
        if (!ft_slice_is(becomes, " "))
            break;
        at += length;
    }
    // It is the first step, so that the old text is the given one.
    FT_ASSERT(text->origins.count <= 1);
    ft_aligned_empty(spare, text);
    if (at == text->size) {
        text->size = 0;
        return true;
    }
    if (!ft_aligned_reserve(spare, text->size + escaped_space.size, err))
        return false;
    if (dummy && !as_suffix && !put_text(&state, FT_SLICE(" "), at, 0))
        return false;
    if (!put_pieces(&state, at))
        return false;
    size_t end = text->size;
    while (removes &&
           ft_slice_ends_with((ft_slice){(const char *)spare->bytes, spare->size}, space)) {
        spare->size -= space.size;
        if (spare->has_spans) {
            end = ft_origins_start(&spare->origins, spare->size) - text->start;
            ft_origins_cut(&spare->origins, spare->size);
        }
        state.end = SIZE_MAX;
    }
    if (dummy && as_suffix && !put_text(&state, FT_SLICE(" "), end, 0))
        return false;
    close_last(&state, end);
    spare->origins.ends_at_last = true;
    ft_aligned_swap(text, spare);
    return true;
}
