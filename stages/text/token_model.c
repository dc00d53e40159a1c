// One word through the model that the vocabulary is of, by the cache where only ids are asked for.
//
// Cache keys are words of up to 15 (31) bytes, padded with zeros, their size in the last byte, so
// that a word may hold NUL bytes. Words that are given as bytes and words that are given as letters
// differ in the top bit of the size.
#include "stages/text/token_model.h"

#include <string.h>

#include "runtime/memory/alloc.h"
#include "stages/text/bpe.h"
#include "stages/text/token_image.h"
#include "stages/text/tokenizer_parts.h"
#include "stages/text/unigram.h"
#include "stages/text/word_cache.h"
#include "stages/text/wordpiece.h"

enum { SIGN_CODE_POINT = 0x2581 };
enum { KEY_SHORT = FT_WORD_SHORT - 1, KEY_LONG = FT_WORD_LONG - 1, KEY_BYTES = FT_BPE_MARK };

struct ft_token_model {
    ft_model_kind kind;
    int32_t unknown;
    bool begins_at_sign;
    const uint8_t *sizes;  // [size_count] by id, what ft_token_model_sizes says.
    size_t size_count;
    ft_vocab vocab;
    union {
        ft_wordpiece wordpiece;
        ft_bpe bpe;
        ft_unigram unigram;
    };
};

struct ft_model_scratch {
    ft_word_cache cache;
    ft_model_work work;
    ft_account *account;
};

static bool build_wordpiece(ft_token_model *model, const ft_model_definition *d, ft_arena *arena,
                            ft_error *err)
{
    ft_trie_key *words = ft_alloc_array(2 * d->piece_count + 1, sizeof(*words));
    ft_trie_key *rests = words + d->piece_count;
    size_t word_count = 0, rest_count = 0;

    if (!words)
        return ft_fail_nomem(err, 2 * d->piece_count * sizeof(*words));
    for (size_t i = 0; i < d->piece_count; i++) {
        ft_slice text = d->pieces[i].text;
        if (model->vocab.records[i].id < 0)
            continue;
        words[word_count++] = ft_trie_make_key(text, d->pieces[i].id);
        if (ft_slice_starts_with(text, d->prefix)) {
            ft_slice rest = {text.data + d->prefix.size, text.size - d->prefix.size};
            rests[rest_count++] = ft_trie_make_key(rest, d->pieces[i].id);
        }
    }
    ft_trie_sort(words, word_count);
    ft_trie_sort(rests, rest_count);
    model->wordpiece = (ft_wordpiece){
        .unknown = d->unknown, .max_chars = d->max_chars, .prefix_size = d->prefix.size};
    bool built = ft_trie_build(words, word_count, arena, &model->wordpiece.words, err) &&
                 ft_trie_build(rests, rest_count, arena, &model->wordpiece.pieces, err);
    ft_free(words);
    return built;
}

static bool begins_at(const ft_vocab *vocab, ft_slice sign)
{
    for (size_t i = 0; i < vocab->count; i++) {
        const ft_vocab_record *record = &vocab->records[i];
        const char *text = vocab->texts + record->offset;
        bool other = false;  // Something else came before.
        for (size_t at = 0; record->id >= 0 && at < record->size;) {
            bool is_sign =
                record->size - at >= sign.size && memcmp(text + at, sign.data, sign.size) == 0;
            if (is_sign && other)
                return false;
            other |= !is_sign;
            at += is_sign ? sign.size : 1;
        }
    }
    return true;
}

// Of models that give a word several tokens and know them by their texts. A Unigram model's byte
// tokens have the place of the characters that they spell.
static bool build_sizes(ft_token_model *model, ft_arena *arena, ft_error *err)
{
    model->size_count = ft_vocab_id_end(&model->vocab);
    model->sizes =
        ft_vocab_sizes(&model->vocab, model->unknown, model->kind == FT_MODEL_BPE, arena, err);
    return model->sizes;
}

