// The steps of ft_normalize that have a file of their own. Each changes `text`, with `spare` as the
// other side of a rewrite.
#pragma once

#include "stages/text/aligned.h"
#include "stages/text/definition.h"

// One of the four normal forms.
bool ft_normalize_form(ft_unicode_set form, ft_aligned *text, ft_aligned *spare,
                       ft_error *err) FT_MUST_CHECK;
bool ft_normalize_precompiled(const ft_charsmap *map, ft_aligned *text, ft_aligned *spare,
                              ft_error *err) FT_MUST_CHECK;
bool ft_normalize_sentencepiece(const ft_normalize_step *step, ft_aligned *text, ft_aligned *spare,
                                ft_error *err) FT_MUST_CHECK;
