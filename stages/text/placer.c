// One word after the other. Most are one token, which stands where the word does.
#include "stages/text/placer.h"

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

// The place of the bytes [from, to) of a word, which are characters as a whole.
FT_ALWAYS_INLINE ft_span find_span(ft_placer *p, ft_placed_word word, size_t from, size_t to,
                                   bool is_changed)
{
    const size_t head = word.head;
    size_t start = from < head ? word.head_at : word.from + from - head;
    size_t end = to <= head ? word.head_at + word.head_size : word.from + to - head;

    if (!is_changed)
        return (ft_span){p->start + (uint32_t)start, p->start + (uint32_t)end};
    uint32_t first = ft_origins_start(p->origins, start);
    return (ft_span){first, ft_origins_end(p->origins, end)};
}

static bool is_inside(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

// The same for bytes that may be a part of a character.
static ft_span find_part(ft_placer *p, const uint8_t *bytes, ft_placed_word word, size_t from,
                         size_t to)
{
    const size_t head = word.head, size = head + word.to - word.from;

    if (p->text)
        return ft_origins_of(p->origins, p->text->bytes, p->text->size,
                             from < head ? word.head_at : word.from + from - head,
                             to <= head ? word.head_at + (size_t)word.head_size
                                        : word.from + to - head);
    if (p->origins)
        return find_span(p, word, from, to, true);
    while (from > 0 && is_inside(bytes[from]))
        from--;
    while (to < size && is_inside(bytes[to]))
        to++;
    return find_span(p, word, from, to, false);
}

// What the parts of a word become.
typedef struct parts {
    const uint8_t *bytes;
    ft_placed_word word;
    size_t size;  // Its bytes, those of its head too.
    const int32_t *ids;
    size_t count;
    bool as_bytes;  // The model was given bytes.
} parts;

static void put_part(ft_placer *p, const parts *one, size_t index, size_t from, size_t to)
{
    ft_tokens *out = p->out;

    if (out->has_spaces)
        ft_ids_data(&out->spaces)[out->spaces.count++] =
            one->as_bytes && to > from ? count_spaces(one->bytes + from, to - from)
                                       : ft_tokenizer_spaces(p->tokenizer, one->ids[index]);
    ft_tokens_place(out, find_part(p, one->bytes, one->word, from, to), p->word);
}

// The model cuts the word again.
static bool place_again(ft_placer *p, const parts *one, ft_error *err)
{
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
    if (!(one->as_bytes
              ? ft_token_model_byte_split(model, p->scratch, word, found, room, &count, err)
              : ft_token_model_split(model, p->scratch, word, found, room, &count, err)))
        return false;
    // Of a model as it is built they are the same; a compiled file may say anything.
    if (count != one->count)
        return ft_fail(err, FT_ERROR_DATA, "a word gives %zu tokens once and %zu again", one->count,
                       count);
    for (size_t i = 0; i < count; i++)
        put_part(p, one, i, found[i].start, found[i].end);
    return true;
}

// Sizes of the tokens of a word add up to its own; one that is not known is what is left.
static bool place_parts(ft_placer *p, const parts *one, ft_error *err)
{
    enum { MOST = 64 };
    const ft_token_model *model = p->tokenizer->model;
    uint32_t sizes[MOST];
    size_t sum = 0, unknown = SIZE_MAX, at = 0;

    if (one->count > MOST)
        return place_again(p, one, err);
    for (size_t i = 0; i < one->count; i++) {
        sizes[i] = ft_token_model_size_of(model, one->ids[i], i == 0, one->as_bytes);
        sum += sizes[i];
        if (sizes[i] == 0 && unknown != SIZE_MAX)
            return place_again(p, one, err);
        unknown = sizes[i] == 0 ? i : unknown;
    }
    if (unknown != SIZE_MAX ? sum >= one->size : sum != one->size)
        return place_again(p, one, err);
    if (unknown != SIZE_MAX)
        sizes[unknown] = (uint32_t)(one->size - sum);
    for (size_t i = 0; i < one->count; i++) {
        put_part(p, one, i, at, at + sizes[i]);
        at += sizes[i];
    }
    return true;
}

// `words`, or (NULL) those that end at `ends` behind `from`.
FT_ALWAYS_INLINE bool place_all(ft_placer *p, const uint8_t *bytes, const ft_placed_word *words,
                                size_t from, const uint32_t *ends, const uint32_t *counts,
                                size_t count, bool is_changed, bool has_spaces, ft_error *err)
{
    ft_tokens *out = p->out;
    const ft_token_model *model = p->tokenizer->model;
    const bool as_bytes = words == NULL, is_whole = ft_token_model_is_whole(model, as_bytes);
    const size_t more = out->ids.count - out->words.count;

    if (!ft_tokens_reserve(out, more, err))
        return false;
    const int32_t *ids = ft_ids_data(&out->ids) + out->words.count;
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
            if (has_spaces)
                ft_ids_data(&out->spaces)[out->spaces.count++] =
                    as_bytes ? count_spaces(bytes + at, size)
                             : ft_tokenizer_spaces(p->tokenizer, ids[0]);
            ft_tokens_place(out, find_span(p, word, 0, size, is_changed), p->word);
        } else {
            const parts one = {bytes + at, word, size, ids, counts[i], as_bytes};
            if (!place_parts(p, &one, err))
                return false;
        }
        p->word += !p->is_one_word;
        ids += counts[i];
        at += size;
    }
    return true;
}

bool ft_placer_add(ft_placer *p, const uint8_t *bytes, const ft_placed_word *words,
                   const uint32_t *counts, size_t count, ft_error *err)
{
    if (!p->origins && !p->out->has_spaces)
        return place_all(p, bytes, words, 0, NULL, counts, count, false, false, err);
    return place_all(p, bytes, words, 0, NULL, counts, count, p->origins != NULL,
                     p->out->has_spaces, err);
}

bool ft_placer_add_cut(ft_placer *p, const uint8_t *bytes, size_t from, const uint32_t *ends,
                       const uint32_t *counts, size_t count, ft_error *err)
{
    if (p->origins)
        return place_all(p, bytes, NULL, from, ends, counts, count, true, p->out->has_spaces, err);
    if (p->out->has_spaces)
        return place_all(p, bytes, NULL, from, ends, counts, count, false, true, err);
    return place_all(p, bytes, NULL, from, ends, counts, count, false, false, err);
}

bool ft_placer_add_token(ft_placer *p, ft_span given, ft_error *err)
{
    ft_tokens *out = p->out;
    size_t at = out->words.count;

    if (!ft_tokens_reserve(out, 1, err))
        return false;
    if (out->has_spaces)
        ft_ids_data(&out->spaces)[out->spaces.count++] =
            ft_tokenizer_spaces(p->tokenizer, ft_ids_data(&out->ids)[at]);
    ft_tokens_place(out, given, p->word++);
    return true;
}
