// One word after the other. Most are one token, which stands where the word does.
#include "stages/text/placer.h"

#include <string.h>

#include "stages/text/byte_level.h"
#include "stages/text/tokenizer_parts.h"
#include "stages/text/unicode.h"

enum { CACHE_BYTES = 1 << 14 };

void ft_placer_begin(ft_placer *placer, const ft_tokenizer *tokenizer, ft_tokens *out)
{
    placer->tokenizer = tokenizer;
    placer->out = out;
    placer->word = 0;
    placer->is_one_word = false;
    placer->origins = NULL;
    placer->text = NULL;
    placer->start = 0;
}

void ft_placer_finish(ft_placer *placer)
{
    ft_model_scratch_destroy(placer->scratch);
    ft_buffer_unref(placer->found);
    *placer = (ft_placer){.account = placer->account};
}

// ---- white space of tokens ----

static bool is_space(ft_slice text, size_t *at)
{
    uint32_t c = ft_unicode_next((const uint8_t *)text.data, at);

    return c == ft_byte_letter_of(' ') || (ft_unicode_get(c)->flags & FT_UNICODE_WHITE);
}

int32_t ft_tokenizer_spaces(const ft_tokenizer *tokenizer, int32_t id)
{
    ft_slice text = ft_tokenizer_token_text(tokenizer, id);
    size_t leading = 0, trailing = 0, at = 0, end = text.size;

    while (at < text.size && is_space(text, &at))
        leading++;
    while (end > 0) {
        size_t before = end;
        ft_unicode_previous((const uint8_t *)text.data, &before);
        at = before;
        if (!is_space(text, &at))
            break;
        trailing++;
        end = before;
    }
    return ft_spaces_pack(leading, trailing);
}

// The same of a token that is given as bytes: of the letters that stand for bytes only that of the
// space is white.
static inline int32_t count_spaces(const uint8_t *bytes, size_t size)
{
    size_t leading = 0, trailing = 0;

    if (FT_LIKELY(bytes[size - 1] != ' ')) {
        while (bytes[leading] == ' ')
            leading++;
        return (int32_t)leading;
    }
    while (leading < size && bytes[leading] == ' ')
        leading++;
    while (trailing < size && bytes[size - 1 - trailing] == ' ')
        trailing++;
    return ft_spaces_pack(leading, trailing);
}

// ---- places ----

// How many tokens have a place.
static size_t placed(const ft_tokens *out)
{
    return out->spans.count / 2;
}

// The places of the next tokens, and the first of these. NULL where no list has memory yet: nothing
// may be added to that.
static ft_span *span_behind(const ft_tokens *out)
{
    int32_t *data = ft_ids_data(&out->spans);
    return (ft_span *)(void *)(data ? data + out->spans.count : NULL);
}
static const int32_t *ids_behind(const ft_tokens *out)
{
    const int32_t *data = ft_ids_data(&out->ids);
    return data ? data + placed(out) : NULL;
}

// Whether the bytes [from, to) of the coder's text stand for themselves, all of them as far from
// where they are in the given text: `*out_start` from where the text begins.
static bool is_kept(const ft_placer *p, size_t from, size_t to, uint32_t *out_start)
{
    ft_origins *origins = p->origins;

    *out_start = p->start;
    if (!origins)
        return true;
    if (origins->count == 0 || origins->ends_at_last)
        return false;
    const ft_change *change = ft_origins_seek(origins, from);
    const size_t behind = (size_t)change->at + change->size;
    *out_start = change->span.end - (uint32_t)behind;
    return from >= behind && (origins->cursor + 1 == origins->count || change[1].at >= to);
}

static void number_words(ft_placer *p, const uint32_t *counts, size_t count)
{
    ft_ids *words = &p->out->words;
    int32_t *data = ft_ids_data(words);
    size_t at = words->count;
    const int32_t step = !p->is_one_word;
    int32_t word = p->word;

    for (size_t i = 0; i < count; i++) {
        // Most have few: as many are written, and do not count.
        for (size_t k = 0; k < FT_TOKENS_SLACK; k++)
            data[at + k] = word;
        for (size_t k = FT_TOKENS_SLACK; k < counts[i]; k++)
            data[at + k] = word;
        at += counts[i];
        word += step;
    }
    words->count = at;
    p->word = word;
}