// Nothing else than merges joins, ends or begins words.
static bool only_merges(const ft_model_definition *d)
{
    return !d->ignore_merges && d->prefix.size == 0 && d->suffix.size == 0 && !d->is_bytes;
}

bool ft_token_model_build(const ft_model_definition *definition, const char *path, ft_arena *arena,
                          const ft_token_model **out, ft_error *err)
{
    ft_token_model *model = ft_arena_zero(arena, 1, sizeof(*model));

    if (!model)
        return ft_fail_nomem(err, sizeof(*model));
    model->kind = definition->kind;
    model->unknown = definition->unknown;
    *out = model;
    if (definition->unknown > FT_VOCAB_ID_MAX)
        return ft_tokenizer_fault(err, path, "model",
                                  "the unknown token has the id %d; ids are 0 "
                                  "to %d",
                                  definition->unknown, FT_VOCAB_ID_MAX);
    if (!ft_vocab_build(definition->pieces, definition->piece_count,
                        definition->kind == FT_MODEL_UNIGRAM ? FT_VOCAB_KEEP : FT_VOCAB_FORGET,
                        path, arena, &model->vocab, err))
        return false;
    switch (definition->kind) {
    case FT_MODEL_WORDPIECE:
        return build_wordpiece(model, definition, arena, err);
    case FT_MODEL_BPE:
        if (!ft_bpe_build(definition, &model->vocab, path, arena, &model->bpe, err))
            return false;
        // A sign that is unknown to the model would become one token with what is unknown around.
        // Where two tokens share an id, what merges with the one merges with the other.
        // What an unused piece is taken apart into depends on the whole text.
        model->begins_at_sign = ft_vocab_has_one_text(&model->vocab) && only_merges(definition) &&
                                model->bpe.unused_count == 0 &&
                                ft_bpe_has_char(&model->bpe, SIGN_CODE_POINT) &&
                                begins_at(&model->vocab, FT_SLICE("\xe2\x96\x81"));
        return model->bpe.takes_bytes || build_sizes(model, arena, err);
    case FT_MODEL_UNIGRAM:
        return ft_unigram_build(definition, &model->vocab, arena, &model->unigram, err) &&
               build_sizes(model, arena, err);
    case FT_MODEL_WORDLEVEL:
        return true;
    }
    return false;
}

ft_model_scratch *ft_model_scratch_create(const ft_token_model *model, size_t cache_bytes,
                                          ft_account *account, ft_error *err)
{
    ft_model_scratch *scratch = ft_alloc_zero(1, sizeof(*scratch));

    (void)model;
    if (!scratch) {
        ft_fail_nomem(err, sizeof(*scratch));
        return NULL;
    }
    scratch->account = scratch->work.account = account;
    if (!ft_word_cache_init(&scratch->cache, cache_bytes, account, err)) {
        ft_free(scratch);
        return NULL;
    }
    return scratch;
}

void ft_model_scratch_destroy(ft_model_scratch *scratch)
{
    if (!scratch)
        return;
    ft_word_cache_finish(&scratch->cache);
    ft_buffer_unref(scratch->work.buffer);
    ft_free(scratch);
}

size_t ft_token_model_room(const ft_token_model *model, size_t size)
{
    return model->kind == FT_MODEL_BPE ? ft_bpe_room(&model->bpe, size) : size;
}

static bool no_unknown(ft_slice word, ft_error *err)
{
    ft_slice shown = ft_shown(word);

    return ft_fail(err, FT_ERROR_DATA,
                   "`%.*s` is not in the vocabulary, which has no unknown token", (int)shown.size,
                   shown.data);
}

