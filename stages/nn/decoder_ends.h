// Tokens behind which a language model's text ends.
#pragma once

#include "stages/nn/encoder_config.h"

enum { FT_LM_ENDS_MAX = 32 };

typedef struct ft_lm_ends {
    int32_t ids[FT_LM_ENDS_MAX];  // Different ones, within the vocabulary.
    size_t count;
} ft_lm_ends;

// What generation_config.json, else config.json, or GGUF's keys say; none is fine.
bool ft_lm_read_ends(const char *path, const ft_encoder_config *config, ft_arena *arena,
                     ft_lm_ends *out, ft_error *err) FT_MUST_CHECK;