// Words at work.
typedef struct place {
    ft_placer *placer;
    const uint8_t *bytes;
    uint32_t start;   // Where the coder's text begins, unless `is_changed`.
    bool is_changed;  // Origins say where.
    bool as_bytes;    // The model was given bytes.
    bool has_spaces;
    const uint8_t *sizes;  // [size_count] of tokens, by id (ft_token_model_sizes).
    size_t size_count;
} place;

static place open_place(ft_placer *placer, const uint8_t *bytes, bool as_bytes)
{
    place w = {.placer = placer,
               .bytes = bytes,
               .as_bytes = as_bytes,
               .has_spaces = placer->out->has_spaces};

    w.sizes = ft_token_model_sizes(placer->tokenizer->model, as_bytes, &w.size_count);
    return w;
}

// 0: its id does not say.
static inline size_t size_of(const place *w, int32_t id)
{
    return FT_LIKELY((size_t)id < w->size_count) ? w->sizes[id] : 0;
}

// The place of the bytes [from, to) of a word, which are characters as a whole.
FT_ALWAYS_INLINE ft_span find_span(const place *w, ft_placed_word word, size_t from, size_t to)
{
    const size_t head = word.head;
    size_t start = from < head ? word.head_at : word.from + from - head;
    size_t end = to <= head ? word.head_at + word.head_size : word.from + to - head;

    if (!w->is_changed)
        return (ft_span){w->start + (uint32_t)start, w->start + (uint32_t)end};
    uint32_t first = ft_origins_start(w->placer->origins, start);
    return (ft_span){first, ft_origins_end(w->placer->origins, end)};
}

