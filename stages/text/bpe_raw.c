// Tables for words that are given raw: which words are a piece, what two bytes become, and where
// text can be cut.
#include <string.h>

#include "stages/text/bpe.h"
#include "stages/text/unicode.h"

#define SIGN FT_SLICE("\xe2\x96\x81")
enum { BYTES = 256, ASCII = 128, SIZE_MOST = 255, SPARSE = 8 };

// The bytes that a piece stands for; how many, 0 when some of its letters is none.
static size_t raw_bytes(const ft_bpe *bpe, ft_slice text, uint8_t *out, size_t room)
{
    size_t size = 0;

    for (size_t at = 0; at < text.size; size++) {
        int byte;
        if (bpe->takes_spaces) {
            ft_slice rest = {text.data + at, text.size - at};
            bool is_sign = ft_slice_starts_with(rest, SIGN);
            byte = is_sign ? ' ' : (uint8_t)text.data[at];
            if (!is_sign && byte == ' ')
                return 0;  // No text has a space when it is normalised.
            at += is_sign ? SIGN.size : 1;
        } else {
            byte = bpe->is_bytes ? (uint8_t)text.data[at++] : ft_bpe_byte(ft_utf8_next(text, &at));
        }
        if (byte < 0)
            return 0;
        if (size < room)
            out[size] = (uint8_t)byte;
    }
    return size;
}

// Pieces that wait to be merged together.
typedef struct word_builder {
    const ft_bpe *bpe;
    ft_bpe_word *words;
    ft_bpe_lane lanes[FT_BPE_LANES];
    uint8_t raws[FT_BPE_LANES][16];
    int32_t ids[FT_BPE_LANES];
    size_t count;
} word_builder;

static void add_word(word_builder *w, const uint8_t *bytes, size_t size, int32_t id)
{
    const size_t mask = ((size_t)1 << (64 - w->bpe->word_shift)) - 1;
    uint64_t key[2];

    ft_bpe_word_key(bytes, size, key);
    key[1] |= (uint64_t)FT_BPE_MARK << 56;
    size_t at = (size_t)(ft_bpe_word_hash(key) >> w->bpe->word_shift);
    ft_bpe_word word = {key[0], ft_bpe_word_rest(key) | (uint64_t)(int64_t)id << FT_BPE_ID_BIT};
    while (w->words[at].rest != 0 && (w->words[at].start != word.start ||
                                      (w->words[at].rest ^ word.rest) << (64 - FT_BPE_ID_BIT) != 0))
        at = (at + 1) & mask;
    w->words[at] = word;
}

static void flush_words(word_builder *w)
{
    uint32_t sizes[FT_BPE_LANES];

    for (size_t i = 0; i < w->count; i++)
        sizes[i] = w->lanes[i].count;
    ft_bpe_merge_lanes(w->bpe, w->lanes, w->count);
    for (size_t i = 0; i < w->count; i++) {
        bool merges = w->lanes[i].count == 1 && w->lanes[i].symbols[0] == (uint32_t)w->ids[i];
        if (sizes[i] > FT_BPE_WORD)
            merges = !merges;  // Those that do not, to be asked for.
        if (merges)
            add_word(w, w->raws[i], sizes[i], sizes[i] > FT_BPE_WORD ? FT_BPE_ASK : w->ids[i]);
    }
    w->count = 0;
}

// Text that is not ASCII goes the long way.
static bool merges_to(const ft_bpe *bpe, ft_slice text, ft_model_work *work, int32_t id,
                      bool *out_is, ft_error *err)
{
    int32_t first;
    ft_token_sink sink = {.ids = &first, .room = 1};

    if (!ft_bpe_split(bpe, text, work, &sink, err))
        return false;
    *out_is = sink.count == 1 && first == id;
    return true;
}

