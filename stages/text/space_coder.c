// Words are found byte by byte: only a space, a control or a lead byte of U+2581 and of white space
// beyond ASCII stops the scan. Words are copied into a block, their sign in front, and a block of
// them is looked up at a time.
#include "stages/text/space_coder.h"

#include <string.h>

#include "runtime/memory/alloc.h"
#include "stages/text/pattern.h"
#include "stages/text/unicode.h"

#define SIGN FT_SLICE("\xe2\x96\x81")
enum { SIGN_BYTES = 3, BLOCK_WORDS = 64, BLOCK_BYTES = 4096, SLACK = 64, CACHE_BYTES = 1 << 24 };
enum { CUT_WORDS = 512 };

struct ft_space_coder {
    const ft_token_model *model;
    ft_account *account;
    ft_space_rule rule;
    ft_model_scratch *scratch;
    bool stops[256];              // Bytes at which a word may end.
    const ft_token_joins *joins;  // RUNS, where text can be cut by them; else NULL.
    bool is_raw, has_prefix;      // What ft_space_coder_is_raw says; with a sign in front.
    // The words at work, one behind the other.
    ft_buffer *block;
    uint32_t ends[BLOCK_WORDS];
    ft_placed_word words[BLOCK_WORDS];
    size_t count, size;
    ft_placer *placer;  // NULL: ids alone.
    size_t at;          // Where the text at work begins in the placer's.
};

static bool is_metaspace(const ft_pre_step *step)
{
    return step->kind == FT_PRE_METASPACE && step->metaspace.split &&
           step->metaspace.scheme == FT_PREPEND_ALWAYS &&
           ft_slice_equal(step->metaspace.replacement, SIGN);
}

ft_space_rule ft_space_rule_of(const ft_definition *definition, const ft_token_model *model)
{
    const ft_pre_step *pre = definition->pre;

    if (definition->pre_count == 2 && pre[0].kind == FT_PRE_WHITESPACE_SPLIT &&
        is_metaspace(&pre[1]))
        return FT_SPACES_WHITE;
    if (definition->pre_count == 1 && is_metaspace(&pre[0]))
        return FT_SPACES_EACH;
    return definition->pre_count == 0 && ft_token_model_begins_at_sign(model) ? FT_SPACES_RUNS
                                                                              : FT_SPACES_NONE;
}

// The steps put signs for spaces, and one in front, and do nothing else.
static bool only_signs(const ft_definition *definition, bool *out_prefix)
{
    size_t replaced = 0, prepended = 0;

    for (size_t i = 0; i < definition->normalize_count; i++) {
        const ft_normalize_step *step = &definition->normalize[i];
        if (step->kind == FT_NORMALIZE_REPLACE &&
            ft_pattern_is_literal(step->replace.pattern, FT_SLICE(" ")) &&
            ft_slice_equal(step->replace.content, SIGN))
            replaced++;
        else if (step->kind == FT_NORMALIZE_PREPEND && ft_slice_equal(step->prepend, SIGN))
            prepended++;
        else
            return false;
    }
    *out_prefix = prepended == 1;
    return replaced == 1 && prepended <= 1;
}

ft_space_coder *ft_space_coder_create(const ft_definition *definition, const ft_token_model *model,
                                      ft_account *account, ft_error *err)
{
    ft_space_coder *coder = ft_alloc_zero(1, sizeof(*coder));

    if (!coder) {
        ft_fail_nomem(err, sizeof(*coder));
        return NULL;
    }
    coder->model = model;
    coder->account = account;
    coder->rule = ft_space_rule_of(definition, model);
    coder->joins = coder->rule == FT_SPACES_RUNS ? ft_token_model_joins(model) : NULL;
    coder->is_raw = coder->joins && only_signs(definition, &coder->has_prefix);
    coder->stops[0xe2] = true;  // Of the sign, and of white space.
    if (coder->rule == FT_SPACES_EACH)
        coder->stops[' '] = true;
    for (unsigned byte = 0; coder->rule == FT_SPACES_WHITE && byte < 256; byte++)
        coder->stops[byte] |= byte <= ' ' || byte == 0xc2 || byte == 0xe1 || byte == 0xe3;
    coder->scratch = ft_model_scratch_create(model, CACHE_BYTES, account, err);
    coder->block = coder->scratch ? ft_buffer_create(account, BLOCK_BYTES, err) : NULL;
    if (!coder->block)
        ft_space_coder_destroy(ft_take(&coder));
    return coder;
}

void ft_space_coder_destroy(ft_space_coder *coder)
{
    if (!coder)
        return;
    ft_model_scratch_destroy(coder->scratch);
    ft_buffer_unref(coder->block);
    ft_free(coder);
}

// Ids of the words of the block.
static bool flush(ft_space_coder *coder, ft_ids *ids, ft_error *err)
{
    size_t count, room = ft_token_model_room(coder->model, coder->size);
    const ft_slice words = {coder->block->data, coder->size};
    uint32_t counts[BLOCK_WORDS];

    if (coder->count == 0)
        return true;
    if (!ft_ids_reserve(ids, room, err) ||
        !ft_token_model_words(coder->model, coder->scratch, words, coder->ends, counts,
                              coder->count, ft_ids_data(ids) + ids->count, room, &count, err))
        return false;
    ids->count += count;
    if (coder->placer &&
        !ft_placer_add(coder->placer, coder->block->data, coder->words, counts, coder->count, err))
        return false;
    coder->count = coder->size = 0;
    return true;
}

