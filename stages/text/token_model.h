// Models: a word to the tokens that the vocabulary has for it. Compiled from a definition,
// immutable, shared by all threads; scratch memory belongs to one instance.
#pragma once

#include "runtime/memory/account.h"
#include "stages/text/definition.h"
#include "stages/text/token.h"

typedef struct ft_token_model ft_token_model;
typedef struct ft_model_scratch ft_model_scratch;

// Everything lives in the arena; `definition` may go afterwards. A fault names `path` and the
// place.
bool ft_token_model_build(const ft_model_definition *definition, const char *path, ft_arena *arena,
                          const ft_token_model **out, ft_error *err) FT_MUST_CHECK;

typedef struct ft_image ft_image;
// To or from an image (token_image.h).
void ft_token_model_transfer(const ft_token_model **model, ft_image *image);
bool ft_token_model_is(const ft_token_model *model, ft_model_kind kind, bool is_bytes);

// Its caches are bounded (at most 4 MiB unless `cache_bytes` says otherwise, and a 64th of what the
// account allows).
ft_model_scratch *ft_model_scratch_create(const ft_token_model *model, size_t cache_bytes,
                                          ft_account *account, ft_error *err);
void ft_model_scratch_destroy(ft_model_scratch *scratch);

// A token of a word and its place there, in bytes. Places are those of the reference: byte tokens
// of a Unigram model all have the place of the characters that they spell, and in BPE characters
// that are forgotten (no unknown token) do not count.
typedef struct ft_model_token {
    int32_t id;
    uint32_t start, end;
} ft_model_token;

// The most tokens that a word of `size` bytes may give: `size` but for odd vocabularies.
size_t ft_token_model_room(const ft_token_model *model, size_t size);

// `word` is not empty, valid UTF-8 unless the definition says `is_bytes`; 64 bytes behind it may be
// read. `*out` has room for `room` tokens. Linear in the size of the word but for a logarithm.
bool ft_token_model_split(const ft_token_model *model, ft_model_scratch *scratch, ft_slice word,
                          ft_model_token *out, size_t room, size_t *out_count,
                          ft_error *err) FT_MUST_CHECK;
// The same without places, for when only ids are asked for: through the cache.
bool ft_token_model_ids(const ft_token_model *model, ft_model_scratch *scratch, ft_slice word,
                        int32_t *out, size_t room, size_t *out_count, ft_error *err) FT_MUST_CHECK;

// Ids of many words of one text, one behind the other: word i ends at `ends[i]`, the first begins
// at 0; none is empty. `counts[i]` becomes how many it gives. As above, and memory is asked for
// ahead.
bool ft_token_model_words(const ft_token_model *model, ft_model_scratch *scratch, ft_slice text,
                          const uint32_t *ends, uint32_t *counts, size_t count, int32_t *out,
                          size_t room, size_t *out_count, ft_error *err) FT_MUST_CHECK;

// Whether words may be given as bytes to the functions below: a vocabulary of bytes, or one of
// letters that stand for bytes, with a letter for each. They save writing the letters, and places
// are in the bytes that were given.
bool ft_token_model_takes_bytes(const ft_token_model *model);
bool ft_token_model_byte_split(const ft_token_model *model, ft_model_scratch *scratch,
                               ft_slice word, ft_model_token *out, size_t room, size_t *out_count,
                               ft_error *err) FT_MUST_CHECK;
bool ft_token_model_byte_ids(const ft_token_model *model, ft_model_scratch *scratch, ft_slice word,
                             int32_t *out, size_t room, size_t *out_count,
                             ft_error *err) FT_MUST_CHECK;
bool ft_token_model_byte_words(const ft_token_model *model, ft_model_scratch *scratch,
                               ft_slice text, const uint32_t *ends, uint32_t *counts, size_t count,
                               int32_t *out, size_t room, size_t *out_count,
                               ft_error *err) FT_MUST_CHECK;

// Places from ids. [*out_count] by id: how many bytes of a word a token of it stands for, 0 when
// its id does not say; `as_bytes`: the word was given as bytes. That all sizes are known and add up
// to the word's says that they are right. With a count of 0 the list may be NULL.
const uint8_t *ft_token_model_sizes(const ft_token_model *model, bool as_bytes, size_t *out_count);
// The places, from `start` on, of tokens of words that were given as bytes and stand side by side,
// `size` bytes together. False: sizes do not say, and `spans` holds anything.
bool ft_token_model_add_up(const ft_token_model *model, const int32_t *ids, size_t count,
                           uint32_t start, ft_span *spans, size_t size) FT_MUST_CHECK;
// Whether ft_token_model_add_up says it of all texts that are given with a space for each sign.
bool ft_token_model_adds_up(const ft_token_model *model);
// Whether the token of a word that is one token stands for all of the word.
bool ft_token_model_is_whole(const ft_token_model *model, bool as_bytes);

// Whether text can be cut before each SentencePiece's sign for a space (U+2581) that other
// characters stand before, and its parts give the ids that the whole gives: a BPE model whose
// merges never go from other characters to it.
bool ft_token_model_begins_at_sign(const ft_token_model *model);

// Bit b of row a: one token may have a character that ends with the byte a, and then one that
// begins with the byte b. Text can be cut wherever none may, and its parts give the ids that the
// whole gives; they may be given to ft_token_model_byte_words with a space for each sign. NULL: of
// a model for which that is not so.
typedef struct ft_token_joins {
    uint8_t after[32];
} ft_token_joins;  // [256]
const ft_token_joins *ft_token_model_joins(const ft_token_model *model);

struct ft_wordpiece;
// Of a WordPiece model, for the fast path of BERT's tokenizers; NULL of others.
const struct ft_wordpiece *ft_token_model_wordpiece(const ft_token_model *model);

// Of the vocabulary: -1 when it is not there; an empty slice with data NULL when no piece has it.
int32_t ft_token_model_find(const ft_token_model *model, ft_slice text);
ft_slice ft_token_model_text(const ft_token_model *model, int32_t id);
size_t ft_token_model_id_end(const ft_token_model *model);  // One more than the largest id.
