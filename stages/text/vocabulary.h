// The pieces of a vocabulary, whatever the model: text to id by a hash table, id to text by a
// search in the order of ids. Built once, read-only afterwards.
#pragma once

#include "runtime/memory/arena.h"
#include "stages/text/definition.h"

enum { FT_VOCAB_ID_MAX = (1 << 24) - 1, FT_VOCAB_TAIL = 64 };

typedef struct ft_vocab_record {
    int32_t id;             // -1: forgotten.
    uint32_t offset, size;  // Of `texts`.
} ft_vocab_record;

typedef struct ft_vocab_slot {
    uint32_t tag;  // The low half of the hash, so that most comparisons need no look at the text.
    uint32_t record;  // UINT32_MAX: nothing is here.
} ft_vocab_slot;

typedef struct ft_vocab {
    const char *texts;               // FT_VOCAB_TAIL bytes behind the last may be read.
    const ft_vocab_record *records;  // [count], as they stand in the file.
    size_t count;
    const uint32_t *order;  // [ordered]: records by id; NULL: they stand so, with no id twice.
    size_t ordered;
    const ft_vocab_slot *slots;  // [1 << (64 - shift)]
    unsigned shift;
    size_t longest;  // Bytes of the longest text.
} ft_vocab;

typedef enum ft_vocab_duplicates {
    FT_VOCAB_FORGET,  // Of equal texts the last is the piece; the ids of others have no text.
    FT_VOCAB_KEEP,    // The last is found by its text; every id has its text.
} ft_vocab_duplicates;

// Copies the texts into the arena. Of equal ids the last has the text. A fault names `path` and the
// piece.
bool ft_vocab_build(const ft_piece *pieces, size_t count, ft_vocab_duplicates duplicates,
                    const char *path, ft_arena *arena, ft_vocab *out, ft_error *err) FT_MUST_CHECK;
typedef struct ft_image ft_image;
// To or from an image (token_image.h). `is_text`: texts are UTF-8.
void ft_vocab_transfer(ft_vocab *vocab, bool is_text, ft_image *image);
int32_t ft_vocab_find(const ft_vocab *vocab, ft_slice text);   // -1: no piece is spelt so.
size_t ft_vocab_record_of(const ft_vocab *vocab, int32_t id);  // SIZE_MAX: no piece has it.
// data NULL: no piece has that id.
ft_slice ft_vocab_text(const ft_vocab *vocab, int32_t id);
size_t ft_vocab_id_end(const ft_vocab *vocab);      // One more than the largest id.
bool ft_vocab_has_one_text(const ft_vocab *vocab);  // Each id; none was forgotten for another.
// [ft_vocab_id_end] by id, into the arena: how many bytes of a text its token stands for, and 0
// where its own text does not say: that of `unknown`, of what is longer than 255 bytes, of ids with
// several texts. <0x41>, which stands for a byte, has `byte_size`. NULL with `err` set.
const uint8_t *ft_vocab_sizes(const ft_vocab *vocab, int32_t unknown, uint8_t byte_size,
                              ft_arena *arena, ft_error *err);

// The pieces of the user with their ids, of equal ones the first; NULL when there are none.
bool ft_pieces_user_defined(const ft_piece *pieces, size_t count, ft_arena *arena,
                            const ft_trie **out, ft_error *err) FT_MUST_CHECK;

// "model.vocab[17]", into the caller's room.
enum { FT_PLACE_BYTES = 48 };
const char *ft_model_place(char room[FT_PLACE_BYTES], const char *list, size_t index);
// Cut for messages; never in the middle of a character.
ft_slice ft_shown(ft_slice text);

// Two texts that merge, as a file has them.
typedef struct ft_merge_text {
    ft_slice left, right;
} ft_merge_text;

// The ids of merges: of both parts, and of the piece that is left and right together, less the
// `prefix` that right begins with. Into the arena.
bool ft_merges_resolve(const ft_piece *pieces, size_t piece_count, ft_slice prefix,
                       const ft_merge_text *texts, size_t count, const char *path, ft_arena *arena,
                       const ft_merge **out, ft_error *err) FT_MUST_CHECK;