static bool grow_block(ft_space_coder *coder, size_t size, ft_error *err)
{
    if (size + SLACK <= coder->block->size_bytes)
        return true;
    ft_buffer *larger = ft_buffer_create(coder->account, size + SLACK, err);
    if (!larger)
        return false;
    ft_buffer_unref(coder->block);
    coder->block = larger;
    return true;
}

static bool make_room(ft_space_coder *coder, size_t size, ft_ids *ids, ft_error *err)
{
    if ((coder->count == BLOCK_WORDS || coder->size + size + SLACK > coder->block->size_bytes) &&
        !flush(coder, ids, err))
        return false;
    return grow_block(coder, size, err);
}

// The bytes [from, from + word.size) of the text, a sign in front; that stands for a space before
// it (`was_space`), else for the first character.
static bool add_word(ft_space_coder *coder, bool sign, bool was_space, size_t from, ft_slice word,
                     ft_ids *ids, ft_error *err)
{
    size_t size = word.size + (sign ? SIGN_BYTES : 0);

    if (size > UINT32_MAX / 8)
        return ft_fail(err, FT_ERROR_LIMIT, "a word of %zu bytes", size);
    if (!make_room(coder, size, ids, err))
        return false;
    char *to = (char *)coder->block->data + coder->size;
    if (sign)
        memcpy(to, SIGN.data, SIGN_BYTES);
    memcpy(to + size - word.size, word.data, word.size);
    coder->size += size;
    if (coder->placer) {
        uint32_t start = (uint32_t)(coder->at + from);
        ft_placed_word *placed = &coder->words[coder->count];
        *placed = (ft_placed_word){
            .at = (uint32_t)(coder->size - size), .from = start, .to = start + (uint32_t)word.size};
        if (sign) {
            size_t width = 0;
            if (!was_space)
                ft_unicode_next((const uint8_t *)word.data, &width);
            placed->head = SIGN_BYTES;
            placed->head_at = start - was_space;
            placed->head_size = was_space ? 1 : (uint8_t)width;
        }
    }
    coder->ends[coder->count++] = (uint32_t)coder->size;
    return true;
}

static bool is_sign(const uint8_t *bytes)
{
    return bytes[0] == 0xe2 && bytes[1] == 0x96 && bytes[2] == 0x81;
}

// How many bytes of white space stand at `at`; 0: none.
static size_t white_at(const ft_space_coder *coder, const uint8_t *bytes, size_t at)
{
    size_t end = at;

    if (coder->rule == FT_SPACES_EACH)
        return bytes[at] == ' ';
    if (coder->rule == FT_SPACES_RUNS)
        return 0;
    return ft_unicode_get(ft_unicode_next(bytes, &end))->flags & FT_UNICODE_WHITE ? end - at : 0;
}

// Where a byte stands at which a word may end, from `at` on; else `size`. Printed ASCII is none.
static inline size_t find_stop(const ft_space_coder *coder, const uint8_t *bytes, size_t at,
                               size_t size)
{
    while (at < size) {
        uint64_t word;
        memcpy(&word, bytes + at, sizeof(word));
        size_t printed = ft_ascii_count_printed(word);
        at += printed;
        if (printed == sizeof(word))
            continue;
        if (at >= size || coder->stops[bytes[at]])
            break;
        at++;
    }
    return at < size ? at : size;
}

// A word ends at `at`: white space, or a sign with which the next one begins. In RUNS the signs of
// a run stay together.
static bool ends_at(const ft_space_coder *coder, const uint8_t *bytes, size_t from, size_t at,
                    size_t *out_white)
{
    *out_white = white_at(coder, bytes, at);
    if (*out_white > 0)
        return true;
    if (at == from || !is_sign(bytes + at))
        return false;
    return coder->rule != FT_SPACES_RUNS ||
           !(at >= from + SIGN_BYTES && is_sign(bytes + at - SIGN_BYTES));
}

// `was_space`: a space of the text stands before it, which is its sign.
static bool add_part(ft_space_coder *coder, size_t from, ft_slice word, bool was_space, ft_ids *ids,
                     ft_error *err)
{
    bool has_sign = word.size >= SIGN_BYTES && is_sign((const uint8_t *)word.data);

    if (coder->rule == FT_SPACES_RUNS || (has_sign && !was_space))
        return word.size == 0 || add_word(coder, false, false, from, word, ids, err);
    // A space before a sign is a word of its own.
    if (has_sign)
        return add_word(coder, true, true, from, (ft_slice){word.data, 0}, ids, err) &&
               add_word(coder, false, false, from, word, ids, err);
    return (word.size == 0 && !was_space) || add_word(coder, true, was_space, from, word, ids, err);
}