// Pieces that are what their own bytes merge to, or are taken whole.
static bool fill_words(word_builder *w, uint8_t *raw_sizes, ft_model_work *work, ft_error *err)
{
    const ft_bpe *bpe = w->bpe;
    const ft_vocab *vocab = bpe->vocab;

    for (size_t i = 0; i < vocab->count; i++) {
        const ft_vocab_record *record = &vocab->records[i];
        const ft_slice text = {vocab->texts + record->offset, record->size};
        uint8_t *raw = w->raws[w->count];
        size_t size = raw_bytes(bpe, text, raw, FT_BPE_KEY);
        bool whole = bpe->ignore_merges && size <= FT_BPE_WORD;
        if (record->id >= 0 && (size_t)record->id < bpe->raw_count)
            raw_sizes[record->id] = (uint8_t)(size <= SIZE_MOST ? size : 0);
        if (record->id < 0 || size == 0 || size > (bpe->ignore_merges ? FT_BPE_KEY : FT_BPE_WORD))
            continue;
        w->ids[w->count] = record->id;
        if (!whole && ft_bpe_open_lane(bpe, raw, size, &w->lanes[w->count]))
            w->count++;
        else if (!whole && bpe->takes_spaces &&
                 !merges_to(bpe, text, work, record->id, &whole, err))
            return false;
        if (whole)
            add_word(w, raw, size, record->id);
        if (w->count == FT_BPE_LANES)
            flush_words(w);
    }
    flush_words(w);
    // Characters that are byte tokens.
    for (unsigned byte = 0; bpe->takes_spaces && byte < ASCII; byte++) {
        const uint8_t raw[16] = {(uint8_t)byte};
        if (bpe->byte_symbols[byte] < FT_BPE_PHANTOM)
            add_word(w, raw, 1, (int32_t)bpe->byte_symbols[byte]);
    }
    return true;
}

// Room for a size of each id; none where ids are far apart.
static uint8_t *make_sizes(ft_bpe *bpe, ft_arena *arena)
{
    int32_t highest = -1;

    for (size_t i = 0; i < bpe->vocab->count; i++)
        highest = bpe->vocab->records[i].id > highest ? bpe->vocab->records[i].id : highest;
    bpe->raw_count = (size_t)(highest + 1);
    if (bpe->raw_count > SPARSE * bpe->vocab->count)
        bpe->raw_count = 0;
    return ft_arena_zero(arena, bpe->raw_count + 1, 1);
}

// With a space for each sign: whether every merge makes of two sizes their sum. Then those of the
// tokens of a text add up to its own.
static bool sizes_add_up(const ft_bpe *bpe)
{
    for (size_t i = 0; i < (size_t)1 << (64 - bpe->pair_shift); i++) {
        const ft_bpe_pair *pair = &bpe->pairs[i];
        if (pair->key == UINT64_MAX)
            continue;
        size_t left = ft_bpe_raw_size(bpe, (int32_t)(pair->key >> 32));
        size_t right = ft_bpe_raw_size(bpe, (int32_t)pair->key);
        if (left == 0 || right == 0 ||
            left + right != ft_bpe_raw_size(bpe, (int32_t)pair->cell.merged))
            return false;
    }
    return true;
}

