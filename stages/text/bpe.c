// Short words are merged in arrays on the stack: the pair of the lowest rank is searched anew for
// each merge, which for some ten symbols beats any queue. Long ones have linked symbols and a heap
// of (rank, place): n symbols cost n log n.
//
// Unused pieces of SentencePiece merge as others do and are taken apart at the end: into the two of
// which such a piece would have been made when a pair of them was last looked at, anywhere in the
// word (`rev_merge` in bpe_model.cc). With such pieces all words go the way of the long ones.
#include "stages/text/bpe.h"

#include <string.h>

// A word at work: `count` symbols and where each ends, in bytes.
typedef struct symbols {
    uint32_t *ids, *ends;
    size_t count;
} symbols;

size_t ft_bpe_room(const ft_bpe *bpe, size_t size)
{
    // An unknown character with prefix and suffix is a token for each of their bytes too.
    if (bpe->byte_fallback && bpe->prefix.size + bpe->suffix.size > 0)
        return size * (1 + bpe->prefix.size) + bpe->suffix.size;
    return size;
}

// The place of the lowest rank, the leftmost of equals.
static inline size_t find_lowest(const ft_bpe_cell *cells, size_t count, uint32_t *out_rank)
{
    uint32_t lowest = FT_BPE_NOTHING;
    size_t at = 0;

    for (size_t i = 0; i < count; i++) {
        bool lower = cells[i].rank < lowest;
        lowest = lower ? cells[i].rank : lowest;
        at = lower ? i : at;
    }
    *out_rank = lowest;
    return at;
}

// Merges symbols of which cells[i] says what i and i + 1 become. `ends` may be NULL.
FT_ALWAYS_INLINE size_t merge_cells(const ft_bpe *bpe, uint32_t *ids, uint32_t *ends,
                                    ft_bpe_cell *cells, size_t count)
{
    uint32_t rank;

    while (count > 1) {
        size_t at = find_lowest(cells, count - 1, &rank);
        if (rank == FT_BPE_NOTHING)
            break;
        ids[at] = cells[at].merged;
        count--;
        for (size_t i = at + 1; i < count; i++) {
            ids[i] = ids[i + 1];
            cells[i - 1] = cells[i];
        }
        if (ends) {
            for (size_t i = at; i < count; i++)
                ends[i] = ends[i + 1];
        }
        if (at + 1 < count)
            cells[at] = ft_bpe_look(bpe, ids[at], ids[at + 1]);
        if (at > 0)
            cells[at - 1] = ft_bpe_look(bpe, ids[at - 1], ids[at]);
    }
    return count;
}

static void merge_short(const ft_bpe *bpe, symbols *word)
{
    ft_bpe_cell cells[FT_BPE_SHORT];

    for (size_t i = 0; i + 1 < word->count; i++)
        cells[i] = ft_bpe_look(bpe, word->ids[i], word->ids[i + 1]);
    word->count = merge_cells(bpe, word->ids, word->ends, cells, word->count);
}

bool ft_bpe_open_lane(const ft_bpe *bpe, const uint8_t *bytes, size_t size, ft_bpe_lane *lane)
{
    uint32_t highest = 0;

    lane->count = (uint32_t)size;
    for (size_t i = 0; i < size; i++) {
        lane->symbols[i] = bpe->byte_symbols[bytes[i]];
        highest = highest < lane->symbols[i] ? lane->symbols[i] : highest;
    }
    for (size_t i = 0; i + 1 < size; i++)
        lane->cells[i] = bpe->byte_cells[bytes[i] << 8 | bytes[i + 1]];
    return highest < FT_BPE_PHANTOM;
}