// Ends of words, where no token may go on: from `at` on, behind the byte `before`.
static size_t cut_words(const ft_token_joins *joins, ft_slice text, size_t at, uint8_t before,
                        uint32_t ends[CUT_WORDS])
{
    const uint8_t *bytes = (const uint8_t *)text.data;
    size_t count = 0;

    for (; at < text.size && count < CUT_WORDS - 1; at++) {
        uint8_t byte = bytes[at];
        ends[count] = (uint32_t)at;
        count += !(joins[before].after[byte / 8] >> byte % 8 & 1);
        before = byte;
    }
    if (at == text.size)
        ends[count++] = (uint32_t)at;
    return count;
}

static bool too_large(ft_slice text, ft_error *err)
{
    return ft_fail(err, FT_ERROR_LIMIT, "a text of %zu bytes between two added tokens", text.size);
}

// Normalised text that can be cut by `joins`.
static bool add_joined(ft_space_coder *coder, ft_slice text, size_t enough, ft_ids *ids,
                       ft_error *err)
{
    uint32_t ends[CUT_WORDS], counts[CUT_WORDS];
    size_t from = 0, added;

    if (text.size > UINT32_MAX)
        return too_large(text, err);
    while (from < text.size && ids->count < enough) {
        size_t count = cut_words(coder->joins, text, from + 1, (uint8_t)text.data[from], ends);
        ft_slice words = {text.data + from, ends[count - 1] - from};
        size_t room = ft_token_model_room(coder->model, words.size);
        for (size_t i = 0; i < count; i++)
            ends[i] -= (uint32_t)from;
        if (!ft_ids_reserve(ids, room, err) ||
            !ft_token_model_words(coder->model, coder->scratch, words, ends, counts, count,
                                  ft_ids_data(ids) + ids->count, room, &added, err))
            return false;
        ids->count += added;
        from += words.size;
    }
    return true;
}

bool ft_space_coder_is_raw(const ft_space_coder *coder, bool with_places)
{
    return coder->is_raw && (!with_places || ft_token_model_adds_up(coder->model));
}

bool ft_space_coder_add_raw(ft_space_coder *coder, ft_slice text, size_t enough, ft_ids *ids,
                            ft_placer *placer, bool *out_done, ft_error *err)
{
    uint32_t ends[CUT_WORDS], counts[CUT_WORDS];
    size_t from = 0, added;
    size_t front = coder->has_prefix;  // Spaces that are put in front.
    const size_t before = ids->count;

    if (text.size > UINT32_MAX - 1)
        return too_large(text, err);
    if (placer)
        placer->is_one_word = true;
    *out_done = true;
    while (from < text.size && ids->count < enough) {
        size_t count =
            front ? cut_words(coder->joins, text, from, ' ', ends)
                  : cut_words(coder->joins, text, from + 1, (uint8_t)text.data[from], ends);
        size_t size = ends[count - 1] - from, room = size + front;
        if (!grow_block(coder, room, err) || !ft_ids_reserve(ids, room, err))
            return false;
        char *block = coder->block->data;
        block[0] = ' ';
        memcpy(block + front, text.data + from, size);
        for (size_t i = 0; i < count; i++)
            ends[i] += (uint32_t)front - (uint32_t)from;
        if (!ft_token_model_byte_words(coder->model, coder->scratch, (ft_slice){block, room}, ends,
                                       counts, count, ft_ids_data(ids) + ids->count, room, &added,
                                       err))
            return false;
        ids->count += added;
        if (placer && !ft_placer_add_spaced(placer, (const uint8_t *)block, from, front > 0, ends,
                                            counts, count, out_done, err))
            return false;
        if (!*out_done) {
            ids->count = before;
            ft_placer_forget(placer, before);
            return true;
        }
        from += size;
        front = 0;
    }
    if (placer)
        placer->word++;
    return true;
}

bool ft_space_coder_add(ft_space_coder *coder, ft_slice text, size_t start, size_t enough,
                        ft_ids *ids, ft_placer *placer, ft_error *err)
{
    const uint8_t *bytes = (const uint8_t *)text.data;
    size_t from = 0, at = 0;
    bool was_space = false;

    coder->placer = placer;
    if (placer)
        placer->is_one_word = coder->rule == FT_SPACES_RUNS;
    coder->at = start;
    // A piece has its size as the word has it: with signs.
    if (coder->joins && !placer)
        return add_joined(coder, text, enough, ids, err);
    coder->count = coder->size = 0;
    while (at < text.size && ids->count < enough) {
        size_t white = 0;
        at = find_stop(coder, bytes, at, text.size);
        if (at < text.size && !ends_at(coder, bytes, from, at, &white)) {
            at++;
            continue;
        }
        if (!add_part(coder, from, (ft_slice){text.data + from, at - from}, was_space, ids, err))
            return false;
        was_space = coder->rule == FT_SPACES_EACH && white > 0;
        at += white;
        from = at;
    }
    // What is left behind the last end; a space at the very end is a word too.
    if (!add_part(coder, from, (ft_slice){text.data + from, at - from}, was_space, ids, err) ||
        !flush(coder, ids, err))
        return false;
    if (placer && placer->is_one_word && text.size > 0)
        placer->word++;
    return true;
}