static bool is_inside(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

// The same for bytes, which are at `bytes`, that may be a part of a character.
static ft_span find_part(const place *w, const uint8_t *bytes, ft_placed_word word, size_t from,
                         size_t to)
{
    const size_t head = word.head, size = head + word.to - word.from;
    const ft_placer *p = w->placer;

    if (w->is_changed && p->text)
        return ft_origins_of(p->origins, p->text->bytes, p->text->size,
                             from < head ? word.head_at : word.from + from - head,
                             to <= head ? word.head_at + (size_t)word.head_size
                                        : word.from + to - head);
    while (!w->is_changed && from > 0 && is_inside(bytes[from]))
        from--;
    while (!w->is_changed && to < size && is_inside(bytes[to]))
        to++;
    return find_span(w, word, from, to);
}

// What the parts of a word become.
typedef struct parts {
    const uint8_t *bytes;
    ft_placed_word word;
    size_t size;  // Its bytes, those of its head too.
    const int32_t *ids;
    size_t count;
} parts;

static void put_part(const place *w, const parts *one, size_t index, size_t from, size_t to)
{
    ft_tokens *out = w->placer->out;

    if (w->has_spaces)
        ft_ids_data(&out->spaces)[out->spaces.count++] =
            w->as_bytes && to > from ? count_spaces(one->bytes + from, to - from)
                                     : ft_tokenizer_spaces(w->placer->tokenizer, one->ids[index]);
    span_behind(out)[0] = find_part(w, one->bytes, one->word, from, to);
    out->spans.count += 2;
}

// The model cuts the word again.
static bool place_again(const place *w, const parts *one, ft_error *err)
{
    ft_placer *p = w->placer;
    const ft_token_model *model = p->tokenizer->model;
    const ft_slice word = {(const char *)one->bytes, one->size};
    size_t count, room = ft_token_model_room(model, one->size);
    size_t bytes = room * sizeof(ft_model_token);

    if (!p->scratch) {
        p->scratch = ft_model_scratch_create(model, CACHE_BYTES, p->account, err);
        if (!p->scratch)
            return false;
    }
    if (!p->found || p->found->size_bytes < bytes) {
        ft_buffer_unref(p->found);
        p->found = ft_buffer_create(p->account, bytes, err);
        if (!p->found)
            return false;
    }
    ft_model_token *found = p->found->data;
    if (!(w->as_bytes ? ft_token_model_byte_split(model, p->scratch, word, found, room, &count, err)
                      : ft_token_model_split(model, p->scratch, word, found, room, &count, err)))
        return false;
    // Of a model as it is built they are the same; a compiled file may say anything.
    if (count != one->count)
        return ft_fail(err, FT_ERROR_DATA, "a word gives %zu tokens once and %zu again", one->count,
                       count);
    for (size_t i = 0; i < count; i++)
        put_part(w, one, i, found[i].start, found[i].end);
    return true;
}

// Sizes of the tokens of a word add up to its own; one that is not known is what is left.
static bool place_parts(const place *w, const parts *one, ft_error *err)
{
    enum { MOST = 64 };
    size_t sizes[MOST];
    size_t sum = 0, unknown = SIZE_MAX, at = 0;

    if (one->count > MOST)
        return place_again(w, one, err);
    for (size_t i = 0; i < one->count; i++) {
        sizes[i] = size_of(w, one->ids[i]);
        sum += sizes[i];
        if (sizes[i] == 0 && unknown != SIZE_MAX)
            return place_again(w, one, err);
        unknown = sizes[i] == 0 ? i : unknown;
    }
    if (unknown != SIZE_MAX ? sum >= one->size : sum != one->size)
        return place_again(w, one, err);
    if (unknown != SIZE_MAX)
        sizes[unknown] = one->size - sum;
    for (size_t i = 0; i < one->count; i++) {
        put_part(w, one, i, at, at + sizes[i]);
        at += sizes[i];
    }
    return true;
}

// The same where all is known, in a text that is not changed. False: it is not, or some token is a
// part of a character; what was written does not count then.
static inline bool place_sizes(const place *w, const parts *one, ft_span *spans)
{
    const uint8_t *bytes = one->bytes, *sizes = w->sizes;
    const size_t head = one->word.head, size = one->size, known = w->size_count;
    const uint32_t base = w->start + one->word.from - (uint32_t)head;
    uint32_t start = head > 0 ? w->start + one->word.head_at : base;
    size_t at = 0;

    for (size_t i = 0; i < one->count; i++) {
        const int32_t id = one->ids[i];
        if (FT_UNLIKELY((size_t)id >= known || sizes[id] == 0 || is_inside(bytes[at])))
            return false;
        at += sizes[id];
        if (FT_UNLIKELY(at > size))
            return false;
        // What is put in front ends where that does which it has the place of.
        const uint32_t end = base + (uint32_t)at;
        spans[i] =
            (ft_span){start, at == head ? w->start + one->word.head_at + one->word.head_size : end};
        start = end;
    }
    return at == size;
}

// `words`, or (NULL) those that end at `ends` behind `from`.
FT_ALWAYS_INLINE bool place_words(const place *w, const ft_placed_word *words, size_t from,
                                  const uint32_t *ends, const uint32_t *counts, size_t count,
                                  ft_error *err)
{
    ft_placer *p = w->placer;
    ft_tokens *out = p->out;
    const bool is_whole = ft_token_model_is_whole(p->tokenizer->model, w->as_bytes);
    const int32_t *ids = ids_behind(out);
    ft_span *span = span_behind(out);

    for (size_t i = 0, at = 0; i < count; i++) {
        ft_placed_word word;
        if (words) {
            word = words[i];
            at = word.at;
        } else {
            word = (ft_placed_word){.from = (uint32_t)(from + at), .to = (uint32_t)from + ends[i]};
        }
        const size_t size = word.head + word.to - word.from;
        if (FT_LIKELY(counts[i] == 1 && is_whole)) {
            if (w->has_spaces)
                ft_ids_data(&out->spaces)[out->spaces.count++] =
                    w->as_bytes ? count_spaces(w->bytes + at, size)
                                : ft_tokenizer_spaces(p->tokenizer, ids[0]);
            *span++ = find_span(w, word, 0, size);
        } else {
            const parts one = {w->bytes + at, word, size, ids, counts[i]};
            out->spans.count += 2 * (size_t)(span - span_behind(out));
            if (!place_parts(w, &one, err))
                return false;
            span = span_behind(out);
        }
        ids += counts[i];
        at += size;
    }
    out->spans.count += 2 * (size_t)(span - span_behind(out));
    if (out->has_words)
        number_words(p, counts, count);
    return true;
}

// The same in a text that is not changed, where white space is not asked for: each word has the
// place of a single token at first, and those of several tokens are gone through afterwards. Which
// it is says the text: a branch on it, word by word, would be guessed wrong.
static bool place_plain(const place *w, const ft_placed_word *words, const uint32_t *counts,
                        size_t count, ft_error *err)
{
    enum { TURN = 64 };
    ft_tokens *out = w->placer->out;
    const size_t first = out->spans.count, room = out->ids.count - placed(out);
    const int32_t *ids = ids_behind(out);
    ft_span *spans = span_behind(out);
    size_t at = 0;

    for (size_t from = 0; from < count; from += TURN) {
        const size_t end = count - from < TURN ? count : from + TURN;
        struct {
            size_t word, at;
        } several[TURN];
        size_t several_count = 0;
        for (size_t i = from; i < end; i++) {
            if (FT_LIKELY(at < room))
                spans[at] = find_span(w, words[i], 0, words[i].head + words[i].to - words[i].from);
            several[several_count].word = i;
            several[several_count].at = at;
            several_count += counts[i] != 1;
            at += counts[i];
        }
        for (size_t k = 0; k < several_count; k++) {
            const ft_placed_word *word = &words[several[k].word];
            const parts one = {w->bytes + word->at, *word, word->head + word->to - word->from,
                               ids + several[k].at, counts[several[k].word]};
            if (FT_LIKELY(place_sizes(w, &one, spans + several[k].at)))
                continue;
            out->spans.count = first + 2 * several[k].at;
            if (!place_parts(w, &one, err))
                return false;
        }
    }
    out->spans.count = first + 2 * at;
    if (out->has_words)
        number_words(w->placer, counts, count);
    return true;
}

static bool make_room(ft_placer *p, ft_error *err)
{
    return ft_tokens_reserve(p->out, p->out->ids.count - placed(p->out), err);
}

bool ft_placer_add(ft_placer *p, const uint8_t *bytes, const ft_placed_word *words,
                   const uint32_t *counts, size_t count, ft_error *err)
{
    if (count == 0)
        return true;
    place w = open_place(p, bytes, false);
    const size_t from = words[0].head ? words[0].head_at : words[0].from;
    w.is_changed = !is_kept(p, from, words[count - 1].to, &w.start);
    if (!make_room(p, err))
        return false;
    if (w.is_changed || w.has_spaces || !ft_token_model_is_whole(p->tokenizer->model, false))
        return place_words(&w, words, 0, NULL, counts, count, err);
    const place plain = {.placer = p,
                         .bytes = bytes,
                         .start = w.start,
                         .sizes = w.sizes,
                         .size_count = w.size_count};
    return place_plain(&plain, words, counts, count, err);
}

// ---- words that stand side by side ----

static bool is_ascii(const uint8_t *bytes, size_t size)
{
    uint64_t seen = 0, last = 0;

    while (size >= sizeof(last)) {
        memcpy(&last, bytes, sizeof(last));
        seen |= last;
        bytes += sizeof(last);
        size -= sizeof(last);
    }
    while (size-- > 0)
        seen |= *bytes++;
    return !(seen & UINT64_C(0x8080808080808080));
}

// Spans of tokens that are parts of characters become those of the characters.
static void widen(const uint8_t *bytes, size_t size, uint32_t start, ft_span *spans, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t from = spans[i].start - start, to = spans[i].end - start;
        if (FT_LIKELY(!is_inside(bytes[from]) && !is_inside(bytes[to])))
            continue;
        while (from > 0 && is_inside(bytes[from]))
            from--;
        while (to < size && is_inside(bytes[to]))
            to++;
        spans[i] = (ft_span){start + (uint32_t)from, start + (uint32_t)to};
    }
}

