// Open addressing with linear probing, at most half full. Texts lie end to end in one block.
#include "stages/text/vocabulary.h"

#include <stdio.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "stages/text/tokenizer_parts.h"

enum { SEED = 0x5bd1e995, DIGIT_BITS = 12, SHOWN = 60, AHEAD = 16 };

const char *ft_model_place(char room[FT_PLACE_BYTES], const char *list, size_t index)
{
    snprintf(room, FT_PLACE_BYTES, "%s[%zu]", list, index);
    return room;
}

ft_slice ft_shown(ft_slice text)
{
    if (text.size <= SHOWN)
        return text;
    size_t size = SHOWN;
    while (size > 0 && ((unsigned char)text.data[size] & 0xc0) == 0x80)
        size--;
    return (ft_slice){text.data, size};
}

static bool check_pieces(const ft_piece *pieces, size_t count, const char *path, size_t *out_bytes,
                         ft_error *err)
{
    char room[FT_PLACE_BYTES];
    size_t bytes = 0;

    if (count > FT_VOCAB_ID_MAX)
        return ft_tokenizer_fault(err, path, "model.vocab", "more than %d pieces", FT_VOCAB_ID_MAX);
    for (size_t i = 0; i < count; i++) {
        ft_slice shown = ft_shown(pieces[i].text);
        if (pieces[i].id < 0 || pieces[i].id > FT_VOCAB_ID_MAX)
            return ft_tokenizer_fault(err, path, ft_model_place(room, "model.vocab", i),
                                      "`%.*s` has the id %d; ids are 0 to %d", (int)shown.size,
                                      shown.data, pieces[i].id, FT_VOCAB_ID_MAX);
        if (pieces[i].text.size > FT_PIECE_BYTES_MAX)
            return ft_tokenizer_fault(err, path, ft_model_place(room, "model.vocab", i),
                                      "`%.*s`... has %zu bytes; at most %d are possible",
                                      (int)shown.size, shown.data, pieces[i].text.size,
                                      FT_PIECE_BYTES_MAX);
        bytes += pieces[i].text.size;
    }
    *out_bytes = bytes;
    return bytes <= UINT32_MAX - FT_VOCAB_TAIL ||
           ft_tokenizer_fault(err, path, "model.vocab", "the texts have %zu bytes together", bytes);
}

// The slot of `text`, or the free one where it would be.
static size_t find_slot(const ft_vocab *vocab, ft_slice text, uint64_t hash)
{
    const size_t mask = ((size_t)1 << (64 - vocab->shift)) - 1;

    for (size_t at = (size_t)(hash >> vocab->shift);; at = (at + 1) & mask) {
        const ft_vocab_slot *slot = &vocab->slots[at];
        if (slot->record == UINT32_MAX)
            return at;
        if (slot->tag != (uint32_t)hash)
            continue;
        const ft_vocab_record *record = &vocab->records[slot->record];
        if (record->size == text.size &&
            (text.size == 0 || memcmp(vocab->texts + record->offset, text.data, text.size) == 0))
            return at;
    }
}

static void ask_slot(const ft_vocab *vocab, uint64_t hash)
{
    FT_PREFETCH(&vocab->slots[hash >> vocab->shift]);
}

// Enters all texts, so that the last of equals stays. Returns how many were displaced. Slots are
// asked for some texts ahead, since nearly each is a line that is in no cache.
static size_t fill_slots(ft_vocab *vocab, ft_vocab_record *records, ft_vocab_slot *slots,
                         ft_vocab_duplicates duplicates)
{
    uint64_t hashes[AHEAD];
    size_t displaced = 0;

    memset(hashes, 0, sizeof(hashes));
    for (size_t i = 0; i < vocab->count + AHEAD; i++) {
        uint64_t hash = hashes[i % AHEAD];
        if (i < vocab->count) {
            ft_slice next = {vocab->texts + records[i].offset, records[i].size};
            hashes[i % AHEAD] = ft_hash(next, SEED);
            ask_slot(vocab, hashes[i % AHEAD]);
        }
        if (i < AHEAD)
            continue;
        size_t record = i - AHEAD;
        ft_slice text = {vocab->texts + records[record].offset, records[record].size};
        ft_vocab_slot *slot = &slots[find_slot(vocab, text, hash)];
        if (slot->record != UINT32_MAX && duplicates == FT_VOCAB_FORGET) {
            records[slot->record].id = -1;
            displaced++;
        }
        *slot = (ft_vocab_slot){.tag = (uint32_t)hash, .record = (uint32_t)record};
    }
    return displaced;
}

