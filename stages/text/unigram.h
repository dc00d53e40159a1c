// Unigram: of all ways to cut a word into pieces the one with the highest sum of scores; a
// character that is no piece costs ten below the lowest score.
//
// Kudo: Subword Regularization, 2018; the search is the one of SentencePiece and tokenizers: best
// way to each byte, from left to right.
#pragma once

#include "stages/text/token_sink.h"
#include "stages/text/trie.h"
#include "stages/text/vocabulary.h"

typedef struct ft_unigram_piece {
    double score;
    int32_t id;
} ft_unigram_piece;

typedef struct ft_unigram {
    const ft_vocab *vocab;
    ft_trie trie;  // To places in `pieces`.
    const ft_unigram_piece *pieces;
    double unknown_score;
    int32_t unknown;
    int32_t byte_tokens[256];  // <0x00> to <0xFF>; -1: not there.
    bool byte_fallback;
    bool single_precision;
} ft_unigram;

bool ft_unigram_build(const ft_model_definition *definition, const ft_vocab *vocab, ft_arena *arena,
                      ft_unigram *out, ft_error *err) FT_MUST_CHECK;
// To or from an image (token_image.h), behind the vocabulary.
void ft_unigram_transfer(ft_unigram *unigram, const ft_vocab *vocab, ft_image *image);
bool ft_unigram_split(const ft_unigram *unigram, ft_slice word, ft_model_work *work,
                      ft_token_sink *sink, ft_error *err) FT_MUST_CHECK;
