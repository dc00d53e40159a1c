// Blocks of 64 bytes of marked text to words, words to ids through the cache.
//
// A chunk holds CHUNK bytes of normalised text and grows only for a word that is longer than half
// of it, which max_input_chars_per_word allows only in odd tokenizers. So memory does not depend on
// the text.
#include "stages/text/bert_coder.h"

#include <string.h>

#include "runtime/memory/alloc.h"
#include "stages/text/word_cache.h"

// A block of 64 bytes gives at most 64 words.
enum { CHUNK = 16384, SLACK_IDS = 4, SEEN_MAX = 63 };

struct ft_bert_coder {
    const ft_wordpiece *model;
    ft_account *account;
    ft_ascii_scan *scan;
    ft_word_cache cache;
    ft_buffer *chunk;  // Of `text`: bytes, then the two rows of bits.
    ft_marked_text text;
    ft_bert bert;
    ft_origins origins;
    // Where the ids of a word end that was split last, unless it was long.
    uint32_t ends[FT_WORD_LONG];
    bool has_ends;
    // Of the text at work:
    ft_ids *ids;
    ft_placer *placer;  // NULL: ids alone.
    size_t enough;      // Stop at so many ids; SIZE_MAX: never.
};

// Gives the chunk room for `capacity` bytes (a multiple of 64); keeps what is written.
static bool chunk_grow(ft_bert_coder *coder, size_t capacity, ft_error *err)
{
    size_t words = capacity / 64 + 2, bits_bytes, size;

    if (FT_MUL_OVERFLOWS(words, 2 * sizeof(uint64_t), &bits_bytes) ||
        FT_ADD_OVERFLOWS(capacity + 64, bits_bytes, &size))
        return ft_fail_nomem(err, capacity);
    ft_buffer *buffer = ft_buffer_create(coder->account, size, err);
    if (!buffer)
        return false;
    ft_marked_text grown = coder->text;
    grown.bytes = buffer->data;
    grown.capacity = capacity;
    grown.word = (uint64_t *)(void *)(grown.bytes + capacity + 64);
    grown.single = grown.word + words;
    memset(grown.bytes, 0, size);
    if (coder->chunk) {
        size_t old_words = coder->text.capacity / 64 + 2;
        memcpy(grown.bytes, coder->text.bytes, coder->text.at);
        memcpy(grown.word, coder->text.word, old_words * sizeof(uint64_t));
        memcpy(grown.single, coder->text.single, old_words * sizeof(uint64_t));
    }
    ft_buffer_unref(coder->chunk);
    coder->chunk = buffer;
    coder->text = grown;
    return true;
}
ft_bert_coder *ft_bert_coder_create(const ft_wordpiece *model, ft_account *account, ft_error *err)
{
    ft_bert_coder *coder = ft_alloc_zero(1, sizeof(*coder));

    if (!coder) {
        ft_fail_nomem(err, sizeof(*coder));
        return NULL;
    }
    coder->model = model;
    coder->account = coder->origins.account = account;
    coder->scan = ft_ascii_scan_choose();
    if (!ft_word_cache_init(&coder->cache, 0, account, err) || !chunk_grow(coder, CHUNK, err)) {
        ft_bert_coder_destroy(coder);
        return NULL;
    }
    return coder;
}

void ft_bert_coder_destroy(ft_bert_coder *coder)
{
    if (!coder)
        return;
    ft_word_cache_finish(&coder->cache);
    ft_buffer_unref(coder->chunk);
    ft_origins_finish(&coder->origins);
    ft_free(coder);
}

ft_bert *ft_bert_coder_bert(ft_bert_coder *coder)
{
    return &coder->bert;
}

// The end of the word at `from`; `end` is where the marks end.
static size_t word_end(const ft_marked_text *text, size_t from, size_t end)
{
    while (from < end) {
        uint64_t bits = ~(text->word[from / 64] >> (from % 64));
        size_t left = 64 - from % 64;
        size_t run = bits ? FT_TRAILING_ZEROS_64(bits) : 64;
        if (run < left)
            return from + run;
        from += left;
    }
    return end;
}

// A word of one block, with the place where its ids may be: all places of a block are asked for
// before the first is looked at, so that the waits for memory overlap.
typedef struct word {
    uint64_t key[2];
    union {
        ft_word_short *bucket;  // size <= FT_WORD_SHORT
        ft_word_long *place;    // size <= FT_WORD_LONG
    };
    size_t from, size;
} word;

