// Byte pair encoding: a word is its characters (or bytes), and of all neighbours that may merge
// those of the lowest rank do, the leftmost first, until none may.
//
// Sennrich, Haddow, Birch: Neural Machine Translation of Rare Words with Subword Units, 2016.
#pragma once

#include "stages/text/token_sink.h"
#include "stages/text/trie.h"
#include "stages/text/vocabulary.h"

// What stands in a word while it is merged: ids, and behind FT_BPE_PHANTOM the characters that only
// occur in pieces and are none. Merges by text need those, since two of them may be a piece.
enum { FT_BPE_PHANTOM = FT_VOCAB_ID_MAX + 1 };
#define FT_BPE_NOTHING UINT32_MAX  // No symbol; no rank.

typedef struct ft_bpe_cell {
    uint32_t rank;  // FT_BPE_NOTHING: the two do not merge.
    uint32_t merged;
} ft_bpe_cell;

typedef struct ft_bpe_pair {
    uint64_t key;  // Left symbol in the upper half, right in the lower; UINT64_MAX: nothing here.
    ft_bpe_cell cell;
} ft_bpe_pair;

typedef struct ft_bpe_char {
    uint32_t code_point;  // UINT32_MAX: nothing is here.
    uint32_t symbol;
} ft_bpe_char;

// Symbols of characters.
typedef struct ft_bpe_chars {
    uint32_t ascii[128];
    const ft_bpe_char *others;  // [1 << (32 - shift)]
    unsigned shift;
} ft_bpe_chars;

// A piece of at most FT_BPE_WORD bytes that is a token when it is a word. Four of them are a cache
// line. Where merges are ignored, FT_BPE_ASK stands for longer ones, to FT_BPE_KEY bytes, that are
// not what their bytes merge to: such a word is to be looked for in the vocabulary.
enum { FT_BPE_WORD = 12, FT_BPE_SIZE_BIT = 32, FT_BPE_ID_BIT = 36, FT_BPE_ASK = -2 };
typedef struct ft_bpe_word {
    uint64_t start;  // The first 8 bytes, padded with zeros.
    uint64_t rest;   // 4 more, the size, the id; 0: nothing is here.
} ft_bpe_word;

typedef struct ft_bpe {
    const ft_vocab *vocab;
    const ft_bpe_pair *pairs;  // [1 << (64 - pair_shift)]
    unsigned pair_shift;
    const ft_trie *user_defined;  // Pieces that are found first and never merge; NULL: none.
    // [unused_ids]: a number below unused_count for each piece that merges and is taken apart
    // again, FT_BPE_NOTHING for others.
    const uint32_t *unused;
    size_t unused_ids, unused_count;
    // Characters in the middle, with the prefix in front (1), with the suffix behind (2), both.
    const ft_bpe_chars *chars[4];
    ft_slice prefix, suffix;
    int32_t unknown;
    int32_t byte_tokens[256];  // <0x00> to <0xFF>; -1: not there.
    bool fuse_unknown, byte_fallback, ignore_merges;
    bool by_text;   // Merges are found by the joined text: unknown characters stay to the end.
    bool is_bytes;  // Pieces are bytes, not text.
    // Words may be given raw, by all that follows: as the bytes that the letters of a vocabulary
    // stand for, or as text with a space for each U+2581.
    bool takes_bytes, takes_spaces;
    bool unique_sizes;              // An id has one size in bytes: ft_bpe_raw_size.
    uint32_t byte_symbols[256];     // FT_BPE_NOTHING: of no piece, or not ASCII with takes_spaces.
    const ft_bpe_cell *byte_cells;  // [256 * 256]
    const uint8_t *raw_sizes;  // [raw_count] by id; 0: no piece, or one of more than 255 bytes.
    size_t raw_count;
    const ft_bpe_word *words;  // [1 << (64 - word_shift)]
    unsigned word_shift;
    // Where text can be cut; NULL without takes_spaces.
    const ft_token_joins *joins;  // [256]
} ft_bpe;

// `vocab` holds the pieces of the definition.
bool ft_bpe_build(const ft_model_definition *definition, const ft_vocab *vocab, const char *path,
                  ft_arena *arena, ft_bpe *out, ft_error *err) FT_MUST_CHECK;
// A character of which a token of words is made: it stands for itself until it merges.
bool ft_bpe_has_char(const ft_bpe *bpe, uint32_t code_point);
// To or from an image (token_image.h), behind the vocabulary.
void ft_bpe_transfer(ft_bpe *bpe, const ft_vocab *vocab, ft_image *image);
// What words that are given raw need.
bool ft_bpe_build_raw(const ft_model_definition *definition, ft_bpe *bpe, ft_arena *arena,
                      ft_error *err) FT_MUST_CHECK;
// The most tokens that a word of `size` bytes may give.
size_t ft_bpe_room(const ft_bpe *bpe, size_t size);
bool ft_bpe_split(const ft_bpe *bpe, ft_slice word, ft_model_work *work, ft_token_sink *sink,
                  ft_error *err) FT_MUST_CHECK;
// A model that takes_bytes.
bool ft_bpe_split_bytes(const ft_bpe *bpe, ft_slice word, ft_model_work *work, ft_token_sink *sink,
                        ft_error *err) FT_MUST_CHECK;
// A model that takes_spaces; only ids, places are not those of the raw word.
bool ft_bpe_split_spaces(const ft_bpe *bpe, ft_slice word, ft_model_work *work, ft_token_sink *sink,
                         ft_error *err) FT_MUST_CHECK;