static bool split_wordpiece(const ft_token_model *model, ft_slice word, ft_model_work *work,
                            ft_token_sink *sink, ft_error *err)
{
    enum { SHORT = 64 };
    int32_t short_ids[SHORT], *ids = short_ids;
    uint32_t short_ends[SHORT], *ends = short_ends;

    if (word.size > UINT32_MAX / 8)
        return ft_fail(err, FT_ERROR_LIMIT, "a word of %zu bytes", word.size);
    if (word.size > SHORT) {
        ids = ft_model_work_get(work, word.size * (sizeof(*ids) + sizeof(*ends)), err);
        if (!ids)
            return false;
        ends = (uint32_t *)(void *)(ids + word.size);
    }
    size_t count =
        ft_wordpiece_split(&model->wordpiece, (const uint8_t *)word.data, word.size, ids, ends);
    bool done = ids[0] >= 0 || no_unknown(word, err);
    for (size_t i = 0; i < count && done; i++)
        ft_token_sink_put(sink, ids[i], i > 0 ? ends[i - 1] : 0, ends[i]);
    ft_model_work_trim(work);
    return done;
}

static bool split_word(const ft_token_model *model, ft_slice word, ft_token_sink *sink,
                       ft_error *err)
{
    int32_t id = ft_vocab_find(&model->vocab, word);

    id = id < 0 ? model->unknown : id;
    if (id < 0)
        return no_unknown(word, err);
    ft_token_sink_put(sink, id, 0, word.size);
    return true;
}

static bool check_room(const ft_token_sink *sink, size_t *out_count, ft_error *err)
{
    *out_count = sink->count;
    return sink->count <= sink->room ||
           ft_fail(err, FT_ERROR_LIMIT, "a word gives %zu tokens, and there is room for %zu",
                   sink->count, sink->room);
}

static bool split(const ft_token_model *model, ft_model_scratch *scratch, ft_slice word,
                  ft_token_sink sink, size_t *out_count, ft_error *err)
{
    ft_model_work *work = &scratch->work;
    bool done = false;

    switch (model->kind) {
    case FT_MODEL_WORDPIECE:
        done = split_wordpiece(model, word, work, &sink, err);
        break;
    case FT_MODEL_BPE:
        done = ft_bpe_split(&model->bpe, word, work, &sink, err);
        break;
    case FT_MODEL_UNIGRAM:
        done = ft_unigram_split(&model->unigram, word, work, &sink, err);
        break;
    case FT_MODEL_WORDLEVEL:
        done = split_word(model, word, &sink, err);
        break;
    }
    return done && check_room(&sink, out_count, err);
}

bool ft_token_model_split(const ft_token_model *model, ft_model_scratch *scratch, ft_slice word,
                          ft_model_token *out, size_t room, size_t *out_count, ft_error *err)
{
    return split(model, scratch, word, (ft_token_sink){.tokens = out, .room = room}, out_count,
                 err);
}

bool ft_token_model_takes_bytes(const ft_token_model *model)
{
    return model->kind == FT_MODEL_BPE && model->bpe.takes_bytes;
}

// A word of at most 31 bytes that is not in the cache: its ids into `out` and into the cache.
typedef bool split_function(const ft_token_model *model, ft_model_scratch *scratch, ft_slice word,
                            int32_t *out, size_t room, size_t *out_count, ft_error *err);

static bool split_ids(const ft_token_model *model, ft_model_scratch *scratch, ft_slice word,
                      int32_t *out, size_t room, size_t *out_count, ft_error *err)
{
    return split(model, scratch, word, (ft_token_sink){.ids = out, .room = room}, out_count, err);
}

static bool split_byte_ids(const ft_token_model *model, ft_model_scratch *scratch, ft_slice word,
                           int32_t *out, size_t room, size_t *out_count, ft_error *err)
{
    ft_token_sink sink = {.ids = out, .room = room};

    bool done = model->bpe.takes_spaces
                    ? ft_bpe_split_spaces(&model->bpe, word, &scratch->work, &sink, err)
                    : ft_bpe_split_bytes(&model->bpe, word, &scratch->work, &sink, err);
    return done && check_room(&sink, out_count, err);
}

static void keep_long(ft_word_cache *cache, ft_word_long *place, const uint64_t key[4],
                      const int32_t *ids, size_t count)
{
    if (count == 0 || count > FT_WORD_LONG_IDS)
        return;
    cache->added++;
    memcpy(place->key, key, sizeof(place->key));
    memcpy(place->ids, ids, count * sizeof(*ids));
    place->count = (uint32_t)count;
}

