// From a row of logits to the next token: greedy, or drawn from what temperature, top-k, top-p and
// min-p leave.
//
// The steps and their order are those of transformers' LogitsProcessors: repetition penalty,
// temperature, top-k, top-p, min-p. What is drawn depends on the logits, the settings and the
// caller's random number alone.
#pragma once

#include "runtime/memory/account.h"

typedef struct ft_sampling {
    float temperature;         // 0: the greatest logit, and of equal ones the first.
    size_t top_k;              // Keeps the k greatest, and what is equal to the last; 0: all.
    float top_p;               // Keeps the fewest whose probabilities reach it; 1: all.
    float min_p;               // Keeps what has this share of the greatest probability; 0: all.
    float repetition_penalty;  // Of tokens that are there already; 1: none.
} ft_sampling;

typedef struct ft_candidate {
    int32_t id;
    float logit;         // After penalty and temperature.
    double probability;  // Of all that are left.
} ft_candidate;

// One thread's scratch memory.
typedef struct ft_sampler ft_sampler;

// Charged to `account`: 17 bytes a token of the vocabulary.
ft_sampler *ft_sampler_create(size_t vocabulary, ft_account *account, ft_error *err) FT_MUST_CHECK;
void ft_sampler_destroy(ft_sampler *sampler);  // NULL is fine.
// Divides the positive logits of tokens in `ids`, and multiplies the others; each token once. Ids
// are within the vocabulary.
void ft_sampler_penalize(ft_sampler *sampler, float *logits, const int32_t *ids, size_t count,
                         float penalty);
// What may be drawn, with probabilities that add up to 1; at least one where the greatest logit is
// a finite number, else none. Valid until the next call.
size_t ft_sampler_filter(ft_sampler *sampler, const ft_sampling *sampling, const float *logits,
                         const ft_candidate **out);
// The next token; `number` is in [0, 1), and without effect at temperature 0. -1 when the greatest
// logit is not a finite number.
int32_t ft_sampler_pick(ft_sampler *sampler, const ft_sampling *sampling, const float *logits,
                        double number);
