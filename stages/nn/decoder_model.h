// A language model of the Llama kind: the layers of encoder_model.h, which see only what is before
// them, and a head that makes a logit for each token of the vocabulary.
#pragma once

#include "stages/nn/encoder_model.h"

typedef struct ft_lm {
    const ft_encoder *encoder;
    ft_linear head;  // Of `hidden` numbers: [vocabulary].
} ft_lm;

enum { FT_LM_SHARED_MAX = 28 };  // Heads of queries that share one of keys.

// Finds fault with a model without reading its weights: a decoder that can run, of the right
// shapes.
bool ft_lm_check(const char *path, const ft_encoder_config *config, ft_arena *arena,
                 ft_error *err) FT_MUST_CHECK;
// Loads the model for the life of the arena.
bool ft_lm_load(const char *path, const ft_encoder_config *config, ft_arena *arena, ft_lm **out,
                ft_error *err) FT_MUST_CHECK;