static void long_key(ft_slice word, size_t mark, uint64_t out[4])
{
    ft_word_long_key((const uint8_t *)word.data, word.size, out);
    out[3] |= (uint64_t)(word.size | mark) << 56;
}

// By the table of longer words: of 16 to 31 bytes, or of more ids than the other has room for.
static bool long_ids(const ft_token_model *model, ft_model_scratch *scratch, ft_slice word,
                     size_t mark, split_function *miss, int32_t *out, size_t room,
                     size_t *out_count, ft_error *err)
{
    uint64_t key[4];

    long_key(word, mark, key);
    ft_word_long *place = ft_word_cache_long_at(&scratch->cache, key);
    if (place->count > 0 && memcmp(place->key, key, sizeof(key)) == 0) {
        ft_token_sink sink = {.count = place->count, .room = room};
        if (!check_room(&sink, out_count, err))
            return false;
        memcpy(out, place->ids, place->count * sizeof(*out));
        return true;
    }
    if (!miss(model, scratch, word, out, room, out_count, err))
        return false;
    keep_long(&scratch->cache, place, key, out, *out_count);
    return true;
}

// What an entry holds, which is not FT_WORD_MANY.
static inline bool packed_ids(const ft_word_short *entry, int32_t *out, size_t room,
                              size_t *out_count, ft_error *err)
{
    ft_token_sink sink = {.count = ft_word_packed_count(entry), .room = room};

    if (!check_room(&sink, out_count, err))
        return false;
    for (size_t i = 0; i < sink.count; i++)
        out[i] = ft_word_packed_id(entry, i);
    return true;
}

FT_ALWAYS_INLINE bool short_ids(const ft_token_model *model, ft_model_scratch *scratch,
                                ft_slice word, const uint64_t key[2], ft_word_short *bucket,
                                size_t mark, split_function *miss, int32_t *out, size_t room,
                                size_t *out_count, ft_error *err)
{
    const ft_word_short *entry = ft_word_short_holds(&bucket[0], key) ? &bucket[0] : &bucket[1];
    bool known = ft_word_short_holds(entry, key);

    if (FT_LIKELY(known && ft_word_packed_count(entry) != FT_WORD_MANY))
        return packed_ids(entry, out, room, out_count, err);
    if (known)
        return long_ids(model, scratch, word, mark, miss, out, room, out_count, err);
    if (!miss(model, scratch, word, out, room, out_count, err))
        return false;
    ft_word_cache_add_packed(&scratch->cache, bucket, key, out, *out_count);
    return true;
}

FT_ALWAYS_INLINE bool cached_ids(const ft_token_model *model, ft_model_scratch *scratch,
                                 ft_slice word, size_t mark, split_function *miss, int32_t *out,
                                 size_t room, size_t *out_count, ft_error *err)
{
    uint64_t key[2];

    if (word.size > KEY_LONG)
        return miss(model, scratch, word, out, room, out_count, err);
    if (word.size > KEY_SHORT)
        return long_ids(model, scratch, word, mark, miss, out, room, out_count, err);
    ft_bpe_word_key((const uint8_t *)word.data, word.size, key);
    key[1] |= (uint64_t)mark << 56;
    return short_ids(model, scratch, word, key, ft_word_cache_bucket(&scratch->cache, key), mark,
                     miss, out, room, out_count, err);
}

// Only between words, or blocks of them: places move.
static inline void grow_cache(ft_model_scratch *scratch)
{
    if (FT_UNLIKELY(ft_word_cache_is_crowded(&scratch->cache)))
        ft_word_cache_grow(&scratch->cache);
}

bool ft_token_model_ids(const ft_token_model *model, ft_model_scratch *scratch, ft_slice word,
                        int32_t *out, size_t room, size_t *out_count, ft_error *err)
{
    grow_cache(scratch);
    return cached_ids(model, scratch, word, 0, split_ids, out, room, out_count, err);
}