static bool build_words(ft_bpe *bpe, ft_arena *arena, ft_error *err)
{
    size_t count = bpe->vocab->count;
    unsigned bits = 8;

    while (((size_t)1 << bits) < count + count / 2 + ASCII)
        bits++;
    ft_bpe_cell *cells = ft_arena_aligned(arena, sizeof(*cells) * BYTES * BYTES, 64);
    ft_bpe_word *words = ft_arena_aligned(arena, sizeof(*words) << bits, 64);
    uint8_t *raw_sizes = make_sizes(bpe, arena);
    if (!cells || !words || !raw_sizes)
        return ft_fail_nomem(err, sizeof(*words) << bits);
    memset(cells, 0xff, sizeof(*cells) * BYTES * BYTES);  // FT_BPE_NOTHING
    for (size_t i = 0; i < BYTES; i++) {
        for (size_t k = 0; k < BYTES && bpe->byte_symbols[i] != FT_BPE_NOTHING; k++)
            cells[i * BYTES + k] = ft_bpe_look(bpe, bpe->byte_symbols[i], bpe->byte_symbols[k]);
    }
    memset(words, 0, sizeof(*words) << bits);
    bpe->byte_cells = cells;
    bpe->words = words;
    bpe->word_shift = 64 - bits;
    bpe->raw_sizes = raw_sizes;
    word_builder w = {.bpe = bpe, .words = words};
    ft_model_work work = {0};
    bool done = fill_words(&w, raw_sizes, &work, err);
    ft_buffer_unref(work.buffer);
    for (unsigned byte = 0; bpe->takes_spaces && byte < BYTES; byte++)
        if ((size_t)bpe->byte_tokens[byte] < bpe->raw_count)
            raw_sizes[bpe->byte_tokens[byte]] = 1;
    bpe->unique_sizes &= !bpe->takes_spaces || (!bpe->user_defined && sizes_add_up(bpe));
    return done;
}

static bool check_bytes(const ft_model_definition *definition, ft_bpe *bpe)
{
    size_t live = 0;

    bpe->takes_bytes = bpe->is_bytes || (definition->merge_rule == FT_MERGES_LISTED &&
                                         bpe->prefix.size + bpe->suffix.size == 0);
    bpe->unique_sizes = true;
    for (unsigned byte = 0; byte < BYTES; byte++) {
        bpe->takes_bytes &= bpe->is_bytes || bpe->byte_symbols[byte] != FT_BPE_NOTHING;
        bpe->unique_sizes &= bpe->byte_symbols[byte] < FT_BPE_PHANTOM;
    }
    for (size_t i = 0; i < bpe->vocab->count; i++)
        live += bpe->vocab->records[i].id >= 0;
    bpe->unique_sizes &= live == bpe->vocab->ordered;
    return bpe->takes_bytes;
}

// ---- text with a space for each sign ----

static bool is_byte_token(const ft_bpe *bpe, uint32_t symbol)
{
    for (unsigned byte = 0; byte < BYTES; byte++) {
        if (bpe->byte_tokens[byte] == (int32_t)symbol)
            return true;
    }
    return false;
}

// Every character has a piece or byte tokens, and byte tokens merge with nothing: so what becomes
// of a character depends on those with which some piece joins it, and on no others.
static bool is_local(const ft_bpe *bpe)
{
    int32_t first = INT32_MAX, last = -1;
    size_t live = 0;

    for (size_t i = 0; i < bpe->vocab->count; i++)
        live += bpe->vocab->records[i].id >= 0;
    // Where two tokens share an id, what merges with the one merges with the other.
    if (live != bpe->vocab->ordered || bpe->prefix.size + bpe->suffix.size > 0 ||
        bpe->ignore_merges || !bpe->byte_fallback || bpe->unused_count > 0)
        return false;
    for (unsigned byte = 0; byte < BYTES; byte++) {
        int32_t id = bpe->byte_tokens[byte];
        if (id < 0)
            return false;
        first = id < first ? id : first;
        last = id > last ? id : last;
    }
    for (size_t i = 0; i < (size_t)1 << (64 - bpe->pair_shift); i++) {
        const ft_bpe_pair *pair = &bpe->pairs[i];
        for (unsigned shift = 0; shift < 64 && pair->key != UINT64_MAX; shift += 32) {
            uint32_t symbol = (uint32_t)(pair->key >> shift);
            if (symbol >= (uint32_t)first && symbol <= (uint32_t)last && is_byte_token(bpe, symbol))
                return false;
        }
    }
    return true;
}

static void set_spaces(ft_bpe *bpe)
{
    for (unsigned byte = 0; byte < BYTES; byte++) {
        uint32_t symbol = byte < ASCII ? bpe->chars[0]->ascii[byte] : FT_BPE_NOTHING;
        if (byte == ' ')
            symbol = (uint32_t)ft_vocab_find(bpe->vocab, SIGN);
        else if (symbol == FT_BPE_NOTHING && byte < ASCII)
            symbol = (uint32_t)bpe->byte_tokens[byte];
        bpe->byte_symbols[byte] = symbol < FT_BPE_PHANTOM ? symbol : FT_BPE_NOTHING;
    }
    bpe->takes_spaces = bpe->unique_sizes = true;
}

