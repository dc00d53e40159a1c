// The tables of a BPE model.
//
// Where merges are not listed (by id or by score), each way to cut a piece into two pieces or
// characters is one: so the joined text needs no search while words are merged. Prefixes and
// suffixes are found by a rolling hash, so that the ways of a piece cost its length.
#include <stdlib.h>
#include <string.h>

#include "runtime/memory/alloc.h"
#include "stages/text/bpe.h"
#include "stages/text/tokenizer_parts.h"

// More ways to merge than any vocabulary has that was learnt; some 500 MiB.
enum { PAIRS_MAX = 1 << 24 };
#define POWER UINT64_C(0x100000001b3)

typedef struct builder {
    const ft_model_definition *definition;
    const ft_vocab *vocab;
    const char *path;
    ft_arena *arena;    // What stays.
    ft_arena *scratch;  // What goes.
    ft_bpe *bpe;
    ft_bpe_pair *pairs;
} builder;

uint32_t ft_bpe_letter(uint8_t byte)
{
    if ((byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173))
        return byte;
    // All others in their order from U+0100.
    if (byte <= 32)
        return 256u + byte;
    return byte == 173 ? 256 + 67 : 256u + byte - 127 + 33;
}

int ft_bpe_byte(uint32_t letter)
{
    if (letter < 256)
        return ft_bpe_letter((uint8_t)letter) == letter ? (int)letter : -1;
    if (letter <= 256 + 32)
        return (int)letter - 256;
    if (letter < 256 + 67)
        return (int)letter - 256 - 33 + 127;
    return letter == 256 + 67 ? 173 : -1;
}

// Room for `count` pairs, at most half full.
static bool open_pairs(builder *b, size_t count, ft_error *err)
{
    unsigned bits = 6;

    while (((size_t)1 << bits) < count + count / 2)
        bits++;
    b->pairs = ft_arena_aligned(b->arena, sizeof(*b->pairs) << bits, 64);
    if (!b->pairs)
        return ft_fail_nomem(err, sizeof(*b->pairs) << bits);
    memset(b->pairs, 0xff, sizeof(*b->pairs) << bits);
    b->bpe->pairs = b->pairs;
    b->bpe->pair_shift = 64 - bits;
    return true;
}

// The last of equals stays, as in the reference.
static void add_pair(builder *b, uint32_t left, uint32_t right, ft_bpe_cell cell)
{
    const uint64_t key = (uint64_t)left << 32 | right;
    const size_t mask = ((size_t)1 << (64 - b->bpe->pair_shift)) - 1;
    size_t at = ft_bpe_pair_place(key, b->bpe->pair_shift);

    while (b->pairs[at].key != key && b->pairs[at].key != UINT64_MAX)
        at = (at + 1) & mask;
    b->pairs[at] = (ft_bpe_pair){.key = key, .cell = cell};
}

static bool add_listed(builder *b, ft_error *err)
{
    const ft_model_definition *d = b->definition;
    char room[FT_PLACE_BYTES];

    if (d->merge_count > PAIRS_MAX)
        return ft_tokenizer_fault(err, b->path, "model.merges", "more than %d merges", PAIRS_MAX);
    if (!open_pairs(b, d->merge_count, err))
        return false;
    for (size_t i = 0; i < d->merge_count; i++) {
        const ft_merge *merge = &d->merges[i];
        if ((uint32_t)merge->left > FT_VOCAB_ID_MAX || (uint32_t)merge->right > FT_VOCAB_ID_MAX ||
            (uint32_t)merge->merged > FT_VOCAB_ID_MAX)
            return ft_tokenizer_fault(err, b->path, ft_model_place(room, "model.merges", i),
                                      "the ids %d and %d become %d; ids are 0 to %d", merge->left,
                                      merge->right, merge->merged, FT_VOCAB_ID_MAX);
        add_pair(b, (uint32_t)merge->left, (uint32_t)merge->right,
                 (ft_bpe_cell){(uint32_t)i, (uint32_t)merge->merged});
    }
    return true;
}

// A piece, or a character (a byte) that is none: its symbol and its rank.
typedef struct part {
    ft_slice text;
    uint64_t hash;
    uint32_t symbol, rank;
} part;

typedef struct part_table {
    part *parts;  // [count]
    size_t count, capacity;
    uint32_t *slots;  // [1 << (64 - shift)]; UINT32_MAX: nothing is here.
    unsigned shift;
} part_table;

static uint64_t hash_more(uint64_t hash, char byte)
{
    return hash * POWER + (uint8_t)byte + 1;
}