static void add_ids(ft_ids *ids, const int32_t *from, size_t count)
{
    memcpy(ft_ids_data(ids) + ids->count, from, count * sizeof(*from));
    ids->count += count;
}

// Splits a word by the model. The ids, which are returned, have been added.
static const int32_t *split_word(ft_bert_coder *coder, const word *one, size_t *out_count)
{
    ft_ids *ids = coder->ids;
    int32_t *out = ft_ids_data(ids) + ids->count;
    coder->has_ends = one->size <= FT_WORD_LONG;
    *out_count = ft_wordpiece_split(coder->model, coder->text.bytes + one->from, one->size, out,
                                    coder->has_ends ? coder->ends : NULL);
    ids->count += *out_count;
    return out;
}

// A word of 17 to 32 bytes, or a shorter one of more than three ids.
static void add_long_word(ft_bert_coder *coder, const word *one, ft_word_long *place)
{
    uint64_t key[4];
    size_t count;

    ft_word_long_key(coder->text.bytes + one->from, one->size, key);
    if (place->count > 0 && memcmp(place->key, key, sizeof(key)) == 0) {
        coder->has_ends = false;
        add_ids(coder->ids, place->ids, place->count);
        return;
    }
    const int32_t *ids = split_word(coder, one, &count);
    if (count <= FT_WORD_LONG_IDS) {
        coder->cache.added++;
        memcpy(place->key, key, sizeof(key));
        memcpy(place->ids, ids, count * sizeof(*ids));
        place->count = (uint32_t)count;
    }
}

// A word that is not in the table of short words, or is there as one of many ids.
static void add_word(ft_bert_coder *coder, const word *one, bool is_known)
{
    const uint8_t *bytes = coder->text.bytes + one->from;
    size_t count;

    if (one->size > FT_WORD_LONG || coder->bert.wrote_nul) {
        split_word(coder, one, &count);
    } else if (one->size > FT_WORD_SHORT) {
        add_long_word(coder, one, one->place);
    } else if (is_known) {
        add_long_word(coder, one, ft_word_cache_long(&coder->cache, bytes, one->size));
    } else {
        const int32_t *ids = split_word(coder, one, &count);
        ft_word_cache_add_short(&coder->cache, one->bucket, one->key, ids, coder->ends, count);
    }
}

// Places of the `count` ids that add_word has added, of a word at `start`: where it split the word,
// or does it again.
static void place_word(ft_bert_coder *coder, const word *one, size_t count, uint32_t start,
                       ft_span *spans)
{
    // Where the places go the ends may be: a place covers none that is still to be read.
    uint32_t *ends = coder->has_ends ? coder->ends : (uint32_t *)(void *)spans;

    if (count == 1) {
        *spans = (ft_span){start, start + (uint32_t)one->size};
        return;
    }
    if (!coder->has_ends)
        ft_wordpiece_split(coder->model, coder->text.bytes + one->from, one->size,
                           ft_ids_data(coder->ids) + coder->ids->count - count, ends);
    for (size_t i = count; i-- > 0;) {
        uint32_t from = i > 0 ? ends[i - 1] : 0, to = ends[i];
        spans[i] = (ft_span){start + from, start + to};
    }
}

static bool is_key(const ft_word_short *entry, const uint64_t key[2])
{
    return ((entry->key[0] ^ key[0]) | (entry->key[1] ^ key[1])) == 0;
}

// Fills `words` with those that begin in block `index` at the bits of `starts`; asks for their
// places.
static size_t find_words(const ft_bert_coder *coder, size_t index, uint64_t starts, size_t end,
                         word words[64])
{
    const ft_marked_text *text = &coder->text;
    const uint64_t bits = text->word[index], next = text->word[index + 1],
                   single = text->single[index];
    size_t count = 0;

    for (; starts; starts &= starts - 1) {
        word *one = &words[count++];
        unsigned bit = FT_TRAILING_ZEROS_64(starts);
        uint64_t run = bits >> bit | next << 1 << (63 - bit);
        one->from = index * 64 + bit;
        one->size = FT_TRAILING_ZEROS_64(~run | UINT64_C(1) << SEEN_MAX) + (single >> bit & 1);
        const uint8_t *bytes = text->bytes + one->from;
        if (FT_LIKELY(one->size <= FT_WORD_SHORT)) {
            ft_word_key(bytes, one->size, one->key);
            one->bucket = ft_word_cache_bucket(&coder->cache, one->key);
            FT_PREFETCH(one->bucket);
            continue;
        }
        if (one->size == SEEN_MAX)
            one->size = word_end(text, one->from, end) - one->from;
        if (one->size <= FT_WORD_LONG) {
            one->place = ft_word_cache_long(&coder->cache, bytes, one->size);
            FT_PREFETCH(one->place);
        }
    }
    return count;
}