bool ft_token_model_byte_ids(const ft_token_model *model, ft_model_scratch *scratch, ft_slice word,
                             int32_t *out, size_t room, size_t *out_count, ft_error *err)
{
    grow_cache(scratch);
    return cached_ids(model, scratch, word, KEY_BYTES, split_byte_ids, out, room, out_count, err);
}

bool ft_token_model_words(const ft_token_model *model, ft_model_scratch *scratch, ft_slice text,
                          const uint32_t *ends, uint32_t *counts, size_t count, int32_t *out,
                          size_t room, size_t *out_count, ft_error *err)
{
    enum { BLOCK = 32 };
    struct {
        uint64_t key[2];
        ft_word_short *bucket;
        ft_slice word;
    } block[BLOCK];
    size_t total = 0, start = 0;

    for (size_t from = 0; from < count; from += BLOCK) {
        size_t size = count - from < BLOCK ? count - from : BLOCK;
        grow_cache(scratch);
        for (size_t i = 0; i < size; i++) {
            block[i].word = (ft_slice){text.data + start, ends[from + i] - start};
            start = ends[from + i];
            if (FT_UNLIKELY(block[i].word.size > KEY_SHORT))
                continue;
            ft_bpe_word_key((const uint8_t *)block[i].word.data, block[i].word.size, block[i].key);
            block[i].bucket = ft_word_cache_bucket(&scratch->cache, block[i].key);
            FT_PREFETCH(block[i].bucket);
        }
        for (size_t i = 0; i < size; i++) {
            ft_slice word = block[i].word;
            int32_t *to = out + total;
            size_t added;
            bool done =
                FT_LIKELY(word.size <= KEY_SHORT)
                    ? short_ids(model, scratch, word, block[i].key, block[i].bucket, 0, split_ids,
                                to, room - total, &added, err)
                    : cached_ids(model, scratch, word, 0, split_ids, to, room - total, &added, err);
            if (!done)
                return false;
            counts[from + i] = (uint32_t)added;
            total += added;
        }
    }
    *out_count = total;
    return true;
}

// ---- words that are given as bytes ----
//
// Most are pieces, and the table of those finds them. The others of a block are in the cache or are
// merged side by side.

// A word that is no piece.
typedef struct raw_word {
    uint64_t key[2];
    uint64_t hash;
    ft_slice text;
    size_t index;        // Of the block's words.
    const int32_t *ids;  // What it became.
    size_t count;
    ft_word_short *entry;  // NULL: the cache does not have it.
    ft_bpe_lane *lane;     // NULL: it is in none.
} raw_word;

enum { RAW_BLOCK = 512, RAW_ASKED = 64 };

typedef struct raw_block {
    const uint8_t *text;
    const uint32_t *ends;
    uint32_t start;
    size_t count, other_count, lane_count;
    int32_t ids[RAW_BLOCK];  // Less than 0: it is one of the others.
    raw_word others[RAW_BLOCK];
    ft_bpe_lane lanes[FT_BPE_LANES];
} raw_block;

static inline ft_word_short *find_bucket(const ft_word_cache *cache, uint64_t hash)
{
    return cache->shorts + 2 * (hash >> cache->shift);
}

static inline size_t raw_start(const raw_block *block, size_t index)
{
    return index > 0 ? block->ends[index - 1] : block->start;
}

