// One entry for each byte of the word: the best sum of a way that ends there, and its last piece.
// From each character a walk down the trie finds the pieces that begin there, so a word costs its
// length times that of the longest piece at worst, and memory is 16 bytes a byte.
//
// Equals: the first way that is found stays, which is the one whose last piece begins earliest.
#include "stages/text/unigram.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "runtime/memory/alloc.h"

#define UNKNOWN_PENALTY 10.0

enum { NO_PIECE = -1, NO_START = UINT32_MAX };

typedef struct node {
    union {
        double score;   // While ways are found.
        uint32_t next;  // Afterwards, of a place on the best way: where the next place is.
    };
    uint32_t start;  // NO_START: no way ends here.
    int32_t piece;   // NO_PIECE: a character that is none.
} node;

static size_t char_size(uint8_t lead)
{
    return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

static inline bool offer(node *to, double score, size_t start, int32_t piece)
{
    if (to->start != NO_START && !(score > to->score))
        return false;
    *to = (node){.score = score, .start = (uint32_t)start, .piece = piece};
    return true;
}

// SentencePiece adds in single precision; a float and its double compare alike.
FT_ALWAYS_INLINE double sum(double score, double here, bool single)
{
    return single ? (double)((float)score + (float)here) : score + here;
}

// SentencePiece counts from 0 anew where a sum is beyond 100,000, so that digits are left for what
// comes (0.2.3; found by experiment, so the bound too). Ways that go over `at` are counted anew
// too.
enum { SUM_MAX = 100000 };

static void count_anew(node *nodes, size_t at, size_t last)
{
    const float gone = (float)nodes[at].score;

    for (size_t i = at; i <= last; i++) {
        if (nodes[i].start != NO_START)
            nodes[i].score = (double)((float)nodes[i].score - gone);
    }
}

// Returns whether an unknown character was the best way to some place.
FT_ALWAYS_INLINE bool find_ways(const ft_unigram *u, const uint8_t *word, size_t size, node *nodes,
                                bool single)
{
    const ft_trie_node *trie = u->trie.nodes;
    const size_t longest = u->vocab->longest;
    bool has_unknown = false;

    nodes[0] = (node){.score = 0};
    for (size_t i = 1; i <= size; i++)
        nodes[i].start = NO_START;
    for (size_t at = 0, step; at < size; at += step) {
        if (single && FT_UNLIKELY(fabs(nodes[at].score) > SUM_MAX))
            count_anew(nodes, at, size - at < longest ? size : at + longest);
        const double here = nodes[at].score;
        bool has_single = false;
        int32_t place = FT_TRIE_ROOT;
        step = char_size(word[at]);
        step = step < size - at ? step : size - at;
        for (size_t end = at; end < size;) {
            int32_t child = trie[place].base ^ word[end];
            if (trie[child].check != place)
                break;
            place = child;
            end++;
            int32_t piece = trie[place].value;
            if (piece == FT_TRIE_NONE)
                continue;
            offer(&nodes[end], sum(u->pieces[piece].score, here, single), at, piece);
            has_single |= end == at + step;
        }
        if (!has_single)
            has_unknown |=
                offer(&nodes[at + step], sum(u->unknown_score, here, single), at, NO_PIECE);
    }
    return has_unknown;
}

// Turns the links of the best way round.
static void turn(node *nodes, size_t size)
{
    for (size_t end = size, start; end > 0; end = start) {
        start = nodes[end].start;
        nodes[start].next = (uint32_t)end;
    }
}

static bool is_unknown(const ft_unigram *u, const node *one)
{
    return one->piece == NO_PIECE ||
           (!u->single_precision && u->pieces[one->piece].id == u->unknown);
}

static bool has_byte_tokens(const ft_unigram *u, ft_slice run)
{
    for (size_t i = 0; i < run.size; i++) {
        if (u->byte_tokens[(uint8_t)run.data[i]] < 0)
            return false;
    }
    return true;
}

// A run of unknown characters. In tokenizers each byte's token has the place of the whole run (in
// SentencePiece its own); and the run may be a piece after all, of so low a score that it was not
// taken.
static void put_unknown(const ft_unigram *u, ft_slice word, size_t start, size_t end,
                        ft_token_sink *sink)
{
    ft_slice run = {word.data + start, end - start};
    int32_t id = u->single_precision ? -1 : ft_vocab_find(u->vocab, run);

    if (id >= 0 || !u->byte_fallback || !has_byte_tokens(u, run)) {
        ft_token_sink_put(sink, id < 0 ? u->unknown : id, start, end);
        return;
    }
    for (size_t i = 0; i < run.size; i++)
        ft_token_sink_put(sink, u->byte_tokens[(uint8_t)run.data[i]],
                          u->single_precision ? start + i : start,
                          u->single_precision ? start + i + 1 : end);
}

static void put_best(const ft_unigram *u, ft_slice word, const node *nodes, ft_token_sink *sink)
{
    for (size_t start = 0, end; start < word.size; start = end) {
        end = nodes[start].next;
        if (FT_LIKELY(!is_unknown(u, &nodes[end]))) {
            ft_token_sink_put(sink, u->pieces[nodes[end].piece].id, start, end);
            continue;
        }
        while (end < word.size && is_unknown(u, &nodes[nodes[end].next]))
            end = nodes[end].next;
        put_unknown(u, word, start, end, sink);
    }
}

bool ft_unigram_split(const ft_unigram *u, ft_slice word, ft_model_work *work, ft_token_sink *sink,
                      ft_error *err)
{
    enum { SHORT = 64 };
    node room[SHORT + 1], *nodes = room;
    size_t bytes;

    if (word.size > SHORT) {
        if (word.size >= UINT32_MAX || FT_MUL_OVERFLOWS(word.size + 1, sizeof(*nodes), &bytes))
            return ft_fail(err, FT_ERROR_LIMIT, "a word of %zu bytes", word.size);
        nodes = ft_model_work_get(work, bytes, err);
        if (!nodes)
            return false;
    }
    bool has_unknown = u->single_precision
                           ? find_ways(u, (const uint8_t *)word.data, word.size, nodes, true)
                           : find_ways(u, (const uint8_t *)word.data, word.size, nodes, false);
    bool done = !has_unknown || u->unknown >= 0;
    if (done) {
        turn(nodes, word.size);
        put_best(u, word, nodes, sink);
    } else {
        ft_slice shown = ft_shown(word);
        ft_fail(err, FT_ERROR_DATA,
                "the vocabulary lacks a piece for some character of `%.*s`, and an unknown one",
                (int)shown.size, shown.data);
    }
    ft_model_work_trim(work);
    return done;
}

// Scores of pieces. SentencePiece counts normal ones for lowest and highest, and gives those of the
// user a score above all others: their bytes times the highest, which is 0.1 at least, less 0.1,
// rounded once (0.2.3; found by experiment, older ones have another least).
static void fill_pieces(const ft_model_definition *d, ft_unigram_piece *pieces, double *out_lowest)
{
    float highest = 0.1f, lowest = FLT_MAX;
    double lowest_double = (double)INFINITY;

    for (size_t i = 0; i < d->piece_count; i++) {
        double score = d->pieces[i].score;
        pieces[i] = (ft_unigram_piece){.score = score, .id = d->pieces[i].id};
        if (d->single_precision)
            pieces[i].score = (double)(float)score;
        if (score < lowest_double)
            lowest_double = score;
        if (d->pieces[i].kind == FT_PIECE_NORMAL) {
            lowest = (float)score < lowest ? (float)score : lowest;
            highest = (float)score > highest ? (float)score : highest;
        }
    }
    *out_lowest = d->single_precision ? (double)lowest : lowest_double;
    for (size_t i = 0; i < d->piece_count && d->single_precision; i++) {
        if (d->pieces[i].kind == FT_PIECE_USER_DEFINED)
            pieces[i].score =
                (double)(float)((double)d->pieces[i].text.size * (double)highest - 0.1);
    }
}

// Of equal texts the last; they stand in the order of the file.
static size_t keep_last(ft_trie_key *keys, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && keys[kept - 1].head == keys[i].head &&
            ft_slice_equal(keys[kept - 1].text, keys[i].text))
            kept--;
        keys[kept++] = keys[i];
    }
    return kept;
}

