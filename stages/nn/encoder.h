// Token ids in, sentence vectors out: a BERT encoder over many texts of different lengths at once,
// without padding.
//
// A vector's bits depend on the text's tokens and the kernels' level alone: not on the texts beside
// it.
#pragma once

#include "runtime/memory/account.h"
#include "stages/nn/encoder_model.h"

// One text: `count` tokens, at least one. Of more than the model's `max_tokens` the first and, in
// the last place, the very last one count ([CLS] ... [SEP] stays that).
typedef struct ft_token_span {
    const int32_t
        *ids;  // Each at least 0 and below the model's vocabulary: the caller has checked.
    size_t count;
} ft_token_span;

// What one thread needs to run an encoder: 7 MB for a model of 384 numbers a token.
typedef struct ft_encoder_run ft_encoder_run;

// Charged to `account`. `pooling` must not be FT_POOLING_UNKNOWN.
ft_encoder_run *ft_encoder_run_create(const ft_encoder *encoder, ft_pooling pooling, bool normalize,
                                      ft_account *account, ft_error *err) FT_MUST_CHECK;
void ft_encoder_run_destroy(ft_encoder_run *run);  // NULL is fine.
// The first texts of `spans` that fit one go, at least one: writes their vectors to `out` ([hidden]
// each) and returns how many they were.
size_t ft_encoder_run_some(ft_encoder_run *run, const ft_token_span *spans, size_t count,
                           float *out);