// The next merge; asks for the pairs around what it made. False when none is left.
static inline bool merge_lane(const ft_bpe *bpe, ft_bpe_lane *lane)
{
    uint64_t lowest = UINT64_MAX;

    for (size_t i = 0; i + 1 < lane->count; i++) {
        uint64_t entry = (uint64_t)lane->cells[i].rank << 32 | i;
        lowest = entry < lowest ? entry : lowest;
    }
    if (lowest >> 32 == FT_BPE_NOTHING)
        return false;
    uint32_t *ids = &lane->symbols[(uint32_t)lowest];
    ft_bpe_cell *cells = &lane->cells[(uint32_t)lowest];
    ids[0] = cells[0].merged;
    // All that there may be, so that it takes no loop.
    struct {
        uint32_t symbols[FT_BPE_LANE - 2];
        ft_bpe_cell cells[FT_BPE_LANE - 2];
    } behind;
    memcpy(behind.symbols, ids + 2, sizeof(behind.symbols));
    memcpy(behind.cells, cells + 1, sizeof(behind.cells));
    memcpy(ids + 1, behind.symbols, sizeof(behind.symbols));
    memcpy(cells, behind.cells, sizeof(behind.cells));
    lane->count--;
    lane->at = (uint32_t)lowest;
    if (lane->at + 1 < lane->count)
        ft_bpe_ask(bpe, ids[0], ids[1]);
    if (lane->at > 0)
        ft_bpe_ask(bpe, ids[-1], ids[0]);
    return lane->count > 1;
}

static inline void renew_lane(const ft_bpe *bpe, ft_bpe_lane *lane)
{
    uint32_t at = lane->at;

    if (at + 1 < lane->count)
        lane->cells[at] = ft_bpe_look(bpe, lane->symbols[at], lane->symbols[at + 1]);
    if (at > 0)
        lane->cells[at - 1] = ft_bpe_look(bpe, lane->symbols[at - 1], lane->symbols[at]);
}

void ft_bpe_merge_lanes(const ft_bpe *bpe, ft_bpe_lane *lanes, size_t count)
{
    uint8_t live[FT_BPE_LANES];
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        live[kept] = (uint8_t)i;
        kept += merge_lane(bpe, &lanes[i]);
    }
    while (kept > 0) {
        count = kept;
        kept = 0;
        for (size_t i = 0; i < count; i++) {
            renew_lane(bpe, &lanes[live[i]]);
            live[kept] = live[i];
            kept += merge_lane(bpe, &lanes[live[i]]);
        }
    }
}

// What an unused piece is taken apart into. `left` is FT_BPE_NOTHING until such a pair was seen.
typedef struct halves {
    uint32_t left, right;
    uint32_t left_size;  // In bytes.
} halves;

// A long word: symbols are linked; a merged one keeps the place of its left part. A heap's entry is
// the rank in the upper half, the place in the lower, so that the least is the next to merge; it is
// stale when the pair at its place has another rank by now.
typedef struct chain {
    const ft_bpe *bpe;
    uint32_t *ids, *ends;
    uint32_t *next, *previous;
    uint32_t *ranks;  // Of each place with the one behind it; FT_BPE_NOTHING: none, or gone.
    uint64_t *heap;
    size_t heap_count;
    halves *halves;  // [unused_count]
} chain;

enum { HEAP_WAYS = 4 };

static void heap_sink(uint64_t *heap, size_t count, size_t at)
{
    uint64_t entry = heap[at];

    for (;;) {
        size_t first = at * HEAP_WAYS + 1, least = first;
        if (first >= count)
            break;
        size_t end = first + HEAP_WAYS < count ? first + HEAP_WAYS : count;
        for (size_t i = first + 1; i < end; i++)
            least = heap[i] < heap[least] ? i : least;
        if (heap[least] >= entry)
            break;
        heap[at] = heap[least];
        at = least;
    }
    heap[at] = entry;
}

static void heap_push(chain *c, uint64_t entry)
{
    size_t at = c->heap_count++;

    while (at > 0) {
        size_t parent = (at - 1) / HEAP_WAYS;
        if (c->heap[parent] <= entry)
            break;
        c->heap[at] = c->heap[parent];
        at = parent;
    }
    c->heap[at] = entry;
}

static uint64_t heap_pop(chain *c)
{
    uint64_t least = c->heap[0];

    c->heap[0] = c->heap[--c->heap_count];
    if (c->heap_count > 0)
        heap_sink(c->heap, c->heap_count, 0);
    return least;
}

