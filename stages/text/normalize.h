// Normalisers of tokenizers, one step after the other, exactly as tokenizers 0.23.3 has them: its
// Unicode versions too (unicode.h).
//
// One fault of the reference is not followed: where a step puts text of no origin at the very start
// (Replace of a match of nothing there, Prepend of nothing), its later steps double that text or
// stop. Here they go on.
#pragma once

#include "stages/text/aligned.h"
#include "stages/text/definition.h"

// Changes `text`; `spare` is memory that is used again (same account, same has_spans).
bool ft_normalize(const ft_normalize_step *steps, size_t count, ft_aligned *text, ft_aligned *spare,
                  ft_error *err) FT_MUST_CHECK;