// Those of the places of a short word that there are; three are written.
static inline void place_short(const ft_word_short *entry, uint32_t start, ft_span *span)
{
    uint32_t first = start + entry->ends[0], second = start + entry->ends[1];

    span[0] = (ft_span){start, first};
    span[1] = (ft_span){first, second};
    span[2] = (ft_span){second, start + entry->ends[2]};
}

// What is wanted of words.
typedef enum wanted { IDS, PLACES, PLACES_AND_NUMBERS } wanted;

// Those of the words of a block, whose text begins at `start`. There is room.
FT_ALWAYS_INLINE void add_words(ft_bert_coder *coder, const word *words, size_t count, wanted what,
                                uint32_t start)
{
    // A padded key cannot tell "a" from "a" and a NUL.
    const size_t short_max = coder->bert.wrote_nul ? 0 : FT_WORD_SHORT;
    ft_tokens *tokens = what == IDS ? NULL : coder->placer->out;
    ft_span *spans = what == IDS ? NULL : (ft_span *)(void *)ft_ids_data(&tokens->spans);
    int32_t *numbers = what == PLACES_AND_NUMBERS ? ft_ids_data(&tokens->words) : NULL;
    int32_t *ids = ft_ids_data(coder->ids);
    size_t at = coder->ids->count;

    for (size_t i = 0; i < count; i++) {
        const word *one = &words[i];
        bool is_known = false;
        if (FT_LIKELY(one->size <= short_max)) {
            const ft_word_short *entry = one->bucket;
            is_known = is_key(entry, one->key) || is_key(++entry, one->key);
            if (FT_LIKELY(is_known && entry->count <= FT_WORD_SHORT_IDS)) {
                // Four are written, `count` stay.
                memcpy(ids + at, entry->ids, 4 * sizeof(*ids));
                if (what != IDS)
                    place_short(entry, start + (uint32_t)one->from, spans + at);
                for (size_t k = 0; what == PLACES_AND_NUMBERS && k < FT_TOKENS_SLACK; k++)
                    numbers[at + k] = coder->placer->word + (int32_t)i;
                at += entry->count;
                continue;
            }
        }
        const size_t before = coder->ids->count = at;
        add_word(coder, one, is_known);
        at = coder->ids->count;
        if (what != IDS)
            place_word(coder, one, at - before, start + (uint32_t)one->from, spans + before);
        for (size_t k = before; what == PLACES_AND_NUMBERS && k < at; k++)
            numbers[k] = coder->placer->word + (int32_t)i;
    }
    coder->ids->count = at;
}

static void add_placed(ft_bert_coder *coder, const word *words, size_t count)
{
    ft_placer *placer = coder->placer;
    const size_t base = coder->text.base, before = coder->ids->count;
    bool is_kept;

    if (count == 0)
        return;
    const word *last = &words[count - 1];
    uint32_t start =
        ft_placer_start(placer, base + words->from, base + last->from + last->size, &is_kept);
    if (placer->out->has_words)
        add_words(coder, words, count, PLACES_AND_NUMBERS, start + (uint32_t)base);
    else
        add_words(coder, words, count, PLACES, start + (uint32_t)base);
    placer->word += (int32_t)count;
    if (!is_kept)
        ft_placer_resolve(placer, before);
}

// Where the word begins that reaches to the end of the marks; the end when none does.
static size_t open_word_start(const ft_marked_text *text)
{
    size_t at = text->at;

    while (at > 0) {
        unsigned last = (unsigned)((at - 1) % 64);
        uint64_t gaps = ~(text->word[(at - 1) / 64] << (63 - last));
        size_t run = gaps ? FT_LEADING_ZEROS_64(gaps) : 64;
        if (run <= last)
            return at - run;
        at -= last + 1;
    }
    return 0;
}

