// Token ids in, a row of numbers for each token out: an encoder over many texts of different
// lengths at once, without padding. What makes one vector of a text's rows is pooling.h.
//
// A row's bits depend on the text's tokens and the kernels' level alone: not on the texts beside
// it.
#pragma once

#include "runtime/memory/account.h"
#include "stages/nn/encoder_model.h"
#include "stages/nn/team.h"

// One text: `count` tokens, at least one. Of more than the model's `max_tokens` the first and, in
// the last place, the very last one count ([CLS] ... [SEP] stays that). The caller has checked ids
// and types.
typedef struct ft_token_span {
    const int32_t *ids;    // Each at least 0 and below the model's vocabulary.
    const int32_t *types;  // Each at least 0 and below the model's `types`; NULL: all 0. Of a
                           // model without types not looked at.
    size_t count;
} ft_token_span;

// Rows of a text, or of several end to end: row i from at[i * stride] on.
typedef struct ft_rows {
    const float *at;
    size_t stride;
} ft_rows;

enum { FT_ENCODER_TOKENS = 512 };  // That a run has room for when it is made.

// What one thread needs to run an encoder: 7 MB for a model of 384 numbers a token.
typedef struct ft_encoder_run ft_encoder_run;

// Charged to `account`.
ft_encoder_run *ft_encoder_run_create(const ft_encoder *encoder, ft_account *account,
                                      ft_error *err) FT_MUST_CHECK;
void ft_encoder_run_destroy(ft_encoder_run *run);  // NULL is fine.
const ft_encoder *ft_encoder_run_encoder(const ft_encoder_run *run);
// `is_cancelled` is asked from now on, before each layer, block of rows and tile of queries and by
// any thread of a team: true, which it must stay then, ends what is being run
// (ft_encoder_run_some). A team must be given anew (ft_encoder_run_share).
void ft_encoder_run_watch(ft_encoder_run *run, bool (*is_cancelled)(const void *host),
                          const void *host);
// Makes room for the longest of these texts; to be called, and to succeed, before a text of more
// than FT_ENCODER_TOKENS tokens is run. Rows of an earlier call are gone. What it takes is charged
// to the account; fails when that cannot hold it (texts of FT_ENCODER_TOKENS need another call
// then).
bool ft_encoder_run_reserve(ft_encoder_run *run, const ft_token_span *spans, size_t count,
                            ft_error *err) FT_MUST_CHECK;
// Rows, or of few rows the outputs of each product, and heads are shared with `team`, always the
// same one, from now on; NULL: with nobody. Where there is no memory for what each of it needs,
// nobody helps.
void ft_encoder_run_share(ft_encoder_run *run, ft_team *team);
// How many rows a text has: its tokens, or the model's most.
size_t ft_encoder_rows(const ft_encoder *encoder, const ft_token_span *span);
// Runs the first texts of `spans` that fit one go, at least one, and returns how many they were.
// Their rows ([hidden] each) lie end to end in `*out_rows` until the next call. 0: cancelled
// (ft_encoder_run_watch).
size_t ft_encoder_run_some(ft_encoder_run *run, const ft_token_span *spans, size_t count,
                           ft_rows *out_rows);
// The same for those who look at each text's first row alone ([CLS]): there is one row a text, of
// the same bits. The last layer is run for these rows only, which is most of it.
size_t ft_encoder_run_first(ft_encoder_run *run, const ft_token_span *spans, size_t count,
                            ft_rows *out_rows);