// Looks for the words from `from` to `to` in the table of pieces, which is asked for all of them
// first.
static void find_pieces(const ft_bpe *bpe, const ft_word_cache *cache, raw_block *block,
                        size_t from, size_t to)
{
    struct {
        uint64_t key[2], hash;
    } asked[RAW_ASKED];
    size_t start = raw_start(block, from);

    for (size_t i = from; i < to; i++) {
        uint64_t *key = asked[i - from].key;
        size_t size = block->ends[i] - start;
        // A longer word has a key of KEY_SHORT bytes, which no piece of the table has.
        ft_bpe_word_key(block->text + start, size < KEY_SHORT ? size : KEY_SHORT, key);
        key[1] |= (uint64_t)KEY_BYTES << 56;
        asked[i - from].hash = ft_bpe_word_hash(key);
        ft_bpe_ask_word(bpe, asked[i - from].hash);
        start = block->ends[i];
    }
    for (size_t i = from; i < to; i++) {
        const uint64_t *key = asked[i - from].key, hash = asked[i - from].hash;
        block->ids[i] = ft_bpe_find_word(bpe, key, hash);
        if (FT_LIKELY(block->ids[i] >= 0))
            continue;
        FT_PREFETCH(find_bucket(cache, hash));
        start = raw_start(block, i);
        block->others[block->other_count++] = (raw_word){
            .key = {key[0], key[1]},
            .hash = hash,
            .text = {(const char *)block->text + start, block->ends[i] - start},
            .index = i,
        };
    }
}

// The others: in the cache, or merged now, or left for later. A block ends where lanes are full.
static void merge_others(const ft_bpe *bpe, const ft_word_cache *cache, raw_block *block)
{
    for (size_t i = 0; i < block->other_count; i++) {
        raw_word *word = &block->others[i];
        if (word->text.size > KEY_SHORT)
            continue;
        ft_word_short *bucket = find_bucket(cache, word->hash);
        if (ft_word_short_holds(&bucket[0], word->key)) {
            word->entry = &bucket[0];
        } else if (ft_word_short_holds(&bucket[1], word->key)) {
            word->entry = &bucket[1];
        } else if (block->lane_count == FT_BPE_LANES) {
            block->other_count = i;
            block->count = word->index;
        } else if (block->ids[word->index] != FT_BPE_ASK &&
                   ft_bpe_open_lane(bpe, (const uint8_t *)word->text.data, word->text.size,
                                    &block->lanes[block->lane_count])) {
            word->lane = &block->lanes[block->lane_count++];
        }
    }
    if (block->lane_count > 0)
        ft_bpe_merge_lanes(bpe, block->lanes, block->lane_count);
}

static bool put_other(const ft_token_model *model, ft_model_scratch *scratch, raw_word *word,
                      int32_t *out, size_t room, ft_error *err)
{
    bool is_long = word->text.size > KEY_SHORT ||
                   (word->entry && ft_word_packed_count(word->entry) == FT_WORD_MANY);

    word->ids = out;
    if (is_long && word->text.size <= KEY_LONG)
        return long_ids(model, scratch, word->text, KEY_BYTES, split_byte_ids, out, room,
                        &word->count, err);
    if (word->entry)
        return packed_ids(word->entry, out, room, &word->count, err);
    if (!word->lane)
        return split_byte_ids(model, scratch, word->text, out, room, &word->count, err);
    ft_token_sink sink = {.count = word->lane->count, .room = room};
    if (!check_room(&sink, &word->count, err))
        return false;
    memcpy(out, word->lane->symbols, word->count * sizeof(*out));
    return true;
}

// What was not in the cache, now that none of its entries is needed any more.
static void keep_others(ft_word_cache *cache, const raw_block *block)
{
    for (size_t i = 0; i < block->other_count; i++) {
        const raw_word *word = &block->others[i];
        if (word->text.size > KEY_SHORT || word->entry)
            continue;
        ft_word_short *bucket = find_bucket(cache, word->hash);
        if (ft_word_short_holds(&bucket[0], word->key))
            continue;  // It stands in the block twice.
        ft_word_cache_add_packed(cache, bucket, word->key, word->ids, word->count);
        if (word->count > FT_WORD_PACKED_IDS) {
            uint64_t key[4];
            long_key(word->text, KEY_BYTES, key);
            keep_long(cache, ft_word_cache_long_at(cache, key), key, word->ids, word->count);
        }
    }
}

