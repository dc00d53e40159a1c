// Runs a language model over tokens of many sequences at once, each with a cache of the keys and
// values of what it has seen.
//
// The cache is a pool of pages of 32 tokens, as many as it is made with; a sequence holds pages
// from its begin to its end. One step takes a piece of each of several sequences: a part of a
// prompt, or the last token of one that goes on. All of them share each read of the weights.
//
// A logit's bits depend on the tokens of its sequence and the kernels' level alone: not on other
// sequences, nor on how a prompt was cut into pieces, nor on the number of threads.
#pragma once

#include "runtime/memory/account.h"
#include "stages/nn/decoder_model.h"
#include "stages/nn/team.h"

enum {
    FT_LM_PAGE_TOKENS = FT_PANEL_COLUMNS,
    FT_LM_ROWS_MAX = 256,  // Tokens of one step.
};

typedef struct ft_lm_run ft_lm_run;

typedef struct ft_lm_sequence {
    uint32_t *pages;    // [page_count]
    size_t page_count;  // Enough for all the tokens it was begun for.
    size_t length;      // Tokens that are in the cache.
} ft_lm_sequence;

typedef struct ft_lm_piece {
    ft_lm_sequence *sequence;
    const int32_t *ids;  // What follows in the sequence; within the vocabulary.
    size_t count;        // At least 1.
    bool wants_logits;   // Of the last token.
} ft_lm_piece;

// A cache for `cache_tokens` in all and `context` of one sequence, rounded up to pages. Charged to
// `account`; of the cache only what is used takes memory. `team`: who shares each step; NULL: the
// caller alone. It outlives the run.
ft_lm_run *ft_lm_run_create(const ft_lm *lm, size_t cache_tokens, size_t context, ft_team *team,
                            ft_account *account, ft_error *err) FT_MUST_CHECK;
void ft_lm_run_destroy(ft_lm_run *run);  // NULL is fine.
size_t ft_lm_page_bytes(const ft_lm *lm);

// Takes pages for `tokens`, at most `context`. `*out_fits` false: not so many are free, and nothing
// was taken.
bool ft_lm_begin(ft_lm_run *run, size_t tokens, ft_lm_sequence *out, bool *out_fits,
                 ft_error *err) FT_MUST_CHECK;
void ft_lm_end(ft_lm_run *run, ft_lm_sequence *sequence);  // A zeroed one is fine.

// Called for each piece that wants logits, in order: [vocabulary], which it may change.
typedef void ft_lm_take(void *host, size_t piece, float *logits);
// One step. The pieces are of different sequences and have at most FT_LM_ROWS_MAX tokens together,
// which their sequences have room for.
void ft_lm_step(ft_lm_run *run, const ft_lm_piece *pieces, size_t count, ft_lm_take *take,
                void *host);