static uint32_t *find_part(const part_table *table, ft_slice text, uint64_t hash)
{
    const size_t mask = ((size_t)1 << (64 - table->shift)) - 1;

    for (size_t at = ft_bpe_pair_place(hash, table->shift);; at = (at + 1) & mask) {
        uint32_t *slot = &table->slots[at];
        if (*slot == UINT32_MAX)
            return slot;
        const part *one = &table->parts[*slot];
        if (one->hash == hash && ft_slice_equal(one->text, text))
            return slot;
    }
}

static bool grow_slots(part_table *table, size_t count)
{
    unsigned bits = 6;

    while (((size_t)1 << bits) < 2 * count)
        bits++;
    ft_free(table->slots);
    table->slots = ft_alloc(sizeof(*table->slots) << bits);
    if (!table->slots)
        return false;
    memset(table->slots, 0xff, sizeof(*table->slots) << bits);
    table->shift = 64 - bits;
    for (size_t i = 0; i < table->count; i++)
        *find_part(table, table->parts[i].text, table->parts[i].hash) = (uint32_t)i;
    return true;
}

// Enters a part that is not there; an equal one is taken over when `replace` says so.
static bool add_part(part_table *table, part one, bool replace)
{
    uint32_t *slot = find_part(table, one.text, one.hash);

    if (*slot != UINT32_MAX) {
        if (replace)
            table->parts[*slot] = one;
        return true;
    }
    if (table->count == table->capacity) {
        size_t wanted = table->capacity * 2;
        part *moved = ft_realloc(table->parts, wanted * sizeof(*moved));
        if (!moved)
            return false;
        table->parts = moved;
        table->capacity = wanted;
        if (!grow_slots(table, wanted))
            return false;
        slot = find_part(table, one.text, one.hash);
    }
    *slot = (uint32_t)table->count;
    table->parts[table->count++] = one;
    return true;
}

static size_t unit_size(const builder *b, ft_slice text, size_t at)
{
    size_t end = at;

    if (b->definition->is_bytes)
        return 1;
    ft_utf8_next(text, &end);
    return end - at;
}

// Pieces of equal score have equal rank; then the leftmost pair is the first.
static int compare_scores(const void *left, const void *right)
{
    const ft_piece *a = *(const ft_piece *const *)left, *b = *(const ft_piece *const *)right;

    return (a->score < b->score) - (a->score > b->score);
}

static bool rank_scores(const builder *b, uint32_t *ranks, ft_error *err)
{
    const ft_model_definition *d = b->definition;
    const ft_piece **order = ft_arena_alloc(b->scratch, (d->piece_count + 1) * sizeof(*order));
    bool is_sorted = true;
    char room[FT_PLACE_BYTES];

    if (!order)
        return ft_fail_nomem(err, (d->piece_count + 1) * sizeof(*order));
    for (size_t i = 0; i < d->piece_count; i++) {
        order[i] = &d->pieces[i];
        if (d->pieces[i].score != d->pieces[i].score)
            return ft_tokenizer_fault(err, b->path, ft_model_place(room, "model.vocab", i),
                                      "the score is not a number");
        is_sorted &= i == 0 || d->pieces[i - 1].score >= d->pieces[i].score;
    }
    if (!is_sorted)
        qsort(order, d->piece_count, sizeof(ft_piece *), compare_scores);
    uint32_t rank = 0;
    for (size_t i = 0; i < d->piece_count; i++) {
        rank += i > 0 && order[i - 1]->score != order[i]->score;
        ranks[order[i] - d->pieces] = rank;
    }
    return true;
}

// A character that is an unused piece is as one that is no piece.
static bool merges(const builder *b, const ft_piece *piece)
{
    if (piece->text.size == 0)
        return false;
    if (piece->kind == FT_PIECE_UNUSED)
        return unit_size(b, piece->text, 0) < piece->text.size;
    return piece->kind == FT_PIECE_NORMAL;
}

static bool add_pieces(builder *b, part_table *table, const uint32_t *ranks, ft_error *err)
{
    const ft_model_definition *d = b->definition;

    for (size_t i = 0; i < d->piece_count; i++) {
        const ft_piece *piece = &d->pieces[i];
        part one = {.text = piece->text,
                    .symbol = (uint32_t)piece->id,
                    .rank = ranks ? ranks[i] : (uint32_t)piece->id};
        if (!merges(b, piece))
            continue;
        for (size_t j = 0; j < piece->text.size; j++)
            one.hash = hash_more(one.hash, piece->text.data[j]);
        if (!add_part(table, one, true))
            return ft_fail_nomem(err, table->capacity * sizeof(one));
    }
    return true;
}