static void join(ft_token_joins joins[BYTES], unsigned left, unsigned right)
{
    joins[left].after[right / 8] |= (uint8_t)(1u << right % 8);
}

// Marks what stands side by side in a piece; the sign as a space too.
static void join_piece(ft_token_joins joins[BYTES], ft_slice text)
{
    const uint8_t *bytes = (const uint8_t *)text.data;
    size_t at = 0;
    bool was_sign = false;

    for (size_t from = 0; from < text.size; from = at) {
        bool is_sign = ft_slice_starts_with((ft_slice){text.data + from, text.size - from}, SIGN);
        ft_utf8_next(text, &at);
        if (from > 0) {
            join(joins, bytes[from - 1], bytes[from]);
            if (is_sign)
                join(joins, bytes[from - 1], ' ');
            if (was_sign)
                join(joins, ' ', bytes[from]);
            if (was_sign && is_sign)
                join(joins, ' ', ' ');
        }
        was_sign = is_sign;
    }
}

static bool build_joins(ft_bpe *bpe, ft_arena *arena, ft_error *err)
{
    ft_token_joins *joins = ft_arena_aligned(arena, sizeof(*joins) * BYTES, 64);
    const ft_vocab *vocab = bpe->vocab;

    if (!joins)
        return ft_fail_nomem(err, sizeof(*joins) * BYTES);
    memset(joins, 0, sizeof(*joins) * BYTES);
    // No character is cut.
    for (unsigned byte = 0; byte < BYTES; byte++)
        memset(joins[byte].after + 0x80 / 8, 0xff, 0x40 / 8);
    for (size_t i = 0; i < vocab->count; i++) {
        const ft_vocab_record *record = &vocab->records[i];
        if (record->id >= 0)
            join_piece(joins, (ft_slice){vocab->texts + record->offset, record->size});
    }
    bpe->joins = joins;
    return true;
}

bool ft_bpe_build_raw(const ft_model_definition *definition, ft_bpe *bpe, ft_arena *arena,
                      ft_error *err)
{
    if (check_bytes(definition, bpe))
        return build_words(bpe, arena, err);
    ft_model_work work = {0};
    bool has_sign = false;
    bool done = !is_local(bpe) ||
                merges_to(bpe, SIGN, &work, ft_vocab_find(bpe->vocab, SIGN), &has_sign, err);
    ft_buffer_unref(work.buffer);
    if (!done || !has_sign)
        return done;
    set_spaces(bpe);
    return build_joins(bpe, arena, err) && build_words(bpe, arena, err);
}

bool ft_bpe_split_spaces(const ft_bpe *bpe, ft_slice word, ft_model_work *work, ft_token_sink *sink,
                         ft_error *err)
{
    enum { ROOM = 96, SLACK = 64 };
    char room[ROOM + SLACK], *text = room;
    ft_buffer *larger = NULL;
    size_t size = 0;

    if (SIGN.size * word.size > ROOM) {
        if (word.size > UINT32_MAX / 8)
            return ft_fail(err, FT_ERROR_LIMIT, "a word of %zu bytes", word.size);
        larger = ft_buffer_create(work->account, SIGN.size * word.size, err);
        if (!larger)
            return false;
        text = larger->data;
    }
    for (size_t i = 0; i < word.size; i++) {
        bool is_space = word.data[i] == ' ';
        text[size] = word.data[i];
        if (is_space)
            memcpy(text + size, SIGN.data, SIGN.size);
        size += is_space ? SIGN.size : 1;
    }
    bool done = ft_bpe_split(bpe, (ft_slice){text, size}, work, sink, err);
    ft_buffer_unref(larger);
    return done;
}