// Ids in the order of the words.
static bool put_block(const ft_token_model *model, ft_model_scratch *scratch, raw_block *block,
                      uint32_t *counts, ft_token_sink *sink, ft_error *err)
{
    size_t at = 0, count;

    for (size_t i = 0; i < block->count; i++)
        counts[i] = 1;

    for (size_t i = 0; i <= block->other_count; i++) {
        raw_word *word = &block->others[i];
        size_t until = i < block->other_count ? word->index : block->count;
        int32_t *to = sink->ids + sink->count;
        sink->count += until - at;
        if (!check_room(sink, &count, err))
            return false;
        memcpy(to, block->ids + at, (until - at) * sizeof(*to));
        at = until + 1;
        if (i == block->other_count)
            break;
        if (!put_other(model, scratch, word, sink->ids + sink->count, sink->room - sink->count,
                       err))
            return false;
        counts[word->index] = (uint32_t)word->count;
        sink->count += word->count;
    }
    return true;
}

bool ft_token_model_byte_words(const ft_token_model *model, ft_model_scratch *scratch,
                               ft_slice text, const uint32_t *ends, uint32_t *counts, size_t count,
                               int32_t *out, size_t room, size_t *out_count, ft_error *err)
{
    const ft_bpe *bpe = &model->bpe;
    ft_token_sink sink = {.ids = out, .room = room};
    raw_block block;

    for (size_t from = 0; from < count; from += block.count) {
        block.text = (const uint8_t *)text.data;
        block.ends = ends + from;
        block.start = from > 0 ? ends[from - 1] : 0;
        block.count = count - from < RAW_BLOCK ? count - from : RAW_BLOCK;
        block.other_count = block.lane_count = 0;
        grow_cache(scratch);
        for (size_t at = 0; at < block.count; at += RAW_ASKED)
            find_pieces(bpe, &scratch->cache, &block, at,
                        block.count - at < RAW_ASKED ? block.count : at + RAW_ASKED);
        merge_others(bpe, &scratch->cache, &block);
        if (!put_block(model, scratch, &block, counts + from, &sink, err))
            return false;
        keep_others(&scratch->cache, &block);
    }
    *out_count = sink.count;
    return true;
}

const uint8_t *ft_token_model_sizes(const ft_token_model *model, bool as_bytes, size_t *out_count)
{
    if (!as_bytes) {
        *out_count = model->size_count;
        return model->sizes;
    }
    *out_count = model->bpe.unique_sizes ? model->bpe.raw_count : 0;
    return model->bpe.raw_sizes;
}

bool ft_token_model_is_whole(const ft_token_model *model, bool as_bytes)
{
    // BPE forgets characters when there is no unknown token.
    return model->kind != FT_MODEL_BPE || as_bytes || model->unknown >= 0;
}

bool ft_token_model_add_up(const ft_token_model *model, const int32_t *ids, size_t count,
                           uint32_t start, ft_span *spans, size_t size)
{
    const uint8_t *sizes = model->bpe.raw_sizes;
    const size_t known =
        model->kind == FT_MODEL_BPE && model->bpe.unique_sizes ? model->bpe.raw_count : 0;
    size_t sum = 0;

    for (size_t i = 0; i < count; i++) {
        if (FT_UNLIKELY((size_t)ids[i] >= known))
            return false;
        uint32_t from = start + (uint32_t)sum;
        sum += sizes[ids[i]];
        spans[i] = (ft_span){from, start + (uint32_t)sum};
    }
    return sum == size;
}

// Ids by the cache; the place of each follows from its size.
bool ft_token_model_byte_split(const ft_token_model *model, ft_model_scratch *scratch,
                               ft_slice word, ft_model_token *out, size_t room, size_t *out_count,
                               ft_error *err)
{
    const ft_bpe *bpe = &model->bpe;
    int32_t ids[KEY_LONG];
    uint32_t at = 0;

    bool is_known = word.size <= KEY_LONG && word.size <= room && bpe->unique_sizes;
    if (is_known && !ft_token_model_byte_ids(model, scratch, word, ids, KEY_LONG, out_count, err))
        return false;
    for (size_t i = 0; is_known && i < *out_count; i++) {
        size_t size = ft_bpe_raw_size(bpe, ids[i]), rest = word.size - at;
        // A compiled file may say anything of sizes.
        uint32_t end = at + (uint32_t)(size < rest ? size : rest);
        out[i] = (ft_model_token){.id = ids[i], .start = at, .end = end};
        at = end;
        is_known = size > 0;
    }
    if (is_known)
        return true;
    ft_token_sink sink = {.tokens = out, .room = room};
    return ft_bpe_split_bytes(bpe, word, &scratch->work, &sink, err) &&
           check_room(&sink, out_count, err);
}