static void sort_digit(const ft_vocab_record *records, const uint32_t *from, uint32_t *to,
                       size_t count, unsigned shift)
{
    enum { DIGITS = 1 << DIGIT_BITS };
    uint32_t starts[DIGITS] = {0}, sum = 0;

    for (size_t i = 0; i < count; i++)
        starts[(uint32_t)records[from[i]].id >> shift & (DIGITS - 1)]++;
    for (size_t i = 0; i < DIGITS; i++) {
        uint32_t here = starts[i];
        starts[i] = sum;
        sum += here;
    }
    for (size_t i = 0; i < count; i++)
        to[starts[(uint32_t)records[from[i]].id >> shift & (DIGITS - 1)]++] = from[i];
}

// The order of ids, in two passes of half their bits; of equal ids only the last.
static bool build_order(ft_vocab *vocab, ft_arena *arena, ft_error *err)
{
    uint32_t *order = ft_arena_alloc(arena, (vocab->count + 1) * sizeof(*order));
    uint32_t *other = ft_alloc_array(vocab->count + 1, sizeof(*other));

    if (!order || !other) {
        ft_free(other);
        return ft_fail_nomem(err, (vocab->count + 1) * sizeof(*order));
    }
    size_t live = 0, kept = 0;
    for (size_t i = 0; i < vocab->count; i++) {
        if (vocab->records[i].id >= 0)
            order[live++] = (uint32_t)i;
    }
    sort_digit(vocab->records, order, other, live, 0);
    sort_digit(vocab->records, other, order, live, DIGIT_BITS);
    for (size_t i = 0; i < live; i++) {
        if (kept > 0 && vocab->records[order[kept - 1]].id == vocab->records[order[i]].id)
            kept--;
        order[kept++] = order[i];
    }
    ft_free(other);
    vocab->order = order;
    vocab->ordered = kept;
    return true;
}

static bool is_ordered(const ft_vocab *vocab)
{
    for (size_t i = 1; i < vocab->count; i++) {
        if (vocab->records[i - 1].id >= vocab->records[i].id)
            return false;
    }
    return true;
}

bool ft_vocab_build(const ft_piece *pieces, size_t count, ft_vocab_duplicates duplicates,
                    const char *path, ft_arena *arena, ft_vocab *out, ft_error *err)
{
    size_t bytes = 0;

    if (!check_pieces(pieces, count, path, &bytes, err))
        return false;
    unsigned bits = 4;
    while (((size_t)1 << bits) < 2 * count)
        bits++;
    char *texts = ft_arena_alloc(arena, bytes + FT_VOCAB_TAIL);
    ft_vocab_record *records = ft_arena_alloc(arena, (count + 1) * sizeof(*records));
    ft_vocab_slot *slots = ft_arena_aligned(arena, sizeof(*slots) << bits, 64);
    if (!texts || !records || !slots)
        return ft_fail_nomem(err, bytes + (sizeof(*slots) << bits));
    memset(slots, 0xff, sizeof(*slots) << bits);
    memset(texts + bytes, 0, FT_VOCAB_TAIL);
    *out = (ft_vocab){
        .texts = texts, .records = records, .count = count, .slots = slots, .shift = 64 - bits};
    uint32_t offset = 0;
    for (size_t i = 0; i < count; i++) {
        ft_slice text = pieces[i].text;
        if (text.size > 0)
            memcpy(texts + offset, text.data, text.size);
        records[i] = (ft_vocab_record){pieces[i].id, offset, (uint32_t)text.size};
        offset += (uint32_t)text.size;
        out->longest = text.size > out->longest ? text.size : out->longest;
    }
    size_t displaced = fill_slots(out, records, slots, duplicates);
    out->ordered = count;
    return (displaced == 0 && is_ordered(out)) || build_order(out, arena, err);
}