// Bytes of a word that is given raw for which a token stands; 0: its id does not say.
static inline size_t ft_bpe_raw_size(const ft_bpe *bpe, int32_t id)
{
    return bpe->unique_sizes && (size_t)id < bpe->raw_count ? bpe->raw_sizes[id] : 0;
}

// Short words that are merged side by side: while one waits for the table of pairs, the others go
// on.
enum { FT_BPE_SHORT = 64, FT_BPE_LANE = 16 };
typedef struct ft_bpe_lane {
    uint32_t count, at;  // Symbols; the one that the last merge made.
    // Twice as long, so that what is behind a merge is moved in one piece.
    uint32_t symbols[2 * FT_BPE_LANE];
    ft_bpe_cell cells[2 * FT_BPE_LANE];
} ft_bpe_lane;

// Fills a lane with a word of fewer than FT_BPE_LANE bytes. False when a byte of it is no piece.
bool ft_bpe_open_lane(const ft_bpe *bpe, const uint8_t *bytes, size_t size,
                      ft_bpe_lane *lane) FT_MUST_CHECK;
// Merges 1 to 64 of them; their symbols are ids.
enum { FT_BPE_LANES = 64 };
void ft_bpe_merge_lanes(const ft_bpe *bpe, ft_bpe_lane *lanes, size_t count);

// The letter that stands for a byte in the vocabularies of GPT-2 and after, and back (-1: none).
uint32_t ft_bpe_letter(uint8_t byte);
int ft_bpe_byte(uint32_t letter);

// The key of a word of at most FT_BPE_KEY bytes: the bytes, the size and FT_BPE_MARK; 16 bytes may
// be read.
enum { FT_BPE_KEY = 15, FT_BPE_MARK = 128 };
static inline void ft_bpe_word_key(const uint8_t *word, size_t size, uint64_t out[2])
{
    static const uint64_t masks[9] = {
        0,
        0xff,
        0xffff,
        0xffffff,
        0xffffffff,
        0xffffffffff,
        0xffffffffffff,
        0xffffffffffffff,
        0xffffffffffffffff,
    };
    __builtin_memcpy(out, word, 16);
    out[0] &= masks[size < 8 ? size : 8];
    out[1] &= masks[size < 8 ? 0 : size - 8];
    out[1] |= (uint64_t)size << 56;
}

static inline uint64_t ft_bpe_word_hash(const uint64_t key[2])
{
    uint64_t high;
    uint64_t low = ft_mul_wide(key[0] ^ UINT64_C(0xa0761d6478bd642f),
                               key[1] ^ UINT64_C(0xe7037ed1a0b428db), &high);

    return (low ^ high) * UINT64_C(0x9e3779b97f4a7c15);
}

static inline void ft_bpe_ask_word(const ft_bpe *bpe, uint64_t hash)
{
    FT_PREFETCH(&bpe->words[hash >> bpe->word_shift]);
}

// The bytes behind the 8th and the size, as the table has them.
static inline uint64_t ft_bpe_word_rest(const uint64_t key[2])
{
    return (key[1] & UINT32_MAX) | (key[1] >> 56 & ~(uint64_t)FT_BPE_MARK) << FT_BPE_SIZE_BIT;
}

// The id of a whole word; -1 when it is none, FT_BPE_ASK when it may be: of more than FT_BPE_WORD
// bytes there is no other answer than these.
static inline int32_t ft_bpe_find_word(const ft_bpe *bpe, const uint64_t key[2], uint64_t hash)
{
    const size_t mask = ((size_t)1 << (64 - bpe->word_shift)) - 1;
    const uint64_t rest = ft_bpe_word_rest(key);

    for (size_t at = (size_t)(hash >> bpe->word_shift);; at = (at + 1) & mask) {
        const ft_bpe_word *word = &bpe->words[at];
        if (((word->start ^ key[0]) | (word->rest ^ rest) << (64 - FT_BPE_ID_BIT)) == 0)
            return (int32_t)((int64_t)word->rest >> FT_BPE_ID_BIT);
        if (word->rest == 0)
            return -1;
    }
}

static inline size_t ft_bpe_pair_place(uint64_t key, unsigned shift)
{
    key *= UINT64_C(0x9e3779b97f4a7c15);
    key ^= key >> 32;
    return (size_t)(key * UINT64_C(0xe7037ed1a0b428db) >> shift);
}

static inline void ft_bpe_ask(const ft_bpe *bpe, uint32_t left, uint32_t right)
{
    FT_PREFETCH(&bpe->pairs[ft_bpe_pair_place((uint64_t)left << 32 | right, bpe->pair_shift)]);
}

static inline ft_bpe_cell ft_bpe_look(const ft_bpe *bpe, uint32_t left, uint32_t right)
{
    const uint64_t key = (uint64_t)left << 32 | right;
    const size_t mask = ((size_t)1 << (64 - bpe->pair_shift)) - 1;

    for (size_t at = ft_bpe_pair_place(key, bpe->pair_shift);; at = (at + 1) & mask) {
        const ft_bpe_pair *pair = &bpe->pairs[at];
        if (pair->key == key)
            return pair->cell;
        if (pair->key == UINT64_MAX)
            return (ft_bpe_cell){FT_BPE_NOTHING, FT_BPE_NOTHING};
    }
}