static bool add_phantoms(builder *b, part_table *table, ft_error *err)
{
    uint32_t next = FT_BPE_PHANTOM;
    bool seen[256] = {false};  // Of one byte: most.

    for (size_t i = 0, count = table->count; i < count; i++) {
        ft_slice text = table->parts[i].text;
        for (size_t at = 0, size; at < text.size; at += size) {
            size = unit_size(b, text, at);
            if (size == 1 && seen[(uint8_t)text.data[at]])
                continue;
            seen[(uint8_t)text.data[at]] |= size == 1;
            part one = {.text = {text.data + at, size}, .symbol = next};
            for (size_t j = 0; j < size; j++)
                one.hash = hash_more(one.hash, text.data[at + j]);
            size_t before = table->count;
            if (size < text.size && !add_part(table, one, false))
                return ft_fail_nomem(err, table->capacity * sizeof(one));
            next += (uint32_t)(table->count - before);
        }
    }
    return true;
}

// The ways to cut a part into two.
typedef struct cutter {
    uint64_t *hashes, *powers;  // [longest + 1]
    ft_bpe_pair *pairs;         // [count], as they are found.
    size_t count, capacity;
} cutter;

static bool keep_pair(cutter *c, uint32_t left, uint32_t right, ft_bpe_cell cell)
{
    if (c->count == c->capacity) {
        size_t wanted = c->capacity * 2 + 1024;
        ft_bpe_pair *moved = ft_realloc(c->pairs, wanted * sizeof(*moved));
        if (!moved)
            return false;
        c->pairs = moved;
        c->capacity = wanted;
    }
    c->pairs[c->count++] = (ft_bpe_pair){.key = (uint64_t)left << 32 | right, .cell = cell};
    return true;
}

static bool cut_part(const builder *b, const part_table *table, const part *whole, cutter *c)
{
    ft_slice text = whole->text;
    uint64_t hash = 0;

    for (size_t i = 0; i < text.size; i++)
        c->hashes[i + 1] = hash = hash_more(hash, text.data[i]);
    for (size_t at = unit_size(b, text, 0); at < text.size; at += unit_size(b, text, at)) {
        ft_slice left = {text.data, at}, right = {text.data + at, text.size - at};
        uint32_t left_part = *find_part(table, left, c->hashes[at]);
        if (left_part == UINT32_MAX)
            continue;
        uint32_t right_part =
            *find_part(table, right, hash - c->hashes[at] * c->powers[right.size]);
        if (right_part != UINT32_MAX &&
            !keep_pair(c, table->parts[left_part].symbol, table->parts[right_part].symbol,
                       (ft_bpe_cell){whole->rank, whole->symbol}))
            return false;
    }
    return true;
}

static bool cut_all(builder *b, const part_table *table, cutter *c, ft_error *err)
{
    for (size_t i = 0; i < table->count; i++) {
        if (!cut_part(b, table, &table->parts[i], c))
            return ft_fail_nomem(err, c->capacity * 2 * sizeof(*c->pairs));
        if (c->count > PAIRS_MAX)
            return ft_tokenizer_fault(err, b->path, "model.vocab",
                                      "there are more than %d ways to merge pieces", PAIRS_MAX);
    }
    if (!open_pairs(b, c->count, err))
        return false;
    for (size_t i = 0; i < c->count; i++)
        add_pair(b, (uint32_t)(c->pairs[i].key >> 32), (uint32_t)c->pairs[i].key, c->pairs[i].cell);
    return true;
}

static bool cut_parts(builder *b, const part_table *table, ft_error *err)
{
    const size_t longest = b->vocab->longest;
    cutter c = {.hashes = ft_arena_alloc(b->scratch, (longest + 1) * sizeof(uint64_t)),
                .powers = ft_arena_alloc(b->scratch, (longest + 1) * sizeof(uint64_t))};

    if (!c.hashes || !c.powers)
        return ft_fail_nomem(err, (longest + 1) * sizeof(uint64_t));
    c.hashes[0] = 0;
    c.powers[0] = 1;
    for (size_t i = 0; i < longest; i++)
        c.powers[i + 1] = c.powers[i] * POWER;
    bool done = cut_all(b, table, &c, err);
    ft_free(c.pairs);
    return done;
}