static uint32_t unused_number(const ft_bpe *bpe, uint32_t symbol)
{
    return symbol < bpe->unused_ids ? bpe->unused[symbol] : FT_BPE_NOTHING;
}

// The rank of the pair at `at`, which is new.
static uint32_t look_at(chain *c, uint32_t at, uint32_t right)
{
    ft_bpe_cell cell = ft_bpe_look(c->bpe, c->ids[at], c->ids[right]);
    uint32_t number = unused_number(c->bpe, cell.merged);

    if (number != FT_BPE_NOTHING) {
        uint32_t start = c->previous[at] == FT_BPE_NOTHING ? 0 : c->ends[c->previous[at]];
        c->halves[number] = (halves){c->ids[at], c->ids[right], c->ends[at] - start};
    }
    return cell.rank;
}

// The pair at `at` is new: its rank, and its entry when it may merge.
static void renew(chain *c, uint32_t at)
{
    uint32_t right = c->next[at];
    uint32_t rank = right == FT_BPE_NOTHING ? FT_BPE_NOTHING : look_at(c, at, right);

    c->ranks[at] = rank;
    if (rank != FT_BPE_NOTHING)
        heap_push(c, (uint64_t)rank << 32 | at);
}

static void link_chain(chain *c, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        c->next[i] = i + 1 < count ? (uint32_t)i + 1 : FT_BPE_NOTHING;
        c->previous[i] = (uint32_t)i - 1;  // FT_BPE_NOTHING for the first.
        c->ranks[i] = i + 1 < count ? look_at(c, (uint32_t)i, (uint32_t)i + 1) : FT_BPE_NOTHING;
        if (c->ranks[i] != FT_BPE_NOTHING)
            c->heap[c->heap_count++] = (uint64_t)c->ranks[i] << 32 | i;
    }
    for (size_t i = c->heap_count; i-- > 0;)
        heap_sink(c->heap, c->heap_count, i);
}

static void merge_chain(chain *c)
{
    while (c->heap_count > 0) {
        uint64_t entry = heap_pop(c);
        uint32_t at = (uint32_t)entry;
        if (c->ranks[at] != (uint32_t)(entry >> 32))
            continue;
        uint32_t right = c->next[at], behind = c->next[right];
        c->ids[at] = ft_bpe_look(c->bpe, c->ids[at], c->ids[right]).merged;
        c->ends[at] = c->ends[right];
        c->ranks[right] = FT_BPE_NOTHING;
        c->next[at] = behind;
        if (behind != FT_BPE_NOTHING)
            c->previous[behind] = at;
        if (c->previous[at] != FT_BPE_NOTHING)
            renew(c, c->previous[at]);
        renew(c, at);
    }
}

// Bytes that a word of `count` symbols needs. A merge takes an entry, removes a symbol and adds at
// most two entries, so there are never more than two for each symbol.
enum { CHAIN_BYTES = 5 * sizeof(uint32_t) + 2 * sizeof(uint64_t) };

// Takes unused pieces apart. The heap's memory, which is free by now, holds what comes out and a
// stack of what is left of a piece. A compiled file may say of pairs what it likes, also that a
// piece is made of itself: what is waiting and what came out never is more than `room`.
static void take_apart(const chain *c, symbols *word, size_t room)
{
    symbols out = {.ids = (uint32_t *)(void *)c->heap, .ends = (uint32_t *)(void *)c->heap + room};
    symbols stack = {.ids = out.ids + 2 * room, .ends = out.ids + 3 * room};

    for (size_t i = 0; i < word->count; i++) {
        stack.ids[0] = word->ids[i];
        stack.ends[0] = word->ends[i];
        stack.count = 1;
        while (stack.count > 0) {
            uint32_t id = stack.ids[--stack.count], end = stack.ends[stack.count];
            uint32_t number = unused_number(c->bpe, id);
            size_t waiting = stack.count + word->count - i - 1;
            if (number == FT_BPE_NOTHING || c->halves[number].left == FT_BPE_NOTHING ||
                out.count + waiting + 2 > room) {
                out.ids[out.count] = id;
                out.ends[out.count++] = end;
                continue;
            }
            halves of = c->halves[number];
            uint32_t start = out.count > 0 ? out.ends[out.count - 1] : 0;
            stack.ids[stack.count] = of.right;
            stack.ends[stack.count++] = end;
            stack.ids[stack.count] = of.left;
            stack.ends[stack.count++] = of.left_size < end - start ? start + of.left_size : end;
        }
    }
    memcpy(word->ids, out.ids, out.count * sizeof(*out.ids));
    memcpy(word->ends, out.ends, out.count * sizeof(*out.ends));
    word->count = out.count;
}