// Tokens of `size` bytes from `start` on, by their sizes; there is room. False: it cannot.
static bool place_by_size(ft_placer *p, const uint8_t *bytes, size_t size, uint32_t start,
                          const uint32_t *counts, size_t count)
{
    ft_tokens *out = p->out;
    const size_t from = placed(out), more = out->ids.count - from;
    ft_span *spans = span_behind(out);

    if (!ft_token_model_add_up(p->tokenizer->model, ids_behind(out), more, start, spans, size))
        return false;
    for (size_t i = 0; out->has_spaces && i < more; i++)
        ft_ids_data(&out->spaces)[out->spaces.count++] =
            count_spaces(bytes + (spans[i].start - start), spans[i].end - spans[i].start);
    if (!is_ascii(bytes, size))
        widen(bytes, size, start, spans, more);
    out->spans.count += 2 * more;
    if (out->has_words)
        number_words(p, counts, count);
    return true;
}

bool ft_placer_add_cut(ft_placer *p, const uint8_t *bytes, size_t from, const uint32_t *ends,
                       const uint32_t *counts, size_t count, ft_error *err)
{
    place w = open_place(p, bytes, true);
    const size_t size = ends[count - 1];

    if (!make_room(p, err))
        return false;
    w.is_changed = !is_kept(p, from, from + size, &w.start);
    return (!w.is_changed &&
            place_by_size(p, bytes, size, w.start + (uint32_t)from, counts, count)) ||
           place_words(&w, NULL, from, ends, counts, count, err);
}