// Symbols of characters, from a list that may have any order; the last of equals stays.
static bool build_chars(builder *b, const ft_bpe_char *list, size_t count, ft_bpe_chars **out,
                        ft_error *err)
{
    unsigned bits = 4;

    while (((size_t)1 << bits) < 2 * count)
        bits++;
    ft_bpe_chars *chars = ft_arena_alloc(b->arena, sizeof(*chars));
    ft_bpe_char *others = ft_arena_alloc(b->arena, sizeof(*others) << bits);
    if (!chars || !others)
        return ft_fail_nomem(err, sizeof(*others) << bits);
    memset(chars->ascii, 0xff, sizeof(chars->ascii));
    memset(others, 0xff, sizeof(*others) << bits);
    chars->others = others;
    chars->shift = 32 - bits;
    const uint32_t mask = (1u << bits) - 1;
    for (size_t i = 0; i < count; i++) {
        if (list[i].code_point < 128) {
            chars->ascii[list[i].code_point] = list[i].symbol;
            continue;
        }
        uint32_t at = list[i].code_point * 0x9e3779b9u >> chars->shift;
        while (others[at].code_point != UINT32_MAX && others[at].code_point != list[i].code_point)
            at = (at + 1) & mask;
        others[at] = list[i];
    }
    *out = chars;
    return true;
}

// Whether `text` is one character, of UTF-8.
static bool one_char(ft_slice text, uint32_t *out)
{
    size_t at = 0;

    if (text.size == 0 || text.size > 4)
        return false;
    *out = ft_utf8_next(text, &at);
    return at == text.size;
}

static bool list_room(builder *b, size_t count, ft_bpe_char **out, ft_error *err)
{
    *out = ft_arena_alloc(b->scratch, (count + 1) * sizeof(**out));
    return *out || ft_fail_nomem(err, (count + 1) * sizeof(**out));
}

static bool chars_of_parts(builder *b, const part_table *table, ft_error *err)
{
    ft_bpe_char *list;
    ft_bpe_chars *chars;
    size_t count = 0;

    memset(b->bpe->byte_symbols, 0xff, sizeof(b->bpe->byte_symbols));
    if (!list_room(b, table->count, &list, err))
        return false;
    for (size_t i = 0; i < table->count; i++) {
        const part *one = &table->parts[i];
        if (b->definition->is_bytes && one->text.size == 1)
            b->bpe->byte_symbols[(uint8_t)one->text.data[0]] = one->symbol;
        else if (!b->definition->is_bytes && one_char(one->text, &list[count].code_point))
            list[count++].symbol = one->symbol;
    }
    if (!build_chars(b, list, count, &chars, err))
        return false;
    for (size_t i = 0; i < 4; i++)
        b->bpe->chars[i] = chars;
    return true;
}

static bool number_unused(builder *b, ft_error *err)
{
    const ft_model_definition *d = b->definition;
    size_t ids = 0;
    uint32_t count = 0;

    for (size_t i = 0; i < d->piece_count; i++) {
        if (d->pieces[i].kind == FT_PIECE_UNUSED && (size_t)d->pieces[i].id >= ids)
            ids = (size_t)d->pieces[i].id + 1;
    }
    if (ids == 0)
        return true;
    uint32_t *numbers = ft_arena_aligned(b->arena, ids * sizeof(*numbers), 64);
    if (!numbers)
        return ft_fail_nomem(err, ids * sizeof(*numbers));
    memset(numbers, 0xff, ids * sizeof(*numbers));
    for (size_t i = 0; i < d->piece_count; i++) {
        if (d->pieces[i].kind == FT_PIECE_UNUSED)
            numbers[d->pieces[i].id] = count++;
    }
    b->bpe->unused = numbers;
    b->bpe->unused_ids = ids;
    b->bpe->unused_count = count;
    return true;
}

static bool add_by_text(builder *b, ft_error *err)
{
    const ft_model_definition *d = b->definition;
    part_table table = {.capacity = d->piece_count + 256};
    uint32_t *ranks = NULL;

    if (d->merge_rule == FT_MERGES_BY_SCORE) {
        ranks = ft_arena_alloc(b->scratch, (d->piece_count + 1) * sizeof(*ranks));
        if (!ranks)
            return ft_fail_nomem(err, d->piece_count * sizeof(*ranks));
        if (!rank_scores(b, ranks, err))
            return false;
    }
    table.parts = ft_alloc_array(table.capacity, sizeof(*table.parts));
    bool done = (table.parts && grow_slots(&table, table.capacity)) ||
                ft_fail_nomem(err, table.capacity * sizeof(*table.parts));
    done = done && add_pieces(b, &table, ranks, err) && add_phantoms(b, &table, err) &&
           cut_parts(b, &table, err) && chars_of_parts(b, &table, err) && number_unused(b, err);
    // They are in no pair, so they never merge.
    done = done &&
           ft_pieces_user_defined(d->pieces, d->piece_count, b->arena, &b->bpe->user_defined, err);
    ft_free(table.parts);
    ft_free(table.slots);
    return done;
}