static void merge_long(const ft_bpe *bpe, symbols *word, void *memory, size_t room)
{
    chain c = {.bpe = bpe, .heap = memory};
    uint32_t *numbers = (uint32_t *)(void *)(c.heap + 2 * room);
    size_t kept = 0;

    FT_ASSERT(numbers == word->ids);
    c.ids = word->ids;
    c.ends = word->ends;
    c.next = numbers + 2 * room;
    c.previous = numbers + 3 * room;
    c.ranks = numbers + 4 * room;
    c.halves = (halves *)(void *)(numbers + 5 * room);
    if (bpe->unused_count > 0)
        memset(c.halves, 0xff, bpe->unused_count * sizeof(*c.halves));
    link_chain(&c, word->count);
    merge_chain(&c);
    for (uint32_t at = 0; at != FT_BPE_NOTHING; at = c.next[at]) {
        word->ids[kept] = c.ids[at];
        word->ends[kept++] = c.ends[at];
    }
    word->count = kept;
    if (bpe->unused_count > 0)
        take_apart(&c, word, room);
}

static uint32_t find_char(const ft_bpe_chars *chars, uint32_t code_point)
{
    if (code_point < 128)
        return chars->ascii[code_point];
    const uint32_t mask = (1u << (32 - chars->shift)) - 1;
    for (uint32_t at = code_point * 0x9e3779b9u >> chars->shift;; at = (at + 1) & mask) {
        if (chars->others[at].code_point == code_point)
            return chars->others[at].symbol;
        if (chars->others[at].code_point == UINT32_MAX)
            return FT_BPE_NOTHING;
    }
}

bool ft_bpe_has_char(const ft_bpe *bpe, uint32_t code_point)
{
    return !bpe->is_bytes && find_char(bpe->chars[0], code_point) < FT_BPE_PHANTOM;
}

static void add_symbol(symbols *word, uint32_t id, size_t size)
{
    uint32_t start = word->count > 0 ? word->ends[word->count - 1] : 0;

    word->ids[word->count] = id;
    word->ends[word->count++] = start + (uint32_t)size;
}

// A token for each byte, when there is one for all of them.
static bool add_byte_tokens(const ft_bpe *bpe, const ft_slice *parts, size_t part_count,
                            symbols *word)
{
    for (size_t i = 0; i < part_count; i++) {
        for (size_t j = 0; j < parts[i].size; j++) {
            if (bpe->byte_tokens[(uint8_t)parts[i].data[j]] < 0)
                return false;
        }
    }
    for (size_t i = 0; i < part_count; i++) {
        for (size_t j = 0; j < parts[i].size; j++)
            add_symbol(word, (uint32_t)bpe->byte_tokens[(uint8_t)parts[i].data[j]], 1);
    }
    return true;
}

// A character that is no piece. An unknown one waits for the next known one (`*waiting` bytes of
// it): so it comes behind the byte tokens between the two, which is what the reference does.
static void add_unknown(const ft_bpe *bpe, const ft_slice parts[3], symbols *word, size_t *waiting)
{
    size_t size = parts[1].size;

    if (bpe->byte_fallback && add_byte_tokens(bpe, parts, 3, word))
        return;
    if (bpe->unknown < 0)
        return;  // The reference forgets it.
    if (*waiting > 0 && !bpe->fuse_unknown) {
        add_symbol(word, (uint32_t)bpe->unknown, *waiting);
        *waiting = 0;
    }
    *waiting += size;
}