bool ft_placer_add_spaced(ft_placer *p, const uint8_t *bytes, size_t from, bool has_front,
                          const uint32_t *ends, const uint32_t *counts, size_t count,
                          bool *out_fits, ft_error *err)
{
    ft_tokens *out = p->out;
    const size_t first = 2 * placed(out);
    const uint32_t start = p->start + (uint32_t)from;

    if (!make_room(p, err))
        return false;
    *out_fits = place_by_size(p, bytes, ends[count - 1], start - has_front, counts, count);
    if (!has_front || out->spans.count == first)
        return true;
    // What is put in front has the place of the first character, as what begins with it has.
    int32_t *span = ft_ids_data(&out->spans) + first;
    size_t width = 1;
    if ((uint32_t)span[1] == start)
        ft_unicode_next(bytes, &width);
    span[0] = (int32_t)start;
    span[1] += (int32_t)width - 1;
    return true;
}

// ---- coders that write places themselves ----

uint32_t ft_placer_start(const ft_placer *p, size_t from, size_t to, bool *out_kept)
{
    uint32_t start;

    *out_kept = is_kept(p, from, to, &start);
    return *out_kept ? start : 0;
}

void ft_placer_resolve(ft_placer *p, size_t from)
{
    ft_span *spans = (ft_span *)(void *)ft_ids_data(&p->out->spans);

    for (size_t i = from; i < p->out->ids.count; i++) {
        uint32_t start = ft_origins_start(p->origins, spans[i].start);
        spans[i] = (ft_span){start, ft_origins_end(p->origins, spans[i].end)};
    }
}

void ft_placer_took(ft_placer *p)
{
    ft_tokens *out = p->out;
    const size_t from = placed(out);

    for (size_t i = from; out->has_spaces && i < out->ids.count; i++)
        ft_ids_data(&out->spaces)[out->spaces.count++] =
            ft_tokenizer_spaces(p->tokenizer, ft_ids_data(&out->ids)[i]);
    ft_placer_forget(p, out->ids.count);
}

void ft_placer_forget(ft_placer *p, size_t count)
{
    ft_tokens *out = p->out;

    out->spans.count = 2 * count;
    if (out->has_words)
        out->words.count = count;
    if (out->has_spaces)
        out->spaces.count = count;
}

bool ft_placer_add_token(ft_placer *p, ft_span given, ft_error *err)
{
    ft_tokens *out = p->out;

    if (!ft_tokens_reserve(out, 1, err))
        return false;
    if (out->has_spaces)
        ft_ids_data(&out->spaces)[out->spaces.count++] =
            ft_tokenizer_spaces(p->tokenizer, ft_ids_data(&out->ids)[placed(out)]);
    ft_tokens_place(out, given, p->word++);
    return true;
}