// Characters as pieces have them, with prefix or suffix around.
static bool chars_of_pieces(builder *b, ft_error *err)
{
    const ft_vocab *vocab = b->vocab;
    ft_bpe *bpe = b->bpe;
    ft_bpe_char *list;

    if (!list_room(b, vocab->count, &list, err))
        return false;
    for (unsigned i = 0; i < 4; i++) {
        ft_slice prefix = i & 1 ? bpe->prefix : (ft_slice){0};
        ft_slice suffix = i & 2 ? bpe->suffix : (ft_slice){0};
        ft_bpe_chars *chars;
        size_t count = 0;
        unsigned same = i & ((prefix.size > 0 ? 1u : 0u) | (suffix.size > 0 ? 2u : 0u));
        if (same < i) {
            bpe->chars[i] = bpe->chars[same];
            continue;
        }
        for (size_t j = 0; j < vocab->count; j++) {
            const ft_vocab_record *record = &vocab->records[j];
            ft_slice text = {vocab->texts + record->offset, record->size};
            if (record->id < 0 || text.size > 4 + prefix.size + suffix.size ||
                text.size <= prefix.size + suffix.size || !ft_slice_starts_with(text, prefix) ||
                !ft_slice_ends_with(text, suffix))
                continue;
            ft_slice rest = {text.data + prefix.size, text.size - prefix.size - suffix.size};
            if (one_char(rest, &list[count].code_point))
                list[count++].symbol = (uint32_t)record->id;
        }
        if (!build_chars(b, list, count, &chars, err))
            return false;
        bpe->chars[i] = chars;
    }
    return true;
}

static bool add_bytes_of_pieces(builder *b, ft_error *err)
{
    ft_bpe *bpe = b->bpe;

    for (unsigned byte = 0; byte < 256; byte++) {
        char text[4] = {(char)byte};
        size_t size = bpe->is_bytes ? 1 : ft_utf8_put(ft_bpe_letter((uint8_t)byte), text);
        int32_t id = ft_vocab_find(b->vocab, (ft_slice){text, size});
        bpe->byte_symbols[byte] = id < 0 ? FT_BPE_NOTHING : (uint32_t)id;
    }
    return bpe->is_bytes || chars_of_pieces(b, err);
}

static void find_byte_tokens(builder *b)
{
    static const char digits[] = "0123456789ABCDEF";

    for (unsigned byte = 0; byte < 256; byte++) {
        char text[6] = {'<', '0', 'x', digits[byte / 16], digits[byte % 16], '>'};
        b->bpe->byte_tokens[byte] = ft_vocab_find(b->vocab, (ft_slice){text, sizeof(text)});
    }
}

bool ft_bpe_build(const ft_model_definition *definition, const ft_vocab *vocab, const char *path,
                  ft_arena *arena, ft_bpe *out, ft_error *err)
{
    builder b = {.definition = definition,
                 .vocab = vocab,
                 .path = path,
                 .arena = arena,
                 .scratch = ft_arena_create(),
                 .bpe = out};

    if (!b.scratch)
        return ft_fail_nomem(err, sizeof(b));
    *out = (ft_bpe){.vocab = vocab,
                    .unknown = definition->unknown,
                    .fuse_unknown = definition->fuse_unknown,
                    .byte_fallback = definition->byte_fallback,
                    .ignore_merges = definition->ignore_merges,
                    .by_text = definition->merge_rule != FT_MERGES_LISTED,
                    .is_bytes = definition->is_bytes};
    if (!out->by_text) {
        const char *prefix = ft_arena_text(arena, definition->prefix);
        const char *suffix = ft_arena_text(arena, definition->suffix);
        out->prefix = (ft_slice){prefix, definition->prefix.size};
        out->suffix = (ft_slice){suffix, definition->suffix.size};
        if (!prefix || !suffix) {
            ft_arena_destroy(b.scratch);
            return ft_fail_nomem(err, definition->prefix.size + definition->suffix.size);
        }
    }
    find_byte_tokens(&b);
    bool done =
        out->by_text ? add_by_text(&b, err) : add_listed(&b, err) && add_bytes_of_pieces(&b, err);
    done = done && ft_bpe_build_raw(definition, out, arena, err);
    ft_arena_destroy(b.scratch);
    return done;
}