static void flush_unknown(const ft_bpe *bpe, symbols *word, size_t *waiting)
{
    if (*waiting > 0)
        add_symbol(word, (uint32_t)bpe->unknown, *waiting);
    *waiting = 0;
}

// The longest piece of the user that begins at `at`; how many bytes, 0 when there is none.
static size_t add_user_defined(const ft_bpe *bpe, ft_slice text, size_t at, symbols *word)
{
    size_t size;
    int32_t id =
        ft_trie_longest(bpe->user_defined, (const uint8_t *)text.data + at, text.size - at, &size);

    if (id == FT_TRIE_NONE)
        return 0;
    add_symbol(word, (uint32_t)id, size);
    return size;
}

static void add_chars(const ft_bpe *bpe, ft_slice text, symbols *word)
{
    size_t waiting = 0;

    for (size_t at = 0, from = 0; at < text.size; from = at) {
        if (bpe->user_defined) {
            at += add_user_defined(bpe, text, at, word);
            if (at > from)
                continue;
        }
        uint32_t code_point = ft_utf8_next(text, &at);
        bool is_first = from == 0, is_last = at == text.size;
        uint32_t symbol = find_char(bpe->chars[(is_first ? 0 : 1) + (is_last ? 2 : 0)], code_point);
        if (bpe->by_text) {
            add_symbol(word, symbol, at - from);
        } else if (symbol != FT_BPE_NOTHING) {
            flush_unknown(bpe, word, &waiting);
            add_symbol(word, symbol, at - from);
        } else {
            ft_slice parts[3] = {is_first ? (ft_slice){0} : bpe->prefix,
                                 {text.data + from, at - from},
                                 is_last ? bpe->suffix : (ft_slice){0}};
            add_unknown(bpe, parts, word, &waiting);
        }
    }
    flush_unknown(bpe, word, &waiting);
}

static bool no_piece(const ft_bpe *bpe, ft_slice text, ft_error *err)
{
    ft_slice shown = ft_shown(text);

    if (bpe->is_bytes)
        return ft_fail(err, FT_ERROR_DATA, "the vocabulary has no piece for the byte 0x%02x",
                       (unsigned char)text.data[0]);
    return ft_fail(err, FT_ERROR_DATA, "the vocabulary has no piece for `%.*s`, nor an unknown one",
                   (int)shown.size, shown.data);
}

// Symbols to tokens. Where merges go by text there are symbols that are no pieces: byte tokens, or
// runs of them are one unknown.
static bool put_symbols(const ft_bpe *bpe, ft_slice text, const symbols *word, ft_token_sink *sink,
                        ft_error *err)
{
    size_t start = 0;

    for (size_t i = 0; i < word->count; i++) {
        size_t end = word->ends[i];
        if (FT_LIKELY(word->ids[i] < FT_BPE_PHANTOM)) {
            ft_token_sink_put(sink, (int32_t)word->ids[i], start, end);
            start = end;
            continue;
        }
        bool has_bytes = bpe->byte_fallback;
        for (size_t at = start; at < end && has_bytes; at++)
            has_bytes = bpe->byte_tokens[(uint8_t)text.data[at]] >= 0;
        for (size_t at = start; at < end && has_bytes; at++)
            ft_token_sink_put(sink, bpe->byte_tokens[(uint8_t)text.data[at]], at, at + 1);
        if (!has_bytes) {
            if (bpe->unknown < 0)
                return no_piece(bpe, (ft_slice){text.data + start, end - start}, err);
            while (i + 1 < word->count && word->ids[i + 1] >= FT_BPE_PHANTOM)
                end = word->ends[++i];
            ft_token_sink_put(sink, bpe->unknown, start, end);
        }
        start = end;
    }
    return true;
}

