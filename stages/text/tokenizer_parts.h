// The inside of a tokenizer, for the files that compile one and the coders that run one.
#pragma once

#include "stages/text/definition_read.h"
#include "stages/text/token_model.h"
#include "stages/text/tokenizer.h"
#include "stages/text/wordpiece.h"

struct ft_tokenizer {
    ft_tokenizer_info info;
    ft_definition definition;  // Its pieces and merges are gone: they are in the model.
    const ft_token_model *model;
    ft_added_set added;             // Looked for in the text as it is.
    ft_added_set added_normalized;  // In the normalised text.
    const int32_t *before, *after;  // Special ids around one text.
    size_t before_count, after_count;
    bool needs_places;            // A step asks where in the text a word stands.
    const ft_wordpiece *is_bert;  // The fast path for BERT can run it; else NULL.
    ft_bert_rules bert_rules;
    bool is_spaced;  // The fast path for words with SentencePiece's sign can run it.
    const struct ft_grammar *grammar;  // The fast path for byte-level BPE can run it; else NULL.
};

// Makes what runs of `tokenizer->definition`. Allocates from `arena`.
bool ft_tokenizer_compile(ft_tokenizer *tokenizer, ft_arena *arena, ft_error *err) FT_MUST_CHECK;

// The counts of `info`.
void ft_tokenizer_count_special(ft_tokenizer *tokenizer);
// The last part of it: what follows from the definition, the model and the added tokens.
bool ft_tokenizer_finish(ft_tokenizer *tokenizer, ft_arena *arena, ft_error *err) FT_MUST_CHECK;

// To or from an image (token_image.h). Of one that is opened only the paths are missing then.
void ft_tokenizer_transfer(ft_tokenizer *tokenizer, ft_image *image);
void ft_definition_transfer(ft_definition *definition, ft_image *image);
void ft_added_set_transfer(ft_added_set *set, bool normalized, ft_image *image);

// The file that `path` stands for: itself, or the one in the folder.
bool ft_tokenizer_find_file(const char *path, ft_arena *arena, const char **out,
                            ft_error *err) FT_MUST_CHECK;
// Files beside a tokenizer's that say something of it; NULL behind the last. No reader looks at
// others.
extern const char *const ft_tokenizer_files_beside[];
// `name` in the folder of `path`. In the arena; NULL without memory.
const char *ft_tokenizer_path_beside(const char *path, const char *name, ft_arena *arena);

// Fails when the policy allows no special tokens in a text and `token` is one.
bool ft_added_token_allow(const ft_added_token *token, ft_special_tokens policy, ft_error *err);

// tokenizer_config.json or another small file beside `path`, as a tree in the arena; `*out` NULL
// when it is not there.
bool ft_tokenizer_read_beside(const char *path, const char *name, ft_arena *arena,
                              const ft_json_node **out, ft_error *err) FT_MUST_CHECK;
// What BERT's tokenizers put around: [CLS] A [SEP] and [CLS] A [SEP] B [SEP]; and their decoder.
bool ft_definition_make_bert_template(const ft_definition_reader *r, int32_t cls, int32_t sep,
                                      ft_error *err) FT_MUST_CHECK;
bool ft_definition_make_wordpiece_decoder(const ft_definition_reader *r,
                                          ft_error *err) FT_MUST_CHECK;
// Of version 2.0 of tokenizer.json: puts the words together that it says in two places.
bool ft_definition_make_words(const ft_definition_reader *r, bool byte_level,
                              ft_error *err) FT_MUST_CHECK;

// What SentencePiece says of its pieces and texts, in its own files and in GGUF.
typedef struct ft_sentencepiece {
    const ft_piece *pieces;  // [piece_count]
    size_t piece_count;
    bool is_bpe, byte_fallback;  // Else Unigram.
    bool add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces;
    bool treat_whitespace_as_suffix;
    ft_slice unknown_surface;  // What an unknown token is in a text; data NULL: its own text.
    ft_slice charsmap;         // Empty: nothing is mapped.
    const char *charsmap_place;
} ft_sentencepiece;

// The normaliser, the model and the decoder; not what stands around a text.
bool ft_definition_make_sentencepiece(const ft_definition_reader *r, const ft_sentencepiece *rules,
                                      ft_error *err) FT_MUST_CHECK;

// Is it the path of one of the two files of GPT-2's tokenizers? Then `*path` becomes vocab.json's.
bool ft_definition_find_merges(const char **path, bool *out_found, ft_arena *arena,
                               ft_error *err) FT_MUST_CHECK;
// The path of the merges that go with a vocab.json; of another file its own. NULL: no memory.
const char *ft_definition_merges_of(const char *path, ft_arena *arena);
// `text` is vocab.json's, in r->path; the files beside it are read (definition_merges.c).
bool ft_definition_read_merges(const ft_definition_reader *r, ft_slice text,
                               ft_error *err) FT_MUST_CHECK;
// vocab.txt (definition_vocab.c), SentencePiece's .model, .tiktoken, GGUF.
bool ft_definition_read_vocab(const ft_definition_reader *r, ft_slice text,
                              ft_error *err) FT_MUST_CHECK;
bool ft_definition_read_sentencepiece(const ft_definition_reader *r, ft_slice text,
                                      ft_error *err) FT_MUST_CHECK;
bool ft_definition_read_tiktoken(const ft_definition_reader *r, ft_slice text,
                                 ft_error *err) FT_MUST_CHECK;
bool ft_definition_read_gguf(const ft_definition_reader *r, ft_slice text,
                             ft_error *err) FT_MUST_CHECK;