bool ft_token_model_adds_up(const ft_token_model *model)
{
    return model->kind == FT_MODEL_BPE && model->bpe.takes_spaces && model->bpe.unique_sizes;
}

bool ft_token_model_begins_at_sign(const ft_token_model *model)
{
    return model->begins_at_sign;
}

const ft_token_joins *ft_token_model_joins(const ft_token_model *model)
{
    return model->kind == FT_MODEL_BPE ? model->bpe.joins : NULL;
}

const ft_wordpiece *ft_token_model_wordpiece(const ft_token_model *model)
{
    return model->kind == FT_MODEL_WORDPIECE ? &model->wordpiece : NULL;
}

int32_t ft_token_model_find(const ft_token_model *model, ft_slice text)
{
    return ft_vocab_find(&model->vocab, text);
}

ft_slice ft_token_model_text(const ft_token_model *model, int32_t id)
{
    return ft_vocab_text(&model->vocab, id);
}

size_t ft_token_model_id_end(const ft_token_model *model)
{
    return ft_vocab_id_end(&model->vocab);
}

static void transfer_wordpiece(ft_wordpiece *wordpiece, ft_image *image)
{
    FT_IMAGE_ID(image, wordpiece->unknown);
    FT_IMAGE_FIELD(image, wordpiece->max_chars, SIZE_MAX);
    FT_IMAGE_FIELD(image, wordpiece->prefix_size, SIZE_MAX);
    ft_trie_transfer(&wordpiece->words, FT_VOCAB_ID_MAX, image);
    ft_trie_transfer(&wordpiece->pieces, FT_VOCAB_ID_MAX, image);
}

void ft_token_model_transfer(const ft_token_model **model, ft_image *image)
{
    ft_token_model *copy = ft_image_alloc(image, 1, sizeof(*copy));

    if (!copy)
        return;
    if (*model)
        *copy = **model;
    FT_IMAGE_FIELD(image, copy->kind, FT_MODEL_WORDLEVEL);
    FT_IMAGE_ID(image, copy->unknown);
    FT_IMAGE_FIELD(image, copy->begins_at_sign, 1);
    const void *sizes = copy->sizes;
    ft_image_array(image, &sizes, &copy->size_count, sizeof(*copy->sizes), NULL, NULL);
    copy->sizes = sizes;
    bool is_text = copy->kind != FT_MODEL_BPE || !copy->bpe.is_bytes;
    FT_IMAGE_FIELD(image, is_text, 1);
    ft_vocab_transfer(&copy->vocab, is_text, image);
    switch (copy->kind) {
    case FT_MODEL_WORDPIECE:
        transfer_wordpiece(&copy->wordpiece, image);
        break;
    case FT_MODEL_BPE:
        ft_bpe_transfer(&copy->bpe, &copy->vocab, image);
        ft_image_check(image, copy->bpe.is_bytes == !is_text, "texts are no texts");
        break;
    case FT_MODEL_UNIGRAM:
        ft_unigram_transfer(&copy->unigram, &copy->vocab, image);
        break;
    case FT_MODEL_WORDLEVEL:
        break;
    }
    ft_image_check(image, is_text || copy->kind == FT_MODEL_BPE, "texts are no texts");
    *model = copy;
}

bool ft_token_model_is(const ft_token_model *model, ft_model_kind kind, bool is_bytes)
{
    return model->kind == kind && (kind == FT_MODEL_BPE && model->bpe.is_bytes) == is_bytes;
}