static bool build_trie(const ft_model_definition *d, ft_arena *arena, ft_trie *out, ft_error *err)
{
    ft_trie_key *keys = ft_alloc_array(d->piece_count + 1, sizeof(*keys));
    size_t count = 0;

    if (!keys)
        return ft_fail_nomem(err, (d->piece_count + 1) * sizeof(*keys));
    for (size_t i = 0; i < d->piece_count; i++) {
        const ft_piece *piece = &d->pieces[i];
        if (piece->text.size == 0 || piece->kind == FT_PIECE_CONTROL ||
            piece->kind == FT_PIECE_UNUSED)
            continue;
        keys[count++] = ft_trie_make_key(piece->text, (int32_t)i);
    }
    ft_trie_sort(keys, count);
    bool done = ft_trie_build(keys, keep_last(keys, count), arena, out, err);
    ft_free(keys);
    return done;
}

bool ft_unigram_build(const ft_model_definition *d, const ft_vocab *vocab, ft_arena *arena,
                      ft_unigram *out, ft_error *err)
{
    static const char digits[] = "0123456789ABCDEF";
    ft_unigram_piece *pieces = ft_arena_alloc(arena, (d->piece_count + 1) * sizeof(*pieces));
    double lowest;

    if (!pieces)
        return ft_fail_nomem(err, (d->piece_count + 1) * sizeof(*pieces));
    fill_pieces(d, pieces, &lowest);
    *out = (ft_unigram){.vocab = vocab,
                        .pieces = pieces,
                        .unknown_score = lowest - UNKNOWN_PENALTY,
                        .unknown = d->unknown,
                        .byte_fallback = d->byte_fallback,
                        .single_precision = d->single_precision};
    if (d->single_precision)
        out->unknown_score = (double)((float)lowest - (float)UNKNOWN_PENALTY);
    for (unsigned byte = 0; byte < 256; byte++) {
        char text[6] = {'<', '0', 'x', digits[byte / 16], digits[byte % 16], '>'};
        out->byte_tokens[byte] = ft_vocab_find(vocab, (ft_slice){text, sizeof(text)});
    }
    return build_trie(d, arena, &out->trie, err);
}