int32_t ft_vocab_find(const ft_vocab *vocab, ft_slice text)
{
    if (text.size > vocab->longest)
        return -1;
    uint32_t record = vocab->slots[find_slot(vocab, text, ft_hash(text, SEED))].record;
    return record == UINT32_MAX ? -1 : vocab->records[record].id;
}

size_t ft_vocab_record_of(const ft_vocab *vocab, int32_t id)
{
    size_t low = 0, high = vocab->ordered;

    if (id < 0)
        return SIZE_MAX;
    // Ids grow, so the place is not behind the id; without holes it is there.
    if ((size_t)id + 1 < high)
        high = (size_t)id + 1;
    for (size_t middle = high - 1; low < high; middle = low + (high - low) / 2) {
        size_t record = vocab->order ? vocab->order[middle] : middle;
        if (vocab->records[record].id == id)
            return record;
        if (vocab->records[record].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return SIZE_MAX;
}

ft_slice ft_vocab_text(const ft_vocab *vocab, int32_t id)
{
    size_t record = ft_vocab_record_of(vocab, id);

    if (record == SIZE_MAX)
        return (ft_slice){0};
    return (ft_slice){vocab->texts + vocab->records[record].offset, vocab->records[record].size};
}

size_t ft_vocab_id_end(const ft_vocab *vocab)
{
    const size_t count = vocab->order ? vocab->ordered : vocab->count;

    if (count == 0)
        return 0;
    return (size_t)vocab->records[vocab->order ? vocab->order[count - 1] : count - 1].id + 1;
}

bool ft_vocab_has_one_text(const ft_vocab *vocab)
{
    size_t live = 0;

    for (size_t i = 0; i < vocab->count; i++)
        live += vocab->records[i].id >= 0;
    return live == vocab->ordered;
}

// <0x41> stands for a byte, unless the text has it letter by letter.
static bool is_byte_token(ft_slice text)
{
    return text.size == 6 && memcmp(text.data, "<0x", 3) == 0;
}

const uint8_t *ft_vocab_sizes(const ft_vocab *vocab, int32_t unknown, uint8_t byte_size,
                              ft_arena *arena, ft_error *err)
{
    const size_t count = ft_vocab_id_end(vocab);
    uint8_t *sizes = ft_arena_zero(arena, count + 1, 1);

    if (!sizes)
        ft_fail_nomem(err, count + 1);
    const size_t said = sizes && ft_vocab_has_one_text(vocab) ? vocab->count : 0;
    for (size_t i = 0; i < said; i++) {
        const ft_vocab_record *record = &vocab->records[i];
        if (record->id < 0 || record->id == unknown || record->size > UINT8_MAX)
            continue;
        bool is_byte = is_byte_token((ft_slice){vocab->texts + record->offset, record->size});
        sizes[record->id] = is_byte ? byte_size : (uint8_t)record->size;
    }
    return sizes;
}

static bool find_part(const ft_vocab *vocab, const ft_merge_text *merge, ft_slice part,
                      const char *path, size_t index, int32_t *out, ft_error *err)
{
    char room[FT_PLACE_BYTES];

    *out = ft_vocab_find(vocab, part);
    if (*out >= 0)
        return true;
    ft_slice left = ft_shown(merge->left), right = ft_shown(merge->right), shown = ft_shown(part);
    return ft_tokenizer_fault(err, path, ft_model_place(room, "model.merges", index),
                              "`%.*s %.*s`: `%.*s` is not in the vocabulary", (int)left.size,
                              left.data, (int)right.size, right.data, (int)shown.size, shown.data);
}

// Left and right of a merge that comes later.
static void ask_merge(const ft_vocab *vocab, const ft_merge_text *merge)
{
    ask_slot(vocab, ft_hash(merge->left, SEED));
    ask_slot(vocab, ft_hash(merge->right, SEED));
}

static bool resolve(const ft_vocab *vocab, ft_slice prefix, const ft_merge_text *merge,
                    const char *path, size_t index, char *joined, ft_merge *out, ft_error *err)
{
    char room[FT_PLACE_BYTES];

    if (!find_part(vocab, merge, merge->left, path, index, &out->left, err) ||
        !find_part(vocab, merge, merge->right, path, index, &out->right, err))
        return false;
    // The reference does not look whether it is the prefix that it takes away, only at its length.
    if (merge->right.size < prefix.size) {
        ft_slice shown = ft_shown(merge->right);
        return ft_tokenizer_fault(err, path, ft_model_place(room, "model.merges", index),
                                  "`%.*s` does not begin with the prefix `%.*s`", (int)shown.size,
                                  shown.data, (int)prefix.size, prefix.data);
    }
    ft_slice rest = {merge->right.data + prefix.size, merge->right.size - prefix.size};
    if (merge->left.size > 0)
        memcpy(joined, merge->left.data, merge->left.size);
    if (rest.size > 0)
        memcpy(joined + merge->left.size, rest.data, rest.size);
    return find_part(vocab, merge, (ft_slice){joined, merge->left.size + rest.size}, path, index,
                     &out->merged, err);
}

bool ft_merges_resolve(const ft_piece *pieces, size_t piece_count, ft_slice prefix,
                       const ft_merge_text *texts, size_t count, const char *path, ft_arena *arena,
                       const ft_merge **out, ft_error *err)
{
    ft_arena *scratch = ft_arena_create();
    ft_merge *merges = ft_arena_alloc(arena, (count + 1) * sizeof(*merges));
    // Both parts are pieces, or there is a fault before they are joined.
    char *joined = scratch ? ft_arena_alloc(scratch, 2 * FT_PIECE_BYTES_MAX) : NULL;
    ft_vocab vocab;

    bool done = (merges && joined) || ft_fail_nomem(err, (count + 1) * sizeof(*merges));
    done = done && ft_vocab_build(pieces, piece_count, FT_VOCAB_FORGET, path, scratch, &vocab, err);
    for (size_t i = 0; i < count && done; i++) {
        if (i + AHEAD / 2 < count)
            ask_merge(&vocab, &texts[i + AHEAD / 2]);
        done = resolve(&vocab, prefix, &texts[i], path, i, joined, &merges[i], err);
    }
    *out = merges;
    ft_arena_destroy(scratch);
    return done;
}

// ---- pieces of the user ----

bool ft_pieces_user_defined(const ft_piece *pieces, size_t count, ft_arena *arena,
                            const ft_trie **out, ft_error *err)
{
    size_t found = 0, kept = 0;

    *out = NULL;
    for (size_t i = 0; i < count; i++)
        found += pieces[i].kind == FT_PIECE_USER_DEFINED && pieces[i].text.size > 0;
    if (found == 0)
        return true;
    ft_trie_key *keys = ft_alloc_array(found, sizeof(*keys));
    ft_trie *trie = ft_arena_zero(arena, 1, sizeof(*trie));
    found = 0;
    for (size_t i = 0; i < count && keys; i++) {
        if (pieces[i].kind == FT_PIECE_USER_DEFINED && pieces[i].text.size > 0)
            keys[found++] = ft_trie_make_key(pieces[i].text, pieces[i].id);
    }
    bool done = (keys && trie) || ft_fail_nomem(err, found * sizeof(*keys));
    if (done)
        ft_trie_sort(keys, found);
    for (size_t i = 0; i < found && done; i++) {
        if (kept == 0 || !ft_slice_equal(keys[kept - 1].text, keys[i].text))
            keys[kept++] = keys[i];
    }
    *out = trie;
    done = done && ft_trie_build(keys, kept, arena, trie, err);
    ft_free(keys);
    return done;
}