// Memory for a word of at most `room` symbols.
typedef struct frame {
    uint32_t ids[FT_BPE_SHORT], ends[FT_BPE_SHORT];
    void *memory;
    size_t room;
} frame;

static bool open_word(const ft_bpe *bpe, frame *f, size_t room, ft_model_work *work, symbols *out,
                      ft_error *err)
{
    const size_t halves_bytes = bpe->unused_count * sizeof(halves);
    size_t size;

    f->room = room;
    *out = (symbols){.ids = f->ids, .ends = f->ends};
    if (room <= FT_BPE_SHORT && bpe->unused_count == 0)
        return true;
    if (room >= FT_BPE_NOTHING || FT_MUL_OVERFLOWS(room, (size_t)CHAIN_BYTES, &size) ||
        FT_ADD_OVERFLOWS(size, halves_bytes, &size))
        return ft_fail(err, FT_ERROR_LIMIT, "a word of %zu bytes", room);
    f->memory = ft_model_work_get(work, size, err);
    if (!f->memory)
        return false;
    out->ids = (uint32_t *)(void *)((uint64_t *)f->memory + 2 * room);
    out->ends = out->ids + room;
    return true;
}

static bool close_word(const ft_bpe *bpe, ft_slice text, frame *f, symbols *word,
                       ft_model_work *work, ft_token_sink *sink, ft_error *err)
{
    if (word->count > FT_BPE_SHORT || (word->count > 0 && bpe->unused_count > 0))
        merge_long(bpe, word, f->memory, f->room);
    else
        merge_short(bpe, word);
    bool done = put_symbols(bpe, text, word, sink, err);
    ft_model_work_trim(work);
    return done;
}

// A word that is given as bytes as a whole; -1 when it is no piece.
static bool find_bytes(const ft_bpe *bpe, ft_slice word, ft_model_work *work, int32_t *out,
                       ft_error *err)
{
    enum { LETTERS = 512 };
    char room[LETTERS], *letters = room;
    size_t size = 0;

    *out = -1;
    if (word.size > bpe->vocab->longest)
        return true;
    if (bpe->is_bytes) {
        *out = ft_vocab_find(bpe->vocab, word);
        return true;
    }
    if (2 * word.size > LETTERS)
        letters = ft_model_work_get(work, 2 * word.size, err);
    if (!letters)
        return false;
    for (size_t i = 0; i < word.size; i++)
        size += ft_utf8_put(ft_bpe_letter((uint8_t)word.data[i]), letters + size);
    *out = ft_vocab_find(bpe->vocab, (ft_slice){letters, size});
    return true;
}

bool ft_bpe_split(const ft_bpe *bpe, ft_slice text, ft_model_work *work, ft_token_sink *sink,
                  ft_error *err)
{
    frame f;
    symbols word;

    if (bpe->is_bytes)
        return ft_bpe_split_bytes(bpe, text, work, sink, err);
    if (bpe->ignore_merges) {
        int32_t id = ft_vocab_find(bpe->vocab, text);
        if (id >= 0) {
            ft_token_sink_put(sink, id, 0, text.size);
            return true;
        }
    }
    if (!open_word(bpe, &f, ft_bpe_room(bpe, text.size), work, &word, err))
        return false;
    add_chars(bpe, text, &word);
    return close_word(bpe, text, &f, &word, work, sink, err);
}

bool ft_bpe_split_bytes(const ft_bpe *bpe, ft_slice text, ft_model_work *work, ft_token_sink *sink,
                        ft_error *err)
{
    frame f;
    symbols word;

    if (bpe->ignore_merges) {
        int32_t id;
        if (!find_bytes(bpe, text, work, &id, err))
            return false;
        if (id >= 0) {
            ft_token_sink_put(sink, id, 0, text.size);
            return true;
        }
    }
    if (!open_word(bpe, &f, text.size, work, &word, err))
        return false;
    for (size_t i = 0; i < text.size; i++)
        add_symbol(&word, bpe->byte_symbols[(uint8_t)text.data[i]], 1);
    return close_word(bpe, text, &f, &word, work, sink, err);
}