// Moves the open word [from, at) to the front, as much of it as can still matter.
static bool keep_open_word(ft_bert_coder *coder, size_t from, ft_error *err)
{
    ft_marked_text *text = &coder->text;
    size_t size = text->at - from;
    size_t max_chars = coder->model->max_chars;

    memmove(text->bytes, text->bytes + from, size);
    text->base += from;
    if (size > text->capacity / 2 && !text->origins) {
        // Of a word that is unknown for its length, so much stays that it is too long.
        size_t chars = 0, at = 0;
        while (at < size && chars <= max_chars) {
            chars += (text->bytes[at] & 0xc0) != 0x80;
            at++;
        }
        size = at;
    }
    text->at = 0;
    text->word[0] = text->single[0] = 0;
    while (text->at < size) {
        size_t count = size - text->at < 64 ? size - text->at : 64;
        ft_marked_put(text, count == 64 ? ~UINT64_C(0) : (UINT64_C(1) << count) - 1, 0, count);
    }
    return size <= text->capacity / 2 || chunk_grow(coder, text->capacity * 2, err);
}

// Ids of all words in the chunk; unless it is the last, one that may go on is kept.
static bool chunk_flush(ft_bert_coder *coder, bool last, ft_error *err)
{
    ft_marked_text *text = &coder->text;
    size_t end = last ? text->at : open_word_start(text);
    uint64_t carry = 0;
    word words[64];

    // A token has a byte at least; some more are written than stay.
    if (!(coder->placer ? ft_tokens_reserve(coder->placer->out, end + SLACK_IDS, err)
                        : ft_ids_reserve(coder->ids, end + SLACK_IDS, err)))
        return false;
    // Between two chunks, as the words of a block know their places.
    if (FT_UNLIKELY(ft_word_cache_is_crowded(&coder->cache)))
        ft_word_cache_grow(&coder->cache);
    for (size_t i = 0; i * 64 < end && coder->ids->count < coder->enough; i++) {
        uint64_t parts = text->word[i];
        uint64_t starts = text->single[i] | (parts & ~(parts << 1 | carry));
        carry = parts >> 63;
        if (end - i * 64 < 64)
            starts &= (UINT64_C(1) << (end - i * 64)) - 1;
        size_t count = find_words(coder, i, starts, text->at, words);
        if (coder->placer)
            add_placed(coder, words, count);
        else
            add_words(coder, words, count, IDS, 0);
    }
    if (coder->placer)
        ft_placer_took(coder->placer);
    if (!last)
        return keep_open_word(coder, end, err);
    text->base += text->at;
    text->at = 0;
    text->word[0] = text->single[0] = 0;
    return true;
}

static bool add_part(ft_bert_coder *coder, ft_bert_rules rules, ft_slice part, size_t start,
                     ft_error *err)
{
    const uint8_t *in = (const uint8_t *)part.data;
    ft_marked_text *text = &coder->text;
    ft_bert *bert = &coder->bert;
    size_t at = 0;

    bert->rules = rules;
    bert->out = text;
    while (at < part.size && coder->ids->count < coder->enough) {
        if (text->capacity - text->at < ft_bert_room(bert) && !chunk_flush(coder, false, err))
            return false;
        if (bert->held_count == 0) {
            size_t taken = coder->scan(text, in + at, part.size - at, rules.lowercase);
            if (text->origins && taken > 0)
                ft_origins_keep(text->origins, text->base + text->at - taken, start + at);
            at += taken;
        }
        bert->given = start + at;
        if (at < part.size)
            at += ft_bert_take(bert, in + at, part.size - at);
    }
    if (text->capacity - text->at < ft_bert_room(bert) && !chunk_flush(coder, false, err))
        return false;
    ft_bert_flush(bert);
    return chunk_flush(coder, true, err);
}

bool ft_bert_coder_add(ft_bert_coder *coder, ft_bert_rules rules, ft_slice part, size_t start,
                       size_t enough, ft_ids *ids, ft_placer *placer, ft_error *err)
{
    ft_marked_text *text = &coder->text;

    coder->ids = ids;
    coder->placer = placer;
    coder->enough = enough;
    text->at = text->base = 0;
    text->word[0] = text->single[0] = 0;
    text->origins = placer ? &coder->origins : NULL;
    if (placer) {
        ft_origins_begin(&coder->origins, start);
        placer->origins = &coder->origins;
    }
    coder->bert.held_count = 0;
    coder->bert.wrote_nul = false;
    return add_part(coder, rules, part, start, err) && ft_origins_check(&coder->origins, err);
}
